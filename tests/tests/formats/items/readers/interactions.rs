//! Readers of what interactions leave in the table.

use patchbay::interaction::{self, Channel, Interaction};
use patchbay::providers::ses::EmailAddress;
use patchbay::store::{Address, CustomerInteraction, InteractionSummary, Store, StoredCustomer, Thread, Written};
use patchbay_simulators::world::World;
use serde_json::{Value, json};

use super::super::interactions::{EMAIL_AS_WRITTEN, OURS, channel_of, is_of_email};
use super::super::journeys::CALLER;
use super::super::{doc, kind_of, put};
use super::{due, name_of, tenant, text, timestamp};
use crate::common::phone;
use crate::fixtures::list;
use crate::interactions::key;

pub(super) async fn interaction(store: &Store, item: &Value) {
    let loaded = store.load_subject::<Interaction>(&key()).await.unwrap().unwrap();
    assert_eq!(loaded, doc(item));
    assert_eq!(loaded.key, key());
    assert_eq!(item["version"], json!(loaded.version));
    let page = store
        .list_day::<InteractionSummary>(&key().tenant, &loaded.created_at.day(), None, 10)
        .await;
    let ended = loaded.state.end_reason().map(interaction::EndReason::name);
    let line = InteractionSummary {
        id: key().id,
        status: ended.unwrap_or(loaded.state.name()).to_owned(),
        channel: loaded.channel(),
        created_at: loaded.created_at,
    };
    assert_eq!(page.unwrap().lines, [line], "it is not listed");
    due(store, item, &loaded, loaded.state.is_terminal()).await;
}

pub(super) async fn entry(store: &Store, item: &Value) {
    let entry: interaction::Entry = doc(item);
    assert_eq!(entry.id, name_of(item));
    let page = store.timeline_of::<Interaction>(&key(), None, 10).await.unwrap();
    assert_eq!(page.entries, [entry]);
}

pub(super) async fn customer(store: &Store, item: &Value) {
    let customer: StoredCustomer = doc(item);
    let found = store.customer(&tenant(), customer.id).await.unwrap();
    assert_eq!(found, Some(customer));
}

/// An address leads to its customer.
pub(super) async fn address(world: &World, item: &Value) {
    let stored = &list("items/customer.json")[0];
    put(world, stored).await;
    let (phone, email) = if is_of_email(item) {
        (None, Some(EMAIL_AS_WRITTEN))
    } else {
        (Some(CALLER), None)
    };
    let found = world.store.find_customer(&tenant(), phone, email).await.unwrap();
    assert_eq!(found, Some(doc(stored)), "the customer is not found by their address");
}

pub(super) async fn link(store: &Store, item: &Value) {
    let customer = text(item, "pk").rsplit('#').next().unwrap().parse().unwrap();
    let found = store.interactions_of(&tenant(), customer, 10).await.unwrap();
    let expected = CustomerInteraction {
        id: name_of(item).parse().unwrap(),
        linked_at: timestamp(item, "at"),
    };
    assert_eq!(found, [expected]);
}

pub(super) async fn thread(store: &Store, item: &Value) {
    let channel = channel_of(item);
    let ours = (channel == Channel::Whatsapp).then_some(OURS);
    let found = store.thread(&tenant(), channel, ours, CALLER).await.unwrap();
    let has = |name: &str| item.get(name).is_some();
    let expected = Thread {
        written: if has("interaction") {
            assert_eq!(text(item, "interaction"), key().id.to_string());
            let (interaction, at) = (key().id, timestamp(item, "sent_at"));
            vec![Written { interaction, at }]
        } else {
            Vec::new()
        },
        last_received_at: has("received_at").then(|| timestamp(item, "received_at")),
    };
    assert_eq!(found, Some(expected), "{}", kind_of(item));
}

/// What the owner of an address said, without which nothing is recorded about it.
pub(super) async fn opt_out_history(store: &Store, item: &Value) {
    let email = EmailAddress::parse(EMAIL_AS_WRITTEN).unwrap();
    let address = if is_of_email(item) {
        Address::Email(email)
    } else {
        Address::Phone(phone(CALLER))
    };
    let record = store.opt_out_record(&tenant(), &address).await.unwrap();
    assert_eq!(json!({ "changes": record.changes }), doc::<Value>(item), "{item:#}");
}

/// An address that must not be contacted, and no other one.
pub(super) async fn opt_out(store: &Store, item: &Value) {
    let email = EmailAddress::parse(EMAIL_AS_WRITTEN).unwrap();
    let opt_outs = [
        (
            store.opt_out_record(&tenant(), &phone(CALLER)).await.unwrap().opt_out,
            !is_of_email(item),
        ),
        (
            store.opt_out_record(&tenant(), &email).await.unwrap().opt_out,
            is_of_email(item),
        ),
    ];
    for (found, is_expected) in opt_outs {
        assert_eq!(found, is_expected.then(|| doc(item)), "{item:#}");
    }
    let is_opted_out = store.is_opted_out(&tenant(), &phone(CALLER)).await.unwrap();
    assert_eq!(is_opted_out, !is_of_email(item));
}
