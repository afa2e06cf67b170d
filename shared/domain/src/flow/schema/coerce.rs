//! Coerces received values to the types of a schema.

use std::cell::Cell;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::pattern::stored_pattern;
use crate::flow::source::{element, field};
use crate::json_number::{as_integer, normalize_numbers};

/// Maximum length of a string, in characters, and of a list, in items, if the schema sets none. Nobody says more in one
/// turn.
const DEFAULT_MAX_LENGTH: u64 = 1_000;
/// Maximum number of characters matched against patterns in one request, so that no caller waits for them.
pub(super) const PATTERN_BUDGET: usize = 8_000;

/// Names of the properties of the outermost object.
pub fn property_names(schema: &Value) -> Vec<String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.map_or_else(Vec::new, |properties| properties.keys().cloned().collect())
}

/// The property that an unnamed argument belongs to: the only one, or the only required one.
pub fn sole_property(schema: &Value) -> Option<String> {
    if let [only] = property_names(schema).as_slice() {
        return Some(only.clone());
    }
    match schema.get("required").and_then(Value::as_array)?.as_slice() {
        [only] => only.as_str().map(str::to_owned),
        _ => None,
    }
}

/// A violation of the schema, and its path. It never quotes the value, which is private.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct SchemaViolation {
    /// Path of the value.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Coerces arguments to the schema. A model writes `"3"` where a number is expected, and `1009` where a string is.
/// `3.0` equals 3, also for `enum` and `const`.
///
/// Declared properties that are missing become null. Undeclared ones are dropped.
///
/// # Errors
/// The first violation of the schema.
pub fn coerce(schema: &Value, arguments: &Map<String, Value>) -> Result<Map<String, Value>, SchemaViolation> {
    let coerced = Coercion::default().object(schema, arguments, "")?;
    Ok(complete(schema, coerced))
}

/// As [`coerce`], but a value that violates the schema becomes null instead of an error.
pub fn coerce_or_null(schema: &Value, arguments: &Map<String, Value>) -> Map<String, Value> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let (mut coerced, coercion) = (Map::new(), Coercion::default());
    for (name, property) in properties.into_iter().flatten() {
        let given = arguments
            .get(name)
            .filter(|value| !(is_required(schema, name) && is_missing(property, value)));
        if let Some(Ok(value)) = given.map(|value| coercion.value(property, value, name)) {
            coerced.insert(name.clone(), value);
        }
    }
    complete(schema, coerced)
}

fn complete(schema: &Value, mut coerced: Map<String, Value>) -> Map<String, Value> {
    let known: BTreeSet<String> = property_names(schema).into_iter().collect();
    coerced.retain(|name, _| known.contains(name));
    for name in known {
        coerced.entry(name).or_insert(Value::Null);
    }
    coerced
}

fn violation(path: &str, reason: impl Into<String>) -> SchemaViolation {
    SchemaViolation {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str)
}

fn is_required(schema: &Value, name: &str) -> bool {
    required(schema).any(|required| required == name)
}

/// Whether a required value counts as missing: null, or a blank string that the property does not allow.
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

/// Coerces the arguments of one request.
struct Coercion {
    /// Remaining characters that may be matched against patterns.
    pattern_budget: Cell<usize>,
}

impl Default for Coercion {
    fn default() -> Self {
        Self {
            pattern_budget: Cell::new(PATTERN_BUDGET),
        }
    }
}

impl Coercion {
    fn object(
        &self,
        schema: &Value,
        fields: &Map<String, Value>,
        path: &str,
    ) -> Result<Map<String, Value>, SchemaViolation> {
        let properties = schema.get("properties").and_then(Value::as_object);
        let property = |name: &str| properties.and_then(|properties| properties.get(name));
        for name in required(schema) {
            let declared = property(name).unwrap_or(&Value::Null);
            if fields.get(name).is_none_or(|value| is_missing(declared, value)) {
                return Err(violation(&field(path, name), "is missing"));
            }
        }
        let open = schema
            .get("additionalProperties")
            .and_then(Value::as_bool)
            .unwrap_or(true);
        let mut coerced = Map::new();
        for (name, value) in fields {
            match property(name) {
                // A model that has no value writes null, whatever the type.
                Some(_) if value.is_null() => {}
                Some(declared) => match self.value(declared, value, &field(path, name)) {
                    Ok(value) => {
                        coerced.insert(name.clone(), value);
                    }
                    // Or an empty string.
                    Err(_) if is_blank(value) && !is_required(schema, name) => {}
                    Err(violation) => return Err(violation),
                },
                None if open => {
                    coerced.insert(name.clone(), value.clone());
                }
                None => return Err(violation(path, "has undeclared properties")),
            }
        }
        Ok(coerced)
    }

