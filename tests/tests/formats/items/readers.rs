//! Puts every item of `tests/formats/items/` and `tests/formats/earlier/` into a table, and reads it with every
//! function that reads such an item.

mod interactions;

use patchbay::access::TokenRecord;
use patchbay::bot::Bot;
use patchbay::chain::Document;
use patchbay::clock::Timestamp;
use patchbay::context::{ContextKey, PaymentOutcome, Version};
use patchbay::conversation::{self, Conversation, ConversationKey};
use patchbay::dispatch::{Dispatch, Entry};
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, ProviderName, Tenant};
use patchbay::interaction::{self, Interaction};
use patchbay::outreach::agent::Agent;
use patchbay::outreach::skill::Skill;
use patchbay::secret::sha256_hex;
use patchbay::store::{
    ChatConnection, ConversationSummary, DispatchSummary, DocumentKey, DocumentKind, DocumentLookup, ProbeClaim,
    SavedCall, Store, StoredCustomer, StoredDocument, Subject, TokenEntry, VisitorContact, VisitorRequest,
    VisitorRequestBegin, VisitorRequestState,
};
use patchbay::webhook::Delivery;
use patchbay_simulators::world::World;
use serde::Serialize;
use serde_json::{Value, json};

use super::chats::{EMAIL, visitor_keys};
use super::journeys::{CALLER, CHAIN};
use super::{all_kinds, doc, kind_of, letter_of, put};
use crate::common::{phone, world};
use crate::fixtures::{list, names};

fn tenant() -> Tenant {
    "main".parse().unwrap()
}

fn to_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

/// A string attribute.
#[track_caller]
fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name]
        .as_str()
        .unwrap_or_else(|| panic!("no text `{name}` in {item:#}"))
}

/// A timestamp attribute: a number of milliseconds.
#[track_caller]
fn timestamp(item: &Value, name: &str) -> Timestamp {
    Timestamp::from_millis(
        item[name]
            .as_i64()
            .unwrap_or_else(|| panic!("no number `{name}` in {item:#}")),
    )
}

/// The dispatch in whose partition an item is.
fn dispatch_of(item: &Value) -> DispatchKey {
    let parts: Vec<&str> = text(item, "pk").split('#').collect();
    DispatchKey {
        tenant: parts[1].parse().unwrap(),
        id: parts[3].parse().unwrap(),
    }
}

/// The part of the sort key after the `#`.
fn name_of(item: &Value) -> &str {
    text(item, "sk").split_once('#').unwrap().1
}

#[tokio::test(start_paused = true)]
async fn every_item_of_every_version_can_be_read() {
    let now = names("items");
    let missing: Vec<String> = all_kinds().into_iter().filter(|kind| !now.contains(kind)).collect();
    assert!(missing.is_empty(), "no fixture has these kinds: {missing:?}");
    for (folder, kind) in now
        .iter()
        .map(|kind| ("items", kind))
        .chain(names("earlier").iter().map(|kind| ("earlier", kind)))
    {
        let file = format!("{folder}/{kind}.json");
        for item in list(&file) {
            let world = world([]).await;
            put(&world, &item).await;
            // Shown only if the test fails: it names the fixture that cannot be read.
            println!("reading tests/formats/{file}");
            if folder == "items" {
                assert_eq!(&kind_of(&item), kind, "{item:#}");
                assert_eq!(written_again(&item), item["doc"], "it is written back differently");
            }
            read(&world, &item).await;
        }
    }
}

/// The document of an item, read and written back.
pub(crate) fn written_again(item: &Value) -> Value {
    match kind_of(item).split('-').next().unwrap() {
        "dispatch" => to_json(&doc::<Dispatch>(item)),
        "conversation" => to_json(&doc::<Conversation>(item)),
        "chat" if letter_of(item) == "V" => to_json(&doc::<conversation::Entry>(item)),
        "chat" => to_json(&doc::<ChatConnection>(item)),
        "visitor" if text(item, "sk") == "R" => to_json(&doc::<VisitorRequest>(item)),
        "visitor" if text(item, "sk") == "CONTACT" => to_json(&doc::<VisitorContact>(item)),
        "interaction" if text(item, "sk") == "I" => to_json(&doc::<Interaction>(item)),
        "interaction" => to_json(&doc::<interaction::Entry>(item)),
        "customer" if text(item, "sk") == "U" => to_json(&doc::<StoredCustomer>(item)),
        "entry" => to_json(&doc::<Entry>(item)),
        "delivery" => to_json(&doc::<Delivery>(item)),
        "token" if text(item, "sk") == "T" => to_json(&doc::<TokenRecord>(item)),
        "token" => to_json(&doc::<TokenEntry>(item)),
        "kept" => to_json(&doc::<SavedCall>(item)),
        "chain" => to_json(&doc::<Document>(item)),
        // No document, or several: the reader of the item checks them.
        _ => item["doc"].clone(),
    }
}

