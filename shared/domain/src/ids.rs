//! Identifiers, nonces and keys.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use crate::secret::Randomness;
use crate::timestamp::Timestamp;

/// The text is not an identifier of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {article} {0}", article = article(.0))]
pub struct InvalidId(&'static str);

/// The indefinite article of a noun.
fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o']) {
        "an"
    } else {
        "a"
    }
}

impl InvalidId {
    pub(crate) const PLATFORM_ID: Self = Self("id of a chat platform");
}

/// 64 random bits that distinguish a new object from every earlier one of its kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(u64);

impl Nonce {
    /// Wraps 64 bits: random ones in production, a counter in models and tests.
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }

    /// 64 random bits.
    ///
    /// # Errors
    /// When the operating system's source of randomness fails.
    pub fn random(random: &Randomness) -> Result<Self, getrandom::Error> {
        random.bits().map(Self)
    }

    /// The nonce `count` places after this one: for the further ids of one decision.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.wrapping_add(count))
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
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(InvalidId("nonce"));
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| InvalidId("nonce"))
    }
}

/// A tenant of this deployment: 1 to 32 characters from `a-z`, `0-9` and `-`. Every key in the table begins with it.
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
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || text.len() > 32 || !text.bytes().all(allowed) {
            return Err(InvalidId("tenant"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The name of a document (a task chain, a bot): 1 to 64 characters from `a-z`, `0-9`, `-` and `_`. It is part of URLs
/// and keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentName(String);

impl DocumentName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DocumentName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
            return Err(InvalidId(
                "document name: expected 1 to 64 characters from a-z, 0-9, - and _",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Defines an id type: a prefix and 32 hexadecimal digits, with exactly one text for each id.
macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// A new id: 48 bits of time, then random bits, so that ids of one deployment sort by age.
            ///
            /// # Errors
            /// When the operating system's source of randomness fails.
            pub fn random(random: &Randomness, now: Timestamp) -> Result<Self, getrandom::Error> {
                new_bits(random, now).map(Self)
            }

            /// The id for an idempotency key. The same key of one tenant always gives the same id, so a repeated
            /// request finds the object of the first one without any further record, and never creates a second one.
            pub fn for_idempotency_key(tenant: &Tenant, key: &str) -> Self {
                Self(hash_bits(tenant, key))
            }

            /// The shard of the id, from 0 to `shards` - 1. Ids are spread evenly: the last bits are random or from a
            /// hash, not from the time.
            pub const fn shard(self, shards: u8) -> u8 {
                // Below 256, so nothing is truncated.
                #[expect(clippy::cast_possible_truncation, reason = "less than `shards`")]
                let shard = (self.0 % shards as u128) as u8;
                shard
            }

            /// Wraps 128 bits, for models and fixtures.
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
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let digits = text.strip_prefix($prefix).and_then(parse_bits);
                digits.map(Self).ok_or(InvalidId($what))
            }
        }
    };
}

/// 48 bits of time, then random bits.
fn new_bits(random: &Randomness, now: Timestamp) -> Result<u128, getrandom::Error> {
    let (high, low) = (u128::from(random.bits()?), u128::from(random.bits()?));
    let time = u128::from(now.millis().unsigned_abs()) << 80;
    Ok(time | (((high << 64) | low) >> 48))
}

/// The first 128 bits of a hash of both.
fn hash_bits(tenant: &Tenant, key: &str) -> u128 {
    let mut hash = Sha256::new();
    hash.update(tenant.0.as_bytes());
    hash.update([0]);
    hash.update(key.as_bytes());
    let digest = hash.finalize();
    let bytes = digest.iter().take(16);
    bytes.fold(0, |bits, byte| (bits << 8) | u128::from(*byte))
}

/// Parses 128 bits from 32 lowercase hexadecimal digits.
fn parse_bits(digits: &str) -> Option<u128> {
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let is_number = digits.len() == 32 && digits.bytes().all(is_digit);
    u128::from_str_radix(digits, 16).ok().filter(|_| is_number)
}

prefixed_id!(
    /// The id of a dispatch: `dsp_` and 32 hexadecimal digits.
    DispatchId,
    "dsp_",
    "dispatch id"
);

/// The id of an interaction: a UUID in its canonical form, because clients of the API expect one. Version 7 (48 bits of
/// time, then random bits) or, for an idempotency key, version 8 (from a hash).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InteractionId(u128);

impl InteractionId {
    /// A new id. Ids of one deployment sort by age.
    ///
    /// # Errors
    /// When the operating system's source of randomness fails.
    pub fn random(random: &Randomness, now: Timestamp) -> Result<Self, getrandom::Error> {
        new_bits(random, now).map(|bits| Self(as_uuid(bits, 7)))
    }

    /// The id for an idempotency key. The same key of one tenant always gives the same id, so a repeated request finds
    /// the interaction of the first one without any further record, and never creates a second one.
    pub fn for_idempotency_key(tenant: &Tenant, key: &str) -> Self {
        Self(as_uuid(hash_bits(tenant, key), 8))
    }

    /// The shard of the id, from 0 to `shards` - 1. Ids are spread evenly: the last bits are random or from a hash.
    pub const fn shard(self, shards: u8) -> u8 {
        // Below 256, so nothing is truncated.
        #[expect(clippy::cast_possible_truncation, reason = "less than `shards`")]
        let shard = (self.0 % shards as u128) as u8;
        shard
    }

    /// Makes an id from 128 bits, for models and fixtures; six of them are replaced.
    pub const fn new(bits: u128) -> Self {
        Self(as_uuid(bits, 8))
    }
}

/// Bits with the version and the variant of a UUID (RFC 9562).
const fn as_uuid(bits: u128, version: u128) -> u128 {
    bits & !(0xf << 76) & !(0b11 << 62) | (version << 76) | (0b10 << 62)
}

impl fmt::Display for InteractionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            bits >> 96,
            (bits >> 80) & 0xffff,
            (bits >> 64) & 0xffff,
            (bits >> 48) & 0xffff,
            bits & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for InteractionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for InteractionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let bad = InvalidId("interaction id");
        let id = parse_bits(&text.replace('-', "")).map(Self).ok_or(bad)?;
        // Exactly one text for each id.
        if id.to_string() == text { Ok(id) } else { Err(bad) }
    }
}

