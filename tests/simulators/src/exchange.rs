//! The telephone network: one for all providers, since an employee has one telephone whoever phones it.
//!
//! It knows what each phone does at its nth call, how many calls there were and how many are live, over all providers;
//! and it tells its listeners what happens on the lines. What a call is like beyond that is its provider's business.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use patchbay::clock::Timestamp;
use patchbay::phone::PhoneNumber;
use serde::{Deserialize, Serialize};

use crate::phones::{Behaviour, Phones};

/// Whose call it is.
pub use patchbay::voice::Provider;

/// A call of one simulated provider, in the order of creation. Another provider has a call of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId(pub(crate) usize);

impl CallId {
    /// Its place in the order of creation, from 0: the index among the calls of its provider.
    pub const fn index(self) -> usize {
        self.0
    }
}

/// What ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndedBy {
    /// The dial plan, or the last document, ran out.
    Plan,
    /// The employee hung up, or rejected the call on the phone.
    Employee,
    /// Through the API.
    Api,
    /// Nobody picked up while it rang.
    RingTimeout,
    /// The longest time that was asked for, or the network's own limit.
    MaxDuration,
    /// Busy, failed or lost in the network.
    Network,
    /// An empty account.
    Money,
    /// An invalid reply to an event, where that ends the call.
    InvalidReply,
    /// Machine detection.
    Machine,
}

/// What can be said of a call whichever provider it is with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedCall {
    /// Whose it is.
    pub provider: Provider,
    /// Which of that provider's.
    pub id: CallId,
    /// The number that was phoned, in full.
    pub to: String,
    /// When the create request arrived.
    pub created_at: Timestamp,
    /// When it was picked up.
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its status now, as the provider spells it.
    pub status: &'static str,
    /// Where its statuses are called back.
    pub status_url: Option<String>,
    /// What was said to the employee, each text when it began.
    pub heard: Vec<(Timestamp, String)>,
    /// Every key that was pressed, whether the provider made something of it or not.
    pub keys: Vec<(Timestamp, char)>,
    /// What ended it.
    pub ended_by: Option<EndedBy>,
    /// Whether it ended, or never began, because there was no money for it.
    pub cut_off: bool,
}

/// Something that happens on a telephone line, as it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneEvent {
    /// When.
    pub at: Timestamp,
    /// Whose call it is.
    pub provider: Provider,
    /// In which of that provider's calls.
    pub call: CallId,
    /// The number that was phoned, in full.
    pub to: String,
    /// What.
    pub what: Happening,
}

/// What happens on a telephone line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The call was created.
    Created,
    /// The phone rings.
    Ringing,
    /// Somebody, or voicemail, picked up.
    Answered {
        /// Whether it was voicemail.
        machine: bool,
    },
    /// A text is spoken.
    Says {
        /// The text.
        text: String,
    },
    /// A sound file is played.
    Plays {
        /// Its URL.
        url: String,
    },
    /// Nothing is said for a while.
    Pauses {
        /// For how long.
        seconds: u32,
    },
    /// Voicemail beeps.
    Beeps,
    /// A key was pressed.
    Key {
        /// Which.
        key: char,
    },
    /// The keys were told to patchbay.
    Tells {
        /// As they were told.
        tones: String,
    },
    /// The reply to an event took the place of the running plan.
    PlanReplaced,
    /// The call is over.
    Ended {
        /// Its last status, as the provider spells it.
        status: &'static str,
        /// What ended it.
        by: EndedBy,
    },
}

/// A provider that is down for a stretch, until it is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Every request gets 500, and nothing comes of it.
    Errors,
    /// Connections are accepted, and no request is ever answered; nothing comes of it.
    Hangs,
}

type Listener = Arc<dyn Fn(&PhoneEvent) + Send + Sync>;

/// The network. Clones are handles on the same one.
#[derive(Clone, Default)]
pub struct Exchange(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    // Apart from the state: a listener may ask the network anything.
    listeners: Mutex<Vec<Listener>>,
}

#[derive(Default)]
struct State {
    phones: Phones,
    lines: BTreeMap<String, Line>,
}

/// The calls to one number.
#[derive(Default)]
struct Line {
    /// So far.
    calls: usize,
    /// That are live.
    live: usize,
    /// That were ever live at the same time.
    most: usize,
}

impl Exchange {
    /// A network of these phones.
    pub fn new(phones: Phones) -> Self {
        let exchange = Self::default();
        exchange.lock().phones = phones;
        exchange
    }

