//! The variables of templates.

use serde_json::{Map, Value, json};

use super::Bot;
use super::document::Document;
use super::hours::{local_text, local_time};
use super::language::Languages;
use crate::clock::Timestamp;
use crate::conversation::{Contact, Conversation, Session, Speaker};
use crate::flow::Names;
use crate::flow::template::Scope;

/// The tag of the customer's language, else of the document's.
pub(super) const LANGUAGE: &str = "language";
/// The tag of the document's language. No template may use it.
pub(super) const DEFAULT_LANGUAGE: &str = "default_language";
/// Maximum number of lines of the transcript.
const MAX_LINES: usize = 30;

/// The names that every template of a turn may use.
pub(super) fn names(document: &Document) -> Names {
    contact_names()
        .fields("message", ["text", "words", "attachments"], "a message has")
        .fields("session", document.variables.keys(), "the bot's `variables` declare")
        .fields("faq", ["name", "score"], "the best match of the FAQ has")
        .unavailable("form", "`form` is only defined in the texts and rules of a form")
        .value("open")
        .value("transcript")
        .value("history")
        .value("now")
}

/// The names that texts outside a turn may use.
pub(super) fn contact_names() -> Names {
    Names::default()
        .fields("contact", ["name", "email", "phone", "language"], "a contact has")
        .value(LANGUAGE)
}

/// `names` with the reason of a hand-over or a call.
pub(super) fn with_reason(names: Names) -> Names {
    names.value("reason")
}

/// The message that a turn answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageValues<'a> {
    pub(super) text: &'a str,
    pub(super) words: &'a [String],
    pub(super) attachments: usize,
}

/// The variables of texts outside a turn.
pub(super) fn contact_scope(document: &Document, contact: &Contact) -> Scope {
    let languages = Languages::new(Some(document), contact);
    let mut scope = Scope::default();
    scope.set(LANGUAGE, languages.tag());
    scope.set(DEFAULT_LANGUAGE, languages.default);
    scope.set(
        "contact",
        json!({ "name": contact.name, "email": contact.email, "phone": contact.phone, "language": contact.language }),
    );
    scope
}

/// The variables of every template of a turn, before the best match of the FAQ is known.
pub(super) fn turn_scope(
    bot: &Bot,
    conversation: &Conversation,
    session: &Session,
    message: MessageValues<'_>,
    now: Timestamp,
) -> Scope {
    let mut scope = message_scope(bot.document(), &conversation.contact, session, message);
    scope.set("open", is_open(bot, now));
    scope.set("transcript", transcript(conversation));
    scope.set("history", history(conversation, message.text));
    scope.set("now", local_text(&bot.prepared().zone, now));
    scope
}

/// Variables as in a turn, to try out a text for this customer.
pub(super) fn sample_scope(document: &Document, contact: &Contact) -> Scope {
    let words = ["hello".to_owned()];
    let message = MessageValues {
        text: "Hello",
        words: &words,
        attachments: 0,
    };
    let mut scope = message_scope(document, contact, &Session::default(), message);
    scope.set("open", true);
    scope.set("transcript", json!([{ "by": "customer", "text": "Hello" }]));
    scope.set("history", json!([{ "role": "user", "content": "Hello" }]));
    scope.set("now", "2026-01-05T12:00:00+00:00");
    scope.set("reason", "reason");
    scope
}

fn message_scope(document: &Document, contact: &Contact, session: &Session, message: MessageValues<'_>) -> Scope {
    let mut scope = contact_scope(document, contact);
    scope.set(
        "message",
        json!({ "text": message.text, "words": message.words, "attachments": message.attachments }),
    );
    scope.set("session", variables(document, session));
    scope.set("faq", json!({ "name": null, "score": 0 }));
    scope
}

/// The values of all declared variables.
pub(super) fn variables(document: &Document, session: &Session) -> Map<String, Value> {
    let declared = document.variables.iter();
    declared
        .map(|(name, initial)| (name.clone(), session.variables.get(name).unwrap_or(initial).clone()))
        .collect()
}

/// Whether people are there.
pub(super) fn is_open(bot: &Bot, now: Timestamp) -> bool {
    let prepared = bot.prepared();
    let hours = prepared.hours.as_ref();
    hours.is_none_or(|hours| hours.is_open(local_time(&prepared.zone, now)))
}

fn transcript(conversation: &Conversation) -> Vec<Value> {
    let lines = conversation.transcript.iter();
    lines
        .skip(conversation.transcript.len().saturating_sub(MAX_LINES))
        .map(|line| json!({ "by": line.by, "text": line.text }))
        .collect()
}

/// The conversation as messages for a language model, ending with the message to be answered. Successive messages of
/// one side are joined: some models accept no others.
fn history(conversation: &Conversation, text: &str) -> Vec<Value> {
    let unanswered_since = conversation.pending.first().map(|message| message.at);
    let is_unanswered =
        |by: Speaker, at: Timestamp| by == Speaker::Customer && unanswered_since.is_some_and(|since| at >= since);
    let lines = conversation
        .transcript
        .iter()
        .filter(|line| !is_unanswered(line.by, line.at));
    let lines: Vec<(&str, &str)> = lines
        .map(|line| match line.by {
            Speaker::Customer => ("user", line.text.as_str()),
            Speaker::Bot | Speaker::Human => ("assistant", line.text.as_str()),
        })
        .collect();
    let recent = lines.iter().copied().skip(lines.len().saturating_sub(MAX_LINES));
    let mut messages: Vec<(&str, String)> = Vec::new();
    for (role, text) in recent
        .chain([("user", text)])
        .filter(|(_, text)| !text.trim().is_empty())
    {
        match messages.last_mut() {
            Some((last, joined)) if *last == role => {
                joined.push('\n');
                joined.push_str(text);
            }
            _ => messages.push((role, text.to_owned())),
        }
    }
    let messages = messages.into_iter();
    messages
        .map(|(role, content)| json!({ "role": role, "content": content }))
        .collect()
}
