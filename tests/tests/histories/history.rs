//! Plays a history: applies steps to a dispatch, and tracks what the invariants need to know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use patchbay::clock::Timestamp;
use patchbay::dispatch::health::Health;
use patchbay::dispatch::route::{ProviderState, RouteChoice};
use patchbay::dispatch::work::{Message, Work};
use patchbay::dispatch::{
    Decision, DecisionContext, Dispatch, Event, Limit, NotPlaced, Phase, Route, State, create, pending_work,
};
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, Nonce, ProviderName};
use patchbay::message::CommitState;

use crate::Decide;
use crate::invariants;
use crate::scenario::{DialResult, START, Scenario, Step};

/// The voice providers, the preferred one first. It is down every other hour.
const PROVIDERS: [ProviderName; 2] = [ProviderName::known("one"), ProviderName::known("other")];
const OUTAGE_SECONDS: u64 = 3_600;

/// Steps after its end at which a dispatch is replaced with a new one.
const MAX_STEPS_AFTER_END: u8 = 8;

#[derive(Debug)]
pub(crate) struct History {
    scenario: Scenario,
    decide: Decide,
    pub(crate) dispatch: Dispatch,
    pub(crate) now: Timestamp,
    pub(crate) queue: Vec<Message>,
    /// The attempts of all calls that were requested from a provider.
    calls: Vec<AttemptId>,
    /// The ids of all entries of the timeline.
    entry_ids: BTreeSet<String>,
    /// The kinds of facts and the states that have occurred.
    pub(crate) seen: BTreeSet<String>,
    pub(crate) tracked: Tracked,
    nonces: u64,
    steps_after_end: u8,
}

/// What the test derives from the events alone, without reading the dispatch.
#[derive(Debug, Default)]
pub(crate) struct Tracked {
    /// Indexes of the employees who pressed 2 since the dispatch was last opened.
    pub(crate) rejected: BTreeSet<u8>,
    /// Calls of this round that count as attempts, by employee. A call without money in the account resets the count.
    pub(crate) calls_in_round: BTreeMap<u8, u8>,
    /// The attempts that have a lease on their employee.
    pub(crate) leases: BTreeSet<AttemptId>,
    /// The number of calls that a provider took, or may have taken.
    pub(crate) calls: u32,
    health: BTreeMap<ProviderName, Health>,
}

impl History {
    pub(crate) fn start(scenario: &Scenario, decide: Decide) -> Self {
        let key = DispatchKey {
            tenant: "random".parse().unwrap(),
            id: DispatchId::new(1),
        };
        let context = DecisionContext {
            now: START,
            nonce: Nonce::new(1),
        };
        let decision = create(key, scenario.as_ref().clone(), String::new(), context);
        let mut history = Self {
            scenario: Arc::clone(scenario),
            decide,
            dispatch: decision.next.clone().unwrap(),
            now: START,
            queue: Vec::new(),
            calls: Vec::new(),
            entry_ids: BTreeSet::new(),
            seen: BTreeSet::new(),
            tracked: Tracked::default(),
            nonces: 1,
            steps_after_end: 0,
        };
        history.queue.extend(decision.messages.iter().cloned());
        history.record_entries(&decision);
        history
    }

    pub(crate) fn apply(&mut self, step: &Step) {
        if self.dispatch.state.is_over() {
            self.steps_after_end += 1;
            if self.steps_after_end > MAX_STEPS_AFTER_END {
                let seen = std::mem::take(&mut self.seen);
                *self = Self {
                    seen,
                    ..Self::start(&self.scenario, self.decide)
                };
            }
        }
        match step {
            Step::Deliver {
                any,
                duplicate,
                crash,
                dial_result,
                lookup,
            } => {
                let first = (0..self.queue.len()).min_by_key(|index| self.queue[*index].due_at);
                let Some(index) = any
                    .as_ref()
                    .filter(|_| first.is_some())
                    .map_or(first, |any| Some(any.index(self.queue.len())))
                else {
                    return;
                };
                // After a crash the queue delivers the message again.
                let message = if *duplicate || *crash {
                    self.queue[index].clone()
                } else {
                    self.queue.swap_remove(index)
                };
                self.now = self.now.max(message.due_at);
                if message.commit_state(Some(self.dispatch.version), self.now) == CommitState::Pending {
                    return self.queue.push(message);
                }
                if message.commit_state(Some(self.dispatch.version), self.now) == CommitState::Committed {
                    self.consume(&message.work, dial_result, lookup, *crash);
                }
            }
            Step::Press { call, keys, crash } => {
                if let Some(attempt) = self.pick_call(call.as_ref()) {
                    let keys = keys.clone();
                    self.handle(&Event::Key { attempt, keys }, *crash);
                }
            }
            Step::End { call, ending, crash } => {
                if let Some(attempt) = self.pick_call(call.as_ref()) {
                    let event = Event::CallEnded {
                        attempt,
                        ending: *ending,
                        call_id: None,
                    };
                    self.handle(&event, *crash);
                }
            }
            Step::Machine { call, crash } => {
                if let Some(attempt) = self.pick_call(call.as_ref()) {
                    self.handle(&Event::Machine { attempt }, *crash);
                }
            }
            Step::Placed { call } => {
                if let Some(attempt) = self.pick_call(Some(call)) {
                    self.handle(&placed(attempt), false);
                }
            }
            Step::Stale { call, kind } => self.apply_stale(call, *kind),
            Step::Cancel => self.handle(&Event::Cancel, false),
            Step::Resolve => self.handle(&Event::Resolve, false),
            Step::Wait(seconds) => self.now = self.now.plus_seconds(*seconds),
        }
    }

