//! A dispatch to which things happen, and all that is known beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use patchbay::clock::Timestamp;
use patchbay::dispatch::health::Health;
use patchbay::dispatch::route::{Choice, Standing};
use patchbay::dispatch::work::{Message, Work};
use patchbay::dispatch::{
    Context, Decision, Dispatch, Event, Limit, NotPlaced, Phase, Route, State, create, pending_work,
};
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, Nonce, ProviderName};
use patchbay::mail::Arrival;

use crate::Decide;
use crate::promises;
use crate::scenario::{Happening, Luck, START, Scenario};

/// Who places the calls, the preferred first; that one is down every other hour.
const PROVIDERS: [ProviderName; 2] = [ProviderName::known("one"), ProviderName::known("other")];
const OUTAGE_SECONDS: u64 = 3_600;

/// Steps after which a dispatch that is over makes room for a new one.
const STEPS_AFTER_THE_END: u8 = 8;

#[derive(Debug)]
pub(crate) struct History {
    scenario: Scenario,
    decide: Decide,
    pub(crate) dispatch: Dispatch,
    pub(crate) now: Timestamp,
    /// Messages in the queue.
    pub(crate) mail: Vec<Message>,
    /// Every call that was ever asked for.
    calls: Vec<AttemptId>,
    /// The names of all lines of the timeline.
    lines: BTreeSet<String>,
    /// Which kinds of lines there were, and which states.
    pub(crate) seen: BTreeSet<String>,
    pub(crate) known: Known,
    nonces: u64,
    since_the_end: u8,
}

/// What an onlooker knows without looking into the dispatch.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Who pressed 2 since the dispatch was last opened.
    pub(crate) rejected: BTreeSet<u8>,
    /// Calls that got through or failed, by employee, in this round; a wait for money begins anew.
    pub(crate) calls_in_round: BTreeMap<u8, u8>,
    /// Which attempt has a lease on its employee.
    pub(crate) leases: BTreeSet<AttemptId>,
    /// Calls that a provider took, or perhaps took.
    pub(crate) calls: u32,
    /// How it goes with the providers.
    health: BTreeMap<ProviderName, Health>,
}

impl History {
    pub(crate) fn begin(scenario: &Scenario, decide: Decide) -> Self {
        let key = DispatchKey {
            tenant: "random".parse().unwrap(),
            id: DispatchId::new(1),
        };
        let context = Context {
            now: START,
            fresh: Nonce::new(1),
        };
        let decision = create(key, scenario.as_ref().clone(), String::new(), context);
        let mut history = Self {
            scenario: Arc::clone(scenario),
            decide,
            dispatch: decision.next.clone().unwrap(),
            now: START,
            mail: Vec::new(),
            calls: Vec::new(),
            lines: BTreeSet::new(),
            seen: BTreeSet::new(),
            known: Known::default(),
            nonces: 1,
            since_the_end: 0,
        };
        history.mail.extend(decision.messages.iter().cloned());
        history.write(&decision);
        history
    }

