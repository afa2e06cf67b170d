//! What the notifier needs of the table, and nothing more.

use std::future::Future;

use patchbay::dispatch::{Dispatch, Entry};
use patchbay::ids::DispatchKey;
use patchbay::queue::Failure;
use patchbay::store::{Store, StoreError};

/// Reads dispatches and what they told about themselves.
pub trait ReadDispatch: Sync {
    /// Why something could not be read.
    type Error: Failure + Send;

    /// The dispatch, if there is one.
    fn load(&self, dispatch: &DispatchKey) -> impl Future<Output = Result<Option<Dispatch>, Self::Error>> + Send;

    /// The entry `id` of a dispatch's timeline, if there is one.
    fn entry(
        &self,
        dispatch: &DispatchKey,
        id: &str,
    ) -> impl Future<Output = Result<Option<Entry>, Self::Error>> + Send;
}

impl ReadDispatch for Store {
    type Error = StoreError;

    async fn load(&self, dispatch: &DispatchKey) -> Result<Option<Dispatch>, StoreError> {
        Self::load(self, dispatch).await
    }

    async fn entry(&self, dispatch: &DispatchKey, id: &str) -> Result<Option<Entry>, StoreError> {
        Self::entry(self, dispatch, id).await
    }
}
