//! Bodies of webhooks, which receivers were built to read.

use std::collections::BTreeSet;

use notifier::payload::dispatch::payload;
use patchbay::dispatch::{Dispatch, Entry};
use patchbay::webhook::event_id;
use serde_json::Value;

use crate::fixtures::{json, list, names};
use crate::kinds;

#[test]
fn every_webhook_has_the_body_of_its_fixture() {
    let fixture = json("webhooks.json");
    let dispatch: Dispatch = serde_json::from_value(fixture["dispatch"].clone()).unwrap();
    let mut faults = Vec::new();
    for case in fixture["webhooks"].as_array().unwrap() {
        let entry: Entry = serde_json::from_value(case["entry"].clone()).unwrap();
        let id = event_id(&dispatch.key.clone().into(), &entry.id);
        if case["id"] != id {
            faults.push(format!("the id of {} is {id}", entry.id));
        }
        let body = payload(&dispatch, &entry).unwrap_or_default();
        if case["body"] != body {
            let expected = &case["body"];
            faults.push(format!(
                "the body of {} is no longer\n{expected:#}\nbut\n{body:#}",
                case["entry"]
            ));
        }
    }
    assert!(faults.is_empty(), "tests/formats/webhooks.json:\n{}", faults.join("\n"));
}

/// Covers every event type of the entries in the table, and every field that a body may have.
#[test]
fn every_type_of_webhook_has_a_fixture() {
    let fixture = json("webhooks.json");
    let cases = fixture["webhooks"].as_array().unwrap();
    let types: BTreeSet<&str> = cases
        .iter()
        .map(|case| case["body"]["type"].as_str().unwrap())
        .collect();
    let entries = names("items").into_iter().filter(|name| name.starts_with("entry-"));
    let entries: Vec<Entry> = entries
        .flat_map(|name| list(&format!("items/{name}.json")))
        .map(|item| serde_json::from_value(item["doc"].clone()).unwrap())
        .collect();
    for kind in kinds::FACTS {
        assert!(
            entries.iter().any(|entry| kinds::fact(&entry.fact) == *kind),
            "no entry of the kind {kind}"
        );
    }
    for entry in &entries {
        if let Some(of) = entry.fact.event_type() {
            assert!(types.contains(of), "no fixture of the webhook `{of}`");
        }
    }
    let shown = |name: &str| cases.iter().any(|case| case["body"]["data"].get(name).is_some());
    let all = [
        "dispatch",
        "reference",
        "sequence",
        "status",
        "at",
        "employee",
        "attempt",
        "reason",
        "late",
        "resolve_by",
    ];
    for name in all {
        assert!(shown(name), "no fixture with `{name}`");
    }
    let known = |case: &Value| {
        case["body"]["data"]
            .as_object()
            .unwrap()
            .keys()
            .all(|name| all.contains(&name.as_str()))
    };
    assert!(cases.iter().all(known), "a field that is not listed here");
}
