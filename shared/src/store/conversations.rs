//! Conversations of a chat platform: one versioned item per conversation, and one item per entry of its timeline.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};

use super::commit::{failed, refused};
use super::due::due_keys;
use super::items::{
    DAY_SK, DOC, ENTRY_PREFIX, Item, PARTITION_KEY, day_keys, json, key, number, read_doc, text, text_of,
};
use super::list::ListItem;
use super::read::TimelinePage;
use super::retry::all_transient;
use super::{RETENTION_SECONDS, Store, StoreError};
use crate::clock::Timestamp;
use crate::conversation::{Conversation, ConversationKey, Entry, PlatformId};
use crate::ids::Tenant;

/// Sort key of a conversation; also the letter of its kind in lists.
pub(super) const CONVERSATION: &str = "V";

/// Result of committing a change to a conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum ConversationCommit {
    /// Everything was written.
    Committed,
    /// Another writer committed first, and nothing was written. Contains the current conversation, if DynamoDB returned
    /// it.
    Conflict(Option<Box<Conversation>>),
}

/// A conversation as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ConversationSummary {
    /// The platform's id.
    pub id: PlatformId,
    /// The published name of who answers the customer.
    pub holder: String,
    /// Since when, RFC 3339.
    pub holder_since: String,
    /// When its first event was received, RFC 3339.
    pub created_at: String,
}

impl ListItem for ConversationSummary {
    type Id = PlatformId;
    const KIND: &'static str = CONVERSATION;

    fn key(tenant: &Tenant, id: PlatformId) -> Item {
        let tenant = tenant.clone();
        key(conversation_partition(&ConversationKey { tenant, id }), CONVERSATION)
    }

    fn read(item: &Item) -> Result<Self, StoreError> {
        let id = text_of(item, DAY_SK)?.rsplit('#').next().unwrap_or_default();
        Ok(Self {
            id: id.parse().map_err(StoreError::item)?,
            holder: text_of(item, "status")?.to_owned(),
            holder_since: text_of(item, "updated_at")?.to_owned(),
            created_at: text_of(item, "created_at")?.to_owned(),
        })
    }
}

pub(super) fn conversation_partition(conversation: &ConversationKey) -> String {
    format!("T#{}#V#{}", conversation.tenant, conversation.id)
}

fn conversation_item(conversation: &Conversation, now: Timestamp) -> Result<Item, StoreError> {
    let Conversation {
        key: of, created_at, ..
    } = conversation;
    let mut item = key(conversation_partition(of), CONVERSATION);
    item.insert("version".into(), number(conversation.version));
    // The names that the index of days projects. They change with the holder, not at every commit: each change costs a
    // write to it.
    item.insert("status".into(), text(conversation.holder.name()));
    item.insert("updated_at".into(), text(conversation.holder_since.to_string()));
    item.insert("created_at".into(), text(created_at.to_string()));
    item.extend(day_keys(&of.tenant, CONVERSATION, *created_at, &of.id));
    item.extend(due_keys(conversation));
    item.insert("expires".into(), number(now.seconds() + RETENTION_SECONDS));
    item.insert(DOC.into(), json(conversation)?);
    Ok(item)
}

fn entry_item(conversation: &ConversationKey, entry: &Entry) -> Result<Item, StoreError> {
    let mut item = key(
        conversation_partition(conversation),
        &format!("{ENTRY_PREFIX}{}", entry.id),
    );
    item.insert("expires".into(), number(entry.at.seconds() + RETENTION_SECONDS));
    item.insert(DOC.into(), json(entry)?);
    Ok(item)
}

/// The condition on the stored conversation, and what it refers to: that `next` is its next version.
struct VersionCondition {
    expression: &'static str,
    name: (&'static str, &'static str),
    before: Option<u64>,
}

impl VersionCondition {
    const fn new(next: &Conversation) -> Self {
        if next.version <= 1 {
            return Self {
                expression: "attribute_not_exists(#pk)",
                name: ("#pk", PARTITION_KEY),
                before: None,
            };
        }
        Self {
            expression: "#version = :before",
            name: ("#version", "version"),
            before: Some(next.version - 1),
        }
    }
}

/// The conflict with the conversation in `item`, which is missing or empty if there is none.
fn conflict(item: Option<&Item>) -> Result<ConversationCommit, StoreError> {
    let current = item.filter(|item| !item.is_empty()).map(read_doc).transpose()?;
    Ok(ConversationCommit::Conflict(current.map(Box::new)))
}

impl Store {
    /// Loads a conversation (a consistent read), if it exists. One request.
    pub async fn conversation(&self, conversation: &ConversationKey) -> Result<Option<Conversation>, StoreError> {
        let item = self
            .get(key(conversation_partition(conversation), CONVERSATION))
            .await?;
        item.map(|item| read_doc(&item)).transpose()
    }

    /// Commits the next version of a conversation and new entries of its timeline, on condition that it has not changed
    /// since. One request.
    pub async fn commit_conversation(
        &self,
        next: &Conversation,
        entries: &[Entry],
        now: Timestamp,
    ) -> Result<ConversationCommit, StoreError> {
        let item = conversation_item(next, now)?;
        if entries.is_empty() {
            return self.put_conversation(item, &VersionCondition::new(next)).await;
        }
        let VersionCondition {
            expression,
            name: (placeholder, name),
            before,
        } = VersionCondition::new(next);
        let mut put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(expression)
            .expression_attribute_names(placeholder, name)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if let Some(before) = before {
            put = put.expression_attribute_values(":before", number(before));
        }
        let mut writes = vec![TransactWriteItem::builder().put(put.build()?).build()];
        for entry in entries {
            let put = Put::builder()
                .table_name(&self.table)
                .set_item(Some(entry_item(&next.key, entry)?));
            writes.push(TransactWriteItem::builder().put(put.build()?).build());
        }
        let reasons = match self.write_all(writes).await? {
            Ok(()) => return Ok(ConversationCommit::Committed),
            Err(reasons) => reasons,
        };
        if let Some(reason) = reasons.first().filter(|reason| failed(reason)) {
            return conflict(reason.item());
        }
        if all_transient(&reasons) {
            // Concurrent writes to the same item: decide again on the current state.
            return Ok(ConversationCommit::Conflict(None));
        }
        // A retry would fail too.
        Err(refused(&reasons))
    }

    async fn put_conversation(
        &self,
        item: Item,
        condition: &VersionCondition,
    ) -> Result<ConversationCommit, StoreError> {
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
            return Ok(ConversationCommit::Committed);
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => conflict(failed.item()),
            _ => Err(StoreError::request("PutItem", &error)),
        }
    }

    /// Up to `limit` entries of a conversation's timeline after the one named `after`, oldest first. One request.
    pub async fn conversation_timeline(
        &self,
        conversation: &ConversationKey,
        after: Option<&str>,
        limit: i32,
    ) -> Result<TimelinePage<Entry>, StoreError> {
        self.entries(conversation_partition(conversation), "", after, limit)
            .await
    }
}
