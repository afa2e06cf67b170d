//! The result of a turn of the bot, and what the document says about hand-overs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::session::Session;
use super::timeline::HandOverReason;

/// What the document says about an event's text. The caller finds it out, because only it has the document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The customer no longer wants to wait for a person.
    pub cancels_wait: bool,
    /// A person returns the conversation to the bot.
    pub gives_back: bool,
}

/// What the document sets for a conversation, independent of a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether there is a bot for the conversation's inbox. Without one nothing is answered.
    pub has_bot: bool,
    /// Milliseconds without a further message after which a burst is answered.
    pub debounce_millis: u32,
    /// The message when a person has joined.
    pub joined: Option<String>,
    /// The message when the conversation is back with the bot.
    pub ended: Option<String>,
    /// Seconds without a sign of the person after which the conversation returns to the bot.
    pub give_back_after: Option<u32>,
}

/// The result of a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnResult {
    /// How many of the pending messages it answers, from the oldest.
    pub answered: usize,
    /// The new session.
    pub session: Session,
    /// Texts to post, in order.
    pub posts: Vec<String>,
    /// What else the turn does.
    pub action: TurnAction,
    /// Where in the document the answer comes from, for the timeline.
    pub answered_by: String,
    /// Why the turn failed, if it did: the answer is then the fallback.
    pub error: Option<String>,
}

/// What a turn does besides posting.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum TurnAction {
    /// Nothing: the bot keeps the conversation.
    #[default]
    Continue,
    /// Hand the conversation to people.
    HandOver {
        /// Why the bot hands over.
        reason: HandOverReason,
        /// What happens then.
        plan: Box<HandOverPlan>,
    },
    /// Finish the conversation: the customer has what they wanted.
    Finish,
    /// Have the customer phoned, or employees, while the bot keeps the conversation.
    Call(CallPlan),
}

/// How a hand-over proceeds, with all texts rendered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HandOverPlan {
    /// The message to the customer, posted exactly once.
    pub message: String,
    /// What the person who takes over should know, for the caller context; none when the customer's number is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// A call that begins together with the hand-over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallPlan>,
    /// Seconds to wait for a person; none waits without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u32>,
    /// The message when that time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_message: Option<String>,
    /// What then happens.
    #[serde(default)]
    pub then: WaitAction,
}

/// What happens when nobody took over in time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitAction {
    /// The customer goes on waiting.
    #[default]
    KeepWaiting,
    /// The bot takes the conversation back.
    GiveBack,
    /// A call, while the customer goes on waiting.
    Call(CallPlan),
}

/// A call on behalf of the customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallPlan {
    /// The platform phones the customer, then queues the call for its agents.
    Queue {
        /// Name of the queue.
        queue: String,
        /// Number to dial.
        destination: String,
    },
    /// Employees are phoned until one takes the chat.
    Dispatch {
        /// Body of the request, as for `POST /v1/dispatches`.
        request: Box<Value>,
    },
}
