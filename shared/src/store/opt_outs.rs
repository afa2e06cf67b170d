//! Addresses that must not be contacted on behalf of a tenant, because their owner asked for it: phone numbers, for calls
//! and messages of every kind, and e-mail addresses.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::items::{DOC, Item, json, key, read_doc};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::ids::Tenant;
use crate::phone::PhoneNumber;
use crate::providers::ses::EmailAddress;
use crate::secret::sha256_hex;

/// Sort key of an opt-out.
const OPT_OUT: &str = "O";
/// Digits of a hash.
const HASH_DIGITS: usize = 64;

/// An address over which somebody can be contacted. `Display` and `Debug` do not show all of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A phone number.
    Phone(PhoneNumber),
    /// An e-mail address. Its case does not matter.
    Email(EmailAddress),
}

/// The text is neither a phone number with `+` nor an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a phone number with + and country code, or an e-mail address")]
pub struct InvalidOptOutAddress;

impl Address {
    /// Parses a phone number in E.164 or an e-mail address.
    ///
    /// # Errors
    /// The text is neither.
    pub fn parse(text: &str) -> Result<Self, InvalidOptOutAddress> {
        let text = text.trim();
        if text.contains('@') {
            return EmailAddress::parse(text)
                .map(Self::Email)
                .map_err(|_| InvalidOptOutAddress);
        }
        PhoneNumber::from_e164(text)
            .map(Self::Phone)
            .map_err(|_| InvalidOptOutAddress)
    }
}

impl From<PhoneNumber> for Address {
    fn from(phone: PhoneNumber) -> Self {
        Self::Phone(phone)
    }
}

impl From<EmailAddress> for Address {
    fn from(address: EmailAddress) -> Self {
        Self::Email(address)
    }
}

/// What identifies an address in the list: its SHA-256 in lower-case hexadecimal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AddressHash(String);

impl From<&PhoneNumber> for AddressHash {
    fn from(phone: &PhoneNumber) -> Self {
        Self(sha256_hex(phone.as_str().as_bytes()))
    }
}

impl From<&EmailAddress> for AddressHash {
    fn from(address: &EmailAddress) -> Self {
        Self(sha256_hex(address.folded().as_bytes()))
    }
}

impl From<&Address> for AddressHash {
    fn from(address: &Address) -> Self {
        match address {
            Address::Phone(phone) => Self::from(phone),
            Address::Email(address) => Self::from(address),
        }
    }
}

impl From<&Self> for AddressHash {
    fn from(hash: &Self) -> Self {
        hash.clone()
    }
}

impl fmt::Display for AddressHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Phone numbers are few enough to find one by its hash.
impl fmt::Debug for AddressHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hash of an address]")
    }
}

/// The text is not a hash of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a hash of an address")]
pub struct InvalidAddressHash;

impl FromStr for AddressHash {
    type Err = InvalidAddressHash;

    fn from_str(text: &str) -> Result<Self, InvalidAddressHash> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_hash = text.len() == HASH_DIGITS && text.bytes().all(is_digit);
        is_hash.then(|| Self(text.to_owned())).ok_or(InvalidAddressHash)
    }
}

/// An opt-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct OptOut {
    /// When it was recorded.
    pub at: Timestamp,
}

/// Hashed, so that no address appears in a key. It stays after everything else about a customer was erased.
fn opt_out_key(tenant: &Tenant, address: &AddressHash) -> Item {
    key(format!("T#{tenant}#{OPT_OUT}#{address}"), OPT_OUT)
}

impl Store {
    /// Records that this address must not be contacted. One request.
    pub async fn put_opt_out(
        &self,
        tenant: &Tenant,
        address: impl Into<AddressHash>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut item = opt_out_key(tenant, &address.into());
        item.insert(DOC.into(), json(&serde_json::json!({ "at": now }))?);
        self.put(item).await
    }

    /// Records that this address may be contacted again. One request.
    pub async fn remove_opt_out(&self, tenant: &Tenant, address: impl Into<AddressHash>) -> Result<(), StoreError> {
        self.delete(opt_out_key(tenant, &address.into())).await
    }

    /// The opt-out of this address, if there is one (a consistent read). One request.
    pub async fn opt_out(
        &self,
        tenant: &Tenant,
        address: impl Into<AddressHash>,
    ) -> Result<Option<OptOut>, StoreError> {
        let item = self.get(opt_out_key(tenant, &address.into())).await?;
        item.map(|item| read_doc(&item)).transpose()
    }

    /// Whether this address must not be contacted (a consistent read). One request. An opt-out that cannot be read
    /// counts.
    pub async fn is_opted_out(&self, tenant: &Tenant, address: impl Into<AddressHash>) -> Result<bool, StoreError> {
        Ok(self.get(opt_out_key(tenant, &address.into())).await?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> AddressHash {
        AddressHash::from(&Address::parse(text).expect(text))
    }

    #[test]
    fn address_is_a_phone_number_or_an_email_address() {
        let phone = Address::parse(" +12025550143 ").expect("a number");
        assert!(matches!(&phone, Address::Phone(number) if number.as_str() == "+12025550143"));
        assert_eq!(hash("Ana@Example.NET"), hash("ana@example.net"));
        assert_ne!(hash("ana@example.net"), hash("ana@example.com"));
        for wrong in [
            "",
            "ana",
            "2025550143",
            "@",
            "a@b@example.net",
            "a@example.net,b@example.net",
            "+",
            "+1 202",
        ] {
            assert_eq!(Address::parse(wrong), Err(InvalidOptOutAddress), "{wrong}");
        }
    }

    /// Stored opt-outs have these keys, so they must never change.
    #[test]
    fn hash_of_a_phone_number_is_that_of_its_e164_form() {
        // `printf '+12025550143' | sha256sum`
        let expected = "54af34308301e43f00650baaeb6cf4925b942201d74191b26d48292cfec907fd";
        assert_eq!(hash("+12025550143").to_string(), expected);
    }

    #[test]
    fn hash_reads_back_and_nothing_else_does() {
        let hash = hash("ana@example.net");
        let text = hash.to_string();
        assert_eq!(text.parse(), Ok(hash.clone()));
        for wrong in [
            "",
            &text[1..],
            &text.to_uppercase(),
            &format!("{text}0"),
            &"g".repeat(64),
        ] {
            assert_eq!(wrong.parse::<AddressHash>(), Err(InvalidAddressHash), "{wrong}");
        }
        assert!(!format!("{hash:?}").contains(&text));
    }
}
