//! What becomes of the messages on the `notifications` queue.

use std::time::Duration;

use crate::support::{self, Answer, START, World, accepted, attempt, entry, message, notice, record, signer, world};
use patchbay::dispatch::state::Strategy;
use patchbay::dispatch::{Entry, Fact, Reason};
use patchbay::queue::{Failed, Notice, Tried};

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
async fn a_receiver_that_never_works_is_tried_eleven_times_in_a_day_and_then_given_up() {
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
    assert_eq!((posts, world.receiver.visits()), (11, 11));
    let hours = world.deps.clock.now().since(START).as_secs() / 3_600;
    assert!((21..=24).contains(&hours), "{hours}");
    assert_eq!(given_up(&world).entry, accepted().id);
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
    let world = world(vec![accepted()], &script);
    let mut pauses = Vec::new();
    for _ in 0..3 {
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
    for world in [without_webhook, without_entry, without_status, without_dispatch] {
        assert_eq!(world.handle(vec![message("m-1", &notice(&accepted()))]).await, NONE);
        assert_eq!((world.receiver.visits(), world.sent()), (0, Vec::new()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_message_becomes_a_dead_letter_and_stops_nobody_else() {
    let world = world(vec![accepted()], &[]);
    let good = notice(&accepted());
    let mut nameless = message("", &good);
    nameless.message_id = None;
    let failed = world
        .handle(vec![
            record("poison", "{"),
            record("empty", ""),
            record("strange", r#"{"tenant":"ACME"}"#),
            nameless,
            message("", &good),
            message("good", &good),
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
    world.deps.returns.queue.broken = true;
    world.deps.returns.dead_letters.broken = true;
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
async fn a_silent_receiver_holds_the_others_up_for_seconds_only() {
    let world = world(vec![accepted()], &[Answer::Silence]);
    let good = notice(&accepted());
    let failed = world.handle(vec![message("slow", &good), message("next", &good)]).await;
    assert_eq!(failed, NONE);
    assert_eq!(world.receiver.visits(), 2);
    assert_eq!(world.deps.clock.now().since(START), notifier::POST_TIMEOUT);
    assert_eq!(next(&world).failures, 1);
}
