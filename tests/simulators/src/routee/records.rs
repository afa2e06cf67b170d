//! What the simulator remembers, for tests to look at and for a demo to show.

use std::fmt;

use patchbay::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exchange::{CallId, EndedBy, PlacedCall, Provider};

/// A status of a call, as the provider spells it (`routee.md` 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the provider's own words, explained in the contract")]
pub enum Status {
    Queued,
    Initiated,
    Ringing,
    InProgress,
    Completed,
    Busy,
    NoAnswer,
    Failed,
    Unsent,
    Terminated,
    Unknown,
}

impl Status {
    /// The status on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::Initiated => "Initiated",
            Self::Ringing => "Ringing",
            Self::InProgress => "InProgress",
            Self::Completed => "Completed",
            Self::Busy => "Busy",
            Self::NoAnswer => "NoAnswer",
            Self::Failed => "Failed",
            Self::Unsent => "Unsent",
            Self::Terminated => "Terminated",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Everything about one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Its name towards [`super::Routee::press`] and its like.
    pub id: CallId,
    /// The conversation's id, as in the create response.
    pub tracking_id: String,
    /// The call leg's id.
    pub message_id: String,
    /// The number that was phoned, in full.
    pub to: String,
    /// When the create request arrived.
    pub created_at: Timestamp,
    /// When it was picked up.
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Every status and since when.
    pub statuses: Vec<(Timestamp, Status)>,
    /// What was said to the employee: each text when it began; a PLAY as its URL.
    pub heard: Vec<(Timestamp, String)>,
    /// Every key that was pressed, whether the provider made something of it or not.
    pub keys: Vec<(Timestamp, char)>,
    /// Where its statuses are called back.
    pub status_url: Option<String>,
    /// Where the keys of the requested plan are told.
    pub collect_url: Option<String>,
    /// What ended it.
    pub ended_by: Option<EndedBy>,
}

impl CallRecord {
    /// The status it has now.
    pub fn status(&self) -> Status {
        self.statuses.last().map_or(Status::Queued, |(_, status)| *status)
    }

    /// The names of its statuses, in order.
    pub fn status_names(&self) -> Vec<&'static str> {
        self.statuses.iter().map(|(_, status)| status.as_str()).collect()
    }

    /// What can be said of it whichever provider it is with.
    pub fn placed(&self) -> PlacedCall {
        let names = self.status_names();
        PlacedCall {
            provider: Provider::Routee,
            id: self.id,
            to: self.to.clone(),
            created_at: self.created_at,
            answered_at: self.answered_at,
            ended_at: self.ended_at,
            status: self.status().as_str(),
            status_url: self.status_url.clone(),
            heard: self.heard.clone(),
            keys: self.keys.clone(),
            ended_by: self.ended_by,
            cut_off: names.contains(&"Unsent") || names.contains(&"Terminated"),
        }
    }

    /// What was heard, without the times.
    pub fn texts(&self) -> Vec<&str> {
        self.heard.iter().map(|(_, text)| text.as_str()).collect()
    }
}

/// A request to the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// When it arrived.
    pub at: Timestamp,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// Its body.
    pub body: String,
    /// The response's status; none when the client got no response.
    pub status: Option<u16>,
}

/// What a webhook is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WebhookKind {
    /// A status.
    Status(Status),
    /// A COLLECT event.
    Collect,
    /// A machine that answered.
    Machine,
    /// A request for the dial plan.
    DialPlan,
}

/// What became of one attempt to deliver a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// Under way.
    Pending,
    /// Answered with this status.
    Answered(u16),
    /// Not answered in time.
    TimedOut,
    /// It could not be delivered, and why.
    NotDelivered(String),
    /// A fault lost it on its way.
    Lost,
    /// It was delivered, and a fault lost the answer.
    AnswerLost,
}

/// One attempt to deliver a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRecord {
    /// When it left.
    pub at: Timestamp,
    /// The call that it is about.
    pub call: CallId,
    /// What it is about.
    pub kind: WebhookKind,
    /// Where it went.
    pub url: String,
    /// Its body.
    pub body: String,
    /// The how manieth attempt, from 1.
    pub attempt: u32,
    /// What became of it.
    pub outcome: WebhookOutcome,
}

impl WebhookRecord {
    /// The body as JSON; null when it is not.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// Something that no test has foreseen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unexpected {
    /// A call to a number that has no script.
    Call {
        /// When.
        at: Timestamp,
        /// The number.
        to: String,
    },
    /// A request that is not in the contract.
    Request {
        /// When.
        at: Timestamp,
        /// Its method.
        method: String,
        /// Its path and query.
        path: String,
    },
}
