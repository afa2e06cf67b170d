//! The state of a dispatch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::employee::Employee;
use super::event::{EventOutcome, Limit};
use super::policy::Policy;
use super::route::{Avoidance, Deferrals};
use super::ticket::Ticket;
use crate::ids::{AttemptId, DispatchKey, Nonce, ProviderName};
use crate::timestamp::Timestamp;
use crate::webhook::Webhook;

/// Priority of a ticket's calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DispatchPriority {
    /// Calls are placed in order.
    #[default]
    Normal,
    /// When calls wait for a provider's pace, these are placed before those of normal tickets.
    Urgent,
}

impl DispatchPriority {
    /// Whether it is the default, which is not serialized.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_normal(&self) -> bool {
        *self == Self::Normal
    }
}

/// The part of a dispatch that is fixed when it is created.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NewDispatch {
    /// The ticket that is read to the employees.
    pub ticket: Ticket,
    /// The employees to phone, in order. Never empty; see [`crate::ids::AttemptId::employee`] for what must not change
    /// in the list.
    pub employees: Vec<Employee>,
    /// The policy of the dispatch.
    pub policy: Policy,
    /// Priority of the dispatch's calls.
    #[serde(default, skip_serializing_if = "DispatchPriority::is_normal")]
    pub priority: DispatchPriority,
    /// The webhook that receives the dispatch's events, if any.
    pub webhook: Option<Webhook>,
}

/// A dispatch: a ticket, the employees to phone for it, and how far that is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dispatch {
    /// Tenant and id of the dispatch.
    pub key: DispatchKey,
    /// Number of commits, counted from 1. A commit is conditional on it.
    pub version: u64,
    /// Nonce of the decision that made this version. Two writers may decide the same in the same millisecond. When
    /// DynamoDB's answer was lost, the nonce tells whose commit it was, so that only one of them dials.
    pub decision: Nonce,
    /// When the dispatch was created.
    pub created_at: Timestamp,
    /// When the status (the name of the state) last changed.
    pub status_since: Timestamp,
    /// No further call is placed from this time on.
    pub expires_at: Timestamp,
    /// SHA-256 of the request that created the dispatch: tells a repeated request from a different one with the same
    /// idempotency key.
    pub fingerprint: String,
    /// The part that is fixed at creation.
    #[serde(flatten)]
    pub spec: NewDispatch,
    /// Counters, and what the dispatch remembers of its calls.
    pub progress: Progress,
    /// The current state.
    pub state: State,
}

/// What a dispatch remembers besides its state. Employees are keyed by their index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Ordinal of the newest attempt; 0 before the first.
    pub attempts: u32,
    /// Attempts with a lower ordinal are from before the dispatch was reopened: their keys no longer count.
    pub live_from: u32,
    /// Ordinal of the current round, counted from 1.
    pub round: u32,
    /// Whether a call of this round had an outcome, even if it was not picked up. A round in which every employee was
    /// skipped, or in which the provider took no call, is not counted.
    pub called: bool,
    /// Employees who rejected since the dispatch was created or reopened, each with the ordinal of the attempt in which
    /// they last did.
    pub rejected: BTreeMap<u8, u32>,
    /// Employees on the phone for another dispatch, each with the time at which they are retried.
    pub busy: BTreeMap<u8, Timestamp>,
    /// Employees whose calls the provider keeps postponing, each with the time before which they are not retried.
    #[serde(default, alias = "put_off")]
    pub postponed: BTreeMap<u8, Timestamp>,
    /// Employees whose turn was interrupted (on the phone for another dispatch, call limit, no money, postponed), each
    /// with the ordinal of the interrupted call in that turn.
    #[serde(default)]
    pub interrupted: BTreeMap<u8, u8>,
    /// Employees whose calls the provider refused permanently, each with the time before which they are not retried.
    #[serde(default)]
    pub refused: BTreeMap<u8, Timestamp>,
    /// Whether the last round is over except for employees who missed it: they were on the phone for another dispatch,
    /// the provider postponed their calls, or their number had reached a call limit.
    #[serde(default)]
    pub catching_up: bool,
    /// Employees whose number has reached a call limit of the tenant, each with the limit and the time before which
    /// they are not called.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limited: BTreeMap<u8, (Limit, Timestamp)>,
    /// Providers that the dispatch avoids for a while.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub avoided: BTreeMap<ProviderName, Avoidance>,
    /// The provider that postponed the last calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferring: Option<Deferrals>,
    /// Calls that a provider took, or perhaps took, in the whole lifetime of the dispatch.
    #[serde(default)]
    pub calls: u32,
    /// How often in a row the provider postponed a call (429, no connection); counted up to
    /// [`super::decide::MAX_DEFERRALS`].
    pub deferrals: u8,
}

impl Progress {
    /// Whether the employee could not be called in this round when it was their turn.
    pub(super) fn missed(&self, employee: u8) -> bool {
        self.busy.contains_key(&employee)
            || self.postponed.contains_key(&employee)
            || self.limited.contains_key(&employee)
    }
}

