//! A receiver that hangs does not delay the webhooks of other receivers.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod common;

use std::time::Duration;

use common::{ask, pass};
use futures_util::future::join_all;
use patchbay::clock::Timestamp;
use patchbay::ids::{DispatchId, DispatchKey};
use patchbay::store::{ProbeClaim, UnresponsiveReceiver};
use patchbay::webhook::{Delivery, DeliveryStatus};
use patchbay_simulators::aws::{Fault, Rule, Service};
use patchbay_simulators::world::{Options, World};
use serde_json::{Value, json};

/// The number of webhooks to a receiver that answers, one a second.
const HEALTHY: usize = 1_000;

/// A dispatch that is exhausted at once, because its only employee opted out: one event for the receiver at `host`.
fn ticket(host: &str) -> Value {
    json!({
        "ticket": { "text": "Pump four has stopped." },
        "employees": [{ "id": "anna", "name": "Anna", "phone": "+12025550101", "opted_out": true }],
        "webhook": { "url": format!("https://{host}/hook") },
    })
}

async fn create_event(world: &World, host: &str) {
    let answer = ask(world, "POST", "/v1/dispatches", &ticket(host)).await;
    assert_eq!(
        (answer.status, answer.text("/status")),
        (201, "Exhausted"),
        "{answer:?}"
    );
}

/// A world in which receivers below `dead.example.org` hang; `when` limits the rule.
async fn world_with_dead(when: impl Fn(Rule, Timestamp) -> Rule) -> World {
    let world = World::start(Options {
        sentinel: None,
        ..Options::default()
    })
    .await
    .unwrap();
    let faults = world.aws.faults();
    faults.set_timeout(Duration::from_mins(10));
    // The latency of DynamoDB, SQS and a nearby receiver, in each direction.
    faults.set_latency(3, 10);
    let dead = Rule::new(Fault::LostRequest)
        .service(Service::Http)
        .target(".dead.example.org");
    faults.plan(when(dead, world.clock.now()));
    world
}