    fn value(&self, schema: &Value, value: &Value, path: &str) -> Result<Value, SchemaViolation> {
        let value = normalize_numbers(coerce_type(schema, value, path)?);
        let is_equal = |allowed: &Value| normalize_numbers(allowed.clone()) == value;
        if schema.get("const").is_some_and(|only| !is_equal(only)) {
            return Err(violation(path, "is not the only allowed value"));
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
            && !allowed.iter().any(is_equal)
        {
            return Err(violation(path, "is not one of the allowed values"));
        }
        match &value {
            Value::String(text) => self.check_text(schema, text, path)?,
            Value::Number(number) => check_number(schema, number.as_f64().unwrap_or(f64::NAN), path)?,
            Value::Array(items) => return self.list(schema, items, path),
            Value::Object(fields) => return Ok(Value::Object(self.object(schema, fields, path)?)),
            Value::Null | Value::Bool(_) => {}
        }
        Ok(value)
    }

    fn check_text(&self, schema: &Value, text: &str, path: &str) -> Result<(), SchemaViolation> {
        let limit = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
        let characters = text.chars().count();
        let length = u64::try_from(characters).unwrap_or(u64::MAX);
        if length < limit("minLength").unwrap_or(0) {
            return Err(violation(path, "is too short"));
        }
        if length > limit("maxLength").unwrap_or(DEFAULT_MAX_LENGTH) {
            return Err(violation(path, "is too long"));
        }
        let Some(source) = schema.get("pattern").and_then(Value::as_str) else {
            return Ok(());
        };
        let too_long = || {
            violation(
                path,
                "has too much text to match against patterns, with the values before it",
            )
        };
        // An empty string costs one character. The budget is charged before the pattern is compiled, which takes time
        // too.
        let spend = |steps: usize| {
            self.pattern_budget
                .get()
                .checked_sub(steps)
                .map(|left| self.pattern_budget.set(left))
        };
        spend(characters.max(1)).ok_or_else(too_long)?;
        let Some((pattern, factor)) = stored_pattern(source) else {
            return Err(violation(path, "does not match the pattern"));
        };
        spend(characters.max(1) * (factor - 1)).ok_or_else(too_long)?;
        if pattern.is_match(text) {
            Ok(())
        } else {
            Err(violation(path, "does not match the pattern"))
        }
    }

    fn list(&self, schema: &Value, items: &[Value], path: &str) -> Result<Value, SchemaViolation> {
        let limit = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
        let length = u64::try_from(items.len()).unwrap_or(u64::MAX);
        if length < limit("minItems").unwrap_or(0) {
            return Err(violation(path, "has too few items"));
        }
        if length > limit("maxItems").unwrap_or(DEFAULT_MAX_LENGTH) {
            return Err(violation(path, "has too many items"));
        }
        let Some(item_schema) = schema.get("items") else {
            return Ok(Value::Array(items.to_vec()));
        };
        let coerced = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.value(item_schema, item, &element(path, index)));
        coerced.collect::<Result<Vec<_>, _>>().map(Value::Array)
    }
}

/// `value` in one of the types of the schema, converted where that loses nothing.
fn coerce_type(schema: &Value, value: &Value, path: &str) -> Result<Value, SchemaViolation> {
    let types: Vec<&str> = match schema.get("type") {
        None => return Ok(value.clone()),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(one) => one.as_str().into_iter().collect(),
    };
    if types.iter().any(|name| has_type(value, name)) {
        return Ok(value.clone());
    }
    let converted = types.iter().find_map(|name| convert(value, name));
    converted.ok_or_else(|| violation(path, format!("must be of type {}", types.join(" or "))))
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

fn convert(value: &Value, name: &str) -> Option<Value> {
    match (name, value) {
        ("string", Value::Number(number)) => {
            let number = as_integer(number).unwrap_or_else(|| number.clone());
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

fn check_number(schema: &Value, number: f64, path: &str) -> Result<(), SchemaViolation> {
    let limit = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    if limit("minimum").is_some_and(|least| number < least) {
        return Err(violation(path, "is too small"));
    }
    if limit("maximum").is_some_and(|most| number > most) {
        return Err(violation(path, "is too large"));
    }
    Ok(())
}
