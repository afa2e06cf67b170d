//! The event source mapping: invocations of a function with messages of a queue.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};

use super::{World, world};
use crate::aws::sqs::{BatchOutcome, Polling, Queue, event_json};
use crate::aws::{CrashPoint, InvocationOutcome, Side};

/// Seconds since the start at which a handler was invoked, and the bodies of its batch.
type Invoked = (u64, Vec<String>);

/// The invocations of a handler.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Invoked>>>);

impl Seen {
    fn record(&self, clock: &Stopwatch, event: &SqsEvent) {
        let bodies = event
            .records
            .iter()
            .map(|record| record.body.clone().unwrap())
            .collect();
        self.0.lock().unwrap().push((clock.seconds(), bodies));
    }

    fn all(&self) -> Vec<Invoked> {
        self.0.lock().unwrap().clone()
    }
}

#[derive(Clone)]
struct Stopwatch(patchbay::clock::Clock, patchbay::clock::Timestamp);

impl Stopwatch {
    fn seconds(&self) -> u64 {
        self.0.now().since(self.1).as_secs()
    }
}

fn queue(w: &World) -> (Queue, Stopwatch, Seen) {
    let queue = w.aws.sqs().create_queue_with_dlq("dialing", Duration::from_mins(1), 3);
    (queue, Stopwatch(w.aws.clock().clone(), w.start), Seen::default())
}

fn bodies(bodies: &[&str]) -> Vec<String> {
    bodies.iter().map(|&body| body.to_owned()).collect()
}

/// Polls for `seconds` of the clock.
async fn poll_for<F>(seconds: u64, queue: &Queue, polling: Polling, handler: impl Fn(SqsEvent) -> F)
where
    F: Future<Output = BatchOutcome> + Send + 'static,
{
    let _ = tokio::time::timeout(Duration::from_secs(seconds), queue.poll(polling, handler)).await;
}

