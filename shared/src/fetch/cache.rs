//! Caches compiled documents. A sandbox compiles each version of a document once. Every request asks DynamoDB whether
//! the version is still current, which costs one small read.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::flow::{CompiledDocument, Document};
use crate::ids::{ChainName, Tenant};
use crate::store::{ChainLookup, Store, StoredChain};

/// Maximum number of cached documents. When it is reached the cache is cleared, and busy documents are loaded again.
const MAX_ENTRIES: usize = 32;

/// Time-out of the read from DynamoDB. After it a cached version is used, even if it is outdated.
const STORE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Why a document could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No document of this name exists.
    #[error("the document does not exist")]
    NotFound,
    /// DynamoDB is unavailable and no version is cached.
    #[error("{0}")]
    Store(String),
    /// The stored document is not valid: another version of patchbay wrote and checked it.
    #[error("the stored document is not valid: {0}")]
    Invalid(String),
}

type CacheKey = (Tenant, ChainName);

struct CacheEntry<D> {
    version: i64,
    document: Arc<CompiledDocument<D>>,
}

/// Compiled documents by tenant and name. Clones share the cache.
pub struct DocumentCache<D>(Arc<Mutex<HashMap<CacheKey, CacheEntry<D>>>>);

impl<D> Clone for DocumentCache<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D> Default for DocumentCache<D> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<D> fmt::Debug for DocumentCache<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DocumentCache")
    }
}

impl<D: Document> DocumentCache<D> {
    /// The current document, or the cached version when DynamoDB is unavailable. One request to DynamoDB.
    ///
    /// # Errors
    /// When the document does not exist or cannot be loaded.
    pub async fn get(
        &self,
        store: &Store,
        tenant: &Tenant,
        name: &ChainName,
    ) -> Result<Arc<CompiledDocument<D>>, LoadError> {
        let key = (tenant.clone(), name.clone());
        let (version, cached) = self.cached(&key).unzip();
        let reason = match tokio::time::timeout(STORE_TIMEOUT, store.chain_if_changed(tenant, name, version)).await {
            Ok(Ok(ChainLookup::Changed(stored))) => return self.insert(key, &stored),
            Ok(Ok(ChainLookup::Unchanged)) => return cached.ok_or(LoadError::NotFound),
            Ok(Ok(ChainLookup::NotFound)) => {
                self.lock().remove(&key);
                return Err(LoadError::NotFound);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "DynamoDB did not answer in time".to_owned(),
        };
        let has_cached = cached.is_some();
        tracing::error!(%tenant, chain = %name, reason, cached = has_cached, "cannot read the document from DynamoDB");
        cached.ok_or(LoadError::Store(reason))
    }

    fn insert(&self, key: CacheKey, stored: &StoredChain) -> Result<Arc<CompiledDocument<D>>, LoadError> {
        let value = serde_json::from_str(&stored.document);
        let value = value.map_err(|error| LoadError::Invalid(error.to_string()))?;
        let document = CompiledDocument::from_stored(&value)
            .map_err(|issues| LoadError::Invalid(issues.first().map(ToString::to_string).unwrap_or_default()))?;
        let document = Arc::new(document);
        let mut entries = self.lock();
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        let entry = CacheEntry {
            version: stored.version,
            document: Arc::clone(&document),
        };
        entries.insert(key, entry);
        Ok(document)
    }

    /// The cached version, without a request to DynamoDB: for a fallback answer, which must not wait.
    pub fn peek(&self, tenant: &Tenant, name: &ChainName) -> Option<Arc<CompiledDocument<D>>> {
        self.cached(&(tenant.clone(), name.clone()))
            .map(|(_, document)| document)
    }

    fn cached(&self, key: &CacheKey) -> Option<(i64, Arc<CompiledDocument<D>>)> {
        let entries = self.lock();
        let entry = entries.get(key)?;
        Some((entry.version, Arc::clone(&entry.document)))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CacheKey, CacheEntry<D>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
