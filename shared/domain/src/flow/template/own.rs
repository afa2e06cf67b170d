//! Filters of our own: what the engine does without fuel, what back ends leave out, and what is said of numbers and days.

use std::fmt::{self, Write};

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, State, Value, filters};

use super::write::{said, spoken};
use crate::phone::{CallingCode, PhoneNumber};
use crate::timestamp::Timestamp;

/// Takes the fuel for looking at every item of a list.
pub(super) fn pay_for(state: &State, list: &Value) -> Result<(), Error> {
    let items = list.len().map_or(0, |items| u64::try_from(items).unwrap_or(u64::MAX));
    state.consume_fuel(items / 2)
}

/// As the engine's own without a state, which take what is undefined for empty.
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
    pay_for(state, defined(value)?)?;
    filters::last(value.clone())
}

pub(super) fn length(value: &Value) -> Result<usize, Error> {
    filters::length(defined(value)?)
}

/// A text that takes fuel for what is written into it, so that it ends with it.
struct Paid<'a, 'b> {
    state: &'a State<'a, 'b>,
    text: String,
    /// How many bytes of it are paid for.
    covered: usize,
}

impl<'a, 'b> Paid<'a, 'b> {
    const fn new(state: &'a State<'a, 'b>) -> Self {
        Self {
            state,
            text: String::new(),
            covered: 0,
        }
    }
}

impl Write for Paid<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // What is in it already is paid for; 64 bytes ahead cost one.
        let fuel = (self.text.len() + text.len()).saturating_sub(self.covered).div_ceil(64);
        self.state
            .consume_fuel(fuel.try_into().unwrap_or(u64::MAX))
            .map_err(|_| fmt::Error)?;
        self.covered += fuel * 64;
        self.text.push_str(text);
        Ok(())
    }
}

/// Writes a value as text: a number as it is said, `3.0` as 3.
fn write_plain(text: &mut Paid<'_, '_>, value: &Value) -> fmt::Result {
    match (value.as_str(), value.kind()) {
        (Some(value), _) => text.write_str(value),
        (None, ValueKind::Number) => text.write_str(&said(value).unwrap_or_default()),
        (None, _) => write!(text, "{value}"),
    }
}

fn out_of_fuel(_: fmt::Error) -> Error {
    ErrorKind::OutOfFuel.into()
}

/// A value as text. The engine's own takes fuel only when it has written all of it.
pub(super) fn string(state: &State, value: &Value) -> Result<Value, Error> {
    if defined(value)?.as_str().is_some() {
        return Ok(value.clone());
    }
    let mut text = Paid::new(state);
    write_plain(&mut text, value).map_err(out_of_fuel)?;
    Ok(Value::from(text.text))
}

/// The items of a list, or one attribute of each, with `joiner` between them. The engine's own takes fuel only when it has
/// written all of it.
#[expect(clippy::needless_pass_by_value, reason = "as the engine calls a filter")]
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
    let mut text = Paid::new(state);
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

fn nothing() -> Value {
    Value::from(())
}

/// Null for what is undefined.
pub(super) fn or_null(value: &Value) -> Value {
    if value.is_undefined() { nothing() } else { value.clone() }
}

/// `other` for what is undefined, null or blank text: answers of back ends have all three for "not there".
pub(super) fn default(value: &Value, other: &Value) -> Value {
    if value.is_undefined() || value.is_none() || value.as_str().is_some_and(|text| spoken(text).is_empty()) {
        other.clone()
    } else {
        value.clone()
    }
}

/// What is at a path such as `billTo.phone`, or null if anything on the way is missing.
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
        ValueKind::String | ValueKind::Number => said(value).unwrap_or_default(),
        _ => String::new(),
    }
}

/// The digits of a text, without anything between them; empty for null.
pub(super) fn digits(value: &Value) -> String {
    text(value).chars().filter(char::is_ascii_digit).collect()
}

/// A text character by character, as one reads out an order number: `A, B, 1`.
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

/// Whether two texts are the same telephone number, however they are written. One without a `+` is a number of `country`
/// (a calling code, such as `1`), as it is dialled there; without that it is none, and what is none is nobody's.
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

/// The day of a time stamp, as one says it: `November 20, 2026`. Null for what does not begin with a date.
pub(super) fn day(value: &Value) -> Value {
    let text = text(value);
    let date = text
        .get(..10)
        .and_then(|date| Timestamp::parse(&format!("{date}T00:00:00Z")));
    let Some(date) = date else { return nothing() };
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
    fn a_number_is_the_same_however_it_is_written() {
        let same = |one: &str, two: &str, country: Option<&str>| {
            let country = country.map(Value::from);
            same_number(&Value::from(one), &Value::from(two), country)
        };
        assert!(same("+12025550143", "(202) 555-0143", Some("1")));
        assert!(same("202.555.0143", "+1 202 555 0143", Some("1")));
        assert!(same("+1 (202) 555-0143", "+12025550143", None));
        assert!(same("+442079460104", "020 7946 0104", Some("44")));
        // Another country's number, with the same digits at its end.
        assert!(!same("+12025550143", "2025550143", Some("30")));
        assert!(!same("+12025550143", "+3022025550143", None));
        assert!(!same("+12025550143", "(202) 555-0143", None));
        assert!(!same("+12025550143", "+12025550144", Some("1")));
        assert!(!same("+12025550143", "555-0143", Some("1")));
        assert!(!same("", "", None));
        assert!(!same_number(&nothing(), &Value::from("+12025550143"), None));
    }

    #[test]
    fn a_date_is_said_as_people_say_it() {
        assert_eq!(
            day(&Value::from("2026-11-20T23:59:00.0000000")).as_str(),
            Some("November 20, 2026")
        );
        assert_eq!(day(&Value::from("2026-01-02")).as_str(), Some("January 2, 2026"));
        for wrong in ["", "soon", "2026-13-01", "2026-1-1T00:00"] {
            assert!(day(&Value::from(wrong)).is_none(), "{wrong}");
        }
        assert!(day(&nothing()).is_none());
    }

    #[test]
    fn an_order_number_is_spelled() {
        assert_eq!(spell(&Value::from("qx-10")), "Q, X, dash, 1, 0");
        assert_eq!(spell(&Value::from(7)), "7");
        assert_eq!(spell(&nothing()), "");
    }

    #[test]
    fn a_whole_number_has_the_digits_of_one() {
        for number in [Value::from(1009.0), Value::from(1009)] {
            assert_eq!(digits(&number), "1009");
            assert_eq!(spell(&number), "1, 0, 0, 9");
        }
        assert_eq!(digits(&Value::from(10.5)), "105");
    }
}
