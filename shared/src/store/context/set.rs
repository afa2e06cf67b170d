//! Sets a context: a purchase, or only a note.

use super::super::items::{Item, PARTITION_KEY, number, text};
use super::super::{Store, StoreError};
use super::update::{ConditionalUpdate, UpdateResult};
use super::{
    CURRENT, ENDED_CALLS, HOLD, MAX_ATTEMPTS, MEMORY, RETENTION_AFTER_END, call_partition, context_key, end_in,
    ended_name, fingerprint_name, generation_in, is_alive, is_condition_met, memory_name, purchase_in, purchase_name,
    set_in, set_name,
};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::clock::Timestamp;
use crate::context::{
    CallId, CallerDetails, ContextData, ContextKey, EARLIER_VERSIONS, MemoryChange, NewContext, Purchase,
    PurchaseChange, SetContent,
};
use crate::ids::{Nonce, Tenant};

/// One set of a context.
struct SetOperation<'a> {
    of: ContextKey,
    new: &'a NewContext,
    generation: Nonce,
    now: Timestamp,
}

impl Store {
    /// Sets a context, and returns the effect on its purchase.
    ///
    /// Of two concurrent sets the later one wins, and the earlier one becomes the version before it. A note does not
    /// create a version: it changes only the memory, the details that it contains, and the end of the context, which it
    /// never brings forward. `generation` identifies this set permanently; repeating it changes nothing.
    ///
    /// A set with the fingerprint of an earlier purchase ([`Purchase::fingerprint`]) means that purchase, whatever was
    /// set in between and whatever its outcome; unless the set marks it as another purchase, or has another order.
    ///
    /// One request. Two if an expired context still exists, if a note adds details to no context or to one that lives
    /// longer than the note asks for, and once in dozens of different purchases.
    pub async fn set_context(
        &self,
        tenant: &Tenant,
        new: &NewContext,
        generation: Nonce,
        now: Timestamp,
    ) -> Result<PurchaseChange, StoreError> {
        let of = ContextKey {
            tenant: tenant.clone(),
            caller: new.caller.clone(),
        };
        let set = SetOperation {
            of,
            new,
            generation,
            now,
        };
        let mut seen = None;
        for _ in 0..MAX_ATTEMPTS {
            let old = match self.update(&set.of, set.update(seen.as_ref())?).await? {
                UpdateResult::Updated(item) => {
                    self.delete_old_purchases(&set.of, &item, now).await?;
                    return Ok(set.effect(&item));
                }
                UpdateResult::ConditionFailed(old) => old,
            };
            // An earlier attempt of this request succeeded, and its response was lost.
            if generation_in(&old, 0) == Some(generation) {
                return Ok(set.effect(&old));
            }
            if !old.is_empty() && !is_alive(&old, now) && self.replace_expired(&set, &old).await? {
                return Ok(set.effect_on_new());
            }
            seen = Some(old);
        }
        Err(StoreError::item(
            "too many concurrent changes to a context while setting it",
        ))
    }

