//! Pacing: a provider accepts a limited rate of calls, so calls reserve slots (GCRA on one item per provider).
//!
//! A burst of tickets is spread over time, never refused: a first attempt takes the next free slot, however far in the
//! future it is. A retry takes a slot only while the backlog is short, so that first attempts precede retries.
//!
//! An urgent call takes the next slot from now on that no other urgent call has, even if a normal call has reserved it.
//! A call whose slot was taken ([`Store::is_slot_taken`]) reserves another one. Every urgent call also moves the end of
//! the backlog by one slot, so the backlog never ends before the urgent slots do; this wastes one slot per urgent call.
//!
//! A backlog that never becomes short would hold up the calls that yield to it without limit. So one of them gets the next slot
//! once in [`SHARE`] slots, as an urgent call does ([`Store::reserve_share`]).
//!
//! The item also contains the provider's [`Health`], so that choosing a provider takes one read.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use futures_util::future::try_join_all;

use super::items::{Item, json, key, millis_if_any, millis_of, number, text, text_of};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::dispatch::health::Health;
use crate::dispatch::route::ProviderState;
use crate::ids::ProviderName;
use crate::secret::describe_json_error;

/// Attribute: when the last reserved slot ends.
const FREE: &str = "free_at";
/// Attribute: when the last slot of an urgent call ends.
const URGENT: &str = "urgent_free_at";
/// Attribute: the provider's health.
const HEALTH: &str = "health";
/// Attribute: when a call that yields to the backlog last got one of its slots.
const SHARED: &str = "shared_at";
/// One in so many slots of a long backlog is for calls that yield to it.
pub const SHARE: i64 = 20;
/// Backlog beyond which a retry reserves no slot.
const RETRY_BACKLOG_MILLIS: i64 = 2_000;
/// Attempts to reserve a slot in competition with concurrent writers.
const MAX_ATTEMPTS: u8 = 8;

/// How far ahead a call may reserve a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Takes the next slot that no other urgent call has, even from a normal call.
    Urgent,
    /// A first attempt: takes the next free slot.
    First,
    /// Takes a slot only while the backlog is short.
    Retry,
}

/// Result of reserving a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotReservation {
    /// The call may be placed at this time.
    Reserved(Timestamp),
    /// No slot was reserved; try again at this time.
    RetryAt(Timestamp),
}

