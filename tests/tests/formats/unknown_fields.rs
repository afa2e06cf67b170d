//! A reader ignores fields that a later version adds: functions of two versions run side by side during an update, and
//! an update may be rolled back.

use patchbay::dispatch::work::Message;
use patchbay::outbox::QueuedMessage;
use patchbay::webhook::Notice;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::fixtures::{json, list, names};
use crate::items::readers::written_again;
use crate::shape::MAPS;

const NEW_FIELD: &str = "field_of_a_later_version";
/// Kinds whose `doc` is a struct of ours. A chain is its author's document, and is refused if it needs a later version.
const KINDS_WITH_DOC: [&str; 10] = [
    "dispatch",
    "entry",
    "delivery",
    "token",
    "kept",
    "conversation",
    "chat",
    "visitor",
    "interaction",
    "customer",
];
/// Variants whose contents are written as the only field of an object. A later version adds fields to the contents.
const VARIANTS: [&str; 6] = ["begun", "call", "dispatch", "hand_over", "human", "queue"];
/// Objects that belong to others, and are kept as they are: the body of a request for a dispatch.
const FREE: &str = "request";

/// Copies of `value`, one for each of its objects, with an additional field there.
fn with_new_field(value: &Value) -> Vec<Value> {
    let mut pointers = Vec::new();
    collect_objects("", value, &mut pointers);
    let copy = |pointer: &String| {
        let mut copy = value.clone();
        copy.pointer_mut(pointer).unwrap()[NEW_FIELD] = json!({ "a": [1, "b"] });
        copy
    };
    pointers.iter().map(copy).collect()
}

/// Pointers to every object whose names are fields.
fn collect_objects(pointer: &str, value: &Value, pointers: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            if name == FREE {
                return;
            }
            let is_variant = fields.len() == 1 && fields.keys().all(|name| VARIANTS.contains(&name.as_str()));
            if !MAPS.contains(&name) && !is_variant {
                pointers.push(pointer.to_owned());
            }
            for (name, inner) in fields {
                collect_objects(&format!("{pointer}/{name}"), inner, pointers);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                collect_objects(&format!("{pointer}/{index}"), inner, pointers);
            }
        }
        _ => {}
    }
}

#[test]
fn unknown_fields_of_an_item_are_ignored() {
    let mut read = 0;
    for kind in names("items") {
        if !KINDS_WITH_DOC.contains(&kind.split('-').next().unwrap()) {
            continue;
        }
        for item in list(&format!("items/{kind}.json")) {
            for doc in with_new_field(&item["doc"]) {
                // The state in a saved call belongs to the chain's author.
                if kind == "kept-call" && doc.get(NEW_FIELD).is_none() {
                    continue;
                }
                let mut newer = item.clone();
                newer["doc"] = doc.clone();
                assert_eq!(written_again(&newer), item["doc"], "{kind}: {doc:#}");
                read += 1;
            }
        }
    }
    assert!(read > 200, "{read}");
}

/// Reads every message of a fixture with an additional field in each of its objects.
fn ignores_unknown_fields<M>(fixture: &str)
where
    M: DeserializeOwned + PartialEq + std::fmt::Debug,
{
    for (name, message) in json(fixture).as_object().unwrap() {
        let expected: QueuedMessage<M> = serde_json::from_value(message.clone()).unwrap();
        for newer in with_new_field(message) {
            match serde_json::from_value::<QueuedMessage<M>>(newer.clone()) {
                Ok(read) => assert_eq!(read, expected, "{fixture}: {name}"),
                Err(error) => panic!("{fixture}: {name}: {error}\n{newer:#}"),
            }
        }
    }
}

#[test]
fn unknown_fields_of_a_message_are_ignored() {
    ignores_unknown_fields::<Message>("messages.json");
    ignores_unknown_fields::<Notice>("notices.json");
    ignores_unknown_fields::<patchbay::conversation::Message>("chat-messages.json");
    ignores_unknown_fields::<patchbay::interaction::Message>("interaction-messages.json");
}

#[test]
fn a_field_is_added_to_every_object_but_to_no_map() {
    let value = json!({ "a": { "b": [{ "c": 1 }] }, "rejected": { "0": 1 } });
    let copies = with_new_field(&value);
    let with = |pointer: &str| copies.iter().filter(|copy| copy.pointer(pointer).is_some()).count();
    let pointers = ["", "/a", "/a/b/0"].map(|object| with(&format!("{object}/{NEW_FIELD}")));
    assert_eq!((copies.len(), pointers), (3, [1, 1, 1]));
}
