//! Load, decide, send, commit: the only way to change a conversation or an interaction. The same protocol as in
//! [`crate::engine`], for the same reasons: messages are sent before the commit that they belong to, so a subject with
//! something left to do always has a message in flight.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::pin::Pin;

pub use patchbay_domain::ledger::{Decision, DecisionContext, Entry};

use crate::aws_error::ErrorKind;
use crate::clock::{Clock, Timestamp};
use crate::conversation::timeline::ChangeReason;
use crate::conversation::{self, Conversation, ConversationKey, Holder};
use crate::ids::Nonce;
use crate::interaction::{self, AttemptOutcome, EndReason, Interaction, State};
use crate::message::{Envelope, Failure, FailureKind};
use crate::queue::{Queue, QueueError};
use crate::secret::Randomness;
use crate::store::{Store, StoreError, VersionCommit, Versioned};
use crate::telemetry::{self, Unit};
use crate::webhook::Notice;

/// Attempts to decide and commit before giving up. An attempt fails only because another writer made progress.
const MAX_COMMIT_ATTEMPTS: u8 = 8;

/// A type-erased box: the SDK's futures are nested more deeply than the compiler's limit.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
/// A decision about a subject.
pub type DecisionOf<S> = Decision<
    S,
    Envelope<<S as crate::store::Subject>::Key, <S as crate::store::Subject>::Work>,
    <S as Versioned>::Fact,
    <S as Rules>::Outcome,
>;

/// The rules of a subject.
pub trait Rules: Versioned {
    /// What happens to it.
    type Event: Send + Sync;
    /// The answer to the sender of an event.
    type Outcome: Copy + Debug + Send + Sync;

    /// Decides what an event does to it.
    fn decide(&self, event: &Self::Event, context: DecisionContext) -> DecisionOf<Self>;
    /// The subject with this key before its first event, if an event can begin one.
    fn before_first_event(key: &Self::Key, now: Timestamp) -> Option<Self>;
    /// The metric that counts a fact.
    fn metric(fact: &Self::Fact) -> Option<&'static str>;

    /// The notices for the requester's webhook about entries of the commit that makes this state, to be sent at `now`.
    fn notices(&self, _entries: &[Entry<Self::Fact>], _now: Timestamp) -> Vec<Notice> {
        Vec::new()
    }
    /// The work that sends a notice after the `notifications` queue did not accept it; none if there are no notices.
    fn notify(_notice: &Notice) -> Option<Self::Work> {
        None
    }
}

impl Rules for Conversation {
    type Event = conversation::Event;
    type Outcome = conversation::EventOutcome;

    fn decide(&self, event: &Self::Event, context: DecisionContext) -> DecisionOf<Self> {
        conversation::decide(self, event, context)
    }

    fn before_first_event(key: &ConversationKey, now: Timestamp) -> Option<Self> {
        Some(Self::new(key.clone(), now))
    }

    fn metric(fact: &conversation::Fact) -> Option<&'static str> {
        use conversation::Fact;
        match fact {
            Fact::HolderChanged(change) if change.to == Holder::HandingOff => Some("ConversationsHandedOver"),
            Fact::HolderChanged(change) if change.reason == ChangeReason::DeliveryRefused => Some("RefusedSteps"),
            Fact::NotDone { .. } => Some("RefusedSteps"),
            Fact::Unclear { .. } => Some("UnclearSteps"),
            Fact::Answered { error: Some(_), .. } => Some("BotErrors"),
            Fact::WaitedTooLong => Some("WaitedTooLong"),
            _ => None,
        }
    }
}

impl Rules for Interaction {
    type Event = interaction::Event;
    type Outcome = interaction::EventOutcome;

    fn decide(&self, event: &Self::Event, context: DecisionContext) -> DecisionOf<Self> {
        interaction::decide(self, event, context)
    }

    fn before_first_event(_: &Self::Key, _: Timestamp) -> Option<Self> {
        None
    }

    fn notices(&self, entries: &[interaction::Entry], now: Timestamp) -> Vec<Notice> {
        self.notices(entries, now)
    }