    /// Changes what phones do from now on; calls under way go on as they began.
    pub fn change_phones(&self, change: impl FnOnce(&mut Phones)) {
        change(&mut self.lock().phones);
    }

    /// Tells `listener` everything that happens on the lines from now on, as it happens.
    pub fn subscribe(&self, listener: impl Fn(&PhoneEvent) + Send + Sync + 'static) {
        self.listeners().push(Arc::new(listener));
    }

    /// How many calls to this number are not over.
    pub fn live_calls_to(&self, number: &PhoneNumber) -> usize {
        self.lock().lines.get(number.as_str()).map_or(0, |line| line.live)
    }

    /// The greatest number of calls to this number that were ever live at the same time.
    pub fn most_live_calls_to(&self, number: &PhoneNumber) -> usize {
        self.lock().lines.get(number.as_str()).map_or(0, |line| line.most)
    }

    /// The greatest number of calls to any one number that were ever live at the same time.
    pub fn most_live_calls_to_one_number(&self) -> usize {
        self.lock().lines.values().map(|line| line.most).max().unwrap_or(0)
    }

    /// The ordinal of the next call to this number, from 0.
    pub(crate) fn next_call_to(&self, number: &str) -> usize {
        self.lock().lines.get(number).map_or(0, |line| line.calls)
    }

    /// Counts the `nth` call to a number, whether it goes on or is over already.
    pub(crate) fn count(&self, number: &str, nth: usize) {
        let mut state = self.lock();
        let line = state.lines.entry(number.to_owned()).or_default();
        line.calls = line.calls.max(nth + 1);
    }

    /// The `nth` call to a number begins, and this is what its phone does; none when nobody expected it to be phoned.
    pub(crate) fn begin(&self, number: &str, nth: usize) -> Option<Behaviour> {
        self.count(number, nth);
        let mut state = self.lock();
        let line = state.lines.entry(number.to_owned()).or_default();
        line.live += 1;
        line.most = line.most.max(line.live);
        let number = PhoneNumber::parse(number).ok()?;
        state.phones.behaviour(&number, nth).cloned()
    }

    /// A call to a number is over.
    pub(crate) fn end(&self, number: &str) {
        if let Some(line) = self.lock().lines.get_mut(number) {
            line.live = line.live.saturating_sub(1);
        }
    }

    /// Tells the listeners.
    pub(crate) fn tell(&self, event: &PhoneEvent) {
        let listeners = self.listeners().clone();
        for listener in listeners {
            listener(event);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "+12025550123";

    fn number() -> PhoneNumber {
        PhoneNumber::parse(NUMBER).expect("a number")
    }

    #[test]
    fn a_script_goes_on_call_by_call_whoever_phones() {
        let exchange = Exchange::new(Phones::new().with(number(), Behaviour::Busy.then(Behaviour::silent(3))));
        for (nth, behaviour) in [
            (0, Behaviour::Busy),
            (1, Behaviour::silent(3)),
            (2, Behaviour::silent(3)),
        ] {
            assert_eq!(exchange.next_call_to(NUMBER), nth);
            assert_eq!(exchange.begin(NUMBER, nth), Some(behaviour));
        }
        assert_eq!(exchange.begin("+12025550199", 0), None, "nobody expected that");
    }

    #[test]
    fn live_calls_are_counted_until_they_are_over() {
        let exchange = Exchange::new(Phones::new().with(number(), Behaviour::Busy));
        for nth in 0..2 {
            exchange.begin(NUMBER, nth);
        }
        exchange.end(NUMBER);
        exchange.begin(NUMBER, 2);
        assert_eq!(
            (
                exchange.live_calls_to(&number()),
                exchange.most_live_calls_to(&number())
            ),
            (2, 2)
        );
        assert_eq!(exchange.most_live_calls_to_one_number(), 2);
        for _ in 0..5 {
            exchange.end(NUMBER);
        }
        assert_eq!(exchange.live_calls_to(&number()), 0);
    }

    #[test]
    fn a_call_that_is_over_already_counts_and_is_not_live() {
        let exchange = Exchange::new(Phones::new());
        exchange.count(NUMBER, 4);
        exchange.count(NUMBER, 1);
        assert_eq!(
            (exchange.next_call_to(NUMBER), exchange.live_calls_to(&number())),
            (5, 0)
        );
    }
}
