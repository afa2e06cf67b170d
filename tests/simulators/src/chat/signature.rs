//! Signatures of events (chatwoot 2): HMAC-SHA256 over the time and the body. Written independently of patchbay's own
//! implementation, so that the two check each other.

use patchbay::clock::Timestamp;
use sha2::{Digest as _, Sha256};

/// The header with the time, in seconds since 1970.
pub(super) const TIMESTAMP_HEADER: &str = "x-chatwoot-timestamp";
/// The header with the signature.
pub(super) const SIGNATURE_HEADER: &str = "x-chatwoot-signature";
/// The header that is the same in all attempts of one event.
pub(super) const DELIVERY_HEADER: &str = "x-chatwoot-delivery";

/// The block size of SHA-256.
const BLOCK: usize = 64;

/// The value of [`SIGNATURE_HEADER`].
pub(super) fn sign(secret: &str, at: Timestamp, body: &str) -> String {
    let signed = format!("{}.{body}", at.seconds());
    let mac = hmac(secret.as_bytes(), signed.as_bytes());
    mac.iter()
        .fold("sha256=".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

pub(crate) fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = if key.len() > BLOCK {
        Sha256::digest(key).to_vec()
    } else {
        key.to_vec()
    };
    block.resize(BLOCK, 0);
    let padded = |pad: u8| block.iter().map(|byte| byte ^ pad).collect::<Vec<u8>>();
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(message)
        .finalize();
    let outer = Sha256::new().chain_update(padded(0x5c)).chain_update(inner);
    outer.finalize().to_vec()
}
