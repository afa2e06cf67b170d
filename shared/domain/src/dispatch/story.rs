//! The timeline in words, for the person who asks next morning what happened.

use super::availability::Unavailable;
use super::route::{Detour, Instead};
use super::state::{Dispatch, WaitReason};
use super::timeline::{Exhaustion, Fact, Reason};
use crate::ids::AttemptId;
use crate::timestamp::Timestamp;

impl Fact {
    /// What happened, as a sentence. Times of day are UTC.
    pub fn sentence(&self, dispatch: &Dispatch) -> String {
        let name = |index: u8| {
            dispatch
                .employee(index)
                .map_or("somebody", |employee| employee.name.as_str())
        };
        let who = |attempt: &AttemptId| name(attempt.employee);
        match self {
            Self::Created => format!("Created, {} to phone", people(dispatch.brief.employees.len())),
            Self::Planned {
                attempt,
                number,
                due_at,
            } => {
                format!(
                    "{} is to be phoned at {} (call {number})",
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
                    "{} is passed over: {}{}",
                    name(*employee),
                    unavailable(*reason),
                    until_words(*until)
                )
            }
            Self::Dialling {
                attempt,
                provider,
                instead_of,
            } => {
                let instead = instead_of.as_ref().map(instead_words).unwrap_or_default();
                format!("Phoning {} over {provider}{instead}", who(attempt))
            }
            Self::NotAllowed { attempt } => format!("The provider may not place the call to {}", who(attempt)),
            Self::Placed { attempt, .. } => format!("The provider took the call to {}", who(attempt)),
            Self::PutOff { attempt, until } => {
                format!(
                    "The provider put off the call to {}, again at {}",
                    who(attempt),
                    until.time_of_day()
                )
            }
            Self::Unclear { attempt } => {
                format!("It is unclear whether the provider took the call to {}", who(attempt))
            }
            Self::Status { attempt, name, .. } => format!("Call to {}: {name}", who(attempt)),
            Self::Key { attempt, key } => format!("{} pressed {key}, to no effect", who(attempt)),
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
                    "The call to {} was not made: the provider's account has no money",
                    who(attempt)
                )
            }
            Self::Reopened { attempt } => format!("{} did not resolve it in time: opened again", who(attempt)),
            Self::Exhausted { why } => match why {
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

/// ", because one … ".
fn instead_words(instead: &Instead) -> String {
    let why = match instead.why {
        Detour::Queue => "has too many calls waiting",
        Detour::PutOff => "put off the call",
        Detour::Failed => "lost the last call on its way",
        Detour::Down => "is down",
        Detour::Unknown => "did not say what became of the last call",
        Detour::NotAllowed => "may not place it",
        Detour::OutOfMoney => "has no money in its account",
    };
    format!(", because {} {why}", instead.provider)
}

const fn unavailable(reason: Unavailable) -> &'static str {
    match reason {
        Unavailable::OptedOut => "wants no calls",
        Unavailable::Unverified => "the number is not verified",
        Unavailable::OffDuty => "off duty",
        Unavailable::QuietHours => "quiet hours",
        Unavailable::Busy => "on the phone for another ticket",
        Unavailable::PutOff => "the provider takes no call at the moment",
        Unavailable::HourlyLimit => "called as often in an hour as allowed",
        Unavailable::DailyLimit => "called as often in a day as allowed",
        Unavailable::Rejected => "rejected before",
        Unavailable::Refused => "the provider refuses to call the number",
    }
}

const fn no_answer(reason: Reason) -> &'static str {
    match reason {
        Reason::NotPickedUp => "not picked up",
        Reason::Busy => "busy",
        Reason::NoKey => "picked up, but no key",
        Reason::Voicemail => "voicemail",
        Reason::Failed => "the call failed",
        Reason::Refused => "the provider refused the call",
        Reason::Unknown => "nobody knows what became of the call",
    }
}

const fn waiting(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::RoundPause => "pause before the next round",
        WaitReason::NobodyAvailable => "nobody is available before",
        WaitReason::Expiry => "the next call would come after the end",
        WaitReason::OutOfMoney => "the provider's account has no money",
    }
}
