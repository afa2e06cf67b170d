//! Writing a decision: the dispatch, its new entries and what becomes of a lease, all or nothing.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::items::{PARTITION_KEY, dispatch_item, entry_item, number, read_doc};
use super::lease::held_until;
use super::retry::all_pass;
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::dispatch::{Decision, Dispatch, Entry};
use crate::ids::DispatchKey;

/// What came of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Everything is written.
    Yes,
    /// Somebody else committed first; nothing is written. This is what they left, when DynamoDB said so.
    No(Option<Box<Dispatch>>),
    /// Another dispatch has the employee, until this moment at the longest; nothing is written.
    Held(Timestamp),
}

/// What a transaction does to a lease.
pub(super) enum LeaseWrite {
    /// Takes it, or nothing is written.
    Take(Update),
    /// Ends it, if it is still ours.
    End(Update),
}

/// DynamoDB's code for a condition that does not hold.
const CONDITION_FAILED: &str = "ConditionalCheckFailed";

impl Store {
    /// Writes what was decided, on condition that the dispatch is still the one that it was decided on. `status` is an
    /// entry to be written along. One request; two when the lease that the decision ends is somebody else's by now.
    pub async fn commit(
        &self,
        dispatch: &DispatchKey,
        decision: &Decision,
        status: Option<&Entry>,
        now: Timestamp,
    ) -> Result<Committed, StoreError> {
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
        let lease = match (&decision.hold, decision.release) {
            (Some(hold), _) => Some(LeaseWrite::Take(self.hold_update(next, hold, now)?)),
            (None, Some(attempt)) => self.release_update(next, attempt)?.map(LeaseWrite::End),
            (None, None) => None,
        };
        self.transact(writes, lease).await
    }

    /// Writes everything or nothing, on the condition of the first write and of a lease that is to be taken. A lease that
    /// is to be ended and is not ours any more is left alone.
    pub(super) async fn transact(
        &self,
        writes: Vec<TransactWriteItem>,
        lease: Option<LeaseWrite>,
    ) -> Result<Committed, StoreError> {
        let (update, ends) = match lease {
            Some(LeaseWrite::Take(update)) => (Some(update), false),
            Some(LeaseWrite::End(update)) => (Some(update), true),
            None => (None, false),
        };
        let lease = update.map(|update| TransactWriteItem::builder().update(update).build());
        let at = writes.len();
        let all = writes.iter().cloned().chain(lease).collect();
        let reasons = match self.write_all(all).await? {
            Ok(()) => return Ok(Committed::Yes),
            Err(reasons) => reasons,
        };
        let lease_reason = reasons.get(at).filter(|reason| failed(reason));
        if let Some(reason) = reasons.first().filter(|reason| failed(reason)) {
            let left = reason.item().map(read_doc).transpose()?;
            return Ok(Committed::No(left.map(Box::new)));
        }
        match lease_reason {
            // It ran out, and somebody else has it: nothing to give back.
            Some(_) if ends => Box::pin(self.transact(writes, None)).await,
            Some(reason) => {
                let held = reason
                    .item()
                    .ok_or_else(|| StoreError::item("a held lease was not returned"))?;
                Ok(Committed::Held(held_until(held)?))
            }
            // Nothing that another try of the same could change.
            None if !all_pass(&reasons) => Err(StoreError::item(format_args!(
                "a transaction was refused: {}",
                reasons
                    .iter()
                    .filter_map(CancellationReason::code)
                    .collect::<Vec<_>>()
                    .join(", ")
            ))),
            // Others keep writing to the same items; look again at what they left.
            None => Ok(Committed::No(None)),
        }
    }

    /// Writes everything, or says for each write why it was not.
    async fn write_all(
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

    /// Writes entries without touching the dispatch. An entry that is there already stays as it is.
    async fn append<'a>(
        &self,
        dispatch: &DispatchKey,
        entries: impl Iterator<Item = &'a Entry>,
    ) -> Result<Committed, StoreError> {
        for entry in entries {
            self.put_entry(dispatch, entry).await?;
        }
        Ok(Committed::Yes)
    }

    /// Writes one entry, unless it is there already: tells whether it was new. One request.
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

fn failed(reason: &CancellationReason) -> bool {
    reason.code() == Some(CONDITION_FAILED)
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
