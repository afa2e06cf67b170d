//! What the phones of `patchbay local` do: a text of one number a line, written as people say it.

mod read;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use patchbay::phone::PhoneNumber;
use patchbay_simulators::phones::{Answer, Behaviour, Deed, Phones, Script, When};

/// The phones that are there without a file.
const BUILT_IN: &str = include_str!("habits.txt");
/// What the built-in text is called in errors.
const BUILT_IN_NAME: &str = "the built-in phones";

/// The format, for the help.
pub(crate) const FORMAT: &str = "\
One phone a line: its number, and what it does when it is called.

  # Lines that begin with # are comments, and so is what follows a # further on.
  +1 202 555 0101  never picks up
  +1 202 555 0102  is busy
  +1 202 555 0103  fails
  +1 202 555 0104  gets lost
  +1 202 555 0105  rejects after 3 s
  +1 202 555 0106  voicemail answers after 20 s
  +1 202 555 0107  picks up after 4 s and says nothing
  +1 202 555 0108  picks up after 5 s, presses 1 at the options
  +1 202 555 0109  picks up after 5 s, hangs up after 10 s on the line
  +1 202 555 0110  picks up after 5 s, presses 7 at the options, presses 1 at the 2nd options
  +1 202 555 0111  is busy; then never picks up; then picks up after 5 s, presses 2 in the 3rd pause

`; then` separates the first call, the second and so on; the last one repeats. Somebody who picks up `presses KEYS`,
`presses KEYS ... and hangs up` or `hangs up`, and does so `after 10 s on the line`, `during the ticket`, `at the
options`, `at the 2nd options`, `in the 3rd pause` or `in the last moment`. `fails` is the network's failure, a call
that `gets lost` has no known end.";

/// Whose phone does what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Habits(Vec<Phone>);

/// One phone. Its text is the line that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Phone {
    number: PhoneNumber,
    /// At the first call.
    first: Habit,
    /// At those that follow; the last one repeats.
    then: Vec<Habit>,
}

/// What a phone does in one call.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Habit {
    NeverPicksUp,
    IsBusy,
    Fails,
    GetsLost,
    Rejects { after: u32 },
    Voicemail { after: u32 },
    PicksUp { after: u32, deeds: Vec<(Deed, When)> },
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mistake {
    /// Counted from 1.
    line: usize,
    what: String,
}

impl Habits {
    /// The phones in a file; those that are built in when there is none.
    ///
    /// # Errors
    /// Names the file, and every line that cannot be read.
    pub(crate) fn of(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else {
            return Self::named(BUILT_IN_NAME, BUILT_IN);
        };
        let name = file.display().to_string();
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
        Self::named(&name, &text)
    }

    /// The phones in a text that is called `name` in errors.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(crate) fn named(name: &str, text: &str) -> anyhow::Result<Self> {
        let mistakes = match read::habits(text) {
            Ok(habits) => return Ok(habits),
            Err(mistakes) => mistakes,
        };
        let lines: Vec<String> = mistakes
            .iter()
            .map(|mistake| format!("{name}:{}: {}", mistake.line, mistake.what))
            .collect();
        bail!("the phones cannot be read\n{}", lines.join("\n"))
    }

    /// The telephones of a simulated Routee.
    pub(crate) fn phones(&self) -> Phones {
        let mut phones = Phones::new();
        for phone in &self.0 {
            phones.set(phone.number.clone(), phone.script());
        }
        phones
    }

    /// Each phone in one sentence, which can be read again.
    pub(crate) fn sentences(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(ToString::to_string)
    }
}

impl Phone {
    fn script(&self) -> Script {
        let first = Script::always(self.first.behaviour());
        self.then
            .iter()
            .fold(first, |script, habit| script.then(habit.behaviour()))
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number.as_str(), self.first)?;
        for habit in &self.then {
            write!(f, "; then {habit}")?;
        }
        Ok(())
    }
}

impl Habit {
    fn behaviour(&self) -> Behaviour {
        match self {
            Self::NeverPicksUp => Behaviour::NeverPicksUp,
            Self::IsBusy => Behaviour::Busy,
            Self::Fails => Behaviour::Fails,
            Self::GetsLost => Behaviour::GetsLost,
            Self::Rejects { after } => Behaviour::Rejects {
                after: Duration::from_secs((*after).into()),
            },
            Self::Voicemail { after } => Behaviour::voicemail((*after).into()),
            Self::PicksUp { after, deeds } => Behaviour::Answers(Answer {
                after: Duration::from_secs((*after).into()),
                machine: false,
                deeds: deeds.iter().map(|(deed, when)| (*when, deed.clone())).collect(),
            }),
        }
    }
}
