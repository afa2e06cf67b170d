//! Customers: whom agents contact. A customer is one item; for each of their addresses there is another one by which
//! they are found, and for each of their interactions one by which it is found when they are forgotten.

use std::fmt;
use std::str::FromStr;

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};

use super::commit::{failed, refused};
use super::deliveries::DELIVERY_PREFIX;
use super::items::{
    DOC, ENTRY_PREFIX, Item, PARTITION_KEY, SORT_KEY, json, key, millis_of, number, read_doc, text, text_of,
};
use super::retry::all_transient;
use super::{RETENTION_SECONDS, Store, StoreError, Subject, VersionCommit};
use crate::clock::Timestamp;
use crate::ids::{InteractionId, Tenant};
use crate::interaction::{Interaction, forget};
use crate::secret::{Randomness, sha256_hex};

/// Sort key of a customer.
const CUSTOMER: &str = "U";
/// Sort key of an address.
const ADDRESS: &str = "ADDRESS";
/// Prefix of the sort keys of a customer's interactions.
const LINK_PREFIX: &str = "I#";
/// Attribute with the id of the customer whom an address belongs to.
const OWNER: &str = "customer";
/// Attribute with the time of a link.
const LINKED_AT: &str = "at";
/// How long an interaction is found by its customer: longer than any interaction is kept, even one that waits for its
/// time and is answered for months.
const LINK_SECONDS: i64 = 4 * RETENTION_SECONDS;

/// The id of a customer: a UUID, as clients of the API expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CustomerId(InteractionId);

