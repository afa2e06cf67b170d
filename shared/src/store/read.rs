//! Reading dispatches and their timelines.

use aws_sdk_dynamodb::types::AttributeValue;

use super::items::{
    DISPATCH, ENTRY_PREFIX, Item, PARTITION_KEY, SORT_KEY, dispatch_partition, key, read_doc, text, text_of,
};
use super::{Store, StoreError};
use crate::dispatch::{Dispatch, Entry};
use crate::ids::{AttemptId, DispatchKey};

/// A part of a timeline, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelinePage {
    /// The entries, oldest first.
    pub entries: Vec<Entry>,
    /// Name of the last entry when there are more after it.
    pub more_after: Option<String>,
}

impl Store {
    /// The dispatch as it is now (a consistent read), if it exists. One request.
    pub async fn load(&self, dispatch: &DispatchKey) -> Result<Option<Dispatch>, StoreError> {
        let item = self.get(key(dispatch_partition(dispatch), DISPATCH)).await?;
        item.map(|item| read_doc(&item)).transpose()
    }

    /// One entry of a timeline, if it exists. One request.
    pub async fn entry(&self, dispatch: &DispatchKey, id: &str) -> Result<Option<Entry>, StoreError> {
        let item = self
            .get(key(dispatch_partition(dispatch), &format!("{ENTRY_PREFIX}{id}")))
            .await?;
        item.map(|item| read_doc(&item)).transpose()
    }

    /// Up to `limit` entries of a timeline after the one called `after`. One request.
    pub async fn timeline(
        &self,
        dispatch: &DispatchKey,
        after: Option<&str>,
        limit: i32,
    ) -> Result<TimelinePage, StoreError> {
        self.entries(dispatch, "", after, limit).await
    }

    /// The statuses that the provider has told of an attempt. One request.
    pub async fn statuses(&self, dispatch: &DispatchKey, attempt: AttemptId) -> Result<Vec<Entry>, StoreError> {
        Ok(self
            .entries(dispatch, &Entry::status_prefix(attempt), None, 50)
            .await?
            .entries)
    }

    /// Whatever the timeline says of an attempt from its ordinal on; enough to find the call behind it. One request.
    pub async fn entries_of(&self, dispatch: &DispatchKey, attempt: AttemptId) -> Result<Vec<Entry>, StoreError> {
        let page = self
            .entries(dispatch, &format!("{:06}-", attempt.ordinal), None, 200)
            .await?;
        Ok(page
            .entries
            .into_iter()
            .filter(|entry| entry.fact.attempt() == Some(attempt))
            .collect())
    }

    async fn entries(
        &self,
        dispatch: &DispatchKey,
        prefix: &str,
        after: Option<&str>,
        limit: i32,
    ) -> Result<TimelinePage, StoreError> {
        let partition = dispatch_partition(dispatch);
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
        let mut entries = page.items().iter().map(read_doc).collect::<Result<Vec<Entry>, _>>()?;
        let more_after = page.last_evaluated_key().map(entry_id).transpose()?;
        // Names keep an attempt together; a person wants the order in which things happened.
        entries.sort_by_key(|entry| entry.at);
        Ok(TimelinePage { entries, more_after })
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
