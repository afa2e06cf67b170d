//! Items of the table, by kind: what is written today, and what must stay readable.

mod chats;
mod contexts;
mod interactions;
mod journeys;
pub(crate) mod readers;
mod stories;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use patchbay::conversation as chat;
use patchbay::dispatch::{Dispatch, Entry};
use patchbay::interaction::{self, Interaction};
use patchbay::webhook::Delivery;
use patchbay_simulators::aws::{clients, retries};
use patchbay_simulators::world::{TABLE, World};
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use crate::kinds;
use crate::shape::{WrittenValues, assert_unchanged};

/// Attributes that are JSON.
const DOCUMENTS: [&str; 3] = ["doc", "calls", "health"];

/// Kinds that have no variants.
const OTHER_KINDS: [&str; 29] = [
    "visitor-contact",
    "visitor-request",
    "visitor-count",
    "conversation",
    "bot",
    "chat-connection",
    "opt-out",
    "silent-receiver",
    "turn",
    "lease",
    "pacing-slot",
    "call-limits",
    "chain",
    "context",
    "token",
    "token-line",
    "kept-call",
    "context-held",
    "agent",
    "skill",
    "customer",
    "customer-interaction",
    "customer-phone",
    "customer-email",
    "thread-sms",
    "thread-whatsapp",
    "opt-out-of-email",
    "opt-out-history-of-email",
    "opt-out-history",
];