    /// Replaces an expired context, of which only the ended calls are kept. Returns whether it did.
    async fn replace_expired(&self, set: &SetOperation<'_>, old: &Item) -> Result<bool, StoreError> {
        let mut item = context_key(&set.of);
        for name in (1..=ENDED_CALLS).map(ended_name) {
            item.extend(old.get(&name).map(|value| (name, value.clone())));
        }
        item.insert("version".into(), number(1));
        item.insert("caller".into(), text(set.of.caller.as_str()));
        item.insert("ends".into(), number(set.end()));
        item.insert("expires".into(), number(set.end() + RETENTION_AFTER_END));
        item.insert(CURRENT.into(), AttributeValue::M(set.to_item()?));
        if let Some((_, purchase, _)) = set.purchase() {
            item.insert(purchase_name(0), set.new_purchase());
            for fingerprint in [Some(purchase.fingerprint()), purchase.order_fingerprint()] {
                item.extend(fingerprint.map(|fingerprint| (fingerprint_name(&fingerprint), set.new_purchase())));
            }
        }
        match &set.new.memory {
            MemoryChange::Keep => {}
            MemoryChange::Replace(memory) => drop(item.insert(MEMORY.into(), text(memory))),
            MemoryChange::Add(entry) => drop(item.insert(MEMORY.into(), text(entry.added_to("")))),
        }
        if let Some(call) = set.new.call {
            item.insert("call".into(), text(call.to_string()));
            item.insert("day_pk".into(), text(call_partition(&set.of.tenant, call)));
            item.insert("day_sk".into(), text(set.now.to_string()));
        }
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(
                "attribute_not_exists(#pk) \
                 OR (#ends <= :seconds AND (attribute_not_exists(#hold) OR #hold.#until <= :now))",
            )
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#ends", "ends")
            .expression_attribute_names("#hold", HOLD)
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":seconds", number(set.now.seconds()))
            .expression_attribute_values(":now", number(set.now.millis()))
            .send()
            .await;
        is_condition_met(result)
    }
}

