//! Creates the table as `infra/template.yaml` declares it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
    TableDescription, TimeToLiveSpecification,
};
use patchbay::store::{INDEX_BY_DAY, INDEX_BY_DUE, PARTITION_KEY, SORT_KEY};

/// Creates the table unless it exists. A table of an earlier version gets the index `by_due` if it lacks it.
///
/// # Errors
/// When the embedded DynamoDB refuses a request.
pub async fn create(client: &Client, name: &str) -> Result<(), aws_sdk_dynamodb::Error> {
    if client
        .list_tables()
        .send()
        .await?
        .table_names()
        .iter()
        .any(|table| table == name)
    {
        return add_by_due(client, name).await;
    }
    let by_day = GlobalSecondaryIndex::builder()
        .index_name(INDEX_BY_DAY)
        .set_key_schema(Some(keys("day_pk", "day_sk")?))
        .projection(
            Projection::builder()
                .projection_type(ProjectionType::Include)
                .set_non_key_attributes(Some(
                    ["status", "reference", "created_at", "updated_at"]
                        .map(String::from)
                        .to_vec(),
                ))
                .build(),
        )
        .build()?;
    let by_due = GlobalSecondaryIndex::builder()
        .index_name(INDEX_BY_DUE)
        .set_key_schema(Some(keys("due_pk", "due_sk")?))
        .projection(keys_only())
        .build()?;
    client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(
            [PARTITION_KEY, SORT_KEY, "day_pk", "day_sk", "due_pk", "due_sk"]
                .into_iter()
                .map(text_attribute)
                .collect::<Result<_, _>>()?,
        ))
        .set_key_schema(Some(keys(PARTITION_KEY, SORT_KEY)?))
        .global_secondary_indexes(by_day)
        .global_secondary_indexes(by_due)
        .send()
        .await?;
    let ttl = TimeToLiveSpecification::builder()
        .attribute_name("expires")
        .enabled(true)
        .build()?;
    client
        .update_time_to_live()
        .table_name(name)
        .time_to_live_specification(ttl)
        .send()
        .await?;
    Ok(())
}

async fn add_by_due(client: &Client, name: &str) -> Result<(), aws_sdk_dynamodb::Error> {
    let described = client.describe_table().table_name(name).send().await?;
    let mut indexes = described
        .table()
        .into_iter()
        .flat_map(TableDescription::global_secondary_indexes);
    if indexes.any(|index| index.index_name() == Some(INDEX_BY_DUE)) {
        return Ok(());
    }
    let create = CreateGlobalSecondaryIndexAction::builder()
        .index_name(INDEX_BY_DUE)
        .set_key_schema(Some(keys("due_pk", "due_sk")?))
        .projection(keys_only())
        .build()?;
    client
        .update_table()
        .table_name(name)
        .attribute_definitions(text_attribute("due_pk")?)
        .attribute_definitions(text_attribute("due_sk")?)
        .global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().create(create).build())
        .send()
        .await?;
    Ok(())
}

fn keys_only() -> Projection {
    Projection::builder().projection_type(ProjectionType::KeysOnly).build()
}

fn keys(partition: &str, sort: &str) -> Result<Vec<KeySchemaElement>, aws_sdk_dynamodb::error::BuildError> {
    Ok(vec![
        KeySchemaElement::builder()
            .attribute_name(partition)
            .key_type(KeyType::Hash)
            .build()?,
        KeySchemaElement::builder()
            .attribute_name(sort)
            .key_type(KeyType::Range)
            .build()?,
    ])
}

fn text_attribute(name: &str) -> Result<AttributeDefinition, aws_sdk_dynamodb::error::BuildError> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()
}

#[cfg(test)]
mod tests {
    use patchbay::clock::{Clock, Timestamp};
    use patchbay::store::Store;

    use super::*;
    use crate::aws::{Aws, clients, retries};

    #[tokio::test(start_paused = true)]
    async fn a_table_of_an_earlier_version_gets_its_missing_index() {
        let aws = Aws::in_memory(Clock::starting_at(Timestamp::from_millis(1), 1.0), 1).expect("an account");
        let (client, _) = clients(&aws, &retries());
        let earlier = client
            .create_table()
            .table_name("earlier")
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(text_attribute(PARTITION_KEY).expect("an attribute"))
            .attribute_definitions(text_attribute(SORT_KEY).expect("an attribute"))
            .set_key_schema(Some(keys(PARTITION_KEY, SORT_KEY).expect("keys")));
        earlier.send().await.expect("a table");
        for _ in 0..2 {
            create(&client, "earlier").await.expect("the missing index");
            let store = Store::new(client.clone(), "earlier");
            let setup = store.setup().await.expect("an answer").expect("a table");
            assert_eq!(setup.due_keys, Some(vec!["due_pk".to_owned(), "due_sk".to_owned()]));
        }
    }
}
