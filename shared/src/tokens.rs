//! A cache of API tokens, so that a warm function does not query DynamoDB for every request.
//!
//! The cost: a revoked token stays valid for up to a minute in a function that has just looked it up. An expired token
//! does not, because its expiry is cached with it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::access::{Scope, TokenRecord};
use crate::clock::{Clock, Timestamp};
use crate::ids::Tenant;
use crate::store::Store;
use crate::web::auth::{Token, authorize};
use crate::web::problem::Problem;

/// Seconds for which a lookup is cached.
const CACHE_SECONDS: u32 = 60;
/// Maximum number of cached tokens, to bound memory. A deployment has only a few.
const CAPACITY: usize = 64;

/// API tokens in the table, cached.
#[derive(Clone, Debug)]
pub struct Tokens {
    store: Store,
    clock: Clock,
    cache: Arc<Mutex<Vec<CachedToken>>>,
}

#[derive(Debug)]
struct CachedToken {
    hash: String,
    record: TokenRecord,
    loaded_at: Timestamp,
}

impl Tokens {
    /// The tokens in `store`, with an empty cache.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            cache: Arc::default(),
        }
    }

    /// The tenant of `token`, if the token has the scope `needed`. One request, or none if the token is cached.
    ///
    /// # Errors
    /// 401 and 403 as [`authorize`]; 503 when DynamoDB is unavailable.
    pub async fn tenant(&self, token: &Token, needed: Scope) -> Result<Tenant, Problem> {
        let (hash, now) = (token.hash(), self.clock.now());
        if let Some(record) = self.cached(&hash, now) {
            return authorize(Some(&record), needed, now);
        }
        let record = self.store.token(&hash).await?;
        // Cache only valid tokens. Guessed tokens must not fill the cache, and a token that is created after it was
        // tried must work at once.
        if let Some(record) = record.as_ref().filter(|record| !record.revoked) {
            self.insert(hash, record.clone(), now);
        }
        authorize(record.as_ref(), needed, now)
    }

    fn cached(&self, hash: &str, now: Timestamp) -> Option<TokenRecord> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let found = cache.iter().find(|token| token.hash == hash && is_fresh(token, now));
        found.map(|token| token.record.clone())
    }

    fn insert(&self, hash: String, record: TokenRecord, loaded_at: Timestamp) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.retain(|token| token.hash != hash && is_fresh(token, loaded_at));
        // In the order of insertion, so the first is the oldest.
        if cache.len() >= CAPACITY {
            cache.remove(0);
        }
        cache.push(CachedToken {
            hash,
            record,
            loaded_at,
        });
    }
}

fn is_fresh(token: &CachedToken, now: Timestamp) -> bool {
    now < token.loaded_at.plus_seconds(CACHE_SECONDS)
}
