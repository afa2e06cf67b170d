//! The rules: what an event makes of a dispatch.

use super::availability::{Availability, Unavailable};
use super::event::{Ending, Event, NotPlaced, Sighting, Verdict};
use super::state::{Acceptance, Attempt, Dispatch, NewDispatch, Phase, Progress, State, Strategy, Wait, WaitReason};
use super::timeline::{Entry, Fact, Reason};
use crate::clock::Timestamp;
use crate::ids::{AttemptId, DispatchKey, Nonce};
use crate::queue::{Message, Work};

/// A key that ends a call may still be on its way when the call is reported over: so long is it waited for before the
/// provider is asked for the keys that it saw (`routee.md` 9.5).
pub const GRACE_SECONDS: u32 = 5;
/// Between two looks at a call that the provider says is still going on.
pub const LOOK_AGAIN_SECONDS: u32 = 15;
/// Looks at a live call before it is given up and hung up.
pub const MAX_LIVE_LOOKS: u8 = 40;
/// Looks at a call of which the provider knows nothing before it is given up.
pub const MAX_BLIND_LOOKS: u8 = 3;
/// How long to wait for somebody to top up the provider's account.
pub const MONEY_PAUSE_SECONDS: u32 = 900;
/// How often in a row the provider may put a call off before that counts as a failed attempt.
pub const MAX_DEFERRALS: u8 = 8;

/// What a decision needs from outside.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The moment.
    pub now: Timestamp,
    /// Never used before: fences whatever this decision makes.
    pub fresh: Nonce,
}

/// What becomes of a dispatch, and what must be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to tell whoever brought the event, once the decision is committed.
    pub verdict: Verdict,
    /// The dispatch after it, when it changes; its version is one higher.
    pub next: Option<Dispatch>,
    /// New lines of the timeline.
    pub entries: Vec<Entry>,
    /// Messages, to be sent *before* the commit: their consumers fence.
    pub messages: Vec<Message>,
    /// The attempt whose lease on its employee ends with the commit.
    pub release: Option<AttemptId>,
}

/// Creates a dispatch.
///
/// The employees must not be empty; with none the dispatch is exhausted from the start.
pub fn create(key: DispatchKey, brief: NewDispatch, fingerprint: String, context: Context) -> Decision {
    let now = context.now;
    let dispatch = Dispatch {
        key,
        version: 0,
        decision: context.fresh,
        created_at: now,
        expires_at: now.plus_seconds(brief.policy.expires_after),
        fingerprint,
        brief,
        progress: Progress {
            round: 1,
            ..Progress::default()
        },
        // Replaced below; a dispatch of version 0 is never stored.
        state: State::Exhausted { at: now },
    };
    let mut draft = Draft::of(&dispatch, context);
    draft.note(Fact::Created);
    draft.turn(0);
    draft.commit(Verdict::Noted)
}

/// Decides what `event` makes of `dispatch`.
pub fn decide(dispatch: &Dispatch, event: &Event, context: Context) -> Decision {
    let draft = Draft::of(dispatch, context);
    match event {
        Event::Claim { attempt } => draft.claim(*attempt),
        Event::EmployeeBusy { attempt, until } => draft.employee_busy(*attempt, *until),
        Event::Placed { attempt, tracking_id } => draft.placed(*attempt, tracking_id),
        Event::NotPlaced { attempt, why } => draft.not_placed(*attempt, why),
        Event::Unclear { attempt } => draft.unclear(*attempt),
        Event::Key { attempt, keys } => draft.keys(*attempt, keys),
        Event::CallEnded {
            attempt,
            ending,
            tracking_id,
        } => draft.call_ended(*attempt, *ending, tracking_id.clone()),
        Event::Watched {
            attempt,
            sighting,
            looks,
        } => draft.watched(*attempt, sighting, *looks),
        Event::Resume { wait } => draft.resume(*wait),
        Event::Overdue { attempt } => draft.overdue(*attempt),
        Event::Cancel => draft.cancel(),
        Event::Resolve => draft.resolve(),
    }
}

/// A decision in the making: the dispatch as it becomes, and what has piled up so far.
struct Draft<'a> {
    before: &'a Dispatch,
    next: Dispatch,
    context: Context,
    entries: Vec<Entry>,
    work: Vec<(Work, Timestamp)>,
    release: Option<AttemptId>,
}

