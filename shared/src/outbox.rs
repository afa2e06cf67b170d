//! The outbox: messages to ourselves about any subject are sent, fenced and consumed here.
//!
//! **Sent** before the commit that they belong to ([`crate::mail`] says why). **Fenced** when they arrive: acted on once
//! that commit is made, looked for again while it may yet be made, dropped when nobody is left who could make it.
//! **Consumed** so that a message that fails stops no other and is not lost:
//!
//! - What failed may well succeed another time (the table, a provider, secrets that cannot be read): it is sent again,
//!   after 1, 2, 4, up to 60 seconds, for as long as it takes. Nothing is given up because a thing was down for hours.
//! - What can never succeed goes to the dead-letter queue, with the reason: an alarm waits there.
//! - If neither can be sent, the message is reported as failed. SQS brings it back when its visibility timeout ends, as it
//!   does when a function dies.
//!
//! A message that is sent again is a new one, which counts no receives and lives another four days.

use std::collections::HashSet;
use std::pin::Pin;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::future::join_all;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::{Clock, Timestamp};
use crate::mail::{Arrival, COMMIT_LOOKS, Failed, Failure, Mail, look_again_at};
use crate::queue::{Queue, QueueError};
use crate::secret::without_contents;
use crate::telemetry::{self, Unit};

/// The longest pause before a message is tried again, in seconds.
const LONGEST_PAUSE: u32 = 60;
/// Failures after which what seems to be broken for good is held to be so. Until then it may be that a version of this
/// function that is about to be replaced cannot read what the new one wrote.
const DOUBTS: u16 = 8;

/// A message, and how often it has failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried<M> {
    /// What was sent at first.
    #[serde(flatten)]
    pub message: M,
    /// How often it was sent again because it could not be consumed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub again: u16,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(again: &u16) -> bool {
    *again == 0
}

/// A message was not taken by a queue, or perhaps was.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct NotTaken {
    /// Whether it may be taken another time.
    pub passes: bool,
    /// For a person.
    pub why: String,
}

impl From<QueueError> for NotTaken {
    fn from(error: QueueError) -> Self {
        Self {
            passes: error.passes(),
            why: error.to_string(),
        }
    }
}

impl From<serde_json::Error> for NotTaken {
    fn from(error: serde_json::Error) -> Self {
        QueueError::from(error).into()
    }
}

/// A queue, as far as an outbox goes.
pub trait TakeMessages: Sync {
    /// Takes a message, to arrive at `due_at` or as late before that as the queue can.
    fn take(
        &self,
        body: String,
        due_at: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), NotTaken>> + Send;

    /// Takes a dead letter, with the reason for which it is one.
    fn bury(&self, body: &str, reason: &str) -> impl Future<Output = Result<(), NotTaken>> + Send;
}

impl TakeMessages for Queue {
    async fn take(&self, body: String, due_at: Timestamp, now: Timestamp) -> Result<(), NotTaken> {
        Ok(self.send_batch(vec![(body, due_at)], now).await?)
    }

    async fn bury(&self, body: &str, reason: &str) -> Result<(), NotTaken> {
        Ok(Self::bury(self, body, reason).await?)
    }
}

/// What consumes a queue sends by this: to the queue itself, and to its dead letters.
#[derive(Clone, Debug)]
pub struct Outbox<Q = Queue> {
    /// The queue.
    pub queue: Q,
    /// Its dead-letter queue.
    pub dead_letters: Q,
    /// The time.
    pub clock: Clock,
}

/// What is behind a record of an event.
#[derive(Debug)]
enum Read<M> {
    /// A message.
    Message(Tried<M>),
    /// It cannot be read: why.
    Unread(Unread),
}

/// A record that cannot be read.
#[derive(Debug)]
struct Unread {
    /// What is in it, when it is about a subject of a tenant's: another version of ours may have written it.
    about: Option<Tried<Map<String, Value>>>,
    why: String,
}

