//! Consumes the `dialing` queue: places calls, watches them, ends them, ends waits.
//!
//! Any message may arrive twice, late, or before the commit it belongs to. So every message is fenced against the
//! current dispatch. What must not be repeated (placing a call) happens only under a claim, which exactly one writer
//! gets.

mod dial;
mod hang_up;
mod load;
mod route;
mod watch;

use std::pin::Pin;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use patchbay::clock::Timestamp;
use patchbay::dispatch::work::{Message, Work};
use patchbay::dispatch::{Dispatch, Event, Fact};
use patchbay::engine::{Applied, Engine, EngineError};
use patchbay::ids::ProviderName;
use patchbay::message::{self, FailureKind, QueueMessage as _};
use patchbay::outbox::{EnqueueError, Outbox};
use patchbay::queue::QueueError;
use patchbay::store::StoreError;
use patchbay::telemetry::{self, Unit};
use patchbay::voice::{Account, Accounts};
use patchbay::web::callbacks::CallbackUrls;
use patchbay::webhook::Notice;
use tracing::Instrument as _;

/// Dependencies of the function.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Loads and changes dispatches, and sends to the `dialing` queue.
    pub engine: Engine,
    /// Consumes the `dialing` queue.
    pub outbox: Outbox,
    /// Accounts with the voice providers that place the calls.
    pub accounts: Accounts,
    /// Makes the callback URLs for the provider.
    pub callbacks: CallbackUrls,
}

/// Why a message could not be processed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    #[error("the stack has no account with any voice provider of the dispatch")]
    NoAccount,
    #[error("the voice provider cannot be queried: {0}")]
    Provider(String),
    #[error("cannot send to the notifications queue: {0}")]
    Notifications(String),
}

impl message::Failure for Failure {
    fn kind(&self) -> FailureKind {
        let passes = match self {
            // The send may have succeeded. Sending the message again could double it, and each copy would double again.
            Self::Engine(EngineError::Queue(error)) | Self::Queue(error) if error.is_transient() => {
                return FailureKind::NotSent;
            }
            Self::Enqueue(error) if error.is_transient => return FailureKind::NotSent,
            Self::Engine(EngineError::Queue(_)) | Self::Queue(_) | Self::Enqueue(_) => false,
            Self::Engine(EngineError::Store(error)) | Self::Store(error) => error.is_transient(),
            Self::Engine(EngineError::Contended | EngineError::Random(_))
            | Self::NoAccount
            | Self::Provider(_)
            | Self::Notifications(_) => true,
        };
        if passes {
            FailureKind::Transient
        } else {
            FailureKind::Permanent
        }
    }
}

/// Consumes a batch of messages.
pub async fn handle(deps: &Deps, event: SqsEvent) -> SqsBatchResponse {
    let work = |message: Message| boxed(process(deps, message));
    deps.outbox.consume(&event, work).await
}

/// Boxes a future and erases its type: placing a call awaits a large future, nested more deeply than the compiler
/// follows.
fn boxed<'a>(
    work: impl Future<Output = Result<(), Failure>> + Send + 'a,
) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>> {
    Box::pin(work)
}

