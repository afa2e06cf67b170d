//! Sends messages to SQS queues, whatever the messages are about.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use serde::Serialize;

use crate::aws_error::{AwsError, ErrorKind};
use crate::clock::Timestamp;
use crate::message::QueueMessage;
use crate::webhook::Notice;

/// SQS's maximum delay of a message, in seconds. A message with a longer delay is sent again on arrival until it is
/// due.
pub const MAX_DELAY: i64 = 900;
/// SQS's maximum number of messages in one request.
const MAX_BATCH: usize = 10;

/// Time limit for a send to the `notifications` queue. Meanwhile a provider may be waiting for our response, with a
/// person on the line.
const NOTICES_TIMEOUT: Duration = Duration::from_millis(700);

/// Message attribute of a dead letter that holds the reason for it.
pub const REASON: &str = "reason";
/// Maximum length of a reason; the rest is cut off.
const MAX_REASON_CHARS: usize = 1_000;

/// Why a message could not be sent. It may have been sent: sending it again is harmless, because consumers discard
/// duplicates.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The request failed.
    #[error("SQS: {0}")]
    Request(AwsError),
    /// SQS accepted the request, but not every message in it.
    #[error("SQS refused {count} of the messages: {reason}")]
    Refused {
        /// Number of refused messages.
        count: usize,
        /// SQS's reason for the first of them.
        reason: String,
    },
    /// A message could not be serialized as JSON: a bug.
    #[error("a message could not be serialized: {0}")]
    Json(#[from] serde_json::Error),
    /// A request could not be built: a bug.
    #[error("a request could not be built: {0}")]
    Build(#[from] aws_sdk_sqs::error::BuildError),
}

impl QueueError {
    /// Whether a retry may succeed.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Request(_) | Self::Refused { .. })
    }

    /// The kind of the AWS error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Request(error) => error.kind,
            Self::Refused { .. } | Self::Json(_) | Self::Build(_) => ErrorKind::Other,
        }
    }

    /// Wraps an error of the SDK.
    pub fn request<E, R>(error: &SdkError<E, R>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug + 'static,
    {
        Self::Request(AwsError::from_sdk(error))
    }
}

/// Access to SQS. Clones share a client, which is created for the first message: many requests send none, and creating
/// a client takes a twentieth of a cold start.
#[derive(Clone, Debug)]
pub struct Sqs(Arc<LazyLock<Client, MakeClient>>);

type MakeClient = Box<dyn FnOnce() -> Client + Send>;

impl Sqs {
    /// Creates the client with `make`, when it is first needed.
    pub fn on_demand(make: impl FnOnce() -> Client + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(make))))
    }

    /// The queue with this URL.
    pub fn queue(&self, url: impl Into<String>) -> Queue {
        Queue {
            sqs: self.clone(),
            url: url.into(),
        }
    }
}

/// An SQS queue.
#[derive(Clone, Debug)]
pub struct Queue {
    sqs: Sqs,
    url: String,
}

impl Queue {
    /// The queue with this URL, accessed with `client`.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Sqs::on_demand(|| client).queue(url)
    }

    /// Sends messages; each arrives when it is due, or after 900 s if that is sooner. `Ok` means that SQS accepted all
    /// of them. One request for every ten messages.
    pub async fn send<M: QueueMessage + Serialize>(&self, messages: &[M], now: Timestamp) -> Result<(), QueueError> {
        let messages = messages.iter();
        let bodies = messages.map(|message| Ok((serde_json::to_string(message)?, message.due_at())));
        let mut bodies = bodies.collect::<Result<Vec<_>, serde_json::Error>>()?;
        while !bodies.is_empty() {
            let rest = bodies.split_off(bodies.len().min(MAX_BATCH));
            self.send_batch(bodies, now).await?;
            bodies = rest;
        }
        Ok(())
    }

    /// Sends the notices of a decision to this `notifications` queue, within a short time: nothing else waits for a
    /// webhook. The error says why it is unknown whether they were sent.
    pub(crate) async fn send_notices(&self, notices: &[Notice], now: Timestamp) -> Result<(), String> {
        // A type-erased box: the SDK's futures are nested more deeply than the compiler's limit.
        let sending: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(self.send(notices, now));
        match tokio::time::timeout(NOTICES_TIMEOUT, sending).await {
            Ok(sent) => sent.map_err(|error| error.to_string()),
            Err(_) => Err("time-out".to_owned()),
        }
    }

    /// Sends `body` unchanged to this dead-letter queue, with the reason why it cannot be consumed.
    pub(crate) async fn send_dead_letter(&self, body: &str, reason: &str) -> Result<(), QueueError> {
        // SQS accepts neither an empty body nor an empty attribute.
        let body = if body.is_empty() { "(empty)" } else { body };
        let reason: String = reason.chars().take(MAX_REASON_CHARS).map(replace_disallowed).collect();
        let reason = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(if reason.is_empty() { "no reason given" } else { &reason })
            .build()?;
        self.sqs
            .0
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .message_attributes(REASON, reason)
            .send()
            .await
            .map(drop)
            .map_err(|error| QueueError::request(&error))
    }

    pub(crate) async fn send_batch(
        &self,
        messages: Vec<(String, Timestamp)>,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        let mut request = self.sqs.0.send_message_batch().queue_url(&self.url);
        for (index, (body, due_at)) in messages.into_iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .delay_seconds(delay(now, due_at))
                .message_body(body)
                .build()?;
            request = request.entries(entry);
        }
        let output = request.send().await.map_err(|error| QueueError::request(&error))?;
        let Some(first) = output.failed().first() else {
            return Ok(());
        };
        let reason = first.message().unwrap_or_else(|| first.code()).to_owned();
        Err(QueueError::Refused {
            count: output.failed().len(),
            reason,
        })
    }
}

/// Replaces a character that SQS does not accept in text.
const fn replace_disallowed(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'.. => c,
        _ => char::REPLACEMENT_CHARACTER,
    }
}

/// Seconds from `now` to `due_at`, rounded up so that a message never arrives early; at most [`MAX_DELAY`].
fn delay(now: Timestamp, due_at: Timestamp) -> i32 {
    let seconds = (due_at.millis() - now.millis() + 999)
        .div_euclid(1000)
        .clamp(0, MAX_DELAY);
    i32::try_from(seconds).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_sqs_refuses_are_replaced() {
        let text = "a\u{0}b\u{b}\u{ffff}\u{fffe}c\n\u{1f600}é";
        let replaced: String = text.chars().map(replace_disallowed).collect();
        assert_eq!(replaced, "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}c\n\u{1f600}é");
    }

    #[test]
    fn a_delay_is_rounded_up_and_capped_at_the_sqs_maximum() {
        let now = Timestamp::from_millis(1_000_000);
        for (millis, seconds) in [(-5_000, 0), (0, 0), (1, 1), (1_000, 1), (1_001, 2), (86_400_000, 900)] {
            assert_eq!(delay(now, now.plus_millis(millis)), seconds, "{millis} ms");
        }
    }
}
