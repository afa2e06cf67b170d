//! What a dispatch tells about itself: one entry an event, never changed.

use serde::{Deserialize, Serialize};

use super::availability::Unavailable;
use super::event::Ending;
use super::route::Instead;
use super::state::{Strategy, WaitReason};
use crate::ids::{AttemptId, Nonce, ProviderName};
use crate::secret::sha256_hex;
use crate::timestamp::Timestamp;

/// Why an attempt did not lead to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It rang out, or was rejected on the phone.
    NotPickedUp,
    /// The line was busy.
    Busy,
    /// Answered, but no key (perhaps voicemail).
    NoKey,
    /// The provider could not place the call.
    Failed,
    /// A machine picked up, as far as the provider can tell one from a person.
    Voicemail,
    /// The provider refused the call.
    Refused,
    /// What became of the call could not be found out.
    Unknown,
}

/// Why nobody is phoned any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exhaustion {
    /// Nobody is left to phone.
    #[default]
    NobodyLeft,
    /// The policy's `max_calls` have been placed.
    MaxCalls,
}

impl Exhaustion {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_for_lack_of_people(&self) -> bool {
        *self == Self::NobodyLeft
    }
}

/// Places that a version of a dispatch has for what the requester is told of: more than a commit has entries, as a
/// transaction has 100 writes.
const PLACES: u64 = 100;
/// Of those, the first for the statuses of the call that was claimed with that version. A claim has one entry of its own.
const FIRST_STATUS: u64 = 50;

/// Where a call stands, in our own words, whichever provider said so. The first four only go forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CallStatus {
    /// The provider has it.
    Queued,
    /// It is being connected.
    Initiated,
    /// The phone rings.
    Ringing,
    /// Somebody, or something, picked up.
    InProgress,
    /// Over: was answered, perhaps by voicemail.
    Completed,
    /// Over: the line was busy.
    Busy,
    /// Over: rang out, or was rejected on the phone.
    NoAnswer,
    /// Over: could not be placed.
    Failed,
    /// Over: the provider's account has no money.
    OutOfMoney,
    /// The network lost it. The sources disagree whether this is final.
    Unknown,
    /// A machine picked up, says the provider: voicemail or a fax. The call goes on.
    Machine,
    /// A word of the provider's that no contract explains. Says nothing about an end.
    Other,
}

impl CallStatus {
    /// The published name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::Initiated => "Initiated",
            Self::Ringing => "Ringing",
            Self::InProgress => "InProgress",
            Self::Completed => "Completed",
            Self::Busy => "Busy",
            Self::NoAnswer => "NoAnswer",
            Self::Failed => "Failed",
            Self::OutOfMoney => "OutOfMoney",
            Self::Unknown => "Unknown",
            Self::Machine => "Machine",
            Self::Other => "Other",
        }
    }

    /// How a call in this state ended; none while it goes on, and for a state that nobody explains.
    ///
    /// [`Self::Unknown`] gives [`Ending::Unknown`], which has to be looked up before it is trusted.
    pub const fn ending(self) -> Option<Ending> {
        match self {
            Self::Completed => Some(Ending::Completed),
            Self::Busy => Some(Ending::Busy),
            Self::NoAnswer => Some(Ending::NoAnswer),
            Self::Failed => Some(Ending::Failed),
            Self::OutOfMoney => Some(Ending::OutOfMoney),
            Self::Unknown => Some(Ending::Unknown),
            Self::Queued | Self::Initiated | Self::Ringing | Self::InProgress | Self::Machine | Self::Other => None,
        }
    }

    /// Whether the call is on its way to an answer, or has one: what a requester may ask to hear of.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Queued | Self::Initiated | Self::Ringing | Self::InProgress)
    }

    /// The place of this status, of the call that was claimed with `version`, among all that the requester is told; none
    /// when it is not [under way](Self::is_under_way).
    pub const fn sequence(self, version: u64) -> Option<u64> {
        if self.is_under_way() {
            Some(version * PLACES + FIRST_STATUS + self as u64)
        } else {
            None
        }
    }
}

/// What a provider says about a call at a moment, by webhook or asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallReport {
    /// Where the call stands.
    pub status: CallStatus,
    /// The same in the provider's own word.
    pub name: String,
    /// The provider's id of the call, by which it is looked up; empty when it was not told.
    pub call_id: String,
    /// The provider's id of the one leg to the telephone, by which it is ended; empty when it was not told.
    pub leg_id: String,
}

