//! The customers' mobile phones, and what their owners do with text messages.

use std::collections::BTreeMap;
use std::time::Duration;

use patchbay::phone::PhoneNumber;

use crate::rng::Rng;

/// The habits of each mobile phone. A message to a number without habits is unexpected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mobiles(BTreeMap<PhoneNumber, Habits>);

impl Mobiles {
    /// No phones.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a phone, or replaces its habits.
    #[must_use]
    pub fn with(mut self, number: PhoneNumber, habits: impl Into<Habits>) -> Self {
        self.set(number, habits);
        self
    }

    /// Adds a phone, or replaces its habits.
    pub fn set(&mut self, number: PhoneNumber, habits: impl Into<Habits>) {
        self.0.insert(number, habits.into());
    }

    /// What happens to the `nth` message to a number, counted from 0; `None` if it has no habits.
    pub fn habit(&self, number: &PhoneNumber, nth: usize) -> Option<&Habit> {
        self.0.get(number).map(|habits| habits.habit(nth))
    }
}

/// What happens to the first message to a phone, the second, and so on. The last habit repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Habits {
    first: Vec<Habit>,
    then: Habit,
}

impl Habits {
    /// Adds the habit of all further messages.
    #[must_use]
    pub fn then(mut self, habit: Habit) -> Self {
        self.first.push(std::mem::replace(&mut self.then, habit));
        self
    }

    /// What happens to the `nth` message, counted from 0.
    pub fn habit(&self, nth: usize) -> &Habit {
        self.first.get(nth).unwrap_or(&self.then)
    }
}

impl From<Habit> for Habits {
    fn from(habit: Habit) -> Self {
        Self {
            first: Vec::new(),
            then: habit,
        }
    }
}

/// What happens to one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Habit {
    /// Whether it arrives.
    pub delivery: Delivery,
    /// How long after its arrival it is read, if ever. Only `WhatsApp` reports it.
    pub reads_after: Option<Duration>,
    /// What the owner writes back. Nobody answers a message that did not arrive.
    pub answers: Vec<Answer>,
}

/// Whether a message arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It arrives this long after it was sent.
    Arrives(Duration),
    /// It arrives, but nobody reports it: the message stays `sent`. So does `WhatsApp` for a sender that the owner
    /// blocked (twilio/CONTRACT.md 5.3).
    ArrivesUnreported,
    /// All parts but the last arrive. Twilio, which reports a message as a whole, calls it undelivered.
    LastPartLost,
    /// The phone is switched off: undelivered this long after it was sent.
    Unreachable(Duration),
    /// The phone stays switched off until the message expires.
    Expires,
    /// Nobody has this number.
    Unknown,
    /// The network refuses the message.
    Blocked,
    /// A landline: Twilio refuses the request with 21614.
    Landline,
    /// The owner has opted out at Twilio before, which refuses the request with 21610. Routee has no such list of
    /// numbers (routee/CONTRACT.md 6): its message arrives.
    OptedOut,
}

/// What the owner of a phone writes to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How long after the arrival of the message, or its reading.
    pub after: Duration,
    /// The text of the message.
    pub text: String,
    /// Whether it means that nothing may be sent any more. Tests must say so: the simulator does not read texts as
    /// patchbay does.
    pub opts_out: bool,
    /// Whether it quotes the message (`WhatsApp` only).
    pub quotes: bool,
}

impl Answer {
    /// This text, after this many seconds.
    pub fn new(text: &str, after_seconds: u64) -> Self {
        Self {
            after: Duration::from_secs(after_seconds),
            text: text.to_owned(),
            opts_out: false,
            quotes: false,
        }
    }

    /// The word `STOP`, after this many seconds.
    pub fn stop(after_seconds: u64) -> Self {
        Self::new("STOP", after_seconds).opting_out()
    }

    /// The same text, but it means that nothing may be sent any more.
    #[must_use]
    pub fn opting_out(self) -> Self {
        Self { opts_out: true, ..self }
    }

    /// The same text as a reply to the message itself.
    #[must_use]
    pub fn quoting(self) -> Self {
        Self { quotes: true, ..self }
    }
}

impl Habit {
    /// Only the fate of the message; its owner does nothing.
    pub const fn only(delivery: Delivery) -> Self {
        Self {
            delivery,
            reads_after: None,
            answers: Vec::new(),
        }
    }

