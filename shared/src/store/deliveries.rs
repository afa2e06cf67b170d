//! Webhook deliveries of dispatches and interactions, and receivers that do not respond.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::due::Subject;
use super::items::{
    DOC, ENTRY_PREFIX, Item, PARTITION_KEY, SORT_KEY, json, key, millis_of, number, read_doc, text, text_of,
};
use super::{RETENTION_SECONDS, Store, StoreError};
use crate::aws_error::{AwsError, ErrorKind};
use crate::clock::Timestamp;
use crate::dispatch::{self, Dispatch};
use crate::ids::Tenant;
use crate::interaction::{self, Interaction};
use crate::webhook::{Delivery, SubjectKey, Webhook};

/// Prefix of the sort keys of deliveries.
pub(super) const DELIVERY_PREFIX: &str = "W#";
/// Maximum number of deliveries read for the summary of a dispatch or an interaction. Only the longest have more.
const FIRST_DELIVERIES: i32 = 500;
/// Sort key of an unresponsive receiver.
const RECEIVER: &str = "H";
/// How long an unresponsive receiver is kept after its last failure, in seconds.
const RECEIVER_RETENTION_SECONDS: i64 = 2 * 86_400;

/// Everything that a notice refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoticeSubject {
    /// The entry of a timeline, if it exists, and so does what it is about.
    pub entry: Option<NoticedEntry>,
    /// The delivery of the entry's webhook, once it has been tried.
    pub delivery: Option<Delivery>,
}

/// An entry of a timeline, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticedEntry {
    /// Of a dispatch.
    Dispatch(Box<Dispatch>, dispatch::Entry),
    /// Of an interaction.
    Interaction(Box<Interaction>, interaction::Entry),
}

impl NoticedEntry {
    /// The webhook, if it receives the entry.
    pub fn webhook(&self) -> Option<&Webhook> {
        let (webhook, event) = match self {
            Self::Dispatch(dispatch, entry) => (&dispatch.spec.webhook, dispatch.event(entry)),
            Self::Interaction(interaction, entry) => (&interaction.webhook, interaction.event(entry)),
        };
        webhook.as_ref().filter(|_| event.is_some())
    }
}

/// A receiver that has let requests time out and has not responded since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnresponsiveReceiver {
    /// Number of consecutive failures.
    pub failures: u32,
    /// When the first of them happened.
    pub since: Timestamp,
    /// When the next probe may be sent.
    pub retry_at: Timestamp,
    /// Why the last request failed.
    pub reason: String,
}

/// Result of claiming the next probe of an unresponsive receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeClaim {
    /// The caller may send the probe.
    Claimed,
    /// Another notifier claimed it first; this is the current state.
    ClaimedByOther(UnresponsiveReceiver),
    /// The receiver responds again.
    Recovered,
}

