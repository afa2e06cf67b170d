//! What back ends report about an attempt, independent of any provider.

use serde::{Deserialize, Serialize};

use super::status::{Channel, EndReason};
use crate::ids::Nonce;
use crate::phone::PhoneNumber;
use crate::timestamp::Timestamp;

/// How far the provider has got. Reports arrive in any order, and only a further one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// The provider has it.
    Accepted,
    /// It is on its way to the customer: a phone rings, a message was passed on.
    Underway,
    /// It arrived.
    Delivered,
    /// The customer has seen it.
    Read,
    /// The customer is there: a call was answered, as far as the provider can tell by a person.
    Answered,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// It arrived, and no answer is expected.
    Delivered,
    /// The customer answered: they wrote, or pressed a key that is an answer.
    Answered,
    /// A call is over in which somebody picked up, and no key was expected.
    TalkedTo,
    /// A call is over in which somebody picked up, and no key that is an answer was pressed.
    NoKey,
    /// Nobody picked up, or wrote in time.
    NoAnswer,
    /// The line was busy.
    Busy,
    /// A machine picked up.
    Voicemail,
    /// The provider accepted it, and then failed to deliver it.
    Failed {
        /// Why, without secrets and personal data.
        detail: String,
    },
    /// The provider did not accept it, however often it was tried. Nothing was sent.
    NotAccepted {
        /// Why, without secrets and personal data.
        detail: String,
    },
    /// The provider, or we, refused it for good. Nothing was sent.
    Refused {
        /// Why, without secrets and personal data.
        detail: String,
    },
    /// The customer does not want to be contacted.
    OptedOut,
    /// The time until which it could be sent was over. Nothing was sent.
    Expired,
    /// No permitted hour was left. Nothing was sent.
    OutsideHours {
        /// Which hours are permitted, and where.
        detail: String,
    },
    /// It was canceled.
    Canceled,
    /// The customer answered over another channel.
    Superseded,
    /// The provider never reported how it ended.
    NoReport,
    /// It never became clear whether anything was sent.
    Unclear,
}

impl AttemptOutcome {
    /// The published name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Answered => "answered",
            Self::TalkedTo => "talked_to",
            Self::NoKey => "no_key",
            Self::NoAnswer => "no_answer",
            Self::Busy => "busy",
            Self::Voicemail => "voicemail",
            Self::Failed { .. } => "failed",
            Self::NotAccepted { .. } => "not_accepted",
            Self::Refused { .. } => "refused",
            Self::OptedOut => "opted_out",
            Self::Expired => "expired",
            Self::OutsideHours { .. } => "outside_hours",
            Self::Canceled => "canceled",
            Self::Superseded => "superseded",
            Self::NoReport => "no_report",
            Self::Unclear => "unclear",
        }
    }

    /// Whether another attempt over the same leg makes sense: it certainly reached nobody, and may reach them later.
    pub const fn is_repeatable(&self) -> bool {
        matches!(self, Self::NoAnswer | Self::NoKey | Self::Busy | Self::Voicemail)
    }

    /// Whether the plan goes on with another leg.
    pub const fn goes_on(&self) -> bool {
        matches!(
            self,
            Self::NoAnswer
                | Self::NoKey
                | Self::Busy
                | Self::Voicemail
                | Self::Failed { .. }
                | Self::NotAccepted { .. }
                | Self::Refused { .. }
                | Self::OutsideHours { .. }
                | Self::Expired
                | Self::NoReport
                | Self::Unclear
        )
    }

    /// Whether the customer was reached as far as the plan wants it: nothing needs to follow.
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Delivered | Self::Answered | Self::TalkedTo)
    }

    /// How much it says. A report can arrive after an attempt was given up or canceled, and reports arrive in any order:
    /// only an outcome that says more replaces the one that is known. A message that bounces after its delivery did not
    /// reach the customer; what the customer does counts most.
    pub const fn weight(&self) -> u8 {
        match self {
            Self::Canceled
            | Self::Superseded
            | Self::NoReport
            | Self::Unclear
            | Self::NotAccepted { .. }
            | Self::Refused { .. }
            | Self::Expired
            | Self::OutsideHours { .. } => 0,
            Self::NoAnswer | Self::NoKey | Self::Busy | Self::Voicemail => 1,
            Self::Delivered => 2,
            Self::Failed { .. } => 3,
            Self::TalkedTo | Self::Answered => 4,
            Self::OptedOut => 5,
        }
    }

    /// Why the interaction ends, if nothing follows and all attempts ended so.
    pub const fn end_reason(&self) -> EndReason {
        match self {
            Self::Delivered | Self::Answered | Self::TalkedTo => EndReason::Completed,
            Self::NoAnswer | Self::NoKey => EndReason::NoAnswer,
            Self::Busy => EndReason::Busy,
            Self::Voicemail => EndReason::Voicemail,
            Self::Failed { .. } | Self::NotAccepted { .. } => EndReason::Failed,
            Self::Refused { .. } => EndReason::Refused,
            Self::OptedOut => EndReason::OptedOut,
            Self::Expired => EndReason::Expired,
            Self::OutsideHours { .. } => EndReason::OutsideHours,
            Self::Canceled | Self::Superseded => EndReason::Canceled,
            Self::NoReport | Self::Unclear => EndReason::Unclear,
        }
    }

    /// Which outcome decides why a plan of several attempts failed: the one of which somebody has to know most. What may
    /// have been sent comes first, then what was, then what was not.
    pub const fn concern(&self) -> u8 {
        match self {
            Self::Unclear | Self::NoReport => 7,
            Self::NoAnswer | Self::NoKey => 6,
            Self::Voicemail => 5,
            Self::Busy => 4,
            Self::Failed { .. } | Self::NotAccepted { .. } => 3,
            Self::OutsideHours { .. } => 2,
            Self::Expired => 1,
            _ => 0,
        }
    }
}