/// State of a dispatch. States only move forward, except when an accepted dispatch is reopened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// An attempt is planned or under way.
    Calling(Attempt),
    /// No call is placed before a certain time.
    Waiting(Wait),
    /// An employee pressed 1.
    Accepted(Acceptance),
    /// Nobody is left to phone and no round follows, or the policy allows no more calls.
    Exhausted {
        /// When the dispatch was exhausted.
        at: Timestamp,
    },
    /// The requester cancelled the dispatch.
    Cancelled {
        /// When it was cancelled.
        at: Timestamp,
    },
    /// The lifetime of the dispatch ran out.
    Expired {
        /// When it expired.
        at: Timestamp,
    },
    /// The requester resolved the ticket.
    Resolved {
        /// When it was resolved.
        at: Timestamp,
        /// The acceptance before it, if any.
        acceptance: Option<Acceptance>,
    },
}

/// One call to one employee, the current one of a dispatch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attempt {
    /// Id of the attempt; includes the employee's index.
    pub id: AttemptId,
    /// Ordinal of the call in this employee's turn, counted from 1.
    pub number: u8,
    /// The call is not placed before this time.
    pub due_at: Timestamp,
    /// The provider of the call; none until the attempt is claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
    /// Whether the call can fail over to another provider at once if this one does not take it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// Phase of the attempt.
    pub phase: Phase,
}

/// Phase of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Phase {
    /// Nothing has been sent to the provider.
    Planned,
    /// A dialer has claimed the attempt and may have placed the call. The attempt is never dialed again.
    Claimed {
        /// When the attempt was claimed.
        at: Timestamp,
    },
    /// The provider took the call.
    Placed {
        /// When the provider's answer was recorded.
        at: Timestamp,
        /// The provider's id of the call.
        call_id: String,
    },
    /// The call was answered and is over without a key so far; a key may still be on its way.
    Ended {
        /// When the end was recorded.
        at: Timestamp,
        /// The provider's id of the call, if known.
        call_id: Option<String>,
    },
}

/// A wait in which nobody is phoned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Wait {
    /// Fences the message that ends it.
    pub id: Nonce,
    /// When the wait ends.
    pub until: Timestamp,
    /// Why nobody is phoned.
    pub reason: WaitReason,
    /// Index of the employee with whom the dispatch continues.
    pub next: u8,
}

/// Why nobody is phoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// Pause between two rounds.
    RoundPause,
    /// No employee is available before then.
    NobodyAvailable,
    /// The next call would be due after the dispatch expires.
    Expiry,
    /// The provider's account has no money. The wait gives a person time to top it up.
    OutOfMoney,
}

/// The acceptance of a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Acceptance {
    /// The attempt in which the key was pressed; its id identifies the employee.
    pub attempt: AttemptId,
    /// When the ticket was accepted.
    pub at: Timestamp,
    /// When the dispatch is reopened unless it is resolved; none if never.
    pub resolve_by: Option<Timestamp>,
}

impl Dispatch {
    /// The employee with this index; none when the index belongs to another dispatch's list.
    pub fn employee(&self, index: u8) -> Option<&Employee> {
        self.spec.employees.get(usize::from(index))
    }

    /// The current attempt, if one is planned or under way.
    pub const fn attempt(&self) -> Option<&Attempt> {
        match &self.state {
            State::Calling(attempt) => Some(attempt),
            _ => None,
        }
    }

    /// The current attempt, if it has this id.
    pub fn attempt_with_id(&self, id: AttemptId) -> Option<&Attempt> {
        self.attempt().filter(|attempt| attempt.id == id)
    }

    /// The outcome of any key pressed now in the call of attempt `id`, when the ticket needs no answer any more; none
    /// while a key may still accept it.
    pub fn settled_outcome(&self, id: AttemptId) -> Option<EventOutcome> {
        match &self.state {
            State::Accepted(acceptance) if acceptance.attempt.employee == id.employee => Some(EventOutcome::Accepted),
            State::Accepted(acceptance) => Some(EventOutcome::TakenBy(acceptance.attempt.employee)),
            State::Cancelled { .. } | State::Expired { .. } | State::Resolved { .. } => Some(EventOutcome::Closed),
            // A key of an attempt from before the dispatch was reopened no longer counts.
            _ if id.ordinal < self.progress.live_from => Some(EventOutcome::Closed),
            State::Calling(_) | State::Waiting(_) | State::Exhausted { .. } => None,
        }
    }

    /// Whether the call of attempt `id` must go on: it is the current attempt's, or the acceptor's own. A hang-up may
    /// name such a call if its sender lost the race for the commit. It must be dropped then, or it would cut off the
    /// acceptor while they hear that the ticket is accepted.
    pub fn wants_call(&self, id: AttemptId) -> bool {
        match &self.state {
            State::Calling(attempt) => attempt.id == id,
            State::Accepted(acceptance) => acceptance.attempt == id,
            _ => false,
        }
    }
}

impl State {
    /// Whether the dispatch will no longer change without a new request or key.
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
