//! Availability: the boundaries of duty periods and quiet hours.

use patchbay::clock::Timestamp;
use patchbay::dispatch::employee::{Duty, QuietHours};
use patchbay::dispatch::{Availability, Employee, Unavailable};
use proptest::prelude::*;

use crate::story::person;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a moment")
}

fn on_duty(duties: &[(&str, &str)]) -> Employee {
    Employee {
        on_duty: duties
            .iter()
            .map(|(from, until)| Duty {
                from: at(from),
                until: at(until),
            })
            .collect(),
        ..person(0, "Anna")
    }
}

const fn quiet(from_minute: u16, until_minute: u16, utc_offset_minutes: i16) -> QuietHours {
    QuietHours {
        from_minute,
        until_minute,
        utc_offset_minutes,
    }
}

#[test]
fn duty_includes_its_start_and_excludes_its_end() {
    let anna = on_duty(&[("2026-01-05T08:00:00Z", "2026-01-05T09:00:00Z")]);
    for (moment, expected) in [
        (
            "2026-01-05T07:59:59.999Z",
            Availability::Not(Unavailable::OffDuty, Some(at("2026-01-05T08:00:00Z"))),
        ),
        ("2026-01-05T08:00:00Z", Availability::Available),
        ("2026-01-05T08:59:59.999Z", Availability::Available),
        ("2026-01-05T09:00:00Z", Availability::Not(Unavailable::OffDuty, None)),
    ] {
        assert_eq!(anna.availability(at(moment)), expected, "{moment}");
    }
}

#[test]
fn duties_may_touch_overlap_and_be_in_any_order() {
    let anna = on_duty(&[
        ("2026-01-05T09:00:00Z", "2026-01-05T10:00:00Z"),
        ("2026-01-05T08:00:00Z", "2026-01-05T09:00:00Z"),
        ("2026-01-05T08:30:00Z", "2026-01-05T09:30:00Z"),
    ]);
    for moment in ["2026-01-05T08:00:00Z", "2026-01-05T09:00:00Z", "2026-01-05T09:59:59Z"] {
        assert_eq!(anna.availability(at(moment)), Availability::Available, "{moment}");
    }
}

#[test]
fn duty_that_ends_before_it_starts_is_ignored() {
    let anna = on_duty(&[("2026-01-05T10:00:00Z", "2026-01-05T09:00:00Z")]);
    for moment in ["2026-01-05T08:00:00Z", "2026-01-05T09:30:00Z", "2026-01-05T10:30:00Z"] {
        assert_eq!(
            anna.availability(at(moment)),
            Availability::Not(Unavailable::OffDuty, None),
            "{moment}"
        );
    }
}

#[test]
fn quiet_hours_of_zero_length_are_ignored() {
    let anna = Employee {
        quiet_hours: Some(quiet(480, 480, 0)),
        ..person(0, "Anna")
    };
    assert_eq!(anna.availability(at("2026-01-05T08:00:00Z")), Availability::Available);
}

#[test]
fn quiet_hours_use_the_employees_utc_offset() {
    for (offset, ends) in [
        (840, "2026-01-05T17:00:00Z"),
        (-720, "2026-01-05T19:00:00Z"),
        (0, "2026-01-06T07:00:00Z"),
    ] {
        let anna = Employee {
            quiet_hours: Some(quiet(22 * 60, 7 * 60, offset)),
            ..person(0, "Anna")
        };
        let last = at(ends).plus_millis(-1);
        assert_eq!(
            anna.availability(last),
            Availability::Not(Unavailable::QuietHours, Some(at(ends))),
            "{offset}"
        );
        assert_eq!(anna.availability(at(ends)), Availability::Available, "{offset}");
    }
}

#[test]
fn duties_within_quiet_hours_are_skipped_to_the_first_available_one() {
    let nights: Vec<(String, String)> = (5..25)
        .map(|day| {
            (
                format!("2026-01-{day:02}T23:00:00Z"),
                format!("2026-01-{day:02}T23:30:00Z"),
            )
        })
        .collect();
    let mut duties: Vec<(&str, &str)> = nights.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    duties.push(("2026-01-25T12:00:00Z", "2026-01-25T13:00:00Z"));
    let anna = Employee {
        quiet_hours: Some(quiet(22 * 60, 7 * 60, 0)),
        ..on_duty(&duties)
    };
    assert_eq!(
        anna.availability(at("2026-01-05T09:00:00Z")),
        Availability::Not(Unavailable::OffDuty, Some(at("2026-01-25T12:00:00Z")))
    );
    assert_eq!(
        anna.availability(at("2026-01-05T23:10:00Z")),
        Availability::Not(Unavailable::QuietHours, Some(at("2026-01-25T12:00:00Z")))
    );
}

#[test]
fn opting_out_takes_precedence_over_duties() {
    let anna = Employee {
        opted_out: true,
        unverified: true,
        ..on_duty(&[("2026-01-05T08:00:00Z", "2026-01-05T09:00:00Z")])
    };
    assert_eq!(
        anna.availability(at("2026-01-05T10:00:00Z")),
        Availability::Not(Unavailable::OptedOut, None)
    );
}

prop_compose! {
    fn duty()(from in 0_i64..5_000, minutes in 0_i64..3_000) -> Duty {
        let moment = |minute: i64| at("2026-01-05T00:00:00Z").plus_millis(minute * 60_000);
        Duty { from: moment(from), until: moment(from + minutes) }
    }
}

prop_compose! {
    fn anybody()(
        on_duty in prop::collection::vec(duty(), 0..5),
        quiet_hours in prop::option::of((0_u16..1_440, 0_u16..1_440, -720_i16..=840)),
    ) -> Employee {
        let quiet_hours = quiet_hours.map(|(from, until, offset)| quiet(from, until, offset));
        Employee { on_duty, quiet_hours, ..person(0, "Anna") }
    }
}

proptest! {
    /// Checks minute by minute: an employee who is unavailable until a certain time is unavailable until then, and
    /// available at that time.
    #[test]
    fn reported_time_is_the_earliest_at_which_the_employee_is_available(
        anna in anybody(),
        minute in 0_i64..9_000,
    ) {
        let moment = at("2026-01-05T00:00:00Z").plus_millis(minute * 60_000);
        let minutes_from_now = |n: i64| anna.availability(moment.plus_millis(n * 60_000));
        match anna.availability(moment) {
            Availability::Available => {}
            Availability::Not(_, Some(until)) => {
                let wait = (until.millis() - moment.millis()) / 60_000;
                prop_assert!(wait > 0);
                prop_assert_eq!(anna.availability(until), Availability::Available);
                for earlier in 0..wait {
                    prop_assert_ne!(minutes_from_now(earlier), Availability::Available);
                }
            }
            Availability::Not(_, None) => {
                for later in 0..9_000 {
                    prop_assert_ne!(minutes_from_now(later), Availability::Available);
                }
            }
        }
    }
}
