//! Setting: a purchase, or only a note.

use super::super::items::{Item, PARTITION_KEY, number, text};
use super::super::{Store, StoreError};
use super::change::{Change, Changed};
use super::{
    CURRENT, ENDED_CALLS, HOLD, KEPT_AFTER_END, MEMORY, TRIES, call_partition, context_key, end_in, ended_name,
    generation_in, is_alive, likeness_name, memory_name, purchase_in, purchase_name, put, slot_in, slot_name,
};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::clock::Timestamp;
use crate::context::{
    Brief, CallId, ContextKey, Details, EARLIER_VERSIONS, Memory, NewContext, Purchase, PurchaseSet, Said,
};
use crate::ids::{Nonce, Tenant};

/// A set under way.
struct Set<'a> {
    of: ContextKey,
    new: &'a NewContext,
    generation: Nonce,
    now: Timestamp,
}

impl Store {
    /// Stores what an agent says, and says what that does to the purchase.
    ///
    /// Of two who set at once the later one wins, and the earlier one is a version before it. A note is no version: it
    /// touches the memory, the details that it has, and the end, which it never brings nearer. `generation` names this set
    /// for ever; the same one again changes nothing.
    ///
    /// A purchase is the one that was set before with the same words ([`Purchase::likeness`]), whatever was set in between
    /// and whatever came of it; unless the set says that it is another one, or brings another order.
    ///
    /// One request. Two when an earlier context has expired and is still there, when a note adds details to nothing or to
    /// what lives longer than it says, and once in dozens of different purchases.
    pub async fn set_context(
        &self,
        tenant: &Tenant,
        new: &NewContext,
        generation: Nonce,
        now: Timestamp,
    ) -> Result<PurchaseSet, StoreError> {
        let of = ContextKey {
            tenant: tenant.clone(),
            caller: new.caller.clone(),
        };
        let set = Set {
            of,
            new,
            generation,
            now,
        };
        let mut seen = None;
        for _ in 0..TRIES {
            let old = match self.change(&set.of, set.change(seen.as_ref())?).await? {
                Changed::Yes(item) => {
                    self.tidy(&set.of, &item, now).await?;
                    return Ok(set.did(&item));
                }
                Changed::No(old) => old,
            };
            // By an earlier try of the same request, whose answer was lost.
            if generation_in(&old, 0) == Some(generation) {
                return Ok(set.did(&old));
            }
            if !old.is_empty() && !is_alive(&old, now) && self.set_anew(&set, &old).await? {
                return Ok(set.did_anew());
            }
            seen = Some(old);
        }
        Err(StoreError::item("a context came and went at every try to set it"))
    }

    /// Sets where what is there has expired: nothing of it must survive but which calls are over. Says whether it did.
    async fn set_anew(&self, set: &Set<'_>, old: &Item) -> Result<bool, StoreError> {
        let mut item = context_key(&set.of);
        for name in (1..=ENDED_CALLS).map(ended_name) {
            item.extend(old.get(&name).map(|value| (name, value.clone())));
        }
        item.insert("version".into(), number(1));
        item.insert("caller".into(), text(set.of.caller.as_str()));
        item.insert("ends".into(), number(set.end()));
        item.insert("expires".into(), number(set.end() + KEPT_AFTER_END));
        item.insert(CURRENT.into(), AttributeValue::M(set.slot()?));
        if let Some((_, purchase, _)) = set.purchase() {
            item.insert(purchase_name(0), set.fresh());
            for likeness in [Some(purchase.likeness()), purchase.order_likeness()] {
                item.extend(likeness.map(|likeness| (likeness_name(&likeness), set.fresh())));
            }
        }
        if let Memory::Replace(memory) = &set.new.memory {
            item.insert(MEMORY.into(), text(memory));
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
                "attribute_not_exists(#pk) OR (#ends <= :seconds AND (attribute_not_exists(#hold) OR #hold.#until <= :now))",
            )
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#ends", "ends")
            .expression_attribute_names("#hold", HOLD)
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":seconds", number(set.now.seconds()))
            .expression_attribute_values(":now", number(set.now.millis()))
            .send()
            .await;
        put(result)
    }
}

