//! Contexts: what voice agents share about a caller. One item a caller.
//!
//! | attribute | what |
//! |---|---|
//! | `cur` | the newest set: `gen` (which one), `at`, `doc` (the brief), `call`; and `outcome` with its `rank` and `oc` (our call) |
//! | `h1` to `h5` | the sets before it, newest first; null where there were none |
//! | `memory`, `m1` to `m5` | the memory, now and as those sets left it |
//! | `version` | how many sets there were |
//! | `caller`, `expires` | the number, and the end in seconds since the epoch |
//!
//! A set moves every version one place down, so it needs to know nothing of the item and costs one request. The memory
//! stands beside the version, not in it, so that a set that does not mention it leaves it alone.
//!
//! A context that was set in a call which the platform names is also in the index: `day_pk` =
//! `T#{tenant}#K#{hash of the call's name}`. The index follows the table within a second or so.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::items::{INDEX_BY_DAY, Item, PARTITION_KEY, key, number, text, text_of};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::context::{CallId, Context, ContextKey, EARLIER_VERSIONS, Memory, NewContext, Outcome, Status, Version};
use crate::ids::{Nonce, Tenant};
use crate::phone::PhoneNumber;
use crate::secret::sha256_hex;

const CONTEXT: &str = "X";
const CURRENT: &str = "cur";
const MEMORY: &str = "memory";
/// Tries against others who write the same context at the same moment.
const TRIES: u8 = 4;

/// What came of writing an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutcomePut {
    /// It is written, now or by an earlier try.
    Written,
    /// There is one that it must not replace: this.
    Refused(Box<Outcome>),
    /// The set that it belongs to was deleted, has expired, or lies too many sets back.
    Gone,
}

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

impl Store {
    /// Stores what an agent says. Of two who do so at once the later one wins, and the earlier one is a version before
    /// it. `generation` names this set for ever; the same one again changes nothing. One request; two when an earlier
    /// context has expired and is still there.
    pub async fn set_context(
        &self,
        tenant: &Tenant,
        new: &NewContext,
        generation: Nonce,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let of = ContextKey {
            tenant: tenant.clone(),
            caller: new.caller.clone(),
        };
        for _ in 0..TRIES {
            if self.set_over(&of, new, generation, now).await? || self.set_anew(&of, new, generation, now).await? {
                return Ok(());
            }
        }
        Err(StoreError::item("a context came and went at every try to set it"))
    }

