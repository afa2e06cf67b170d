//! The timeline in words: one sentence for each entry.

use super::availability::Unavailable;
use super::route::{AvoidReason, BypassedProvider};
use super::state::{Dispatch, WaitReason};
use super::timeline::{Exhaustion, Fact, NoAnswerReason};
use crate::ids::AttemptId;
use crate::timestamp::Timestamp;

impl Fact {
    /// The fact as an English sentence. Times of day are UTC.
    pub fn sentence(&self, dispatch: &Dispatch) -> String {
        let name = |index: u8| {
            dispatch
                .employee(index)
                .map_or("an unknown employee", |employee| employee.name.as_str())
        };
        let who = |attempt: &AttemptId| name(attempt.employee);
        match self {
            Self::Created => format!("Created, {} to phone", people(dispatch.spec.employees.len())),
            Self::Planned {
                attempt,
                number,
                due_at,
            } => {
                format!(
                    "{} will be phoned at {} (call {number})",
                    who(attempt),
                    due_at.time_of_day()
                )
            }
            Self::Skipped {
                employee,
                reason,
                until,
            } => {
                format!(
                    "{} is skipped: {}{}",
                    name(*employee),
                    unavailable(*reason),
                    until_words(*until)
                )
            }
            Self::Dialing {
                attempt,
                provider,
                instead_of,
            } => {
                let instead = instead_of.as_ref().map(instead_words).unwrap_or_default();
                format!("Phoning {} over {provider}{instead}", who(attempt))
            }
            Self::NotAllowed { attempt } => format!("The provider is not allowed to call {}", who(attempt)),
            Self::Placed { attempt, .. } => format!("The provider took the call to {}", who(attempt)),
            Self::Postponed { attempt, until } => {
                format!(
                    "The provider postponed the call to {}, next try at {}",
                    who(attempt),
                    until.time_of_day()
                )
            }
            Self::Unclear { attempt } => {
                format!("It is unclear whether the provider took the call to {}", who(attempt))
            }
            Self::Status { attempt, name, .. } => format!("Call to {}: {name}", who(attempt)),
            Self::Key { attempt, key } => format!("{} pressed {key}, without effect", who(attempt)),
            Self::NoAnswer {
                attempt,
                number,
                reason,
            } => {
                format!(
                    "No answer from {}: {} (call {number})",
                    who(attempt),
                    no_answer(*reason)
                )
            }
            Self::Rejected { attempt } => format!("{} pressed 2: rejected", who(attempt)),
            Self::Accepted {
                attempt,
                late,
                resolve_by,
            } => {
                let late = if *late { " (late)" } else { "" };
                let by = resolve_by
                    .map(|by| format!(", to be resolved by {}", by.time_of_day()))
                    .unwrap_or_default();
                format!("{} pressed 1: accepted{late}{by}", who(attempt))
            }
            Self::Waiting { until, reason } => format!("Waiting until {}: {}", until.time_of_day(), waiting(*reason)),
            Self::OutOfMoney { attempt } => {
                format!(
                    "The call to {} was not placed: the provider's account has no money",
                    who(attempt)
                )
            }
            Self::Reopened { attempt } => format!("{} did not resolve it in time: reopened", who(attempt)),
            Self::Exhausted { reason } => match reason {
                Exhaustion::NobodyLeft => "Nobody is left to phone: exhausted",
                Exhaustion::MaxCalls => "The policy allows no more calls: exhausted",
            }
            .to_owned(),
            Self::Cancelled => "Cancelled".to_owned(),
            Self::Expired => "Expired".to_owned(),
            Self::Resolved => "Resolved".to_owned(),
        }
    }
}

fn people(count: usize) -> String {
    if count == 1 {
        "1 person".to_owned()
    } else {
        format!("{count} people")
    }
}

fn until_words(until: Option<Timestamp>) -> String {
    until
        .map(|until| format!(" until {}", until.time_of_day()))
        .unwrap_or_default()
}

/// Why the preferred provider is not used, as ", because {provider} …".
fn instead_words(instead: &BypassedProvider) -> String {
    let reason = match instead.reason {
        AvoidReason::Queue => "has too many calls waiting",
        AvoidReason::Postponed => "postponed the call",
        AvoidReason::Failed => "failed to connect the last call",
        AvoidReason::Down => "is down",
        AvoidReason::Unknown => "could not report the outcome of the last call",
        AvoidReason::NotAllowed => "is not allowed to place it",
        AvoidReason::OutOfMoney => "has no money in its account",
    };
    format!(", because {} {reason}", instead.provider)
}

const fn unavailable(reason: Unavailable) -> &'static str {
    match reason {
        Unavailable::OptedOut => "wants no calls",
        Unavailable::Unverified => "the number is not verified",
        Unavailable::OffDuty => "off duty",
        Unavailable::QuietHours => "in quiet hours",
        Unavailable::Busy => "on the phone for another ticket",
        Unavailable::Postponed => "the provider is postponing calls",
        Unavailable::HourlyLimit => "hourly call limit reached",
        Unavailable::DailyLimit => "daily call limit reached",
        Unavailable::Rejected => "rejected before",
        Unavailable::Refused => "the provider refuses to call the number",
    }
}

const fn no_answer(reason: NoAnswerReason) -> &'static str {
    match reason {
        NoAnswerReason::NotPickedUp => "not picked up",
        NoAnswerReason::Busy => "busy",
        NoAnswerReason::NoKey => "picked up, but no key pressed",
        NoAnswerReason::Voicemail => "voicemail",
        NoAnswerReason::Failed => "the call failed",
        NoAnswerReason::Refused => "the provider refused the call",
        NoAnswerReason::Unknown => "the outcome of the call is unknown",
    }
}

const fn waiting(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::RoundPause => "pause before the next round",
        WaitReason::NobodyAvailable => "nobody is available before then",
        WaitReason::Expiry => "the next call would be due after the dispatch expires",
        WaitReason::OutOfMoney => "the provider's account has no money",
    }
}