    fn notify(notice: &Notice) -> Option<interaction::Work> {
        let entry = notice.entry.clone();
        Some(interaction::Work::Notify { entry })
    }

    fn metric(fact: &interaction::Fact) -> Option<&'static str> {
        use interaction::Fact;
        match fact {
            // Not the state: after another channel it is known that something was sent, and of this one it is not.
            Fact::Unclear { .. } => Some("InteractionsUnclear"),
            Fact::StateChanged { to, .. } => match to {
                State::Ended { reason } if reason == &EndReason::Completed => Some("InteractionsCompleted"),
                State::Ended { reason } if is_failure(*reason) => Some("InteractionsFailed"),
                _ => None,
            },
            Fact::AttemptEnded { outcome, .. } => match outcome {
                AttemptOutcome::Refused { .. } | AttemptOutcome::NotAccepted { .. } => Some("MessagesRefused"),
                AttemptOutcome::OptedOut => Some("OptOuts"),
                AttemptOutcome::NoReport => Some("MessagesWithoutReport"),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Whether an interaction that ended so did not do what it was created for, for a reason that is not the customer's.
const fn is_failure(reason: EndReason) -> bool {
    matches!(
        reason,
        EndReason::Failed | EndReason::Refused | EndReason::Unclear | EndReason::Expired
    )
}

/// Why an event could not be applied. Applying it again is safe: consumers discard messages that were never committed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// DynamoDB failed, or an item is malformed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A message could not be sent.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Every attempt lost to another writer.
    #[error("too many concurrent changes")]
    Contended,
    /// The operating system's random number generator failed.
    #[error("the random number generator failed: {0}")]
    Random(#[from] getrandom::Error),
}

impl LedgerError {
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

impl Failure for LedgerError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Store(error) => Failure::kind(error),
            // The send may have succeeded. Sending the message again could double it, and each copy would double again.
            Self::Queue(error) if error.is_transient() => FailureKind::NotSent,
            Self::Queue(_) => FailureKind::Permanent,
            Self::Contended | Self::Random(_) => FailureKind::Transient,
        }
    }
}

/// A committed decision.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedChange<S: Rules> {
    /// The answer to the sender of the event.
    pub outcome: S::Outcome,
    /// The subject after the commit.
    pub subject: S,
}

/// Everything needed to change subjects of a kind.
#[derive(Clone, Debug)]
pub struct Ledger<S> {
    /// Stores the subjects.
    pub store: Store,
    /// The queue of their messages.
    pub queue: Queue,
    /// The `notifications` queue, consumed by the notifier; none for a kind without webhooks.
    pub notifications: Option<Queue>,
    /// The source of the current time.
    pub clock: Clock,
    /// The source of the nonces of each decision.
    pub random: Randomness,
    kind: PhantomData<fn() -> S>,
}

/// The ledger of the conversations with a bot. Its queue is `conversations`, consumed by the responder.
pub type Conversations = Ledger<Conversation>;
/// The ledger of the interactions. Its queue is `interactions`, consumed by the messenger.
pub type Interactions = Ledger<Interaction>;

impl Interactions {
    /// Sends an entry of the timeline to the notifier, because the `notifications` queue did not accept it at first. The
    /// notice bears the time of the first attempt to send it: a duplicate of `message` makes the same notice, and
    /// duplicate notices are delivered once.
    ///
    /// # Errors
    /// Why it is unknown whether the notice was sent. To repeat it multiplies nothing.
    pub async fn forward_notice(&self, message: &interaction::Message, entry: &str) -> Result<(), String> {
        let subject = message.subject.clone().into();
        let notice = Notice::first(subject, entry.to_owned(), message.sent_at);
        self.notify(&[notice], self.clock.now()).await
    }
}

impl<S: Rules> Ledger<S> {
    /// A ledger without a queue for notices.
    pub const fn new(store: Store, queue: Queue, clock: Clock, random: Randomness) -> Self {
        Self {
            store,
            queue,
            notifications: None,
            clock,
            random,
            kind: PhantomData,
        }
    }

