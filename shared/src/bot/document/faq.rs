//! Questions and answers, as written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reply::{CallKind, HandOverReply};
use super::text::{QuickReply, Say, Text};

/// Frequently asked questions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Faq {
    /// How similar a message must be to a question, from 0.3 to 1. 0.75 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// The questions and their answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<FaqEntry>,
}

/// A question and its answer. The fields from `answer` on are those of a rule's answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FaqEntry {
    /// Name of the entry. Templates see it as `faq.name`.
    pub name: String,
    /// Ways to ask the question, in any language.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<String>,
    /// Groups of words. A message with all words of one of the groups, in any order, is the question.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// What the bot says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Say>,
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
}

/// What the bot does with a message that it does not understand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Unknown {
    /// Asks the customer to say it in other words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// How many similar questions of the FAQ are offered as quick replies, 0 to 5. 3 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestions: Option<u8>,
}

impl FaqEntry {
    /// Whether the entry has no answer of its own.
    pub fn says_nothing(&self) -> bool {
        let bare = Self {
            name: self.name.clone(),
            questions: self.questions.clone(),
            words: self.words.clone(),
            ..Self::default()
        };
        *self == bare
    }
}

impl Faq {
    /// The entry called `name`.
    pub fn entry(&self, name: &str) -> Option<(usize, &FaqEntry)> {
        self.entries.iter().enumerate().find(|(_, entry)| entry.name == name)
    }
}
