//! Leases: an employee is phoned by one dispatch at a time. A lease is taken with the claim of a call, in the same
//! transaction, and given back with the commit by which the story goes on from that call; it ends by itself, too.

use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, Update};

use super::items::{DOC, Item, PARTITION_KEY, json, key, lease_partition, millis_of, number, read_doc, text, text_of};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::dispatch::limits::CallLimits;
use crate::dispatch::{Dispatch, Hold};
use crate::ids::{AttemptId, Tenant};

const LEASE: &str = "L";
const HOLDER: &str = "holder";
const UNTIL: &str = "lease_until";
const CALLS: &str = "calls";

/// How an employee's phone stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Until when at the longest another dispatch has it; none when nobody has.
    pub held_until: Option<Timestamp>,
    /// When it was called, oldest first, as far as it was written down: see [`Store::count_call`].
    pub calls: Vec<Timestamp>,
}

impl Store {
    /// How the phone of the employee of `attempt` stands. It only spares what is bound to fail: a moment later it may be
    /// otherwise. One request.
    pub async fn line(&self, dispatch: &Dispatch, attempt: AttemptId, now: Timestamp) -> Result<Line, StoreError> {
        let Some(key) = lease_key(dispatch, attempt) else {
            return Ok(Line::default());
        };
        let Some(lease) = self.get(key).await? else {
            return Ok(Line::default());
        };
        let until = held_until(&lease)?;
        let ours = text_of(&lease, HOLDER)?.starts_with(&dispatch.key.id.to_string());
        let calls = lease.get(CALLS).map(|_| text_of(&lease, CALLS)).transpose()?;
        let calls = calls.map(|calls| serde_json::from_str(calls).map_err(StoreError::item));
        Ok(Line {
            held_until: Some(until).filter(|until| !ours && *until > now),
            calls: calls.transpose()?.unwrap_or_default(),
        })
    }

    /// How often `tenant` lets a number be called. One request.
    pub async fn call_limits(&self, tenant: &Tenant) -> Result<CallLimits, StoreError> {
        let item = self.get(limits_key(tenant)).await?;
        item.map_or_else(|| Ok(CallLimits::default()), |item| read_doc(&item))
    }

    /// Sets how often `tenant` lets a number be called, from the next call on. One request.
    pub async fn set_call_limits(&self, tenant: &Tenant, limits: &CallLimits) -> Result<(), StoreError> {
        let mut item = limits_key(tenant);
        item.insert(DOC.into(), json(limits)?);
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let sent = request.send().await;
        sent.map(drop).map_err(|error| StoreError::request("PutItem", &error))
    }

    /// Writes down when the employee of `attempt` was called, this call included. Only under the lease on the phone: who
    /// has none writes over what others have counted. One request.
    pub async fn count_call(
        &self,
        dispatch: &Dispatch,
        attempt: AttemptId,
        calls: &[Timestamp],
    ) -> Result<(), StoreError> {
        let Some(key) = lease_key(dispatch, attempt) else {
            return Ok(());
        };
        let last = calls.last().map_or(0, |last| last.seconds());
        let update = self.client.update_item().table_name(&self.table).set_key(Some(key));
        let update = update
            .update_expression("SET #calls = :calls, #expires = :expires")
            .condition_expression("begins_with(#holder, :dispatch)")
            .expression_attribute_names("#calls", CALLS)
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_names("#holder", HOLDER)
            .expression_attribute_values(":dispatch", text(dispatch.key.id.to_string()))
            .expression_attribute_values(":calls", json(&calls)?)
            .expression_attribute_values(":expires", number(last + 2 * 86_400));
        let sent = update.send().await;
        sent.map(drop)
            .map_err(|error| StoreError::request("UpdateItem", &error))
    }

    /// The write that takes the lease on the phone of an employee, on condition that no other dispatch has it. A dispatch
    /// that has it already gets it again.
    pub(super) fn hold_update(&self, dispatch: &Dispatch, hold: &Hold, now: Timestamp) -> Result<Update, StoreError> {
        let key = lease_key(dispatch, hold.attempt)
            .ok_or_else(|| StoreError::item("the attempt is for an employee who is not in the dispatch"))?;
        Ok(Update::builder()
            .table_name(&self.table)
            .set_key(Some(key))
            .update_expression("SET #holder = :holder, #until = :until, #expires = :expires")
            .condition_expression("attribute_not_exists(#pk) OR #until <= :now OR begins_with(#holder, :dispatch)")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#holder", HOLDER)
            .expression_attribute_names("#until", UNTIL)
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_values(":holder", text(holder(dispatch, hold.attempt)))
            .expression_attribute_values(":dispatch", text(dispatch.key.id.to_string()))
            .expression_attribute_values(":until", number(hold.until.millis()))
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":expires", number(hold.until.seconds() + 2 * 86_400))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()?)
    }

    /// The write that ends the lease of `attempt`, on condition that it still holds it.
    pub(super) fn release_update(&self, dispatch: &Dispatch, attempt: AttemptId) -> Result<Option<Update>, StoreError> {
        let Some(key) = lease_key(dispatch, attempt) else {
            return Ok(None);
        };
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key))
            .update_expression("SET #until = :zero")
            .condition_expression("#holder = :holder")
            .expression_attribute_names("#holder", HOLDER)
            .expression_attribute_names("#until", UNTIL)
            .expression_attribute_values(":holder", text(holder(dispatch, attempt)))
            .expression_attribute_values(":zero", number(0));
        Ok(Some(update.build()?))
    }
}

/// Until when a lease is held at the longest.
pub(super) fn held_until(lease: &Item) -> Result<Timestamp, StoreError> {
    millis_of(lease, UNTIL)
}

fn limits_key(tenant: &Tenant) -> Item {
    key(format!("T#{tenant}#LIMITS"), "LIMITS")
}

fn lease_key(dispatch: &Dispatch, attempt: AttemptId) -> Option<Item> {
    let employee = dispatch.employee(attempt.employee)?;
    Some(key(lease_partition(&dispatch.key.tenant, &employee.phone), LEASE))
}

fn holder(dispatch: &Dispatch, attempt: AttemptId) -> String {
    format!("{}/{attempt}", dispatch.key.id)
}
