//! Calling windows: when somebody may be called, in every time zone in which they may be.

pub use jiff::civil::Weekday;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp as Instant, ToSpan};

use super::hours::OpeningTimes;
use crate::clock::Timestamp;

/// Periods of a week, counted once for each of their days: four a day.
pub const MAX_PERIODS: usize = 28;

/// How far ahead [`CallingWindow::next_open`] looks. A year, because two zones may have the same hours only as long as
/// one of them has summer time.
const HORIZON: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Days within which a zone has an opening that begins in each week. Two weeks, because clocks that go forward may skip
/// the only one of a week.
const DAYS: usize = 16;

/// The hours of a week in which somebody may be called. Immutable; made once for each person, since it depends on where
/// they may be.
#[derive(Clone, Debug)]
pub struct CallingWindow {
    zones: Vec<TimeZone>,
    times: OpeningTimes,
}

/// A period on some days of the week, in local time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// The days on which the period begins.
    pub days: Vec<Weekday>,
    /// The first minute of the day, from 0 to 1439.
    pub from: u16,
    /// The minute of the day before which the period ends, up to 1440. On the next day if it is less than `from`.
    pub until: u16,
}

/// Why a calling window is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallingWindowError {
    /// Without a zone the time of day there is unknown.
    #[error("has no time zone")]
    NoZone,
    /// Not the IANA name of a time zone.
    #[error("{0} is not a time zone such as Europe/Berlin")]
    UnknownZone(String),
    /// Nobody could ever be called.
    #[error("has no period")]
    NoPeriod,
    /// The period with this index has no day, is empty, or has a minute that no day has.
    #[error("period {0} must have days, and minutes of the day that differ: from 0 to 1439, until 0 to 1440")]
    Period(usize),
    /// More than [`MAX_PERIODS`].
    #[error("has too many periods: at most {MAX_PERIODS} a week")]
    TooManyPeriods,
}

impl CallingWindow {
    /// A window that holds in all of these zones, given by their IANA names, such as those of a phone number.
    ///
    /// # Errors
    /// When a zone or a period is invalid, or there is none.
    pub fn new<'a>(zones: impl IntoIterator<Item = &'a str>, periods: &[Period]) -> Result<Self, CallingWindowError> {
        let zones = zones.into_iter().map(zone).collect::<Result<Vec<_>, _>>()?;
        if zones.is_empty() {
            return Err(CallingWindowError::NoZone);
        }
        let times = opening_times(periods)?;
        Ok(Self { zones, times })
    }

    /// Whether it is open in all zones.
    pub fn is_open(&self, at: Timestamp) -> bool {
        instant(at).is_some_and(|at| self.zones.iter().all(|zone| self.is_open_in(zone, at)))
    }

    /// The first time that is open in all zones: `from` if it is. `None` if there is none within a year.
    pub fn next_open(&self, from: Timestamp) -> Option<Timestamp> {
        let mut at = instant(from)?;
        let last = at.checked_add(HORIZON).unwrap_or(Instant::MAX);
        // Until the first zone that is closed opens, no time is open in all zones.
        while at <= last {
            let Some(closed) = self.zones.iter().find(|zone| !self.is_open_in(zone, at)) else {
                return Some(Timestamp::from_millis(at.as_millisecond()));
            };
            at = self.next_open_in(closed, at)?;
        }
        None
    }

    fn is_open_in(&self, zone: &TimeZone, at: Instant) -> bool {
        self.times.is_open(zone.to_datetime(at))
    }

    /// The first time after `closed`, at which the zone is closed, that is open in it.
    ///
    /// A zone opens when a period begins, or when its clocks change: into a period whose beginning they skip, or back
    /// into one that has ended.
    fn next_open_in(&self, zone: &TimeZone, closed: Instant) -> Option<Instant> {
        // A beginning on the day before is ahead if the clocks go back over midnight.
        let first = zone.to_datetime(closed).date().yesterday().ok()?;
        let starts = days(first).flat_map(|date| self.times.starts(date));
        let starts = starts.flat_map(|start| instants(zone, start));
        let last = closed
            .checked_add(SignedDuration::from_hours(24) * i32::try_from(DAYS).ok()?)
            .ok()?;
        let changes = zone.following(closed).map(|change| change.timestamp());
        let changes = changes.take_while(|change| *change <= last);
        let later = starts.chain(changes).filter(|at| *at > closed);
        later.filter(|at| self.is_open_in(zone, *at)).min()
    }
}

