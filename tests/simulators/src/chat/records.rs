//! What a simulated installation records, for tests and for people.

use patchbay::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::faults::ApiFault;
use super::questions::EventName;
pub use crate::routee::WebhookOutcome;

/// Who wrote a message. Unlike an event, the record always knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Author {
    /// The customer.
    Customer,
    /// A bot, by a request to the API.
    Bot {
        /// Its id, if the request names a bot or has its token.
        bot: Option<u64>,
    },
    /// A person of the team, by name.
    Human(String),
    /// The platform: a greeting.
    Template,
    /// The platform: an activity, such as a change of status.
    Activity,
    /// A third party of this name: another bot, or an auto-responder.
    Other(String),
}

/// Who a message is addressed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageKind {
    /// From the customer.
    Incoming,
    /// To the customer.
    Outgoing,
    /// About an activity.
    Activity,
    /// From the platform.
    Template,
}

impl MessageKind {
    /// The value of `message_type` in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Incoming => "incoming",
            Self::Outgoing => "outgoing",
            Self::Activity => "activity",
            Self::Template => "template",
        }
    }

    /// The value of `message_type` in lists of messages.
    pub const fn number(self) -> u8 {
        match self {
            Self::Incoming => 0,
            Self::Outgoing => 1,
            Self::Activity => 2,
            Self::Template => 3,
        }
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: u64,
    /// The conversation.
    pub conversation: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Who wrote it.
    pub author: Author,
    /// Who it is addressed to.
    pub kind: MessageKind,
    /// Whether only people of the team see it.
    pub private: bool,
    /// The text; empty for a message that is only an attachment.
    pub text: String,
    /// Number of attachments.
    pub attachments: u16,
    /// The kind of content, such as `input_select`, if it is not plain text.
    pub content_type: Option<String>,
    /// Choices and similar content.
    pub attributes: Value,
    /// The API request that posted it: its index in [`super::Chat::requests`].
    pub request: Option<usize>,
    /// Whether the customer has read it.
    pub is_read: bool,
}

impl Message {
    /// Whether the customer sees it.
    pub fn is_public(&self) -> bool {
        !self.private && self.kind != MessageKind::Activity
    }

    /// Whether a bot posted it to the customer through the API.
    pub fn is_of_bot(&self) -> bool {
        matches!(self.author, Author::Bot { .. }) && self.kind == MessageKind::Outgoing && !self.private
    }

    /// Whether a person wrote it to the customer.
    pub fn is_of_human(&self) -> bool {
        matches!(self.author, Author::Human(_)) && self.kind == MessageKind::Outgoing && !self.private
    }

    /// Whether the customer, or someone on their side, wrote it.
    pub fn is_of_customer(&self) -> bool {
        self.kind == MessageKind::Incoming && !self.private
    }
}

/// The platform's status of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// With the bot.
    Pending,
    /// In people's inbox.
    Open,
    /// Done.
    Resolved,
    /// Hidden until the customer writes again.
    Snoozed,
}

impl Status {
    /// The name in events and responses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::Snoozed => "snoozed",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        let all = [Self::Pending, Self::Open, Self::Resolved, Self::Snoozed];
        let name = if name == "bot" { "pending" } else { name };
        all.into_iter().find(|status| status.name() == name)
    }
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConversationRecord {
    /// Its id.
    pub id: u64,
    /// The inbox.
    pub inbox: u64,
    /// The contact.
    pub contact: u64,
    /// The session of the widget, or the e-mail address.
    pub source_id: String,
    /// When it began.
    pub created_at: Timestamp,
    /// The current status.
    pub status: Status,
    /// The name of the person to whom it is assigned.
    pub assignee: Option<String>,
    /// What happened, except messages, in order.
    pub changes: Vec<Change>,
    /// Its labels.
    pub labels: Vec<String>,
}

