//! Phone lines: every behavior, machine detection, interactive calls and listeners.

use super::*;
use crate::phones::{Action, When};

/// When each key was pressed, in seconds after the answer, in the published plan.
async fn pressed(behavior: Behavior) -> (CallRecord, Vec<(f64, char)>) {
    let world = World::new(Switches::default(), behavior).await;
    let call = world.play(published()).await;
    let keys = call
        .keys
        .iter()
        .map(|(at, key)| (since_answer(&call, *at), *key))
        .collect();
    (call, keys)
}

#[tokio::test(start_paused = true)]
async fn keys_are_pressed_when_the_script_says() {
    for (when, expected) in [
        (When::AfterAnswer(Duration::from_millis(700)), 0.7),
        (When::TicketSay, 4.0),
        (When::OptionsSay(1), 10.5),
        (When::OptionsSay(2), 23.5),
        (When::Pause(1), 1.5),
        (When::Pause(2), 7.0),
        (When::Pause(4), 28.0),
        (When::JustBeforeEnd, 30.5),
    ] {
        let (_, keys) = pressed(Behavior::presses("1", when)).await;
        assert_eq!(keys.len(), 1, "{when:?}");
        assert!((keys[0].0 - expected).abs() < 0.01, "{when:?} {keys:?}");
        assert_eq!(keys[0].1, '1');
    }
}

#[tokio::test(start_paused = true)]
async fn an_action_whose_moment_never_comes_is_not_performed() {
    for when in [
        When::OptionsSay(3),
        When::Pause(5),
        When::AfterAnswer(Duration::from_secs(32)),
    ] {
        assert_eq!(pressed(Behavior::presses("1", when)).await.1, []);
    }
}