    /// The message arrives after 2 s.
    pub const fn arrives() -> Self {
        Self::arrives_after(2)
    }

    /// The message arrives after this many seconds.
    pub const fn arrives_after(seconds: u64) -> Self {
        Self::only(Delivery::Arrives(Duration::from_secs(seconds)))
    }

    /// The phone is switched off.
    pub const fn unreachable() -> Self {
        Self::only(Delivery::Unreachable(Duration::from_secs(20)))
    }

    /// The owner has opted out at the provider before.
    pub const fn opted_out() -> Self {
        Self::only(Delivery::OptedOut)
    }

    /// The owner writes this text, after this many seconds.
    pub fn answers(text: &str, after_seconds: u64) -> Self {
        Self::arrives().and(Answer::new(text, after_seconds))
    }

    /// The owner writes this text twice, the second time 3 s after the first.
    pub fn answers_twice(text: &str, after_seconds: u64) -> Self {
        Self::answers(text, after_seconds).and(Answer::new(text, after_seconds + 3))
    }

    /// The owner writes `STOP`, after this many seconds.
    pub fn stops(after_seconds: u64) -> Self {
        Self::arrives().and(Answer::stop(after_seconds))
    }

    /// The owner reads the message this many seconds after its arrival.
    #[must_use]
    pub const fn reads(mut self, after_seconds: u64) -> Self {
        self.reads_after = Some(Duration::from_secs(after_seconds));
        self
    }

    /// Adds an answer.
    #[must_use]
    pub fn and(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    /// This habit for the first message, and `next` for all others.
    #[must_use]
    pub fn then(self, next: Self) -> Habits {
        Habits::from(self).then(next)
    }

    /// A random habit for seeded simulations.
    pub fn random(rng: &mut Rng) -> Self {
        let after = rng.between(Duration::ZERO, Duration::from_mins(10));
        let text = rng.pick("Yes", &["No", "Call me", "👍", "", "Who is this?"]);
        let habit = match rng.below(14) {
            0 => Self::only(Delivery::ArrivesUnreported),
            1 => Self::only(Delivery::LastPartLost),
            2 => Self::only(Delivery::Unreachable(after)),
            3 => Self::only(Delivery::Expires),
            4 => Self::only(Delivery::Unknown),
            5 => Self::only(Delivery::Blocked),
            6 => Self::only(Delivery::Landline),
            7 => Self::opted_out(),
            8 => Self::stops(after.as_secs()),
            9 => Self::answers_twice(text, after.as_secs()),
            10 => Self::answers("Please stop texting me", after.as_secs()).opting_out(),
            11 => Self::answers(text, after.as_secs()),
            _ => Self::only(Delivery::Arrives(after)),
        };
        if rng.flip() { habit.reads(5) } else { habit }
    }

    /// Its last answer means that nothing may be sent any more.
    fn opting_out(mut self) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.opts_out = true;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn habits_advance_with_every_message_and_the_last_one_repeats() {
        let habits = Habit::unreachable().then(Habit::stops(3)).then(Habit::arrives());
        let done: Vec<&Habit> = (0..4).map(|nth| habits.habit(nth)).collect();
        assert_eq!(
            done,
            [
                &Habit::unreachable(),
                &Habit::stops(3),
                &Habit::arrives(),
                &Habit::arrives()
            ]
        );
    }

    #[test]
    fn random_habits_are_reproducible_and_cover_every_fate() {
        let draw = |seed| Habit::random(&mut Rng::new(seed));
        assert_eq!(draw(5), draw(5));
        let all: Vec<Habit> = (0..300).map(draw).collect();
        for delivery in [
            Delivery::ArrivesUnreported,
            Delivery::LastPartLost,
            Delivery::Expires,
            Delivery::Unknown,
            Delivery::Blocked,
            Delivery::Landline,
            Delivery::OptedOut,
        ] {
            assert!(all.iter().any(|habit| habit.delivery == delivery), "{delivery:?}");
        }
        let answers = |count: usize| all.iter().any(|habit| habit.answers.len() == count);
        assert!(answers(0) && answers(1) && answers(2));
        assert!(
            all.iter()
                .flat_map(|habit| &habit.answers)
                .any(|answer| answer.opts_out)
        );
    }
}
