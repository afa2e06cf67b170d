//! What can go wrong with the table.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::aws_error::{AwsError, ErrorKind};
use crate::mail::{Failed, Failure};

/// The table could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB did not do what it was asked to; whether it did is unknown.
    #[error("DynamoDB {operation}: {cause}")]
    Request {
        /// The operation.
        operation: &'static str,
        /// What it said instead.
        cause: AwsError,
    },
    /// An item is not what this version of patchbay writes.
    #[error("an item in the table cannot be read: {0}")]
    Item(String),
    /// A request could not be built; a bug.
    #[error("a request could not be built: {0}")]
    Build(#[from] aws_sdk_dynamodb::error::BuildError),
}

impl StoreError {
    /// Whether the same may well succeed another time. What stands in the table, and what we ask for, do not change by
    /// themselves.
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Request { .. })
    }

    /// Of which kind it is.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Request { cause, .. } => cause.kind,
            Self::Item(_) | Self::Build(_) => ErrorKind::Other,
        }
    }

    pub(super) fn request<E, R>(operation: &'static str, error: &SdkError<E, R>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug + 'static,
    {
        Self::Request {
            operation,
            cause: AwsError::of(error),
        }
    }

    pub(super) fn item(what: impl std::fmt::Display) -> Self {
        Self::Item(what.to_string())
    }
}

impl Failure for StoreError {
    fn failed(&self) -> Failed {
        if self.passes() { Failed::ForNow } else { Failed::ForGood }
    }
}
