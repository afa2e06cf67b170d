//! Contexts: what voice agents share about a caller. One item per caller.
//!
//! | attribute | content |
//! |---|---|
//! | `cur` | the newest set: `gen` (its id), `at`, `call`, details of the caller, and `doc` (the purchase) |
//! | `h1` to `h5` | the sets before it, newest first; null where there is none |
//! | `memory`, `m1` to `m5` | the memory: current, and as it was after those sets |
//! | `b0` to `b5` | the purchases of those sets: `id` and `at` of the set that introduced the purchase |
//! | `f#{fingerprint}` | the purchase with this fingerprint, which includes the order or not |
//! | `o#{purchase}` | the outcome of its payment: `doc`, with its `rank` and `oc` (the call) |
//! | `hold` | the payment lock, held by the call in `<Pay>`: `oc`, `id` (of the purchase), `until` |
//! | `e1` to `e6` | calls that have ended, newest first |
//! | `version` | number of sets so far |
//! | `caller`, `call` | the caller's number, and the call of the newest set or note |
//! | `ends`, `expires` | when the context ends, and an hour later, when DynamoDB may delete the item; both in seconds since the epoch |
//!
//! A set shifts every version by one and looks up its purchase by fingerprint, all in one request that does not have to
//! read the item first. The memory is stored next to the version, not in it, so that a set without a memory leaves it
//! unchanged and a note changes nothing else.
//!
//! Outcomes are stored next to the sets too: a purchase has one outcome however often it is set, even if it is set
//! again after other purchases ([`set`]). A call in `<Pay>` keeps every other call of the caller out of it, whatever
//! their purchases ([`payment`]).
//!
//! A context that was set in a call with an id from the platform is also in the index `by_day`: `day_pk` =
//! `T#{tenant}#K#{hash of the call's id}`. The index lags the table by about a second.

mod cleanup;
mod payment;
mod set;
mod update;

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::items::{INDEX_BY_DAY, Item, PARTITION_KEY, key, number, read_doc, text, text_of};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::context::draft::DEFAULT_PERSONA;
use crate::context::{CallId, Context, ContextData, ContextKey, EARLIER_VERSIONS, PaymentOutcome, Purchase, Version};
use crate::ids::{Nonce, Tenant};
use crate::phone::PhoneNumber;
use crate::secret::sha256_hex;

pub use self::payment::{CallEnd, OutcomeWrite, PaymentAdmission};
use self::update::{ConditionalUpdate, UpdateResult};

const CONTEXT: &str = "X";
const CURRENT: &str = "cur";
const MEMORY: &str = "memory";
const HOLD: &str = "hold";
/// Number of ended calls that are recorded. A caller has one or two calls at a time, and a webhook is late by seconds.
const ENDED_CALLS: usize = 6;
/// Seconds that an item stays in the table after the context's end: longer than a call can be in `<Pay>`, even if a
/// later set brings the end forward.
const RETENTION_AFTER_END: i64 = 3_600;
/// Attempts to write in competition with concurrent writers of the same context.
const MAX_ATTEMPTS: u8 = 4;

fn context_key(of: &ContextKey) -> Item {
    // Hashed, so that a key in DynamoDB's logs and metrics reveals nothing about a person.
    let hash = sha256_hex(of.caller.as_str().as_bytes());
    key(format!("T#{}#X#{hash}", of.tenant), CONTEXT)
}

fn call_partition(tenant: &Tenant, call: CallId) -> String {
    format!("T#{tenant}#K#{call}")
}

/// Attribute of the `back`th set before the newest.
fn set_name(back: usize) -> String {
    if back == 0 { CURRENT.into() } else { format!("h{back}") }
}

/// Attribute of the memory of that set.
fn memory_name(back: usize) -> String {
    if back == 0 { MEMORY.into() } else { format!("m{back}") }
}

/// Attribute with the purchase of that set.
fn purchase_name(back: usize) -> String {
    format!("b{back}")
}

fn fingerprint_name(fingerprint: &str) -> String {
    format!("f#{fingerprint}")
}

fn outcome_name(purchase: Nonce) -> String {
    format!("o#{purchase}")
}

fn ended_name(index: usize) -> String {
    format!("e{index}")
}

