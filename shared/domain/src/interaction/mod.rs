//! Interactions: an agent contacts a customer by call, SMS, `WhatsApp`, e-mail or web chat.
//!
//! Everything here is pure. [`create()`] makes an interaction, and [`decide()`] takes an [`Interaction`], an [`Event`] and
//! the current time, and returns the new state and the messages to send. It reads neither clock nor randomness, and
//! knows no provider.
//!
//! - [`plan`]: over which channels a customer is contacted, and with what. [`template`]: filling in variables.
//! - [`state`]: the interaction and its attempts. [`status`]: its published states, and why it ended.
//! - [`report`]: what back ends report.
//! - [`forget`]: what remains when the customer is forgotten.
//! - [`memory`]: what the shared context of a caller remembers of it.
//! - [`limits`]: how much an interaction keeps, and how long it waits.
//! - [`work`]: queue messages. [`pending`]: the messages that a state needs. [`timeline`]: what happened, for people.
//!   `events`: which of it a requester's webhook receives.
//!
//! Four rules hold in every history: an attempt is sent at most once; nothing is sent after `latest_at`, after an answer
//! or after the end; the state only moves forward; and every interaction ends, because something is due in every state
//! but the last.

pub mod announcement;
pub mod decide;
mod events;
pub mod forget;
pub mod limits;
pub mod memory;
pub mod pending;
pub mod plan;
pub mod report;
pub mod state;
pub mod status;
pub mod template;
pub mod timeline;
pub mod work;

pub use decide::{Decision, Event, EventOutcome, IgnoreReason, NewInteraction, Request, create, decide};
pub use pending::{all_pending_work, pending_work};
pub use plan::{Agent, Content, Customer, KeyAction, KeyOption, LINK, Leg, Parties, Plan};
pub use report::{AttemptOutcome, Clearance, Incoming, Progress, Reply, Report, SendResult};
pub use state::{Attempt, CallDetails, Closing, Interaction, PastAttempt, Phase, Sender, ThreadMessage, Transcript};
pub use status::{Channel, EndReason, State};
pub use timeline::{Entry, Fact};
pub use work::{Message, Work};

pub use crate::ledger::DecisionContext;
