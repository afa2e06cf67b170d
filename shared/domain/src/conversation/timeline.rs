//! The timeline of a conversation: one entry for each fact, never changed once written.

use serde::{Deserialize, Serialize};

use super::state::{Holder, PlatformId};
use crate::ledger;

/// An entry of the timeline.
pub type Entry = ledger::Entry<Fact>;

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// The customer wrote.
    CustomerWrote {
        /// The message.
        message: PlatformId,
        /// Who held the conversation then: only the bot answers.
        holder: Holder,
        /// The text, whole: the widget shows it.
        text: String,
        /// Characters that the bot does not read, because too much waits for an answer already.
        #[serde(default, skip_serializing_if = "is_zero")]
        unread: usize,
    },
    /// A person of the team wrote to the customer.
    PersonWrote {
        /// The message.
        message: PlatformId,
        /// Their name, if the platform tells it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// The text, whole: the widget shows it.
        text: String,
    },
    /// A turn ended with an answer.
    Answered {
        /// Where in the document the answer comes from.
        by: String,
        /// Number of messages that it answers.
        messages: usize,
        /// Why the turn failed, if it did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A turn's answer was dropped before it was posted.
    TurnDropped {
        /// Why it was dropped.
        reason: DropReason,
    },
    /// A step was done.
    Done {
        /// The name of the step.
        step: String,
        /// The id that the platform returned. The entry itself has an `id`, too.
        #[serde(default, rename = "platform_id", skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The text, whole, if it was a message: the widget shows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// A step was not done, and will not be.
    NotDone {
        /// The name of the step.
        step: String,
        /// Why it is not done.
        reason: String,
    },
    /// It is unknown whether a step was done. It is not repeated.
    Unclear {
        /// The name of the step.
        step: String,
        /// Why it is unclear.
        reason: String,
        /// The text, whole, if it was a message: the customer may have it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// A step was dropped before it began.
    Dropped {
        /// The name of the step.
        step: String,
        /// Why it was dropped.
        reason: DropReason,
    },
    /// Somebody else holds the conversation now.
    HolderChanged(HolderChange),
    /// Nobody took over in time.
    WaitedTooLong,
}

/// A change of the holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderChange {
    /// The holder before.
    pub from: Holder,
    /// The holder now.
    pub to: Holder,
    /// Why it changed.
    pub reason: ChangeReason,
    /// Who caused it, if a person did and is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Why the holder changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeReason {
    /// The bot handed over.
    HandOver(HandOverReason),
    /// The platform has the conversation in people's inbox.
    Delivered,
    /// The platform refused to hand the conversation to people; they find it all the same only if they look.
    DeliveryRefused,
    /// A person wrote to the customer.
    Wrote,
    /// A person is assigned on the platform.
    Assigned,
    /// The customer no longer wanted to wait.
    Cancelled,
    /// A person wrote a give-back word.
    GivenBack,
    /// The person gave no sign for the time that the document sets.
    Silence,
    /// Nobody took over in time, and the plan says that the bot goes on.
    WaitedTooLong,
    /// The conversation was resolved on the platform.
    Resolved,
    /// Requested through the API.
    Requested,
}

/// Why the bot handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandOverReason {
    /// The customer asked for a person.
    Word,
    /// A topic that the document leaves to people.
    Topic,
    /// A rule of the document.
    Rule,
    /// Too many messages in a row that the bot did not understand.
    Misses,
    /// The bot failed.
    Error,
    /// The rate cap is reached: perhaps two bots talk to each other.
    RateCap,
    /// Requested through the API.
    Requested,
}

/// Why an answer or a step was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// The customer wrote again.
    Overtaken,
    /// A person took over.
    TakenOver,
    /// The conversation was resolved, or is no longer with the bot.
    NotHeld,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}