impl Store {
    /// Loads the context of a caller (a consistent read), if it exists and has not expired. One request.
    pub async fn context(&self, of: &ContextKey, now: Timestamp) -> Result<Option<Context>, StoreError> {
        let item = self.get(context_key(of)).await?;
        let context = item.map(|item| read(&item)).transpose()?.flatten();
        Ok(context.filter(|context| context.expires_at > now))
    }

    /// Loads the context whose newest set or note was made in this call, for an agent that does not know the caller's
    /// number. Two requests.
    pub async fn context_of_call(
        &self,
        tenant: &Tenant,
        call: CallId,
        now: Timestamp,
    ) -> Result<Option<Context>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(INDEX_BY_DAY)
            .key_condition_expression("#day_pk = :call")
            .expression_attribute_names("#day_pk", "day_pk")
            .expression_attribute_values(":call", text(call_partition(tenant, call)))
            // If one call has set the contexts of several callers, take the newest.
            .scan_index_forward(false)
            .limit(1)
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        let Some(found) = page.items().first() else {
            return Ok(None);
        };
        let partition = text_of(found, PARTITION_KEY)?.to_owned();
        let item = self.get(key(partition, CONTEXT)).await?;
        let context = item.map(|item| read(&item)).transpose()?.flatten();
        // The index may lag the table.
        Ok(context.filter(|context| context.expires_at > now && context.call == Some(call)))
    }

    /// Deletes everything about a caller: the context, all earlier versions, the memory and the outcomes. While a call
    /// is in `<Pay>`, its payment lock is kept, so that no other call can enter. One request; two while a call is in
    /// `<Pay>`.
    pub async fn delete_context(&self, of: &ContextKey, now: Timestamp) -> Result<(), StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let result = self
                .client
                .delete_item()
                .table_name(&self.table)
                .set_key(Some(context_key(of)))
                .condition_expression("attribute_not_exists(#hold) OR #hold.#until <= :now")
                .expression_attribute_names("#hold", HOLD)
                .expression_attribute_names("#until", "until")
                .expression_attribute_values(":now", number(now.millis()))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
                .await;
            let Err(error) = result else { return Ok(()) };
            let Some(DeleteItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
                return Err(StoreError::request("DeleteItem", &error));
            };
            if self.keep_only_hold(of, failed.item()).await? {
                return Ok(());
            }
        }
        Err(StoreError::item(
            "too many concurrent changes to a context while deleting it",
        ))
    }

    /// Replaces the item by its payment lock and its ended calls, if the lock is unchanged. Returns whether it did.
    async fn keep_only_hold(&self, of: &ContextKey, old: Option<&Item>) -> Result<bool, StoreError> {
        let Some((old, hold)) = old.and_then(|old| Some((old, hold_in(old)?))) else {
            return Ok(false);
        };
        let mut item = context_key(of);
        let end = hold.until.plus_millis(999).seconds();
        item.insert("ends".into(), number(end));
        item.insert("expires".into(), number(end + RETENTION_AFTER_END));
        let ended = (1..=ENDED_CALLS).map(ended_name);
        for name in ended.chain([HOLD.to_owned()]) {
            item.extend(old.get(&name).map(|value| (name, value.clone())));
        }
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("#hold.#oc = :oc")
            .expression_attribute_names("#hold", HOLD)
            .expression_attribute_names("#oc", "oc")
            .expression_attribute_values(":oc", text(hold.call))
            .send()
            .await;
        is_condition_met(result)
    }

    async fn update(&self, of: &ContextKey, update: ConditionalUpdate) -> Result<UpdateResult, StoreError> {
        update.send(&self.client, &self.table, context_key(of)).await
    }
}

/// Whether the condition of a `PutItem` was met.
fn is_condition_met<T>(result: Result<T, aws_sdk_dynamodb::error::SdkError<PutItemError>>) -> Result<bool, StoreError> {
    match result {
        Ok(_) => Ok(true),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
        {
            Ok(false)
        }
        Err(error) => Err(StoreError::request("PutItem", &error)),
    }
}

/// The payment lock: the call that is in `<Pay>`.
struct PaymentHold {
    call: String,
    purchase: Nonce,
    until: Timestamp,
}

fn hold_in(item: &Item) -> Option<PaymentHold> {
    let hold = item.get(HOLD)?.as_m().ok()?;
    Some(PaymentHold {
        call: text_of(hold, "oc").ok()?.to_owned(),
        purchase: text_of(hold, "id").ok()?.parse().ok()?,
        until: super::items::millis_of(hold, "until").ok()?,
    })
}

