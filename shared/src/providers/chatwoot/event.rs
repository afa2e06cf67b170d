//! Reads events (CONTRACT.md 1, 3 and 4).
//!
//! The readers below never fail: what is missing or has an unknown form reads as absent. An event whose conversation,
//! message or direction is absent is irrelevant.

use serde_json::Value;

use crate::conversation::event::MAX_TEXT_CHARS;
use crate::conversation::{
    Author, Contact, Direction, EventKind, PlatformEvent, PlatformId, PlatformMessage, PlatformStatus,
};
use crate::lenient_json::{self, Selection, UnreadableJson};
use crate::providers::chat_answer::as_id;
use crate::providers::lenient::as_text;
use crate::secret::sha256_hex;

/// Longest name of an event in logs, in characters.
const MAX_EVENT_NAME_CHARS: usize = 64;
/// Longest name of a person, in characters. The rest is cut off.
const MAX_NAME_CHARS: usize = 200;
/// Longest e-mail address (RFC 5321), phone number and language tag, in characters. A longer one is ignored, since its
/// beginning would be another.
const MAX_EMAIL_CHARS: usize = 254;
const MAX_PHONE_CHARS: usize = 40;
const MAX_LANGUAGE_CHARS: usize = 35;
/// The kind of a bot, as [`kind`] reads it.
const AGENT_BOT: &str = "agentbot";
/// Digits of the hash that makes the id of a choice out of the id of its message.
const CHOICE_HASH_CHARS: usize = 16;

/// What a platform posted to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceivedEvent {
    /// An event about a conversation.
    Conversation {
        /// The conversation.
        conversation: PlatformId,
        /// The event.
        event: Box<PlatformEvent>,
    },
    /// Anything else. It is acknowledged, and nothing is done.
    Irrelevant {
        /// The platform's name of the event, shortened; empty if it has none.
        name: String,
    },
}

/// Reads an event that a platform posted. Whatever parses as JSON is read: what is missing or has an unknown form makes
/// the event irrelevant.
///
/// # Errors
/// When the body is not JSON, or has more of the fields that we read than any platform sends.
pub fn read_event(body: &[u8]) -> Result<ReceivedEvent, UnreadableJson> {
    let body = lenient_json::select(body, EVENT)?;
    let name = body.get("event").and_then(Value::as_str).unwrap_or_default().trim();
    Ok(match event(name, &body) {
        Some((conversation, event)) => ReceivedEvent::Conversation {
            conversation,
            event: Box::new(event),
        },
        None => ReceivedEvent::Irrelevant { name: loggable(name) },
    })
}

const PERSON: Selection = Selection::Fields(&[
    ("id", Selection::Scalar),
    ("type", Selection::Scalar),
    ("name", Selection::Scalar),
    ("email", Selection::Scalar),
    ("phone_number", Selection::Scalar),
]);
const ID: Selection = Selection::Fields(&[("id", Selection::Scalar)]);
const META: Selection = Selection::Fields(&[
    ("sender", PERSON),
    ("assignee", PERSON),
    ("assignee_type", Selection::Scalar),
]);
const LANGUAGES: Selection = Selection::Fields(&[
    ("conversation_language", Selection::Scalar),
    ("browser_language", Selection::Scalar),
]);
const SUBMITTED: Selection = Selection::Fields(&[("title", Selection::Scalar), ("value", Selection::Scalar)]);
/// The fields that we read. The conversation's `messages` are not among them: the last message that they have need not
/// be the one of the event (CONTRACT.md 3.1).
const EVENT: Selection = Selection::Fields(&[
    ("event", Selection::Scalar),
    ("id", Selection::Scalar),
    ("content", Selection::Scalar),
    ("message_type", Selection::Scalar),
    ("private", Selection::Scalar),
    (
        "content_attributes",
        Selection::Fields(&[
            ("deleted", Selection::Scalar),
            ("external_sender_name", Selection::Scalar),
            ("submitted_values", SUBMITTED),
        ]),
    ),
    ("sender", PERSON),
    ("contact", PERSON),
    ("inbox", ID),
    ("attachments", Selection::Fields(&[])),
    ("conversation", CONVERSATION),
    // The fields of a conversation, at the top of events about one.
    ("status", Selection::Scalar),
    ("inbox_id", Selection::Scalar),
    ("meta", META),
    ("additional_attributes", LANGUAGES),
]);
const CONVERSATION: Selection = Selection::Fields(&[
    ("id", Selection::Scalar),
    ("status", Selection::Scalar),
    ("inbox_id", Selection::Scalar),
    ("meta", META),
    ("additional_attributes", LANGUAGES),
]);