    /// The same, with the queue for notices to requesters.
    #[must_use]
    pub fn with_notifications(self, notifications: Queue) -> Self {
        Self {
            notifications: Some(notifications),
            ..self
        }
    }

    /// Loads a subject, if it exists. One request.
    ///
    /// # Errors
    /// When DynamoDB fails, or the item is malformed.
    pub async fn load(&self, key: &S::Key) -> Result<Option<S>, StoreError> {
        let loading: Boxed<'_, _> = Box::pin(self.store.load_subject(key));
        loading.await
    }

    /// Loads a subject, or the state before its first event. One request.
    async fn load_or_begin(&self, key: &S::Key) -> Result<Option<S>, StoreError> {
        let stored = self.load(key).await?;
        Ok(stored.or_else(|| S::before_first_event(key, self.clock.now())))
    }

    /// Loads a subject, or begins one, and applies the event that `event` makes from its current state. `None` if it
    /// does not exist, and an event cannot begin it.
    ///
    /// # Errors
    /// As [`Self::apply_to`].
    pub async fn apply(
        &self,
        key: &S::Key,
        event: impl Fn(&S) -> S::Event + Sync,
    ) -> Result<Option<AppliedChange<S>>, LedgerError> {
        let Some(subject) = self.load_or_begin(key).await? else {
            return Ok(None);
        };
        self.apply_to(subject, event).await.map(Some)
    }

    /// Applies the event that `event` makes from the state of a loaded subject, or from its newer state if another
    /// writer committed since.
    ///
    /// # Errors
    /// When DynamoDB or SQS fails, or other writers were faster every time.
    pub async fn apply_to(
        &self,
        mut subject: S,
        event: impl Fn(&S) -> S::Event + Sync,
    ) -> Result<AppliedChange<S>, LedgerError> {
        for _ in 0..MAX_COMMIT_ATTEMPTS {
            let decision = subject.decide(&event(&subject), self.context()?);
            self.send(&decision).await?;
            subject = match self.commit(&decision).await? {
                VersionCommit::Committed => {
                    return Ok(AppliedChange {
                        outcome: decision.outcome,
                        subject: decision.next.unwrap_or(subject),
                    });
                }
                VersionCommit::Conflict(Some(current)) => *current,
                VersionCommit::Conflict(None) => {
                    let current = self.load_or_begin(subject.key()).await?;
                    current.ok_or(LedgerError::Contended)?
                }
            };
        }
        Err(LedgerError::Contended)
    }

    /// Commits the decision that creates a subject, or finds the one that exists. The flag is true for a new one.
    ///
    /// # Errors
    /// When DynamoDB or SQS fails.
    pub async fn create(&self, decision: DecisionOf<S>) -> Result<(S, bool), LedgerError> {
        self.send(&decision).await?;
        let result = self.commit(&decision).await?;
        let Some(new) = decision.next else {
            return Err(LedgerError::Contended);
        };
        match result {
            VersionCommit::Committed => Ok((new, true)),
            VersionCommit::Conflict(Some(existing)) => Ok((*existing, false)),
            VersionCommit::Conflict(None) => {
                let existing = self.load(new.key()).await?;
                let existing = existing.ok_or(LedgerError::Contended)?;
                Ok((existing, false))
            }
        }
    }

    /// Puts work on the queue that belongs to no commit, to be done at once.
    ///
    /// # Errors
    /// When SQS did not accept it, or the outcome is unknown.
    pub async fn enqueue(&self, key: S::Key, work: S::Work) -> Result<(), QueueError> {
        let now = self.clock.now();
        let messages = [Envelope::at_once(key, work, now)];
        let sending: Boxed<'_, _> = Box::pin(self.queue.send(&messages, now));
        sending.await
    }

    /// What a decision needs besides the event.
    ///
    /// # Errors
    /// When the operating system's random number generator fails.
    pub fn context(&self) -> Result<DecisionContext, getrandom::Error> {
        Ok(DecisionContext {
            now: self.clock.now(),
            nonce: Nonce::random(&self.random)?,
        })
    }