#[tokio::test(start_paused = true)]
async fn messages_are_delivered_when_due_and_deleted_when_processed() {
    let w = world(1);
    let (queue, clock, seen) = queue(&w);
    for (body, delay) in [("c", 700), ("a", 0), ("b", 0)] {
        queue.put(body, Duration::from_secs(delay));
    }
    let (source, recorded) = (queue.clone(), seen.clone());
    let polling = tokio::spawn(async move {
        source
            .poll(Polling::default(), |event| {
                recorded.record(&clock, &event);
                async { BatchOutcome::Done(SqsBatchResponse::default()) }
            })
            .await;
    });
    tokio::time::sleep(Duration::from_hours(1)).await;
    polling.abort();
    assert_eq!(seen.all(), [(0, bodies(&["a", "b"])), (700, bodies(&["c"]))]);
    assert!(queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_failed_messages_of_a_batch_are_delivered_again() {
    let w = world(1);
    let (queue, clock, seen) = queue(&w);
    for body in ["good", "bad"] {
        queue.put(body, Duration::ZERO);
    }
    poll_for(3600, &queue, Polling::default(), |event| {
        seen.record(&clock, &event);
        let mut response = SqsBatchResponse::default();
        for record in event
            .records
            .iter()
            .filter(|record| record.body.as_deref() == Some("bad"))
        {
            response.add_failure(record.message_id.clone().unwrap());
        }
        async { BatchOutcome::Done(response) }
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
async fn a_failed_invocation_makes_the_whole_batch_visible_again() {
    let w = world(1);
    for failure in [BatchOutcome::Failed, BatchOutcome::Crashed, {
        let mut unknown = SqsBatchResponse::default();
        unknown.add_failure("");
        BatchOutcome::Done(unknown)
    }] {
        let (queue, clock, seen) = queue(&w);
        queue.put("a", Duration::ZERO);
        queue.put("b", Duration::ZERO);
        let start = clock.seconds();
        poll_for(59, &queue, Polling::default(), |event| {
            seen.record(&clock, &event);
            std::future::ready(failure.clone())
        })
        .await;
        assert_eq!((seen.all(), queue.in_flight()), (vec![(start, bodies(&["a", "b"]))], 2));
        tokio::time::advance(Duration::from_secs(200)).await;
        poll_for(1, &queue, Polling::default(), |_| async {
            BatchOutcome::Done(SqsBatchResponse::default())
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_shortened_visibility_timeout_redelivers_a_message_sooner() {
    let w = world(1);
    let (queue, clock, seen) = queue(&w);
    queue.put("early", Duration::ZERO);
    poll_for(30, &queue, Polling::default(), |event| {
        seen.record(&clock, &event);
        let (sqs, url) = (w.sqs.clone(), queue.url());
        async move {
            let receipt = event.records[0].receipt_handle.clone();
            let change = sqs
                .change_message_visibility()
                .queue_url(url)
                .set_receipt_handle(receipt);
            change.visibility_timeout(20).send().await.unwrap();
            BatchOutcome::Failed
        }
    })
    .await;
    assert_eq!(seen.all(), [(0, bodies(&["early"])), (20, bodies(&["early"]))]);
}

#[tokio::test(start_paused = true)]
async fn concurrent_invocations_are_limited() {
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
            seen.record(&clock, &event);
            async {
                tokio::time::sleep(Duration::from_secs(10)).await;
                BatchOutcome::Done(SqsBatchResponse::default())
            }
        },
    )
    .await;
    let times: Vec<u64> = seen.all().into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [0, 0, 10, 10, 20]);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_crashes_is_invoked_again() {
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
        seen.record(&clock, &event);
        let (aws, sqs, url) = (w.aws.clone(), w.sqs.clone(), effects.url());
        async move {
            let send = sqs.send_message().queue_url(url).message_body("effect").send();
            match aws.invoke("dialer", send).await {
                InvocationOutcome::Done(result) => {
                    result.map_or(
                        BatchOutcome::Failed,
                        |_| BatchOutcome::Done(SqsBatchResponse::default()),
                    )
                }
                InvocationOutcome::Crashed => BatchOutcome::Crashed,
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
async fn a_dead_letter_wakes_the_consumer_of_its_queue() {
    let w = world(1);
    let (queue, clock, seen) = queue(&w);
    queue.put("poison", Duration::ZERO);
    let (dlq, recorded) = (queue.dlq().unwrap(), seen.clone());
    let polling = tokio::spawn(async move {
        dlq.poll(Polling::default(), |event| {
            recorded.record(&clock, &event);
            async { BatchOutcome::Done(SqsBatchResponse::default()) }
        })
        .await;
    });
    poll_for(3600, &queue, Polling::default(), |_| async { BatchOutcome::Failed }).await;
    polling.abort();
    assert_eq!(seen.all(), [(180, bodies(&["poison"]))]);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a bug in the handler")]
async fn a_panic_of_a_handler_propagates_to_the_poller() {
    let w = world(1);
    let (queue, _, _) = queue(&w);
    queue.put("m", Duration::ZERO);
    poll_for(1, &queue, Polling::default(), |_| async {
        panic!("a bug in the handler")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_poller_does_not_wake_up() {
    let w = world(1);
    let (queue, _, _) = queue(&w);
    let polling = queue.poll(Polling::default(), |_| async { BatchOutcome::Failed });
    let mut polling = manual_poll(polling);
    assert!(polling.poll_once());
    // No timer is set, so paused time can advance past the poller.
    tokio::time::advance(Duration::from_hours(24)).await;
    assert!(!polling.is_woken());
    queue.put("m", Duration::ZERO);
    assert!(polling.is_woken());
}

#[test]
fn an_event_has_the_format_of_lambda() {
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

/// A future that is polled manually, with a waker that records whether it was woken.
struct ManualPoll<F> {
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

fn manual_poll<F: Future>(future: F) -> ManualPoll<F> {
    ManualPoll {
        future: Box::pin(future),
        flag: Arc::default(),
    }
}

impl<F: Future> ManualPoll<F> {
    /// True if it is pending.
    fn poll_once(&mut self) -> bool {
        let waker = self.flag.clone().into();
        self.future
            .as_mut()
            .poll(&mut std::task::Context::from_waker(&waker))
            .is_pending()
    }

    fn is_woken(&self) -> bool {
        self.flag.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}