fn event(name: &str, body: &Value) -> Option<(PlatformId, PlatformEvent)> {
    match name {
        "message_created" => message_event(EventKind::Message, body, message(body)?),
        "message_updated" => message_event(EventKind::Choice, body, choice(body)?),
        "conversation_created" => conversation_event(EventKind::Created, body, None),
        "conversation_opened" => conversation_event(EventKind::Updated, body, Some(PlatformStatus::Open)),
        "conversation_resolved" => conversation_event(EventKind::Resolved, body, Some(PlatformStatus::Resolved)),
        // Only the events about a change of the status say when a conversation was resolved. Others may come late.
        "conversation_status_changed" if status(body) == Some(PlatformStatus::Resolved) => {
            conversation_event(EventKind::Resolved, body, None)
        }
        "conversation_status_changed" | "conversation_updated" => conversation_event(EventKind::Updated, body, None),
        _ => None,
    }
}

/// An event about a message, which has its conversation inside.
fn message_event(kind: EventKind, body: &Value, message: PlatformMessage) -> Option<(PlatformId, PlatformEvent)> {
    let conversation = body.get("conversation")?;
    let id = conversation.get("id").and_then(as_id)?;
    let mut contact = contact_of(conversation);
    for person in [body.get("contact"), customer(body)].into_iter().flatten() {
        contact.update(&person_as_contact(person));
    }
    let inbox = body.pointer("/inbox/id").or_else(|| conversation.get("inbox_id"));
    let event = PlatformEvent {
        kind,
        inbox: inbox.and_then(as_id),
        message: Some(message),
        contact,
        status: status(conversation),
        is_human_assigned: is_human_assigned(conversation),
        initial_message: None,
    };
    Some((id, event))
}

/// An event about a conversation, whose fields are at the top.
fn conversation_event(
    kind: EventKind,
    conversation: &Value,
    implied: Option<PlatformStatus>,
) -> Option<(PlatformId, PlatformEvent)> {
    let id = conversation.get("id").and_then(as_id)?;
    let event = PlatformEvent {
        kind,
        inbox: conversation.get("inbox_id").and_then(as_id),
        message: None,
        contact: contact_of(conversation),
        status: status(conversation).or(implied),
        is_human_assigned: is_human_assigned(conversation),
        initial_message: None,
    };
    Some((id, event))
}

fn message(body: &Value) -> Option<PlatformMessage> {
    if is_true(body.pointer("/content_attributes/deleted")) {
        return None;
    }
    let attachments = body.get("attachments").and_then(Value::as_array).map_or(0, Vec::len);
    let text = body.get("content").and_then(as_text).unwrap_or_default();
    Some(PlatformMessage {
        id: body.get("id").and_then(as_id)?,
        direction: direction(body)?,
        private: is_true(body.get("private")),
        text: cut(&text, MAX_TEXT_CHARS),
        attachments: u16::try_from(attachments).unwrap_or(u16::MAX),
        author: author(body),
    })
}

/// The quick replies of an outgoing message that the customer clicked, as if they had written them. The update that
/// tells that the message was read repeats them (CONTRACT.md 1), so the id follows from the choice.
fn choice(body: &Value) -> Option<PlatformMessage> {
    let message = message(body)?;
    if message.direction != Direction::Outgoing || message.private {
        return None;
    }
    let submitted = body.pointer("/content_attributes/submitted_values")?.as_array()?;
    let value = |of: &Value| text(of, "value").or_else(|| text(of, "title"));
    let values: Vec<String> = submitted.iter().filter_map(value).collect();
    let text = cut(&values.join("\n"), MAX_TEXT_CHARS);
    if text.is_empty() {
        return None;
    }
    let hash: String = sha256_hex(text.as_bytes()).chars().take(CHOICE_HASH_CHARS).collect();
    Some(PlatformMessage {
        id: format!("{}-choice-{hash}", message.id).parse().ok()?,
        direction: Direction::Incoming,
        private: false,
        text,
        attachments: 0,
        author: Author::Customer,
    })
}

/// `None` for what the platform notes about a conversation ("activity"), and for an unknown type. The type is a word at
/// the top of an event, and a number elsewhere.
fn direction(body: &Value) -> Option<Direction> {
    match text(body, "message_type")?.to_ascii_lowercase().as_str() {
        "incoming" | "0" => Some(Direction::Incoming),
        "outgoing" | "1" => Some(Direction::Outgoing),
        "template" | "3" => Some(Direction::Template),
        _ => None,
    }
}

