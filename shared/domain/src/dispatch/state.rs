//! What a dispatch is at a moment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::employee::Employee;
use super::event::{Limit, Verdict};
use super::policy::Policy;
use super::route::{Avoided, Deferring};
use super::ticket::Ticket;
use crate::ids::{AttemptId, DispatchKey, Nonce, ProviderName};
use crate::timestamp::Timestamp;

/// When the requester's webhook is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Strategy {
    /// At every outcome of an attempt and every change of the whole.
    #[default]
    OnChange,
    /// Only when the dispatch as a whole is decided.
    OnCompletion,
    /// As `OnChange`, and whenever a call gets further: queued, ringing, picked up.
    OnStatus,
}

/// How pressing a ticket is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// As others.
    #[default]
    Normal,
    /// Its calls are placed before those of other tickets, when calls wait for a provider.
    Urgent,
}

impl Urgency {
    /// Whether it is the one that is not written down.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_normal(&self) -> bool {
        *self == Self::Normal
    }
}

/// Where the requester hears of what happens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// An https URL with a public address.
    pub url: String,
    /// How much is told.
    #[serde(default)]
    pub strategy: Strategy,
}

/// All that is fixed when a dispatch is created.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NewDispatch {
    /// What the employees are told.
    pub ticket: Ticket,
    /// Whom to phone, in order. Never empty; see [`crate::ids::AttemptId::employee`] for what must not change in it.
    pub employees: Vec<Employee>,
    /// By which rules.
    pub policy: Policy,
    /// How pressing it is.
    #[serde(default, skip_serializing_if = "Urgency::is_normal")]
    pub priority: Urgency,
    /// Whom to tell.
    pub webhook: Option<Webhook>,
}

/// A ticket on its way to somebody who accepts it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dispatch {
    /// Its name.
    pub key: DispatchKey,
    /// Counts the commits, from 1. A commit is conditional on it.
    pub version: u64,
    /// Which decision made this version. Two writers may decide the same at the same millisecond: this tells whose
    /// commit it was when DynamoDB's answer was lost, so that only one of them dials.
    pub decision: Nonce,
    /// When it was created.
    pub created_at: Timestamp,
    /// Since when its status (the name of its state) is what it is.
    pub status_since: Timestamp,
    /// After this moment no further call is placed.
    pub expires_at: Timestamp,
    /// SHA-256 of the request that made it: tells a repeated request from another one under the same key.
    pub fingerprint: String,
    /// What is fixed.
    #[serde(flatten)]
    pub brief: NewDispatch,
    /// What is counted.
    pub progress: Progress,
    /// Where it stands.
    pub state: State,
}

/// What a dispatch remembers beside its state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Ordinal of the newest attempt; 0 before the first.
    pub attempts: u32,
    /// Attempts with a lower ordinal belong to an acceptance that was opened again: their keys count no more.
    pub live_from: u32,
    /// Rounds begun, from 1.
    pub round: u32,
    /// Whether a call of this round came to something, be it that it was not picked up. A round in which everybody was
    /// skipped, or the provider took no call, is not counted.
    pub called: bool,
    /// Who rejected since the dispatch was opened, and by the key of which attempt (its ordinal) last.
    pub rejected: BTreeMap<u8, u32>,
    /// Who is on the phone for another dispatch, and until when at the longest.
    pub busy: BTreeMap<u8, Timestamp>,
    /// Whose calls the provider keeps putting off, and before when nobody tries again.
    pub put_off: BTreeMap<u8, Timestamp>,
    /// Whose turn was interrupted (on the phone for another dispatch, no money, put off), and which call in this round it
    /// was.
    #[serde(default)]
    pub interrupted: BTreeMap<u8, u8>,
    /// Whose call the provider refused for good, and before when nobody tries again.
    #[serde(default)]
    pub refused: BTreeMap<u8, Timestamp>,
    /// The last round is over but for those who were on the phone for another dispatch, or whose calls were put off, all
    /// through it.
    #[serde(default)]
    pub catching_up: bool,
    /// Whose number has been called as often as its tenant allows, by which limit, and before when it is not called.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limited: BTreeMap<u8, (Limit, Timestamp)>,
    /// Which providers are passed over for a while.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub avoided: BTreeMap<ProviderName, Avoided>,
    /// The provider that put off the last calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferring: Option<Deferring>,
    /// Calls that a provider took, or perhaps took, in the whole life of the dispatch.
    #[serde(default)]
    pub calls: u32,
    /// How often in a row the provider put us off (429, no connection) without a call; counted up to
    /// [`super::decide::MAX_DEFERRALS`].
    pub deferrals: u8,
}

impl Progress {
    /// Whether the employee had no turn in this round although it was their turn.
    pub(super) fn missed(&self, employee: u8) -> bool {
        self.busy.contains_key(&employee)
            || self.put_off.contains_key(&employee)
            || self.limited.contains_key(&employee)
    }
}

