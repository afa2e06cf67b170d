//! The rules: what an event makes of a dispatch.

use super::availability::{Availability, Unavailable};
use super::draft::Draft;
use super::event::{Ending, Event, Limit, NotPlaced, Sighting, Verdict};
use super::policy::OnMachine;
use super::route::{self, Deferring, Detour, Route};
use super::state::{Acceptance, Attempt, Dispatch, NewDispatch, Phase, Progress, State, WaitReason};
use super::timeline::{Entry, Fact, Reason};
use crate::dispatch::work::{Message, Notice, Work};
use crate::ids::{AttemptId, DispatchKey, Nonce};
use crate::timestamp::Timestamp;

/// A key that ends a call may still be on its way when the call is reported over: so long is it waited for before the
/// provider is asked for the keys that it saw.
pub const GRACE_SECONDS: u32 = 5;
/// Between two looks at a call that the provider says is still going on.
pub const LOOK_AGAIN_SECONDS: u32 = 15;
/// Looks at a live call before it is given up and hung up.
pub const MAX_LIVE_LOOKS: u8 = 40;
/// Looks at a call of which the provider knows nothing before it is given up.
pub const MAX_BLIND_LOOKS: u8 = 3;
/// How long to wait for somebody to top up the provider's account.
pub const MONEY_PAUSE_SECONDS: u32 = 900;
/// After how long at the latest somebody is tried again who is on the phone for another dispatch.
pub const BUSY_SECONDS: u32 = 30;
/// After how long a number is tried again that the provider refused to call: by then somebody may have mended what was
/// wrong.
pub const REFUSED_SECONDS: u32 = 900;
/// How often in a row the provider may put off the calls of a dispatch before others get their turn meanwhile.
pub const MAX_DEFERRALS: u8 = 8;
/// The longest pause after a call that the provider put off.
pub const PUT_OFF_SECONDS: u32 = 60;
/// How long a lease on an employee outlives the longest call. Mostly it is given back much earlier, when the call ends.
pub const LEASE_MARGIN_SECONDS: u32 = 60;

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
    /// Messages for the dialer, to be sent *before* the commit: their consumers fence.
    pub messages: Vec<Message>,
    /// What the requester is to be told, to be sent before the commit too.
    pub notices: Vec<Notice>,
    /// The lease on an employee that is taken with the commit, or nothing is committed.
    pub hold: Option<Hold>,
    /// The attempt whose lease on its employee ends with the commit.
    pub release: Option<AttemptId>,
}

/// A lease on an employee's phone: no other dispatch calls the employee meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The attempt that is made under it; says whose phone.
    pub attempt: AttemptId,
    /// When it ends if nobody gives it back.
    pub until: Timestamp,
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
        status_since: now,
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
        Event::Claim { attempt, route } => draft.claim(*attempt, route),
        Event::EmployeeBusy { attempt, until } => draft.employee_busy(*attempt, *until),
        Event::OverLimit { attempt, limit, until } => draft.over_limit(*attempt, *limit, *until),
        Event::Placed { attempt, call_id } => draft.placed(*attempt, call_id),
        Event::NotPlaced { attempt, why } => draft.not_placed(*attempt, why),
        Event::Unclear { attempt } => draft.unclear(*attempt),
        Event::Key { attempt, keys } => draft.keys(*attempt, keys),
        Event::CallEnded {
            attempt,
            ending,
            call_id,
        } => draft.call_ended(*attempt, *ending, call_id.clone()),
        Event::Machine { attempt } => draft.machine(*attempt),
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

