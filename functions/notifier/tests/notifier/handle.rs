//! What becomes of the messages on the `notifications` queue.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::{
    self, Answer, PROVIDER, START, World, accepted, attempt, called, entry, message, notice, record, signer, world,
};
use notifier::receivers;
use patchbay::dispatch::delivery::Outcome;
use patchbay::dispatch::state::Strategy;
use patchbay::dispatch::work::Notice;
use patchbay::dispatch::{Attempt, Entry, Fact, Phase, Reason, State};
use patchbay::mail::Failed;
use patchbay::outbox::Tried;

const NONE: [&str; 0] = [];

fn no_answer() -> Entry {
    let fact = Fact::NoAnswer {
        attempt: attempt(),
        number: 1,
        reason: Reason::Busy,
    };
    Entry {
        id: "another".to_owned(),
        ..entry(fact)
    }
}

/// The one notice that was given up, as it is in the dead-letter queue.
fn given_up(world: &World) -> Notice {
    let [(letter, reason)] = &world.dead()[..] else {
        panic!("not one dead letter")
    };
    assert!(!reason.contains("hidden"), "{reason}");
    serde_json::from_str(letter).expect("a notice")
}

/// The one notice that was sent, which is to be in the queue's next message.
fn next(world: &World) -> Notice {
    let [next] = &world.sent()[..] else {
        panic!("not one notice")
    };
    next.clone()
}

