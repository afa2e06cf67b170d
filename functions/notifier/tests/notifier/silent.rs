//! Unresponsive receivers: which webhooks are postponed, and which one probes.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::handle::next;
use crate::support::{self, Answer, World, accepted, message, world};
use notifier::receivers;
use patchbay::dispatch::Entry;
use patchbay::webhook::{DeliveryStatus, Notice};

const NONE: [&str; 0] = [];

/// `count` entries with distinct ids, one for each webhook.
pub(crate) fn many(count: usize) -> Vec<Entry> {
    let entries = (0..count).map(|n| Entry {
        id: format!("{n:06}"),
        ..accepted()
    });
    entries.collect()
}

/// Delivers the first notice of an entry, sent now. Returns whether it was posted.
async fn is_posted(world: &World, entry: &Entry) -> bool {
    let before = world.receiver.visits();
    let first = Notice::first(support::dispatch().key.into(), entry.id.clone(), world.deps.clock.now());
    assert_eq!(world.handle(vec![message("m-1", &first)]).await, NONE);
    world.receiver.visits() > before
}

#[tokio::test(start_paused = true)]
async fn webhooks_of_an_unresponsive_receiver_are_postponed_until_it_answers() {
    let threshold = usize::try_from(receivers::UNRESPONSIVE_AFTER).expect("few");
    let entries = many(200);
    let world = world(entries.clone(), &vec![Answer::Silence; threshold + 1]);
    for entry in &entries[..threshold] {
        assert!(is_posted(&world, entry).await);
    }
    world.sent();
    // The others are postponed without a wait, each to a different time.
    let now = world.deps.clock.now();
    for entry in &entries[threshold..100] {
        assert!(!is_posted(&world, entry).await);
    }
    assert_eq!(world.deps.clock.now(), now);
    let due: BTreeSet<_> = world.sent().iter().map(|next| (next.failures, next.due_at)).collect();
    assert!(due.len() > 90, "{due:?}");
    assert!(due.iter().all(|(failures, _)| *failures == 0), "{due:?}");
    let postponed = world.delivery(&entries[50]);
    assert_eq!((postponed.posts, postponed.failures), (0, 0));
    assert!(
        postponed
            .answer
            .starts_with("not attempted: receiver unresponsive since 2027-"),
        "{postponed:?}"
    );

    // The first probe gets no answer. The second gets one: an error status is an answer too.
    let retry_at = |world: &World| world.deps.store.unresponsive.lock().expect("not poisoned")["example.org"].retry_at;
    world.deps.clock.sleep_until(retry_at(&world)).await;
    assert!(is_posted(&world, &entries[100]).await);
    assert!(!is_posted(&world, &entries[101]).await);
    world.deps.clock.sleep_until(retry_at(&world)).await;
    world.receiver.then(Answer::Status(500));
    assert!(is_posted(&world, &entries[102]).await);
    for entry in &entries[103..] {
        assert!(is_posted(&world, entry).await);
    }
}

