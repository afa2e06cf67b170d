//! Load, decide, send, commit: the one way in which a dispatch changes.
//!
//! DynamoDB and SQS cannot be written together, so the order is fixed: first the messages of a decision are sent, then
//! it is committed on condition that nobody else was faster. A crash in between leaves messages about a state that
//! never came to be, and [`crate::mail`] tells a consumer so; a crash before leaves the event to be delivered again. So at
//! every moment a dispatch that is not over has a message in flight that will move it on.

use std::borrow::Cow;
use std::pin::Pin;
use std::time::Duration;

use crate::aws_error::ErrorKind;
use crate::clock::Clock;
use crate::dispatch::work::{Message, Notice, Work};
use crate::dispatch::{self, Context, Decision, Dispatch, Entry, Event, Fact, Hold, NewDispatch, Verdict, decide};
use crate::ids::{DispatchKey, Nonce};
use crate::queue::{Queue, QueueError};
use crate::secret::Randomness;
use crate::store::{Committed, Store, StoreError};
use crate::telemetry::{self, Unit};

/// Decisions on what others left before giving up. Each loses only to somebody else's progress.
const TRIES: u8 = 8;

/// What the `notifications` queue may take of the time in which a provider is answered: a phone waits behind it.
const TELLING_LIMIT: Duration = Duration::from_millis(700);

type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), QueueError>> + Send + 'a>>;

/// Why an event could not be applied. It may be brought again: everything that it caused is fenced.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The table.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Others committed again and again before us.
    #[error("others kept changing the dispatch")]
    Contended,
    /// The operating system has no randomness.
    #[error("no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

impl EngineError {
    /// Of which kind it is.
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
    /// What to tell whoever brought the event.
    pub verdict: Verdict,
    /// The dispatch as it is now.
    pub dispatch: Dispatch,
}

/// What it takes to change a dispatch.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Where dispatches are.
    pub store: Store,
    /// The `dialing` queue.
    pub dialing: Queue,
    /// The `notifications` queue.
    pub notifications: Queue,
    /// The time.
    pub clock: Clock,
    /// What fences one decision from another.
    pub random: Randomness,
}

impl Engine {
    /// Creates a dispatch, or gives back the one that has this key already: tells whether it is new.
    pub async fn create(
        &self,
        key: DispatchKey,
        brief: NewDispatch,
        fingerprint: String,
    ) -> Result<(Dispatch, bool), EngineError> {
        let decision = dispatch::create(key.clone(), brief, fingerprint, self.context()?);
        self.send(&decision).await?;
        match self.commit(&key, &decision, None).await? {
            Committed::Yes => decision
                .next
                .map(|dispatch| (dispatch, true))
                .ok_or(EngineError::Contended),
            Committed::No(Some(existing)) => Ok((*existing, false)),
            Committed::No(None) | Committed::Held(_) => self
                .store
                .load(&key)
                .await?
                .map(|existing| (existing, false))
                .ok_or(EngineError::Contended),
        }
    }

    /// Loads the dispatch and applies `event`; `status` is written along. None when there is no such dispatch.
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

    /// Applies `event` to a dispatch as it was loaded, or as others have left it since.
    pub async fn apply_to(
        &self,
        mut dispatch: Dispatch,
        event: &Event,
        status: Option<&Entry>,
    ) -> Result<Applied, EngineError> {
        let key = dispatch.key.clone();
        let mut event = Cow::Borrowed(event);
        for _ in 0..TRIES {
            let decision = decide(&dispatch, &event, self.context()?);
            self.send(&decision).await?;
            match self.commit(&key, &decision, status).await? {
                Committed::Yes => {
                    let dispatch = decision.next.unwrap_or(dispatch);
                    return Ok(Applied {
                        verdict: decision.verdict,
                        dispatch,
                    });
                }
                Committed::No(Some(left)) => dispatch = *left,
                Committed::No(None) => dispatch = self.store.load(&key).await?.ok_or(EngineError::Contended)?,
                Committed::Held(until) => {
                    let Some(Hold { attempt, .. }) = decision.hold else {
                        return Err(EngineError::Contended);
                    };
                    event = Cow::Owned(Event::EmployeeBusy { attempt, until });
                }
            }
        }
        Err(EngineError::Contended)
    }

