//! Guards: filters that `scan` inserts into templates. No document can name them.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};

use super::custom::charge_for_list;
use super::output::{readable, spoken, to_text};

/// Applied to both operands of `*`.
pub(super) const FACTOR: &str = "__factor";
/// Applied to both operands of `~`.
pub(super) const PART: &str = "__part";
/// Applied to both operands of `+`.
pub(super) const TERM: &str = "__term";
/// Applied to every spoken value.
pub(super) const SPOKEN: &str = "__spoken";
/// Applied to every value of a chat message.
pub(super) const WRITTEN: &str = "__written";

fn is_list(value: &Value) -> bool {
    matches!(
        value.kind(),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::Plain
    )
}

/// Refuses a list: the engine would repeat it any number of times, and then search, compare and join it without
/// charging fuel.
pub(super) fn factor(value: &Value) -> Result<Value, Error> {
    if is_list(value) {
        return Err(ErrorKind::InvalidOperation.into());
    }
    Ok(value.clone())
}

/// Refuses a list: the engine would convert it to text, however long it is. Turns a whole number into an integer: `3.0`
/// becomes 3.
pub(super) fn part(value: &Value) -> Result<Value, Error> {
    if value.kind() == ValueKind::Number {
        let integer = to_text(value).and_then(|text| text.parse::<i64>().ok());
        return Ok(integer.map_or_else(|| value.clone(), Value::from));
    }
    factor(value)
}

/// Charges fuel for the items of a list: the engine concatenates lists without charging.
pub(super) fn term(state: &State, value: &Value) -> Result<Value, Error> {
    if is_list(value) {
        charge_for_list(state, value)?;
    }
    Ok(value.clone())
}

/// Refuses a string that is blank once it is prepared for speech.
pub(super) fn spoken_value(value: &Value) -> Result<Value, Error> {
    if value.as_str().is_some_and(|text| spoken(text).is_empty()) {
        return Err(ErrorKind::BadEscape.into());
    }
    Ok(value.clone())
}

/// Refuses a string that is blank once it is prepared for a chat.
pub(super) fn written_value(value: &Value) -> Result<Value, Error> {
    if value.as_str().is_some_and(|text| readable(text).is_empty()) {
        return Err(ErrorKind::BadEscape.into());
    }
    Ok(value.clone())
}