/// One line of the story of a dispatch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name in the dispatch; entries sort by it. See [`Entry::decided`] and [`Entry::status`].
    pub id: String,
    /// When it happened, by our clock.
    pub at: Timestamp,
    /// Its place in the dispatch: of two that have one, the higher happened later, however they arrive; the statuses of a
    /// call stand where it was begun. What changed nothing has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// What happened.
    #[serde(flatten)]
    pub fact: Fact,
}

impl Entry {
    /// The `index`th entry of a decision. Its name begins with the ordinal of the newest attempt, so that a page of a
    /// long timeline holds what belongs together; the decision's nonce keeps two writers' entries apart.
    pub fn decided(ordinal: u32, at: Timestamp, fresh: Nonce, index: usize, fact: Fact) -> Self {
        Self {
            id: format!("{ordinal:06}-{:013}-{fresh}-{index:02}", at.millis()),
            at,
            sequence: None,
            fact,
        }
    }

    /// The same as the `index`th entry of the commit that makes `version`.
    #[must_use]
    pub(super) fn of_commit(self, version: u64, index: usize) -> Self {
        let index = u64::try_from(index).unwrap_or(u64::MAX);
        let sequence = version.saturating_mul(PLACES).saturating_add(index);
        Self {
            sequence: Some(sequence),
            ..self
        }
    }

    /// Whether a requester with this strategy is told of it.
    pub fn is_told(&self, strategy: Strategy) -> bool {
        match strategy {
            Strategy::OnCompletion => self.fact.is_about_the_whole(),
            Strategy::OnChange => self.fact.status().is_some(),
            // A status without a number came from a call whose requester had not asked for it.
            Strategy::OnStatus => {
                self.fact.status().is_some() || (self.sequence.is_some() && self.fact.call_status().is_some())
            }
        }
    }

    /// An intermediate or final status as the provider told it. The name depends on nothing but the status, so a
    /// status that is delivered twice is one entry.
    pub fn status(attempt: AttemptId, at: Timestamp, provider: ProviderName, report: CallReport) -> Self {
        let CallReport {
            status,
            name,
            call_id,
            leg_id,
        } = report;
        // The name of a status that we do not know is the provider's text, and a reader gives ids back in URLs.
        let plain = name.len() <= 24 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let hashed = sha256_hex(name.as_bytes());
        let id = format!(
            "{}{}-{}",
            Self::status_prefix(attempt),
            if plain {
                name.as_str()
            } else {
                hashed.get(..16).unwrap_or_default()
            },
            sha256_hex(leg_id.as_bytes()).get(..8).unwrap_or_default()
        );
        let fact = Fact::Status {
            attempt,
            provider,
            status,
            name,
            call_id,
            leg_id,
        };
        Self {
            id,
            at,
            sequence: None,
            fact,
        }
    }

    /// What the names of all statuses of an attempt begin with.
    pub fn status_prefix(attempt: AttemptId) -> String {
        format!("{:06}-status-{}-", attempt.ordinal, attempt.nonce)
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the fields are named alike everywhere: attempt, employee (an index), reason"
)]
pub enum Fact {
    /// The dispatch was created.
    Created,
    /// A call is planned.
    Planned {
        attempt: AttemptId,
        number: u8,
        due_at: Timestamp,
    },
    /// An employee is passed over.
    Skipped {
        employee: u8,
        reason: Unavailable,
        until: Option<Timestamp>,
    },
    /// A call is being placed; why not over the provider that would have been preferred, if it is not.
    Dialling {
        attempt: AttemptId,
        provider: ProviderName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instead_of: Option<Instead>,
    },
    /// The provider took the call.
    Placed { attempt: AttemptId, call_id: String },
    /// The provider put us off; the call is tried again.
    PutOff { attempt: AttemptId, until: Timestamp },
    /// The provider may not place the call for us; it is placed over another one.
    NotAllowed { attempt: AttemptId },
    /// Whether the provider took the call is not known.
    Unclear { attempt: AttemptId },
    /// An intermediate status from the provider.
    Status {
        attempt: AttemptId,
        provider: ProviderName,
        status: CallStatus,
        /// In the provider's own word.
        name: String,
        leg_id: String,
        call_id: String,
    },
    /// A key was pressed that means nothing, or too late to matter.
    Key { attempt: AttemptId, key: char },
    /// **NoAnswer**: the attempt is over without a key.
    NoAnswer {
        attempt: AttemptId,
        number: u8,
        reason: Reason,
    },
    /// **Rejected**: the employee pressed 2.
    Rejected { attempt: AttemptId },
    /// **Accepted**: the employee pressed 1. `late` when it came from a call that was over or another's turn.
    Accepted {
        attempt: AttemptId,
        late: bool,
        resolve_by: Option<Timestamp>,
    },
    /// Nobody is phoned for a while.
    Waiting { until: Timestamp, reason: WaitReason },
    /// **`OutOfMoney`**: the provider's account is empty.
    OutOfMoney { attempt: AttemptId },
    /// **Reopened**: accepted, but not resolved in time.
    Reopened { attempt: AttemptId },
    /// **Exhausted**: nobody is left, or no more calls may be placed.
    Exhausted {
        #[serde(default, skip_serializing_if = "Exhaustion::is_for_lack_of_people")]
        why: Exhaustion,
    },
    /// **Cancelled** by the requester.
    Cancelled,
    /// **Expired**.
    Expired,
    /// **Resolved**, by the requester's word.
    Resolved,
}

