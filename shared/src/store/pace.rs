//! Pacing: a provider takes so many calls a second, so calls reserve slots (GCRA on one item).
//!
//! A storm of tickets is spread, never failed: a first attempt takes the next free slot however far away it is; a
//! retry takes one only while the backlog is short, so that first attempts go before retries.
//!
//! An urgent call takes the next slot from now on that no other urgent one has, whoever has reserved it. Whoever finds
//! their slot taken ([`Store::slot_is_taken`]) asks for another one. The end of the backlog moves on by a slot with every
//! urgent call, so it is never before the end of the urgent slots; a slot is lost to that for each of them.
//!
//! The item also says how it goes with the provider ([`Health`]): whoever chooses between providers reads both at once.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use futures_util::future::try_join_all;

use super::items::{Item, json, key, millis_if_any, millis_of, number, text, text_of};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::dispatch::health::Health;
use crate::dispatch::route::Standing;
use crate::ids::ProviderName;
use crate::secret::without_contents;

/// When the last slot ends that is taken.
const FREE: &str = "free_at";
/// When the last slot ends that an urgent call has.
const URGENT: &str = "urgent_free_at";
/// How it goes with the provider.
const HEALTH: &str = "health";
/// Backlog beyond which a retry stands back.
const RETRY_BACKLOG_MILLIS: i64 = 2_000;
/// Tries against others who reserve at the same moment.
const TRIES: u8 = 8;

/// Who may reserve how far ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Takes the next slot that no other urgent call has.
    Urgent,
    /// Takes the next free slot.
    First,
    /// Takes a slot only while the backlog is short.
    Retry,
}

/// What came of asking for a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Reserved: the call may be placed at this moment.
    At(Timestamp),
    /// Nothing is reserved; ask again at this moment.
    AskAgainAt(Timestamp),
}

/// How a provider's account stands, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownStanding {
    /// That.
    pub standing: Standing,
    /// Its health, as it is written.
    written: Option<String>,
}

impl Store {
    /// Reserves a slot of `provider`, `interval` milliseconds long. One request while the provider is idle, two under
    /// load.
    pub async fn reserve_slot(
        &self,
        provider: &str,
        interval: i64,
        priority: Priority,
        now: Timestamp,
    ) -> Result<Slot, StoreError> {
        for _ in 0..TRIES {
            let Some(free_at) = self.take_idle_slot(provider, interval, priority, now).await? else {
                return Ok(Slot::At(now));
            };
            if priority == Priority::Urgent {
                if let Some(at) = self.pass_queue(provider, interval, free_at, now).await? {
                    return Ok(Slot::At(at));
                }
                continue;
            }
            if priority == Priority::Retry && free_at > now.plus_millis(RETRY_BACKLOG_MILLIS) {
                return Ok(Slot::AskAgainAt(free_at));
            }
            if let Some(end) = self.queue_for_slot(provider, interval, now).await? {
                return Ok(Slot::At(end.plus_millis(-interval)));
            }
        }
        // So many reserve at once that we never got a turn: come back in a slot's time.
        Ok(Slot::AskAgainAt(now.plus_millis(interval)))
    }

    /// Takes the slot that begins now, if none is taken beyond now; else says when the next one begins.
    async fn take_idle_slot(
        &self,
        provider: &str,
        interval: i64,
        priority: Priority,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let update = self.update_pace(provider);
        let update = if priority == Priority::Urgent {
            let update = update.update_expression("SET #free = :end, #urgent = :end");
            update.expression_attribute_names("#urgent", URGENT)
        } else {
            update.update_expression("SET #free = :end")
        };
        let result = update
            .condition_expression("attribute_not_exists(#free) OR #free <= :now")
            .expression_attribute_values(":end", number(now.millis() + interval))
            .expression_attribute_values(":now", number(now.millis()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else { return Ok(None) };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                let item = failed
                    .item()
                    .ok_or_else(|| StoreError::item("a pacing slot was not returned"))?;
                millis_of(item, FREE).map(Some)
            }
            _ => Err(StoreError::request("UpdateItem", &error)),
        }
    }

    /// Takes the slot after the last one that is taken; says when it ends. None when the backlog has gone meanwhile.
    async fn queue_for_slot(
        &self,
        provider: &str,
        interval: i64,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let update = self
            .update_pace(provider)
            .update_expression("SET #free = #free + :interval")
            .condition_expression("#free > :now")
            .expression_attribute_values(":interval", number(interval))
            .expression_attribute_values(":now", number(now.millis()));
        let item = updated(update).await?;
        item.map(|item| millis_of(&item, FREE)).transpose()
    }