async fn process(deps: &Deps, message: Message) -> Result<(), Failure> {
    let message = &message;
    let now = deps.engine.clock.now();
    // An `Apply` message holds an event that has happened already: it is due even if its sender's clock runs ahead of
    // ours.
    let not_due = message.due_at > now && !matches!(message.work, Work::Apply { .. });
    if not_due {
        return deps.resend(message, message.due_at).await;
    }
    let lag = now.since(message.due_at).as_secs_f64() * 1000.0;
    telemetry::emf(now, &[], &[("TimerLag", Unit::Milliseconds, lag)], &[]);
    let Some(dispatch) = deps.fenced(message).await? else {
        return Ok(());
    };
    match &message.work {
        Work::Dial {
            attempt,
            slot,
            provider,
        } => {
            boxed(dial::dial(
                deps,
                message,
                dispatch,
                *attempt,
                (*slot, provider.as_ref()),
            ))
            .await
        }
        Work::Watch { attempt, lookups } => watch::watch(deps, message, dispatch, *attempt, *lookups).await,
        Work::HangUp { attempt, tries } => hang_up::hang_up(deps, message, &dispatch, *attempt, *tries).await,
        Work::Resume { wait } => deps.apply(dispatch, &Event::Resume { wait: *wait }).await.map(drop),
        Work::Remind { attempt } => deps
            .apply(dispatch, &Event::Overdue { attempt: *attempt })
            .await
            .map(drop),
        Work::Apply { event } => deps.apply(dispatch, event).await.map(drop),
        Work::Count { entry } => deps.emit_alarm_metric(&dispatch, entry).await,
        Work::Notify { entry } => deps.forward_to_notifier(message, entry).await,
    }
}

impl Deps {
    /// Loads the dispatch once the commit that `message` belongs to has been made. None when there is nothing to do
    /// (yet).
    async fn fenced(&self, message: &Message) -> Result<Option<Dispatch>, Failure> {
        let load = || async {
            let dispatch = self.engine.store.load(&message.subject).await?;
            Ok(dispatch.filter(|dispatch| message.is_committed(Some(dispatch.version))))
        };
        let span = tracing::info_span!("message", dispatch = %message.subject.id, work = ?message.work);
        self.outbox.await_commit(message, load).instrument(span).await
    }

    /// The account with `provider`; none if it is unknown or no longer configured.
    fn account(&self, provider: Option<&ProviderName>) -> Option<&Account> {
        // A call placed before several providers were supported records none. Then there was only one, which is still
        // the first in the list.
        let first = || self.accounts.providers().next();
        self.accounts.get(&provider.cloned().or_else(first)?)
    }

    /// Sends a message again, due at `due_at`.
    async fn resend(&self, message: &Message, due_at: Timestamp) -> Result<(), Failure> {
        Ok(self.outbox.send(&message.with_due_at(due_at)).await?)
    }

    /// Emits the metric of an alarm, if the decision that sent this message was committed: a different decision may
    /// have made the same version.
    async fn emit_alarm_metric(&self, dispatch: &Dispatch, entry: &str) -> Result<(), Failure> {
        let Some(entry) = self.engine.store.entry(&dispatch.key, entry).await? else {
            return Ok(());
        };
        let name = match entry.fact {
            Fact::OutOfMoney { .. } => "OutOfMoney",
            Fact::Exhausted { .. } | Fact::Expired => "UnacceptedDispatches",
            _ => return Ok(()),
        };
        telemetry::emf(self.engine.clock.now(), &[], &[(name, Unit::Count, 1.0)], &[]);
        Ok(())
    }

    async fn apply(&self, dispatch: Dispatch, event: &Event) -> Result<Applied, Failure> {
        let id = dispatch.key.id;
        let applied = self.engine.apply_to(dispatch, event, None).await?;
        tracing::info!(dispatch = %id, ?event, outcome = ?applied.outcome, state = applied.dispatch.state.name(), "event applied");
        Ok(applied)
    }

    /// Forwards a timeline entry to the notifier, because the `notifications` queue did not accept it at first. The
    /// notice bears the time of the first attempt to send it. So a duplicate of this message makes the same notice, and
    /// duplicate notices are delivered once.
    async fn forward_to_notifier(&self, message: &Message, entry: &str) -> Result<(), Failure> {
        let now = self.engine.clock.now();
        let notice = Notice::first(message.subject.clone().into(), entry.to_owned(), message.sent_at);
        // On failure the caller sends this message again. That multiplies nothing, even if the notice was sent after
        // all: the notice is a different message.
        let sent = self.engine.notifications.send(&[notice], now).await;
        sent.map_err(|error| Failure::Notifications(error.to_string()))
    }
}
