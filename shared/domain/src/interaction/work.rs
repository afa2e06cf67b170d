//! Messages on the `interactions` queue.

use serde::{Deserialize, Serialize};

use super::report::{Incoming, Reply, Report};
use crate::ids::{InteractionKey, Nonce};
use crate::message::Envelope;

/// A message on the `interactions` queue.
pub type Message = Envelope<InteractionKey, Work>;

/// The work of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum Work {
    /// Send an attempt.
    Send {
        /// The attempt.
        attempt: Nonce,
    },
    /// The function that sends may have ended before it recorded the result.
    Watch {
        /// The attempt.
        attempt: Nonce,
    },
    /// Ask the provider for the status of an attempt.
    Poll {
        /// The attempt.
        attempt: Nonce,
        /// How often it was asked before.
        polls: u16,
    },
    /// The provider should have reported by now how an attempt ended.
    OutcomeDue {
        /// The attempt.
        attempt: Nonce,
    },
    /// The customer should have answered by now.
    AnswerDue {
        /// The attempt.
        attempt: Nonce,
    },
    /// Nobody has written for long.
    Close {
        /// The timer.
        closing: Nonce,
    },
    /// End a call that is still going on.
    HangUp {
        /// The index of its leg.
        leg: usize,
        /// The provider's id of the call.
        provider_id: String,
    },
    /// Apply a report that a webhook could not apply itself.
    Report {
        /// The attempt.
        attempt: Nonce,
        /// The report.
        report: Box<Report>,
    },
    /// Apply a message of the customer that a webhook could not apply itself.
    Receive {
        /// The message.
        reply: Box<Reply>,
    },
    /// Find the interaction of a customer's message, and apply it, which a webhook could not do itself. The subject of
    /// the message names the tenant only.
    Incoming {
        /// The message.
        message: Box<Incoming>,
    },
    /// Send an entry of the timeline to the notifier, after the `notifications` queue did not accept it.
    Notify {
        /// The id of the entry.
        entry: String,
    },
    /// Write what is remembered of the interaction to the shared context of the caller.
    Remember,
}

impl Work {
    /// The name in logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Send { .. } => "send",
            Self::Watch { .. } => "watch",
            Self::Poll { .. } => "poll",
            Self::OutcomeDue { .. } => "outcome_due",
            Self::AnswerDue { .. } => "answer_due",
            Self::Close { .. } => "close",
            Self::HangUp { .. } => "hang_up",
            Self::Report { .. } => "report",
            Self::Receive { .. } => "receive",
            Self::Incoming { .. } => "incoming",
            Self::Notify { .. } => "notify",
            Self::Remember => "remember",
        }
    }
}
