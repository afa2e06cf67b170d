//! Records of calls to employees, API requests and webhooks, for the assertions of tests.

use patchbay::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::exchange::{CallId, EndedBy, PlacedCall, Provider};

/// A status of a call, as in callbacks (twilio/CONTRACT.md 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the provider's status names, explained in the contract")]
pub enum Status {
    Queued,
    Initiated,
    Ringing,
    InProgress,
    Completed,
    Busy,
    Failed,
    NoAnswer,
    Canceled,
}

impl Status {
    /// The status on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Initiated => "initiated",
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::Failed => "failed",
            Self::NoAnswer => "no-answer",
            Self::Canceled => "canceled",
        }
    }

    /// Whether no other status follows.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Initiated | Self::Ringing | Self::InProgress)
    }
}

/// One call to an employee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundCall {
    /// Identifies the call in [`super::super::Twilio::press`], `pick_up` and `hang_up`.
    pub id: CallId,
    /// `CallSid`.
    pub sid: String,
    /// The called number, in E.164.
    pub to: String,
    /// The caller id.
    pub from: String,
    /// When the create request arrived.
    pub created_at: Timestamp,
    /// When it left the queue.
    #[serde(rename = "dialled_at")]
    pub dialed_at: Option<Timestamp>,
    /// When it was picked up.
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Every status with the time at which it began.
    pub statuses: Vec<(Timestamp, Status)>,
    /// What the employee heard: each text, or the URL of a sound, with the time at which it began.
    pub heard: Vec<(Timestamp, String)>,
    /// Every key that was pressed, including keys outside of a `<Gather>`.
    pub keys: Vec<(Timestamp, char)>,
    /// `Digits` of every requested action, with its time.
    #[serde(rename = "told")]
    pub submitted_digits: Vec<(Timestamp, String)>,
    /// The URL of its status callbacks, with the fragment.
    pub status_url: Option<String>,
    /// `AnsweredBy`, once machine detection has a result.
    pub answered_by: Option<String>,
    /// What ended it.
    pub ended_by: Option<EndedBy>,
    /// All violations of the contract in our documents and responses.
    pub failures: Vec<String>,
}

impl OutboundCall {
    /// Its current status.
    pub fn status(&self) -> Status {
        self.statuses.last().map_or(Status::Queued, |(_, status)| *status)
    }

    /// The names of its statuses, in order.
    pub fn status_names(&self) -> Vec<&'static str> {
        self.statuses.iter().map(|(_, status)| status.as_str()).collect()
    }

    /// What the employee heard, without times.
    pub fn texts(&self) -> Vec<&str> {
        self.heard.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// The call in the form that is common to all providers.
    pub fn placed(&self) -> PlacedCall {
        PlacedCall {
            provider: Provider::Twilio,
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
            cut_off: self.ended_by == Some(EndedBy::Money),
        }
    }

    /// `AnsweredCall` time until `now` or the end, in seconds, rounded up.
    pub(super) fn seconds(&self, now: Timestamp) -> u64 {
        let Some(answered_at) = self.answered_at else {
            return 0;
        };
        let spoken = self.ended_at.unwrap_or(now).since(answered_at);
        u64::try_from(spoken.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
    }
}

/// A request to the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRequest {
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

/// The kind of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WebhookKind {
    /// A status callback.
    Status(Status),
    /// A request for a document: `Url`, `action`, `<Redirect>`, `FallbackUrl`.
    Document,
    /// The result of machine detection.
    Detection,
}

/// A webhook that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// When the first try was sent.
    pub at: Timestamp,
    /// The call of the webhook.
    pub call: CallId,
    /// The kind of the webhook.
    pub kind: WebhookKind,
    /// The target URL, with the fragment.
    pub url: String,
    /// The fields of the request.
    pub form: Vec<(String, String)>,
    /// The number of tries; 0 while it is in delivery, or if it was lost.
    pub tries: usize,
    /// The status of the last response; `None` if there was none.
    pub status: Option<u16>,
}

impl Webhook {
    /// A field of the request.
    pub fn field(&self, name: &str) -> Option<&str> {
        let field = self.form.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.as_str())
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
    /// A field that Twilio ignores: unknown, mis-cased, or without effect in combination with the others.
    Field {
        /// When the request arrived.
        at: Timestamp,
        /// The field and the reason.
        what: String,
    },
}
