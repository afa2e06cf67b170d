//! `ShipStation`'s timestamps in Pacific time.

use patchbay::clock::Timestamp;

/// A time in `ShipStation`'s format: Pacific time with seven fractional digits and without a time zone.
pub fn pacific(at: Timestamp) -> String {
    let standard = at.plus_millis(-8 * 3_600_000);
    let local = if is_daylight_saving(standard) {
        standard.plus_millis(3_600_000)
    } else {
        standard
    };
    // `2026-11-21T03:00:00.000Z`, without the zone and with four more digits.
    format!("{}0000", local.to_string().trim_end_matches('Z'))
}

/// Daylight saving time: from the second Sunday of March, 2:00, to the first Sunday of November, 2:00 daylight time.
fn is_daylight_saving(standard: Timestamp) -> bool {
    let local = standard.utc();
    let (month, day, hour) = (u8::from(local.month()), local.day(), local.hour());
    // Day of the month of the Sunday on or before today; not positive if that was last month.
    let sunday = i16::from(day) - i16::from(local.weekday().number_days_from_sunday());
    let is_past_two = |end: u8| sunday != i16::from(day) || hour >= end;
    match month {
        4..=10 => true,
        3 => sunday > 14 || sunday >= 8 && is_past_two(2),
        // 2:00 daylight time is 1:00 standard time.
        11 => !(sunday > 7 || sunday >= 1 && is_past_two(1)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daylight_saving_time_starts_and_ends_on_sundays() {
        let at = |text: &str| pacific(Timestamp::parse(text).expect(text));
        assert_eq!(at("2026-11-21T11:00:00Z"), "2026-11-21T03:00:00.0000000");
        assert_eq!(at("2026-07-01T11:00:00.123Z"), "2026-07-01T04:00:00.1230000");
        assert_eq!(at("2026-03-08T09:59:59Z"), "2026-03-08T01:59:59.0000000");
        assert_eq!(at("2026-03-08T10:00:00Z"), "2026-03-08T03:00:00.0000000");
        assert_eq!(at("2026-11-01T08:59:59Z"), "2026-11-01T01:59:59.0000000");
        assert_eq!(at("2026-11-01T09:00:00Z"), "2026-11-01T01:00:00.0000000");
        assert_eq!(at("2026-03-01T12:00:00Z"), "2026-03-01T04:00:00.0000000");
    }
}
