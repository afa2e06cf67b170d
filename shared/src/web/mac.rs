//! HMAC, without the `Result` that no key can cause.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// Bytes of one block of SHA-256, and of SHA-1.
const BLOCK: usize = 64;

/// The HMAC-SHA256 under `key` of `parts`, one after another.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new(&block(key, |key| Sha256::digest(key).to_vec()).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The HMAC-SHA1 under `key` of `parts`, one after another. Only for Twilio, which signs with nothing better unless it is
/// told to; for a MAC it has no known weakness.
pub(crate) fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new(&block(key, |key| Sha1::digest(key).to_vec()).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The key as one block. RFC 2104: a key longer than a block is hashed, a shorter one is filled up with zeros. Done here
/// because a key of exactly one block is the only one that the library takes without a `Result`.
fn block(key: &[u8], hash: impl Fn(&[u8]) -> Vec<u8>) -> [u8; BLOCK] {
    let mut block = [0_u8; BLOCK];
    let hashed;
    let short = if key.len() > BLOCK {
        hashed = hash(key);
        hashed.as_slice()
    } else {
        key
    };
    for (slot, byte) in block.iter_mut().zip(short) {
        *slot = *byte;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::hex;

    /// RFC 4231, cases 1, 2 and 6.
    #[test]
    fn the_rfc_vectors_hold_for_short_and_long_keys() {
        for (key, text, expected) in [
            (
                vec![0x0b; 20],
                "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe".to_vec(),
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                vec![0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hex(&hmac_sha256(&key, &[text.as_bytes()])), expected);
            let (head, tail) = text.split_at(5);
            assert_eq!(hex(&hmac_sha256(&key, &[head.as_bytes(), tail.as_bytes()])), expected);
        }
    }

    /// RFC 2202, cases 1, 2 and 6.
    #[test]
    fn the_rfc_vectors_hold_for_sha1_too() {
        for (key, text, expected) in [
            (vec![0x0b; 20], "Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
            (
                b"Jefe".to_vec(),
                "what do ya want for nothing?",
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            ),
            (
                vec![0xaa; 80],
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "aa4ae5e15272d00e95705637ce8a3b55ed402112",
            ),
        ] {
            assert_eq!(hex(&hmac_sha1(&key, &[text.as_bytes()])), expected);
        }
    }
}
