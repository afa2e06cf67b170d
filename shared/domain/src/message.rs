//! Queue messages between our functions, and how a message relates to the commit that it belongs to.
//!
//! A table and a queue cannot be written atomically, so the order is fixed: the messages of a decision are sent first,
//! then the decision is committed. A crash in between leaves messages about a state that never existed. A consumer
//! therefore loads the subject first and acts according to [`CommitState`].

use std::fmt::Display;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// Seconds after which the function that sent a message can no longer be running. What it has not committed by then it
/// never will. The limit covers the time-out of every function that commits (30 s at most) and the 30 s by which the
/// clocks of two functions may differ, and doubles the sum. Only functions write: a process without such a time-out,
/// such as the `patchbay` command, puts its event on the queue instead.
pub const WRITER_LIFETIME_SECONDS: u32 = 120;

/// Pauses before the checks for a commit that is about to be made: half a second in all. Then the message is requeued.
pub const COMMIT_CHECKS: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(300),
];

/// A message that can be delayed and requeued. Its JSON names its subject by `tenant` and `id`; a body without these is
/// not one of our messages.
pub trait QueueMessage: Clone {
    /// When the message was first sent. While its sender may still be running, its commit may still be on its way.
    fn sent_at(&self) -> Timestamp;

    /// When the message is due. This counts, not the time at which SQS delivers it: a long delay travels in several
    /// hops.
    fn due_at(&self) -> Timestamp;

    /// The same message, due at another time.
    #[must_use]
    fn with_due_at(&self, at: Timestamp) -> Self;
}

/// A message about the subject with key `K`, with the work `W` to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Envelope<K, W> {
    /// Key of the subject.
    #[serde(flatten)]
    pub subject: K,
    /// The version that the message's commit creates. A consumer that finds a lower version has come before the commit
    /// (or the writer crashed before it).
    pub version: u64,
    /// When the message was first sent. An uncommitted message older than [`WRITER_LIFETIME_SECONDS`] is dropped.
    pub sent_at: Timestamp,
    /// When the message is due.
    pub due_at: Timestamp,
    /// The work to do.
    #[serde(flatten)]
    pub work: W,
}

impl<K, W> Envelope<K, W> {
    /// A message without a commit of its own, due at once: its subject is already in the table.
    pub const fn at_once(subject: K, work: W, now: Timestamp) -> Self {
        Self {
            subject,
            version: 0,
            sent_at: now,
            due_at: now,
            work,
        }
    }

    /// Whether the message's commit has been made, given the subject's current version; none when the subject does not
    /// exist.
    pub fn is_committed(&self, version: Option<u64>) -> bool {
        version >= Some(self.version)
    }

    /// The state of the message's commit, given the subject's current version.
    pub fn commit_state(&self, version: Option<u64>, now: Timestamp) -> CommitState {
        CommitState::new(self.is_committed(version), self.sent_at, now)
    }
}

impl<K: Clone, W: Clone> QueueMessage for Envelope<K, W> {
    fn sent_at(&self) -> Timestamp {
        self.sent_at
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

/// The state of the commit that a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitState {
    /// The commit has been made: compare ids and act.
    Committed,
    /// The commit has not been made; its writer may still be about to make it.
    Pending,
    /// The commit has not been made, and its writer can no longer be running.
    Abandoned,
}

impl CommitState {
    /// The state for a message that was first sent at `sent_at`.
    pub fn new(committed: bool, sent_at: Timestamp, now: Timestamp) -> Self {
        if committed {
            Self::Committed
        } else if now < sent_at.plus_seconds(WRITER_LIFETIME_SECONDS) {
            Self::Pending
        } else {
            Self::Abandoned
        }
    }
}

/// When to check again for the missing commit of a message that was first sent at `sent_at`. The pause is the age of
/// the message, but at least 1 and at most 10 seconds.
pub fn recheck_at(sent_at: Timestamp, now: Timestamp) -> Timestamp {
    let age = i64::try_from(now.since(sent_at).as_millis()).unwrap_or(i64::MAX);
    now.plus_millis(age.clamp(1_000, 10_000))
}

/// How to handle a message that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// A retry may succeed.
    Transient,
    /// Sending a follow-up message failed, or may have succeeded. SQS redelivers the failed message; requeueing it as
    /// well would duplicate it, and duplicate the duplicates.
    NotSent,
    /// No retry can succeed: the message, the item or our code would have to change.
    Permanent,
}

/// Why a message could not be consumed.
pub trait Failure: Display {
    /// Whether and how to retry.
    fn kind(&self) -> FailureKind;
}
