//! What came, brought into the form that a schema has.

use std::cell::Cell;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::pattern::kept_pattern;
use crate::flow::source::{element, field};
use crate::number::{by_value, whole};

/// Most characters of a text whose schema says nothing of its length: nobody says more at once.
const DEFAULT_MAX_LENGTH: u64 = 1_000;
/// Most characters that are searched with patterns in one request, so that nobody ever waits for them.
pub(super) const MAX_SEARCHED: usize = 8_000;

/// The names of the outermost properties.
pub fn names(schema: &Value) -> Vec<String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.map_or_else(Vec::new, |properties| properties.keys().cloned().collect())
}

/// The property that an argument without a name must be: the only one, or the only one that is required.
pub fn single(schema: &Value) -> Option<String> {
    if let [only] = names(schema).as_slice() {
        return Some(only.clone());
    }
    match schema.get("required").and_then(Value::as_array)?.as_slice() {
        [only] => only.as_str().map(str::to_owned),
        _ => None,
    }
}

/// What the schema does not allow, and where; never the value itself, which is somebody's own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Misfit {
    /// The path of the value.
    pub path: String,
    /// What it must be.
    pub why: String,
}

/// The arguments as the schema has them: a model writes `"3"` where a number is asked for, and `1009` where a text is.
/// `3.0` is 3, also where `enum` and `const` compare.
///
/// Properties that the schema knows and the model left out are null; those that it does not know are dropped.
///
/// # Errors
/// The first thing that the schema does not allow.
pub fn fit(schema: &Value, arguments: &Map<String, Value>) -> Result<Map<String, Value>, Misfit> {
    let fitted = Fitting::default().object(schema, arguments, "")?;
    Ok(completed(schema, fitted))
}

/// As [`fit`], but what the schema does not allow is null instead of an error.
pub fn fit_loosely(schema: &Value, arguments: &Map<String, Value>) -> Map<String, Value> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let (mut fitted, fitting) = (Map::new(), Fitting::default());
    for (name, property) in properties.into_iter().flatten() {
        let given = arguments
            .get(name)
            .filter(|value| !(is_required(schema, name) && is_missing(property, value)));
        if let Some(Ok(value)) = given.map(|value| fitting.value(property, value, name)) {
            fitted.insert(name.clone(), value);
        }
    }
    completed(schema, fitted)
}

fn completed(schema: &Value, mut fitted: Map<String, Value>) -> Map<String, Value> {
    let known: BTreeSet<String> = names(schema).into_iter().collect();
    fitted.retain(|name, _| known.contains(name));
    for name in known {
        fitted.entry(name).or_insert(Value::Null);
    }
    fitted
}

fn misfit(path: &str, why: impl Into<String>) -> Misfit {
    Misfit {
        path: path.to_owned(),
        why: why.into(),
    }
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str)
}

fn is_required(schema: &Value, name: &str) -> bool {
    required(schema).any(|required| required == name)
}

/// Whether a value is none for a property that must be there: null, or blank where the schema does not want blanks.
fn is_missing(property: &Value, value: &Value) -> bool {
    let allows = |value: &Value| {
        let is_listed = property
            .get("enum")
            .and_then(Value::as_array)
            .is_some_and(|list| list.contains(value));
        is_listed || property.get("const") == Some(value) || property.get("minLength") == Some(&Value::from(0))
    };
    value.is_null() || is_blank(value) && !allows(value)
}