/// Key of an interaction: its tenant and its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InteractionKey {
    /// The tenant that owns the interaction.
    pub tenant: Tenant,
    /// The id of the interaction.
    pub id: InteractionId,
}

/// Key of a dispatch: its tenant and its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DispatchKey {
    /// The tenant that owns the dispatch.
    pub tenant: Tenant,
    /// The id of the dispatch.
    pub id: DispatchId,
}

/// The name of a voice provider in URLs, items and the timeline: 1 to 32 characters from `a-z`, `0-9` and `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderName(Cow<'static, str>);

impl ProviderName {
    /// The name of a provider that this build knows.
    pub const fn known(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The name as text.
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
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || text.len() > 32 || !text.bytes().all(allowed) {
            return Err(InvalidId(
                "voice provider's name: expected 1 to 32 characters from a-z, 0-9 and -",
            ));
        }
        Ok(Self(Cow::Owned(text.to_owned())))
    }
}

/// The id of an attempt: one call to one employee. It includes the employee, so that a late key can be credited without
/// a record of every earlier attempt. The nonce distinguishes the attempt from one that another writer decided before
/// it crashed without a commit.
///
/// Text form: `000007-02-9f8a7b6c5d4e3f2a` (ordinal, employee, nonce); sorts by ordinal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// Ordinal of the attempt in the dispatch, counted from 1.
    pub ordinal: u32,
    /// Index of the employee in the dispatch's list. It is part of signed URLs that providers use for hours, so a list
    /// may grow, but an index must never refer to another person.
    pub employee: u8,
    /// Fences the attempt.
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
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let bad = InvalidId("attempt id");
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
        // Exactly one text for each id: `+7` and `7` must not be accepted for `000007`.
        if id.to_string() == text { Ok(id) } else { Err(bad) }
    }
}

/// Serializes ids as their text.
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

serde_as_text!(
    Nonce,
    Tenant,
    DocumentName,
    DispatchId,
    InteractionId,
    ProviderName,
    AttemptId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_through_text() {
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
    fn every_id_has_exactly_one_text() {
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
    fn idempotency_key_names_one_dispatch_per_tenant() {
        let (a, b): (Tenant, Tenant) = ("a".parse().expect("tenant"), "b".parse().expect("tenant"));
        let id = DispatchId::for_idempotency_key;
        assert_eq!(id(&a, "k"), id(&a, "k"));
        assert_ne!(id(&a, "k"), id(&b, "k"));
        assert_ne!(id(&a, "k"), id(&a, "l"));
    }

    #[test]
    fn an_interaction_id_is_a_uuid() {
        let tenant: Tenant = "main".parse().expect("a tenant");
        let now = Timestamp::from_millis(1_700_000_000_000);
        let random = InteractionId::random(&Randomness::default(), now).expect("randomness");
        let keyed = InteractionId::for_idempotency_key(&tenant, "k");
        for (id, version) in [(random, '7'), (keyed, '8'), (InteractionId::new(u128::MAX), '8')] {
            let text = id.to_string();
            assert_eq!(text.len(), 36, "{text}");
            assert_eq!(text.chars().nth(14), Some(version), "{text}");
            assert!(
                text.chars().nth(19).is_some_and(|digit| "89ab".contains(digit)),
                "{text}"
            );
            assert_eq!(text.parse(), Ok(id));
            assert!(text.to_uppercase().parse::<InteractionId>().is_err() || text == text.to_uppercase());
        }
        assert!(random.to_string().starts_with("018bcfe5-6800-7"), "{random}");
        assert_eq!(InteractionId::for_idempotency_key(&tenant, "k"), keyed);
        for text in [
            "",
            "6b1f0000000040008000000000000001",
            "6b1f0000-0000-4000-8000-00000000000",
            "{6b1f}",
        ] {
            assert!(text.parse::<InteractionId>().is_err(), "{text}");
        }
    }

    #[test]
    fn newer_dispatches_sort_after_older_ones() {
        let id =
            |millis| DispatchId::random(&Randomness::default(), Timestamp::from_millis(millis)).expect("randomness");
        assert!(id(1_700_000_000_000) < id(1_700_000_000_001));
    }
}