/// The kind of a person, in either spelling (`agent_bot`, `AgentBot`); empty if it is not stated.
fn kind(of: &Value, name: &str) -> String {
    let kind = text(of, name).unwrap_or_default();
    let letters = kind.chars().filter(char::is_ascii_alphabetic);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

fn author(body: &Value) -> Author {
    let Some(sender) = body.get("sender").filter(|sender| sender.is_object()) else {
        // A person who answers on a paired phone has no user (CONTRACT.md 3.4).
        let name = body
            .get("content_attributes")
            .and_then(|of| text(of, "external_sender_name"));
        return name.map_or(Author::Unknown, |name| Author::Human(Some(cut(&name, MAX_NAME_CHARS))));
    };
    let is_incoming = direction(body) == Some(Direction::Incoming);
    match kind(sender, "type").as_str() {
        "user" => Author::Human(text(sender, "name").map(|name| cut(&name, MAX_NAME_CHARS))),
        AGENT_BOT => Author::Bot,
        "contact" => Author::Customer,
        // The customer is the only sender that may have no type.
        "" if is_incoming => Author::Customer,
        _ => Author::Unknown,
    }
}

/// The sender of a message if it is the customer: of an incoming message that was posted through the API it is the
/// token's owner (CONTRACT.md 3.4).
fn customer(body: &Value) -> Option<&Value> {
    let is_customer = direction(body) == Some(Direction::Incoming) && author(body) == Author::Customer;
    body.get("sender").filter(|_| is_customer)
}

fn contact_of(conversation: &Value) -> Contact {
    let person = conversation.pointer("/meta/sender").map(person_as_contact);
    let languages = conversation.get("additional_attributes");
    let language = ["conversation_language", "browser_language"]
        .iter()
        .find_map(|name| languages.and_then(|of| text(of, name)).and_then(|tag| language(&tag)));
    Contact {
        language,
        ..person.unwrap_or_default()
    }
}

fn person_as_contact(person: &Value) -> Contact {
    let short = |name: &str, max: usize| text(person, name).filter(|text| text.chars().count() <= max);
    Contact {
        id: person.get("id").and_then(as_id),
        name: text(person, "name").map(|name| cut(&name, MAX_NAME_CHARS)),
        email: short("email", MAX_EMAIL_CHARS),
        phone: short("phone_number", MAX_PHONE_CHARS),
        language: None,
    }
}

/// A language tag as browsers write it; an underscore counts as a hyphen.
fn language(text: &str) -> Option<String> {
    let tag = text.replace('_', "-");
    let is_tag = tag.len() <= MAX_LANGUAGE_CHARS
        && tag.starts_with(|c: char| c.is_ascii_alphabetic())
        && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_tag.then_some(tag)
}

fn status(conversation: &Value) -> Option<PlatformStatus> {
    let word = text(conversation, "status")?.to_ascii_lowercase();
    Some(match word.as_str() {
        "open" => PlatformStatus::Open,
        // The oldest versions write `bot`.
        "pending" | "bot" => PlatformStatus::Pending,
        "resolved" => PlatformStatus::Resolved,
        "snoozed" => PlatformStatus::Snoozed,
        _ => PlatformStatus::Other,
    })
}

/// Whether someone is assigned who is not a bot. Newer versions state the kind of the assignee next to them.
fn is_human_assigned(conversation: &Value) -> bool {
    let Some(meta) = conversation.get("meta") else {
        return false;
    };
    let Some(assignee) = meta.get("assignee") else {
        return false;
    };
    let is_bot = kind(assignee, "type") == AGENT_BOT || kind(meta, "assignee_type") == AGENT_BOT;
    let is_somebody = ["id", "name", "email", "type"]
        .iter()
        .any(|name| text(assignee, name).is_some());
    is_somebody && !is_bot
}

/// A text, or a number as a text, without the space around it; `None` if nothing is left.
fn text(of: &Value, name: &str) -> Option<String> {
    let text = of.get(name).and_then(as_text)?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.trim().eq_ignore_ascii_case("true"),
        _ => false,
    }
}

fn cut(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

/// A name in visible ASCII, shortened.
fn loggable(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_graphic)
        .take(MAX_EVENT_NAME_CHARS)
        .collect()
}

#[cfg(test)]
mod tests;
