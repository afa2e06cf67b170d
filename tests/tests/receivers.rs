//! One requester's receiver hangs: what that costs the others.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod common;

use std::time::Duration;

use common::{ask, pass};
use futures_util::future::join_all;
use patchbay::clock::Timestamp;
use patchbay::dispatch::delivery::{Delivery, Outcome};
use patchbay::ids::{DispatchId, DispatchKey};
use patchbay::store::{Probe, Silence};
use patchbay_simulators::aws::{Fault, Rule, Service};
use patchbay_simulators::world::{Options, World};
use serde_json::{Value, json};

/// Webhooks to a receiver that answers, one a second.
const HEALTHY: usize = 1_000;

/// A ticket that is over at once, as nobody wants to be phoned: one event for the receiver at `host`.
fn ticket(host: &str) -> Value {
    json!({
        "ticket": { "text": "Pump four has stopped." },
        "employees": [{ "id": "anna", "name": "Anna", "phone": "+12025550101", "opted_out": true }],
        "webhook": { "url": format!("https://{host}/hook") },
    })
}

async fn happens(world: &World, host: &str) {
    let answer = ask(world, "POST", "/v1/dispatches", &ticket(host)).await;
    assert_eq!(
        (answer.status, answer.text("/status")),
        (201, "Exhausted"),
        "{answer:?}"
    );
}

/// A world in which receivers below `dead.example.org` hang, as the rule is changed by `when`.
async fn world_with_dead(when: impl Fn(Rule, Timestamp) -> Rule) -> World {
    let world = World::start(Options {
        sentinel: None,
        ..Options::default()
    })
    .await
    .unwrap();
    let faults = world.aws.faults();
    faults.set_timeout(Duration::from_mins(10));
    // What DynamoDB, SQS and a near receiver take, there and back.
    faults.set_latency(3, 10);
    let dead = Rule::new(Fault::LostRequest)
        .service(Service::Http)
        .target(".dead.example.org");
    faults.plan(when(dead, world.clock.now()));
    world
}

