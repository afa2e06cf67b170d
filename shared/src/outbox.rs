//! The outbox: sends, fences and consumes messages between our own functions, about any subject.
//!
//! **Sending:** a message is sent before the commit that it belongs to ([`crate::message`] says why).
//!
//! **Fencing:** a consumer acts on a message once that commit is made, checks again while the commit may still be made,
//! and drops the message when no running function can make the commit any more.
//!
//! **Consuming:** a message that fails blocks no other message and is not lost:
//!
//! - A transient failure (DynamoDB, a provider, secrets that cannot be read): the message is sent again, after 1, 2, 4
//!   and up to 60 seconds, without a limit on retries. An outage of hours loses no message.
//! - A permanent failure: the message goes to the dead-letter queue, with the reason. An alarm watches that queue.
//! - If neither can be sent, the message is reported to SQS as failed, and SQS redelivers it after its visibility
//!   timeout, as it does when a function crashes.
//!
//! A message that is sent again is a new message to SQS: its receive count starts at zero, and it is kept for another
//! four days.

use std::collections::HashSet;
use std::pin::Pin;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::future::join_all;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::{Clock, Timestamp};
use crate::message::{COMMIT_CHECKS, CommitState, Failure, FailureKind, QueueMessage, recheck_at};
use crate::queue::{Queue, QueueError};
use crate::secret::describe_json_error;
use crate::telemetry::{self, Unit};

/// Longest backoff before a retry, in seconds.
const MAX_BACKOFF_SECONDS: u32 = 60;
/// Retries of a permanent failure before the message becomes a dead letter. During a deployment, the old version of a
/// function may be unable to read what the new version wrote.
const PERMANENT_FAILURE_RETRIES: u16 = 8;

/// A message as it is on the queue, with its number of retries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedMessage<M> {
    /// The message as it was first sent.
    #[serde(flatten)]
    pub message: M,
    /// How often it was sent again after a failure.
    #[serde(default, skip_serializing_if = "is_zero", rename = "again")]
    pub retries: u16,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(retries: &u16) -> bool {
    *retries == 0
}

/// A queue did not accept a message, or the outcome is unknown.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct EnqueueError {
    /// Whether a retry may succeed.
    pub is_transient: bool,
    /// The cause, for the log.
    pub reason: String,
}

impl From<QueueError> for EnqueueError {
    fn from(error: QueueError) -> Self {
        Self {
            is_transient: error.is_transient(),
            reason: error.to_string(),
        }
    }
}

impl From<serde_json::Error> for EnqueueError {
    fn from(error: serde_json::Error) -> Self {
        QueueError::from(error).into()
    }
}

/// A queue, as the outbox uses it.
pub trait MessageQueue: Sync {
    /// Sends a message to arrive at `due_at`, or after the queue's maximum delay if that is sooner.
    fn enqueue(
        &self,
        body: String,
        due_at: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), EnqueueError>> + Send;

    /// Sends a message to this dead-letter queue, with the reason.
    fn dead_letter(&self, body: &str, reason: &str) -> impl Future<Output = Result<(), EnqueueError>> + Send;
}

impl MessageQueue for Queue {
    async fn enqueue(&self, body: String, due_at: Timestamp, now: Timestamp) -> Result<(), EnqueueError> {
        Ok(self.send_batch(vec![(body, due_at)], now).await?)
    }

    async fn dead_letter(&self, body: &str, reason: &str) -> Result<(), EnqueueError> {
        Ok(self.send_dead_letter(body, reason).await?)
    }
}

/// The queue that a consumer consumes, and its dead-letter queue.
#[derive(Clone, Debug)]
pub struct Outbox<Q = Queue> {
    /// The consumed queue, to which retries are sent.
    pub queue: Q,
    /// Its dead-letter queue.
    pub dead_letters: Q,
    /// The source of the current time.
    pub clock: Clock,
}

/// A parsed record of an SQS event.
#[derive(Debug)]
enum ParsedRecord<M> {
    Message(QueuedMessage<M>),
    Unreadable(UnreadableRecord),
}

/// A record that cannot be parsed.
#[derive(Debug)]
struct UnreadableRecord {
    /// The raw message, if it names a tenant's subject: another version of this function may have written it.
    raw: Option<QueuedMessage<Map<String, Value>>>,
    reason: String,
}

impl Failure for UnreadableRecord {
    fn kind(&self) -> FailureKind {
        FailureKind::Permanent
    }
}

impl std::fmt::Display for UnreadableRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)
    }
}

