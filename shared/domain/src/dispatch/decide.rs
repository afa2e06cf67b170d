//! The rules: what each event does to a dispatch.

use super::availability::{Availability, Unavailable};
use super::builder::DecisionBuilder;
use super::event::{CallLookup, Ending, Event, EventOutcome, Limit, NotPlaced};
use super::policy::OnVoicemail;
use super::route::{self, AvoidReason, Deferrals, Route};
use super::state::{Acceptance, Attempt, Dispatch, NewDispatch, Phase, Progress, State, WaitReason};
use super::timeline::{Entry, Fact, NoAnswerReason};
use crate::dispatch::work::{Message, Work};
use crate::ids::{AttemptId, DispatchKey, Nonce};
use crate::timestamp::Timestamp;
use crate::webhook::Notice;

/// How long we wait for a late key after a call is reported over, before we ask the provider for the keys that it saw:
/// the key that ended the call may still be on its way.
pub const GRACE_SECONDS: u32 = 5;
/// Time between two lookups of a call that the provider reports as live.
pub const LOOKUP_INTERVAL_SECONDS: u32 = 15;
/// Lookups of a live call before we hang it up and give up on it.
pub const MAX_LIVE_LOOKUPS: u8 = 40;
/// Lookups of a call that the provider does not know before we give up on it.
pub const MAX_UNKNOWN_LOOKUPS: u8 = 3;
/// How long to wait for a person to top up the provider's account.
pub const MONEY_PAUSE_SECONDS: u32 = 900;
/// Longest wait before an employee is retried who is on the phone for another dispatch.
pub const BUSY_SECONDS: u32 = 30;
/// How long to wait before a number is retried that the provider refused to call: by then a person may have fixed the
/// cause.
pub const REFUSED_SECONDS: u32 = 900;
/// How often in a row the provider may postpone the calls of a dispatch before other employees get their turn
/// meanwhile.
pub const MAX_DEFERRALS: u8 = 8;
/// Longest pause before a call that the provider postponed is retried.
pub const POSTPONE_SECONDS: u32 = 60;
/// How long a lease on an employee outlives the longest possible call. It is usually released much earlier, when the
/// call ends.
pub const LEASE_MARGIN_SECONDS: u32 = 60;

/// The input of a decision besides the dispatch and the event.
#[derive(Clone, Copy, Debug)]
pub struct DecisionContext {
    /// The current time.
    pub now: Timestamp,
    /// A fresh nonce, never used before. It fences everything that this decision creates.
    pub nonce: Nonce,
}

/// The new state of a dispatch, and the side effects to perform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The answer to the sender of the event, valid once the decision is committed.
    pub outcome: EventOutcome,
    /// The dispatch after the event, if it changes; its version is one higher.
    pub next: Option<Dispatch>,
    /// New timeline entries.
    pub entries: Vec<Entry>,
    /// Messages for the dialer, to be sent *before* the commit: their consumers are fenced.
    pub messages: Vec<Message>,
    /// Notices for the requester's webhook, to be sent before the commit too.
    pub notices: Vec<Notice>,
    /// The lease on an employee to acquire in the same transaction; without it nothing is committed.
    pub lease: Option<EmployeeLease>,
    /// The attempt whose lease on its employee is released in the same transaction.
    pub release: Option<AttemptId>,
}

/// A lease on an employee's phone: while it is held, no other dispatch calls the employee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmployeeLease {
    /// The attempt that holds the lease; its id identifies the employee.
    pub attempt: AttemptId,
    /// When the lease expires unless it is released earlier.
    pub until: Timestamp,
}

/// Creates a dispatch.
///
/// The list of employees must not be empty; a dispatch without employees is exhausted from the start.
pub fn create(key: DispatchKey, spec: NewDispatch, fingerprint: String, context: DecisionContext) -> Decision {
    let now = context.now;
    let dispatch = Dispatch {
        key,
        version: 0,
        decision: context.nonce,
        created_at: now,
        status_since: now,
        expires_at: now.plus_seconds(spec.policy.expires_after),
        fingerprint,
        spec,
        progress: Progress {
            round: 1,
            ..Progress::default()
        },
        // Replaced below; a dispatch of version 0 is never stored.
        state: State::Exhausted { at: now },
    };
    let mut builder = DecisionBuilder::new(&dispatch, context);
    builder.record(Fact::Created);
    builder.phone_next(0);
    builder.commit(EventOutcome::Noted)
}

