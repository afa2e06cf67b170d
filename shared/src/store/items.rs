//! The layout of the table: keys, and conversion of items.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::due::due_keys;
use super::{RETENTION_SECONDS, StoreError};
use crate::clock::Timestamp;
use crate::dispatch::{Dispatch, Entry};
use crate::ids::{DispatchKey, Tenant};
use crate::phone::PhoneNumber;
use crate::secret::{describe_json_error, sha256_hex};

/// Name of the partition key.
pub const PARTITION_KEY: &str = "pk";
/// Name of the sort key.
pub const SORT_KEY: &str = "sk";
/// Name of the index for lists by day.
pub const INDEX_BY_DAY: &str = "by_day";
/// Name of the index of unfinished dispatches by due time.
pub const INDEX_BY_DUE: &str = "by_due";

/// Key attributes of the index [`INDEX_BY_DAY`].
pub(super) const DAY_PK: &str = "day_pk";
pub(super) const DAY_SK: &str = "day_sk";

/// An item in the SDK's representation.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Attribute with the whole value as JSON. Only what a condition or an index needs has attributes of its own.
pub(super) const DOC: &str = "doc";
/// Sort key of a dispatch.
pub(super) const DISPATCH: &str = "D";
/// Prefix of the sort keys of a timeline.
pub(super) const ENTRY_PREFIX: &str = "E#";

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A primary key.
pub(super) fn key(partition: String, sort: &str) -> Item {
    HashMap::from([
        (PARTITION_KEY.to_owned(), text(partition)),
        (SORT_KEY.to_owned(), text(sort)),
    ])
}

pub(super) fn dispatch_partition(dispatch: &DispatchKey) -> String {
    format!("T#{}#D#{}", dispatch.tenant, dispatch.id)
}

pub(super) fn lease_partition(tenant: &Tenant, phone: &PhoneNumber) -> String {
    // Hashed, so that a phone number is in the table only inside the dispatches that need it.
    format!("T#{tenant}#L#{}", sha256_hex(phone.as_str().as_bytes()))
}

/// Partition key of the list of a day; `kind` is the letter of the listed resources.
pub(super) fn day_partition(tenant: &Tenant, kind: &str, day: &str) -> String {
    format!("T#{tenant}#{kind}#{day}")
}

/// The index keys of a resource in the list of the day on which it was created.
pub(super) fn day_keys(
    tenant: &Tenant,
    kind: &str,
    created: Timestamp,
    id: impl std::fmt::Display,
) -> [(String, AttributeValue); 2] {
    [
        (DAY_PK.to_owned(), text(day_partition(tenant, kind, &created.day()))),
        (DAY_SK.to_owned(), text(format!("{created}#{id}"))),
    ]
}

pub(super) fn json(value: &impl Serialize) -> Result<AttributeValue, StoreError> {
    serde_json::to_string(value)
        .map(AttributeValue::S)
        .map_err(StoreError::item)
}

pub(super) fn dispatch_item(dispatch: &Dispatch, now: Timestamp) -> Result<Item, StoreError> {
    let mut item = key(dispatch_partition(&dispatch.key), DISPATCH);
    let created = dispatch.created_at;
    item.insert("version".into(), number(dispatch.version));
    item.insert("status".into(), text(dispatch.state.name()));
    item.insert("created_at".into(), text(created.to_string()));
    // When the status changed, not at every commit: the index projects this attribute, so each change costs a write.
    item.insert("updated_at".into(), text(dispatch.status_since.to_string()));
    let DispatchKey { tenant, id } = &dispatch.key;
    item.extend(day_keys(tenant, DISPATCH, created, id));
    // The retention starts at the dispatch's own expiry if that is later than now.
    item.insert(
        "expires".into(),
        number(dispatch.expires_at.max(now).seconds() + RETENTION_SECONDS),
    );
    if let Some(reference) = &dispatch.spec.ticket.reference {
        item.insert("reference".into(), text(reference));
    }
    item.extend(due_keys(dispatch));
    item.insert(DOC.into(), json(dispatch)?);
    Ok(item)
}

pub(super) fn entry_item(dispatch: &DispatchKey, entry: &Entry) -> Result<Item, StoreError> {
    let mut item = key(dispatch_partition(dispatch), &format!("{ENTRY_PREFIX}{}", entry.id));
    item.insert("expires".into(), number(entry.at.seconds() + RETENTION_SECONDS));
    item.insert(DOC.into(), json(entry)?);
    Ok(item)
}

/// Reads what [`dispatch_item`] and [`entry_item`] wrote.
pub(super) fn read_doc<T: DeserializeOwned>(item: &Item) -> Result<T, StoreError> {
    let doc = text_of(item, DOC)?;
    serde_json::from_str(doc).map_err(|error| StoreError::item(describe_json_error(&error)))
}

pub(super) fn text_of<'a>(item: &'a Item, name: &str) -> Result<&'a str, StoreError> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(StoreError::item(format_args!(
            "attribute `{name}` is missing or not a string"
        ))),
    }
}

/// The timestamp in the attribute `name`, if it exists.
pub(super) fn millis_if_any(item: &Item, name: &str) -> Result<Option<Timestamp>, StoreError> {
    item.get(name).map(|_| millis_of(item, name)).transpose()
}

pub(super) fn millis_of(item: &Item, name: &str) -> Result<Timestamp, StoreError> {
    let Some(AttributeValue::N(digits)) = item.get(name) else {
        return Err(StoreError::item(format_args!(
            "attribute `{name}` is missing or not a number"
        )));
    };
    digits.parse().map(Timestamp::from_millis).map_err(StoreError::item)
}
