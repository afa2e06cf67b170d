//! Failures on our side: the notice is sent again or becomes a dead letter, and does not stop other notices.

use std::time::Duration;

use crate::handle::{next, no_answer};
use crate::silent::many;
use crate::support::{self, Answer, START, accepted, message, notice, record, world};
use patchbay::ids::{DispatchId, DispatchKey};
use patchbay::message::FailureKind;
use patchbay::outbox::QueuedMessage;
use patchbay::webhook::{Notice, SubjectKey};

const NONE: [&str; 0] = [];

#[tokio::test(start_paused = true)]
async fn a_notice_that_arrives_before_its_commit_waits_and_is_dropped_if_the_commit_is_never_made() {
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

    // Before it is sent again, the commit is looked for a few times within the invocation.
    let late = async {
        world.deps.clock.sleep(Duration::from_millis(150)).await;
        world.deps.store.entries.lock().expect("not poisoned").push(accepted());
    };
    let fresh = Notice::first(support::dispatch().key.into(), accepted().id, world.deps.clock.now());
    let (failed, ()) = tokio::join!(world.handle(vec![message("m-2", &fresh)]), late);
    assert_eq!(
        (failed, world.receiver.visits(), world.sent()),
        (Vec::new(), 1, Vec::new())
    );
}

#[tokio::test(start_paused = true)]
async fn a_poison_message_becomes_a_dead_letter_and_does_not_stop_others() {
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
async fn a_failure_on_our_side_is_retried_and_counts_no_delivery_failure() {
    let mut world = world(vec![accepted()], &[]);
    world.deps.store.broken = Some(FailureKind::Transient);
    let mut current = QueuedMessage {
        message: notice(&accepted()),
        retries: 0,
    };
    for times in 1..=100 {
        let record = record("m-1", &serde_json::to_string(&current).expect("JSON"));
        assert_eq!(world.handle(vec![record]).await, NONE);
        let [next] = &world.queued()[..] else {
            panic!("not one notice")
        };
        assert_eq!((&next.message, next.retries), (&current.message, times));
        current = next.clone();
    }
    assert_eq!((world.receiver.visits(), world.dead()), (0, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_can_never_be_processed_becomes_a_dead_letter_after_some_attempts() {
    let mut world = world(vec![accepted()], &[]);
    world.deps.store.broken = Some(FailureKind::Permanent);
    let from_another_version = r#"{"tenant":"acme","id":"dsp_0000000000000000000000000000002a","news":1}"#;
    for first in [
        serde_json::to_string(&notice(&accepted())).expect("JSON"),
        from_another_version.to_owned(),
    ] {
        let mut body = first;
        for tries in 1.. {
            assert!(tries < 20, "retries never end");
            assert_eq!(world.handle(vec![record("m-1", &body)]).await, NONE);
            let Some(next) = world.bodies().pop() else { break };
            body = next;
        }
        assert_eq!(world.dead().len(), 1, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_sent_again_is_reported_as_failed() {
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
async fn a_hanging_receiver_does_not_delay_others_in_the_same_batch() {
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
async fn a_notice_stays_on_the_queue_when_dynamodb_does_not_answer() {
    let mut world = world(vec![accepted()], &[]);
    world.deps.store.hangs = true;
    let failed = world.handle(vec![message("m-1", &notice(&accepted()))]).await;
    assert_eq!(failed, ["m-1"]);
    // The notice may have been sent already: sending it again could double it.
    assert_eq!(world.bodies(), Vec::<String>::new());
}

/// Items that are read together may be from before and after one commit: the entry exists, its dispatch not yet.
#[tokio::test(start_paused = true)]
async fn an_entry_without_its_dispatch_is_looked_for_again() {
    let world = world(vec![accepted()], &[]);
    let mut half = notice(&accepted());
    half.subject = SubjectKey::Dispatch(DispatchKey {
        id: DispatchId::new(4_711),
        ..support::dispatch().key
    });
    assert_eq!(world.handle(vec![message("m-1", &half)]).await, NONE);
    assert_eq!((world.receiver.visits(), world.sent().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn duplicates_within_a_batch_are_processed_once() {
    let world = world(vec![accepted()], &[Answer::Status(500), Answer::Status(500)]);
    let twice = vec![
        message("m-1", &notice(&accepted())),
        message("m-2", &notice(&accepted())),
    ];
    assert_eq!(world.handle(twice).await, NONE);
    assert_eq!((world.receiver.visits(), world.sent().len()), (1, 1));
}
