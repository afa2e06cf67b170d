//! The index `by_due`: a sparse index of what moves by messages of its own (unfinished dispatches, conversations and
//! interactions in which something is left to do), by the time at which the next message is due.
//!
//! Each has two additional attributes, the keys of the index. Those of a dispatch:
//!
//! | state | `due_pk` | `due_sk` |
//! |---|---|---|
//! | as committed | `DUE#0` to `DUE#3`, by its id | when its message is due, rounded up to 5 minutes |
//! | its call waits for a slot | the same | 3 minutes before the provider's backlog ends |
//! | its message was sent again | `DUE#again` | when to check it again |
//!
//! Those of a conversation are the same, with `DUE#V#` instead of `DUE#`, and those of an interaction, with `DUE#I#`: so a
//! sentinel of a version that does not know them never reads one.
//!
//! The due time is rounded because most commits leave it within the same 5 minutes, and an unchanged index entry costs no
//! write. Four shards keep a burst of tickets from writing to a single partition. The index projects
//! only keys. A commit replaces the whole item, so it discards whatever was recorded here as soon as there is progress.

use std::collections::HashMap;
use std::fmt::{Debug, Display};

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::items::{
    self, DISPATCH, INDEX_BY_DUE, Item, PARTITION_KEY, dispatch_partition, number, read_doc, text, text_of,
};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::dispatch::{self, Dispatch};
use crate::ids::{DispatchKey, Tenant};

/// Number of shards of the index, for each kind of subject.
pub const DUE_SHARDS: u8 = 4;
/// Granularity of `due_sk`, in seconds.
const BUCKET_SECONDS: u32 = 300;
/// Attribute: how often the subject's message was sent again since its last commit.
const RESENT_COUNT: &str = "sent_again";
/// Attribute: how often it was left waiting for a slot since its last commit.
const HELD_COUNT: &str = "held";

/// What moves by messages of its own, and stops when one of them is lost.
pub trait Subject: Clone + Debug + DeserializeOwned + Send + Sync {
    /// Its key.
    type Key: Clone + Debug + PartialEq + Serialize + Send + Sync;
    /// The work that its messages contain.
    type Work: Clone + Debug + PartialEq + Serialize + Send + Sync;

    /// Beginning of the names of its partitions in the index.
    const INDEX_PREFIX: &'static str;

    /// Its key.
    fn key(&self) -> &Self::Key;
    /// Its version: the number of its commits.
    fn version(&self) -> u64;
    /// The state that a log names.
    fn state_name(&self) -> &'static str;
    /// The message that moves it next, and when it is due; none if nothing is left to do.
    fn pending_work(&self) -> Option<(Self::Work, Timestamp)>;

    /// The tenant that owns it.
    fn tenant(key: &Self::Key) -> &Tenant;
    /// Its id.
    fn id(key: &Self::Key) -> &dyn Display;
    /// Its shard of the index: less than [`DUE_SHARDS`].
    fn shard(key: &Self::Key) -> u8;
    /// The primary key of its item.
    #[doc(hidden)]
    fn item_key(key: &Self::Key) -> HashMap<String, AttributeValue>;
    /// Reads the key from the partition key of its item.
    #[doc(hidden)]
    fn parse_partition(partition: &str) -> Option<Self::Key>;
}

/// A loaded subject that is due, and what was done about it since its last commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due<S> {
    /// The dispatch, conversation or interaction.
    pub subject: S,
    /// How often its message was sent again since its last commit.
    pub sent_again: u32,
    /// How often it was left waiting for a slot since its last commit.
    pub held: u32,
}

/// A subject whose message was sent again and that has made no progress since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resent<K> {
    /// The key of the subject.
    pub subject: K,
    /// When to check it again.
    pub check_at: Timestamp,
}

/// Why the next check of a subject is postponed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostponeReason {
    /// Its message was sent again.
    Resent,
    /// Its call waits for a slot.
    WaitingForSlot,
}

impl Store {
    /// Up to `limit` subjects of a shard whose `due_sk` is at or before `before`, the longest overdue first. One
    /// request. The index is eventually consistent: it lags the table by moments.
    pub async fn due<S: Subject>(&self, shard: u8, before: Timestamp, limit: i32) -> Result<Vec<S::Key>, StoreError> {
        let before = Some(text(before.to_string()));
        let items = self.query_due(shard_partition::<S>(shard), before, limit).await?;
        items.iter().map(key_of::<S>).collect()
    }

