//! The rules: what each event does to a conversation.
//!
//! - `builder`: the parts that all events share.
//! - `platform`: events of the platform, `customer` messages of the customer, `people` signs of people, and
//!   `echo` the bot's own messages among them.
//! - `turns`, `steps`: the bot's answers, and what is done on the platform.
//! - `waits`: hand-overs, returns, and what happens when time has passed.

mod builder;
mod customer;
mod echo;
mod people;
mod platform;
mod steps;
mod turns;
mod waits;

use builder::Builder;

use super::event::PlatformEvent;
use super::state::{Conversation, PlatformId};
use super::timeline::Fact;
use super::turn::{HandOverPlan, Heard, Settings, TurnResult};
use super::work::Message;
use crate::ids::Nonce;
use crate::ledger::{self, DecisionContext};
use crate::timestamp::Timestamp;

/// Something that happens to a conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The platform reports an event.
    Platform {
        /// The event.
        event: Box<PlatformEvent>,
        /// What the document says about its text.
        heard: Heard,
        /// What the document sets.
        settings: Settings,
    },
    /// A function wants to run a turn.
    TurnBegins {
        /// The turn.
        turn: Nonce,
    },
    /// A function has run a turn.
    TurnEnds {
        /// The turn.
        turn: Nonce,
        /// The lease under which it ran.
        lease: Nonce,
        /// The result.
        result: Box<TurnResult>,
    },
    /// A function wants to take a step.
    StepBegins {
        /// The step.
        step: Nonce,
    },
    /// A function has taken a step.
    StepEnds {
        /// The step.
        step: Nonce,
        /// The result.
        result: StepResult,
    },
    /// A step began and may never have ended.
    StepWatched {
        /// The step.
        step: Nonce,
    },
    /// The wait for a person is over.
    WaitOver {
        /// The hand-over.
        hand_over: Nonce,
    },
    /// A person has given no sign for a while.
    Silence {
        /// Their last sign.
        silence: Nonce,
        /// What the document sets.
        settings: Settings,
    },
    /// Requested through the API.
    Requested {
        /// The request.
        request: Request,
        /// What the document sets.
        settings: Settings,
    },
}

/// A request through the API.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Hand the conversation to people.
    HandOver(Box<HandOverPlan>),
    /// Return the conversation to the bot.
    GiveBack,
}

/// The result of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepResult {
    /// Done. The id that the platform returned, if it did.
    Done {
        /// The id.
        id: Option<PlatformId>,
    },
    /// Certainly without effect; a later try may succeed.
    Failed {
        /// Seconds to wait, if the platform stated them.
        retry_after: Option<u32>,
        /// Why, without secrets and personal data.
        detail: String,
    },
    /// Certainly without effect, and no later try can succeed.
    Refused {
        /// Why, without secrets and personal data.
        detail: String,
    },
    /// Perhaps done.
    Unclear {
        /// Why, without secrets and personal data.
        detail: String,
    },
}

/// The result of an event.
pub type Decision = ledger::Decision<Conversation, Message, Fact, EventOutcome>;

/// The answer to the sender of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    /// The event changed the conversation. After `TurnBegins` the function runs the turn, after `StepBegins` it takes
    /// the step.
    Applied,
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
    /// It is about an earlier turn, step or wait.
    Stale,
    /// It is about one of the bot's own messages.
    Own,
    /// It says nothing: a private note, a template, another bot, a status, a request that the state fulfills already.
    Irrelevant,
    /// No bot answers the conversation's inbox.
    NoBot,
}

/// Decides what `event` does to `conversation`.
pub fn decide(conversation: &Conversation, event: &Event, context: DecisionContext) -> Decision {
    let builder = Builder::new(conversation, context);
    match event {
        Event::Platform { event, heard, settings } => builder.platform(event, *heard, settings),
        Event::TurnBegins { turn } => builder.turn_begins(*turn),
        Event::TurnEnds { turn, lease, result } => builder.turn_ends(*turn, *lease, result),
        Event::StepBegins { step } => builder.step_begins(*step),
        Event::StepEnds { step, result } => builder.step_ends(*step, result),
        Event::StepWatched { step } => builder.step_watched(*step),
        Event::WaitOver { hand_over } => builder.wait_over(*hand_over),
        Event::Silence { silence, settings } => builder.silence_over(*silence, settings),
        Event::Requested { request, settings } => builder.requested(request, settings),
    }
}
