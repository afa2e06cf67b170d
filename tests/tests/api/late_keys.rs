//! Late keys, keys of several employees, and keys of an employee who changes their mind.

use patchbay::ids::DispatchKey;
use patchbay_simulators::phones::{Behavior, Script, When};
use patchbay_simulators::routee::{CallRecord, EndedBy};
use patchbay_simulators::world::World;
use serde_json::json;

use crate::common::{
    Answer, call_to, create, dispatch_body, entries, heard, keys_event, rings, send, settle, show, story, text,
    webhook, world,
};

/// Ben's phone is ringing after Anna did not pick up. Returns the call to Anna.
async fn second_rings() -> (World, DispatchKey, CallRecord) {
    let world = world([
        Script::always(Behavior::NeverPicksUp),
        Script::always(Behavior::Interactive),
    ])
    .await;
    let key = create(&world, &dispatch_body(2, &json!({ "attempts": 1 }))).await;
    rings(&world, 1, 0).await;
    let first = call_to(&world, 0);
    (world, key, first)
}

async fn press(world: &World, call: &CallRecord, keys: &str) -> Answer {
    let url = call.collect_url.as_deref().unwrap();
    send(world, webhook(url, keys_event(keys).to_string())).await
}

fn contains(answer: &Answer, part: &str) -> bool {
    answer.json.to_string().contains(part)
}

#[tokio::test(start_paused = true)]
async fn a_late_key_of_the_first_employee_wins_and_the_second_phone_stops_ringing() {
    let (world, key, first) = second_rings().await;
    let pressed_at = world.clock.now();
    let answer = press(&world, &first, "1").await;
    assert!(contains(&answer, "You have accepted"), "{answer:?}");
    settle(&world).await;
    let shown = show(&world, &key).await;
    assert_eq!(
        (text(&shown, "/status"), text(&shown, "/accepted/employee/name")),
        ("Accepted", "Anna")
    );
    let timeline = story(&world, &key).await;
    assert_eq!(
        timeline.last().map(String::as_str),
        Some("Anna pressed 1: accepted (late)")
    );
    let second = call_to(&world, 1);
    assert_eq!(second.ended_by, Some(EndedBy::Api));
    assert!(second.ended_at.unwrap().since(pressed_at).as_secs() < 5);
}

#[tokio::test(start_paused = true)]
async fn a_second_acceptor_hears_who_has_accepted() {
    let (world, key, first) = second_rings().await;
    press(&world, &first, "1").await;
    let second = call_to(&world, 1);
    for keys in ["1", "11", "2", "7"] {
        let answer = press(&world, &second, keys).await;
        assert!(
            contains(&answer, "Anna") && !contains(&answer, "You have accepted"),
            "{answer:?}"
        );
    }
    settle(&world).await;
    assert_eq!(text(&show(&world, &key).await, "/accepted/employee/name"), "Anna");
    let accepted = story(&world, &key)
        .await
        .iter()
        .filter(|line| line.contains("accepted"))
        .count();
    assert_eq!(accepted, 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_rejection_does_not_touch_the_call_to_the_next_employee() {
    let (world, _, first) = second_rings().await;
    let answer = press(&world, &first, "2").await;
    assert_eq!(answer.status, 200);
    crate::common::pass(&world, 5).await;
    let second = call_to(&world, 1);
    assert_eq!(second.ended_at, None);
    assert!(world.routee.pick_up(second.id));
    crate::common::pass(&world, 12).await;
    assert!(world.routee.press(second.id, '1'));
    settle(&world).await;
    assert!(heard(&call_to(&world, 1), "You have accepted"));
}

#[tokio::test(start_paused = true)]
async fn no_later_key_undoes_an_acceptance() {
    let accepts = Script::always(Behavior::presses("1", When::OptionsSay(1)));
    let world = world([accepts, Script::always(Behavior::Busy)]).await;
    let key = create(&world, &dispatch_body(2, &json!({}))).await;
    settle(&world).await;
    let call = call_to(&world, 0);
    let before = (world.store.load(&key).await.unwrap(), entries(&world, &key).await.len());
    for keys in ["", "2", "7", "1", "12", ""] {
        let answer = press(&world, &call, keys).await;
        assert_eq!(answer.status, 200);
    }
    let after = (world.store.load(&key).await.unwrap(), entries(&world, &key).await.len());
    assert_eq!(before, after);
    settle(&world).await;
    assert_eq!(world.routee.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_simultaneous_acceptances_one_wins() {
    let (world, key, first) = second_rings().await;
    let second = call_to(&world, 1);
    let (one, other) = tokio::join!(press(&world, &first, "1"), press(&world, &second, "1"));
    let accepted = [&one, &other].map(|answer| contains(answer, "You have accepted"));
    assert_eq!(
        accepted.iter().filter(|accepted| **accepted).count(),
        1,
        "{one:?} {other:?}"
    );
    let shown = show(&world, &key).await;
    let (winner, loser) = if accepted[0] { ("Anna", &other) } else { ("Ben", &one) };
    assert_eq!(text(&shown, "/accepted/employee/name"), winner);
    assert!(contains(loser, winner), "{loser:?}");
}

#[tokio::test(start_paused = true)]
async fn voicemail_counts_as_no_answer() {
    let world = world([
        Script::always(Behavior::voicemail(10)),
        Script::always(Behavior::presses("1", When::OptionsSay(1))),
    ])
    .await;
    let key = create(&world, &dispatch_body(2, &json!({ "attempts": 1 }))).await;
    settle(&world).await;
    assert_eq!(text(&show(&world, &key).await, "/accepted/employee/name"), "Ben");
    let timeline = story(&world, &key).await;
    assert!(
        timeline.contains(&"No answer from Anna: voicemail (call 1)".to_owned()),
        "{timeline:?}"
    );
}
