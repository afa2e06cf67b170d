//! How habits are written: in the very words that [`super::read`] takes.

use std::fmt;

use patchbay_simulators::phones::{Deed, When};

use super::Habit;

impl fmt::Display for Habit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverPicksUp => f.write_str("never picks up"),
            Self::IsBusy => f.write_str("is busy"),
            Self::Fails => f.write_str("fails"),
            Self::GetsLost => f.write_str("gets lost"),
            Self::Rejects { after } => write!(f, "rejects after {after} s"),
            Self::Voicemail { after } => write!(f, "voicemail answers after {after} s"),
            Self::PicksUp { after, deeds } if deeds.is_empty() => {
                write!(f, "picks up after {after} s and says nothing")
            }
            Self::PicksUp { after, deeds } => {
                write!(f, "picks up after {after} s")?;
                deeds
                    .iter()
                    .try_for_each(|(deed, when)| write!(f, ", {}", sentence(deed, *when)))
            }
        }
    }
}

fn sentence(deed: &Deed, when: When) -> String {
    let when = moment(when);
    match deed {
        Deed::Press(keys) => format!("presses {keys} {when}"),
        Deed::PressAndHangUp(keys) => format!("presses {keys} {when} and hangs up"),
        Deed::HangUp => format!("hangs up {when}"),
        // Nothing that is read beeps but voicemail, which has words of its own.
        Deed::Beep => format!("beeps {when}"),
    }
}

fn moment(when: When) -> String {
    match when {
        When::AfterAnswer(time) => format!("after {} s on the line", time.as_secs()),
        When::TicketSay => "during the ticket".to_owned(),
        When::OptionsSay(1) => "at the options".to_owned(),
        When::OptionsSay(nth) => format!("at the {} options", ordinal(nth)),
        When::Pause(nth) => format!("in the {} pause", ordinal(nth)),
        When::JustBeforeEnd => "in the last moment".to_owned(),
    }
}

/// 1st, 2nd, 3rd, 4th.
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
