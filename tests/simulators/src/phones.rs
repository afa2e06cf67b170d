//! The employees' phones, and what their owners do when they are called.

use std::collections::BTreeMap;
use std::time::Duration;

use patchbay::phone::PhoneNumber;

use crate::rng::Rng;

/// The script of each phone. A call to a number without a script is unexpected.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Phones(BTreeMap<PhoneNumber, Script>);

impl Phones {
    /// No phones.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a phone, or replaces its script.
    #[must_use]
    pub fn with(mut self, number: PhoneNumber, script: impl Into<Script>) -> Self {
        self.set(number, script);
        self
    }

    /// Adds a phone, or replaces its script.
    pub fn set(&mut self, number: PhoneNumber, script: impl Into<Script>) {
        self.0.insert(number, script.into());
    }

    /// What a phone does on its `nth` call, counted from 0; `None` if it has no script.
    pub fn behavior(&self, number: &PhoneNumber, nth: usize) -> Option<&Behavior> {
        self.0.get(number).map(|script| script.behavior(nth))
    }
}

/// What a phone does on its first call, its second, and so on. The last behavior repeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    first: Vec<Behavior>,
    then: Behavior,
}

impl Script {
    /// The same behavior on every call.
    pub const fn always(behavior: Behavior) -> Self {
        Self {
            first: Vec::new(),
            then: behavior,
        }
    }

    /// Adds the behavior of all further calls.
    #[must_use]
    pub fn then(mut self, behavior: Behavior) -> Self {
        self.first.push(std::mem::replace(&mut self.then, behavior));
        self
    }

    /// What happens on the `nth` call, counted from 0.
    pub fn behavior(&self, nth: usize) -> &Behavior {
        self.first.get(nth).unwrap_or(&self.then)
    }
}

impl From<Behavior> for Script {
    fn from(behavior: Behavior) -> Self {
        Self::always(behavior)
    }
}

/// What happens when a phone is called.
#[derive(Clone, Debug, PartialEq)]
pub enum Behavior {
    /// The phone rings until the provider or the network gives up.
    NeverPicksUp,
    /// The line is busy.
    Busy,
    /// The owner rejects the call.
    Rejects {
        /// Ringing time before the rejection.
        after: Duration,
    },
    /// The network fails: status `Failed` at Routee, `failed` at Twilio.
    Fails,
    /// The network loses the call: status `Unknown` at Routee. Twilio has no such status; the default there is
    /// `failed`.
    GetsLost,
    /// A person or voicemail picks up.
    Answers(Answer),
    /// A person at a terminal controls the phone, through [`crate::world::World::pick_up`], `press` and `hang_up`.
    Interactive,
}

/// How long the network takes to notice that a line is busy or that the call failed.
pub(crate) const NETWORK_NOTICES: Duration = Duration::from_secs(1);

impl Behavior {
    /// The ringing time after which something happens without interaction; `None` if nothing does.
    pub(crate) const fn happens_after(&self) -> Option<Duration> {
        match self {
            Self::NeverPicksUp | Self::Interactive => None,
            Self::Busy | Self::Fails | Self::GetsLost => Some(NETWORK_NOTICES),
            Self::Rejects { after } | Self::Answers(Answer { after, .. }) => Some(*after),
        }
    }

    /// The script of a call that a person picks up interactively: the scripted answer if there is one, else no actions.
    pub(crate) fn picked_up(&self) -> Answer {
        match self {
            Self::Answers(answer) => answer.clone(),
            _ => Answer {
                after: Duration::ZERO,
                machine: false,
                actions: Vec::new(),
            },
        }
    }

    /// Picks up after this many seconds, listens and stays silent.
    pub const fn silent(after_seconds: u64) -> Self {
        Self::Answers(Answer {
            after: Duration::from_secs(after_seconds),
            machine: false,
            actions: Vec::new(),
        })
    }

    /// Picks up after 5 s and presses `keys` one by one.
    pub fn presses(keys: &str, when: When) -> Self {
        Self::silent(5).and(when, Action::Press(keys.to_owned()))
    }

    /// Picks up after 5 s, presses `keys` and hangs up with the last one.
    pub fn presses_and_hangs_up(keys: &str, when: When) -> Self {
        Self::silent(5).and(when, Action::PressAndHangUp(keys.to_owned()))
    }