/// Where a dispatch stands. States only move forward, but for an acceptance that is opened again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// An attempt is planned or under way.
    Calling(Attempt),
    /// Nobody is to be phoned before a certain moment.
    Waiting(Wait),
    /// Somebody pressed 1.
    Accepted(Acceptance),
    /// Nobody is left and no round is to come.
    Exhausted {
        /// Since when.
        at: Timestamp,
    },
    /// The requester withdrew it.
    Cancelled {
        /// Since when.
        at: Timestamp,
    },
    /// Its time ran out.
    Expired {
        /// Since when.
        at: Timestamp,
    },
    /// The requester says that it is done.
    Resolved {
        /// Since when.
        at: Timestamp,
        /// Who had accepted it, if anybody.
        acceptance: Option<Acceptance>,
    },
}

/// One call to one employee, the current one of a dispatch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attempt {
    /// Its name; also says whom it is for.
    pub id: AttemptId,
    /// The how manieth call to this employee in a row, from 1.
    pub number: u8,
    /// No call is placed before this moment.
    pub due_at: Timestamp,
    /// Who was to place the call; none until it is claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
    /// Whether it could be placed over another provider at once, should that one not take it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// How far it is.
    pub phase: Phase,
}

/// How far an attempt is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Phase {
    /// Nothing has been sent to the provider.
    Planned,
    /// A dialer has made it its own and may have placed the call. It is never dialled again.
    Claimed {
        /// Since when.
        at: Timestamp,
    },
    /// The provider took the call.
    Placed {
        /// Since when.
        at: Timestamp,
        /// The provider's id of the call.
        call_id: String,
    },
    /// The call was answered and is over without a key so far; a key may still be on its way.
    Ended {
        /// Since when.
        at: Timestamp,
        /// The provider's id of the call, if known.
        call_id: Option<String>,
    },
}

/// A time in which nobody is phoned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Wait {
    /// Fences the message that ends it.
    pub id: Nonce,
    /// When it ends.
    pub until: Timestamp,
    /// Why.
    pub reason: WaitReason,
    /// Whose turn it is then (an index).
    pub next: u8,
}

/// Why nobody is phoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// Between two rounds.
    RoundPause,
    /// Nobody is available before then.
    NobodyAvailable,
    /// The next call would come after the end.
    Expiry,
    /// The provider's account has no money. Waiting gives somebody the time to top it up.
    OutOfMoney,
}

/// Who has the ticket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Acceptance {
    /// The attempt whose key it was; says who.
    pub attempt: AttemptId,
    /// Since when.
    pub at: Timestamp,
    /// When it is opened again unless it is resolved.
    pub resolve_by: Option<Timestamp>,
}

impl Dispatch {
    /// The employee at `index`; none when the index comes from a reference to another list.
    pub fn employee(&self, index: u8) -> Option<&Employee> {
        self.brief.employees.get(usize::from(index))
    }

    /// The current attempt, if one is planned or under way.
    pub const fn attempt(&self) -> Option<&Attempt> {
        match &self.state {
            State::Calling(attempt) => Some(attempt),
            _ => None,
        }
    }

    /// The current attempt, if it is the one called `id`.
    pub fn attempt_called(&self, id: AttemptId) -> Option<&Attempt> {
        self.attempt().filter(|attempt| attempt.id == id)
    }

    /// What a key pressed now in the call of `id` is answered with whatever it is, when the ticket needs no answer any more;
    /// none while a key may accept it.
    pub fn settled(&self, id: AttemptId) -> Option<Verdict> {
        match &self.state {
            State::Accepted(acceptance) if acceptance.attempt.employee == id.employee => Some(Verdict::Accepted),
            State::Accepted(acceptance) => Some(Verdict::TakenBy(acceptance.attempt.employee)),
            State::Cancelled { .. } | State::Expired { .. } | State::Resolved { .. } => Some(Verdict::Closed),
            // A key of before a re-opening says nothing about the ticket as it stands now.
            _ if id.ordinal < self.progress.live_from => Some(Verdict::Closed),
            State::Calling(_) | State::Waiting(_) | State::Exhausted { .. } => None,
        }
    }

    /// Whether the call of `id` is to go on: it is the current attempt's, or the acceptor's own. A hang-up may name
    /// such a call when whoever sent it lost the race for the commit; it must be dropped then, or it would cut off
    /// the acceptor in the middle of being told so.
    pub fn wants_call(&self, id: AttemptId) -> bool {
        match &self.state {
            State::Calling(attempt) => attempt.id == id,
            State::Accepted(acceptance) => acceptance.attempt == id,
            _ => false,
        }
    }
}

impl State {
    /// Whether nothing will happen any more by itself.
    pub const fn is_over(&self) -> bool {
        match self {
            Self::Calling(_) | Self::Waiting(_) => false,
            Self::Accepted(acceptance) => acceptance.resolve_by.is_none(),
            Self::Exhausted { .. } | Self::Cancelled { .. } | Self::Expired { .. } | Self::Resolved { .. } => true,
        }
    }

    /// The state's published name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Calling(_) => "Calling",
            Self::Waiting(_) => "Waiting",
            Self::Accepted(_) => "Accepted",
            Self::Exhausted { .. } => "Exhausted",
            Self::Cancelled { .. } => "Cancelled",
            Self::Expired { .. } => "Expired",
            Self::Resolved { .. } => "Resolved",
        }
    }
}
