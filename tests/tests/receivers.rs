//! One requester's receiver hangs: what that costs the others.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod common;

use std::time::Duration;

use common::{ask, pass};
use futures_util::future::join_all;
use patchbay::clock::Timestamp;
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

/// Seconds from an event to the receiver that answers, sorted, while so many events wait for one that does not.
async fn latencies(waiting: usize) -> Vec<f64> {
    let world = World::start(Options {
        sentinel: None,
        ..Options::default()
    })
    .await
    .unwrap();
    let faults = world.aws.faults();
    faults.set_timeout(Duration::from_mins(10));
    let dead = Rule::new(Fault::LostRequest)
        .service(Service::Http)
        .target("dead.example.org");
    faults.plan(dead.times(u32::MAX));
    // What DynamoDB, SQS and a near receiver take, there and back.
    faults.set_latency(3, 10);
    join_all((0..waiting).map(|_| happens(&world, "dead.example.org"))).await;
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
    for waiting in [0, 100, 1_000] {
        let seconds = latencies(waiting).await;
        assert_eq!(seconds.len(), HEALTHY, "each once");
        let (half, p99, most) = (seconds[HEALTHY / 2], seconds[HEALTHY * 99 / 100], seconds[HEALTHY - 1]);
        eprintln!("{waiting:>5} events for a dead receiver: p50 {half:.3} s, p99 {p99:.3} s, most {most:.3} s");
        assert!(p99 < 2.0, "{waiting}: {p99}");
    }
}
