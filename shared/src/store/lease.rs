//! Leases on employees' phones: only one dispatch calls an employee at a time. A lease is acquired in the transaction
//! that claims a call, and released in the commit that moves the dispatch past that call. It also expires.

use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, Update};

use super::items::{DOC, Item, PARTITION_KEY, json, key, lease_partition, millis_of, number, read_doc, text, text_of};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::dispatch::limits::CallLimits;
use crate::dispatch::{Dispatch, EmployeeLease};
use crate::ids::{AttemptId, Tenant};

const LEASE: &str = "L";
const HOLDER: &str = "holder";
const UNTIL: &str = "lease_until";
const CALLS: &str = "calls";

/// Whether an employee's phone is in use, and its recent calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneStatus {
    /// Until when at the latest another dispatch holds the lease; `None` if no other dispatch holds it.
    pub held_until: Option<Timestamp>,
    /// Times of calls to it, oldest first, as recorded by [`Store::record_calls`].
    pub calls: Vec<Timestamp>,
}

impl Store {
    /// The status of the phone of the employee of `attempt`. Only an optimization that avoids a claim which would fail:
    /// the status may change at any time. One request.
    pub async fn phone_status(
        &self,
        dispatch: &Dispatch,
        attempt: AttemptId,
        now: Timestamp,
    ) -> Result<PhoneStatus, StoreError> {
        let Some(key) = lease_key(dispatch, attempt) else {
            return Ok(PhoneStatus::default());
        };
        let Some(lease) = self.get(key).await? else {
            return Ok(PhoneStatus::default());
        };
        let until = held_until(&lease)?;
        let is_ours = text_of(&lease, HOLDER)?.starts_with(&dispatch.key.id.to_string());
        let calls = lease.get(CALLS).map(|_| text_of(&lease, CALLS)).transpose()?;
        let calls = calls.map(|calls| serde_json::from_str(calls).map_err(StoreError::item));
        Ok(PhoneStatus {
            held_until: Some(until).filter(|until| !is_ours && *until > now),
            calls: calls.transpose()?.unwrap_or_default(),
        })
    }

    /// The tenant's limits on calls to one number. One request.
    pub async fn call_limits(&self, tenant: &Tenant) -> Result<CallLimits, StoreError> {
        let item = self.get(limits_key(tenant)).await?;
        item.map_or_else(|| Ok(CallLimits::default()), |item| read_doc(&item))
    }

    /// Sets the tenant's limits on calls to one number, from the next call on. One request.
    pub async fn set_call_limits(&self, tenant: &Tenant, limits: &CallLimits) -> Result<(), StoreError> {
        let mut item = limits_key(tenant);
        item.insert(DOC.into(), json(limits)?);
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let sent = request.send().await;
        sent.map(drop).map_err(|error| StoreError::request("PutItem", &error))
    }

    /// Records the times of calls to the employee of `attempt`, this call included. Call it only while holding the
    /// lease on the phone, so that it does not overwrite the calls of another dispatch. One request.
    pub async fn record_calls(
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

    /// The write that acquires the lease on an employee's phone, on condition that no other dispatch holds it. A
    /// dispatch that holds it already renews it.
    pub(super) fn acquire_lease_update(
        &self,
        dispatch: &Dispatch,
        hold: &EmployeeLease,
        now: Timestamp,
    ) -> Result<Update, StoreError> {
        let key = lease_key(dispatch, hold.attempt)
            .ok_or_else(|| StoreError::item("the employee of the attempt is not in the dispatch"))?;
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

    /// The write that releases the lease of `attempt`, on condition that the attempt still holds it.
    pub(super) fn release_lease_update(
        &self,
        dispatch: &Dispatch,
        attempt: AttemptId,
    ) -> Result<Option<Update>, StoreError> {
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

/// Until when a lease is held at the latest.
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
