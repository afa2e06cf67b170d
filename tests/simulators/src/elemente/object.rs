//! The interactions of the simulated Elemente, and the object that it answers with.

use patchbay::clock::Timestamp;
use serde_json::{Map, Value, json};

use super::Script;
use super::switches::{DurationForm, FreshWord, IdForm, Switches, UnknownTexts};

/// An interaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Interaction {
    /// Its id, as text.
    pub id: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// The channel.
    pub channel: String,
    /// The agent.
    pub agent_id: String,
    /// The skill.
    pub skill_id: String,
    /// The number from which the agent calls; empty if it is the agent's own.
    pub agent_phone: String,
    /// The customer, which this server made or found.
    pub customer_id: String,
    /// The customer's name.
    pub customer_name: String,
    /// The customer's number.
    pub customer_phone: String,
    /// The customer's address.
    pub customer_email: String,
    /// What the agent says first, with its variables filled in.
    pub initial_message: String,
    /// What the agent is to do, with its variables filled in.
    pub prompt: String,
    /// The note.
    pub note: String,
    /// The status that an update set. It ends the script.
    pub set_status: Option<String>,
    /// How it goes on.
    pub script: Script,
    /// Its messages.
    pub messages: Vec<Message>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub sid: String,
    /// When it was sent.
    pub at: Timestamp,
    /// Who wrote it.
    pub sender: String,
    /// What was written.
    pub content: String,
}

impl Interaction {
    /// The status at a time.
    pub(super) fn status(&self, switches: &Switches, now: Timestamp) -> String {
        if let Some(status) = &self.set_status {
            return status.clone();
        }
        let age = now.since(self.created_at);
        let reached = self.script.words.iter().rev().find(|(after, _)| *after <= age);
        let word = reached.map_or(fresh_word(switches.fresh_word), |(_, word)| word);
        word.to_owned()
    }

    fn is_over(&self, now: Timestamp) -> bool {
        let last = self.script.words.last();
        last.is_some_and(|(after, _)| *after <= now.since(self.created_at))
    }

    /// The object that every operation answers with.
    pub(super) fn object(&self, switches: &Switches, now: Timestamp) -> Value {
        let mut object = Map::new();
        let mut insert = |name: &str, value: Value| object.insert(name.to_owned(), value);
        let is_over = self.is_over(now);
        let once_over = |text: &str| if is_over { text.to_owned() } else { String::new() };
        let (agent_email, customer_email) = if switches.emails_are_numbers {
            (self.agent_phone.clone(), self.customer_phone.clone())
        } else {
            ("agent@example.org".to_owned(), self.customer_email.clone())
        };
        for (name, id) in [
            ("id", &self.id),
            ("agentId", &self.agent_id),
            ("customerId", &self.customer_id),
            ("skillId", &self.skill_id),
        ] {
            insert(name, id_value(id, switches.ids));
        }
        for (name, text) in [
            ("status", self.status(switches, now)),
            ("agentPhone", self.agent_phone.clone()),
            ("agentEmail", agent_email),
            ("customerPhone", self.customer_phone.clone()),
            ("customerEmail", customer_email),
            ("customerName", self.customer_name.clone()),
            ("transcription", once_over(&self.script.transcription)),
            ("recordingUrl", once_over(&self.script.recording_url)),
        ] {
            match switches.unknown_texts {
                UnknownTexts::Null if text.is_empty() => {
                    insert(name, Value::Null);
                }
                UnknownTexts::Absent if text.is_empty() => {}
                _ => {
                    insert(name, json!(text));
                }
            }
        }
        insert("messages", self.messages.iter().map(Message::object).collect());
        let seconds = if is_over { self.script.seconds } else { 0 };
        insert(
            "duration",
            match switches.duration {
                DurationForm::Text => json!(seconds.to_string()),
                DurationForm::Number => json!(seconds),
            },
        );
        if switches.unknown_answer_fields {
            insert("direction", json!({ "is": "outbound" }));
        }
        Value::Object(object)
    }
}

impl Message {
    fn object(&self) -> Value {
        json!({
            "sid": self.sid, "timestamp": self.at.to_string(), "sender": self.sender, "content": self.content,
            "mediaUrl": "", "status": "delivered",
        })
    }
}

const fn fresh_word(word: FreshWord) -> &'static str {
    match word {
        FreshWord::InProgress => "in-progress",
        FreshWord::Queued => "queued",
        FreshWord::Pending => "pending",
        FreshWord::Processing => "processing",
    }
}

/// An id as it is answered. Those of the client, which may be no number, stay texts.
fn id_value(id: &str, form: IdForm) -> Value {
    match form {
        IdForm::Number => id.parse::<u64>().map_or_else(|_| json!(id), |number| json!(number)),
        IdForm::Uuid | IdForm::Digits => json!(id),
    }
}
