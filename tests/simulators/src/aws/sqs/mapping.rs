//! Lambda's event source mapping: receives messages, invokes a function with them, deletes the processed ones.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::attributes::with;
use super::store::Store;
use super::{Delivery, Queue, arn};
use crate::aws::REGION;

/// The settings of an event source mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polling {
    /// The most messages of one invocation.
    pub batch_size: usize,
    /// The most concurrent invocations.
    pub max_concurrency: usize,
}

impl Default for Polling {
    /// Lambda's defaults: batches of up to ten messages, and five invocations at first.
    fn default() -> Self {
        Self {
            batch_size: 10,
            max_concurrency: 5,
        }
    }
}

/// How an invocation with a batch ended.
#[derive(Clone, Debug)]
pub enum BatchOutcome {
    /// It returned this. Messages that it does not report as failed are deleted.
    Done(SqsBatchResponse),
    /// It returned an error: none of its messages is deleted.
    Failed,
    /// It crashed: none of its messages is deleted.
    Crashed,
}

impl Queue {
    /// Invokes `handler` with the messages of this queue until the future is dropped, and with it the running
    /// invocations.
    ///
    /// Sleeps until a message is due or the queue changes: it neither keeps tokio's paused clock from advancing nor
    /// wakes up when there is nothing to do. Messages that are not deleted become visible again when their visibility
    /// timeout ends, unless the handler has changed it: Lambda does not shorten it. If a handler panics, so does this
    /// future, and the test that awaits it fails.
    pub async fn poll<H, F>(&self, polling: Polling, handler: H)
    where
        H: Fn(SqsEvent) -> F,
        F: Future<Output = BatchOutcome> + Send + 'static,
    {
        let (batch_size, most) = (polling.batch_size.max(1), polling.max_concurrency.max(1));
        let mut running = JoinSet::new();
        loop {
            // Listen before receiving, or a message that is sent in between would not wake this task.
            let mut changed = pin!(self.sqs.changed.notified());
            changed.as_mut().enable();
            while running.len() < most {
                let batch = self.sqs.receive(&self.name, batch_size, None);
                if batch.is_empty() {
                    break;
                }
                // Through JSON, so that a function receives what the runtime would parse from the real event.
                match serde_json::from_value::<SqsEvent>(event_json(&self.name, &batch)) {
                    Ok(event) => {
                        let invocation = handler(event);
                        let queue = self.clone();
                        running.spawn(async move { queue.settle(&batch, &invocation.await) });
                    }
                    Err(error) => tracing::error!(queue = self.name(), %error, "could not parse the event"),
                }
            }
            let next = if running.len() < most { self.next_due() } else { None };
            tokio::select! {
                // Without `biased` the order is random, and does not depend on our seed.
                biased;
                Some(ended) = running.join_next() => {
                    if let Err(error) = ended && error.is_panic() {
                        std::panic::resume_unwind(error.into_panic());
                    }
                }
                () = changed => {}
                () = self.sqs.sleep_until(next) => {}
            }
        }
    }

    fn settle(&self, batch: &[Delivery], invocation: &BatchOutcome) {
        let BatchOutcome::Done(response) = invocation else {
            return;
        };
        let failed: BTreeSet<&str> = response
            .batch_item_failures
            .iter()
            .map(|failure| failure.item_identifier.as_str())
            .collect();
        // To Lambda an empty id means that the whole batch failed. So does an id that was not in the batch.
        if failed.iter().any(|id| !batch.iter().any(|message| message.id == *id)) {
            return;
        }
        self.sqs.change(|store: &mut Store, now| {
            for message in batch.iter().filter(|message| !failed.contains(message.id.as_str())) {
                store.delete(&self.name, &message.receipt_handle, now);
            }
        });
    }
}

/// The event with which Lambda invokes a function for a batch of `queue`.
pub fn event_json(queue: &str, batch: &[Delivery]) -> Value {
    let record = |message: &Delivery| {
        let attributes: Map<String, Value> = message
            .attributes
            .iter()
            .map(|(name, attribute)| (name.clone(), attribute.in_event()))
            .collect();
        let record = json!({
            "messageId": message.id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": message.system,
            "messageAttributes": attributes,
            "md5OfBody": message.md5_of_body,
            "eventSource": "aws:sqs",
            "eventSourceARN": arn(queue),
            "awsRegion": REGION,
        });
        with(record, "md5OfMessageAttributes", message.md5_of_attributes.as_deref())
    };
    json!({ "Records": batch.iter().map(record).collect::<Vec<_>>() })
}