impl Set<'_> {
    /// When it ends, as DynamoDB wants it: whole seconds, rounded up so that it never lives shorter than was asked for.
    fn end(&self) -> i64 {
        self.now.plus_seconds(self.new.ttl).plus_millis(999).seconds()
    }

    fn purchase(&self) -> Option<(&Brief, &Purchase, bool)> {
        match &self.new.said {
            Said::Purchase { brief, another } => Some((brief, brief.purchase.as_ref()?, *another)),
            Said::Note(_) => None,
        }
    }

    /// What this set did, as `item` shows that has it.
    fn did(&self, item: &Item) -> PurchaseSet {
        match self.purchase() {
            None => PurchaseSet::None,
            Some(_) if purchase_in(item, 0) == Some(self.generation) => PurchaseSet::New,
            Some(_) => PurchaseSet::Same,
        }
    }

    fn did_anew(&self) -> PurchaseSet {
        match self.purchase() {
            None => PurchaseSet::None,
            Some(_) => PurchaseSet::New,
        }
    }

    /// The purchase that this set is the first to speak of, if it is.
    fn fresh(&self) -> AttributeValue {
        AttributeValue::M(Item::from([
            ("id".into(), text(self.generation.to_string())),
            ("at".into(), number(self.now.millis())),
        ]))
    }

    /// A set as it lies in the item.
    fn slot(&self) -> Result<Item, StoreError> {
        let mut slot = Item::from([
            ("gen".into(), text(self.generation.to_string())),
            ("at".into(), number(self.now.millis())),
        ]);
        if let Some(call) = self.new.call {
            slot.insert("call".into(), text(call.to_string()));
        }
        if let Some((_, purchase, _)) = self.purchase() {
            let doc = serde_json::to_string(purchase).map_err(StoreError::item)?;
            slot.insert("doc".into(), text(doc));
        }
        let details = self.details();
        slot.extend(details.into_iter().map(|(name, said)| (name.to_owned(), text(said))));
        Ok(slot)
    }

    /// What is said about the caller, by the names in the item.
    fn details(&self) -> Vec<(&'static str, String)> {
        let Details {
            callback,
            email,
            full_name,
            persona,
        } = match &self.new.said {
            Said::Note(details) => details.clone(),
            Said::Purchase { brief, .. } => Details {
                callback: brief.callback.clone(),
                email: Some(brief.email.clone()),
                full_name: Some(brief.full_name.clone()),
                persona: Some(brief.persona.clone()),
            },
        };
        let said = [
            ("callback", callback.map(|number| number.as_str().to_owned())),
            ("email", email),
            ("full_name", full_name),
            ("persona", persona),
        ];
        said.into_iter()
            .filter_map(|(name, said)| Some((name, said?)))
            .collect()
    }

    /// The change of the item; `seen` is what an earlier try found there.
    fn change(&self, seen: Option<&Item>) -> Result<Change, StoreError> {
        let mut change = Change::default();
        let is_alive = "attribute_not_exists(#pk) OR #ends > :seconds OR #hold.#until > :now";
        change.only_if(is_alive);
        change.name("#pk", PARTITION_KEY);
        change.name("#ends", "ends");
        change.name("#hold", HOLD);
        change.name("#until", "until");
        change.name("#cur", CURRENT);
        change.name("#version", "version");
        change.name("#caller", "caller");
        change.value(":seconds", number(self.now.seconds()));
        change.value(":now", number(self.now.millis()));
        change.value(":caller", text(self.of.caller.as_str()));
        change.value(":one", number(1));
        change.set("#caller = :caller");
        if let Memory::Replace(memory) = &self.new.memory {
            change.name("#memory", MEMORY);
            change.value(":memory", text(memory));
            change.set("#memory = :memory");
        }
        self.index(&mut change);
        match &self.new.said {
            Said::Purchase { another, .. } => self.say(&mut change, *another)?,
            Said::Note(_) => self.note(&mut change, seen)?,
        }
        Ok(change)
    }

    /// By which call it is found. A note that knows of no call leaves that as it is.
    fn index(&self, change: &mut Change) {
        let is_note = self.purchase().is_none();
        if let (Some(call), true) = (self.new.call, is_note) {
            return self.index_unless_found(change, call);
        }
        if is_note {
            return;
        }
        change.name("#call", "call");
        change.name("#day_pk", "day_pk");
        change.name("#day_sk", "day_sk");
        let Some(call) = self.new.call else {
            change.remove("#call, #day_pk, #day_sk");
            return;
        };
        change.value(":call", text(call.to_string()));
        change.value(":call_pk", text(call_partition(&self.of.tenant, call)));
        change.value(":call_sk", text(self.now.to_string()));
        change.set("#call = :call, #day_pk = :call_pk, #day_sk = :call_sk");
    }

    /// The call in which a note was made, unless there is one in which more was said.
    fn index_unless_found(&self, change: &mut Change, call: CallId) {
        let said = [
            ("call", text(call.to_string())),
            ("day_pk", text(call_partition(&self.of.tenant, call))),
            ("day_sk", text(self.now.to_string())),
        ];
        for (name, value) in said {
            change.name(format!("#{name}"), name);
            change.value(&format!(":{name}"), value);
            change.set(format!("#{name} = if_not_exists(#{name}, :{name})"));
        }
    }

    fn lives(&self, change: &mut Change) {
        change.name("#expires", "expires");
        change.value(":end", number(self.end()));
        change.value(":deleted", number(self.end() + KEPT_AFTER_END));
        change.set("#ends = :end, #expires = :deleted");
    }

    /// A new version, and the purchase that its words mean.
    fn say(&self, change: &mut Change, another: bool) -> Result<(), StoreError> {
        self.lives(change);
        change.set("#version = if_not_exists(#version, :zero) + :one, #cur = :cur");
        change.value(":zero", number(0));
        change.value(":cur", AttributeValue::M(self.slot()?));
        change.value(":none", AttributeValue::Null(true));
        change.value(":fresh", self.fresh());
        change.value(":gen", text(self.generation.to_string()));
        change.name("#gen", "gen");
        change.only_if("attribute_not_exists(#cur.#gen) OR #cur.#gen <> :gen");
        move_down(change, "#h", slot_name);
        move_down(change, "#m", memory_name);
        move_down(change, "#b", purchase_name);
        let Some((_, purchase, _)) = self.purchase() else {
            return Ok(());
        };
        change.name("#like", likeness_name(&purchase.likeness()));
        let order = purchase.order_likeness();
        let known_by = if order.is_some() { "#order" } else { "#like" };
        let meant = if another {
            ":fresh".to_owned()
        } else {
            format!("if_not_exists({known_by}, :fresh)")
        };
        change.set(format!("#b0 = {meant}, #like = {meant}"));
        if let Some(order) = order {
            change.name("#order", likeness_name(&order));
            change.set(format!("#order = {meant}"));
        }
        Ok(())
    }

    /// A note lets a context live longer only when it says so, and never shorter: an offer for five minutes must not become
    /// one for a week.
    fn outlasts(&self, change: &mut Change, seen: Option<&Item>) {
        if !self.new.ttl_said {
            // Of somebody of whom only the ends of calls are known it is the first word.
            if seen.is_some_and(|item| slot_in(item, 0).is_none()) {
                change.only_if("attribute_not_exists(#cur)");
                return self.lives(change);
            }
            change.only_if("attribute_not_exists(#pk) OR attribute_exists(#cur)");
            change.name("#expires", "expires");
            change.value(":end", number(self.end()));
            change.value(":deleted", number(self.end() + KEPT_AFTER_END));
            change.set("#ends = if_not_exists(#ends, :end), #expires = if_not_exists(#expires, :deleted)");
            return;
        }
        // What is most likely: somebody is known, and not for longer than from now on.
        let outlives = seen.is_some_and(|item| end_in(item).seconds() >= self.end());
        change.value(":end", number(self.end()));
        if outlives {
            change.only_if("#ends >= :end");
        } else {
            self.lives(change);
            change.only_if("attribute_not_exists(#pk) OR #ends < :end");
        }
    }

    /// Only what a note has. It is a version of its own only where there is none.
    fn note(&self, change: &mut Change, seen: Option<&Item>) -> Result<(), StoreError> {
        change.set("#version = if_not_exists(#version, :one)");
        self.outlasts(change, seen);
        let details = self.details();
        let is_known = seen.is_none_or(|item| slot_in(item, 0).is_some());
        if details.is_empty() || !is_known {
            change.set("#cur = if_not_exists(#cur, :cur)");
            change.value(":cur", AttributeValue::M(self.slot()?));
            if !details.is_empty() {
                change.only_if("attribute_not_exists(#cur)");
            }
            return Ok(());
        }
        change.only_if("attribute_exists(#cur)");
        for (name, said) in details {
            change.name(format!("#{name}"), name);
            change.value(&format!(":{name}"), text(said));
            change.set(format!("#cur.#{name} = :{name}"));
        }
        Ok(())
    }
}

/// Moves what the last sets left one place down.
fn move_down(change: &mut Change, place: &str, name_of: fn(usize) -> String) {
    for back in 0..=EARLIER_VERSIONS {
        change.name(format!("{place}{back}"), name_of(back));
    }
    for back in 1..=EARLIER_VERSIONS {
        change.set(format!("{place}{back} = if_not_exists({place}{}, :none)", back - 1));
    }
}