    /// Sets over what is there and has not expired, or over nothing. Says whether it did.
    async fn set_over(
        &self,
        of: &ContextKey,
        new: &NewContext,
        generation: Nonce,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut sets = vec![
            "#version = if_not_exists(#version, :zero) + :one".to_owned(),
            "#caller = :caller, #expires = :expires, #h0 = :cur".to_owned(),
        ];
        let mut request = self.client.update_item();
        for back in 1..=EARLIER_VERSIONS {
            sets.push(format!("#h{back} = if_not_exists(#h{0}, :none)", back - 1));
            sets.push(format!("#m{back} = if_not_exists(#m{0}, :none)", back - 1));
        }
        for back in 0..=EARLIER_VERSIONS {
            request = request
                .expression_attribute_names(format!("#h{back}"), slot_name(back))
                .expression_attribute_names(format!("#m{back}"), memory_name(back));
        }
        if let Memory::Replace(memory) = &new.memory {
            sets.push("#m0 = :memory".to_owned());
            request = request.expression_attribute_values(":memory", text(memory));
        }
        let mut expression = String::new();
        if let Some(call) = new.call {
            sets.push("#day_pk = :call_pk, #day_sk = :call_sk".to_owned());
            request = request
                .expression_attribute_values(":call_pk", text(call_partition(&of.tenant, call)))
                .expression_attribute_values(":call_sk", text(now.to_string()));
        } else {
            expression.push_str("REMOVE #day_pk, #day_sk ");
        }
        expression.push_str("SET ");
        expression.push_str(&sets.join(", "));
        let result = request
            .table_name(&self.table)
            .set_key(Some(context_key(of)))
            .update_expression(expression)
            .condition_expression("attribute_not_exists(#pk) OR (#expires > :now AND #h0.#gen <> :gen)")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#caller", "caller")
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_names("#gen", "gen")
            .expression_attribute_names("#day_pk", "day_pk")
            .expression_attribute_names("#day_sk", "day_sk")
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":none", AttributeValue::Null(true))
            .expression_attribute_values(":caller", text(of.caller.as_str()))
            .expression_attribute_values(":expires", number(expiry(new, now)))
            .expression_attribute_values(":now", number(now.seconds()))
            .expression_attribute_values(":gen", text(generation.to_string()))
            .expression_attribute_values(":cur", AttributeValue::M(slot(new, generation, now)?))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else { return Ok(true) };
        match error.as_service_error() {
            // By an earlier try of the same request, whose answer was lost.
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => Ok(failed
                .item()
                .is_some_and(|item| generation_in(item, 0) == Some(generation))),
            _ => Err(StoreError::request("UpdateItem", &error)),
        }
    }

    /// Sets where what is there has expired: nothing of it must survive. Says whether it did.
    async fn set_anew(
        &self,
        of: &ContextKey,
        new: &NewContext,
        generation: Nonce,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut item = context_key(of);
        item.insert("version".into(), number(1));
        item.insert("caller".into(), text(of.caller.as_str()));
        item.insert("expires".into(), number(expiry(new, now)));
        item.insert(CURRENT.into(), AttributeValue::M(slot(new, generation, now)?));
        if let Memory::Replace(memory) = &new.memory {
            item.insert(MEMORY.into(), text(memory));
        }
        if let Some(call) = new.call {
            item.insert("day_pk".into(), text(call_partition(&of.tenant, call)));
            item.insert("day_sk".into(), text(now.to_string()));
        }
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#pk) OR #expires <= :now")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_values(":now", number(now.seconds()))
            .send()
            .await;
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

    /// What is known of a caller (a consistent read), if anything and not expired. One request.
    pub async fn context(&self, of: &ContextKey, now: Timestamp) -> Result<Option<Context>, StoreError> {
        let item = self.get(context_key(of)).await?;
        let context = item.map(|item| read(&item)).transpose()?;
        Ok(context.filter(|context| context.expires_at > now))
    }

    /// The context whose newest set was made in this call, for an agent that knows no number. Two requests.
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
        let context = item.map(|item| read(&item)).transpose()?;
        // The index may be behind the table.
        Ok(context.filter(|context| context.expires_at > now && context.current.call == Some(call)))
    }

    /// Forgets a caller: the context, every earlier version and the memory. One request.
    pub async fn delete_context(&self, of: &ContextKey) -> Result<(), StoreError> {
        self.client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(context_key(of)))
            .send()
            .await
            .map(drop)
            .map_err(|error| StoreError::request::<DeleteItemError, _>("DeleteItem", &error))
    }

    /// Writes what came of a call about the set called `generation`; never to any other set, however many have
    /// followed. The context lives until `until` then ([`Context::lives_until`]), for the next agent to read it.
    ///
    /// May be repeated. An outcome moves forward only, and nothing replaces a success ([`Outcome::replaces`]). One
    /// request; one more when there was a later set.
    pub async fn put_outcome(
        &self,
        of: &ContextKey,
        generation: Nonce,
        outcome: &Outcome,
        until: Timestamp,
    ) -> Result<OutcomePut, StoreError> {
        let outcome = outcome.clone().safe();
        let mut back = 0;
        for _ in 0..TRIES {
            let Some(item) = self.put_outcome_at(of, back, generation, &outcome, until).await? else {
                return Ok(OutcomePut::Written);
            };
            let place = (0..=EARLIER_VERSIONS).find(|back| generation_in(&item, *back) == Some(generation));
            let Some(place) = place else {
                return Ok(OutcomePut::Gone);
            };
            match outcome_in(&item, place)? {
                Some(there) if there == outcome => return Ok(OutcomePut::Written),
                Some(there) if !outcome.replaces(&there) => return Ok(OutcomePut::Refused(Box::new(there))),
                _ => back = place,
            }
        }
        Err(StoreError::item(
            "a context was set again at every try to write an outcome",
        ))
    }

    /// Writes the outcome to the `back`th set before the newest, if that is the right one and may have it; else gives
    /// back what is there, empty when there is nothing.
    async fn put_outcome_at(
        &self,
        of: &ContextKey,
        back: usize,
        generation: Nonce,
        outcome: &Outcome,
        until: Timestamp,
    ) -> Result<Option<Item>, StoreError> {
        let doc = serde_json::to_string(outcome).map_err(StoreError::item)?;
        let mut request = self.client.update_item();
        let mut expression =
            "SET #slot.#outcome = :outcome, #slot.#rank = :rank, #slot.#oc = :oc, #slot.#began = :began".to_owned();
        // As `Outcome::replaces`.
        let mut another_call = "#slot.#oc <> :oc";
        if outcome.status != Status::PaymentSuccess {
            another_call = "#slot.#oc <> :oc AND (#slot.#rank <> :paying OR #slot.#began <= :over)";
            request = request
                .expression_attribute_values(":paying", number(Status::InProgress.rank()))
                .expression_attribute_values(":over", number(outcome.others_were_over().millis()));
        }
        let condition = format!(
            "#slot.#gen = :gen AND (attribute_not_exists(#slot.#rank) OR (#slot.#rank < :final AND \
             ((#slot.#oc = :oc AND #slot.#rank <= :rank) OR ({another_call}))))"
        );
        if back == 0 {
            // The life of an item is that of its newest set.
            expression.push_str(", #expires = :until");
            request = request
                .expression_attribute_names("#expires", "expires")
                .expression_attribute_values(":until", number(until.seconds()));
        }
        let result = request
            .table_name(&self.table)
            .set_key(Some(context_key(of)))
            .update_expression(expression)
            .condition_expression(condition)
            .expression_attribute_names("#slot", slot_name(back))
            .expression_attribute_names("#gen", "gen")
            .expression_attribute_names("#outcome", "outcome")
            .expression_attribute_names("#rank", "rank")
            .expression_attribute_names("#oc", "oc")
            .expression_attribute_names("#began", "began")
            .expression_attribute_values(":gen", text(generation.to_string()))
            .expression_attribute_values(":outcome", text(doc))
            .expression_attribute_values(":rank", number(outcome.status.rank()))
            .expression_attribute_values(":oc", text(&outcome.call))
            .expression_attribute_values(":began", number(outcome.start_time.millis()))
            .expression_attribute_values(":final", number(Status::FINAL))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else { return Ok(None) };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                Ok(Some(failed.item().cloned().unwrap_or_default()))
            }
            _ => Err(StoreError::request("UpdateItem", &error)),
        }
    }
}

