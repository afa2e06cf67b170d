//! Leases: an employee is phoned by one dispatch at a time. A lease ends by itself.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, Update};

use super::items::{PARTITION_KEY, key, lease_partition, millis_of, number, text};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::dispatch::Dispatch;
use crate::ids::AttemptId;

const LEASE: &str = "L";

/// What came of asking for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The employee is ours.
    Taken,
    /// Another dispatch has the employee, until this moment at the longest.
    HeldUntil(Timestamp),
}

impl Store {
    /// Takes the lease on the phone of the employee of `attempt`, until `until` at the longest. A dispatch that has
    /// it already gets it again. One request.
    pub async fn take_lease(
        &self,
        dispatch: &Dispatch,
        attempt: AttemptId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        let Some(employee) = dispatch.employee(attempt.employee) else {
            return Err(StoreError::item(
                "the attempt is for an employee who is not in the dispatch",
            ));
        };
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(lease_partition(&dispatch.key.tenant, &employee.phone), LEASE)))
            .update_expression("SET #holder = :holder, #until = :until, #expires = :expires")
            .condition_expression("attribute_not_exists(#pk) OR #until <= :now OR begins_with(#holder, :dispatch)")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#holder", "holder")
            .expression_attribute_names("#until", "lease_until")
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_values(":holder", text(holder(dispatch, attempt)))
            .expression_attribute_values(":dispatch", text(dispatch.key.id.to_string()))
            .expression_attribute_values(":until", number(until.millis()))
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":expires", number(until.seconds() + 86_400))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else { return Ok(Lease::Taken) };
        let Some(failed) = error.as_service_error().and_then(|error| match error {
            UpdateItemError::ConditionalCheckFailedException(failed) => Some(failed),
            _ => None,
        }) else {
            return Err(StoreError::request("UpdateItem", &error));
        };
        let held = failed
            .item()
            .ok_or_else(|| StoreError::item("a held lease was not returned"))?;
        Ok(Lease::HeldUntil(millis_of(held, "lease_until")?))
    }

    /// Ends the lease of `attempt`, if it still holds it. One request.
    pub async fn end_lease(&self, dispatch: &Dispatch, attempt: AttemptId) -> Result<(), StoreError> {
        let Some(update) = self.release_update(dispatch, attempt)? else {
            return Ok(());
        };
        let result = self
            .client
            .update_item()
            .set_table_name(Some(update.table_name))
            .set_key(Some(update.key))
            .set_update_expression(Some(update.update_expression))
            .set_condition_expression(update.condition_expression)
            .set_expression_attribute_names(update.expression_attribute_names)
            .set_expression_attribute_values(update.expression_attribute_values)
            .send()
            .await;
        match result {
            Err(error)
                if !error
                    .as_service_error()
                    .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Err(StoreError::request("UpdateItem", &error))
            }
            _ => Ok(()),
        }
    }

    /// The write that ends the lease of `attempt`, on condition that it still holds it.
    pub(super) fn release_update(&self, dispatch: &Dispatch, attempt: AttemptId) -> Result<Option<Update>, StoreError> {
        let Some(employee) = dispatch.employee(attempt.employee) else {
            return Ok(None);
        };
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(lease_partition(&dispatch.key.tenant, &employee.phone), LEASE)))
            .update_expression("SET #until = :zero")
            .condition_expression("#holder = :holder")
            .expression_attribute_names("#holder", "holder")
            .expression_attribute_names("#until", "lease_until")
            .expression_attribute_values(":holder", text(holder(dispatch, attempt)))
            .expression_attribute_values(":zero", number(0));
        Ok(Some(update.build()?))
    }
}

fn holder(dispatch: &Dispatch, attempt: AttemptId) -> String {
    format!("{}/{attempt}", dispatch.key.id)
}
