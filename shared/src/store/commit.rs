//! Commits a decision: writes the dispatch, its new entries and a change to a lease in one transaction.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::items::{PARTITION_KEY, dispatch_item, entry_item, number, read_doc};
use super::lease::held_until;
use super::retry::all_transient;
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::dispatch::{Decision, Dispatch, Entry};
use crate::ids::DispatchKey;

/// Result of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitResult {
    /// Everything was written.
    Committed,
    /// Another writer committed first, and nothing was written. Contains the current dispatch, if DynamoDB returned it.
    Conflict(Option<Box<Dispatch>>),
    /// Another dispatch holds the lease on the employee's phone, until this time at the latest. Nothing was written.
    LeaseHeld(Timestamp),
}

/// A change to a lease, as part of a transaction.
pub(super) enum LeaseWrite {
    /// Acquires the lease; if that fails, nothing is written.
    Acquire(Update),
    /// Releases the lease, if this attempt still holds it.
    Release(Update),
}

/// DynamoDB's code for a condition that was not met.
const CONDITION_FAILED: &str = "ConditionalCheckFailed";

impl Store {
    /// Commits a decision, on condition that the dispatch has not changed since. `status` is an additional entry. One
    /// request; two if another dispatch has meanwhile taken the lease that the decision releases.
    pub async fn commit(
        &self,
        dispatch: &DispatchKey,
        decision: &Decision,
        status: Option<&Entry>,
        now: Timestamp,
    ) -> Result<CommitResult, StoreError> {
        let Some(next) = &decision.next else {
            return self.append(dispatch, decision.entries.iter().chain(status)).await;
        };
        let mut writes = vec![put_dispatch(&self.table, next, now)?];
        for entry in decision.entries.iter().chain(status) {
            let put = Put::builder()
                .table_name(&self.table)
                .set_item(Some(entry_item(dispatch, entry)?));
            writes.push(TransactWriteItem::builder().put(put.build()?).build());
        }
        let lease = match (&decision.lease, decision.release) {
            (Some(hold), _) => Some(LeaseWrite::Acquire(self.acquire_lease_update(next, hold, now)?)),
            (None, Some(attempt)) => self.release_lease_update(next, attempt)?.map(LeaseWrite::Release),
            (None, None) => None,
        };
        self.transact(writes, lease).await
    }

    /// Writes everything or nothing, on the conditions of the first write and of a lease to be acquired. A lease to be
    /// released that another dispatch has taken is left unchanged.
    pub(super) async fn transact(
        &self,
        writes: Vec<TransactWriteItem>,
        lease: Option<LeaseWrite>,
    ) -> Result<CommitResult, StoreError> {
        let (update, releases) = match lease {
            Some(LeaseWrite::Acquire(update)) => (Some(update), false),
            Some(LeaseWrite::Release(update)) => (Some(update), true),
            None => (None, false),
        };
        let lease = update.map(|update| TransactWriteItem::builder().update(update).build());
        let lease_index = writes.len();
        let all = writes.iter().cloned().chain(lease).collect();
        let reasons = match self.write_all(all).await? {
            Ok(()) => return Ok(CommitResult::Committed),
            Err(reasons) => reasons,
        };
        let lease_reason = reasons.get(lease_index).filter(|reason| failed(reason));
        if let Some(reason) = reasons.first().filter(|reason| failed(reason)) {
            let current = reason.item().map(read_doc).transpose()?;
            return Ok(CommitResult::Conflict(current.map(Box::new)));
        }
        match lease_reason {
            // It expired, and another dispatch has it: nothing to release.
            Some(_) if releases => Box::pin(self.transact(writes, None)).await,
            Some(reason) => {
                let held = reason
                    .item()
                    .ok_or_else(|| StoreError::item("DynamoDB did not return the lease"))?;
                Ok(CommitResult::LeaseHeld(held_until(held)?))
            }
            // A retry would fail too.
            None if !all_transient(&reasons) => Err(refused(&reasons)),
            // Concurrent writes to the same items: decide again on the current state.
            None => Ok(CommitResult::Conflict(None)),
        }
    }

    /// Writes everything, or returns for each write why it was cancelled.
    pub(super) async fn write_all(
        &self,
        writes: Vec<TransactWriteItem>,
    ) -> Result<Result<(), Vec<CancellationReason>>, StoreError> {
        let request = self.client.transact_write_items().set_transact_items(Some(writes));
        let Err(error) = request.send().await else {
            return Ok(Ok(()));
        };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                Ok(Err(cancelled.cancellation_reasons().to_vec()))
            }
            _ => Err(StoreError::request("TransactWriteItems", &error)),
        }
    }

    /// Writes entries without changing the dispatch. An existing entry is not overwritten.
    async fn append<'a>(
        &self,
        dispatch: &DispatchKey,
        entries: impl Iterator<Item = &'a Entry>,
    ) -> Result<CommitResult, StoreError> {
        for entry in entries {
            self.put_entry(dispatch, entry).await?;
        }
        Ok(CommitResult::Committed)
    }

    /// Writes one entry unless it exists. Returns whether it was new. One request.
    pub async fn put_entry(&self, dispatch: &DispatchKey, entry: &Entry) -> Result<bool, StoreError> {
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(entry_item(dispatch, entry)?))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(
                    aws_sdk_dynamodb::operation::put_item::PutItemError::is_conditional_check_failed_exception,
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(StoreError::request("PutItem", &error)),
        }
    }
}

/// Whether the write's condition was not met.
pub(super) fn failed(reason: &CancellationReason) -> bool {
    reason.code() == Some(CONDITION_FAILED)
}

/// The error of a transaction that a retry cannot help.
pub(super) fn refused(reasons: &[CancellationReason]) -> StoreError {
    let codes: Vec<&str> = reasons.iter().filter_map(CancellationReason::code).collect();
    StoreError::item(format_args!("a transaction was refused: {}", codes.join(", ")))
}

fn put_dispatch(table: &str, next: &Dispatch, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(dispatch_item(next, now)?))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let put = if next.version == 1 {
        put.condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", PARTITION_KEY)
    } else {
        put.condition_expression("#version = :before")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":before", number(next.version - 1))
    };
    Ok(TransactWriteItem::builder().put(put.build()?).build())
}
