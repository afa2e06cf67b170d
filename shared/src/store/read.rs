//! Reads dispatches and their timelines.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;

use super::items::{
    DISPATCH, ENTRY_PREFIX, Item, PARTITION_KEY, SORT_KEY, dispatch_partition, key, read_doc, text, text_of,
};
use super::{Store, StoreError};
use crate::dispatch::{Dispatch, Entry};
use crate::ids::{AttemptId, DispatchKey};

/// A page of a timeline: of a dispatch, or of another subject whose entries are an `E`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelinePage<E = Entry> {
    /// The entries, oldest first.
    pub entries: Vec<E>,
    /// Where the next page starts: the name of the last entry that was read. `None` on the last page.
    pub next_cursor: Option<String>,
}

impl Store {
    /// Loads a dispatch (a consistent read), if it exists. One request.
    pub async fn load(&self, dispatch: &DispatchKey) -> Result<Option<Dispatch>, StoreError> {
        let item = self.get(key(dispatch_partition(dispatch), DISPATCH)).await?;
        item.map(|item| read_doc(&item)).transpose()
    }

    /// Loads one entry of a timeline, if it exists. One request.
    pub async fn entry(&self, dispatch: &DispatchKey, id: &str) -> Result<Option<Entry>, StoreError> {
        let item = self
            .get(key(dispatch_partition(dispatch), &format!("{ENTRY_PREFIX}{id}")))
            .await?;
        item.map(|item| read_doc(&item)).transpose()
    }

    /// Up to `limit` entries of a timeline after the one named `after`. One request.
    pub async fn timeline(
        &self,
        dispatch: &DispatchKey,
        after: Option<&str>,
        limit: i32,
    ) -> Result<TimelinePage, StoreError> {
        self.chronological(dispatch, "", after, limit).await
    }

    /// The call statuses that the provider has reported for an attempt; at most 50. One request.
    pub async fn statuses(&self, dispatch: &DispatchKey, attempt: AttemptId) -> Result<Vec<Entry>, StoreError> {
        Ok(self
            .chronological(dispatch, &Entry::status_prefix(attempt), None, 50)
            .await?
            .entries)
    }

    /// The timeline entries of an attempt, which suffice to find its call. At most 200 entries with the attempt's
    /// ordinal are read. One request.
    pub async fn entries_of(&self, dispatch: &DispatchKey, attempt: AttemptId) -> Result<Vec<Entry>, StoreError> {
        let page = self
            .chronological(dispatch, &format!("{:06}-", attempt.ordinal), None, 200)
            .await?;
        Ok(page
            .entries
            .into_iter()
            .filter(|entry| entry.fact.attempt() == Some(attempt))
            .collect())
    }

    /// A page of a dispatch's timeline. The names of its entries group them by attempt; readers want chronological
    /// order.
    async fn chronological(
        &self,
        dispatch: &DispatchKey,
        prefix: &str,
        after: Option<&str>,
        limit: i32,
    ) -> Result<TimelinePage, StoreError> {
        let mut page: TimelinePage = self.entries(dispatch_partition(dispatch), prefix, after, limit).await?;
        page.entries.sort_by_key(|entry| entry.at);
        Ok(page)
    }

    /// Up to `limit` entries of a timeline whose names begin with `prefix`, after the one named `after`, in the order of
    /// their names. One request.
    pub(super) async fn entries<E: DeserializeOwned>(
        &self,
        partition: String,
        prefix: &str,
        after: Option<&str>,
        limit: i32,
    ) -> Result<TimelinePage<E>, StoreError> {
        let start = after.map(|after| key(partition.clone(), &format!("{ENTRY_PREFIX}{after}")));
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :prefix)")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#sk", SORT_KEY)
            .expression_attribute_values(":pk", text(partition))
            .expression_attribute_values(":prefix", text(format!("{ENTRY_PREFIX}{prefix}")))
            .set_exclusive_start_key(start)
            .limit(limit)
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        Ok(TimelinePage {
            entries: page.items().iter().map(read_doc).collect::<Result<_, _>>()?,
            next_cursor: page.last_evaluated_key().map(entry_id).transpose()?,
        })
    }

    pub(super) async fn get(&self, key: Item) -> Result<Option<Item>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::request("GetItem", &error))?;
        Ok(output.item)
    }
}

fn entry_id(key: &std::collections::HashMap<String, AttributeValue>) -> Result<String, StoreError> {
    Ok(text_of(key, SORT_KEY)?.trim_start_matches(ENTRY_PREFIX).to_owned())
}
