//! The filters and tests that templates have: those of the engine that only look at values, and a few for telephone
//! calls.

use std::fmt::{self, Write};

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters, tests};

use super::{said, spoken};
use crate::clock::Timestamp;
use crate::phone::{CallingCode, PhoneNumber};

/// The filter that compares telephone numbers.
pub(super) const SAME_NUMBER: &str = "same_number";

/// Every filter.
pub(super) const FILTERS: [&str; 31] = [
    "abs",
    "at",
    "bool",
    "capitalize",
    "day",
    "default",
    "digits",
    "first",
    "float",
    "int",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "or_null",
    "reject",
    "rejectattr",
    "replace",
    "round",
    SAME_NUMBER,
    "select",
    "selectattr",
    "sort",
    "spell",
    "string",
    "trim",
    "upper",
];

/// Every test.
pub(super) const TESTS: [&str; 23] = [
    "defined",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "le",
    "lessthan",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
];

/// Gives an environment all of them.
pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_filter("abs", filters::abs);
    environment.add_filter("at", at);
    environment.add_filter("bool", filters::bool);
    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("day", day);
    environment.add_filter("default", default);
    environment.add_filter("digits", digits);
    environment.add_filter("first", first);
    environment.add_filter("float", filters::float);
    environment.add_filter("int", filters::int);
    environment.add_filter("join", join);
    environment.add_filter("last", last);
    environment.add_filter("length", length);
    environment.add_filter("list", filters::list);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("map", filters::map);
    environment.add_filter("max", filters::max);
    environment.add_filter("min", filters::min);
    environment.add_filter("or_null", or_null);
    environment.add_filter("reject", filters::reject);
    environment.add_filter("rejectattr", filters::rejectattr);
    environment.add_filter("replace", filters::replace);
    environment.add_filter("round", filters::round);
    environment.add_filter(SAME_NUMBER, same_number);
    environment.add_filter("select", filters::select);
    environment.add_filter("selectattr", filters::selectattr);
    environment.add_filter("sort", filters::sort);
    environment.add_filter("spell", spell);
    environment.add_filter("string", string);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("upper", filters::upper);
    environment.add_filter(guards::FACTOR, guards::factor);
    environment.add_filter(guards::PART, guards::part);
    environment.add_filter(guards::TERM, guards::term);
    environment.add_filter(guards::SAID, guards::said);

    environment.add_test("defined", tests::is_defined);
    environment.add_test("endingwith", tests::is_endingwith);
    environment.add_test("eq", tests::is_eq);
    environment.add_test("equalto", tests::is_eq);
    environment.add_test("even", tests::is_even);
    environment.add_test("false", tests::is_false);
    environment.add_test("ge", tests::is_ge);
    environment.add_test("greaterthan", tests::is_gt);
    environment.add_test("gt", tests::is_gt);
    environment.add_test("in", tests::is_in);
    environment.add_test("integer", tests::is_integer);
    environment.add_test("le", tests::is_le);
    environment.add_test("lessthan", tests::is_lt);
    environment.add_test("lt", tests::is_lt);
    environment.add_test("mapping", tests::is_mapping);
    environment.add_test("ne", tests::is_ne);
    environment.add_test("none", tests::is_none);
    environment.add_test("number", tests::is_number);
    environment.add_test("odd", tests::is_odd);
    environment.add_test("sequence", tests::is_sequence);
    environment.add_test("startingwith", tests::is_startingwith);
    environment.add_test("string", tests::is_string);
    environment.add_test("true", tests::is_true);
}

/// Filters that `scan` writes into templates; no document can name them.
pub(super) mod guards {
    use minijinja::value::ValueKind;
    use minijinja::{Error, ErrorKind, State, Value};

    use crate::chain::template::{said as as_said, spoken};