/// Whether this is the IANA name of a time zone.
pub fn is_time_zone(name: &str) -> bool {
    zone(name).is_ok()
}

fn zone(name: &str) -> Result<TimeZone, CallingWindowError> {
    let zone = TimeZone::get(name).ok();
    // `Etc/Unknown` is a name without a zone; the library gives it the time of UTC.
    zone.filter(|zone| !zone.is_unknown())
        .ok_or_else(|| CallingWindowError::UnknownZone(name.to_owned()))
}

fn opening_times(periods: &[Period]) -> Result<OpeningTimes, CallingWindowError> {
    if periods.is_empty() {
        return Err(CallingWindowError::NoPeriod);
    }
    if periods.iter().map(|period| period.days.len()).sum::<usize>() > MAX_PERIODS {
        return Err(CallingWindowError::TooManyPeriods);
    }
    let mut times = OpeningTimes::default();
    for (index, Period { days, from, until }) in periods.iter().enumerate() {
        if days.is_empty() || !days.iter().all(|day| times.add(*day, *from, *until)) {
            return Err(CallingWindowError::Period(index));
        }
    }
    Ok(times)
}

fn days(first: Date) -> impl Iterator<Item = Date> {
    first.series(1.day()).take(DAYS + 1)
}

/// The times at which the clocks of a zone show `local`: two if they go back over it. If they skip it, two times near
/// it at which they show something else.
fn instants(zone: &TimeZone, local: DateTime) -> impl Iterator<Item = Instant> {
    use jiff::tz::AmbiguousOffset::{Fold, Gap, Unambiguous};
    let (before, after) = match zone.to_ambiguous_timestamp(local).offset() {
        Unambiguous { offset } => (offset, None),
        Gap { before, after } | Fold { before, after } => (before, Some(after)),
    };
    let offsets = [Some(before), after].into_iter().flatten();
    offsets.filter_map(move |offset| offset.to_timestamp(local).ok())
}

/// `None` beyond what the time zone library can tell: the last days of the year 9999.
fn instant(at: Timestamp) -> Option<Instant> {
    Instant::from_millisecond(at.millis()).ok()
}

#[cfg(test)]
mod tests {
    use patchbay_domain::phone::zones::{all_names, zones_of};
    use proptest::prelude::*;

    use super::*;
    use crate::phone::PhoneNumber;

    const ALL: [Weekday; 7] = [
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
        Weekday::Saturday,
        Weekday::Sunday,
    ];

    fn period(days: &[Weekday], from: u16, until: u16) -> Period {
        let days = days.to_vec();
        Period { days, from, until }
    }

    fn window(zones: &[&str], periods: &[Period]) -> CallingWindow {
        CallingWindow::new(zones.iter().copied(), periods).expect("a window")
    }

    fn at(utc: &str) -> Timestamp {
        Timestamp::parse(utc).expect(utc)
    }

    fn next(window: &CallingWindow, utc: &str) -> String {
        window
            .next_open(at(utc))
            .map_or_else(|| "never".to_owned(), |next| next.to_string())
    }

    #[test]
    fn window_holds_in_every_zone() {
        let workdays = period(&ALL[..5], 9 * 60, 17 * 60);
        let window = window(&["America/New_York", "America/Los_Angeles"], &[workdays]);
        // A Friday in winter: 12:00 to 17:00 in New York is 09:00 to 14:00 in Los Angeles.
        for (utc, expected) in [
            ("2026-12-04T16:59:59.999Z", false),
            ("2026-12-04T17:00:00Z", true),
            ("2026-12-04T21:59:59.999Z", true),
            ("2026-12-04T22:00:00Z", false),
            ("2026-12-05T18:00:00Z", false),
        ] {
            assert_eq!(window.is_open(at(utc)), expected, "{utc}");
        }
        assert_eq!(next(&window, "2026-12-04T14:00:00Z"), "2026-12-04T17:00:00.000Z");
        assert_eq!(next(&window, "2026-12-04T18:30:12.345Z"), "2026-12-04T18:30:12.345Z");
        assert_eq!(next(&window, "2026-12-04T22:00:00Z"), "2026-12-07T17:00:00.000Z");
        // On the Monday after the clocks went forward, an hour earlier.
        assert_eq!(next(&window, "2027-03-12T23:00:00Z"), "2027-03-15T16:00:00.000Z");
    }

