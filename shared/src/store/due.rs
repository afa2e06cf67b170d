//! The index `by_due`: a sparse index of unfinished dispatches by the time at which their next message is due.
//!
//! Every unfinished dispatch has two additional attributes, the keys of the index:
//!
//! | state | `due_pk` | `due_sk` |
//! |---|---|---|
//! | as committed | `DUE#0` to `DUE#3`, by its id | when its message is due, rounded up to 5 minutes |
//! | its call waits for a slot | the same | 3 minutes before the provider's backlog ends |
//! | its message was sent again | `DUE#again` | when to check it again |
//!
//! The due time is rounded because most commits of a call leave it within the same 5 minutes, and an unchanged index
//! entry costs no write. Four shards keep a burst of tickets from writing to a single partition. The index projects
//! only keys. A commit replaces the whole item, so it discards whatever was recorded here as soon as the dispatch makes
//! progress.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;

use super::items::{
    DISPATCH, INDEX_BY_DUE, Item, PARTITION_KEY, dispatch_partition, key, number, read_doc, text, text_of,
};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::dispatch::{Dispatch, pending_work};
use crate::ids::DispatchKey;

/// Number of shards of the index.
pub const DUE_SHARDS: u8 = 4;
/// Granularity of `due_sk`, in seconds.
const BUCKET_SECONDS: u32 = 300;
/// Partition for dispatches whose message was sent again.
const RESENT_PARTITION: &str = "DUE#again";
/// Attribute: how often the dispatch's message was sent again since its last commit.
const RESENT_COUNT: &str = "sent_again";
/// Attribute: how often it was left waiting for a slot since its last commit.
const HELD_COUNT: &str = "held";

/// A loaded dispatch that is due, and what was done about it since its last commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueDispatch {
    /// The dispatch.
    pub dispatch: Dispatch,
    /// How often its message was sent again since its last commit.
    pub sent_again: u32,
    /// How often it was left waiting for a slot since its last commit.
    pub held: u32,
}

/// A dispatch whose message was sent again and that has made no progress since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResentDispatch {
    /// The key of the dispatch.
    pub dispatch: DispatchKey,
    /// When to check it again.
    pub check_at: Timestamp,
}

/// Why the next check of a dispatch is postponed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostponeReason {
    /// Its message was sent again.
    Resent,
    /// Its call waits for a slot.
    WaitingForSlot,
}

impl Store {
    /// Up to `limit` dispatches of a shard whose `due_sk` is at or before `before`, the longest overdue first. One
    /// request. The index is eventually consistent: it lags the table by moments.
    pub async fn due(&self, shard: u8, before: Timestamp, limit: i32) -> Result<Vec<DispatchKey>, StoreError> {
        let before = Some(text(before.to_string()));
        let items = self.query_due(&shard_partition(shard), before, limit).await?;
        items.iter().map(dispatch_of).collect()
    }

    /// Up to `limit` dispatches whose messages were sent again and that have made no progress since, the next one to
    /// check first. One request.
    pub async fn resent(&self, limit: i32) -> Result<Vec<ResentDispatch>, StoreError> {
        let items = self.query_due(RESENT_PARTITION, None, limit).await?;
        let resent = |item: &Item| {
            let check_at = Timestamp::parse(text_of(item, "due_sk")?);
            Ok(ResentDispatch {
                dispatch: dispatch_of(item)?,
                check_at: check_at.ok_or_else(|| StoreError::item("`due_sk` is not a timestamp"))?,
            })
        };
        items.iter().map(resent).collect()
    }

