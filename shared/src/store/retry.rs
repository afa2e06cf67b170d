//! Retries of DynamoDB requests: which errors are transient.
//!
//! The SDK retries throttled requests, internal errors of DynamoDB, requests without a response, and transactions that
//! are still in progress. It does not retry a request that conflicted with another transaction on the same item,
//! because it cannot know whether concurrent writers are normal there. Here they are: two dialers compete for an
//! employee's lease, and many for one pacing slot.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::CancellationReason;
use aws_smithy_runtime_api::client::interceptors::context::{Error, InterceptorContext};
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_types::SdkConfig;

use crate::timeouts;

/// Code in the cancellation reason of a part of a transaction that did not fail.
const NO_ERROR: &str = "None";
/// Codes of transient errors.
const TRANSIENT: [&str; 7] = [
    "TransactionConflict",
    "TransactionConflictException",
    "TransactionInProgressException",
    "ReplicatedWriteConflictException",
    "ProvisionedThroughputExceeded",
    "ThrottlingError",
    "ThrottlingException",
];

/// A client that retries transient errors.
pub fn client(config: &SdkConfig) -> Client {
    Client::from_conf(with_retries(Builder::from(config)).build())
}

/// Adds the retries of transient errors to a client's configuration.
pub fn with_retries(config: Builder) -> Builder {
    config
        .retry_config(timeouts::retries())
        .retry_classifier(TransientErrors)
}

/// Classifies transient errors for the SDK, in addition to those that it recognizes.
#[derive(Debug)]
struct TransientErrors;

impl ClassifyRetry for TransientErrors {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = match context.output_or_error() {
            Some(Err(error)) => error.as_operation_error(),
            _ => None,
        };
        if error.is_some_and(is_transient) {
            return RetryAction::transient_error();
        }
        RetryAction::NoActionIndicated
    }

    fn name(&self) -> &'static str {
        "transient errors of DynamoDB"
    }
}

fn is_transient(error: &Error) -> bool {
    if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.downcast_ref() {
        return all_transient(cancelled.cancellation_reasons());
    }
    code(error).is_some_and(|code| TRANSIENT.contains(&code))
}

/// Whether a transaction failed only with transient errors. A condition that was not met is not transient.
pub(super) fn all_transient(reasons: &[CancellationReason]) -> bool {
    let mut codes = reasons.iter().filter_map(CancellationReason::code);
    let mut errors = codes.by_ref().filter(|code| *code != NO_ERROR).peekable();
    errors.peek().is_some() && errors.all(|code| TRANSIENT.contains(&code))
}

/// The error code of a write operation's error.
fn code(error: &Error) -> Option<&str> {
    fn of<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static>(error: &Error) -> Option<&str> {
        error.downcast_ref::<E>().and_then(ProvideErrorMetadata::code)
    }
    of::<PutItemError>(error)
        .or_else(|| of::<UpdateItemError>(error))
        .or_else(|| of::<DeleteItemError>(error))
        .or_else(|| of::<TransactWriteItemsError>(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(codes: &[&str]) -> Vec<CancellationReason> {
        codes
            .iter()
            .map(|code| CancellationReason::builder().code(*code).build())
            .collect()
    }

    #[test]
    fn a_transaction_is_retried_only_if_all_its_errors_are_transient() {
        for (codes, expected) in [
            (&["TransactionConflict"][..], true),
            (&["None", "TransactionConflict", "None"], true),
            (&["ThrottlingError", "TransactionConflict"], true),
            (&["None", "ConditionalCheckFailed"], false),
            (&["TransactionConflict", "ConditionalCheckFailed"], false),
            (&["None"], false),
            (&[], false),
            (&["ValidationError"], false),
        ] {
            assert_eq!(all_transient(&reasons(codes)), expected, "{codes:?}");
        }
    }
}
