//! What the bot remembers of a conversation.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::timestamp::Timestamp;

/// What the bot remembers of the conversation. Begins again after a pause that the document sets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// When the session began; none before the first turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When its last turn ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
    /// Values that the document's rules and forms set.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub variables: Map<String, Value>,
    /// The form that is being filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<FormProgress>,
    /// Messages in a row that the bot did not understand.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub misses: u16,
    /// Turns in a row that failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub errors: u16,
    /// The quick replies that were offered last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<Offer>,
    /// Whether the customer asked the bot to be silent.
    #[serde(default, rename = "stopped", skip_serializing_if = "std::ops::Not::not")]
    pub is_stopped: bool,
    /// Times of the most recent answers, for the rate cap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answered_at: Vec<Timestamp>,
}

/// A form that is being filled in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FormProgress {
    /// Name of the form in the document.
    pub form: String,
    /// Name of the field that was asked; none when the customer is asked to confirm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The values so far, by field.
    #[serde(default)]
    pub values: Map<String, Value>,
    /// Invalid answers in a row to the present question.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub invalid: u16,
}

/// A quick reply that was offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// What the customer reads.
    pub title: String,
    /// What the bot takes it for: as if the customer had written it.
    pub text: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(count: &u16) -> bool {
    *count == 0
}
