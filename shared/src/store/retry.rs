//! Which of DynamoDB's errors pass: the one place that knows.
//!
//! The SDK repeats by itself what was throttled, what failed inside DynamoDB, what got no answer, and a transaction that
//! is still in progress. It does not repeat what met a transaction of somebody else's on the same item, because it
//! cannot know that two writers may meet there; here they may: two dialers at one employee's lease, many at one pacing
//! slot.

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

use crate::patience;

/// Code of the reason of a part of a transaction with which nothing was wrong.
const NOTHING: &str = "None";
/// Codes of what passes by itself.
const PASSING: [&str; 7] = [
    "TransactionConflict",
    "TransactionConflictException",
    "TransactionInProgressException",
    "ReplicatedWriteConflictException",
    "ProvisionedThroughputExceeded",
    "ThrottlingError",
    "ThrottlingException",
];

/// A client that repeats what passes.
pub fn client(config: &SdkConfig) -> Client {
    Client::from_conf(patient(Builder::from(config)).build())
}

/// Lets a client that is made of `config` repeat what passes.
pub fn patient(config: Builder) -> Builder {
    config.retry_config(patience::retries()).retry_classifier(Passing)
}

/// Tells the SDK which errors pass, beside those that it knows.
#[derive(Debug)]
struct Passing;

impl ClassifyRetry for Passing {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = match context.output_or_error() {
            Some(Err(error)) => error.as_operation_error(),
            _ => None,
        };
        if error.is_some_and(passes) {
            return RetryAction::transient_error();
        }
        RetryAction::NoActionIndicated
    }

    fn name(&self) -> &'static str {
        "what passes at DynamoDB"
    }
}

fn passes(error: &Error) -> bool {
    if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.downcast_ref() {
        return all_pass(cancelled.cancellation_reasons());
    }
    code(error).is_some_and(|code| PASSING.contains(&code))
}

/// Whether nothing else was wrong with a transaction than what passes. A condition that does not hold does not pass.
pub(super) fn all_pass(reasons: &[CancellationReason]) -> bool {
    let mut codes = reasons.iter().filter_map(CancellationReason::code);
    let mut wrong = codes.by_ref().filter(|code| *code != NOTHING).peekable();
    wrong.peek().is_some() && wrong.all(|code| PASSING.contains(&code))
}

/// The code of a write's error.
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
    fn a_transaction_is_repeated_only_when_nothing_else_was_wrong_with_it() {
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
            assert_eq!(all_pass(&reasons(codes)), expected, "{codes:?}");
        }
    }
}