impl Fact {
    /// The published status that this fact reports to the requester, if it reports one.
    pub const fn status(&self) -> Option<&'static str> {
        match self {
            Self::Accepted { .. } => Some("Accepted"),
            Self::Rejected { .. } => Some("Rejected"),
            Self::NoAnswer { .. } => Some("NoAnswer"),
            Self::OutOfMoney { .. } => Some("OutOfMoney"),
            Self::Exhausted { .. } => Some("Exhausted"),
            Self::Cancelled => Some("Cancelled"),
            Self::Expired => Some("Expired"),
            Self::Reopened { .. } => Some("Reopened"),
            Self::Resolved => Some("Resolved"),
            _ => None,
        }
    }

    /// How far a call is, when this says so and the requester may want to know.
    pub const fn call_status(&self) -> Option<CallStatus> {
        match self {
            Self::Status { status, .. } if status.is_under_way() => Some(*status),
            _ => None,
        }
    }

    /// The type of the event that a requester is told, if one is told of this.
    pub fn event_type(&self) -> Option<&'static str> {
        match self {
            Self::Accepted { .. } => Some("dispatch.accepted"),
            Self::Rejected { .. } => Some("dispatch.rejected"),
            Self::NoAnswer { .. } => Some("dispatch.no_answer"),
            Self::OutOfMoney { .. } => Some("dispatch.out_of_money"),
            Self::Reopened { .. } => Some("dispatch.reopened"),
            Self::Exhausted { .. } => Some("dispatch.exhausted"),
            Self::Cancelled => Some("dispatch.cancelled"),
            Self::Expired => Some("dispatch.expired"),
            Self::Resolved => Some("dispatch.resolved"),
            _ => self.call_status().map(|_| "dispatch.call_status"),
        }
    }

    /// Whether the status is about the dispatch as a whole, and so is told even with `OnCompletion`.
    pub const fn is_about_the_whole(&self) -> bool {
        match self {
            Self::Rejected { .. } | Self::NoAnswer { .. } => false,
            _ => self.status().is_some(),
        }
    }

    /// Whether somebody is to be woken by it: an alarm counts it.
    pub const fn is_alarming(&self) -> bool {
        matches!(self, Self::OutOfMoney { .. } | Self::Exhausted { .. } | Self::Expired)
    }

    /// The attempt that it is about, if it is about one.
    pub const fn attempt(&self) -> Option<AttemptId> {
        match self {
            Self::Planned { attempt, .. }
            | Self::Dialling { attempt, .. }
            | Self::Placed { attempt, .. }
            | Self::PutOff { attempt, .. }
            | Self::NotAllowed { attempt }
            | Self::Unclear { attempt }
            | Self::Status { attempt, .. }
            | Self::Key { attempt, .. }
            | Self::NoAnswer { attempt, .. }
            | Self::Rejected { attempt }
            | Self::Accepted { attempt, .. }
            | Self::OutOfMoney { attempt }
            | Self::Reopened { attempt } => Some(*attempt),
            _ => None,
        }
    }

    /// Index of the employee that it is about, if it is about one.
    pub const fn employee(&self) -> Option<u8> {
        match (self, self.attempt()) {
            (Self::Skipped { employee, .. }, _) => Some(*employee),
            (_, Some(attempt)) => Some(attempt.employee),
            _ => None,
        }
    }
}
