//! Create requests: validation, defaults and responses.

use super::*;

async fn refused(switches: Switches, changes: &[(&str, &str)]) -> (u16, Value, World) {
    let world = World::new(switches, Behavior::Busy);
    let twiml = twiml();
    let (status, body) = world
        .try_create(&with(&call(&twiml), changes))
        .await
        .expect("an answer");
    (status, body, world)
}

#[tokio::test(start_paused = true)]
async fn an_invalid_request_gets_its_error_code_and_places_no_call() {
    let long = format!("https://hooks.example.org/{}", "x".repeat(4_000));
    let cases: [(&[(&str, &str)], u32); 20] = [
        (&[("To", "")], 21_201),
        (&[("From", "")], 21_213),
        (&[("To", "12025550123")], 21_211),
        (&[("To", OUR_NUMBERS[0])], 21_211),
        (&[("From", "patchbay")], 21_212),
        (&[("From", "+12025550155")], 21_210),
        (&[("Twiml", "")], 21_205),
        (&[("Url", "/voice")], 21_205),
        (&[("StatusCallback", "status")], 21_609),
        (&[("StatusCallback", "https://my_hooks.example.org/")], 21_609),
        (&[("StatusCallback", &long)], 21_609),
        (&[("Timeout", "601")], 21_208),
        (&[("Timeout", "0")], 21_208),
        (&[("Timeout", "20.5")], 21_208),
        (&[("TimeLimit", "x")], 20_001),
        (&[("MachineDetection", "enable")], 21_234),
        (
            &[("MachineDetection", "Enable"), ("MachineDetectionTimeout", "2")],
            21_234,
        ),
        (
            &[("MachineDetection", "Enable"), ("MachineDetectionSilenceTimeout", "1")],
            21_234,
        ),
        (&[("MachineDetection", "Enable"), ("AsyncAmd", "True")], 21_234),
        (&[("StatusCallbackMethod", "PUT")], 20_001),
    ];
    for (changes, code) in cases {
        let (status, body, world) = refused(Switches::default(), changes).await;
        assert_eq!((status, &body["code"]), (400, &code.into()), "{changes:?}");
        assert_eq!(body["status"], 400);
        assert_eq!(body["more_info"], format!("https://www.twilio.com/docs/errors/{code}"));
        assert_eq!(world.twilio.calls(), [], "{changes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_length_of_inline_twiml_is_limited_in_characters_or_bytes() {
    let of_length = |text: &str, count: usize| format!("<Response><!--{}--></Response>", text.repeat(count - 28));
    for (limit, counted, text, count, status) in [
        (4_000, TwimlCounted::Characters, "ü", 4_000, 201),
        (4_000, TwimlCounted::Characters, "x", 4_001, 400),
        (4_000, TwimlCounted::Bytes, "ü", 4_000, 400),
        (4_000, TwimlCounted::Bytes, "x", 4_000, 201),
        (4_096, TwimlCounted::Bytes, "x", 4_096, 201),
        (4_096, TwimlCounted::Bytes, "x", 4_097, 400),
    ] {
        let switches = switches(|calls| {
            calls.twiml_limit = limit;
            calls.twiml_counted = counted;
        });
        let twiml = of_length(text, count);
        let (answered, ..) = refused(switches, &[("Twiml", &twiml)]).await;
        assert_eq!(answered, status, "{limit} {counted:?} {count}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_detection_time_out_is_limited_to_60_or_59_seconds() {
    for (longest, status) in [(60, 201), (59, 400)] {
        let switches = switches(|calls| calls.longest_detection = longest);
        let changes = [("MachineDetection", "Enable"), ("MachineDetectionTimeout", "60")];
        assert_eq!(refused(switches, &changes).await.0, status);
    }
}

#[tokio::test(start_paused = true)]
async fn fields_without_effect_are_ignored_and_recorded() {
    for (changes, expected) in [
        (
            &[("Statuscallback", STATUS_URL)] as &[(&str, &str)],
            "Statuscallback: unknown field",
        ),
        (&[("Color", "red")], "Color: unknown field"),
        (&[("Url", VOICE_URL)], "Twiml: ignored because Url is set"),
        (&[("Timeout", "20"), ("Timeout", "30")], "Timeout: repeated"),
        (&[("StatusCallback", "")], "StatusCallbackEvent: without StatusCallback"),
        (&[("AsyncAmd", "true")], "AsyncAmd: without MachineDetection (21263)"),
        (
            &[("MachineDetection", "Enable"), ("AsyncAmd", "true")],
            "AsyncAmd: without AsyncAmdStatusCallback (21262)",
        ),
        (
            &[("StatusCallbackMethod", "GET")],
            "StatusCallbackMethod: the simulator only supports POST",
        ),
    ] {
        let (status, _, world) = refused(Switches::default(), changes).await;
        assert_eq!(status, 201, "{changes:?}");
        let unexpected = world.twilio.unexpected();
        let is_expected =
            |one: &Unexpected| matches!(one, Unexpected::Field { what, .. } if what.starts_with(expected));
        assert!(unexpected.iter().any(is_expected), "{expected}: {unexpected:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_event_names_only_the_end_causes_a_callback() {
    let world = World::new(Switches::default(), Behavior::silent(5));
    let twiml = twiml();
    world.play(&with(&call(&twiml), &[("StatusCallbackEvent", "")])).await;
    assert_eq!(world.statuses(), ["completed"]);
}

#[tokio::test(start_paused = true)]
async fn event_names_joined_in_one_value_cause_no_callback_or_are_rejected() {
    let twiml = twiml();
    let joined = [("StatusCallbackEvent", "initiated ringing answered completed")];
    let world = World::new(Switches::default(), Behavior::silent(5));
    let outbound_call = world.play(&with(&call(&twiml), &joined)).await;
    assert_eq!((outbound_call.status(), world.statuses()), (Status::Completed, vec![]));
    assert!(!world.twilio.unexpected().is_empty());
    let strict = switches(|calls| calls.bad_event = BadEvent::Refused);
    let (status, body, _) = refused(strict, &joined).await;
    assert_eq!((status, &body["code"]), (400, &21_626.into()));
}

#[tokio::test(start_paused = true)]
async fn the_json_of_a_new_call_matches_the_published_one() {
    let world = World::new(Switches::default(), Behavior::Busy);
    let twiml = twiml();
    let (status, body) = world.try_create(&call(&twiml)).await.expect("an answer");
    assert_eq!((status, &body["status"]), (201, &"queued".into()));
    assert_eq!(body["date_created"], "Mon, 05 Jan 2026 09:00:00 +0000");
    assert_eq!(body["to_formatted"], "(202) 555-0123");
    assert_eq!(body["direction"], "outbound-api");
    for name in ["start_time", "end_time", "duration", "price", "answered_by"] {
        assert_eq!(body[name], Value::Null, "{name}");
    }
    let sid = body["sid"].as_str().expect("a SID");
    assert!(sid.len() == 34 && sid.starts_with("CA"), "{sid}");
    world.until_over().await;
    let (_, body) = world.get(&format!("Calls/{sid}.json")).await;
    assert_eq!((&body["status"], &body["duration"]), (&"busy".into(), &Value::Null));
    assert_ne!(body["end_time"], Value::Null);
}
