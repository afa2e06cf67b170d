//! What the simulator remembers of calls to employees, for tests to look at.

use patchbay::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::exchange::{CallId, EndedBy, PlacedCall, Provider};

/// A status of a call, as callbacks have it (`twilio.md` 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the provider's own words")]
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

    /// Whether no other follows.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Initiated | Self::Ringing | Self::InProgress)
    }
}

/// Everything about one call to an employee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundCall {
    /// Its name towards [`super::super::Twilio::press`] and its like.
    pub id: CallId,
    /// `CallSid`.
    pub sid: String,
    /// The number that was phoned, in full.
    pub to: String,
    /// The number that was shown.
    pub from: String,
    /// When the create request arrived.
    pub created_at: Timestamp,
    /// When it left the queue.
    pub dialled_at: Option<Timestamp>,
    /// When it was picked up.
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Every status and since when.
    pub statuses: Vec<(Timestamp, Status)>,
    /// What was said to the employee: each text when it began; a sound as its URL.
    pub heard: Vec<(Timestamp, String)>,
    /// Every key that was pressed, whether a `<Gather>` took it or not.
    pub keys: Vec<(Timestamp, char)>,
    /// `Digits` of every action that was requested.
    pub told: Vec<(Timestamp, String)>,
    /// Where its statuses are called back, with the fragment.
    pub status_url: Option<String>,
    /// `AnsweredBy`, once machine detection has said so.
    pub answered_by: Option<String>,
    /// What ended it.
    pub ended_by: Option<EndedBy>,
    /// Whatever the contract does not have in our documents and answers.
    pub failures: Vec<String>,
}

impl OutboundCall {
    /// The status it has now.
    pub fn status(&self) -> Status {
        self.statuses.last().map_or(Status::Queued, |(_, status)| *status)
    }

    /// The names of its statuses, in order.
    pub fn status_names(&self) -> Vec<&'static str> {
        self.statuses.iter().map(|(_, status)| status.as_str()).collect()
    }

    /// What was heard, without the times.
    pub fn texts(&self) -> Vec<&str> {
        self.heard.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// What can be said of it whichever provider it is with.
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

    /// Whole seconds on the phone until `now` or the end, begun ones counted.
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
    /// The response's status; none when the client got no response.
    pub status: Option<u16>,
}

/// What a webhook is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WebhookKind {
    /// A status callback.
    Status(Status),
    /// A request whose answer is a document: `Url`, `action`, `<Redirect>`, `FallbackUrl`.
    Document,
    /// The verdict of machine detection.
    Detection,
}

/// A webhook that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// When.
    pub at: Timestamp,
    /// The call that it is about.
    pub call: CallId,
    /// What it is about.
    pub kind: WebhookKind,
    /// Where it went, with the fragment.
    pub url: String,
    /// What it said.
    pub form: Vec<(String, String)>,
    /// How often it was tried; 0 when it was lost, or is on its way.
    pub tries: usize,
    /// The status of the last answer; none when there was none.
    pub status: Option<u16>,
}

impl Webhook {
    /// A field of it.
    pub fn field(&self, name: &str) -> Option<&str> {
        let field = self.form.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.as_str())
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
    /// A field that Twilio ignores: unknown, mis-cased, or without effect beside the others.
    Field {
        /// When.
        at: Timestamp,
        /// The field, and why.
        what: String,
    },
}
