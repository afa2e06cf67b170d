//! Business hours in a time zone.

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;

use super::document::Hours;
use crate::clock::Timestamp;
use crate::flow::Issue;
use crate::flow::source::{element, field};

const DAY: u16 = 24 * 60;

/// Business hours.
#[derive(Clone, Debug, Default)]
pub(super) struct OpeningTimes {
    /// By weekday, from Monday.
    days: [Vec<Opening>; 7],
    holidays: BTreeSet<Date>,
}

/// One period, in minutes of the day on which it begins. An end beyond midnight is greater than a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Opening {
    from: u16,
    until: u16,
}

impl OpeningTimes {
    /// Parses hours, and appends what is wrong with them to `issues`.
    pub(super) fn parse(hours: &Hours, path: &str, issues: &mut Vec<Issue>) -> Self {
        let mut times = Self::default();
        for (day, (name, periods)) in times.days.iter_mut().zip(hours.days()) {
            for (index, period) in periods.iter().enumerate() {
                match Opening::parse(period) {
                    Some(opening) => day.push(opening),
                    None => issues.push(Issue::new(
                        element(&field(path, name), index),
                        "must be such as 09:00-17:30; past midnight such as 20:00-02:00, all day 00:00-24:00",
                    )),
                }
            }
        }
        for (index, holiday) in hours.holidays.iter().enumerate() {
            match parse_date(holiday) {
                Some(date) => {
                    times.holidays.insert(date);
                }
                None => issues.push(Issue::new(
                    element(&field(path, "holidays"), index),
                    "must be a date such as 2026-12-25",
                )),
            }
        }
        times
    }

    /// Adds a period that begins on this weekday, in minutes of the day: past midnight if it ends before it begins.
    /// Whether it is a period.
    pub(super) fn add(&mut self, weekday: Weekday, from: u16, until: u16) -> bool {
        let day = self.days.get_mut(day_index(weekday));
        let (Some(day), Some(opening)) = (day, Opening::new(from, until)) else {
            return false;
        };
        day.push(opening);
        true
    }

    /// When the periods of a day begin, in local time.
    pub(super) fn starts(&self, date: Date) -> impl Iterator<Item = DateTime> {
        let at = move |minute: u16| {
            let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
            Some(date.to_datetime(Time::new(hour, minute, 0, 0).ok()?))
        };
        self.periods(date).iter().filter_map(move |period| at(period.from))
    }

    /// Whether it is open at this local time.
    pub(super) fn is_open(&self, local: DateTime) -> bool {
        let minute = minute_of_day(local);
        let today = self.periods(local.date());
        let is_open = today.iter().any(|period| (period.from..period.until).contains(&minute));
        let yesterday = local.date().yesterday().map_or(&[][..], |date| self.periods(date));
        is_open || yesterday.iter().any(|period| period.until > minute + DAY)
    }

    /// The periods that begin on a day.
    fn periods(&self, date: Date) -> &[Opening] {
        if self.holidays.contains(&date) {
            return &[];
        }
        self.days.get(day_index(date.weekday())).map_or(&[], Vec::as_slice)
    }
}

impl Opening {
    fn parse(text: &str) -> Option<Self> {
        let (from, until) = text.split_once('-')?;
        Self::new(time_of_day(from.trim())?, time_of_day(until.trim())?)
    }

    /// A period from a minute of the day until another, which is on the next day if it comes first.
    fn new(from: u16, until: u16) -> Option<Self> {
        if from >= DAY || until > DAY || from == until {
            return None;
        }
        let until = if until < from { until + DAY } else { until };
        Some(Self { from, until })
    }
}

/// The position of a weekday in a week that begins on Monday.
fn day_index(weekday: Weekday) -> usize {
    usize::try_from(weekday.since(Weekday::Monday)).unwrap_or_default()
}

/// Minutes since midnight of `HH:MM`, up to `24:00`.
pub(crate) fn time_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let is_number = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(hours) || !is_number(minutes) || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= DAY).then_some(total)
}

fn minute_of_day(local: DateTime) -> u16 {
    let unsigned = |part: i8| u16::try_from(part).unwrap_or_default();
    unsigned(local.hour()) * 60 + unsigned(local.minute())
}