impl<'a> Draft<'a> {
    fn of(dispatch: &'a Dispatch, context: Context) -> Self {
        let next = dispatch.clone();
        Self {
            before: dispatch,
            next,
            context,
            entries: Vec::new(),
            work: Vec::new(),
            release: None,
        }
    }

    // How a decision ends.

    /// The dispatch changes.
    fn commit(mut self, verdict: Verdict) -> Decision {
        self.next.version = self.before.version + 1;
        self.next.decision = self.context.fresh;
        let version = self.next.version;
        self.finish(verdict, version, true)
    }

    /// The dispatch stays as it is; entries and messages may have come up.
    fn leave(self, verdict: Verdict) -> Decision {
        let version = self.before.version;
        self.finish(verdict, version, false)
    }

    fn finish(self, verdict: Verdict, version: u64, changed: bool) -> Decision {
        let sent_at = self.context.now;
        let dispatch = &self.next.key;
        let messages = self
            .work
            .into_iter()
            .map(|(work, due_at)| Message {
                dispatch: dispatch.clone(),
                version,
                sent_at,
                due_at,
                work,
            })
            .collect();
        let next = changed.then_some(self.next);
        Decision {
            verdict,
            next,
            entries: self.entries,
            messages,
            release: self.release,
        }
    }

    // Small steps.

    fn now(&self) -> Timestamp {
        self.context.now
    }

    /// Writes a line, and has the requester told of it when it reports a status that was asked for.
    fn note(&mut self, fact: Fact) {
        let strategy = self.next.brief.webhook.as_ref().map(|webhook| webhook.strategy);
        let told = match strategy {
            None => false,
            Some(Strategy::OnChange) => fact.status().is_some(),
            Some(Strategy::OnCompletion) => fact.is_about_the_whole(),
        };
        let ordinal = self.next.progress.attempts;
        let entry = Entry::decided(ordinal, self.now(), self.context.fresh, self.entries.len(), fact);
        if told {
            self.send(
                Work::Notify {
                    entry: entry.id.clone(),
                },
                self.now(),
            );
        }
        self.entries.push(entry);
    }

    fn send(&mut self, work: Work, due_at: Timestamp) {
        self.work.push((work, due_at));
    }

    /// Plans a call.
    fn plan(&mut self, employee: u8, number: u8, due_at: Timestamp) {
        if due_at >= self.next.expires_at {
            return self.wait(self.next.expires_at, WaitReason::NobodyAvailable, employee);
        }
        self.next.progress.attempts += 1;
        let id = AttemptId {
            ordinal: self.next.progress.attempts,
            employee,
            nonce: self.context.fresh,
        };
        self.next.state = State::Calling(Attempt {
            id,
            number,
            due_at,
            phase: Phase::Planned,
        });
        self.note(Fact::Planned {
            attempt: id,
            number,
            due_at,
        });
        self.send(
            Work::Dial {
                attempt: id,
                slot: None,
            },
            due_at,
        );
    }

    fn wait(&mut self, until: Timestamp, reason: WaitReason, next: u8) {
        if self.now() >= self.next.expires_at {
            return self.expire();
        }
        let until = until.min(self.next.expires_at);
        self.next.state = State::Waiting(Wait {
            id: self.context.fresh,
            until,
            reason,
            next,
        });
        self.note(Fact::Waiting { until, reason });
        self.send(
            Work::Resume {
                wait: self.context.fresh,
            },
            until,
        );
    }

    fn expire(&mut self) {
        self.next.state = State::Expired { at: self.now() };
        self.note(Fact::Expired);
    }

    /// Whether the `employee`th can be phoned at `at`, as far as this dispatch knows.
    fn availability(&self, employee: u8, at: Timestamp) -> Availability {
        let Some(person) = self.next.employee(employee) else {
            return Availability::Not(Unavailable::OffDuty, None);
        };
        let progress = &self.next.progress;
        if !self.next.brief.policy.ask_again && progress.rejected.contains(&employee) {
            return Availability::Not(Unavailable::Rejected, None);
        }
        match (person.availability(at), progress.busy.get(&employee)) {
            (Availability::Available, Some(until)) if *until > at => Availability::Not(Unavailable::Busy, Some(*until)),
            (availability, _) => availability,
        }
    }

    fn indexes(&self) -> std::ops::Range<u8> {
        0..u8::try_from(self.next.brief.employees.len()).unwrap_or(u8::MAX)
    }

