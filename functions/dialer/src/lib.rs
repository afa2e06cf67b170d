//! Consumes the `dialing` queue: places calls, watches them, ends them, ends waits.
//!
//! Every message may come twice, late, or before the commit that it belongs to. So each is fenced against the
//! dispatch as it is, and what cannot be repeated (placing a call) is done only under a claim that one writer gets.

mod dial;
mod hang_up;
mod load;
mod route;
mod watch;

use std::pin::Pin;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use patchbay::clock::Timestamp;
use patchbay::dispatch::work::{Message, Notice, Work};
use patchbay::dispatch::{Dispatch, Event, Fact};
use patchbay::engine::{Applied, Engine, EngineError};
use patchbay::ids::ProviderName;
use patchbay::mail::{self, Failed, Mail as _};
use patchbay::outbox::{NotTaken, Outbox};
use patchbay::queue::QueueError;
use patchbay::store::StoreError;
use patchbay::telemetry::{self, Unit};
use patchbay::voice::{Account, Accounts};
use patchbay::web::callbacks::Callbacks;
use tracing::Instrument as _;

/// What the function works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Dispatches, and the `dialing` queue.
    pub engine: Engine,
    /// How the `dialing` queue is consumed.
    pub outbox: Outbox,
    /// From which calls are made.
    pub accounts: Accounts,
    /// URLs for the provider.
    pub callbacks: Callbacks,
}

/// Why a message could not be consumed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
    #[error("there is no account with a voice provider")]
    NoAccount,
    #[error("the provider cannot be asked: {0}")]
    Provider(String),
    #[error("the notifications queue: {0}")]
    Notifications(String),
}

impl mail::Failure for Failure {
    fn failed(&self) -> Failed {
        let passes = match self {
            // It was to be sent, and perhaps was: sent once more it would be two, and those four.
            Self::Engine(EngineError::Queue(error)) | Self::Queue(error) if error.passes() => return Failed::NotSent,
            Self::NotTaken(error) if error.passes => return Failed::NotSent,
            Self::Engine(EngineError::Queue(_)) | Self::Queue(_) | Self::NotTaken(_) => false,
            Self::Engine(EngineError::Store(error)) | Self::Store(error) => error.passes(),
            Self::Engine(EngineError::Contended | EngineError::Random(_))
            | Self::NoAccount
            | Self::Provider(_)
            | Self::Notifications(_) => true,
        };
        if passes { Failed::ForNow } else { Failed::ForGood }
    }
}

/// Consumes a batch.
pub async fn handle(deps: &Deps, event: SqsEvent) -> SqsBatchResponse {
    let work = |message: Message| boxed(work_off(deps, message));
    deps.outbox.consume(&event, work).await
}

/// In a box of no type of its own: what a call awaits is large, and nested more deeply than the compiler follows.
fn boxed<'a>(
    work: impl Future<Output = Result<(), Failure>> + Send + 'a,
) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>> {
    Box::pin(work)
}

async fn work_off(deps: &Deps, message: Message) -> Result<(), Failure> {
    let message = &message;
    let now = deps.engine.clock.now();
    // What is kept for us has happened, whatever the clock says of whoever kept it.
    let waits = message.due_at > now && !matches!(message.work, Work::Apply { .. });
    if waits {
        return deps.again(message, message.due_at).await;
    }
    let lag = now.since(message.due_at).as_secs_f64() * 1000.0;
    telemetry::emf(now, &[], &[("TimerLag", Unit::Milliseconds, lag)], &[]);
    let Some(dispatch) = deps.fenced(message).await? else {
        return Ok(());
    };
    match &message.work {
        Work::Dial { attempt, slot, over } => {
            boxed(dial::dial(deps, message, dispatch, *attempt, (*slot, over.as_ref()))).await
        }
        Work::Watch { attempt, looks } => watch::watch(deps, message, dispatch, *attempt, *looks).await,
        Work::HangUp { attempt, tries } => hang_up::hang_up(deps, message, &dispatch, *attempt, *tries).await,
        Work::Resume { wait } => deps.apply(dispatch, &Event::Resume { wait: *wait }).await.map(drop),
        Work::Remind { attempt } => deps
            .apply(dispatch, &Event::Overdue { attempt: *attempt })
            .await
            .map(drop),
        Work::Apply { event } => deps.apply(dispatch, event).await.map(drop),
        Work::Count { entry } => deps.count(&dispatch, entry).await,
        Work::Notify { entry } => deps.hand_on(message, entry).await,
    }
}

impl Deps {
    /// The dispatch, once the commit that belongs to `message` is made. None when there is nothing to do (now).
    async fn fenced(&self, message: &Message) -> Result<Option<Dispatch>, Failure> {
        let look = || async {
            let dispatch = self.engine.store.load(&message.subject).await?;
            Ok(dispatch.filter(|dispatch| message.is_committed(Some(dispatch.version))))
        };
        let span = tracing::info_span!("message", dispatch = %message.subject.id, work = ?message.work);
        self.outbox.fenced(message, look).instrument(span).await
    }

    /// The account with `provider`, when it is known and we still have one.
    fn account(&self, provider: Option<&ProviderName>) -> Option<&Account> {
        // A call of before there were several knows no provider: there was only the one that comes first still.
        let first = || self.accounts.providers().next();
        self.accounts.with(&provider.cloned().or_else(first)?)
    }

    /// Sends a message again, to be acted on at `due_at`.
    async fn again(&self, message: &Message, due_at: Timestamp) -> Result<(), Failure> {
        Ok(self.outbox.send(&message.due(due_at)).await?)
    }

    /// Counts what an alarm hears of, if the decision that sent this message was committed: another one may have made
    /// the same version.
    async fn count(&self, dispatch: &Dispatch, entry: &str) -> Result<(), Failure> {
        let Some(entry) = self.engine.store.entry(&dispatch.key, entry).await? else {
            return Ok(());
        };
        let name = match entry.fact {
            Fact::OutOfMoney { .. } => "OutOfMoney",
            Fact::Exhausted { .. } | Fact::Expired => "Unaccepted",
            _ => return Ok(()),
        };
        telemetry::emf(self.engine.clock.now(), &[], &[(name, Unit::Count, 1.0)], &[]);
        Ok(())
    }

    async fn apply(&self, dispatch: Dispatch, event: &Event) -> Result<Applied, Failure> {
        let id = dispatch.key.id;
        let applied = self.engine.apply_to(dispatch, event, None).await?;
        tracing::info!(dispatch = %id, ?event, verdict = ?applied.verdict, state = applied.dispatch.state.name(), "applied");
        Ok(applied)
    }

    /// Hands an entry of the timeline to the notifier, which the `notifications` queue did not take at first. As of when
    /// it was to be sent: a copy of this message makes the same notice, and two of one are told once.
    async fn hand_on(&self, message: &Message, entry: &str) -> Result<(), Failure> {
        let now = self.engine.clock.now();
        let notice = Notice::first(message.subject.clone(), entry.to_owned(), message.sent_at);
        // It is sent again by whoever worked this off: of two messages none is this one.
        let sent = self.engine.notifications.send(&[notice], now).await;
        sent.map_err(|error| Failure::Notifications(error.to_string()))
    }
}
