//! The object that every operation answers with, `SanitisedFeedback` (CONTRACT.md 4): written as a server, read as a
//! client.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::request::MAX_ID_CHARS;
use super::status::Word;
use crate::clock::Timestamp;
use crate::interaction::State;
use crate::providers::lenient::Fields;

/// Most messages that are read of one answer; the newest are kept.
pub const MAX_MESSAGES: usize = 200;

/// An interaction, as Elemente answers. A text that is not known is empty.
///
/// It is serialized with every documented field, so that a client may rely on each. `Debug` shows no personal data.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Feedback {
    /// Id of the interaction.
    pub id: String,
    /// Status: one of [`Word`], but Elemente's answer may have any text. See [`Feedback::state`].
    pub status: String,
    /// Phone number of the agent.
    pub agent_phone: String,
    /// E-mail address of the agent. In Elemente's example it is a phone number.
    pub agent_email: String,
    /// Phone number of the customer.
    pub customer_phone: String,
    /// E-mail address of the customer. In Elemente's example it is a phone number.
    pub customer_email: String,
    /// Id of the agent.
    pub agent_id: String,
    /// Id of the customer, which the server made.
    pub customer_id: String,
    /// Id of the skill.
    pub skill_id: String,
    /// Name of the customer.
    pub customer_name: String,
    /// What was said, in one text.
    pub transcription: String,
    /// URL of the recording.
    pub recording_url: String,
    /// Messages of the conversation, the oldest first.
    pub messages: Vec<FeedbackMessage>,
    /// Duration of the session in seconds, for chats too. It is a string on the wire.
    #[serde(serialize_with = "as_text")]
    pub duration: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn as_text<S: Serializer>(seconds: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(seconds)
}

impl fmt::Debug for Feedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feedback")
            .field("id", &self.id)
            .field("status", &self.status)
            .field("agent_id", &self.agent_id)
            .field("skill_id", &self.skill_id)
            .field("messages", &self.messages.len())
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}

/// A message of a conversation.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedbackMessage {
    /// Id of the message at the provider; its form is not documented.
    pub sid: String,
    /// When it was sent, as RFC 3339 in UTC.
    pub timestamp: String,
    /// Who wrote it. Only `agent` is documented, by example.
    pub sender: String,
    /// What was written.
    pub content: String,
    /// URL of an attachment.
    pub media_url: String,
    /// Status of its delivery. Only `delivered` is documented, by example.
    pub status: String,
}

impl FeedbackMessage {
    /// When it was sent, if its timestamp can be read.
    pub fn sent_at(&self) -> Option<Timestamp> {
        Timestamp::parse(&self.timestamp)
    }
}

