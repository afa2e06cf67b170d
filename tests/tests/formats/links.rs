//! Link documents: a chain that was uploaded years ago must still answer.

use std::collections::BTreeSet;

use patchbay::chain::Chain;
use serde_json::{Map, Value};

use crate::fixtures::{json, text};

#[track_caller]
fn read(text: &str) -> Chain {
    match Chain::read(text) {
        Ok(chain) => chain,
        Err(issues) => panic!("the document is refused: {issues:?}"),
    }
}

#[test]
fn a_document_is_stored_as_in_its_fixture() {
    let stored = serde_json::to_value(read(&text("links/every-field.yaml")).document()).unwrap();
    assert_eq!(stored, json("links/every-field.json"), "it is stored as\n{stored:#}");
}

#[test]
fn a_stored_document_answers_and_is_stored_unchanged() {
    let stored = json("links/every-field.json");
    let chain = match Chain::from_stored(&stored) {
        Ok(chain) => chain,
        Err(issues) => panic!("the stored document is refused: {issues:?}"),
    };
    assert_eq!(chain.document(), read(&text("links/every-field.yaml")).document());
    assert_eq!(serde_json::to_value(chain.document()).unwrap(), stored);
    // A downloaded document can be uploaded again.
    assert_eq!(read(&stored.to_string()).document(), chain.document());
}

#[test]
fn the_document_has_every_field_of_the_schema_and_no_other() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../shared/src/chain/link-document.schema.json")).unwrap();
    let mut walk = Walk {
        schema: &schema,
        found: BTreeSet::new(),
        unknown: Vec::new(),
    };
    walk.walk(&schema, "document", &json("links/every-field.json"));
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
    let missing: Vec<&String> = all.difference(&walk.found).collect();
    assert!(
        missing.is_empty(),
        "fields of the schema that links/every-field.yaml does not have: {missing:?}"
    );
    assert!(all.len() > 60, "{all:?}");
}

/// Alternatives of a schema: those of `oneOf` or `anyOf`, or only the schema itself.
fn alternatives(schema: &Value) -> Vec<&Value> {
    let several = ["oneOf", "anyOf"]
        .into_iter()
        .find_map(|key| schema.get(key)?.as_array());
    several.map_or_else(|| vec![schema], |several| several.iter().collect())
}

/// Path of an alternative, with the constant of its `name`, if there is one, to distinguish it from the others.
fn label(form: &Value, path: &str) -> String {
    if let Some(word) = form.pointer("/properties/name/const").and_then(Value::as_str) {
        return format!("{path} {word}");
    }
    path.to_owned()
}

/// Adds the path of every field, and every constant, of a schema.
fn fields(schema: &Value, path: &str, all: &mut BTreeSet<String>) {
    for form in alternatives(schema) {
        let path = label(form, path);
        for (name, inner) in form.get("properties").and_then(Value::as_object).unwrap_or(&Map::new()) {
            all.insert(format!("{path}.{name}"));
            fields(inner, &format!("{path}.{name}"), all);
        }
        if let Some(words) = form.get("enum").and_then(Value::as_array) {
            all.extend(words.iter().map(|word| format!("{path} {word}")));
        }
        if let Some(word) = form.get("const").filter(|_| path.rsplit('.').next() != Some("name")) {
            all.insert(format!("{path} {word}"));
        }
    }
}

/// Walks through a document along its schema.
struct Walk<'a> {
    schema: &'a Value,
    found: BTreeSet<String>,
    unknown: Vec<String>,
}

impl Walk<'_> {
    fn walk(&mut self, schema: &Value, path: &str, value: &Value) {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let name = reference.rsplit('/').next().unwrap();
            let definition = self.schema["$defs"][name].clone();
            return self.walk(&definition, name, value);
        }
        let matching: Vec<&Value> = alternatives(schema)
            .into_iter()
            .filter(|form| fits(form, value))
            .collect();
        for form in &matching {
            if form.get("$ref").is_some() {
                self.walk(form, path, value);
                continue;
            }
            let path = label(form, path);
            if let Some(items) = form.get("items") {
                for item in value.as_array().unwrap_or(&Vec::new()) {
                    self.walk(items, &path, item);
                }
            }
            if form.get("enum").is_some() || form.get("const").is_some() {
                self.found.insert(format!("{path} {value}"));
            }
            if let Some(properties) = form.get("properties") {
                self.object(properties, &path, value);
            }
        }
        if matching.is_empty() {
            self.unknown.push(format!("{path}: {value}"));
        }
    }

    fn object(&mut self, properties: &Value, path: &str, value: &Value) {
        for (name, inner) in value.as_object().unwrap_or(&Map::new()) {
            let path = format!("{path}.{name}");
            let Some(schema) = properties.get(name) else {
                self.unknown.push(path);
                continue;
            };
            self.found.insert(path.clone());
            self.walk(schema, &path, inner);
        }
    }
}

/// Whether a value may have this alternative.
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