/// Decides what `event` does to `dispatch`.
pub fn decide(dispatch: &Dispatch, event: &Event, context: DecisionContext) -> Decision {
    let builder = DecisionBuilder::new(dispatch, context);
    match event {
        Event::Claim { attempt, route } => builder.claim(*attempt, route),
        Event::EmployeeBusy { attempt, until } => builder.employee_busy(*attempt, *until),
        Event::OverLimit { attempt, limit, until } => builder.over_limit(*attempt, *limit, *until),
        Event::Placed { attempt, call_id } => builder.placed(*attempt, call_id),
        Event::NotPlaced { attempt, reason } => builder.not_placed(*attempt, reason),
        Event::Unclear { attempt } => builder.unclear(*attempt),
        Event::Key { attempt, keys } => builder.keys(*attempt, keys),
        Event::CallEnded {
            attempt,
            ending,
            call_id,
        } => builder.call_ended(*attempt, *ending, call_id.clone()),
        Event::Machine { attempt } => builder.machine(*attempt),
        Event::Watched {
            attempt,
            lookup,
            lookups,
        } => builder.watched(*attempt, lookup, *lookups),
        Event::Resume { wait } => builder.resume(*wait),
        Event::Overdue { attempt } => builder.overdue(*attempt),
        Event::Cancel => builder.cancel(),
        Event::Resolve => builder.resolve(),
    }
}