/// What each event comes to.
impl Draft<'_> {
    fn claim(mut self, id: AttemptId, route: &Route) -> Decision {
        let Some(attempt) = self.before.attempt_called(id).filter(|a| a.phase == Phase::Planned) else {
            return self.leave(Verdict::Stale);
        };
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
        self.next.state = State::Calling(Attempt {
            phase: Phase::Claimed { at: self.now() },
            provider: Some(route.provider.clone()),
            elsewhere: route.elsewhere,
            ..attempt.clone()
        });
        let longest = self.next.brief.policy.longest_call() + LEASE_MARGIN_SECONDS;
        self.hold = Some(Hold {
            attempt: id,
            until: self.now().plus_seconds(longest),
        });
        self.next.progress.busy.remove(&id.employee);
        self.next.progress.put_off.remove(&id.employee);
        self.next.progress.limited.remove(&id.employee);
        self.next.progress.interrupted.remove(&id.employee);
        self.next.progress.calls += 1;
        let (provider, instead_of) = (route.provider.clone(), route.instead_of.clone());
        self.note(Fact::Dialling {
            attempt: id,
            provider,
            instead_of,
        });
        self.commit(Verdict::Dial)
    }

    fn employee_busy(mut self, id: AttemptId, until: Timestamp) -> Decision {
        let Some(attempt) = self.before.attempt_called(id).filter(|a| a.phase == Phase::Planned) else {
            return self.leave(Verdict::Stale);
        };
        self.next.progress.interrupted.insert(id.employee, attempt.number);
        let now = self.now();
        // The lease is for the longest call there can be; most end sooner, and asking again costs one request.
        let until = until.min(now.plus_seconds(BUSY_SECONDS)).max(now.plus_seconds(1));
        self.next.progress.busy.insert(id.employee, until);
        self.note(Fact::Skipped {
            employee: id.employee,
            reason: Unavailable::Busy,
            until: Some(until),
        });
        self.turn(id.employee + 1);
        self.commit(Verdict::Noted)
    }

    /// The tenant allows no further call to the number for now: others get their turn meanwhile.
    fn over_limit(mut self, id: AttemptId, limit: Limit, until: Timestamp) -> Decision {
        let Some(attempt) = self.before.attempt_called(id).filter(|a| a.phase == Phase::Planned) else {
            return self.leave(Verdict::Stale);
        };
        self.next.progress.interrupted.insert(id.employee, attempt.number);
        let until = until.max(self.now().plus_seconds(1));
        self.next.progress.limited.insert(id.employee, (limit, until));
        self.turn(id.employee);
        self.commit(Verdict::Noted)
    }

    fn placed(mut self, id: AttemptId, call_id: &str) -> Decision {
        let fact = Fact::Placed {
            attempt: id,
            call_id: call_id.to_owned(),
        };
        let at = self.now();
        let phase = self.before.attempt_called(id).map(|attempt| &attempt.phase);
        let phase = match phase {
            Some(Phase::Claimed { .. }) => Phase::Placed {
                at,
                call_id: call_id.to_owned(),
            },
            Some(Phase::Ended { at, call_id: None }) => Phase::Ended {
                at: *at,
                call_id: Some(call_id.to_owned()),
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
        self.is_put_off_no_more();
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
        self.next.progress.calls = self.next.progress.calls.saturating_sub(1);
        match why {
            NotPlaced::NotAllowed if attempt.elsewhere => {
                self.note(Fact::NotAllowed { attempt: id });
                self.go_elsewhere(&attempt, Detour::NotAllowed, REFUSED_SECONDS);
            }
            NotPlaced::Refused | NotPlaced::NotAllowed => {
                // The same request would be refused again, and each one takes a slot from somebody who can be phoned.
                let until = self.now().plus_seconds(REFUSED_SECONDS);
                self.next.progress.refused.insert(id.employee, until);
                self.failed(&attempt, Reason::Refused);
            }
            NotPlaced::OutOfMoney => self.out_of_money(&attempt),
            NotPlaced::TryLater => self.put_off(&attempt),
        }
        self.commit(Verdict::Noted)
    }

    /// The same call, over another provider: at once, for it is no attempt.
    fn go_elsewhere(&mut self, attempt: &Attempt, why: Detour, seconds: u32) {
        self.let_go(attempt);
        self.next.progress.deferring = None;
        self.avoid(attempt, why, seconds);
        self.plan(attempt.id.employee, attempt.number, self.now());
    }

    /// The provider takes no call now: it is no attempt, however often that happens. After some time others get their
    /// turn meanwhile, for it may be this number only.
    fn put_off(&mut self, attempt: &Attempt) {
        let Attempt { id, number, .. } = *attempt;
        self.let_go(attempt);
        let before = self.next.progress.deferrals;
        self.next.progress.deferrals = before.saturating_add(1).min(MAX_DEFERRALS);
        let patient = self.is_put_off_by(attempt);
        if attempt.elsewhere && !patient && before < MAX_DEFERRALS {
            self.note(Fact::PutOff {
                attempt: id,
                until: self.now(),
            });
            return self.go_elsewhere(attempt, Detour::PutOff, PUT_OFF_SECONDS);
        }
        let pause = 1_u32 << self.next.progress.deferrals.min(6);
        let until = self.now().plus_seconds(pause.min(PUT_OFF_SECONDS));
        self.note(Fact::PutOff { attempt: id, until });
        if before < MAX_DEFERRALS {
            return self.plan(id.employee, number, until);
        }
        self.next.progress.interrupted.insert(id.employee, number);
        self.next.progress.put_off.insert(id.employee, until);
        self.turn(id.employee + 1);
    }

    /// Counts that the provider of `attempt` put it off: whether it is waited for.
    fn is_put_off_by(&mut self, attempt: &Attempt) -> bool {
        let now = self.now();
        let Some(provider) = attempt.provider.clone() else {
            return true;
        };
        let before = self.next.progress.deferring.take();
        let before = before.filter(|deferring| deferring.provider == provider);
        let (since, times) = before.map_or((now, 0), |deferring| (deferring.since, deferring.times));
        let times = times.saturating_add(1);
        self.next.progress.deferring = Some(Deferring { provider, since, times });
        times < route::PATIENT_DEFERRALS && now < since.plus_seconds(route::PATIENCE_SECONDS)
    }

    fn out_of_money(&mut self, attempt: &Attempt) {
        self.let_go(attempt);
        self.note(Fact::OutOfMoney { attempt: attempt.id });
        if attempt.elsewhere {
            return self.go_elsewhere(attempt, Detour::OutOfMoney, MONEY_PAUSE_SECONDS);
        }
        self.next
            .progress
            .interrupted
            .insert(attempt.id.employee, attempt.number);
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
        if let Some(verdict) = self.before.settled(id) {
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
        let current = self.before.attempt();
        let current = current.filter(|attempt| attempt.id.employee == id.employee);
        let live = current.is_some_and(|attempt| attempt.id == id);
        let last = self.before.progress.rejected.get(&id.employee);
        // The provider repeats the keys of a call when it ends: that is no second key.
        if !live && last.is_some_and(|last| id.ordinal <= *last) {
            return self.leave(Verdict::Rejected);
        }
        self.next.progress.rejected.insert(id.employee, id.ordinal);
        // Whoever has answered has had their turn, however it was interrupted.
        self.next.progress.busy.remove(&id.employee);
        self.next.progress.put_off.remove(&id.employee);
        self.next.progress.limited.remove(&id.employee);
        self.next.progress.interrupted.remove(&id.employee);
        self.note(Fact::Rejected { attempt: id });
        // Whoever is phoned now has not answered yet.
        let Some(current) = current else {
            return self.commit(Verdict::Rejected);
        };
        self.next.progress.called = true;
        if live {
            // The call goes on: a last sentence is said in it.
            self.let_go(current);
        } else {
            // Late, from an earlier call: the one that rings or is to come is not wanted any more.
            self.stop_calling();
        }
        self.turn(id.employee + 1);
        self.commit(Verdict::Rejected)
    }

    fn call_ended(mut self, id: AttemptId, ending: Ending, call_id: Option<String>) -> Decision {
        let Some(attempt) = self.before.attempt_called(id).cloned() else {
            return self.leave(Verdict::Stale);
        };
        let known = match &attempt.phase {
            Phase::Claimed { .. } => None,
            Phase::Placed { call_id, .. } => Some(call_id.clone()),
            Phase::Planned | Phase::Ended { .. } => return self.leave(Verdict::Stale),
        };
        match ending {
            Ending::Completed => {
                self.let_go(&attempt);
                let phase = Phase::Ended {
                    at: self.now(),
                    call_id: known.or(call_id),
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

    fn machine(mut self, id: AttemptId) -> Decision {
        let hangs_up = self.before.brief.policy.machine == OnMachine::HangUp;
        let speaks = |attempt: &&Attempt| matches!(attempt.phase, Phase::Claimed { .. } | Phase::Placed { .. });
        let attempt = self.before.attempt_called(id).filter(speaks);
        let Some(attempt) = attempt.filter(|_| hangs_up).cloned() else {
            return self.leave(Verdict::Noted);
        };
        self.send(Work::HangUp { attempt: id, tries: 0 }, self.now());
        self.failed(&attempt, Reason::Voicemail);
        self.commit(Verdict::Noted)
    }

    fn watched(mut self, id: AttemptId, sighting: &Sighting, looks: u8) -> Decision {
        let Some(attempt) = self.before.attempt_called(id).cloned() else {
            return self.leave(Verdict::Stale);
        };
        let (ended, since) = match attempt.phase {
            // The message to dial it is still on its way.
            Phase::Planned => return self.leave(Verdict::Stale),
            Phase::Claimed { at } | Phase::Placed { at, .. } => (false, at),
            Phase::Ended { at, .. } => (true, at),
        };
        // The provider should have ended it. Whoever waits longer holds a phone that others may call soon: the lease ends.
        let outlived = self.now() >= since.plus_seconds(self.next.brief.policy.longest_call());
        let (most_looks, pause) = match sighting {
            Sighting::Over { ending, keys, machine } => return self.over(&attempt, *ending, keys, *machine),
            Sighting::Live if !ended => (if outlived { 0 } else { MAX_LIVE_LOOKS }, LOOK_AGAIN_SECONDS),
            Sighting::Nothing if !ended => (MAX_BLIND_LOOKS, LOOK_AGAIN_SECONDS),
            // We were told that it is over; tracking only lags behind.
            Sighting::Live | Sighting::Nothing => (MAX_BLIND_LOOKS, GRACE_SECONDS),
        };
        if let Some(over) = self.grace_until(&attempt) {
            return self.look_again(id, over);
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

    /// Until when a key of this call may still be on its way, if it may. Whoever looks before that decides nothing but
    /// keys.
    fn grace_until(&self, attempt: &Attempt) -> Option<Timestamp> {
        let Phase::Ended { at, .. } = attempt.phase else {
            return None;
        };
        Some(at.plus_seconds(GRACE_SECONDS)).filter(|over| self.now() < *over)
    }

    /// This look came too early to count. It is had again: it may be the only one that there is. Looks at the call while
    /// it was live do not count among those after its end.
    fn look_again(mut self, attempt: AttemptId, due_at: Timestamp) -> Decision {
        self.send(Work::Watch { attempt, looks: 0 }, due_at);
        self.leave(Verdict::Noted)
    }

    /// The provider says that the call is over, and which keys it saw.
    fn over(mut self, attempt: &Attempt, ending: Ending, keys: &str, machine: bool) -> Decision {
        match keys.chars().last() {
            Some('1') => return self.accept(attempt.id),
            Some('2') => return self.reject(attempt.id),
            _ => {}
        }
        if let Some(over) = self.grace_until(attempt) {
            return self.look_again(attempt.id, over);
        }
        match ending {
            Ending::OutOfMoney => self.out_of_money(attempt),
            Ending::Completed if machine => self.failed(attempt, Reason::Voicemail),
            ending => self.failed(attempt, reason(ending)),
        }
        self.commit(Verdict::Noted)
    }

    fn resume(mut self, wait: Nonce) -> Decision {
        let State::Waiting(current) = &self.before.state else {
            return self.leave(Verdict::Stale);
        };
        if current.id != wait {
            return self.leave(Verdict::Stale);
        }
        if self.now() < current.until {
            // Too early is not stale: it may be the only message that ends this wait.
            self.send(Work::Resume { wait }, current.until);
            return self.leave(Verdict::Noted);
        }
        self.turn(current.next);
        self.commit(Verdict::Noted)
    }

    fn overdue(mut self, id: AttemptId) -> Decision {
        let State::Accepted(acceptance) = &self.before.state else {
            return self.leave(Verdict::Stale);
        };
        let Some(by) = acceptance.resolve_by.filter(|_| acceptance.attempt == id) else {
            return self.leave(Verdict::Stale);
        };
        if self.now() < by {
            self.send(Work::Remind { attempt: id }, by);
            return self.leave(Verdict::Noted);
        }
        self.next.progress = Progress {
            attempts: self.before.progress.attempts,
            live_from: self.before.progress.attempts + 1,
            round: 1,
            calls: self.before.progress.calls,
            avoided: self.before.progress.avoided.clone(),
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
