//! The log, the faults and the crash points.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use patchbay::http::{HttpClient, Request, Response, ResponseFuture, SendError, SendHttp};
use patchbay::timeouts::MAX_ATTEMPTS;

use super::dynamodb::create_table;
use super::{World, world};
use crate::aws::{CrashPoint, Fault, InvocationEnd, InvocationOutcome, Rates, RequestStatus, Rule, Service, Side};

async fn put(w: &World, key: &str) -> Result<(), String> {
    let s = |text: &str| AttributeValue::S(text.to_owned());
    let put = w
        .dynamodb
        .put_item()
        .table_name("patchbay")
        .item("pk", s(key))
        .item("sk", s("x"));
    put.send().await.map(|_| ()).map_err(|error| format!("{error:?}"))
}

async fn send(w: &World) {
    let url = w.aws.sqs().queue("dialing").unwrap().url();
    w.sqs
        .send_message()
        .queue_url(url)
        .message_body("m")
        .send()
        .await
        .unwrap();
}

async fn count(w: &World) -> i32 {
    w.dynamodb.scan().table_name("patchbay").send().await.unwrap().count()
}

async fn ready(seed: u64) -> World {
    let w = world(seed);
    create_table(&w.dynamodb).await;
    w.aws.sqs().create_queue_with_dlq("dialing", Duration::from_mins(1), 3);
    w.aws.recorder().clear();
    w
}

#[tokio::test(start_paused = true)]
async fn the_log_has_the_requests_of_each_invocation() {
    let w = ready(1).await;
    let outcome = w.aws.invoke("dialer", async {
        put(&w, "a").await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        send(&w).await;
        put(&w, "b").await.unwrap();
        "done"
    });
    assert_eq!(outcome.await, InvocationOutcome::Done("done"));
    put(&w, "outside").await.unwrap();
    let dialer = w.aws.recorder().last("dialer").unwrap();
    assert_eq!(
        (dialer.dynamodb, dialer.sqs, dialer.http, dialer.end),
        (2, 1, 0, Some(InvocationEnd::Done))
    );
    let log = w.aws.recorder().log();
    let logged: Vec<_> = log
        .iter()
        .map(|e| (&*e.function, e.operation.as_str(), e.target.as_str()))
        .collect();
    assert_eq!(
        logged,
        [
            ("dialer", "PutItem", "patchbay"),
            ("dialer", "SendMessage", "dialing"),
            ("dialer", "PutItem", "patchbay"),
            ("", "PutItem", "patchbay"),
        ]
    );
    assert_eq!(log[1].at, w.start.plus_seconds(1));
    assert!(log.iter().all(|entry| entry.status == RequestStatus::Answered));
}

