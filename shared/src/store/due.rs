//! What is due: a sparse index over the dispatches that something is still to come of.
//!
//! Every dispatch that is not over carries two attributes more, the keys of the index `by_due`:
//!
//! | | `due_pk` | `due_sk` |
//! |---|---|---|
//! | as its commit wrote it | `DUE#0` to `DUE#3`, by its id | when its message is due, rounded up to 5 minutes |
//! | its call waits for a slot | the same | 3 minutes before the provider's backlog ends |
//! | its message was sent again | `DUE#again` | when it is to be looked at again |
//!
//! Rounded, because most commits of a call leave the moment within the same 5 minutes, and an index entry that stays as it
//! is costs no write. Four parts, so that no storm of tickets writes all of its entries to one place. The index has keys
//! only. A commit writes the whole item anew, so whatever was noted here is gone as soon as the dispatch moves.

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

/// Parts of the index.
pub const DUE_SHARDS: u8 = 4;
/// To what `due_sk` is rounded up, in seconds.
const BUCKET_SECONDS: u32 = 300;
/// The part for what was sent again.
const AGAIN: &str = "DUE#again";
/// How often a dispatch's message was sent again since its last commit.
const TIMES: &str = "sent_again";
/// How often it was left to wait for a slot since its last commit.
const HOLDS: &str = "held";

/// A dispatch as it was loaded, and what has been done about it since its last commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmoved {
    /// The dispatch.
    pub dispatch: Dispatch,
    /// How often its message was sent again.
    pub sent_again: u32,
    /// How often it was left to wait for a slot.
    pub held: u32,
}

/// A dispatch whose message was sent again, and that has not moved since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentAgain {
    /// Which.
    pub dispatch: DispatchKey,
    /// When it is to be looked at again.
    pub look_at: Timestamp,
}

/// Why a dispatch is to be looked at later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Postponed {
    /// Its message was sent again.
    SentAgain,
    /// Its call waits for a slot.
    Held,
}

impl Store {
    /// Up to `limit` dispatches of a part of the index whose `due_sk` is not after `before`, the longest due first. One
    /// request. The index follows the table within moments, not at once.
    pub async fn due(&self, shard: u8, before: Timestamp, limit: i32) -> Result<Vec<DispatchKey>, StoreError> {
        let before = Some(text(before.to_string()));
        let items = self.query_due(&shard_partition(shard), before, limit).await?;
        items.iter().map(dispatch_of).collect()
    }

    /// Up to `limit` dispatches whose messages were sent again and that have not moved since, the next to be looked at
    /// first. One request.
    pub async fn sent_again(&self, limit: i32) -> Result<Vec<SentAgain>, StoreError> {
        let items = self.query_due(AGAIN, None, limit).await?;
        let sent_again = |item: &Item| {
            let look_at = Timestamp::parse(text_of(item, "due_sk")?);
            Ok(SentAgain {
                dispatch: dispatch_of(item)?,
                look_at: look_at.ok_or_else(|| StoreError::item("`due_sk` is no moment"))?,
            })
        };
        items.iter().map(sent_again).collect()
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

    /// The dispatch as it is now (a consistent read), with what has been done about it, if it exists. One request.
    pub async fn unmoved(&self, dispatch: &DispatchKey) -> Result<Option<Unmoved>, StoreError> {
        let Some(item) = self.get(key(dispatch_partition(dispatch), DISPATCH)).await? else {
            return Ok(None);
        };
        Ok(Some(Unmoved {
            dispatch: read_doc(&item)?,
            sent_again: count_of(&item, TIMES),
            held: count_of(&item, HOLDS),
        }))
    }

    /// Has `unmoved` looked at again at `look_at`, unless it has moved. One request; tells whether it did so.
    pub async fn postpone(&self, unmoved: &Unmoved, why: Postponed, look_at: Timestamp) -> Result<bool, StoreError> {
        let dispatch = &unmoved.dispatch;
        let (partition, counter, count) = match why {
            Postponed::SentAgain => (AGAIN.to_owned(), TIMES, unmoved.sent_again),
            Postponed::Held => (shard_partition(shard_of(dispatch)), HOLDS, unmoved.held),
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
            .expression_attribute_values(":sk", text(look_at.to_string()))
            .expression_attribute_values(":count", number(count.saturating_add(1)))
            .expression_attribute_values(":version", number(dispatch.version))
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(is_moving) => Ok(false),
            Err(error) => Err(StoreError::request("UpdateItem", &error)),
        }
    }
}

/// Whether somebody has committed the dispatch meanwhile, or is about to.
fn is_moving(error: &UpdateItemError) -> bool {
    error.is_conditional_check_failed_exception() || error.is_transaction_conflict_exception()
}

impl Store {
    /// Has a dispatch that cannot be read looked at again at `look_at`. One request.
    pub async fn postpone_unread(&self, dispatch: &DispatchKey, look_at: Timestamp) -> Result<(), StoreError> {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(dispatch_partition(dispatch), DISPATCH)))
            .update_expression("SET due_pk = :pk, due_sk = :sk")
            .condition_expression("attribute_exists(due_pk)")
            .expression_attribute_values(":pk", text(AGAIN))
            .expression_attribute_values(":sk", text(look_at.to_string()))
            .send()
            .await
            .map(drop)
            .map_err(|error| StoreError::request("UpdateItem", &error))
    }
}

