//! JSON Schema, the part that a link needs: what the caller's model must return.
//!
//! A full validator weighs 3.7 MB in a function that has 5.7 (`jsonschema` 0.60, measured), and the keywords that it
//! would add (`$ref`, `oneOf`, `dependentSchemas`, formats) say nothing to a language model. So this is a closed list, and a
//! keyword outside it is refused when the document is uploaded, not ignored when a caller is on the line:
//!
//! - for all: `type` (one or several), `enum`, `const`, and the annotations `title`, `description`, `default`,
//!   `examples`, `format`;
//! - texts: `pattern`, `minLength`, `maxLength`; numbers: `minimum`, `maximum`;
//! - objects: `properties`, `required`, `additionalProperties` (true or false); lists: `items`, `minItems`, `maxItems`.
//!
//! Empty is missing: a model that has nothing to say writes an empty text as often as null. So a blank text is not what a
//! `required` property asks for, unless it says `minLength: 0`; and where the property may be left out and the text does
//! not fit, it is left out.

use std::cell::Cell;
use std::collections::BTreeSet;

use regex_lite::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::source::{Issue, element, field};
use super::wire::Request;
use crate::number::{by_value, whole};

/// Most characters of a text whose schema says nothing of its length: nobody says more on the telephone.
const DEFAULT_MAX_LENGTH: u64 = 1_000;
/// Longest pattern.
const MAX_PATTERN: usize = 500;
/// Bytes that a pattern may have once it is compiled: a search takes as many steps for each character.
const MAX_COMPILED: usize = 64 * 1024;
/// Most characters that are searched with patterns in one request, so that a caller never waits for them.
const MAX_SEARCHED: usize = 8_000;

const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "object", "array", "null"];
const ANNOTATIONS: [&str; 5] = ["title", "description", "default", "examples", "format"];

/// Checks a schema, and tells what is wrong with it. `path` is where it stands.
pub fn check(schema: &Value, path: &str, issues: &mut Vec<Issue>) {
    check_schema(schema, path, issues);
    let Some(fields) = schema.as_object() else { return };
    // The outermost one is always about an object; Agent4's examples leave that out.
    if fields.get("type").is_some_and(|kind| kind != "object") {
        issues.push(Issue::new(field(path, "type"), "must be object"));
    }
    if !fields.contains_key("properties") {
        issues.push(Issue::new(path, "`properties` is missing"));
    }
    for name in names(schema) {
        if !is_name(&name) {
            let at = field(&field(path, "properties"), &name);
            issues.push(Issue::new(
                at,
                "a name has 1 to 64 of a-z, A-Z, 0-9 and _, and no digit first",
            ));
        }
    }
}

/// Whether rules can refer to something by this name.
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && name.len() <= 64 && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

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

/// What a request's context says, by the names that the schema declares.
pub fn arguments(schema: &Value, request: &Request) -> Map<String, Value> {
    request.arguments(&names(schema), single(schema).as_deref())
}

fn check_schema(schema: &Value, path: &str, issues: &mut Vec<Issue>) {
    let Some(fields) = schema.as_object() else {
        issues.push(Issue::new(path, "a schema is an object"));
        return;
    };
    for (keyword, value) in fields {
        check_keyword(keyword, value, &field(path, keyword), issues);
    }
    if let (Some(required), Some(properties)) = (fields.get("required"), fields.get("properties")) {
        for name in required.as_array().into_iter().flatten().filter_map(Value::as_str) {
            if properties.get(name).is_none() {
                let at = field(path, "required");
                issues.push(Issue::new(at, format!("`{name}` is not among the properties")));
            }
        }
    }
}

