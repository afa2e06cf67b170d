//! The bodies of `POST /api/v1/calls` and `PUT /api/v1/calls/{id}`, read as a server and written as a client
//! (CONTRACT.md 3 and 5).

use std::fmt;

use serde_json::{Map, Value, json};

use super::customer::{Customer, LANGUAGE, PERSON, PHONE, texts_json};
use super::fields::{Findings, IgnoredFields, Object, TextRule, mismatch, readable};
use super::status::Word;
use crate::field::FieldError;
use crate::interaction::Channel;
use crate::lenient_json::{self, Selection, UnreadableJson};
use crate::providers::masked::redact;

/// Longest id of an agent, a skill or an interaction, in characters. Ids are opaque: some are UUIDs, some digits.
pub const MAX_ID_CHARS: usize = 128;
/// Longest first message of an agent, in characters, before its variables are filled in.
pub const MAX_INITIAL_MESSAGE_CHARS: usize = 4_000;
/// Longest prompt of an agent, in characters, before its variables are filled in.
pub const MAX_PROMPT_CHARS: usize = 32_000;
/// Longest note, in characters.
pub const MAX_NOTE_CHARS: usize = 4_000;
/// Largest `routingConditions`, in bytes of JSON.
const MAX_ROUTING_BYTES: usize = 4_096;
/// Longest URL, in characters.
const MAX_URL_CHARS: usize = 2_000;
/// How much of an unknown word an error repeats, in characters.
const MAX_WORD_CHARS: usize = 32;

const ID: TextRule = TextRule::identifying(MAX_ID_CHARS, readable);

const CREATE: [&str; 8] = [
    "agentId",
    "agentOverride",
    "channel",
    "skillId",
    "customerOverride",
    "customerName",
    "customerPhone",
    "customerEmail",
];
const AGENT: [&str; 7] = [
    "name",
    "phone",
    "imageURL",
    "language",
    "voiceStability",
    "voiceSpeed",
    "prompt",
];
const PROMPT: [&str; 3] = ["initialMessage", "prompt", "routingConditions"];
const UPDATE: [&str; 3] = ["note", "agentId", "status"];

/// Why a request cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// The body is not JSON, or JSON that exceeds a limit.
    #[error("the body {0}")]
    Unreadable(#[from] UnreadableJson),
    /// These fields are missing or invalid, the first 50 of them. A message has the type of what was found, never its
    /// value, except for an unknown word.
    #[error("{} fields are invalid", .0.len())]
    Fields(Vec<FieldError>),
}

/// A request to create an interaction.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateRequest {
    /// Id of the agent.
    pub agent_id: String,
    /// The channel.
    pub channel: Channel,
    /// Id of the skill.
    pub skill_id: String,
    /// `customerOverride`: the customer, for this interaction only.
    pub customer_override: Customer,
    /// `customerName`, `customerPhone` and `customerEmail`: the customer to create.
    pub given_customer: Customer,
    /// `agentOverride`: settings of the agent, for this interaction only.
    pub agent_override: AgentOverride,
}

/// Settings of an agent, for one interaction.
///
/// `Debug` shows nothing of it: the texts may be about a person.
#[derive(Clone, Default, PartialEq)]
pub struct AgentOverride {
    /// Its name, as customers read or hear it.
    pub name: Option<String>,
    /// The number from which it calls and writes: `+` and 7 to 15 digits.
    pub phone: Option<String>,
    /// URL of its picture. Not checked.
    pub image_url: Option<String>,
    /// Its language, such as `en-US`.
    pub language: Option<String>,
    /// Stability of its voice. The range is not documented.
    pub voice_stability: Option<f64>,
    /// Speed of its voice. The range is not documented.
    pub voice_speed: Option<f64>,
    /// What it says first; a template.
    pub initial_message: Option<String>,
    /// What it is to do; a template.
    pub prompt: Option<String>,
    /// A free object.
    pub routing_conditions: Option<Map<String, Value>>,
}

impl fmt::Debug for AgentOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentOverride").finish_non_exhaustive()
    }
}