impl SetOperation<'_> {
    /// When the context ends, in whole seconds for DynamoDB, rounded up so that it never ends early.
    fn end(&self) -> i64 {
        self.now.plus_seconds(self.new.ttl).plus_millis(999).seconds()
    }

    fn purchase(&self) -> Option<(&ContextData, &Purchase, bool)> {
        match &self.new.content {
            SetContent::Purchase { data, another } => Some((data, data.purchase.as_ref()?, *another)),
            SetContent::Note(_) => None,
        }
    }

    /// The effect of this set on the purchase; `item` is the result of the set.
    fn effect(&self, item: &Item) -> PurchaseChange {
        match self.purchase() {
            None => PurchaseChange::None,
            Some(_) if purchase_in(item, 0) == Some(self.generation) => PurchaseChange::New,
            Some(_) => PurchaseChange::Same,
        }
    }

    /// The effect of this set on the purchase of a new context.
    fn effect_on_new(&self) -> PurchaseChange {
        match self.purchase() {
            None => PurchaseChange::None,
            Some(_) => PurchaseChange::New,
        }
    }

    /// The purchase to store if this set introduces it.
    fn new_purchase(&self) -> AttributeValue {
        AttributeValue::M(Item::from([
            ("id".into(), text(self.generation.to_string())),
            ("at".into(), number(self.now.millis())),
        ]))
    }

    /// This set as a map, the value of the attribute `cur`.
    fn to_item(&self) -> Result<Item, StoreError> {
        let mut item = Item::from([
            ("gen".into(), text(self.generation.to_string())),
            ("at".into(), number(self.now.millis())),
        ]);
        if let Some(call) = self.new.call {
            item.insert("call".into(), text(call.to_string()));
        }
        if let Some((_, purchase, _)) = self.purchase() {
            let doc = serde_json::to_string(purchase).map_err(StoreError::item)?;
            item.insert("doc".into(), text(doc));
        }
        let details = self.details();
        item.extend(details.into_iter().map(|(name, value)| (name.to_owned(), text(value))));
        Ok(item)
    }

    /// The details of the caller in this set, by their attribute names.
    fn details(&self) -> Vec<(&'static str, String)> {
        let CallerDetails {
            callback,
            email,
            full_name,
            persona,
        } = match &self.new.content {
            SetContent::Note(details) => details.clone(),
            SetContent::Purchase { data, .. } => CallerDetails {
                callback: data.callback.clone(),
                email: Some(data.email.clone()),
                full_name: Some(data.full_name.clone()),
                persona: Some(data.persona.clone()),
            },
        };
        let details = [
            ("callback", callback.map(|number| number.as_str().to_owned())),
            ("email", email),
            ("full_name", full_name),
            ("persona", persona),
        ];
        details
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    /// The update of the item; `seen` is the item that the previous attempt found.
    fn update(&self, seen: Option<&Item>) -> Result<ConditionalUpdate, StoreError> {
        let mut update = ConditionalUpdate::default();
        let is_alive = "attribute_not_exists(#pk) OR #ends > :seconds OR #hold.#until > :now";
        update.only_if(is_alive);
        update.name("#pk", PARTITION_KEY);
        update.name("#ends", "ends");
        update.name("#hold", HOLD);
        update.name("#until", "until");
        update.name("#cur", CURRENT);
        update.name("#version", "version");
        update.name("#caller", "caller");
        update.value(":seconds", number(self.now.seconds()));
        update.value(":now", number(self.now.millis()));
        update.value(":caller", text(self.of.caller.as_str()));
        update.value(":one", number(1));
        update.set("#caller = :caller");
        self.set_memory(&mut update, seen);
        self.index(&mut update);
        match &self.new.content {
            SetContent::Purchase { another, .. } => self.set_purchase(&mut update, *another)?,
            SetContent::Note(_) => self.note(&mut update, seen)?,
        }
        Ok(update)
    }

    /// Changes the memory. An entry is added to the memory that the previous attempt found, if it is still that.
    fn set_memory(&self, update: &mut ConditionalUpdate, seen: Option<&Item>) {
        let memory = match &self.new.memory {
            MemoryChange::Keep => return,
            MemoryChange::Replace(memory) => memory.clone(),
            MemoryChange::Add(entry) => {
                let found = seen.and_then(|item| item.get(MEMORY)?.as_s().ok());
                update.only_if(match found {
                    Some(_) => "#memory = :found",
                    None => "attribute_not_exists(#memory)",
                });
                if let Some(found) = found {
                    update.value(":found", text(found));
                }
                entry.added_to(found.map_or("", String::as_str))
            }
        };
        update.name("#memory", MEMORY);
        update.value(":memory", text(memory));
        update.set("#memory = :memory");
    }

    /// Sets the call by which the index finds the context. A note without a call leaves it unchanged.
    fn index(&self, update: &mut ConditionalUpdate) {
        let is_note = self.purchase().is_none();
        if let (Some(call), true) = (self.new.call, is_note) {
            return self.index_unless_set(update, call);
        }
        if is_note {
            return;
        }
        update.name("#call", "call");
        update.name("#day_pk", "day_pk");
        update.name("#day_sk", "day_sk");
        let Some(call) = self.new.call else {
            update.remove("#call, #day_pk, #day_sk");
            return;
        };
        update.value(":call", text(call.to_string()));
        update.value(":call_pk", text(call_partition(&self.of.tenant, call)));
        update.value(":call_sk", text(self.now.to_string()));
        update.set("#call = :call, #day_pk = :call_pk, #day_sk = :call_sk");
    }

    /// Sets the call of a note as the indexed call, unless the context has one.
    fn index_unless_set(&self, update: &mut ConditionalUpdate, call: CallId) {
        let attributes = [
            ("call", text(call.to_string())),
            ("day_pk", text(call_partition(&self.of.tenant, call))),
            ("day_sk", text(self.now.to_string())),
        ];
        for (name, value) in attributes {
            update.name(format!("#{name}"), name);
            update.value(&format!(":{name}"), value);
            update.set(format!("#{name} = if_not_exists(#{name}, :{name})"));
        }
    }

    /// Sets the end of the context.
    fn set_end(&self, update: &mut ConditionalUpdate) {
        update.name("#expires", "expires");
        update.value(":end", number(self.end()));
        update.value(":deleted", number(self.end() + RETENTION_AFTER_END));
        update.set("#ends = :end, #expires = :deleted");
    }

    /// Adds a new version, and looks up its purchase by fingerprint.
    fn set_purchase(&self, update: &mut ConditionalUpdate, another: bool) -> Result<(), StoreError> {
        self.set_end(update);
        update.set("#version = if_not_exists(#version, :zero) + :one, #cur = :cur");
        update.value(":zero", number(0));
        update.value(":cur", AttributeValue::M(self.to_item()?));
        update.value(":none", AttributeValue::Null(true));
        update.value(":fresh", self.new_purchase());
        update.value(":gen", text(self.generation.to_string()));
        update.name("#gen", "gen");
        update.only_if("attribute_not_exists(#cur.#gen) OR #cur.#gen <> :gen");
        shift_versions(update, "#h", set_name);
        shift_versions(update, "#m", memory_name);
        shift_versions(update, "#b", purchase_name);
        let Some((_, purchase, _)) = self.purchase() else {
            return Ok(());
        };
        update.name("#like", fingerprint_name(&purchase.fingerprint()));
        let order = purchase.order_fingerprint();
        let lookup = if order.is_some() { "#order" } else { "#like" };
        let found = if another {
            ":fresh".to_owned()
        } else {
            format!("if_not_exists({lookup}, :fresh)")
        };
        update.set(format!("#b0 = {found}, #like = {found}"));
        if let Some(order) = order {
            update.name("#order", fingerprint_name(&order));
            update.set(format!("#order = {found}"));
        }
        Ok(())
    }

    /// Extends the end of the context only if the note gives a time to live: otherwise a note would turn an offer for
    /// five minutes into one for a week. Never brings the end forward.
    fn extend_end(&self, update: &mut ConditionalUpdate, seen: Option<&Item>) {
        if !self.new.ttl_given {
            // The first set for a caller of whom only ended calls are recorded.
            if seen.is_some_and(|item| set_in(item, 0).is_none()) {
                update.only_if("attribute_not_exists(#cur)");
                return self.set_end(update);
            }
            update.only_if("attribute_not_exists(#pk) OR attribute_exists(#cur)");
            update.name("#expires", "expires");
            update.value(":end", number(self.end()));
            update.value(":deleted", number(self.end() + RETENTION_AFTER_END));
            update.set("#ends = if_not_exists(#ends, :end), #expires = if_not_exists(#expires, :deleted)");
            return;
        }
        // The first attempt assumes the most likely case: the context ends before the note's end.
        let ends_later = seen.is_some_and(|item| end_in(item).seconds() >= self.end());
        update.value(":end", number(self.end()));
        if ends_later {
            update.only_if("#ends >= :end");
        } else {
            self.set_end(update);
            update.only_if("attribute_not_exists(#pk) OR #ends < :end");
        }
    }

    /// Sets only what a note contains. Creates a version only if there is none.
    fn note(&self, update: &mut ConditionalUpdate, seen: Option<&Item>) -> Result<(), StoreError> {
        update.set("#version = if_not_exists(#version, :one)");
        self.extend_end(update, seen);
        let details = self.details();
        let is_known = seen.is_none_or(|item| set_in(item, 0).is_some());
        if details.is_empty() || !is_known {
            update.set("#cur = if_not_exists(#cur, :cur)");
            update.value(":cur", AttributeValue::M(self.to_item()?));
            if !details.is_empty() {
                update.only_if("attribute_not_exists(#cur)");
            }
            return Ok(());
        }
        update.only_if("attribute_exists(#cur)");
        for (name, value) in details {
            update.name(format!("#{name}"), name);
            update.value(&format!(":{name}"), text(value));
            update.set(format!("#cur.#{name} = :{name}"));
        }
        Ok(())
    }
}

/// Shifts the attributes of the last sets by one version.
fn shift_versions(update: &mut ConditionalUpdate, placeholder: &str, name_of: fn(usize) -> String) {
    for back in 0..=EARLIER_VERSIONS {
        update.name(format!("{placeholder}{back}"), name_of(back));
    }
    for back in 1..=EARLIER_VERSIONS {
        update.set(format!(
            "{placeholder}{back} = if_not_exists({placeholder}{}, :none)",
            back - 1
        ));
    }
}
