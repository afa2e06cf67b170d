//! Queue messages about a dispatch: work for the dialer.

use serde::{Deserialize, Serialize};

use crate::dispatch::Event;
use crate::ids::{AttemptId, DispatchKey, Nonce, ProviderName};
use crate::message::Envelope;
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
