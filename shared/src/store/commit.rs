//! Writing a decision: the dispatch, its new entries and the end of a lease, all or nothing.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::items::{PARTITION_KEY, dispatch_item, entry_item, number, read_doc};
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
}

/// DynamoDB's code for a condition that does not hold.
const CONDITION_FAILED: &str = "ConditionalCheckFailed";
/// Tries against transactions of others on the same items.
const TRIES: u32 = 4;

impl Store {
    /// Writes what was decided, on condition that the dispatch is still the one that it was decided on. `status` is an
    /// entry to be written along. At most one request, but for conflicts with other transactions.
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
        let release = match decision.release {
            Some(attempt) => self.release_update(next, attempt)?,
            None => None,
        };
        self.transact(writes, release).await
    }

    /// Writes everything or nothing, on the condition of the first write. Without the condition of `release` when that
    /// one does not hold.
    pub(super) async fn transact(
        &self,
        writes: Vec<TransactWriteItem>,
        mut release: Option<Update>,
    ) -> Result<Committed, StoreError> {
        let lease_at = writes.len();
        for turn in 0..TRIES {
            if turn > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(20 << turn)).await;
            }
            let lease = release
                .clone()
                .map(|update| TransactWriteItem::builder().update(update).build());
            let result = self
                .client
                .transact_write_items()
                .set_transact_items(Some(writes.iter().cloned().chain(lease).collect()))
                .send()
                .await;
            let Err(error) = result else { return Ok(Committed::Yes) };
            let reasons = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    cancelled.cancellation_reasons()
                }
                _ => return Err(StoreError::request("TransactWriteItems", &error)),
            };
            if let Some(reason) = reasons.first().filter(|reason| failed(reason)) {
                let left = reason.item().map(read_doc).transpose()?;
                return Ok(Committed::No(left.map(Box::new)));
            }
            if reasons.get(lease_at).is_some_and(failed) {
                // The lease ran out and somebody else has it: nothing to give back.
                release = None;
            }
        }
        // Others keep writing to the same items; look again at what they left.
        Ok(Committed::No(None))
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
