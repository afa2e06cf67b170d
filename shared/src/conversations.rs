//! Load, decide, send, commit: the only way to change a conversation. The same protocol as in [`crate::engine`], for the
//! same reasons: messages are sent before the commit that they belong to, so a conversation with something left to do
//! always has a message in flight.

use std::pin::Pin;

use crate::aws_error::ErrorKind;
use crate::clock::Clock;
use crate::conversation::timeline::ChangeReason;
use crate::conversation::{
    Conversation, ConversationKey, Decision, DecisionContext, Event, EventOutcome, Fact, Holder, Message, Work, decide,
};
use crate::ids::Nonce;
use crate::message::{Failure, FailureKind};
use crate::queue::{Queue, QueueError};
use crate::secret::Randomness;
use crate::store::{ConversationCommit, Store, StoreError};
use crate::telemetry::{self, Unit};

/// Attempts to decide and commit before giving up. An attempt fails only because another writer made progress.
const MAX_COMMIT_ATTEMPTS: u8 = 8;

type SendFuture<'a> = Pin<Box<dyn Future<Output = Result<(), QueueError>> + Send + 'a>>;
type CommitFuture<'a> = Pin<Box<dyn Future<Output = Result<ConversationCommit, StoreError>> + Send + 'a>>;
type LoadFuture<'a> = Pin<Box<dyn Future<Output = Result<Option<Conversation>, StoreError>> + Send + 'a>>;

/// Why an event could not be applied. Applying it again is safe: consumers discard messages that were never committed.
#[derive(Debug, thiserror::Error)]
pub enum ConversationError {
    /// DynamoDB failed, or an item is malformed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A message could not be sent.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Every attempt lost to another writer.
    #[error("too many concurrent changes to the conversation")]
    Contended,
    /// The operating system's random number generator failed.
    #[error("the random number generator failed: {0}")]
    Random(#[from] getrandom::Error),
}

impl ConversationError {
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

impl Failure for ConversationError {
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
pub struct AppliedChange {
    /// The answer to the sender of the event.
    pub outcome: EventOutcome,
    /// The conversation after the commit.
    pub conversation: Conversation,
}

/// Everything needed to change a conversation.
#[derive(Clone, Debug)]
pub struct Conversations {
    /// Stores the conversations.
    pub store: Store,
    /// The `conversations` queue, consumed by the responder.
    pub queue: Queue,
    /// The source of the current time.
    pub clock: Clock,
    /// The source of the nonces of each decision.
    pub random: Randomness,
}

impl Conversations {
    /// Loads a conversation, if it exists. One request.
    ///
    /// # Errors
    /// When DynamoDB fails, or the item is malformed.
    pub async fn load(&self, key: &ConversationKey) -> Result<Option<Conversation>, StoreError> {
        // Type-erased boxes here and below: the SDK's futures are nested more deeply than the compiler's limit.
        let loading: LoadFuture<'_> = Box::pin(self.store.conversation(key));
        loading.await
    }

    /// Loads a conversation, or begins one, and applies the event that `event` makes from its current state.
    ///
    /// # Errors
    /// As [`Self::apply_to`].
    pub async fn apply(
        &self,
        key: &ConversationKey,
        event: impl Fn(&Conversation) -> Event + Sync,
    ) -> Result<AppliedChange, ConversationError> {
        let conversation = self.load_or_new(key).await?;
        self.apply_to(conversation, event).await
    }

    /// Applies the event that `event` makes from the state of a loaded conversation, or from its newer state if another
    /// writer committed since.
    ///
    /// # Errors
    /// When DynamoDB or SQS fails, or other writers were faster every time.
    pub async fn apply_to(
        &self,
        mut conversation: Conversation,
        event: impl Fn(&Conversation) -> Event + Sync,
    ) -> Result<AppliedChange, ConversationError> {
        for _ in 0..MAX_COMMIT_ATTEMPTS {
            let decision = decide(&conversation, &event(&conversation), self.context()?);
            let sending: SendFuture<'_> = Box::pin(self.queue.send(&decision.messages, self.clock.now()));
            sending.await?;
            conversation = match self.commit(&decision).await? {
                ConversationCommit::Committed => {
                    return Ok(AppliedChange {
                        outcome: decision.outcome,
                        conversation: decision.next.unwrap_or(conversation),
                    });
                }
                ConversationCommit::Conflict(Some(current)) => *current,
                ConversationCommit::Conflict(None) => self.load_or_new(&conversation.key).await?,
            };
        }
        Err(ConversationError::Contended)
    }

    /// Puts work on the queue that belongs to no commit, to be done at once.
    ///
    /// # Errors
    /// When SQS did not accept it, or the outcome is unknown.
    pub async fn enqueue(&self, key: ConversationKey, work: Work) -> Result<(), QueueError> {
        let now = self.clock.now();
        let messages = [Message::at_once(key, work, now)];
        let sending: SendFuture<'_> = Box::pin(self.queue.send(&messages, now));
        sending.await
    }

    /// Loads a conversation, or begins one that is not stored yet. One request.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub async fn load_or_new(&self, key: &ConversationKey) -> Result<Conversation, StoreError> {
        let stored = self.load(key).await?;
        Ok(stored.unwrap_or_else(|| Conversation::new(key.clone(), self.clock.now())))
    }

    /// Commits. If the request fails, its effect is unknown, so this loads the conversation to check.
    async fn commit(&self, decision: &Decision) -> Result<ConversationCommit, StoreError> {
        let Some(next) = &decision.next else {
            return Ok(ConversationCommit::Committed);
        };
        let committing: CommitFuture<'_> = Box::pin(self.store.commit_conversation(
            next,
            &decision.entries,
            self.clock.now(),
        ));
        let mut result = committing.await;
        if let Err(error) = &result {
            let conversation = &next.key.id;
            tracing::warn!(%conversation, %error, "a commit failed with an unknown outcome: checking whether it was made");
            if matches!(self.load(&next.key).await, Ok(Some(stored)) if stored == *next) {
                result = Ok(ConversationCommit::Committed);
            }
        }
        if matches!(result, Ok(ConversationCommit::Committed)) {
            self.count(decision);
        }
        result
    }

    /// Writes the metrics of a committed decision. A crash before this loses a count.
    fn count(&self, decision: &Decision) {
        let now = self.clock.now();
        let count = |name| telemetry::emf(now, &[], &[(name, Unit::Count, 1.0)], &[]);
        for entry in &decision.entries {
            match &entry.fact {
                Fact::HolderChanged(change) if change.to == Holder::HandingOff => count("ConversationsHandedOver"),
                Fact::HolderChanged(change) if change.reason == ChangeReason::DeliveryRefused => count("RefusedSteps"),
                Fact::NotDone { .. } => count("RefusedSteps"),
                Fact::Unclear { .. } => count("UnclearSteps"),
                Fact::Answered { error: Some(_), .. } => count("BotErrors"),
                Fact::WaitedTooLong => count("WaitedTooLong"),
                _ => {}
            }
        }
    }

    fn context(&self) -> Result<DecisionContext, getrandom::Error> {
        Ok(DecisionContext {
            now: self.clock.now(),
            nonce: Nonce::random(&self.random)?,
        })
    }
}
