//! Secrets and randomness.

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

    /// The secret itself; for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Where random bits come from: the operating system, or a seed where a run must be repeatable.
#[derive(Clone, Debug, Default)]
pub struct Randomness(Option<Arc<AtomicU64>>);

impl Randomness {
    /// Bits that follow from `seed`. For tests and simulations: whoever knows the seed knows the bits.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(AtomicU64::new(seed))))
    }

    /// 64 random bits.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn bits(&self) -> Result<u64, getrandom::Error> {
        let Some(state) = &self.0 else { return getrandom::u64() };
        // splitmix64: every state gives another output.
        let mut bits = state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(bits ^ (bits >> 31))
    }
}

/// The SHA-256 of `text`, in lower-case hexadecimal.
pub fn sha256_hex(text: &[u8]) -> String {
    hex(&Sha256::digest(text))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// What is wrong with JSON of ours, without anything that is in it: which field is missing, or where it is not what it
/// should be.
pub fn without_contents(error: &serde_json::Error) -> String {
    let said = error.to_string();
    if said.starts_with("missing field") {
        return said;
    }
    let what = match error.classify() {
        Category::Io | Category::Syntax => "no JSON",
        Category::Data => "other fields than ours",
        Category::Eof => "cut off",
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_and_nothing_of_what_is_there() {
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
                "other fields than ours at line 1 column 23",
            ),
            (r#"{"phone":1,"#, "cut off at line 1 column 11"),
            ("+12025550143", "no JSON at line 1 column 1"),
        ] {
            let error = serde_json::from_str::<Two>(text).expect_err(text);
            assert_eq!(without_contents(&error), expected);
        }
    }
}