fn check_keyword(keyword: &str, value: &Value, path: &str, issues: &mut Vec<Issue>) {
    let mut expect = |holds: bool, what: &str| {
        if !holds {
            issues.push(Issue::new(path, what));
        }
    };
    match keyword {
        "type" => {
            let known = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
            let holds = value
                .as_array()
                .map_or_else(|| known(value), |list| !list.is_empty() && list.iter().all(known));
            expect(holds, &format!("must be of: {}", TYPES.join(", ")));
        }
        "enum" => expect(
            value.as_array().is_some_and(|list| !list.is_empty()),
            "must be a list of values",
        ),
        "minLength" | "maxLength" | "minItems" | "maxItems" => expect(value.is_u64(), "must be a whole number from 0"),
        "minimum" | "maximum" => expect(value.is_number(), "must be a number"),
        "additionalProperties" => expect(value.is_boolean(), "must be true or false"),
        "required" => {
            let texts = value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
            expect(texts, "must be a list of names");
        }
        "pattern" => match value.as_str() {
            Some(text) if text.len() <= MAX_PATTERN => {
                if let Err(error) = pattern(text) {
                    expect(false, &format!("is no pattern, or one that repeats too much: {error}"));
                }
            }
            _ => expect(false, "must be a text of at most 500 characters"),
        },
        "properties" => match value.as_object() {
            Some(properties) => {
                for (name, schema) in properties {
                    check_schema(schema, &field(path, name), issues);
                }
            }
            None => expect(false, "must be an object of schemas"),
        },
        "items" => check_schema(value, path, issues),
        "const" => {}
        annotation if ANNOTATIONS.contains(&annotation) => {}
        _ => expect(
            false,
            "is a keyword that is not checked here; see the list in the documentation",
        ),
    }
}

/// A pattern as it is taken today.
fn pattern(text: &str) -> Result<Regex, regex_lite::Error> {
    compiled(text, MAX_COMPILED)
}

fn compiled(text: &str, most: usize) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(text).size_limit(most).build()
}

/// A pattern of a document that is kept, and how many times longer than the largest of today it may take for a character:
/// once, all that the library takes were taken.
fn kept_pattern(text: &str) -> Option<(Regex, usize)> {
    let sized = |times: usize| Some((compiled(text, MAX_COMPILED * times).ok()?, times));
    [1, 8, 64, 512].into_iter().find_map(sized)
}