    /// Sends the messages of a decision, and its notices in parallel. Nobody waits for a webhook: if the `notifications`
    /// queue fails or is slow, the consumer of our queue gets the notices and forwards them.
    async fn send(&self, decision: &DecisionOf<S>) -> Result<(), QueueError> {
        let now = self.clock.now();
        let sending: Boxed<'_, _> = Box::pin(self.queue.send(&decision.messages, now));
        let Some(next) = &decision.next else {
            return sending.await;
        };
        let notices = next.notices(&decision.entries, now);
        let (sent, notified) = tokio::join!(sending, self.notify(&notices, now));
        sent?;
        let Err(reason) = notified else { return Ok(()) };
        tracing::error!(
            reason,
            "cannot send to the notifications queue: the notices will be forwarded"
        );
        let works = notices.iter().filter_map(S::notify);
        let messages = works.map(|work| Envelope {
            version: next.version(),
            ..Envelope::at_once(next.key().clone(), work, now)
        });
        let messages: Vec<_> = messages.collect();
        let sending: Boxed<'_, _> = Box::pin(self.queue.send(&messages, now));
        sending.await
    }

    async fn notify(&self, notices: &[Notice], now: Timestamp) -> Result<(), String> {
        match &self.notifications {
            _ if notices.is_empty() => Ok(()),
            Some(queue) => queue.send_notices(notices, now).await,
            None => Err("there is no such queue".to_owned()),
        }
    }

    /// Commits. If the request fails, its effect is unknown, so this loads the subject to check.
    async fn commit(&self, decision: &DecisionOf<S>) -> Result<VersionCommit<S>, StoreError> {
        let Some(next) = &decision.next else {
            return Ok(VersionCommit::Committed);
        };
        let now = self.clock.now();
        let committing: Boxed<'_, _> = Box::pin(self.store.commit_version(next, &decision.entries, now));
        let mut result = committing.await;
        if let Err(error) = &result {
            let subject = S::id(next.key()).to_string();
            tracing::warn!(%subject, %error, "a commit failed with an unknown outcome: checking whether it was made");
            if matches!(self.load(next.key()).await, Ok(Some(stored)) if stored == *next) {
                result = Ok(VersionCommit::Committed);
            }
        }
        if matches!(result, Ok(VersionCommit::Committed)) {
            self.count(decision);
        }
        result
    }

    /// Writes the metrics of a committed decision. A crash before this loses a count.
    fn count(&self, decision: &DecisionOf<S>) {
        let now = self.clock.now();
        for name in decision.entries.iter().filter_map(|entry| S::metric(&entry.fact)) {
            telemetry::emf(now, &[], &[(name, Unit::Count, 1.0)], &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interaction::{Channel, Fact};

    fn ended(outcome: AttemptOutcome) -> Fact {
        Fact::AttemptEnded {
            attempt: Nonce::new(1),
            channel: Channel::Sms,
            outcome,
        }
    }

    fn reaches(to: State) -> Fact {
        let from = State::Sent;
        Fact::StateChanged { from, to }
    }

    #[test]
    fn what_is_unclear_counts_once_whatever_the_state_is() {
        let unclear = Fact::Unclear {
            attempt: Nonce::new(1),
            reason: String::new(),
        };
        assert_eq!(Interaction::metric(&unclear), Some("InteractionsUnclear"));
        assert_eq!(Interaction::metric(&reaches(State::Unknown)), None);
    }

    #[test]
    fn what_nobody_reported_and_what_came_too_late_counts() {
        let no_report = ended(AttemptOutcome::NoReport);
        assert_eq!(Interaction::metric(&no_report), Some("MessagesWithoutReport"));
        for reason in EndReason::ALL {
            let is_counted = Interaction::metric(&reaches(State::ended(reason))) == Some("InteractionsFailed");
            assert_eq!(is_counted, is_failure(reason), "{reason}");
        }
        assert!(is_failure(EndReason::Expired) && !is_failure(EndReason::NoAnswer));
    }
}
