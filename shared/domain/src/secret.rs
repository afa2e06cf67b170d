//! Secrets, randomness and hashes.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use sha2::{Digest, Sha256};

/// A value that must not be printed: a key, a password, a token.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The secret itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A source of random bits: the operating system, or a seed where a run must be repeatable.
#[derive(Clone, Debug, Default)]
pub struct Randomness(Option<Arc<AtomicU64>>);

impl Randomness {
    /// A deterministic source. For tests and simulations only: the bits follow from the seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(AtomicU64::new(seed))))
    }

    /// 64 random bits.
    ///
    /// # Errors
    /// When the operating system's source of randomness fails.
    pub fn bits(&self) -> Result<u64, getrandom::Error> {
        let Some(state) = &self.0 else { return getrandom::u64() };
        // splitmix64: every state gives a different output.
        let mut bits = state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(bits ^ (bits >> 31))
    }
}

/// The SHA-256 of `text` in lowercase hexadecimal.
pub fn sha256_hex(text: &[u8]) -> String {
    hex(&Sha256::digest(text))
}

/// `bytes` in lowercase hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Describes an error in JSON that we wrote, without any of its content: which field is missing, or at which position
/// the error is.
pub fn describe_json_error(error: &serde_json::Error) -> String {
    let message = error.to_string();
    if message.starts_with("missing field") {
        return message;
    }
    let what = match error.classify() {
        Category::Io | Category::Syntax => "not JSON",
        Category::Data => "unexpected field or value",
        Category::Eof => "truncated JSON",
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_error_is_described_without_content() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only read")]
        struct Two {
            phone: u8,
            name: String,
        }
        for (text, expected) in [
            (r#"{"phone":1}"#, "missing field `name` at line 1 column 11"),
            (
                r#"{"phone":"+12025550143","name":"Ana"}"#,
                "unexpected field or value at line 1 column 23",
            ),
            (r#"{"phone":1,"#, "truncated JSON at line 1 column 11"),
            ("+12025550143", "not JSON at line 1 column 1"),
        ] {
            let error = serde_json::from_str::<Two>(text).expect_err(text);
            assert_eq!(describe_json_error(&error), expected);
        }
    }
}