/// The state of a provider, with the version that a conditional write needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionedProviderState {
    /// The provider's backlog and health.
    pub value: ProviderState,
    /// The health as stored; the condition of [`Store::record_health`].
    stored_health: Option<String>,
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
    ) -> Result<SlotReservation, StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(free_at) = self.take_idle_slot(provider, interval, priority, now).await? else {
                return Ok(SlotReservation::Reserved(now));
            };
            if priority == Priority::Urgent {
                if let Some(at) = self.take_urgent_slot(provider, interval, free_at, now).await? {
                    return Ok(SlotReservation::Reserved(at));
                }
                continue;
            }
            if priority == Priority::Retry && free_at > now.plus_millis(RETRY_BACKLOG_MILLIS) {
                return Ok(SlotReservation::RetryAt(free_at));
            }
            if let Some(end) = self.append_slot(provider, interval, now).await? {
                return Ok(SlotReservation::Reserved(end.plus_millis(-interval)));
            }
        }
        // Lost to concurrent writers every time: try again after the length of one slot.
        Ok(SlotReservation::RetryAt(now.plus_millis(interval)))
    }

    /// Takes the slot that begins now if no slot is reserved beyond now; otherwise returns when the backlog ends.
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
                    .ok_or_else(|| StoreError::item("DynamoDB did not return the pacing slots"))?;
                millis_of(item, FREE).map(Some)
            }
            _ => Err(StoreError::request("UpdateItem", &error)),
        }
    }

    /// Takes the slot after the last reserved one, and returns when it ends. `None` if the backlog has ended meanwhile.
    async fn append_slot(
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
        let item = send_update(update).await?;
        item.map(|item| millis_of(&item, FREE)).transpose()
    }

    /// Takes the next slot that no urgent call has, ahead of the normal calls in the backlog, which ends at `free_at`.
    /// `None` if a concurrent writer has changed the slots.
    async fn take_urgent_slot(
        &self,
        provider: &str,
        interval: i64,
        free_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        // Slots are contiguous up to the end of the backlog.
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
            if let Some(item) = send_update(update).await? {
                return millis_of(&item, URGENT).map(|end| Some(end.plus_millis(-interval)));
            }
        }
        Ok(None)
    }

    /// Reserves the next slot for a call that yields to a long backlog, if none of those has got one for [`SHARE`] slots.
    /// The slot is not taken by an urgent call. One request, four if there is a slot.
    pub async fn reserve_share(
        &self,
        provider: &str,
        interval: i64,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let before = now.plus_millis(-interval.saturating_mul(SHARE));
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(pace_key(provider)))
            .update_expression("SET #shared = :now")
            .condition_expression("attribute_not_exists(#shared) OR #shared <= :before")
            .expression_attribute_names("#shared", SHARED)
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":before", number(before.millis()))
            .return_values(ReturnValue::UpdatedNew);
        if send_update(update).await?.is_none() {
            return Ok(None);
        }
        match self.reserve_slot(provider, interval, Priority::Urgent, now).await? {
            SlotReservation::Reserved(at) => Ok(Some(at)),
            SlotReservation::RetryAt(_) => Ok(None),
        }
    }

    /// Whether an urgent call has taken the slot at `slot`, which was reserved by a normal call. One request.
    pub async fn is_slot_taken(&self, provider: &str, slot: Timestamp) -> Result<bool, StoreError> {
        let item = self.get(pace_key(provider)).await?;
        let urgent = item.map(|item| millis_if_any(&item, URGENT)).transpose()?;
        Ok(urgent.flatten().is_some_and(|end| end > slot))
    }

    /// When the last reserved slot ends; `None` before the first call. One request.
    pub async fn backlog_end(&self, provider: &str) -> Result<Option<Timestamp>, StoreError> {
        let item = self.get(pace_key(provider)).await?;
        Ok(item.map(|item| millis_if_any(&item, FREE)).transpose()?.flatten())
    }

    /// The state of `provider`. One request.
    pub async fn provider_state(&self, provider: &ProviderName) -> Result<VersionedProviderState, StoreError> {
        let item = self.get(pace_key(provider.as_str())).await?.unwrap_or_default();
        let timestamp = |name| Ok::<_, StoreError>(millis_if_any(&item, name)?.unwrap_or(Timestamp::from_millis(0)));
        let health = item.get(HEALTH).map(|_| text_of(&item, HEALTH)).transpose()?;
        Ok(VersionedProviderState {
            value: ProviderState {
                provider: provider.clone(),
                health: health.map_or_else(|| Ok(Health::default()), from_json)?,
                free_at: timestamp(FREE)?,
                urgent_free_at: timestamp(URGENT)?,
            },
            stored_health: health.map(str::to_owned),
        })
    }

    /// The states of several providers, read in parallel.
    pub async fn provider_states(&self, providers: &[ProviderName]) -> Result<Vec<VersionedProviderState>, StoreError> {
        try_join_all(providers.iter().map(|provider| self.provider_state(provider))).await
    }

    /// Writes the health of a provider, on condition that it has not changed since `known` was read. Returns whether
    /// the condition was met. One request, or none if the health is unchanged.
    pub async fn record_health(&self, known: &VersionedProviderState, health: &Health) -> Result<bool, StoreError> {
        if known.value.health == *health {
            return Ok(true);
        }
        let update = self.client.update_item().table_name(&self.table);
        let update = update
            .set_key(Some(pace_key(known.value.provider.as_str())))
            .update_expression("SET #health = :health")
            .expression_attribute_names("#health", HEALTH)
            .expression_attribute_values(":health", json(health)?);
        let update = match &known.stored_health {
            None => update.condition_expression("attribute_not_exists(#health)"),
            Some(stored) => update
                .condition_expression("#health = :stored")
                .expression_attribute_values(":stored", text(stored)),
        };
        Ok(send_update(update.return_values(ReturnValue::UpdatedNew))
            .await?
            .is_some())
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

/// Sends an update and returns the new attributes; `None` if its condition was not met.
async fn send_update(update: UpdateItemFluentBuilder) -> Result<Option<Item>, StoreError> {
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
    serde_json::from_str(text).map_err(|error| StoreError::item(describe_json_error(&error)))
}
