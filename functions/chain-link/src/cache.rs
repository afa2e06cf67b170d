//! Chains that were read before. A sandbox compiles a document once; every request asks the table whether it is still
//! the same, which costs one small request.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use patchbay::chain::Chain;
use patchbay::ids::{ChainName, Tenant};
use patchbay::store::{KnownChain, Store, StoreError};

/// Most chains that are kept; then all are forgotten, and the busy ones come back.
const MOST: usize = 32;

/// Why there is no chain.
#[derive(Debug)]
pub(crate) enum NoChain {
    /// There is none of this name.
    Missing,
    /// The table cannot be had.
    Store(StoreError),
    /// What is kept cannot be read: it was checked when it was uploaded, by another version of patchbay.
    Unreadable(String),
}

type Key = (Tenant, ChainName);

#[derive(Clone)]
struct Entry {
    version: i64,
    chain: Arc<Chain>,
}

/// Chains that were read before. Clones share them.
#[derive(Clone, Default)]
pub struct Cache(Arc<Mutex<HashMap<Key, Entry>>>);

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cache")
    }
}

impl Cache {
    /// The chain as it is now. One request to the table.
    pub(crate) async fn get(&self, store: &Store, tenant: &Tenant, name: &ChainName) -> Result<Arc<Chain>, NoChain> {
        let key = (tenant.clone(), name.clone());
        let known = self.lock().get(&key).cloned();
        let version = known.as_ref().map(|entry| entry.version);
        let stored = match store.chain_unless(tenant, name, version).await {
            Ok(KnownChain::Changed(stored)) => stored,
            Ok(KnownChain::Same) => return known.map(|entry| entry.chain).ok_or(NoChain::Missing),
            Ok(KnownChain::Missing) => {
                self.lock().remove(&key);
                return Err(NoChain::Missing);
            }
            Err(error) => return Err(NoChain::Store(error)),
        };
        let value = serde_json::from_str(&stored.document).map_err(|error| NoChain::Unreadable(error.to_string()))?;
        let chain = Chain::from_kept(&value)
            .map_err(|issues| NoChain::Unreadable(issues.first().map(ToString::to_string).unwrap_or_default()))?;
        let chain = Arc::new(chain);
        let mut entries = self.lock();
        if entries.len() >= MOST {
            entries.clear();
        }
        let version = stored.version;
        entries.insert(
            key,
            Entry {
                version,
                chain: Arc::clone(&chain),
            },
        );
        Ok(chain)
    }

    /// The chain as it was last, without asking anybody: for when the table cannot be had.
    pub(crate) fn peek(&self, tenant: &Tenant, name: &ChainName) -> Option<Arc<Chain>> {
        let key = (tenant.clone(), name.clone());
        self.lock().get(&key).map(|entry| Arc::clone(&entry.chain))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