/// When a context ends; the epoch if there is no context.
fn end_in(item: &Item) -> Timestamp {
    let seconds = item.get("ends").and_then(|value| value.as_n().ok());
    let seconds: i64 = seconds.and_then(|digits| digits.parse().ok()).unwrap_or(0);
    Timestamp::from_millis(seconds.saturating_mul(1_000))
}

/// Whether `item` is in use: it has not ended, or a call is in `<Pay>`.
fn is_alive(item: &Item, now: Timestamp) -> bool {
    end_in(item) > now || hold_in(item).is_some_and(|hold| hold.until > now)
}

/// The `back`th set before the newest, if it exists.
fn set_in(item: &Item, back: usize) -> Option<&Item> {
    item.get(&set_name(back)).and_then(|set| set.as_m().ok())
}

fn generation_in(item: &Item, back: usize) -> Option<Nonce> {
    text_of(set_in(item, back)?, "gen").ok()?.parse().ok()
}

/// The purchase of the `back`th set before the newest, if it has one.
fn purchase_in(item: &Item, back: usize) -> Option<Nonce> {
    let purchase = item.get(&purchase_name(back))?.as_m().ok()?;
    text_of(purchase, "id").ok()?.parse().ok()
}

fn outcome_in(item: &Item, purchase: Nonce) -> Result<Option<PaymentOutcome>, StoreError> {
    match item.get(&outcome_name(purchase)) {
        Some(AttributeValue::M(outcome)) => read_outcome(outcome).map(Some),
        _ => Ok(None),
    }
}

fn read_outcome(outcome: &Item) -> Result<PaymentOutcome, StoreError> {
    read_doc(outcome)
}

fn call_in(item: &Item) -> Result<Option<CallId>, StoreError> {
    match item.get("call") {
        Some(AttributeValue::S(call)) => call.parse().map(Some).map_err(StoreError::item),
        _ => Ok(None),
    }
}

fn data_in(set: &Item) -> Result<ContextData, StoreError> {
    let detail = |name: &str| match set.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        _ => String::new(),
    };
    let purchase: Option<Purchase> = match set.get("doc") {
        Some(AttributeValue::S(_)) => Some(read_doc(set)?),
        _ => None,
    };
    let callback = match detail("callback") {
        number if number.is_empty() => None,
        number => Some(PhoneNumber::from_e164(&number).map_err(StoreError::item)?),
    };
    let persona = match detail("persona") {
        name if name.is_empty() => DEFAULT_PERSONA.to_owned(),
        name => name,
    };
    Ok(ContextData {
        purchase,
        callback,
        email: detail("email"),
        full_name: detail("full_name"),
        persona,
    })
}

fn version_in(item: &Item, back: usize, newest: u32) -> Result<Option<Version>, StoreError> {
    let Some(set) = set_in(item, back) else {
        return Ok(None);
    };
    let memory = match item.get(&memory_name(back)) {
        Some(AttributeValue::S(memory)) => memory.clone(),
        _ => String::new(),
    };
    let purchase = purchase_in(item, back);
    let outcome = purchase.map(|purchase| outcome_in(item, purchase)).transpose()?;
    Ok(Some(Version {
        number: newest.saturating_sub(u32::try_from(back).unwrap_or(u32::MAX)),
        generation: text_of(set, "gen")?.parse().map_err(StoreError::item)?,
        set_at: super::items::millis_of(set, "at")?,
        call: call_in(set)?,
        data: data_in(set)?,
        purchase,
        memory,
        outcome: outcome.flatten(),
    }))
}

/// The context in `item`; `None` if nothing was set, and only ended calls are recorded.
fn read(item: &Item) -> Result<Option<Context>, StoreError> {
    let newest = match item.get("version") {
        Some(AttributeValue::N(digits)) => digits.parse().map_err(StoreError::item)?,
        _ => 0,
    };
    let Some(current) = version_in(item, 0, newest)? else {
        return Ok(None);
    };
    let mut earlier = Vec::new();
    for back in 1..=EARLIER_VERSIONS {
        earlier.extend(version_in(item, back, newest)?);
    }
    Ok(Some(Context {
        caller: PhoneNumber::from_e164(text_of(item, "caller")?).map_err(StoreError::item)?,
        expires_at: end_in(item),
        call: call_in(item)?,
        current,
        earlier,
    }))
}
