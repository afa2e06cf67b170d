//! From the queue to the last status.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_call_is_queued_initiated_rings_is_answered_and_ends_with_its_document() {
    let world = World::new(Switches::default(), Behaviour::silent(5));
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
async fn behaviours_end_calls_as_the_contract_has_it() {
    let cases = [
        (Behaviour::NeverPicksUp, Status::NoAnswer, EndedBy::RingTimeout),
        (Behaviour::Busy, Status::Busy, EndedBy::Network),
        (Behaviour::Fails, Status::Failed, EndedBy::Network),
        (Behaviour::GetsLost, Status::Failed, EndedBy::Network),
        (Behaviour::hangs_up_after(4), Status::Completed, EndedBy::Employee),
        (Behaviour::voicemail(5), Status::Completed, EndedBy::Plan),
    ];
    let twiml = twiml();
    for (behaviour, status, by) in cases {
        let world = World::new(Switches::default(), behaviour.clone());
        let call = world.play(&call(&twiml)).await;
        assert_eq!((call.status(), call.ended_by), (status, Some(by)), "{behaviour:?}");
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
        let world = World::new(switches, Behaviour::Rejects { after });
        let call = world.play(&call(&twiml)).await;
        assert_eq!((call.status(), call.ended_by), (status, Some(EndedBy::Employee)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_call_fails_or_is_not_answered_or_never_ends() {
    let twiml = twiml();
    for (lost_call, status) in [(LostCall::Failed, "failed"), (LostCall::NoAnswer, "no-answer")] {
        let world = World::new(switches(|calls| calls.lost_call = lost_call), Behaviour::GetsLost);
        world.play(&call(&twiml)).await;
        assert_eq!(world.statuses().last().map(String::as_str), Some(status));
    }
    let never = || {
        World::new(
            switches(|calls| calls.lost_call = LostCall::NeverTerminal),
            Behaviour::GetsLost,
        )
    };
    let world = never();
    let sid = world.order(&call(&twiml)).await;
    world.pass(1_800.0).await;
    assert_eq!(world.get(&format!("Calls/{sid}.json")).await.1["status"], "ringing");
    world.until_over().await;
    assert_eq!(world.statuses(), ["initiated", "ringing"], "nobody is ever told");
    let world = never();
    let sid = world.order(&call(&twiml)).await;
    world.pass(60.0).await;
    world.update(&sid, &[("Status", "canceled")]).await;
    world.until_over().await;
    assert_eq!(world.statuses(), ["initiated", "ringing", "canceled"]);
}

#[tokio::test(start_paused = true)]
async fn it_rings_as_long_as_was_asked_for_and_a_little_longer_and_no_longer_than_the_network() {
    let twiml = twiml();
    for (timeout, longer, network, seconds) in [("20", 0, 90, 20.0), ("20", 5, 90, 25.0), ("60", 0, 30, 30.0)] {
        let switches = switches(|calls| {
            calls.rings_longer = Duration::from_secs(longer);
            calls.network_ring = Duration::from_secs(network);
        });
        let world = World::new(switches, Behaviour::NeverPicksUp);
        let call = world.play(&with(&call(&twiml), &[("Timeout", timeout)])).await;
        let ringing = call
            .statuses
            .iter()
            .find(|(_, status)| *status == Status::Ringing)
            .expect("it rang")
            .0;
        let rang = call.ended_at.expect("over").since(ringing).as_secs_f64();
        assert!((rang - seconds).abs() < 0.01, "{rang} and not {seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_ends_the_call() {
    let world = World::new(Switches::default(), Behaviour::silent(5));
    let twiml = twiml();
    let call = world.play(&with(&call(&twiml), &[("TimeLimit", "7")])).await;
    assert_eq!(
        (call.status(), call.ended_by),
        (Status::Completed, Some(EndedBy::MaxDuration))
    );
    assert!((talk_time(&call) - 7.0).abs() < 0.01);
}

#[tokio::test(start_paused = true)]
async fn calls_leave_the_queue_one_after_the_other() {
    let twiml = twiml();
    for millis in [1_000, 200] {
        let interval = Duration::from_millis(millis);
        let world = World::new(switches(|calls| calls.call_interval = interval), Behaviour::Busy);
        for _ in 0..4 {
            world.order(&call(&twiml)).await;
        }
        world.until_over().await;
        let mut dialled: Vec<Timestamp> = world.twilio.calls().iter().filter_map(|call| call.dialled_at).collect();
        dialled.sort_unstable();
        assert_eq!(dialled.len(), 4, "none is refused");
        assert!(
            dialled.windows(2).all(|pair| pair[1].since(pair[0]) >= interval),
            "{dialled:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_takes_no_call() {
    let twiml = twiml();
    for status in [429, 400] {
        let switches = switches(|calls| {
            calls.queue_holds = 1;
            calls.queue_full_status = status;
            calls.call_interval = Duration::from_mins(1);
        });
        let world = World::new(switches, Behaviour::Busy);
        world.order(&call(&twiml)).await;
        let (answered, body) = world.try_create(&call(&twiml)).await.expect("an answer");
        assert_eq!((answered, &body["code"]), (status, &22_005.into()));
        assert_eq!(world.twilio.calls().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_at_a_terminal_picks_up_presses_and_hangs_up() {
    let world = World::new(Switches::default(), Behaviour::Interactive);
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
        "it is over"
    );
    assert!(!world.twilio.press(CallId(9), '1'), "there is no such call");
}