    /// The picked call among all requested ones; the last one by default.
    fn pick_call(&self, any: Option<&proptest::sample::Index>) -> Option<AttemptId> {
        match any {
            Some(any) if !self.calls.is_empty() => Some(*any.get(&self.calls)),
            _ => self.calls.last().copied(),
        }
    }

    fn consume(&mut self, work: &Work, dial_result: &DialResult, lookup: &patchbay::dispatch::CallLookup, crash: bool) {
        match work {
            Work::Dial { attempt, .. } => self.dial(*attempt, dial_result, crash),
            Work::Watch { attempt, lookups } => {
                let event = Event::Watched {
                    attempt: *attempt,
                    lookup: lookup.clone(),
                    lookups: lookups.saturating_add(1),
                };
                self.handle(&event, crash);
            }
            Work::Resume { wait } => self.handle(&Event::Resume { wait: *wait }, crash),
            Work::Remind { attempt } => self.handle(&Event::Overdue { attempt: *attempt }, crash),
            Work::Apply { event } => self.handle(event, crash),
            Work::HangUp { .. } | Work::Count { .. } | Work::Notify { .. } => {}
        }
    }

    fn dial(&mut self, attempt: AttemptId, dial_result: &DialResult, crash: bool) {
        let planned = self.dispatch.attempt_with_id(attempt);
        if planned.is_none_or(|planned| planned.phase != Phase::Planned || planned.due_at > self.now) {
            return;
        }
        if let DialResult::Busy(seconds) = dial_result {
            let until = self.now.plus_seconds(*seconds);
            return self.handle(&Event::EmployeeBusy { attempt, until }, crash);
        }
        if let DialResult::OverLimit(seconds) = dial_result {
            let until = self.now.plus_seconds(*seconds);
            let limit = if seconds % 2 == 0 { Limit::Hourly } else { Limit::Daily };
            return self.handle(&Event::OverLimit { attempt, limit, until }, crash);
        }
        let RouteChoice { route, probes } = self.choose_route();
        if probes {
            let health = self.tracked.health.entry(route.provider.clone()).or_default();
            *health = health.with_probe_started(self.now);
        }
        let is_down = route.provider == PROVIDERS[0] && self.now.since(START).as_secs() / OUTAGE_SECONDS % 2 == 1;
        let dial_result = match dial_result {
            DialResult::Rings if is_down && attempt.ordinal.is_multiple_of(2) => &DialResult::Unclear,
            DialResult::Rings if is_down => &DialResult::NotPlaced(NotPlaced::TryLater),
            dial_result => dial_result,
        };
        let provider = route.provider.clone();
        self.queue.push(Message {
            subject: self.dispatch.key.clone(),
            version: self.dispatch.version + 1,
            sent_at: self.now,
            due_at: self.now.plus_seconds(120),
            work: Work::Watch { attempt, lookups: 0 },
        });
        self.handle(&Event::Claim { attempt, route }, crash);
        let claimed = self.dispatch.attempt_with_id(attempt);
        if claimed.is_none_or(|claimed| claimed.phase == Phase::Planned) {
            return;
        }
        self.calls.push(attempt);
        let event = match dial_result {
            DialResult::NotPlaced(reason) => Event::NotPlaced {
                attempt,
                reason: reason.clone(),
            },
            DialResult::Unclear => Event::Unclear { attempt },
            DialResult::Crash => return,
            DialResult::Rings | DialResult::Busy(_) | DialResult::OverLimit(_) => placed(attempt),
        };
        self.handle(&event, false);
        let health = self.tracked.health.entry(provider).or_default();
        *health = match event {
            Event::Placed { .. } => Health::healthy(),
            _ => health.with_failure(self.now),
        };
    }

    /// The provider for the next call.
    fn choose_route(&self) -> RouteChoice {
        let provider_state = |provider: ProviderName| ProviderState {
            health: self.tracked.health.get(&provider).cloned().unwrap_or_default(),
            provider,
            free_at: self.now,
            urgent_free_at: self.now,
        };
        self.dispatch.choose(&PROVIDERS.map(provider_state), self.now).unwrap()
    }

    fn apply_stale(&mut self, call: &proptest::sample::Index, kind: u8) {
        let Some(attempt) = self.pick_call(Some(call)) else {
            return;
        };
        let unknown = AttemptId {
            nonce: Nonce::new(u64::MAX),
            ..attempt
        };
        let event = match kind {
            0 => Event::Claim {
                attempt,
                route: Route::only(PROVIDERS[1].clone()),
            },
            1 => Event::Claim {
                attempt: unknown,
                route: Route::only(PROVIDERS[1].clone()),
            },
            2 => Event::Resume {
                wait: Nonce::new(u64::MAX),
            },
            3 => Event::Overdue { attempt },
            _ => Event::Unclear { attempt },
        };
        self.handle(&event, false);
    }

