//! Contexts: what voice agents share about a caller. One item a caller.
//!
//! | attribute | what |
//! |---|---|
//! | `cur` | the newest set: `gen` (which one), `at`, `call`, what was said of the caller, and `doc` (the purchase) |
//! | `h1` to `h5` | the sets before it, newest first; null where there were none |
//! | `memory`, `m1` to `m5` | the memory, now and as those sets left it |
//! | `b0` to `b5` | the purchases of those sets: `id` and `at`, the set that first said so |
//! | `f#{likeness}` | the purchase that a set means which says this, with or without an order |
//! | `o#{purchase}` | what came of it: `doc`, with its `rank`, and `oc` (our call) |
//! | `hold` | the call that is in `<Pay>`: `oc`, `id` (of the purchase), `until` |
//! | `e1` to `e6` | calls that are over, newest first |
//! | `version` | how many sets there were |
//! | `caller`, `call` | the number, and the call in which something was set or noted last |
//! | `ends`, `expires` | the end, and an hour later: when the table may delete the item, both in seconds since the epoch |
//!
//! A set moves every version one place down and looks its purchase up by what it says, all in one request that needs to
//! know nothing of the item. The memory stands beside the version, not in it, so that a set that does not mention it leaves
//! it alone, and a note touches nothing else.
//!
//! What came of a purchase stands beside the sets too: it is the same however often it is said, and is known when it is
//! said again after others ([`set`]). Whoever is in `<Pay>` keeps every other call of the caller out of it, whatever they
//! pay for ([`pay`]).
//!
//! A context that was set in a call which the platform names is also in the index: `day_pk` =
//! `T#{tenant}#K#{hash of the call's name}`. The index follows the table within a second or so.

mod change;
mod pay;
mod set;
mod tidy;

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::items::{INDEX_BY_DAY, Item, PARTITION_KEY, key, number, read_doc, text, text_of};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::context::draft::DEFAULT_PERSONA;
use crate::context::{Brief, CallId, Context, ContextKey, EARLIER_VERSIONS, Outcome, Purchase, Version};
use crate::ids::{Nonce, Tenant};
use crate::phone::PhoneNumber;
use crate::secret::sha256_hex;

use self::change::{Change, Changed};
pub use self::pay::{Begun, Ended, OutcomePut};

const CONTEXT: &str = "X";
const CURRENT: &str = "cur";
const MEMORY: &str = "memory";
const HOLD: &str = "hold";
/// Calls that are over and remembered: a caller has no more than one or two at a time, and a webhook is late by seconds.
const ENDED_CALLS: usize = 6;
/// Seconds that an item stays in the table after its end: longer than anybody can be in `<Pay>`, whatever a later set says
/// of the end.
const KEPT_AFTER_END: i64 = 3_600;
/// Tries against others who write the same context at the same moment.
const TRIES: u8 = 4;

fn context_key(of: &ContextKey) -> Item {
    // Hashed, so that a key in a log or a metric of DynamoDB's says nothing of a person.
    let hash = sha256_hex(of.caller.as_str().as_bytes());
    key(format!("T#{}#X#{hash}", of.tenant), CONTEXT)
}

fn call_partition(tenant: &Tenant, call: CallId) -> String {
    format!("T#{tenant}#K#{call}")
}

/// Name of the place that the `back`th set before the newest lies in.
fn slot_name(back: usize) -> String {
    if back == 0 { CURRENT.into() } else { format!("h{back}") }
}

/// Name of the place that the memory of that set lies in.
fn memory_name(back: usize) -> String {
    if back == 0 { MEMORY.into() } else { format!("m{back}") }
}

/// Name of the place that says which purchase that set means.
fn purchase_name(back: usize) -> String {
    format!("b{back}")
}

fn likeness_name(likeness: &str) -> String {
    format!("f#{likeness}")
}

fn outcome_name(purchase: Nonce) -> String {
    format!("o#{purchase}")
}

fn ended_name(place: usize) -> String {
    format!("e{place}")
}

impl Store {
    /// What is known of a caller (a consistent read), if anything and not expired. One request.
    pub async fn context(&self, of: &ContextKey, now: Timestamp) -> Result<Option<Context>, StoreError> {
        let item = self.get(context_key(of)).await?;
        let context = item.map(|item| read(&item)).transpose()?.flatten();
        Ok(context.filter(|context| context.expires_at > now))
    }

