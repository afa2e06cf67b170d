//! Formats phone scripts in the words that [`super::parse`] reads.

use std::fmt;

use patchbay_simulators::phones::{Action, When};

use super::CallBehavior;

impl fmt::Display for CallBehavior {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverPicksUp => f.write_str("never picks up"),
            Self::IsBusy => f.write_str("is busy"),
            Self::Fails => f.write_str("fails"),
            Self::GetsLost => f.write_str("gets lost"),
            Self::Rejects { after } => write!(f, "rejects after {after} s"),
            Self::Voicemail { after } => write!(f, "voicemail answers after {after} s"),
            Self::PicksUp { after, actions } if actions.is_empty() => {
                write!(f, "picks up after {after} s and says nothing")
            }
            Self::PicksUp { after, actions } => {
                write!(f, "picks up after {after} s")?;
                actions
                    .iter()
                    .try_for_each(|(action, when)| write!(f, ", {}", format_action(action, *when)))
            }
        }
    }
}

fn format_action(action: &Action, when: When) -> String {
    let when = format_when(when);
    match action {
        Action::Press(keys) => format!("presses {keys} {when}"),
        Action::PressAndHangUp(keys) => format!("presses {keys} {when} and hangs up"),
        Action::HangUp => format!("hangs up {when}"),
        // Cannot occur: only voicemail beeps, and it has its own phrase.
        Action::Beep => format!("beeps {when}"),
    }
}

fn format_when(when: When) -> String {
    match when {
        When::AfterAnswer(time) => format!("after {} s on the line", time.as_secs()),
        When::TicketSay => "during the ticket".to_owned(),
        When::OptionsSay(1) => "at the options".to_owned(),
        When::OptionsSay(nth) => format!("at the {} options", ordinal(nth)),
        When::Pause(nth) => format!("in the {} pause", ordinal(nth)),
        When::JustBeforeEnd => "in the last moment".to_owned(),
    }
}

/// An English ordinal: 1st, 2nd, 3rd, 4th.
pub(super) fn ordinal(number: u32) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}