    pub(crate) fn goes_on(&mut self, happening: &Happening) {
        if self.dispatch.state.is_over() {
            self.since_the_end += 1;
            if self.since_the_end > STEPS_AFTER_THE_END {
                let seen = std::mem::take(&mut self.seen);
                *self = Self {
                    seen,
                    ..Self::begin(&self.scenario, self.decide)
                };
            }
        }
        match happening {
            Happening::Deliver {
                any,
                copy,
                crash,
                luck,
                sighting,
            } => {
                let first = (0..self.mail.len()).min_by_key(|place| self.mail[*place].due_at);
                let Some(place) = any
                    .as_ref()
                    .filter(|_| first.is_some())
                    .map_or(first, |any| Some(any.index(self.mail.len())))
                else {
                    return;
                };
                // Delivered again after a crash: it stays where it is.
                let message = if *copy || *crash {
                    self.mail[place].clone()
                } else {
                    self.mail.swap_remove(place)
                };
                self.now = self.now.max(message.due_at);
                if message.arrival(Some(self.dispatch.version), self.now) == Arrival::TooEarly {
                    return self.mail.push(message);
                }
                if message.arrival(Some(self.dispatch.version), self.now) == Arrival::Committed {
                    self.consume(&message.work, luck, sighting, *crash);
                }
            }
            Happening::Press { call, keys, crash } => {
                if let Some(attempt) = self.pick(call.as_ref()) {
                    let keys = keys.clone();
                    self.happens(&Event::Key { attempt, keys }, *crash);
                }
            }
            Happening::End { call, ending, crash } => {
                if let Some(attempt) = self.pick(call.as_ref()) {
                    let event = Event::CallEnded {
                        attempt,
                        ending: *ending,
                        call_id: None,
                    };
                    self.happens(&event, *crash);
                }
            }
            Happening::Machine { call, crash } => {
                if let Some(attempt) = self.pick(call.as_ref()) {
                    self.happens(&Event::Machine { attempt }, *crash);
                }
            }
            Happening::Placed { call } => {
                if let Some(attempt) = self.pick(Some(call)) {
                    self.happens(&placed(attempt), false);
                }
            }
            Happening::Stale { call, kind } => self.stale(call, *kind),
            Happening::Cancel => self.happens(&Event::Cancel, false),
            Happening::Resolve => self.happens(&Event::Resolve, false),
            Happening::Wait(seconds) => self.now = self.now.plus_seconds(*seconds),
        }
    }

    /// A call that was once asked for; the last one unless another is picked.
    fn pick(&self, any: Option<&proptest::sample::Index>) -> Option<AttemptId> {
        match any {
            Some(any) if !self.calls.is_empty() => Some(*any.get(&self.calls)),
            _ => self.calls.last().copied(),
        }
    }

    fn consume(&mut self, work: &Work, luck: &Luck, sighting: &patchbay::dispatch::Sighting, crash: bool) {
        match work {
            Work::Dial { attempt, .. } => self.dial(*attempt, luck, crash),
            Work::Watch { attempt, looks } => {
                let event = Event::Watched {
                    attempt: *attempt,
                    sighting: sighting.clone(),
                    looks: looks.saturating_add(1),
                };
                self.happens(&event, crash);
            }
            Work::Resume { wait } => self.happens(&Event::Resume { wait: *wait }, crash),
            Work::Remind { attempt } => self.happens(&Event::Overdue { attempt: *attempt }, crash),
            Work::Apply { event } => self.happens(event, crash),
            Work::HangUp { .. } | Work::Count { .. } | Work::Notify { .. } => {}
        }
    }

    fn dial(&mut self, attempt: AttemptId, luck: &Luck, crash: bool) {
        let planned = self.dispatch.attempt_called(attempt);
        if planned.is_none_or(|planned| planned.phase != Phase::Planned || planned.due_at > self.now) {
            return;
        }
        if let Luck::Busy(seconds) = luck {
            let until = self.now.plus_seconds(*seconds);
            return self.happens(&Event::EmployeeBusy { attempt, until }, crash);
        }
        if let Luck::OverLimit(seconds) = luck {
            let until = self.now.plus_seconds(*seconds);
            let limit = if seconds % 2 == 0 { Limit::Hourly } else { Limit::Daily };
            return self.happens(&Event::OverLimit { attempt, limit, until }, crash);
        }
        let Choice { route, probes } = self.choose();
        if probes {
            let health = self.known.health.entry(route.provider.clone()).or_default();
            *health = health.probing(self.now);
        }
        let is_down = route.provider == PROVIDERS[0] && self.now.since(START).as_secs() / OUTAGE_SECONDS % 2 == 1;
        let luck = match luck {
            Luck::Rings if is_down && attempt.ordinal.is_multiple_of(2) => &Luck::Unclear,
            Luck::Rings if is_down => &Luck::NotPlaced(NotPlaced::TryLater),
            luck => luck,
        };
        let provider = route.provider.clone();
        self.mail.push(Message {
            subject: self.dispatch.key.clone(),
            version: self.dispatch.version + 1,
            sent_at: self.now,
            due_at: self.now.plus_seconds(120),
            work: Work::Watch { attempt, looks: 0 },
        });
        self.happens(&Event::Claim { attempt, route }, crash);
        let claimed = self.dispatch.attempt_called(attempt);
        if claimed.is_none_or(|claimed| claimed.phase == Phase::Planned) {
            return;
        }
        self.calls.push(attempt);
        let event = match luck {
            Luck::NotPlaced(why) => Event::NotPlaced {
                attempt,
                why: why.clone(),
            },
            Luck::Unclear => Event::Unclear { attempt },
            Luck::Gone => return,
            Luck::Rings | Luck::Busy(_) | Luck::OverLimit(_) => placed(attempt),
        };
        self.happens(&event, false);
        let health = self.known.health.entry(provider).or_default();
        *health = match event {
            Event::Placed { .. } => Health::answered(),
            _ => health.failed(self.now),
        };
    }

