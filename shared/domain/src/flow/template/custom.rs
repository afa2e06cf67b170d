//! Custom filters: replacements for filters of the engine that charge no fuel, access to fields that back ends omit,
//! and phrases for numbers and dates.

use std::fmt::{self, Write};

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, State, Value, filters};

use super::output::{spoken, to_text};
use crate::phone::{CallingCode, PhoneNumber};
use crate::timestamp::Timestamp;

/// Charges fuel for visiting every item of a list.
pub(super) fn charge_for_list(state: &State, list: &Value) -> Result<(), Error> {
    let items = list.len().map_or(0, |items| u64::try_from(items).unwrap_or(u64::MAX));
    state.consume_fuel(items / 2)
}

/// Refuses an undefined value. The filter functions of the engine that take no state would treat it as empty.
fn defined(value: &Value) -> Result<&Value, Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    Ok(value)
}

pub(super) fn first(value: &Value) -> Result<Value, Error> {
    filters::first(defined(value)?)
}

pub(super) fn last(state: &State, value: &Value) -> Result<Value, Error> {
    charge_for_list(state, defined(value)?)?;
    filters::last(value.clone())
}

pub(super) fn length(value: &Value) -> Result<usize, Error> {
    filters::length(defined(value)?)
}

/// A string that charges fuel while it grows, so that it ends when the fuel does.
struct MeteredText<'a, 'b> {
    state: &'a State<'a, 'b>,
    text: String,
    /// Bytes that are already paid for.
    paid: usize,
}

impl<'a, 'b> MeteredText<'a, 'b> {
    const fn new(state: &'a State<'a, 'b>) -> Self {
        Self {
            state,
            text: String::new(),
            paid: 0,
        }
    }
}

impl Write for MeteredText<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The text so far is paid for. One unit of fuel pays for the next 64 bytes.
        let fuel = (self.text.len() + text.len()).saturating_sub(self.paid).div_ceil(64);
        self.state
            .consume_fuel(fuel.try_into().unwrap_or(u64::MAX))
            .map_err(|_| fmt::Error)?;
        self.paid += fuel * 64;
        self.text.push_str(text);
        Ok(())
    }
}

/// Writes a value as text. A whole number is written as an integer: `3.0` as 3.
fn write_plain(text: &mut MeteredText<'_, '_>, value: &Value) -> fmt::Result {
    match (value.as_str(), value.kind()) {
        (Some(value), _) => text.write_str(value),
        (None, ValueKind::Number) => text.write_str(&to_text(value).unwrap_or_default()),
        (None, _) => write!(text, "{value}"),
    }
}

fn out_of_fuel(_: fmt::Error) -> Error {
    ErrorKind::OutOfFuel.into()
}

/// A value as text. The filter of the engine charges fuel only after it has written everything.
pub(super) fn string(state: &State, value: &Value) -> Result<Value, Error> {
    if defined(value)?.as_str().is_some() {
        return Ok(value.clone());
    }
    let mut text = MeteredText::new(state);
    write_plain(&mut text, value).map_err(out_of_fuel)?;
    Ok(Value::from(text.text))
}

/// The items of a list, or an attribute of each, with `joiner` between them. The filter of the engine charges fuel only
/// after it has written everything.
#[expect(clippy::needless_pass_by_value, reason = "the signature of a filter")]
pub(super) fn join(
    state: &State,
    value: &Value,
    joiner: Option<&str>,
    attribute: Option<&str>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let joiner = match joiner {
        Some(joiner) => joiner,
        None => kwargs.get::<Option<&str>>("d")?.unwrap_or_default(),
    };
    let attribute = match attribute {
        Some(attribute) => Some(attribute),
        None => kwargs.get::<Option<&str>>("attribute")?,
    };
    kwargs.assert_all_used()?;
    let mut text = MeteredText::new(state);
    for (index, item) in defined(value)?.try_iter()?.enumerate() {
        state.consume_fuel(1)?;
        if index > 0 {
            text.write_str(joiner).map_err(out_of_fuel)?;
        }
        let item = match attribute {
            Some(path) => inside(&item, path),
            None => item,
        };
        write_plain(&mut text, defined(&item)?).map_err(out_of_fuel)?;
    }
    Ok(Value::from(text.text))
}

fn null() -> Value {
    Value::from(())
}

/// Null for an undefined value.
pub(super) fn or_null(value: &Value) -> Value {
    if value.is_undefined() { null() } else { value.clone() }
}

/// `other` for an undefined value, null or a blank string: back ends use all three for a missing value.
pub(super) fn default(value: &Value, other: &Value) -> Value {
    if value.is_undefined() || value.is_none() || value.as_str().is_some_and(|text| spoken(text).is_empty()) {
        other.clone()
    } else {
        value.clone()
    }
}

