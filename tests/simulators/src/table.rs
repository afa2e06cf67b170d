//! The table as `infra/template.yaml` declares it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TimeToLiveSpecification,
};
use patchbay::store::{INDEX_BY_DAY, PARTITION_KEY, SORT_KEY};

/// Creates the table, unless it is there already.
///
/// # Errors
/// When the embedded DynamoDB does not do it.
pub async fn create(client: &Client, name: &str) -> Result<(), aws_sdk_dynamodb::Error> {
    if client
        .list_tables()
        .send()
        .await?
        .table_names()
        .iter()
        .any(|table| table == name)
    {
        return Ok(());
    }
    let index = GlobalSecondaryIndex::builder()
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
    client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(
            [PARTITION_KEY, SORT_KEY, "day_pk", "day_sk"]
                .into_iter()
                .map(text_attribute)
                .collect::<Result<_, _>>()?,
        ))
        .set_key_schema(Some(keys(PARTITION_KEY, SORT_KEY)?))
        .global_secondary_indexes(index)
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
