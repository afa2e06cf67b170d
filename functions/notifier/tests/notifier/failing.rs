//! What fails because of us: it is sent again, or is a dead letter, and stops nobody else.

use std::time::Duration;

use crate::handle::{next, no_answer};
use crate::silent::many;
use crate::support::{self, Answer, START, accepted, message, notice, record, world};
use patchbay::dispatch::work::Notice;
use patchbay::mail::Failed;
use patchbay::outbox::Tried;

const NONE: [&str; 0] = [];

#[tokio::test(start_paused = true)]
async fn a_notice_that_is_faster_than_its_commit_waits_for_it_and_is_dropped_when_nobody_makes_it() {
    let world = world(Vec::new(), &[]);
    let mut current = notice(&accepted());
    let (mut times, mut most) = (0, 0);
    loop {
        assert_eq!(world.handle(vec![message("m-1", &current)]).await, NONE);
        let now = world.deps.clock.now();
        let Some(next) = world.sent().pop() else { break };
        assert_eq!((next.failures, next.first_at), (0, START));
        most = most.max(next.due_at.millis() - now.millis());
        times += 1;
        world.deps.clock.sleep_until(next.due_at).await;
        current = next;
    }
    let seconds = world.deps.clock.now().since(START).as_secs();
    assert!((120..=131).contains(&seconds), "{seconds}");
    assert!((10..=60).contains(&times) && most <= 10_000, "{times} {most}");

    // It is looked for a few times in place before that.
    let late = async {
        world.deps.clock.sleep(Duration::from_millis(150)).await;
        world.deps.store.entries.lock().expect("not poisoned").push(accepted());
    };
    let fresh = Notice::first(support::dispatch().key, accepted().id, world.deps.clock.now());
    let (failed, ()) = tokio::join!(world.handle(vec![message("m-2", &fresh)]), late);
    assert_eq!(
        (failed, world.receiver.visits(), world.sent()),
        (Vec::new(), 1, Vec::new())
    );
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_message_becomes_a_dead_letter_and_stops_nobody_else() {
    let entries = many(3);
    let world = world(entries.clone(), &[]);
    let [good, better, best] = [0, 1, 2].map(|n| notice(&entries[n]));
    let mut nameless = message("", &good);
    nameless.message_id = None;
    let failed = world
        .handle(vec![
            record("poison", "{"),
            record("empty", ""),
            record("strange", r#"{"tenant":"ACME"}"#),
            nameless,
            message("", &better),
            message("good", &best),
        ])
        .await;
    assert_eq!(failed, NONE);
    let dead: Vec<String> = world.dead().into_iter().map(|(letter, _)| letter).collect();
    assert_eq!(dead, ["{", "", r#"{"tenant":"ACME"}"#]);
    assert_eq!(world.receiver.visits(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_fails_because_of_us_is_sent_again_and_counts_no_delivery() {
    let mut world = world(vec![accepted()], &[]);
    world.deps.store.broken = Some(Failed::ForNow);
    let mut current = Tried {
        message: notice(&accepted()),
        again: 0,
    };
    for times in 1..=100 {
        let record = record("m-1", &serde_json::to_string(&current).expect("JSON"));
        assert_eq!(world.handle(vec![record]).await, NONE);
        let [next] = &world.tried()[..] else {
            panic!("not one notice")
        };
        assert_eq!((&next.message, next.again), (&current.message, times));
        current = next.clone();
    }
    assert_eq!((world.receiver.visits(), world.dead()), (0, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_worked_off_becomes_a_dead_letter_after_some_tries() {
    let mut world = world(vec![accepted()], &[]);
    world.deps.store.broken = Some(Failed::ForGood);
    let from_another_version = r#"{"tenant":"acme","id":"dsp_0000000000000000000000000000002a","news":1}"#;
    for first in [
        serde_json::to_string(&notice(&accepted())).expect("JSON"),
        from_another_version.to_owned(),
    ] {
        let mut body = first;
        for tries in 1.. {
            assert!(tries < 20, "it goes on for ever");
            assert_eq!(world.handle(vec![record("m-1", &body)]).await, NONE);
            let Some(next) = world.bodies().pop() else { break };
            body = next;
        }
        assert_eq!(world.dead().len(), 1, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_even_be_sent_again_comes_back_by_itself() {
    let mut world = world(vec![accepted()], &[Answer::Status(500), Answer::Status(410)]);
    world.deps.outbox.queue.broken = true;
    world.deps.outbox.dead_letters.broken = true;
    for record in [
        message("m-1", &notice(&accepted())),
        message("m-1", &notice(&accepted())),
        record("m-1", "{"),
    ] {
        assert_eq!(world.handle(vec![record]).await, ["m-1"]);
    }
    // Without an id it can only be reported by failing the batch.
    let mut nameless = record("", "{");
    nameless.message_id = None;
    assert_eq!(world.handle(vec![nameless]).await, [""]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_receiver_holds_up_nobody_in_the_same_batch() {
    let world = world(vec![accepted(), no_answer()], &[Answer::Silence]);
    let batch = vec![
        message("slow", &notice(&accepted())),
        message("next", &notice(&no_answer())),
    ];
    assert_eq!(world.handle(batch).await, NONE);
    assert_eq!(world.receiver.visits(), 2);
    assert_eq!(world.delivery(&no_answer()).at, START);
    let held = world.deps.clock.now().since(START);
    assert!(held <= notifier::POST_TIMEOUT + Duration::from_secs(1), "{held:?}");
    assert_eq!(next(&world).failures, 1);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_does_not_answer_leaves_the_notice_on_the_queue() {
    let mut world = world(vec![accepted()], &[]);
    world.deps.store.hangs = true;
    let failed = world.handle(vec![message("m-1", &notice(&accepted()))]).await;
    assert_eq!(failed, ["m-1"]);
    // What was to be sent may have been: sent once more, it would be two.
    assert_eq!(world.bodies(), Vec::<String>::new());
}

/// What is read together may be from before and after one commit: then the entry is there, and its dispatch is not yet.
#[tokio::test(start_paused = true)]
async fn an_entry_without_its_dispatch_is_looked_for_again() {
    let world = world(vec![accepted()], &[]);
    let mut half = notice(&accepted());
    half.dispatch.id = patchbay::ids::DispatchId::new(4_711);
    assert_eq!(world.handle(vec![message("m-1", &half)]).await, NONE);
    assert_eq!((world.receiver.visits(), world.sent().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn two_of_one_message_in_a_batch_are_one() {
    let world = world(vec![accepted()], &[Answer::Status(500), Answer::Status(500)]);
    let twice = vec![
        message("m-1", &notice(&accepted())),
        message("m-2", &notice(&accepted())),
    ];
    assert_eq!(world.handle(twice).await, NONE);
    assert_eq!((world.receiver.visits(), world.sent().len()), (1, 1));
}
