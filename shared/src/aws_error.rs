//! AWS errors: of which kind they are, and in words that may be logged.

use std::error::Error;
use std::fmt::Write as _;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Of which kind an error of AWS is: what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Too many requests: the same succeeds later.
    Throttled,
    /// Somebody else was writing to the same thing: the same may succeed at once.
    Conflict,
    /// A right is missing, or the credentials are not taken: somebody has to mend that.
    Denied,
    /// The table, queue or parameter is not there.
    Gone,
    /// No answer came.
    Unreachable,
    /// Anything else.
    Other,
}

/// What AWS said instead of an answer. Its sources are in its words, as they display themselves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct AwsError {
    /// Of which kind it is.
    pub kind: ErrorKind,
    words: String,
}

impl AwsError {
    /// One that we find ourselves.
    pub(crate) fn new(kind: ErrorKind, words: impl Into<String>) -> Self {
        Self {
            kind,
            words: words.into(),
        }
    }

    /// What the SDK says.
    pub fn of<E, R>(error: &SdkError<E, R>) -> Self
    where
        E: Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug + 'static,
    {
        let kind = match error {
            SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => ErrorKind::Unreachable,
            SdkError::ServiceError(error) => kind_of(error.err().code().unwrap_or_default()),
            _ => ErrorKind::Other,
        };
        Self::new(kind, in_words(error))
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
        | "ParameterNotFound" => ErrorKind::Gone,
        _ => ErrorKind::Other,
    }
}

/// The error and all its sources, as they display themselves.
///
/// Not as they debug themselves, and not by the SDK's `DisplayErrorContext`: those write the raw response along, which
/// may be a whole item with telephone numbers in it.
pub(crate) fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Writing to a String cannot fail.
        let _ = write!(words, ": {error}");
        source = error.source();
    }
    words
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
    fn a_code_says_of_which_kind_an_error_is() {
        for (code, kind) in [
            ("ThrottlingException", ErrorKind::Throttled),
            ("TransactionConflictException", ErrorKind::Conflict),
            ("AccessDeniedException", ErrorKind::Denied),
            ("ResourceNotFoundException", ErrorKind::Gone),
            ("InternalServerError", ErrorKind::Other),
            ("", ErrorKind::Other),
        ] {
            assert_eq!(kind_of(code), kind, "{code}");
        }
    }

    #[test]
    fn every_source_is_named_and_nothing_else_is_shown() {
        let error = Outer {
            secret: "+12025550101",
            source: std::fmt::Error,
        };
        let words = in_words(&error);
        assert!(words.starts_with("outer: "), "{words}");
        assert!(!words.contains(error.secret), "{words}");
    }
}
