//! Load, decide, send, commit: the only way to change a dispatch.
//!
//! DynamoDB and SQS cannot be written atomically, so the order is fixed: send the messages of a decision, then commit
//! it, on condition that no other writer committed first. A crash between the two leaves messages about a state that
//! was never committed; consumers detect this with [`crate::message`]. A crash before the send leaves the event to be
//! redelivered. So an unfinished dispatch always has a message in flight that moves it on.

use std::borrow::Cow;
use std::pin::Pin;

use crate::aws_error::ErrorKind;
use crate::clock::Clock;
use crate::dispatch::work::{Message, Work};
use crate::dispatch::{
    self, Decision, DecisionContext, Dispatch, EmployeeLease, Entry, Event, EventOutcome, Fact, NewDispatch, decide,
};
use crate::ids::{DispatchKey, Nonce};
use crate::queue::{Queue, QueueError};
use crate::secret::Randomness;
use crate::store::{CommitResult, Store, StoreError};
use crate::telemetry::{self, Unit};
use crate::webhook::Notice;

/// Attempts to decide and commit before giving up. An attempt fails only because another writer made progress.
const MAX_COMMIT_ATTEMPTS: u8 = 8;

type SendFuture<'a> = Pin<Box<dyn Future<Output = Result<(), QueueError>> + Send + 'a>>;

/// Why an event could not be applied. Applying it again is safe: consumers discard messages that were never committed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// DynamoDB failed, or an item is malformed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A message could not be sent.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Every attempt lost to another writer.
    #[error("too many concurrent changes to the dispatch")]
    Contended,
    /// The operating system's random number generator failed.
    #[error("the random number generator failed: {0}")]
    Random(#[from] getrandom::Error),
}

impl EngineError {
    /// The kind of the AWS error behind it.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Queue(error) => error.kind(),
            Self::Contended => ErrorKind::Conflict,
            Self::Random(_) => ErrorKind::Other,
        }
    }
}

/// A committed decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The answer to the sender of the event.
    pub outcome: EventOutcome,
    /// The dispatch after the commit.
    pub dispatch: Dispatch,
}

/// Everything needed to change a dispatch.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Stores the dispatches.
    pub store: Store,
    /// The `dialing` queue, consumed by the dialer.
    pub dialing: Queue,
    /// The `notifications` queue, consumed by the notifier.
    pub notifications: Queue,
    /// The source of the current time.
    pub clock: Clock,
    /// The source of the nonce that identifies each decision.
    pub random: Randomness,
}

impl Engine {
    /// Creates a dispatch, or returns the existing one with this key. The flag is true for a new dispatch.
    pub async fn create(
        &self,
        key: DispatchKey,
        spec: NewDispatch,
        fingerprint: String,
    ) -> Result<(Dispatch, bool), EngineError> {
        let decision = dispatch::create(key.clone(), spec, fingerprint, self.context()?);
        self.send(&key, &decision).await?;
        match self.commit(&key, &decision, None).await? {
            CommitResult::Committed => decision
                .next
                .map(|dispatch| (dispatch, true))
                .ok_or(EngineError::Contended),
            CommitResult::Conflict(Some(existing)) => Ok((*existing, false)),
            CommitResult::Conflict(None) | CommitResult::LeaseHeld(_) => self
                .store
                .load(&key)
                .await?
                .map(|existing| (existing, false))
                .ok_or(EngineError::Contended),
        }
    }

    /// Loads the dispatch and applies `event`. `status` is written in the same commit. `None` if the dispatch does not
    /// exist.
    pub async fn apply(
        &self,
        key: &DispatchKey,
        event: &Event,
        status: Option<&Entry>,
    ) -> Result<Option<Applied>, EngineError> {
        let Some(dispatch) = self.store.load(key).await? else {
            return Ok(None);
        };
        self.apply_to(dispatch, event, status).await.map(Some)
    }

    /// Applies `event` to a loaded dispatch, or to its newer state if another writer committed since.
    pub async fn apply_to(
        &self,
        mut dispatch: Dispatch,
        event: &Event,
        status: Option<&Entry>,
    ) -> Result<Applied, EngineError> {
        let key = dispatch.key.clone();
        let mut event = Cow::Borrowed(event);
        for _ in 0..MAX_COMMIT_ATTEMPTS {
            let decision = decide(&dispatch, &event, self.context()?);
            self.send(&key, &decision).await?;
            match self.commit(&key, &decision, status).await? {
                CommitResult::Committed => {
                    let dispatch = decision.next.unwrap_or(dispatch);
                    return Ok(Applied {
                        outcome: decision.outcome,
                        dispatch,
                    });
                }
                CommitResult::Conflict(Some(left)) => dispatch = *left,
                CommitResult::Conflict(None) => {
                    dispatch = self.store.load(&key).await?.ok_or(EngineError::Contended)?;
                }
                CommitResult::LeaseHeld(until) => {
                    let Some(EmployeeLease { attempt, .. }) = decision.lease else {
                        return Err(EngineError::Contended);
                    };
                    event = Cow::Owned(Event::EmployeeBusy { attempt, until });
                }
            }
        }
        Err(EngineError::Contended)
    }