/// When it ends, as DynamoDB wants it: whole seconds, rounded up so that it never lives shorter than was asked for.
fn expiry(new: &NewContext, now: Timestamp) -> i64 {
    now.plus_seconds(new.ttl).plus_millis(999).seconds()
}

/// A set as it lies in the item.
fn slot(new: &NewContext, generation: Nonce, now: Timestamp) -> Result<Item, StoreError> {
    let doc = serde_json::to_string(&new.brief).map_err(StoreError::item)?;
    let mut slot = Item::from([
        ("gen".into(), text(generation.to_string())),
        ("at".into(), number(now.millis())),
        ("doc".into(), text(doc)),
    ]);
    if let Some(call) = new.call {
        slot.insert("call".into(), text(call.to_string()));
    }
    Ok(slot)
}

/// The `back`th set before the newest, if there is one.
fn slot_in(item: &Item, back: usize) -> Option<&Item> {
    item.get(&slot_name(back)).and_then(|slot| slot.as_m().ok())
}

fn generation_in(item: &Item, back: usize) -> Option<Nonce> {
    text_of(slot_in(item, back)?, "gen").ok()?.parse().ok()
}

fn outcome_in(item: &Item, back: usize) -> Result<Option<Outcome>, StoreError> {
    let doc = slot_in(item, back).and_then(|slot| slot.get("outcome"));
    let Some(AttributeValue::S(doc)) = doc else {
        return Ok(None);
    };
    serde_json::from_str(doc).map(Some).map_err(StoreError::item)
}

fn version_in(item: &Item, back: usize, newest: u32) -> Result<Option<Version>, StoreError> {
    let Some(slot) = slot_in(item, back) else {
        return Ok(None);
    };
    let memory = match item.get(&memory_name(back)) {
        Some(AttributeValue::S(memory)) => memory.clone(),
        _ => String::new(),
    };
    let call = match slot.get("call") {
        Some(AttributeValue::S(call)) => Some(call.parse().map_err(StoreError::item)?),
        _ => None,
    };
    Ok(Some(Version {
        number: newest.saturating_sub(u32::try_from(back).unwrap_or(u32::MAX)),
        generation: text_of(slot, "gen")?.parse().map_err(StoreError::item)?,
        set_at: super::items::millis_of(slot, "at")?,
        call,
        brief: serde_json::from_str(text_of(slot, "doc")?).map_err(StoreError::item)?,
        memory,
        outcome: outcome_in(item, back)?,
    }))
}

fn read(item: &Item) -> Result<Context, StoreError> {
    let number_of = |name: &str| match item.get(name) {
        Some(AttributeValue::N(digits)) => digits.parse::<i64>().map_err(StoreError::item),
        _ => Err(StoreError::item(format_args!(
            "attribute `{name}` is missing or no number"
        ))),
    };
    let newest = u32::try_from(number_of("version")?).map_err(StoreError::item)?;
    let current = version_in(item, 0, newest)?;
    let mut earlier = Vec::new();
    for back in 1..=EARLIER_VERSIONS {
        earlier.extend(version_in(item, back, newest)?);
    }
    Ok(Context {
        caller: PhoneNumber::parse(text_of(item, "caller")?).map_err(StoreError::item)?,
        expires_at: Timestamp::from_millis(number_of("expires")?.saturating_mul(1_000)),
        current: current.ok_or_else(|| StoreError::item("a context without a set"))?,
        earlier,
    })
}
