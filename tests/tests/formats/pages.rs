//! The pages name every field and word that users see.

use std::collections::{BTreeMap, BTreeSet};

use patchbay::telemetry::METRICS;
use serde_json::{Value, json};

use crate::fields::FIELDS;
use crate::fixtures;
use crate::interactions;
use crate::kinds;

const DISPATCHES: &str = include_str!("../../../functions/dispatches/README.md");
const NOTIFIER: &str = include_str!("../../../functions/notifier/README.md");
const INFRA: &str = include_str!("../../../infra/README.md");
const BOT: &str = include_str!("../../../functions/bot/README.md");
const CALLS: &str = include_str!("../../../functions/calls/README.md");

/// Names in `words.json` that are not part of the dispatch API.
const OTHER_APIS: [&str; 5] = [
    "limit of calls to a number",
    "scope of a token",
    "sequences of the statuses of a call",
    "status of a context",
    "type of a purchase",
];

/// The reason to be exhausted that is left out where it is written.
const DEFAULT_REASON: &str = "nobody_left";

/// Those of `names` that are not in the text as code or as a word of a list.
fn missing<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let words: Vec<&str> = text.split(|c| !is_part(c)).collect();
    names.into_iter().filter(|name| !words.contains(name)).collect()
}

#[test]
fn every_policy_field_is_in_the_table() {
    let (_, fields) = FIELDS.iter().find(|(of, _)| *of == "Policy").unwrap();
    let table = DISPATCHES
        .split("\n## Policy\n")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    assert_eq!(missing(table, fields.iter().copied()), [""; 0]);
}

#[test]
fn every_event_and_word_of_a_dispatch_is_on_a_page() {
    let events: Vec<String> = kinds::FACTS.iter().map(|fact| fact.replace('-', "_")).collect();
    assert_eq!(missing(DISPATCHES, events.iter().map(String::as_str)), [""; 0]);
    let pages = format!("{DISPATCHES}{NOTIFIER}");
    for (of, words) in fixtures::json("words.json").as_object().unwrap() {
        if !OTHER_APIS.contains(&of.as_str()) {
            let words = words
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str)
                .filter(|word| *word != DEFAULT_REASON);
            assert_eq!(missing(&pages, words), [""; 0], "{of}");
        }
    }
}

#[test]
fn every_word_of_a_chat_is_on_the_page_about_its_timeline() {
    for (of, words) in fixtures::json("chat-words.json").as_object().unwrap() {
        // A variant with a content is an object whose only name is the word.
        let word = |word: &Value| match word {
            Value::Object(variant) => variant.keys().next().unwrap().clone(),
            word => word.as_str().unwrap().to_owned(),
        };
        let words: Vec<String> = words.as_array().unwrap().iter().map(word).collect();
        assert_eq!(missing(BOT, words.iter().map(String::as_str)), [""; 0], "{of}");
    }
}

#[test]
fn every_word_of_an_interaction_is_on_the_page_of_its_api() {
    for (of, words) in fixtures::json("interaction-words.json").as_object().unwrap() {
        let words = words.as_array().unwrap().iter().filter_map(Value::as_str);
        assert_eq!(missing(CALLS, words), [""; 0], "{of}");
    }
}

/// The table of the timeline has one row for each fact, with all fields of that fact and no others.
#[test]
fn the_table_of_facts_has_the_fields_of_each() {
    let (_, table) = CALLS.split_once("| `fact` in the timeline |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let written: BTreeMap<String, BTreeSet<String>> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').collect();
            let names = |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
            let [name] = names(cells[1]).try_into().unwrap();
            (name, BTreeSet::from_iter(names(cells[2])))
        })
        .collect();
    let mut stored = BTreeMap::<String, BTreeSet<String>>::new();
    for fact in interactions::facts() {
        let mut fields = json!(fact).as_object().unwrap().clone();
        let name = fields.remove("fact").unwrap().as_str().unwrap().to_owned();
        stored
            .entry(name)
            .or_default()
            .extend(fields.into_iter().map(|(field, _)| field));
    }
    assert_eq!(written, stored);
}

#[test]
fn every_metric_is_on_the_operator_s_page() {
    assert_eq!(missing(INFRA, METRICS.iter().map(|(name, _)| *name)), [""; 0]);
}

#[test]
fn a_missing_name_is_found() {
    assert_eq!(
        missing("| `wrong_keys`, busy", ["keys", "busy", "wrong_keys"]),
        ["keys"]
    );
}
