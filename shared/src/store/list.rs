//! Lists by tenant and day, newest first, of dispatches and of any other resource with the keys of the index `by_day`.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;

use super::items::{
    DAY_PK, DAY_SK, DISPATCH, INDEX_BY_DAY, Item, day_partition, dispatch_partition, key, text, text_of,
};
use super::{Store, StoreError};
use crate::ids::{DispatchId, DispatchKey, Tenant};

/// A resource as a list shows it.
pub trait ListItem: Sized {
    /// The id of such a resource.
    type Id: FromStr;
    /// The letter that identifies this kind of resource in keys.
    const KIND: &'static str;

    /// The primary key of the resource with this id.
    fn key(tenant: &Tenant, id: Self::Id) -> HashMap<String, AttributeValue>;

    /// Reads the attributes that the index projects.
    ///
    /// # Errors
    /// When the item is malformed.
    fn read(item: &HashMap<String, AttributeValue>) -> Result<Self, StoreError>;
}

/// A dispatch as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DispatchSummary {
    /// The id of the dispatch.
    pub id: DispatchId,
    /// The published name of its status.
    pub status: String,
    /// The requester's reference for the ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// When it was created, RFC 3339.
    pub created_at: String,
    /// When its status last changed, RFC 3339.
    pub updated_at: String,
}

impl ListItem for DispatchSummary {
    type Id = DispatchId;
    const KIND: &'static str = DISPATCH;

    fn key(tenant: &Tenant, id: DispatchId) -> Item {
        let tenant = tenant.clone();
        key(dispatch_partition(&DispatchKey { tenant, id }), DISPATCH)
    }

    fn read(item: &Item) -> Result<Self, StoreError> {
        let id = text_of(item, DAY_SK)?.rsplit('#').next().unwrap_or_default();
        Ok(Self {
            id: id.parse().map_err(StoreError::item)?,
            status: text_of(item, "status")?.to_owned(),
            reference: text_of(item, "reference").ok().map(str::to_owned),
            created_at: text_of(item, "created_at")?.to_owned(),
            updated_at: text_of(item, "updated_at")?.to_owned(),
        })
    }
}

/// A page of a day's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<L> {
    /// The items, newest first.
    pub lines: Vec<L>,
    /// Pass it as `after` to get the next page of the day. `None` on the last page.
    pub next_cursor: Option<String>,
}

impl Store {
    /// Up to `limit` resources of a tenant that were created on `day` (`YYYYMMDD`), newest first. One request.
    ///
    /// `after` is a `next_cursor` of the same day. The index is eventually consistent: it lags the table by moments.
    pub async fn list_day<L: ListItem>(
        &self,
        tenant: &Tenant,
        day: &str,
        after: Option<&str>,
        limit: i32,
    ) -> Result<Page<L>, StoreError> {
        let partition = day_partition(tenant, L::KIND, day);
        let start = after
            .map(|after| start_key::<L>(tenant, &partition, after))
            .transpose()?;
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
        let lines = page.items().iter().map(L::read).collect::<Result<_, _>>()?;
        let next_cursor = page
            .last_evaluated_key()
            .map(|key| text_of(key, DAY_SK).map(str::to_owned))
            .transpose()?;
        Ok(Page { lines, next_cursor })
    }
}

/// The index key and the primary key of the resource that a `day_sk` names.
fn start_key<L: ListItem>(tenant: &Tenant, partition: &str, after: &str) -> Result<Item, StoreError> {
    let id = after.rsplit('#').next().and_then(|id| id.parse().ok());
    let id: L::Id = id.ok_or_else(|| StoreError::item("not a position in a list"))?;
    let mut start = L::key(tenant, id);
    start.insert(DAY_PK.to_owned(), text(partition));
    start.insert(DAY_SK.to_owned(), text(after));
    Ok(start)
}
