//! How the webhooks of a dispatch stand, and which receivers keep the notifier waiting.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::items::{
    DISPATCH, DOC, ENTRY_PREFIX, Item, PARTITION_KEY, SORT_KEY, dispatch_partition, json, key, millis_of, number,
    read_doc, text, text_of,
};
use super::{RETENTION_SECONDS, Store, StoreError};
use crate::aws_error::{AwsError, ErrorKind};
use crate::clock::Timestamp;
use crate::dispatch::delivery::Delivery;
use crate::dispatch::{Dispatch, Entry};
use crate::ids::{DispatchKey, Tenant};

/// What the sort keys of deliveries begin with.
const DELIVERY_PREFIX: &str = "W#";
/// Deliveries of a dispatch that are read to say in short how they stand: more than all but the longest have.
const FIRST_DELIVERIES: i32 = 500;
/// Sort key of a receiver.
const RECEIVER: &str = "H";
/// How long a receiver is remembered that has failed, in seconds.
const REMEMBERED_SECONDS: i64 = 2 * 86_400;

/// All that a notice is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoticeSubject {
    /// The dispatch, if there is one.
    pub dispatch: Option<Dispatch>,
    /// The entry of its timeline, if it is there.
    pub entry: Option<Entry>,
    /// How its delivery stands, if it has been tried.
    pub delivery: Option<Delivery>,
}

/// A receiver that has kept us waiting without an answer, and not answered since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// How often.
    pub failures: u32,
    /// Since when.
    pub since: Timestamp,
    /// When the next one may find out whether it is still so.
    pub retry_at: Timestamp,
    /// How it failed last.
    pub why: String,
}

/// What came of asking to find out whether a receiver answers again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It is for us to find out.
    Ours,
    /// Somebody else was faster; this is what they left.
    Theirs(Silence),
    /// It answers again already.
    Over,
}

