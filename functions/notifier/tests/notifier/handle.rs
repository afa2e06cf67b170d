//! Outcomes of the messages on the `notifications` queue.

use std::time::Duration;

use crate::support::{
    self, Answer, PROVIDER, START, World, accepted, attempt, called, entry, message, notice, signer, world,
};
use patchbay::dispatch::{Attempt, Entry, Fact, NoAnswerReason, Phase, State};
use patchbay::message::FailureKind;
use patchbay::webhook::{DeliveryStatus, Notice, Strategy};

const NONE: [&str; 0] = [];

pub(crate) fn no_answer() -> Entry {
    let fact = Fact::NoAnswer {
        attempt: attempt(),
        number: 1,
        reason: NoAnswerReason::Busy,
    };
    Entry {
        id: "another".to_owned(),
        ..entry(fact)
    }
}

/// The only notice in the dead-letter queue.
pub(crate) fn only_dead_letter(world: &World) -> Notice {
    let [(letter, reason)] = &world.dead()[..] else {
        panic!("not one dead letter")
    };
    assert!(!reason.contains("hidden"), "{reason}");
    serde_json::from_str(letter).expect("a notice")
}

/// The only notice that was sent: the queue's next message.
pub(crate) fn next(world: &World) -> Notice {
    let [next] = &world.sent()[..] else {
        panic!("not one notice")
    };
    next.clone()
}

#[tokio::test(start_paused = true)]
async fn a_webhook_is_posted_once_with_a_valid_signature() {
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
        notifier::payload::dispatch::payload(&support::dispatch(), &accepted())
    );
}

#[tokio::test(start_paused = true)]
async fn the_sample_event_of_aws_is_processed() {
    let world = world(Vec::new(), &[]);
    let event = serde_json::from_str(include_str!("../../../../tests/events/notifier.json")).expect("an event");
    let response = notifier::handle(&world.deps, event).await;
    assert_eq!(response.batch_item_failures, []);
}

