//! The saved state of calls to task chains, for callers that may not return the state with their next request.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::items::{DOC, json, key, number, read_doc};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::ids::{DocumentName, Tenant};
use crate::phone::PhoneNumber;
use crate::secret::sha256_hex;

/// Sort key of a call.
const CALL: &str = "A";
/// Longest interval between two requests of one call, in seconds.
pub const CALL_WINDOW_SECONDS: u32 = 900;

/// The saved state of a caller's last call to a chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedCall {
    /// When its last request was answered.
    pub at: Timestamp,
    /// The hash of its last request.
    pub request: String,
    /// The state before that request.
    pub before: Map<String, Value>,
    /// The state in the response to that request.
    pub after: Map<String, Value>,
    /// Whether the call has ended: the response left the chain, or the caller hung up.
    pub over: bool,
    /// Whether the caller has returned a state in this call.
    pub echoed: bool,
}

impl SavedCall {
    /// Whether another request of this call may still arrive at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        !self.over && now < self.at.plus_seconds(CALL_WINDOW_SECONDS)
    }
}

impl Store {
    /// The saved state of the last call of `caller` to `chain` (a consistent read). `None` also if this version of
    /// patchbay cannot read it. One request.
    pub async fn load_call(
        &self,
        tenant: &Tenant,
        chain: &DocumentName,
        caller: &PhoneNumber,
    ) -> Result<Option<SavedCall>, StoreError> {
        let item = self.get(key(partition(tenant, chain, caller), CALL)).await?;
        Ok(item.and_then(|item| {
            read_doc(&item)
                .inspect_err(|error| tracing::warn!(%error, "cannot read the saved state of a call"))
                .ok()
        }))
    }

    /// Saves a call, replacing the previous one. One request.
    pub async fn save_call(
        &self,
        tenant: &Tenant,
        chain: &DocumentName,
        caller: &PhoneNumber,
        call: &SavedCall,
    ) -> Result<(), StoreError> {
        let mut item = key(partition(tenant, chain, caller), CALL);
        let expires = call.at.plus_seconds(CALL_WINDOW_SECONDS).seconds();
        item.insert("expires".into(), number(expires));
        item.insert(DOC.into(), json(call)?);
        self.put(item).await
    }
}

/// Hashed, so that no phone number appears in a key.
fn partition(tenant: &Tenant, chain: &DocumentName, caller: &PhoneNumber) -> String {
    format!(
        "T#{tenant}#A#{}",
        sha256_hex(format!("{chain}\n{caller}", caller = caller.as_str()).as_bytes())
    )
}