    /// Over which provider the next call is placed.
    fn choose(&self) -> Choice {
        let standing = |provider: ProviderName| Standing {
            health: self.known.health.get(&provider).cloned().unwrap_or_default(),
            provider,
            free_at: self.now,
            urgent_free_at: self.now,
        };
        self.dispatch.choose(&PROVIDERS.map(standing), self.now).unwrap()
    }

    fn stale(&mut self, call: &proptest::sample::Index, kind: u8) {
        let Some(attempt) = self.pick(Some(call)) else { return };
        let never = AttemptId {
            nonce: Nonce::new(u64::MAX),
            ..attempt
        };
        let event = match kind {
            0 => Event::Claim {
                attempt,
                route: Route::only(PROVIDERS[1].clone()),
            },
            1 => Event::Claim {
                attempt: never,
                route: Route::only(PROVIDERS[1].clone()),
            },
            2 => Event::Resume {
                wait: Nonce::new(u64::MAX),
            },
            3 => Event::Overdue { attempt },
            _ => Event::Unclear { attempt },
        };
        self.happens(&event, false);
    }

    /// Decides, sends and commits; a crash comes between the last two.
    fn happens(&mut self, event: &Event, crash: bool) {
        self.nonces += 1;
        let context = Context {
            now: self.now,
            fresh: Nonce::new(self.nonces),
        };
        let decision = (self.decide)(&self.dispatch, event, context);
        self.mail.extend(decision.messages.iter().cloned());
        promises::of_a_decision(self, event, &decision);
        if crash {
            return;
        }
        self.onlook(event, &decision);
        self.write(&decision);
        if let Some(next) = decision.next {
            promises::of_a_change(&self.dispatch.state, event, &next.state);
            self.seen.insert(next.state.name().to_owned());
            self.dispatch = next;
        }
    }

    fn write(&mut self, decision: &Decision) {
        for entry in &decision.entries {
            let new = self.lines.insert(entry.id.clone());
            assert!(new, "{}: {}", promises::LINES_ARE_UNIQUE, entry.id);
            let line = format!("{:?}", entry.fact);
            let kind = line.split(' ').next().unwrap_or_default();
            self.seen.insert(kind.to_owned());
        }
    }

