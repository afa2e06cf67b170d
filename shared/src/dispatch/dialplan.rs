//! What a call says, as a dial plan of the published verbs (`routee.md` section 4).
//!
//! A dial plan keeps the line open only as long as its verbs last: COLLECT does not wait for keys, SAY and PAUSE give
//! the time in which a key may come. A plan that answers a COLLECT event replaces the running one and hears keys only
//! if it has a COLLECT of its own (`routee.md` 5.3).

mod spoken;

use serde::{Deserialize, Serialize};

use super::employee::{Employee, Gender, Language};
use super::policy::{CollectPosition, Policy};
use super::texts::{Sentences, sentences};
use super::ticket::Ticket;

/// Longest text of one SAY, in characters (`routee.md` section 7).
pub const MAX_SAY_CHARS: usize = 1_000;

/// Longest name that is spoken, in characters: longer ones are a mistake in the roster and would only delay the news.
const MAX_NAME_CHARS: usize = 80;

/// Slow speech, in characters a second: the estimate must not be shorter than any voice.
const CHARS_PER_SECOND: u32 = 8;
/// What a SAY takes beside its text: synthesis and the silence around it.
const SAY_OVERHEAD_SECONDS: u32 = 2;
/// As fast as no voice speaks, in characters a second.
const FASTEST_CHARS_PER_SECOND: u32 = 25;

/// A dial plan. The provider takes no empty one (`routee.md` 2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialPlan {
    /// What is done, in order.
    pub verbs: Vec<Verb>,
}

impl DialPlan {
    /// Whether this text is one that the plan speaks.
    pub fn says(&self, text: &str) -> bool {
        let is_said = |verb: &Verb| matches!(verb, Verb::Say { message, .. } if message.text == text);
        self.verbs.iter().any(is_said)
    }
}

/// One step of a dial plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "UPPERCASE", rename_all_fields = "camelCase")]
pub enum Verb {
    /// Speaks a text.
    Say {
        /// What is said, and how.
        message: Message,
        /// How often it is said again after the first time. The provider's "forever" (-1) is left out on purpose: such
        /// a plan has no end.
        #[serde(default, skip_serializing_if = "is_zero")]
        repeat: u32,
        /// Whether a key interrupts it, and is told at once.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        barge_in: bool,
    },
    /// Is silent.
    Pause {
        /// For how many seconds.
        duration: u32,
    },
    /// Has keys told to us.
    Collect {
        /// Where they are told.
        event_url: String,
        /// Whether `#` sends the keys at once.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        submit_on_hash: bool,
        /// Most keys; the provider's own default is 30.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_digits: Option<u32>,
    },
}

/// A text and its voice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// At most [`MAX_SAY_CHARS`] characters, without markup.
    pub text: String,
    /// Language of the voice.
    pub language: Language,
    /// Gender of the voice.
    pub gender: Gender,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The language in which `employee` is spoken to: the employee's own, else the policy's.
pub fn language_of(employee: &Employee, policy: &Policy) -> Language {
    employee.language.unwrap_or(policy.language)
}

/// The plan of a call: the ticket, then the options, said again while no key comes (`routee-flow.md`).
pub fn offer(ticket: &Ticket, employee: &Employee, policy: &Policy, event_url: &str) -> DialPlan {
    let language = language_of(employee, policy);
    let text = spoken::ticket(&ticket.text, sentences(language));
    let gender = employee.voice.unwrap_or(policy.ticket_voice);
    let mut verbs = pause(policy.greeting_pause);
    verbs.push(say(Message { text, language, gender }, false));
    verbs.extend(pause(policy.options_pause));
    verbs.extend(options(language, policy));
    listening(verbs, policy, event_url)
}

/// Says that the key made its presser the acceptor. Only for after the acceptance is stored.
pub fn accepted(language: Language, policy: &Policy) -> DialPlan {
    telling(language, policy, |texts| texts.accepted.to_owned())
}

/// Says that the key rejected the ticket.
pub fn rejected(language: Language, policy: &Policy) -> DialPlan {
    telling(language, policy, |texts| texts.rejected.to_owned())
}

/// Says that `name` has the ticket already.
pub fn taken_by(name: &str, language: Language, policy: &Policy) -> DialPlan {
    telling(language, policy, |texts| {
        match spoken::phrase(name, texts, MAX_NAME_CHARS) {
            Some(name) => texts.taken_by.replace("{name}", &name),
            None => texts.taken.to_owned(),
        }
    })
}

