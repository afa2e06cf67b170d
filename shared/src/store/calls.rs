//! Calls of task chains: what is kept of a call whose state may not come back with its next request.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::items::{DOC, json, key, number, read_doc};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::ids::{ChainName, Tenant};
use crate::phone::PhoneNumber;
use crate::secret::sha256_hex;

/// Sort key of a call.
const CALL: &str = "A";
/// Longest pause between two requests of one call, in seconds.
pub const CALL_WINDOW_SECONDS: u32 = 900;

/// What is kept of the last call of somebody with a chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptCall {
    /// When it was answered last.
    pub at: Timestamp,
    /// The request that was answered last: its hash.
    pub request: String,
    /// The state before that request.
    pub before: Map<String, Value>,
    /// The state in its answer.
    pub after: Map<String, Value>,
    /// The answer left the chain, or the caller has gone.
    pub over: bool,
    /// A state came back in this call.
    pub echoed: bool,
}

impl KeptCall {
    /// Whether its next request may still come at `now`.
    pub fn is_on(&self, now: Timestamp) -> bool {
        !self.over && now < self.at.plus_seconds(CALL_WINDOW_SECONDS)
    }
}

impl Store {
    /// What is kept of the last call of `caller` with `chain` (a consistent read). None when another version of ours wrote
    /// what this one cannot read. One request.
    pub async fn kept_call(
        &self,
        tenant: &Tenant,
        chain: &ChainName,
        caller: &PhoneNumber,
    ) -> Result<Option<KeptCall>, StoreError> {
        let item = self.get(key(partition(tenant, chain, caller), CALL)).await?;
        Ok(item.and_then(|item| {
            read_doc(&item)
                .inspect_err(|error| tracing::warn!(%error, "what was kept of a call cannot be read"))
                .ok()
        }))
    }

    /// Keeps a call, in place of what was kept before. One request.
    pub async fn keep_call(
        &self,
        tenant: &Tenant,
        chain: &ChainName,
        caller: &PhoneNumber,
        call: &KeptCall,
    ) -> Result<(), StoreError> {
        let mut item = key(partition(tenant, chain, caller), CALL);
        let expires = call.at.plus_seconds(CALL_WINDOW_SECONDS).seconds();
        item.insert("expires".into(), number(expires));
        item.insert(DOC.into(), json(call)?);
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .send()
            .await
            .map(drop)
            .map_err(|error| StoreError::request("PutItem", &error))
    }
}

/// Hashed: no number stands in a key.
fn partition(tenant: &Tenant, chain: &ChainName, caller: &PhoneNumber) -> String {
    format!(
        "T#{tenant}#A#{}",
        sha256_hex(format!("{chain}\n{caller}", caller = caller.as_str()).as_bytes())
    )
}