    /// Up to `limit` subjects whose messages were sent again and that have made no progress since, the next one to
    /// check first. One request.
    pub async fn resent<S: Subject>(&self, limit: i32) -> Result<Vec<Resent<S::Key>>, StoreError> {
        let items = self.query_due(resent_partition::<S>(), None, limit).await?;
        let resent = |item: &Item| {
            let check_at = Timestamp::parse(text_of(item, "due_sk")?);
            Ok(Resent {
                subject: key_of::<S>(item)?,
                check_at: check_at.ok_or_else(|| StoreError::item("`due_sk` is not a timestamp"))?,
            })
        };
        items.iter().map(resent).collect()
    }

    async fn query_due(
        &self,
        partition: String,
        before: Option<AttributeValue>,
        limit: i32,
    ) -> Result<Vec<Item>, StoreError> {
        let condition = match before {
            Some(_) => "due_pk = :pk AND due_sk <= :before",
            None => "due_pk = :pk",
        };
        let values = [(":pk", Some(text(partition))), (":before", before)];
        let values = values
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(INDEX_BY_DUE)
            .key_condition_expression(condition)
            .set_expression_attribute_values(Some(values.collect()))
            .limit(limit)
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        Ok(page.items.unwrap_or_default())
    }

    /// Loads a subject (a consistent read) with what was done about it, if it exists. One request.
    pub async fn due_subject<S: Subject>(&self, subject: &S::Key) -> Result<Option<Due<S>>, StoreError> {
        let Some(item) = self.get(S::item_key(subject)).await? else {
            return Ok(None);
        };
        Ok(Some(Due {
            subject: read_doc(&item)?,
            sent_again: count_of(&item, RESENT_COUNT),
            held: count_of(&item, HELD_COUNT),
        }))
    }

    /// Postpones the next check of `due` to `check_at`, unless it has made progress. Returns whether it did. One
    /// request.
    pub async fn postpone<S: Subject>(
        &self,
        due: &Due<S>,
        reason: PostponeReason,
        check_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let subject = &due.subject;
        let (partition, counter, count) = match reason {
            PostponeReason::Resent => (resent_partition::<S>(), RESENT_COUNT, due.sent_again),
            PostponeReason::WaitingForSlot => {
                let shard = S::shard(subject.key());
                (shard_partition::<S>(shard), HELD_COUNT, due.held)
            }
        };
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(S::item_key(subject.key())))
            .update_expression("SET due_pk = :pk, due_sk = :sk, #counter = :count")
            .condition_expression("#version = :version")
            .expression_attribute_names("#counter", counter)
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":pk", text(partition))
            .expression_attribute_values(":sk", text(check_at.to_string()))
            .expression_attribute_values(":count", number(count.saturating_add(1)))
            .expression_attribute_values(":version", number(subject.version()))
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(has_progressed) => Ok(false),
            Err(error) => Err(StoreError::request("UpdateItem", &error)),
        }
    }

    /// Postpones the next check of a subject that cannot be read to `check_at`. One request.
    pub async fn postpone_unreadable<S: Subject>(
        &self,
        subject: &S::Key,
        check_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(S::item_key(subject)))
            .update_expression("SET due_pk = :pk, due_sk = :sk")
            .condition_expression("attribute_exists(due_pk)")
            .expression_attribute_values(":pk", text(resent_partition::<S>()))
            .expression_attribute_values(":sk", text(check_at.to_string()))
            .send()
            .await
            .map(drop)
            .map_err(|error| StoreError::request("UpdateItem", &error))
    }
}

/// Whether another writer has committed the subject, or is committing it now.
fn has_progressed(error: &UpdateItemError) -> bool {
    error.is_conditional_check_failed_exception() || error.is_transaction_conflict_exception()
}

/// The index keys of a subject that is being committed; none if nothing is left to do.
pub(super) fn due_keys<S: Subject>(subject: &S) -> Vec<(String, AttributeValue)> {
    let Some((_, due_at)) = subject.pending_work() else {
        return Vec::new();
    };
    let bucket = due_at.rounded_up_to(BUCKET_SECONDS);
    let partition = shard_partition::<S>(S::shard(subject.key()));
    vec![
        ("due_pk".to_owned(), text(partition)),
        ("due_sk".to_owned(), text(bucket.to_string())),
    ]
}

fn shard_partition<S: Subject>(shard: u8) -> String {
    format!("{}{shard}", S::INDEX_PREFIX)
}

/// The partition of those whose message was sent again.
fn resent_partition<S: Subject>() -> String {
    format!("{}again", S::INDEX_PREFIX)
}

/// The subject of an index entry.
fn key_of<S: Subject>(item: &Item) -> Result<S::Key, StoreError> {
    S::parse_partition(text_of(item, PARTITION_KEY)?)
        .ok_or_else(|| StoreError::item("an entry of the index belongs to something else"))
}

fn count_of(item: &Item, name: &str) -> u32 {
    match item.get(name) {
        Some(AttributeValue::N(digits)) => digits.parse().unwrap_or(0),
        _ => 0,
    }
}

