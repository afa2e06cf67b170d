//! A story: a dispatch, the events that happen to it, and everything that was decided on the way.

use patchbay::clock::Timestamp;
use patchbay::dispatch::work::{Message, Work};
use patchbay::dispatch::{
    CallLookup, Decision, DecisionContext, Dispatch, DispatchPriority, Employee, Ending, Entry, Event, EventOutcome,
    Fact, NewDispatch, NotPlaced, Phase, Policy, Route, State, Ticket, WaitReason, create, decide,
};
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, Nonce, ProviderName};
use patchbay::phone::PhoneNumber;
use patchbay::webhook::Notice;

/// The provider that places the calls.
pub(crate) const PROVIDER: ProviderName = ProviderName::known("voice");

/// How long a phone rings that nobody picks up, in seconds.
pub(crate) const RING: u32 = 25;

/// Start of every story: a Monday morning.
pub(crate) fn start() -> Timestamp {
    Timestamp::parse("2026-01-05T09:00:00Z").expect("a moment")
}

pub(crate) fn person(index: usize, name: &str) -> Employee {
    Employee {
        id: name.to_lowercase(),
        name: name.to_owned(),
        phone: PhoneNumber::parse(&format!("+120255501{index:02}")).expect("a number"),
        language: None,
        voice: None,
        on_duty: Vec::new(),
        quiet_hours: None,
        opted_out: false,
        unverified: false,
    }
}

pub(crate) fn people(names: &[&str]) -> Vec<Employee> {
    names.iter().enumerate().map(|(i, name)| person(i, name)).collect()
}

pub(crate) fn spec(employees: Vec<Employee>, policy: Policy) -> NewDispatch {
    NewDispatch {
        priority: DispatchPriority::Normal,
        ticket: Ticket {
            reference: Some("INC-4711".into()),
            text: "Database down".into(),
        },
        employees,
        policy,
        webhook: None,
    }
}

pub(crate) struct Story {
    pub(crate) dispatch: Dispatch,
    pub(crate) now: Timestamp,
    pub(crate) last: Decision,
    pub(crate) entries: Vec<Entry>,
    pub(crate) messages: Vec<Message>,
    pub(crate) notices: Vec<Notice>,
    decisions: u64,
}

impl Story {
    /// A story with these employees and the default policy.
    pub(crate) fn new(names: &[&str]) -> Self {
        Self::with_employees(people(names), Policy::default())
    }

    pub(crate) fn with_policy(policy: Policy, names: &[&str]) -> Self {
        Self::with_employees(people(names), policy)
    }

    pub(crate) fn with_employees(employees: Vec<Employee>, policy: Policy) -> Self {
        Self::for_dispatch(spec(employees, policy))
    }

    pub(crate) fn for_dispatch(spec: NewDispatch) -> Self {
        let key = DispatchKey {
            tenant: "demo".parse().expect("a tenant"),
            id: DispatchId::new(1),
        };
        let context = DecisionContext {
            now: start(),
            nonce: Nonce::new(1),
        };
        let last = create(key, spec, String::new(), context);
        Self {
            dispatch: last.next.clone().expect("a dispatch"),
            now: start(),
            entries: last.entries.clone(),
            messages: last.messages.clone(),
            notices: last.notices.clone(),
            last,
            decisions: 1,
        }
    }

    // When.

    /// Applies an event now.
    pub(crate) fn apply(&mut self, event: &Event) -> EventOutcome {
        self.decisions += 1;
        let context = DecisionContext {
            now: self.now,
            nonce: Nonce::new(self.decisions),
        };
        let decision = decide(&self.dispatch, event, context);
        if let Some(next) = &decision.next {
            assert_eq!(next.version, self.dispatch.version + 1, "a commit is one version");
            self.dispatch = next.clone();
        }
        self.entries.extend(decision.entries.iter().cloned());
        self.messages.extend(decision.messages.iter().cloned());
        self.notices.extend(decision.notices.iter().cloned());
        self.last = decision;
        self.last.outcome.clone()
    }

    pub(crate) fn advance(&mut self, seconds: u32) {
        self.now = self.now.plus_seconds(seconds);
    }

    /// Sets the time to `seconds` after the start.
    pub(crate) fn set_time(&mut self, seconds: u32) {
        self.now = start().plus_seconds(seconds);
    }

    /// The dialer claims the planned call once it is due.
    pub(crate) fn claims(&mut self) -> (AttemptId, EventOutcome) {
        let attempt = self.dispatch.attempt().expect("an attempt").clone();
        self.now = self.now.max(attempt.due_at);
        (
            attempt.id,
            self.apply(&Event::Claim {
                attempt: attempt.id,
                route: Route::only(PROVIDER),
            }),
        )
    }

    /// The dialer asks the provider to phone `name`, whose turn it must be. The call is claimed, but not confirmed.
    pub(crate) fn dials(&mut self, name: &str) -> AttemptId {
        assert_eq!(self.turn().0, name, "whose turn it is");
        let (id, outcome) = self.claims();
        assert_eq!(outcome, EventOutcome::Dial, "may {name} be phoned");
        id
    }

    /// The provider takes the call to `name`, whose turn it must be.
    pub(crate) fn rings(&mut self, name: &str) -> AttemptId {
        let id = self.dials(name);
        self.apply(&Event::Placed {
            attempt: id,
            call_id: format!("track-{}", id.ordinal),
        });
        id
    }

