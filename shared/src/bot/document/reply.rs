//! What an answer says and does.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::text::{QuickReply, Say, Text};
use crate::flow;

/// A rule whose reply is an answer to the customer.
pub type Rule = flow::Rule<Reply>;

/// An answer to the customer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// What the bot says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub say: Option<Say>,
    /// Answers that the customer may choose, as a numbered list below the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quick_replies: Vec<QuickReply>,
    /// Name of a form that begins after the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// New values of variables. Strings are templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, Value>,
    /// Hands the conversation over to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand_over: Option<HandOverReply>,
    /// Has the customer phoned, or employees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_me: Option<CallKind>,
    /// Whether the conversation is finished.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub finish: bool,
    /// Whether this is not an answer: the FAQ is searched next.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pass: bool,
}

/// A hand-over as part of an answer: `true`, or with texts of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum HandOverReply {
    /// Whether to hand over, with the texts of the document.
    Plain(bool),
    /// With texts of its own.
    Detailed(HandOverDetails),
}

/// Texts of one hand-over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HandOverDetails {
    /// A template of why, for the summary that people read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The message to the customer. The document's text when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
}

/// A call on behalf of the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// The platform phones the customer, then queues the call for its agents: `call.queue`.
    Queue,
    /// Employees are phoned until one takes the chat: `call.dispatch`.
    Dispatch,
}

impl CallKind {
    /// The name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Dispatch => "dispatch",
        }
    }
}

impl HandOverReply {
    /// Whether the conversation is handed over.
    pub const fn is_wanted(&self) -> bool {
        !matches!(self, Self::Plain(false))
    }

    /// The texts of its own.
    pub const fn details(&self) -> Option<&HandOverDetails> {
        match self {
            Self::Plain(_) => None,
            Self::Detailed(details) => Some(details),
        }
    }
}

impl<'de> Deserialize<'de> for HandOverReply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HandOverVisitor)
    }
}

struct HandOverVisitor;

impl<'de> Visitor<'de> for HandOverVisitor {
    type Value = HandOverReply;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, or an object with `reason` and `text`")
    }

    fn visit_bool<E: de::Error>(self, is_wanted: bool) -> Result<HandOverReply, E> {
        Ok(HandOverReply::Plain(is_wanted))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<HandOverReply, A::Error> {
        HandOverDetails::deserialize(MapAccessDeserializer::new(access)).map(HandOverReply::Detailed)
    }
}
