//! What Lambda's event source mapping does: takes messages, invokes a function with them, deletes what it did.

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

/// How a function is fed from a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polling {
    /// The most messages in one invocation.
    pub batch_size: usize,
    /// The most invocations at a time.
    pub max_concurrency: usize,
}

impl Default for Polling {
    /// Ten messages at a time, in up to five invocations: what Lambda starts with.
    fn default() -> Self {
        Self {
            batch_size: 10,
            max_concurrency: 5,
        }
    }
}

/// How an invocation with a batch ended.
#[derive(Clone, Debug)]
pub enum Invocation {
    /// It returned this. Messages that it does not report as failed are deleted.
    Done(SqsBatchResponse),
    /// It returned an error: none of its messages is deleted.
    Failed,
    /// It died: none of its messages is deleted.
    Crashed,
}

impl Queue {
    /// Feeds `handler` from this queue until it is dropped (then so are the invocations under way).
    ///
    /// Sleeps until a message is due or something changes, so it neither keeps tokio's paused clock from advancing
    /// nor wakes it when there is nothing to do. Messages that are not deleted become visible again when their
    /// visibility timeout ends, unless the handler has changed that: Lambda does nothing to hasten it. A handler that
    /// panics ends the polling with its panic, so that a test which awaits it fails.
    pub async fn poll<H, F>(&self, polling: Polling, handler: H)
    where
        H: Fn(SqsEvent) -> F,
        F: Future<Output = Invocation> + Send + 'static,
    {
        let (batch_size, most) = (polling.batch_size.max(1), polling.max_concurrency.max(1));
        let mut running = JoinSet::new();
        loop {
            // Listen before looking, or a message that comes in between would not be heard of.
            let mut changed = pin!(self.sqs.changed.notified());
            changed.as_mut().enable();
            while running.len() < most {
                let batch = self.sqs.receive(&self.name, batch_size, None);
                if batch.is_empty() {
                    break;
                }
                // Through JSON, so that a function gets what the runtime would have made of the real event.
                match serde_json::from_value::<SqsEvent>(event_json(&self.name, &batch)) {
                    Ok(event) => {
                        let invocation = handler(event);
                        let queue = self.clone();
                        running.spawn(async move { queue.settle(&batch, &invocation.await) });
                    }
                    Err(error) => tracing::error!(queue = self.name(), %error, "the event cannot be read"),
                }
            }
            let next = if running.len() < most { self.next_due() } else { None };
            tokio::select! {
                // By chance otherwise, and not by our seed.
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

    fn settle(&self, batch: &[Delivery], invocation: &Invocation) {
        let Invocation::Done(response) = invocation else { return };
        let failed: BTreeSet<&str> = response
            .batch_item_failures
            .iter()
            .map(|failure| failure.item_identifier.as_str())
            .collect();
        // Lambda takes an empty id for the failure of the whole batch; one that it never sent is a bug just the same.
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

/// The event with which Lambda invokes a function for messages of `queue`.
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
