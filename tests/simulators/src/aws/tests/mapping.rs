//! A function fed from a queue.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};

use super::{World, world};
use crate::aws::sqs::{Invocation, Polling, Queue, event_json};
use crate::aws::{CrashPoint, Outcome, Side};

/// When a handler was invoked, and with which bodies.
type Sight = (u64, Vec<String>);

/// What a handler saw.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Sight>>>);

impl Seen {
    fn note(&self, w: &Clocked, event: &SqsEvent) {
        let bodies = event
            .records
            .iter()
            .map(|record| record.body.clone().unwrap())
            .collect();
        self.0.lock().unwrap().push((w.seconds(), bodies));
    }

    fn all(&self) -> Vec<Sight> {
        self.0.lock().unwrap().clone()
    }
}

#[derive(Clone)]
struct Clocked(patchbay::clock::Clock, patchbay::clock::Timestamp);

impl Clocked {
    fn seconds(&self) -> u64 {
        self.0.now().since(self.1).as_secs()
    }
}

fn queue(w: &World) -> (Queue, Clocked, Seen) {
    let queue = w.aws.sqs().create_queue_with_dlq("dialing", Duration::from_mins(1), 3);
    (queue, Clocked(w.aws.clock().clone(), w.start), Seen::default())
}

fn bodies(bodies: &[&str]) -> Vec<String> {
    bodies.iter().map(|&body| body.to_owned()).collect()
}

/// Polls for `seconds` of the clock.
async fn poll_for<F>(seconds: u64, queue: &Queue, polling: Polling, handler: impl Fn(SqsEvent) -> F)
where
    F: Future<Output = Invocation> + Send + 'static,
{
    let _ = tokio::time::timeout(Duration::from_secs(seconds), queue.poll(polling, handler)).await;
}