/// Every kind of item.
pub(crate) fn all_kinds() -> Vec<String> {
    let prefixed =
        |prefix: &'static str, names: &'static [&'static str]| names.iter().map(move |name| format!("{prefix}-{name}"));
    prefixed("dispatch", kinds::STATES)
        .chain(prefixed("entry", kinds::FACTS))
        .chain(prefixed("delivery", kinds::DELIVERIES))
        .chain(prefixed("chat-entry", kinds::CHAT_FACTS))
        .chain(prefixed("interaction", kinds::INTERACTION_STATES))
        .chain(prefixed("interaction-entry", kinds::INTERACTION_FACTS))
        .chain(OTHER_KINDS.map(str::to_owned))
        .collect()
}

/// The document in an item.
#[track_caller]
pub(crate) fn doc<T: DeserializeOwned>(item: &Value) -> T {
    serde_json::from_value(item["doc"].clone()).unwrap_or_else(|error| panic!("cannot be read: {error}\n{item:#}"))
}

/// Kind of an item.
#[track_caller]
pub(crate) fn kind_of(item: &Value) -> String {
    let text = |name: &str| item[name].as_str().unwrap();
    let kind = match text("sk").split('#').next().unwrap() {
        "D" => return format!("dispatch-{}", kinds::state(&doc::<Dispatch>(item).state)),
        "E" if letter_of(item) == "V" => {
            return format!("chat-entry-{}", kinds::chat_fact(&doc::<chat::Entry>(item).fact));
        }
        "E" if letter_of(item) == "I" => {
            let fact = doc::<interaction::Entry>(item).fact;
            return format!("interaction-entry-{}", kinds::interaction_fact(&fact));
        }
        "E" => return format!("entry-{}", kinds::fact(&doc::<Entry>(item).fact)),
        "W" => return format!("delivery-{}", kinds::delivery(&doc::<Delivery>(item).outcome)),
        "H" if letter_of(item) == "O" && interactions::is_of_email(item) => "opt-out-history-of-email",
        "H" if letter_of(item) == "O" => "opt-out-history",
        "H" if text("pk") == "TURN" => "turn",
        "H" => "silent-receiver",
        "L" => "lease",
        "LIMITS" => "call-limits",
        "P" => "pacing-slot",
        "C" => "chain",
        "B" => "bot",
        "G" => "agent",
        "S" => "skill",
        "V" => "conversation",
        "I" if letter_of(item) == "U" => "customer-interaction",
        "I" => {
            let state = doc::<Interaction>(item).state;
            return format!("interaction-{}", kinds::interaction_state(&state));
        }
        "U" => "customer",
        "ADDRESS" if interactions::is_of_email(item) => "customer-email",
        "ADDRESS" => "customer-phone",
        "CHAT" => "chat-connection",
        "O" if interactions::is_of_email(item) => "opt-out-of-email",
        "O" => "opt-out",
        "R" => "visitor-request",
        "CONTACT" => "visitor-contact",
        "N" => "visitor-count",
        // The caller was forgotten while a call is in `<Pay>`, or only the end of a call is known.
        "X" if item.get("cur").is_none() => "context-held",
        "X" => "context",
        "T" => "token",
        _ if text("pk").ends_with("#TOKENS") => "token-line",
        _ if letter_of(item) == "M" => return format!("thread-{}", interactions::channel_of(item)),
        "A" => "kept-call",
        _ => panic!("an item of an unknown kind: {item:#}"),
    };
    kind.to_owned()
}

/// The letter in the partition of an item of a tenant: what the partition is about.
pub(crate) fn letter_of(item: &Value) -> &str {
    item["pk"].as_str().unwrap().split('#').nth(2).unwrap_or_default()
}

/// An item in the form of a fixture: plain JSON, with documents as JSON instead of strings.
fn plain(item: &HashMap<String, AttributeValue>) -> Value {
    let value = |(name, value): (&String, &AttributeValue)| {
        let value = match value {
            AttributeValue::S(text) if DOCUMENTS.contains(&name.as_str()) => serde_json::from_str(text).unwrap(),
            AttributeValue::S(text) => text.clone().into(),
            AttributeValue::N(digits) => digits.parse::<Number>().unwrap().into(),
            AttributeValue::Bool(yes) => (*yes).into(),
            AttributeValue::Null(_) => Value::Null,
            AttributeValue::M(inner) => plain(inner),
            other => panic!("an attribute of a type that fixtures do not have: {other:?}"),
        };
        (name.clone(), value)
    };
    item.iter().map(value).collect::<Map<_, _>>().into()
}

/// The inverse of [`plain`].
fn item_of(plain: &Value) -> HashMap<String, AttributeValue> {
    let attribute = |(name, value): (&String, &Value)| {
        let attribute = match value {
            doc if DOCUMENTS.contains(&name.as_str()) => AttributeValue::S(doc.to_string()),
            Value::String(text) => AttributeValue::S(text.clone()),
            Value::Number(number) => AttributeValue::N(number.to_string()),
            Value::Bool(yes) => AttributeValue::Bool(*yes),
            Value::Null => AttributeValue::Null(true),
            Value::Object(_) => AttributeValue::M(item_of(value)),
            Value::Array(_) => panic!("no attribute of ours is a list: {value}"),
        };
        (name.clone(), attribute)
    };
    plain.as_object().unwrap().iter().map(attribute).collect()
}

fn client(world: &World) -> Client {
    clients(&world.aws, &retries()).0
}

/// Records every item that is in the table now.
pub(crate) async fn record_items(world: &World, seen: &mut WrittenValues) {
    let mut start = None;
    loop {
        let scan = client(world).scan().table_name(TABLE).set_exclusive_start_key(start);
        let page = scan.send().await.unwrap();
        for item in page.items().iter().map(plain) {
            seen.add(kind_of(&item), item);
        }
        start = page.last_evaluated_key;
        if start.is_none() {
            return;
        }
    }
}

/// Records an answer to `GET /v1/dispatches/{id}`: each line of its timeline by event, and the rest by status.
fn record_answer(seen: &mut WrittenValues, mut answer: Value) {
    for line in answer["timeline"].take().as_array().unwrap() {
        seen.add(format!("line-{}", line["event"].as_str().unwrap()), line.clone());
    }
    answer["timeline"] = Value::Array(Vec::new());
    seen.add(answer["status"].as_str().unwrap().to_owned(), answer);
}

/// Puts an item of a fixture into the table.
async fn put(world: &World, item: &Value) {
    let put = client(world).put_item().table_name(TABLE).set_item(Some(item_of(item)));
    put.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn everything_written_today_has_the_shape_of_its_fixtures() {
    let mut items = WrittenValues::default();
    let mut answers = WrittenValues::default();
    stories::run(&mut items, &mut answers).await;
    journeys::run(&mut items, &mut answers).await;
    contexts::run(&mut items).await;
    chats::run(&mut items).await;
    Box::pin(interactions::run(&mut items)).await;
    let mut faults = items.faults("items", &all_kinds());
    let states = [
        "Calling",
        "Waiting",
        "Accepted",
        "Exhausted",
        "Cancelled",
        "Expired",
        "Resolved",
    ];
    let lines = kinds::FACTS
        .iter()
        .map(|fact| format!("line-{}", fact.replace('-', "_")));
    let all: Vec<String> = states.map(str::to_owned).into_iter().chain(lines).collect();
    faults.extend(answers.faults("answers", &all));
    assert_unchanged(&faults);
}

/// The store's documentation lists every kind of item, and `kind_of` must know each of them.
#[test]
fn every_item_of_the_stores_documentation_is_known() {
    let store = include_str!("../../../../shared/src/store/mod.rs");
    let rows = store
        .lines()
        .filter(|line| line.starts_with("//! | ") && !line.contains("| item |"));
    let sorts: Vec<&str> = rows
        .map(|row| row.split(" | ").last().unwrap().trim_end_matches(" |"))
        .collect();
    let known = [
        "`D`",
        "`E#{entry}`",
        "`W#{entry}`",
        "`H`",
        "`H`",
        "`L`",
        "`LIMITS`",
        "`P`",
        "`C#{chain}`",
        "`B#{bot}`",
        "`CHAT`",
        "`V`",
        "`E#{entry}`",
        "`I`",
        "`E#{entry}`",
        "`U`",
        "`I#{interaction}`",
        "`ADDRESS`",
        "`R`",
        "`CONTACT`",
        "`N#{minute}`",
        "the hash of our sender, or `ANY`",
        "`O`",
        "`A`",
        "`X`",
        "`T`",
        "the SHA-256",
    ];
    assert_eq!(sorts, known, "the store documents items that `kind_of` may not know");
}