impl Failure for Unread {
    fn failed(&self) -> Failed {
        Failed::ForGood
    }
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

/// Reads a record of an event.
fn read<M: DeserializeOwned>(record: &SqsMessage) -> Read<M> {
    let body = record.body.as_deref().unwrap_or_default();
    let error = match serde_json::from_str(body) {
        Ok(tried) => return Read::Message(tried),
        Err(error) => error,
    };
    let about: Option<Tried<Map<String, Value>>> = serde_json::from_str(body).ok();
    let is_ours =
        |tried: &Tried<Map<String, Value>>| ["tenant", "id"].iter().all(|name| tried.message.contains_key(*name));
    Read::Unread(Unread {
        about: about.filter(is_ours),
        why: format!("not a message of ours: {}", without_contents(&error)),
    })
}

impl<Q: TakeMessages> Outbox<Q> {
    /// Consumes a batch, all of it side by side: what is slow, or fails, stops nothing else. Two of one message, which a
    /// queue may deliver, or take when it is slow to answer, are one. What fails is sent again, or is a dead letter.
    pub async fn consume<M, E, F>(&self, event: &SqsEvent, work: impl Fn(M) -> F + Sync) -> SqsBatchResponse
    where
        M: Mail + Serialize + DeserializeOwned + Send + Sync,
        E: Failure + Send + Sync,
        F: Future<Output = Result<(), E>> + Send,
    {
        let mut seen = HashSet::new();
        let records = event.records.iter();
        let records = records.filter(|record| seen.insert(record.body.as_deref()));
        let records: Vec<&SqsMessage> = records.collect();
        // In boxes: what is awaited is nested more deeply than the compiler follows.
        let taken = join_all(records.iter().map(|record| Box::pin(self.consume_one(record, &work)))).await;
        let mut response = SqsBatchResponse::default();
        for (record, taken) in records.into_iter().zip(taken) {
            reported(&mut response, record, taken);
        }
        response
    }

    async fn consume_one<M, E, F>(&self, record: &SqsMessage, work: &(impl Fn(M) -> F + Sync)) -> Result<(), NotTaken>
    where
        M: Mail + Serialize + DeserializeOwned + Send + Sync,
        E: Failure + Send + Sync,
        F: Future<Output = Result<(), E>> + Send,
    {
        let tried = match read::<M>(record) {
            Read::Unread(unread) => return self.unread(record, &unread).await,
            Read::Message(tried) => tried,
        };
        match work(tried.message.clone()).await {
            Ok(()) => Ok(()),
            Err(failure) => self.again_or_dead(&tried, &failure).await,
        }
    }

    /// What `look` finds of a message's subject, once the commit that belongs to the message is made; `look` finds nothing
    /// before that. None when there is nothing to do about it (now): it will come again, or is dropped.
    ///
    /// # Errors
    /// Those of `look`, and when the message could not be sent again.
    pub async fn fenced<M, T, E, F>(&self, message: &M, look: impl Fn() -> F + Sync) -> Result<Option<T>, E>
    where
        M: Mail + Serialize + Sync,
        E: From<NotTaken>,
        F: Future<Output = Result<Option<T>, E>> + Send,
    {
        let sent_at = message.sent_at();
        for pause in COMMIT_LOOKS {
            if !pause.is_zero() {
                self.clock.sleep(pause).await;
            }
            let found = look().await?;
            match Arrival::of(found.is_some(), sent_at, self.clock.now()) {
                Arrival::Committed => return Ok(found),
                Arrival::Abandoned => {
                    tracing::info!("dropped what was never committed, or is not kept any more");
                    return Ok(None);
                }
                Arrival::TooEarly => {}
            }
        }
        // Sent anew instead of being left to the visibility timeout: that would be a minute.
        self.send(&message.due(look_again_at(sent_at, self.clock.now())))
            .await?;
        Ok(None)
    }

    /// Sends a message to the queue, to arrive when it is due or as late before that as the queue can.
    ///
    /// # Errors
    /// When it was not taken, or perhaps was.
    pub async fn send<M: Mail + Serialize>(&self, message: &M) -> Result<(), NotTaken> {
        self.send_at(message, message.due_at()).await
    }