    /// Phones the next available employee from `from` on, or ends the round.
    fn turn(&mut self, from: u8) {
        if self.now() >= self.next.expires_at {
            return self.expire();
        }
        for employee in from..self.indexes().end {
            match self.availability(employee, self.now()) {
                Availability::Available => return self.plan(employee, 1, self.now()),
                Availability::Not(reason, until) => self.note(Fact::Skipped {
                    employee,
                    reason,
                    until,
                }),
            }
        }
        self.end_round();
    }

    fn end_round(&mut self) {
        let now = self.now();
        let policy = &self.next.brief.policy;
        let (round_pause, max_rounds) = (policy.round_pause, policy.max_rounds);
        let called = self.next.progress.called;
        let last_round = called && max_rounds.is_some_and(|max| self.next.progress.round >= max);
        let start = if called { now.plus_seconds(round_pause) } else { now };
        let Some(until) = self.earliest(start).filter(|_| !last_round) else {
            self.next.state = State::Exhausted { at: now };
            return self.note(Fact::Exhausted);
        };
        if called {
            self.next.progress.round += 1;
            self.next.progress.called = false;
        }
        if until <= now {
            // Somebody is available this very moment, so this comes to an end.
            return self.turn(0);
        }
        let reason = if until == start {
            WaitReason::RoundPause
        } else {
            WaitReason::NobodyAvailable
        };
        self.wait(until, reason, 0);
    }

    /// The first moment at or after `from` at which somebody can be phoned.
    fn earliest(&self, from: Timestamp) -> Option<Timestamp> {
        self.indexes()
            .filter_map(|employee| match self.availability(employee, from) {
                Availability::Available => Some(from),
                Availability::Not(_, until) => until.map(|until| until.max(from)),
            })
            .min()
    }

    /// The attempt came to nothing: the same employee again, or the next.
    fn failed(&mut self, attempt: &Attempt, reason: Reason) {
        self.note(Fact::NoAnswer {
            attempt: attempt.id,
            number: attempt.number,
            reason,
        });
        self.let_go(attempt);
        self.next.progress.deferrals = 0;
        let employee = attempt.id.employee;
        if attempt.number >= self.next.brief.policy.attempts {
            return self.turn(employee + 1);
        }
        let due_at = self.now().plus_seconds(self.next.brief.policy.retry_delay);
        match self.availability(employee, due_at) {
            Availability::Available => self.plan(employee, attempt.number + 1, due_at),
            Availability::Not(reason, until) => {
                self.note(Fact::Skipped {
                    employee,
                    reason,
                    until,
                });
                self.turn(employee + 1);
            }
        }
    }

    /// Gives the employee back to other dispatches, if this attempt holds the lease.
    fn let_go(&mut self, attempt: &Attempt) {
        if matches!(attempt.phase, Phase::Claimed { .. } | Phase::Placed { .. }) {
            self.release = Some(attempt.id);
        }
    }

    /// Ends the current attempt's call, if there may be one.
    fn stop_calling(&mut self) {
        let Some(attempt) = self.before.attempt() else { return };
        if matches!(attempt.phase, Phase::Claimed { .. } | Phase::Placed { .. }) {
            self.send(
                Work::HangUp {
                    attempt: attempt.id,
                    tries: 0,
                },
                self.now(),
            );
        }
        self.let_go(attempt);
    }

    // Events.

    fn claim(mut self, id: AttemptId) -> Decision {
        let Some(attempt) = self.before.attempt_called(id).filter(|a| a.phase == Phase::Planned) else {
            return self.leave(Verdict::Stale);
        };
        // The dialer took the lease before it asked; without a call it must not keep others from phoning the employee.
        self.release = Some(id);
        if self.now() >= self.next.expires_at {
            self.expire();
            return self.commit(Verdict::Noted);
        }
        // Pacing may have held the call back until after the employee's duty.
        if let Availability::Not(reason, until) = self.availability(id.employee, self.now()) {
            self.note(Fact::Skipped {
                employee: id.employee,
                reason,
                until,
            });
            self.turn(id.employee + 1);
            return self.commit(Verdict::Noted);
        }
        self.release = None;
        self.next.state = State::Calling(Attempt {
            phase: Phase::Claimed { at: self.now() },
            ..attempt.clone()
        });
        self.next.progress.called = true;
        self.next.progress.busy.remove(&id.employee);
        self.note(Fact::Dialling { attempt: id });
        self.commit(Verdict::Dial)
    }

