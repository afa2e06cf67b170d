//! Deletes resources without a trace: those of smoke tests, and what was said to a customer who is to be forgotten.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::items::{PARTITION_KEY, SORT_KEY, dispatch_partition, text};
use super::token::token_key;
use super::{Store, StoreError};
use crate::ids::DispatchKey;

impl Store {
    /// Deletes a dispatch with its timeline and deliveries. A message about it that is still in flight finds no
    /// dispatch, and has no effect.
    pub async fn erase_dispatch(&self, dispatch: &DispatchKey) -> Result<(), StoreError> {
        self.erase_items(&dispatch_partition(dispatch), None).await
    }

    /// Deletes the items of a partition, or those whose sort keys have this prefix. One request for each item, and one
    /// for a page of them.
    pub(super) async fn erase_items(&self, partition: &str, prefix: Option<&str>) -> Result<(), StoreError> {
        let condition = match prefix {
            // DynamoDB refuses `begins_with` with an empty string.
            None => "#pk = :pk",
            Some(_) => "#pk = :pk AND begins_with(#sk, :prefix)",
        };
        let values = [(":pk", Some(partition)), (":prefix", prefix)];
        let values = values
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), text(value?))));
        let values: HashMap<String, AttributeValue> = values.collect();
        let mut start = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression(condition)
                .projection_expression("#pk, #sk")
                .expression_attribute_names("#pk", PARTITION_KEY)
                .expression_attribute_names("#sk", SORT_KEY)
                .set_expression_attribute_values(Some(values.clone()))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| StoreError::request("Query", &error))?;
            for item in page.items() {
                self.delete(item.clone()).await?;
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    /// Deletes an unlisted token.
    pub async fn erase_token(&self, hash: &str) -> Result<(), StoreError> {
        self.delete(token_key(hash)).await
    }
}
