//! Checks that a schema uses only the supported keywords.

use serde_json::Value;

use super::pattern::{MAX_PATTERN, pattern};
use super::{is_name, property_names};
use crate::flow::source::{Issue, field};

const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "object", "array", "null"];
const ANNOTATIONS: [&str; 5] = ["title", "description", "default", "examples", "format"];

/// Checks a schema at `path` and appends what is wrong with it to `issues`.
pub fn check(schema: &Value, path: &str, issues: &mut Vec<Issue>) {
    check_schema(schema, path, issues);
    let Some(fields) = schema.as_object() else { return };
    // The outermost schema always describes an object. Published examples omit `type`.
    if fields.get("type").is_some_and(|kind| kind != "object") {
        issues.push(Issue::new(field(path, "type"), "must be `object`"));
    }
    if !fields.contains_key("properties") {
        issues.push(Issue::new(path, "`properties` is missing"));
    }
    for name in property_names(schema) {
        if !is_name(&name) {
            let at = field(&field(path, "properties"), &name);
            issues.push(Issue::new(
                at,
                "a name has 1 to 64 characters of a-z, A-Z, 0-9 and _, and does not begin with a digit",
            ));
        }
    }
}

fn check_schema(schema: &Value, path: &str, issues: &mut Vec<Issue>) {
    let Some(fields) = schema.as_object() else {
        issues.push(Issue::new(path, "a schema must be an object"));
        return;
    };
    for (keyword, value) in fields {
        check_keyword(keyword, value, &field(path, keyword), issues);
    }
    if let (Some(required), Some(properties)) = (fields.get("required"), fields.get("properties")) {
        for name in required.as_array().into_iter().flatten().filter_map(Value::as_str) {
            if properties.get(name).is_none() {
                let at = field(path, "required");
                issues.push(Issue::new(at, format!("`{name}` is not one of the properties")));
            }
        }
    }
}

fn check_keyword(keyword: &str, value: &Value, path: &str, issues: &mut Vec<Issue>) {
    let mut expect = |is_valid: bool, what: &str| {
        if !is_valid {
            issues.push(Issue::new(path, what));
        }
    };
    match keyword {
        "type" => {
            let known = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
            let is_valid = value
                .as_array()
                .map_or_else(|| known(value), |list| !list.is_empty() && list.iter().all(known));
            expect(is_valid, &format!("must be one or several of: {}", TYPES.join(", ")));
        }
        "enum" => expect(
            value.as_array().is_some_and(|list| !list.is_empty()),
            "must be a non-empty list of values",
        ),
        "minLength" | "maxLength" | "minItems" | "maxItems" => {
            expect(value.is_u64(), "must be a whole number, 0 or greater");
        }
        "minimum" | "maximum" => expect(value.is_number(), "must be a number"),
        "additionalProperties" => expect(value.is_boolean(), "must be true or false"),
        "required" => {
            let texts = value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
            expect(texts, "must be a list of names");
        }
        "pattern" => match value.as_str() {
            Some(text) if text.len() <= MAX_PATTERN => {
                if let Err(error) = pattern(text) {
                    expect(
                        false,
                        &format!("is not a valid pattern, or its repetitions are too large: {error}"),
                    );
                }
            }
            _ => expect(false, "must be a string of at most 500 bytes"),
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
        _ => expect(false, "is not a supported keyword; see the list in the documentation"),
    }
}