/// Says that nobody needs to accept the ticket any more.
pub fn closed(language: Language, policy: &Policy) -> DialPlan {
    telling(language, policy, |texts| texts.closed.to_owned())
}

/// Says good-bye: the shortest valid plan that ends the call.
pub fn goodbye(language: Language, policy: &Policy) -> DialPlan {
    telling(language, policy, |texts| texts.goodbye.to_owned())
}

/// Says the options again, after a key that means nothing.
pub fn ask_again(language: Language, policy: &Policy, event_url: &str) -> DialPlan {
    listening(options(language, policy), policy, event_url)
}

/// Says that the answer could not be stored and asks for the key once more. Promises nothing.
pub fn one_moment(language: Language, policy: &Policy, event_url: &str) -> DialPlan {
    let text = sentences(language).one_moment.to_owned();
    let mut verbs = vec![say(
        Message {
            text,
            language,
            gender: policy.options_voice,
        },
        true,
    )];
    verbs.extend(pause(policy.repeat_after));
    verbs.extend(options(language, policy));
    listening(verbs, policy, event_url)
}

/// The longest that `plan` can play, in whole seconds: an upper estimate, for the watch over the call.
pub fn longest_seconds(plan: &DialPlan) -> u32 {
    seconds(plan, CHARS_PER_SECOND, SAY_OVERHEAD_SECONDS)
}

/// The shortest that `plan` plays when nobody presses a key, in whole seconds: a lower estimate.
pub fn shortest_seconds(plan: &DialPlan) -> u32 {
    seconds(plan, FASTEST_CHARS_PER_SECOND, 0)
}

fn seconds(plan: &DialPlan, chars_per_second: u32, overhead: u32) -> u32 {
    plan.verbs.iter().fold(0, |total: u32, verb| {
        total.saturating_add(match verb {
            Verb::Say { message, repeat, .. } => {
                let chars = u32::try_from(message.text.chars().count()).unwrap_or(u32::MAX);
                let once = chars.div_ceil(chars_per_second).saturating_add(overhead);
                once.saturating_mul(repeat.saturating_add(1))
            }
            Verb::Pause { duration } => *duration,
            Verb::Collect { .. } => 0,
        })
    })
}

/// The options as often as the policy wants them, with the silences in which a key may come.
fn options(language: Language, policy: &Policy) -> Vec<Verb> {
    let texts = sentences(language);
    let own = policy.texts.get(&language).and_then(|texts| texts.options.as_deref());
    let text = own
        .and_then(|own| spoken::phrase(own, texts, MAX_SAY_CHARS))
        .unwrap_or_else(|| texts.options.to_owned());
    let options = say(
        Message {
            text,
            language,
            gender: policy.options_voice,
        },
        true,
    );
    let mut verbs = vec![options.clone()];
    for _ in 0..policy.repeats {
        verbs.extend(pause(policy.repeat_after));
        verbs.push(options.clone());
    }
    verbs.extend(pause(policy.closing_pause));
    verbs
}

/// `verbs` with a COLLECT where the policy wants it.
fn listening(mut verbs: Vec<Verb>, policy: &Policy, event_url: &str) -> DialPlan {
    let collect = Verb::Collect {
        event_url: event_url.to_owned(),
        submit_on_hash: policy.submit_on_hash,
        max_digits: None,
    };
    match policy.collect {
        CollectPosition::First => verbs.insert(0, collect),
        CollectPosition::Last => verbs.push(collect),
    }
    DialPlan { verbs }
}

/// One sentence, after which the call ends. Without bargeIn: there is no key to wait for, and one pressed twice must
/// not cut the news short.
fn telling(language: Language, policy: &Policy, text: impl FnOnce(&Sentences) -> String) -> DialPlan {
    let message = Message {
        text: text(sentences(language)),
        language,
        gender: policy.options_voice,
    };
    DialPlan {
        verbs: vec![say(message, false)],
    }
}

const fn say(message: Message, barge_in: bool) -> Verb {
    Verb::Say {
        message,
        repeat: 0,
        barge_in,
    }
}

/// A silence; none at all when it has no length, which the contract does not say to be valid.
fn pause(seconds: u32) -> Vec<Verb> {
    if seconds == 0 {
        Vec::new()
    } else {
        vec![Verb::Pause { duration: seconds }]
    }
}

#[cfg(test)]
mod tests;