impl Store {
    /// Loads everything that a notice refers to (a consistent read). One request.
    pub async fn subject(&self, subject: &SubjectKey, entry: &str) -> Result<NoticeSubject, StoreError> {
        let entry_key = |prefix: &str| Ok(key(partition_of(subject)?, &format!("{prefix}{entry}")));
        let keys: Result<Vec<Item>, StoreError> = [
            Ok(subject_key(subject)),
            entry_key(ENTRY_PREFIX),
            entry_key(DELIVERY_PREFIX),
        ]
        .into_iter()
        .collect();
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(keys?))
            .consistent_read(true)
            .build()?;
        let output = self
            .client
            .batch_get_item()
            .request_items(&self.table, keys)
            .send()
            .await
            .map_err(|error| StoreError::request("BatchGetItem", &error))?;
        if output.unprocessed_keys().is_some_and(|left| !left.is_empty()) {
            return Err(StoreError::Request {
                operation: "BatchGetItem",
                cause: AwsError::new(ErrorKind::Throttled, "throttled: some items were not read"),
            });
        }
        let (mut about, mut entry, mut delivery) = (None, None, None);
        for item in output.responses().into_iter().flat_map(HashMap::values).flatten() {
            match text_of(item, SORT_KEY)? {
                sort if sort.starts_with(ENTRY_PREFIX) => entry = Some(item),
                sort if sort.starts_with(DELIVERY_PREFIX) => delivery = delivery_of(item),
                _ => about = Some(item),
            }
        }
        // Both: items that are read together may be from before and after one commit.
        let entry = about.zip(entry).map(|(about, entry)| noticed(subject, about, entry));
        Ok(NoticeSubject {
            entry: entry.transpose()?,
            delivery,
        })
    }

    /// Writes the delivery of `entry`, unless the stored one is more advanced. A final outcome is more advanced than
    /// any retry, and is written once. One request.
    pub async fn put_delivery(&self, subject: &SubjectKey, entry: &str, delivery: &Delivery) -> Result<(), StoreError> {
        let mut item = key(partition_of(subject)?, &format!("{DELIVERY_PREFIX}{entry}"));
        let over = delivery.outcome.is_final();
        item.insert("resent".into(), number(delivery.resent));
        item.insert("failures".into(), number(delivery.failures));
        item.insert("over".into(), AttributeValue::Bool(over));
        item.insert("expires".into(), number(delivery.at.seconds() + RETENTION_SECONDS));
        item.insert(DOC.into(), json(delivery)?);
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(
                "attribute_not_exists(#pk) OR #resent < :resent \
                 OR (#resent = :resent AND #over = :no AND (:over = :yes OR #failures <= :failures))",
            )
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#resent", "resent")
            .expression_attribute_names("#failures", "failures")
            .expression_attribute_names("#over", "over")
            .expression_attribute_values(":resent", number(delivery.resent))
            .expression_attribute_values(":failures", number(delivery.failures))
            .expression_attribute_values(":over", AttributeValue::Bool(over))
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .expression_attribute_values(":no", AttributeValue::Bool(false))
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(StoreError::request("PutItem", &error)),
        }
    }

    /// The deliveries of the entries in a range of names, each with its entry's name. One request per MB.
    pub async fn deliveries(
        &self,
        subject: &SubjectKey,
        entries: RangeInclusive<&str>,
    ) -> Result<Vec<(String, Delivery)>, StoreError> {
        let mut found = Vec::new();
        let mut start = None;
        loop {
            let query = self.deliveries_query(subject, &entries)?.set_exclusive_start_key(start);
            let page = query
                .send()
                .await
                .map_err(|error| StoreError::request("Query", &error))?;
            for item in page.items() {
                let name = text_of(item, SORT_KEY)?.trim_start_matches(DELIVERY_PREFIX);
                found.extend(delivery_of(item).map(|delivery| (name.to_owned(), delivery)));
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    /// The first deliveries of a dispatch or an interaction that have been tried, and whether there are more. One
    /// request.
    pub async fn first_deliveries(&self, subject: &SubjectKey) -> Result<(Vec<Delivery>, bool), StoreError> {
        // Names consist of digits, letters and hyphens, which all sort before a tilde.
        let query = self.deliveries_query(subject, &(""..="~"))?.limit(FIRST_DELIVERIES);
        let page = query
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        let found = page.items().iter().filter_map(delivery_of).collect();
        Ok((found, page.last_evaluated_key.is_some()))
    }

    fn deliveries_query(
        &self,
        subject: &SubjectKey,
        entries: &RangeInclusive<&str>,
    ) -> Result<QueryFluentBuilder, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("#pk = :pk AND #sk BETWEEN :first AND :last")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#sk", SORT_KEY)
            .expression_attribute_values(":pk", text(partition_of(subject)?))
            .expression_attribute_values(":first", text(format!("{DELIVERY_PREFIX}{}", entries.start())))
            .expression_attribute_values(":last", text(format!("{DELIVERY_PREFIX}{}", entries.end())));
        Ok(query)
    }

    /// The state of the receiver at `host` (with its port, if it has one) for this tenant; `None` unless it is
    /// unresponsive. One request.
    pub async fn unresponsive_receiver(
        &self,
        tenant: &Tenant,
        host: &str,
    ) -> Result<Option<UnresponsiveReceiver>, StoreError> {
        let item = self.get(receiver_key(tenant, host)).await?;
        item.map(|item| read_receiver(&item)).transpose()
    }

    /// Records that a receiver did not respond. The next probe may be sent at `retry_at`. One request.
    pub async fn record_no_answer(
        &self,
        tenant: &Tenant,
        host: &str,
        reason: &str,
        now: Timestamp,
        retry_at: Timestamp,
    ) -> Result<UnresponsiveReceiver, StoreError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(receiver_key(tenant, host)))
            .update_expression(
                "SET #since = if_not_exists(#since, :now), #retry = :retry, #why = :why, #expires = :expires, \
                 #noted = :now ADD #failures :one",
            )
            // A request that the SDK retries counts as one failure.
            .condition_expression("attribute_not_exists(#noted) OR #noted <> :now")
            .expression_attribute_names("#since", "since")
            .expression_attribute_names("#retry", RETRY_AT)
            .expression_attribute_names("#why", "why")
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_names("#noted", "noted")
            .expression_attribute_names("#failures", "failures")
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":retry", number(retry_at.millis()))
            .expression_attribute_values(":why", text(reason))
            .expression_attribute_values(":expires", number(now.seconds() + RECEIVER_RETENTION_SECONDS))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let item = match result {
            Ok(output) => output.attributes,
            Err(error) => current_item(&error)?.cloned(),
        };
        read_receiver(&item.ok_or_else(|| StoreError::item("DynamoDB did not return the receiver"))?)
    }

    /// Claims the probe that is due of an unresponsive receiver. The next one may be sent at `retry_at`. One request.
    pub async fn claim_probe(
        &self,
        tenant: &Tenant,
        host: &str,
        seen: &UnresponsiveReceiver,
        retry_at: Timestamp,
    ) -> Result<ProbeClaim, StoreError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(receiver_key(tenant, host)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .update_expression("SET #retry = :retry")
            .condition_expression("#retry = :seen")
            .expression_attribute_names("#retry", RETRY_AT)
            .expression_attribute_values(":retry", number(retry_at.millis()))
            .expression_attribute_values(":seen", number(seen.retry_at.millis()))
            .send()
            .await;
        let Err(error) = result else {
            return Ok(ProbeClaim::Claimed);
        };
        let Some(item) = current_item(&error)? else {
            return Ok(ProbeClaim::Recovered);
        };
        let current = read_receiver(item)?;
        // If the SDK sent the request twice, the current state may be the result of our own first attempt.
        Ok(if current.retry_at == retry_at {
            ProbeClaim::Claimed
        } else {
            ProbeClaim::ClaimedByOther(current)
        })
    }

    /// Acquires the lock for sending probes, until `until`. There is one lock for all receivers. If another notifier
    /// holds it, returns when that lock expires. One request.
    pub async fn acquire_probe_lock(&self, now: Timestamp, until: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(PROBE_LOCK.to_owned(), RECEIVER)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .update_expression("SET #retry = :until")
            .condition_expression("attribute_not_exists(#pk) OR #retry <= :now")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#retry", RETRY_AT)
            .expression_attribute_values(":until", number(until.millis()))
            .expression_attribute_values(":now", number(now.millis()))
            .send()
            .await;
        let Err(error) = result else { return Ok(None) };
        let item = current_item(&error)?.ok_or_else(|| StoreError::item("DynamoDB did not return the probe lock"))?;
        let held_until = millis_of(item, RETRY_AT)?;
        // If the SDK sent the request twice, the lock may be our own.
        Ok(Some(held_until).filter(|held_until| *held_until != until))
    }

    /// Releases the probe lock that was acquired until `until`. The next one may acquire it at `now`. One request.
    pub async fn release_probe_lock(&self, until: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(PROBE_LOCK.to_owned(), RECEIVER)))
            .update_expression("SET #retry = :now")
            .condition_expression("#retry = :until")
            .expression_attribute_names("#retry", RETRY_AT)
            .expression_attribute_values(":until", number(until.millis()))
            .expression_attribute_values(":now", number(now.millis()))
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            Err(error) => current_item(&error).map(drop),
        }
    }

    /// Deletes the record of an unresponsive receiver, because it has responded. One request.
    pub async fn clear_unresponsive(&self, tenant: &Tenant, host: &str) -> Result<(), StoreError> {
        self.delete(receiver_key(tenant, host)).await
    }
}

