//! What can happen to a dispatch.

use serde::{Deserialize, Serialize};

use super::route::Route;
use crate::ids::{AttemptId, Nonce};
use crate::timestamp::Timestamp;

/// How a call ended, as the provider says at last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ending {
    /// Answered, perhaps by voicemail; says nothing about a key.
    Completed,
    /// The line was busy.
    Busy,
    /// Rang out, or was rejected on the phone.
    NoAnswer,
    /// The provider could not place it.
    Failed,
    /// The network lost it. The sources disagree whether this is final; it is taken as final once looked up.
    Unknown,
    /// `Unsent` or `Terminated`: the account has no money.
    OutOfMoney,
}

/// How often a number may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// So often within 60 minutes.
    Hourly,
    /// So often within 24 hours.
    Daily,
}

/// Why the provider certainly placed no call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NotPlaced {
    /// It refuses the number for good: nobody can call it.
    Refused,
    /// It refuses calls from this account, or to such numbers from it: a bad sender, no permission.
    /// Another account may be allowed to.
    NotAllowed,
    /// It cannot now (429, no connection, credentials that it does not take): try again soon.
    TryLater,
    /// The account has no money.
    OutOfMoney,
}

/// What the provider said when it was asked about an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Sighting {
    /// The call is still going on.
    Live,
    /// The call is over; `keys` are the keys that it saw.
    Over {
        /// How it ended.
        ending: Ending,
        /// All keys of the call, as far as the provider knows them.
        keys: String,
        /// Whether a machine had picked up, as far as the provider can tell one from a person.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        machine: bool,
    },
    /// The provider knows nothing of it, or could not be asked.
    Nothing,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A dialer is about to place the call and asks for the right to do so.
    Claim {
        /// Which attempt.
        attempt: AttemptId,
        /// Who is to place the call.
        #[serde(flatten)]
        route: Route,
    },
    /// The employee is on the phone for another dispatch.
    EmployeeBusy {
        /// Which attempt found it.
        attempt: AttemptId,
        /// When that lease ends at the latest.
        until: Timestamp,
    },
    /// The employee's number has been called as often as its tenant allows.
    OverLimit {
        /// Which attempt found it.
        attempt: AttemptId,
        /// Which limit.
        limit: Limit,
        /// From when on it may be called again.
        until: Timestamp,
    },
    /// The provider took the call.
    Placed {
        /// Which attempt.
        attempt: AttemptId,
        /// The provider's id of the call.
        call_id: String,
    },
    /// The provider certainly did not take the call.
    NotPlaced {
        /// Which attempt.
        attempt: AttemptId,
        /// Why.
        why: NotPlaced,
    },
    /// Whether the provider took the call cannot be told; `Watch` will find out.
    Unclear {
        /// Which attempt.
        attempt: AttemptId,
    },
    /// The employee pressed a key.
    Key {
        /// In which call.
        attempt: AttemptId,
        /// All keys that came with the event; the last one counts.
        keys: String,
    },
    /// The provider reports the end of the call.
    CallEnded {
        /// Which call.
        attempt: AttemptId,
        /// How.
        ending: Ending,
        /// The provider's id of the call, from the report.
        call_id: Option<String>,
    },
    /// A machine picked up, says the provider.
    Machine {
        /// In which call.
        attempt: AttemptId,
    },
    /// The watch over an attempt looked at it.
    Watched {
        /// Which attempt.
        attempt: AttemptId,
        /// What the provider said.
        sighting: Sighting,
        /// How often it has been looked at, this time included.
        looks: u8,
    },
    /// A wait is over.
    Resume {
        /// Which wait.
        wait: Nonce,
    },
    /// The time to resolve an accepted ticket is over.
    Overdue {
        /// Which acceptance (by its attempt).
        attempt: AttemptId,
    },
    /// The requester withdraws the ticket.
    Cancel,
    /// The requester says that the ticket is done.
    Resolve,
}

/// What to tell whoever brought the event. Valid only once the decision is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was noted, or was of no consequence; nothing to say.
    Noted,
    /// The event is about something that is past.
    Stale,
    /// The dialer may place the call.
    Dial,
    /// This key made its presser the acceptor (or repeats what did).
    Accepted,
    /// This key rejected the ticket.
    Rejected,
    /// This key means nothing: say the options again.
    AskAgain,
    /// Somebody else has the ticket: the employee's index.
    TakenBy(u8),
    /// The ticket is closed: nobody needs to accept it any more.
    Closed,
    /// The request contradicts the state: such as a cancel of what somebody has accepted.
    Refused,
}