async fn read(world: &World, item: &Value) {
    let store = &world.store;
    match text(item, "sk").split('#').next().unwrap() {
        "D" => dispatch(store, item).await,
        "E" if letter_of(item) == "V" => chat_entry(store, item).await,
        "E" if letter_of(item) == "I" => interactions::entry(store, item).await,
        "E" => entry(store, item).await,
        "V" => conversation(store, item).await,
        "CHAT" => {
            let connection = store.connection(&tenant()).await.unwrap();
            assert_eq!(connection, Some(doc(item)));
        }
        "R" => visitor_request(store, item).await,
        "CONTACT" => {
            let contact = store.visitor_contact(&tenant(), EMAIL).await.unwrap();
            assert_eq!(contact, Some(doc(item)));
        }
        "N" => assert!(item["count"].as_u64().is_some(), "{item:#}"),
        "O" => interactions::opt_out(store, item).await,
        "I" if letter_of(item) == "U" => interactions::link(store, item).await,
        "I" => interactions::interaction(store, item).await,
        "U" => interactions::customer(store, item).await,
        "ADDRESS" => interactions::address(world, item).await,
        _ if letter_of(item) == "M" => interactions::thread(store, item).await,
        "W" => delivery(store, item).await,
        "H" if letter_of(item) == "O" => interactions::opt_out_history(store, item).await,
        "H" if text(item, "pk") == "TURN" => turn(store, item).await,
        "H" => silence(store, item).await,
        "L" => lease(store, item).await,
        "P" => slot(store, item).await,
        "LIMITS" => {
            let limits = store.call_limits(&"main".parse().unwrap()).await.unwrap();
            assert_eq!(json!(limits), item["doc"]);
        }
        "C" => document(store, item, DocumentKind::Chain).await,
        "B" => document(store, item, DocumentKind::Bot).await,
        "G" => document(store, item, DocumentKind::Agent).await,
        "S" => document(store, item, DocumentKind::Skill).await,
        "X" => context(store, item).await,
        "T" => token(store, item).await,
        "A" => kept_call(store, item).await,
        _ => token_line(store, item).await,
    }
}

async fn dispatch(store: &Store, item: &Value) {
    let key = dispatch_of(item);
    let loaded = store.load(&key).await.unwrap().unwrap();
    assert_eq!(loaded, doc(item));
    assert_eq!(loaded.key, key);
    assert_eq!(item["version"], json!(loaded.version));
    assert_eq!(item["status"], json!(loaded.state.name()));
    let due_subject = store.due_subject::<Dispatch>(&key).await.unwrap().unwrap();
    assert_eq!(due_subject.subject, loaded);
    let count = |name: &str| item.get(name).map_or(0, |count| count.as_u64().unwrap());
    assert_eq!(u64::from(due_subject.sent_again), count("sent_again"));
    assert_eq!(u64::from(due_subject.held), count("held"));
    let page = store
        .list_day::<DispatchSummary>(&key.tenant, &loaded.created_at.day(), None, 10)
        .await;
    let line = DispatchSummary {
        id: key.id,
        status: loaded.state.name().to_owned(),
        reference: loaded.spec.ticket.reference.clone(),
        created_at: text(item, "created_at").to_owned(),
        updated_at: text(item, "updated_at").to_owned(),
    };
    assert_eq!(page.unwrap().lines, [line], "it is not listed");
    due(store, item, &loaded, loaded.state.is_over()).await;
}