/// The value at a path such as `billTo.phone`, or null if any step of the path is missing.
pub(super) fn at(value: &Value, path: &str) -> Value {
    or_null(&inside(value, path))
}

fn inside(value: &Value, path: &str) -> Value {
    let mut inner = value.clone();
    for name in path.split('.') {
        inner = match name.parse::<usize>() {
            Ok(index) => inner.get_item_by_index(index),
            Err(_) => inner.get_attr(name),
        }
        .unwrap_or_default();
    }
    inner
}

fn text(value: &Value) -> String {
    match value.kind() {
        ValueKind::String | ValueKind::Number => to_text(value).unwrap_or_default(),
        _ => String::new(),
    }
}

/// The digits of a string or number. Empty for null.
pub(super) fn digits(value: &Value) -> String {
    text(value).chars().filter(char::is_ascii_digit).collect()
}

/// A string character by character, as one reads out an order number: `A, B, 1`.
pub(super) fn spell(value: &Value) -> String {
    let text = text(value);
    let spoken = text.chars().filter_map(|c| match c {
        '-' => Some("dash".to_owned()),
        '.' => Some("dot".to_owned()),
        '/' => Some("slash".to_owned()),
        '_' => Some("underscore".to_owned()),
        '#' => Some("number".to_owned()),
        c if c.is_alphanumeric() => Some(c.to_uppercase().collect()),
        _ => None,
    });
    spoken.collect::<Vec<_>>().join(", ")
}

/// Whether two strings are the same phone number in any notation. A string without `+` is read as dialed in `country`
/// (a calling code such as `1`). Without a country it is not a number, and what is not a number equals nothing.
pub(super) fn same_number(value: &Value, other: &Value, country: Option<Value>) -> bool {
    let home = country.and_then(|code| text(&code).parse::<CallingCode>().ok());
    let number = |value: &Value| {
        let text = text(value);
        let read = match &home {
            Some(home) => PhoneNumber::parse_at_home(&text, home),
            None => PhoneNumber::parse(&text),
        };
        read.ok()
    };
    number(value).is_some_and(|one| number(other) == Some(one))
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The date of a timestamp as spoken: `November 20, 2026`. Null for a string that does not begin with a date.
pub(super) fn day(value: &Value) -> Value {
    let text = text(value);
    let date = text
        .get(..10)
        .and_then(|date| Timestamp::parse(&format!("{date}T00:00:00Z")));
    let Some(date) = date else { return null() };
    let date = date.utc();
    let month = MONTHS
        .get(usize::from(u8::from(date.month())) - 1)
        .copied()
        .unwrap_or_default();
    Value::from(format!("{month} {}, {}", date.day(), date.year()))
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn same_number_ignores_notation() {
        let same = |one: &str, two: &str, country: Option<&str>| {
            let country = country.map(Value::from);
            same_number(&Value::from(one), &Value::from(two), country)
        };
        assert!(same("+12025550143", "(202) 555-0143", Some("1")));
        assert!(same("202.555.0143", "+1 202 555 0143", Some("1")));
        assert!(same("+1 (202) 555-0143", "+12025550143", None));
        assert!(same("+442079460104", "020 7946 0104", Some("44")));
        // A number of another country with the same last digits.
        assert!(!same("+12025550143", "2025550143", Some("30")));
        assert!(!same("+12025550143", "+3022025550143", None));
        assert!(!same("+12025550143", "(202) 555-0143", None));
        assert!(!same("+12025550143", "+12025550144", Some("1")));
        assert!(!same("+12025550143", "555-0143", Some("1")));
        assert!(!same("", "", None));
        assert!(!same_number(&null(), &Value::from("+12025550143"), None));
    }

    #[test]
    fn day_is_spoken_with_the_name_of_the_month() {
        assert_eq!(
            day(&Value::from("2026-11-20T23:59:00.0000000")).as_str(),
            Some("November 20, 2026")
        );
        assert_eq!(day(&Value::from("2026-01-02")).as_str(), Some("January 2, 2026"));
        for wrong in ["", "soon", "2026-13-01", "2026-1-1T00:00"] {
            assert!(day(&Value::from(wrong)).is_none(), "{wrong}");
        }
        assert!(day(&null()).is_none());
    }

    #[test]
    fn order_number_is_spelled_out() {
        assert_eq!(spell(&Value::from("qx-10")), "Q, X, dash, 1, 0");
        assert_eq!(spell(&Value::from(7)), "7");
        assert_eq!(spell(&null()), "");
    }

    #[test]
    fn whole_float_has_the_digits_of_an_integer() {
        for number in [Value::from(1009.0), Value::from(1009)] {
            assert_eq!(digits(&number), "1009");
            assert_eq!(spell(&number), "1, 0, 0, 9");
        }
        assert_eq!(digits(&Value::from(10.5)), "105");
    }
}