    #[test]
    fn skipped_hours_are_closed() {
        // Clocks in Berlin go from 02:00 to 03:00 on 2027-03-28, at 01:00 UTC.
        let skipped = window(&["Europe/Berlin"], &[period(&[Weekday::Sunday], 120, 180)]);
        assert_eq!(next(&skipped, "2027-03-22T00:00:00Z"), "2027-04-04T00:00:00.000Z");
        let begins_in_gap = window(&["Europe/Berlin"], &[period(&[Weekday::Sunday], 150, 240)]);
        assert_eq!(next(&begins_in_gap, "2027-03-22T00:00:00Z"), "2027-03-28T01:00:00.000Z");
        assert!(!begins_in_gap.is_open(at("2027-03-28T00:59:59Z")));
        assert!(!begins_in_gap.is_open(at("2027-03-28T02:00:00Z")));
    }

    #[test]
    fn repeated_hours_are_open_twice() {
        // Clocks in Berlin go from 03:00 to 02:00 on 2026-10-25, at 01:00 UTC.
        let ended = window(&["Europe/Berlin"], &[period(&[Weekday::Sunday], 60, 150)]);
        assert_eq!(next(&ended, "2026-10-24T12:00:00Z"), "2026-10-24T23:00:00.000Z");
        assert_eq!(next(&ended, "2026-10-25T00:30:00Z"), "2026-10-25T01:00:00.000Z");
        assert_eq!(next(&ended, "2026-10-25T01:30:00Z"), "2026-11-01T00:00:00.000Z");
        let begins_twice = window(&["Europe/Berlin"], &[period(&[Weekday::Sunday], 150, 165)]);
        assert_eq!(next(&begins_twice, "2026-10-25T00:00:00Z"), "2026-10-25T00:30:00.000Z");
        assert_eq!(next(&begins_twice, "2026-10-25T00:45:00Z"), "2026-10-25T01:30:00.000Z");
        // Clocks in Beirut go back over midnight, from Sunday 00:00 to Saturday 23:00.
        let day_before = window(&["Asia/Beirut"], &[period(&[Weekday::Saturday], 1410, 1440)]);
        assert_eq!(next(&day_before, "2026-10-24T20:00:00Z"), "2026-10-24T20:30:00.000Z");
        assert_eq!(next(&day_before, "2026-10-24T21:00:00Z"), "2026-10-24T21:30:00.000Z");
    }

    #[test]
    fn period_past_midnight_belongs_to_the_day_on_which_it_begins() {
        let window = window(&["Asia/Tokyo"], &[period(&[Weekday::Friday], 22 * 60, 60)]);
        assert_eq!(next(&window, "2026-12-01T00:00:00Z"), "2026-12-04T13:00:00.000Z");
        assert!(window.is_open(at("2026-12-04T15:59:00Z")));
        assert_eq!(next(&window, "2026-12-04T16:00:00Z"), "2026-12-11T13:00:00.000Z");
    }

    #[test]
    fn zones_may_never_be_open_together_or_only_in_a_part_of_the_year() {
        let morning = period(&ALL, 9 * 60, 10 * 60);
        let never = window(&["Asia/Tokyo", "America/New_York"], std::slice::from_ref(&morning));
        assert_eq!(next(&never, "2026-12-01T00:00:00Z"), "never");
        // Algiers has no summer time.
        let in_winter = window(&["Europe/Berlin", "Africa/Algiers"], &[morning]);
        assert_eq!(next(&in_winter, "2027-03-28T07:00:00Z"), "2027-10-31T08:00:00.000Z");
    }

