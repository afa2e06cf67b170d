//! Identifiers: made once, compared often, never guessed.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use crate::secret::Randomness;
use crate::timestamp::Timestamp;

/// The text is not an identifier of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a {0}")]
pub struct BadId(&'static str);

/// 64 random bits that make a new thing differ from every earlier one of its kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(u64);

impl Nonce {
    /// Wraps 64 bits; random ones in production, counted ones in a model.
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }

    /// 64 random bits.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn random(random: &Randomness) -> Result<Self, getrandom::Error> {
        random.bits().map(Self)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Nonce {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(BadId("nonce"));
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| BadId("nonce"))
    }
}

/// A customer of this deployment: 1 to 32 of `a-z`, `0-9` and `-`. Every key in the table begins with it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(String);

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tenant {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || text.len() > 32 || !text.bytes().all(allowed) {
            return Err(BadId("tenant"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The name of a task chain: 1 to 64 of `a-z`, `0-9`, `-` and `_`. It is part of URLs and keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainName(String);

impl ChainName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ChainName {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
            return Err(BadId("name of a chain: 1 to 64 of a-z, 0-9, - and _"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A kind of id: a prefix and 32 hexadecimal digits, one text for one id.
macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// A new id: 48 bits of time, then random bits, so that ids of one deployment sort by age.
            ///
            /// # Errors
            /// When the operating system has no randomness to give.
            pub fn random(random: &Randomness, now: Timestamp) -> Result<Self, getrandom::Error> {
                fresh_bits(random, now).map(Self)
            }

            /// The id that belongs to an idempotency key: the same key of one tenant always names the same thing, so a
            /// repeated request finds what the first one made with no further record, and never makes a second one.
            pub fn for_idempotency_key(tenant: &Tenant, key: &str) -> Self {
                Self(bits_of(tenant, key))
            }

            /// One of `shards` parts into which all ids fall evenly. The last bits are random, or a hash's: not the time.
            pub const fn shard(self, shards: u8) -> u8 {
                // Below 256, so nothing is cut off.
                #[expect(clippy::cast_possible_truncation, reason = "less than `shards`")]
                let shard = (self.0 % shards as u128) as u8;
                shard
            }

            /// Wraps 128 bits, for a model or a fixture.
            pub const fn new(bits: u128) -> Self {
                Self(bits)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{:032x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let digits = text.strip_prefix($prefix).and_then(bits_in);
                digits.map(Self).ok_or(BadId($what))
            }
        }
    };
}

/// 48 bits of time, then random ones.
fn fresh_bits(random: &Randomness, now: Timestamp) -> Result<u128, getrandom::Error> {
    let (high, low) = (u128::from(random.bits()?), u128::from(random.bits()?));
    let time = u128::from(now.millis().unsigned_abs()) << 80;
    Ok(time | (((high << 64) | low) >> 48))
}

/// The first 128 bits of a hash of both.
fn bits_of(tenant: &Tenant, key: &str) -> u128 {
    let mut hash = Sha256::new();
    hash.update(tenant.0.as_bytes());
    hash.update([0]);
    hash.update(key.as_bytes());
    let digest = hash.finalize();
    let bytes = digest.iter().take(16);
    bytes.fold(0, |bits, byte| (bits << 8) | u128::from(*byte))
}

/// 128 bits in 32 hexadecimal digits in lower case.
fn bits_in(digits: &str) -> Option<u128> {
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let is_number = digits.len() == 32 && digits.bytes().all(is_digit);
    u128::from_str_radix(digits, 16).ok().filter(|_| is_number)
}

prefixed_id!(
    /// A dispatch: `dsp_` and 32 hexadecimal digits.
    DispatchId,
    "dsp_",
    "dispatch id"
);

/// A dispatch and whose it is: what it takes to find it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DispatchKey {
    /// Whose it is.
    pub tenant: Tenant,
    /// Which one.
    pub id: DispatchId,
}

/// A voice provider, by the name that it goes by in URLs, items and the timeline: `a-z`, `0-9` and `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderName(Cow<'static, str>);

impl ProviderName {
    /// The name of a provider that this build knows.
    pub const fn known(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ProviderName {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || text.len() > 32 || !text.bytes().all(allowed) {
            return Err(BadId("name of a voice provider: lower-case letters, digits and -"));
        }
        Ok(Self(Cow::Owned(text.to_owned())))
    }
}

/// One call to one employee. It says by itself whom it was for, so that a key pressed late can be credited without a
/// record of every earlier attempt; the nonce makes a newly decided attempt differ from one that was decided by a
/// writer who crashed before its commit.
///
/// Text form: `000007-02-9f8a7b6c5d4e3f2a` (ordinal, employee, nonce); sorts by ordinal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// The how manieth attempt of the dispatch, from 1.
    pub ordinal: u32,
    /// Place of the employee in the dispatch's list. It stands in signed URLs that are out there for hours, so a list may
    /// grow, and a place never gets another person.
    pub employee: u8,
    /// What fences it.
    pub nonce: Nonce,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}-{:02}-{}", self.ordinal, self.employee, self.nonce)
    }
}

impl fmt::Debug for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AttemptId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = BadId("attempt id");
        let mut parts = text.split('-');
        let (Some(ordinal), Some(employee), Some(nonce), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad);
        };
        let id = Self {
            ordinal: ordinal.parse().map_err(|_| bad)?,
            employee: employee.parse().map_err(|_| bad)?,
            nonce: nonce.parse().map_err(|_| bad)?,
        };
        // One text for one id: `+7`, `7` and `000007` must not all be it.
        if id.to_string() == text { Ok(id) } else { Err(bad) }
    }
}