/// The primary key of a dispatch or an interaction.
fn subject_key(subject: &SubjectKey) -> Item {
    match subject {
        SubjectKey::Dispatch(key) => Dispatch::item_key(key),
        SubjectKey::Interaction(key) => Interaction::item_key(key),
    }
}

/// The partition that its entries and deliveries are in, too.
fn partition_of(subject: &SubjectKey) -> Result<String, StoreError> {
    Ok(text_of(&subject_key(subject), PARTITION_KEY)?.to_owned())
}

fn noticed(subject: &SubjectKey, about: &Item, entry: &Item) -> Result<NoticedEntry, StoreError> {
    Ok(match subject {
        SubjectKey::Dispatch(_) => NoticedEntry::Dispatch(Box::new(read_doc(about)?), read_doc(entry)?),
        SubjectKey::Interaction(_) => NoticedEntry::Interaction(Box::new(read_doc(about)?), read_doc(entry)?),
    })
}

/// The item that failed the condition of an update; `None` if there is no such item.
fn current_item<R: std::fmt::Debug + 'static>(
    error: &SdkError<UpdateItemError, R>,
) -> Result<Option<&Item>, StoreError> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => Ok(failed.item()),
        _ => Err(StoreError::request("UpdateItem", error)),
    }
}

/// The delivery in `item`; `None` if this version of patchbay cannot read it. Deliveries are only informative, so an
/// unreadable one must not fail a webhook or a page.
fn delivery_of(item: &Item) -> Option<Delivery> {
    let read = read_doc(item);
    read.inspect_err(|error| tracing::warn!(%error, "cannot read the state of a delivery"))
        .ok()
}

/// Partition key of the probe lock.
const PROBE_LOCK: &str = "TURN";
const RETRY_AT: &str = "retry_at";

fn receiver_key(tenant: &Tenant, host: &str) -> Item {
    key(format!("T#{tenant}#H#{host}"), RECEIVER)
}

fn read_receiver(item: &Item) -> Result<UnresponsiveReceiver, StoreError> {
    let Some(AttributeValue::N(failures)) = item.get("failures") else {
        return Err(StoreError::item("attribute `failures` is missing or not a number"));
    };
    Ok(UnresponsiveReceiver {
        failures: failures.parse().map_err(StoreError::item)?,
        since: millis_of(item, "since")?,
        retry_at: millis_of(item, RETRY_AT)?,
        reason: text_of(item, "why")?.to_owned(),
    })
}