impl CreateRequest {
    /// Reads the body of a request, and lists the fields that have no effect because nobody knows them.
    ///
    /// # Errors
    /// All invalid fields at once.
    pub fn parse(body: &[u8]) -> Result<(Self, IgnoredFields), BadRequest> {
        Self::parse_with(body, &[])
    }

    /// As [`Self::parse`]; somebody else reads the fields in `others`.
    ///
    /// # Errors
    /// As there.
    pub fn parse_with(body: &[u8], others: &[&str]) -> Result<(Self, IgnoredFields), BadRequest> {
        let body = lenient_json::select(body, Selection::All)?;
        let mut findings = Findings::default();
        let request = Self::read(&body, others, &mut findings);
        findings.finish(request).map_err(BadRequest::Fields)
    }

    fn read(body: &Value, others: &[&str], findings: &mut Findings) -> Option<Self> {
        let known = [&CREATE, others].concat();
        let body = Object::read(body, "", &known, findings)?;
        let agent_id = body.required_text("agentId", ID, findings);
        let channel = read_channel(&body, findings);
        let skill_id = body.required_text("skillId", ID, findings);
        let given_customer = Customer::read_given(&body, findings);
        let has_given = body.has("customerPhone") || body.has("customerEmail");
        if body.value("customerOverride").is_none() && !has_given {
            findings.error(
                "customerOverride",
                "is missing: expected an object, or customerPhone or customerEmail instead of it",
            );
        }
        let customer_override = Customer::read_override(&body, findings);
        let agent_override = AgentOverride::read(&body, findings);
        Some(Self {
            agent_id: agent_id?,
            channel: channel?,
            skill_id: skill_id?,
            customer_override,
            given_customer,
            agent_override,
        })
    }

    /// The customer of the interaction: override over `customer*` over `stored`.
    pub fn customer(&self, stored: Customer) -> Customer {
        let requested = self.customer_override.clone().merge(self.given_customer.clone());
        requested.merge(stored)
    }

    /// The body of the request. It always has the four fields that are required or may be.
    pub fn to_json(&self) -> Value {
        let given = &self.given_customer;
        let mut body = texts_json([
            ("customerName", &given.name),
            ("customerPhone", &given.phone),
            ("customerEmail", &given.email),
        ]);
        body.insert("agentId".to_owned(), json!(self.agent_id));
        body.insert("channel".to_owned(), json!(self.channel));
        body.insert("skillId".to_owned(), json!(self.skill_id));
        body.insert("customerOverride".to_owned(), self.customer_override.override_json());
        let agent = self.agent_override.to_json();
        if !agent.is_empty() {
            body.insert("agentOverride".to_owned(), Value::Object(agent));
        }
        Value::Object(body)
    }
}

impl AgentOverride {
    fn read(body: &Object<'_>, findings: &mut Findings) -> Self {
        let Some(agent) = body.object("agentOverride", &AGENT, findings) else {
            return Self::default();
        };
        let mut read = Self {
            name: agent.text("name", PERSON, findings),
            phone: agent.text("phone", PHONE, findings),
            image_url: agent.text("imageURL", TextRule::line(MAX_URL_CHARS), findings),
            language: agent.text("language", LANGUAGE, findings),
            voice_stability: agent.number("voiceStability", findings),
            voice_speed: agent.number("voiceSpeed", findings),
            ..Self::default()
        };
        if let Some(prompt) = agent.object("prompt", &PROMPT, findings) {
            let initial_message = TextRule::prose(MAX_INITIAL_MESSAGE_CHARS);
            read.initial_message = prompt.text("initialMessage", initial_message, findings);
            read.prompt = prompt.text("prompt", TextRule::prose(MAX_PROMPT_CHARS), findings);
            read.routing_conditions = read_routing_conditions(&prompt, findings);
        }
        read
    }

    fn to_json(&self) -> Map<String, Value> {
        let mut agent = texts_json([
            ("name", &self.name),
            ("phone", &self.phone),
            ("imageURL", &self.image_url),
            ("language", &self.language),
        ]);
        let numbers = [
            ("voiceStability", self.voice_stability),
            ("voiceSpeed", self.voice_speed),
        ];
        for (name, number) in numbers {
            agent.extend(number.map(|number| (name.to_owned(), json!(number))));
        }
        let mut prompt = texts_json([("initialMessage", &self.initial_message), ("prompt", &self.prompt)]);
        if let Some(conditions) = &self.routing_conditions {
            prompt.insert("routingConditions".to_owned(), json!(conditions));
        }
        if !prompt.is_empty() {
            agent.insert("prompt".to_owned(), Value::Object(prompt));
        }
        agent
    }
}

