//! Reads dates as customers write them.

use jiff::civil::Date;

use super::value::Reading;
use crate::bot::built_in::word;
use crate::bot::hours::parse_date;
use crate::bot::language::region;
use crate::bot::words::words;

/// The date in a text: `2026-11-20`, `20.11.2026`, `11/20/2026`, `20/11/2026`, today or tomorrow. A date that may be
/// either of two is refused.
pub(super) fn read(text: &str, reading: &Reading<'_>) -> Option<Date> {
    let text = text.trim().trim_end_matches(['.', '!', '?']);
    if let Some(date) = written(text, reading.language) {
        return Some(date);
    }
    let words = words(text);
    let [word] = words.as_slice() else {
        // A date among other words.
        let mut dates = text
            .split_whitespace()
            .filter_map(|word| written(word.trim_end_matches([',', '.']), reading.language));
        let date = dates.next();
        return date.filter(|_| dates.next().is_none());
    };
    if word::TODAY.contains(&word.as_str()) {
        return Some(reading.today);
    }
    word::TOMORROW
        .contains(&word.as_str())
        .then(|| reading.today.tomorrow().ok())?
}

fn written(text: &str, language: &str) -> Option<Date> {
    if let Some(date) = parse_date(text) {
        return Some(date);
    }
    let separator = if text.contains('.') { '.' } else { '/' };
    let mut parts = text.split(separator).map(str::trim);
    let (one, two, three) = (number(parts.next()?)?, number(parts.next()?)?, parts.next()?);
    let year = year(three)?;
    if parts.next().is_some() {
        return None;
    }
    let day_first = if separator == '.' || one > 12 {
        true
    } else if two > 12 {
        false
    } else {
        // Only a region says which one comes first in English.
        match (region(language), language.split(['-', '_']).next()) {
            (Some(region), _) if region.eq_ignore_ascii_case("US") => false,
            (None, Some(language)) if language.eq_ignore_ascii_case("en") && one != two => return None,
            _ => true,
        }
    };
    let (day, month) = if day_first { (one, two) } else { (two, one) };
    Date::new(year, month, day).ok()
}

fn number(text: &str) -> Option<i8> {
    let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// A year of four digits, or of two in this century.
fn year(text: &str) -> Option<i16> {
    match (text.len(), text.bytes().all(|byte| byte.is_ascii_digit())) {
        (4, true) => text.parse().ok(),
        (2, true) => text.parse().ok().map(|year: i16| 2_000 + year),
        _ => None,
    }
}