impl Store {
    /// What a notice is about (a consistent read). One request.
    pub async fn subject(&self, dispatch: &DispatchKey, entry: &str) -> Result<NoticeSubject, StoreError> {
        let sorts = [
            DISPATCH.to_owned(),
            format!("{ENTRY_PREFIX}{entry}"),
            format!("{DELIVERY_PREFIX}{entry}"),
        ];
        let keys = sorts.iter().map(|sort| key(dispatch_partition(dispatch), sort));
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(keys.collect()))
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
                cause: AwsError::new(ErrorKind::Throttled, "too many requests: some items were not read"),
            });
        }
        let mut found = NoticeSubject::default();
        for item in output.responses().into_iter().flat_map(HashMap::values).flatten() {
            match text_of(item, SORT_KEY)? {
                DISPATCH => found.dispatch = Some(read_doc(item)?),
                sort if sort.starts_with(ENTRY_PREFIX) => found.entry = Some(read_doc(item)?),
                _ => found.delivery = delivery_of(item),
            }
        }
        Ok(found)
    }

    /// Writes how the delivery of `entry` stands, unless it is further already: an end is further than any retry, and comes
    /// once. One request.
    pub async fn put_delivery(
        &self,
        dispatch: &DispatchKey,
        entry: &str,
        delivery: &Delivery,
    ) -> Result<(), StoreError> {
        let mut item = key(dispatch_partition(dispatch), &format!("{DELIVERY_PREFIX}{entry}"));
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

    /// How the deliveries of the entries with these names stand, by the name of the entry. One request for every MB.
    pub async fn deliveries(
        &self,
        dispatch: &DispatchKey,
        entries: RangeInclusive<&str>,
    ) -> Result<Vec<(String, Delivery)>, StoreError> {
        let mut found = Vec::new();
        let mut start = None;
        loop {
            let query = self.deliveries_query(dispatch, &entries).set_exclusive_start_key(start);
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

    /// The first deliveries of a dispatch that have been tried, and whether there are more of them. One request.
    pub async fn first_deliveries(&self, dispatch: &DispatchKey) -> Result<(Vec<Delivery>, bool), StoreError> {
        // Names are digits, letters and hyphens: a tilde comes after all of them.
        let query = self.deliveries_query(dispatch, &(""..="~")).limit(FIRST_DELIVERIES);
        let page = query
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        let found = page.items().iter().filter_map(delivery_of).collect();
        Ok((found, page.last_evaluated_key.is_some()))
    }

    fn deliveries_query(&self, dispatch: &DispatchKey, entries: &RangeInclusive<&str>) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("#pk = :pk AND #sk BETWEEN :first AND :last")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#sk", SORT_KEY)
            .expression_attribute_values(":pk", text(dispatch_partition(dispatch)))
            .expression_attribute_values(":first", text(format!("{DELIVERY_PREFIX}{}", entries.start())))
            .expression_attribute_values(":last", text(format!("{DELIVERY_PREFIX}{}", entries.end())))
    }

    /// Whether the receiver at `host` (with its port, if it has one) keeps this tenant's notices waiting. One request.
    pub async fn silence(&self, tenant: &Tenant, host: &str) -> Result<Option<Silence>, StoreError> {
        let item = self.get(receiver_key(tenant, host)).await?;
        item.map(|item| read_silence(&item)).transpose()
    }

    /// Notes that a receiver did not answer; the next one may try at `retry_at`. One request.
    pub async fn note_silence(
        &self,
        tenant: &Tenant,
        host: &str,
        why: &str,
        now: Timestamp,
        retry_at: Timestamp,
    ) -> Result<Silence, StoreError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(receiver_key(tenant, host)))
            .update_expression(
                "SET #since = if_not_exists(#since, :now), #retry = :retry, #why = :why, #expires = :expires, \
                 #noted = :now ADD #failures :one",
            )
            // A request that the SDK sends again is one failure.
            .condition_expression("attribute_not_exists(#noted) OR #noted <> :now")
            .expression_attribute_names("#since", "since")
            .expression_attribute_names("#retry", RETRY_AT)
            .expression_attribute_names("#why", "why")
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_names("#noted", "noted")
            .expression_attribute_names("#failures", "failures")
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":retry", number(retry_at.millis()))
            .expression_attribute_values(":why", text(why))
            .expression_attribute_values(":expires", number(now.seconds() + REMEMBERED_SECONDS))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let item = match result {
            Ok(output) => output.attributes,
            Err(error) => left_by_others(&error)?.cloned(),
        };
        read_silence(&item.ok_or_else(|| StoreError::item("a receiver was not returned"))?)
    }

    /// Takes the right to find out whether a receiver answers again; the next one may at `retry_at`. One request.
    pub async fn take_probe(
        &self,
        tenant: &Tenant,
        host: &str,
        seen: &Silence,
        retry_at: Timestamp,
    ) -> Result<Probe, StoreError> {
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
        let Err(error) = result else { return Ok(Probe::Ours) };
        let Some(item) = left_by_others(&error)? else {
            return Ok(Probe::Over);
        };
        let theirs = read_silence(item)?;
        // What stands there may be our own, when the SDK sent the request twice.
        Ok(if theirs.retry_at == retry_at {
            Probe::Ours
        } else {
            Probe::Theirs(theirs)
        })
    }

    /// Takes the one turn that there is for all receivers together to find out whether one of them answers again, until
    /// `until`; gives back until when somebody else has it. One request.
    pub async fn take_turn(&self, now: Timestamp, until: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(TURN.to_owned(), RECEIVER)))
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
        let item = left_by_others(&error)?.ok_or_else(|| StoreError::item("a turn was not returned"))?;
        let theirs = millis_of(item, RETRY_AT)?;
        // As above.
        Ok(Some(theirs).filter(|theirs| *theirs != until))
    }

    /// Gives back the turn that was taken until `until`: the next one may take it at `now`. One request.
    pub async fn give_back_turn(&self, until: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(TURN.to_owned(), RECEIVER)))
            .update_expression("SET #retry = :now")
            .condition_expression("#retry = :until")
            .expression_attribute_names("#retry", RETRY_AT)
            .expression_attribute_values(":until", number(until.millis()))
            .expression_attribute_values(":now", number(now.millis()))
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            Err(error) => left_by_others(&error).map(drop),
        }
    }

    /// Forgets that a receiver did not answer: it has. One request.
    pub async fn end_silence(&self, tenant: &Tenant, host: &str) -> Result<(), StoreError> {
        self.client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(receiver_key(tenant, host)))
            .send()
            .await
            .map(drop)
            .map_err(|error| StoreError::request("DeleteItem", &error))
    }
}

/// What stood there instead of what an update expected; none when nothing did.
fn left_by_others<R: std::fmt::Debug + 'static>(
    error: &SdkError<UpdateItemError, R>,
) -> Result<Option<&Item>, StoreError> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => Ok(failed.item()),
        _ => Err(StoreError::request("UpdateItem", error)),
    }
}

/// What was noted of a delivery; none when another version of ours wrote what this one cannot read. It is noted for people:
/// no webhook and no page is to fail for it.
fn delivery_of(item: &Item) -> Option<Delivery> {
    let read = read_doc(item);
    read.inspect_err(|error| tracing::warn!(%error, "how a delivery stands cannot be read"))
        .ok()
}

/// Partition of the turn to find out.
const TURN: &str = "TURN";
const RETRY_AT: &str = "retry_at";

fn receiver_key(tenant: &Tenant, host: &str) -> Item {
    key(format!("T#{tenant}#H#{host}"), RECEIVER)
}

fn read_silence(item: &Item) -> Result<Silence, StoreError> {
    let Some(AttributeValue::N(failures)) = item.get("failures") else {
        return Err(StoreError::item("attribute `failures` is missing or no number"));
    };
    Ok(Silence {
        failures: failures.parse().map_err(StoreError::item)?,
        since: millis_of(item, "since")?,
        retry_at: millis_of(item, RETRY_AT)?,
        why: text_of(item, "why")?.to_owned(),
    })
}
