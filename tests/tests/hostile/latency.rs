//! Latency of webhooks while three requests in a hundred to AWS fail, and after an idle hour: each is answered in time
//! and stored directly, not by way of the queue. The backoff and time-outs of the SDK are those of the deployed
//! functions, on virtual time.

use std::time::Duration;

use patchbay::dispatch::State;
use patchbay::ids::DispatchKey;
use patchbay_simulators::aws::{Fault, Rates, RequestRecord, RequestStatus, Service};
use patchbay_simulators::phones::{Behavior, Script};
use patchbay_simulators::routee::CallRecord;
use patchbay_simulators::world::{Options, World};
use serde_json::{Value, json};

use crate::common::{
    ask, change, create, dispatch_body, keys_event, load, phones, rings, send, settle, status_event, webhook,
};

/// Milliseconds within which a status and a key must be stored; see `TIME_LIMIT` in the functions.
const STATUS_LIMIT: u64 = 1_100;
const KEY_LIMIT: u64 = 1_800;
/// Number of worlds, each with three webhooks.
const WORLDS: u64 = 250;

/// Sends a webhook and returns the milliseconds until its response.
async fn timed(world: &World, url: &str, body: String) -> u64 {
    let before = world.clock.now();
    let answer = send(world, webhook(url, body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    u64::try_from(world.clock.now().since(before).as_millis()).unwrap()
}

/// Whether an event was sent to the queue because it could not be stored directly.
fn was_queued(world: &World) -> bool {
    let sent = world.aws.sqs().queue("dialing").unwrap().history();
    sent.iter().any(|message| message.body.contains("\"apply\""))
}

fn percentile(sorted: &[u64], percent: usize) -> u64 {
    *sorted.get(sorted.len() * percent / 100).or(sorted.last()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_failure_rate_of_three_percent_delays_webhooks_by_milliseconds() {
    let (mut statuses, mut keys) = (Vec::new(), Vec::new());
    let mut failed = 0;
    for seed in 0..WORLDS {
        let (world, key, call) = ringing(seed).await;
        let rates = Rates {
            throttled: 10,
            internal_error: 10,
            reset: 10,
            ..Rates::default()
        };
        let faults = world.aws.faults();
        for service in [Service::DynamoDb, Service::Sqs] {
            faults.set_rates(service, rates);
        }
        // Milliseconds per direction.
        faults.set_latency(2, 8);
        let (status_url, collect_url) = (call.status_url.unwrap(), call.collect_url.unwrap());
        for name in ["Ringing", "InProgress"] {
            statuses.push(timed(&world, &status_url, status_event(name).to_string()).await);
        }
        keys.push(timed(&world, &collect_url, keys_event("1").to_string()).await);
        failed += world.aws.recorder().count(is_faulted);
        assert!(!was_queued(&world), "seed {seed}");
        assert!(
            matches!(load(&world, &key).await.state, State::Accepted(_)),
            "seed {seed}"
        );
    }
    assert!(failed > 20, "only {failed} requests failed: too few to prove anything");
    for (what, mut millis, limit) in [("status", statuses, STATUS_LIMIT), ("key", keys, KEY_LIMIT)] {
        millis.sort_unstable();
        let (p99, max) = (percentile(&millis, 99), percentile(&millis, 100));
        println!("{what}: p50 {}, p99 {p99}, max {max} ms", percentile(&millis, 50));
        assert!(p99 < 150, "{what}: p99 {p99} ms");
        assert!(max < limit, "{what}: {max} ms");
    }
}

fn is_faulted(entry: &RequestRecord) -> bool {
    matches!(entry.status, RequestStatus::Faulted(_))
}

#[tokio::test(start_paused = true)]
async fn the_first_request_after_an_idle_hour_is_answered_in_time() {
    for fault in [Fault::Reset, Fault::LostRequest] {
        let (world, key, call) = ringing(1).await;
        change(&world, &key, "cancel").await;
        settle(&world).await;
        world
            .aws
            .faults()
            .kill_idle_connections(Duration::from_secs(350), fault);
        let (status_url, collect_url) = (call.status_url.unwrap(), call.collect_url.unwrap());
        let sleep = || world.clock.sleep(Duration::from_hours(1));
        sleep().await;
        let millis = timed(&world, &status_url, status_event("Ringing").to_string()).await;
        assert!(millis < STATUS_LIMIT, "{fault:?}: {millis} ms");
        sleep().await;
        let millis = timed(&world, &collect_url, keys_event("1").to_string()).await;
        assert!(millis < KEY_LIMIT, "{fault:?}: {millis} ms");
        sleep().await;
        let before = world.clock.now();
        let answer = ask(&world, "POST", "/v1/dispatches", &dispatch_body(1, &json!({}))).await;
        assert_eq!(answer.status, 201, "{fault:?}: {answer:?}");
        let millis = world.clock.now().since(before).as_millis();
        assert!(millis < 1_500, "{fault:?}: {millis} ms");
        assert!(!was_queued(&world), "{fault:?}");
        let faulted = world.aws.recorder().count(is_faulted);
        assert!(faulted >= 3, "{fault:?}: only {faulted} dead connections");
    }
}

/// A dispatch whose phone rings, and whose requester is notified of every status. `seed` decides all that is random.
async fn ringing(seed: u64) -> (World, DispatchKey, CallRecord) {
    let world = World::start(Options {
        seed,
        phones: phones([Script::always(Behavior::Interactive)]),
        sentinel: None,
        ..Options::default()
    })
    .await
    .unwrap();
    let mut body = dispatch_body(1, &json!({ "attempts": 1 }));
    let webhook = body.get_mut("webhook").and_then(Value::as_object_mut).unwrap();
    webhook.insert("strategy".to_owned(), json!("OnStatus"));
    let key = create(&world, &body).await;
    let call = rings(&world, 0, 0).await;
    world.aws.recorder().clear();
    (world, key, call)
}