impl Subject for Dispatch {
    type Key = DispatchKey;
    type Work = dispatch::work::Work;

    const INDEX_PREFIX: &'static str = "DUE#";

    fn key(&self) -> &DispatchKey {
        &self.key
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn state_name(&self) -> &'static str {
        self.state.name()
    }

    fn pending_work(&self) -> Option<(Self::Work, Timestamp)> {
        dispatch::pending_work(self)
    }

    fn tenant(key: &DispatchKey) -> &Tenant {
        &key.tenant
    }

    fn id(key: &DispatchKey) -> &dyn Display {
        &key.id
    }

    fn shard(key: &DispatchKey) -> u8 {
        key.id.shard(DUE_SHARDS)
    }

    fn item_key(key: &DispatchKey) -> Item {
        items::key(dispatch_partition(key), DISPATCH)
    }

    fn parse_partition(partition: &str) -> Option<DispatchKey> {
        let (tenant, id) = partition.strip_prefix("T#")?.split_once("#D#")?;
        Some(DispatchKey {
            tenant: tenant.parse().ok()?,
            id: id.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::items::key;
    use super::*;
    use crate::conversation::{Conversation, ConversationKey};
    use crate::dispatch::{DecisionContext, Event, NewDispatch, Route, create, decide};
    use crate::ids::{DispatchId, Nonce, ProviderName};

    const START: Timestamp = Timestamp::from_millis(1_795_402_810_000);

    fn created() -> Dispatch {
        let spec: NewDispatch = serde_json::from_value(json!({
            "ticket": { "text": "Pump four has stopped." },
            "employees": [{ "id": "anna", "name": "Anna", "phone": "+12025550101" }],
            "policy": {}, "webhook": null,
        }))
        .expect("a spec");
        let key = DispatchKey {
            tenant: "main".parse().expect("a tenant"),
            id: DispatchId::new(0x1_0006),
        };
        let created = create(key, spec, String::new(), at(START, 1));
        created.next.expect("a dispatch")
    }

    fn at(now: Timestamp, nonce: u64) -> DecisionContext {
        DecisionContext {
            now,
            nonce: Nonce::new(nonce),
        }
    }

    const PROVIDER: ProviderName = ProviderName::known("voice");

    fn after(dispatch: &Dispatch, event: &Event, millis: i64) -> Dispatch {
        let context = at(START.plus_millis(millis), dispatch.version + 1);
        decide(dispatch, event, context).next.expect("a change")
    }

    /// The values of the index keys.
    fn keys_of(dispatch: &Dispatch) -> Vec<String> {
        let keys = due_keys(dispatch);
        keys.into_iter()
            .map(|(_, value)| value.as_s().expect("text").clone())
            .collect()
    }

    #[test]
    fn an_index_entry_changes_every_five_minutes_and_disappears_at_the_end() {
        let planned = created();
        assert_eq!(keys_of(&planned), ["DUE#2", "2026-11-23T03:05:00.000Z"]);
        let attempt = planned.attempt().expect("an attempt").id;
        let claimed = after(
            &planned,
            &Event::Claim {
                attempt,
                route: Route::only(PROVIDER),
            },
            1_000,
        );
        // The call rings for 25 s and lasts up to 180 s; its outcome is settled after another 60 s.
        assert_eq!(keys_of(&claimed), ["DUE#2", "2026-11-23T03:05:00.000Z"]);
        let call_id = "track-1".to_owned();
        let placed = after(&claimed, &Event::Placed { attempt, call_id }, 1_400);
        assert_eq!(keys_of(&placed), keys_of(&claimed));
        let keys = "1".to_owned();
        let accepted = after(&placed, &Event::Key { attempt, keys }, 30_000);
        assert_eq!(keys_of(&accepted), Vec::<String>::new());
    }

    #[test]
    fn an_index_entry_identifies_its_subject() {
        let dispatch = created();
        let entry = Dispatch::item_key(&dispatch.key);
        assert_eq!(key_of::<Dispatch>(&entry).expect("a dispatch"), dispatch.key);
        let conversation = ConversationKey {
            tenant: "main".parse().expect("a tenant"),
            id: "4711".parse().expect("an id"),
        };
        let entry = Conversation::item_key(&conversation);
        assert_eq!(key_of::<Conversation>(&entry).expect("a conversation"), conversation);
        for other in ["T#main#X#0123", "TOKEN#0123", "T#main#D#4711", "T#main#V#"] {
            let entry = key(other.to_owned(), DISPATCH);
            assert!(key_of::<Dispatch>(&entry).is_err(), "{other}");
            assert!(key_of::<Conversation>(&entry).is_err(), "{other}");
        }
    }
}
