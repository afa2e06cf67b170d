use proptest::prelude::*;
use serde_json::{Value, json};

use super::coerce::PATTERN_BUDGET;
use super::*;

fn issues(schema: &Value) -> Vec<String> {
    let mut issues = Vec::new();
    check(schema, "p", &mut issues);
    issues.iter().map(ToString::to_string).collect()
}

fn coerced(schema: &Value, arguments: &Value) -> Result<Value, String> {
    let arguments = arguments.as_object().expect("an object");
    coerce(schema, arguments)
        .map(Value::Object)
        .map_err(|violation| violation.to_string())
}

#[test]
fn unsupported_schema_is_reported_with_its_path() {
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
        (json!([]), "p: a schema must be an object"),
        (json!({}), "p: `properties` is missing"),
        (json!({ "type": "array", "properties": {} }), "p.type: must be `object`"),
        (
            json!({ "properties": { "a": { "type": "text" } } }),
            "p.properties.a.type: must be one or several of",
        ),
        (
            json!({ "properties": { "a": { "pattern": "(" } } }),
            "p.properties.a.pattern: is not a valid pattern",
        ),
        (
            json!({ "properties": { "a": { "$ref": "#" } } }),
            "p.properties.a.$ref: is not a supported keyword",
        ),
        (
            json!({ "properties": {}, "required": ["b"] }),
            "p.required: `b` is not one of",
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
fn arguments_are_coerced_to_the_declared_types() {
    let schema = json!({ "properties": {
        "t": { "type": "string" }, "i": { "type": "integer" }, "b": { "type": "boolean" }, "x": {},
    } });
    let arguments = json!({ "t": 1009, "i": " 3 ", "b": "yes", "unknown": 1 });
    assert_eq!(
        coerced(&schema, &arguments),
        Ok(json!({ "t": "1009", "i": 3, "b": true, "x": null }))
    );
}

#[test]
fn whole_numbers_are_compared_by_value_and_stay_whole() {
    let schema = json!({ "properties": {
        "e": { "type": "integer", "enum": [1, 3.0] }, "c": { "const": { "n": [3] } }, "t": { "type": "string" },
        "s": { "type": "integer", "minimum": 3 }, "f": { "type": "number" }, "l": { "enum": [[2]] },
    } });
    let arguments = json!({ "e": 3, "c": { "n": [3.0] }, "t": 3.0, "s": "3.0", "f": 2.5, "l": [2.0] });
    let expected = json!({ "e": 3, "c": { "n": [3] }, "t": "3", "s": 3, "f": 2.5, "l": [2] });
    let written = coerced(&schema, &arguments).map(|value| value.to_string());
    assert_eq!(written, Ok(expected.to_string()));
    let other = coerced(&schema, &json!({ "e": 1.5 }));
    assert!(other.is_err(), "{other:?}");
    assert_eq!(
        coerced(&schema, &json!({ "e": 2.0 })),
        Err("e: is not one of the allowed values".into())
    );
}

#[test]
fn violation_is_named_without_the_value() {
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
        (json!({ "t": "AB", "e": "z" }), "e: is not one of the allowed values"),
        (json!({ "t": "AB", "l": [] }), "l: has too few items"),
        (json!({ "t": "AB", "l": ["1", "x"] }), "l[1]: must be of type integer"),
        (json!({ "t": "AB", "free": "x".repeat(1_001) }), "free: is too long"),
    ] {
        assert_eq!(coerced(&schema, &arguments), Err(expected.to_owned()), "{arguments}");
    }
    let closed = json!({ "properties": {}, "additionalProperties": false });
    assert!(coerced(&closed, &json!({ "a": 1 })).is_err());
}

#[test]
fn violation_becomes_null_without_a_retry() {
    let schema = json!({ "properties": { "n": { "type": "integer" }, "t": { "type": "string" } }, "required": ["n"] });
    let arguments = json!({ "n": "many", "t": "a" });
    let loosely = coerce_or_null(&schema, arguments.as_object().expect("an object"));
    assert_eq!(Value::Object(loosely), json!({ "n": null, "t": "a" }));
}

proptest! {
    #[test]
    fn any_text_and_pattern_are_coerced_without_a_panic(text in "\\PC{0,80}", pattern in "[a-z.*+?()\\[\\]^$|{}0-9]{0,20}") {
        let schema = json!({ "properties": { "a": { "type": "string", "pattern": pattern } } });
        let mut issues = Vec::new();
        check(&schema, "", &mut issues);
        let _ = coerced(&schema, &json!({ "a": text }));
    }
}

#[test]
fn blank_counts_as_missing_for_a_required_property() {
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
            assert_eq!(
                coerced(&schema(extra), &given),
                Err("t: is missing".into()),
                "{blank:?}"
            );
        }
        for extra in [
            json!({ "minLength": 0 }),
            json!({ "enum": ["a", blank] }),
            json!({ "const": blank }),
        ] {
            assert_eq!(coerced(&schema(extra), &given), Ok(given.clone()), "{blank:?}");
        }
        // An optional blank value is dropped when it violates the schema, and else kept.
        for (property, left) in [
            (json!({ "type": "boolean" }), Value::Null),
            (json!({ "type": "string", "pattern": "^[0-9]+$" }), Value::Null),
            (json!({ "type": "string" }), json!(blank)),
        ] {
            let optional = json!({ "properties": { "t": property } });
            assert_eq!(coerced(&optional, &given), Ok(json!({ "t": left })), "{property}");
        }
        let loosely = coerce_or_null(&schema(json!({})), given.as_object().expect("an object"));
        assert_eq!(Value::Object(loosely), json!({ "t": null }));
    }
}