    async fn query_due(
        &self,
        partition: &str,
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

    /// Loads a dispatch (a consistent read) with what was done about it, if it exists. One request.
    pub async fn due_dispatch(&self, dispatch: &DispatchKey) -> Result<Option<DueDispatch>, StoreError> {
        let Some(item) = self.get(key(dispatch_partition(dispatch), DISPATCH)).await? else {
            return Ok(None);
        };
        Ok(Some(DueDispatch {
            dispatch: read_doc(&item)?,
            sent_again: count_of(&item, RESENT_COUNT),
            held: count_of(&item, HELD_COUNT),
        }))
    }

    /// Postpones the next check of `due` to `check_at`, unless the dispatch has made progress. Returns whether it did.
    /// One request.
    pub async fn postpone(
        &self,
        due: &DueDispatch,
        reason: PostponeReason,
        check_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let dispatch = &due.dispatch;
        let (partition, counter, count) = match reason {
            PostponeReason::Resent => (RESENT_PARTITION.to_owned(), RESENT_COUNT, due.sent_again),
            PostponeReason::WaitingForSlot => (shard_partition(shard_of(dispatch)), HELD_COUNT, due.held),
        };
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(dispatch_partition(&dispatch.key), DISPATCH)))
            .update_expression("SET due_pk = :pk, due_sk = :sk, #counter = :count")
            .condition_expression("#version = :version")
            .expression_attribute_names("#counter", counter)
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":pk", text(partition))
            .expression_attribute_values(":sk", text(check_at.to_string()))
            .expression_attribute_values(":count", number(count.saturating_add(1)))
            .expression_attribute_values(":version", number(dispatch.version))
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(has_progressed) => Ok(false),
            Err(error) => Err(StoreError::request("UpdateItem", &error)),
        }
    }
}

/// Whether another writer has committed the dispatch, or is committing it now.
fn has_progressed(error: &UpdateItemError) -> bool {
    error.is_conditional_check_failed_exception() || error.is_transaction_conflict_exception()
}

impl Store {
    /// Postpones the next check of a dispatch that cannot be read to `check_at`. One request.
    pub async fn postpone_unreadable(&self, dispatch: &DispatchKey, check_at: Timestamp) -> Result<(), StoreError> {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(dispatch_partition(dispatch), DISPATCH)))
            .update_expression("SET due_pk = :pk, due_sk = :sk")
            .condition_expression("attribute_exists(due_pk)")
            .expression_attribute_values(":pk", text(RESENT_PARTITION))
            .expression_attribute_values(":sk", text(check_at.to_string()))
            .send()
            .await
            .map(drop)
            .map_err(|error| StoreError::request("UpdateItem", &error))
    }
}

/// The index keys of a dispatch that is being committed; none if it is finished.
pub(super) fn due_keys(dispatch: &Dispatch) -> Vec<(String, AttributeValue)> {
    let Some((_, due_at)) = pending_work(dispatch) else {
        return Vec::new();
    };
    let bucket = due_at.rounded_up_to(BUCKET_SECONDS);
    vec![
        ("due_pk".to_owned(), text(shard_partition(shard_of(dispatch)))),
        ("due_sk".to_owned(), text(bucket.to_string())),
    ]
}

fn shard_of(dispatch: &Dispatch) -> u8 {
    dispatch.key.id.shard(DUE_SHARDS)
}

fn shard_partition(shard: u8) -> String {
    format!("DUE#{shard}")
}

/// The dispatch of an index entry, from its partition key `T#{tenant}#D#{dispatch}`.
fn dispatch_of(item: &Item) -> Result<DispatchKey, StoreError> {
    let partition = text_of(item, PARTITION_KEY)?;
    let parts = partition.strip_prefix("T#").and_then(|rest| rest.split_once("#D#"));
    let read = |(tenant, id): (&str, &str)| {
        Some(DispatchKey {
            tenant: tenant.parse().ok()?,
            id: id.parse().ok()?,
        })
    };
    parts
        .and_then(read)
        .ok_or_else(|| StoreError::item("an index entry does not belong to a dispatch"))
}

fn count_of(item: &HashMap<String, AttributeValue>, name: &str) -> u32 {
    match item.get(name) {
        Some(AttributeValue::N(digits)) => digits.parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dispatch::Route;
    use crate::dispatch::{DecisionContext, Event, NewDispatch, create, decide};
    use crate::ids::ProviderName;
    use crate::ids::{DispatchId, Nonce};

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
    fn an_index_entry_identifies_its_dispatch() {
        let dispatch = created();
        let entry = key(dispatch_partition(&dispatch.key), DISPATCH);
        assert_eq!(dispatch_of(&entry).expect("a dispatch"), dispatch.key);
        for other in ["T#main#X#0123", "TOKEN#0123", "T#main#D#4711"] {
            assert!(dispatch_of(&key(other.to_owned(), DISPATCH)).is_err(), "{other}");
        }
    }
}
