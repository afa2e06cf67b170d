//! Subjects that are stored as one versioned item with a timeline of one item per entry: conversations of a chat
//! platform, and interactions.

use std::fmt::Debug;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use patchbay_domain::ledger::Entry;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::commit::{failed, refused};
use super::due::{Subject, due_keys};
use super::items::{DOC, ENTRY_PREFIX, Item, PARTITION_KEY, day_keys, json, number, read_doc, text, text_of};
use super::read::TimelinePage;
use super::retry::all_transient;
use super::{RETENTION_SECONDS, SORT_KEY, Store, StoreError};
use crate::clock::Timestamp;

/// A subject with a version and a timeline.
pub trait Versioned: Subject + PartialEq + Serialize {
    /// What its timeline records.
    type Fact: Clone + Debug + PartialEq + DeserializeOwned + Serialize + Send + Sync;

    /// Sort key of its item; also the letter of its kind in lists.
    const KIND: &'static str;

    /// What lists show of it.
    fn listing(&self) -> Listing;
    /// When its retention begins, if it is committed at `now`.
    fn retained_from(&self, now: Timestamp) -> Timestamp;
}

/// What a list shows of a subject besides its id. The index projects it, so each change costs a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The name of its status.
    pub status: &'static str,
    /// Since when it has this status.
    pub status_since: Timestamp,
    /// When it was created.
    pub created_at: Timestamp,
    /// Something else to filter by.
    pub reference: Option<&'static str>,
}

/// Result of committing a change.
#[derive(Clone, Debug, PartialEq)]
pub enum VersionCommit<S> {
    /// Everything was written.
    Committed,
    /// Another writer committed first, and nothing was written. Contains the current state, if DynamoDB returned it.
    Conflict(Option<Box<S>>),
}

fn item_of<S: Versioned>(subject: &S, now: Timestamp) -> Result<Item, StoreError> {
    let mut item = S::item_key(subject.key());
    let listing = subject.listing();
    item.insert("version".into(), number(subject.version()));
    item.insert("status".into(), text(listing.status));
    item.insert("updated_at".into(), text(listing.status_since.to_string()));
    item.insert("created_at".into(), text(listing.created_at.to_string()));
    let reference = listing
        .reference
        .map(|reference| ("reference".to_owned(), text(reference)));
    item.extend(reference);
    let (tenant, id) = (S::tenant(subject.key()), S::id(subject.key()));
    item.extend(day_keys(tenant, S::KIND, listing.created_at, id));
    item.extend(due_keys(subject));
    let expires = subject.retained_from(now).seconds() + RETENTION_SECONDS;
    item.insert("expires".into(), number(expires));
    item.insert(DOC.into(), json(subject)?);
    Ok(item)
}

fn entry_item<S: Versioned>(key: &S::Key, entry: &Entry<S::Fact>) -> Result<Item, StoreError> {
    let mut item = S::item_key(key);
    item.insert(SORT_KEY.into(), text(format!("{ENTRY_PREFIX}{}", entry.id)));
    item.insert("expires".into(), number(entry.at.seconds() + RETENTION_SECONDS));
    item.insert(DOC.into(), json(entry)?);
    Ok(item)
}

fn partition_of<S: Versioned>(key: &S::Key) -> Result<String, StoreError> {
    Ok(text_of(&S::item_key(key), PARTITION_KEY)?.to_owned())
}

/// The condition on the stored item, and what it refers to: that the next version follows it.
struct VersionCondition {
    expression: &'static str,
    name: (&'static str, &'static str),
    before: Option<u64>,
}

impl VersionCondition {
    const fn new(next: u64) -> Self {
        if next <= 1 {
            return Self {
                expression: "attribute_not_exists(#pk)",
                name: ("#pk", PARTITION_KEY),
                before: None,
            };
        }
        Self {
            expression: "#version = :before",
            name: ("#version", "version"),
            before: Some(next - 1),
        }
    }
}

/// The conflict with the subject in `item`, which is missing or empty if there is none.
fn conflict<S: Versioned>(item: Option<&Item>) -> Result<VersionCommit<S>, StoreError> {
    let current = item.filter(|item| !item.is_empty()).map(read_doc).transpose()?;
    Ok(VersionCommit::Conflict(current.map(Box::new)))
}

impl Store {
    /// Loads a subject (a consistent read), if it exists. One request.
    pub async fn load_subject<S: Versioned>(&self, key: &S::Key) -> Result<Option<S>, StoreError> {
        let item = self.get(S::item_key(key)).await?;
        item.map(|item| read_doc(&item)).transpose()
    }

    /// Commits the next version of a subject and new entries of its timeline, on condition that it has not changed
    /// since. One request.
    pub async fn commit_version<S: Versioned>(
        &self,
        next: &S,
        entries: &[Entry<S::Fact>],
        now: Timestamp,
    ) -> Result<VersionCommit<S>, StoreError> {
        let item = item_of(next, now)?;
        let condition = VersionCondition::new(next.version());
        if entries.is_empty() {
            return self.put_version(item, &condition).await;
        }
        let (placeholder, name) = condition.name;
        let mut put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition.expression)
            .expression_attribute_names(placeholder, name)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if let Some(before) = condition.before {
            put = put.expression_attribute_values(":before", number(before));
        }
        let mut writes = vec![TransactWriteItem::builder().put(put.build()?).build()];
        for entry in entries {
            let put = Put::builder()
                .table_name(&self.table)
                .set_item(Some(entry_item::<S>(next.key(), entry)?));
            writes.push(TransactWriteItem::builder().put(put.build()?).build());
        }
        let reasons = match self.write_all(writes).await? {
            Ok(()) => return Ok(VersionCommit::Committed),
            Err(reasons) => reasons,
        };
        if let Some(reason) = reasons.first().filter(|reason| failed(reason)) {
            return conflict(reason.item());
        }
        if all_transient(&reasons) {
            // Concurrent writes to the same item: decide again on the current state.
            return Ok(VersionCommit::Conflict(None));
        }
        // A retry would fail too.
        Err(refused(&reasons))
    }

    async fn put_version<S: Versioned>(
        &self,
        item: Item,
        condition: &VersionCondition,
    ) -> Result<VersionCommit<S>, StoreError> {
        let (placeholder, name) = condition.name;
        let mut request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition.expression)
            .expression_attribute_names(placeholder, name)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if let Some(before) = condition.before {
            request = request.expression_attribute_values(":before", number(before));
        }
        let Err(error) = request.send().await else {
            return Ok(VersionCommit::Committed);
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => conflict(failed.item()),
            _ => Err(StoreError::request("PutItem", &error)),
        }
    }

    /// Up to `limit` entries of a subject's timeline after the one named `after`, oldest first. One request.
    pub async fn timeline_of<S: Versioned>(
        &self,
        key: &S::Key,
        after: Option<&str>,
        limit: i32,
    ) -> Result<TimelinePage<Entry<S::Fact>>, StoreError> {
        self.entries(partition_of::<S>(key)?, "", after, limit).await
    }
}
