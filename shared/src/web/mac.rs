//! HMAC without a `Result`: no key can cause an error.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// Block size of SHA-256 and SHA-1, in bytes.
const BLOCK: usize = 64;

/// The HMAC-SHA256 of the concatenated `parts`.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new(&block(key, |key| Sha256::digest(key).to_vec()).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The HMAC-SHA1 of the concatenated `parts`. Only for Twilio, which uses it unless configured otherwise. HMAC-SHA1 has
/// no known weakness as a MAC.
pub(crate) fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new(&block(key, |key| Sha1::digest(key).to_vec()).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The key, extended to one block. By RFC 2104 a key longer than a block is hashed, and a shorter one is padded with
/// zeros. We do this here because the library takes a key without a `Result` only if it has exactly one block.
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
    fn sha256_matches_the_rfc_vectors() {
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
    fn sha1_matches_the_rfc_vectors() {
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
