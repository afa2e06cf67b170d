//! Webhooks while one request in a hundred to AWS fails, and after an hour in which nothing happened: they are answered in
//! their time, by the table, and nothing takes the way round by the queue. The SDK's pauses and time-outs are the deployed
//! functions', on virtual time.

use std::time::Duration;

use patchbay::dispatch::State;
use patchbay::ids::DispatchKey;
use patchbay_simulators::aws::{Entry, Fate, Fault, Rates, Service};
use patchbay_simulators::phones::{Behaviour, Script};
use patchbay_simulators::routee::CallRecord;
use patchbay_simulators::world::{Options, World};
use serde_json::{Value, json};

use crate::common::{ask, brief, change, create, keys_event, load, phones, rings, send, settle, status_event, webhook};

/// What a status and a key leave to the table; see `TIME_LIMIT` in the functions.
const STATUS_LIMIT: u64 = 1_100;
const KEY_LIMIT: u64 = 1_800;
/// Worlds, each with three webhooks.
const WORLDS: u64 = 250;

/// Sends a webhook, and tells its milliseconds.
async fn timed(world: &World, url: &str, body: String) -> u64 {
    let before = world.clock.now();
    let answer = send(world, webhook(url, body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    u64::try_from(world.clock.now().since(before).as_millis()).unwrap()
}

/// Whether an event had to be kept on the queue.
fn took_the_way_round(world: &World) -> bool {
    let sent = world.aws.sqs().queue("dialing").unwrap().history();
    sent.iter().any(|message| message.body.contains("\"apply\""))
}

fn percentile(sorted: &[u64], percent: usize) -> u64 {
    *sorted.get(sorted.len() * percent / 100).or(sorted.last()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn one_failure_in_a_hundred_costs_a_webhook_milliseconds() {
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
        // What a request takes there, and back.
        faults.set_latency(2, 8);
        let (status_url, collect_url) = (call.status_url.unwrap(), call.collect_url.unwrap());
        for name in ["Ringing", "InProgress"] {
            statuses.push(timed(&world, &status_url, status_event(name).to_string()).await);
        }
        keys.push(timed(&world, &collect_url, keys_event("1").to_string()).await);
        failed += world.aws.recorder().count(is_faulted);
        assert!(!took_the_way_round(&world), "seed {seed}");
        assert!(
            matches!(load(&world, &key).await.state, State::Accepted(_)),
            "seed {seed}"
        );
    }
    assert!(failed > 20, "{failed} requests failed: they prove nothing");
    for (what, mut millis, limit) in [("status", statuses, STATUS_LIMIT), ("key", keys, KEY_LIMIT)] {
        millis.sort_unstable();
        let (p99, most) = (percentile(&millis, 99), percentile(&millis, 100));
        println!("{what}: p50 {}, p99 {p99}, most {most} ms", percentile(&millis, 50));
        assert!(p99 < 150, "{what}: p99 {p99} ms");
        assert!(most < limit, "{what}: {most} ms");
    }
}

fn is_faulted(entry: &Entry) -> bool {
    matches!(entry.fate, Fate::Faulted(_))
}

#[tokio::test(start_paused = true)]
async fn the_first_webhook_after_an_hours_sleep_is_answered_in_time() {
    for fault in [Fault::Reset, Fault::LostRequest] {
        let (world, key, call) = ringing(1).await;
        change(&world, &key, "cancel").await;
        settle(&world).await;
        world.aws.faults().let_connections_die(Duration::from_secs(350), fault);
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
        let answer = ask(&world, "POST", "/v1/dispatches", &brief(1, &json!({}))).await;
        assert_eq!(answer.status, 201, "{fault:?}: {answer:?}");
        let millis = world.clock.now().since(before).as_millis();
        assert!(millis < 1_500, "{fault:?}: {millis} ms");
        assert!(!took_the_way_round(&world), "{fault:?}");
        let met = world.aws.recorder().count(is_faulted);
        assert!(met >= 3, "{fault:?}: {met} dead connections");
    }
}

/// A phone that rings, and a requester who hears of every status; what happens by chance follows from `seed`.
async fn ringing(seed: u64) -> (World, DispatchKey, CallRecord) {
    let world = World::start(Options {
        seed,
        phones: phones([Script::always(Behaviour::Interactive)]),
        sentinel: None,
        ..Options::default()
    })
    .await
    .unwrap();
    let mut body = brief(1, &json!({ "attempts": 1 }));
    let webhook = body.get_mut("webhook").and_then(Value::as_object_mut).unwrap();
    webhook.insert("strategy".to_owned(), json!("OnStatus"));
    let key = create(&world, &body).await;
    let call = rings(&world, 0, 0).await;
    world.aws.recorder().clear();
    (world, key, call)
}
