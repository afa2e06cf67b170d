//! Availability: whether an employee can be phoned at a given time, and if not, why and until when.

use serde::{Deserialize, Serialize};

use super::employee::{Employee, QuietHours};
use crate::timestamp::Timestamp;

/// Why an employee cannot be phoned and is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unavailable {
    /// The employee wants no calls at all.
    OptedOut,
    /// The number has not been verified.
    Unverified,
    /// The employee is not on duty.
    OffDuty,
    /// It is in the employee's quiet hours.
    QuietHours,
    /// The employee is on the phone for another dispatch.
    Busy,
    /// The employee rejected the ticket, and the policy does not retry employees who rejected.
    Rejected,
    /// The provider refused to call the number.
    Refused,
    /// The provider currently postpones calls to this employee.
    #[serde(alias = "put_off")]
    Postponed,
    /// The number has reached the tenant's hourly call limit.
    HourlyLimit,
    /// The number has reached the tenant's daily call limit.
    DailyLimit,
}

/// Whether an employee can be phoned at a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// The employee can be phoned.
    Available,
    /// The employee cannot be phoned before that time (none: never again).
    Not(Unavailable, Option<Timestamp>),
}

const MINUTE: i64 = 60_000;
const DAY_MINUTES: i64 = 24 * 60;

impl QuietHours {
    /// The earliest time at or after `at` that is not in quiet hours.
    fn end(&self, at: Timestamp) -> Timestamp {
        let offset = i64::from(self.utc_offset_minutes);
        let local_minute = at.millis().div_euclid(MINUTE) + offset;
        let minute = local_minute.rem_euclid(DAY_MINUTES);
        let (from, until) = (i64::from(self.from_minute), i64::from(self.until_minute));
        let quiet = if from <= until {
            (from..until).contains(&minute)
        } else {
            minute >= from || minute < until
        };
        if !quiet {
            return at;
        }
        let remaining = (until - minute).rem_euclid(DAY_MINUTES);
        Timestamp::from_millis((local_minute + remaining - offset) * MINUTE)
    }
}

impl Employee {
    /// Whether this person can be phoned at `at`. Does not consider other dispatches.
    pub fn availability(&self, at: Timestamp) -> Availability {
        if self.opted_out {
            return Availability::Not(Unavailable::OptedOut, None);
        }
        if self.unverified {
            return Availability::Not(Unavailable::Unverified, None);
        }
        let reason = match (self.on_duty_from(at), self.quiet_until(at)) {
            (Some(duty), quiet) if duty == at && quiet == at => return Availability::Available,
            (Some(duty), _) if duty == at => Unavailable::QuietHours,
            _ => Unavailable::OffDuty,
        };
        Availability::Not(reason, self.next_available(at))
    }

    /// The earliest time at or after `at` that is on duty, if there is one.
    fn on_duty_from(&self, at: Timestamp) -> Option<Timestamp> {
        if self.on_duty.is_empty() {
            return Some(at);
        }
        self.on_duty
            .iter()
            .filter(|duty| at < duty.until)
            .map(|duty| duty.from.max(at))
            .min()
    }

    fn quiet_until(&self, at: Timestamp) -> Timestamp {
        self.quiet_hours.map_or(at, |quiet| quiet.end(at))
    }

    /// The earliest time at or after `at` at which the person is on duty and not in quiet hours.
    fn next_available(&self, at: Timestamp) -> Option<Timestamp> {
        let mut moment = at;
        // Each step moves to the next start of a duty or end of quiet hours; two steps per duty are more than enough.
        for _ in 0..2 * (self.on_duty.len() + 2) {
            let candidate = self.quiet_until(self.on_duty_from(moment)?);
            if candidate == moment {
                return Some(moment);
            }
            moment = candidate;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::employee::Duty;
    use super::*;
    use crate::phone::PhoneNumber;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect(text)
    }

    fn anna() -> Employee {
        Employee {
            id: "anna".into(),
            name: "Anna".into(),
            phone: PhoneNumber::parse("+12025550101").expect("a number"),
            language: None,
            voice: None,
            on_duty: Vec::new(),
            quiet_hours: None,
            opted_out: false,
            unverified: false,
        }
    }

    fn night(from: u16, until: u16, offset: i16) -> QuietHours {
        QuietHours {
            from_minute: from,
            until_minute: until,
            utc_offset_minutes: offset,
        }
    }

    #[test]
    fn quiet_hours_span_midnight_in_the_employees_time_zone() {
        let anna = Employee {
            quiet_hours: Some(night(22 * 60, 7 * 60, 120)),
            ..anna()
        };
        let ends = Some(at("2026-01-06T05:00:00Z"));
        for quiet in ["2026-01-05T20:00:00Z", "2026-01-05T23:30:00Z", "2026-01-06T04:59:59Z"] {
            assert_eq!(
                anna.availability(at(quiet)),
                Availability::Not(Unavailable::QuietHours, ends),
                "{quiet}"
            );
        }
        for awake in ["2026-01-05T19:59:59Z", "2026-01-06T05:00:00Z"] {
            assert_eq!(anna.availability(at(awake)), Availability::Available, "{awake}");
        }
    }

    #[test]
    fn off_duty_lasts_until_the_next_duty_outside_quiet_hours() {
        let duty = |from, until| Duty {
            from: at(from),
            until: at(until),
        };
        let anna = Employee {
            on_duty: vec![
                duty("2026-01-07T00:00:00Z", "2026-01-07T09:00:00Z"),
                duty("2026-01-05T08:00:00Z", "2026-01-05T09:00:00Z"),
            ],
            quiet_hours: Some(night(22 * 60, 7 * 60, 0)),
            ..anna()
        };
        assert_eq!(anna.availability(at("2026-01-05T08:30:00Z")), Availability::Available);
        assert_eq!(
            anna.availability(at("2026-01-05T09:00:00Z")),
            Availability::Not(Unavailable::OffDuty, Some(at("2026-01-07T07:00:00Z")))
        );
        assert_eq!(
            anna.availability(at("2026-01-08T09:00:00Z")),
            Availability::Not(Unavailable::OffDuty, None)
        );
    }

    #[test]
    fn opted_out_or_unverified_employee_is_never_available() {
        let out = Employee {
            opted_out: true,
            ..anna()
        };
        let unverified = Employee {
            unverified: true,
            ..anna()
        };
        let now = at("2026-01-05T08:30:00Z");
        assert_eq!(out.availability(now), Availability::Not(Unavailable::OptedOut, None));
        assert_eq!(
            unverified.availability(now),
            Availability::Not(Unavailable::Unverified, None)
        );
    }
}
