//! API tokens.

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use serde::{Deserialize, Serialize};

use super::commit::CommitResult;
use super::items::{DOC, Item, PARTITION_KEY, SORT_KEY, key, read_doc, text, text_of};
use super::{Store, StoreError};
use crate::access::TokenRecord;
use crate::clock::Timestamp;
use crate::ids::Tenant;

/// Attempts to change a token in competition with concurrent writers.
const MAX_ATTEMPTS: u8 = 4;

/// A token as the list shows it: the record that is checked at every request, and information for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenEntry {
    /// The SHA-256 of the token's secret.
    pub hash: String,
    /// The name that an operator gave it.
    pub name: Option<String>,
    /// When it was created; unknown for a token that is older than the list of tokens.
    pub created_at: Option<Timestamp>,
    /// The record that is checked at every request.
    #[serde(flatten)]
    pub record: TokenRecord,
}

pub(super) fn token_key(hash: &str) -> Item {
    key(format!("TOKEN#{hash}"), "T")
}

fn list_partition(tenant: &Tenant) -> String {
    format!("T#{tenant}#TOKENS")
}

fn json(value: &impl Serialize) -> Result<AttributeValue, StoreError> {
    serde_json::to_string(value).map(text).map_err(StoreError::item)
}

impl Store {
    /// Loads the token whose secret has this SHA-256. One request.
    pub async fn token(&self, hash: &str) -> Result<Option<TokenRecord>, StoreError> {
        let item = self.get(token_key(hash)).await?;
        item.map(|item| read_doc(&item)).transpose()
    }

    /// Writes a token without adding it to the list. One request.
    pub async fn put_token(&self, hash: &str, record: &TokenRecord) -> Result<(), StoreError> {
        let mut item = token_key(hash);
        item.insert(DOC.into(), json(record)?);
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        request
            .send()
            .await
            .map(drop)
            .map_err(|error| StoreError::request("PutItem", &error))
    }

    /// Writes a new token and its entry in the tenant's list, atomically. Returns false if the token exists. One
    /// request.
    pub async fn create_token(&self, entry: &TokenEntry) -> Result<bool, StoreError> {
        self.write_token(entry, None).await
    }

    /// Revokes the token whose secret has this SHA-256; `None` if it does not exist. An unlisted token is added to the
    /// list.
    pub async fn revoke_token(&self, hash: &str) -> Result<Option<TokenEntry>, StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(item) = self.get(token_key(hash)).await? else {
                return Ok(None);
            };
            let record: TokenRecord = read_doc(&item)?;
            let listed = self.get(key(list_partition(&record.tenant), hash)).await?;
            let listed: Option<TokenEntry> = listed.map(|item| read_doc(&item)).transpose()?;
            let (name, created_at) = listed.map_or((None, None), |entry| (entry.name, entry.created_at));
            let entry = TokenEntry {
                hash: hash.to_owned(),
                name,
                created_at,
                record: TokenRecord {
                    revoked: true,
                    ..record
                },
            };
            if self.write_token(&entry, Some(text_of(&item, DOC)?)).await? {
                return Ok(Some(entry));
            }
        }
        Err(StoreError::item("too many concurrent changes to the token"))
    }

    /// The tokens of a tenant whose SHA-256 begins with `prefix`, in no meaningful order. One request per thousands of
    /// tokens.
    pub async fn tokens(&self, tenant: &Tenant, prefix: &str) -> Result<Vec<TokenEntry>, StoreError> {
        let mut entries = Vec::new();
        let mut start = None;
        loop {
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .expression_attribute_names("#pk", PARTITION_KEY)
                .expression_attribute_values(":pk", text(list_partition(tenant)))
                .set_exclusive_start_key(start);
            let query = if prefix.is_empty() {
                // DynamoDB refuses `begins_with` with an empty string.
                query.key_condition_expression("#pk = :pk")
            } else {
                query
                    .key_condition_expression("#pk = :pk AND begins_with(#sk, :prefix)")
                    .expression_attribute_names("#sk", SORT_KEY)
                    .expression_attribute_values(":prefix", text(prefix))
            };
            let page = query
                .send()
                .await
                .map_err(|error| StoreError::request("Query", &error))?;
            for item in page.items() {
                entries.push(read_doc(item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(entries);
            }
        }
    }

    /// Writes a token and its list entry, on condition that the token is unchanged since `before` was read, or does not
    /// exist if there was none.
    async fn write_token(&self, entry: &TokenEntry, before: Option<&str>) -> Result<bool, StoreError> {
        let mut token = token_key(&entry.hash);
        token.insert(DOC.into(), json(&entry.record)?);
        let mut line = key(list_partition(&entry.record.tenant), &entry.hash);
        line.insert(DOC.into(), json(entry)?);
        let put = Put::builder().table_name(&self.table).set_item(Some(token));
        let put = match before {
            None => put
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", PARTITION_KEY),
            Some(before) => put
                .condition_expression("#doc = :before")
                .expression_attribute_names("#doc", DOC)
                .expression_attribute_values(":before", text(before)),
        };
        let line = Put::builder().table_name(&self.table).set_item(Some(line));
        let writes = vec![
            TransactWriteItem::builder().put(put.build()?).build(),
            TransactWriteItem::builder().put(line.build()?).build(),
        ];
        Ok(self.transact(writes, None).await? == CommitResult::Committed)
    }
}
