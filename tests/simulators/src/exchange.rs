//! The telephone network. All providers share it, because an employee has one phone, whichever provider calls it.
//!
//! It knows what each phone does on its nth call, and counts calls and live calls over all providers. It publishes what
//! happens on the lines to its listeners. Everything else about a call is up to its provider.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use patchbay::clock::Timestamp;
use patchbay::phone::PhoneNumber;
use serde::{Deserialize, Serialize};

use crate::phones::{Behavior, Phones};

pub use patchbay::voice::Provider;

/// A call of one simulated provider, numbered in order of creation. Every provider counts separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId(pub(crate) usize);

impl CallId {
    /// The index among the calls of its provider, in order of creation, from 0.
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
    /// A request to the API.
    Api,
    /// Nobody picked up in time.
    RingTimeout,
    /// The requested maximum duration, or the network's own limit.
    MaxDuration,
    /// Busy, failed, or lost in the network.
    Network,
    /// The account ran out of money.
    Money,
    /// An invalid reply to an event, where the provider ends the call because of it.
    InvalidReply,
    /// Machine detection hung up.
    Machine,
}

/// A call in a form that is the same for all providers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedCall {
    /// The provider that placed it.
    pub provider: Provider,
    /// Its index among that provider's calls.
    pub id: CallId,
    /// The called number, in E.164.
    pub to: String,
    /// When the create request arrived.
    pub created_at: Timestamp,
    /// When it was picked up.
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its current status, as the provider spells it.
    pub status: &'static str,
    /// The URL of its status callbacks.
    pub status_url: Option<String>,
    /// What the employee heard: each text with the time at which it began.
    pub heard: Vec<(Timestamp, String)>,
    /// Every key that was pressed, including keys that the provider ignored.
    pub keys: Vec<(Timestamp, char)>,
    /// What ended it.
    pub ended_by: Option<EndedBy>,
    /// Whether it ended, or never started, because the account had no money.
    pub cut_off: bool,
}

/// An event on a telephone line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneEvent {
    /// When it happened.
    pub at: Timestamp,
    /// The provider that placed the call.
    pub provider: Provider,
    /// The call, among that provider's.
    pub call: CallId,
    /// The called number, in E.164.
    pub to: String,
    /// What happened.
    pub kind: PhoneEventKind,
}

/// What happened on a telephone line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhoneEventKind {
    /// The call was created.
    Created,
    /// The phone started to ring.
    Ringing,
    /// A person or voicemail picked up.
    Answered {
        /// Whether it was voicemail.
        machine: bool,
    },
    /// The provider starts to speak a text.
    Says {
        /// The spoken text.
        text: String,
    },
    /// The provider starts to play a sound file.
    Plays {
        /// The URL of the file.
        url: String,
    },
    /// A pause starts.
    Pauses {
        /// Its duration.
        seconds: u32,
    },
    /// Voicemail beeped.
    Beeps,
    /// A key was pressed.
    Key {
        /// A digit, `*` or `#`.
        key: char,
    },
    /// The provider sends the collected keys to patchbay.
    KeysReported {
        /// The keys, in the provider's notation.
        keys: String,
    },
    /// The reply to an event replaced the running plan.
    PlanReplaced,
    /// The call is over.
    Ended {
        /// Its final status, as the provider spells it.
        status: &'static str,
        /// What ended it.
        by: EndedBy,
    },
}

/// How a provider is down. An outage lasts until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Every request gets 500 and has no effect.
    Errors,
    /// Connections are accepted, but no request is ever answered, and none has an effect.
    Hangs,
}

type Listener = Arc<dyn Fn(&PhoneEvent) + Send + Sync>;

/// The telephone network. Clones share the same state.
#[derive(Clone, Default)]
pub struct Exchange(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    // Separate from the state, because a listener may query the network.
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
    /// How many there were.
    calls: usize,
    live: usize,
    /// The maximum number of simultaneously live calls.
    max_live: usize,
}

impl Exchange {
    /// A network with these phones.
    pub fn new(phones: Phones) -> Self {
        let exchange = Self::default();
        exchange.lock().phones = phones;
        exchange
    }

