//! Messages to ourselves, about any subject, and how each stands to the commit that it belongs to.
//!
//! A table and a queue cannot be written together, so the order is fixed: first the messages of a decision are sent, then
//! it is committed. A crash in between leaves messages about a state that never came to be. So whoever takes one looks at
//! its subject first: [`Arrival`] says what to do.

use std::fmt::Display;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// Older than this, in seconds, no function that sent a message can still be running, so what it did not commit by
/// then it never will. The time-out of every function that commits (30 s at most) is below it, with the 30 s by which
/// the clocks of two functions may differ, and as much again. Only functions write: what has no such time-out, as the
/// `patchbay` command, puts its event on the queue.
pub const WRITER_LIFETIME_SECONDS: u32 = 120;

/// Looks for a commit that is about to be made, before the message about it is sent anew: half a second in all.
pub const COMMIT_LOOKS: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(300),
];

/// A message, as far as its journey is concerned. As JSON it names its subject by `tenant` and `id`: by that it is told
/// from what is no message of ours.
pub trait Mail: Clone {
    /// When it was sent first. As long as whoever sent it may still be running, its commit may be on its way.
    fn sent_at(&self) -> Timestamp;

    /// When it is to be acted on. Trusted instead of the message's arrival: long delays travel in hops.
    fn due_at(&self) -> Timestamp;

    /// The same message, to be acted on at another moment.
    #[must_use]
    fn due(&self, at: Timestamp) -> Self;
}

/// A message about the subject that `K` names: `W` is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Envelope<K, W> {
    /// What it is about.
    #[serde(flatten)]
    pub subject: K,
    /// The version that the commit belonging to this message makes. A consumer that finds a lower version has come
    /// before the commit (or the writer crashed before it).
    pub version: u64,
    /// When it was sent first. An uncommitted message older than any function could still be running is dropped.
    pub sent_at: Timestamp,
    /// When it is to be acted on.
    pub due_at: Timestamp,
    /// What to do.
    #[serde(flatten)]
    pub work: W,
}

impl<K, W> Envelope<K, W> {
    /// A message of no commit, to be acted on at once: its subject is there already.
    pub const fn at_once(subject: K, work: W, now: Timestamp) -> Self {
        Self {
            subject,
            version: 0,
            sent_at: now,
            due_at: now,
            work,
        }
    }

    /// Whether the commit that belongs to it is made, when its subject has this version now; none when there is no such
    /// subject.
    pub fn is_committed(&self, version: Option<u64>) -> bool {
        version >= Some(self.version)
    }

    /// How it stands to its commit.
    pub fn arrival(&self, version: Option<u64>, now: Timestamp) -> Arrival {
        Arrival::of(self.is_committed(version), self.sent_at, now)
    }
}

impl<K: Clone, W: Clone> Mail for Envelope<K, W> {
    fn sent_at(&self) -> Timestamp {
        self.sent_at
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

/// How a message stands to the commit that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The commit is made: compare ids and act.
    Committed,
    /// The commit is not there yet; its writer may be about to make it.
    TooEarly,
    /// The commit is not there, and whoever was to make it is gone.
    Abandoned,
}

impl Arrival {
    /// Of a message that was sent first at `sent_at`.
    pub fn of(committed: bool, sent_at: Timestamp, now: Timestamp) -> Self {
        if committed {
            Self::Committed
        } else if now < sent_at.plus_seconds(WRITER_LIFETIME_SECONDS) {
            Self::TooEarly
        } else {
            Self::Abandoned
        }
    }
}

/// When to look again for a commit that is not there yet, of a message that was sent first at `sent_at`: after as long as
/// it has been waited for, from 1 to 10 seconds.
pub fn look_again_at(sent_at: Timestamp, now: Timestamp) -> Timestamp {
    let age = i64::try_from(now.since(sent_at).as_millis()).unwrap_or(i64::MAX);
    now.plus_millis(age.clamp(1_000, 10_000))
}

/// How a message failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It may succeed another time.
    ForNow,
    /// A message of its own could not be sent, or perhaps was. It comes back by itself: to send it as well would make two of
    /// one, and four of those.
    NotSent,
    /// It would take another message, another item or another version of ours.
    ForGood,
}

/// Why a message could not be consumed.
pub trait Failure: Display {
    /// Whether it is worth trying again.
    fn failed(&self) -> Failed;
}