impl CustomerId {
    /// A new id.
    ///
    /// # Errors
    /// When the operating system's source of randomness fails.
    pub fn random(random: &Randomness, now: Timestamp) -> Result<Self, getrandom::Error> {
        InteractionId::random(random, now).map(Self)
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for CustomerId {
    type Err = <InteractionId as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A stored customer. `Debug` shows only the id.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCustomer {
    /// The id.
    pub id: CustomerId,
    /// When the first request named them.
    pub created_at: Timestamp,
    /// Given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// The whole name, where nobody said which part of it is which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Phone number, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// E-mail address, as it was given. Its case does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

impl fmt::Debug for StoredCustomer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredCustomer")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl StoredCustomer {
    /// The keys of their addresses.
    fn addresses(&self, tenant: &Tenant) -> Vec<Item> {
        address_keys(tenant, self.phone.as_deref(), self.email.as_deref())
    }
}

/// An interaction of a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustomerInteraction {
    /// The id of the interaction. It need not exist: the link is written first.
    pub id: InteractionId,
    /// When the link was written.
    pub linked_at: Timestamp,
}

fn partition(tenant: &Tenant, id: CustomerId) -> String {
    format!("T#{tenant}#U#{id}")
}

fn customer_key(tenant: &Tenant, id: CustomerId) -> Item {
    key(partition(tenant, id), CUSTOMER)
}

fn link_key(tenant: &Tenant, customer: CustomerId, interaction: InteractionId) -> Item {
    key(partition(tenant, customer), &format!("{LINK_PREFIX}{interaction}"))
}

/// The keys of a phone number and an e-mail address, in the order in which a customer is looked up. Hashed, so that no
/// address appears in a key.
fn address_keys(tenant: &Tenant, phone: Option<&str>, email: Option<&str>) -> Vec<Item> {
    let email = email.map(str::to_lowercase);
    let addresses = phone.into_iter().chain(email.as_deref());
    let key_of = |address: &str| key(format!("T#{tenant}#U#{}", sha256_hex(address.as_bytes())), ADDRESS);
    addresses.map(key_of).collect()
}

impl Store {
    /// Loads a customer (a consistent read), if they exist. One request.
    pub async fn customer(&self, tenant: &Tenant, id: CustomerId) -> Result<Option<StoredCustomer>, StoreError> {
        let item = self.get(customer_key(tenant, id)).await?;
        item.map(|item| read_doc(&item)).transpose()
    }

    /// The customer with this phone number, or else the one with this e-mail address. Two requests for each address, and
    /// one for each that nobody has.
    pub async fn find_customer(
        &self,
        tenant: &Tenant,
        phone: Option<&str>,
        email: Option<&str>,
    ) -> Result<Option<StoredCustomer>, StoreError> {
        for address in address_keys(tenant, phone, email) {
            let Some(address) = self.get(address).await? else {
                continue;
            };
            let id = text_of(&address, OWNER)?.parse().map_err(StoreError::item)?;
            let customer = self.customer(tenant, id).await?;
            // They may have been forgotten since.
            if customer.is_some() {
                return Ok(customer);
            }
        }
        Ok(None)
    }

    /// Creates a customer. Returns false, and writes nothing, if one of their addresses belongs to another customer by
    /// now, or is just being given to one. One request.
    pub async fn create_customer(&self, tenant: &Tenant, customer: &StoredCustomer) -> Result<bool, StoreError> {
        let mut item = customer_key(tenant, customer.id);
        item.insert(DOC.into(), json(customer)?);
        let addresses = customer.addresses(tenant).into_iter().map(|mut address| {
            address.insert(OWNER.into(), text(customer.id.to_string()));
            address
        });
        let mut writes = Vec::new();
        for item in std::iter::once(item).chain(addresses) {
            let put = Put::builder()
                .table_name(&self.table)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", PARTITION_KEY);
            writes.push(TransactWriteItem::builder().put(put.build()?).build());
        }
        self.write_unless_refused(writes).await
    }

    /// Records that an interaction belongs to a customer, before it is created. Returns false, and writes nothing, if
    /// the customer was forgotten. One request.
    pub async fn link_interaction(
        &self,
        tenant: &Tenant,
        customer: CustomerId,
        interaction: InteractionId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut link = link_key(tenant, customer, interaction);
        link.insert(LINKED_AT.into(), number(now.millis()));
        link.insert("expires".into(), number(now.seconds() + LINK_SECONDS));
        let put = Put::builder().table_name(&self.table).set_item(Some(link));
        let touch = Update::builder()
            .table_name(&self.table)
            .set_key(Some(customer_key(tenant, customer)))
            .update_expression("SET contacted_at = :now")
            .condition_expression("attribute_exists(#pk)")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_values(":now", text(now.to_string()));
        let writes = vec![
            TransactWriteItem::builder().update(touch.build()?).build(),
            TransactWriteItem::builder().put(put.build()?).build(),
        ];
        self.write_unless_refused(writes).await
    }

    /// Up to `limit` interactions of a customer, also of one who no longer exists. One request.
    pub async fn interactions_of(
        &self,
        tenant: &Tenant,
        customer: CustomerId,
        limit: i32,
    ) -> Result<Vec<CustomerInteraction>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :prefix)")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#sk", SORT_KEY)
            .expression_attribute_values(":pk", text(partition(tenant, customer)))
            .expression_attribute_values(":prefix", text(LINK_PREFIX))
            .limit(limit)
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        page.items().iter().map(read_link).collect()
    }

    /// Forgets that an interaction belongs to a customer. One request.
    pub async fn unlink_interaction(
        &self,
        tenant: &Tenant,
        customer: CustomerId,
        interaction: InteractionId,
    ) -> Result<(), StoreError> {
        self.delete(link_key(tenant, customer, interaction)).await
    }

    /// Deletes a customer and their addresses. Their interactions are still found. Returns false if somebody else is
    /// just writing these items. One request.
    pub async fn delete_customer(&self, tenant: &Tenant, customer: &StoredCustomer) -> Result<bool, StoreError> {
        let own = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(customer_key(tenant, customer.id)));
        let mut writes = vec![TransactWriteItem::builder().delete(own.build()?).build()];
        for address in customer.addresses(tenant) {
            let delete = Delete::builder()
                .table_name(&self.table)
                .set_key(Some(address))
                // A concurrent request may have deleted them, and the address may belong to a new customer.
                .condition_expression("attribute_not_exists(#owner) OR #owner = :id")
                .expression_attribute_names("#owner", OWNER)
                .expression_attribute_values(":id", text(customer.id.to_string()));
            writes.push(TransactWriteItem::builder().delete(delete.build()?).build());
        }
        self.write_unless_refused(writes).await
    }

    /// Replaces an interaction that has ended by what remains when its customer is forgotten, and deletes its timeline
    /// and the deliveries of its webhooks. Returns false if it has not ended, or somebody else changed it. Three requests,
    /// and one for each entry and delivery.
    pub async fn forget_interaction(&self, interaction: &Interaction, now: Timestamp) -> Result<bool, StoreError> {
        let Some(remains) = forget::forget(interaction, now) else {
            return Ok(false);
        };
        // The entries first: once the interaction is blank, they are certainly gone, and no webhook about one is delivered.
        let item = Interaction::item_key(&interaction.key);
        let partition = text_of(&item, PARTITION_KEY)?;
        self.erase_items(partition, Some(ENTRY_PREFIX)).await?;
        self.erase_items(partition, Some(DELIVERY_PREFIX)).await?;
        let result = self.commit_version(&remains, &[], now).await?;
        Ok(result == VersionCommit::Committed)
    }

    /// Writes everything, or nothing and returns false: a condition is not met, or others write the same items.
    async fn write_unless_refused(&self, writes: Vec<TransactWriteItem>) -> Result<bool, StoreError> {
        let reasons = match self.write_all(writes).await? {
            Ok(()) => return Ok(true),
            Err(reasons) => reasons,
        };
        if reasons.iter().any(failed) || all_transient(&reasons) {
            return Ok(false);
        }
        Err(refused(&reasons))
    }
}

fn read_link(item: &Item) -> Result<CustomerInteraction, StoreError> {
    let sort = text_of(item, SORT_KEY)?;
    let id = sort.strip_prefix(LINK_PREFIX).unwrap_or_default();
    Ok(CustomerInteraction {
        id: id.parse().map_err(StoreError::item)?,
        linked_at: millis_of(item, LINKED_AT)?,
    })
}