#[tokio::test(start_paused = true)]
async fn every_retry_has_the_id_and_the_body_of_the_first_attempt() {
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
async fn a_webhook_fails_after_24_hours_of_failed_attempts() {
    let world = world(vec![accepted()], &vec![Answer::Status(503); 20]);
    let mut current = notice(&accepted());
    let mut posts = 0;
    loop {
        assert_eq!(world.handle(vec![message("m-1", &current)]).await, NONE);
        posts += 1;
        assert!(posts < 20, "retries never end");
        let Some(next) = world.sent().pop() else { break };
        current = next;
        world.deps.clock.sleep_until(current.due_at).await;
    }
    assert!((11..=12).contains(&posts), "{posts}");
    assert_eq!(world.receiver.visits(), posts);
    assert_eq!(world.deps.clock.now().since(START), Duration::from_hours(24));
    assert_eq!(only_dead_letter(&world).entry, accepted().id);
    let delivery = world.delivery(&accepted());
    assert_eq!(delivery.outcome, DeliveryStatus::Failed);
    assert_eq!(usize::try_from(delivery.posts), Ok(posts));
    assert_eq!(delivery.answer, "gave up after 24 h: 503 Service Unavailable");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_to_a_receiver_that_is_gone_or_forbidden_fails_at_once() {
    for answer in [Answer::Status(410), Answer::Forbidden] {
        let world = world(vec![accepted()], std::slice::from_ref(&answer));
        assert_eq!(world.handle(vec![message("m-1", &notice(&accepted()))]).await, NONE);
        assert_eq!(only_dead_letter(&world).due_at, START, "{answer:?}");
        assert_eq!((world.receiver.visits(), world.sent()), (1, Vec::new()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_not_public_is_never_posted_to() {
    for url in [
        "http://example.org/",
        "https://169.254.169.254/",
        "https://[::1]/",
        "not a URL",
    ] {
        let mut world = world(vec![accepted()], &[]);
        world.deps.store.dispatch.spec.webhook.as_mut().expect("a webhook").url = url.to_owned();
        assert_eq!(world.handle(vec![message("m-1", &notice(&accepted()))]).await, NONE);
        only_dead_letter(&world);
        assert_eq!((world.receiver.visits(), world.sent()), (0, Vec::new()), "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_webhook_starts_over_when_it_is_redriven() {
    let world = world(vec![accepted()], &[Answer::Status(410), Answer::Status(500)]);
    world.handle(vec![message("m-1", &notice(&accepted()))]).await;
    let dead_letter = only_dead_letter(&world);
    tokio::time::advance(Duration::from_hours(30)).await;
    let now = world.deps.clock.now();
    assert_eq!(world.handle(vec![message("m-2", &dead_letter)]).await, NONE);
    let next = next(&world);
    assert_eq!((next.failures, next.first_at), (1, now));
    assert_eq!(world.receiver.visits(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_is_not_due_is_sent_again_unchanged_without_a_read() {
    let mut world = world(vec![accepted()], &[]);
    world.deps.store.broken = Some(FailureKind::Transient);
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
async fn a_notice_due_within_a_second_is_processed_now() {
    let world = world(vec![accepted()], &[]);
    let nearly = Notice {
        due_at: START.plus_millis(999),
        ..notice(&accepted())
    };
    assert_eq!(world.handle(vec![message("m-1", &nearly)]).await, NONE);
    assert_eq!((world.receiver.visits(), world.sent()), (1, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn retry_after_of_a_busy_receiver_is_honored() {
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
async fn on_completion_skips_events_of_single_calls() {
    for (strategy, visits) in [(Strategy::OnCompletion, 1), (Strategy::OnChange, 2)] {
        let mut world = world(vec![accepted(), no_answer()], &[]);
        world
            .deps
            .store
            .dispatch
            .spec
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
async fn a_notice_with_nothing_to_deliver_is_done() {
    let mut without_webhook = world(vec![accepted()], &[]);
    without_webhook.deps.store.dispatch.spec.webhook = None;
    let without_entry = world(Vec::new(), &[]);
    // An entry with the id that the notice names, of a kind that has no webhook.
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
async fn a_duplicate_message_is_not_delivered_again() {
    let world = world(vec![accepted()], &[Answer::Status(500)]);
    for _ in 0..3 {
        world.handle(vec![message("m-1", &notice(&accepted()))]).await;
    }
    // The duplicates neither post nor fork the retries.
    let failed_once = next(&world);
    assert_eq!(world.receiver.visits(), 1);
    world.deps.clock.sleep_until(failed_once.due_at).await;
    for _ in 0..3 {
        world.handle(vec![message("m-1", &failed_once)]).await;
    }
    assert_eq!((world.receiver.visits(), world.sent()), (2, Vec::new()));
    let delivery = world.delivery(&accepted());
    assert_eq!((delivery.outcome, delivery.posts), (DeliveryStatus::Delivered, 2));
    assert_eq!(delivery.answer, "200 OK");
}

#[tokio::test(start_paused = true)]
async fn a_resent_webhook_is_posted_once_more_with_the_same_id() {
    for first in [Answer::Status(200), Answer::Status(410), Answer::Status(500)] {
        let world = world(vec![accepted()], &[first]);
        world.handle(vec![message("m-1", &notice(&accepted()))]).await;
        let retry = world.sent().pop();
        let again = Notice {
            resent: 1,
            manual: true,
            ..notice(&accepted())
        };
        for _ in 0..2 {
            assert_eq!(world.handle(vec![message("m-2", &again)]).await, NONE);
        }
        // The earlier retry has nothing left to do.
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
            (DeliveryStatus::Delivered, 1, 2)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_records_the_response_and_the_time_of_the_next_attempt() {
    let world = world(vec![accepted()], &[Answer::Says(401, "bad\r\nkey")]);
    world.handle(vec![message("m-1", &notice(&accepted()))]).await;
    let delivery = world.delivery(&accepted());
    assert_eq!(delivery.answer, "401 Unauthorized: bad key");
    let next_at = next(&world).due_at;
    assert_eq!(delivery.outcome, DeliveryStatus::Retrying { next_at });
    assert_eq!((delivery.failures, delivery.posts), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_response_body_is_shown_to_the_tenant_only() {
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

/// A world with the strategy `OnStatus`, whose current call is in `phase`.
fn world_on_status(entries: Vec<Entry>, phase: Phase) -> World {
    let mut world = world(entries, &[]);
    let dispatch = &mut world.deps.store.dispatch;
    dispatch.spec.webhook.as_mut().expect("a webhook").strategy = Strategy::OnStatus;
    dispatch.state = State::Calling(Attempt {
        elsewhere: false,
        id: attempt(),
        number: 1,
        due_at: START,
        provider: Some(PROVIDER),
        phase,
    });
    world
}

#[tokio::test(start_paused = true)]
async fn an_outdated_call_status_is_not_delivered() {
    let placed = || Phase::Placed {
        at: START,
        call_id: "t-1".to_owned(),
    };
    let ended = Phase::Ended {
        at: START,
        call_id: None,
    };
    let ringing = || message("m-1", &notice(&status("Ringing")));
    for (known, phase, visits) in [
        (vec!["Ringing"], placed(), 1),
        (vec!["Queued", "Ringing"], placed(), 1),
        (vec!["Ringing", "SomethingNew"], placed(), 1),
        (vec!["Ringing", "InProgress"], placed(), 0),
        (vec!["Ringing"], ended, 0),
    ] {
        let world = world_on_status(known.iter().map(|name| status(name)).collect(), phase);
        assert_eq!(world.handle(vec![ringing()]).await, NONE);
        assert_eq!(
            (world.receiver.visits(), world.sent()),
            (visits, Vec::new()),
            "{known:?}"
        );
        let outcome = world.delivery(&status("Ringing")).outcome;
        assert_eq!(outcome == DeliveryStatus::Superseded, visits == 0, "{known:?}");
    }
    // Unless a person asks for it to be resent.
    let world = world_on_status(vec![status("Ringing"), status("InProgress")], placed());
    let again = Notice {
        resent: 1,
        manual: true,
        ..notice(&status("Ringing"))
    };
    world.receiver.then(Answer::Status(500));
    world.handle(vec![ringing(), message("m-2", &again)]).await;
    // Its retries too.
    let retry = next(&world);
    world.deps.clock.sleep_until(retry.due_at).await;
    world.handle(vec![message("m-3", &retry)]).await;
    assert_eq!(world.receiver.visits(), 2);
    // The dispatch has moved on without this call.
    let mut world = world_on_status(vec![status("Ringing")], placed());
    world.deps.store.dispatch.state = State::Cancelled { at: START };
    world.handle(vec![ringing()]).await;
    assert_eq!(world.receiver.visits(), 0);
}