/// What is not over is found by the time at which it is due.
async fn due<S: Subject>(store: &Store, item: &Value, subject: &S, is_over: bool) {
    let Some(place) = item.get("due_pk").and_then(Value::as_str) else {
        assert!(is_over, "no check would find it again: {item:#}");
        return;
    };
    let at = Timestamp::parse(text(item, "due_sk")).unwrap();
    let resent = store.resent::<S>(10).await.unwrap();
    let shard = place.strip_prefix(S::INDEX_PREFIX).unwrap();
    if shard == "again" {
        assert_eq!((&resent[0].subject, resent[0].check_at), (subject.key(), at));
        return;
    }
    let shard = shard.parse().unwrap();
    assert_eq!(
        store.due::<S>(shard, at, 10).await.unwrap(),
        std::slice::from_ref(subject.key()),
        "it is not due"
    );
    let earlier = store.due::<S>(shard, at.plus_millis(-1), 10).await.unwrap();
    assert!(earlier.is_empty(), "it is due too early");
}

async fn entry(store: &Store, item: &Value) {
    let (key, name) = (dispatch_of(item), name_of(item));
    let entry: Entry = doc(item);
    assert_eq!(entry.id, name);
    assert_eq!(store.entry(&key, name).await.unwrap().as_ref(), Some(&entry));
    let page = store.timeline(&key, None, 10).await.unwrap();
    assert_eq!(page.entries, std::slice::from_ref(&entry));
    let Some(attempt) = entry.fact.attempt() else { return };
    let statuses = store.statuses(&key, attempt).await.unwrap();
    let is_status = text(&item["doc"], "event") == "status";
    assert_eq!(statuses.len(), usize::from(is_status));
    if is_status {
        assert_eq!(store.entries_of(&key, attempt).await.unwrap(), [entry]);
    }
}

async fn delivery(store: &Store, item: &Value) {
    let (key, name) = (dispatch_of(item).into(), name_of(item));
    let delivery: Delivery = doc(item);
    assert_eq!(item["over"], json!(delivery.outcome.is_final()));
    assert_eq!(
        store.subject(&key, name).await.unwrap().delivery.as_ref(),
        Some(&delivery)
    );
    let all = store.deliveries(&key, ""..="~").await.unwrap();
    assert_eq!(all, [(name.to_owned(), delivery.clone())]);
    assert_eq!(store.first_deliveries(&key).await.unwrap(), (vec![delivery], false));
}

async fn turn(store: &Store, item: &Value) {
    let until = timestamp(item, "retry_at");
    let held_until = store
        .acquire_probe_lock(until.plus_millis(-1), until.plus_seconds(60))
        .await
        .unwrap();
    assert_eq!(held_until, Some(until), "two probes could run at once");
    assert_eq!(
        store.acquire_probe_lock(until, until.plus_seconds(60)).await.unwrap(),
        None
    );
}

async fn silence(store: &Store, item: &Value) {
    let parts: Vec<&str> = text(item, "pk").split('#').collect();
    let (tenant, host) = (parts[1].parse().unwrap(), parts[3]);
    let silence = store.unresponsive_receiver(&tenant, host).await.unwrap().unwrap();
    assert_eq!(json!(silence.failures), item["failures"]);
    assert_eq!(silence.since, timestamp(item, "since"));
    assert_eq!(silence.retry_at, timestamp(item, "retry_at"));
    assert_eq!(silence.reason, text(item, "why"));
    let next = silence.retry_at.plus_seconds(60);
    assert_eq!(
        store.claim_probe(&tenant, host, &silence, next).await.unwrap(),
        ProbeClaim::Claimed
    );
}

/// A lease does not block the attempt that holds it, and blocks other dispatches to the same employee.
async fn lease(store: &Store, item: &Value) {
    let (id, attempt) = text(item, "holder").split_once('/').unwrap();
    let (id, attempt): (DispatchId, AttemptId) = (id.parse().unwrap(), attempt.parse().unwrap());
    let mut dispatch: Dispatch = doc(&list("items/dispatch-calling-claimed.json")[0]);
    dispatch.key.id = id;
    let phone = &dispatch.employee(attempt.employee).unwrap().phone;
    let hash = sha256_hex(phone.as_str().as_bytes());
    assert_eq!(text(item, "pk"), format!("T#main#L#{hash}"));
    let until = timestamp(item, "lease_until");
    let before = Timestamp::from_millis((until.millis() - 1).max(0));
    let line = store.phone_status(&dispatch, attempt, before).await.unwrap();
    assert_eq!(line.held_until, None, "the lease blocks its own attempt");
    let calls = item.get("calls").cloned().unwrap_or(json!([]));
    assert_eq!(json!(line.calls), calls);
    dispatch.key.id = DispatchId::new(0x77);
    let is_held = until.millis() > 0;
    let held = store.phone_status(&dispatch, attempt, before).await.unwrap();
    assert_eq!(
        held.held_until,
        is_held.then_some(until),
        "the lease does not block another dispatch"
    );
}

