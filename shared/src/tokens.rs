//! Tokens that were looked up a moment ago: a warm function need not ask the table again for every request.
//!
//! The price is that a token which is withdrawn is good for up to a minute more in a function that has just seen it.
//! An expired one is not: the end of its life is kept with it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::access::{Scope, TokenRecord};
use crate::clock::{Clock, Timestamp};
use crate::ids::Tenant;
use crate::store::Store;
use crate::web::auth::{Token, authorise};
use crate::web::problem::Problem;

/// Seconds that a look-up is good for.
const GOOD_FOR: u32 = 60;
/// Most tokens that are remembered. A deployment has a few; a bound is what keeps it a cache.
const CAPACITY: usize = 64;

/// The tokens in the table.
#[derive(Clone, Debug)]
pub struct Tokens {
    store: Store,
    clock: Clock,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Debug)]
struct Seen {
    hash: String,
    record: TokenRecord,
    at: Timestamp,
}

impl Tokens {
    /// The tokens in `store`; none of them was seen yet.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            seen: Arc::default(),
        }
    }

    /// Whose `token` it is, if it allows what is `needed`. No request when it was seen within the last minute, else one.
    ///
    /// # Errors
    /// 401 and 403 as [`authorise`]; 503 when the table does not answer.
    pub async fn tenant(&self, token: &Token, needed: Scope) -> Result<Tenant, Problem> {
        let (hash, now) = (token.hash(), self.clock.now());
        if let Some(record) = self.remembered(&hash, now) {
            return authorise(Some(&record), needed, now);
        }
        let record = self.store.token(&hash).await?;
        // Only what is good is remembered: whoever guesses must neither fill the memory nor be kept out by it once the
        // token is made.
        if let Some(record) = record.as_ref().filter(|record| !record.revoked) {
            self.remember(hash, record.clone(), now);
        }
        authorise(record.as_ref(), needed, now)
    }

    fn remembered(&self, hash: &str, now: Timestamp) -> Option<TokenRecord> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let found = seen.iter().find(|seen| seen.hash == hash && is_good(seen, now));
        found.map(|seen| seen.record.clone())
    }

    fn remember(&self, hash: String, record: TokenRecord, at: Timestamp) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|seen| seen.hash != hash && is_good(seen, at));
        // In the order in which they came, so the first one is the oldest.
        if seen.len() >= CAPACITY {
            seen.remove(0);
        }
        seen.push(Seen { hash, record, at });
    }
}

fn is_good(seen: &Seen, now: Timestamp) -> bool {
    now < seen.at.plus_seconds(GOOD_FOR)
}
