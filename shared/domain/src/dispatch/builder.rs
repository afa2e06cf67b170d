//! Builds a decision: the steps that all events share.

use super::availability::Availability;
use super::decide::{Decision, DecisionContext, EmployeeLease};
use super::event::EventOutcome;
use super::route::{AvoidReason, Avoidance};
use super::state::{Attempt, Dispatch, Phase, State, Wait, WaitReason};
use super::timeline::{Entry, Exhaustion, Fact, NoAnswerReason};
use crate::dispatch::work::{Message, Work};
use crate::ids::AttemptId;
use crate::timestamp::Timestamp;
use crate::webhook::Notice;

/// A decision under construction: the next state of the dispatch, and the side effects collected so far.
pub(super) struct DecisionBuilder<'a> {
    pub(super) before: &'a Dispatch,
    pub(super) next: Dispatch,
    pub(super) context: DecisionContext,
    pub(super) entries: Vec<Entry>,
    pub(super) work: Vec<(Work, Timestamp)>,
    pub(super) lease: Option<EmployeeLease>,
    pub(super) release: Option<AttemptId>,
}

impl<'a> DecisionBuilder<'a> {
    pub(super) fn new(dispatch: &'a Dispatch, context: DecisionContext) -> Self {
        let next = dispatch.clone();
        Self {
            before: dispatch,
            next,
            context,
            entries: Vec::new(),
            work: Vec::new(),
            lease: None,
            release: None,
        }
    }

    // Ends of a decision.

    /// Ends the decision with a new version of the dispatch.
    pub(super) fn commit(mut self, outcome: EventOutcome) -> Decision {
        if self.before.version == 0 || self.next.state.name() != self.before.state.name() {
            self.next.status_since = self.now();
        }
        self.next.version = self.before.version + 1;
        self.next.decision = self.context.nonce;
        let version = self.next.version;
        self.finish(outcome, version, true)
    }

    /// Ends the decision without a new version of the dispatch. Entries and messages are kept.
    pub(super) fn unchanged(self, outcome: EventOutcome) -> Decision {
        let version = self.before.version;
        self.finish(outcome, version, false)
    }

