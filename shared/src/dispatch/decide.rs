//! The rules: what an event makes of a dispatch.

use super::availability::{Availability, Unavailable};
use super::draft::Draft;
use super::event::{Ending, Event, NotPlaced, Sighting, Verdict};
use super::state::{Acceptance, Attempt, Dispatch, NewDispatch, Phase, Progress, State, WaitReason};
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
/// After how long at the latest somebody is tried again who is on the phone for another dispatch.
pub const BUSY_SECONDS: u32 = 30;
/// After how long a number is tried again that the provider refused to call: by then somebody may have mended what was
/// wrong.
pub const REFUSED_SECONDS: u32 = 900;
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

/// What each event comes to.
impl Draft<'_> {
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
        self.next.progress.interrupted.remove(&id.employee);
        self.note(Fact::Dialling { attempt: id });
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
            NotPlaced::Refused => {
                // The same request would be refused again, and each one takes a slot from somebody who can be phoned.
                let until = self.now().plus_seconds(REFUSED_SECONDS);
                self.next.progress.refused.insert(id.employee, until);
                self.failed(&attempt, Reason::Refused);
            }
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
        // The provider repeats the keys of a call when it ends: that is no second key.
        if !first_time && current.is_none_or(|attempt| attempt.id != id) {
            return self.leave(Verdict::Rejected);
        }
        let Some(current) = current else {
            self.note(Fact::Key { attempt: id, key: '2' });
            return self.commit(Verdict::Rejected);
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
