//! The bot document: what a bot says and does.

mod faq;
mod form;
mod hand_over;
mod hours;
mod reply;
mod text;
mod texts;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use faq::{Faq, FaqEntry, Unknown};
pub use form::{Done, Field, FieldKind, Form, FormWords};
pub use hand_over::{AfterWait, Call, Dispatch, HandOver, OutsideAction, OutsideHours, Priority};
pub use hours::Hours;
pub use reply::{CallKind, HandOverDetails, HandOverReply, Reply, Rule};
pub use text::{Choice, QuickReply, Say, Text};
pub use texts::Texts;

/// A bot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Description of the bot, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Tag of the language for customers whose language is unknown or has no texts. `en` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The time zone of the hours and dates, such as `Europe/Berlin`. UTC when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// When people are there. Always when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// Calling code of the country whose phone numbers customers write without `+`, such as `1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Seconds of silence after which a new session begins, 60 to 604800. 3600 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_seconds: Option<u32>,
    /// Milliseconds without a further message after which a burst of messages is answered, 0 to 10000. 1500 when left
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debounce_ms: Option<u32>,
    /// Answers within 60 seconds above which the bot hands over, 1 to 60: two bots may be talking to each other. 10
    /// when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_answers_per_minute: Option<u16>,
    /// Declares the variables of a session, with their initial values. Templates see them as `session.NAME`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
    /// What the bot says before its first answer in a session, and in answer to a mere greeting: a text, or rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greeting: Option<Greeting>,
    /// Messages with which the customer silences the bot until the next session. `stop` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Command>,
    /// Messages with which the customer begins a new session. `restart` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Command>,
    /// The answer to a message that is only an attachment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Text>,
    /// Rules that are evaluated before the FAQ is searched. The first one whose `when` is true matches. When none
    /// matches, the FAQ is searched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Frequently asked questions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub faq: Faq,
    /// What the bot does with a message that it does not understand.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unknown: Unknown,
    /// Forms, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub forms: BTreeMap<String, Form>,
    /// Words that steer a form, besides those that every bot knows.
    #[serde(default, skip_serializing_if = "is_default")]
    pub words: FormWords,
    /// Replaces built-in texts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub texts: Texts,
    /// When and how the bot hands over to people.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hand_over: HandOver,
    /// Calls that the bot may cause.
    #[serde(default, skip_serializing_if = "is_default")]
    pub call: Call,
    /// The answer when the bot fails: a template has no value, or the back ends used up the time limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Text>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Messages that mean a command, and the answer to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The messages. Case and punctuation do not matter.
    pub words: Vec<String>,
    /// The answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
}

/// What the bot says before its first answer in a session.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Greeting {
    /// A text.
    Text(Text),
    /// Rules. They may say something, offer quick replies and set variables.
    Rules(Vec<Rule>),
}

impl<'de> Deserialize<'de> for Greeting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GreetingVisitor)
    }
}

struct GreetingVisitor;

impl<'de> Visitor<'de> for GreetingVisitor {
    type Value = Greeting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, texts by language, or a list of rules")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Greeting, E> {
        Ok(Greeting::Text(Text::One(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Greeting, A::Error> {
        Text::deserialize(MapAccessDeserializer::new(access)).map(Greeting::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<Greeting, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(access)).map(Greeting::Rules)
    }
}