    /// Sends back everything in a batch of which nothing could be consumed, because of `error`, which passes.
    pub async fn send_back<M: DeserializeOwned + Serialize>(
        &self,
        event: &SqsEvent,
        error: &impl std::fmt::Display,
    ) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        for record in &event.records {
            let failure = NothingDone(error.to_string());
            let taken = match read::<M>(record) {
                Read::Message(tried) => self.again_or_dead(&tried, &failure).await,
                Read::Unread(unread) => self.unread(record, &unread).await,
            };
            reported(&mut response, record, taken);
        }
        response
    }

    /// Sends a message again, or to the dead-letter queue when that is in vain.
    async fn again_or_dead<M: Serialize>(
        &self,
        tried: &Tried<M>,
        failure: &(impl Failure + Sync),
    ) -> Result<(), NotTaken> {
        let now = self.clock.now();
        let failures = tried.again.saturating_add(1);
        telemetry::emf(now, &[], &[("MessageFailures", Unit::Count, 1.0)], &[]);
        if failure.failed() == Failed::NotSent {
            return Err(NotTaken {
                passes: true,
                why: failure.to_string(),
            });
        }
        if failure.failed() == Failed::ForGood && failures > DOUBTS {
            tracing::error!(error = %failure, failures, "a message can never be consumed: to the dead letters");
            return self.give_up(&tried.message, &failure.to_string()).await;
        }
        tracing::error!(error = %failure, failures, "a message failed and is sent again");
        let again = Tried {
            message: &tried.message,
            again: failures,
        };
        self.send_at(&again, now.plus_seconds(pause(failures))).await
    }

    async fn send_at(&self, message: &impl Serialize, due_at: Timestamp) -> Result<(), NotTaken> {
        let body = serde_json::to_string(message)?;
        boxed(self.queue.take(body, due_at, self.clock.now())).await
    }

    /// Sends what cannot be read to the dead-letter queue; what may be of another version of ours only after some tries.
    async fn unread(&self, record: &SqsMessage, unread: &Unread) -> Result<(), NotTaken> {
        if let Some(tried) = &unread.about {
            return self.again_or_dead(tried, unread).await;
        }
        let body = record.body.as_deref().unwrap_or_default();
        tracing::error!(message = record.message_id, why = unread.why, "to the dead letters");
        telemetry::emf(self.clock.now(), &[], &[("MessageFailures", Unit::Count, 1.0)], &[]);
        self.bury(body, &unread.why).await
    }

    /// Sends a message to the dead-letter queue, as it is to begin when it is redriven from there.
    ///
    /// # Errors
    /// When it could not be sent.
    pub async fn give_up<M: Serialize>(&self, message: &M, why: &str) -> Result<(), NotTaken> {
        self.bury(&serde_json::to_string(message)?, why).await
    }

    async fn bury(&self, body: &str, why: &str) -> Result<(), NotTaken> {
        boxed(self.dead_letters.bury(body, why)).await
    }
}

/// Nothing of a batch could be consumed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NothingDone(String);

impl Failure for NothingDone {
    fn failed(&self) -> Failed {
        Failed::ForNow
    }
}

/// Reports a record as failed when it was not taken elsewhere.
fn reported(response: &mut SqsBatchResponse, record: &SqsMessage, taken: Result<(), NotTaken>) {
    let Err(error) = taken else { return };
    // A record without an id could only be reported by failing the batch; an empty id does that.
    let id = record.message_id.clone().unwrap_or_default();
    tracing::error!(message = %id, %error, "a message failed and could not be sent again: it comes back by itself");
    response.add_failure(id);
}

/// Seconds before a message that has failed so often is tried again.
fn pause(failures: u16) -> u32 {
    let doublings = u32::from(failures.saturating_sub(1)).min(6);
    (1 << doublings).min(LONGEST_PAUSE)
}

/// In a box of no type of its own: what the SDK awaits is nested more deeply than the compiler follows.
fn boxed<'a>(
    taking: impl Future<Output = Result<(), NotTaken>> + Send + 'a,
) -> Pin<Box<dyn Future<Output = Result<(), NotTaken>> + Send + 'a>> {
    Box::pin(taking)
}

#[cfg(test)]
mod tests;
