//! Scripts: what is played in a call, in a form of our own. A provider renders it in its format and adds the URL that
//! receives keys.
//!
//! A call lasts only as long as its script. Listening takes no time; a key can come during speech and silence. A script
//! that answers a key replaces the one that is playing, and receives keys only if it listens itself.

pub(crate) mod spoken;

use serde::Serialize;

use super::employee::{Employee, Gender, Language};
use super::policy::{Policy, RepeatContent};
use super::texts::{Sentences, sentences};
use super::ticket::Ticket;

/// Maximum length of the text of one step, in characters: every provider takes at least this many.
pub const MAX_SAY_CHARS: usize = 1_000;

/// Maximum length of a spoken name, in characters: a longer one is a mistake in the roster and would only cost time.
const MAX_NAME_CHARS: usize = 80;

/// Slow speech, in characters per second: slower than any voice, for an upper estimate.
const CHARS_PER_SECOND: u32 = 8;
/// Seconds that a text takes in addition to its speech: synthesis and the silence around it.
const SAY_OVERHEAD_SECONDS: u32 = 2;
/// Fast speech, in characters per second: faster than any voice, for a lower estimate.
const FASTEST_CHARS_PER_SECOND: u32 = 25;

/// A script. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Script {
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Speaks a text.
    Say {
        /// The text and its voice.
        #[serde(flatten)]
        line: SpokenLine,
        /// Whether a key interrupts the speech and is reported at once.
        interruptible: bool,
    },
    /// A silence.
    Silence {
        /// Duration in seconds.
        seconds: u32,
    },
    /// Starts reporting the keys of the call to us.
    Listen,
}

/// A text and its voice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SpokenLine {
    /// At most [`MAX_SAY_CHARS`] characters, without markup.
    pub text: String,
    /// Language of the voice.
    pub language: Language,
    /// Gender of the voice.
    pub gender: Gender,
}

impl Script {
    /// Whether the script speaks exactly this text in one of its steps.
    pub fn says(&self, text: &str) -> bool {
        let is_said = |step: &Step| matches!(step, Step::Say { line, .. } if line.text == text);
        self.steps.iter().any(is_said)
    }

    /// Upper estimate of the duration, in whole seconds, for the watch over the call.
    pub fn longest_seconds(&self) -> u32 {
        self.seconds(CHARS_PER_SECOND, SAY_OVERHEAD_SECONDS)
    }

    /// Lower estimate of the duration when no key is pressed, in whole seconds.
    pub fn shortest_seconds(&self) -> u32 {
        self.seconds(FASTEST_CHARS_PER_SECOND, 0)
    }

    fn seconds(&self, chars_per_second: u32, overhead: u32) -> u32 {
        self.steps.iter().fold(0, |total: u32, step| {
            total.saturating_add(match step {
                Step::Say { line, .. } => {
                    let chars = u32::try_from(line.text.chars().count()).unwrap_or(u32::MAX);
                    chars.div_ceil(chars_per_second).saturating_add(overhead)
                }
                Step::Silence { seconds } => *seconds,
                Step::Listen => 0,
            })
        })
    }
}

/// The language of a call to `employee`: the employee's own, or else the policy's.
pub fn language_of(employee: &Employee, policy: &Policy) -> Language {
    employee.language.unwrap_or(policy.language)
}

/// The script of a call: the ticket, then the options, repeated while no key is pressed.
pub fn offer(ticket: &Ticket, employee: &Employee, policy: &Policy) -> Script {
    let language = language_of(employee, policy);
    let text = spoken::ticket(&ticket.text, sentences(language));
    let gender = employee.voice.unwrap_or(policy.ticket_voice);
    let mut ticket = vec![say(SpokenLine { text, language, gender }, false)];
    ticket.extend(pause(policy.options_pause));
    let again: &[Step] = match policy.repeat_content {
        RepeatContent::Options => &[],
        RepeatContent::All => &ticket,
    };
    let mut steps = pause(policy.greeting_pause);
    steps.extend(ticket.iter().cloned());
    steps.extend(options(language, policy, again));
    listen_from_start(steps)
}