fn parse<M: DeserializeOwned>(record: &SqsMessage) -> ParsedRecord<M> {
    let body = record.body.as_deref().unwrap_or_default();
    let error = match serde_json::from_str(body) {
        Ok(queued) => return ParsedRecord::Message(queued),
        Err(error) => error,
    };
    let raw: Option<QueuedMessage<Map<String, Value>>> = serde_json::from_str(body).ok();
    let is_ours =
        |raw: &QueuedMessage<Map<String, Value>>| ["tenant", "id"].iter().all(|name| raw.message.contains_key(*name));
    ParsedRecord::Unreadable(UnreadableRecord {
        raw: raw.filter(is_ours),
        reason: format!("not a message of patchbay: {}", describe_json_error(&error)),
    })
}

impl<Q: MessageQueue> Outbox<Q> {
    /// Consumes a batch, all messages in parallel: a slow or failed message does not block the others. Duplicates
    /// within the batch are consumed once; SQS may deliver a message twice, and a send that timed out may have been
    /// repeated. A failed message is sent again, or becomes a dead letter.
    pub async fn consume<M, E, F>(&self, event: &SqsEvent, work: impl Fn(M) -> F + Sync) -> SqsBatchResponse
    where
        M: QueueMessage + Serialize + DeserializeOwned + Send + Sync,
        E: Failure + Send + Sync,
        F: Future<Output = Result<(), E>> + Send,
    {
        let mut seen = HashSet::new();
        let records = event.records.iter();
        let records = records.filter(|record| seen.insert(record.body.as_deref()));
        let records: Vec<&SqsMessage> = records.collect();
        // Boxed: the futures are nested more deeply than the compiler's limit.
        let results = join_all(records.iter().map(|record| Box::pin(self.consume_one(record, &work)))).await;
        let mut response = SqsBatchResponse::default();
        for (record, result) in records.into_iter().zip(results) {
            report_failure(&mut response, record, result);
        }
        response
    }

    async fn consume_one<M, E, F>(
        &self,
        record: &SqsMessage,
        work: &(impl Fn(M) -> F + Sync),
    ) -> Result<(), EnqueueError>
    where
        M: QueueMessage + Serialize + DeserializeOwned + Send + Sync,
        E: Failure + Send + Sync,
        F: Future<Output = Result<(), E>> + Send,
    {
        let queued = match parse::<M>(record) {
            ParsedRecord::Unreadable(unreadable) => return self.handle_unreadable(record, &unreadable).await,
            ParsedRecord::Message(queued) => queued,
        };
        match work(queued.message.clone()).await {
            Ok(()) => Ok(()),
            Err(failure) => self.retry_or_dead_letter(&queued, &failure).await,
        }
    }

    /// Waits briefly for the commit that belongs to a message, and returns what `load` returns for its subject after
    /// that commit; `load` returns `None` before it. `None` means that there is nothing to do now: the message was sent
    /// again to be checked later, or was dropped because its commit was never made.
    ///
    /// # Errors
    /// Those of `load`, and when the message could not be sent again.
    pub async fn await_commit<M, T, E, F>(&self, message: &M, load: impl Fn() -> F + Sync) -> Result<Option<T>, E>
    where
        M: QueueMessage + Serialize + Sync,
        E: From<EnqueueError>,
        F: Future<Output = Result<Option<T>, E>> + Send,
    {
        let sent_at = message.sent_at();
        for pause in COMMIT_CHECKS {
            if !pause.is_zero() {
                self.clock.sleep(pause).await;
            }
            let found = load().await?;
            match CommitState::new(found.is_some(), sent_at, self.clock.now()) {
                CommitState::Committed => return Ok(found),
                CommitState::Abandoned => {
                    tracing::info!("dropped a message: its commit was never made, or its subject was deleted");
                    return Ok(None);
                }
                CommitState::Pending => {}
            }
        }
        // Sent again rather than left to the visibility timeout, which is a minute.
        self.send(&message.with_due_at(recheck_at(sent_at, self.clock.now())))
            .await?;
        Ok(None)
    }

    /// Sends a message to the queue, to arrive when it is due, or after the queue's maximum delay if that is sooner.
    ///
    /// # Errors
    /// When the queue did not accept it, or the outcome is unknown.
    pub async fn send<M: QueueMessage + Serialize>(&self, message: &M) -> Result<(), EnqueueError> {
        self.send_at(message, message.due_at()).await
    }

