//! Records of calls, requests and webhooks, for the assertions of tests and for demos.

use std::fmt;

use patchbay::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exchange::{CallId, EndedBy, PlacedCall, Provider};

/// A status of a call, as the provider spells it (routee/CONTRACT.md 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the provider's status names, explained in the contract")]
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

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Identifies the call in [`super::Routee::press`], `pick_up` and `hang_up`.
    pub id: CallId,
    /// The id of the conversation, as in the create response.
    pub tracking_id: String,
    /// The id of the call leg.
    pub message_id: String,
    /// The called number, in E.164.
    pub to: String,
    /// When the create request arrived.
    pub created_at: Timestamp,
    /// When it was picked up.
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Every status with the time at which it began.
    pub statuses: Vec<(Timestamp, Status)>,
    /// What the employee heard: each text, or the URL of a PLAY, with the time at which it began.
    pub heard: Vec<(Timestamp, String)>,
    /// Every key that was pressed, including keys that the provider ignored.
    pub keys: Vec<(Timestamp, char)>,
    /// The URL of its status callbacks.
    pub status_url: Option<String>,
    /// The URL of the COLLECT events of the requested plan.
    pub collect_url: Option<String>,
    /// What ended it.
    pub ended_by: Option<EndedBy>,
}

impl CallRecord {
    /// Its current status.
    pub fn status(&self) -> Status {
        self.statuses.last().map_or(Status::Queued, |(_, status)| *status)
    }

    /// The names of its statuses, in order.
    pub fn status_names(&self) -> Vec<&'static str> {
        self.statuses.iter().map(|(_, status)| status.as_str()).collect()
    }

    /// The call in the form that is common to all providers.
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

    /// What the employee heard, without times.
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
    /// The status of the response; `None` if the client got no response.
    pub status: Option<u16>,
}

/// The subject of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WebhookKind {
    /// A status.
    Status(Status),
    /// A COLLECT event.
    Collect,
    /// A detected machine.
    Machine,
    /// A request for the dial plan.
    DialPlan,
}

/// The outcome of one attempt to deliver a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// In progress.
    Pending,
    /// A response with this status.
    Answered(u16),
    /// No response in time.
    TimedOut,
    /// It could not be delivered, for this reason.
    NotDelivered(String),
    /// A fault lost the request.
    Lost,
    /// It was delivered, and a fault lost the response.
    AnswerLost,
}

/// One attempt to deliver a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRecord {
    /// When it was sent.
    pub at: Timestamp,
    /// The call of the webhook.
    pub call: CallId,
    /// The subject of the webhook.
    pub kind: WebhookKind,
    /// The target URL.
    pub url: String,
    /// Its body.
    pub body: String,
    /// The ordinal of the attempt, counted from 1.
    pub attempt: u32,
    /// How the attempt ended.
    pub outcome: WebhookOutcome,
}

impl WebhookRecord {
    /// The body as JSON; null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// An event that no test expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unexpected {
    /// A call to a number that has no script.
    Call {
        /// When the create request arrived.
        at: Timestamp,
        /// The called number.
        to: String,
    },
    /// A request that is not in the contract.
    Request {
        /// When it arrived.
        at: Timestamp,
        /// Its method.
        method: String,
        /// Its path and query.
        path: String,
    },
}