/// Confirms the acceptance. Use it only after the acceptance is stored.
pub fn accepted(language: Language, policy: &Policy) -> Script {
    announcement(language, policy, |texts| texts.accepted.to_owned())
}

/// Confirms the rejection.
pub fn rejected(language: Language, policy: &Policy) -> Script {
    announcement(language, policy, |texts| texts.rejected.to_owned())
}

/// Says that `name` has already accepted the ticket.
pub fn taken_by(name: &str, language: Language, policy: &Policy) -> Script {
    announcement(language, policy, |texts| {
        match spoken::phrase(name, texts, MAX_NAME_CHARS) {
            Some(name) => texts.taken_by.replace("{name}", &name),
            None => texts.taken.to_owned(),
        }
    })
}

/// Says that nobody needs to accept the ticket any more.
pub fn closed(language: Language, policy: &Policy) -> Script {
    announcement(language, policy, |texts| texts.closed.to_owned())
}

/// Says goodbye: the shortest script that ends the call.
pub fn goodbye(language: Language, policy: &Policy) -> Script {
    announcement(language, policy, |texts| texts.goodbye.to_owned())
}

/// Repeats the options, after a key without meaning.
pub fn repeat_options(language: Language, policy: &Policy) -> Script {
    listen_from_start(options(language, policy, &[]))
}

/// Says that the answer could not be stored and asks for the key again. Does not confirm the answer.
pub fn one_moment(language: Language, policy: &Policy) -> Script {
    let text = sentences(language).one_moment.to_owned();
    let mut steps = vec![say(
        SpokenLine {
            text,
            language,
            gender: policy.options_voice,
        },
        true,
    )];
    steps.extend(pause(policy.repeat_after));
    steps.extend(options(language, policy, &[]));
    listen_from_start(steps)
}

/// The options as often as the policy repeats them, with silences in which a key may come. Each repetition begins with
/// the steps `again`.
fn options(language: Language, policy: &Policy, again: &[Step]) -> Vec<Step> {
    let texts = sentences(language);
    let own = policy.texts.get(&language).and_then(|texts| texts.options.as_deref());
    let text = own
        .and_then(|own| spoken::phrase(own, texts, MAX_SAY_CHARS))
        .unwrap_or_else(|| texts.options.to_owned());
    let options = say(
        SpokenLine {
            text,
            language,
            gender: policy.options_voice,
        },
        true,
    );
    let mut steps = vec![options.clone()];
    for _ in 0..policy.repeats {
        steps.extend(pause(policy.repeat_after));
        steps.extend(again.iter().cloned());
        steps.push(options.clone());
    }
    steps.extend(pause(policy.closing_pause));
    steps
}

/// A script that listens from the start: a person who knows the question may answer it at once.
fn listen_from_start(mut steps: Vec<Step>) -> Script {
    steps.insert(0, Step::Listen);
    Script { steps }
}

/// One sentence, after which the call ends. No key interrupts it: none is expected, and a key that is pressed twice
/// must not cut the sentence short.
fn announcement(language: Language, policy: &Policy, text: impl FnOnce(&Sentences) -> String) -> Script {
    let line = SpokenLine {
        text: text(sentences(language)),
        language,
        gender: policy.options_voice,
    };
    Script {
        steps: vec![say(line, false)],
    }
}

const fn say(line: SpokenLine, interruptible: bool) -> Step {
    Step::Say { line, interruptible }
}

/// A silence, or no step if it has no length: no provider documents a silence of zero seconds as valid.
fn pause(seconds: u32) -> Vec<Step> {
    if seconds == 0 {
        Vec::new()
    } else {
        vec![Step::Silence { seconds }]
    }
}

#[cfg(test)]
mod tests;