    /// Changes what phones do on future calls. Calls in progress are not affected.
    pub fn change_phones(&self, change: impl FnOnce(&mut Phones)) {
        change(&mut self.lock().phones);
    }

    /// Calls `listener` with every future event, when it happens.
    pub fn subscribe(&self, listener: impl Fn(&PhoneEvent) + Send + Sync + 'static) {
        self.listeners().push(Arc::new(listener));
    }

    /// The number of live calls to this number.
    pub fn live_calls_to(&self, number: &PhoneNumber) -> usize {
        self.lock().lines.get(number.as_str()).map_or(0, |line| line.live)
    }

    /// The maximum number of simultaneously live calls to this number.
    pub fn most_live_calls_to(&self, number: &PhoneNumber) -> usize {
        self.lock().lines.get(number.as_str()).map_or(0, |line| line.max_live)
    }

    /// The maximum number of simultaneously live calls to any one number.
    pub fn most_live_calls_to_one_number(&self) -> usize {
        self.lock().lines.values().map(|line| line.max_live).max().unwrap_or(0)
    }

    /// The ordinal of the next call to this number, counted from 0.
    pub(crate) fn next_call_to(&self, number: &str) -> usize {
        self.lock().lines.get(number).map_or(0, |line| line.calls)
    }

    /// Counts the `nth` call to a number, live or not. Repeating it has no effect.
    pub(crate) fn record_call(&self, number: &str, nth: usize) {
        let mut state = self.lock();
        let line = state.lines.entry(number.to_owned()).or_default();
        line.calls = line.calls.max(nth + 1);
    }

    /// Starts the `nth` call to a number and returns what its phone does, or `None` if the number has no script.
    pub(crate) fn start_call(&self, number: &str, nth: usize) -> Option<Behavior> {
        self.record_call(number, nth);
        let mut state = self.lock();
        let line = state.lines.entry(number.to_owned()).or_default();
        line.live += 1;
        line.max_live = line.max_live.max(line.live);
        let number = PhoneNumber::parse(number).ok()?;
        state.phones.behavior(&number, nth).cloned()
    }

    /// Ends a call to a number.
    pub(crate) fn end_call(&self, number: &str) {
        if let Some(line) = self.lock().lines.get_mut(number) {
            line.live = line.live.saturating_sub(1);
        }
    }

    /// Sends an event to all listeners.
    pub(crate) fn publish(&self, event: &PhoneEvent) {
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
    fn a_script_advances_with_every_call() {
        let exchange = Exchange::new(Phones::new().with(number(), Behavior::Busy.then(Behavior::silent(3))));
        for (nth, behavior) in [(0, Behavior::Busy), (1, Behavior::silent(3)), (2, Behavior::silent(3))] {
            assert_eq!(exchange.next_call_to(NUMBER), nth);
            assert_eq!(exchange.start_call(NUMBER, nth), Some(behavior));
        }
        assert_eq!(exchange.start_call("+12025550199", 0), None, "the number has no script");
    }

    #[test]
    fn calls_are_live_until_they_end() {
        let exchange = Exchange::new(Phones::new().with(number(), Behavior::Busy));
        for nth in 0..2 {
            exchange.start_call(NUMBER, nth);
        }
        exchange.end_call(NUMBER);
        exchange.start_call(NUMBER, 2);
        assert_eq!(
            (
                exchange.live_calls_to(&number()),
                exchange.most_live_calls_to(&number())
            ),
            (2, 2)
        );
        assert_eq!(exchange.most_live_calls_to_one_number(), 2);
        for _ in 0..5 {
            exchange.end_call(NUMBER);
        }
        assert_eq!(exchange.live_calls_to(&number()), 0);
    }

    #[test]
    fn an_ended_call_is_counted_but_not_live() {
        let exchange = Exchange::new(Phones::new());
        exchange.record_call(NUMBER, 4);
        exchange.record_call(NUMBER, 1);
        assert_eq!(
            (exchange.next_call_to(NUMBER), exchange.live_calls_to(&number())),
            (5, 0)
        );
    }
}
