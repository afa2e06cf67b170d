//! Contexts of a caller: notes, repeated purchases, a payment, and what remains after the caller is forgotten.

use patchbay::clock::Timestamp;
use patchbay::context::{ContextDraft, ContextKey, PaymentOutcome, PaymentStatus, Processor, SetOptions};
use patchbay::ids::Nonce;
use patchbay::store::{OutcomeWrite, PaymentAdmission};
use patchbay_simulators::world::World;

use super::journeys::CALLER;
use super::record_items;
use crate::common::{context_key, draft, pass, world};
use crate::shape::WrittenValues;

fn key() -> ContextKey {
    context_key(CALLER)
}

/// The smallest valid purchase.
fn seat(what: &str) -> ContextDraft {
    draft(CALLER, what)
}

fn everything() -> ContextDraft {
    let some = |text: &str| Some(text.to_owned());
    ContextDraft {
        caller: some(CALLER),
        trusted: true,
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

fn note() -> ContextDraft {
    let some = |text: &str| Some(text.to_owned());
    ContextDraft {
        caller: some(CALLER),
        memory: some("calls about seats"),
        full_name: some("Ana Ruiz"),
        email: some("c@example.org"),
        callback: some("+12025550177"),
        persona: some("Joanna"),
        call_id: some("call-2"),
        ..ContextDraft::default()
    }
}

async fn set(world: &World, draft: ContextDraft, generation: u64) {
    let new = draft.check(None, SetOptions::default()).ok().unwrap();
    let (tenant, now) = (key().tenant, world.clock.now());
    let stored = world.store.set_context(&tenant, &new, Nonce::new(generation), now);
    stored.await.unwrap();
}

fn outcome(status: PaymentStatus, start_time: Timestamp, end_time: Option<Timestamp>) -> PaymentOutcome {
    let if_ended = |text: &str| end_time.map(|_| text.to_owned());
    PaymentOutcome {
        status,
        call: "CA00000000000000000000000000000001".into(),
        start_time,
        end_time,
        processor: Processor {
            connector: if_ended("Default"),
            confirmation_code: if_ended("ch_000001"),
            token: if_ended("tok_000001"),
            last_four: if_ended("4242"),
            card_type: if_ended("visa"),
            error: if_ended("none"),
        },
        debug: String::new(),
    }
}

pub(super) async fn run(items: &mut WrittenValues) {
    notes(items).await;
    ended(items).await;
    paid(items).await;
}

/// Notes only: first about an unknown caller, then more about the same one.
async fn notes(items: &mut WrittenValues) {
    let some = |text: &str| Some(text.to_owned());
    let world = world([]).await;
    let memory_only = ContextDraft {
        caller: some(CALLER),
        memory: some("calls about seats"),
        ..ContextDraft::default()
    };
    for (generation, draft) in [(1, memory_only), (2, note())] {
        set(&world, draft, generation).await;
        record_items(&world, items).await;
    }
}

/// Only the ends of calls are known.
async fn ended(items: &mut WrittenValues) {
    let world = world([]).await;
    for call in ["CA1", "CA2"] {
        world.store.end_call(&key(), call, world.clock.now()).await.unwrap();
        record_items(&world, items).await;
    }
}

/// More purchases than versions are kept, one of them paid; and the caller is forgotten during another payment.
async fn paid(items: &mut WrittenValues) {
    let world = world([]).await;
    for generation in 1..=7 {
        let draft = if generation % 2 == 0 {
            seat(&format!("Seat {generation}"))
        } else {
            everything()
        };
        set(&world, draft, generation).await;
        pass(&world, 1).await;
        record_items(&world, items).await;
    }
    let key = key();
    let start = world.clock.now();
    let admit = async |call: &str| {
        let now = world.clock.now();
        let context = world.store.context(&key, now).await.unwrap().unwrap();
        let mut outcome = outcome(PaymentStatus::InProgress, start, None);
        outcome.call = call.to_owned();
        let answer = world.store.begin_payment(&key, &context, &outcome, now).await.unwrap();
        assert_eq!(answer, PaymentAdmission::Admitted);
        context.current.purchase.unwrap()
    };
    let purchase = admit("CA00000000000000000000000000000001").await;
    record_items(&world, items).await;
    pass(&world, 30).await;
    let now = world.clock.now();
    let success = outcome(PaymentStatus::PaymentSuccess, start, Some(now));
    let put = world.store.put_outcome(&key, purchase, &success, now).await.unwrap();
    assert!(matches!(put, OutcomeWrite::Written { .. }), "{put:?}");
    record_items(&world, items).await;
    world.store.end_call(&key, &success.call, now).await.unwrap();
    record_items(&world, items).await;
    set(&world, seat("Seat 8"), 8).await;
    admit("CA00000000000000000000000000000002").await;
    record_items(&world, items).await;
    world.store.delete_context(&key, world.clock.now()).await.unwrap();
    record_items(&world, items).await;
}