#[tokio::test(start_paused = true)]
async fn a_webhook_is_posted_signed_and_then_done() {
    let world = world(vec![accepted()], &[]);
    assert_eq!(world.handle(vec![message("m-1", &notice(&accepted()))]).await, NONE);
    assert_eq!(world.sent(), []);
    let got = world.receiver.got.lock().expect("not poisoned");
    let [request] = &got[..] else { panic!("{got:?}") };
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri(), support::URL);
    assert_eq!(request.headers()["content-type"], "application/json");
    assert_eq!(
        request.headers()["user-agent"],
        concat!("patchbay/", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(signer().verify(request.headers(), request.body(), START), Ok(()));
    let body: serde_json::Value = serde_json::from_slice(request.body()).expect("JSON");
    assert_eq!(
        Some(body),
        notifier::payload::payload(&support::dispatch(), &accepted())
    );
}

#[tokio::test(start_paused = true)]
async fn the_message_that_aws_sends_is_understood() {
    let world = world(Vec::new(), &[]);
    let event = serde_json::from_str(include_str!("../../../../tests/events/notifier.json")).expect("an event");
    let response = notifier::handle(&world.deps, event).await;
    assert_eq!(response.batch_item_failures, []);
}

#[tokio::test(start_paused = true)]
async fn every_retry_has_the_name_and_the_body_of_the_first_delivery() {
    let script = [Answer::Status(500), Answer::Lost, Answer::Status(302), Answer::Silence];
    let world = world(vec![accepted()], &script);
    let mut current = notice(&accepted());
    for failures in 1..=4 {
        assert_eq!(world.handle(vec![message("m-1", &current)]).await, NONE);
        current = next(&world);
        assert_eq!(current.failures, failures);
        world.deps.clock.sleep_until(current.due_at).await;
    }
    assert_eq!(world.handle(vec![message("m-1", &current)]).await, NONE);
    assert_eq!(world.sent(), []);
    let got = world.receiver.got.lock().expect("not poisoned");
    assert_eq!(got.len(), 5);
    for request in got.iter() {
        assert_eq!(request.headers()["webhook-id"], got[0].headers()["webhook-id"]);
        assert_eq!(request.body(), got[0].body());
    }
    assert_ne!(
        got[4].headers()["webhook-timestamp"],
        got[0].headers()["webhook-timestamp"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_never_works_is_tried_for_a_day_and_then_given_up() {
    let world = world(vec![accepted()], &vec![Answer::Status(503); 20]);
    let mut current = notice(&accepted());
    let mut posts = 0;
    loop {
        assert_eq!(world.handle(vec![message("m-1", &current)]).await, NONE);
        posts += 1;
        assert!(posts < 20, "it goes on for ever");
        let Some(next) = world.sent().pop() else { break };
        current = next;
        world.deps.clock.sleep_until(current.due_at).await;
    }
    assert!((11..=12).contains(&posts), "{posts}");
    assert_eq!(world.receiver.visits(), posts);
    assert_eq!(world.deps.clock.now().since(START), Duration::from_hours(24));
    assert_eq!(given_up(&world).entry, accepted().id);
    let delivery = world.delivery(&accepted());
    assert_eq!(delivery.outcome, Outcome::GivenUp);
    assert_eq!(usize::try_from(delivery.posts), Ok(posts));
    assert_eq!(delivery.answer, "a day of tries is over: 503 Service Unavailable");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_gone_or_not_allowed_is_given_up_at_once() {
    for answer in [Answer::Status(410), Answer::Forbidden] {
        let world = world(vec![accepted()], std::slice::from_ref(&answer));
        assert_eq!(world.handle(vec![message("m-1", &notice(&accepted()))]).await, NONE);
        assert_eq!(given_up(&world).due_at, START, "{answer:?}");
        assert_eq!((world.receiver.visits(), world.sent()), (1, Vec::new()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_not_public_is_never_visited() {
    for url in [
        "http://example.org/",
        "https://169.254.169.254/",
        "https://[::1]/",
        "not a URL",
    ] {
        let mut world = world(vec![accepted()], &[]);
        world.deps.store.dispatch.brief.webhook.as_mut().expect("a webhook").url = url.to_owned();
        assert_eq!(world.handle(vec![message("m-1", &notice(&accepted()))]).await, NONE);
        given_up(&world);
        assert_eq!((world.receiver.visits(), world.sent()), (0, Vec::new()), "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_given_up_webhook_begins_anew_when_somebody_redrives_it() {
    let world = world(vec![accepted()], &[Answer::Status(410), Answer::Status(500)]);
    world.handle(vec![message("m-1", &notice(&accepted()))]).await;
    let given_up = given_up(&world);
    tokio::time::advance(Duration::from_hours(30)).await;
    let now = world.deps.clock.now();
    assert_eq!(world.handle(vec![message("m-2", &given_up)]).await, NONE);
    let next = next(&world);
    assert_eq!((next.failures, next.first_at), (1, now));
    assert_eq!(world.receiver.visits(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_due_is_sent_on_unchanged_and_not_looked_at() {
    let mut world = world(vec![accepted()], &[]);
    world.deps.store.broken = Some(Failed::ForNow);
    let later = Notice {
        due_at: START.plus_seconds(5_000),
        failures: 6,
        ..notice(&accepted())
    };
    assert_eq!(world.handle(vec![message("m-1", &later)]).await, NONE);
    assert_eq!(world.sent(), [later]);
    assert_eq!(world.receiver.visits(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_due_within_a_second_is_due() {
    let world = world(vec![accepted()], &[]);
    let nearly = Notice {
        due_at: START.plus_millis(999),
        ..notice(&accepted())
    };
    assert_eq!(world.handle(vec![message("m-1", &nearly)]).await, NONE);
    assert_eq!((world.receiver.visits(), world.sent()), (1, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_busy_receiver_is_left_alone_as_long_as_it_asks() {
    let script = [
        Answer::RetryAfter(429, "90"),
        Answer::RetryAfter(503, "Fri, 15 Jan 2027 08:20:00 GMT"),
        Answer::RetryAfter(503, "1"),
    ];
    let mut pauses = Vec::new();
    for answer in script {
        let world = world(vec![accepted()], &[answer]);
        world.handle(vec![message("m-1", &notice(&accepted()))]).await;
        pauses.push(next(&world).due_at.since(START).as_millis());
    }
    assert_eq!(pauses[..2], [90_000, 1_200_000]);
    assert!((4_500..=5_500).contains(&pauses[2]), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn who_wants_to_hear_of_the_whole_only_hears_of_the_whole_only() {
    for (strategy, visits) in [(Strategy::OnCompletion, 1), (Strategy::OnChange, 2)] {
        let mut world = world(vec![accepted(), no_answer()], &[]);
        world
            .deps
            .store
            .dispatch
            .brief
            .webhook
            .as_mut()
            .expect("a webhook")
            .strategy = strategy;
        let batch = vec![
            message("m-1", &notice(&no_answer())),
            message("m-2", &notice(&accepted())),
        ];
        assert_eq!(world.handle(batch).await, NONE);
        assert_eq!(
            (world.receiver.visits(), world.sent()),
            (visits, Vec::new()),
            "{strategy:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn where_there_is_nobody_or_nothing_to_tell_it_is_done() {
    let mut without_webhook = world(vec![accepted()], &[]);
    without_webhook.deps.store.dispatch.brief.webhook = None;
    let without_entry = world(Vec::new(), &[]);
    // An entry of the name that the notice asks for.
    let without_status = world(vec![entry(Fact::Created)], &[]);
    let mut without_dispatch = world(vec![accepted()], &[]);
    without_dispatch.deps.store.dispatch.key.tenant = "other".parse().expect("tenant");
    let old = Notice {
        first_at: START.plus_millis(-120_000),
        ..notice(&accepted())
    };
    for world in [without_webhook, without_entry, without_status, without_dispatch] {
        assert_eq!(world.handle(vec![message("m-1", &old)]).await, NONE);
        assert_eq!((world.receiver.visits(), world.sent()), (0, Vec::new()));
    }
}

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
async fn what_was_delivered_is_not_delivered_again_when_the_queue_repeats_it() {
    let world = world(vec![accepted()], &[Answer::Status(500)]);
    for _ in 0..3 {
        world.handle(vec![message("m-1", &notice(&accepted()))]).await;
    }
    // The repeated ones neither post nor fork the retries.
    let failed_once = next(&world);
    assert_eq!(world.receiver.visits(), 1);
    world.deps.clock.sleep_until(failed_once.due_at).await;
    for _ in 0..3 {
        world.handle(vec![message("m-1", &failed_once)]).await;
    }
    assert_eq!((world.receiver.visits(), world.sent()), (2, Vec::new()));
    let delivery = world.delivery(&accepted());
    assert_eq!((delivery.outcome, delivery.posts), (Outcome::Delivered, 2));
    assert_eq!(delivery.answer, "200 OK");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_has_sent_again_is_posted_once_more_under_the_same_name() {
    for first in [Answer::Status(200), Answer::Status(410), Answer::Status(500)] {
        let world = world(vec![accepted()], &[first]);
        world.handle(vec![message("m-1", &notice(&accepted()))]).await;
        let retry = world.sent().pop();
        let again = Notice {
            resent: 1,
            asked: true,
            ..notice(&accepted())
        };
        for _ in 0..2 {
            assert_eq!(world.handle(vec![message("m-2", &again)]).await, NONE);
        }
        // The retry of before has nothing left to do.
        if let Some(retry) = retry {
            world.deps.clock.sleep_until(retry.due_at).await;
            world.handle(vec![message("m-3", &retry)]).await;
        }
        let got = world.receiver.got.lock().expect("not poisoned");
        let ids: Vec<_> = got.iter().map(|request| &request.headers()["webhook-id"]).collect();
        assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
        let delivery = world.delivery(&accepted());
        assert_eq!(
            (delivery.outcome, delivery.resent, delivery.posts),
            (Outcome::Delivered, 1, 2)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_says_what_the_receiver_said_and_when_it_is_tried_again() {
    let world = world(vec![accepted()], &[Answer::Says(401, "bad\r\nkey")]);
    world.handle(vec![message("m-1", &notice(&accepted()))]).await;
    let delivery = world.delivery(&accepted());
    assert_eq!(delivery.answer, "401 Unauthorized: bad key");
    let next_at = next(&world).due_at;
    assert_eq!(delivery.outcome, Outcome::Retrying { next_at });
    assert_eq!((delivery.failures, delivery.posts), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_a_receiver_repeats_of_a_webhook_is_for_its_owner_only() {
    let world = world(vec![accepted()], &[Answer::Says(410, "POST /hook?key=hidden of Anna")]);
    world.handle(vec![message("m-1", &notice(&accepted()))]).await;
    assert_eq!(
        world.delivery(&accepted()).answer,
        "410 Gone: POST /hook?key=hidden of Anna"
    );
    let [(_, reason)] = &world.dead()[..] else {
        panic!("not one dead letter")
    };
    assert_eq!(reason, "example.org: 410 Gone");
}

fn status(name: &str) -> Entry {
    let fact = Fact::Status {
        attempt: attempt(),
        provider: PROVIDER,
        status: called(name),
        name: name.to_owned(),
        leg_id: "m-1".to_owned(),
        call_id: "t-1".to_owned(),
    };
    Entry {
        id: format!("{}{name}-0", Entry::status_prefix(attempt())),
        ..entry(fact)
    }
}

/// A world whose requester wants to hear of every status of a call that is `phase`.
fn telling_all(entries: Vec<Entry>, phase: Phase) -> World {
    let mut world = world(entries, &[]);
    let dispatch = &mut world.deps.store.dispatch;
    dispatch.brief.webhook.as_mut().expect("a webhook").strategy = Strategy::OnStatus;
    dispatch.state = State::Calling(Attempt {
        id: attempt(),
        number: 1,
        due_at: START,
        provider: Some(PROVIDER),
        phase,
    });
    world
}

#[tokio::test(start_paused = true)]
async fn a_status_is_told_forward_only() {
    let placed = || Phase::Placed {
        at: START,
        call_id: "t-1".to_owned(),
    };
    let ended = Phase::Ended {
        at: START,
        call_id: None,
    };
    let ringing = || message("m-1", &notice(&status("Ringing")));
    for (there, phase, visits) in [
        (vec!["Ringing"], placed(), 1),
        (vec!["Queued", "Ringing"], placed(), 1),
        (vec!["Ringing", "SomethingNew"], placed(), 1),
        (vec!["Ringing", "InProgress"], placed(), 0),
        (vec!["Ringing"], ended, 0),
    ] {
        let world = telling_all(there.iter().map(|name| status(name)).collect(), phase);
        assert_eq!(world.handle(vec![ringing()]).await, NONE);
        assert_eq!(
            (world.receiver.visits(), world.sent()),
            (visits, Vec::new()),
            "{there:?}"
        );
        let outcome = world.delivery(&status("Ringing")).outcome;
        assert_eq!(outcome == Outcome::Overtaken, visits == 0, "{there:?}");
    }
    // Unless somebody wants it sent again.
    let world = telling_all(vec![status("Ringing"), status("InProgress")], placed());
    let again = Notice {
        resent: 1,
        asked: true,
        ..notice(&status("Ringing"))
    };
    world
        .receiver
        .script
        .lock()
        .expect("not poisoned")
        .push_back(Answer::Status(500));
    world.handle(vec![ringing(), message("m-2", &again)]).await;
    // Its retries too.
    let retry = next(&world);
    world.deps.clock.sleep_until(retry.due_at).await;
    world.handle(vec![message("m-3", &retry)]).await;
    assert_eq!(world.receiver.visits(), 2);
    // The story has gone on without this call.
    let mut world = telling_all(vec![status("Ringing")], placed());
    world.deps.store.dispatch.state = State::Cancelled { at: START };
    world.handle(vec![ringing()]).await;
    assert_eq!(world.receiver.visits(), 0);
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

/// Entries of their own for `count` webhooks.
fn many(count: usize) -> Vec<Entry> {
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
    world
        .receiver
        .script
        .lock()
        .expect("not poisoned")
        .push_back(Answer::Status(500));
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
async fn two_of_one_message_in_a_batch_are_one() {
    let world = world(vec![accepted()], &[Answer::Status(500), Answer::Status(500)]);
    let twice = vec![
        message("m-1", &notice(&accepted())),
        message("m-2", &notice(&accepted())),
    ];
    assert_eq!(world.handle(twice).await, NONE);
    assert_eq!((world.receiver.visits(), world.sent().len()), (1, 1));
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