    #[test]
    fn invalid_window_is_refused() {
        let morning = [period(&ALL, 9 * 60, 10 * 60)];
        let error = |zones: &[&str], periods: &[Period]| {
            CallingWindow::new(zones.iter().copied(), periods).expect_err("an invalid window")
        };
        assert_eq!(error(&[], &morning), CallingWindowError::NoZone);
        for name in [
            "",
            "Etc/Unknown",
            "Europe/Atlantis",
            "../etc/passwd",
            "EST5EDT4,M3.2.0",
            "\u{0}",
        ] {
            let expected = CallingWindowError::UnknownZone(name.to_owned());
            assert_eq!(error(&["Europe/Berlin", name], &morning), expected);
        }
        assert_eq!(error(&["UTC"], &[]), CallingWindowError::NoPeriod);
        for (from, until) in [(540, 540), (1440, 60), (0, 1441), (u16::MAX, 0), (0, u16::MAX), (0, 0)] {
            let periods = [morning[0].clone(), period(&ALL, from, until)];
            assert_eq!(
                error(&["UTC"], &periods),
                CallingWindowError::Period(1),
                "{from} {until}"
            );
        }
        assert_eq!(error(&["UTC"], &[period(&[], 540, 600)]), CallingWindowError::Period(0));
        let many = vec![morning[0].clone(); MAX_PERIODS / 7];
        assert!(CallingWindow::new(["UTC"], &many).is_ok());
        let more = [many, vec![period(&[Weekday::Monday], 0, 1)]].concat();
        assert_eq!(error(&["UTC"], &more), CallingWindowError::TooManyPeriods);
    }

    #[test]
    fn end_of_time_is_never_open() {
        let always = window(&["Pacific/Kiritimati", "Pacific/Pago_Pago"], &[period(&ALL, 0, 1440)]);
        assert_eq!(next(&always, "2026-12-01T00:00:00Z"), "2026-12-01T00:00:00.000Z");
        let end = Timestamp::from_millis(i64::MAX);
        assert!(!always.is_open(end));
        assert_eq!(always.next_open(end), None);
        let sunday = window(&["Pacific/Pago_Pago"], &[period(&[Weekday::Sunday], 0, 1)]);
        assert_eq!(next(&sunday, "9999-12-30T00:00:00Z"), "never");
    }

    #[test]
    fn each_zone_of_phone_numbers_is_known_to_the_time_zone_library() {
        let names: Vec<_> = all_names().collect();
        assert!(names.len() > 285 && names.contains(&"Asia/Calcutta") && names.contains(&"America/Godthab"));
        for name in names {
            assert!(zone(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn phone_number_can_be_called_when_all_its_zones_are_open() {
        let number = PhoneNumber::from_e164("+12085550123").expect("a number");
        let zones = zones_of(&number).expect("zones");
        let day = [period(&ALL, 9 * 60, 17 * 60)];
        let window = CallingWindow::new(zones.names().iter().copied(), &day).expect("a window");
        // 09:00 in Los Angeles, 10:00 in Boise.
        assert_eq!(next(&window, "2026-12-04T16:00:00Z"), "2026-12-04T17:00:00.000Z");
    }

    const ZONES: [&str; 10] = [
        "Africa/Casablanca",
        "America/New_York",
        "America/Sao_Paulo",
        "America/St_Johns",
        "Asia/Beirut",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Europe/Berlin",
        "Europe/London",
        "Pacific/Chatham",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn next_opening_is_the_first_minute_of_a_search_minute_by_minute(
            zones in prop::sample::subsequence(&ZONES[..], 1..=3),
            periods in prop::collection::vec((0..7_usize, 0..96_u16, 0..=96_u16), 1..4),
            // Half of the starts are on the days on which clocks change.
            day in prop_oneof![0..365_i64, 92..94_i64, 113..119_i64, 300..332_i64],
            minute in 0..1440_i64,
        ) {
            let periods: Vec<_> = periods
                .into_iter()
                .filter(|(_, from, until)| from != until)
                .map(|(day, from, until)| {
                    let days = [ALL[day], ALL[(day + 3) % 7], Weekday::Sunday];
                    period(&days, from * 15, until * 15)
                })
                .collect();
            prop_assume!(!periods.is_empty());
            let window = window(&zones, &periods);
            let from = at("2026-12-01T00:00:00Z").plus_millis((day * 1440 + minute) * 60_000);
            let minutes = (0..15 * 1440).map(|minute| from.plus_millis(minute * 60_000));
            let expected = minutes.into_iter().find(|at| window.is_open(*at));
            let found = window.next_open(from);
            let limit = from.plus_millis(15 * 86_400_000);
            prop_assert_eq!(found.filter(|found| *found < limit), expected);
        }
    }
}