impl fmt::Debug for FeedbackMessage {
    /// Without the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedbackMessage")
            .field("sid", &self.sid)
            .field("timestamp", &self.timestamp)
            .field("sender", &self.sender)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Feedback {
    /// Our state for the status; `None` for a word that nobody knows. Such an interaction may still be going on.
    pub fn state(&self) -> Option<State> {
        Word::parse(self.status.trim()).map(Word::state)
    }

    /// Reads an answer leniently. Every field but the id may be missing, null or empty, ids need not be UUIDs, and the
    /// duration may be a number. `None` without a usable id.
    pub fn from_value(value: &Value) -> Option<Self> {
        let fields = Fields::from_value(value.clone())?;
        let text = |name: &str| fields.text(name).unwrap_or_default();
        Some(Self {
            id: fields.text("id").filter(|id| is_id(id))?,
            status: text("status"),
            agent_phone: text("agentPhone"),
            agent_email: text("agentEmail"),
            customer_phone: text("customerPhone"),
            customer_email: text("customerEmail"),
            agent_id: text("agentId"),
            customer_id: text("customerId"),
            skill_id: text("skillId"),
            customer_name: text("customerName"),
            transcription: text("transcription"),
            recording_url: text("recordingUrl"),
            messages: fields.value("messages").map(read_messages).unwrap_or_default(),
            duration: fields
                .integer("duration")
                .map_or(0, |seconds| u32::try_from(seconds).unwrap_or(u32::MAX)),
        })
    }

    /// Reads the answer to a list: an array, as one expects, or one object, as documented. Entries without a usable id
    /// are left out. `None` if the answer is neither.
    pub fn list_from_value(value: &Value) -> Option<Vec<Self>> {
        match value {
            Value::Array(entries) => Some(entries.iter().filter_map(Self::from_value).collect()),
            // An empty list may be written as an empty object by a server that writes one entry as an object.
            Value::Object(fields) if fields.is_empty() => Some(Vec::new()),
            object => Self::from_value(object).map(|only| vec![only]),
        }
    }
}

fn is_id(id: &str) -> bool {
    !id.trim().is_empty() && id.chars().count() <= MAX_ID_CHARS && !id.chars().any(char::is_control)
}

/// The messages in an array, or one message that is not in an array.
fn read_messages(value: &Value) -> Vec<FeedbackMessage> {
    let entries = match value {
        Value::Array(entries) => entries.as_slice(),
        object @ Value::Object(_) => std::slice::from_ref(object),
        _ => &[],
    };
    let surplus = entries.len().saturating_sub(MAX_MESSAGES);
    let newest = entries.iter().skip(surplus);
    newest.filter_map(read_message).collect()
}

fn read_message(value: &Value) -> Option<FeedbackMessage> {
    let fields = Fields::from_value(value.clone())?;
    let text = |name: &str| fields.text(name).unwrap_or_default();
    Some(FeedbackMessage {
        sid: text("sid"),
        timestamp: text("timestamp"),
        sender: text("sender"),
        content: text("content"),
        media_url: text("mediaUrl"),
        status: text("status"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::interaction::{Channel, EndReason};

    fn fresh() -> Feedback {
        Feedback {
            id: "int_1".to_owned(),
            status: Word::of(State::Scheduled, Channel::Call).to_string(),
            agent_phone: "+12025550100".to_owned(),
            agent_email: "leo@example.org".to_owned(),
            customer_phone: "+12025550143".to_owned(),
            customer_email: "ana@example.org".to_owned(),
            agent_id: "agent-1".to_owned(),
            customer_id: "customer-1".to_owned(),
            skill_id: "skill-1".to_owned(),
            customer_name: "Ana Ruiz".to_owned(),
            ..Feedback::default()
        }
    }

    fn fresh_json() -> Value {
        json!({
            "id": "int_1", "status": "queued",
            "agentPhone": "+12025550100", "agentEmail": "leo@example.org",
            "customerPhone": "+12025550143", "customerEmail": "ana@example.org",
            "agentId": "agent-1", "customerId": "customer-1", "skillId": "skill-1",
            "customerName": "Ana Ruiz",
            "transcription": "", "recordingUrl": "", "messages": [], "duration": "0",
        })
    }

    fn finished() -> Feedback {
        Feedback {
            status: Word::of(State::ended(EndReason::Completed), Channel::Call).to_string(),
            transcription: "Hi Ana".to_owned(),
            recording_url: "https://media.example.org/r.wav".to_owned(),
            messages: vec![FeedbackMessage {
                sid: "SM1".to_owned(),
                timestamp: "2026-11-30T09:00:00.000Z".to_owned(),
                sender: "agent".to_owned(),
                content: "Hi Ana".to_owned(),
                media_url: String::new(),
                status: "delivered".to_owned(),
            }],
            duration: 42,
            ..fresh()
        }
    }

    fn finished_json() -> Value {
        let mut json = fresh_json();
        json["status"] = json!("completed");
        json["transcription"] = json!("Hi Ana");
        json["recordingUrl"] = json!("https://media.example.org/r.wav");
        json["messages"] = json!([{
            "sid": "SM1", "timestamp": "2026-11-30T09:00:00.000Z", "sender": "agent", "content": "Hi Ana",
            "mediaUrl": "", "status": "delivered",
        }]);
        json["duration"] = json!("42");
        json
    }

    #[test]
    fn fresh_and_finished_interactions_have_every_documented_field() {
        assert_eq!(serde_json::to_value(fresh()).expect("JSON"), fresh_json());
        assert_eq!(serde_json::to_value(finished()).expect("JSON"), finished_json());
    }

    #[test]
    fn own_answer_is_read_as_it_was() {
        assert!(Feedback::from_value(&fresh_json()) == Some(fresh()));
        assert!(Feedback::from_value(&finished_json()) == Some(finished()));
        assert_eq!(
            finished().messages[0].sent_at(),
            Timestamp::parse("2026-11-30T09:00:00Z")
        );
    }

    #[test]
    fn fields_may_be_absent_null_or_of_another_type() {
        let bare = Feedback::from_value(&json!({ "id": 4711 })).expect("an id");
        assert_eq!((bare.id.as_str(), bare.duration, bare.state()), ("4711", 0, None));
        let odd = json!({
            "id": "x", "status": null, "customerPhone": 12, "customerEmail": "+12025550143", "agentId": 7,
            "transcription": ["Hi"], "messages": null, "duration": null, "new": { "field": 1 },
        });
        let odd = Feedback::from_value(&odd).expect("an id");
        assert_eq!((odd.agent_id.as_str(), odd.customer_phone.as_str()), ("7", "12"));
        assert_eq!(
            (odd.customer_email.as_str(), odd.transcription.as_str()),
            ("+12025550143", "")
        );
        for messages in [json!("none"), json!([null, 1, "x"]), json!({})] {
            let read = Feedback::from_value(&json!({ "id": "x", "messages": messages })).expect("an id");
            assert!(
                read.messages
                    .iter()
                    .all(|message| *message == FeedbackMessage::default())
            );
        }
    }

    #[test]
    fn duration_is_read_as_text_and_as_number() {
        for (duration, seconds) in [
            (json!("42"), 42),
            (json!(42), 42),
            (json!("42.9"), 42),
            (json!(" 42 "), 42),
            (json!(""), 0),
            (json!("00:42"), 0),
            (json!(-3), 0),
            (json!(1e300), u32::MAX),
        ] {
            let read = Feedback::from_value(&json!({ "id": "x", "duration": duration }));
            assert_eq!(read.map(|read| read.duration), Some(seconds), "{duration}");
        }
    }

    #[test]
    fn answer_without_a_usable_id_is_none() {
        for value in [
            json!(null),
            json!([]),
            json!({}),
            json!({ "id": "" }),
            json!({ "id": " " }),
            json!({ "id": null }),
            json!({ "id": {} }),
            json!({ "id": "a\nb" }),
            json!({ "id": "x".repeat(MAX_ID_CHARS + 1) }),
        ] {
            assert_eq!(Feedback::from_value(&value), None, "{value}");
        }
    }

    #[test]
    fn list_is_an_array_or_one_object() {
        let ids = |value: &Value| {
            let list = Feedback::list_from_value(value)?;
            Some(list.into_iter().map(|entry| entry.id).collect::<Vec<_>>())
        };
        let two = json!([{ "id": "a" }, { "no": "id" }, null, { "id": "b" }]);
        assert_eq!(ids(&two), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(ids(&json!({ "id": "a" })), Some(vec!["a".to_owned()]));
        assert_eq!((ids(&json!([])), ids(&json!({}))), (Some(vec![]), Some(vec![])));
        assert_eq!((ids(&json!("a")), ids(&json!({ "message": "x" }))), (None, None));
    }

    #[test]
    fn state_follows_the_word_and_an_unknown_word_has_none() {
        let state = |status: &str| {
            let feedback = Feedback {
                status: status.to_owned(),
                ..Feedback::default()
            };
            feedback.state()
        };
        assert_eq!(state("no-answer"), Some(State::ended(EndReason::NoAnswer)));
        assert_eq!(state(" in-progress "), Some(State::Sent));
        assert_eq!((state("hibernating"), state("")), (None, None));
    }

    #[test]
    fn newest_messages_are_kept() {
        let all: Vec<Value> = (0..MAX_MESSAGES + 5).map(|n| json!({ "sid": n.to_string() })).collect();
        let read = Feedback::from_value(&json!({ "id": "x", "messages": all })).expect("an id");
        assert_eq!(
            (read.messages.len(), read.messages[0].sid.as_str()),
            (MAX_MESSAGES, "5")
        );
    }

    #[test]
    fn debug_shows_no_personal_data() {
        let debug = format!("{:?} {:?}", finished(), finished().messages);
        for private in ["Ana", "555", "example.org"] {
            assert!(!debug.contains(private), "{debug}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(text in "[{}\\[\\]\",:a-c0-9e. -]{0,60}") {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                let _ = (Feedback::from_value(&value), Feedback::list_from_value(&value));
            }
        }
    }
}