    /// What an onlooker makes of a decision.
    fn onlook(&mut self, event: &Event, decision: &Decision) {
        use patchbay::dispatch::{Ending, Sighting, Verdict};
        if let Some(attempt) = decision.release {
            self.known.leases.remove(&attempt);
        }
        let (Some(next), known) = (&decision.next, &mut self.known) else {
            return;
        };
        if matches!(event, Event::NotPlaced { .. }) {
            known.calls -= 1;
        }
        match event {
            Event::Claim { attempt, .. } if decision.verdict == Verdict::Dial => {
                known.leases.insert(*attempt);
                known.calls += 1;
                *known.calls_in_round.entry(attempt.employee).or_default() += 1;
            }
            Event::NotPlaced {
                attempt,
                why: NotPlaced::NotAllowed,
            } if !may_go_elsewhere(&self.dispatch, *attempt) => {}
            Event::NotPlaced {
                attempt,
                why: NotPlaced::TryLater | NotPlaced::NotAllowed,
            } => {
                if let Some(calls) = known.calls_in_round.get_mut(&attempt.employee) {
                    *calls -= 1;
                }
            }
            Event::NotPlaced {
                attempt,
                why: NotPlaced::OutOfMoney,
            }
            | Event::CallEnded {
                attempt,
                ending: Ending::OutOfMoney,
                ..
            }
            | Event::Watched {
                attempt,
                sighting:
                    Sighting::Over {
                        ending: Ending::OutOfMoney,
                        ..
                    },
                ..
            } => {
                known.calls_in_round.remove(&attempt.employee);
            }
            Event::Overdue { .. } => {
                *known = Known {
                    calls: known.calls,
                    health: std::mem::take(&mut known.health),
                    ..Known::default()
                }
            }
            _ => {}
        }
        let (Event::Key { attempt, .. } | Event::Watched { attempt, .. }) = event else {
            return self.turn_the_page(next);
        };
        if decision.verdict == Verdict::Rejected {
            known.rejected.insert(attempt.employee);
        }
        self.turn_the_page(next);
    }

    fn turn_the_page(&mut self, next: &Dispatch) {
        if next.progress.round != self.dispatch.progress.round {
            self.known.calls_in_round.clear();
        }
    }

    /// What must hold between any two steps.
    pub(crate) fn check(&self) {
        promises::of_a_moment(self);
    }

    /// Whether somebody will be phoned, reminded or looked after, come what may.
    pub(crate) fn is_moved_on(&self) -> bool {
        let wanted = |work: &Work| match (&self.dispatch.state, work) {
            (State::Calling(attempt), Work::Dial { attempt: id, .. }) => {
                *id == attempt.id && attempt.phase == Phase::Planned
            }
            (State::Calling(attempt), Work::Watch { attempt: id, .. }) => {
                *id == attempt.id && attempt.phase != Phase::Planned
            }
            (State::Waiting(wait), Work::Resume { wait: id }) => *id == wait.id,
            (State::Accepted(acceptance), Work::Remind { attempt }) => *attempt == acceptance.attempt,
            _ => false,
        };
        self.mail
            .iter()
            .any(|message| wanted(&message.work) && message.version <= self.dispatch.version)
    }

    /// Whether the message that the dispatch itself tells of is on its way, and is due no later than it says.
    pub(crate) fn is_told_by_itself(&self) -> bool {
        let Some((work, due_at)) = pending_work(&self.dispatch) else {
            return false;
        };
        // Looks may go on for longer than any call can last; all other messages are due at their moment.
        let in_time = |message: &Message| matches!(work, Work::Watch { .. }) || message.due_at <= due_at;
        self.mail
            .iter()
            .any(|message| same(&message.work, &work) && in_time(message) && message.version <= self.dispatch.version)
    }
}

/// Whether two messages do the same, as far as a dispatch can tell: it knows neither slots nor looks.
fn same(one: &Work, other: &Work) -> bool {
    match (one, other) {
        (Work::Dial { attempt: one, .. }, Work::Dial { attempt: other, .. })
        | (Work::Watch { attempt: one, .. }, Work::Watch { attempt: other, .. }) => one == other,
        _ => one == other,
    }
}

fn placed(attempt: AttemptId) -> Event {
    Event::Placed {
        attempt,
        call_id: format!("track-{}", attempt.ordinal),
    }
}

/// Whether the call of `attempt` could be placed over another provider at once.
pub(crate) fn may_go_elsewhere(dispatch: &Dispatch, attempt: AttemptId) -> bool {
    dispatch
        .attempt_called(attempt)
        .is_some_and(|attempt| attempt.elsewhere)
}
