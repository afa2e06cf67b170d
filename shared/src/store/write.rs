//! Writes without a condition.

use super::items::Item;
use super::{Store, StoreError};

impl Store {
    /// Writes an item, whatever is there. One request.
    pub(super) async fn put(&self, item: Item) -> Result<(), StoreError> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let written = request.send().await;
        written
            .map(drop)
            .map_err(|error| StoreError::request("PutItem", &error))
    }

    /// Deletes an item, if it exists. One request.
    pub(super) async fn delete(&self, key: Item) -> Result<(), StoreError> {
        let request = self.client.delete_item().table_name(&self.table).set_key(Some(key));
        let deleted = request.send().await;
        deleted
            .map(drop)
            .map_err(|error| StoreError::request("DeleteItem", &error))
    }
}
