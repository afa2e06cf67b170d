//! Interactions with their timelines, customers, threads of messages, documents of agents and skills, and an e-mail
//! address that must not be written to.

use patchbay::clock::Timestamp;
use patchbay::ids::Tenant;
use patchbay::interaction::Channel;
use patchbay::providers::ses::EmailAddress;
use patchbay::secret::sha256_hex;
use patchbay::store::{CustomerId, OptOutChange, OptOutSource, StoredCustomer, VersionCommit};
use serde_json::Value;

use super::chats::EMAIL;
use super::journeys::CALLER;
use super::record_items;
use crate::common::{send, with_token, world};
use crate::interactions::{entries, interactions, key};
use crate::shape::WrittenValues;

/// The address of a customer as they wrote it: its case does not matter.
pub(super) const EMAIL_AS_WRITTEN: &str = "Sam@Example.ORG";
/// The number from which an agent writes.
pub(super) const OURS: &str = "+12025550100";
/// The stored documents: collection, name, and fixture.
const DOCUMENTS: [(&str, &str, &str); 2] = [
    ("agents", "leo", "agents/every-field.yaml"),
    ("skills", "delivery", "skills/every-field.yaml"),
];

pub(super) async fn run(items: &mut WrittenValues) {
    for (number, interaction) in interactions().into_iter().enumerate() {
        let world = world([]).await;
        // The entries belong to one of them.
        let entries = if number == 0 { entries() } else { Vec::new() };
        let mut stored = interaction;
        for (version, entries) in [(1, &[][..]), (2, &entries)] {
            stored.version = version;
            let committed = world.store.commit_version(&stored, entries, world.clock.now()).await;
            assert_eq!(committed.unwrap(), VersionCommit::Committed);
        }
        record_items(&world, items).await;
    }
    customers(items).await;
    threads(items).await;
    let world = world([]).await;
    for (collection, name, fixture) in DOCUMENTS {
        let put = with_token("PUT", &format!("/v1/{collection}/{name}")).header("content-type", "application/yaml");
        let answer = send(&world, put.body(crate::fixtures::text(fixture).into()).unwrap()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let (address, now) = (EmailAddress::parse(EMAIL_AS_WRITTEN).unwrap(), world.clock.now());
    let by_word = |change: OptOutChange| change.in_message("SM00000000000000000000000000000002").about(key().id);
    let said = [
        by_word(OptOutChange::opt_out(OptOutSource::Word, now)),
        OptOutChange::end(OptOutSource::Operator, now.plus_seconds(60)),
        OptOutChange::opt_out(OptOutSource::Provider, now.plus_seconds(120)).about(key().id),
    ];
    for change in said {
        world.store.change_opt_out(&tenant(), &address, &change).await.unwrap();
    }
    record_items(&world, items).await;
}

fn tenant() -> Tenant {
    "main".parse().unwrap()
}

fn customer(created_at: Timestamp) -> StoredCustomer {
    let some = |text: &str| Some(text.to_owned());
    StoredCustomer {
        id: customer_id(),
        created_at,
        first_name: some("Sam"),
        last_name: some("Roe"),
        name: some("Sam Roe"),
        phone: some(CALLER),
        email: some(EMAIL_AS_WRITTEN),
        language: some("en-US"),
    }
}

fn customer_id() -> CustomerId {
    "00000000-0000-8000-8000-000000000029".parse().unwrap()
}

/// One with every field and an interaction, and one with nothing but a number.
async fn customers(items: &mut WrittenValues) {
    let of = world([]).await;
    let now = of.clock.now();
    assert!(of.store.create_customer(&tenant(), &customer(now)).await.unwrap());
    record_items(&of, items).await;
    let linked = of.store.link_interaction(&tenant(), customer_id(), key().id, now).await;
    assert!(linked.unwrap());
    record_items(&of, items).await;
    let of = world([]).await;
    let few = StoredCustomer {
        id: customer_id(),
        created_at: now,
        first_name: None,
        last_name: None,
        name: None,
        phone: Some(CALLER.to_owned()),
        email: None,
        language: None,
    };
    assert!(of.store.create_customer(&tenant(), &few).await.unwrap());
    record_items(&of, items).await;
}

/// One that an interaction began, one that the customer began, and one with everything: each over SMS, from a sender
/// that the customer does not see, and over `WhatsApp`, from a number.
async fn threads(items: &mut WrittenValues) {
    for (channel, ours) in [(Channel::Sms, None), (Channel::Whatsapp, Some(OURS))] {
        for (is_ours, is_answered) in [(true, false), (false, true), (true, true)] {
            let world = world([]).await;
            let (store, now) = (&world.store, world.clock.now());
            let (tenant, key) = (tenant(), key());
            if is_ours {
                let put = store.put_thread(&tenant, channel, ours, CALLER, &key, now);
                put.await.unwrap();
            }
            if is_answered {
                let put = store.put_received(&tenant, channel, ours, CALLER, now);
                put.await.unwrap();
            }
            record_items(&world, items).await;
        }
    }
}

/// Whether the partition of an item is that of the customer's e-mail address, and not that of their number.
pub(super) fn is_of_email(item: &Value) -> bool {
    let partition = item["pk"].as_str().unwrap();
    let is_of = |address: &str| partition.ends_with(&sha256_hex(address.as_bytes()));
    assert!(is_of(EMAIL) || is_of(CALLER), "an address that no test knows: {item:#}");
    is_of(EMAIL)
}

/// The channel of a thread with the customer.
#[track_caller]
pub(super) fn channel_of(item: &Value) -> Channel {
    let partition = item["pk"].as_str().unwrap();
    let is_of = |channel: &Channel| partition.ends_with(&sha256_hex(format!("{channel}\n{CALLER}").as_bytes()));
    let channel = Channel::ALL.into_iter().find(is_of);
    channel.unwrap_or_else(|| panic!("a thread of a channel that no test knows: {item:#}"))
}
