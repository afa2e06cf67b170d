//! Timestamps with millisecond precision.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
///
/// Serialized as RFC 3339 in UTC with milliseconds, so that a person can read it in the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The last millisecond that RFC 3339 can write (year 9999).
pub const LAST_MILLIS: i64 = 253_402_300_799_999;

impl Timestamp {
    /// Creates a timestamp from milliseconds since the epoch, clamped to the years 1970 to 9999.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < 0 {
            return Self(0);
        }
        if millis > LAST_MILLIS {
            return Self(LAST_MILLIS);
        }
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, as DynamoDB's TTL expects them.
    pub const fn seconds(self) -> i64 {
        self.0 / 1000
    }

    /// This time plus `seconds`.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u32) -> Self {
        self.plus_millis(seconds as i64 * 1000)
    }

    /// This time plus `millis`, which may be negative.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// The earliest whole multiple of `seconds` since the epoch that is not before this time.
    #[must_use]
    pub const fn rounded_up_to(self, seconds: u32) -> Self {
        let step = seconds as i64 * 1000;
        match self.0 % step {
            0 => self,
            past => self.plus_millis(step - past),
        }
    }

    /// The duration from `earlier` to this time; zero if this time is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// Parses RFC 3339 with any number of fraction digits.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(parsed.unix_timestamp_nanos() / 1_000_000)
            .ok()
            .map(Self::from_millis)
    }

    /// Date and time in UTC.
    pub fn utc(self) -> OffsetDateTime {
        let nanos = i128::from(self.0) * 1_000_000;
        OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// The day in UTC as `YYYYMMDD`: the shard of the index for lists.
    pub fn day(self) -> String {
        let utc = self.utc();
        format!("{:04}{:02}{:02}", utc.year(), u8::from(utc.month()), utc.day())
    }

    /// Date and time in UTC as `YYYY-MM-DD HH:MM:SS`, for people.
    pub fn to_the_second(self) -> String {
        let utc = self.utc();
        let (year, month, day) = (utc.year(), u8::from(utc.month()), utc.day());
        format!("{year:04}-{month:02}-{day:02} {}", self.time_of_day())
    }

    /// The time of day in UTC as `HH:MM:SS`.
    pub fn time_of_day(self) -> String {
        let utc = self.utc();
        format!("{:02}:{:02}:{:02}", utc.hour(), utc.minute(), utc.second())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let utc = self.utc();
        let (year, month, day) = (utc.year(), u8::from(utc.month()), utc.day());
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{}.{:03}Z",
            self.time_of_day(),
            utc.millisecond()
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("expected an RFC 3339 time, such as 2026-11-21T03:00:00Z"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_round_trips_through_text_with_any_number_of_fraction_digits() {
        for (text, millis) in [
            ("2026-01-05T09:00:31.44Z", 440),
            ("2026-01-05T09:00:31Z", 0),
            ("2026-01-05T09:00:31.123Z", 123),
            ("2026-01-05T11:00:31.5+02:00", 500),
        ] {
            let parsed = Timestamp::parse(text).expect(text);
            assert_eq!(parsed.millis() % 1000, millis, "{text}");
            assert_eq!(Timestamp::parse(&parsed.to_string()), Some(parsed));
            assert_eq!(parsed.time_of_day(), "09:00:31");
        }
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn arithmetic_never_leaves_the_representable_years() {
        assert_eq!(
            Timestamp::from_millis(i64::MAX).plus_seconds(u32::MAX).utc().year(),
            9999
        );
        assert_eq!(Timestamp::from_millis(5).plus_millis(-10).millis(), 0);
    }

    #[test]
    fn rounding_up_keeps_a_whole_multiple() {
        for (millis, expected) in [
            (0, 0),
            (1, 300_000),
            (299_999, 300_000),
            (300_000, 300_000),
            (300_001, 600_000),
        ] {
            assert_eq!(Timestamp::from_millis(millis).rounded_up_to(300).millis(), expected);
        }
    }
}
