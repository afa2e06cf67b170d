//! The employees' telephones, and what their owners do.

use std::collections::BTreeMap;
use std::time::Duration;

use patchbay::phone::PhoneNumber;

use crate::rng::Rng;

/// Whose phone does what. A number that is not in here is not expected to be phoned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Phones(BTreeMap<PhoneNumber, Script>);

impl Phones {
    /// No phone at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// These phones and one more.
    #[must_use]
    pub fn with(mut self, number: PhoneNumber, script: impl Into<Script>) -> Self {
        self.set(number, script);
        self
    }

    /// Gives a phone a script, in place of the one it had.
    pub fn set(&mut self, number: PhoneNumber, script: impl Into<Script>) {
        self.0.insert(number, script.into());
    }

    /// What a phone does at its `nth` call, from 0; none when it has no script.
    pub fn behaviour(&self, number: &PhoneNumber, nth: usize) -> Option<&Behaviour> {
        self.0.get(number).map(|script| script.behaviour(nth))
    }
}

/// What a phone does at its first call, its second, and so on; the last repeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    first: Vec<Behaviour>,
    then: Behaviour,
}

impl Script {
    /// The same at every call.
    pub const fn always(behaviour: Behaviour) -> Self {
        Self {
            first: Vec::new(),
            then: behaviour,
        }
    }

    /// At further calls, once what came before has been done, this.
    #[must_use]
    pub fn then(mut self, behaviour: Behaviour) -> Self {
        self.first.push(std::mem::replace(&mut self.then, behaviour));
        self
    }

    /// What is done at the `nth` call, from 0.
    pub fn behaviour(&self, nth: usize) -> &Behaviour {
        self.first.get(nth).unwrap_or(&self.then)
    }
}

impl From<Behaviour> for Script {
    fn from(behaviour: Behaviour) -> Self {
        Self::always(behaviour)
    }
}

/// What happens when a phone is called.
#[derive(Clone, Debug, PartialEq)]
pub enum Behaviour {
    /// It rings until the provider or the network gives up.
    NeverPicksUp,
    /// The line is busy.
    Busy,
    /// The owner rejects the call.
    Rejects {
        /// After so much ringing.
        after: Duration,
    },
    /// The network fails: status `Failed` at Routee, `failed` at Twilio.
    Fails,
    /// The network loses the call: status `Unknown` at Routee, and by default `failed` at Twilio, which has no such word.
    GetsLost,
    /// Somebody or something picks up.
    Answers(Answer),
    /// A person at a terminal does what they like, through [`crate::world::World::pick_up`] and its like.
    Interactive,
}

/// How long the network takes to find a line busy, or itself broken.
pub(crate) const NETWORK_NOTICES: Duration = Duration::from_secs(1);

impl Behaviour {
    /// After how much ringing something happens by itself; none when nothing does.
    pub(crate) const fn happens_after(&self) -> Option<Duration> {
        match self {
            Self::NeverPicksUp | Self::Interactive => None,
            Self::Busy | Self::Fails | Self::GetsLost => Some(NETWORK_NOTICES),
            Self::Rejects { after } | Self::Answers(Answer { after, .. }) => Some(*after),
        }
    }

    /// What is done in a call that a person picks up: what the script says if it says anything, and what they do.
    pub(crate) fn picked_up(&self) -> Answer {
        match self {
            Self::Answers(answer) => answer.clone(),
            _ => Answer {
                after: Duration::ZERO,
                machine: false,
                deeds: Vec::new(),
            },
        }
    }

    /// Picks up after so many seconds, listens and stays silent.
    pub const fn silent(after_seconds: u64) -> Self {
        Self::Answers(Answer {
            after: Duration::from_secs(after_seconds),
            machine: false,
            deeds: Vec::new(),
        })
    }

    /// Picks up after 5 s and presses `keys` one after the other.
    pub fn presses(keys: &str, when: When) -> Self {
        Self::silent(5).and(when, Deed::Press(keys.to_owned()))
    }

    /// Picks up after 5 s, presses `keys` and hangs up with the last one.
    pub fn presses_and_hangs_up(keys: &str, when: When) -> Self {
        Self::silent(5).and(when, Deed::PressAndHangUp(keys.to_owned()))
    }

    /// Picks up after 5 s and hangs up after so many more.
    pub fn hangs_up_after(seconds: u64) -> Self {
        Self::silent(5).and(When::AfterAnswer(Duration::from_secs(seconds)), Deed::HangUp)
    }

    /// Voicemail answers after so many seconds, beeps and listens.
    pub fn voicemail(after_seconds: u64) -> Self {
        let deeds = vec![(When::AfterAnswer(Duration::from_secs(2)), Deed::Beep)];
        Self::Answers(Answer {
            after: Duration::from_secs(after_seconds),
            machine: true,
            deeds,
        })
    }

    /// What it did before, and this. Who does not pick up cannot do anything further.
    #[must_use]
    pub fn and(mut self, when: When, deed: Deed) -> Self {
        if let Self::Answers(answer) = &mut self {
            answer.deeds.push((when, deed));
        }
        self
    }

    /// This at the first call, and `next` at those that follow.
    #[must_use]
    pub fn then(self, next: Self) -> Script {
        Script::from(self).then(next)
    }

    /// Any behaviour but the interactive one, for seeded simulations.
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
            9 => Self::presses("7", When::OptionsSay(1)).and(When::OptionsSay(2), Deed::Press(keys.to_owned())),
            _ => Self::presses(keys, When::random(rng)),
        }
    }
}

/// Who picks up, and does what.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// After so much ringing.
    pub after: Duration,
    /// Whether it is voicemail.
    pub machine: bool,
    /// What is done in the call; each deed once.
    pub deeds: Vec<(When, Deed)>,
}

/// Something that is done in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Presses these keys, one after the other.
    Press(String),
    /// Presses these keys and hangs up with the last one.
    PressAndHangUp(String),
    /// Hangs up.
    HangUp,
    /// Voicemail beeps.
    Beep,
}

/// When something is done in a call, with whichever provider. The ticket is the text that is spoken first; every text that differs from it
/// counts as the options, one further time each time that it is spoken. Counts go on when a plan is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long after the answer.
    AfterAnswer(Duration),
    /// In the middle of the ticket, when it is spoken first.
    TicketSay,
    /// In the middle of the options, when they are spoken for the n-th time, from 1.
    OptionsSay(u32),
    /// In the middle of the n-th PAUSE or `<Pause>`, from 1.
    Pause(u32),
    /// Half a second before the call would end by itself.
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
    fn a_script_goes_on_call_by_call_and_repeats_its_last_behaviour() {
        let script = Behaviour::Busy.then(Behaviour::NeverPicksUp).then(Behaviour::silent(3));
        let done: Vec<&Behaviour> = (0..4).map(|nth| script.behaviour(nth)).collect();
        assert_eq!(
            done,
            [
                &Behaviour::Busy,
                &Behaviour::NeverPicksUp,
                &Behaviour::silent(3),
                &Behaviour::silent(3)
            ]
        );
    }

    #[test]
    fn a_number_without_a_script_does_nothing_that_is_known() {
        let known = PhoneNumber::parse("+12025550123").expect("a number");
        let other = PhoneNumber::parse("+12025550124").expect("a number");
        let phones = Phones::new().with(known.clone(), Behaviour::Busy);
        assert_eq!(phones.behaviour(&known, 5), Some(&Behaviour::Busy));
        assert_eq!(phones.behaviour(&other, 0), None);
    }
}