fn read_channel(body: &Object<'_>, findings: &mut Findings) -> Option<Channel> {
    match body.value("channel") {
        None => findings.error("channel", "is missing"),
        Some(Value::String(name)) => {
            let channel = Channel::named(name);
            if channel.is_none() {
                findings.error("channel", unknown_word(CHANNELS, name));
            }
            return channel;
        }
        Some(other) => findings.error("channel", mismatch(CHANNELS, other)),
    }
    None
}

fn read_routing_conditions(prompt: &Object<'_>, findings: &mut Findings) -> Option<Map<String, Value>> {
    let path = || prompt.path_of("routingConditions");
    match prompt.value("routingConditions")? {
        // Its own fields are free, so none of them is unknown.
        Value::Object(conditions) => {
            if json!(conditions).to_string().len() <= MAX_ROUTING_BYTES {
                return Some(conditions.clone());
            }
            findings.error(path(), format!("must have at most {MAX_ROUTING_BYTES} bytes"));
        }
        other => findings.error(path(), mismatch("an object", other)),
    }
    None
}

/// What is expected of a channel.
pub(super) const CHANNELS: &str = "one of call, sms, whatsapp, email and webchat";

/// The error for an unknown word, which is repeated without what may be a phone number or a secret.
pub(super) fn unknown_word(expected: &str, found: &str) -> String {
    let found: String = redact(found).chars().take(MAX_WORD_CHARS).collect();
    format!("expected {expected}, found \"{found}\"")
}

/// What is expected of a status.
pub(super) fn statuses() -> String {
    let words: Vec<&str> = Word::all().map(Word::as_str).collect();
    format!("one of {}", words.join(", "))
}

/// A request to change an interaction. At least one field is present.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct UpdateRequest {
    /// The new note. An empty one clears it.
    pub note: Option<String>,
    /// Id of the new agent.
    pub agent_id: Option<String>,
    /// The new status. Most words cannot be set: [`Word::state`] tells what each one asks for.
    pub status: Option<Word>,
}

impl fmt::Debug for UpdateRequest {
    /// Without the note, which may be about a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateRequest")
            .field("agent_id", &self.agent_id)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl UpdateRequest {
    /// Reads the body of a request, and lists the fields that have no effect because nobody knows them. The note may be
    /// missing although Elemente seems to require it (CONTRACT.md 5.3).
    ///
    /// # Errors
    /// All invalid fields at once.
    pub fn parse(body: &[u8]) -> Result<(Self, IgnoredFields), BadRequest> {
        let body = lenient_json::select(body, Selection::All)?;
        let mut findings = Findings::default();
        let request = Self::read(&body, &mut findings);
        findings.finish(request).map_err(BadRequest::Fields)
    }

    fn read(body: &Value, findings: &mut Findings) -> Option<Self> {
        let body = Object::read(body, "", &UPDATE, findings)?;
        if UPDATE.iter().all(|name| body.value(name).is_none()) {
            findings.error("(body)", "must have at least one of note, agentId and status");
        }
        let note = TextRule::prose(MAX_NOTE_CHARS);
        Some(Self {
            note: body.blank_or_text("note", note, findings),
            agent_id: body
                .value("agentId")
                .and_then(|_| body.required_text("agentId", ID, findings)),
            status: read_status(&body, findings),
        })
    }
}

fn read_status(body: &Object<'_>, findings: &mut Findings) -> Option<Word> {
    match body.value("status")? {
        Value::String(text) => {
            let word = Word::parse(text);
            if word.is_none() {
                findings.error("status", unknown_word(&statuses(), text));
            }
            word
        }
        other => {
            findings.error("status", mismatch(&statuses(), other));
            None
        }
    }
}

#[cfg(test)]
mod tests;
