//! The timeline of a dispatch: one entry for each fact, never changed once written.

use serde::{Deserialize, Serialize};

use super::availability::Unavailable;
use super::event::Ending;
use super::route::BypassedProvider;
use super::state::{Dispatch, WaitReason};
use crate::ids::{AttemptId, Nonce, ProviderName};
use crate::secret::sha256_hex;
use crate::timestamp::Timestamp;
use crate::webhook::{self, Strategy};

/// Why an attempt ended without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoAnswerReason {
    /// The phone rang out, or the call was rejected on the phone.
    NotPickedUp,
    /// The line was busy.
    Busy,
    /// The call was answered, but no key was pressed (perhaps voicemail).
    NoKey,
    /// The provider could not place the call.
    Failed,
    /// A machine answered, as far as the provider can tell it from a person.
    Voicemail,
    /// The provider refused the call.
    Refused,
    /// The outcome of the call is unknown.
    Unknown,
}

/// Why a dispatch is exhausted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exhaustion {
    /// Nobody is left to phone.
    #[default]
    NobodyLeft,
    /// The policy's `max_calls` is reached.
    MaxCalls,
}

impl Exhaustion {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_nobody_left(&self) -> bool {
        *self == Self::NobodyLeft
    }
}

/// Sequence numbers for each version of a dispatch: more than a commit has entries, because a transaction has at most
/// 100 writes.
const SEQUENCES_PER_VERSION: u64 = 100;
/// First of these numbers for the statuses of the call that was claimed with that version. The claim itself has one
/// entry.
const FIRST_STATUS_SEQUENCE: u64 = 50;

/// Status of a call, the same for every provider. The first four only move forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CallStatus {
    /// The provider has queued the call.
    Queued,
    /// The call is being connected.
    Initiated,
    /// The phone rings.
    Ringing,
    /// The call was picked up, by a person or a machine.
    InProgress,
    /// Over: the call was answered, perhaps by voicemail.
    Completed,
    /// Over: the line was busy.
    Busy,
    /// Over: the phone rang out, or the call was rejected on the phone.
    NoAnswer,
    /// Over: the call could not be placed.
    Failed,
    /// Over: the provider's account has no money.
    OutOfMoney,
    /// The network lost the call. The provider's documents disagree on whether this is final.
    Unknown,
    /// The provider reports that a machine answered: voicemail or a fax. The call goes on.
    Machine,
    /// A provider's status that no contract explains. Does not imply that the call is over.
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

    /// How a call with this status ended; none while it goes on, and for [`Self::Other`].
    ///
    /// [`Self::Unknown`] gives [`Ending::Unknown`], which must be looked up before it is trusted.
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

    /// Whether the call is on its way to an answer, or answered: the statuses that a webhook with
    /// [`Strategy::OnStatus`] receives.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Queued | Self::Initiated | Self::Ringing | Self::InProgress)
    }

    /// The sequence number of this status, for the call that was claimed with `version`; none if the status is not
    /// [under way](Self::is_under_way).
    pub const fn sequence(self, version: u64) -> Option<u64> {
        if self.is_under_way() {
            Some(version * SEQUENCES_PER_VERSION + FIRST_STATUS_SEQUENCE + self as u64)
        } else {
            None
        }
    }
}

/// A provider's report on a call, from a webhook or a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallReport {
    /// Status of the call.
    pub status: CallStatus,
    /// The provider's own name of the status.
    pub name: String,
    /// The provider's id of the call, used to look it up; empty if the report has none.
    pub call_id: String,
    /// The provider's id of the leg to the phone, used to hang it up; empty if the report has none.
    pub leg_id: String,
}

/// One entry of a dispatch's timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Id of the entry, unique in the dispatch; entries sort by it. See [`Entry::decided`] and [`Entry::status`].
    pub id: String,
    /// When it happened, according to our clock.
    pub at: Timestamp,
    /// Sequence number in the dispatch: the higher of two happened later, whatever order they arrive in. The statuses
    /// of a call are numbered from the claim of the call. An entry that changed nothing has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// What happened.
    #[serde(flatten)]
    pub fact: Fact,
}

impl Entry {
    /// The entry of a decision with this index. Its id begins with the attempt's ordinal, so that a page of a long
    /// timeline holds related entries; the decision's nonce keeps the entries of two writers apart.
    pub fn decided(ordinal: u32, at: Timestamp, nonce: Nonce, index: usize, fact: Fact) -> Self {
        Self {
            id: format!("{ordinal:06}-{:013}-{nonce}-{index:02}", at.millis()),
            at,
            sequence: None,
            fact,
        }
    }

    /// The entry with its sequence number, as the entry with this index in the commit that makes `version`.
    #[must_use]
    pub(super) fn with_sequence(self, version: u64, index: usize) -> Self {
        let index = u64::try_from(index).unwrap_or(u64::MAX);
        let sequence = version.saturating_mul(SEQUENCES_PER_VERSION).saturating_add(index);
        Self {
            sequence: Some(sequence),
            ..self
        }
    }

    /// Whether a webhook with this strategy receives the entry.
    pub fn notifies(&self, strategy: Strategy) -> bool {
        match strategy {
            Strategy::OnCompletion => self.fact.concerns_dispatch(),
            Strategy::OnChange => self.fact.status().is_some(),
            // A status without a sequence number comes from a call whose webhook does not receive statuses.
            Strategy::OnStatus => {
                self.fact.status().is_some() || (self.sequence.is_some() && self.fact.call_status().is_some())
            }
        }
    }

