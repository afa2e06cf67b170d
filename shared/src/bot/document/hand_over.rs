//! Hand-overs to people, and calls, as written.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reply::CallKind;
use super::text::Text;

/// When and how the bot hands over to people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HandOver {
    /// Words with which the customer asks for a person, anywhere in a message. Built-in English and German words when
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Vec<String>>,
    /// Names of FAQ entries that the bot leaves to people: it says the answer, if there is one, and hands over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    /// Hands over at this number of messages in a row that the bot did not understand, 1 to 10. 2 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_misses: Option<u16>,
    /// Whether the bot hands over at its second error in a row. True when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<bool>,
    /// The message to the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    /// What happens outside the hours. Without it the conversation is handed over at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside_hours: Option<OutsideHours>,
    /// A call that begins together with the hand-over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallKind>,
    /// The message when a person has joined. None when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<Text>,
    /// The message when the conversation is back with the bot. None when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Text>,
    /// Messages of a waiting customer that return the conversation to the bot. Built-in English and German words when
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_words: Option<Vec<String>>,
    /// Messages or private notes of a person that return the conversation to the bot. `/bot` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub give_back_words: Option<Vec<String>>,
    /// Seconds without a message of the person after which the conversation returns to the bot. Never when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub give_back_after_seconds: Option<u32>,
    /// Seconds to wait for a person. Without limit when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u32>,
    /// The message when nobody took over in that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_text: Option<Text>,
    /// What happens then.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub then: AfterWait,
    /// What the person who takes over should know. The customer's name, the reason and the last lines when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// What happens outside the hours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OutsideHours {
    /// The message to the customer.
    pub text: Text,
    /// Whether the bot keeps the conversation.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub and: OutsideAction,
}

/// Who has the conversation outside the hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OutsideAction {
    /// People: they find it when they are back.
    #[default]
    HandOver,
    /// The bot.
    Stay,
}

/// What happens when nobody took over in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AfterWait {
    /// The customer goes on waiting.
    #[default]
    KeepWaiting,
    /// The bot takes the conversation back.
    GiveBack,
    /// Employees are phoned (`call.dispatch`), or without them the customer (`call.queue`), who goes on waiting.
    Call,
}

/// Calls that the bot may cause.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Name of the platform's queue into which the call to the customer is put.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// A template of the number that the platform phones, such as `{{ session.phone }}`. The customer's number when left
    /// out, or empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The dispatch that phones employees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch: Option<Dispatch>,
}

/// A dispatch: employees are phoned until one takes the chat. As in `POST /v1/dispatches`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Dispatch {
    /// A template of the text that is read to the employees.
    pub text: String,
    /// The employees to phone, in order.
    pub employees: Vec<Value>,
    /// The policy. Every field has a default.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub policy: Value,
    /// Priority of the calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
}

/// Priority of a dispatch's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Calls are placed in order.
    Normal,
    /// Calls are placed before those of normal tickets.
    Urgent,
}