    fn employee_busy(mut self, id: AttemptId, until: Timestamp) -> Decision {
        if self.before.attempt_called(id).is_none_or(|a| a.phase != Phase::Planned) {
            return self.leave(Verdict::Stale);
        }
        let now = self.now();
        let until = until.max(now.plus_seconds(1));
        let busy = &mut self.next.progress.busy;
        busy.retain(|_, until| *until > now);
        busy.insert(id.employee, until);
        self.note(Fact::Skipped {
            employee: id.employee,
            reason: Unavailable::Busy,
            until: Some(until),
        });
        self.turn(id.employee + 1);
        self.commit(Verdict::Noted)
    }

    fn placed(mut self, id: AttemptId, tracking_id: &str) -> Decision {
        let fact = Fact::Placed {
            attempt: id,
            tracking_id: tracking_id.to_owned(),
        };
        let at = self.now();
        let phase = self.before.attempt_called(id).map(|attempt| &attempt.phase);
        let phase = match phase {
            Some(Phase::Claimed { .. }) => Phase::Placed {
                at,
                tracking_id: tracking_id.to_owned(),
            },
            Some(Phase::Ended { at, tracking_id: None }) => Phase::Ended {
                at: *at,
                tracking_id: Some(tracking_id.to_owned()),
            },
            // The story has gone on without us (a webhook was faster, or somebody cancelled). The line is written
            // all the same: it is where a hang-up finds the call.
            _ => {
                self.note(fact);
                return self.leave(Verdict::Stale);
            }
        };
        if let State::Calling(attempt) = &mut self.next.state {
            attempt.phase = phase;
        }
        self.next.progress.deferrals = 0;
        self.note(fact);
        self.commit(Verdict::Noted)
    }

    fn not_placed(mut self, id: AttemptId, why: &NotPlaced) -> Decision {
        let Some(attempt) = self
            .before
            .attempt_called(id)
            .filter(|a| matches!(a.phase, Phase::Claimed { .. }))
            .cloned()
        else {
            return self.leave(Verdict::Stale);
        };
        match why {
            NotPlaced::Refused => self.failed(&attempt, Reason::Refused),
            NotPlaced::OutOfMoney => self.out_of_money(&attempt),
            NotPlaced::TryLater if self.next.progress.deferrals >= MAX_DEFERRALS => {
                self.failed(&attempt, Reason::Failed);
            }
            NotPlaced::TryLater => {
                self.let_go(&attempt);
                self.next.progress.deferrals += 1;
                let until = self.now().plus_seconds(1 << self.next.progress.deferrals.min(6));
                self.note(Fact::PutOff { attempt: id, until });
                self.plan(id.employee, attempt.number, until);
            }
        }
        self.commit(Verdict::Noted)
    }

    fn out_of_money(&mut self, attempt: &Attempt) {
        self.let_go(attempt);
        self.note(Fact::OutOfMoney { attempt: attempt.id });
        let until = self.now().plus_seconds(MONEY_PAUSE_SECONDS);
        self.wait(until, WaitReason::OutOfMoney, attempt.id.employee);
    }

    fn unclear(mut self, id: AttemptId) -> Decision {
        self.note(Fact::Unclear { attempt: id });
        self.leave(Verdict::Noted)
    }

    fn keys(mut self, id: AttemptId, keys: &str) -> Decision {
        // Events may repeat all keys of the call so far: the last one is the person's last word.
        let Some(key) = keys.chars().last() else {
            return self.leave(Verdict::Noted);
        };
        if id.ordinal > self.before.progress.attempts || self.before.employee(id.employee).is_none() {
            return self.leave(Verdict::Stale);
        }
        if let Some(verdict) = self.settled(id) {
            if verdict != Verdict::Accepted {
                self.note(Fact::Key { attempt: id, key });
            }
            return self.leave(verdict);
        }
        match key {
            '1' => self.accept(id),
            '2' => self.reject(id),
            _ => {
                self.note(Fact::Key { attempt: id, key });
                let live = self.before.attempt_called(id).is_some();
                self.leave(if live { Verdict::AskAgain } else { Verdict::Noted })
            }
        }
    }