#[tokio::test(start_paused = true)]
async fn one_webhook_of_a_batch_probes_an_unresponsive_receiver() {
    let threshold = usize::try_from(receivers::UNRESPONSIVE_AFTER).expect("few");
    let entries = many(20);
    let world = world(entries.clone(), &vec![Answer::Silence; threshold + 1]);
    for entry in &entries[..threshold] {
        is_posted(&world, entry).await;
    }
    world.deps.clock.sleep(Duration::from_mins(2)).await;
    let batch = entries[threshold..].iter().map(|entry| {
        let first = Notice::first(support::dispatch().key.into(), entry.id.clone(), world.deps.clock.now());
        message(&entry.id, &first)
    });
    let batch = batch.collect();
    world.handle(batch).await;
    assert_eq!(world.receiver.visits(), threshold + 1);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_fails_fast_never_counts_as_unresponsive() {
    let entries = many(20);
    let world = world(entries.clone(), &vec![Answer::Lost; 20]);
    for entry in &entries {
        assert!(is_posted(&world, entry).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_manual_resend_is_attempted_although_the_receiver_is_unresponsive() {
    let threshold = usize::try_from(receivers::UNRESPONSIVE_AFTER).expect("few");
    let entries = many(5);
    let world = world(entries.clone(), &vec![Answer::Silence; threshold]);
    for entry in &entries[..threshold] {
        is_posted(&world, entry).await;
    }
    assert!(!is_posted(&world, &entries[3]).await);
    let redriven = Notice {
        resent: 1,
        ..Notice::first(
            support::dispatch().key.into(),
            entries[4].id.clone(),
            world.deps.clock.now(),
        )
    };
    world.handle(vec![message("m-0", &redriven)]).await;
    assert_eq!(
        world.receiver.visits(),
        threshold,
        "redriven webhooks are postponed too"
    );
    let manual_notice = Notice {
        resent: 1,
        manual: true,
        ..Notice::first(
            support::dispatch().key.into(),
            entries[3].id.clone(),
            world.deps.clock.now(),
        )
    };
    world.handle(vec![message("m-1", &manual_notice)]).await;
    assert_eq!(world.receiver.visits(), threshold + 1);
    assert_eq!(world.delivery(&entries[3]).outcome, DeliveryStatus::Delivered);
    // The receiver has answered, so the breaker is closed for the others.
    assert!(world.deps.store.unresponsive.lock().expect("not poisoned").is_empty());
}

/// A world with an unresponsive receiver, and entries that have not been delivered yet.
async fn unresponsive_world(script: &[Answer]) -> (World, Vec<Entry>) {
    let threshold = usize::try_from(receivers::UNRESPONSIVE_AFTER).expect("few");
    let mut entries = many(50);
    let world = world(entries.clone(), &[&vec![Answer::Silence; threshold], script].concat());
    for entry in entries.drain(..threshold) {
        assert!(is_posted(&world, &entry).await);
    }
    world.sent();
    (world, entries)
}

fn manual_notice(world: &World, entry: &Entry) -> Notice {
    Notice {
        resent: 1,
        manual: true,
        ..Notice::first(support::dispatch().key.into(), entry.id.clone(), world.deps.clock.now())
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_manual_resends_one_at_a_time_is_attempted_for_a_minute() {
    let (world, entries) = unresponsive_world(&[Answer::Silence, Answer::Silence]).await;
    let visits = world.receiver.visits();
    let batch = entries
        .iter()
        .take(10)
        .map(|entry| message(&entry.id, &manual_notice(&world, entry)));
    let asked: Vec<_> = batch.collect();
    world.handle(asked.clone()).await;
    assert_eq!(world.receiver.visits(), visits + 1);
    assert!(
        world.sent().iter().all(|next| next.manual),
        "a postponed notice is still a manual one"
    );
    // After another failure, or a minute later, a resend is no longer urgent.
    let visits = world.receiver.visits();
    let first = manual_notice(&world, &entries[20]);
    let failed = Notice {
        failures: 1,
        ..manual_notice(&world, &entries[21])
    };
    let old = Notice {
        first_at: world.deps.clock.now().plus_millis(-60_000),
        ..manual_notice(&world, &entries[22])
    };
    for (notice, visited) in [(failed, 0), (old, 0), (first, 1)] {
        world.handle(vec![message("m-1", &notice)]).await;
        assert_eq!(world.receiver.visits(), visits + visited, "{notice:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_releases_the_lock_at_once() {
    for (answer, waited) in [
        (Answer::Status(500), false),
        (Answer::Silence, true),
        (Answer::Status(410), false),
    ] {
        let (world, entries) = unresponsive_world(&[answer]).await;
        world.deps.clock.sleep(Duration::from_mins(1)).await;
        let before = world.deps.clock.now();
        assert!(is_posted(&world, &entries[0]).await);
        let now = world.deps.clock.now();
        assert_eq!(now > before, waited);
        assert_eq!(*world.deps.store.probe_lock.lock().expect("not poisoned"), Some(now));
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_finds_the_probe_lock_held_is_postponed_without_an_attempt() {
    let (world, entries) = unresponsive_world(&[]).await;
    world.deps.clock.sleep(Duration::from_secs(20)).await;
    let taken = world.deps.clock.now().plus_seconds(4);
    *world.deps.store.probe_lock.lock().expect("not poisoned") = Some(taken);
    assert!(!is_posted(&world, &entries[0]).await);
    let next = next(&world);
    assert_eq!(next.failures, 0);
    assert!(
        next.due_at >= taken && next.due_at <= taken.plus_seconds(35),
        "{next:?}"
    );
    // The lock of a holder that died expires.
    world.deps.clock.sleep_until(taken).await;
    assert!(is_posted(&world, &entries[1]).await);
}

#[tokio::test(start_paused = true)]
async fn status_410_counts_as_an_answer_and_a_forbidden_target_does_not() {
    let (world, entries) = unresponsive_world(&[Answer::Forbidden, Answer::Status(410)]).await;
    world.deps.clock.sleep(Duration::from_mins(1)).await;
    is_posted(&world, &entries[0]).await;
    let failed = world.delivery(&entries[0]);
    assert_eq!((failed.outcome, failed.posts), (DeliveryStatus::Failed, 0));
    assert!(!world.deps.store.unresponsive.lock().expect("not poisoned").is_empty());
    world.deps.clock.sleep(Duration::from_mins(5)).await;
    is_posted(&world, &entries[1]).await;
    let failed = world.delivery(&entries[1]);
    assert_eq!((failed.outcome, failed.posts), (DeliveryStatus::Failed, 1));
    assert!(world.deps.store.unresponsive.lock().expect("not poisoned").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failed_read_of_a_receiver_is_not_repeated_for_each_webhook() {
    let entries = many(20);
    let mut world = world(entries.clone(), &[]);
    world.deps.store.receiver_reads_fail = true;
    for entry in &entries {
        assert!(is_posted(&world, entry).await);
    }
    let reads = world.deps.store.reads.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(reads, 1);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_of_a_postponed_notice_is_dropped() {
    let (world, entries) = unresponsive_world(&[]).await;
    let first = Notice::first(
        support::dispatch().key.into(),
        entries[0].id.clone(),
        world.deps.clock.now(),
    );
    world.handle(vec![message("m-1", &first)]).await;
    world.handle(vec![message("m-1", &first)]).await;
    let sent = world.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    // The notice that replaced it is delivered.
    world.deps.clock.sleep_until(sent[0].due_at).await;
    world.handle(vec![message("m-2", &sent[0])]).await;
    assert_eq!(world.delivery(&entries[0]).outcome, DeliveryStatus::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_starts_to_fail_fast_is_no_longer_unresponsive() {
    let threshold = usize::try_from(receivers::UNRESPONSIVE_AFTER).expect("few");
    let entries = many(20);
    let world = world(
        entries.clone(),
        &[vec![Answer::Silence; threshold], vec![Answer::Lost; 17]].concat(),
    );
    for entry in &entries[..threshold] {
        is_posted(&world, entry).await;
    }
    world.deps.clock.sleep(Duration::from_mins(5)).await;
    for entry in &entries[threshold..] {
        assert!(is_posted(&world, entry).await);
    }
}

#[tokio::test(start_paused = true)]
async fn the_state_of_a_receiver_is_read_once_a_second_at_most() {
    let entries = many(50);
    let world = world(entries.clone(), &[]);
    for entry in &entries {
        is_posted(&world, entry).await;
        world.deps.clock.sleep(Duration::from_millis(100)).await;
    }
    let reads = || world.deps.store.reads.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(reads(), 5);
    world.deps.clock.sleep(Duration::from_secs(2)).await;
    let batch = many(60).split_off(50);
    world
        .deps
        .store
        .entries
        .lock()
        .expect("not poisoned")
        .extend(batch.iter().cloned());
    let first = |entry: &Entry| Notice::first(support::dispatch().key.into(), entry.id.clone(), world.deps.clock.now());
    world
        .handle(batch.iter().map(|entry| message(&entry.id, &first(entry))).collect())
        .await;
    assert_eq!((reads(), world.receiver.visits()), (6, 60), "one read for a batch");
}
