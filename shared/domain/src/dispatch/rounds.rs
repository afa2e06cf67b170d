//! Rounds through the list of employees: who is phoned next, and what follows when everybody had a turn.

use std::collections::BTreeMap;

use super::availability::{Availability, Unavailable};
use super::builder::DecisionBuilder;
use super::event::Limit;
use super::state::{Progress, WaitReason};
use super::timeline::{Exhaustion, Fact};
use crate::timestamp::Timestamp;

impl DecisionBuilder<'_> {
    /// Whether the employee with index `employee` can be phoned at `at`, as far as this dispatch knows.
    pub(super) fn availability(&self, employee: u8, at: Timestamp) -> Availability {
        let Some(person) = self.next.employee(employee) else {
            return Availability::Not(Unavailable::OffDuty, None);
        };
        let progress = &self.next.progress;
        if !self.next.spec.policy.retry_rejected && progress.rejected.contains_key(&employee) {
            return Availability::Not(Unavailable::Rejected, None);
        }
        let availability = person.availability(at);
        if availability != Availability::Available {
            return availability;
        }
        let later = |moments: &BTreeMap<u8, Timestamp>| moments.get(&employee).copied().filter(|until| *until > at);
        let limited = progress.limited.get(&employee).map(|(limit, until)| {
            let reason = match limit {
                Limit::Hourly => Unavailable::HourlyLimit,
                Limit::Daily => Unavailable::DailyLimit,
            };
            (reason, Some(*until).filter(|until| *until > at))
        });
        let reasons = [
            (Unavailable::Refused, later(&progress.refused)),
            (Unavailable::Busy, later(&progress.busy)),
            (Unavailable::Postponed, later(&progress.postponed)),
        ];
        let found = reasons.into_iter().chain(limited).find(|(_, until)| until.is_some());
        found.map_or(Availability::Available, |(reason, until)| {
            Availability::Not(reason, until)
        })
    }

    pub(super) fn indexes(&self) -> std::ops::Range<u8> {
        0..u8::try_from(self.next.spec.employees.len()).unwrap_or(u8::MAX)
    }

    /// Phones the first available employee from index `from` on, or ends the round.
    pub(super) fn phone_next(&mut self, from: u8) {
        if self.now() >= self.next.expires_at {
            return self.expire();
        }
        for employee in from..self.indexes().end {
            if self.next.progress.catching_up && !self.next.progress.missed(employee) {
                continue;
            }
            match self.availability(employee, self.now()) {
                Availability::Available => {
                    let number = self.next.progress.interrupted.get(&employee).copied();
                    return self.plan(employee, number.unwrap_or(1), self.now());
                }
                // The timeline already has an entry for it.
                Availability::Not(Unavailable::Postponed, _) => {}
                Availability::Not(reason, until) => self.record(Fact::Skipped {
                    employee,
                    reason,
                    until,
                }),
            }
        }
        self.end_round();
    }

    pub(super) fn end_round(&mut self) {
        if !self.may_call() {
            return self.exhaust(Exhaustion::MaxCalls);
        }
        let now = self.now();
        let policy = &self.next.spec.policy;
        let (round_pause, max_rounds) = (policy.round_pause, policy.max_rounds);
        let called = self.next.progress.called;
        let last_round = called && max_rounds.is_some_and(|max| self.next.progress.round >= max);
        let start = if called { now.plus_seconds(round_pause) } else { now };
        if last_round && let Some(free_at) = self.missed(now) {
            self.next.progress.catching_up = true;
            if free_at <= now {
                return self.phone_next(0);
            }
            return self.wait(free_at, WaitReason::NobodyAvailable, 0);
        }
        let Some(until) = self.earliest(start).filter(|_| !last_round) else {
            return self.exhaust(Exhaustion::NobodyLeft);
        };
        if called {
            self.next.progress.round += 1;
            self.next.progress.called = false;
            self.next.progress.busy.retain(|_, until| *until > now);
            self.next.progress.postponed.retain(|_, until| *until > now);
            self.next.progress.limited.retain(|_, (_, until)| *until > now);
            self.next.progress.interrupted.clear();
        }
        if until <= now {
            // An employee is available right now, so this recursion ends.
            return self.phone_next(0);
        }
        let reason = if until == start {
            WaitReason::RoundPause
        } else {
            WaitReason::NobodyAvailable
        };
        self.wait(until, reason, 0);
    }

    /// The earliest time at which an employee can be phoned who missed this round. An employee misses a round if, at
    /// every turn in it, they were on the phone for another dispatch, the provider postponed their call, or their
    /// number had reached a call limit.
    fn missed(&self, now: Timestamp) -> Option<Timestamp> {
        let Progress {
            busy,
            postponed,
            limited,
            ..
        } = &self.next.progress;
        let limited = limited.iter().map(|(employee, (_, until))| (employee, until));
        let all = busy.iter().chain(postponed).chain(limited);
        all.map(|(employee, until)| (*employee, (*until).max(now)))
            .filter(|(employee, free_at)| self.availability(*employee, *free_at) == Availability::Available)
            .map(|(_, free_at)| free_at)
            .min()
    }

    /// The earliest time at or after `from` at which an employee can be phoned.
    pub(super) fn earliest(&self, from: Timestamp) -> Option<Timestamp> {
        self.indexes()
            .filter_map(|employee| match self.availability(employee, from) {
                Availability::Available => Some(from),
                Availability::Not(_, until) => until.map(|until| until.max(from)),
            })
            .min()
    }
}
