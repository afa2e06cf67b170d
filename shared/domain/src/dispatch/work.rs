//! Messages to ourselves about a dispatch.

use serde::{Deserialize, Serialize};

use crate::dispatch::Event;
use crate::ids::{AttemptId, DispatchKey, Nonce, ProviderName};
use crate::mail::{Envelope, Mail};
use crate::timestamp::Timestamp;

/// A message to a dialer.
pub type Message = Envelope<DispatchKey, Work>;

/// What a dialer is to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum Work {
    /// Place the call of an attempt.
    Dial {
        /// Which.
        attempt: AttemptId,
        /// The pacing slot that was reserved for it on an earlier hop.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot: Option<Timestamp>,
        /// The provider whose slot that is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        over: Option<ProviderName>,
    },
    /// See what became of an attempt.
    Watch {
        /// Which.
        attempt: AttemptId,
        /// How often it has been looked at before.
        looks: u8,
    },
    /// End a wait.
    Resume {
        /// Which.
        wait: Nonce,
    },
    /// See whether an accepted ticket has been resolved.
    Remind {
        /// Which acceptance.
        attempt: AttemptId,
    },
    /// End the call of an attempt that is wanted no more.
    HangUp {
        /// Which.
        attempt: AttemptId,
        /// How often it has been tried before.
        tries: u8,
    },
    /// Apply an event that a webhook brought when the table could not be had.
    Apply {
        /// What happened.
        event: Event,
    },
    /// Count an entry of the timeline that an alarm hears of.
    Count {
        /// The entry's name in the table.
        entry: String,
    },
    /// Hand an entry of the timeline to the notifier: the `notifications` queue did not take it.
    Notify {
        /// The entry's name in the table.
        entry: String,
    },
}

/// A message on the `notifications` queue: one try at telling the requester of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Which dispatch it is about.
    #[serde(flatten)]
    pub dispatch: DispatchKey,
    /// The entry of the timeline to tell of.
    pub entry: String,
    /// When the first try was due. As long as whoever sent it may still be running, the entry may be on its way to the
    /// table.
    pub first_at: Timestamp,
    /// When this try is due.
    pub due_at: Timestamp,
    /// How many tries have failed, or were put off, since `first_at`.
    pub failures: u8,
    /// How often somebody has had it sent again, or redriven.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resent: u32,
    /// Whether a person asked for this one: it is told although it is overtaken, and its first try is made although the
    /// receiver answers nobody.
    #[serde(default, skip_serializing_if = "is_false")]
    pub asked: bool,
}

impl Mail for Notice {
    fn sent_at(&self) -> Timestamp {
        self.first_at
    }

    fn due_at(&self) -> Timestamp {
        self.due_at
    }

    fn due(&self, at: Timestamp) -> Self {
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
            asked: false,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(asked: &bool) -> bool {
    !*asked
}
