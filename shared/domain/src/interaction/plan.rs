//! The plan: over which channels a customer is contacted, one after the other, and with what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::status::Channel;
use crate::timestamp::Timestamp;

/// Who contacts whom, and about what. Fixed at creation; an override of the request never changes a stored customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parties {
    /// The agent that contacts the customer.
    pub agent: Agent,
    /// The id of the skill.
    pub skill: String,
    /// The customer.
    pub customer: Customer,
}

/// An agent, with the overrides of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its id.
    pub id: String,
    /// Its name, as customers read or hear it.
    pub name: String,
    /// The number from which it calls and writes; empty if it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub phone: String,
    /// Its e-mail address; empty if it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub email: String,
}

/// A customer, with the overrides of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Our id of the customer.
    pub id: String,
    /// Their name; empty if it is unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Their phone number as it was given; empty if it is unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub phone: String,
    /// Their e-mail address as it was given; empty if it is unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// Their language, such as `es-MX`; empty if it is unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub language: String,
}

/// When and over which channels a customer is contacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The legs, in order. The plan stops at the first answer.
    pub legs: Vec<Leg>,
    /// Nothing is sent before.
    pub not_before: Timestamp,
    /// Nothing is sent from then on.
    pub latest_at: Timestamp,
    /// Whether the shared context of the caller is to remember the outcome. Items of earlier versions say nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remember: bool,
    /// The IANA name of the customer's time zone, if the requester knows it. Otherwise the zones follow from their number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Why the skill's hours do not count, if they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours_bypass: Option<String>,
}

/// One channel of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// The channel.
    pub channel: Channel,
    /// The name of the back end that sends, such as the name of a provider.
    pub back_end: String,
    /// The sender, as the back end names it: a number, a sender id, an address.
    pub from: String,
    /// The receiver: a number or an address.
    pub to: String,
    /// What is sent.
    pub content: Content,
    /// How often the customer is tried over this channel. Only a try that reached nobody is repeated.
    pub attempts: u16,
    /// Seconds between two tries.
    pub retry_seconds: u32,
    /// Seconds within which the provider must have reported how it ended. Afterwards the plan goes on without it.
    pub outcome_seconds: u32,
    /// Seconds that the customer has to answer what was delivered; none if no answer is expected. A call that expects an
    /// answer expects a key, until it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_seconds: Option<u32>,
    /// Whether the provider reports what becomes of an attempt only when it is asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_polled: bool,
}

/// Stands for the link in the text of [`Content::ChatLink`]: it is signed when the message is sent.
pub const LINK: &str = "{{link}}";

/// What is sent, complete: all variables are filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Content {
    /// A text message.
    Text {
        /// What the customer reads.
        text: String,
    },
    /// A message from a template that the platform has approved.
    Template {
        /// The platform's id of the template.
        template: String,
        /// Its variables.
        variables: BTreeMap<String, String>,
        /// What the customer reads, for the thread.
        text: String,
    },
    /// An e-mail.
    Email {
        /// The subject.
        subject: String,
        /// The body, as plain text.
        text: String,
    },
    /// A call in which a text is read out and keys are offered.
    Announcement {
        /// What is read out before the keys are offered.
        text: String,
        /// The keys.
        keys: Vec<KeyOption>,
        /// The language in which it is spoken.
        language: String,
    },
    /// A message with a link to a web chat.
    ChatLink {
        /// The channel by which it goes.
        by: Channel,
        /// The back end that sends it.
        over: String,
        /// The sender there.
        sender: String,
        /// The subject of an e-mail; otherwise empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        subject: String,
        /// What the customer reads, with [`LINK`] in place of the link.
        text: String,
        /// What the agent says first, in the chat.
        initial_message: String,
    },
    /// A conversation that the back end's own agent leads.
    Conversation {
        /// What it says first.
        initial_message: String,
        /// What it is to do.
        prompt: String,
        /// What the back end receives besides these texts, in the words of its own API.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<Box<serde_json::Value>>,
    },
}

impl Content {
    /// What the customer reads or hears first.
    pub fn text(&self) -> &str {
        match self {
            Self::Text { text }
            | Self::Template { text, .. }
            | Self::Email { text, .. }
            | Self::Announcement { text, .. } => text,
            Self::ChatLink { initial_message, .. } | Self::Conversation { initial_message, .. } => initial_message,
        }
    }
}

/// A key that a call offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyOption {
    /// The digit.
    pub key: char,
    /// What is said to offer it, such as `Press 1 to confirm the appointment.`
    pub offer: String,
    /// What is said after it was pressed; none for a goodbye.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// What it does.
    pub action: KeyAction,
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyAction {
    /// It is the customer's answer.
    Answer,
    /// The text is read again.
    Repeat,
    /// The customer does not want to be contacted any more.
    OptOut,
}
