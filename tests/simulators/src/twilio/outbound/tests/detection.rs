//! Machine detection.

use super::*;

const ASYNC: [(&str, &str); 3] = [
    ("MachineDetection", "Enable"),
    ("AsyncAmd", "true"),
    ("AsyncAmdStatusCallback", DETECTION_URL),
];

async fn detected(switches: Switches, behavior: Behavior, fields: &[(&str, &str)]) -> (World, OutboundCall) {
    let world = World::new(switches, behavior);
    let twiml = twiml();
    let call = world.play(&with(&call(&twiml), fields)).await;
    (world, call)
}

fn detection_results(world: &World) -> Vec<String> {
    let received = world.received_at(DETECTION_URL);
    received
        .iter()
        .filter_map(|received| received.field("AnsweredBy"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_async_result_is_posted_during_the_call() {
    for (behavior, who) in [
        (Behavior::silent(5), "human"),
        (Behavior::voicemail(5), "machine_start"),
    ] {
        let (world, call) = detected(Switches::default(), behavior, &ASYNC).await;
        let received = world.received_at(DETECTION_URL);
        assert_eq!((received.len(), detection_results(&world)), (1, vec![who.to_owned()]));
        assert_eq!(received[0].field("CallSid"), Some(call.sid.as_str()));
        assert_eq!(received[0].field("MachineDetectionDuration"), Some("4000"));
        assert_eq!(received[0].field("CallStatus"), None);
        assert_eq!(call.answered_by.as_deref(), Some(who));
        assert!((talk_time(&call) - 32.0).abs() < 0.01);
    }
}

#[tokio::test(start_paused = true)]
async fn without_detection_there_is_no_result() {
    let (world, call) = detected(Switches::default(), Behavior::voicemail(5), &[]).await;
    assert_eq!((call.answered_by, detection_results(&world)), (None, vec![]));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_greeting_is_reported_later_under_one_of_three_names() {
    let fields = with(&ASYNC, &[("MachineDetection", "DetectMessageEnd")]);
    for (machine_end, who) in [
        (MachineEnd::Beep, "machine_end_beep"),
        (MachineEnd::Silence, "machine_end_silence"),
        (MachineEnd::Other, "machine_end_other"),
    ] {
        let switches = switches(|calls| calls.machine_end = machine_end);
        let (world, _) = detected(switches, Behavior::voicemail(5), &fields).await;
        assert_eq!(detection_results(&world), [who]);
        assert_eq!(
            world.received_at(DETECTION_URL)[0].field("MachineDetectionDuration"),
            Some("10000")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_can_be_unknown_or_never_arrive() {
    for (detection_result, posted) in [
        (DetectionResult::AlwaysUnknown, vec!["unknown"]),
        (DetectionResult::Never, vec![]),
    ] {
        let switches = switches(|calls| calls.detection_result = detection_result);
        let (world, _) = detected(switches, Behavior::voicemail(5), &ASYNC).await;
        assert_eq!(detection_results(&world), posted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_can_be_wrong() {
    let world = World::new(Switches::default(), Behavior::silent(5));
    world.twilio.change_faults(|faults| faults.mistaken = 1.0);
    let twiml = twiml();
    world.play(&with(&call(&twiml), &ASYNC)).await;
    assert_eq!(detection_results(&world), ["machine_start"]);
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_before_the_result_is_reported_as_unknown_or_not_at_all() {
    for (detection_after_hang_up, posted) in [(true, vec!["unknown"]), (false, vec![])] {
        let switches = switches(|calls| calls.detection_after_hang_up = detection_after_hang_up);
        let (world, _) = detected(switches, Behavior::hangs_up_after(2), &ASYNC).await;
        assert_eq!(detection_results(&world), posted);
    }
}

#[tokio::test(start_paused = true)]
async fn status_callbacks_after_the_result_include_it_or_not() {
    for (answered_by_on_callbacks, named) in [(true, Some("human")), (false, None)] {
        let switches = switches(|calls| calls.answered_by_on_callbacks = answered_by_on_callbacks);
        let (world, _) = detected(switches, Behavior::silent(5), &ASYNC).await;
        let received = world.received_at(STATUS_URL);
        let of = |status: &str| {
            received
                .iter()
                .find(|one| one.field("CallStatus") == Some(status))
                .expect("it came")
        };
        assert_eq!(of("completed").field("AnsweredBy"), named);
        assert_eq!(of("in-progress").field("AnsweredBy"), None, "there was no result yet");
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_waits_for_synchronous_detection() {
    let fields = [("MachineDetection", "Enable"), ("Url", VOICE_URL)];
    let world = World::new(Switches::default(), Behavior::voicemail(5));
    let call = world.play(&with(&call(""), &fields)).await;
    let asked = &world.received_at(VOICE_URL)[0];
    assert!((since_answer(&call, asked.at) - 4.0).abs() < 0.01);
    assert_eq!(asked.field("AnsweredBy"), Some("machine_start"));
    let never = switches(|calls| calls.detection_result = DetectionResult::Never);
    let (_, call) = detected(never, Behavior::silent(5), &[("MachineDetection", "Enable")]).await;
    assert!(
        (since_answer(&call, call.heard[0].0) - 30.0).abs() < 0.01,
        "after the time-out of the detection"
    );
}

#[tokio::test(start_paused = true)]
async fn the_api_shows_the_answering_party_in_detail_or_not() {
    for (answered_by_form, who) in [
        (AnsweredByForm::Detailed, "machine_start"),
        (AnsweredByForm::Plain, "machine"),
    ] {
        let switches = switches(|calls| calls.answered_by_form = answered_by_form);
        let (world, call) = detected(switches, Behavior::voicemail(5), &ASYNC).await;
        assert_eq!(
            world.get(&format!("Calls/{}.json", call.sid)).await.1["answered_by"],
            who
        );
    }
}
