//! Pacing: a provider takes so many calls a second, so calls reserve slots (GCRA on one item).
//!
//! A storm of tickets is spread, never failed: a first attempt takes the next free slot however far away it is; a
//! retry takes one only while the backlog is short, so that first attempts go before retries.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::items::{PARTITION_KEY, key, millis_of, number};
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// Backlog beyond which a retry stands back.
const RETRY_BACKLOG_MILLIS: i64 = 2_000;
/// Tries against others who reserve at the same moment.
const TRIES: u8 = 8;

/// Who may reserve how far ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
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
            let Some(free_at) = self.take_idle_slot(provider, interval, now).await? else {
                return Ok(Slot::At(now));
            };
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
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let result = self
            .update_pace(provider)
            .update_expression("SET #free = :end")
            .condition_expression("attribute_not_exists(#pk) OR #free <= :now")
            .expression_attribute_names("#pk", PARTITION_KEY)
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
                millis_of(item, "free_at").map(Some)
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
        let result = self
            .update_pace(provider)
            .update_expression("SET #free = #free + :interval")
            .condition_expression("#free > :now")
            .expression_attribute_values(":interval", number(interval))
            .expression_attribute_values(":now", number(now.millis()))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await;
        match result {
            Ok(output) => {
                let item = output
                    .attributes
                    .ok_or_else(|| StoreError::item("a pacing slot was not returned"))?;
                millis_of(&item, "free_at").map(Some)
            }
            Err(error)
                if error.as_service_error().is_some_and(
                    aws_sdk_dynamodb::operation::update_item::UpdateItemError::is_conditional_check_failed_exception,
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(StoreError::request("UpdateItem", &error)),
        }
    }

    /// The end of the last slot that was ever taken; none before the first call. One request.
    pub async fn backlog_end(&self, provider: &str) -> Result<Option<Timestamp>, StoreError> {
        let item = self.get(key(format!("PACE#{provider}"), "P")).await?;
        item.map(|item| millis_of(&item, "free_at")).transpose()
    }

    fn update_pace(
        &self,
        provider: &str,
    ) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(format!("PACE#{provider}"), "P")))
            .expression_attribute_names("#free", "free_at")
    }
}
