//! Machine detection.

use super::*;

const ASYNC: [(&str, &str); 3] = [
    ("MachineDetection", "Enable"),
    ("AsyncAmd", "true"),
    ("AsyncAmdStatusCallback", VERDICT_URL),
];

async fn detected(switches: Switches, behaviour: Behaviour, fields: &[(&str, &str)]) -> (World, OutboundCall) {
    let world = World::new(switches, behaviour);
    let twiml = twiml();
    let call = world.play(&with(&call(&twiml), fields)).await;
    (world, call)
}

fn verdicts(world: &World) -> Vec<String> {
    let received = world.received_at(VERDICT_URL);
    received
        .iter()
        .filter_map(|received| received.field("AnsweredBy"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_async_verdict_is_posted_while_the_call_goes_on() {
    for (behaviour, who) in [
        (Behaviour::silent(5), "human"),
        (Behaviour::voicemail(5), "machine_start"),
    ] {
        let (world, call) = detected(Switches::default(), behaviour, &ASYNC).await;
        let received = world.received_at(VERDICT_URL);
        assert_eq!((received.len(), verdicts(&world)), (1, vec![who.to_owned()]));
        assert_eq!(received[0].field("CallSid"), Some(call.sid.as_str()));
        assert_eq!(received[0].field("MachineDetectionDuration"), Some("4000"));
        assert_eq!(received[0].field("CallStatus"), None);
        assert_eq!(call.answered_by.as_deref(), Some(who));
        assert!((talk_time(&call) - 32.0).abs() < 0.01);
    }
}

#[tokio::test(start_paused = true)]
async fn without_detection_nothing_is_known() {
    let (world, call) = detected(Switches::default(), Behaviour::voicemail(5), &[]).await;
    assert_eq!((call.answered_by, verdicts(&world)), (None, vec![]));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_greeting_comes_later_and_has_three_names() {
    let fields = with(&ASYNC, &[("MachineDetection", "DetectMessageEnd")]);
    for (machine_end, who) in [
        (MachineEnd::Beep, "machine_end_beep"),
        (MachineEnd::Silence, "machine_end_silence"),
        (MachineEnd::Other, "machine_end_other"),
    ] {
        let switches = switches(|calls| calls.machine_end = machine_end);
        let (world, _) = detected(switches, Behaviour::voicemail(5), &fields).await;
        assert_eq!(verdicts(&world), [who]);
        assert_eq!(
            world.received_at(VERDICT_URL)[0].field("MachineDetectionDuration"),
            Some("10000")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_verdict_may_be_unknown_or_never_come() {
    for (verdict, posted) in [(Verdict::AlwaysUnknown, vec!["unknown"]), (Verdict::Never, vec![])] {
        let switches = switches(|calls| calls.verdict = verdict);
        let (world, _) = detected(switches, Behaviour::voicemail(5), &ASYNC).await;
        assert_eq!(verdicts(&world), posted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_verdict_may_be_wrong() {
    let world = World::new(Switches::default(), Behaviour::silent(5));
    world.twilio.change_faults(|faults| faults.mistaken = 1.0);
    let twiml = twiml();
    world.play(&with(&call(&twiml), &ASYNC)).await;
    assert_eq!(verdicts(&world), ["machine_start"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_hangs_up_before_the_verdict_is_unknown_or_nothing() {
    for (verdict_after_hang_up, posted) in [(true, vec!["unknown"]), (false, vec![])] {
        let switches = switches(|calls| calls.verdict_after_hang_up = verdict_after_hang_up);
        let (world, _) = detected(switches, Behaviour::hangs_up_after(2), &ASYNC).await;
        assert_eq!(verdicts(&world), posted);
    }
}

#[tokio::test(start_paused = true)]
async fn callbacks_after_the_verdict_name_it_or_do_not() {
    for (answered_by_on_callbacks, named) in [(true, Some("human")), (false, None)] {
        let switches = switches(|calls| calls.answered_by_on_callbacks = answered_by_on_callbacks);
        let (world, _) = detected(switches, Behaviour::silent(5), &ASYNC).await;
        let received = world.received_at(STATUS_URL);
        let of = |status: &str| {
            received
                .iter()
                .find(|one| one.field("CallStatus") == Some(status))
                .expect("it came")
        };
        assert_eq!(of("completed").field("AnsweredBy"), named);
        assert_eq!(of("in-progress").field("AnsweredBy"), None, "nobody knew then");
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_waits_for_detection_that_is_not_async() {
    let fields = [("MachineDetection", "Enable"), ("Url", VOICE_URL)];
    let world = World::new(Switches::default(), Behaviour::voicemail(5));
    let call = world.play(&with(&call(""), &fields)).await;
    let asked = &world.received_at(VOICE_URL)[0];
    assert!((since_answer(&call, asked.at) - 4.0).abs() < 0.01);
    assert_eq!(asked.field("AnsweredBy"), Some("machine_start"));
    let never = switches(|calls| calls.verdict = Verdict::Never);
    let (_, call) = detected(never, Behaviour::silent(5), &[("MachineDetection", "Enable")]).await;
    assert!(
        (since_answer(&call, call.heard[0].0) - 30.0).abs() < 0.01,
        "until its time is over"
    );
}

#[tokio::test(start_paused = true)]
async fn the_api_says_who_answered_in_detail_or_not() {
    for (answered_by_form, who) in [
        (AnsweredByForm::Detailed, "machine_start"),
        (AnsweredByForm::Plain, "machine"),
    ] {
        let switches = switches(|calls| calls.answered_by_form = answered_by_form);
        let (world, call) = detected(switches, Behaviour::voicemail(5), &ASYNC).await;
        assert_eq!(
            world.get(&format!("Calls/{}.json", call.sid)).await.1["answered_by"],
            who
        );
    }
}
