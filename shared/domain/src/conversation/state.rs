//! The state of a conversation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::event::Contact;
use super::session::Session;
use super::step::Step;
use super::timeline::HandOverReason;
use super::turn::HandOverPlan;
use crate::ids::{InvalidId, Nonce, Tenant};
use crate::timestamp::Timestamp;

/// An id that a platform gave to a conversation, a message, an inbox or a contact: 1 to 64 visible ASCII characters
/// except `#`, `/`, `?` and `%`. Platforms use numbers and texts for the same id, so it is always compared as text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlatformId(String);

impl PlatformId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlatformId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PlatformId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PlatformId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let allowed = |b: u8| b.is_ascii_graphic() && !matches!(b, b'#' | b'/' | b'?' | b'%');
        if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
            return Err(InvalidId::PLATFORM_ID);
        }
        Ok(Self(text.to_owned()))
    }
}

impl Serialize for PlatformId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PlatformId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Key of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConversationKey {
    /// The tenant that owns the conversation.
    pub tenant: Tenant,
    /// The platform's id of the conversation.
    pub id: PlatformId,
}

/// Who answers the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// The bot.
    Bot,
    /// Nobody: the bot tells the customer that a person will take over, and hands the conversation to people.
    HandingOff,
    /// Nobody: the conversation is in people's inbox.
    Waiting,
    /// A person.
    Human,
}

impl Holder {
    /// The published name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bot => "bot",
            Self::HandingOff => "handing_off",
            Self::Waiting => "waiting",
            Self::Human => "human",
        }
    }
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its key.
    pub key: ConversationKey,
    /// Number of commits. 0 before the first one.
    pub version: u64,
    /// When its first event was received.
    pub created_at: Timestamp,
    /// When its last event was received, or its last message posted.
    pub updated_at: Timestamp,
    /// The platform's inbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox: Option<PlatformId>,
    /// The customer.
    #[serde(default)]
    pub contact: Contact,
    /// Who answers the customer. Our own record, never the platform's.
    pub holder: Holder,
    /// When that last changed.
    pub holder_since: Timestamp,
    /// The current hand-over, from its decision until the conversation returns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand_over: Option<HandOver>,
    /// The customer's messages that no turn has answered yet, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<CustomerMessage>,
    /// The turn that will answer them, or is answering them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
    /// What remains to be done on the platform, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// The messages that the bot posted most recently: what comes back with one of these ids is ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<SentMessage>,
    /// Ids of messages of others that were handled, most recent last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<PlatformId>,
    /// The text with which our own chat page began the conversation, until the platform reports it. The bot does not
    /// read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_message: Option<String>,
    /// The last sign of the person who holds the conversation. Fences the message that returns it after silence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<Nonce>,
    /// When the conversation returns to the bot unless the person gives another sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gives_back_at: Option<Timestamp>,
    /// When the bot last began to finish the conversation: the platform then reports it as resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// The bot's memory of the conversation.
    #[serde(default)]
    pub session: Session,
    /// The last lines of the conversation, for a summary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transcript: Vec<TranscriptLine>,
}

/// A hand-over in progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HandOver {
    /// Fences the messages of this hand-over.
    pub id: Nonce,
    /// Why the bot handed over.
    pub reason: HandOverReason,
    /// When it was decided.
    pub at: Timestamp,
    /// The plan, as the document had it then.
    pub plan: HandOverPlan,
    /// Dispatches that phone employees until one takes the chat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dispatches: Vec<PlatformId>,
}

/// A message of the customer that has to be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerMessage {
    /// Its id on the platform.
    pub id: PlatformId,
    /// When it was received.
    pub at: Timestamp,
    /// Its text. Empty if it is only an attachment.
    pub text: String,
    /// Number of attachments.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attachments: u16,
}

/// A turn of the bot: one answer to everything that the customer wrote since the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Fences the turn. A newer message of the customer replaces it, and with it the turn.
    pub id: Nonce,
    /// When the customer's first unanswered message was received.
    pub first_at: Timestamp,
    /// When the turn begins: a burst of messages is answered once.
    pub due_at: Timestamp,
    /// While the turn runs: its lease and when that ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Lease>,
}

/// The right to run a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Fences the run.
    pub id: Nonce,
    /// When it ends. Then another function may run the turn again.
    pub until: Timestamp,
    /// How many messages were pending when the run began: it answers none that came later.
    pub messages: usize,
}

/// A message that the bot posted, or may have posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentMessage {
    /// Its id on the platform; none if the platform did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<PlatformId>,
    /// When it was posted.
    pub at: Timestamp,
    /// The beginning of its text.
    pub text: String,
}

/// A line of the transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptLine {
    /// When it was written.
    pub at: Timestamp,
    /// Who wrote it.
    pub by: Speaker,
    /// Its text, shortened.
    pub text: String,
}

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The customer.
    Customer,
    /// The bot.
    Bot,
    /// A person of the team.
    Human,
}

impl Conversation {
    /// A conversation before its first event: with the bot, and not yet stored.
    pub fn new(key: ConversationKey, now: Timestamp) -> Self {
        Self {
            key,
            version: 0,
            created_at: now,
            updated_at: now,
            inbox: None,
            contact: Contact::default(),
            holder: Holder::Bot,
            holder_since: now,
            hand_over: None,
            pending: Vec::new(),
            turn: None,
            steps: Vec::new(),
            sent: Vec::new(),
            seen: Vec::new(),
            initial_message: None,
            silence: None,
            gives_back_at: None,
            finished_at: None,
            session: Session::default(),
            transcript: Vec::new(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(count: &u16) -> bool {
    *count == 0
}
