//! Texts for customers: one template, or one for each language.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A template, or a template for each language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Text {
    /// The same template for every customer.
    One(String),
    /// Templates by language tag, such as `en` or `pt-BR`. One of them is in the document's language.
    ByLanguage(BTreeMap<String, String>),
}

impl Text {
    /// The templates of all languages.
    pub fn sources(&self) -> Vec<&str> {
        match self {
            Self::One(source) => vec![source],
            Self::ByLanguage(variants) => variants.values().map(String::as_str).collect(),
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::One(String::new())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or texts by language")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text::One(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Text, A::Error> {
        BTreeMap::deserialize(MapAccessDeserializer::new(access)).map(Text::ByLanguage)
    }
}

/// What the bot says: a text, or several that are posted one after another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Say {
    /// One message.
    One(Text),
    /// Several messages.
    Several(Vec<Text>),
}

impl Say {
    /// The texts, in order.
    pub fn texts(&self) -> &[Text] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }
}

impl<'de> Deserialize<'de> for Say {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SayVisitor)
    }
}

struct SayVisitor;

impl<'de> Visitor<'de> for SayVisitor {
    type Value = Say;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, texts by language, or a list of either")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Say, E> {
        TextVisitor.visit_str(text).map(Say::One)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Say, A::Error> {
        TextVisitor.visit_map(access).map(Say::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<Say, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(access)).map(Say::Several)
    }
}

/// An answer that the customer may choose instead of writing it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum QuickReply {
    /// What the customer reads is also what the bot takes it for.
    Title(String),
    /// What the customer reads, and what the bot takes it for.
    Choice(Choice),
}

/// A quick reply that has a title in several languages, or means something else than its title.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// What the customer reads.
    pub title: Text,
    /// The message that the bot takes it for. The title when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl<'de> Deserialize<'de> for QuickReply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuickReplyVisitor)
    }
}

struct QuickReplyVisitor;

impl<'de> Visitor<'de> for QuickReplyVisitor {
    type Value = QuickReply;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or an object with `title` and `text`")
    }

    fn visit_str<E: Error>(self, title: &str) -> Result<QuickReply, E> {
        Ok(QuickReply::Title(title.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<QuickReply, A::Error> {
        Choice::deserialize(MapAccessDeserializer::new(access)).map(QuickReply::Choice)
    }
}

impl QuickReply {
    /// The message that the bot takes it for, if it is not the title.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Title(_) => None,
            Self::Choice(choice) => choice.text.as_deref(),
        }
    }
}
