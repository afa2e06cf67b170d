//! SQS: messages are sent to it, and nothing else; what is behind a message is none of its business.

use std::sync::{Arc, LazyLock};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use serde::Serialize;

use crate::aws_error::{AwsError, ErrorKind};
use crate::clock::Timestamp;
use crate::mail::Mail;

/// The longest that SQS holds a message back, in seconds. Longer delays travel in hops.
pub const MAX_DELAY: i64 = 900;
/// The most messages that SQS takes in one request.
const MAX_BATCH: usize = 10;

/// Name of the attribute that says why a dead letter is one.
pub const REASON: &str = "reason";
/// Most characters of a reason.
const MAX_REASON_CHARS: usize = 1_000;

/// A message could not be sent (or perhaps was: sending again is harmless, consumers fence).
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// SQS did not take the request.
    #[error("SQS: {0}")]
    Request(AwsError),
    /// SQS took the request, but not every message in it.
    #[error("SQS refused {count} of the messages: {reason}")]
    Refused {
        /// How many.
        count: usize,
        /// Why the first of them.
        reason: String,
    },
    /// A message could not be written as JSON; a bug.
    #[error("a message could not be written: {0}")]
    Json(#[from] serde_json::Error),
    /// A request could not be built; a bug.
    #[error("a request could not be built: {0}")]
    Build(#[from] aws_sdk_sqs::error::BuildError),
}

impl QueueError {
    /// Whether the same may well succeed another time.
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Request(_) | Self::Refused { .. })
    }

    /// Of which kind it is.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Request(error) => error.kind,
            Self::Refused { .. } | Self::Json(_) | Self::Build(_) => ErrorKind::Other,
        }
    }

    /// What the SDK says.
    pub fn request<E, R>(error: &SdkError<E, R>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug + 'static,
    {
        Self::Request(AwsError::of(error))
    }
}

/// The way to SQS. Clones share a client, which is made when the first message is sent: many requests send none, and a
/// client is a twentieth of a cold start.
#[derive(Clone, Debug)]
pub struct Sqs(Arc<LazyLock<Client, MakeClient>>);

type MakeClient = Box<dyn FnOnce() -> Client + Send>;

impl Sqs {
    /// With the client that `make` makes.
    pub fn on_demand(make: impl FnOnce() -> Client + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(make))))
    }

    /// The queue at `url`.
    pub fn queue(&self, url: impl Into<String>) -> Queue {
        Queue {
            sqs: self.clone(),
            url: url.into(),
        }
    }
}

/// A queue.
#[derive(Clone, Debug)]
pub struct Queue {
    sqs: Sqs,
    url: String,
}

impl Queue {
    /// The queue at `url`.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Sqs::on_demand(|| client).queue(url)
    }

    /// Sends messages, each to arrive when it is due or after 900 s. All of them are taken when this returns `Ok`.
    /// One request for up to ten, none for none.
    pub async fn send<M: Mail + Serialize>(&self, messages: &[M], now: Timestamp) -> Result<(), QueueError> {
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

    /// Sends `body` as it is, with the reason for which it is given up. To a dead-letter queue.
    pub(crate) async fn bury(&self, body: &str, reason: &str) -> Result<(), QueueError> {
        // SQS takes no empty text, neither here nor there.
        let body = if body.is_empty() { "(empty)" } else { body };
        let reason: String = reason.chars().take(MAX_REASON_CHARS).map(allowed).collect();
        let reason = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(if reason.is_empty() { "no reason told" } else { &reason })
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

/// The character itself, where SQS takes it in a text.
const fn allowed(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'.. => c,
        _ => char::REPLACEMENT_CHARACTER,
    }
}

/// Seconds from `now` to `due_at`, rounded up so that a message never comes early, at most [`MAX_DELAY`].
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
    fn what_sqs_does_not_take_in_a_text_is_replaced() {
        let text = "a\u{0}b\u{b}\u{ffff}\u{fffe}c\n\u{1f600}é";
        let taken: String = text.chars().map(allowed).collect();
        assert_eq!(taken, "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}c\n\u{1f600}é");
    }

    #[test]
    fn a_message_never_comes_early_and_never_waits_longer_than_sqs_can() {
        let now = Timestamp::from_millis(1_000_000);
        for (millis, seconds) in [(-5_000, 0), (0, 0), (1, 1), (1_000, 1), (1_001, 2), (86_400_000, 900)] {
            assert_eq!(delay(now, now.plus_millis(millis)), seconds, "{millis} ms");
        }
    }
}
