//! Addresses that must not be contacted on behalf of a tenant, because their owner asked for it: phone numbers, for calls
//! and messages of every kind, and e-mail addresses.
//!
//! An opt-out is an item of its own: while it is there, nothing contacts the address, also no earlier version of patchbay.
//! Next to it is the history: when the owner said what, and how. Both change together.

use std::fmt;
use std::str::FromStr;

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use serde::{Deserialize, Serialize};

use super::commit::{failed, refused};
use super::items::{DOC, Item, PARTITION_KEY, SORT_KEY, json, key, number, read_doc, text, text_of};
use super::retry::all_transient;
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::ids::{InteractionId, Tenant};
use crate::phone::PhoneNumber;
use crate::providers::ses::EmailAddress;
use crate::secret::sha256_hex;

/// Sort key of an opt-out.
const OPT_OUT: &str = "O";
/// Sort key of the history of an address.
const HISTORY: &str = "H";
/// Attribute with the number of changes.
const VERSION: &str = "version";
/// Changes that are kept: enough to recognize the copies of a message, which arrive within hours.
const MAX_CHANGES: usize = 20;
/// Attempts to record a change, in competition with others to the same address.
const MAX_ATTEMPTS: u8 = 8;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOut {
    /// When it was recorded first.
    pub at: Timestamp,
    /// How the owner said so; `None` if an earlier version of patchbay recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<OptOutSource>,
    /// The interaction that it answers, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interaction: Option<InteractionId>,
}

/// How an opt-out, or its end, became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptOutSource {
    /// A word in a message, such as STOP or START.
    Word,
    /// A word on the page of a web chat.
    Chat,
    /// A key that was pressed in a call.
    Key,
    /// The button of an e-mail.
    Button,
    /// A provider refused a message, or reported a complaint.
    Provider,
    /// A request to the API.
    Api,
    /// `patchbay opt-out`.
    Operator,
}

/// A change to the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOutChange {
    /// When it was received.
    pub at: Timestamp,
    /// Whether the address must not be contacted from then on.
    pub opted_out: bool,
    /// How it became known.
    pub by: OptOutSource,
    /// The provider's id of the message that says so: the same message again changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The interaction that it answers, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interaction: Option<InteractionId>,
}

impl OptOutChange {
    /// The address must not be contacted any more.
    pub const fn opt_out(by: OptOutSource, at: Timestamp) -> Self {
        Self {
            at,
            opted_out: true,
            by,
            message: None,
            interaction: None,
        }
    }

    /// The address may be contacted again.
    pub const fn end(by: OptOutSource, at: Timestamp) -> Self {
        let mut change = Self::opt_out(by, at);
        change.opted_out = false;
        change
    }

    /// The same change, with the provider's id of the message that says so.
    #[must_use]
    pub fn in_message(self, id: &str) -> Self {
        Self {
            message: Some(id.to_owned()),
            ..self
        }
    }

    /// The same change, with the interaction that it answers.
    #[must_use]
    pub fn about(self, interaction: InteractionId) -> Self {
        Self {
            interaction: Some(interaction),
            ..self
        }
    }
}

/// What is recorded about an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptOutRecord {
    /// The opt-out, while there is one.
    pub opt_out: Option<OptOut>,
    /// The newest 20 changes, the oldest first. Those that changed nothing are among them if a
    /// message said so.
    pub changes: Vec<OptOutChange>,
    /// Number of changes so far.
    version: u64,
}

/// The history of an address, as stored.
#[derive(Serialize, Deserialize)]
struct History {
    changes: Vec<OptOutChange>,
}