/// A report about an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The provider's id of the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// How far it got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// How it ended, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<AttemptOutcome>,
    /// For a call that is over: how many seconds it took. Zero if nobody picked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talk_seconds: Option<u32>,
    /// The provider's name for the recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// What was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
}

/// A message of the customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The provider's id. The same id is the same message.
    pub id: String,
    /// Over which channel.
    pub channel: Channel,
    /// The attempt that it answers, if the provider says so; otherwise the newest over that channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Nonce>,
    /// The text; for a key, the digit.
    pub text: String,
    /// When it was received.
    pub at: Timestamp,
    /// Whether the customer does not want to be contacted any more.
    #[serde(default)]
    pub is_opt_out: bool,
}

/// A message of a customer, before it is known which interaction it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incoming {
    /// The message.
    pub reply: Reply,
    /// The customer.
    pub from: PhoneNumber,
    /// Our number; `None` if it is a short code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<PhoneNumber>,
    /// The provider's id of the message of ours that it answers, if the channel tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replied_to: Option<String>,
    /// Whether the customer wants to be contacted again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_opt_in: bool,
}

/// The result of a request to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendResult {
    /// The provider has accepted it.
    Sent {
        /// The provider's id.
        provider_id: String,
        /// How far it got at once.
        progress: Option<Progress>,
    },
    /// Certainly without effect; a later try may succeed.
    Failed {
        /// Seconds to wait, if the provider stated them.
        retry_after: Option<u32>,
        /// Why, without secrets and personal data.
        detail: String,
    },
    /// Certainly without effect: the account with the provider is empty. A later try may succeed.
    OutOfMoney {
        /// Why, without secrets and personal data.
        detail: String,
    },
    /// Certainly without effect, and no later try can succeed.
    Refused {
        /// Why, without secrets and personal data.
        detail: String,
    },
    /// The provider says that the customer does not want to be contacted. Certainly without effect.
    OptedOut,
    /// Perhaps sent.
    Unclear {
        /// Why, without secrets and personal data.
        detail: String,
    },
}

impl SendResult {
    /// Why nothing was sent; `None` if it was, may have been, or must not be.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Failed { detail, .. } | Self::OutOfMoney { detail } | Self::Refused { detail } => Some(detail),
            Self::Sent { .. } | Self::OptedOut | Self::Unclear { .. } => None,
        }
    }
}

/// Whether an attempt may be sent now; decided at the moment of sending, never at creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clearance {
    /// It may.
    Granted,
    /// Not at this hour.
    Later {
        /// When it may at the earliest.
        at: Timestamp,
        /// Why, for the timeline.
        reason: String,
    },
    /// Not yet, whatever the hour: others come first, or something has to be repaired.
    Held {
        /// When it is tried again.
        at: Timestamp,
        /// Why, for the timeline.
        reason: String,
    },
    /// Not at any time before the plan's end: there is no permitted hour.
    NoHour {
        /// Why, for the timeline.
        reason: String,
    },
    /// The customer does not want to be contacted.
    OptedOut,
    /// Never over this leg: its sender is not ours, its destination is not allowed.
    Denied {
        /// Why, for the timeline.
        reason: String,
    },
}
