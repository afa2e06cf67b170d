//! Filters that `scan` writes into templates; no document can name them.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};

use super::own::pay_for;
use super::write::{said as as_said, spoken};

/// On both sides of `*`.
pub(super) const FACTOR: &str = "__factor";
/// On both sides of `~`.
pub(super) const PART: &str = "__part";
/// On both sides of `+`.
pub(super) const TERM: &str = "__term";
/// Around what is spoken.
pub(super) const SAID: &str = "__said";

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
        pay_for(state, value)?;
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