impl OptOutRecord {
    /// The record after `change`; `None` if that changes nothing. Of two changes the later one counts, in whatever order
    /// they arrive; of two at the same time, the one that arrived last.
    fn after(&self, change: &OptOutChange) -> Option<Self> {
        let is_known = change.message.is_some() && self.changes.iter().any(|known| known.message == change.message);
        let changes_state = self.opt_out.is_some() != change.opted_out;
        if is_known || (change.message.is_none() && !changes_state) {
            return None;
        }
        let is_newest = self.changes.iter().all(|known| known.at <= change.at);
        let opt_out = match (is_newest && changes_state, change.opted_out) {
            (false, _) => self.opt_out,
            (true, false) => None,
            (true, true) => Some(OptOut {
                at: change.at,
                by: Some(change.by),
                interaction: change.interaction,
            }),
        };
        let mut changes = self.changes.clone();
        changes.push(change.clone());
        changes.sort_by_key(|change| change.at);
        changes.drain(..changes.len().saturating_sub(MAX_CHANGES));
        Some(Self {
            opt_out,
            changes,
            version: self.version + 1,
        })
    }
}

/// Hashed, so that no address appears in a key. It stays after everything else about a customer was erased.
fn partition(tenant: &Tenant, address: &AddressHash) -> String {
    format!("T#{tenant}#{OPT_OUT}#{address}")
}

impl Store {
    /// Records a change, and what it means: both or nothing. A copy of a message changes nothing. Two requests; two more
    /// for each concurrent change to the same address.
    pub async fn change_opt_out(
        &self,
        tenant: &Tenant,
        address: impl Into<AddressHash>,
        change: &OptOutChange,
    ) -> Result<(), StoreError> {
        let partition = partition(tenant, &address.into());
        for _ in 0..MAX_ATTEMPTS {
            let record = self.read_opt_out_record(&partition).await?;
            let Some(next) = record.after(change) else {
                return Ok(());
            };
            let reasons = match self.write_all(self.writes(&partition, &record, &next)?).await? {
                Ok(()) => return Ok(()),
                Err(reasons) => reasons,
            };
            if !reasons.iter().any(failed) && !all_transient(&reasons) {
                return Err(refused(&reasons));
            }
        }
        Err(StoreError::item("too many concurrent changes to an opt-out"))
    }

    fn writes(
        &self,
        partition: &str,
        before: &OptOutRecord,
        next: &OptOutRecord,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut history = key(partition.to_owned(), HISTORY);
        history.insert(VERSION.into(), number(next.version));
        let changes = next.changes.clone();
        history.insert(DOC.into(), json(&History { changes })?);
        let put = Put::builder().table_name(&self.table).set_item(Some(history));
        let put = if before.version == 0 {
            put.condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", PARTITION_KEY)
        } else {
            put.condition_expression("#version = :version")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":version", number(before.version))
        };
        let mut writes = vec![TransactWriteItem::builder().put(put.build()?).build()];
        let mut item = key(partition.to_owned(), OPT_OUT);
        match (&before.opt_out, &next.opt_out) {
            (None, Some(opt_out)) => {
                item.insert(DOC.into(), json(opt_out)?);
                let put = Put::builder().table_name(&self.table).set_item(Some(item)).build()?;
                writes.push(TransactWriteItem::builder().put(put).build());
            }
            (Some(_), None) => {
                let delete = Delete::builder().table_name(&self.table).set_key(Some(item)).build()?;
                writes.push(TransactWriteItem::builder().delete(delete).build());
            }
            _ => {}
        }
        Ok(writes)
    }

    /// What is recorded about this address (a consistent read). One request.
    pub async fn opt_out_record(
        &self,
        tenant: &Tenant,
        address: impl Into<AddressHash>,
    ) -> Result<OptOutRecord, StoreError> {
        self.read_opt_out_record(&partition(tenant, &address.into())).await
    }

    async fn read_opt_out_record(&self, partition: &str) -> Result<OptOutRecord, StoreError> {
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_values(":pk", text(partition))
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        let mut record = OptOutRecord::default();
        for item in output.items() {
            match text_of(item, SORT_KEY)? {
                OPT_OUT => record.opt_out = Some(read_doc(item)?),
                HISTORY => {
                    let History { changes } = read_doc(item)?;
                    record.changes = changes;
                    record.version = version_of(item)?;
                }
                _ => {}
            }
        }
        Ok(record)
    }

    /// Whether this address must not be contacted (a consistent read). One request. An opt-out that cannot be read
    /// counts.
    pub async fn is_opted_out(&self, tenant: &Tenant, address: impl Into<AddressHash>) -> Result<bool, StoreError> {
        let item = key(partition(tenant, &address.into()), OPT_OUT);
        Ok(self.get(item).await?.is_some())
    }
}

