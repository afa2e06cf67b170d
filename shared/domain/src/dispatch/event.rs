//! Events: what can happen to a dispatch, and the answer to the sender of an event.

use serde::{Deserialize, Serialize};

use super::route::Route;
use crate::ids::{AttemptId, Nonce};
use crate::timestamp::Timestamp;

/// How a call ended, according to the provider's final status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ending {
    /// The call was answered, perhaps by voicemail. Says nothing about a key.
    Completed,
    /// The line was busy.
    Busy,
    /// The phone rang out, or the call was rejected on the phone.
    NoAnswer,
    /// The provider could not place the call.
    Failed,
    /// The network lost the call. The provider's documents disagree on whether this is final; we treat it as final only
    /// after a lookup.
    Unknown,
    /// `Unsent` or `Terminated`: the provider's account has no money.
    OutOfMoney,
}

/// The window of a call limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Calls within any 60 minutes.
    Hourly,
    /// Calls within any 24 hours.
    Daily,
}

/// Why the provider definitely did not place a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NotPlaced {
    /// The provider permanently refuses the number: no account can call it.
    Refused,
    /// The provider refuses calls from this account, or calls from it to such numbers: a bad sender, a missing
    /// permission. Another provider's account may be allowed to call.
    NotAllowed,
    /// The provider cannot take the call now (429, no connection, rejected credentials). Retry soon.
    TryLater,
    /// The provider's account has no money.
    OutOfMoney,
}

/// The result of looking up an attempt's call at the provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum CallLookup {
    /// The call is still going on.
    Live,
    /// The call is over.
    Over {
        /// How the call ended.
        ending: Ending,
        /// All keys pressed in the call, as far as the provider knows them.
        keys: String,
        /// Whether a machine answered, as far as the provider can tell it from a person.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        machine: bool,
    },
    /// The provider does not know the call, or the lookup failed.
    #[serde(rename = "nothing")]
    Unknown,
}

/// An event that changes a dispatch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A dialer is about to place the call and claims the attempt.
    Claim {
        /// The attempt to claim.
        attempt: AttemptId,
        /// The provider that places the call.
        #[serde(flatten)]
        route: Route,
    },
    /// The employee is on the phone for another dispatch.
    EmployeeBusy {
        /// The attempt that found the employee's phone leased.
        attempt: AttemptId,
        /// When the other dispatch's lease expires, if it is not released earlier.
        until: Timestamp,
    },
    /// The employee's number has reached a call limit of the tenant.
    OverLimit {
        /// The attempt that reached the limit.
        attempt: AttemptId,
        /// The limit that is reached.
        limit: Limit,
        /// When the number may be called again.
        until: Timestamp,
    },
    /// The provider took the call.
    Placed {
        /// The attempt of the call.
        attempt: AttemptId,
        /// The provider's id of the call.
        call_id: String,
    },
    /// The provider definitely did not take the call.
    NotPlaced {
        /// The attempt whose call was not placed.
        attempt: AttemptId,
        /// Why the provider did not place it.
        #[serde(rename = "why")]
        reason: NotPlaced,
    },
    /// It is unclear whether the provider took the call; `Watch` will find out.
    Unclear {
        /// The attempt of the call.
        attempt: AttemptId,
    },
    /// The employee pressed a key.
    Key {
        /// The attempt in whose call the key was pressed.
        attempt: AttemptId,
        /// All keys that came with the event; the last one counts.
        keys: String,
    },
    /// The provider reported the end of the call.
    CallEnded {
        /// The attempt of the call.
        attempt: AttemptId,
        /// How the call ended.
        ending: Ending,
        /// The provider's id of the call, if the report has it.
        call_id: Option<String>,
    },
    /// The provider reported that a machine answered.
    Machine {
        /// The attempt of the call.
        attempt: AttemptId,
    },
    /// The watch looked up the call of an attempt.
    Watched {
        /// The attempt that was looked up.
        attempt: AttemptId,
        /// The result of the lookup.
        #[serde(rename = "sighting")]
        lookup: CallLookup,
        /// Number of lookups of this call so far, this one included.
        #[serde(rename = "looks")]
        lookups: u8,
    },
    /// A wait has ended.
    Resume {
        /// Fence of the wait: [`Wait::id`](super::state::Wait::id).
        wait: Nonce,
    },
    /// The time to resolve an accepted ticket has run out.
    Overdue {
        /// The attempt that was accepted.
        attempt: AttemptId,
    },
    /// The requester cancels the dispatch.
    Cancel,
    /// The requester resolves the ticket.
    Resolve,
}

/// The answer to the sender of an event. Valid only once the decision is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    /// The event was recorded or had no effect; there is nothing to say.
    Noted,
    /// The event is about an attempt or wait that is no longer current.
    Stale,
    /// The dialer may place the call.
    Dial,
    /// The key accepted the ticket (or repeats the key that did).
    Accepted,
    /// The key rejected the ticket.
    Rejected,
    /// The key has no meaning: repeat the options.
    RepeatOptions,
    /// Another employee has accepted the ticket: that employee's index.
    TakenBy(u8),
    /// The ticket is closed: nobody needs to accept it any more.
    Closed,
    /// The request conflicts with the state, such as a cancel of an accepted dispatch.
    Refused,
}
