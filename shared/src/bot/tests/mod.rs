//! Tests of bots: a conversation in each of them, and what the bot does.

mod commands;
mod cost;
mod documents;
mod examples;
mod faq;
mod forms;
mod hand_over;
mod hostile;
mod matcher;
mod rules;
mod samples;
mod sessions;

use super::chat::Chat;
use super::run::Step;
use super::{Bot, advance};
use crate::clock::Timestamp;
use crate::conversation::{CallPlan, Contact, HandOverPlan, HandOverReason, TurnAction, TurnResult};
use crate::flow::{FetchResult, FetchResults};
use serde_json::Value;

/// A Monday at noon in UTC.
const NOON: Timestamp = Timestamp::from_millis(1_767_614_400_000);

/// The bot of a document without issues.
#[track_caller]
fn bot(document: &str) -> Bot {
    match Bot::read(document) {
        Ok(bot) => bot,
        Err(issues) => panic!("{:#?}", issues.iter().map(ToString::to_string).collect::<Vec<_>>()),
    }
}

/// The issues of a document.
fn issues(document: &str) -> Vec<String> {
    match Bot::read(document) {
        Ok(_) => Vec::new(),
        Err(issues) => issues.iter().map(ToString::to_string).collect(),
    }
}

/// A conversation with a bot.
struct Talk {
    bot: Bot,
    chat: Chat,
    now: Timestamp,
    /// What back ends answer, by name of the request.
    responses: Vec<(&'static str, u16, Value)>,
}

impl Talk {
    #[track_caller]
    fn with(document: &str) -> Self {
        Self::of(document, Contact::default())
    }

    #[track_caller]
    fn of(document: &str, contact: Contact) -> Self {
        Self {
            bot: bot(document),
            chat: Chat::new(contact, NOON).expect("a conversation"),
            now: NOON,
            responses: Vec::new(),
        }
    }

    fn after(&mut self, seconds: u32) -> &mut Self {
        self.now = self.now.plus_seconds(seconds);
        self
    }

    /// The customer writes a message, and the bot answers 15 seconds later.
    #[track_caller]
    fn say(&mut self, text: &str) -> TurnResult {
        self.say_all(&[text])
    }

    /// The customer writes several messages in one go.
    #[track_caller]
    fn say_all(&mut self, texts: &[&str]) -> TurnResult {
        self.after(15);
        for text in texts {
            let is_only_attachment = text.is_empty();
            assert!(
                self.chat.write(&self.bot, text, is_only_attachment.into(), self.now),
                "not with the bot"
            );
        }
        self.turn()
    }

    /// Runs the turn for what the customer has written.
    fn turn(&mut self) -> TurnResult {
        let mut results = FetchResults::new();
        loop {
            match advance(&self.bot, &self.chat.context(self.now), &results) {
                Step::Done(result) => {
                    self.chat.apply(&result, self.now);
                    return *result;
                }
                Step::Fetch(request) => {
                    let response = self.responses.iter().find(|(name, ..)| *name == request.name);
                    let (_, status, json) = response.unwrap_or_else(|| panic!("unexpected {request:?}"));
                    let result = FetchResult::from_response(*status, Some(json.clone()), None);
                    assert_eq!(results.insert(request.path, result), None);
                }
            }
        }
    }

    /// What the bot says to a message: all its posts.
    #[track_caller]
    fn answer(&mut self, text: &str) -> String {
        let result = self.say(text);
        assert_eq!(result.error, None);
        result.posts.join("\n---\n")
    }
}

/// Where the answer comes from.
fn by(result: &TurnResult) -> &str {
    &result.answered_by
}

/// The hand-over of a turn.
#[track_caller]
fn hand_over(result: &TurnResult) -> (HandOverReason, &HandOverPlan) {
    match &result.action {
        TurnAction::HandOver { reason, plan } => (*reason, plan),
        other => panic!("{other:?} {:?}", result.posts),
    }
}

/// The call of a turn.
#[track_caller]
fn call(result: &TurnResult) -> &CallPlan {
    match &result.action {
        TurnAction::Call(plan) => plan,
        other => panic!("{other:?} {:?}", result.posts),
    }
}

fn contact(language: &str) -> Contact {
    Contact {
        language: Some(language.to_owned()),
        ..Contact::default()
    }
}

/// The schema of bot documents is generated from the types. To regenerate it: `PATCHBAY_RENEW=1 cargo test --workspace
/// --lib schema`.
#[cfg(feature = "schema")]
#[test]
fn published_schema_matches_the_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bot/bot-document.schema.json");
    let generated = format!("{:#}\n", schemars::schema_for!(super::Document).to_value());
    if std::env::var_os("PATCHBAY_RENEW").is_some() {
        std::fs::write(path, &generated).expect("the schema is written");
    }
    let published = std::fs::read_to_string(path).expect("the schema");
    assert_eq!(published, generated, "see the comment above this test");
}
