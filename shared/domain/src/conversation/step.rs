//! Steps: what is still to be done on the platform.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::PlatformId;
use crate::ids::Nonce;
use crate::timestamp::Timestamp;

/// Something to be done on the platform, exactly once where the platform allows to find out, and at most once where it
/// does not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Fences the step.
    pub id: Nonce,
    /// What to do.
    pub action: StepAction,
    /// How far it is.
    #[serde(default)]
    pub state: StepState,
    /// When it may begin at the earliest.
    pub due_at: Timestamp,
    /// For a message that is being posted: the id under which the platform has reported it already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub echo: Option<PlatformId>,
    /// Tries that certainly had no effect.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tries: u16,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum StepAction {
    /// Post a message to the customer. Never repeated after an unclear result.
    Post {
        /// What the customer reads.
        text: String,
        /// Why it is posted.
        kind: PostKind,
    },
    /// Hand the conversation to people. May be repeated.
    Deliver,
    /// Finish the conversation. May be repeated.
    Finish,
    /// Write a summary into the caller context. May be repeated.
    Remember {
        /// The customer's phone number.
        phone: String,
        /// Why the customer is here.
        description: String,
        /// The summary.
        memory: String,
    },
    /// Let the platform phone the customer and queue the call for its agents. Never repeated after an unclear result.
    QueueCall {
        /// Name of the queue.
        queue: String,
        /// Number or extension to dial.
        destination: String,
    },
    /// Create a dispatch: employees are phoned until one takes the chat. Idempotent.
    Dispatch {
        /// Body of the request, as for `POST /v1/dispatches`.
        request: Box<Value>,
        /// The hand-over that it belongs to: nobody is phoned any more once a person has taken the chat. None for a call
        /// that the customer was promised in any case.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hand_over: Option<Nonce>,
    },
    /// Resolve a dispatch: nobody is phoned any more. May be repeated.
    Resolve {
        /// The id of the dispatch.
        dispatch: PlatformId,
    },
}

impl StepAction {
    /// Whether repeating the step has the same effect as doing it once.
    pub const fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Post { .. } | Self::QueueCall { .. })
    }

    /// Whether the customer's next answer does not wait for the step.
    pub const fn is_background(&self) -> bool {
        match self {
            Self::Remember { .. } | Self::QueueCall { .. } | Self::Dispatch { .. } | Self::Resolve { .. } => true,
            Self::Post { .. } | Self::Deliver | Self::Finish => false,
        }
    }

    /// Whether it is an answer to the customer.
    pub const fn is_reply(&self) -> bool {
        matches!(
            self,
            Self::Post {
                kind: PostKind::Reply,
                ..
            }
        )
    }

    /// Whether it ends something that goes on otherwise. It is never dropped.
    pub const fn is_cleanup(&self) -> bool {
        matches!(self, Self::Resolve { .. })
    }

    /// The name in logs and the timeline.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Post { .. } => "post",
            Self::Deliver => "deliver",
            Self::Finish => "finish",
            Self::Remember { .. } => "remember",
            Self::QueueCall { .. } => "queue_call",
            Self::Dispatch { .. } => "dispatch",
            Self::Resolve { .. } => "resolve",
        }
    }
}

/// Why a message is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostKind {
    /// The answer of a turn. Dropped when a person takes over before it is posted.
    Reply,
    /// Tells the customer that a person will take over.
    HandOver,
    /// Tells the customer that nobody has taken over yet.
    Wait,
    /// Tells the customer that a person has joined.
    Joined,
    /// Tells the customer that the bot is back.
    Ended,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Not begun, or certainly without effect so far.
    #[default]
    Ready,
    /// Claimed at this time: the request may be on its way.
    Begun(Timestamp),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(count: &u16) -> bool {
    *count == 0
}