    /// Sends a whole batch again because a transient `error` keeps every message of it from being consumed.
    pub async fn retry_batch<M: DeserializeOwned + Serialize>(
        &self,
        event: &SqsEvent,
        error: &impl std::fmt::Display,
    ) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        for record in &event.records {
            let failure = BatchFailure(error.to_string());
            let result = match parse::<M>(record) {
                ParsedRecord::Message(queued) => self.retry_or_dead_letter(&queued, &failure).await,
                ParsedRecord::Unreadable(unreadable) => self.handle_unreadable(record, &unreadable).await,
            };
            report_failure(&mut response, record, result);
        }
        response
    }

    /// Sends a failed message again with backoff, or to the dead-letter queue if a retry cannot succeed.
    async fn retry_or_dead_letter<M: Serialize>(
        &self,
        queued: &QueuedMessage<M>,
        failure: &(impl Failure + Sync),
    ) -> Result<(), EnqueueError> {
        let now = self.clock.now();
        let failures = queued.retries.saturating_add(1);
        telemetry::emf(now, &[], &[("MessageFailures", Unit::Count, 1.0)], &[]);
        if failure.kind() == FailureKind::NotSent {
            return Err(EnqueueError {
                is_transient: true,
                reason: failure.to_string(),
            });
        }
        if failure.kind() == FailureKind::Permanent && failures > PERMANENT_FAILURE_RETRIES {
            tracing::error!(
                error = %failure,
                failures,
                "a message can never be consumed: sending it to the dead-letter queue"
            );
            return self.dead_letter(&queued.message, &failure.to_string()).await;
        }
        tracing::error!(error = %failure, failures, "a message failed: sending it again");
        let retry = QueuedMessage {
            message: &queued.message,
            retries: failures,
        };
        self.send_at(&retry, now.plus_seconds(backoff_seconds(failures))).await
    }

    async fn send_at(&self, message: &impl Serialize, due_at: Timestamp) -> Result<(), EnqueueError> {
        let body = serde_json::to_string(message)?;
        boxed(self.queue.enqueue(body, due_at, self.clock.now())).await
    }

    /// Sends an unreadable record to the dead-letter queue; one that another version of this function may have written
    /// only after some retries.
    async fn handle_unreadable(&self, record: &SqsMessage, unreadable: &UnreadableRecord) -> Result<(), EnqueueError> {
        if let Some(queued) = &unreadable.raw {
            return self.retry_or_dead_letter(queued, unreadable).await;
        }
        let body = record.body.as_deref().unwrap_or_default();
        tracing::error!(
            message = record.message_id,
            reason = unreadable.reason,
            "a record cannot be read: sending it to the dead-letter queue"
        );
        telemetry::emf(self.clock.now(), &[], &[("MessageFailures", Unit::Count, 1.0)], &[]);
        self.send_dead_letter(body, &unreadable.reason).await
    }

    /// Sends a message to the dead-letter queue, in the form in which a redrive is to send it: without its retries.
    ///
    /// # Errors
    /// When it could not be sent.
    pub async fn dead_letter<M: Serialize>(&self, message: &M, reason: &str) -> Result<(), EnqueueError> {
        self.send_dead_letter(&serde_json::to_string(message)?, reason).await
    }

    async fn send_dead_letter(&self, body: &str, reason: &str) -> Result<(), EnqueueError> {
        boxed(self.dead_letters.dead_letter(body, reason)).await
    }
}

/// A transient failure of a whole batch.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BatchFailure(String);

impl Failure for BatchFailure {
    fn kind(&self) -> FailureKind {
        FailureKind::Transient
    }
}

/// Reports a record to SQS as failed if it could be sent neither again nor to the dead-letter queue.
fn report_failure(response: &mut SqsBatchResponse, record: &SqsMessage, result: Result<(), EnqueueError>) {
    let Err(error) = result else { return };
    // Without an id a record can only be reported by failing the whole batch, which an empty id does.
    let id = record.message_id.clone().unwrap_or_default();
    tracing::error!(message = %id, %error, "a message failed and could not be sent again: SQS will redeliver it");
    response.add_failure(id);
}

/// Seconds before the retry of a message that has failed `failures` times.
fn backoff_seconds(failures: u16) -> u32 {
    let doublings = u32::from(failures.saturating_sub(1)).min(6);
    (1 << doublings).min(MAX_BACKOFF_SECONDS)
}

/// Type-erases a future: the SDK's futures are nested more deeply than the compiler's limit.
fn boxed<'a>(
    future: impl Future<Output = Result<(), EnqueueError>> + Send + 'a,
) -> Pin<Box<dyn Future<Output = Result<(), EnqueueError>> + Send + 'a>> {
    Box::pin(future)
}

#[cfg(test)]
mod tests;
