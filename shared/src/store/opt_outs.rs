//! Numbers that must not be called on behalf of a tenant, because their owner asked for it.

use super::items::{DOC, Item, json, key};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::ids::Tenant;
use crate::phone::PhoneNumber;
use crate::secret::sha256_hex;

/// Sort key of an opt-out.
const OPT_OUT: &str = "O";

/// Hashed, so that no phone number appears in a key.
fn opt_out_key(tenant: &Tenant, phone: &PhoneNumber) -> Item {
    let hash = sha256_hex(phone.as_str().as_bytes());
    key(format!("T#{tenant}#{OPT_OUT}#{hash}"), OPT_OUT)
}

impl Store {
    /// Records that this number must not be called. One request.
    pub async fn put_opt_out(&self, tenant: &Tenant, phone: &PhoneNumber, now: Timestamp) -> Result<(), StoreError> {
        let mut item = opt_out_key(tenant, phone);
        item.insert(DOC.into(), json(&serde_json::json!({ "at": now }))?);
        self.put(item).await
    }

    /// Records that this number may be called again. One request.
    pub async fn remove_opt_out(&self, tenant: &Tenant, phone: &PhoneNumber) -> Result<(), StoreError> {
        self.delete(opt_out_key(tenant, phone)).await
    }

    /// Whether this number must not be called (a consistent read). One request.
    pub async fn is_opted_out(&self, tenant: &Tenant, phone: &PhoneNumber) -> Result<bool, StoreError> {
        Ok(self.get(opt_out_key(tenant, phone)).await?.is_some())
    }
}