async fn slot(store: &Store, item: &Value) {
    let provider = text(item, "pk").strip_prefix("PACE#").unwrap();
    let has = |name: &str| item.get(name).map(|_| timestamp(item, name));
    assert_eq!(store.backlog_end(provider).await.unwrap(), has("free_at"));
    let provider: ProviderName = provider.parse().unwrap();
    let state = store.provider_state(&provider).await.unwrap().value;
    let never = Timestamp::from_millis(0);
    assert_eq!(state.urgent_free_at, has("urgent_free_at").unwrap_or(never));
    let health = item.get("health").cloned().unwrap_or(json!({}));
    assert_eq!(json!(state.health), health);
}

/// The key of the conversation in whose partition an item is.
fn conversation_of(item: &Value) -> ConversationKey {
    let parts: Vec<&str> = text(item, "pk").split('#').collect();
    ConversationKey {
        tenant: parts[1].parse().unwrap(),
        id: parts[3].parse().unwrap(),
    }
}

async fn conversation(store: &Store, item: &Value) {
    let key = conversation_of(item);
    let loaded = store.load_subject::<Conversation>(&key).await.unwrap().unwrap();
    assert_eq!(loaded, doc(item));
    assert_eq!(loaded.key, key);
    assert_eq!(item["version"], json!(loaded.version));
    assert_eq!(item["status"], json!(loaded.holder.name()));
    let page = store
        .list_day::<ConversationSummary>(&key.tenant, &loaded.created_at.day(), None, 10)
        .await;
    let line = ConversationSummary {
        id: key.id,
        holder: loaded.holder.name().to_owned(),
        holder_since: text(item, "updated_at").to_owned(),
        created_at: text(item, "created_at").to_owned(),
    };
    assert_eq!(page.unwrap().lines, [line], "it is not listed");
}

async fn chat_entry(store: &Store, item: &Value) {
    let entry: conversation::Entry = doc(item);
    assert_eq!(entry.id, name_of(item));
    let page = store
        .timeline_of::<Conversation>(&conversation_of(item), None, 10)
        .await
        .unwrap();
    assert_eq!(page.entries, [entry]);
}

async fn visitor_request(store: &Store, item: &Value) {
    let request: VisitorRequest = doc(item);
    assert_eq!(item["state"], item["doc"]["state"]);
    let (tenant, conversation) = (tenant(), "1201".parse().unwrap());
    let mut found = Vec::new();
    for of in visitor_keys(&tenant, &conversation) {
        let begun = store.begin_visitor_request(&of, &request, 10).await.unwrap();
        if let VisitorRequestBegin::Earlier(earlier) = begun {
            found.push(earlier);
        }
    }
    // What certainly had no effect is begun again.
    let is_kept = request.state != VisitorRequestState::Failed;
    assert_eq!(found, if is_kept { vec![request] } else { Vec::new() });
}

async fn document(store: &Store, item: &Value, kind: DocumentKind) {
    let key = DocumentKey {
        tenant: tenant(),
        kind,
        name: name_of(item).parse().unwrap(),
    };
    let stored = StoredDocument {
        version: item["version"].as_i64().unwrap(),
        updated_at: text(item, "updated_at").to_owned(),
        document: item["doc"].to_string(),
    };
    assert_eq!(store.document(&key).await.unwrap().as_ref(), Some(&stored));
    let known = store.document_if_changed(&key, None).await.unwrap();
    assert_eq!(known, DocumentLookup::Changed(stored.clone()));
    let known = store.document_if_changed(&key, Some(stored.version)).await.unwrap();
    assert_eq!(known, DocumentLookup::Unchanged);
    let page = store.list_documents(&key.tenant, key.kind, None, 10).await.unwrap();
    let lines = page.documents;
    let [line] = &lines[..] else {
        panic!("not one: {lines:?}")
    };
    assert_eq!((&*line.name, line.version), (name_of(item), stored.version));
    let refused = match kind {
        DocumentKind::Chain => patchbay::chain::Chain::from_stored(&item["doc"]).err(),
        DocumentKind::Bot => Bot::from_stored(&item["doc"]).err(),
        DocumentKind::Agent => Agent::from_stored(&item["doc"]).err(),
        DocumentKind::Skill => Skill::from_stored(&item["doc"]).err(),
    };
    assert!(refused.is_none(), "a stored document is refused: {refused:?}");
}