/// A date such as `2026-12-25`.
pub(super) fn parse_date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let has_form = (year.len(), month.len(), day.len()) == (4, 2, 2) && parts.next().is_none();
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !has_form || ![year, month, day].into_iter().all(is_number) {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// Date and time in a time zone.
pub(super) fn local_time(zone: &TimeZone, now: Timestamp) -> DateTime {
    jiff::Timestamp::from_millisecond(now.millis()).map_or(DateTime::ZERO, |now| zone.to_datetime(now))
}

/// Date and time in a time zone with its offset, such as `2026-11-20T09:30:00+01:00`.
pub(super) fn local_text(zone: &TimeZone, now: Timestamp) -> String {
    let Ok(instant) = jiff::Timestamp::from_millisecond(now.millis()) else {
        return now.to_string();
    };
    let offset = zone.to_offset(instant).seconds();
    let local = local_time(zone, now);
    let (sign, minutes) = if offset < 0 {
        ('-', -offset / 60)
    } else {
        ('+', offset / 60)
    };
    format!(
        "{}T{:02}:{:02}:{:02}{sign}{:02}:{:02}",
        local.date(),
        local.hour(),
        local.minute(),
        local.second(),
        minutes / 60,
        minutes % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect(name)
    }

    fn times(weekday: &[&str], others: &Hours) -> OpeningTimes {
        let periods: Vec<String> = weekday.iter().map(|period| (*period).to_owned()).collect();
        let hours = Hours {
            sunday: periods,
            ..others.clone()
        };
        let mut issues = Vec::new();
        let times = OpeningTimes::parse(&hours, "hours", &mut issues);
        assert_eq!(issues, []);
        times
    }

    fn is_open(times: &OpeningTimes, zone_name: &str, utc: &str) -> bool {
        let now = Timestamp::parse(utc).expect(utc);
        times.is_open(local_time(&zone(zone_name), now))
    }

    #[test]
    fn hours_follow_the_clocks_of_the_time_zone() {
        // Sundays on which the clocks change: forward in Berlin on 2026-03-29, back on 2026-10-25.
        let times = times(&["09:00-17:00"], &Hours::default());
        for (zone, utc, expected) in [
            ("Europe/Berlin", "2026-03-22T08:00:00Z", true),
            ("Europe/Berlin", "2026-03-22T07:59:59Z", false),
            ("Europe/Berlin", "2026-03-29T07:00:00Z", true),
            ("Europe/Berlin", "2026-03-29T06:59:59Z", false),
            ("Europe/Berlin", "2026-03-29T15:00:00Z", false),
            ("Europe/Berlin", "2026-10-25T08:00:00Z", true),
            ("Europe/Berlin", "2026-10-25T07:59:59Z", false),
            ("America/New_York", "2026-03-08T13:00:00Z", true),
            ("America/New_York", "2026-03-08T12:59:59Z", false),
            ("America/New_York", "2026-11-01T14:00:00Z", true),
            ("America/New_York", "2026-11-01T13:59:59Z", false),
            // Half an hour forward on 2026-10-04, from UTC+10:30 to UTC+11.
            ("Australia/Lord_Howe", "2026-09-26T22:30:00Z", true),
            ("Australia/Lord_Howe", "2026-09-26T22:29:59Z", false),
            ("Australia/Lord_Howe", "2026-10-03T22:00:00Z", true),
            ("Australia/Lord_Howe", "2026-10-03T21:59:59Z", false),
        ] {
            assert_eq!(is_open(&times, zone, utc), expected, "{zone} {utc}");
        }
    }

    #[test]
    fn an_hour_that_does_not_exist_is_skipped_and_one_that_repeats_counts_twice() {
        let times = times(&["02:00-03:00"], &Hours::default());
        assert!(!is_open(&times, "Europe/Berlin", "2026-03-29T00:59:59Z"));
        assert!(!is_open(&times, "Europe/Berlin", "2026-03-29T01:00:00Z"));
        assert!(is_open(&times, "Europe/Berlin", "2026-10-25T00:30:00Z"));
        assert!(is_open(&times, "Europe/Berlin", "2026-10-25T01:30:00Z"));
        assert!(!is_open(&times, "Europe/Berlin", "2026-10-25T02:00:00Z"));
    }

    #[test]
    fn hours_past_midnight_belong_to_the_day_on_which_they_begin() {
        let holidays = Hours {
            holidays: vec!["2026-12-20".into(), "2026-12-28".into()],
            ..Hours::default()
        };
        let times = times(&["22:00-02:00", "06:00-07:00"], &holidays);
        for (utc, expected) in [
            ("2026-12-13T21:59:00Z", false),
            ("2026-12-13T22:00:00Z", true),
            ("2026-12-14T01:59:00Z", true),
            ("2026-12-14T02:00:00Z", false),
            ("2026-12-13T06:30:00Z", true),
            // Nothing begins on the holiday, and what began the day before goes on.
            ("2026-12-20T22:00:00Z", false),
            ("2026-12-21T01:00:00Z", false),
            ("2026-12-28T01:00:00Z", true),
        ] {
            assert_eq!(is_open(&times, "UTC", utc), expected, "{utc}");
        }
    }

    #[test]
    fn all_day_is_written_with_24() {
        let times = times(&["00:00-24:00"], &Hours::default());
        assert!(is_open(&times, "UTC", "2026-12-13T00:00:00Z") && is_open(&times, "UTC", "2026-12-13T23:59:59Z"));
        assert!(!is_open(&times, "UTC", "2026-12-14T00:00:00Z"));
    }

    #[test]
    fn wrong_period_is_reported_with_its_path() {
        for wrong in [
            "",
            "9-17",
            "09:00",
            "09:00-09:00",
            "24:00-01:00",
            "09:60-10:00",
            "25:00-26:00",
            "9:5-10:00",
        ] {
            assert_eq!(Opening::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Opening::parse("9:00 - 24:00"), Some(Opening { from: 540, until: 1440 }));
        let hours = Hours {
            friday: vec!["9".into()],
            holidays: vec!["25.12.2026".into()],
            ..Hours::default()
        };
        let mut issues = Vec::new();
        OpeningTimes::parse(&hours, "hours", &mut issues);
        let paths: Vec<&str> = issues.iter().map(|issue| issue.path.as_str()).collect();
        assert_eq!(paths, ["hours.friday[0]", "hours.holidays[0]"]);
    }

    #[test]
    fn local_time_has_its_offset() {
        let now = Timestamp::parse("2026-11-20T14:30:05Z").expect("a time");
        assert_eq!(local_text(&zone("America/New_York"), now), "2026-11-20T09:30:05-05:00");
        assert_eq!(local_text(&zone("Asia/Kathmandu"), now), "2026-11-20T20:15:05+05:45");
        assert_eq!(local_text(&TimeZone::UTC, now), "2026-11-20T14:30:05+00:00");
    }
}
