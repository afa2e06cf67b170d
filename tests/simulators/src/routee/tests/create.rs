//! Create requests: responses and validation.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_response_identifies_the_conversation_but_not_the_call_leg() {
    let world = World::new(Switches::default(), Behavior::NeverPicksUp).await;
    let (status, body) = world.send("POST", "/voice/conversation", published()).await;
    let call = world.routee.calls().pop().expect("a call");
    assert_eq!(status, 200);
    assert_eq!(body["trackingId"], call.tracking_id.as_str());
    assert_eq!(
        (&body["direction"], &body["to"]["phone"]),
        (&json!("Outbound"), &json!(NUMBER))
    );
    assert_eq!(body["callback"]["url"], STATUS_URL);
    assert!(body["createdAt"].is_string());
    assert!(
        body.get("messageId").is_none() && body.get("status").is_none(),
        "{body}"
    );
    assert!(!body.to_string().contains(&call.message_id));
}

#[tokio::test(start_paused = true)]
async fn the_plan_is_echoed_under_the_configured_name() {
    for (dial_plan_echo, pointer, absent) in [
        (DialPlanEcho::DialPlans, "/dialPlans/0/verbs/0/type", "dialPlan"),
        (DialPlanEcho::DialPlan, "/dialPlan/verbs/0/type", "dialPlans"),
    ] {
        let world = World::new(
            Switches {
                dial_plan_echo,
                ..Switches::default()
            },
            Behavior::Busy,
        )
        .await;
        let (_, body) = world.send("POST", "/voice/conversation", published()).await;
        assert_eq!(body.pointer(pointer), Some(&json!("PAUSE")), "{body}");
        assert!(body.get(absent).is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn booleans_are_sent_as_booleans_or_as_strings() {
    for (booleans_as_text, expected) in [(false, json!(false)), (true, json!("false"))] {
        let world = World::new(
            Switches {
                booleans_as_text,
                ..Switches::default()
            },
            Behavior::Busy,
        )
        .await;
        let (_, body) = world.send("POST", "/voice/conversation", published()).await;
        assert_eq!(body["dialPlans"][0]["verbs"][1]["bargeIn"], expected);
        world.until_over().await;
        let webhook = world.received().pop().expect("a webhook");
        assert_eq!(webhook.json()["respectQuietHours"], expected);
    }
}

#[tokio::test(start_paused = true)]
async fn booleans_are_also_accepted_as_strings() {
    let world = World::new(
        Switches::default(),
        Behavior::presses("1", crate::phones::When::TicketSay),
    )
    .await;
    let mut say = say(TICKET, false);
    say["bargeIn"] = json!("true");
    let call = world.play(call(&[collect(), say, pause(5)])).await;
    assert_eq!(world.tones()[0], "1");
    assert!(
        (talk_time(&call) - 6.02).abs() < 0.05,
        "the SAY was cut short: {}",
        talk_time(&call)
    );
}

#[tokio::test(start_paused = true)]
async fn the_code_of_an_error_is_a_string_or_a_number() {
    for (code_form, code) in [
        (CodeForm::Text, json!("400000000")),
        (CodeForm::Number, json!(400_000_000)),
    ] {
        let world = World::new(
            Switches {
                code_form,
                ..Switches::default()
            },
            Behavior::Busy,
        )
        .await;
        let (status, body) = world.send("POST", "/voice/conversation", json!({})).await;
        assert_eq!((status, &body["code"]), (400, &code));
        assert_eq!(body["developerMessage"], "Validation Error!");
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalid_request_gets_all_problems_and_places_no_call() {
    let world = World::new(
        Switches {
            rate_limit: RateLimit::Off,
            ..Switches::default()
        },
        Behavior::Busy,
    )
    .await;
    let with = |path: &str, value: Value| {
        let mut body = published();
        body[path] = value;
        body
    };
    for (body, field) in [
        (json!({}), "from"),
        (json!({}), "to"),
        (json!({}), "dialPlan"),
        (with("from", json!("")), "from"),
        (with("from", json!("12345678901234567")), "from"),
        (with("to", json!({})), "to"),
        (with("to", json!({ "phone": NUMBER, "viber": "12025550123" })), "to"),
        (with("to", json!({ "phone": "12025550123" })), "to.phone"),
        (with("to", json!({ "phone": "+1 202 555 0123" })), "to.phone"),
        (with("dialPlan", json!({ "verbs": [] })), "dialPlan.verbs"),
        (with("dialPlanUrl", json!("https://example.org/plan")), "dialPlan"),
        (with("callback", json!("https://example.org/status")), "callback"),
        (with("callback", json!({ "strategy": "OnChange" })), "callback.url"),
        (
            with("callback", json!({ "url": STATUS_URL, "strategy": "onChange" })),
            "callback.strategy",
        ),
        (with("hangupDelay", json!(0)), "hangupDelay"),
        (with("hangupDelay", json!(61)), "hangupDelay"),
        (with("maxDuration", json!(0)), "maxDuration"),
        (
            with("machineDetection", json!({ "strategy": "Continue" })),
            "machineDetection.eventUrl",
        ),
        (with("machineDetection", json!({})), "machineDetection.strategy"),
        (json!([]), ""),
    ] {
        let (status, answer) = world.send("POST", "/voice/conversation", body.clone()).await;
        assert_eq!(status, 400, "{field}: {body}");
        assert!(answer["properties"].get(field).is_some(), "{field}: {answer}");
    }
    let mut form = world.request("POST", "/voice/conversation", &published());
    form.headers_mut()
        .insert("content-type", "text/plain".parse().expect("a value"));
    assert_eq!(world.raw(form).await.expect("an answer").0, 400);
    assert_eq!(world.routee.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn unknown_fields_are_ignored_or_rejected() {
    for (refuses_unknown_fields, expected) in [(false, 200), (true, 400)] {
        let world = World::new(
            Switches {
                refuses_unknown_fields,
                ..Switches::default()
            },
            Behavior::Busy,
        )
        .await;
        let mut body = published();
        body["label"] = json!("a label");
        assert_eq!(world.send("POST", "/voice/conversation", body).await.0, expected);
        world.pass(2).await;
        assert_eq!(
            world.send("POST", "/voice/conversation", published()).await.0,
            200,
            "all fields are documented"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_request_within_a_second_gets_the_configured_status() {
    for (rate_limit, expected) in [
        (RateLimit::TooManyRequests, 429),
        (RateLimit::BadRequest, 400),
        (RateLimit::Conflict, 409),
        (RateLimit::Off, 200),
    ] {
        let world = World::new(
            Switches {
                rate_limit,
                ..Switches::default()
            },
            Behavior::Busy,
        )
        .await;
        assert_eq!(world.send("POST", "/voice/conversation", published()).await.0, 200);
        world.pass_millis(800).await;
        let (status, body) = world.send("POST", "/voice/conversation", published()).await;
        assert_eq!(status, expected);
        if expected == 429 {
            assert_eq!(body["code"], "429000000");
        }
        world.pass_millis(1000).await;
        assert_eq!(world.send("POST", "/voice/conversation", published()).await.0, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_request_creates_a_second_call() {
    let world = World::new(Switches::default(), Behavior::NeverPicksUp).await;
    let first = world.order(published()).await;
    world.pass(1).await;
    let second = world.order(published()).await;
    assert_ne!(first, second);
    assert_eq!(world.routee.live_calls_to(&number()), 2);
    world.until_over().await;
    assert_eq!(world.routee.live_calls_to(&number()), 0);
    assert_eq!(world.routee.most_live_calls_to(&number()), 2);
    assert_eq!(world.routee.most_live_calls_to_one_number(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_placed_even_if_the_client_does_not_wait_for_the_response() {
    let world = World::new(Switches::default(), Behavior::NeverPicksUp).await;
    let request = world.request("POST", "/voice/conversation", &published());
    let impatient = tokio::time::timeout(Duration::from_millis(5), world.routee.send(request));
    assert!(impatient.await.is_err());
    assert_eq!(world.until_over().await.status(), Status::NoAnswer);
}

#[tokio::test(start_paused = true)]
async fn a_plan_url_is_requested_when_the_call_is_answered() {
    let mut order = published();
    order.as_object_mut().expect("an object").remove("dialPlan");
    order["dialPlanUrl"] = json!("https://hooks.example.org/plan");
    for (reply, heard) in [
        (Reply::plan(&plan(&[say(TICKET, false)])), vec![TICKET]),
        (Reply::ok(), vec![]),
    ] {
        let world = World::new(Switches::default(), Behavior::silent(5)).await;
        world.answer(move |received| {
            if received.url.contains("/plan") {
                reply.clone()
            } else {
                Reply::ok()
            }
        });
        let call = world.play(order.clone()).await;
        assert_eq!(call.texts(), heard);
        assert_eq!(call.status(), Status::Completed);
        let question = world
            .received()
            .into_iter()
            .find(|received| received.url.contains("/plan"))
            .expect("one");
        assert_eq!(question.json()["to"], NUMBER);
        assert!(question.at >= call.answered_at.expect("answered"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_to_an_unknown_endpoint_gets_404_and_is_recorded_as_unexpected() {
    let world = World::new(Switches::default(), Behavior::Busy).await;
    let (status, body) = world.send("DELETE", "/voice/conversation/1?x=y", Value::Null).await;
    assert_eq!((status, &body["code"]), (404, &json!("404000000")));
    let unexpected = world.routee.unexpected();
    let [Unexpected::Request { method, path, .. }] = unexpected.as_slice() else {
        panic!("{unexpected:?}")
    };
    assert_eq!(
        (method.as_str(), path.as_str()),
        ("DELETE", "/voice/conversation/1?x=y")
    );
}

#[tokio::test(start_paused = true)]
async fn every_request_is_recorded_with_the_status_of_its_response() {
    let world = World::new(Switches::default(), Behavior::Busy).await;
    world.order(published()).await;
    world.get("/voice/tracking/nothing").await;
    let requests = world.routee.requests();
    let lines: Vec<(&str, &str, Option<u16>)> = requests
        .iter()
        .map(|request| (request.method.as_str(), request.path.as_str(), request.status))
        .collect();
    assert_eq!(
        lines,
        [
            ("POST", "/oauth/token", Some(200)),
            ("POST", "/voice/conversation", Some(200)),
            ("GET", "/voice/tracking/nothing", Some(404)),
        ]
    );
    assert_eq!(
        serde_json::from_str::<Value>(&requests[1].body).expect("JSON"),
        published()
    );
}
