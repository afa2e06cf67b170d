//! Lists by tenant and day, newest first: of dispatches, and of every other kind of thing that has the keys of `by_day`.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;

use super::items::{
    DAY_PK, DAY_SK, DISPATCH, INDEX_BY_DAY, Item, day_partition, dispatch_partition, key, text, text_of,
};
use super::{Store, StoreError};
use crate::ids::{DispatchId, DispatchKey, Tenant};

/// A line of a list.
pub trait Listed: Sized {
    /// What a thing of this kind is called by.
    type Id: FromStr;
    /// The letter of this kind in keys.
    const KIND: &'static str;

    /// The table's key of such a thing.
    fn key(tenant: &Tenant, id: Self::Id) -> HashMap<String, AttributeValue>;

    /// The line, from what the index has of an item.
    ///
    /// # Errors
    /// When the item is not what we write.
    fn read(item: &HashMap<String, AttributeValue>) -> Result<Self, StoreError>;
}

/// A dispatch in a list.
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

impl Listed for Summary {
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

/// A part of a day's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<L> {
    /// Newest first.
    pub lines: Vec<L>,
    /// Where the day goes on: give it back as `after`.
    pub more_after: Option<String>,
}

impl Store {
    /// Up to `limit` things of a tenant that were made on `day` (`YYYYMMDD`), newest first. One request.
    ///
    /// `after` is a `more_after` of the same day. The index follows the table within moments, not at once.
    pub async fn list_day<L: Listed>(
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
        let more_after = page
            .last_evaluated_key()
            .map(|key| text_of(key, DAY_SK).map(str::to_owned))
            .transpose()?;
        Ok(Page { lines, more_after })
    }
}

/// The index key and the table key of the thing that a `day_sk` names.
fn start_key<L: Listed>(tenant: &Tenant, partition: &str, after: &str) -> Result<Item, StoreError> {
    let id = after.rsplit('#').next().and_then(|id| id.parse().ok());
    let id: L::Id = id.ok_or_else(|| StoreError::item("not a place in a list"))?;
    let mut start = L::key(tenant, id);
    start.insert(DAY_PK.to_owned(), text(partition));
    start.insert(DAY_SK.to_owned(), text(after));
    Ok(start)
}
