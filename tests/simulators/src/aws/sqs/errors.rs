//! SQS's error responses.

use serde_json::{Value, json};

use crate::aws::sdk::ServiceResponse;

/// An error response of SQS.
#[derive(Debug)]
pub(super) struct SqsError {
    status: u16,
    /// The shape's name in the JSON protocol.
    kind: &'static str,
    /// The code of the older query protocol, which the SDK uses.
    code: &'static str,
    message: String,
}

impl SqsError {
    fn new(kind: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind,
            code,
            message: message.into(),
        }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(
            "com.amazon.coral.service#InvalidParameterValueException",
            "InvalidParameterValue",
            message,
        )
    }

    pub(super) fn answer(&self) -> ServiceResponse {
        let body = json!({ "__type": self.kind, "message": self.message }).to_string();
        let fault = if self.status < 500 { "Sender" } else { "Receiver" };
        ServiceResponse {
            status: self.status,
            body: body.into_bytes(),
            query_error: Some(format!("{};{fault}", self.code)),
        }
    }

    /// The error as the result of one entry of a batch.
    pub(super) fn entry(&self, id: &str) -> Value {
        json!({ "Id": id, "Code": self.code, "Message": self.message, "SenderFault": self.status < 500 })
    }

    pub(super) fn throttled() -> Self {
        Self::new(
            "com.amazonaws.sqs#RequestThrottled",
            "RequestThrottled",
            "Request is throttled.",
        )
    }

    pub(super) fn internal() -> Self {
        let message = "We encountered an internal error. Please try again.";
        Self {
            status: 500,
            ..Self::new("com.amazon.coral.service#InternalFailure", "InternalFailure", message)
        }
    }

    pub(super) fn unknown_operation(operation: &str) -> Self {
        let message = format!("The operation {operation} is not simulated.");
        Self::new(
            "com.amazon.coral.service#UnknownOperationException",
            "InvalidAction",
            message,
        )
    }

    pub(super) fn unreadable(reason: &str) -> Self {
        Self::new(
            "com.amazon.coral.service#SerializationException",
            "MalformedInput",
            reason,
        )
    }

    pub(super) fn no_queue() -> Self {
        let message = "The specified queue does not exist.";
        Self::new(
            "com.amazonaws.sqs#QueueDoesNotExist",
            "AWS.SimpleQueueService.NonExistentQueue",
            message,
        )
    }

    pub(super) fn value(parameter: &str, value: i64, reason: &str) -> Self {
        Self::invalid(format!(
            "Value {value} for parameter {parameter} is invalid. Reason: {reason}"
        ))
    }

    pub(super) fn missing(parameter: &str) -> Self {
        let message = format!("The request must contain the parameter {parameter}.");
        Self::new(
            "com.amazon.coral.service#MissingRequiredParameterException",
            "MissingParameter",
            message,
        )
    }

    pub(super) fn too_long(most: usize) -> Self {
        let message = format!("One or more parameters are invalid. Reason: Message must be shorter than {most} bytes.");
        Self::invalid(message)
    }

    pub(super) fn bad_characters() -> Self {
        let message = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF";
        Self::new(
            "com.amazonaws.sqs#InvalidMessageContents",
            "InvalidMessageContents",
            message,
        )
    }

    pub(super) fn empty_batch() -> Self {
        let message = "There should be at least one entry in the request.";
        Self::new(
            "com.amazonaws.sqs#EmptyBatchRequest",
            "AWS.SimpleQueueService.EmptyBatchRequest",
            message,
        )
    }

    pub(super) fn too_many_entries(entries: usize) -> Self {
        let message = format!("Maximum number of entries per request are 10. You have sent {entries}.");
        let code = "AWS.SimpleQueueService.TooManyEntriesInBatchRequest";
        Self::new("com.amazonaws.sqs#TooManyEntriesInBatchRequest", code, message)
    }

    pub(super) fn batch_too_long(bytes: usize) -> Self {
        let message = format!("Batch requests cannot be longer than 1048576 bytes. You have sent {bytes} bytes.");
        Self::new(
            "com.amazonaws.sqs#BatchRequestTooLong",
            "AWS.SimpleQueueService.BatchRequestTooLong",
            message,
        )
    }

    pub(super) fn bad_entry_id() -> Self {
        let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.";
        Self::new(
            "com.amazonaws.sqs#InvalidBatchEntryId",
            "AWS.SimpleQueueService.InvalidBatchEntryId",
            message,
        )
    }

    pub(super) fn repeated_entry_id(id: &str) -> Self {
        let code = "AWS.SimpleQueueService.BatchEntryIdsNotDistinct";
        Self::new(
            "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
            code,
            format!("Id {id} repeated."),
        )
    }

    pub(super) fn invalid_receipt(handle: &str) -> Self {
        let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
        Self::new(
            "com.amazonaws.sqs#ReceiptHandleIsInvalid",
            "ReceiptHandleIsInvalid",
            message,
        )
    }

    pub(super) fn receipt_expired(handle: &str) -> Self {
        Self::invalid(format!(
            "Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
        ))
    }

    pub(super) fn message_gone(handle: &str) -> Self {
        let reason = "Message does not exist or is not available for visibility timeout change.";
        Self::invalid(format!(
            "Value {handle} for parameter ReceiptHandle is invalid. Reason: {reason}"
        ))
    }

    pub(super) fn not_in_flight() -> Self {
        let code = "AWS.SimpleQueueService.MessageNotInflight";
        Self::new(
            "com.amazonaws.sqs#MessageNotInflight",
            code,
            "The message referred to isn't in flight.",
        )
    }

    pub(super) fn purging(queue: &str) -> Self {
        let message = format!("Only one PurgeQueue operation on {queue} is allowed every 60 seconds.");
        Self::new(
            "com.amazonaws.sqs#PurgeQueueInProgress",
            "AWS.SimpleQueueService.PurgeQueueInProgress",
            message,
        )
    }
}
