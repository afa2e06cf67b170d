//! The lifecycle of calls, from the queue to the final status.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_answered_call_has_all_statuses_and_ends_with_its_document() {
    let world = World::new(Switches::default(), Behavior::silent(5));
    let twiml = twiml();
    let call = world.play(&call(&twiml)).await;
    let names = ["queued", "initiated", "ringing", "in-progress", "completed"];
    assert_eq!(call.status_names(), names);
    assert_eq!(world.statuses(), &names[1..]);
    assert_eq!(call.texts(), [TICKET, OPTIONS, OPTIONS]);
    assert_eq!(call.ended_by, Some(EndedBy::Plan));
    assert!((talk_time(&call) - 32.0).abs() < 0.01, "{}", talk_time(&call));
    assert_eq!((call.failures, world.twilio.unexpected()), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn every_behavior_has_its_final_status() {
    let cases = [
        (Behavior::NeverPicksUp, Status::NoAnswer, EndedBy::RingTimeout),
        (Behavior::Busy, Status::Busy, EndedBy::Network),
        (Behavior::Fails, Status::Failed, EndedBy::Network),
        (Behavior::GetsLost, Status::Failed, EndedBy::Network),
        (Behavior::hangs_up_after(4), Status::Completed, EndedBy::Employee),
        (Behavior::voicemail(5), Status::Completed, EndedBy::Plan),
    ];
    let twiml = twiml();
    for (behavior, status, by) in cases {
        let world = World::new(Switches::default(), behavior.clone());
        let call = world.play(&call(&twiml)).await;
        assert_eq!((call.status(), call.ended_by), (status, Some(by)), "{behavior:?}");
        assert_eq!(world.statuses().last().map(String::as_str), Some(status.as_str()));
        assert_eq!(
            world.statuses().contains(&"in-progress".to_owned()),
            call.answered_at.is_some()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_on_the_phone_is_busy_or_no_answer() {
    let after = Duration::from_secs(3);
    let twiml = twiml();
    for status in [Status::Busy, Status::NoAnswer] {
        let switches = switches(|calls| calls.after_phone_reject = status);
        let world = World::new(switches, Behavior::Rejects { after });
        let call = world.play(&call(&twiml)).await;
        assert_eq!((call.status(), call.ended_by), (status, Some(EndedBy::Employee)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_call_is_failed_or_no_answer_or_never_final() {
    let twiml = twiml();
    for (lost_call, status) in [(LostCall::Failed, "failed"), (LostCall::NoAnswer, "no-answer")] {
        let world = World::new(switches(|calls| calls.lost_call = lost_call), Behavior::GetsLost);
        world.play(&call(&twiml)).await;
        assert_eq!(world.statuses().last().map(String::as_str), Some(status));
    }
    let never = || {
        World::new(
            switches(|calls| calls.lost_call = LostCall::NeverTerminal),
            Behavior::GetsLost,
        )
    };
    let world = never();
    let sid = world.order(&call(&twiml)).await;
    world.pass(1_800.0).await;
    assert_eq!(world.get(&format!("Calls/{sid}.json")).await.1["status"], "ringing");
    world.until_over().await;
    assert_eq!(
        world.statuses(),
        ["initiated", "ringing"],
        "no callback is sent for the end"
    );
    let world = never();
    let sid = world.order(&call(&twiml)).await;
    world.pass(60.0).await;
    world.update(&sid, &[("Status", "canceled")]).await;
    world.until_over().await;
    assert_eq!(world.statuses(), ["initiated", "ringing", "canceled"]);
}

#[tokio::test(start_paused = true)]
async fn ringing_ends_after_the_time_out_plus_extra_or_the_limit_of_the_network() {
    let twiml = twiml();
    for (timeout, longer, network, seconds) in [("20", 0, 90, 20.0), ("20", 5, 90, 25.0), ("60", 0, 30, 30.0)] {
        let switches = switches(|calls| {
            calls.extra_ring_time = Duration::from_secs(longer);
            calls.network_ring = Duration::from_secs(network);
        });
        let world = World::new(switches, Behavior::NeverPicksUp);
        let call = world.play(&with(&call(&twiml), &[("Timeout", timeout)])).await;
        let ringing = call
            .statuses
            .iter()
            .find(|(_, status)| *status == Status::Ringing)
            .expect("it rang")
            .0;
        let rang = call.ended_at.expect("over").since(ringing).as_secs_f64();
        assert!((rang - seconds).abs() < 0.01, "{rang} instead of {seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_ends_the_call() {
    let world = World::new(Switches::default(), Behavior::silent(5));
    let twiml = twiml();
    let call = world.play(&with(&call(&twiml), &[("TimeLimit", "7")])).await;
    assert_eq!(
        (call.status(), call.ended_by),
        (Status::Completed, Some(EndedBy::MaxDuration))
    );
    assert!((talk_time(&call) - 7.0).abs() < 0.01);
}

#[tokio::test(start_paused = true)]
async fn calls_leave_the_queue_at_the_configured_interval() {
    let twiml = twiml();
    for millis in [1_000, 200] {
        let interval = Duration::from_millis(millis);
        let world = World::new(switches(|calls| calls.call_interval = interval), Behavior::Busy);
        for _ in 0..4 {
            world.order(&call(&twiml)).await;
        }
        world.until_over().await;
        let mut dialed: Vec<Timestamp> = world.twilio.calls().iter().filter_map(|call| call.dialed_at).collect();
        dialed.sort_unstable();
        assert_eq!(dialed.len(), 4, "none is rejected");
        assert!(
            dialed.windows(2).all(|pair| pair[1].since(pair[0]) >= interval),
            "{dialed:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_rejects_calls() {
    let twiml = twiml();
    for status in [429, 400] {
        let switches = switches(|calls| {
            calls.queue_capacity = 1;
            calls.queue_full_status = status;
            calls.call_interval = Duration::from_mins(1);
        });
        let world = World::new(switches, Behavior::Busy);
        world.order(&call(&twiml)).await;
        let (answered, body) = world.try_create(&call(&twiml)).await.expect("an answer");
        assert_eq!((answered, &body["code"]), (status, &22_005.into()));
        assert_eq!(world.twilio.calls().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_interactive_call_is_picked_up_keyed_and_hung_up() {
    let world = World::new(Switches::default(), Behavior::Interactive);
    let twiml = twiml();
    world.order(&call(&twiml)).await;
    let id = world.until(Status::Ringing).await.id;
    assert!(world.twilio.pick_up(id));
    world.pass(3.0).await;
    assert!(world.twilio.press(id, '1'));
    world.pass(0.5).await;
    assert!(world.twilio.hang_up(id));
    let call = world.until_over().await;
    assert_eq!(
        (call.status(), call.ended_by),
        (Status::Completed, Some(EndedBy::Employee))
    );
    assert_eq!(world.digits(), ["1"]);
    assert!(
        !world.twilio.pick_up(id) && !world.twilio.press(id, '1') && !world.twilio.hang_up(id),
        "the call has ended"
    );
    assert!(!world.twilio.press(CallId(9), '1'), "there is no such call");
}
