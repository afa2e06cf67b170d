//! Errors of AWS requests: their kind, and a message that is safe to log.

use std::error::Error;
use std::fmt::Write as _;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// The kind of an AWS error, by what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Too many requests: a later retry succeeds.
    Throttled,
    /// A concurrent write to the same item, or a condition that was not met: an immediate retry may succeed.
    Conflict,
    /// A permission is missing, or the credentials were refused: an operator has to fix it.
    Denied,
    /// The table, queue or parameter does not exist.
    NotFound,
    /// No response, or no connection.
    Unreachable,
    /// Anything else.
    Other,
}

/// An error of an AWS request. Its message includes the `Display` text of all its sources.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AwsError {
    /// What can be done about it.
    pub kind: ErrorKind,
    message: String,
}

impl AwsError {
    /// An error that patchbay itself detected.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// Converts an error of the SDK.
    pub fn from_sdk<E, R>(error: &SdkError<E, R>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug + 'static,
    {
        let kind = match error {
            SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => ErrorKind::Unreachable,
            SdkError::ServiceError(error) => kind_of(error.err().code().unwrap_or_default()),
            _ => ErrorKind::Other,
        };
        Self::new(kind, error_chain(error))
    }
}

/// The kind of a service's error code.
fn kind_of(code: &str) -> ErrorKind {
    match code {
        "ThrottlingException"
        | "Throttling"
        | "RequestThrottled"
        | "RequestLimitExceeded"
        | "ProvisionedThroughputExceededException"
        | "TooManyRequestsException" => ErrorKind::Throttled,
        "TransactionConflictException"
        | "TransactionInProgressException"
        | "TransactionCanceledException"
        | "ConditionalCheckFailedException" => ErrorKind::Conflict,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnrecognizedClientException"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "KMSAccessDeniedException"
        | "KmsAccessDenied" => ErrorKind::Denied,
        "ResourceNotFoundException"
        | "QueueDoesNotExist"
        | "AWS.SimpleQueueService.NonExistentQueue"
        | "ParameterNotFound" => ErrorKind::NotFound,
        _ => ErrorKind::Other,
    }
}

/// The `Display` texts of the error and all its sources.
///
/// Neither `Debug` nor the SDK's `DisplayErrorContext`: those include the raw response, which may be a whole item with
/// phone numbers in it.
pub(crate) fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Writing to a String cannot fail.
        let _ = write!(chain, ": {error}");
        source = error.source();
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer {
        secret: &'static str,
        #[source]
        source: std::fmt::Error,
    }

    #[test]
    fn every_error_code_has_its_kind() {
        for (code, kind) in [
            ("ThrottlingException", ErrorKind::Throttled),
            ("TransactionConflictException", ErrorKind::Conflict),
            ("AccessDeniedException", ErrorKind::Denied),
            ("ResourceNotFoundException", ErrorKind::NotFound),
            ("InternalServerError", ErrorKind::Other),
            ("", ErrorKind::Other),
        ] {
            assert_eq!(kind_of(code), kind, "{code}");
        }
    }

    #[test]
    fn the_error_chain_shows_every_source_and_no_fields() {
        let error = Outer {
            secret: "+12025550101",
            source: std::fmt::Error,
        };
        let chain = error_chain(&error);
        assert!(chain.starts_with("outer: "), "{chain}");
        assert!(!chain.contains(error.secret), "{chain}");
    }
}