/// Seconds from an event to the receiver that answers, sorted, while so many events wait for so many that do not.
async fn latencies(waiting: usize, receivers: usize) -> Vec<f64> {
    let world = world_with_dead(|dead, _| dead.times(u32::MAX)).await;
    let hosts = (0..waiting).map(|n| format!("r{}.dead.example.org", n % receivers));
    let hosts: Vec<String> = hosts.collect();
    join_all(hosts.iter().map(|host| happens(&world, host))).await;
    for _ in 0..HEALTHY {
        happens(&world, "healthy.example.org").await;
        pass(&world, 1).await;
    }
    pass(&world, 60).await;
    let told = world.notifications();
    let told = told
        .iter()
        .filter(|told| told.request.uri().host() == Some("healthy.example.org"));
    let mut seconds: Vec<f64> = told
        .map(|told| {
            let body = told.json();
            let happened = Timestamp::parse(common::text(&body, "/timestamp")).unwrap();
            told.at.since(happened).as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_holds_up_nobody_elses_webhooks() {
    // Of five that begin to hang together, each is waited for before it is known to.
    for (waiting, receivers, limit, longest) in [
        (0, 1, 990, 1.0),
        (100, 1, 990, 10.0),
        (1_000, 1, 990, 10.0),
        (1_000, 5, 980, 20.0),
    ] {
        let seconds = latencies(waiting, receivers).await;
        assert_eq!(seconds.len(), HEALTHY, "each once");
        let at = |per_mille: usize| seconds.get(HEALTHY * per_mille / 1_000).copied().unwrap_or(f64::MAX);
        let (half, p99, most) = (at(500), at(990), at(999));
        eprintln!(
            "{waiting:>5} events for {receivers} dead receivers: p50 {half:.3} s, p99 {p99:.3} s, most {most:.3} s"
        );
        assert!(at(limit) < 2.0 && most < longest, "{waiting} {receivers}: {p99} {most}");
    }
}

/// Receivers hang for hours, then all answer again: everything is told within what the README promises.
#[tokio::test(start_paused = true)]
async fn receivers_that_answer_again_hear_everything_within_a_quarter_of_an_hour() {
    for (receivers, hours) in [(1, 2), (20, 2), (5, 8)] {
        let end = |from: Timestamp| from.plus_seconds(hours * 3_600);
        let world = world_with_dead(|dead, now| dead.during(now..end(now))).await;
        let now = world.clock.now();
        let hosts: Vec<String> = (0..100)
            .map(|n| format!("r{}.dead.example.org", n % receivers))
            .collect();
        join_all(hosts.iter().map(|host| happens(&world, host))).await;
        world.clock.sleep_until(end(now)).await;
        let told_of = |world: &World| world.notifications().len();
        assert_eq!(told_of(&world), 0);
        pass(&world, 60).await;
        let soon = told_of(&world);
        pass(&world, 15 * 60).await;
        assert_eq!(
            told_of(&world),
            100,
            "{receivers} receivers after {hours} h, {soon} in a minute"
        );
    }
}

fn key() -> DispatchKey {
    DispatchKey {
        tenant: "main".parse().unwrap(),
        id: DispatchId::new(7),
    }
}

async fn noted(world: &World, resent: u32, failures: u8, outcome: Outcome) {
    let delivery = Delivery {
        resent,
        failures,
        posts: 1,
        at: world.clock.now(),
        answer: format!("{resent} {failures}"),
        outcome,
    };
    world.store.put_delivery(&key(), "a", &delivery).await.unwrap();
}

async fn answer(world: &World) -> String {
    let (mut all, _) = world.store.first_deliveries(&key()).await.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0).answer
}

#[tokio::test(start_paused = true)]
async fn what_is_noted_of_a_delivery_only_gets_further() {
    let world = World::start(Options::default()).await.unwrap();
    let next_at = world.clock.now();
    let retrying = Outcome::Retrying { next_at };
    for (resent, failures, outcome, expected) in [
        (0, 1, retrying, "0 1"),
        (0, 3, retrying, "0 3"),
        // Of two that were consumed at once, the one that was slower to write.
        (0, 2, retrying, "0 3"),
        (0, 3, retrying, "0 3"),
        // An end, whoever comes to it.
        (0, 2, Outcome::Delivered, "0 2"),
        (0, 4, retrying, "0 2"),
        (0, 9, Outcome::GivenUp, "0 2"),
        // What somebody asks for begins anew.
        (1, 0, retrying, "1 0"),
        (0, 5, Outcome::Delivered, "1 0"),
        (1, 1, Outcome::GivenUp, "1 1"),
    ] {
        noted(&world, resent, failures, outcome).await;
        assert_eq!(answer(&world).await, expected, "{resent} {failures} {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_finds_out_whether_a_receiver_answers_again_and_the_others_learn_of_it() {
    let world = World::start(Options::default()).await.unwrap();
    let (store, tenant, host) = (&world.store, key().tenant, "hooks.example.org:8443");
    let now = world.clock.now();
    let later = |seconds| now.plus_seconds(seconds);
    assert_eq!(store.silence(&tenant, host).await.unwrap(), None);
    for failures in 1..=3 {
        let noted = store
            .note_silence(&tenant, host, "no answer", later(failures), later(10))
            .await
            .unwrap();
        assert_eq!((noted.failures, noted.since), (failures, later(1)));
    }
    let seen = store.silence(&tenant, host).await.unwrap().unwrap();
    assert_eq!(
        (seen.failures, seen.retry_at, seen.why.as_str()),
        (3, later(10), "no answer")
    );
    assert_eq!(
        store.take_probe(&tenant, host, &seen, later(20)).await.unwrap(),
        Probe::Ours
    );
    let theirs = Silence {
        retry_at: later(20),
        ..seen.clone()
    };
    let second = store.take_probe(&tenant, host, &seen, later(30)).await.unwrap();
    assert_eq!(second, Probe::Theirs(theirs));
    assert_eq!(store.take_turn(now, later(6)).await.unwrap(), None);
    assert_eq!(store.take_turn(later(5), later(11)).await.unwrap(), Some(later(6)));
    assert_eq!(store.take_turn(later(6), later(12)).await.unwrap(), None);
    store.end_silence(&tenant, host).await.unwrap();
    assert_eq!(
        store.take_probe(&tenant, host, &seen, later(30)).await.unwrap(),
        Probe::Over
    );
    assert_eq!(store.silence(&tenant, host).await.unwrap(), None);
    // Another tenant's receiver is another's.
    store
        .note_silence(&tenant, host, "no answer", now, later(10))
        .await
        .unwrap();
    let other = "other".parse().unwrap();
    assert_eq!(store.silence(&other, host).await.unwrap(), None);
}
