//! Link documents: somebody's chain, as they uploaded it years ago, goes on answering.

use std::collections::BTreeSet;

use patchbay::chain::Chain;
use serde_json::{Map, Value};

use crate::fixtures::{json, text};

#[track_caller]
fn read(text: &str) -> Chain {
    match Chain::read(text) {
        Ok(chain) => chain,
        Err(issues) => panic!("it is refused: {issues:?}"),
    }
}

#[test]
fn a_document_is_kept_as_its_fixture_says() {
    let kept = serde_json::to_value(read(&text("links/every-field.yaml")).document()).unwrap();
    assert_eq!(kept, json("links/every-field.json"), "it is kept as\n{kept:#}");
}

#[test]
fn a_document_that_was_kept_answers_and_is_kept_as_it_was() {
    let kept = json("links/every-field.json");
    let chain = match Chain::from_kept(&kept) {
        Ok(chain) => chain,
        Err(issues) => panic!("it answers no more: {issues:?}"),
    };
    assert_eq!(chain.document(), read(&text("links/every-field.yaml")).document());
    assert_eq!(serde_json::to_value(chain.document()).unwrap(), kept);
    // What is downloaded is uploaded again.
    assert_eq!(read(&kept.to_string()).document(), chain.document());
}

#[test]
fn the_document_has_every_field_of_the_schema_and_no_other() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../shared/src/chain/link-document.schema.json")).unwrap();
    let mut walk = Walk {
        schema: &schema,
        met: BTreeSet::new(),
        unknown: Vec::new(),
    };
    walk.go(&schema, "document", &json("links/every-field.json"));
    assert_eq!(
        walk.unknown,
        Vec::<String>::new(),
        "fields that the schema does not have"
    );
    let mut all = BTreeSet::new();
    fields(&schema, "document", &mut all);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        fields(definition, name, &mut all);
    }
    let missing: Vec<&String> = all.difference(&walk.met).collect();
    assert!(
        missing.is_empty(),
        "fields of the schema that links/every-field.yaml does not have: {missing:?}"
    );
    assert!(all.len() > 60, "{all:?}");
}

/// The forms that something may have: itself, or one of several.
fn forms(schema: &Value) -> Vec<&Value> {
    let several = ["oneOf", "anyOf"]
        .into_iter()
        .find_map(|key| schema.get(key)?.as_array());
    several.map_or_else(|| vec![schema], |several| several.iter().collect())
}

/// What tells a form of several from the others: the one word of its `name`, or what it must have.
fn label(form: &Value, at: &str) -> String {
    if let Some(word) = form.pointer("/properties/name/const").and_then(Value::as_str) {
        return format!("{at} {word}");
    }
    at.to_owned()
}

/// Every field of a schema, by where it stands.
fn fields(schema: &Value, at: &str, all: &mut BTreeSet<String>) {
    for form in forms(schema) {
        let at = label(form, at);
        for (name, inner) in form.get("properties").and_then(Value::as_object).unwrap_or(&Map::new()) {
            all.insert(format!("{at}.{name}"));
            fields(inner, &format!("{at}.{name}"), all);
        }
        if let Some(words) = form.get("enum").and_then(Value::as_array) {
            all.extend(words.iter().map(|word| format!("{at} {word}")));
        }
        if let Some(word) = form.get("const").filter(|_| at.rsplit('.').next() != Some("name")) {
            all.insert(format!("{at} {word}"));
        }
    }
}

/// Goes through a document along its schema.
struct Walk<'a> {
    schema: &'a Value,
    met: BTreeSet<String>,
    unknown: Vec<String>,
}

impl Walk<'_> {
    fn go(&mut self, schema: &Value, at: &str, value: &Value) {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let name = reference.rsplit('/').next().unwrap();
            let definition = self.schema["$defs"][name].clone();
            return self.go(&definition, name, value);
        }
        let forms: Vec<&Value> = forms(schema).into_iter().filter(|form| fits(form, value)).collect();
        for form in &forms {
            if form.get("$ref").is_some() {
                self.go(form, at, value);
                continue;
            }
            let at = label(form, at);
            if let Some(items) = form.get("items") {
                for item in value.as_array().unwrap_or(&Vec::new()) {
                    self.go(items, &at, item);
                }
            }
            if form.get("enum").is_some() || form.get("const").is_some() {
                self.met.insert(format!("{at} {value}"));
            }
            if let Some(properties) = form.get("properties") {
                self.object(properties, &at, value);
            }
        }
        if forms.is_empty() {
            self.unknown.push(format!("{at}: {value}"));
        }
    }

    fn object(&mut self, properties: &Value, at: &str, value: &Value) {
        for (name, inner) in value.as_object().unwrap_or(&Map::new()) {
            let at = format!("{at}.{name}");
            let Some(schema) = properties.get(name) else {
                self.unknown.push(at);
                continue;
            };
            self.met.insert(at.clone());
            self.go(schema, &at, inner);
        }
    }
}

/// Whether a value may have this form of several.
fn fits(form: &Value, value: &Value) -> bool {
    if let Some(word) = form.get("const") {
        return word == value;
    }
    if let Some(words) = form.get("enum").and_then(Value::as_array) {
        return words.contains(value);
    }
    if form.get("type").is_some_and(|is| is == "null") {
        return value.is_null();
    }
    if form.get("$ref").is_some() {
        return !value.is_null();
    }
    let name_fits = form
        .pointer("/properties/name/const")
        .is_none_or(|word| value.get("name") == Some(word));
    let required = form.get("required").and_then(Value::as_array);
    let has_required =
        required.is_none_or(|names| names.iter().all(|name| value.get(name.as_str().unwrap()).is_some()));
    name_fits && has_required
}
