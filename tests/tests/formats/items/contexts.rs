//! What voice agents share about a caller: notes, purchases said again and again, a payment, and what is left of it.

use patchbay::clock::Timestamp;
use patchbay::context::{ContextKey, Draft, How, Outcome, Processor, Status};
use patchbay::ids::Nonce;
use patchbay::store::{Begun, OutcomePut};
use patchbay_simulators::world::World;

use super::journeys::CALLER;
use super::look;
use crate::common::{context_key, draft, pass, world};
use crate::shape::Seen;

fn key() -> ContextKey {
    context_key(CALLER)
}

/// The least that can be paid.
fn seat(what: &str) -> Draft {
    draft(CALLER, what)
}

fn everything() -> Draft {
    let some = |text: &str| Some(text.to_owned());
    Draft {
        caller: some(CALLER),
        vouched: true,
        description: some("Two theatre seats"),
        price: some("42.00"),
        vendor: some("acme-stage"),
        callback: some("+12025550177"),
        customer_id: some("cus_1"),
        order_id: some("order-1"),
        email: some("c@example.org"),
        full_name: some("Ana Ruiz"),
        memory: some("wants row F"),
        persona: some("Joanna"),
        transaction_type: some("once"),
        call_id: some("call-1"),
        ttl: Some(86_400),
    }
}

fn note() -> Draft {
    let some = |text: &str| Some(text.to_owned());
    Draft {
        caller: some(CALLER),
        memory: some("calls about seats"),
        full_name: some("Ana Ruiz"),
        email: some("c@example.org"),
        callback: some("+12025550177"),
        persona: some("Joanna"),
        call_id: some("call-2"),
        ..Draft::default()
    }
}

async fn set(world: &World, draft: Draft, generation: u64) {
    let new = draft.check(None, How::default()).ok().unwrap();
    let (tenant, now) = (key().tenant, world.clock.now());
    let stored = world.store.set_context(&tenant, &new, Nonce::new(generation), now);
    stored.await.unwrap();
}

fn outcome(status: Status, start_time: Timestamp, end_time: Option<Timestamp>) -> Outcome {
    let said = |text: &str| end_time.map(|_| text.to_owned());
    Outcome {
        status,
        call: "CA00000000000000000000000000000001".into(),
        start_time,
        end_time,
        processor: Processor {
            connector: said("Default"),
            confirmation_code: said("ch_000001"),
            token: said("tok_000001"),
            last_four: said("4242"),
            card_type: said("visa"),
            error: said("none"),
        },
        debug: String::new(),
    }
}

pub(super) async fn go(items: &mut Seen) {
    noted(items).await;
    ended(items).await;
    paid(items).await;
}

/// Only notes: first a caller of whom nobody knew, then more about them.
async fn noted(items: &mut Seen) {
    let some = |text: &str| Some(text.to_owned());
    let world = world([]).await;
    let memory_only = Draft {
        caller: some(CALLER),
        memory: some("calls about seats"),
        ..Draft::default()
    };
    for (generation, draft) in [(1, memory_only), (2, note())] {
        set(&world, draft, generation).await;
        look(&world, items).await;
    }
}

/// Nothing is known but that a call is over.
async fn ended(items: &mut Seen) {
    let world = world([]).await;
    for call in ["CA1", "CA2"] {
        world.store.end_call(&key(), call, world.clock.now()).await.unwrap();
        look(&world, items).await;
    }
}

/// More purchases than there are places for, one of them paid, and the caller forgotten while they pay once more.
async fn paid(items: &mut Seen) {
    let world = world([]).await;
    for generation in 1..=7 {
        let draft = if generation % 2 == 0 {
            seat(&format!("Seat {generation}"))
        } else {
            everything()
        };
        set(&world, draft, generation).await;
        pass(&world, 1).await;
        look(&world, items).await;
    }
    let key = key();
    let began = world.clock.now();
    let let_in = async |call: &str| {
        let now = world.clock.now();
        let context = world.store.context(&key, now).await.unwrap().unwrap();
        let mut outcome = outcome(Status::InProgress, began, None);
        outcome.call = call.to_owned();
        let answer = world.store.begin_payment(&key, &context, &outcome, now).await.unwrap();
        assert_eq!(answer, Begun::Yes);
        context.current.purchase.unwrap()
    };
    let purchase = let_in("CA00000000000000000000000000000001").await;
    look(&world, items).await;
    pass(&world, 30).await;
    let now = world.clock.now();
    let success = outcome(Status::PaymentSuccess, began, Some(now));
    let put = world.store.put_outcome(&key, purchase, &success, now).await.unwrap();
    assert!(matches!(put, OutcomePut::Written { .. }), "{put:?}");
    look(&world, items).await;
    world.store.end_call(&key, &success.call, now).await.unwrap();
    look(&world, items).await;
    set(&world, seat("Seat 8"), 8).await;
    let_in("CA00000000000000000000000000000002").await;
    look(&world, items).await;
    world.store.delete_context(&key, world.clock.now()).await.unwrap();
    look(&world, items).await;
}