/// Serialises an id as its text.
macro_rules! serde_as_text {
    ($($id:ty),*) => {$(
        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

serde_as_text!(Nonce, Tenant, ChainName, DispatchId, ProviderName, AttemptId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_text_form() {
        let attempt = AttemptId {
            ordinal: 7,
            employee: 2,
            nonce: Nonce::new(0x9f8a),
        };
        assert_eq!(attempt.to_string(), "000007-02-0000000000009f8a");
        assert_eq!(attempt.to_string().parse(), Ok(attempt));
        let dispatch =
            DispatchId::random(&Randomness::default(), Timestamp::from_millis(1_700_000_000_000)).expect("randomness");
        assert_eq!(dispatch.to_string().parse(), Ok(dispatch));
    }

    #[test]
    fn there_is_one_text_for_one_id() {
        for text in [
            "7-02-0000000000009f8a",
            "000007-2-0000000000009f8a",
            "+00007-02-0000000000009f8a",
            "",
            "---",
        ] {
            assert!(text.parse::<AttemptId>().is_err(), "{text}");
        }
        for text in [
            "dsp_",
            "dsp_+000000000000000000000000000001f",
            "dsp_0000000000000000000000000000001F",
        ] {
            assert!(text.parse::<DispatchId>().is_err(), "{text}");
        }
        for text in ["", "UPPER", "a#b", "a.b", "abcdefghijklmnopqrstuvwxyz0123456"] {
            assert!(text.parse::<Tenant>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_idempotency_key_names_one_dispatch_per_tenant() {
        let (a, b): (Tenant, Tenant) = ("a".parse().expect("tenant"), "b".parse().expect("tenant"));
        let id = DispatchId::for_idempotency_key;
        assert_eq!(id(&a, "k"), id(&a, "k"));
        assert_ne!(id(&a, "k"), id(&b, "k"));
        assert_ne!(id(&a, "k"), id(&a, "l"));
    }

    #[test]
    fn newer_dispatches_sort_after_older_ones() {
        let id =
            |millis| DispatchId::random(&Randomness::default(), Timestamp::from_millis(millis)).expect("randomness");
        assert!(id(1_700_000_000_000) < id(1_700_000_000_001));
    }
}