#[tokio::test(start_paused = true)]
async fn just_before_end_also_applies_to_max_duration() {
    let world = World::new(Switches::default(), Behavior::presses("1", When::JustBeforeEnd)).await;
    let mut order = published();
    order["maxDuration"] = json!(15);
    let call = world.play(order).await;
    assert!((since_answer(&call, call.keys[0].0) - 14.5).abs() < 0.01);
    assert_eq!(world.tones(), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn actions_are_performed_in_order_of_time_not_of_the_script() {
    let press = |key: &str| Action::Press(key.to_owned());
    let after = |seconds| When::AfterAnswer(Duration::from_secs(seconds));
    let (_, keys) = pressed(
        Behavior::silent(5)
            .and(after(20), press("2"))
            .and(after(15), press("1")),
    )
    .await;
    assert_eq!(keys.into_iter().map(|(_, key)| key).collect::<String>(), "12");
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_is_spoken_again_does_not_count_as_the_options() {
    let world = World::new(Switches::default(), Behavior::presses("1", When::OptionsSay(1))).await;
    let call = world
        .play(call(&[
            collect(),
            say(TICKET, false),
            say(TICKET, false),
            say(OPTIONS, true),
        ]))
        .await;
    assert!((since_answer(&call, call.keys[0].0) - 5.5).abs() < 0.01);
}

#[tokio::test(start_paused = true)]
async fn keys_of_a_sequence_are_400_ms_apart() {
    let (_, keys) = pressed(Behavior::presses("12#", When::Pause(3))).await;
    let expected = [(17.0, '1'), (17.4, '2'), (17.8, '#')];
    assert_eq!(keys.len(), expected.len());
    for ((at, key), (expected_at, expected_key)) in keys.into_iter().zip(expected) {
        assert_eq!(key, expected_key);
        assert!((at - expected_at).abs() < 0.01, "{key} {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_reported_even_if_the_employee_hangs_up_immediately() {
    for when in [When::OptionsSay(1), When::Pause(3)] {
        let world = World::new(Switches::default(), Behavior::presses_and_hangs_up("1", when)).await;
        let call = world.play(published()).await;
        assert_eq!(
            (call.status(), call.ended_by),
            (Status::Completed, Some(EndedBy::Employee))
        );
        assert_eq!(call.keys.last().map(|(at, _)| *at), call.ended_at);
        assert!(world.tones().iter().all(|tones| tones == "1"));
        assert_eq!(world.tones().len(), if when == When::Pause(3) { 1 } else { 2 });
    }
}

#[tokio::test(start_paused = true)]
async fn hanging_up_ends_the_call() {
    let (call, _) = pressed(Behavior::hangs_up_after(4)).await;
    assert_eq!(
        (call.status(), call.ended_by),
        (Status::Completed, Some(EndedBy::Employee))
    );
    assert!((talk_time(&call) - 4.0).abs() < 0.01);
    assert_eq!(call.texts(), [TICKET]);
}

#[tokio::test(start_paused = true)]
async fn voicemail_listens_to_everything_and_completes_the_call() {
    let world = World::new(Switches::default(), Behavior::voicemail(20)).await;
    let beeps = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&beeps);
    world.routee.subscribe(move |event| {
        if event.kind == PhoneEventKind::Beeps {
            *counted.lock().expect("not poisoned") += 1;
        }
    });
    let call = world.play(published()).await;
    assert_eq!((call.status(), call.ended_by), (Status::Completed, Some(EndedBy::Plan)));
    assert_eq!(call.texts(), [TICKET, OPTIONS, OPTIONS]);
    assert_eq!(call.keys, []);
    assert_eq!(*beeps.lock().expect("not poisoned"), 1);
}

#[tokio::test(start_paused = true)]
async fn machine_detection_hangs_up_on_voicemail_but_never_on_a_person() {
    let mut order = published();
    order["machineDetection"] = json!({ "strategy": "Hangup" });
    for (behavior, machine_detection, ended_by) in [
        (Behavior::voicemail(5), true, EndedBy::Machine),
        (Behavior::voicemail(5), false, EndedBy::Plan),
        (Behavior::silent(5), true, EndedBy::Plan),
    ] {
        let world = World::new(
            Switches {
                machine_detection,
                ..Switches::default()
            },
            behavior,
        )
        .await;
        assert_eq!(world.play(order.clone()).await.ended_by, Some(ended_by));
    }
    for after_machine_hangup in [Status::Completed, Status::NoAnswer] {
        let switches = Switches {
            after_machine_hangup,
            machine_detection_after: Duration::from_secs(2),
            ..Switches::default()
        };
        let world = World::new(switches, Behavior::voicemail(5)).await;
        let call = world.play(order.clone()).await;
        assert_eq!(call.status(), after_machine_hangup);
        assert!((talk_time(&call) - 2.0).abs() < 0.01);
    }
}

#[tokio::test(start_paused = true)]
async fn machine_detection_can_request_another_plan() {
    let mut order = published();
    order["machineDetection"] = json!({ "strategy": "Continue", "eventUrl": "https://hooks.example.org/machine" });
    let world = World::new(Switches::default(), Behavior::voicemail(5)).await;
    world.answer(|received| {
        let machine = received.url.contains("/machine");
        if machine {
            Reply::plan(&plan(&[say("Call us back.", false)]))
        } else {
            Reply::ok()
        }
    });
    let call = world.play(order).await;
    assert_eq!(call.texts().last(), Some(&"Call us back."));
    assert!(talk_time(&call) < 8.0);
}

#[tokio::test(start_paused = true)]
async fn an_interactive_call_is_picked_up_keyed_and_hung_up() {
    let world = World::new(Switches::default(), Behavior::Interactive).await;
    world.order(published()).await;
    let id = world.until(Status::Ringing).await.id;
    world.pass(7).await;
    assert!(world.routee.pick_up(id));
    world.pass(10).await;
    assert!(world.routee.press(id, '1'));
    world.pass(2).await;
    assert!(world.routee.hang_up(id));
    let call = world.until_over().await;
    assert_eq!(
        call.status_names(),
        ["Queued", "Initiated", "Ringing", "InProgress", "Completed"]
    );
    assert_eq!(world.tones(), ["1", "1"]);
    assert!((talk_time(&call) - 12.0).abs() < 0.01);
    assert!(
        !world.routee.pick_up(id) && !world.routee.press(id, '1') && !world.routee.hang_up(id),
        "the call has ended"
    );
    assert!(!world.routee.press(CallId(9), '1'), "there is no such call");
}

#[tokio::test(start_paused = true)]
async fn an_interactive_call_can_be_rejected_or_ignored() {
    let world = World::new(Switches::default(), Behavior::Interactive).await;
    world.order(published()).await;
    let id = world.until(Status::Ringing).await.id;
    assert!(world.routee.hang_up(id));
    assert_eq!(world.until_over().await.ended_by, Some(EndedBy::Employee));
    assert_eq!(world.play(published()).await.ended_by, Some(EndedBy::RingTimeout));
}

#[tokio::test(start_paused = true)]
async fn a_scripted_call_accepts_interactive_keys() {
    let world = World::new(Switches::default(), Behavior::silent(5)).await;
    world.order(published()).await;
    let id = world.until(Status::InProgress).await.id;
    world.pass(10).await;
    world.routee.press(id, '1');
    world.until_over().await;
    assert_eq!(world.tones(), ["1", "1"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_to_a_number_without_a_script_is_unexpected_and_not_answered() {
    let world = World::new(Switches::default(), Behavior::Busy).await;
    let mut order = published();
    order["to"]["phone"] = json!("+12025550199");
    let call = world.play(order).await;
    assert_eq!(call.status(), Status::NoAnswer);
    let unexpected = world.routee.unexpected();
    assert!(
        matches!(unexpected.as_slice(), [Unexpected::Call { to, .. }] if to == "+12025550199"),
        "{unexpected:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_behavior_of_a_phone_can_change_between_calls() {
    let world = World::new(Switches::default(), Behavior::Busy).await;
    assert_eq!(world.play(published()).await.status(), Status::Busy);
    world
        .routee
        .change_phones(|phones| phones.set(number(), Behavior::Fails));
    assert_eq!(world.play(published()).await.status(), Status::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_listener_receives_all_events_in_order() {
    let behavior = Behavior::silent(5).and(When::OptionsSay(1), Action::Press("1".to_owned()));
    let world = World::new(
        Switches {
            end_event: false,
            ..Switches::default()
        },
        behavior,
    )
    .await;
    world.answer_keys(|_| Reply::plan(&plan(&[say("Thanks.", false)])));
    let events: Arc<Mutex<Vec<PhoneEvent>>> = Arc::default();
    let (sink, routee) = (Arc::clone(&events), world.routee.clone());
    world.routee.subscribe(move |event| {
        // A listener may query the simulator: nothing is locked while it runs.
        assert!(!routee.calls().is_empty());
        sink.lock().expect("not poisoned").push(event.clone());
    });
    let call = world.play(published()).await;
    let events = events.lock().expect("not poisoned").clone();
    let text = |text: &str| PhoneEventKind::Says { text: text.to_owned() };
    let happened: Vec<PhoneEventKind> = events.iter().map(|event| event.kind.clone()).collect();
    assert_eq!(
        happened,
        [
            PhoneEventKind::Created,
            PhoneEventKind::Ringing,
            PhoneEventKind::Answered { machine: false },
            PhoneEventKind::Pauses { seconds: 3 },
            text(TICKET),
            PhoneEventKind::Pauses { seconds: 4 },
            text(OPTIONS),
            PhoneEventKind::Key { key: '1' },
            PhoneEventKind::KeysReported { keys: "1".to_owned() },
            PhoneEventKind::PlanReplaced,
            text("Thanks."),
            PhoneEventKind::Ended {
                status: "Completed",
                by: EndedBy::Plan
            },
        ]
    );
    assert!(
        events
            .iter()
            .all(|event| event.provider == Provider::Routee && event.call == call.id && event.to == NUMBER)
    );
    assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at));
}
