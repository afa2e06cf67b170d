//! Webhooks with a valid reference while DynamoDB or SQS is unavailable.

use std::time::Duration;

use patchbay::dispatch::State;
use patchbay_simulators::aws::{Fault, Rates, Rule, Service};
use patchbay_simulators::world::World;

use crate::common::{change, keys_event, load, pass, send, settle, status_event, webhook};
use crate::{ringing, says_accepted, spoken};

const FAULTS: [Fault; 5] = [
    Fault::Throttled,
    Fault::InternalError,
    Fault::Refused,
    Fault::LostRequest,
    Fault::LostAnswer,
];

fn break_down(world: &World, service: Service, fault: Fault) {
    world
        .aws
        .faults()
        .plan(Rule::new(fault).service(service).times(u32::MAX));
}

/// Sends a webhook. Returns the response and the milliseconds until it arrived.
async fn timed(world: &World, url: &str, body: String) -> (crate::common::Answer, u128) {
    let before = world.clock.now();
    let answer = send(world, webhook(url, body)).await;
    (answer, world.clock.now().since(before).as_millis())
}

#[tokio::test(start_paused = true)]
async fn during_an_outage_of_dynamodb_a_key_gets_a_plan_in_time_without_a_false_acceptance() {
    for fault in FAULTS {
        let (world, key, call) = ringing().await;
        let collect = call.collect_url.unwrap();
        break_down(&world, Service::DynamoDb, fault);
        for keys in ["1", "2", "7", ""] {
            let (answer, millis) = timed(&world, &collect, keys_event(keys).to_string()).await;
            let texts = spoken(&answer);
            assert!(millis < 3_000, "{fault:?}: {millis} ms");
            world.aws.faults().clear();
            let accepted = matches!(load(&world, &key).await.state, State::Accepted(_));
            break_down(&world, Service::DynamoDb, fault);
            assert!(accepted || !says_accepted(&texts), "{fault:?} {keys}: {texts:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_could_not_be_stored_is_queued_and_accepts_later() {
    for fault in [Fault::Throttled, Fault::InternalError, Fault::Refused] {
        let (world, key, call) = ringing().await;
        break_down(&world, Service::DynamoDb, fault);
        let (answer, _) = timed(&world, &call.collect_url.unwrap(), keys_event("1").to_string()).await;
        assert!(!says_accepted(&spoken(&answer)), "{fault:?}");
        pass(&world, 2).await;
        world.aws.faults().clear();
        settle(&world).await;
        let state = load(&world, &key).await.state;
        assert!(matches!(state, State::Accepted(_)), "{fault:?}: {state:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn during_an_outage_of_sqs_a_key_does_not_accept() {
    for fault in FAULTS {
        let (world, key, call) = ringing().await;
        break_down(&world, Service::Sqs, fault);
        let (answer, millis) = timed(&world, &call.collect_url.unwrap(), keys_event("1").to_string()).await;
        assert!(millis < 3_000, "{fault:?}: {millis} ms");
        assert!(!says_accepted(&spoken(&answer)), "{fault:?}");
        assert!(
            !matches!(load(&world, &key).await.state, State::Accepted(_)),
            "{fault:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_is_handled_while_only_one_of_dynamodb_and_sqs_fails() {
    for service in [Service::DynamoDb, Service::Sqs] {
        for fault in FAULTS {
            for name in ["Ringing", "NoAnswer", "Completed"] {
                let (world, _, call) = ringing().await;
                break_down(&world, service, fault);
                let (answer, millis) = timed(&world, &call.status_url.unwrap(), status_event(name).to_string()).await;
                assert!(millis < 2_000, "{service:?} {fault:?} {name}: {millis} ms");
                // A final status needs the queue. Without it, 503 makes Routee retry; the watch finds the end anyway.
                let expected = if service == Service::Sqs && name != "Ringing" {
                    503
                } else {
                    200
                };
                assert_eq!(answer.status, expected, "{service:?} {fault:?} {name}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn slow_responses_from_aws_do_not_delay_a_webhook_beyond_the_time_out_of_routee() {
    let (world, _, call) = ringing().await;
    world.aws.faults().set_latency(2_500, 2_500);
    let (answer, millis) = timed(&world, &call.collect_url.unwrap(), keys_event("1").to_string()).await;
    assert!(!says_accepted(&spoken(&answer)));
    assert!(millis < 3_000, "{millis} ms");
    let (answer, millis) = timed(&world, &call.status_url.unwrap(), status_event("Ringing").to_string()).await;
    assert_eq!(answer.status, 200);
    assert!(millis < 2_000, "{millis} ms");
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_still_ends_after_a_crash_of_collect_event() {
    use patchbay_simulators::aws::{CrashPoint, Side};
    for request in 1..=3 {
        for side in [Side::Before, Side::After] {
            let (world, key, call) = ringing().await;
            world.aws.faults().crash("collect-event", CrashPoint { request, side });
            let answer = send(&world, webhook(&call.collect_url.unwrap(), keys_event("1").to_string())).await;
            let committed = matches!(load(&world, &key).await.state, State::Accepted(_));
            // The key costs three requests; the last one is the commit.
            assert_eq!((answer.status, committed), (500, request == 3 && side == Side::After));
            change(&world, &key, if committed { "resolve" } else { "cancel" }).await;
            settle(&world).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn during_an_outage_the_api_answers_503_with_retry_after() {
    let (world, key, _) = ringing().await;
    let rate = Rates {
        internal_error: 1_000,
        ..Rates::default()
    };
    world.aws.faults().set_rates(Service::DynamoDb, rate);
    let dispatch_body = crate::common::dispatch_body(1, &serde_json::json!({}));
    for (method, path) in [
        ("GET", "/v1/dispatches".to_owned()),
        ("POST", "/v1/dispatches".to_owned()),
        ("GET", format!("/v1/dispatches/{}", key.id)),
        ("POST", format!("/v1/dispatches/{}/cancel", key.id)),
    ] {
        let answer = crate::common::ask(&world, method, &path, &dispatch_body).await;
        answer.is_problem(503, "unavailable");
        assert!(!answer.header("retry-after").is_empty());
        // No internal detail.
        let text = answer.json.to_string().to_lowercase();
        for internal in ["dynamo", "getitem", "internalserver", "patchbay::", "error {"] {
            assert!(!text.contains(internal), "{text}");
        }
    }
    world.clock.sleep(Duration::from_millis(1)).await;
}
