//! What becomes of the messages on the `notifications` queue.

use std::time::Duration;

use crate::support::{
    self, Answer, PROVIDER, START, World, accepted, attempt, called, entry, message, notice, signer, world,
};
use patchbay::dispatch::delivery::Outcome;
use patchbay::dispatch::state::Strategy;
use patchbay::dispatch::work::Notice;
use patchbay::dispatch::{Attempt, Entry, Fact, Phase, Reason, State};
use patchbay::mail::Failed;

const NONE: [&str; 0] = [];

pub(crate) fn no_answer() -> Entry {
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
pub(crate) fn given_up(world: &World) -> Notice {
    let [(letter, reason)] = &world.dead()[..] else {
        panic!("not one dead letter")
    };
    assert!(!reason.contains("hidden"), "{reason}");
    serde_json::from_str(letter).expect("a notice")
}

/// The one notice that was sent, which is to be in the queue's next message.
pub(crate) fn next(world: &World) -> Notice {
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
    world.receiver.then(Answer::Status(500));
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
