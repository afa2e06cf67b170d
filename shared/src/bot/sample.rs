//! Runs the exchanges of a sample file, to try out a document and to test it. Nothing leaves this machine.

use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::Bot;
use super::chat::Chat;
use super::run::{Step, fallback};
use crate::clock::Timestamp;
use crate::conversation::{CallPlan, Contact, HandOverReason, TurnAction, TurnResult};
use crate::field::expected;
use crate::flow::sample::{MAX_FETCHES, result as fetched};
pub use crate::flow::sample::{SampleFetch, SampleResponse};
use crate::flow::source::Source;
use crate::flow::{FetchResults, Issue};

/// When a sample begins if it does not say so: 2026-01-05T12:00:00Z, a Monday.
const DEFAULT_NOW: Timestamp = Timestamp::from_millis(1_767_614_400_000);
/// Maximum number of exchanges of a sample.
pub const MAX_EXCHANGES: usize = 200;
/// Seconds between two exchanges if the sample does not say so.
const DEFAULT_SECONDS: u32 = 10;

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
    /// What the customer writes and what is expected, in order. At most [`MAX_EXCHANGES`].
    #[serde(deserialize_with = "exchanges")]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
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
    pub hand_over: Option<HandOverReason>,
    /// The call that began, with the hand-over or without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<CallPlan>,
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

fn exchanges<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Exchange>, D::Error> {
    let exchanges = Vec::<Exchange>::deserialize(deserializer)?;
    if exchanges.len() > MAX_EXCHANGES {
        return Err(D::Error::custom(format_args!(
            "has more than {MAX_EXCHANGES} exchanges"
        )));
    }
    Ok(exchanges)
}

impl Sample {
    /// Parses YAML or JSON.
    ///
    /// # Errors
    /// What is wrong with it, with its line.
    pub fn read(text: &str) -> Result<Self, Vec<Issue>> {
        let source = Source::parse(text).map_err(|issue| vec![issue])?;
        serde_path_to_error::deserialize(&source.value).map_err(|error| {
            let path = error.path().to_string();
            let path = if path == "." { String::new() } else { path };
            let message = error.into_inner().to_string();
            let is_known = message.starts_with("unknown field") || message.starts_with("missing field");
            let detail = if is_known { message } else { expected(&message) };
            let issue = Issue::new(path, detail);
            vec![source.locate(issue)]
        })
    }
}

impl Messages {
    /// The messages, oldest first.
    pub fn texts(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }
}

/// Runs the exchanges of a sample.
pub fn run(bot: &Bot, sample: &Sample) -> Vec<ExchangeResult> {
    let mut now = sample.now.unwrap_or(DEFAULT_NOW);
    let Some(mut chat) = Chat::new(sample.contact.contact(), now) else {
        return Vec::new();
    };
    let exchanges = sample.exchanges.iter();
    exchanges
        .map(|exchange| {
            now = now.plus_seconds(exchange.after_seconds.unwrap_or(DEFAULT_SECONDS));
            let mut result = run_exchange(bot, sample, exchange, &mut chat, now);
            result.failures = exchange.expect.failures(&result);
            result
        })
        .collect()
}

fn run_exchange(bot: &Bot, sample: &Sample, exchange: &Exchange, chat: &mut Chat, now: Timestamp) -> ExchangeResult {
    let said = exchange.say.texts().to_vec();
    let mut is_answered = false;
    for text in &said {
        is_answered = chat.write(bot, text, 0, now);
    }
    if exchange.attachments > 0 || said.is_empty() {
        is_answered = chat.write(bot, "", exchange.attachments, now);
    }
    let mut result = ExchangeResult {
        said,
        ..ExchangeResult::default()
    };
    if !is_answered {
        return result;
    }
    let mut results = FetchResults::new();
    let turn = loop {
        match chat.advance(bot, now, &results) {
            Step::Done(turn) => break turn,
            Step::Fetch(_) if results.len() >= MAX_FETCHES => {
                break Box::new(fallback(
                    Some(bot),
                    &chat.context(now),
                    "too many requests to back ends",
                ));
            }
            Step::Fetch(fetch) => {
                let response = exchange
                    .fetch
                    .get(&fetch.name)
                    .or_else(|| sample.fetch.get(&fetch.name));
                let response = fetched(response);
                result.fetches.push(SampleFetch::new(&fetch, &response));
                results.insert(fetch.path, response);
            }
        }
    };
    chat.apply(&turn, now);
    let TurnResult { posts, action, .. } = *turn;
    result.posts = posts;
    result.answered_by = Some(turn.answered_by);
    result.error = turn.error;
    match action {
        TurnAction::Continue => {}
        TurnAction::Finish => result.finish = true,
        TurnAction::Call(call) => result.call = Some(call),
        TurnAction::HandOver { reason, plan } => {
            result.posts.push(plan.message);
            result.hand_over = Some(reason);
            result.call = plan.call;
        }
    }
    result
}

impl SampleContact {
    fn contact(&self) -> Contact {
        Contact {
            id: None,
            name: self.name.clone(),
            email: self.email.clone(),
            phone: self.phone.clone(),
            language: self.language.clone(),
        }
    }
}

impl Expectation {
    /// The expectations that a result does not meet.
    fn failures(&self, result: &ExchangeResult) -> Vec<String> {
        let mut failures = Vec::new();
        let posted = result.posts.join("\n");
        for text in &self.contains {
            if !posted.contains(text) {
                failures.push(format!("expected `{text}` in what the bot posts"));
            }
        }
        for text in &self.lacks {
            if posted.contains(text) {
                failures.push(format!("expected no `{text}` in what the bot posts"));
            }
        }
        let call = result.call.as_ref().map_or("none", call_name);
        let answered_by = result.answered_by.as_deref().unwrap_or("none");
        let mut compare = |what: &str, expected: Option<String>, actual: String| {
            if let Some(expected) = expected.filter(|expected| *expected != actual) {
                failures.push(format!("expected {what} {expected}, not {actual}"));
            }
        };
        let text = |flag: Option<bool>| flag.map(|flag| flag.to_string());
        compare(
            "posts",
            self.posts.map(|posts| posts.to_string()),
            result.posts.len().to_string(),
        );
        compare("answered_by", self.answered_by.clone(), answered_by.to_owned());
        compare(
            "hand_over",
            text(self.hand_over),
            result.hand_over.is_some().to_string(),
        );
        compare("finish", text(self.finish), result.finish.to_string());
        compare("call", self.call.clone(), call.to_owned());
        compare(
            "error",
            Some(self.error.to_string()),
            result.error.is_some().to_string(),
        );
        failures
    }
}

/// The name of a call in expectations.
const fn call_name(call: &CallPlan) -> &'static str {
    match call {
        CallPlan::Queue { .. } => "queue",
        CallPlan::Dispatch { .. } => "dispatch",
    }
}