    /// Sends what a decision has to be sent: to both queues at once, and nothing to a queue that gets nothing. No phone
    /// waits for a webhook: what the `notifications` queue does not take, or not soon, goes to the dialer, who hands it on.
    async fn send(&self, decision: &Decision) -> Result<(), QueueError> {
        let now = self.clock.now();
        // In boxes of no type of their own: what the SDK awaits is nested more deeply than the compiler follows.
        let dialing: Sending<'_> = Box::pin(self.dialing.send(&decision.messages, now));
        let notices: Sending<'_> = Box::pin(self.notifications.send(&decision.notices, now));
        let (dialing, notices) = tokio::join!(dialing, tokio::time::timeout(TELLING_LIMIT, notices));
        dialing?;
        let why = match notices {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::error!(why, "the notifications queue takes nothing: the dialer hands it on");
        let version = match &decision.next {
            Some(next) => next.version,
            // It belongs to no commit.
            None => 0,
        };
        let detours = decision.notices.iter().map(|notice| {
            let entry = notice.entry.clone();
            Message {
                version,
                ..Message::at_once(notice.dispatch.clone(), Work::Notify { entry }, now)
            }
        });
        self.dialing.send(&detours.collect::<Vec<_>>(), now).await
    }

    /// Writes an intermediate status of a call, unless it is there already; tells whether it was new. One request to the
    /// table, and where the requester asked to hear of it (`told`) one to the queue at the same time. The timeline does
    /// not wait for that, nor suffer from it.
    pub async fn note_status(&self, key: &DispatchKey, entry: &Entry, told: bool) -> Result<bool, EngineError> {
        if !told {
            return Ok(self.store.put_entry(key, entry).await?);
        }
        let now = self.clock.now();
        let notices = [Notice::first(key.clone(), entry.id.clone(), now)];
        let notice: Sending<'_> = Box::pin(self.notifications.send(&notices, now));
        let limited = tokio::time::timeout(TELLING_LIMIT, notice);
        let (sent, new) = tokio::join!(limited, Box::pin(self.store.put_entry(key, entry)));
        if !matches!(sent, Ok(Ok(()))) {
            tracing::warn!(dispatch = %key.id, entry = entry.id, ?sent, "a status of a call may not be told");
        }
        Ok(new?)
    }

    /// Counts what a committed decision has brought about, for the dashboard. A crash before this loses a count, so what
    /// an alarm hears of is counted by whoever consumes a message of the decision's ([`Work::Count`]).
    fn count(&self, decision: &Decision) {
        let now = self.clock.now();
        let count = |name| telemetry::emf(now, &[], &[(name, Unit::Count, 1.0)], &[]);
        let Some(next) = &decision.next else { return };
        let age = now.since(next.created_at).as_secs_f64() * 1_000.0;
        let time = |name| telemetry::emf(now, &[], &[(name, Unit::Milliseconds, age)], &[]);
        for entry in &decision.entries {
            match &entry.fact {
                Fact::Accepted { .. } => time("TimeToAccept"),
                Fact::Dialling { attempt, .. } if attempt.ordinal == 1 => time("TimeToFirstDial"),
                Fact::NoAnswer { .. } => count("NoAnswer"),
                Fact::Rejected { .. } => count("Rejected"),
                _ => {}
            }
        }
    }

    /// Keeps an event on the queue because the table cannot be had: a dialer applies it later.
    pub async fn keep(&self, key: &DispatchKey, event: Event) -> Result<(), QueueError> {
        let now = self.clock.now();
        let message = Message::at_once(key.clone(), Work::Apply { event }, now);
        self.dialing.send(&[message], now).await
    }

    /// Commits; when DynamoDB does not say whether it did, looks.
    async fn commit(
        &self,
        key: &DispatchKey,
        decision: &Decision,
        status: Option<&Entry>,
    ) -> Result<Committed, StoreError> {
        let result = self.store.commit(key, decision, status, self.clock.now()).await;
        let result = match (&result, &decision.next) {
            (Err(error), Some(next)) => {
                tracing::warn!(dispatch = %key.id, %error, "a commit got no answer, looking whether it was made");
                match self.store.load(key).await {
                    Ok(Some(stored)) if stored == *next => Ok(Committed::Yes),
                    _ => result,
                }
            }
            _ => result,
        };
        if matches!(result, Ok(Committed::Yes)) {
            self.count(decision);
        }
        result
    }

    fn context(&self) -> Result<Context, EngineError> {
        Ok(Context {
            now: self.clock.now(),
            fresh: Nonce::random(&self.random)?,
        })
    }
}
