//! API tokens.

use super::items::{DOC, Item, key, read_doc, text};
use super::{Store, StoreError};
use crate::web::auth::TokenRecord;

fn token_key(hash: &str) -> Item {
    key(format!("TOKEN#{hash}"), "T")
}

impl Store {
    /// What is known of the token whose secret has this SHA-256. One request.
    pub async fn token(&self, hash: &str) -> Result<Option<TokenRecord>, StoreError> {
        let item = self.get(token_key(hash)).await?;
        item.map(|item| read_doc(&item)).transpose()
    }

    /// Writes a token. One request.
    pub async fn put_token(&self, hash: &str, record: &TokenRecord) -> Result<(), StoreError> {
        let mut item = token_key(hash);
        item.insert(
            DOC.into(),
            text(serde_json::to_string(record).map_err(StoreError::item)?),
        );
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        request
            .send()
            .await
            .map(drop)
            .map_err(|error| StoreError::request("PutItem", &error))
    }
}
