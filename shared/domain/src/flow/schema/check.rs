//! Whether a schema is one of those that are understood.

use serde_json::Value;

use super::pattern::{MAX_PATTERN, pattern};
use super::{is_name, names};
use crate::flow::source::{Issue, field};

const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "object", "array", "null"];
const ANNOTATIONS: [&str; 5] = ["title", "description", "default", "examples", "format"];

/// Checks a schema, and tells what is wrong with it. `path` is where it stands.
pub fn check(schema: &Value, path: &str, issues: &mut Vec<Issue>) {
    check_schema(schema, path, issues);
    let Some(fields) = schema.as_object() else { return };
    // The outermost one is always about an object; examples that people copy leave that out.
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