    /// Decides, sends the messages and commits. A crash happens before the commit.
    fn handle(&mut self, event: &Event, crash: bool) {
        self.nonces += 1;
        let context = DecisionContext {
            now: self.now,
            nonce: Nonce::new(self.nonces),
        };
        let decision = (self.decide)(&self.dispatch, event, context);
        self.queue.extend(decision.messages.iter().cloned());
        invariants::check_decision(self, event, &decision);
        if crash {
            return;
        }
        self.track(event, &decision);
        self.record_entries(&decision);
        if let Some(next) = decision.next {
            invariants::check_transition(&self.dispatch.state, event, &next.state);
            self.seen.insert(next.state.name().to_owned());
            self.dispatch = next;
        }
    }

    fn record_entries(&mut self, decision: &Decision) {
        for entry in &decision.entries {
            let is_new = self.entry_ids.insert(entry.id.clone());
            assert!(is_new, "{}: {}", invariants::UNIQUE_ENTRIES, entry.id);
            let fact = format!("{:?}", entry.fact);
            let kind = fact.split(' ').next().unwrap_or_default();
            self.seen.insert(kind.to_owned());
        }
    }

    /// Updates what the test tracks.
    fn track(&mut self, event: &Event, decision: &Decision) {
        use patchbay::dispatch::{CallLookup, Ending, EventOutcome};
        if let Some(attempt) = decision.release {
            self.tracked.leases.remove(&attempt);
        }
        let (Some(next), tracked) = (&decision.next, &mut self.tracked) else {
            return;
        };
        if matches!(event, Event::NotPlaced { .. }) {
            tracked.calls -= 1;
        }
        match event {
            Event::Claim { attempt, .. } if decision.outcome == EventOutcome::Dial => {
                tracked.leases.insert(*attempt);
                tracked.calls += 1;
                *tracked.calls_in_round.entry(attempt.employee).or_default() += 1;
            }
            Event::NotPlaced {
                attempt,
                reason: NotPlaced::NotAllowed,
            } if !can_fail_over(&self.dispatch, *attempt) => {}
            Event::NotPlaced {
                attempt,
                reason: NotPlaced::TryLater | NotPlaced::NotAllowed,
            } => {
                if let Some(calls) = tracked.calls_in_round.get_mut(&attempt.employee) {
                    *calls -= 1;
                }
            }
            Event::NotPlaced {
                attempt,
                reason: NotPlaced::OutOfMoney,
            }
            | Event::CallEnded {
                attempt,
                ending: Ending::OutOfMoney,
                ..
            }
            | Event::Watched {
                attempt,
                lookup:
                    CallLookup::Over {
                        ending: Ending::OutOfMoney,
                        ..
                    },
                ..
            } => {
                tracked.calls_in_round.remove(&attempt.employee);
            }
            Event::Overdue { .. } => {
                *tracked = Tracked {
                    calls: tracked.calls,
                    health: std::mem::take(&mut tracked.health),
                    ..Tracked::default()
                }
            }
            _ => {}
        }
        let (Event::Key { attempt, .. } | Event::Watched { attempt, .. }) = event else {
            return self.track_round(next);
        };
        if decision.outcome == EventOutcome::Rejected {
            tracked.rejected.insert(attempt.employee);
        }
        self.track_round(next);
    }

    fn track_round(&mut self, next: &Dispatch) {
        if next.progress.round != self.dispatch.progress.round {
            self.tracked.calls_in_round.clear();
        }
    }

    pub(crate) fn check(&self) {
        invariants::check_state(self);
    }

    /// Whether a queued message will advance the dispatch.
    pub(crate) fn will_advance(&self) -> bool {
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
        self.queue
            .iter()
            .any(|message| wanted(&message.work) && message.version <= self.dispatch.version)
    }

    /// Whether the message that [`pending_work`] derives from the dispatch is queued, and due no later than it says.
    pub(crate) fn is_pending_work_queued(&self) -> bool {
        let Some((work, due_at)) = pending_work(&self.dispatch) else {
            return false;
        };
        // Lookups may continue for longer than any call can last. All other messages are due at their time.
        let in_time = |message: &Message| matches!(work, Work::Watch { .. }) || message.due_at <= due_at;
        self.queue.iter().any(|message| {
            is_same_work(&message.work, &work) && in_time(message) && message.version <= self.dispatch.version
        })
    }
}

/// Whether two messages do the same work. Pacing slots and numbers of lookups are ignored: a dispatch does not know
/// them.
fn is_same_work(one: &Work, other: &Work) -> bool {
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

/// Whether another provider can place the call of `attempt` at once.
pub(crate) fn can_fail_over(dispatch: &Dispatch, attempt: AttemptId) -> bool {
    dispatch
        .attempt_with_id(attempt)
        .is_some_and(|attempt| attempt.elsewhere)
}