/// The keys of the index for a dispatch that is being committed; none when it is over.
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

/// The dispatch that an entry of the index is about, by its partition: `T#{tenant}#D#{dispatch}`.
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
        .ok_or_else(|| StoreError::item("an index entry that is no dispatch's"))
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
    use crate::dispatch::{Context, Event, NewDispatch, create, decide};
    use crate::ids::ProviderName;
    use crate::ids::{DispatchId, Nonce};

    const START: Timestamp = Timestamp::from_millis(1_795_402_810_000);

    fn created() -> Dispatch {
        let brief: NewDispatch = serde_json::from_value(json!({
            "ticket": { "text": "Pump four has stopped." },
            "employees": [{ "id": "anna", "name": "Anna", "phone": "+12025550101" }],
            "policy": {}, "webhook": null,
        }))
        .expect("a brief");
        let key = DispatchKey {
            tenant: "main".parse().expect("a tenant"),
            id: DispatchId::new(0x1_0006),
        };
        let created = create(key, brief, String::new(), at(START, 1));
        created.next.expect("a dispatch")
    }

    fn at(now: Timestamp, fresh: u64) -> Context {
        Context {
            now,
            fresh: Nonce::new(fresh),
        }
    }

    const PROVIDER: ProviderName = ProviderName::known("voice");

    fn after(dispatch: &Dispatch, event: &Event, millis: i64) -> Dispatch {
        let context = at(START.plus_millis(millis), dispatch.version + 1);
        decide(dispatch, event, context).next.expect("a change")
    }

    /// The texts of the keys.
    fn keys_of(dispatch: &Dispatch) -> Vec<String> {
        let keys = due_keys(dispatch);
        keys.into_iter()
            .map(|(_, value)| value.as_s().expect("text").clone())
            .collect()
    }

    #[test]
    fn an_entry_is_written_when_its_five_minutes_change_and_gone_when_all_is_over() {
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
        // Rings for 25 s, lasts 180, and is settled after 60 more.
        assert_eq!(keys_of(&claimed), ["DUE#2", "2026-11-23T03:05:00.000Z"]);
        let call_id = "track-1".to_owned();
        let placed = after(&claimed, &Event::Placed { attempt, call_id }, 1_400);
        assert_eq!(keys_of(&placed), keys_of(&claimed));
        let keys = "1".to_owned();
        let accepted = after(&placed, &Event::Key { attempt, keys }, 30_000);
        assert_eq!(keys_of(&accepted), Vec::<String>::new());
    }

    #[test]
    fn an_entry_of_the_index_names_its_dispatch() {
        let dispatch = created();
        let entry = key(dispatch_partition(&dispatch.key), DISPATCH);
        assert_eq!(dispatch_of(&entry).expect("a dispatch"), dispatch.key);
        for foreign in ["T#main#X#0123", "TOKEN#0123", "T#main#D#4711"] {
            assert!(dispatch_of(&key(foreign.to_owned(), DISPATCH)).is_err(), "{foreign}");
        }
    }
}
