//! The published escalation flow, exactly as published.

use super::*;
use crate::phones::{Action, When};

#[tokio::test(start_paused = true)]
async fn a_key_during_the_options_replaces_the_plan_immediately() {
    let world = World::new(Switches::default(), Behavior::presses("1", When::OptionsSay(1))).await;
    world.answer_keys(|_| Reply::plan(&plan(&[say("Thank you, the ticket is yours.", false)])));
    let call = world.play(published()).await;

    assert_eq!(call.texts(), [TICKET, OPTIONS, "Thank you, the ticket is yours."]);
    assert_eq!(call.ended_by, Some(EndedBy::Plan));
    assert_eq!(
        world.statuses(),
        ["Queued", "Initiated", "Ringing", "InProgress", "Completed"]
    );
    let event = world
        .received()
        .into_iter()
        .find(|received| received.url == COLLECT_URL)
        .expect("an event");
    assert!(
        (since_answer(&call, event.at) - 10.5).abs() < 0.01,
        "{}",
        since_answer(&call, event.at)
    );
    assert_eq!(
        event.json(),
        json!({
            "messageId": call.message_id,
            "conversationTrackingId": call.tracking_id,
            "from": "302100000000",
            "to": NUMBER,
            "collectedTones": "1",
        })
    );
}

#[tokio::test(start_paused = true)]
async fn silence_repeats_the_options_after_ten_seconds_and_then_ends_the_call() {
    let world = World::new(Switches::default(), Behavior::silent(5)).await;
    let call = world.play(published()).await;

    assert_eq!(call.texts(), [TICKET, OPTIONS, OPTIONS]);
    let heard_at: Vec<f64> = call.heard.iter().map(|(at, _)| since_answer(&call, *at)).collect();
    assert_eq!(heard_at, [3.0, 9.0, 22.0]);
    assert!((talk_time(&call) - 31.0).abs() < 0.01, "{}", talk_time(&call));
    assert_eq!(world.tones(), [""], "the event after the call");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_repeats_the_options_and_a_valid_one_ends_the_call() {
    let behavior = Behavior::presses("7", When::OptionsSay(1)).and(When::OptionsSay(2), Action::Press("1".to_owned()));
    let world = World::new(Switches::default(), behavior).await;
    world.answer_keys(|tones| {
        let verbs: &[Value] = if tones.ends_with('1') {
            &[say("Thanks.", false)]
        } else {
            &[collect(), say(OPTIONS, true), pause(10)]
        };
        Reply::plan(&plan(verbs))
    });
    let call = world.play(published()).await;

    assert_eq!(call.texts(), [TICKET, OPTIONS, OPTIONS, "Thanks."]);
    let keys: String = call.keys.iter().map(|(_, key)| *key).collect();
    assert_eq!(keys, "71");
    assert_eq!(world.tones(), ["7", "7,1", "7,1"]);
}

#[tokio::test(start_paused = true)]
async fn a_script_advances_with_every_call_to_an_employee() {
    let script = Script::always(Behavior::NeverPicksUp)
        .then(Behavior::Busy)
        .then(Behavior::presses("1", When::OptionsSay(1)));
    let world = World::new(Switches::default(), script).await;
    let mut last = Vec::new();
    for _ in 0..3 {
        last.push(world.play(published()).await.status());
    }
    assert_eq!(last, [Status::NoAnswer, Status::Busy, Status::Completed]);
    assert_eq!(world.routee.most_live_calls_to(&number()), 1);
    assert_eq!(world.routee.unexpected(), []);
}

#[tokio::test(start_paused = true)]
async fn the_flow_runs_on_an_accelerated_clock() {
    let clock = Clock::starting_at(base(), 400.0);
    let phones = Phones::new().with(number(), Behavior::presses("1", When::OptionsSay(1)));
    let routee = Routee::new(clock.clone(), Switches::default(), phones, 1);
    let receiver = Arc::new(Receiver {
        clock: clock.clone(),
        received: Mutex::default(),
        answering: Mutex::new(Box::new(|_| Reply::ok())),
    });
    routee.set_webhooks(HttpClient::new(ReceiverClient(Arc::clone(&receiver))));
    let mut world = World {
        routee,
        clock,
        receiver,
        token: String::new(),
    };
    world.renew_token().await;
    let call = world.play(published()).await;
    assert_eq!(call.status(), Status::Completed);
    assert_eq!(call.keys.len(), 1);
}
