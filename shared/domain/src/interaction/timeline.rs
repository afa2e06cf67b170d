//! The timeline of an interaction: one entry for each fact, never changed once written.

use serde::{Deserialize, Serialize};

use super::report::{AttemptOutcome, Progress};
use super::status::{Channel, State};
use crate::ids::Nonce;
use crate::ledger;
use crate::timestamp::Timestamp;

/// An entry of the timeline.
pub type Entry = ledger::Entry<Fact>;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// The interaction was created.
    Created {
        /// The channels of its plan, in order.
        channels: Vec<Channel>,
        /// The first attempt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<Nonce>,
        /// When it is to be sent.
        due_at: Timestamp,
        /// Variables that no field defines: they are blank in what is sent.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        blank_variables: Vec<String>,
        /// Fields of the request that have no effect.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unused_fields: Vec<String>,
        /// Why the skill's hours do not count, if they do not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hours_bypass: Option<String>,
    },
    /// An attempt was planned after another one.
    Planned {
        /// The attempt.
        attempt: Nonce,
        /// Its channel.
        channel: Channel,
        /// When it is to be sent.
        due_at: Timestamp,
    },
    /// An attempt waits for a permitted hour.
    Postponed {
        /// The attempt.
        attempt: Nonce,
        /// When it may be sent at the earliest.
        due_at: Timestamp,
        /// Why it has to wait.
        reason: String,
    },
    /// A function sends an attempt.
    Sending {
        /// The attempt.
        attempt: Nonce,
        /// Its channel.
        channel: Channel,
        /// The back end that sends.
        back_end: String,
    },
    /// A try to send certainly had no effect, and is repeated.
    NotSent {
        /// The attempt.
        attempt: Nonce,
        /// The same attempt under its next id.
        next: Nonce,
        /// When it is tried again.
        due_at: Timestamp,
        /// What the provider answered, or the error instead of an answer.
        reason: String,
    },
    /// It is unclear whether an attempt was sent. It is never sent again.
    Unclear {
        /// The attempt.
        attempt: Nonce,
        /// The error instead of an answer.
        reason: String,
    },
    /// The provider has accepted an attempt.
    Sent {
        /// The attempt.
        attempt: Nonce,
        /// The provider's id, if it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider_id: Option<String>,
    },
    /// The provider has a try to send an attempt that seemed to have had no effect. It is not sent again.
    SentAfterAll {
        /// The attempt, under the id of that try.
        attempt: Nonce,
    },
    /// The provider reported how far an attempt got.
    Progressed {
        /// The attempt.
        attempt: Nonce,
        /// Its channel; entries of earlier versions have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<Channel>,
        /// How far.
        progress: Progress,
    },
    /// An attempt ended.
    AttemptEnded {
        /// The attempt.
        attempt: Nonce,
        /// Its channel.
        channel: Channel,
        /// How it ended.
        outcome: AttemptOutcome,
    },
    /// The provider ended a call because we asked it to, or the call was over already.
    HungUp {
        /// The provider's id of the call.
        provider_id: String,
    },
    /// A call that nobody wants any more could not be ended.
    HangUpFailed {
        /// The provider's id of the call.
        provider_id: String,
        /// What the provider answered, or the error instead of an answer.
        reason: String,
    },
    /// The provider recorded a call.
    Recorded {
        /// The attempt.
        attempt: Nonce,
        /// The provider's name for the recording; not part of what requesters see.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        recording: String,
    },
    /// A call has a transcript.
    Transcribed {
        /// The attempt.
        attempt: Nonce,
    },
    /// It became known later how an attempt really ended.
    SettledLate {
        /// The attempt.
        attempt: Nonce,
        /// Its channel; entries of earlier versions have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<Channel>,
        /// How it ended.
        outcome: AttemptOutcome,
    },
    /// The customer wrote, or pressed a key.
    Received {
        /// The provider's id of the message.
        message: String,
        /// Over which channel.
        channel: Channel,
        /// The text, at most 10,000 characters of it; for a key, the digit.
        text: String,
        /// Whether the text was longer.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_cut: bool,
        /// Whether the customer does not want to be contacted any more.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_opt_out: bool,
    },
    /// The state changed.
    StateChanged {
        /// From.
        from: State,
        /// To.
        to: State,
    },
    /// A person or a bot wrote a note.
    NoteChanged {
        /// The note.
        note: String,
    },
    /// Another agent has the interaction.
    AgentChanged {
        /// The id of the agent.
        agent: String,
    },
}
