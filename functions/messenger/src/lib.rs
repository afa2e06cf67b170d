//! Consumes the `interactions` queue: contacts customers, and finds out the outcome.
//!
//! Any message may arrive twice, late, or before the commit it belongs to. So every message is fenced against the
//! current interaction. A customer is contacted only under a claim, which exactly one writer gets; after it nothing is
//! repeated, whatever the provider answered.
//!
//! - `send`: claim, send, record. `clearance`: whether a customer may be contacted now.
//! - `back_ends`: those who send, one file each.
//! - `look_up`: asks a back end for the status of an attempt.
//! - `remember`: what the shared context of the caller remembers of an interaction.

mod back_ends;
mod clearance;
mod load;
mod look_up;
mod remember;
mod send;

use std::pin::Pin;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
pub use back_ends::{BackEnds, CallSettings, EmailBackEnd, Setup};
use patchbay::clock::Timestamp;
use patchbay::interaction::announcement::Announcement;
use patchbay::interaction::{
    AttemptOutcome, Channel, Event, EventOutcome, Interaction, KeyAction, Message, Reply, Work,
};
use patchbay::ledger::{AppliedChange, Interactions, LedgerError};
use patchbay::message::{self, FailureKind, QueueMessage as _};
use patchbay::outbox::{EnqueueError, Outbox};
use patchbay::outreach::inbound;
use patchbay::store::StoreError;
use patchbay::telemetry::{self, Unit};
use patchbay::web::callbacks::CallbackUrls;
use tracing::Instrument as _;

/// Dependencies of the function.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Loads and changes interactions.
    pub interactions: Interactions,
    /// Consumes the `interactions` queue.
    pub outbox: Outbox,
    /// Those who send.
    pub back_ends: BackEnds,
    /// The URLs to which providers report.
    pub callbacks: CallbackUrls,
}

/// Why a message could not be processed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    #[error("cannot send to the notifications queue: {0}")]
    Notifications(String),
    #[error("a back end cannot be queried, or does not end a call: {0}")]
    BackEnd(String),
}

impl message::Failure for Failure {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Ledger(error) => message::Failure::kind(error),
            Self::Store(error) => message::Failure::kind(error),
            // The send may have succeeded. Sending the message again could double it.
            Self::Enqueue(error) if error.is_transient => FailureKind::NotSent,
            Self::Enqueue(_) => FailureKind::Permanent,
            Self::Notifications(_) | Self::BackEnd(_) => FailureKind::Transient,
        }
    }
}

/// Consumes a batch of messages.
pub async fn handle(deps: &Deps, event: SqsEvent) -> SqsBatchResponse {
    let work = |message: Message| {
        let span = tracing::info_span!("message", tenant = %message.subject.tenant, interaction = %message.subject.id);
        boxed(async move { process(deps, &message).await }.instrument(span))
    };
    deps.outbox.consume(&event, work).await
}

/// Boxes a future and erases its type: the SDK's futures are nested more deeply than the compiler follows.
fn boxed<'a, T>(work: impl Future<Output = T> + Send + 'a) -> Pin<Box<dyn Future<Output = T> + Send + 'a>> {
    Box::pin(work)
}

async fn process(deps: &Deps, message: &Message) -> Result<(), Failure> {
    // A message that was due when it was sent is due, even if its sender's clock runs ahead of ours.
    let was_postponed = message.due_at > message.sent_at;
    if was_postponed && message.due_at > deps.interactions.clock.now() {
        return deps.resend(message, message.due_at).await;
    }
    if let Work::Incoming { message: incoming } = &message.work {
        let tenant = &message.subject.tenant;
        let taken = boxed(inbound::take_incoming(&deps.interactions, tenant, incoming)).await?;
        tracing::info!(%tenant, provider_id = incoming.reply.id, ?taken, "message of a customer applied");
        return Ok(());
    }
    let Some(interaction) = deps.fenced(message).await? else {
        return Ok(());
    };
    let event = match &message.work {
        // Taken above: it has no interaction yet.
        Work::Incoming { .. } => return Ok(()),
        Work::Send { attempt } => return boxed(send::send(deps, message, interaction, *attempt)).await,
        Work::Poll { attempt, polls } => {
            let report = boxed(look_up::ask(deps, &interaction, *attempt)).await?;
            Event::Polled {
                attempt: *attempt,
                polls: *polls,
                report,
            }
        }
        Work::OutcomeDue { attempt } => {
            let (attempt, due) = (*attempt, Event::OutcomeDue { attempt: *attempt });
            return boxed(look_up::settle_before_due(deps, message, interaction, attempt, due)).await;
        }
        Work::AnswerDue { attempt } if look_up::is_key_awaited(&interaction, *attempt) => {
            let (attempt, due) = (*attempt, Event::AnswerDue { attempt: *attempt });
            return boxed(look_up::settle_before_due(deps, message, interaction, attempt, due)).await;
        }
        Work::HangUp { leg, provider_id } => {
            return boxed(look_up::hang_up(deps, message, interaction, *leg, provider_id)).await;
        }
        Work::Notify { entry } => {
            let forwarded = deps.interactions.forward_notice(message, entry).await;
            return forwarded.map_err(Failure::Notifications);
        }
        Work::Remember => return boxed(remember::remember(deps, &interaction)).await,
        Work::Watch { attempt } => Event::SendWatched { attempt: *attempt },
        Work::AnswerDue { attempt } => Event::AnswerDue { attempt: *attempt },
        Work::Close { closing } => Event::Closed { closing: *closing },
        Work::Report { attempt, report } => {
            if report.outcome == Some(AttemptOutcome::OptedOut) {
                inbound::note_opt_out(&deps.interactions, &interaction, *attempt).await?;
            }
            Event::Reported {
                attempt: *attempt,
                report: (**report).clone(),
            }
        }
        Work::Receive { reply } => match received(deps, &interaction, reply).await? {
            Some(reply) => Event::Replied { reply },
            None => return Ok(()),
        },
    };
    deps.apply(message, interaction, event).await
}