    /// What a key pressed now is answered with whatever it is, when the ticket needs no answer any more.
    fn settled(&self, id: AttemptId) -> Option<Verdict> {
        match &self.before.state {
            State::Accepted(acceptance) if acceptance.attempt.employee == id.employee => Some(Verdict::Accepted),
            State::Accepted(acceptance) => Some(Verdict::TakenBy(acceptance.attempt.employee)),
            State::Cancelled { .. } | State::Expired { .. } | State::Resolved { .. } => Some(Verdict::Closed),
            // A key of before a re-opening says nothing about the ticket as it stands now.
            _ if id.ordinal < self.before.progress.live_from => Some(Verdict::Closed),
            State::Calling(_) | State::Waiting(_) | State::Exhausted { .. } => None,
        }
    }

    fn accept(mut self, id: AttemptId) -> Decision {
        let now = self.now();
        let current = self.before.attempt();
        let live = current.is_some_and(|a| a.id == id && !matches!(a.phase, Phase::Ended { .. }));
        match current {
            // The acceptor's own call goes on: it is told that it has the ticket.
            Some(attempt) if attempt.id == id => self.let_go(attempt),
            _ => self.stop_calling(),
        }
        let resolve_by = self
            .next
            .brief
            .policy
            .resolve_within
            .map(|within| now.plus_seconds(within));
        self.next.state = State::Accepted(Acceptance {
            attempt: id,
            at: now,
            resolve_by,
        });
        self.note(Fact::Accepted {
            attempt: id,
            late: !live,
            resolve_by,
        });
        if let Some(due_at) = resolve_by {
            self.send(Work::Remind { attempt: id }, due_at);
        }
        self.commit(Verdict::Accepted)
    }

    fn reject(mut self, id: AttemptId) -> Decision {
        let first_time = self.next.progress.rejected.insert(id.employee);
        // A reject that comes late still spares the person the calls that were to follow.
        let current = self.before.attempt().filter(|attempt| {
            attempt.id == id || (attempt.id.employee == id.employee && attempt.phase == Phase::Planned)
        });
        let Some(current) = current else {
            self.note(Fact::Key { attempt: id, key: '2' });
            return if first_time {
                self.commit(Verdict::Rejected)
            } else {
                self.leave(Verdict::Rejected)
            };
        };
        self.note(Fact::Rejected { attempt: id });
        self.let_go(current);
        self.turn(id.employee + 1);
        self.commit(Verdict::Rejected)
    }

    fn call_ended(mut self, id: AttemptId, ending: Ending, tracking_id: Option<String>) -> Decision {
        let Some(attempt) = self.before.attempt_called(id).cloned() else {
            return self.leave(Verdict::Stale);
        };
        let known = match &attempt.phase {
            Phase::Claimed { .. } => None,
            Phase::Placed { tracking_id, .. } => Some(tracking_id.clone()),
            Phase::Planned | Phase::Ended { .. } => return self.leave(Verdict::Stale),
        };
        match ending {
            Ending::Completed => {
                self.let_go(&attempt);
                let phase = Phase::Ended {
                    at: self.now(),
                    tracking_id: known.or(tracking_id),
                };
                self.next.state = State::Calling(Attempt { phase, ..attempt });
                self.send(
                    Work::Watch { attempt: id, looks: 0 },
                    self.now().plus_seconds(GRACE_SECONDS),
                );
            }
            // The sources disagree whether `Unknown` is final: ask soon instead of trusting it.
            Ending::Unknown => {
                self.send(
                    Work::Watch { attempt: id, looks: 0 },
                    self.now().plus_seconds(LOOK_AGAIN_SECONDS),
                );
                return self.leave(Verdict::Noted);
            }
            Ending::OutOfMoney => self.out_of_money(&attempt),
            Ending::Busy | Ending::NoAnswer | Ending::Failed => self.failed(&attempt, reason(ending)),
        }
        self.commit(Verdict::Noted)
    }

