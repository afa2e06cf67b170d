//! Deletes the resources of smoke tests without a trace.

use super::items::{PARTITION_KEY, SORT_KEY, dispatch_partition, text};
use super::token::token_key;
use super::{Store, StoreError};
use crate::ids::DispatchKey;

impl Store {
    /// Deletes a dispatch with its timeline and deliveries. A message about it that is still in flight finds no
    /// dispatch, and has no effect.
    pub async fn erase_dispatch(&self, dispatch: &DispatchKey) -> Result<(), StoreError> {
        let mut start = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression("#pk = :pk")
                .projection_expression("#pk, #sk")
                .expression_attribute_names("#pk", PARTITION_KEY)
                .expression_attribute_names("#sk", SORT_KEY)
                .expression_attribute_values(":pk", text(dispatch_partition(dispatch)))
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