/// What a customer wrote or pressed, as a webhook saved it while the table was unavailable. What a key means was perhaps
/// unknown then: it is read from the announcement, and an opt-out is put on the list. `None` for a key that is no answer.
/// What customers write is on the list before it is on the queue.
async fn received(deps: &Deps, interaction: &Interaction, reply: &Reply) -> Result<Option<Reply>, Failure> {
    let (Channel::Call, Some(attempt)) = (reply.channel, reply.attempt) else {
        return Ok(Some(reply.clone()));
    };
    let leg = interaction.leg_of(attempt);
    let announcement = leg.and_then(|leg| Announcement::of(&leg.content));
    let action = announcement.and_then(|announcement| announcement.pressed(&reply.text));
    let is_opt_out = match action.map(|option| option.action) {
        Some(KeyAction::Answer) => false,
        Some(KeyAction::OptOut) => true,
        Some(KeyAction::Repeat) | None => {
            tracing::info!(%attempt, "a key that is no answer");
            return Ok(None);
        }
    };
    if is_opt_out {
        inbound::note_opt_out(&deps.interactions, interaction, attempt).await?;
    }
    Ok(Some(Reply {
        is_opt_out,
        ..reply.clone()
    }))
}

impl Deps {
    /// Loads the interaction of a message once the message's commit has been made. None when there is nothing to do
    /// (yet).
    async fn fenced(&self, message: &Message) -> Result<Option<Interaction>, Failure> {
        let load = || async {
            let interaction = self.interactions.load(&message.subject).await?;
            Ok(interaction.filter(|interaction| message.is_committed(Some(interaction.version))))
        };
        boxed(self.outbox.await_commit(message, load)).await
    }

    /// Applies an event that needs nothing else.
    async fn apply(&self, message: &Message, interaction: Interaction, event: Event) -> Result<(), Failure> {
        let applied = self.interactions.apply_to(interaction, |_| event.clone()).await?;
        self.settle(message, applied).await.map(drop)
    }

    /// Sends a message again if what it asks for cannot be decided yet. Returns the interaction if an attempt is to be
    /// sent.
    async fn settle(
        &self,
        message: &Message,
        applied: AppliedChange<Interaction>,
    ) -> Result<Option<Interaction>, Failure> {
        let (work, state) = (message.work.name(), applied.subject.state.name());
        match applied.outcome {
            EventOutcome::Send => Ok(Some(applied.subject)),
            EventOutcome::Applied => {
                tracing::info!(work, state, "event applied");
                Ok(None)
            }
            EventOutcome::Ignored(reason) => {
                tracing::info!(work, ?reason, state, "nothing to do");
                Ok(None)
            }
            EventOutcome::NotYet(at) => {
                tracing::info!(work, until = %at, state, "too early: the message is sent again");
                self.resend(message, at).await?;
                Ok(None)
            }
        }
    }

    /// Counts something that somebody has to know.
    fn count(&self, metric: &str) {
        let now = self.interactions.clock.now();
        telemetry::emf(now, &[], &[(metric, Unit::Count, 1.0)], &[]);
    }

    /// Sends a message again, due at `due_at`.
    async fn resend(&self, message: &Message, due_at: Timestamp) -> Result<(), Failure> {
        Ok(self.outbox.send(&message.with_due_at(due_at)).await?)
    }
}