    fn watched(mut self, id: AttemptId, sighting: &Sighting, looks: u8) -> Decision {
        let Some(attempt) = self.before.attempt_called(id).cloned() else {
            return self.leave(Verdict::Stale);
        };
        let ended = match attempt.phase {
            // The message to dial it is still on its way.
            Phase::Planned => return self.leave(Verdict::Stale),
            Phase::Claimed { .. } | Phase::Placed { .. } => false,
            Phase::Ended { .. } => true,
        };
        let (most_looks, pause) = match sighting {
            Sighting::Over { ending, keys } => return self.over(&attempt, *ending, keys),
            Sighting::Live if !ended => (MAX_LIVE_LOOKS, LOOK_AGAIN_SECONDS),
            Sighting::Nothing if !ended => (MAX_BLIND_LOOKS, LOOK_AGAIN_SECONDS),
            // We were told that it is over; tracking only lags behind.
            Sighting::Live | Sighting::Nothing => (MAX_BLIND_LOOKS, GRACE_SECONDS),
        };
        if self.in_grace(&attempt) {
            return self.leave(Verdict::Noted);
        }
        if looks < most_looks {
            self.send(Work::Watch { attempt: id, looks }, self.now().plus_seconds(pause));
            return self.leave(Verdict::Noted);
        }
        if !ended {
            // Whatever became of it, nobody is to be on that line while the next phone rings.
            self.send(Work::HangUp { attempt: id, tries: 0 }, self.now());
        }
        self.failed(&attempt, if ended { Reason::NoKey } else { Reason::Unknown });
        self.commit(Verdict::Noted)
    }

    /// Whether a key of this call may still be on its way. The watch that was sent when the call ended comes after
    /// that; one that was sent earlier and happens to look now decides nothing but keys.
    fn in_grace(&self, attempt: &Attempt) -> bool {
        matches!(attempt.phase, Phase::Ended { at, .. } if self.now() < at.plus_seconds(GRACE_SECONDS))
    }

    /// The provider says that the call is over, and which keys it saw.
    fn over(mut self, attempt: &Attempt, ending: Ending, keys: &str) -> Decision {
        match (keys.chars().last(), ending) {
            (Some('1'), _) => return self.accept(attempt.id),
            (Some('2'), _) => return self.reject(attempt.id),
            _ if self.in_grace(attempt) => return self.leave(Verdict::Noted),
            (_, Ending::OutOfMoney) => self.out_of_money(attempt),
            (_, ending) => self.failed(attempt, reason(ending)),
        }
        self.commit(Verdict::Noted)
    }

    fn resume(mut self, wait: Nonce) -> Decision {
        let State::Waiting(current) = &self.before.state else {
            return self.leave(Verdict::Stale);
        };
        if current.id != wait || self.now() < current.until {
            return self.leave(Verdict::Stale);
        }
        self.turn(current.next);
        self.commit(Verdict::Noted)
    }

    fn overdue(mut self, id: AttemptId) -> Decision {
        let State::Accepted(acceptance) = &self.before.state else {
            return self.leave(Verdict::Stale);
        };
        if acceptance.attempt != id || acceptance.resolve_by.is_none_or(|by| self.now() < by) {
            return self.leave(Verdict::Stale);
        }
        self.next.progress = Progress {
            attempts: self.before.progress.attempts,
            live_from: self.before.progress.attempts + 1,
            round: 1,
            ..Progress::default()
        };
        self.next.expires_at = self.now().plus_seconds(self.next.brief.policy.expires_after);
        self.note(Fact::Reopened { attempt: id });
        self.turn(id.employee + 1);
        self.commit(Verdict::Noted)
    }

    fn cancel(mut self) -> Decision {
        match &self.before.state {
            State::Cancelled { .. } => return self.leave(Verdict::Noted),
            State::Calling(_) | State::Waiting(_) => {}
            _ => return self.leave(Verdict::Refused),
        }
        self.stop_calling();
        self.next.state = State::Cancelled { at: self.now() };
        self.note(Fact::Cancelled);
        self.commit(Verdict::Noted)
    }

    fn resolve(mut self) -> Decision {
        let acceptance = match &self.before.state {
            State::Resolved { .. } => return self.leave(Verdict::Noted),
            State::Cancelled { .. } => return self.leave(Verdict::Refused),
            State::Accepted(acceptance) => Some(acceptance.clone()),
            _ => None,
        };
        self.stop_calling();
        self.next.state = State::Resolved {
            at: self.now(),
            acceptance,
        };
        self.note(Fact::Resolved);
        self.commit(Verdict::Noted)
    }
}

const fn reason(ending: Ending) -> Reason {
    match ending {
        Ending::Completed => Reason::NoKey,
        Ending::Busy => Reason::Busy,
        Ending::NoAnswer => Reason::NotPickedUp,
        Ending::Failed | Ending::OutOfMoney => Reason::Failed,
        Ending::Unknown => Reason::Unknown,
    }
}