/// What the schema does not allow, and where; never the value itself, which is the caller's.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn issues(schema: &Value) -> Vec<String> {
        let mut issues = Vec::new();
        check(schema, "p", &mut issues);
        issues.iter().map(ToString::to_string).collect()
    }

    fn fitted(schema: &Value, arguments: &Value) -> Result<Value, String> {
        let arguments = arguments.as_object().expect("an object");
        fit(schema, arguments)
            .map(Value::Object)
            .map_err(|misfit| misfit.to_string())
    }

    #[test]
    fn a_schema_of_the_list_passes_and_anything_else_is_named_with_its_path() {
        let good = json!({
            "properties": {
                "order": { "type": "string", "description": "d", "pattern": "^[A-Z]+$", "minLength": 1, "maxLength": 9 },
                "kind": { "enum": ["a", "b"] },
                "n": { "type": ["integer", "null"], "minimum": 1, "maximum": 5 },
                "list": { "type": "array", "items": { "type": "string" }, "maxItems": 3 },
            },
            "required": ["order"],
        });
        assert_eq!(issues(&good), Vec::<String>::new());
        for (bad, expected) in [
            (json!([]), "p: a schema is an object"),
            (json!({}), "p: `properties` is missing"),
            (json!({ "type": "array", "properties": {} }), "p.type: must be object"),
            (
                json!({ "properties": { "a": { "type": "text" } } }),
                "p.properties.a.type: must be of",
            ),
            (
                json!({ "properties": { "a": { "pattern": "(" } } }),
                "p.properties.a.pattern: is no pattern",
            ),
            (
                json!({ "properties": { "a": { "$ref": "#" } } }),
                "p.properties.a.$ref: is a keyword",
            ),
            (
                json!({ "properties": {}, "required": ["b"] }),
                "p.required: `b` is not among",
            ),
            (json!({ "properties": { "a-b": {} } }), "p.properties.a-b: a name has"),
            (
                json!({ "properties": { "a": { "items": { "minLength": -1 } } } }),
                "p.properties.a.items.minLength: must be",
            ),
        ] {
            let found = issues(&bad);
            assert!(
                found.iter().any(|issue| issue.starts_with(expected)),
                "{bad}: {found:?}"
            );
        }
    }

    #[test]
    fn what_the_model_wrote_is_brought_into_the_declared_types() {
        let schema = json!({ "properties": {
            "t": { "type": "string" }, "i": { "type": "integer" }, "b": { "type": "boolean" }, "x": {},
        } });
        let arguments = json!({ "t": 1009, "i": " 3 ", "b": "yes", "unknown": 1 });
        assert_eq!(
            fitted(&schema, &arguments),
            Ok(json!({ "t": "1009", "i": 3, "b": true, "x": null }))
        );
    }

    #[test]
    fn whole_numbers_are_compared_by_value_and_come_out_whole() {
        let schema = json!({ "properties": {
            "e": { "type": "integer", "enum": [1, 3.0] }, "c": { "const": { "n": [3] } }, "t": { "type": "string" },
            "s": { "type": "integer", "minimum": 3 }, "f": { "type": "number" }, "l": { "enum": [[2]] },
        } });
        let arguments = json!({ "e": 3, "c": { "n": [3.0] }, "t": 3.0, "s": "3.0", "f": 2.5, "l": [2.0] });
        let expected = json!({ "e": 3, "c": { "n": [3] }, "t": "3", "s": 3, "f": 2.5, "l": [2] });
        let written = fitted(&schema, &arguments).map(|value| value.to_string());
        assert_eq!(written, Ok(expected.to_string()));
        let other = fitted(&schema, &json!({ "e": 1.5 }));
        assert!(other.is_err(), "{other:?}");
        assert_eq!(
            fitted(&schema, &json!({ "e": 2.0 })),
            Err("e: is not one of the values that are allowed".into())
        );
    }

    #[test]
    fn what_the_schema_does_not_allow_is_named_and_never_repeated() {
        let schema = json!({
            "properties": {
                "t": { "type": "string", "pattern": "^[A-Z]{2}$", "maxLength": 9 },
                "n": { "type": "integer", "minimum": 1, "maximum": 5 },
                "e": { "enum": ["a"] },
                "l": { "type": "array", "items": { "type": "integer" }, "minItems": 1 },
                "free": { "type": "string" },
            },
            "required": ["t"],
        });
        for (arguments, expected) in [
            (json!({}), "t: is missing"),
            (json!({ "t": null }), "t: is missing"),
            (json!({ "t": "secret" }), "t: does not match the pattern"),
            (json!({ "t": "secretsecret" }), "t: is too long"),
            (json!({ "t": {} }), "t: must be of type string"),
            (json!({ "t": "AB", "n": 9 }), "n: is too large"),
            (json!({ "t": "AB", "n": 1.5 }), "n: must be of type integer"),
            (
                json!({ "t": "AB", "e": "z" }),
                "e: is not one of the values that are allowed",
            ),
            (json!({ "t": "AB", "l": [] }), "l: has too few items"),
            (json!({ "t": "AB", "l": ["1", "x"] }), "l[1]: must be of type integer"),
            (json!({ "t": "AB", "free": "x".repeat(1_001) }), "free: is too long"),
        ] {
            assert_eq!(fitted(&schema, &arguments), Err(expected.to_owned()), "{arguments}");
        }
        let closed = json!({ "properties": {}, "additionalProperties": false });
        assert!(fitted(&closed, &json!({ "a": 1 })).is_err());
    }

    #[test]
    fn when_nobody_can_be_asked_again_a_misfit_is_nothing() {
        let schema =
            json!({ "properties": { "n": { "type": "integer" }, "t": { "type": "string" } }, "required": ["n"] });
        let arguments = json!({ "n": "many", "t": "a" });
        let loosely = fit_loosely(&schema, arguments.as_object().expect("an object"));
        assert_eq!(Value::Object(loosely), json!({ "n": null, "t": "a" }));
    }

    proptest! {
        #[test]
        fn any_text_fits_or_not_without_a_panic(text in "\\PC{0,80}", pattern in "[a-z.*+?()\\[\\]^$|{}0-9]{0,20}") {
            let schema = json!({ "properties": { "a": { "type": "string", "pattern": pattern } } });
            let mut issues = Vec::new();
            check(&schema, "", &mut issues);
            let _ = fitted(&schema, &json!({ "a": text }));
        }
    }

    #[test]
    fn empty_is_missing_where_something_must_be_there() {
        let schema = |extra: Value| {
            let mut text = json!({ "type": "string" });
            text.as_object_mut()
                .expect("an object")
                .extend(extra.as_object().expect("an object").clone());
            json!({ "properties": { "t": text }, "required": ["t"] })
        };
        for blank in ["", " ", "\t\r\n", "\u{a0}"] {
            let given = json!({ "t": blank });
            for extra in [
                json!({}),
                json!({ "minLength": 1 }),
                json!({ "pattern": "" }),
                json!({ "enum": ["a"] }),
            ] {
                assert_eq!(fitted(&schema(extra), &given), Err("t: is missing".into()), "{blank:?}");
            }
            for extra in [
                json!({ "minLength": 0 }),
                json!({ "enum": ["a", blank] }),
                json!({ "const": blank }),
            ] {
                assert_eq!(fitted(&schema(extra), &given), Ok(given.clone()), "{blank:?}");
            }
            // What may be left out is left out when it does not fit, and else stays what it is.
            for (property, left) in [
                (json!({ "type": "boolean" }), Value::Null),
                (json!({ "type": "string", "pattern": "^[0-9]+$" }), Value::Null),
                (json!({ "type": "string" }), json!(blank)),
            ] {
                let optional = json!({ "properties": { "t": property } });
                assert_eq!(fitted(&optional, &given), Ok(json!({ "t": left })), "{property}");
            }
            let loosely = fit_loosely(&schema(json!({})), given.as_object().expect("an object"));
            assert_eq!(Value::Object(loosely), json!({ "t": null }));
        }
    }

    #[test]
    fn a_pattern_that_was_taken_before_is_searched_still_as_far_as_there_is_time() {
        let schema = json!({ "properties": { "a": { "type": "string", "pattern": "^(.{0,100}){0,50}x$" } } });
        assert!(!issues(&schema).is_empty());
        let given = json!({ "a": "order x" });
        assert_eq!(fitted(&schema, &given), Ok(given));
        assert_eq!(
            fitted(&schema, &json!({ "a": "order" })),
            Err("a: does not match the pattern".into())
        );
        let list = json!({ "properties": { "l": { "type": "array", "items": schema["properties"]["a"] } } });
        let why = fitted(&list, &json!({ "l": vec!["x".repeat(100); 80] }));
        assert_eq!(why, Err("l[10]: is too long for a pattern, with all before it".into()));
    }

    #[test]
    fn no_pattern_keeps_a_caller_waiting() {
        let refused = issues(&json!({ "properties": { "a": { "pattern": "(.{0,100}){0,50}x" } } }));
        assert!(
            refused.iter().any(|issue| issue.contains("repeats too much")),
            "{refused:?}"
        );
        // The largest that are taken, as many as fit into a request.
        for pattern in ["^(.{1,500}x?)$", "((a*)*)*b", "(x?){200}y", "^[A-Za-z0-9#_./-]{1,40}$"] {
            let schema = json!({ "properties": {
                "a": { "type": "string", "pattern": pattern, "maxLength": 70_000 },
                "l": { "type": "array", "items": { "type": "string", "pattern": pattern } },
            } });
            assert_eq!(issues(&schema), Vec::<String>::new(), "{pattern}");
            let started = std::time::Instant::now();
            let _ = fitted(&schema, &json!({ "a": "a".repeat(60_000) }));
            let _ = fitted(&schema, &json!({ "a": "a".repeat(MAX_SEARCHED) }));
            let _ = fitted(&schema, &json!({ "l": vec!["a".repeat(60); 1_000] }));
            // A machine that is busy and builds without optimisation takes a tenth of it.
            assert!(started.elapsed().as_secs() < 4, "{pattern}: {:?}", started.elapsed());
        }
    }
}