/// A change of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// When it happened.
    pub at: Timestamp,
    /// What changed.
    pub kind: ChangeKind,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeKind {
    /// The status.
    Status {
        /// The new status.
        to: Status,
        /// What caused it.
        by: Cause,
    },
    /// A person was assigned.
    Assigned(String),
    /// The person was removed.
    Unassigned,
}

/// What caused a change of status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The API request with this index in [`super::Chat::requests`].
    Request(usize),
    /// A person, by name.
    Human(String),
    /// The customer wrote to a resolved conversation.
    Customer,
    /// An event about a message could not be delivered to the bot.
    Undelivered,
}

/// The API that a request addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Sangoma's token endpoint.
    SangomaAuth,
    /// Sangoma's API.
    Sangoma,
    /// Chatwoot's API.
    Chatwoot,
    /// None: no path matches.
    None,
}

/// A request to the API.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestRecord {
    /// When it arrived.
    pub at: Timestamp,
    /// The API.
    pub api: Api,
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The body; null if it is not JSON.
    pub body: Value,
    /// Status of the response; `None` if the client got none.
    pub status: Option<u16>,
    /// Body of the response, also of one that was lost.
    pub answer: String,
    /// The fault of this request.
    pub fault: Option<ApiFault>,
    /// The message that it posted.
    pub message: Option<u64>,
}

impl RequestRecord {
    /// The conversation and the text, if this is a request for a message to a customer.
    pub fn posts(&self) -> Option<(u64, &str)> {
        let text = self.body.get("content")?.as_str()?;
        Some((self.conversation()?, text))
    }

    /// The conversation, if this is a request to deliver it to people.
    pub fn delivers(&self) -> Option<u64> {
        let is_delivery = match self.api {
            Api::Sangoma => self.path.contains("/deliver-to-agent"),
            _ => self.path.contains("/toggle_status") && self.body.get("status").is_some_and(|status| status == "open"),
        };
        if is_delivery { self.conversation() } else { None }
    }

    fn conversation(&self) -> Option<u64> {
        if self.api == Api::Sangoma {
            let id = self.body.get("conversation_id")?;
            return id.as_u64().or_else(|| id.as_str()?.parse().ok());
        }
        let (_, rest) = self.path.split_once("/conversations/")?;
        rest.split('/').next()?.parse().ok()
    }

    /// Whether the client got a success.
    pub fn is_confirmed(&self) -> bool {
        matches!(self.status, Some(200..=299)) && self.fault.is_none()
    }
}

/// A conversation that an API request delivered to people, or finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRequest {
    /// When the request took effect.
    pub at: Timestamp,
    /// The conversation.
    pub conversation: u64,
    /// The request: its index in [`super::Chat::requests`].
    pub request: usize,
}

/// A call that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedCall {
    /// When it was accepted.
    pub at: Timestamp,
    /// The queue or the agent.
    pub on_behalf_of: OnBehalfOf,
    /// The number or extension to dial.
    pub destination: String,
}

/// On whose behalf a call is placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnBehalfOf {
    /// A queue, by name.
    Queue(String),
    /// An agent, by name.
    Agent(String),
}

/// The kind of receiver of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recipient {
    /// The bot with this id: its `outgoing_url`.
    Bot(u64),
    /// The account webhook with this id.
    Webhook(u64),
}

/// An attempt to deliver an event.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRecord {
    /// When it was sent.
    pub at: Timestamp,
    /// What it reports.
    pub name: EventName,
    /// The receiver.
    pub to: Recipient,
    /// The receiver's URL.
    pub url: String,
    /// The conversation.
    pub conversation: Option<u64>,
    /// The message, in events about a message.
    pub message: Option<u64>,
    /// The body.
    pub body: String,
    /// The ordinal of the attempt, counted from 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: WebhookOutcome,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl EventRecord {
    /// Whether the receiver responded with a success.
    pub fn is_accepted(&self) -> bool {
        matches!(self.outcome, WebhookOutcome::Answered(200..=299))
    }
}
