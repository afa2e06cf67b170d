//! Forms, as written.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::reply::{Reply, Rule};
use super::text::{QuickReply, Text};

/// Questions that are asked one after another. The customer may write `back`, `cancel` or `repeat`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// The questions, in order.
    pub fields: Vec<Field>,
    /// Asks whether the values are right, such as `Your order is {{ form.order }}. Is that right?`. Not asked when left
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Text>,
    /// What happens with the values: an answer, or rules. Templates see the values as `form.NAME`.
    pub done: Done,
}

/// A question of a form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Name of the value.
    pub name: String,
    /// What the customer reads when they choose which value to correct. The name when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Text>,
    /// The question.
    pub ask: Text,
    /// What kind of value is expected. `text` when left out.
    #[serde(default, rename = "type", skip_serializing_if = "super::is_default")]
    pub kind: FieldKind,
    /// The values of a `choice`, offered as quick replies. The value is the quick reply's `text`, else its title.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<QuickReply>,
    /// A regular expression that the whole text must match, for `text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The least number, the least number of characters of a text, or the first date (`today`, or such as
    /// `2026-11-20`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Value>,
    /// The greatest number, the greatest number of characters of a text, or the last date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Value>,
    /// Whether an answer is required. True when left out. Else the customer may write `skip`, and the value is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// What the bot says about an invalid answer, before it asks again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<Text>,
}

/// The kind of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// Any text.
    #[default]
    Text,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// A date. The value is such as `2026-11-20`.
    Date,
    /// An e-mail address.
    Email,
    /// A phone number. The value is such as `+12025550123`.
    Phone,
    /// One of `choices`.
    Choice,
    /// Yes or no. The value is true or false.
    YesNo,
}

/// What happens when a form is filled in.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Done {
    /// An answer.
    Reply(Box<Reply>),
    /// Rules, which may send requests.
    Rules(Vec<Rule>),
}

impl Default for Done {
    fn default() -> Self {
        Self::Rules(Vec::new())
    }
}

impl<'de> Deserialize<'de> for Done {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DoneVisitor)
    }
}

struct DoneVisitor;

impl<'de> Visitor<'de> for DoneVisitor {
    type Value = Done;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer, or a list of rules")
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Done, A::Error> {
        let reply = Reply::deserialize(MapAccessDeserializer::new(access))?;
        Ok(Done::Reply(Box::new(reply)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<Done, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(access)).map(Done::Rules)
    }
}

/// Words that steer a form, besides those that every bot knows in English and German.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FormWords {
    /// Yes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub yes: Vec<String>,
    /// No.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no: Vec<String>,
    /// Asks the previous question again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub back: Vec<String>,
    /// Leaves the form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancel: Vec<String>,
    /// Asks the same question again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeat: Vec<String>,
    /// Leaves out an answer that is not required.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<String>,
}
