//! Lists of dispatches, newest first.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::items::{INDEX_BY_DAY, PARTITION_KEY, SORT_KEY, day_partition, text, text_of};
use super::{Store, StoreError};
use crate::ids::{DispatchId, Tenant};

/// A line of a list.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Which dispatch.
    pub id: DispatchId,
    /// Its state's published name.
    pub status: String,
    /// The requester's own name for the ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// When it was created, RFC 3339.
    pub created_at: String,
    /// When it last changed, RFC 3339.
    pub updated_at: String,
}

/// A part of a day's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub dispatches: Vec<Summary>,
    /// Where the day goes on: give it back as `after`.
    pub more_after: Option<String>,
}

impl Store {
    /// Up to `limit` dispatches of a tenant that were created on `day` (`YYYYMMDD`), newest first. One request.
    ///
    /// `after` is a `more_after` of the same day. The index follows the table within moments, not at once.
    pub async fn list_day(
        &self,
        tenant: &Tenant,
        day: &str,
        after: Option<&str>,
        limit: i32,
    ) -> Result<Page, StoreError> {
        let partition = day_partition(tenant, day);
        let start = after.map(|after| start_key(tenant, &partition, after)).transpose()?;
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(INDEX_BY_DAY)
            .key_condition_expression("day_pk = :day")
            .expression_attribute_values(":day", text(partition))
            .scan_index_forward(false)
            .set_exclusive_start_key(start)
            .limit(limit)
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        let dispatches = page.items().iter().map(summary).collect::<Result<_, _>>()?;
        let more_after = page
            .last_evaluated_key()
            .map(|key| text_of(key, "day_sk").map(str::to_owned))
            .transpose()?;
        Ok(Page { dispatches, more_after })
    }
}

/// The index key and the table key of the dispatch that a `day_sk` names.
fn start_key(tenant: &Tenant, partition: &str, after: &str) -> Result<HashMap<String, AttributeValue>, StoreError> {
    let id = after.rsplit('#').next().and_then(|id| id.parse().ok());
    let id: DispatchId = id.ok_or_else(|| StoreError::item("not a place in a list"))?;
    let dispatch = crate::ids::DispatchKey {
        tenant: tenant.clone(),
        id,
    };
    Ok(HashMap::from([
        ("day_pk".to_owned(), text(partition)),
        ("day_sk".to_owned(), text(after)),
        (
            PARTITION_KEY.to_owned(),
            text(super::items::dispatch_partition(&dispatch)),
        ),
        (SORT_KEY.to_owned(), text(super::items::DISPATCH)),
    ]))
}

fn summary(item: &HashMap<String, AttributeValue>) -> Result<Summary, StoreError> {
    let id = text_of(item, "day_sk")?.rsplit('#').next().unwrap_or_default();
    Ok(Summary {
        id: id.parse().map_err(StoreError::item)?,
        status: text_of(item, "status")?.to_owned(),
        reference: text_of(item, "reference").ok().map(str::to_owned),
        created_at: text_of(item, "created_at")?.to_owned(),
        updated_at: text_of(item, "updated_at")?.to_owned(),
    })
}