    /// Sends the messages of a decision, to both queues in parallel; a queue with no messages gets no request. No call
    /// waits for a webhook: if the `notifications` queue fails or is slow, the dialer gets the notices and forwards
    /// them.
    async fn send(&self, key: &DispatchKey, decision: &Decision) -> Result<(), QueueError> {
        let now = self.clock.now();
        // A type-erased box: the SDK's futures are nested more deeply than the compiler's limit.
        let dialing: SendFuture<'_> = Box::pin(self.dialing.send(&decision.messages, now));
        let notices = self.notifications.send_notices(&decision.notices, now);
        let (dialing, notices) = tokio::join!(dialing, notices);
        dialing?;
        let Err(reason) = notices else { return Ok(()) };
        tracing::error!(
            reason,
            "cannot send to the notifications queue: the dialer will forward the notices"
        );
        let version = match &decision.next {
            Some(next) => next.version,
            // Belongs to no commit.
            None => 0,
        };
        let forwarded = decision.notices.iter().map(|notice| {
            let entry = notice.entry.clone();
            Message {
                version,
                ..Message::at_once(key.clone(), Work::Notify { entry }, now)
            }
        });
        self.dialing.send(&forwarded.collect::<Vec<_>>(), now).await
    }

    /// Records an intermediate status of a call, once. Returns whether it was new. One request to DynamoDB; with
    /// `notify` (the requester asked for such statuses) one to the queue in parallel, whose failure or delay does not
    /// affect the timeline.
    pub async fn record_status(&self, key: &DispatchKey, entry: &Entry, notify: bool) -> Result<bool, EngineError> {
        if !notify {
            return Ok(self.store.put_entry(key, entry).await?);
        }
        let now = self.clock.now();
        let notices = [Notice::first(key.clone().into(), entry.id.clone(), now)];
        let sending = self.notifications.send_notices(&notices, now);
        let (sent, new) = tokio::join!(sending, Box::pin(self.store.put_entry(key, entry)));
        if let Err(reason) = sent {
            tracing::warn!(dispatch = %key.id, entry = entry.id, reason, "the webhook about a call status may be lost");
        }
        Ok(new?)
    }

    /// Writes the dashboard metrics of a committed decision. A crash before this loses a count, so metrics with an
    /// alarm are written by the consumer of a message of the decision instead ([`Work::Count`]).
    fn count(&self, decision: &Decision) {
        let now = self.clock.now();
        let count = |name| telemetry::emf(now, &[], &[(name, Unit::Count, 1.0)], &[]);
        let Some(next) = &decision.next else { return };
        let age = now.since(next.created_at).as_secs_f64() * 1_000.0;
        let time = |name| telemetry::emf(now, &[], &[(name, Unit::Milliseconds, age)], &[]);
        for entry in &decision.entries {
            match &entry.fact {
                Fact::Accepted { .. } => time("TimeToAccept"),
                Fact::Dialing { attempt, .. } if attempt.ordinal == 1 => time("TimeToFirstDial"),
                Fact::NoAnswer { .. } => count("CallsNotAnswered"),
                Fact::Rejected { .. } => count("CallsRejected"),
                _ => {}
            }
        }
    }

    /// Puts an event on the `dialing` queue because DynamoDB is unavailable; the dialer applies it later.
    pub async fn enqueue_event(&self, key: &DispatchKey, event: Event) -> Result<(), QueueError> {
        let now = self.clock.now();
        let message = Message::at_once(key.clone(), Work::Apply { event }, now);
        self.dialing.send(&[message], now).await
    }

    /// Commits. If the request fails, its effect is unknown, so this loads the dispatch to check.
    async fn commit(
        &self,
        key: &DispatchKey,
        decision: &Decision,
        status: Option<&Entry>,
    ) -> Result<CommitResult, StoreError> {
        let result = self.store.commit(key, decision, status, self.clock.now()).await;
        let result = match (&result, &decision.next) {
            (Err(error), Some(next)) => {
                tracing::warn!(
                    dispatch = %key.id,
                    %error,
                    "a commit failed with an unknown outcome: checking whether it was made"
                );
                match self.store.load(key).await {
                    Ok(Some(stored)) if stored == *next => Ok(CommitResult::Committed),
                    _ => result,
                }
            }
            _ => result,
        };
        if matches!(result, Ok(CommitResult::Committed)) {
            self.count(decision);
        }
        result
    }

    fn context(&self) -> Result<DecisionContext, EngineError> {
        Ok(DecisionContext {
            now: self.clock.now(),
            nonce: Nonce::random(&self.random)?,
        })
    }
}