fn version_of(item: &Item) -> Result<u64, StoreError> {
    let version = item.get(VERSION).and_then(|version| version.as_n().ok());
    let version = version.ok_or_else(|| StoreError::item("attribute `version` is missing or not a number"))?;
    version.parse().map_err(StoreError::item)
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

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    fn said(opted_out: bool, seconds: i64, id: &str) -> OptOutChange {
        let change = OptOutChange {
            opted_out,
            ..OptOutChange::opt_out(OptOutSource::Word, at(seconds))
        };
        change.in_message(id)
    }

    fn record(changes: &[OptOutChange]) -> OptOutRecord {
        let after = |record: OptOutRecord, change| record.after(change).unwrap_or(record);
        changes.iter().fold(OptOutRecord::default(), after)
    }

    #[test]
    fn the_last_word_counts_in_whatever_order_and_however_often_words_arrive() {
        let (stop, start) = (said(true, 0, "1"), said(false, 60, "2"));
        let (again, later) = (said(true, 120, "3"), said(false, 180, "4"));
        for (arrived, since) in [
            (vec![&stop], Some(0)),
            (vec![&stop, &start], None),
            (vec![&start, &stop], None),
            (vec![&stop, &start, &stop], None),
            (vec![&stop, &start, &again, &start], Some(120)),
            (vec![&stop, &again, &start], Some(0)),
            (vec![&again, &later, &stop, &start, &again], None),
        ] {
            let changes: Vec<_> = arrived.into_iter().cloned().collect();
            let opt_out = record(&changes).opt_out;
            assert_eq!(opt_out.map(|opt_out| opt_out.at), since.map(at), "{changes:?}");
        }
    }

    #[test]
    fn opt_out_counts_from_the_first_time_and_repeated_words_are_evidence() {
        let record = record(&[said(true, 0, "1"), said(true, 60, "2")]);
        assert_eq!(record.opt_out.map(|opt_out| opt_out.at), Some(at(0)));
        assert_eq!(record.changes.len(), 2);
        let by_api = OptOutChange::opt_out(OptOutSource::Api, at(90));
        assert_eq!(record.after(&by_api), None);
    }

    #[test]
    fn at_the_same_time_the_last_to_arrive_counts() {
        for order in [[true, false], [false, true]] {
            let changes = order.map(|opted_out| said(opted_out, 0, if opted_out { "1" } else { "2" }));
            assert_eq!(record(&changes).opt_out.is_some(), order[1], "{order:?}");
        }
    }

    #[test]
    fn only_the_newest_changes_are_kept() {
        let changes: Vec<_> = (0..30).map(|n| said(n % 2 == 0, n, &n.to_string())).collect();
        let record = record(&changes);
        assert_eq!(record.changes.as_slice(), &changes[10..]);
        assert_eq!((record.version, record.opt_out), (30, None));
    }

    #[test]
    fn the_end_of_an_opt_out_of_an_earlier_version_is_recorded() {
        let mut record: OptOutRecord = OptOutRecord {
            opt_out: serde_json::from_str(r#"{"at":"2027-01-15T08:00:00.000Z"}"#).ok(),
            ..OptOutRecord::default()
        };
        assert_eq!(record.opt_out.map(|opt_out| opt_out.by), Some(None));
        record = record.after(&said(false, 60, "1")).expect("a change");
        assert_eq!((record.opt_out, record.changes.len()), (None, 1));
    }

    /// Stored opt-outs have these names, and the API publishes them.
    #[test]
    fn every_source_has_its_own_name() {
        let named = [
            (OptOutSource::Word, "word"),
            (OptOutSource::Chat, "chat"),
            (OptOutSource::Key, "key"),
            (OptOutSource::Button, "button"),
            (OptOutSource::Provider, "provider"),
            (OptOutSource::Api, "api"),
            (OptOutSource::Operator, "operator"),
        ];
        for (source, name) in named {
            assert_eq!(serde_json::to_value(source).expect("a name"), name);
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
