//! Receivers that do not answer: who is left alone, and who finds out whether they answer again.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::handle::next;
use crate::support::{self, Answer, World, accepted, message, world};
use notifier::receivers;
use patchbay::dispatch::Entry;
use patchbay::dispatch::delivery::Outcome;
use patchbay::dispatch::work::Notice;

const NONE: [&str; 0] = [];

/// Entries of their own for `count` webhooks.
pub(crate) fn many(count: usize) -> Vec<Entry> {
    let entries = (0..count).map(|n| Entry {
        id: format!("{n:06}"),
        ..accepted()
    });
    entries.collect()
}

/// Hands over the first notice of an entry, as of now; tells whether it was posted.
async fn is_posted(world: &World, entry: &Entry) -> bool {
    let before = world.receiver.visits();
    let fresh = Notice::first(support::dispatch().key, entry.id.clone(), world.deps.clock.now());
    assert_eq!(world.handle(vec![message("m-1", &fresh)]).await, NONE);
    world.receiver.visits() > before
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_keeps_silent_is_left_alone_until_it_answers() {
    let opened = usize::try_from(receivers::OPEN_AFTER).expect("few");
    let entries = many(200);
    let world = world(entries.clone(), &vec![Answer::Silence; opened + 1]);
    for entry in &entries[..opened] {
        assert!(is_posted(&world, entry).await);
    }
    world.sent();
    // Nobody waits any more, and everybody comes back, at moments of their own.
    let now = world.deps.clock.now();
    for entry in &entries[opened..100] {
        assert!(!is_posted(&world, entry).await);
    }
    assert_eq!(world.deps.clock.now(), now);
    let due: BTreeSet<_> = world.sent().iter().map(|next| (next.failures, next.due_at)).collect();
    assert!(due.len() > 90, "{due:?}");
    assert!(due.iter().all(|(failures, _)| *failures == 0), "{due:?}");
    let put_off = world.delivery(&entries[50]);
    assert_eq!((put_off.posts, put_off.failures), (0, 0));
    assert!(
        put_off.answer.starts_with("not tried: no answer since 2027-"),
        "{put_off:?}"
    );

    // One finds out whether it answers again, and it does not; then another one, and it does: any answer will do.
    let retry_at = |world: &World| world.deps.store.silences.lock().expect("not poisoned")["example.org"].retry_at;
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
async fn of_many_at_once_one_finds_out_whether_a_receiver_answers_again() {
    let opened = usize::try_from(receivers::OPEN_AFTER).expect("few");
    let entries = many(20);
    let world = world(entries.clone(), &vec![Answer::Silence; opened + 1]);
    for entry in &entries[..opened] {
        is_posted(&world, entry).await;
    }
    world.deps.clock.sleep(Duration::from_mins(2)).await;
    let batch = entries[opened..].iter().map(|entry| {
        let fresh = Notice::first(support::dispatch().key, entry.id.clone(), world.deps.clock.now());
        message(&entry.id, &fresh)
    });
    let batch = batch.collect();
    world.handle(batch).await;
    assert_eq!(world.receiver.visits(), opened + 1);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_fails_fast_keeps_nobody_waiting_and_is_never_left_alone() {
    let entries = many(20);
    let world = world(entries.clone(), &vec![Answer::Lost; 20]);
    for entry in &entries {
        assert!(is_posted(&world, entry).await);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_person_asks_for_is_tried_although_the_receiver_keeps_silent() {
    let opened = usize::try_from(receivers::OPEN_AFTER).expect("few");
    let entries = many(5);
    let world = world(entries.clone(), &vec![Answer::Silence; opened]);
    for entry in &entries[..opened] {
        is_posted(&world, entry).await;
    }
    assert!(!is_posted(&world, &entries[3]).await);
    let redriven = Notice {
        resent: 1,
        ..Notice::first(support::dispatch().key, entries[4].id.clone(), world.deps.clock.now())
    };
    world.handle(vec![message("m-0", &redriven)]).await;
    assert_eq!(
        world.receiver.visits(),
        opened,
        "a thousand that are redriven find their way closed"
    );
    let by_hand = Notice {
        resent: 1,
        asked: true,
        ..Notice::first(support::dispatch().key, entries[3].id.clone(), world.deps.clock.now())
    };
    world.handle(vec![message("m-1", &by_hand)]).await;
    assert_eq!(world.receiver.visits(), opened + 1);
    assert_eq!(world.delivery(&entries[3]).outcome, Outcome::Delivered);
    // It has answered, so the others find it open.
    assert!(world.deps.store.silences.lock().expect("not poisoned").is_empty());
}

/// A world whose receiver is left alone, with entries that have not been told yet.
async fn left_alone(script: &[Answer]) -> (World, Vec<Entry>) {
    let opened = usize::try_from(receivers::OPEN_AFTER).expect("few");
    let mut entries = many(50);
    let world = world(entries.clone(), &[&vec![Answer::Silence; opened], script].concat());
    for entry in entries.drain(..opened) {
        assert!(is_posted(&world, &entry).await);
    }
    world.sent();
    (world, entries)
}

fn by_hand(world: &World, entry: &Entry) -> Notice {
    Notice {
        resent: 1,
        asked: true,
        ..Notice::first(support::dispatch().key, entry.id.clone(), world.deps.clock.now())
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_that_a_person_asks_for_one_at_a_time_is_tried_and_not_for_long() {
    let (world, entries) = left_alone(&[Answer::Silence, Answer::Silence]).await;
    let visits = world.receiver.visits();
    let batch = entries
        .iter()
        .take(10)
        .map(|entry| message(&entry.id, &by_hand(&world, entry)));
    let asked: Vec<_> = batch.collect();
    world.handle(asked.clone()).await;
    assert_eq!(world.receiver.visits(), visits + 1);
    assert!(world.sent().iter().all(|next| next.asked), "and nothing is forgotten");
    // Once it has failed otherwise, or a minute later, nobody waits for it any more.
    let visits = world.receiver.visits();
    let fresh = by_hand(&world, &entries[20]);
    let failed = Notice {
        failures: 1,
        ..by_hand(&world, &entries[21])
    };
    let old = Notice {
        first_at: world.deps.clock.now().plus_millis(-60_000),
        ..by_hand(&world, &entries[22])
    };
    for (notice, visited) in [(failed, 0), (old, 0), (fresh, 1)] {
        world.handle(vec![message("m-1", &notice)]).await;
        assert_eq!(world.receiver.visits(), visits + visited, "{notice:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_out_lets_the_next_one_find_out_at_once() {
    for (answer, waited) in [
        (Answer::Status(500), false),
        (Answer::Silence, true),
        (Answer::Status(410), false),
    ] {
        let (world, entries) = left_alone(&[answer]).await;
        world.deps.clock.sleep(Duration::from_mins(1)).await;
        let before = world.deps.clock.now();
        assert!(is_posted(&world, &entries[0]).await);
        let now = world.deps.clock.now();
        assert_eq!(now > before, waited);
        assert_eq!(*world.deps.store.turn.lock().expect("not poisoned"), Some(now));
    }
}

#[tokio::test(start_paused = true)]
async fn who_finds_another_one_finding_out_comes_back_soon_and_untried() {
    let (world, entries) = left_alone(&[]).await;
    world.deps.clock.sleep(Duration::from_secs(20)).await;
    let taken = world.deps.clock.now().plus_seconds(4);
    *world.deps.store.turn.lock().expect("not poisoned") = Some(taken);
    assert!(!is_posted(&world, &entries[0]).await);
    let next = next(&world);
    assert_eq!(next.failures, 0);
    assert!(
        next.due_at >= taken && next.due_at <= taken.plus_seconds(35),
        "{next:?}"
    );
    // As of somebody who is in the middle of it and dies, it is free again.
    world.deps.clock.sleep_until(taken).await;
    assert!(is_posted(&world, &entries[1]).await);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_410_is_an_answer_and_a_target_that_is_not_allowed_is_none() {
    let (world, entries) = left_alone(&[Answer::Forbidden, Answer::Status(410)]).await;
    world.deps.clock.sleep(Duration::from_mins(1)).await;
    is_posted(&world, &entries[0]).await;
    let given_up = world.delivery(&entries[0]);
    assert_eq!((given_up.outcome, given_up.posts), (Outcome::GivenUp, 0));
    assert!(!world.deps.store.silences.lock().expect("not poisoned").is_empty());
    world.deps.clock.sleep(Duration::from_mins(5)).await;
    is_posted(&world, &entries[1]).await;
    let given_up = world.delivery(&entries[1]);
    assert_eq!((given_up.outcome, given_up.posts), (Outcome::GivenUp, 1));
    assert!(world.deps.store.silences.lock().expect("not poisoned").is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_of_a_receiver_is_not_asked_for_again_and_again() {
    let entries = many(20);
    let mut world = world(entries.clone(), &[]);
    world.deps.store.forgets = true;
    for entry in &entries {
        assert!(is_posted(&world, entry).await);
    }
    let looks = world.deps.store.looks.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(looks, 1);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_what_was_put_off_already_is_settled() {
    let (world, entries) = left_alone(&[]).await;
    let fresh = Notice::first(support::dispatch().key, entries[0].id.clone(), world.deps.clock.now());
    world.handle(vec![message("m-1", &fresh)]).await;
    world.handle(vec![message("m-1", &fresh)]).await;
    let sent = world.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    // The one that was sent in its place goes on.
    world.deps.clock.sleep_until(sent[0].due_at).await;
    world.handle(vec![message("m-2", &sent[0])]).await;
    assert_eq!(world.delivery(&entries[0]).outcome, Outcome::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_has_begun_to_refuse_is_not_left_alone_any_more() {
    let opened = usize::try_from(receivers::OPEN_AFTER).expect("few");
    let entries = many(20);
    let world = world(
        entries.clone(),
        &[vec![Answer::Silence; opened], vec![Answer::Lost; 17]].concat(),
    );
    for entry in &entries[..opened] {
        is_posted(&world, entry).await;
    }
    world.deps.clock.sleep(Duration::from_mins(5)).await;
    for entry in &entries[opened..] {
        assert!(is_posted(&world, entry).await);
    }
}

#[tokio::test(start_paused = true)]
async fn whether_a_receiver_answers_is_read_once_a_second_at_most() {
    let entries = many(50);
    let world = world(entries.clone(), &[]);
    for entry in &entries {
        is_posted(&world, entry).await;
        world.deps.clock.sleep(Duration::from_millis(100)).await;
    }
    let looks = || world.deps.store.looks.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(looks(), 5);
    world.deps.clock.sleep(Duration::from_secs(2)).await;
    let batch = many(60).split_off(50);
    world
        .deps
        .store
        .entries
        .lock()
        .expect("not poisoned")
        .extend(batch.iter().cloned());
    let fresh = |entry: &Entry| Notice::first(support::dispatch().key, entry.id.clone(), world.deps.clock.now());
    world
        .handle(batch.iter().map(|entry| message(&entry.id, &fresh(entry))).collect())
        .await;
    assert_eq!((looks(), world.receiver.visits()), (6, 60), "also of a batch");
}
