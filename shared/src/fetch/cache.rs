//! Documents that were read before. A sandbox compiles a document once; every request asks the table whether it is still
//! the same, which costs one small request.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::flow::{Compiled, Document};
use crate::ids::{ChainName, Tenant};
use crate::store::{KnownChain, Store, StoreError};

/// Most documents that are kept; then all are forgotten, and the busy ones come back.
const MOST: usize = 32;

/// Why there is no document.
#[derive(Debug)]
pub enum NoDocument {
    /// There is none of this name.
    Missing,
    /// The table cannot be had.
    Store(StoreError),
    /// What is kept cannot be read: it was checked when it was uploaded, by another version of patchbay.
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
    /// The document as it is now. One request to the table.
    ///
    /// # Errors
    /// When there is none, or none that can be had.
    pub async fn get(&self, store: &Store, tenant: &Tenant, name: &ChainName) -> Result<Arc<Compiled<D>>, NoDocument> {
        let key = (tenant.clone(), name.clone());
        let known = self.known(&key);
        let version = known.as_ref().map(|(version, _)| *version);
        let stored = match store.chain_unless(tenant, name, version).await {
            Ok(KnownChain::Changed(stored)) => stored,
            Ok(KnownChain::Same) => return known.map(|(_, document)| document).ok_or(NoDocument::Missing),
            Ok(KnownChain::Missing) => {
                self.lock().remove(&key);
                return Err(NoDocument::Missing);
            }
            Err(error) => return Err(NoDocument::Store(error)),
        };
        let value =
            serde_json::from_str(&stored.document).map_err(|error| NoDocument::Unreadable(error.to_string()))?;
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
