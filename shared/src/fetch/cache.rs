//! Caches compiled documents. A sandbox compiles each version of a document once. Every request asks DynamoDB whether
//! the version is still current, which costs one small read.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::flow::{CompiledDocument, Document};
use crate::store::{DocumentKey, DocumentLookup, Store, StoredDocument};

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

struct CacheEntry<D: Document> {
    version: i64,
    document: Arc<CompiledDocument<D>>,
}

/// Compiled documents by key: all of the kind that is defined by a `D`. Clones share the cache.
pub struct DocumentCache<D: Document>(Arc<Mutex<HashMap<DocumentKey, CacheEntry<D>>>>);

impl<D: Document> Clone for DocumentCache<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D: Document> Default for DocumentCache<D> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<D: Document> fmt::Debug for DocumentCache<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DocumentCache")
    }
}

impl<D: Document> DocumentCache<D> {
    /// The current document, or the cached version when DynamoDB is unavailable. One request to DynamoDB.
    ///
    /// # Errors
    /// When the document does not exist or cannot be loaded.
    pub async fn get(&self, store: &Store, key: &DocumentKey) -> Result<Arc<CompiledDocument<D>>, LoadError> {
        let (version, cached) = self.cached(key).unzip();
        let reason = match tokio::time::timeout(STORE_TIMEOUT, store.document_if_changed(key, version)).await {
            Ok(Ok(DocumentLookup::Changed(stored))) => return self.insert(key.clone(), &stored),
            Ok(Ok(DocumentLookup::Unchanged)) => return cached.ok_or(LoadError::NotFound),
            Ok(Ok(DocumentLookup::NotFound)) => {
                self.lock().remove(key);
                return Err(LoadError::NotFound);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "DynamoDB did not answer in time".to_owned(),
        };
        let has_cached = cached.is_some();
        let DocumentKey { tenant, kind, name } = key;
        let kind = kind.name();
        tracing::error!(%tenant, kind, document = %name, reason, cached = has_cached, "cannot read the document from DynamoDB");
        cached.ok_or(LoadError::Store(reason))
    }

    fn insert(&self, key: DocumentKey, stored: &StoredDocument) -> Result<Arc<CompiledDocument<D>>, LoadError> {
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
    pub fn peek(&self, key: &DocumentKey) -> Option<Arc<CompiledDocument<D>>> {
        self.cached(key).map(|(_, document)| document)
    }

    fn cached(&self, key: &DocumentKey) -> Option<(i64, Arc<CompiledDocument<D>>)> {
        let entries = self.lock();
        let entry = entries.get(key)?;
        Some((entry.version, Arc::clone(&entry.document)))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DocumentKey, CacheEntry<D>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
