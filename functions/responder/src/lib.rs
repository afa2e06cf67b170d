//! Consumes the `conversations` queue: runs the bots, posts their answers, hands chats to people.
//!
//! Any message may arrive twice, late, or before the commit it belongs to. So every message is fenced against the
//! current conversation. What must not be repeated (posting a message) happens only under a claim, which exactly one
//! writer gets.
//!
//! - `receive`: events of the platform.
//! - `turn`: a turn of the bot: its document with its lookups.
//! - `step`: what is done on the platform, one step after another. `act`: each kind of step.
//! - `timers`: what is due after a while: watches, the end of a wait, the return after silence.

mod act;
mod load;
mod receive;
mod step;
mod timers;
mod turn;

use std::pin::Pin;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use patchbay::api::dispatches::Abilities;
use patchbay::bot_source::BotSource;
use patchbay::chat::ChatClient;
use patchbay::clock::Timestamp;
use patchbay::conversation::{Conversation, EventOutcome, Message, Work};
use patchbay::engine::Engine;
use patchbay::fetch::Fetcher;
use patchbay::ledger::{AppliedChange, Conversations, LedgerError};
use patchbay::message::{self, FailureKind, QueueMessage as _};
use patchbay::outbox::{EnqueueError, Outbox};
use patchbay::phone::CallingCode;
use patchbay::store::StoreError;
use tokio::time::Instant;
use tracing::Instrument as _;

/// Time after the start of an invocation up to which it begins another step. A step takes [`act::STEP_LIMIT`] at most,
/// and its record a second: the function's time-out of 30 s leaves room for both.
const LAST_START: Duration = Duration::from_secs(12);

/// Dependencies of the function.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Loads and changes conversations.
    pub conversations: Conversations,
    /// Consumes the `conversations` queue.
    pub outbox: Outbox,
    /// Finds the bots of conversations.
    pub bots: BotSource,
    /// Sends the requests of bot documents to back ends.
    pub fetcher: Fetcher,
    /// The chat platform.
    pub client: ChatClient,
    /// Creates dispatches for bots that have employees phoned.
    pub engine: Engine,
    /// What this stack can do for a dispatch.
    pub abilities: Abilities,
    /// The country of phone numbers without `+`.
    pub home: Option<CallingCode>,
}

/// Why a message could not be processed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Conversation(#[from] LedgerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
}

impl message::Failure for Failure {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Conversation(error) => message::Failure::kind(error),
            Self::Store(error) => message::Failure::kind(error),
            // The send may have succeeded. Sending the message again could double it.
            Self::Enqueue(error) if error.is_transient => FailureKind::NotSent,
            Self::Enqueue(_) => FailureKind::Permanent,
        }
    }
}

/// Consumes a batch of messages.
pub async fn handle(deps: &Deps, event: SqsEvent) -> SqsBatchResponse {
    let last_start = Instant::now() + LAST_START;
    let work = |message: Message| {
        let span = tracing::info_span!("message", tenant = %message.subject.tenant, conversation = %message.subject.id);
        boxed(async move { process(deps, &message, last_start).await }.instrument(span))
    };
    deps.outbox.consume(&event, work).await
}

/// Boxes a future and erases its type: the SDK's futures are nested more deeply than the compiler follows.
fn boxed<'a, T>(work: impl Future<Output = T> + Send + 'a) -> Pin<Box<dyn Future<Output = T> + Send + 'a>> {
    Box::pin(work)
}

async fn process(deps: &Deps, message: &Message, last_start: Instant) -> Result<(), Failure> {
    // A message that was due when it was sent is due, even if its sender's clock runs ahead of ours.
    let was_postponed = message.due_at > message.sent_at;
    if was_postponed && message.due_at > deps.conversations.clock.now() {
        return deps.resend(message, message.due_at).await;
    }
    if let Work::Receive { event } = &message.work {
        return boxed(receive::receive(deps, message, event)).await;
    }
    let Some(conversation) = deps.fenced(message).await? else {
        return Ok(());
    };
    match &message.work {
        Work::Receive { .. } => Ok(()),
        Work::Turn { turn } => boxed(turn::turn(deps, message, conversation, *turn, last_start)).await,
        Work::Step { step } => boxed(step::step(deps, message, conversation, *step, last_start)).await,
        Work::Watch { step } => timers::watch(deps, message, conversation, *step).await,
        Work::WaitOver { hand_over } => timers::end_wait(deps, message, conversation, *hand_over).await,
        Work::GiveBack { silence } => timers::give_back(deps, message, conversation, *silence).await,
    }
}

impl Deps {
    /// Loads the conversation of a message once the message's commit has been made. None when there is nothing to do
    /// (yet).
    async fn fenced(&self, message: &Message) -> Result<Option<Conversation>, Failure> {
        let load = || async {
            let conversation = self.conversations.load(&message.subject).await?;
            Ok(conversation.filter(|conversation| message.is_committed(Some(conversation.version))))
        };
        boxed(self.outbox.await_commit(message, load)).await
    }

    /// Sends a message again, due at `due_at`.
    async fn resend(&self, message: &Message, due_at: Timestamp) -> Result<(), Failure> {
        Ok(self.outbox.send(&message.with_due_at(due_at)).await?)
    }

    /// Sends a message again if what it asks for cannot be decided yet. Returns the conversation if it was changed.
    async fn settle(
        &self,
        message: &Message,
        applied: AppliedChange<Conversation>,
    ) -> Result<Option<Conversation>, Failure> {
        let (outcome, holder) = (applied.outcome, applied.subject.holder.name());
        match outcome {
            EventOutcome::Applied => Ok(Some(applied.subject)),
            EventOutcome::Ignored(reason) => {
                tracing::info!(work = message.work.name(), ?reason, holder, "nothing to do");
                Ok(None)
            }
            EventOutcome::NotYet(at) => {
                tracing::info!(work = message.work.name(), until = %at, holder, "too early: the message is sent again");
                self.resend(message, at).await?;
                Ok(None)
            }
        }
    }
}