    pub(crate) fn ends(&mut self, attempt: AttemptId, ending: Ending) -> EventOutcome {
        self.apply(&Event::CallEnded {
            attempt,
            ending,
            call_id: None,
        })
    }

    /// The phone of `name` rings, and nobody picks up.
    pub(crate) fn rings_out(&mut self, name: &str) -> AttemptId {
        let id = self.rings(name);
        self.advance(RING);
        self.ends(id, Ending::NoAnswer);
        id
    }

    pub(crate) fn presses(&mut self, attempt: AttemptId, keys: &str) -> EventOutcome {
        self.apply(&Event::Key {
            attempt,
            keys: keys.into(),
        })
    }

    /// The phone of `name` rings, whose turn it must be, and `keys` are pressed.
    pub(crate) fn answers(&mut self, name: &str, keys: &str) -> (AttemptId, EventOutcome) {
        let id = self.rings(name);
        self.advance(8);
        (id, self.presses(id, keys))
    }

    pub(crate) fn not_placed(&mut self, attempt: AttemptId, reason: NotPlaced) -> EventOutcome {
        self.apply(&Event::NotPlaced { attempt, reason })
    }

    pub(crate) fn watched(&mut self, attempt: AttemptId, lookup: CallLookup, lookups: u8) -> EventOutcome {
        self.apply(&Event::Watched {
            attempt,
            lookup,
            lookups,
        })
    }

    pub(crate) fn call_over(&mut self, attempt: AttemptId, ending: Ending, keys: &str) -> EventOutcome {
        let keys = keys.to_owned();
        self.watched(
            attempt,
            CallLookup::Over {
                ending,
                keys,
                machine: false,
            },
            1,
        )
    }

    /// The current wait ends.
    pub(crate) fn resumes(&mut self) {
        let State::Waiting(wait) = self.dispatch.state.clone() else {
            panic!("nothing to wait for: {:?}", self.dispatch.state)
        };
        self.now = self.now.max(wait.until);
        self.apply(&Event::Resume { wait: wait.id });
    }

    /// The employee is found to be on the phone for another dispatch, for `seconds` more.
    pub(crate) fn is_busy(&mut self, name: &str, seconds: u32) {
        assert_eq!(self.turn().0, name, "whose turn it is");
        let attempt = self.dispatch.attempt().expect("an attempt").id;
        let until = self.now.plus_seconds(seconds);
        self.apply(&Event::EmployeeBusy { attempt, until });
    }

    // Then.

    pub(crate) fn name(&self, employee: u8) -> &str {
        &self.dispatch.employee(employee).expect("an employee").name
    }

    /// The employee whose turn it is, and the ordinal of the call in the turn.
    pub(crate) fn turn(&self) -> (&str, u8) {
        let Some(attempt) = self.dispatch.attempt() else {
            panic!("nobody's turn: {:?}", self.dispatch.state)
        };
        (self.name(attempt.id.employee), attempt.number)
    }

    /// Seconds until the current call is due.
    pub(crate) fn due_in(&self) -> u64 {
        let attempt = self.dispatch.attempt().expect("an attempt");
        attempt.due_at.since(self.now).as_secs()
    }

    pub(crate) fn phase(&self) -> &Phase {
        &self.dispatch.attempt().expect("an attempt").phase
    }

    /// Duration of the current wait in seconds, and its reason.
    pub(crate) fn waits(&self) -> (u64, WaitReason) {
        let State::Waiting(wait) = &self.dispatch.state else {
            panic!("no wait: {:?}", self.dispatch.state)
        };
        (wait.until.since(self.now).as_secs(), wait.reason)
    }

    pub(crate) fn status(&self) -> &'static str {
        self.dispatch.state.name()
    }

    /// Who has the ticket.
    pub(crate) fn acceptor(&self) -> &str {
        let State::Accepted(acceptance) = &self.dispatch.state else {
            panic!("nobody has it: {:?}", self.dispatch.state)
        };
        self.name(acceptance.attempt.employee)
    }

    /// Facts that the last decision added to the timeline.
    pub(crate) fn facts(&self) -> Vec<&Fact> {
        self.last.entries.iter().map(|entry| &entry.fact).collect()
    }

    /// Whether the last decision added such a fact.
    pub(crate) fn recorded(&self, is: impl Fn(&Fact) -> bool) -> bool {
        self.last.entries.iter().any(|entry| is(&entry.fact))
    }

    /// Work that the last decision sent.
    pub(crate) fn sent(&self) -> Vec<&Work> {
        self.last.messages.iter().map(|message| &message.work).collect()
    }

    /// Whether the last decision sent nothing but a message to count an alarm.
    pub(crate) fn only_counts(&self) -> bool {
        matches!(self.sent()[..], [Work::Count { .. }])
    }

    /// Attempts whose calls the last decision hangs up.
    pub(crate) fn hung_up(&self) -> Vec<AttemptId> {
        let hang_ups = self.sent().into_iter().filter_map(|work| match work {
            Work::HangUp { attempt, tries: 0 } => Some(*attempt),
            _ => None,
        });
        hang_ups.collect()
    }

    /// Whether the last event had no effect at all.
    pub(crate) fn nothing_happened(&self) -> bool {
        let last = &self.last;
        last.next.is_none() && last.entries.is_empty() && last.messages.is_empty() && last.notices.is_empty()
    }
}