    /// On both sides of `*`.
    pub(in crate::chain::template) const FACTOR: &str = "__factor";
    /// On both sides of `~`.
    pub(in crate::chain::template) const PART: &str = "__part";
    /// On both sides of `+`.
    pub(in crate::chain::template) const TERM: &str = "__term";
    /// Around what is spoken.
    pub(in crate::chain::template) const SAID: &str = "__said";

    fn is_list(value: &Value) -> bool {
        matches!(
            value.kind(),
            ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::Plain
        )
    }

    /// No list: the engine repeats it as often as a number says, and then searches, compares and joins it for free.
    pub(super) fn factor(value: &Value) -> Result<Value, Error> {
        if is_list(value) {
            return Err(ErrorKind::InvalidOperation.into());
        }
        Ok(value.clone())
    }

    /// No list: the engine writes it out, however long it is. And a whole number as one: `3.0` is 3.
    pub(super) fn part(value: &Value) -> Result<Value, Error> {
        if value.kind() == ValueKind::Number {
            let said = as_said(value).and_then(|said| said.parse::<i64>().ok());
            return Ok(said.map_or_else(|| value.clone(), Value::from));
        }
        factor(value)
    }

    /// A list pays for its items: what is added to it is looked at for free.
    pub(super) fn term(state: &State, value: &Value) -> Result<Value, Error> {
        if is_list(value) {
            super::pay_for(state, value)?;
        }
        Ok(value.clone())
    }

    /// No text of which nothing is left when it is spoken.
    pub(super) fn said(value: &Value) -> Result<Value, Error> {
        if value.as_str().is_some_and(|text| spoken(text).is_empty()) {
            return Err(ErrorKind::BadEscape.into());
        }
        Ok(value.clone())
    }
}

/// Takes the fuel for looking at every item of a list.
fn pay_for(state: &State, list: &Value) -> Result<(), Error> {
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

fn first(value: &Value) -> Result<Value, Error> {
    filters::first(defined(value)?)
}

fn last(state: &State, value: &Value) -> Result<Value, Error> {
    pay_for(state, defined(value)?)?;
    filters::last(value.clone())
}

fn length(value: &Value) -> Result<usize, Error> {
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
fn string(state: &State, value: &Value) -> Result<Value, Error> {
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
fn join(
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
fn or_null(value: &Value) -> Value {
    if value.is_undefined() { nothing() } else { value.clone() }
}

/// `other` for what is undefined, null or blank text: answers of back ends have all three for "not there".
fn default(value: &Value, other: &Value) -> Value {
    if value.is_undefined() || value.is_none() || value.as_str().is_some_and(|text| spoken(text).is_empty()) {
        other.clone()
    } else {
        value.clone()
    }
}

/// What is at a path such as `billTo.phone`, or null if anything on the way is missing.
fn at(value: &Value, path: &str) -> Value {
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
fn digits(value: &Value) -> String {
    text(value).chars().filter(char::is_ascii_digit).collect()
}

/// A text character by character, as one reads out an order number: `A, B, 1`.
fn spell(value: &Value) -> String {
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
fn same_number(value: &Value, other: &Value, country: Option<Value>) -> bool {
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
fn day(value: &Value) -> Value {
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

    #[test]
    fn lists_of_names_are_what_is_there() {
        let mut environment = Environment::empty();
        add(&mut environment);
        for name in FILTERS {
            // Found, even if it does not like what it gets.
            let source = format!("1 | {name}");
            let result = environment.compile_expression_owned(source).expect("a filter").eval(());
            let unknown = result.is_err_and(|error| error.kind() == minijinja::ErrorKind::UnknownFilter);
            assert!(!unknown, "{name}");
        }
        for name in TESTS {
            let source = format!("1 is {name}");
            let result = environment.compile_expression_owned(source).expect("a test").eval(());
            let unknown = result.is_err_and(|error| error.kind() == minijinja::ErrorKind::UnknownTest);
            assert!(!unknown, "{name}");
        }
    }
}
