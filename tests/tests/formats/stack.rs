//! Names of the stack that AWS keeps. `CloudFormation` replaces a queue whose logical id or physical name changes, and
//! with it the timer of every running dispatch; a renamed table starts empty.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::fixtures;
use crate::template;

/// New indexes that one update may bring: DynamoDB builds one at a time, and `CloudFormation` fails on two.
const MAX_NEW_INDEXES: usize = 1;

/// Logical id, physical name, keys and dead-letter queue of every queue and table in the template, without indexes.
fn stateful_resources(resources: &Map<String, Value>) -> BTreeMap<String, Value> {
    let stateful = resources.iter().filter_map(|(id, resource)| {
        let properties = &resource["Properties"];
        let kept = match resource["Type"].as_str()? {
            "AWS::SQS::Queue" => json!({
                "name": properties["QueueName"],
                "dead_letters": properties["RedrivePolicy"]["deadLetterTargetArn"],
            }),
            "AWS::DynamoDB::Table" => json!({ "name": properties["TableName"], "keys": properties["KeySchema"] }),
            _ => return None,
        };
        Some((id.clone(), kept))
    });
    stateful.collect()
}

/// Keys and projection of every index of the table, by name.
fn indexes(resources: &Map<String, Value>) -> BTreeMap<String, Value> {
    let indexes = resources["Table"]["Properties"]["GlobalSecondaryIndexes"].as_array();
    let indexes = indexes.into_iter().flatten().map(|index| {
        let kept = json!({ "keys": index["KeySchema"], "projection": index["Projection"] });
        (index["IndexName"].as_str().unwrap().to_owned(), kept)
    });
    indexes.collect()
}

/// What an update from the `released` stack to the one of these resources would break.
fn breaches(released: &Value, resources: &Map<String, Value>) -> Vec<String> {
    let mut breaches = Vec::new();
    let now = stateful_resources(resources);
    for (id, kept) in released["resources"].as_object().unwrap() {
        if now.get(id) != Some(kept) {
            breaches.push(format!(
                "{id} would be replaced, with what is in it: {kept} became {:?}",
                now.get(id)
            ));
        }
    }
    let (now, before) = (indexes(resources), released["indexes"].as_object().unwrap());
    for (name, kept) in before {
        if now.get(name) != Some(kept) {
            breaches.push(format!(
                "index {name} would be rebuilt: {kept} became {:?}",
                now.get(name)
            ));
        }
    }
    let new: Vec<&String> = now.keys().filter(|name| !before.contains_key(*name)).collect();
    if new.len() > MAX_NEW_INDEXES {
        breaches.push(format!("more than {MAX_NEW_INDEXES} new index in one update: {new:?}"));
    }
    breaches
}

#[test]
fn an_update_replaces_no_queue_and_no_table() {
    let faults = breaches(&fixtures::json("stack.json"), &template::resources());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_renamed_queue_a_changed_index_and_two_new_ones_are_noticed() {
    let released = fixtures::json("stack.json");
    let with = |change: fn(&mut Map<String, Value>)| {
        let mut resources = template::resources();
        change(&mut resources);
        breaches(&released, &resources).len()
    };
    assert_eq!(with(|_| {}), 0);
    assert_eq!(
        with(|all| {
            let queue = all.remove("DialingQueue").unwrap();
            all.insert("CallsQueue".to_owned(), queue);
        }),
        1
    );
    assert_eq!(
        with(|all| all["NotificationsQueue"]["Properties"]["QueueName"] = json!("other")),
        1
    );
    assert_eq!(with(|all| all["Table"]["Properties"]["TableName"] = json!("named")), 1);
    let index = |name: &str| json!({ "IndexName": name, "KeySchema": [], "Projection": {} });
    let add = |all: &mut Map<String, Value>, name: &str| {
        all["Table"]["Properties"]["GlobalSecondaryIndexes"]
            .as_array_mut()
            .unwrap()
            .push(index(name));
    };
    let mut resources = template::resources();
    add(&mut resources, "by_one");
    assert_eq!(breaches(&released, &resources), Vec::<String>::new());
    add(&mut resources, "by_another");
    assert_eq!(breaches(&released, &resources).len(), 1);
    assert_eq!(
        with(|all| all["Table"]["Properties"]["GlobalSecondaryIndexes"][0]["KeySchema"] = json!([])),
        1
    );
}