async fn context(store: &Store, item: &Value) {
    let key = ContextKey {
        tenant: tenant(),
        caller: phone(CALLER),
    };
    let ends = Timestamp::from_millis(item["ends"].as_i64().unwrap() * 1_000);
    let now = ends.plus_millis(-1);
    let found = store.context(&key, now).await.unwrap();
    if item.get("cur").is_none() {
        assert_eq!(found, None, "nothing was set");
        return;
    }
    let found = found.unwrap_or_else(|| panic!("it is not found: {item:#}"));
    assert_eq!((found.caller.as_str(), found.expires_at), (text(item, "caller"), ends));
    let exists = |name: &str| item.get(name).is_some_and(|value| !value.is_null());
    let slots: Vec<usize> = (1..=5).filter(|back| exists(&format!("h{back}"))).collect();
    assert_eq!(found.earlier.len(), slots.len());
    version(item, &found.current, "cur", "memory", "b0");
    for (version, back) in found.earlier.iter().zip(slots) {
        self::version(
            item,
            version,
            &format!("h{back}"),
            &format!("m{back}"),
            &format!("b{back}"),
        );
    }
    let call = item.get("call").map(|call| call.as_str().unwrap().parse().unwrap());
    assert_eq!(found.call, call);
    if let Some(call) = call {
        let of_call = store.context_of_call(&key.tenant, call, now).await.unwrap();
        assert_eq!(of_call.as_ref(), Some(&found), "it is not found by its call");
    }
}

/// One version, and the payment outcome of its purchase.
fn version(item: &Value, read: &Version, slot: &str, memory: &str, purchase: &str) {
    let slot = &item[slot];
    let stored = |name: &str| slot.get(name).map_or("", |value| value.as_str().unwrap());
    assert_eq!(read.generation.to_string(), stored("gen"));
    assert_eq!(read.set_at, timestamp(slot, "at"));
    assert_eq!(
        read.call.map(|call| call.to_string()).unwrap_or_default(),
        stored("call")
    );
    let data = &read.data;
    assert_eq!((&*data.email, &*data.full_name), (stored("email"), stored("full_name")));
    assert_eq!(
        data.callback.as_ref().map_or("", |number| number.as_str()),
        stored("callback")
    );
    if slot.get("persona").is_some() {
        assert_eq!(data.persona, stored("persona"));
    }
    assert_eq!(data.purchase.as_ref().map(to_json).as_ref(), slot.get("doc"));
    assert_eq!(
        read.memory,
        item.get(memory).and_then(Value::as_str).unwrap_or_default()
    );
    let bought = item.get(purchase).filter(|bought| !bought.is_null());
    assert_eq!(
        read.purchase.map(|id| json!(id.to_string())).as_ref(),
        bought.map(|bought| &bought["id"])
    );
    let outcome = bought.and_then(|bought| item.get(format!("o#{}", text(bought, "id"))));
    assert_eq!(
        read.outcome.as_ref().map(to_json).as_ref(),
        outcome.map(|outcome| &outcome["doc"])
    );
    if let Some(outcome) = outcome {
        let rank = doc::<PaymentOutcome>(outcome).status.rank();
        assert_eq!(outcome["rank"], json!(rank));
    }
}

async fn token(store: &Store, item: &Value) {
    let hash = text(item, "pk").strip_prefix("TOKEN#").unwrap();
    let record = store.token(hash).await.unwrap().unwrap();
    assert_eq!(record, doc(item));
    let revoked = store.revoke_token(hash).await.unwrap().unwrap();
    assert!(revoked.record.revoked && revoked.hash == hash);
}

async fn token_line(store: &Store, item: &Value) {
    let lines = store.tokens(&tenant(), "").await.unwrap();
    // The world's own token is in no list.
    assert_eq!(lines, [doc(item)]);
    assert_eq!(lines[0].hash, text(item, "sk"));
}

async fn kept_call(store: &Store, item: &Value) {
    let saved = store
        .load_call(&tenant(), &CHAIN.parse().unwrap(), &phone(CALLER))
        .await
        .unwrap();
    let saved = saved.unwrap_or_else(|| panic!("the stored call is not found: {item:#}"));
    assert_eq!(saved, doc(item));
    assert!(saved.is_active(saved.at) || saved.over);
}
