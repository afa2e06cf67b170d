//! Queue messages about a dispatch: work for the dialer, and notices for the notifier.

use serde::{Deserialize, Serialize};

use crate::dispatch::Event;
use crate::ids::{AttemptId, DispatchKey, Nonce, ProviderName};
use crate::message::{Envelope, QueueMessage};
use crate::timestamp::Timestamp;

/// A message on the `dialing` queue.
pub type Message = Envelope<DispatchKey, Work>;

/// The work that a dialer does for a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum Work {
    /// Place the call of an attempt.
    Dial {
        /// The attempt to dial.
        attempt: AttemptId,
        /// The pacing slot that an earlier hop of this message reserved for the call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot: Option<Timestamp>,
        /// The provider that `slot` belongs to.
        #[serde(default, rename = "over", skip_serializing_if = "Option::is_none")]
        provider: Option<ProviderName>,
    },
    /// Look up the call of an attempt at the provider.
    Watch {
        /// The attempt to look up.
        attempt: AttemptId,
        /// Number of lookups of this call so far.
        #[serde(rename = "looks")]
        lookups: u8,
    },
    /// End a wait.
    Resume {
        /// Fence of the wait: [`Wait::id`](super::state::Wait::id).
        wait: Nonce,
    },
    /// Check whether an accepted ticket has been resolved.
    Remind {
        /// The attempt that was accepted.
        attempt: AttemptId,
    },
    /// Hang up the call of an attempt that is no longer wanted.
    HangUp {
        /// The attempt whose call is hung up.
        attempt: AttemptId,
        /// Number of failed tries so far.
        tries: u8,
    },
    /// Apply an event that a webhook brought while DynamoDB was unavailable.
    Apply {
        /// The event to apply.
        event: Event,
    },
    /// Count a timeline entry that raises an alarm.
    Count {
        /// The entry's id in the table.
        entry: String,
    },
    /// Send a timeline entry to the notifier, after the `notifications` queue did not accept it.
    Notify {
        /// The entry's id in the table.
        entry: String,
    },
}

/// A message on the `notifications` queue: one try to deliver an event to the requester's webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The dispatch that the event belongs to.
    #[serde(flatten)]
    pub dispatch: DispatchKey,
    /// Id of the timeline entry to deliver.
    pub entry: String,
    /// When the first try was due. While the sender of this message may still be running, the entry may not have been
    /// committed to the table yet.
    pub first_at: Timestamp,
    /// When this try is due.
    pub due_at: Timestamp,
    /// Number of tries that failed or were postponed since `first_at`.
    pub failures: u8,
    /// Number of times that the delivery was resent or redriven on request.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resent: u32,
    /// Whether a person requested this delivery. It is then sent even if a later status supersedes it, and its first
    /// try is made even if the receiver is currently left alone because it does not answer.
    #[serde(default, rename = "asked", skip_serializing_if = "is_false")]
    pub manual: bool,
}

impl QueueMessage for Notice {
    fn sent_at(&self) -> Timestamp {
        self.first_at
    }

    fn due_at(&self) -> Timestamp {
        self.due_at
    }

    fn with_due_at(&self, at: Timestamp) -> Self {
        Self {
            due_at: at,
            ..self.clone()
        }
    }
}

impl Notice {
    /// The first try, due now.
    pub const fn first(dispatch: DispatchKey, entry: String, now: Timestamp) -> Self {
        Self {
            dispatch,
            entry,
            first_at: now,
            due_at: now,
            failures: 0,
            resent: 0,
            manual: false,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(value: &bool) -> bool {
    !*value
}