/// One method for each event.
impl DecisionBuilder<'_> {
    fn claim(mut self, id: AttemptId, route: &Route) -> Decision {
        let Some(attempt) = self.before.attempt_with_id(id).filter(|a| a.phase == Phase::Planned) else {
            return self.unchanged(EventOutcome::Stale);
        };
        if self.now() >= self.next.expires_at {
            self.expire();
            return self.commit(EventOutcome::Noted);
        }
        // Pacing may have delayed the call until after the employee's duty.
        if let Availability::Not(reason, until) = self.availability(id.employee, self.now()) {
            self.record(Fact::Skipped {
                employee: id.employee,
                reason,
                until,
            });
            self.phone_next(id.employee + 1);
            return self.commit(EventOutcome::Noted);
        }
        self.next.state = State::Calling(Attempt {
            phase: Phase::Claimed { at: self.now() },
            provider: Some(route.provider.clone()),
            elsewhere: route.elsewhere,
            ..attempt.clone()
        });
        let longest = self.next.spec.policy.longest_call() + LEASE_MARGIN_SECONDS;
        self.lease = Some(EmployeeLease {
            attempt: id,
            until: self.now().plus_seconds(longest),
        });
        self.next.progress.busy.remove(&id.employee);
        self.next.progress.postponed.remove(&id.employee);
        self.next.progress.limited.remove(&id.employee);
        self.next.progress.interrupted.remove(&id.employee);
        self.next.progress.calls += 1;
        let (provider, instead_of) = (route.provider.clone(), route.instead_of.clone());
        self.record(Fact::Dialing {
            attempt: id,
            provider,
            instead_of,
        });
        self.commit(EventOutcome::Dial)
    }

    fn employee_busy(mut self, id: AttemptId, until: Timestamp) -> Decision {
        let Some(attempt) = self.before.attempt_with_id(id).filter(|a| a.phase == Phase::Planned) else {
            return self.unchanged(EventOutcome::Stale);
        };
        self.next.progress.interrupted.insert(id.employee, attempt.number);
        let now = self.now();
        // The lease covers the longest possible call. Most calls end sooner, and a retry costs one request.
        let until = until.min(now.plus_seconds(BUSY_SECONDS)).max(now.plus_seconds(1));
        self.next.progress.busy.insert(id.employee, until);
        self.record(Fact::Skipped {
            employee: id.employee,
            reason: Unavailable::Busy,
            until: Some(until),
        });
        self.phone_next(id.employee + 1);
        self.commit(EventOutcome::Noted)
    }

    /// The number has reached a call limit of the tenant: other employees get their turn meanwhile.
    fn over_limit(mut self, id: AttemptId, limit: Limit, until: Timestamp) -> Decision {
        let Some(attempt) = self.before.attempt_with_id(id).filter(|a| a.phase == Phase::Planned) else {
            return self.unchanged(EventOutcome::Stale);
        };
        self.next.progress.interrupted.insert(id.employee, attempt.number);
        let until = until.max(self.now().plus_seconds(1));
        self.next.progress.limited.insert(id.employee, (limit, until));
        self.phone_next(id.employee);
        self.commit(EventOutcome::Noted)
    }

    fn placed(mut self, id: AttemptId, call_id: &str) -> Decision {
        let fact = Fact::Placed {
            attempt: id,
            call_id: call_id.to_owned(),
        };
        let at = self.now();
        let phase = self.before.attempt_with_id(id).map(|attempt| &attempt.phase);
        let phase = match phase {
            Some(Phase::Claimed { .. }) => Phase::Placed {
                at,
                call_id: call_id.to_owned(),
            },
            Some(Phase::Ended { at, call_id: None }) => Phase::Ended {
                at: *at,
                call_id: Some(call_id.to_owned()),
            },
            // The dispatch has moved on (a webhook was faster, or it was cancelled). The entry is written nevertheless:
            // a hang-up finds the call's id there.
            _ => {
                self.record(fact);
                return self.unchanged(EventOutcome::Stale);
            }
        };
        if let State::Calling(attempt) = &mut self.next.state {
            attempt.phase = phase;
        }
        self.clear_deferrals();
        self.record(fact);
        self.commit(EventOutcome::Noted)
    }

    fn not_placed(mut self, id: AttemptId, reason: &NotPlaced) -> Decision {
        let Some(attempt) = self
            .before
            .attempt_with_id(id)
            .filter(|a| matches!(a.phase, Phase::Claimed { .. }))
            .cloned()
        else {
            return self.unchanged(EventOutcome::Stale);
        };
        self.next.progress.calls = self.next.progress.calls.saturating_sub(1);
        match reason {
            NotPlaced::NotAllowed if attempt.elsewhere => {
                self.record(Fact::NotAllowed { attempt: id });
                self.fail_over(&attempt, AvoidReason::NotAllowed, REFUSED_SECONDS);
            }
            NotPlaced::Refused | NotPlaced::NotAllowed => {
                // The same request would be refused again, and would take a pacing slot from an employee who can be
                // phoned.
                let until = self.now().plus_seconds(REFUSED_SECONDS);
                self.next.progress.refused.insert(id.employee, until);
                self.attempt_failed(&attempt, NoAnswerReason::Refused);
            }
            NotPlaced::OutOfMoney => self.out_of_money(&attempt),
            NotPlaced::TryLater => self.postpone(&attempt),
        }
        self.commit(EventOutcome::Noted)
    }

    /// Plans the same call over another provider, at once: a call that was not placed does not count as an attempt.
    fn fail_over(&mut self, attempt: &Attempt, reason: AvoidReason, seconds: u32) {
        self.release_lease(attempt);
        self.next.progress.deferring = None;
        self.avoid(attempt, reason, seconds);
        self.plan(attempt.id.employee, attempt.number, self.now());
    }

    /// The provider takes no call now. This never counts as an attempt, however often it happens. After
    /// [`MAX_DEFERRALS`] other employees get their turn meanwhile: perhaps only this number is affected.
    fn postpone(&mut self, attempt: &Attempt) {
        let Attempt { id, number, .. } = *attempt;
        self.release_lease(attempt);
        let before = self.next.progress.deferrals;
        self.next.progress.deferrals = before.saturating_add(1).min(MAX_DEFERRALS);
        let patient = self.count_deferral(attempt);
        if attempt.elsewhere && !patient && before < MAX_DEFERRALS {
            self.record(Fact::Postponed {
                attempt: id,
                until: self.now(),
            });
            return self.fail_over(attempt, AvoidReason::Postponed, POSTPONE_SECONDS);
        }
        let pause = 1_u32 << self.next.progress.deferrals.min(6);
        let until = self.now().plus_seconds(pause.min(POSTPONE_SECONDS));
        self.record(Fact::Postponed { attempt: id, until });
        if before < MAX_DEFERRALS {
            return self.plan(id.employee, number, until);
        }
        self.next.progress.interrupted.insert(id.employee, number);
        self.next.progress.postponed.insert(id.employee, until);
        self.phone_next(id.employee + 1);
    }

    /// Counts that the provider of `attempt` postponed it. Returns whether to keep waiting for this provider.
    fn count_deferral(&mut self, attempt: &Attempt) -> bool {
        let now = self.now();
        let Some(provider) = attempt.provider.clone() else {
            return true;
        };
        let before = self.next.progress.deferring.take();
        let before = before.filter(|deferring| deferring.provider == provider);
        let (since, times) = before.map_or((now, 0), |deferring| (deferring.since, deferring.times));
        let times = times.saturating_add(1);
        self.next.progress.deferring = Some(Deferrals { provider, since, times });
        times < route::PATIENT_DEFERRALS && now < since.plus_seconds(route::PATIENCE_SECONDS)
    }

    fn out_of_money(&mut self, attempt: &Attempt) {
        self.release_lease(attempt);
        self.record(Fact::OutOfMoney { attempt: attempt.id });
        if attempt.elsewhere {
            return self.fail_over(attempt, AvoidReason::OutOfMoney, MONEY_PAUSE_SECONDS);
        }
        self.next
            .progress
            .interrupted
            .insert(attempt.id.employee, attempt.number);
        let until = self.now().plus_seconds(MONEY_PAUSE_SECONDS);
        self.wait(until, WaitReason::OutOfMoney, attempt.id.employee);
    }

    fn unclear(mut self, id: AttemptId) -> Decision {
        self.record(Fact::Unclear { attempt: id });
        self.unchanged(EventOutcome::Noted)
    }

    fn keys(mut self, id: AttemptId, keys: &str) -> Decision {
        // Events may repeat all keys of the call so far: only the last one counts.
        let Some(key) = keys.chars().last() else {
            return self.unchanged(EventOutcome::Noted);
        };
        if id.ordinal > self.before.progress.attempts || self.before.employee(id.employee).is_none() {
            return self.unchanged(EventOutcome::Stale);
        }
        if let Some(outcome) = self.before.settled_outcome(id) {
            if outcome != EventOutcome::Accepted {
                self.record(Fact::Key { attempt: id, key });
            }
            return self.unchanged(outcome);
        }
        match key {
            '1' => self.accept(id),
            '2' => self.reject(id),
            _ => {
                self.record(Fact::Key { attempt: id, key });
                let live = self.before.attempt_with_id(id).is_some();
                self.unchanged(if live {
                    EventOutcome::RepeatOptions
                } else {
                    EventOutcome::Noted
                })
            }
        }
    }

    fn accept(mut self, id: AttemptId) -> Decision {
        let now = self.now();
        let current = self.before.attempt();
        let live = current.is_some_and(|a| a.id == id && !matches!(a.phase, Phase::Ended { .. }));
        match current {
            // The acceptor's own call goes on: it still has to say that the ticket is accepted.
            Some(attempt) if attempt.id == id => self.release_lease(attempt),
            _ => self.hang_up_current(),
        }
        let resolve_by = self
            .next
            .spec
            .policy
            .resolve_within
            .map(|within| now.plus_seconds(within));
        self.next.state = State::Accepted(Acceptance {
            attempt: id,
            at: now,
            resolve_by,
        });
        self.record(Fact::Accepted {
            attempt: id,
            late: !live,
            resolve_by,
        });
        if let Some(due_at) = resolve_by {
            self.send(Work::Remind { attempt: id }, due_at);
        }
        self.commit(EventOutcome::Accepted)
    }

    fn reject(mut self, id: AttemptId) -> Decision {
        let current = self.before.attempt();
        let current = current.filter(|attempt| attempt.id.employee == id.employee);
        let live = current.is_some_and(|attempt| attempt.id == id);
        let last = self.before.progress.rejected.get(&id.employee);
        // The provider repeats the keys of a call when the call ends: that is not a second key.
        if !live && last.is_some_and(|last| id.ordinal <= *last) {
            return self.unchanged(EventOutcome::Rejected);
        }
        self.next.progress.rejected.insert(id.employee, id.ordinal);
        // The employee has answered, so an interrupted turn is complete too.
        self.next.progress.busy.remove(&id.employee);
        self.next.progress.postponed.remove(&id.employee);
        self.next.progress.limited.remove(&id.employee);
        self.next.progress.interrupted.remove(&id.employee);
        self.record(Fact::Rejected { attempt: id });
        // If another employee is being phoned now, that call goes on: it has no answer yet.
        let Some(current) = current else {
            return self.commit(EventOutcome::Rejected);
        };
        self.next.progress.called = true;
        if live {
            // The call goes on: its last sentence is still to be spoken.
            self.release_lease(current);
        } else {
            // A late key from an earlier call: the ringing or planned call is no longer wanted.
            self.hang_up_current();
        }
        self.phone_next(id.employee + 1);
        self.commit(EventOutcome::Rejected)
    }

    fn call_ended(mut self, id: AttemptId, ending: Ending, call_id: Option<String>) -> Decision {
        let Some(attempt) = self.before.attempt_with_id(id).cloned() else {
            return self.unchanged(EventOutcome::Stale);
        };
        let known = match &attempt.phase {
            Phase::Claimed { .. } => None,
            Phase::Placed { call_id, .. } => Some(call_id.clone()),
            Phase::Planned | Phase::Ended { .. } => return self.unchanged(EventOutcome::Stale),
        };
        match ending {
            Ending::Completed => {
                self.release_lease(&attempt);
                let phase = Phase::Ended {
                    at: self.now(),
                    call_id: known.or(call_id),
                };
                self.next.state = State::Calling(Attempt { phase, ..attempt });
                self.send(
                    Work::Watch {
                        attempt: id,
                        lookups: 0,
                    },
                    self.now().plus_seconds(GRACE_SECONDS),
                );
            }
            // The provider's documents disagree on whether `Unknown` is final: look the call up soon instead.
            Ending::Unknown => {
                self.send(
                    Work::Watch {
                        attempt: id,
                        lookups: 0,
                    },
                    self.now().plus_seconds(LOOKUP_INTERVAL_SECONDS),
                );
                return self.unchanged(EventOutcome::Noted);
            }
            Ending::OutOfMoney => self.out_of_money(&attempt),
            Ending::Busy | Ending::NoAnswer | Ending::Failed => self.attempt_failed(&attempt, no_answer_reason(ending)),
        }
        self.commit(EventOutcome::Noted)
    }

    fn machine(mut self, id: AttemptId) -> Decision {
        let hangs_up = self.before.spec.policy.on_voicemail == OnVoicemail::HangUp;
        let may_be_live = |attempt: &&Attempt| matches!(attempt.phase, Phase::Claimed { .. } | Phase::Placed { .. });
        let attempt = self.before.attempt_with_id(id).filter(may_be_live);
        let Some(attempt) = attempt.filter(|_| hangs_up).cloned() else {
            return self.unchanged(EventOutcome::Noted);
        };
        self.send(Work::HangUp { attempt: id, tries: 0 }, self.now());
        self.attempt_failed(&attempt, NoAnswerReason::Voicemail);
        self.commit(EventOutcome::Noted)
    }

    fn watched(mut self, id: AttemptId, lookup: &CallLookup, lookups: u8) -> Decision {
        let Some(attempt) = self.before.attempt_with_id(id).cloned() else {
            return self.unchanged(EventOutcome::Stale);
        };
        let (ended, since) = match attempt.phase {
            // The message to dial this attempt is still on its way.
            Phase::Planned => return self.unchanged(EventOutcome::Stale),
            Phase::Claimed { at } | Phase::Placed { at, .. } => (false, at),
            Phase::Ended { at, .. } => (true, at),
        };
        // The provider should have ended the call by now. Waiting longer would keep the phone in use although the lease
        // is about to expire and another dispatch may call it then.
        let outlived = self.now() >= since.plus_seconds(self.next.spec.policy.longest_call());
        let (max_lookups, pause) = match lookup {
            CallLookup::Over { ending, keys, machine } => return self.call_over(&attempt, *ending, keys, *machine),
            CallLookup::Live if !ended => (if outlived { 0 } else { MAX_LIVE_LOOKUPS }, LOOKUP_INTERVAL_SECONDS),
            CallLookup::Unknown if !ended => (MAX_UNKNOWN_LOOKUPS, LOOKUP_INTERVAL_SECONDS),
            // A status reported the end already; the provider's tracking only lags behind.
            CallLookup::Live | CallLookup::Unknown => (MAX_UNKNOWN_LOOKUPS, GRACE_SECONDS),
        };
        if let Some(over) = self.grace_until(&attempt) {
            return self.watch_again(id, over);
        }
        if lookups < max_lookups {
            self.send(Work::Watch { attempt: id, lookups }, self.now().plus_seconds(pause));
            return self.unchanged(EventOutcome::Noted);
        }
        if !ended {
            // Whatever happened to the call, the line must be free before the next phone rings.
            self.send(Work::HangUp { attempt: id, tries: 0 }, self.now());
        }
        self.attempt_failed(
            &attempt,
            if ended {
                NoAnswerReason::NoKey
            } else {
                NoAnswerReason::Unknown
            },
        );
        self.commit(EventOutcome::Noted)
    }

    /// The end of the grace period after the call ended, while it lasts. Until then a key of this call may still be on
    /// its way, so a lookup may decide nothing but keys.
    fn grace_until(&self, attempt: &Attempt) -> Option<Timestamp> {
        let Phase::Ended { at, .. } = attempt.phase else {
            return None;
        };
        Some(at.plus_seconds(GRACE_SECONDS)).filter(|over| self.now() < *over)
    }

    /// Repeats a lookup that came too early to count: it may be the only watch message left. Lookups while the call was
    /// live do not count toward those after its end.
    fn watch_again(mut self, attempt: AttemptId, due_at: Timestamp) -> Decision {
        self.send(Work::Watch { attempt, lookups: 0 }, due_at);
        self.unchanged(EventOutcome::Noted)
    }

    /// A lookup found that the call is over.
    fn call_over(mut self, attempt: &Attempt, ending: Ending, keys: &str, machine: bool) -> Decision {
        match keys.chars().last() {
            Some('1') => return self.accept(attempt.id),
            Some('2') => return self.reject(attempt.id),
            _ => {}
        }
        if let Some(over) = self.grace_until(attempt) {
            return self.watch_again(attempt.id, over);
        }
        match ending {
            Ending::OutOfMoney => self.out_of_money(attempt),
            Ending::Completed if machine => self.attempt_failed(attempt, NoAnswerReason::Voicemail),
            ending => self.attempt_failed(attempt, no_answer_reason(ending)),
        }
        self.commit(EventOutcome::Noted)
    }

    fn resume(mut self, wait: Nonce) -> Decision {
        let State::Waiting(current) = &self.before.state else {
            return self.unchanged(EventOutcome::Stale);
        };
        if current.id != wait {
            return self.unchanged(EventOutcome::Stale);
        }
        if self.now() < current.until {
            // Too early is not stale: it may be the only message that ends this wait.
            self.send(Work::Resume { wait }, current.until);
            return self.unchanged(EventOutcome::Noted);
        }
        self.phone_next(current.next);
        self.commit(EventOutcome::Noted)
    }

    fn overdue(mut self, id: AttemptId) -> Decision {
        let State::Accepted(acceptance) = &self.before.state else {
            return self.unchanged(EventOutcome::Stale);
        };
        let Some(by) = acceptance.resolve_by.filter(|_| acceptance.attempt == id) else {
            return self.unchanged(EventOutcome::Stale);
        };
        if self.now() < by {
            self.send(Work::Remind { attempt: id }, by);
            return self.unchanged(EventOutcome::Noted);
        }
        self.next.progress = Progress {
            attempts: self.before.progress.attempts,
            live_from: self.before.progress.attempts + 1,
            round: 1,
            calls: self.before.progress.calls,
            avoided: self.before.progress.avoided.clone(),
            ..Progress::default()
        };
        self.next.expires_at = self.now().plus_seconds(self.next.spec.policy.expires_after);
        self.record(Fact::Reopened { attempt: id });
        self.phone_next(id.employee + 1);
        self.commit(EventOutcome::Noted)
    }

    fn cancel(mut self) -> Decision {
        match &self.before.state {
            State::Cancelled { .. } => return self.unchanged(EventOutcome::Noted),
            State::Calling(_) | State::Waiting(_) => {}
            _ => return self.unchanged(EventOutcome::Refused),
        }
        self.hang_up_current();
        self.next.state = State::Cancelled { at: self.now() };
        self.record(Fact::Cancelled);
        self.commit(EventOutcome::Noted)
    }

    fn resolve(mut self) -> Decision {
        let acceptance = match &self.before.state {
            State::Resolved { .. } => return self.unchanged(EventOutcome::Noted),
            State::Cancelled { .. } => return self.unchanged(EventOutcome::Refused),
            State::Accepted(acceptance) => Some(acceptance.clone()),
            _ => None,
        };
        self.hang_up_current();
        self.next.state = State::Resolved {
            at: self.now(),
            acceptance,
        };
        self.record(Fact::Resolved);
        self.commit(EventOutcome::Noted)
    }
}

const fn no_answer_reason(ending: Ending) -> NoAnswerReason {
    match ending {
        Ending::Completed => NoAnswerReason::NoKey,
        Ending::Busy => NoAnswerReason::Busy,
        Ending::NoAnswer => NoAnswerReason::NotPickedUp,
        Ending::Failed | Ending::OutOfMoney => NoAnswerReason::Failed,
        Ending::Unknown => NoAnswerReason::Unknown,
    }
}
