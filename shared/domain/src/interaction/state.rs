//! The state of an interaction.

use serde::{Deserialize, Serialize};

use super::plan::{Leg, Parties, Plan};
use super::report::{AttemptOutcome, Progress};
use super::status::{Channel, State};
use crate::ids::{InteractionKey, Nonce};
use crate::timestamp::Timestamp;
use crate::webhook::Webhook;

/// An agent contacts a customer: one item, versioned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interaction {
    /// Its key.
    pub key: InteractionKey,
    /// Number of commits so far.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Fingerprint of the request that created it: another request must not use the same idempotency key. Empty if
    /// nobody recorded one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// Who contacts whom.
    pub parties: Parties,
    /// The plan.
    pub plan: Plan,
    /// Its state. It only moves forward.
    pub state: State,
    /// When it entered this state.
    pub state_since: Timestamp,
    /// The attempt in progress; none when the interaction is open or has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// Attempts that have ended, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<PastAttempt>,
    /// Whether the customer was reached as the plan wants it: they answered, or got what needs no answer. Nothing is
    /// planned any more then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_reached: bool,
    /// When an open conversation is closed, unless somebody writes before, and the fence of that timer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes: Option<Closing>,
    /// What was sent and received.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thread: Vec<ThreadMessage>,
    /// Ids of received messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<String>,
    /// A note of a person or a bot.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// What was said in the last call that has a transcript.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<Transcript>,
    /// The webhook that receives its events, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

/// What was said in a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// The ordinal of the attempt, counted from 0.
    pub attempt: usize,
    /// What was said, as the provider writes it down.
    pub text: String,
}

impl Interaction {
    /// The leg of an attempt. Every attempt has one.
    pub fn leg(&self, index: usize) -> Option<&Leg> {
        self.plan.legs.get(index)
    }

    /// The leg of an attempt, under any of the ids that it had; `None` for one of another interaction.
    pub fn leg_of(&self, attempt: Nonce) -> Option<&Leg> {
        let current = self.attempt.iter();
        let mut current = current.filter(|current| current.id == attempt || current.earlier.contains(&attempt));
        let past = self.past.iter();
        let mut past = past.filter(|past| past.id == attempt || past.earlier.contains(&attempt));
        let leg = current.next().map(|current| current.leg);
        self.leg(leg.or_else(|| past.next().map(|past| past.leg))?)
    }

    /// The channel that was asked for: that of the first leg.
    pub fn channel(&self) -> Option<Channel> {
        self.plan.legs.first().map(|leg| leg.channel)
    }

    /// Ended attempts over this leg.
    pub fn attempts_over(&self, leg: usize) -> usize {
        self.past.iter().filter(|past| past.leg == leg).count()
    }

    /// Seconds of all calls.
    pub fn talk_seconds(&self) -> u32 {
        let past = self.past.iter().map(|past| past.call.seconds);
        let current = self.attempt.iter().map(|attempt| attempt.call.seconds);
        past.chain(current).fold(0, u32::saturating_add)
    }

    /// The recording of the last call that has one.
    pub fn recording(&self) -> Option<&str> {
        let past = self.past.iter().map(|past| &past.call);
        let mut all = past.chain(self.attempt.iter().map(|attempt| &attempt.call));
        all.rfind(|call| call.recording.is_some())?.recording.as_deref()
    }
}

/// An attempt to reach the customer over one leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Fences the attempt. It is part of the URL to which the provider reports.
    pub id: Nonce,
    /// The index of its leg.
    pub leg: usize,
    /// How far it is.
    pub phase: Phase,
    /// Tries to send that certainly had no effect.
    #[serde(default)]
    pub tries: u16,
    /// The ids that it had in these tries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Nonce>,
    /// One of these tries that turned out to have been sent while the next one was under way. It is among the ended
    /// attempts, and goes on if the one that is under way fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_before: Option<Nonce>,
    /// The provider's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// The furthest that the provider has reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Times that the provider was asked for its status.
    #[serde(default)]
    pub polls: u16,
    /// Whether the customer pressed a key in this call that is an answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_answered: bool,
    /// For a call: what the provider says about it.
    #[serde(default, skip_serializing_if = "CallDetails::is_empty")]
    pub call: CallDetails,
}

impl Attempt {
    /// An attempt of which nothing was sent.
    pub const fn planned(id: Nonce, leg: usize, due_at: Timestamp) -> Self {
        Self {
            id,
            leg,
            phase: Phase::Planned { due_at },
            tries: 0,
            earlier: Vec::new(),
            sent_before: None,
            provider_id: None,
            progress: None,
            polls: 0,
            is_answered: false,
            call: CallDetails {
                seconds: 0,
                recording: None,
            },
        }
    }
}

/// What a provider says about a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallDetails {
    /// How many seconds it took.
    #[serde(default)]
    pub seconds: u32,
    /// The provider's name for its recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
}

impl CallDetails {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Phase {
    /// Nothing was sent.
    Planned {
        /// When it is to be sent.
        due_at: Timestamp,
    },
    /// A function is sending.
    Begun {
        /// When the function began.
        at: Timestamp,
    },
    /// The provider has accepted it.
    Sent {
        /// When we learned it.
        at: Timestamp,
    },
    /// Perhaps the provider has accepted it. It is never sent again.
    Unclear {
        /// When its result was given up.
        at: Timestamp,
    },
    /// It was delivered, and the customer may answer until then.
    Delivered {
        /// When the plan goes on without an answer.
        answer_by: Timestamp,
    },
    /// A call is over. A key that was pressed in it, or a verdict that a machine picked up, may still arrive.
    Over {
        /// When it ended, as far as we know.
        at: Timestamp,
    },
}

/// An attempt that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastAttempt {
    /// Its id.
    pub id: Nonce,
    /// The index of its leg.
    pub leg: usize,
    /// The provider's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// When it ended.
    pub at: Timestamp,
    /// For a call: what the provider says about it.
    #[serde(default, skip_serializing_if = "CallDetails::is_empty")]
    pub call: CallDetails,
    /// The ids that it had in tries that seemed to have no effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Nonce>,
}

/// The end of an open conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Fences the timer.
    pub id: Nonce,
    /// When the conversation is closed.
    pub at: Timestamp,
}

/// A message of the thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadMessage {
    /// The provider's id; empty if it is unknown.
    pub id: String,
    /// When it was sent or received.
    pub at: Timestamp,
    /// Over which channel.
    pub channel: Channel,
    /// Who wrote it.
    pub by: Sender,
    /// The text, at most [`MAX_TEXT_CHARS`](super::limits::MAX_TEXT_CHARS) characters of it.
    pub text: String,
    /// For one of ours: how far it got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The attempt that sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Nonce>,
}

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// The agent.
    Agent,
    /// The customer.
    Customer,
}