    /// Takes the next slot that no urgent call has, although others wait until `free_at`; none when that is no longer so.
    async fn pass_queue(
        &self,
        provider: &str,
        interval: i64,
        free_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        // Slots lie one after the other up to the end of the backlog.
        let interval = interval.max(1);
        let slots = free_at.since(now).as_millis() / u128::from(interval.unsigned_abs());
        let slots = i64::try_from(slots).unwrap_or(i64::MAX);
        let slot = free_at.plus_millis(-interval.saturating_mul(slots));
        let first = self
            .update_pace(provider)
            .update_expression("SET #free = #free + :interval, #urgent = :end")
            .condition_expression("#free = :free AND (attribute_not_exists(#urgent) OR #urgent <= :slot)")
            .expression_attribute_values(":free", number(free_at.millis()))
            .expression_attribute_values(":slot", number(slot.millis()))
            .expression_attribute_values(":end", number(slot.millis() + interval));
        let further = self
            .update_pace(provider)
            .update_expression("SET #free = #free + :interval, #urgent = #urgent + :interval")
            .condition_expression("#free > :now AND #urgent > :slot")
            .expression_attribute_values(":slot", number(slot.millis()))
            .expression_attribute_values(":now", number(now.millis()));
        for update in [first, further] {
            let update = update
                .expression_attribute_names("#urgent", URGENT)
                .expression_attribute_values(":interval", number(interval));
            if let Some(item) = updated(update).await? {
                return millis_of(&item, URGENT).map(|end| Some(end.plus_millis(-interval)));
            }
        }
        Ok(None)
    }

    /// Whether an urgent call has taken the slot at `slot`, which had been reserved for another one. One request.
    pub async fn slot_is_taken(&self, provider: &str, slot: Timestamp) -> Result<bool, StoreError> {
        let item = self.get(pace_key(provider)).await?;
        let urgent = item.map(|item| millis_if_any(&item, URGENT)).transpose()?;
        Ok(urgent.flatten().is_some_and(|end| end > slot))
    }

    /// The end of the last slot that was ever taken; none before the first call. One request.
    pub async fn backlog_end(&self, provider: &str) -> Result<Option<Timestamp>, StoreError> {
        let item = self.get(pace_key(provider)).await?;
        Ok(item.map(|item| millis_if_any(&item, FREE)).transpose()?.flatten())
    }

    /// How the account with `provider` stands. One request.
    pub async fn standing(&self, provider: &ProviderName) -> Result<KnownStanding, StoreError> {
        let item = self.get(pace_key(provider.as_str())).await?.unwrap_or_default();
        let moment = |name| Ok::<_, StoreError>(millis_if_any(&item, name)?.unwrap_or(Timestamp::from_millis(0)));
        let health = item.get(HEALTH).map(|_| text_of(&item, HEALTH)).transpose()?;
        Ok(KnownStanding {
            standing: Standing {
                provider: provider.clone(),
                health: health.map_or_else(|| Ok(Health::default()), from_json)?,
                free_at: moment(FREE)?,
                urgent_free_at: moment(URGENT)?,
            },
            written: health.map(str::to_owned),
        })
    }

    /// The same of several, side by side.
    pub async fn standings(&self, providers: &[ProviderName]) -> Result<Vec<KnownStanding>, StoreError> {
        try_join_all(providers.iter().map(|provider| self.standing(provider))).await
    }

    /// Writes down how it goes with a provider, on condition that nobody has done so since `known` was read: tells whether
    /// nobody has. One request, none when nothing changes.
    pub async fn note_health(&self, known: &KnownStanding, health: &Health) -> Result<bool, StoreError> {
        if known.standing.health == *health {
            return Ok(true);
        }
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(pace_key(known.standing.provider.as_str())))
            .update_expression("SET #health = :health")
            .expression_attribute_names("#health", HEALTH)
            .expression_attribute_values(":health", json(health)?);
        let update = match &known.written {
            None => update.condition_expression("attribute_not_exists(#health)"),
            Some(written) => update
                .condition_expression("#health = :written")
                .expression_attribute_values(":written", text(written)),
        };
        Ok(updated(update.return_values(ReturnValue::UpdatedNew)).await?.is_some())
    }

    fn update_pace(&self, provider: &str) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(pace_key(provider)))
            .expression_attribute_names("#free", FREE)
            .return_values(ReturnValue::UpdatedNew)
    }
}

/// What an update wrote; none when its condition did not hold.
async fn updated(update: UpdateItemFluentBuilder) -> Result<Option<Item>, StoreError> {
    match update.send().await {
        Ok(output) => Ok(Some(output.attributes.unwrap_or_default())),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
        {
            Ok(None)
        }
        Err(error) => Err(StoreError::request("UpdateItem", &error)),
    }
}

fn pace_key(provider: &str) -> Item {
    key(format!("PACE#{provider}"), "P")
}

fn from_json(text: &str) -> Result<Health, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::item(without_contents(&error)))
}