#[test]
fn stored_pattern_over_the_limit_still_matches_within_the_budget() {
    let schema = json!({ "properties": { "a": { "type": "string", "pattern": "^(.{0,100}){0,50}x$" } } });
    assert!(!issues(&schema).is_empty());
    let given = json!({ "a": "order x" });
    assert_eq!(coerced(&schema, &given), Ok(given));
    assert_eq!(
        coerced(&schema, &json!({ "a": "order" })),
        Err("a: does not match the pattern".into())
    );
    let list = json!({ "properties": { "l": { "type": "array", "items": schema["properties"]["a"] } } });
    let result = coerced(&list, &json!({ "l": vec!["x".repeat(100); 80] }));
    assert_eq!(
        result,
        Err("l[10]: has too much text to match against patterns, with the values before it".into())
    );
}

#[test]
fn pattern_cost_is_bounded() {
    let refused = issues(&json!({ "properties": { "a": { "pattern": "(.{0,100}){0,50}x" } } }));
    assert!(
        refused.iter().any(|issue| issue.contains("repetitions are too large")),
        "{refused:?}"
    );
    // The most expensive accepted patterns, as many as fit into a request.
    for pattern in ["^(.{1,500}x?)$", "((a*)*)*b", "(x?){200}y", "^[A-Za-z0-9#_./-]{1,40}$"] {
        let schema = json!({ "properties": {
            "a": { "type": "string", "pattern": pattern, "maxLength": 70_000 },
            "l": { "type": "array", "items": { "type": "string", "pattern": pattern } },
        } });
        assert_eq!(issues(&schema), Vec::<String>::new(), "{pattern}");
        let started = std::time::Instant::now();
        let _ = coerced(&schema, &json!({ "a": "a".repeat(60_000) }));
        let _ = coerced(&schema, &json!({ "a": "a".repeat(PATTERN_BUDGET) }));
        let _ = coerced(&schema, &json!({ "l": vec!["a".repeat(60); 1_000] }));
        // Even a busy machine takes a tenth of that, in a build without optimization.
        assert!(started.elapsed().as_secs() < 4, "{pattern}: {:?}", started.elapsed());
    }
}
