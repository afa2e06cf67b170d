//! Phone scripts: what the simulated phones of `patchbay local` do, one number a line, in plain words.

mod format;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use patchbay::phone::PhoneNumber;
use patchbay_simulators::phones::{Action, Answer, Behavior, Phones, Script, When};

/// The scripts used without `--phones`.
const BUILT_IN: &str = include_str!("built_in.txt");
/// Name of the built-in text in errors.
const BUILT_IN_NAME: &str = "the built-in phones";

/// The file format, printed by `patchbay local --help`.
pub(crate) const FORMAT: &str = "\
Format of --phones: one phone a line, its number and what it does when it is called.

  # A line that begins with # is a comment, and so is the text after a later #.
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

`; then` separates the behavior at the first call, the second call and so on; the last one repeats. After picking up, a
person `presses KEYS`, `presses KEYS ... and hangs up` or `hangs up`. The moment is one of `after 10 s on the line`,
`during the ticket`, `at the options`, `at the 2nd options`, `in the 3rd pause` and `in the last moment`. `fails` is a
failure of the network. A call that `gets lost` never reports its end.";

/// The scripts of all phones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PhoneScripts(Vec<Phone>);

/// The script of one phone. Its `Display` text can be parsed again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Phone {
    number: PhoneNumber,
    /// Behavior at the first call.
    first: CallBehavior,
    /// Behavior at the calls that follow; the last one repeats.
    then: Vec<CallBehavior>,
}

/// What a phone does in one call. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum CallBehavior {
    NeverPicksUp,
    IsBusy,
    Fails,
    GetsLost,
    Rejects { after: u32 },
    Voicemail { after: u32 },
    PicksUp { after: u32, actions: Vec<(Action, When)> },
}

/// A line that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SyntaxError {
    /// Counted from 1.
    line: usize,
    message: String,
}

impl PhoneScripts {
    /// The scripts in `file`; the built-in ones without a file.
    ///
    /// # Errors
    /// Names the file, and every line that cannot be parsed.
    pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else {
            return Self::parse(BUILT_IN_NAME, BUILT_IN);
        };
        let name = file.display().to_string();
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
        Self::parse(&name, &text)
    }

    /// The scripts in `text`; `name` is its name in errors.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub(crate) fn parse(name: &str, text: &str) -> anyhow::Result<Self> {
        let errors = match parse::scripts(text) {
            Ok(scripts) => return Ok(scripts),
            Err(errors) => errors,
        };
        let lines: Vec<String> = errors
            .iter()
            .map(|error| format!("{name}:{}: {}", error.line, error.message))
            .collect();
        bail!("cannot parse the phone scripts\n{}", lines.join("\n"))
    }

    /// The simulated phones with these scripts.
    pub(crate) fn phones(&self) -> Phones {
        let mut phones = Phones::new();
        for phone in &self.0 {
            phones.set(phone.number.clone(), phone.script());
        }
        phones
    }

    /// One line per phone, in the format that [`Self::parse`] reads.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(ToString::to_string)
    }
}

impl Phone {
    fn script(&self) -> Script {
        let first = Script::always(self.first.simulated());
        self.then
            .iter()
            .fold(first, |script, behavior| script.then(behavior.simulated()))
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number.as_str(), self.first)?;
        for behavior in &self.then {
            write!(f, "; then {behavior}")?;
        }
        Ok(())
    }
}

impl CallBehavior {
    fn simulated(&self) -> Behavior {
        match self {
            Self::NeverPicksUp => Behavior::NeverPicksUp,
            Self::IsBusy => Behavior::Busy,
            Self::Fails => Behavior::Fails,
            Self::GetsLost => Behavior::GetsLost,
            Self::Rejects { after } => Behavior::Rejects {
                after: Duration::from_secs((*after).into()),
            },
            Self::Voicemail { after } => Behavior::voicemail((*after).into()),
            Self::PicksUp { after, actions } => Behavior::Answers(Answer {
                after: Duration::from_secs((*after).into()),
                machine: false,
                actions: actions.iter().map(|(action, when)| (*when, action.clone())).collect(),
            }),
        }
    }
}
