//! Threads of messages: which interaction a customer's message belongs to, and when they wrote last.
//!
//! A thread is what passes between one of our senders and one customer over one channel. A message names neither
//! interaction nor agent, so the newest interaction that wrote to the customer from there gets it. An item of its own,
//! not an index: a message over `WhatsApp` opens 24 hours for texts whether or not an interaction is known.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;

use super::items::{Item, PARTITION_KEY, SORT_KEY, key, millis_if_any, number, text, text_of};
use super::{RETENTION_SECONDS, Store, StoreError};
use crate::clock::Timestamp;
use crate::ids::{InteractionKey, Tenant};
use crate::interaction::Channel;
use crate::phone::PhoneNumber;
use crate::secret::sha256_hex;

/// Sort key of a thread whose sender the customer does not see: a messaging service picks a number, a name has none.
const ANY_SENDER: &str = "ANY";
/// Attributes of a thread.
const INTERACTION: &str = "interaction";
const SENT_AT: &str = "sent_at";
const RECEIVED_AT: &str = "received_at";
const START: &str = "start";
const EXPIRES: &str = "expires";

/// What is known of the messages between one of our senders and a customer over one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// The newest interaction that wrote to the customer. `None` if the customer wrote by themselves.
    pub interaction: Option<InteractionKey>,
    /// When that interaction wrote.
    pub last_sent_at: Option<Timestamp>,
    /// When the customer wrote last.
    pub last_received_at: Option<Timestamp>,
    /// The provider's id of the last message that ended an opt-out. The same message again must not end a later one.
    pub last_start: Option<String>,
}

/// The partition of all threads with a customer over a channel. Hashed, so that no address appears in a key.
fn partition(tenant: &Tenant, channel: Channel, customer: &str) -> String {
    let hash = sha256_hex(format!("{}\n{}", channel.name(), canonical(customer)).as_bytes());
    format!("T#{tenant}#M#{hash}")
}

/// One text for each address, however it is written.
fn canonical(address: &str) -> String {
    PhoneNumber::parse(address).map_or_else(
        |_| address.trim().to_ascii_lowercase(),
        |phone| phone.as_str().to_owned(),
    )
}

/// The sort key of the threads of a sender. A messaging service or a name is none that a customer can answer.
fn sort_key(ours: Option<&str>) -> String {
    let address = ours.map(canonical);
    let visible = address.filter(|address| address.starts_with('+') || address.contains('@'));
    visible.map_or_else(|| ANY_SENDER.to_owned(), |address| sha256_hex(address.as_bytes()))
}

impl Store {
    /// Records that an interaction writes to a customer, unless a newer one did. `ours` is the sender: a number, an
    /// address, or a messaging service or a name, whose messages are found whatever number of ours is answered. One
    /// request.
    pub async fn put_thread(
        &self,
        tenant: &Tenant,
        channel: Channel,
        ours: Option<&str>,
        customer: &str,
        interaction: &InteractionKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let request = self
            .update_thread(tenant, channel, ours, customer, now)
            .update_expression("SET #interaction = :interaction, #sent = :now, #expires = :expires")
            .condition_expression("attribute_not_exists(#sent) OR #sent <= :now")
            .expression_attribute_names("#interaction", INTERACTION)
            .expression_attribute_names("#sent", SENT_AT)
            .expression_attribute_values(":interaction", text(interaction.id.to_string()));
        let Err(error) = request.send().await else {
            return Ok(());
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
            _ => Err(StoreError::request("UpdateItem", &error)),
        }
    }

    /// Records that a customer wrote to one of our senders; `start` is the provider's id of the message if its word
    /// ended an opt-out. One request.
    pub async fn put_received(
        &self,
        tenant: &Tenant,
        channel: Channel,
        ours: Option<&str>,
        customer: &str,
        start: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut request = self
            .update_thread(tenant, channel, ours, customer, now)
            .expression_attribute_names("#received", RECEIVED_AT);
        let mut expression = "SET #received = :now, #expires = :expires".to_owned();
        if let Some(id) = start {
            expression.push_str(", #start = :start");
            request = request
                .expression_attribute_names("#start", START)
                .expression_attribute_values(":start", text(id));
        }
        let sent = request.update_expression(expression).send().await;
        sent.map(drop)
            .map_err(|error| StoreError::request("UpdateItem", &error))
    }

    fn update_thread(
        &self,
        tenant: &Tenant,
        channel: Channel,
        ours: Option<&str>,
        customer: &str,
        now: Timestamp,
    ) -> UpdateItemFluentBuilder {
        let item = key(partition(tenant, channel, customer), &sort_key(ours));
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item))
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":expires", number(now.seconds() + RETENTION_SECONDS))
    }

    /// The thread between `ours` and a customer (a consistent read), with what was sent from a sender that the customer
    /// does not see; without `ours`, of all our senders. `None` if nothing passed. One request.
    pub async fn thread(
        &self,
        tenant: &Tenant,
        channel: Channel,
        ours: Option<&str>,
        customer: &str,
    ) -> Result<Option<Thread>, StoreError> {
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_values(":pk", text(partition(tenant, channel, customer)))
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        let wanted = ours.map(|address| sort_key(Some(address)));
        let mut found: Option<Thread> = None;
        for item in output.items() {
            let sender = text_of(item, SORT_KEY)?;
            let is_wanted = wanted
                .as_deref()
                .is_none_or(|wanted| sender == wanted || sender == ANY_SENDER);
            if is_wanted {
                let thread = read_thread(tenant, item)?;
                found = Some(match found {
                    Some(other) => other.and(thread),
                    None => thread,
                });
            }
        }
        Ok(found)
    }

    /// Forgets what passed between all our senders and a customer over a channel. One request for each sender, and one.
    pub async fn forget_threads(&self, tenant: &Tenant, channel: Channel, customer: &str) -> Result<(), StoreError> {
        self.erase_items(&partition(tenant, channel, customer), None).await
    }
}

impl Thread {
    /// Both threads as one.
    fn and(self, other: Self) -> Self {
        let last_received_at = self.last_received_at.max(other.last_received_at);
        let last_start = self.last_start.clone().or_else(|| other.last_start.clone());
        let newer = if other.last_sent_at > self.last_sent_at {
            other
        } else {
            self
        };
        Self {
            last_received_at,
            last_start,
            ..newer
        }
    }
}

fn read_thread(tenant: &Tenant, item: &Item) -> Result<Thread, StoreError> {
    let id = item.get(INTERACTION).map(|_| text_of(item, INTERACTION)).transpose()?;
    let id = id.map(|id| id.parse().map_err(StoreError::item)).transpose()?;
    let tenant = tenant.clone();
    Ok(Thread {
        interaction: id.map(|id| InteractionKey { tenant, id }),
        last_sent_at: millis_if_any(item, SENT_AT)?,
        last_received_at: millis_if_any(item, RECEIVED_AT)?,
        last_start: item.get(START).and_then(|id| id.as_s().ok()).cloned(),
    })
}
