//! What the simulator records.

use patchbay::clock::Timestamp;
use patchbay::messaging::Channel;

use crate::exchange::Provider;

/// How far a message has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Twilio accepted it for a messaging service.
    Accepted,
    /// Queued.
    Queued,
    /// Twilio hands it over to the network.
    Sending,
    /// The network has it.
    Sent,
    /// It arrived.
    Delivered,
    /// It did not arrive.
    Undelivered,
    /// It was not sent.
    Failed,
    /// The receiver read it.
    Read,
}

impl Status {
    /// The status in Twilio's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Read => "read",
        }
    }

    /// The status in Routee's documented spelling.
    pub(super) const fn capitalized(self) -> &'static str {
        match self {
            Self::Accepted | Self::Queued | Self::Sending => "Queued",
            Self::Sent => "Sent",
            Self::Delivered | Self::Read => "Delivered",
            Self::Undelivered => "Undelivered",
            Self::Failed => "Failed",
        }
    }

    /// Whether only `read` may follow.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Undelivered | Self::Failed | Self::Read)
    }
}

/// Why a message did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Twilio's code.
    pub code: u32,
    /// Routee's `detailedStatus`.
    pub detailed_status: &'static str,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A text.
    Text(String),
    /// An approved template.
    Template {
        /// Its id.
        id: String,
        /// Its variables, as JSON.
        variables: String,
    },
}

/// A message that patchbay sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The provider.
    pub provider: Provider,
    /// The channel.
    pub channel: Channel,
    /// The provider's id.
    pub id: String,
    /// The sender in the request: a number, a name, or the id of a messaging service.
    pub from: String,
    /// The number or name that the receiver sees. A messaging service picks one of ours.
    pub shown_from: String,
    /// The number of the receiver, in E.164.
    pub to: String,
    /// What it says.
    pub body: Body,
    /// The number of SMS parts.
    pub parts: u32,
    /// The URL of its status callbacks, without a fragment. It identifies the attempt.
    pub status_url: Option<String>,
    /// When the request was accepted.
    pub at: Timestamp,
    /// Every status, with the time at which the message got it.
    pub statuses: Vec<(Timestamp, Status)>,
    /// Why it did not arrive.
    pub failure: Option<Failure>,
    /// Whether only its last part did not arrive.
    pub last_part_lost: bool,
}

impl Message {
    /// The current status.
    pub fn status(&self) -> Status {
        self.statuses.last().map_or(Status::Queued, |(_, status)| *status)
    }

    /// When it arrived, if it did.
    pub fn delivered_at(&self) -> Option<Timestamp> {
        let mut statuses = self.statuses.iter();
        statuses
            .find(|(_, status)| *status == Status::Delivered)
            .map(|(at, _)| *at)
    }
}

/// A message that a customer wrote to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The provider of our number.
    pub provider: Provider,
    /// The channel.
    pub channel: Channel,
    /// The provider's id.
    pub id: String,
    /// The customer's number, in E.164.
    pub from: String,
    /// Our number, in E.164.
    pub to: String,
    /// The messaging service through which the customer was written to.
    pub service: Option<String>,
    /// The text of the message.
    pub text: String,
    /// Whether it means that nothing may be sent any more.
    pub opts_out: bool,
    /// The id of the message that it quotes.
    pub quotes: Option<String>,
    /// When it was written.
    pub at: Timestamp,
    /// When patchbay first accepted it.
    pub accepted_at: Option<Timestamp>,
}

/// A customer who wants no more messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptOut {
    /// The customer's number, in E.164.
    pub number: String,
    /// When they said so.
    pub at: Timestamp,
    /// When patchbay learned of it: it accepted the webhook, or the provider refused a message for that reason.
    pub known_at: Option<Timestamp>,
    /// When they wrote `START`.
    pub lifted_at: Option<Timestamp>,
}

/// The kind of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookKind {
    /// A status callback.
    Status(Status),
    /// A message of a customer.
    Incoming,
}

/// One delivery of a webhook: at Twilio with all its tries, at Routee one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// When it was sent.
    pub at: Timestamp,
    /// The provider.
    pub provider: Provider,
    /// What it reports.
    pub kind: WebhookKind,
    /// The provider's id of the message.
    pub id: String,
    /// The URL, without a fragment.
    pub url: String,
    /// The body.
    pub body: String,
    /// The status of the response; `None` if there was none.
    pub answer: Option<u16>,
}

/// A request to a message API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRequest {
    /// When it arrived.
    pub at: Timestamp,
    /// Its method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The body.
    pub body: String,
    /// The status of the response; `None` if it was lost.
    pub status: Option<u16>,
}

/// Something that no correct client causes, or that no test has planned for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unexpected {
    /// A message to a number without habits. It counts as unknown.
    Number(String),
    /// A field without effect, or with a value that the provider ignores.
    Field(String),
    /// A customer wrote, but no URL for messages is known.
    NoIncomingUrl(Provider),
    /// The response to a webhook is not what the provider expects.
    Answer {
        /// The URL of the webhook.
        url: String,
        /// What is wrong.
        what: String,
    },
}