    /// Picks up after 5 s and hangs up this many seconds later.
    pub fn hangs_up_after(seconds: u64) -> Self {
        Self::silent(5).and(When::AfterAnswer(Duration::from_secs(seconds)), Action::HangUp)
    }

    /// Voicemail answers after this many seconds, beeps and listens.
    pub fn voicemail(after_seconds: u64) -> Self {
        let actions = vec![(When::AfterAnswer(Duration::from_secs(2)), Action::Beep)];
        Self::Answers(Answer {
            after: Duration::from_secs(after_seconds),
            machine: true,
            actions,
        })
    }

    /// Adds an action. Has no effect on a behavior that does not pick up.
    #[must_use]
    pub fn and(mut self, when: When, action: Action) -> Self {
        if let Self::Answers(answer) = &mut self {
            answer.actions.push((when, action));
        }
        self
    }

    /// This behavior on the first call, and `next` on all others.
    #[must_use]
    pub fn then(self, next: Self) -> Script {
        Script::from(self).then(next)
    }

    /// A random behavior for seeded simulations, never the interactive one.
    pub fn random(rng: &mut Rng) -> Self {
        let after = rng.between(Duration::ZERO, Duration::from_secs(40));
        let keys = rng.pick("1", &["2", "7", "1#", "2#", "71", "#", "*", "12", "21"]);
        match rng.below(12) {
            0 => Self::NeverPicksUp,
            1 => Self::Busy,
            2 => Self::Rejects { after },
            3 => Self::Fails,
            4 => Self::GetsLost,
            5 => Self::voicemail(after.as_secs()),
            6 => Self::silent(after.as_secs()),
            7 => Self::hangs_up_after(after.as_secs()),
            8 => Self::presses_and_hangs_up(keys, When::random(rng)),
            9 => Self::presses("7", When::OptionsSay(1)).and(When::OptionsSay(2), Action::Press(keys.to_owned())),
            _ => Self::presses(keys, When::random(rng)),
        }
    }
}

/// An answered call: who picks up, and what they do.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Ringing time before the answer.
    pub after: Duration,
    /// Whether it is voicemail.
    pub machine: bool,
    /// What the answerer does. Each action is performed once.
    pub actions: Vec<(When, Action)>,
}

/// An action of the person or voicemail in an answered call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Presses these keys, one by one.
    Press(String),
    /// Presses these keys and hangs up with the last one.
    PressAndHangUp(String),
    /// Hangs up.
    HangUp,
    /// Voicemail beeps.
    Beep,
}

/// When an action is performed in a call, the same for all providers.
///
/// The ticket is the text that is spoken first. Every other text counts as the options, each time it is spoken.
/// Counters continue when a plan is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// This long after the answer.
    AfterAnswer(Duration),
    /// In the middle of the ticket, the first time it is spoken.
    TicketSay,
    /// In the middle of the options, the nth time they are spoken, counted from 1.
    OptionsSay(u32),
    /// In the middle of the nth PAUSE or `<Pause>`, counted from 1.
    Pause(u32),
    /// Half a second before the call would end on its own.
    JustBeforeEnd,
}

impl When {
    fn random(rng: &mut Rng) -> Self {
        let nth = rng.pick(1, &[2, 3]);
        match rng.below(5) {
            0 => Self::AfterAnswer(rng.between(Duration::ZERO, Duration::from_mins(1))),
            1 => Self::TicketSay,
            2 => Self::OptionsSay(nth),
            3 => Self::Pause(nth),
            _ => Self::JustBeforeEnd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_advances_with_every_call_and_repeats_its_last_behavior() {
        let script = Behavior::Busy.then(Behavior::NeverPicksUp).then(Behavior::silent(3));
        let done: Vec<&Behavior> = (0..4).map(|nth| script.behavior(nth)).collect();
        assert_eq!(
            done,
            [
                &Behavior::Busy,
                &Behavior::NeverPicksUp,
                &Behavior::silent(3),
                &Behavior::silent(3)
            ]
        );
    }

    #[test]
    fn a_number_without_a_script_has_no_behavior() {
        let known = PhoneNumber::parse("+12025550123").expect("a number");
        let other = PhoneNumber::parse("+12025550124").expect("a number");
        let phones = Phones::new().with(known.clone(), Behavior::Busy);
        assert_eq!(phones.behavior(&known, 5), Some(&Behavior::Busy));
        assert_eq!(phones.behavior(&other, 0), None);
    }
}
