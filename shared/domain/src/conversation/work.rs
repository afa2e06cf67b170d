//! Queue messages about a conversation.

use serde::{Deserialize, Serialize};

use super::event::PlatformEvent;
use super::state::ConversationKey;
use crate::ids::Nonce;
use crate::message::Envelope;

/// A message on the `conversations` queue.
pub type Message = Envelope<ConversationKey, Work>;

/// The work that a responder does for a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum Work {
    /// Handle an event of the platform.
    Receive {
        /// The event.
        event: Box<PlatformEvent>,
    },
    /// Run a turn of the bot, or run it again if its lease has ended.
    Turn {
        /// The turn.
        turn: Nonce,
    },
    /// Take a step.
    Step {
        /// The step.
        step: Nonce,
    },
    /// Find out whether a step that began was ever finished.
    Watch {
        /// The step.
        step: Nonce,
    },
    /// End the wait for a person.
    WaitOver {
        /// The hand-over.
        hand_over: Nonce,
    },
    /// Return the conversation to the bot if the person has given no further sign.
    GiveBack {
        /// The person's last sign.
        silence: Nonce,
    },
}

impl Work {
    /// The name in logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Receive { .. } => "receive",
            Self::Turn { .. } => "turn",
            Self::Step { .. } => "step",
            Self::Watch { .. } => "watch",
            Self::WaitOver { .. } => "wait_over",
            Self::GiveBack { .. } => "give_back",
        }
    }
}