    /// The context whose newest set or note was made in this call, for an agent that knows no number. Two requests.
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
            // The newest of several callers in one call.
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
        // The index may be behind the table.
        Ok(context.filter(|context| context.expires_at > now && context.call == Some(call)))
    }

    /// Forgets a caller: the context, every earlier version, the memory and what was paid. Who is in `<Pay>` is not
    /// forgotten before they are out of it: nobody else may get there. One request; two while somebody is.
    pub async fn delete_context(&self, of: &ContextKey, now: Timestamp) -> Result<(), StoreError> {
        for _ in 0..TRIES {
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
        Err(StoreError::item("calls came and went at every try to forget a caller"))
    }

    /// Replaces what is there by the hold in it, if that is still the same. Says whether it did.
    async fn keep_only_hold(&self, of: &ContextKey, old: Option<&Item>) -> Result<bool, StoreError> {
        let Some((old, hold)) = old.and_then(|old| Some((old, hold_in(old)?))) else {
            return Ok(false);
        };
        let mut item = context_key(of);
        let end = hold.until.plus_millis(999).seconds();
        item.insert("ends".into(), number(end));
        item.insert("expires".into(), number(end + KEPT_AFTER_END));
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
        put(result)
    }

    async fn change(&self, of: &ContextKey, change: Change) -> Result<Changed, StoreError> {
        change.send(&self.client, &self.table, context_key(of)).await
    }
}

/// Whether a `PutItem` found its condition met.
fn put<T>(result: Result<T, aws_sdk_dynamodb::error::SdkError<PutItemError>>) -> Result<bool, StoreError> {
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

/// Who is in `<Pay>`.
struct Hold {
    call: String,
    purchase: Nonce,
    until: Timestamp,
}

fn hold_in(item: &Item) -> Option<Hold> {
    let hold = item.get(HOLD)?.as_m().ok()?;
    Some(Hold {
        call: text_of(hold, "oc").ok()?.to_owned(),
        purchase: text_of(hold, "id").ok()?.parse().ok()?,
        until: super::items::millis_of(hold, "until").ok()?,
    })
}

/// When a context ends; the epoch when there is none.
fn end_in(item: &Item) -> Timestamp {
    let seconds = item.get("ends").and_then(|value| value.as_n().ok());
    let seconds: i64 = seconds.and_then(|digits| digits.parse().ok()).unwrap_or(0);
    Timestamp::from_millis(seconds.saturating_mul(1_000))
}

/// Whether `item` counts: it has not ended, or somebody is in `<Pay>`.
fn is_alive(item: &Item, now: Timestamp) -> bool {
    end_in(item) > now || hold_in(item).is_some_and(|hold| hold.until > now)
}

/// The `back`th set before the newest, if there is one.
fn slot_in(item: &Item, back: usize) -> Option<&Item> {
    item.get(&slot_name(back)).and_then(|slot| slot.as_m().ok())
}

fn generation_in(item: &Item, back: usize) -> Option<Nonce> {
    text_of(slot_in(item, back)?, "gen").ok()?.parse().ok()
}

/// The purchase that the `back`th set before the newest means, if it means one.
fn purchase_in(item: &Item, back: usize) -> Option<Nonce> {
    let purchase = item.get(&purchase_name(back))?.as_m().ok()?;
    text_of(purchase, "id").ok()?.parse().ok()
}

fn outcome_in(item: &Item, purchase: Nonce) -> Result<Option<Outcome>, StoreError> {
    match item.get(&outcome_name(purchase)) {
        Some(AttributeValue::M(outcome)) => read_outcome(outcome).map(Some),
        _ => Ok(None),
    }
}

fn read_outcome(outcome: &Item) -> Result<Outcome, StoreError> {
    read_doc(outcome)
}

fn call_in(item: &Item) -> Result<Option<CallId>, StoreError> {
    match item.get("call") {
        Some(AttributeValue::S(call)) => call.parse().map(Some).map_err(StoreError::item),
        _ => Ok(None),
    }
}

fn brief_in(slot: &Item) -> Result<Brief, StoreError> {
    let said = |name: &str| match slot.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        _ => String::new(),
    };
    let purchase: Option<Purchase> = match slot.get("doc") {
        Some(AttributeValue::S(_)) => Some(read_doc(slot)?),
        _ => None,
    };
    let callback = match said("callback") {
        number if number.is_empty() => None,
        number => Some(PhoneNumber::from_e164(&number).map_err(StoreError::item)?),
    };
    let persona = match said("persona") {
        name if name.is_empty() => DEFAULT_PERSONA.to_owned(),
        name => name,
    };
    Ok(Brief {
        purchase,
        callback,
        email: said("email"),
        full_name: said("full_name"),
        persona,
    })
}

fn version_in(item: &Item, back: usize, newest: u32) -> Result<Option<Version>, StoreError> {
    let Some(slot) = slot_in(item, back) else {
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
        generation: text_of(slot, "gen")?.parse().map_err(StoreError::item)?,
        set_at: super::items::millis_of(slot, "at")?,
        call: call_in(slot)?,
        brief: brief_in(slot)?,
        purchase,
        memory,
        outcome: outcome.flatten(),
    }))
}

/// The context in `item`; none when nothing was set, and only a call of the caller is known.
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
