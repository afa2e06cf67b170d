//! A decision in the making: what all events have in common.

use super::availability::Availability;
use super::decide::{Context, Decision, Hold};
use super::event::Verdict;
use super::route::{Avoided, Detour};
use super::state::{Attempt, Dispatch, Phase, State, Wait, WaitReason};
use super::timeline::{Entry, Exhaustion, Fact, Reason};
use crate::dispatch::work::{Message, Notice, Work};
use crate::ids::AttemptId;
use crate::timestamp::Timestamp;

/// A decision in the making: the dispatch as it becomes, and what has piled up so far.
pub(super) struct Draft<'a> {
    pub(super) before: &'a Dispatch,
    pub(super) next: Dispatch,
    pub(super) context: Context,
    pub(super) entries: Vec<Entry>,
    pub(super) work: Vec<(Work, Timestamp)>,
    pub(super) hold: Option<Hold>,
    pub(super) release: Option<AttemptId>,
}

impl<'a> Draft<'a> {
    pub(super) fn of(dispatch: &'a Dispatch, context: Context) -> Self {
        let next = dispatch.clone();
        Self {
            before: dispatch,
            next,
            context,
            entries: Vec::new(),
            work: Vec::new(),
            hold: None,
            release: None,
        }
    }

    // How a decision ends.

    /// The dispatch changes.
    pub(super) fn commit(mut self, verdict: Verdict) -> Decision {
        if self.before.version == 0 || self.next.state.name() != self.before.state.name() {
            self.next.status_since = self.now();
        }
        self.next.version = self.before.version + 1;
        self.next.decision = self.context.fresh;
        let version = self.next.version;
        self.finish(verdict, version, true)
    }

    /// The dispatch stays as it is; entries and messages may have come up.
    pub(super) fn leave(self, verdict: Verdict) -> Decision {
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
                subject: dispatch.clone(),
                version,
                sent_at,
                due_at,
                work,
            })
            .collect();
        let entries = self.entries.into_iter().enumerate();
        let entries: Vec<Entry> = entries
            .map(|(index, entry)| {
                if changed {
                    entry.of_commit(version, index)
                } else {
                    entry
                }
            })
            .collect();
        let told = |entry: &&Entry| {
            let webhook = self.next.brief.webhook.as_ref();
            webhook.is_some_and(|webhook| entry.is_told(webhook.strategy))
        };
        let notices = entries.iter().filter(told);
        let notices = notices
            .map(|entry| Notice::first(dispatch.clone(), entry.id.clone(), sent_at))
            .collect();
        let next = changed.then_some(self.next);
        Decision {
            verdict,
            next,
            entries,
            messages,
            notices,
            hold: self.hold,
            release: self.release,
        }
    }

    // Small steps.

    pub(super) fn now(&self) -> Timestamp {
        self.context.now
    }

    /// Writes a line, and has it counted when somebody is to be woken by it.
    pub(super) fn note(&mut self, fact: Fact) {
        let newest = self.next.progress.attempts;
        // What is known of a call is looked for under its own ordinal, also when the story has gone on to the next one.
        let ordinal = match &fact {
            Fact::Placed { attempt, .. } | Fact::Unclear { attempt } => attempt.ordinal,
            _ => newest,
        };
        let entry = Entry::decided(ordinal, self.now(), self.context.fresh, self.entries.len(), fact);
        if entry.fact.is_alarming() {
            self.send(
                Work::Count {
                    entry: entry.id.clone(),
                },
                self.now(),
            );
        }
        self.entries.push(entry);
    }

    pub(super) fn send(&mut self, work: Work, due_at: Timestamp) {
        self.work.push((work, due_at));
    }

    /// Plans a call.
    pub(super) fn plan(&mut self, employee: u8, number: u8, due_at: Timestamp) {
        if !self.may_call() {
            return self.exhausted(Exhaustion::MaxCalls);
        }
        if due_at >= self.next.expires_at {
            return self.wait(self.next.expires_at, WaitReason::Expiry, employee);
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
            provider: None,
            elsewhere: false,
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
                over: None,
            },
            due_at,
        );
    }

    /// Whether the policy allows one more call.
    pub(super) fn may_call(&self) -> bool {
        let most = self.next.brief.policy.max_calls;
        most.is_none_or(|most| self.next.progress.calls < most)
    }

    pub(super) fn wait(&mut self, until: Timestamp, reason: WaitReason, next: u8) {
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

    pub(super) fn exhausted(&mut self, why: Exhaustion) {
        self.next.state = State::Exhausted { at: self.now() };
        self.note(Fact::Exhausted { why });
    }

    pub(super) fn expire(&mut self) {
        self.next.state = State::Expired { at: self.now() };
        self.note(Fact::Expired);
    }

    /// The attempt came to nothing: the same employee again, or the next.
    pub(super) fn failed(&mut self, attempt: &Attempt, reason: Reason) {
        self.note(Fact::NoAnswer {
            attempt: attempt.id,
            number: attempt.number,
            reason,
        });
        self.let_go(attempt);
        self.next.progress.called = true;
        self.is_put_off_no_more();
        if let Some(why) = failure_of_provider(reason) {
            self.avoid(attempt, why, FAILED_SECONDS);
        }
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

    /// Passes over the provider of `attempt` for `seconds`.
    pub(super) fn avoid(&mut self, attempt: &Attempt, why: Detour, seconds: u32) {
        let Some(provider) = attempt.provider.clone() else {
            return;
        };
        let until = self.now().plus_seconds(seconds);
        self.next.progress.avoided.insert(provider, Avoided { until, why });
    }

    pub(super) fn is_put_off_no_more(&mut self) {
        self.next.progress.deferrals = 0;
        self.next.progress.deferring = None;
    }

    /// Gives the employee back to other dispatches, if this attempt holds the lease.
    pub(super) fn let_go(&mut self, attempt: &Attempt) {
        if matches!(attempt.phase, Phase::Claimed { .. } | Phase::Placed { .. }) {
            self.release = Some(attempt.id);
        }
    }

    /// Ends the current attempt's call, if there may be one.
    pub(super) fn stop_calling(&mut self) {
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
}

/// For how long a provider is passed over whose last call failed on its way, or was never heard of again, in seconds.
const FAILED_SECONDS: u32 = 300;

/// Why the next call is better placed over another provider, after one that ended so.
const fn failure_of_provider(reason: Reason) -> Option<Detour> {
    match reason {
        Reason::Failed => Some(Detour::Failed),
        Reason::Unknown => Some(Detour::Unknown),
        Reason::NotPickedUp | Reason::Busy | Reason::NoKey | Reason::Voicemail | Reason::Refused => None,
    }
}