    fn finish(self, outcome: EventOutcome, version: u64, changed: bool) -> Decision {
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
                    entry.with_sequence(version, index)
                } else {
                    entry
                }
            })
            .collect();
        let is_notified = |entry: &&Entry| {
            let webhook = self.next.spec.webhook.as_ref();
            webhook.is_some_and(|webhook| entry.notifies(webhook.strategy))
        };
        let notices = entries.iter().filter(is_notified);
        let notices = notices
            .map(|entry| Notice::first(dispatch.clone().into(), entry.id.clone(), sent_at))
            .collect();
        let next = changed.then_some(self.next);
        Decision {
            outcome,
            next,
            entries,
            messages,
            notices,
            lease: self.lease,
            release: self.release,
        }
    }

    // Steps of a decision.

    pub(super) fn now(&self) -> Timestamp {
        self.context.now
    }

    /// Adds an entry to the timeline, and a message to count it if it raises an alarm.
    pub(super) fn record(&mut self, fact: Fact) {
        let newest = self.next.progress.attempts;
        // Readers look for these facts under the ordinal of their call, even when a newer attempt exists.
        let ordinal = match &fact {
            Fact::Placed { attempt, .. } | Fact::Unclear { attempt } => attempt.ordinal,
            _ => newest,
        };
        let entry = Entry::decided(ordinal, self.now(), self.context.nonce, self.entries.len(), fact);
        if entry.fact.raises_alarm() {
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

    /// Plans a call to `employee`, due at `due_at`. `number` is the ordinal of the call in the employee's turn, counted
    /// from 1.
    pub(super) fn plan(&mut self, employee: u8, number: u8, due_at: Timestamp) {
        if !self.may_call() {
            return self.exhaust(Exhaustion::MaxCalls);
        }
        if due_at >= self.next.expires_at {
            return self.wait(self.next.expires_at, WaitReason::Expiry, employee);
        }
        self.next.progress.attempts += 1;
        let id = AttemptId {
            ordinal: self.next.progress.attempts,
            employee,
            nonce: self.context.nonce,
        };
        self.next.state = State::Calling(Attempt {
            id,
            number,
            due_at,
            provider: None,
            elsewhere: false,
            phase: Phase::Planned,
        });
        self.record(Fact::Planned {
            attempt: id,
            number,
            due_at,
        });
        self.send(
            Work::Dial {
                attempt: id,
                slot: None,
                provider: None,
            },
            due_at,
        );
    }

    /// Whether the policy allows one more call.
    pub(super) fn may_call(&self) -> bool {
        let most = self.next.spec.policy.max_calls;
        most.is_none_or(|most| self.next.progress.calls < most)
    }

    pub(super) fn wait(&mut self, until: Timestamp, reason: WaitReason, next: u8) {
        if self.now() >= self.next.expires_at {
            return self.expire();
        }
        let until = until.min(self.next.expires_at);
        self.next.state = State::Waiting(Wait {
            id: self.context.nonce,
            until,
            reason,
            next,
        });
        self.record(Fact::Waiting { until, reason });
        self.send(
            Work::Resume {
                wait: self.context.nonce,
            },
            until,
        );
    }

    pub(super) fn exhaust(&mut self, reason: Exhaustion) {
        self.next.state = State::Exhausted { at: self.now() };
        self.record(Fact::Exhausted { reason });
    }

    pub(super) fn expire(&mut self) {
        self.next.state = State::Expired { at: self.now() };
        self.record(Fact::Expired);
    }

    /// Records an attempt without an answer, then phones the same employee again or the next one.
    pub(super) fn attempt_failed(&mut self, attempt: &Attempt, reason: NoAnswerReason) {
        self.record(Fact::NoAnswer {
            attempt: attempt.id,
            number: attempt.number,
            reason,
        });
        self.release_lease(attempt);
        self.next.progress.called = true;
        self.clear_deferrals();
        if let Some(why) = provider_failure(reason) {
            self.avoid(attempt, why, FAILED_SECONDS);
        }
        let employee = attempt.id.employee;
        if attempt.number >= self.next.spec.policy.attempts {
            return self.phone_next(employee + 1);
        }
        let due_at = self.now().plus_seconds(self.next.spec.policy.retry_delay);
        match self.availability(employee, due_at) {
            Availability::Available => self.plan(employee, attempt.number + 1, due_at),
            Availability::Not(reason, until) => {
                self.record(Fact::Skipped {
                    employee,
                    reason,
                    until,
                });
                self.phone_next(employee + 1);
            }
        }
    }

    /// Avoids the provider of `attempt` for `seconds`.
    pub(super) fn avoid(&mut self, attempt: &Attempt, reason: AvoidReason, seconds: u32) {
        let Some(provider) = attempt.provider.clone() else {
            return;
        };
        let until = self.now().plus_seconds(seconds);
        self.next.progress.avoided.insert(provider, Avoidance { until, reason });
    }

    pub(super) fn clear_deferrals(&mut self) {
        self.next.progress.deferrals = 0;
        self.next.progress.deferring = None;
    }

    /// Releases the lease on the employee, if this attempt holds it.
    pub(super) fn release_lease(&mut self, attempt: &Attempt) {
        if matches!(attempt.phase, Phase::Claimed { .. } | Phase::Placed { .. }) {
            self.release = Some(attempt.id);
        }
    }

    /// Hangs up the current attempt's call, if there may be one.
    pub(super) fn hang_up_current(&mut self) {
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
        self.release_lease(attempt);
    }
}

/// How long, in seconds, a provider is avoided whose last call failed in the network or ended unknown.
const FAILED_SECONDS: u32 = 300;

/// Why to avoid a provider after an attempt over it ended with `reason`, if at all.
const fn provider_failure(reason: NoAnswerReason) -> Option<AvoidReason> {
    match reason {
        NoAnswerReason::Failed => Some(AvoidReason::Failed),
        NoAnswerReason::Unknown => Some(AvoidReason::Unknown),
        NoAnswerReason::NotPickedUp
        | NoAnswerReason::Busy
        | NoAnswerReason::NoKey
        | NoAnswerReason::Voicemail
        | NoAnswerReason::Refused => None,
    }
}
