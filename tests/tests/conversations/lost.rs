//! Messages of a conversation are lost at every stage, and the sentinel sends them again.

use patchbay::clock::Timestamp;
use patchbay::conversation::{Work, pending_work};
use patchbay_simulators::aws::{CrashPoint, RequestRecord, Service, Side};
use patchbay_simulators::chat::{ApiFault, Endpoint};
use patchbay_simulators::world::World;
use sentinel::Report;
use serde_json::Value;

use crate::common::{pass, purge, settle};
use crate::{INBOX, holder, opened, posts, stored, world_of};

/// A bot with a wait that ends, and one that takes a conversation back.
const BOT: &str = "
debounce_ms: 500
rules:
  - say: 'You wrote: {{ message.text }}'
hand_over:
  words: [a person please]
  text: A colleague will be with you shortly.
  wait_seconds: 600
  wait_text: Sorry, nobody is free.
  then: give_back
  give_back_after_seconds: 1800
";

async fn world() -> World {
    world_of(BOT).await
}

/// Lets a minute pass, and runs the sentinel.
async fn minute(world: &World) -> Report {
    pass(world, 60).await;
    world.run_sentinel(Value::Null).await.unwrap()
}

/// Loses all messages, and checks that this work is found and done within ten minutes of the time at which it was due.
async fn assert_continues(world: &World, id: u64, is_expected: impl Fn(&Work) -> bool) {
    assert_eq!(lose(world, id, is_expected).await, 1);
}

/// As [`assert_continues`]. Returns how many lost messages were found until the work was done.
async fn lose(world: &World, id: u64, is_expected: impl Fn(&Work) -> bool) -> u32 {
    let before = stored(world, id).await;
    let (work, due_at) = pending_work(&before).unwrap();
    assert!(is_expected(&work), "{work:?}");
    purge(world, "conversations").await;
    let mut found = 0;
    while stored(world, id).await.version == before.version {
        assert!(world.clock.now() < due_at.plus_seconds(600 + 60), "{work:?}: {found}");
        found += minute(world).await.conversations.sent_again;
    }
    settle(world).await;
    // What waited for it may have lost its message, too, and the index lags behind. Then the heartbeat goes on.
    loop {
        let report = minute(world).await;
        if report.well {
            return found;
        }
        assert!(world.clock.now() < due_at.plus_seconds(1_200), "{work:?}: {report:?}");
        found += report.conversations.sent_again;
        settle(world).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_answered_after_its_turn_was_lost() {
    let world = world().await;
    let id = world.chat.customer_opens(INBOX).unwrap();
    world.chat.customer_writes(id, "Hello").unwrap();
    until_pending(&world, id, |work| matches!(work, Work::Turn { .. })).await;
    assert_continues(&world, id, |work| matches!(work, Work::Turn { .. })).await;
    assert_eq!(posts(&world, id), ["You wrote: Hello"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_posted_after_its_step_was_lost() {
    let world = world().await;
    let id = refused_for(&world, 60).await;
    assert_continues(&world, id, |work| matches!(work, Work::Step { .. })).await;
    assert_eq!(posts(&world, id), ["You wrote: Hello"]);
}

/// A conversation whose answer the platform refuses for some seconds.
async fn refused_for(world: &World, seconds: u32) -> u64 {
    let retry_after = Some(seconds);
    let refused = ApiFault::TooManyRequests { retry_after };
    world.chat.fail_next(Endpoint::Messages, refused);
    let id = opened(world, "Hello").await;
    until_pending(world, id, |work| matches!(work, Work::Step { .. })).await;
    id
}

/// A conversation whose answer the platform refuses for ten minutes, and whose customer has written once more.
async fn blocked() -> (World, u64) {
    let world = world().await;
    let id = refused_for(&world, 600).await;
    world.chat.customer_writes(id, "Anybody there?").unwrap();
    pass(&world, 2).await;
    assert!(
        stored(&world, id).await.turn.is_some(),
        "the second message waits for the first answer"
    );
    (world, id)
}

#[tokio::test(start_paused = true)]
async fn a_lost_step_is_found_although_a_turn_waits_for_it() {
    let (world, id) = blocked().await;
    let lost = lose(&world, id, |work| matches!(work, Work::Step { .. })).await;
    assert_eq!(lost, 2, "the step, and then the turn");
    assert_eq!(posts(&world, id), ["You wrote: Hello", "You wrote: Anybody there?"]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_waits_for_a_step_is_not_stuck() {
    let (world, id) = blocked().await;
    for _ in 0..15 {
        assert!(minute(&world).await.well);
    }
    let sent = |entry: &RequestRecord| &*entry.function == "sentinel" && entry.service == Service::Sqs;
    assert_eq!(world.aws.recorder().count(sent), 0);
    assert_eq!(posts(&world, id), ["You wrote: Hello", "You wrote: Anybody there?"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_function_died_is_given_up_after_its_message_was_lost() {
    let mut watched = 0;
    for request in 3..=8 {
        let world = world().await;
        let id = refused_for(&world, 5).await;
        let side = Side::After;
        world.aws.faults().crash("responder", CrashPoint { request, side });
        pass(&world, 6).await;
        let (work, _) = pending_work(&stored(&world, id).await).unzip();
        if matches!(work, Some(Work::Watch { .. })) {
            watched += 1;
            assert_continues(&world, id, |work| matches!(work, Work::Watch { .. })).await;
        }
        settle(&world).await;
        assert!(
            posts(&world, id).len() <= 1,
            "request {request}: {:?}",
            posts(&world, id)
        );
    }
    assert!(watched > 0, "no crash came between the begin and the end of a step");
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_person_ends_after_its_message_was_lost() {
    let world = world().await;
    let id = opened(&world, "a person please").await;
    pass(&world, 60).await;
    assert_continues(&world, id, |work| matches!(work, Work::WaitOver { .. })).await;
    assert!(posts(&world, id).iter().any(|text| text == "Sorry, nobody is free."));
    assert_eq!(holder(&world, id).await, "bot");
}

#[tokio::test(start_paused = true)]
async fn a_conversation_returns_after_the_message_of_its_silence_was_lost() {
    let world = world().await;
    let id = opened(&world, "a person please").await;
    pass(&world, 60).await;
    world.chat.agent_replies(id, "jane.doe", "Jane here").unwrap();
    pass(&world, 60).await;
    assert_eq!(holder(&world, id).await, "human");
    assert_continues(&world, id, |work| matches!(work, Work::GiveBack { .. })).await;
    assert_eq!(holder(&world, id).await, "bot");
}

#[tokio::test(start_paused = true)]
async fn a_conversation_in_which_nothing_is_left_to_do_is_not_looked_at() {
    let world = world().await;
    let id = opened(&world, "Hello").await;
    settle(&world).await;
    assert_eq!(pending_work(&stored(&world, id).await), None);
    let far = Timestamp::from_millis(i64::MAX);
    for shard in 0..4 {
        let due = world
            .store
            .due::<patchbay::conversation::Conversation>(shard, far, 10)
            .await;
        assert_eq!(due.unwrap(), []);
    }
}

/// Lets time pass until a conversation needs such a message.
async fn until_pending(world: &World, id: u64, matches: impl Fn(&Work) -> bool) {
    for _ in 0..100 {
        let conversation = crate::stored_if_any(world, id).await;
        if conversation.is_some_and(|one| pending_work(&one).is_some_and(|(work, _)| matches(&work))) {
            return;
        }
        world.clock.sleep(std::time::Duration::from_millis(20)).await;
    }
    unreachable!("no such work")
}
