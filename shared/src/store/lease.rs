//! Leases: an employee is phoned by one dispatch at a time. A lease is taken with the claim of a call, in the same
//! transaction, and given back with the commit by which the story goes on from that call; it ends by itself, too.

use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, Update};

use super::items::{Item, PARTITION_KEY, key, lease_partition, millis_of, number, text, text_of};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::dispatch::{Dispatch, Hold};
use crate::ids::AttemptId;

const LEASE: &str = "L";
const HOLDER: &str = "holder";
const UNTIL: &str = "lease_until";

impl Store {
    /// Until when at the longest another dispatch has the employee of `attempt`; none when nobody has. It only spares what
    /// is bound to fail: a moment later it may be otherwise. One request.
    pub async fn held_elsewhere(
        &self,
        dispatch: &Dispatch,
        attempt: AttemptId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let Some(key) = lease_key(dispatch, attempt) else {
            return Ok(None);
        };
        let Some(lease) = self.get(key).await? else {
            return Ok(None);
        };
        let until = held_until(&lease)?;
        let ours = text_of(&lease, HOLDER)?.starts_with(&dispatch.key.id.to_string());
        Ok(Some(until).filter(|until| !ours && *until > now))
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
            .expression_attribute_values(":expires", number(hold.until.seconds() + 86_400))
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

fn lease_key(dispatch: &Dispatch, attempt: AttemptId) -> Option<Item> {
    let employee = dispatch.employee(attempt.employee)?;
    Some(key(lease_partition(&dispatch.key.tenant, &employee.phone), LEASE))
}

fn holder(dispatch: &Dispatch, attempt: AttemptId) -> String {
    format!("{}/{attempt}", dispatch.key.id)
}
