//! Threads of messages: which interaction a customer's message belongs to, and when they wrote last.
//!
//! A thread is what passes between one of our senders and one customer over one channel. A message names neither
//! interaction nor agent, so it belongs to one of the last that wrote to the customer from there. An item of its own,
//! not an index: a message over `WhatsApp` opens 24 hours for texts whether or not an interaction is known.
//!
//! The newest interaction has attributes of its own besides the list: earlier versions read and write only these.

use std::cmp::Reverse;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use serde::{Deserialize, Serialize};

use super::items::{Item, PARTITION_KEY, SORT_KEY, json, key, millis_if_any, number, text, text_of};
use super::{RETENTION_SECONDS, Store, StoreError};
use crate::clock::Timestamp;
use crate::ids::{InteractionId, InteractionKey, Tenant};
use crate::interaction::Channel;
use crate::phone::PhoneNumber;
use crate::secret::sha256_hex;

/// Sort key of a thread whose sender the customer does not see: a messaging service picks a number, a name has none.
const ANY_SENDER: &str = "ANY";
/// Attributes of a thread.
const INTERACTION: &str = "interaction";
const SENT_AT: &str = "sent_at";
const WRITTEN: &str = "written";
const RECEIVED_AT: &str = "received_at";
const EXPIRES: &str = "expires";

/// Interactions that a thread keeps. A customer seldom has more that wait for an answer over one channel.
const MAX_WRITTEN: usize = 5;
/// Attempts to record that an interaction writes, in competition with others in the same thread.
const MAX_ATTEMPTS: u8 = 8;

/// What is known of the messages between one of our senders and a customer over one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// The last interactions that wrote to the customer, the newest first. Empty if the customer wrote by themselves.
    pub written: Vec<Written>,
    /// When the customer wrote last.
    pub last_received_at: Option<Timestamp>,
}

/// An interaction that wrote to a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The interaction.
    pub interaction: InteractionId,
    /// When it wrote last.
    pub at: Timestamp,
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
    /// Records that an interaction writes to a customer. `ours` is the sender: a number, an address, or a messaging
    /// service or a name, whose messages are found whatever number of ours is answered. Two requests; two more for each
    /// concurrent change to the same thread.
    pub async fn put_thread(
        &self,
        tenant: &Tenant,
        channel: Channel,
        ours: Option<&str>,
        customer: &str,
        interaction: &InteractionKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let item = key(partition(tenant, channel, customer), &sort_key(ours));
        let new = Written {
            interaction: interaction.id,
            at: now,
        };
        for _ in 0..MAX_ATTEMPTS {
            let before = self.thread_item(item.clone()).await?;
            let next = newest(read_written(&before)?.into_iter().chain([new]));
            let request = self.update_thread(tenant, channel, ours, customer, now);
            let Err(error) = with_written(request, &before, &next)?.send().await else {
                return Ok(());
            };
            if !is_condition_failed(error.as_service_error()) {
                return Err(StoreError::request("UpdateItem", &error));
            }
        }
        Err(StoreError::item("too many concurrent changes to a thread"))
    }

    async fn thread_item(&self, item: Item) -> Result<Item, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let output = request.set_key(Some(item)).send().await;
        let output = output.map_err(|error| StoreError::request("GetItem", &error))?;
        Ok(output.item.unwrap_or_default())
    }

    /// Records that a customer wrote to one of our senders, unless they wrote there since. One request.
    pub async fn put_received(
        &self,
        tenant: &Tenant,
        channel: Channel,
        ours: Option<&str>,
        customer: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let request = self
            .update_thread(tenant, channel, ours, customer, now)
            .update_expression("SET #received = :now, #expires = :expires")
            .condition_expression("attribute_not_exists(#received) OR #received <= :now")
            .expression_attribute_names("#received", RECEIVED_AT)
            .expression_attribute_values(":now", number(now.millis()));
        match request.send().await {
            Err(error) if !is_condition_failed(error.as_service_error()) => {
                Err(StoreError::request("UpdateItem", &error))
            }
            _ => Ok(()),
        }
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
                let thread = read_thread(item)?;
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
        Self {
            // Of two that wrote at the same time, the one from the sender that the customer sees comes first.
            written: newest(other.written.into_iter().rev().chain(self.written.into_iter().rev())),
            last_received_at: self.last_received_at.max(other.last_received_at),
        }
    }
}

fn read_thread(item: &Item) -> Result<Thread, StoreError> {
    Ok(Thread {
        written: read_written(item)?,
        last_received_at: millis_if_any(item, RECEIVED_AT)?,
    })
}

/// The interactions of an item. Its newest one may be missing in the list: earlier versions do not write that.
fn read_written(item: &Item) -> Result<Vec<Written>, StoreError> {
    let listed: Vec<Written> = match item.get(WRITTEN) {
        Some(_) => serde_json::from_str(text_of(item, WRITTEN)?).map_err(StoreError::item)?,
        None => Vec::new(),
    };
    let last = match (item.get(INTERACTION), millis_if_any(item, SENT_AT)?) {
        (Some(_), Some(at)) => Some(Written {
            interaction: text_of(item, INTERACTION)?.parse().map_err(StoreError::item)?,
            at,
        }),
        _ => None,
    };
    Ok(newest(listed.into_iter().rev().chain(last)))
}

/// The newest of `all`, each once, the newest first; of those at the same time the last one.
fn newest(all: impl IntoIterator<Item = Written>) -> Vec<Written> {
    let mut sorted: Vec<Written> = all.into_iter().collect();
    sorted.reverse();
    sorted.sort_by_key(|written| Reverse(written.at));
    let mut kept: Vec<Written> = Vec::new();
    for written in sorted {
        if kept.iter().all(|known| known.interaction != written.interaction) {
            kept.push(written);
        }
    }
    kept.truncate(MAX_WRITTEN);
    kept
}

/// Changes the interactions of a thread, unless another writer changed them since `before`.
fn with_written(
    request: UpdateItemFluentBuilder,
    before: &Item,
    next: &[Written],
) -> Result<UpdateItemFluentBuilder, StoreError> {
    let Some(last) = next.first() else {
        return Err(StoreError::item("a thread without an interaction"));
    };
    let mut request = request
        .update_expression("SET #interaction = :interaction, #sent = :sent, #written = :written, #expires = :expires")
        .expression_attribute_names("#interaction", INTERACTION)
        .expression_attribute_values(":interaction", text(last.interaction.to_string()))
        .expression_attribute_values(":sent", number(last.at.millis()))
        .expression_attribute_values(":written", json(&next)?);
    let mut conditions = Vec::new();
    for (attribute, name, value) in [
        (SENT_AT, "#sent", ":sent_before"),
        (WRITTEN, "#written", ":written_before"),
    ] {
        request = request.expression_attribute_names(name, attribute);
        match before.get(attribute) {
            Some(known) => {
                conditions.push(format!("{name} = {value}"));
                request = request.expression_attribute_values(value, known.clone());
            }
            None => conditions.push(format!("attribute_not_exists({name})")),
        }
    }
    Ok(request.condition_expression(conditions.join(" AND ")))
}

const fn is_condition_failed(error: Option<&UpdateItemError>) -> bool {
    matches!(error, Some(UpdateItemError::ConditionalCheckFailedException(_)))
}
