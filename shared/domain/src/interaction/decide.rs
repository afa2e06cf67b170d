//! The rules: what each event does to an interaction.
//!
//! - `builder`: the parts that all events share.
//! - `sending`: attempts until the provider has them. `reports`: what becomes of them.
//! - `replies`: what the customer writes. `requests`: what people and bots request through the API.

pub(super) mod builder;
mod replies;
mod reports;
mod requests;
mod sending;

use builder::{Builder, cut};
use serde::Serialize;

use super::limits::{MAX_DETAIL_CHARS, MAX_LEGS, MAX_NOTE_CHARS, MAX_PLAN_BYTES, MAX_REMARKS};
use super::plan::{Agent, Parties, Plan};
use super::report::{Clearance, Reply, Report, SendResult};
use super::state::{Attempt, Interaction};
use super::status::{Channel, EndReason, State};
use super::timeline::Fact;
use super::work::Message;
use crate::ids::{InteractionKey, Nonce};
use crate::ledger::{self, DecisionContext};
use crate::timestamp::Timestamp;
use crate::webhook::Webhook;

/// Something that happens to an interaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A function wants to send an attempt.
    SendBegins {
        /// The attempt.
        attempt: Nonce,
        /// Whether it may.
        clearance: Clearance,
    },
    /// A function has sent an attempt, or tried to.
    SendEnds {
        /// The attempt.
        attempt: Nonce,
        /// The result.
        result: SendResult,
    },
    /// Sending began and may never have ended.
    SendWatched {
        /// The attempt.
        attempt: Nonce,
    },
    /// A back end reports the status of an attempt by itself.
    Reported {
        /// The attempt.
        attempt: Nonce,
        /// The report.
        report: Report,
    },
    /// A back end was asked for the status of an attempt.
    Polled {
        /// The attempt.
        attempt: Nonce,
        /// How often it had been asked before.
        polls: u16,
        /// What it answered, if it answered something.
        report: Option<Report>,
    },
    /// The back end should have reported by now how an attempt ended.
    OutcomeDue {
        /// The attempt.
        attempt: Nonce,
    },
    /// The customer should have answered by now.
    AnswerDue {
        /// The attempt.
        attempt: Nonce,
    },
    /// A function has ended a call, or has given that up.
    HangUpEnded {
        /// The provider's id of the call.
        provider_id: String,
        /// Why the call may go on, if it may.
        failure: Option<String>,
    },
    /// The customer wrote, or pressed a key.
    Replied {
        /// What they wrote.
        reply: Reply,
    },
    /// Nobody has written for long.
    Closed {
        /// The timer.
        closing: Nonce,
    },
    /// Requested through the API.
    Requested {
        /// The request.
        request: Request,
    },
}

/// A request through the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Replace the note.
    Note(String),
    /// Give it to another agent. What is planned is sent as it is.
    Agent(Agent),
    /// End it: nothing is sent any more.
    End(EndReason),
}

/// The result of an event.
pub type Decision = ledger::Decision<Interaction, Message, Fact, EventOutcome>;

/// The answer to the sender of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    /// The event changed the interaction.
    Applied,
    /// The event changed the interaction, and the function that asked sends the attempt: now, once, and reports the
    /// result.
    Send,
    /// The event needs no reaction.
    Ignored(IgnoreReason),
    /// The event cannot be decided yet: it is to be sent again, to arrive at this time.
    NotYet(Timestamp),
}

/// Why an event needs no reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IgnoreReason {
    /// It was handled before.
    Duplicate,
    /// It is about an earlier attempt or timer, or reports less than is known.
    Stale,
    /// The interaction has ended.
    Ended,
    /// It changes nothing.
    Unchanged,
}

/// What an interaction begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInteraction {
    /// Who contacts whom.
    pub parties: Parties,
    /// The plan; it has at least one leg.
    pub plan: Plan,
    /// A note.
    pub note: String,
    /// The webhook that receives the events, if any.
    pub webhook: Option<Webhook>,
    /// Variables that no field defines.
    pub blank_variables: Vec<String>,
    /// Fields of the request that have no effect.
    pub unused_fields: Vec<String>,
}

/// What an interaction is to begin with is too large: too many legs, or too many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plan has more than {MAX_LEGS} channels or {MAX_PLAN_BYTES} bytes")]
pub struct PlanTooLarge;

/// Creates an interaction, and plans its first attempt. One without a leg has ended at once: there is nothing to send.
///
/// # Errors
/// When the plan is too large for an item.
pub fn create(key: InteractionKey, new: NewInteraction, context: DecisionContext) -> Result<Decision, PlanTooLarge> {
    if new.plan.legs.len() > MAX_LEGS || size(&new.plan) + size(&new.parties) > MAX_PLAN_BYTES {
        return Err(PlanTooLarge);
    }
    let DecisionContext { now, nonce } = context;
    let due_at = new.plan.not_before.max(now);
    let channels: Vec<Channel> = new.plan.legs.iter().map(|leg| leg.channel).collect();
    let first = (!channels.is_empty()).then_some(nonce);
    let before = Interaction {
        key,
        version: 0,
        created_at: now,
        updated_at: now,
        fingerprint: String::new(),
        parties: new.parties,
        plan: new.plan,
        state: State::Scheduled,
        state_since: now,
        attempt: None,
        past: Vec::new(),
        closes: None,
        is_reached: false,
        thread: Vec::new(),
        seen: Vec::new(),
        note: cut(&new.note, MAX_NOTE_CHARS),
        transcript: None,
        webhook: new.webhook,
    };
    let mut builder = Builder::new(&before, context);
    builder.record(Fact::Created {
        hours_bypass: before.plan.hours_bypass.clone(),
        channels,
        attempt: first,
        due_at,
        blank_variables: remarks(&new.blank_variables),
        unused_fields: remarks(&new.unused_fields),
    });
    match first {
        None => builder.end(EndReason::Refused),
        Some(id) => builder.next.attempt = Some(Attempt::planned(id, 0, due_at)),
    }
    Ok(builder.commit())
}

/// Bytes of a part as JSON.
fn size(part: &impl Serialize) -> usize {
    serde_json::to_vec(part).map_or(usize::MAX / 2, |json| json.len())
}

fn remarks(names: &[String]) -> Vec<String> {
    let names = names.iter().take(MAX_REMARKS);
    names.map(|name| cut(name, MAX_DETAIL_CHARS)).collect()
}

/// Decides what `event` does to `interaction`.
pub fn decide(interaction: &Interaction, event: &Event, context: DecisionContext) -> Decision {
    let builder = Builder::new(interaction, context);
    match event {
        Event::SendBegins { attempt, clearance } => builder.send_begins(*attempt, clearance),
        Event::SendEnds { attempt, result } => builder.send_ends(*attempt, result),
        Event::SendWatched { attempt } => builder.send_watched(*attempt),
        Event::Reported { attempt, report } => builder.reported(*attempt, report),
        Event::Polled { attempt, polls, report } => builder.polled(*attempt, *polls, report.as_ref()),
        Event::OutcomeDue { attempt } => builder.outcome_due(*attempt),
        Event::AnswerDue { attempt } => builder.answer_due(*attempt),
        Event::HangUpEnded { provider_id, failure } => builder.hang_up_ended(provider_id, failure.as_deref()),
        Event::Replied { reply } => builder.replied(reply),
        Event::Closed { closing } => builder.closed(*closing),
        Event::Requested { request } => builder.requested(request),
    }
}
