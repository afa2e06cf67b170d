//! What somebody hears in a call, as a script of our own. A provider renders it in its words and adds where keys are told.
//!
//! A call goes on only as long as its script lasts: listening takes no time, speech and silence give the time in which a key
//! may come. A script that answers a key replaces the one that plays, and hears keys only if it listens itself.

mod spoken;

use serde::Serialize;

use super::employee::{Employee, Gender, Language};
use super::policy::{Policy, Repeat};
use super::texts::{Sentences, sentences};
use super::ticket::Ticket;

/// Longest text of one step, in characters: no provider takes less.
pub const MAX_SAY_CHARS: usize = 1_000;

/// Longest name that is spoken, in characters: longer ones are a mistake in the roster and would only delay the news.
const MAX_NAME_CHARS: usize = 80;

/// Slow speech, in characters a second: the estimate must not be shorter than any voice.
const CHARS_PER_SECOND: u32 = 8;
/// What a text takes beside its text: synthesis and the silence around it.
const SAY_OVERHEAD_SECONDS: u32 = 2;
/// As fast as no voice speaks, in characters a second.
const FASTEST_CHARS_PER_SECOND: u32 = 25;

/// What somebody hears. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Script {
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Speaks a text.
    Say {
        /// What is said, and how.
        #[serde(flatten)]
        line: Line,
        /// Whether a key interrupts it, and is told at once.
        interruptible: bool,
    },
    /// Says nothing.
    Silence {
        /// For how long.
        seconds: u32,
    },
    /// Has the keys of the call told to us.
    Listen,
}

/// A text and its voice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// At most [`MAX_SAY_CHARS`] characters, without markup.
    pub text: String,
    /// Language of the voice.
    pub language: Language,
    /// Gender of the voice.
    pub gender: Gender,
}

impl Script {
    /// Whether this text is one that the script speaks.
    pub fn says(&self, text: &str) -> bool {
        let is_said = |step: &Step| matches!(step, Step::Say { line, .. } if line.text == text);
        self.steps.iter().any(is_said)
    }

    /// The longest that it can play, in whole seconds: an upper estimate, for the watch over the call.
    pub fn longest_seconds(&self) -> u32 {
        self.seconds(CHARS_PER_SECOND, SAY_OVERHEAD_SECONDS)
    }

    /// The shortest that it plays when nobody presses a key, in whole seconds: a lower estimate.
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

/// The language in which `employee` is spoken to: the employee's own, else the policy's.
pub fn language_of(employee: &Employee, policy: &Policy) -> Language {
    employee.language.unwrap_or(policy.language)
}

/// The script of a call: the ticket, then the options, said again while no key comes.
pub fn offer(ticket: &Ticket, employee: &Employee, policy: &Policy) -> Script {
    let language = language_of(employee, policy);
    let text = spoken::ticket(&ticket.text, sentences(language));
    let gender = employee.voice.unwrap_or(policy.ticket_voice);
    let mut ticket = vec![say(Line { text, language, gender }, false)];
    ticket.extend(pause(policy.options_pause));
    let again: &[Step] = match policy.repeat {
        Repeat::Options => &[],
        Repeat::All => &ticket,
    };
    let mut steps = pause(policy.greeting_pause);
    steps.extend(ticket.iter().cloned());
    steps.extend(options(language, policy, again));
    listening(steps)
}

/// Says that the key made its presser the acceptor. Only for after the acceptance is stored.
pub fn accepted(language: Language, policy: &Policy) -> Script {
    telling(language, policy, |texts| texts.accepted.to_owned())
}

/// Says that the key rejected the ticket.
pub fn rejected(language: Language, policy: &Policy) -> Script {
    telling(language, policy, |texts| texts.rejected.to_owned())
}

/// Says that `name` has the ticket already.
pub fn taken_by(name: &str, language: Language, policy: &Policy) -> Script {
    telling(language, policy, |texts| {
        match spoken::phrase(name, texts, MAX_NAME_CHARS) {
            Some(name) => texts.taken_by.replace("{name}", &name),
            None => texts.taken.to_owned(),
        }
    })
}

/// Says that nobody needs to accept the ticket any more.
pub fn closed(language: Language, policy: &Policy) -> Script {
    telling(language, policy, |texts| texts.closed.to_owned())
}

/// Says good-bye: the shortest script that ends the call.
pub fn goodbye(language: Language, policy: &Policy) -> Script {
    telling(language, policy, |texts| texts.goodbye.to_owned())
}

/// Says the options again, after a key that means nothing.
pub fn ask_again(language: Language, policy: &Policy) -> Script {
    listening(options(language, policy, &[]))
}

/// Says that the answer could not be stored and asks for the key once more. Promises nothing.
pub fn one_moment(language: Language, policy: &Policy) -> Script {
    let text = sentences(language).one_moment.to_owned();
    let mut steps = vec![say(
        Line {
            text,
            language,
            gender: policy.options_voice,
        },
        true,
    )];
    steps.extend(pause(policy.repeat_after));
    steps.extend(options(language, policy, &[]));
    listening(steps)
}

/// The options as often as the policy wants them, each time but the first after what is said `again`, with the silences
/// in which a key may come.
fn options(language: Language, policy: &Policy, again: &[Step]) -> Vec<Step> {
    let texts = sentences(language);
    let own = policy.texts.get(&language).and_then(|texts| texts.options.as_deref());
    let text = own
        .and_then(|own| spoken::phrase(own, texts, MAX_SAY_CHARS))
        .unwrap_or_else(|| texts.options.to_owned());
    let options = say(
        Line {
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

/// `steps`, listening from the beginning: whoever knows the question answers it at once.
fn listening(mut steps: Vec<Step>) -> Script {
    steps.insert(0, Step::Listen);
    Script { steps }
}

/// One sentence, after which the call ends. No key interrupts it: there is none to wait for, and one pressed twice must
/// not cut the news short.
fn telling(language: Language, policy: &Policy, text: impl FnOnce(&Sentences) -> String) -> Script {
    let line = Line {
        text: text(sentences(language)),
        language,
        gender: policy.options_voice,
    };
    Script {
        steps: vec![say(line, false)],
    }
}

const fn say(line: Line, interruptible: bool) -> Step {
    Step::Say { line, interruptible }
}

/// A silence; none at all when it has no length, which no provider says to be valid.
fn pause(seconds: u32) -> Vec<Step> {
    if seconds == 0 {
        Vec::new()
    } else {
        vec![Step::Silence { seconds }]
    }
}

#[cfg(test)]
mod tests;