/// Seconds from an event to its webhook at a receiver that answers, sorted, while `waiting` events wait for `receivers`
/// that hang.
async fn latencies(waiting: usize, receivers: usize) -> Vec<f64> {
    let world = world_with_dead(|dead, _| dead.times(u32::MAX)).await;
    let hosts = (0..waiting).map(|n| format!("r{}.dead.example.org", n % receivers));
    let hosts: Vec<String> = hosts.collect();
    join_all(hosts.iter().map(|host| create_event(&world, host))).await;
    for _ in 0..HEALTHY {
        create_event(&world, "healthy.example.org").await;
        pass(&world, 1).await;
    }
    pass(&world, 60).await;
    let webhooks = world.notifications();
    let webhooks = webhooks
        .iter()
        .filter(|webhook| webhook.request.uri().host() == Some("healthy.example.org"));
    let mut seconds: Vec<f64> = webhooks
        .map(|webhook| {
            let body = webhook.json();
            let happened = Timestamp::parse(common::text(&body, "/timestamp")).unwrap();
            webhook.at.since(happened).as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds
}

async fn assert_others_are_not_delayed(waiting: usize, receivers: usize, limit: usize, longest: f64) {
    let seconds = latencies(waiting, receivers).await;
    assert_eq!(seconds.len(), HEALTHY, "each webhook once");
    let at = |per_mille: usize| seconds.get(HEALTHY * per_mille / 1_000).copied().unwrap_or(f64::MAX);
    let (half, p99, most) = (at(500), at(990), at(999));
    eprintln!("{waiting:>5} events for {receivers} dead receivers: p50 {half:.3} s, p99 {p99:.3} s, most {most:.3} s");
    assert!(at(limit) < 2.0 && most < longest, "{waiting} {receivers}: {p99} {most}");
}

/// One test for each case, so that they run on all cores.
mod a_receiver_that_hangs_does_not_delay_other_webhooks {
    use super::assert_others_are_not_delayed;

    #[tokio::test(start_paused = true)]
    async fn without_events() {
        assert_others_are_not_delayed(0, 1, 990, 1.0).await;
    }

    #[tokio::test(start_paused = true)]
    async fn with_a_hundred_events() {
        assert_others_are_not_delayed(100, 1, 990, 10.0).await;
    }

    #[tokio::test(start_paused = true)]
    async fn with_a_thousand_events() {
        assert_others_are_not_delayed(1_000, 1, 990, 10.0).await;
    }

    /// Of five that begin to hang at the same time, each causes time-outs before it is known to hang.
    #[tokio::test(start_paused = true)]
    async fn with_a_thousand_events_of_five_receivers() {
        assert_others_are_not_delayed(1_000, 5, 980, 20.0).await;
    }
}

/// Receivers hang for hours, then all answer again: all webhooks are delivered within the time that README promises.
async fn assert_recovered_receivers_get_all(receivers: usize, hours: u32) {
    let end = |from: Timestamp| from.plus_seconds(hours * 3_600);
    let world = world_with_dead(|dead, now| dead.during(now..end(now))).await;
    let now = world.clock.now();
    let hosts: Vec<String> = (0..100)
        .map(|n| format!("r{}.dead.example.org", n % receivers))
        .collect();
    join_all(hosts.iter().map(|host| create_event(&world, host))).await;
    world.clock.sleep_until(end(now)).await;
    let delivered = |world: &World| world.notifications().len();
    assert_eq!(delivered(&world), 0);
    pass(&world, 60).await;
    let soon = delivered(&world);
    pass(&world, 15 * 60).await;
    assert_eq!(
        delivered(&world),
        100,
        "{receivers} receivers after {hours} h, {soon} in a minute"
    );
}

mod recovered_receivers_get_all_webhooks_within_a_quarter_of_an_hour {
    use super::assert_recovered_receivers_get_all;

    #[tokio::test(start_paused = true)]
    async fn one_after_two_hours() {
        assert_recovered_receivers_get_all(1, 2).await;
    }

    #[tokio::test(start_paused = true)]
    async fn twenty_after_two_hours() {
        assert_recovered_receivers_get_all(20, 2).await;
    }

    #[tokio::test(start_paused = true)]
    async fn five_after_eight_hours() {
        assert_recovered_receivers_get_all(5, 8).await;
    }
}

fn key() -> DispatchKey {
    DispatchKey {
        tenant: "main".parse().unwrap(),
        id: DispatchId::new(7),
    }
}

async fn record_delivery(world: &World, resent: u32, failures: u8, outcome: DeliveryStatus) {
    let delivery = Delivery {
        resent,
        failures,
        posts: 1,
        at: world.clock.now(),
        answer: format!("{resent} {failures}"),
        outcome,
    };
    world.store.put_delivery(&key().into(), "a", &delivery).await.unwrap();
}

async fn answer(world: &World) -> String {
    let (mut all, _) = world.store.first_deliveries(&key().into()).await.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0).answer
}

#[tokio::test(start_paused = true)]
async fn the_status_of_a_delivery_only_moves_forward() {
    let world = World::start(Options::default()).await.unwrap();
    let next_at = world.clock.now();
    let retrying = DeliveryStatus::Retrying { next_at };
    for (resent, failures, outcome, expected) in [
        (0, 1, retrying, "0 1"),
        (0, 3, retrying, "0 3"),
        // Of two attempts at the same time, the one that was slower to write.
        (0, 2, retrying, "0 3"),
        (0, 3, retrying, "0 3"),
        // A final status is recorded, even with fewer failures.
        (0, 2, DeliveryStatus::Delivered, "0 2"),
        (0, 4, retrying, "0 2"),
        (0, 9, DeliveryStatus::Failed, "0 2"),
        // A resend starts again.
        (1, 0, retrying, "1 0"),
        (0, 5, DeliveryStatus::Delivered, "1 0"),
        (1, 1, DeliveryStatus::Failed, "1 1"),
    ] {
        record_delivery(&world, resent, failures, outcome).await;
        assert_eq!(answer(&world).await, expected, "{resent} {failures} {outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_notifier_probes_a_receiver_and_the_others_see_the_result() {
    let world = World::start(Options::default()).await.unwrap();
    let (store, tenant, host) = (&world.store, key().tenant, "hooks.example.org:8443");
    let now = world.clock.now();
    let later = |seconds| now.plus_seconds(seconds);
    assert_eq!(store.unresponsive_receiver(&tenant, host).await.unwrap(), None);
    for failures in 1..=3 {
        let noted = store
            .record_no_answer(&tenant, host, "no answer", later(failures), later(10))
            .await
            .unwrap();
        assert_eq!((noted.failures, noted.since), (failures, later(1)));
    }
    let seen = store.unresponsive_receiver(&tenant, host).await.unwrap().unwrap();
    assert_eq!(
        (seen.failures, seen.retry_at, seen.reason.as_str()),
        (3, later(10), "no answer")
    );
    assert_eq!(
        store.claim_probe(&tenant, host, &seen, later(20)).await.unwrap(),
        ProbeClaim::Claimed
    );
    let theirs = UnresponsiveReceiver {
        retry_at: later(20),
        ..seen.clone()
    };
    let second = store.claim_probe(&tenant, host, &seen, later(30)).await.unwrap();
    assert_eq!(second, ProbeClaim::ClaimedByOther(theirs));
    assert_eq!(store.acquire_probe_lock(now, later(6)).await.unwrap(), None);
    assert_eq!(
        store.acquire_probe_lock(later(5), later(11)).await.unwrap(),
        Some(later(6))
    );
    assert_eq!(store.acquire_probe_lock(later(6), later(12)).await.unwrap(), None);
    store.clear_unresponsive(&tenant, host).await.unwrap();
    assert_eq!(
        store.claim_probe(&tenant, host, &seen, later(30)).await.unwrap(),
        ProbeClaim::Recovered
    );
    assert_eq!(store.unresponsive_receiver(&tenant, host).await.unwrap(), None);
    // Tenants do not share the state of a host.
    store
        .record_no_answer(&tenant, host, "no answer", now, later(10))
        .await
        .unwrap();
    let other = "other".parse().unwrap();
    assert_eq!(store.unresponsive_receiver(&other, host).await.unwrap(), None);
}
