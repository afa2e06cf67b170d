//! Documents that were read before. A sandbox compiles a document once; every request asks the table whether it is still
//! the same, which costs one small request.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::flow::{Compiled, Document};
use crate::ids::{ChainName, Tenant};
use crate::store::{KnownChain, Store, StoredChain};

/// Most documents that are kept; then all are forgotten, and the busy ones come back.
const MOST: usize = 32;

/// What the table may take, before an older copy of the document will do.
const TABLE_LIMIT: Duration = Duration::from_millis(1_500);

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum NoDocument {
    /// There is none of this name.
    #[error("there is no such document")]
    Missing,
    /// The table cannot be had, and none was read before.
    #[error("{0}")]
    Table(String),
    /// What is kept cannot be read: it was checked when it was uploaded, by another version of patchbay.
    #[error("the document cannot be read: {0}")]
    Unreadable(String),
}

type Key = (Tenant, ChainName);

struct Entry<D> {
    version: i64,
    document: Arc<Compiled<D>>,
}

/// Documents that were read before. Clones share them.
pub struct Cache<D>(Arc<Mutex<HashMap<Key, Entry<D>>>>);

impl<D> Clone for Cache<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D> Default for Cache<D> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<D> fmt::Debug for Cache<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cache")
    }
}

impl<D: Document> Cache<D> {
    /// The document as it is now, or as it was last when the table cannot be had. One request to the table.
    ///
    /// # Errors
    /// When there is none, or none that can be had.
    pub async fn get(&self, store: &Store, tenant: &Tenant, name: &ChainName) -> Result<Arc<Compiled<D>>, NoDocument> {
        let key = (tenant.clone(), name.clone());
        let (version, known) = self.known(&key).unzip();
        let why = match tokio::time::timeout(TABLE_LIMIT, store.chain_unless(tenant, name, version)).await {
            Ok(Ok(KnownChain::Changed(stored))) => return self.keep(key, &stored),
            Ok(Ok(KnownChain::Same)) => return known.ok_or(NoDocument::Missing),
            Ok(Ok(KnownChain::Missing)) => {
                self.lock().remove(&key);
                return Err(NoDocument::Missing);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the table does not answer in time".to_owned(),
        };
        tracing::error!(%tenant, chain = %name, why, kept = known.is_some(), "a request to DynamoDB failed");
        known.ok_or(NoDocument::Table(why))
    }

    fn keep(&self, key: Key, stored: &StoredChain) -> Result<Arc<Compiled<D>>, NoDocument> {
        let value = serde_json::from_str(&stored.document);
        let value = value.map_err(|error| NoDocument::Unreadable(error.to_string()))?;
        let document = Compiled::from_kept(&value)
            .map_err(|issues| NoDocument::Unreadable(issues.first().map(ToString::to_string).unwrap_or_default()))?;
        let document = Arc::new(document);
        let mut entries = self.lock();
        if entries.len() >= MOST {
            entries.clear();
        }
        let entry = Entry {
            version: stored.version,
            document: Arc::clone(&document),
        };
        entries.insert(key, entry);
        Ok(document)
    }

    /// The document as it was last, without asking anybody: for when the table cannot be had.
    pub fn peek(&self, tenant: &Tenant, name: &ChainName) -> Option<Arc<Compiled<D>>> {
        self.known(&(tenant.clone(), name.clone()))
            .map(|(_, document)| document)
    }

    fn known(&self, key: &Key) -> Option<(i64, Arc<Compiled<D>>)> {
        let entries = self.lock();
        let entry = entries.get(key)?;
        Some((entry.version, Arc::clone(&entry.document)))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Entry<D>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