fn is_blank(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// One request's arguments being brought into the form that a schema has.
struct Fitting {
    /// How many more characters are searched with patterns.
    searched: Cell<usize>,
}

impl Default for Fitting {
    fn default() -> Self {
        Self {
            searched: Cell::new(MAX_SEARCHED),
        }
    }
}

impl Fitting {
    fn object(&self, schema: &Value, fields: &Map<String, Value>, path: &str) -> Result<Map<String, Value>, Misfit> {
        let properties = schema.get("properties").and_then(Value::as_object);
        let property = |name: &str| properties.and_then(|properties| properties.get(name));
        for name in required(schema) {
            let of = property(name).unwrap_or(&Value::Null);
            if fields.get(name).is_none_or(|value| is_missing(of, value)) {
                return Err(misfit(&field(path, name), "is missing"));
            }
        }
        let open = schema
            .get("additionalProperties")
            .and_then(Value::as_bool)
            .unwrap_or(true);
        let mut fitted = Map::new();
        for (name, value) in fields {
            match property(name) {
                // A model that has nothing to say writes null, whatever the type.
                Some(_) if value.is_null() => {}
                Some(of) => match self.value(of, value, &field(path, name)) {
                    Ok(value) => {
                        fitted.insert(name.clone(), value);
                    }
                    // Or an empty text.
                    Err(_) if is_blank(value) && !is_required(schema, name) => {}
                    Err(misfit) => return Err(misfit),
                },
                None if open => {
                    fitted.insert(name.clone(), value.clone());
                }
                None => return Err(misfit(path, "has properties that are not declared")),
            }
        }
        Ok(fitted)
    }

    fn value(&self, schema: &Value, value: &Value, path: &str) -> Result<Value, Misfit> {
        let value = by_value(fit_type(schema, value, path)?);
        let is_it = |allowed: &Value| by_value(allowed.clone()) == value;
        if schema.get("const").is_some_and(|only| !is_it(only)) {
            return Err(misfit(path, "is not the one value that is allowed"));
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
            && !allowed.iter().any(is_it)
        {
            return Err(misfit(path, "is not one of the values that are allowed"));
        }
        match &value {
            Value::String(text) => self.text(schema, text, path)?,
            Value::Number(number) => fit_number(schema, number.as_f64().unwrap_or(f64::NAN), path)?,
            Value::Array(items) => return self.list(schema, items, path),
            Value::Object(fields) => return Ok(Value::Object(self.object(schema, fields, path)?)),
            Value::Null | Value::Bool(_) => {}
        }
        Ok(value)
    }

    fn text(&self, schema: &Value, text: &str, path: &str) -> Result<(), Misfit> {
        let limit = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
        let characters = text.chars().count();
        let length = u64::try_from(characters).unwrap_or(u64::MAX);
        if length < limit("minLength").unwrap_or(0) {
            return Err(misfit(path, "is too short"));
        }
        if length > limit("maxLength").unwrap_or(DEFAULT_MAX_LENGTH) {
            return Err(misfit(path, "is too long"));
        }
        let Some(source) = schema.get("pattern").and_then(Value::as_str) else {
            return Ok(());
        };
        let too_long = || misfit(path, "is too long for a pattern, with all before it");
        // Also for an empty text, and before it is compiled, which takes time too.
        let pay = |steps: usize| {
            self.searched
                .get()
                .checked_sub(steps)
                .map(|left| self.searched.set(left))
        };
        pay(characters.max(1)).ok_or_else(too_long)?;
        let Some((pattern, times)) = kept_pattern(source) else {
            return Err(misfit(path, "does not match the pattern"));
        };
        pay(characters.max(1) * (times - 1)).ok_or_else(too_long)?;
        if pattern.is_match(text) {
            Ok(())
        } else {
            Err(misfit(path, "does not match the pattern"))
        }
    }

    fn list(&self, schema: &Value, items: &[Value], path: &str) -> Result<Value, Misfit> {
        let limit = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
        let length = u64::try_from(items.len()).unwrap_or(u64::MAX);
        if length < limit("minItems").unwrap_or(0) {
            return Err(misfit(path, "has too few items"));
        }
        if length > limit("maxItems").unwrap_or(DEFAULT_MAX_LENGTH) {
            return Err(misfit(path, "has too many items"));
        }
        let Some(of_item) = schema.get("items") else {
            return Ok(Value::Array(items.to_vec()));
        };
        let fitted = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.value(of_item, item, &element(path, index)));
        fitted.collect::<Result<Vec<_>, _>>().map(Value::Array)
    }
}

/// `value` in one of the types that the schema allows, turned into it where that loses nothing.
fn fit_type(schema: &Value, value: &Value, path: &str) -> Result<Value, Misfit> {
    let types: Vec<&str> = match schema.get("type") {
        None => return Ok(value.clone()),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(one) => one.as_str().into_iter().collect(),
    };
    if types.iter().any(|name| has_type(value, name)) {
        return Ok(value.clone());
    }
    let turned = types.iter().find_map(|name| turned_into(value, name));
    turned.ok_or_else(|| misfit(path, format!("must be of type {}", types.join(" or "))))
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        _ => false,
    }
}

fn turned_into(value: &Value, name: &str) -> Option<Value> {
    match (name, value) {
        ("string", Value::Number(number)) => {
            let number = whole(number).unwrap_or_else(|| number.clone());
            Some(Value::String(number.to_string()))
        }
        ("number" | "integer", Value::String(text)) => {
            let number = Value::Number(serde_json::from_str(text.trim()).ok()?);
            has_type(&number, name).then_some(number)
        }
        ("boolean", Value::String(text)) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" => Some(Value::Bool(true)),
            "false" | "no" => Some(Value::Bool(false)),
            _ => None,
        },
        _ => None,
    }
}

fn fit_number(schema: &Value, number: f64, path: &str) -> Result<(), Misfit> {
    let limit = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    if limit("minimum").is_some_and(|least| number < least) {
        return Err(misfit(path, "is too small"));
    }
    if limit("maximum").is_some_and(|most| number > most) {
        return Err(misfit(path, "is too large"));
    }
    Ok(())
}
