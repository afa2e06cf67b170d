//! What a chat platform reports, independent of its wire format.

use serde::{Deserialize, Serialize};

use super::state::PlatformId;
use super::texts::detail;

/// Longest text of a message that we keep, in characters. The rest is cut off.
pub const MAX_TEXT_CHARS: usize = 4_000;

/// An event of a platform about one conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformEvent {
    /// What happened.
    pub kind: EventKind,
    /// The inbox of the conversation, if the event names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox: Option<PlatformId>,
    /// The message, for events about a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<PlatformMessage>,
    /// The customer, as far as the event says.
    #[serde(default)]
    pub contact: Contact,
    /// The platform's status of the conversation. A hint only: it lags, and means different things on each platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<PlatformStatus>,
    /// Whether a person is assigned to the conversation. A bot that is assigned does not count.
    #[serde(default, rename = "assigned", skip_serializing_if = "std::ops::Not::not")]
    pub is_human_assigned: bool,
    /// The text with which our own chat page began the conversation, if this is its report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_message: Option<String>,
}

/// What an event reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A message was written.
    Message,
    /// A choice among quick replies was clicked: the text of the message is the choice.
    Choice,
    /// The conversation was created. The message that it may contain is reported separately, too.
    Created,
    /// The conversation's status or assignee changed.
    Updated,
    /// The conversation was resolved.
    Resolved,
}

impl EventKind {
    /// The name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Choice => "choice",
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Resolved => "resolved",
        }
    }
}

/// A message on a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformMessage {
    /// Its id.
    pub id: PlatformId,
    /// Who it is addressed to.
    pub direction: Direction,
    /// Whether only the platform's own people see it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
    /// The text; empty for a message that is only an attachment. At most [`MAX_TEXT_CHARS`].
    #[serde(default)]
    pub text: String,
    /// Number of attachments.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attachments: u16,
    /// Who wrote it, as far as the platform says.
    #[serde(default)]
    pub author: Author,
}

/// Who a message is addressed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the customer.
    Incoming,
    /// To the customer.
    Outgoing,
    /// Written by the platform itself, such as a greeting.
    Template,
}

/// Who wrote a message, as far as the platform says. The direction decides what it means: a customer's message that was
/// posted through an API names the API's user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// The platform does not say.
    #[default]
    Unknown,
    /// The customer.
    Customer,
    /// A person of the team, with their name if it is known.
    Human(Option<String>),
    /// A bot: this one or another.
    Bot,
}

/// The customer, as far as the platform knows them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The platform's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<PlatformId>,
    /// Their name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Their e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Their phone number as the platform writes it, not validated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Their language as a tag, such as `de` or `en-US`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contact")
    }
}

impl Contact {
    /// Takes over every detail that `newer` has, shortened.
    pub fn update(&mut self, newer: &Self) {
        let fields = [
            (&mut self.name, &newer.name),
            (&mut self.email, &newer.email),
            (&mut self.phone, &newer.phone),
            (&mut self.language, &newer.language),
        ];
        for (old, new) in fields {
            if let Some(new) = new {
                *old = Some(detail(new));
            }
        }
        if newer.id.is_some() {
            self.id.clone_from(&newer.id);
        }
    }
}

/// A platform's status of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlatformStatus {
    /// In people's inbox.
    Open,
    /// With the bot.
    Pending,
    /// Done.
    Resolved,
    /// Hidden until later.
    Snoozed,
    /// A status that no contract explains.
    Other,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(count: &u16) -> bool {
    *count == 0
}
