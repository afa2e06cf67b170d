//! Whose turn it is, and what happens when everybody had theirs.

use std::collections::BTreeMap;

use super::availability::{Availability, Unavailable};
use super::draft::Draft;
use super::event::Limit;
use super::state::{Progress, WaitReason};
use super::timeline::{Exhaustion, Fact};
use crate::timestamp::Timestamp;

impl Draft<'_> {
    /// Whether the `employee`th can be phoned at `at`, as far as this dispatch knows.
    pub(super) fn availability(&self, employee: u8, at: Timestamp) -> Availability {
        let Some(person) = self.next.employee(employee) else {
            return Availability::Not(Unavailable::OffDuty, None);
        };
        let progress = &self.next.progress;
        if !self.next.brief.policy.ask_again && progress.rejected.contains_key(&employee) {
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
            (Unavailable::PutOff, later(&progress.put_off)),
        ];
        let found = reasons.into_iter().chain(limited).find(|(_, until)| until.is_some());
        found.map_or(Availability::Available, |(reason, until)| {
            Availability::Not(reason, until)
        })
    }

    pub(super) fn indexes(&self) -> std::ops::Range<u8> {
        0..u8::try_from(self.next.brief.employees.len()).unwrap_or(u8::MAX)
    }

    /// Phones the next available employee from `from` on, or ends the round.
    pub(super) fn turn(&mut self, from: u8) {
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
                // The timeline has said so already.
                Availability::Not(Unavailable::PutOff, _) => {}
                Availability::Not(reason, until) => self.note(Fact::Skipped {
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
            return self.exhausted(Exhaustion::MaxCalls);
        }
        let now = self.now();
        let policy = &self.next.brief.policy;
        let (round_pause, max_rounds) = (policy.round_pause, policy.max_rounds);
        let called = self.next.progress.called;
        let last_round = called && max_rounds.is_some_and(|max| self.next.progress.round >= max);
        let start = if called { now.plus_seconds(round_pause) } else { now };
        if last_round && let Some(free_at) = self.missed(now) {
            self.next.progress.catching_up = true;
            if free_at <= now {
                return self.turn(0);
            }
            return self.wait(free_at, WaitReason::NobodyAvailable, 0);
        }
        let Some(until) = self.earliest(start).filter(|_| !last_round) else {
            return self.exhausted(Exhaustion::NobodyLeft);
        };
        if called {
            self.next.progress.round += 1;
            self.next.progress.called = false;
            self.next.progress.busy.retain(|_, until| *until > now);
            self.next.progress.put_off.retain(|_, until| *until > now);
            self.next.progress.limited.retain(|_, (_, until)| *until > now);
            self.next.progress.interrupted.clear();
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

    /// The first moment at which somebody can be phoned who was on the phone for another dispatch, whose call the provider
    /// put off, or whose number had been called too often, whenever it was their turn in this round.
    fn missed(&self, now: Timestamp) -> Option<Timestamp> {
        let Progress {
            busy, put_off, limited, ..
        } = &self.next.progress;
        let limited = limited.iter().map(|(employee, (_, until))| (employee, until));
        let all = busy.iter().chain(put_off).chain(limited);
        all.map(|(employee, until)| (*employee, (*until).max(now)))
            .filter(|(employee, free_at)| self.availability(*employee, *free_at) == Availability::Available)
            .map(|(_, free_at)| free_at)
            .min()
    }

    /// The first moment at or after `from` at which somebody can be phoned.
    pub(super) fn earliest(&self, from: Timestamp) -> Option<Timestamp> {
        self.indexes()
            .filter_map(|employee| match self.availability(employee, from) {
                Availability::Available => Some(from),
                Availability::Not(_, until) => until.map(|until| until.max(from)),
            })
            .min()
    }
}