    /// An intermediate or final status as the provider reported it. The id depends only on the attempt, the status and
    /// the leg, so a duplicate status is the same entry.
    pub fn status(attempt: AttemptId, at: Timestamp, provider: ProviderName, report: CallReport) -> Self {
        let CallReport {
            status,
            name,
            call_id,
            leg_id,
        } = report;
        // An unknown status name is text from the provider, and clients send entry ids back in URLs.
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

    /// The common prefix of the ids of all statuses of an attempt.
    pub fn status_prefix(attempt: AttemptId) -> String {
        format!("{:06}-status-{}-", attempt.ordinal, attempt.nonce)
    }
}

/// A fact of the timeline. Names in bold are published statuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the fields have the same names and meaning everywhere: attempt, employee (an index), reason"
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
    /// An employee is skipped.
    Skipped {
        employee: u8,
        reason: Unavailable,
        until: Option<Timestamp>,
    },
    /// A call is being placed. `instead_of` is set if it is not placed over the preferred provider.
    #[serde(alias = "dialling")]
    Dialing {
        attempt: AttemptId,
        provider: ProviderName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instead_of: Option<BypassedProvider>,
    },
    /// The provider took the call.
    Placed { attempt: AttemptId, call_id: String },
    /// The provider postponed the call; it is retried.
    #[serde(alias = "put_off")]
    Postponed { attempt: AttemptId, until: Timestamp },
    /// The provider is not allowed to place the call for us; it is placed over another one.
    NotAllowed { attempt: AttemptId },
    /// It is unclear whether the provider took the call.
    Unclear { attempt: AttemptId },
    /// A status from the provider.
    Status {
        attempt: AttemptId,
        provider: ProviderName,
        status: CallStatus,
        /// The provider's own name of the status.
        name: String,
        leg_id: String,
        call_id: String,
    },
    /// A key without effect: it has no meaning, or came too late.
    Key { attempt: AttemptId, key: char },
    /// **NoAnswer**: the attempt is over without a key.
    NoAnswer {
        attempt: AttemptId,
        number: u8,
        reason: NoAnswerReason,
    },
    /// **Rejected**: the employee pressed 2.
    Rejected { attempt: AttemptId },
    /// **Accepted**: the employee pressed 1. `late` if the call was already over or it was no longer the employee's
    /// turn.
    Accepted {
        attempt: AttemptId,
        late: bool,
        resolve_by: Option<Timestamp>,
    },
    /// Nobody is phoned until `until`.
    Waiting { until: Timestamp, reason: WaitReason },
    /// **`OutOfMoney`**: the provider's account is empty.
    OutOfMoney { attempt: AttemptId },
    /// **Reopened**: the ticket was accepted, but not resolved in time.
    Reopened { attempt: AttemptId },
    /// **Exhausted**: nobody is left to phone, or the policy allows no more calls.
    Exhausted {
        #[serde(default, alias = "why", skip_serializing_if = "Exhaustion::is_nobody_left")]
        reason: Exhaustion,
    },
    /// **Cancelled** by the requester.
    Cancelled,
    /// **Expired**: the lifetime of the dispatch ran out.
    Expired,
    /// **Resolved** by the requester.
    Resolved,
}

impl Dispatch {
    /// The event of an entry of the timeline, if the webhook receives it.
    pub fn event(&self, entry: &Entry) -> Option<webhook::Event> {
        let webhook = self.spec.webhook.as_ref()?;
        if !entry.notifies(webhook.strategy) {
            return None;
        }
        Some(webhook::Event {
            entry: entry.id.clone(),
            event_type: entry.fact.event_type()?,
            sequence: entry.sequence,
            at: entry.at,
        })
    }
}

impl Fact {
    /// The published status of this fact, if it has one.
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

    /// The status of a call under way, if this fact is one.
    pub const fn call_status(&self) -> Option<CallStatus> {
        match self {
            Self::Status { status, .. } if status.is_under_way() => Some(*status),
            _ => None,
        }
    }

    /// The published type of the webhook event, if this fact has one.
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

    /// Whether the status is about the dispatch as a whole, so that a webhook with `OnCompletion` receives it too.
    pub const fn concerns_dispatch(&self) -> bool {
        match self {
            Self::Rejected { .. } | Self::NoAnswer { .. } => false,
            _ => self.status().is_some(),
        }
    }

    /// Whether the fact raises an alarm, so that somebody is woken.
    pub const fn raises_alarm(&self) -> bool {
        matches!(self, Self::OutOfMoney { .. } | Self::Exhausted { .. } | Self::Expired)
    }

    /// The attempt that the fact is about, if any.
    pub const fn attempt(&self) -> Option<AttemptId> {
        match self {
            Self::Planned { attempt, .. }
            | Self::Dialing { attempt, .. }
            | Self::Placed { attempt, .. }
            | Self::Postponed { attempt, .. }
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

    /// Index of the employee that the fact is about, if any.
    pub const fn employee(&self) -> Option<u8> {
        match (self, self.attempt()) {
            (Self::Skipped { employee, .. }, _) => Some(*employee),
            (_, Some(attempt)) => Some(attempt.employee),
            _ => None,
        }
    }
}
