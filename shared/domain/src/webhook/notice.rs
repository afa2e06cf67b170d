//! Queue messages to the notifier.

use serde::{Deserialize, Serialize};

use super::SubjectKey;
use crate::message::QueueMessage;
use crate::timestamp::Timestamp;

/// A message on the `notifications` queue: one try to deliver an event to the requester's webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What the event belongs to.
    #[serde(flatten)]
    pub subject: SubjectKey,
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
    pub const fn first(subject: SubjectKey, entry: String, now: Timestamp) -> Self {
        Self {
            subject,
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
