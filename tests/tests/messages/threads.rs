//! Which interaction a customer's message belongs to.

use patchbay::ids::{InteractionId, InteractionKey};
use patchbay::interaction::Channel;
use patchbay::store::{Store, Thread, Written};

use crate::common::world;
use crate::{CUSTOMER, OURS, main_tenant};

fn key(id: u128) -> InteractionKey {
    InteractionKey {
        tenant: main_tenant(),
        id: InteractionId::new(id),
    }
}

async fn find(store: &Store, ours: Option<&str>, customer: &str) -> Option<Thread> {
    let found = store.thread(&main_tenant(), Channel::Sms, ours, customer).await;
    found.unwrap()
}

async fn interaction(store: &Store, ours: Option<&str>) -> Option<InteractionKey> {
    newest(&find(store, ours, CUSTOMER).await?)
}

fn newest(thread: &Thread) -> Option<InteractionKey> {
    let id = thread.written.first()?.interaction;
    Some(InteractionKey {
        tenant: main_tenant(),
        id,
    })
}

#[tokio::test(start_paused = true)]
async fn the_newest_interaction_counts_in_whatever_order_they_are_written() {
    let world = world([]).await;
    let (store, now) = (&world.store, world.clock.now());
    let put = async |id, ours, at| {
        let written = store
            .put_thread(&main_tenant(), Channel::Sms, ours, CUSTOMER, &key(id), at)
            .await;
        written.unwrap();
    };
    assert_eq!(find(store, Some(OURS), CUSTOMER).await, None);
    put(2, Some(OURS), now.plus_seconds(10)).await;
    put(1, Some(OURS), now).await;
    assert_eq!(interaction(store, Some(OURS)).await, Some(key(2)));
    // The customer does not see which number a messaging service has picked.
    put(3, Some("MG00000000000000000000000000000001"), now.plus_seconds(20)).await;
    assert_eq!(interaction(store, Some(OURS)).await, Some(key(3)));
    assert_eq!(interaction(store, Some("+12025550199")).await, Some(key(3)));
    put(4, Some(OURS), now.plus_seconds(30)).await;
    assert_eq!(interaction(store, Some(OURS)).await, Some(key(4)));
    // Another number of ours is another agent's.
    assert_eq!(interaction(store, Some("+12025550199")).await, Some(key(3)));
    assert_eq!(interaction(store, None).await, Some(key(4)));
}

#[tokio::test(start_paused = true)]
async fn an_address_is_the_same_however_it_is_written() {
    let world = world([]).await;
    let (store, now) = (&world.store, world.clock.now());
    for (channel, ours, customer, same) in [
        (Channel::Sms, "+1 202 555 0100", "+1 (202) 555-0143", CUSTOMER),
        (Channel::Email, "Leo@example.org", "Ana@Example.net", "ana@example.net"),
    ] {
        store
            .put_thread(&main_tenant(), channel, Some(ours), customer, &key(1), now)
            .await
            .unwrap();
        let ours = if channel == Channel::Sms {
            OURS
        } else {
            "leo@example.org"
        };
        let found = store.thread(&main_tenant(), channel, Some(ours), same).await;
        assert_eq!(found.unwrap().as_ref().and_then(newest), Some(key(1)), "{customer}");
    }
    // Another tenant, and another channel, have their own.
    let other = "other".parse().unwrap();
    assert_eq!(
        store.thread(&other, Channel::Sms, Some(OURS), CUSTOMER).await.unwrap(),
        None
    );
    assert_eq!(
        store
            .thread(&main_tenant(), Channel::Whatsapp, Some(OURS), CUSTOMER)
            .await
            .unwrap(),
        None
    );
}

#[tokio::test(start_paused = true)]
async fn sending_and_receiving_do_not_overwrite_each_other() {
    let world = world([]).await;
    let (store, now) = (&world.store, world.clock.now());
    store
        .put_received(&main_tenant(), Channel::Sms, Some(OURS), CUSTOMER, now)
        .await
        .unwrap();
    let later = now.plus_seconds(60);
    store
        .put_thread(&main_tenant(), Channel::Sms, Some(OURS), CUSTOMER, &key(1), later)
        .await
        .unwrap();
    let expected = Thread {
        written: vec![Written {
            interaction: key(1).id,
            at: later,
        }],
        last_received_at: Some(now),
    };
    assert_eq!(find(store, Some(OURS), CUSTOMER).await, Some(expected.clone()));
    let last = later.plus_seconds(60);
    store
        .put_received(&main_tenant(), Channel::Sms, Some(OURS), CUSTOMER, last)
        .await
        .unwrap();
    let last_received_at = Some(last);
    let expected = Thread {
        last_received_at,
        ..expected
    };
    assert_eq!(find(store, Some(OURS), CUSTOMER).await, Some(expected.clone()));
    // One that was saved on the queue meanwhile.
    store
        .put_received(&main_tenant(), Channel::Sms, Some(OURS), CUSTOMER, now)
        .await
        .unwrap();
    assert_eq!(find(store, Some(OURS), CUSTOMER).await, Some(expected));
}

#[tokio::test(start_paused = true)]
async fn a_thread_keeps_its_last_five_interactions() {
    let world = world([]).await;
    let (store, now) = (&world.store, world.clock.now());
    for (second, id) in [(0, 1), (1, 2), (2, 1), (3, 3), (4, 4), (5, 5), (6, 3), (7, 6), (8, 7)] {
        let at = now.plus_seconds(second);
        store
            .put_thread(&main_tenant(), Channel::Sms, Some(OURS), CUSTOMER, &key(id), at)
            .await
            .unwrap();
    }
    let written = find(store, Some(OURS), CUSTOMER).await.unwrap().written;
    let ids: Vec<_> = written.iter().map(|written| written.interaction).collect();
    assert_eq!(ids, [7, 6, 3, 5, 4].map(InteractionId::new));
    // One that wrote long before them changes nothing.
    store
        .put_thread(&main_tenant(), Channel::Sms, Some(OURS), CUSTOMER, &key(8), now)
        .await
        .unwrap();
    assert_eq!(find(store, Some(OURS), CUSTOMER).await.unwrap().written, written);
}

#[tokio::test(start_paused = true)]
async fn interactions_that_write_at_the_same_time_are_all_kept() {
    let world = world([]).await;
    let (store, now) = (&world.store, world.clock.now());
    let put = async |id| {
        store
            .put_thread(&main_tenant(), Channel::Sms, Some(OURS), CUSTOMER, &key(id), now)
            .await
            .unwrap();
    };
    tokio::join!(put(1), put(2), put(3));
    let written = find(store, Some(OURS), CUSTOMER).await.unwrap().written;
    let mut ids: Vec<_> = written.iter().map(|written| written.interaction).collect();
    ids.sort();
    assert_eq!(ids, [1, 2, 3].map(InteractionId::new));
}
