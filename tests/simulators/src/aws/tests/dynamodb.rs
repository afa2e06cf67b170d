//! The behavior of DynamoDB that patchbay's store depends on.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, Delete, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    KeysAndAttributes, Projection, ProjectionType, Put, PutRequest, ReturnValuesOnConditionCheckFailure,
    ScalarAttributeType, TimeToLiveSpecification, TimeToLiveStatus, TransactWriteItem, WriteRequest,
};

use super::world;
use crate::aws::dynamodb::DynamoDb;
use crate::journal::Journal;

type Item = HashMap<String, AttributeValue>;

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn item(pk: &str, sk: &str, more: &[(&str, AttributeValue)]) -> Item {
    let keys = [("pk", s(pk)), ("sk", s(sk))];
    keys.iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

pub(super) async fn create_table(client: &Client) {
    let attribute = |name: &str| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .unwrap()
    };
    let key = |name: &str, kind: KeyType| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .unwrap()
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name("by-day")
        .key_schema(key("gpk", KeyType::Hash))
        .key_schema(key("gsk", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()
        .unwrap();
    client
        .create_table()
        .table_name("patchbay")
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(["pk", "sk", "gpk", "gsk"].map(attribute).to_vec()))
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .global_secondary_indexes(index)
        .send()
        .await
        .unwrap();
}

async fn put(client: &Client, item: Item) {
    client
        .put_item()
        .table_name("patchbay")
        .set_item(Some(item))
        .send()
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failed_condition_returns_the_item() {
    let w = world(1);
    create_table(&w.dynamodb).await;
    put(
        &w.dynamodb,
        item("d#1", "state", &[("version", AttributeValue::N("3".into()))]),
    )
    .await;
    let error = w
        .dynamodb
        .put_item()
        .table_name("patchbay")
        .set_item(Some(item("d#1", "state", &[])))
        .condition_expression("version = :v")
        .expression_attribute_values(":v", AttributeValue::N("2".into()))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await
        .unwrap_err();
    let PutItemError::ConditionalCheckFailedException(failed) = error.into_service_error() else {
        panic!("not a failed condition")
    };
    assert_eq!(
        failed.item().unwrap().get("version"),
        Some(&AttributeValue::N("3".into()))
    );
    assert_eq!(failed.message(), Some("The conditional request failed"));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_transaction_returns_reasons_and_item_and_writes_nothing() {
    let w = world(1);
    create_table(&w.dynamodb).await;
    put(
        &w.dynamodb,
        item("d#1", "state", &[("version", AttributeValue::N("3".into()))]),
    )
    .await;
    let timeline = Put::builder()
        .table_name("patchbay")
        .set_item(Some(item("d#1", "t#1", &[])))
        .build()
        .unwrap();
    let state = Put::builder()
        .table_name("patchbay")
        .set_item(Some(item("d#1", "state", &[])))
        .condition_expression("attribute_not_exists(pk)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .unwrap();
    let transaction = w
        .dynamodb
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().put(timeline).build())
        .transact_items(TransactWriteItem::builder().put(state).build());
    let error = transaction.send().await.unwrap_err();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error.into_service_error() else {
        panic!("not cancelled")
    };
    let reasons = cancelled.cancellation_reasons();
    assert_eq!(
        reasons.iter().map(|r| r.code().unwrap()).collect::<Vec<_>>(),
        ["None", "ConditionalCheckFailed"]
    );
    assert_eq!(
        reasons[1].item().unwrap().get("version"),
        Some(&AttributeValue::N("3".into()))
    );
    let timeline = w
        .dynamodb
        .get_item()
        .table_name("patchbay")
        .set_key(Some(item("d#1", "t#1", &[])))
        .send()
        .await;
    assert_eq!(timeline.unwrap().item, None);
}

#[tokio::test(start_paused = true)]
async fn a_query_pages_through_a_prefix_in_order() {
    let w = world(1);
    create_table(&w.dynamodb).await;
    for n in 0..7 {
        put(&w.dynamodb, item("d#1", &format!("t#{n}"), &[])).await;
    }
    put(&w.dynamodb, item("d#1", "state", &[])).await;
    put(&w.dynamodb, item("d#2", "t#9", &[])).await;
    let query = w
        .dynamodb
        .query()
        .table_name("patchbay")
        .key_condition_expression("pk = :pk AND begins_with(sk, :t)")
        .expression_attribute_values(":pk", s("d#1"))
        .expression_attribute_values(":t", s("t#"))
        .limit(3);
    let (mut found, mut pages, mut start) = (Vec::new(), 0, None);
    loop {
        let page = query.clone().set_exclusive_start_key(start).send().await.unwrap();
        pages += 1;
        found.extend(page.items().iter().map(|item| item["sk"].as_s().unwrap().clone()));
        start = page.last_evaluated_key;
        if start.is_none() {
            break;
        }
    }
    assert_eq!(found, ["t#0", "t#1", "t#2", "t#3", "t#4", "t#5", "t#6"]);
    assert_eq!(pages, 3);
    let newest = query.scan_index_forward(false).limit(1).send().await.unwrap();
    assert_eq!(newest.items()[0]["sk"], s("t#6"));
}

#[tokio::test(start_paused = true)]
async fn an_index_has_only_items_with_its_keys() {
    let w = world(1);
    create_table(&w.dynamodb).await;
    for (pk, at) in [("d#1", "09:00"), ("d#2", "08:00"), ("d#3", "10:00")] {
        put(
            &w.dynamodb,
            item(pk, "state", &[("gpk", s("acme#20261121")), ("gsk", s(at))]),
        )
        .await;
    }
    put(&w.dynamodb, item("d#4", "state", &[])).await;
    let found = w
        .dynamodb
        .query()
        .table_name("patchbay")
        .index_name("by-day")
        .key_condition_expression("gpk = :day AND gsk >= :from")
        .expression_attribute_values(":day", s("acme#20261121"))
        .expression_attribute_values(":from", s("08:30"))
        .send()
        .await
        .unwrap();
    let found: Vec<_> = found
        .items()
        .iter()
        .map(|item| item["pk"].as_s().unwrap().as_str())
        .collect();
    assert_eq!(found, ["d#1", "d#3"]);
}

#[tokio::test(start_paused = true)]
async fn items_expire_by_the_simulated_clock() {
    let w = world(1);
    create_table(&w.dynamodb).await;
    let specification = TimeToLiveSpecification::builder()
        .attribute_name("ttl")
        .enabled(true)
        .build()
        .unwrap();
    let update = w
        .dynamodb
        .update_time_to_live()
        .table_name("patchbay")
        .time_to_live_specification(specification);
    update.send().await.unwrap();
    let described = w
        .dynamodb
        .describe_time_to_live()
        .table_name("patchbay")
        .send()
        .await
        .unwrap();
    let description = described.time_to_live_description.unwrap();
    assert_eq!(description.time_to_live_status(), Some(&TimeToLiveStatus::Enabled));
    assert_eq!(description.attribute_name(), Some("ttl"));

    let hour_later = w.start.plus_seconds(3600).seconds();
    put(
        &w.dynamodb,
        item("lease", "x", &[("ttl", AttributeValue::N(hour_later.to_string()))]),
    )
    .await;
    assert_eq!(w.aws.dynamodb().delete_expired().unwrap(), 0);
    tokio::time::advance(std::time::Duration::from_secs(3700)).await;
    assert_eq!(w.aws.dynamodb().delete_expired().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn updates_deletes_batches_and_scans_work_and_errors_are_typed() {
    let w = world(1);
    let missing = w
        .dynamodb
        .get_item()
        .table_name("patchbay")
        .set_key(Some(item("a", "b", &[])))
        .send()
        .await;
    let missing = missing.unwrap_err();
    assert!(
        missing.as_service_error().unwrap().is_resource_not_found_exception(),
        "{missing:?}"
    );
    create_table(&w.dynamodb).await;
    let described = w.dynamodb.describe_table().table_name("patchbay").send().await.unwrap();
    assert_eq!(described.table().unwrap().table_status().unwrap().as_str(), "ACTIVE");
    assert_eq!(
        w.dynamodb.list_tables().send().await.unwrap().table_names(),
        ["patchbay"]
    );

    let write = |n: i32| {
        let put = PutRequest::builder()
            .set_item(Some(item("b", &n.to_string(), &[])))
            .build()
            .unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let batch = w
        .dynamodb
        .batch_write_item()
        .request_items("patchbay", (0..3).map(write).collect());
    batch.send().await.unwrap();
    let keys = KeysAndAttributes::builder()
        .keys(item("b", "1", &[]))
        .keys(item("b", "9", &[]))
        .build()
        .unwrap();
    let got = w
        .dynamodb
        .batch_get_item()
        .request_items("patchbay", keys)
        .send()
        .await
        .unwrap();
    assert_eq!(got.responses().unwrap()["patchbay"].len(), 1);

    let updated = w
        .dynamodb
        .update_item()
        .table_name("patchbay")
        .set_key(Some(item("b", "1", &[])))
        .update_expression("ADD seen :one")
        .expression_attribute_values(":one", AttributeValue::N("1".into()))
        .return_values(aws_sdk_dynamodb::types::ReturnValue::UpdatedNew)
        .send()
        .await
        .unwrap();
    assert_eq!(updated.attributes().unwrap()["seen"], AttributeValue::N("1".into()));
    w.dynamodb
        .delete_item()
        .table_name("patchbay")
        .set_key(Some(item("b", "2", &[])))
        .send()
        .await
        .unwrap();
    assert_eq!(
        w.dynamodb.scan().table_name("patchbay").send().await.unwrap().count(),
        2
    );

    let wrong = w
        .dynamodb
        .put_item()
        .table_name("patchbay")
        .item("pk", s("only"))
        .send()
        .await
        .unwrap_err();
    let SdkError::ServiceError(wrong) = wrong else {
        panic!("{wrong:?}")
    };
    assert_eq!(wrong.err().meta().code(), Some("ValidationException"));
    let unknown = w
        .dynamodb
        .delete_table()
        .table_name("patchbay")
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        unknown.as_service_error().unwrap().meta().code(),
        Some("UnknownOperationException")
    );
}

#[tokio::test(start_paused = true)]
async fn a_transaction_whose_answer_was_lost_takes_effect_once() {
    use crate::aws::{Fault, Rule};
    let w = world(1);
    create_table(&w.dynamodb).await;
    put(&w.dynamodb, item("d#1", "state", &[])).await;
    w.aws
        .faults()
        .plan(Rule::new(Fault::LostAnswer).operation("TransactWriteItems"));
    let delete = Delete::builder()
        .table_name("patchbay")
        .set_key(Some(item("d#1", "state", &[])))
        .condition_expression("attribute_exists(pk)")
        .build()
        .unwrap();
    let transaction = w
        .dynamodb
        .transact_write_items()
        .transact_items(TransactWriteItem::builder().delete(delete).build());
    // The SDK repeats the request with the same token, so DynamoDB does not check the condition again.
    transaction.send().await.unwrap();
    assert_eq!(
        w.aws.recorder().count(|entry| entry.operation == "TransactWriteItems"),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn tables_in_a_file_survive_a_restart() {
    use crate::aws::{Aws, clients, retries};
    let path = std::env::temp_dir().join(format!("patchbay-{}.db", std::process::id()));
    let text = path.to_str().unwrap();
    for run in 0..2 {
        let database = DynamoDb::in_file(text).unwrap();
        let aws = Aws::persistent(database, Journal::default(), world(1).aws.clock().clone(), 1);
        let (dynamodb, _) = clients(&aws, &retries());
        if run == 0 {
            create_table(&dynamodb).await;
            put(&dynamodb, item("d#1", "state", &[])).await;
        } else {
            assert_eq!(dynamodb.scan().table_name("patchbay").send().await.unwrap().count(), 1);
        }
    }
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{text}{suffix}"));
    }
}
