//! Errors of the table.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::aws_error::{AwsError, ErrorKind};
use crate::message::{Failure, FailureKind};

/// Why the table could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A request to DynamoDB failed. It may nevertheless have taken effect.
    #[error("DynamoDB {operation}: {cause}")]
    Request {
        /// The name of the DynamoDB operation.
        operation: &'static str,
        /// The error.
        cause: AwsError,
    },
    /// An item is malformed, or this version of patchbay cannot read it.
    #[error("cannot read an item in the table: {0}")]
    Item(String),
    /// A request could not be built: a bug.
    #[error("a request could not be built: {0}")]
    Build(#[from] aws_sdk_dynamodb::error::BuildError),
}

impl StoreError {
    /// Whether a retry may succeed. A malformed item and a malformed request do not go away.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Request { .. })
    }

    /// The kind of the AWS error.
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
            cause: AwsError::from_sdk(error),
        }
    }

    pub(super) fn item(what: impl std::fmt::Display) -> Self {
        Self::Item(what.to_string())
    }
}

impl Failure for StoreError {
    fn kind(&self) -> FailureKind {
        if self.is_transient() {
            FailureKind::Transient
        } else {
            FailureKind::Permanent
        }
    }
}