#[tokio::test(start_paused = true)]
async fn an_invocation_can_crash_before_and_after_each_of_its_requests() {
    for request in 1..=3 {
        for side in [Side::Before, Side::After] {
            let w = ready(1).await;
            w.aws.faults().crash("dialer", CrashPoint { request, side });
            let outcome = w.aws.invoke("dialer", async {
                for key in ["a", "b", "c"] {
                    put(&w, key).await.unwrap();
                }
            });
            assert_eq!(outcome.await, InvocationOutcome::Crashed);
            let writes = i32::try_from(request).unwrap() - i32::from(side == Side::Before);
            assert_eq!(count(&w).await, writes, "{request} {side:?}");
            let dialer = w.aws.recorder().last("dialer").unwrap();
            assert_eq!((dialer.dynamodb, dialer.end), (request, Some(InvocationEnd::Crashed)));
            assert_eq!(w.aws.clock().now(), w.start, "a crash takes no time");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crashed_invocation_also_stops_its_concurrent_requests() {
    let w = ready(1).await;
    w.aws.faults().crash(
        "dialer",
        CrashPoint {
            request: 1,
            side: Side::Before,
        },
    );
    let outcome = w.aws.invoke("dialer", async {
        tokio::select! {
            biased;
            _ = put(&w, "a") => {}
            _ = put(&w, "b") => {}
            // Drops both requests at once, and would return as if nothing had happened.
            () = std::future::ready(()) => {}
        }
    });
    assert_eq!(outcome.await, InvocationOutcome::Crashed);
    assert_eq!(w.aws.recorder().log().len(), 1);
    assert_eq!(count(&w).await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_is_dropped_is_logged_as_dropped() {
    let w = ready(1).await;
    let slow = w.aws.invoke("dialer", tokio::time::sleep(Duration::from_mins(1)));
    assert!(tokio::time::timeout(Duration::from_secs(30), slow).await.is_err());
    assert_eq!(
        w.aws.recorder().last("dialer").unwrap().end,
        Some(InvocationEnd::Dropped)
    );
}

#[tokio::test(start_paused = true)]
async fn the_sdk_retries_failed_requests_on_paused_time() {
    for fault in [
        Fault::Throttled,
        Fault::InternalError,
        Fault::Refused,
        Fault::Reset,
        Fault::LostRequest,
        Fault::LostAnswer,
    ] {
        let w = ready(1).await;
        w.aws.faults().plan(
            Rule::new(fault)
                .service(Service::DynamoDb)
                .operation("PutItem")
                .times(2),
        );
        w.aws.faults().plan(Rule::new(fault).service(Service::Sqs).times(1));
        let outcome = w.aws.invoke("dialer", async {
            let stored = put(&w, "a").await;
            send(&w).await;
            stored
        });
        assert_eq!(outcome.await, InvocationOutcome::Done(Ok(())), "{fault:?}");
        let dialer = w.aws.recorder().last("dialer").unwrap();
        assert_eq!((dialer.dynamodb, dialer.sqs), (3, 2), "{fault:?}");
        let sent_twice = fault == Fault::LostAnswer;
        assert_eq!(
            w.aws.sqs().queue("dialing").unwrap().depth(),
            1 + usize::from(sent_twice),
            "{fault:?}"
        );
        assert!(
            w.aws.recorder().log()[..2]
                .iter()
                .all(|entry| entry.status == RequestStatus::Faulted(fault))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_outlasts_the_retries_is_returned_as_its_error_type() {
    let w = ready(1).await;
    w.aws
        .faults()
        .plan(Rule::new(Fault::Throttled).operation("PutItem").times(MAX_ATTEMPTS));
    let error = put(&w, "a").await.unwrap_err();
    assert!(error.contains("ThrottlingException"), "{error}");
    w.aws.faults().plan(
        Rule::new(Fault::LostAnswer)
            .operation("PutItem")
            .skip(1)
            .times(MAX_ATTEMPTS),
    );
    put(&w, "b").await.unwrap();
    let error = put(&w, "c").await.unwrap_err();
    assert!(error.contains("DispatchFailure"), "{error}");
    assert_eq!(count(&w).await, 2, "only the answer was lost");
}

#[tokio::test(start_paused = true)]
async fn worlds_share_no_retry_quota() {
    for _ in 0..60 {
        let w = ready(1).await;
        w.aws
            .faults()
            .plan(Rule::new(Fault::LostRequest).operation("PutItem").times(2));
        put(&w, "a").await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_repeats_all_faults_and_even_the_jitter() {
    async fn run(seed: u64) -> (Vec<crate::aws::RequestRecord>, i32) {
        let w = ready(seed).await;
        let rates = Rates {
            throttled: 50,
            internal_error: 50,
            refused: 20,
            lost_request: 50,
            lost_answer: 50,
            ..Rates::default()
        };
        w.aws.faults().set_rates(Service::DynamoDb, rates);
        w.aws.faults().set_crash_rate(200, 2);
        w.aws.faults().set_latency(2, 40);
        for n in 0..50 {
            w.aws.invoke("dialer", async { put(&w, &n.to_string()).await }).await;
        }
        w.aws.faults().clear();
        (w.aws.recorder().log(), count(&w).await)
    }
    let first = run(7).await;
    assert_eq!(first, run(7).await);
    assert_ne!(first, run(8).await);
    let faulted = first
        .0
        .iter()
        .filter(|entry| matches!(entry.status, RequestStatus::Faulted(_)))
        .count();
    assert!(faulted > 3, "{faulted}");
    assert!(first.1 < 50, "some crashed before their effect");
}

struct Provider;

impl SendHttp for Provider {
    fn send(&self, _request: Request) -> ResponseFuture<'_> {
        Box::pin(async { Ok(Response::new(Bytes::from_static(b"calling"))) })
    }
}

#[tokio::test(start_paused = true)]
async fn http_requests_are_recorded_and_fail_like_those_to_aws() {
    let w = ready(1).await;
    let http = w.aws.http(HttpClient::new(Provider));
    let request = || {
        http::Request::post("https://provider.test/call?key=secret")
            .body(Bytes::new())
            .unwrap()
    };
    let outcome = w.aws.invoke("dialer", http.send(request())).await;
    let InvocationOutcome::Done(Ok(response)) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(&response.body()[..], b"calling");
    assert_eq!(w.aws.recorder().log()[0].target, "https://provider.test/call");
    assert_eq!(w.aws.recorder().last("dialer").unwrap().http, 1);

    let faults = w.aws.faults();
    faults.plan(
        Rule::new(Fault::Throttled)
            .service(Service::Http)
            .target("provider.test"),
    );
    assert_eq!(http.send(request()).await.unwrap().status(), 429);
    faults.plan(Rule::new(Fault::Refused).service(Service::Http));
    assert!(matches!(http.send(request()).await, Err(SendError::NotSent(_))));
    faults.plan(Rule::new(Fault::LostAnswer).service(Service::Http));
    assert!(matches!(http.send(request()).await, Err(SendError::NoResponse(_))));

    faults.crash(
        "dialer",
        CrashPoint {
            request: 1,
            side: Side::After,
        },
    );
    assert!(matches!(
        w.aws.invoke("dialer", http.send(request())).await,
        InvocationOutcome::Crashed
    ));
    assert_eq!(w.aws.recorder().log().last().unwrap().status, RequestStatus::TookEffect);
}