#[tokio::test(start_paused = true)]
async fn messages_come_when_due_and_are_deleted_when_done() {
    let w = world(1);
    let (queue, clock, seen) = queue(&w);
    for (body, delay) in [("c", 700), ("a", 0), ("b", 0)] {
        queue.put(body, Duration::from_secs(delay));
    }
    let (fed, noted) = (queue.clone(), seen.clone());
    let polling = tokio::spawn(async move {
        fed.poll(Polling::default(), |event| {
            noted.note(&clock, &event);
            async { Invocation::Done(SqsBatchResponse::default()) }
        })
        .await;
    });
    tokio::time::sleep(Duration::from_hours(1)).await;
    polling.abort();
    assert_eq!(seen.all(), [(0, bodies(&["a", "b"])), (700, bodies(&["c"]))]);
    assert!(queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_the_failed_messages_of_a_batch_come_again_after_the_visibility_timeout() {
    let w = world(1);
    let (queue, clock, seen) = queue(&w);
    for body in ["good", "bad"] {
        queue.put(body, Duration::ZERO);
    }
    poll_for(3600, &queue, Polling::default(), |event| {
        seen.note(&clock, &event);
        let mut response = SqsBatchResponse::default();
        for record in event
            .records
            .iter()
            .filter(|record| record.body.as_deref() == Some("bad"))
        {
            response.add_failure(record.message_id.clone().unwrap());
        }
        async { Invocation::Done(response) }
    })
    .await;
    let expected = [
        (0, bodies(&["good", "bad"])),
        (60, bodies(&["bad"])),
        (120, bodies(&["bad"])),
    ];
    assert_eq!(seen.all(), expected);
    assert!(queue.is_empty());
    assert_eq!(queue.dlq().unwrap().depth(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_function_gets_the_whole_batch_again() {
    let w = world(1);
    for failure in [Invocation::Failed, Invocation::Crashed, {
        let mut unknown = SqsBatchResponse::default();
        unknown.add_failure("");
        Invocation::Done(unknown)
    }] {
        let (queue, clock, seen) = queue(&w);
        queue.put("a", Duration::ZERO);
        queue.put("b", Duration::ZERO);
        let start = clock.seconds();
        poll_for(59, &queue, Polling::default(), |event| {
            seen.note(&clock, &event);
            std::future::ready(failure.clone())
        })
        .await;
        assert_eq!((seen.all(), queue.in_flight()), (vec![(start, bodies(&["a", "b"]))], 2));
        tokio::time::advance(Duration::from_secs(200)).await;
        poll_for(1, &queue, Polling::default(), |_| async {
            Invocation::Done(SqsBatchResponse::default())
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_shortened_visibility_brings_a_message_back_sooner() {
    let w = world(1);
    let (queue, clock, seen) = queue(&w);
    queue.put("early", Duration::ZERO);
    poll_for(30, &queue, Polling::default(), |event| {
        seen.note(&clock, &event);
        let (sqs, url) = (w.sqs.clone(), queue.url());
        async move {
            let receipt = event.records[0].receipt_handle.clone();
            let change = sqs
                .change_message_visibility()
                .queue_url(url)
                .set_receipt_handle(receipt);
            change.visibility_timeout(20).send().await.unwrap();
            Invocation::Failed
        }
    })
    .await;
    assert_eq!(seen.all(), [(0, bodies(&["early"])), (20, bodies(&["early"]))]);
}

#[tokio::test(start_paused = true)]
async fn no_more_invocations_run_at_a_time_than_allowed() {
    let w = world(1);
    let (queue, clock, seen) = queue(&w);
    for body in ["a", "b", "c", "d", "e"] {
        queue.put(body, Duration::ZERO);
    }
    poll_for(
        3600,
        &queue,
        Polling {
            batch_size: 1,
            max_concurrency: 2,
        },
        |event| {
            seen.note(&clock, &event);
            async {
                tokio::time::sleep(Duration::from_secs(10)).await;
                Invocation::Done(SqsBatchResponse::default())
            }
        },
    )
    .await;
    let times: Vec<u64> = seen.all().into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [0, 0, 10, 10, 20]);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_dies_at_its_request_is_invoked_again() {
    let w = world(1);
    let (queue, clock, seen) = queue(&w);
    queue.put("once", Duration::ZERO);
    let effects = w
        .aws
        .sqs()
        .create_queue("effects", crate::aws::sqs::QueueSettings::default());
    w.aws.faults().crash(
        "dialer",
        CrashPoint {
            request: 1,
            side: Side::Before,
        },
    );
    w.aws.faults().crash(
        "dialer",
        CrashPoint {
            request: 1,
            side: Side::After,
        },
    );
    poll_for(3600, &queue, Polling::default(), |event| {
        seen.note(&clock, &event);
        let (aws, sqs, url) = (w.aws.clone(), w.sqs.clone(), effects.url());
        async move {
            let send = sqs.send_message().queue_url(url).message_body("effect").send();
            match aws.invoke("dialer", send).await {
                Outcome::Done(result) => {
                    result.map_or(Invocation::Failed, |_| Invocation::Done(SqsBatchResponse::default()))
                }
                Outcome::Crashed => Invocation::Crashed,
            }
        }
    })
    .await;
    assert_eq!(
        seen.all().into_iter().map(|(at, _)| at).collect::<Vec<_>>(),
        [0, 60, 120]
    );
    assert_eq!(effects.depth(), 2, "the crash before the effect left none");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_at_the_dead_letter_queue_hears_of_a_burial() {
    let w = world(1);
    let (queue, clock, seen) = queue(&w);
    queue.put("poison", Duration::ZERO);
    let (dlq, noted) = (queue.dlq().unwrap(), seen.clone());
    let polling = tokio::spawn(async move {
        dlq.poll(Polling::default(), |event| {
            noted.note(&clock, &event);
            async { Invocation::Done(SqsBatchResponse::default()) }
        })
        .await;
    });
    poll_for(3600, &queue, Polling::default(), |_| async { Invocation::Failed }).await;
    polling.abort();
    assert_eq!(seen.all(), [(180, bodies(&["poison"]))]);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a bug in the handler")]
async fn a_panic_of_a_handler_reaches_whoever_awaits_the_polling() {
    let w = world(1);
    let (queue, _, _) = queue(&w);
    queue.put("m", Duration::ZERO);
    poll_for(1, &queue, Polling::default(), |_| async {
        panic!("a bug in the handler")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn polling_is_quiet_when_there_is_nothing_to_do() {
    let w = world(1);
    let (queue, _, _) = queue(&w);
    let polling = queue.poll(Polling::default(), |_| async { Invocation::Failed });
    let mut polling = by_hand(polling);
    assert!(polling.poll_once());
    // Nobody has asked to be woken: paused time could not advance for it.
    tokio::time::advance(Duration::from_hours(24)).await;
    assert!(!polling.woken());
    queue.put("m", Duration::ZERO);
    assert!(polling.woken());
}

#[test]
fn an_event_looks_as_lambda_delivers_it() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let w = world(1);
        let (queue, _, _) = queue(&w);
        let attribute = aws_sdk_sqs::types::MessageAttributeValue::builder()
            .data_type("String")
            .string_value("acme");
        let send = w.sqs.send_message().queue_url(queue.url()).message_body("{}");
        send.message_attributes("tenant", attribute.build().unwrap())
            .send()
            .await
            .unwrap();
        tokio::time::advance(Duration::from_secs(5)).await;
        let batch = w.aws.sqs().receive("dialing", 10, None);
        let event = event_json("dialing", &batch);
        let expected = serde_json::json!({ "Records": [{
            "messageId": batch[0].id,
            "receiptHandle": batch[0].receipt_handle,
            "body": "{}",
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1795248000000",
                "SenderId": "AROATESTTESTTESTTEST:patchbay",
                "ApproximateFirstReceiveTimestamp": "1795248005000",
            },
            "messageAttributes": { "tenant": {
                "stringValue": "acme",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "String",
            }},
            "md5OfMessageAttributes": "c52f727da6769fcbc66f3f8555ce234a",
            "md5OfBody": "99914b932bd37a50b983c5e7c90ae93b",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:000000000000:dialing",
            "awsRegion": "eu-west-1",
        }]});
        assert_eq!(event, expected);
        let read: SqsEvent = serde_json::from_value(event).unwrap();
        assert_eq!(
            read.records[0].message_attributes["tenant"].string_value.as_deref(),
            Some("acme")
        );
    });
}

/// A future that is polled by hand and tells whether it was woken.
struct ByHand<F> {
    future: std::pin::Pin<Box<F>>,
    flag: Arc<Flag>,
}

#[derive(Default)]
struct Flag(std::sync::atomic::AtomicBool);

impl std::task::Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

fn by_hand<F: Future>(future: F) -> ByHand<F> {
    ByHand {
        future: Box::pin(future),
        flag: Arc::default(),
    }
}

impl<F: Future> ByHand<F> {
    /// True if it is pending.
    fn poll_once(&mut self) -> bool {
        let waker = self.flag.clone().into();
        self.future
            .as_mut()
            .poll(&mut std::task::Context::from_waker(&waker))
            .is_pending()
    }

    fn woken(&self) -> bool {
        self.flag.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}
