//! Contexts and payments in the table.

use patchbay::clock::Timestamp;
use patchbay::context::{
    CallId, Context, ContextDraft, ContextKey, EARLIER_VERSIONS, NewContext, PaymentOutcome, PaymentStatus, Processor,
    SetContent, SetOptions,
};
use patchbay::ids::{Nonce, Tenant};
use patchbay::store::{CallEnd, OutcomeWrite, PaymentAdmission};
use patchbay_simulators::world::World;

use crate::common::{self, context_key, pass, phone, world};
use crate::described;

const CALLER: &str = "+12025550143";

fn tenant() -> Tenant {
    "main".parse().unwrap()
}

fn key() -> ContextKey {
    context_key(CALLER)
}

/// A context whose description is `what`.
fn draft(what: &str) -> ContextDraft {
    common::draft(CALLER, what)
}

fn checked(draft: ContextDraft) -> NewContext {
    draft.check(None, SetOptions::default()).ok().unwrap()
}

async fn set(world: &World, draft: ContextDraft, generation: u64) {
    let new = checked(draft);
    let (tenant, now) = (tenant(), world.clock.now());
    let stored = world.store.set_context(&tenant, &new, Nonce::new(generation), now);
    stored.await.unwrap();
}

async fn load(world: &World) -> Option<Context> {
    world.store.context(&key(), world.clock.now()).await.unwrap()
}

/// Number, description and memory of every version, newest first.
fn versions_of(context: &Context) -> Vec<(u32, &str, &str)> {
    let versions = std::iter::once(&context.current).chain(&context.earlier);
    versions
        .map(|version| (version.number, described(version), &*version.memory))
        .collect()
}

fn outcome(status: PaymentStatus, call: &str) -> PaymentOutcome {
    PaymentOutcome {
        status,
        call: call.into(),
        start_time: Timestamp::from_millis(1_795_402_800_000),
        end_time: None,
        processor: Processor {
            confirmation_code: Some("ch_1".into()),
            ..Processor::default()
        },
        debug: String::new(),
    }
}

/// The description of the context that is found by a call.
async fn description_by_call(world: &World, tenant: &Tenant, call: &str) -> Option<String> {
    let now = world.clock.now();
    let found = world.store.context_of_call(tenant, CallId::new(call), now).await;
    found.unwrap().map(|context| described(&context.current).to_owned())
}

async fn put(world: &World, generation: u64, outcome: &PaymentOutcome) -> OutcomeWrite {
    let (key, now) = (key(), world.clock.now());
    let put = world.store.put_outcome(&key, Nonce::new(generation), outcome, now);
    put.await.unwrap()
}

fn written() -> OutcomeWrite {
    OutcomeWrite::Written { overlapping: vec![] }
}

/// Starts a payment of a call for the newest version.
async fn start_payment(world: &World, call: &str) -> PaymentAdmission {
    let now = world.clock.now();
    let context = load(world).await.unwrap();
    let mut started = outcome(PaymentStatus::InProgress, call);
    started.start_time = now;
    world
        .store
        .begin_payment(&key(), &context, &started, now)
        .await
        .unwrap()
}

/// Writes the result of a payment that ends now.
async fn end_payment(
    world: &World,
    purchase: u64,
    status: PaymentStatus,
    call: &str,
    start: Timestamp,
) -> OutcomeWrite {
    let mut ended = outcome(status, call);
    ended.start_time = start;
    ended.end_time = Some(world.clock.now());
    put(world, purchase, &ended).await
}

#[tokio::test(start_paused = true)]
async fn a_set_is_read_back() {
    let world = world([]).await;
    assert_eq!(load(&world).await, None);
    let some = |text: &str| Some(text.to_owned());
    let full = ContextDraft {
        callback: some("+1 202 555 0177"),
        customer_id: some("cus_1"),
        email: some("c@example.org"),
        full_name: some("Ana Ruiz"),
        memory: some("wants row F"),
        persona: some("english-jessica"),
        transaction_type: some("authorize"),
        call_id: some("call-1"),
        ttl: Some(600),
        ..draft("Two theatre seats")
    };
    let new = checked(full.clone());
    set(&world, full, 1).await;
    let context = load(&world).await.unwrap();
    assert_eq!(context.caller, phone(CALLER));
    assert!(matches!(new.content, SetContent::Purchase { data, .. } if data == context.current.data));
    assert_eq!(context.current.memory, "wants row F");
    assert_eq!(context.current.call, Some(CallId::new("call-1")));
    assert_eq!((context.current.number, context.current.generation), (1, Nonce::new(1)));
    assert_eq!(context.current.status(), PaymentStatus::Pending);
    assert!(context.earlier.is_empty());
    let lifetime = context.expires_at.since(world.clock.now());
    assert!((600..=601).contains(&lifetime.as_secs()), "{lifetime:?}");
}

#[tokio::test(start_paused = true)]
async fn the_newest_set_is_current_and_earlier_versions_keep_their_memories() {
    let world = world([]).await;
    for (generation, memory) in [
        (1, Some("one")),
        (2, None),
        (3, Some("three")),
        (4, Some("")),
        (5, None),
    ] {
        let memory = memory.map(str::to_owned);
        let draft = ContextDraft {
            memory,
            ..draft(&generation.to_string())
        };
        set(&world, draft, generation).await;
    }
    let context = load(&world).await.unwrap();
    let expected = [
        (5, "5", ""),
        (4, "4", ""),
        (3, "3", "three"),
        (2, "2", "one"),
        (1, "1", "one"),
    ];
    assert_eq!(versions_of(&context), expected);
    for generation in 6..=20 {
        set(&world, draft(&generation.to_string()), generation).await;
    }
    let numbers: Vec<u32> = versions_of(&load(&world).await.unwrap())
        .iter()
        .map(|(number, ..)| *number)
        .collect();
    assert_eq!(numbers, [20, 19, 18, 17, 16, 15]);
    assert_eq!(numbers.len(), 1 + EARLIER_VERSIONS);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_set_changes_nothing() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    set(&world, draft("2"), 2).await;
    let before = load(&world).await;
    set(&world, draft("2"), 2).await;
    assert_eq!(load(&world).await, before);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_an_expired_context_survives_although_it_is_still_in_the_table() {
    let world = world([]).await;
    let short = ContextDraft {
        memory: Some("secret".into()),
        ttl: Some(60),
        ..draft("1")
    };
    set(&world, short, 1).await;
    pass(&world, 59).await;
    assert!(load(&world).await.is_some());
    pass(&world, 2).await;
    assert_eq!(load(&world).await, None);
    set(&world, draft("2"), 2).await;
    assert_eq!(versions_of(&load(&world).await.unwrap()), [(1, "2", "")]);
    // The outcome of the expired purchase does not reach the new one, although both versions have the number 1.
    assert_eq!(
        put(&world, 1, &outcome(PaymentStatus::PaymentSuccess, "a")).await,
        OutcomeWrite::PurchaseGone
    );
    assert_eq!(load(&world).await.unwrap().current.outcome, None);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_context_is_gone_with_its_versions_calls_and_outcomes() {
    let world = world([]).await;
    let with_call = |what: &str| ContextDraft {
        memory: Some("secret".into()),
        call_id: Some("call-1".into()),
        ..draft(what)
    };
    set(&world, with_call("1"), 1).await;
    set(&world, with_call("2"), 2).await;
    let now = world.clock.now();
    world.store.delete_context(&key(), now).await.unwrap();
    assert_eq!(load(&world).await, None);
    assert_eq!(description_by_call(&world, &tenant(), "call-1").await, None);
    assert_eq!(
        put(&world, 2, &outcome(PaymentStatus::PaymentSuccess, "a")).await,
        OutcomeWrite::PurchaseGone
    );
    assert_eq!(load(&world).await, None);
    // A repeated deletion succeeds.
    let now = world.clock.now();
    world.store.delete_context(&key(), now).await.unwrap();
    set(&world, draft("3"), 3).await;
    assert_eq!(versions_of(&load(&world).await.unwrap()), [(1, "3", "")]);
}

#[tokio::test(start_paused = true)]
async fn a_context_is_found_by_the_call_of_its_newest_set() {
    let world = world([]).await;
    let in_call = |what: &str, call: &str| ContextDraft {
        call_id: Some(call.into()),
        ..draft(what)
    };
    let (ours, theirs): (Tenant, Tenant) = (tenant(), "other".parse().unwrap());
    set(&world, in_call("1", "a"), 1).await;
    assert_eq!(description_by_call(&world, &ours, "a").await.as_deref(), Some("1"));
    assert_eq!(description_by_call(&world, &ours, "b").await, None);
    set(&world, in_call("2", "b"), 2).await;
    assert_eq!(
        (
            description_by_call(&world, &ours, "a").await,
            description_by_call(&world, &ours, "b").await.as_deref()
        ),
        (None, Some("2"))
    );
    assert_eq!(description_by_call(&world, &theirs, "b").await, None);
    set(&world, draft("3"), 3).await;
    assert_eq!(description_by_call(&world, &ours, "b").await, None);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_stays_with_its_purchase_through_later_sets() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    set(&world, draft("2"), 2).await;
    let (paid, failed) = (
        outcome(PaymentStatus::PaymentSuccess, "a"),
        outcome(PaymentStatus::PaymentFailed, "b"),
    );
    assert_eq!(put(&world, 1, &paid).await, written());
    let context = load(&world).await.unwrap();
    assert_eq!(context.current.outcome, None);
    assert_eq!(context.earlier[0].outcome.as_ref(), Some(&paid));
    assert_eq!(put(&world, 2, &failed).await, written());
    // The outcome moves with its version.
    set(&world, draft("3"), 3).await;
    let context = load(&world).await.unwrap();
    let statuses: Vec<PaymentStatus> = context.earlier.iter().map(patchbay::context::Version::status).collect();
    assert_eq!(context.current.status(), PaymentStatus::Pending);
    assert_eq!(statuses, [PaymentStatus::PaymentFailed, PaymentStatus::PaymentSuccess]);
    for generation in 4..=8 {
        set(&world, draft("later"), generation).await;
    }
    // An outcome is written although no version has its purchase any more.
    assert_eq!(put(&world, 2, &paid).await, written());
    assert_eq!(put(&world, 99, &paid).await, OutcomeWrite::PurchaseGone);
    set(&world, draft("2"), 9).await;
    assert_eq!(load(&world).await.unwrap().current.outcome, Some(paid));
}

#[tokio::test(start_paused = true)]
async fn an_outcome_moves_forward_and_a_success_stays() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    let of = |status| outcome(status, "a");
    for (next, expected) in [
        (of(PaymentStatus::InProgress), written()),
        (of(PaymentStatus::PaymentFailed), written()),
        (of(PaymentStatus::PaymentFailed), written()),
        (
            of(PaymentStatus::InProgress),
            OutcomeWrite::Refused(Box::new(of(PaymentStatus::PaymentFailed))),
        ),
        (outcome(PaymentStatus::InProgress, "b"), written()),
        (outcome(PaymentStatus::PaymentSuccess, "b"), written()),
        (outcome(PaymentStatus::PaymentSuccess, "b"), written()),
        (
            outcome(PaymentStatus::PaymentFailed, "b"),
            OutcomeWrite::Refused(Box::new(outcome(PaymentStatus::PaymentSuccess, "b"))),
        ),
        (
            outcome(PaymentStatus::PaymentSuccess, "c"),
            OutcomeWrite::Refused(Box::new(outcome(PaymentStatus::PaymentSuccess, "b"))),
        ),
    ] {
        assert_eq!(put(&world, 1, &next).await, expected, "{next:?}");
    }
    let context = load(&world).await.unwrap();
    assert_eq!(
        context.current.outcome,
        Some(outcome(PaymentStatus::PaymentSuccess, "b"))
    );
}

#[tokio::test(start_paused = true)]
async fn an_outcome_can_be_read_for_an_hour() {
    let world = world([]).await;
    let short = ContextDraft {
        ttl: Some(60),
        ..draft("1")
    };
    set(&world, short, 1).await;
    pass(&world, 50).await;
    let paid = outcome(PaymentStatus::PaymentSuccess, "a");
    assert_eq!(put(&world, 1, &paid).await, written());
    pass(&world, 3_590).await;
    assert_eq!(
        load(&world).await.unwrap().current.status(),
        PaymentStatus::PaymentSuccess
    );
    pass(&world, 20).await;
    assert_eq!(load(&world).await, None);
}

#[tokio::test(start_paused = true)]
async fn the_largest_context_with_all_its_versions_fits_into_an_item() {
    let world = world([]).await;
    let long = |bytes: usize| Some("x".repeat(bytes));
    for generation in 1..=40 {
        let largest = ContextDraft {
            description: Some(format!("{generation:04096}")),
            vendor: long(512),
            customer_id: long(256),
            email: long(512),
            full_name: long(512),
            persona: long(64),
            memory: long(24_576),
            ..draft("")
        };
        set(&world, largest, generation).await;
        let mut paid = outcome(PaymentStatus::PaymentSuccess, "a");
        paid.debug = "x".repeat(5_000);
        paid.processor.confirmation_code = long(4_096);
        paid.processor.token = long(4_096);
        assert_eq!(put(&world, generation, &paid).await, written());
    }
    assert_eq!(load(&world).await.unwrap().earlier.len(), EARLIER_VERSIONS);
}

#[tokio::test(start_paused = true)]
async fn a_new_purchase_at_every_set_does_not_fill_the_item_and_recent_outcomes_are_kept() {
    let world = world([]).await;
    for generation in 1..=150 {
        set(&world, draft(&generation.to_string()), generation).await;
        let status = if generation % 2 == 0 {
            PaymentStatus::PaymentSuccess
        } else {
            PaymentStatus::PaymentFailed
        };
        let mut ended = outcome(status, &generation.to_string());
        ended.start_time = world.clock.now().plus_millis(i64::try_from(generation).unwrap());
        assert_eq!(put(&world, generation, &ended).await, written());
    }
    for (purchase, is_known) in [(150, true), (120, true), (2, false)] {
        set(&world, draft(&purchase.to_string()), 1_000 + purchase).await;
        let status = load(&world).await.unwrap().current.status();
        assert_eq!(status == PaymentStatus::PaymentSuccess, is_known, "{purchase}");
    }
    let (dynamodb, _) = patchbay_simulators::aws::clients(&world.aws, &patchbay_simulators::aws::retries());
    let items = dynamodb.scan().table_name("patchbay").send().await.unwrap();
    let most = items.items().iter().map(std::collections::HashMap::len).max();
    assert!(most.unwrap() < 200, "{most:?} attributes");
}

#[tokio::test(start_paused = true)]
async fn a_caller_pays_in_one_call_at_a_time() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    let start = world.clock.now();
    assert_eq!(start_payment(&world, "a").await, PaymentAdmission::Admitted);
    assert_eq!(
        start_payment(&world, "a").await,
        PaymentAdmission::Admitted,
        "a repeated webhook"
    );
    set(&world, draft("2"), 2).await;
    assert_eq!(
        start_payment(&world, "b").await,
        PaymentAdmission::OtherCallPaying("a".into())
    );
    assert_eq!(
        end_payment(&world, 1, PaymentStatus::PaymentSuccess, "a", start).await,
        written()
    );
    assert_eq!(start_payment(&world, "b").await, PaymentAdmission::Admitted);
    set(&world, draft("1"), 3).await;
    assert_eq!(start_payment(&world, "c").await, PaymentAdmission::AlreadyPaid);
    // Call "b" never reports its result.
    set(&world, draft("2"), 4).await;
    pass(&world, 1_499).await;
    assert_eq!(
        start_payment(&world, "c").await,
        PaymentAdmission::OtherCallPaying("b".into())
    );
    pass(&world, 2).await;
    assert_eq!(start_payment(&world, "c").await, PaymentAdmission::Admitted);
}

#[tokio::test(start_paused = true)]
async fn an_ended_call_starts_no_payment_and_its_result_is_awaited() {
    let world = world([]).await;
    let over = async |call: &str| {
        let ended = world.store.end_call(&key(), call, world.clock.now()).await;
        ended.unwrap()
    };
    assert_eq!(over("a").await, CallEnd::NotPaying);
    assert_eq!(load(&world).await, None);
    set(&world, draft("1"), 1).await;
    assert_eq!(start_payment(&world, "a").await, PaymentAdmission::CallEnded);
    let start = world.clock.now();
    assert_eq!(start_payment(&world, "b").await, PaymentAdmission::Admitted);
    assert_eq!(over("b").await, CallEnd::WhilePaying);
    assert_eq!(over("b").await, CallEnd::NotPaying, "a repeated callback");
    assert_eq!(
        start_payment(&world, "c").await,
        PaymentAdmission::OtherCallPaying("b".into())
    );
    assert_eq!(
        load(&world).await.unwrap().current.status(),
        PaymentStatus::CallerHungUp
    );
    assert_eq!(
        end_payment(&world, 1, PaymentStatus::PaymentSuccess, "b", start).await,
        written()
    );
    assert_eq!(start_payment(&world, "c").await, PaymentAdmission::AlreadyPaid);
    // The end of the call is remembered although the context has expired.
    pass(&world, 8 * 86_400).await;
    set(&world, draft("1"), 2).await;
    assert_eq!(start_payment(&world, "a").await, PaymentAdmission::CallEnded);
    assert_eq!(start_payment(&world, "c").await, PaymentAdmission::Admitted);
}

#[tokio::test(start_paused = true)]
async fn overlapping_payments_are_reported_for_any_purchase_and_again_on_a_repeat() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    let a_start = world.clock.now();
    assert_eq!(start_payment(&world, "a").await, PaymentAdmission::Admitted);
    world.store.end_call(&key(), "a", world.clock.now()).await.unwrap();
    set(&world, draft("2"), 2).await;
    pass(&world, 200).await;
    let b_start = world.clock.now();
    assert_eq!(start_payment(&world, "b").await, PaymentAdmission::Admitted);
    pass(&world, 10).await;
    // Long after its hold has ended.
    assert_eq!(
        end_payment(&world, 1, PaymentStatus::PaymentSuccess, "a", a_start).await,
        written()
    );
    for _ in 0..2 {
        pass(&world, 10).await;
        let put = end_payment(&world, 2, PaymentStatus::PaymentSuccess, "b", b_start).await;
        let OutcomeWrite::Written { overlapping } = put else {
            panic!("{put:?}")
        };
        assert_eq!(overlapping.len(), 1);
        assert_eq!(overlapping[0].call, "a");
    }
    // A payment that starts after both have ended does not overlap.
    set(&world, draft("3"), 3).await;
    let c_start = world.clock.now();
    assert_eq!(start_payment(&world, "c").await, PaymentAdmission::Admitted);
    assert_eq!(
        end_payment(&world, 3, PaymentStatus::PaymentSuccess, "c", c_start).await,
        written()
    );
}

#[tokio::test(start_paused = true)]
async fn a_late_outcome_extends_the_context_by_an_hour() {
    let world = world([]).await;
    let short = ContextDraft {
        ttl: Some(60),
        ..draft("1")
    };
    set(&world, short, 1).await;
    let start = world.clock.now();
    assert_eq!(start_payment(&world, "a").await, PaymentAdmission::Admitted);
    pass(&world, 3 * 3_600).await;
    assert_eq!(load(&world).await, None);
    assert_eq!(
        end_payment(&world, 1, PaymentStatus::PaymentSuccess, "a", start).await,
        written()
    );
    pass(&world, 3_590).await;
    assert_eq!(
        load(&world).await.unwrap().current.status(),
        PaymentStatus::PaymentSuccess
    );
}

#[tokio::test(start_paused = true)]
async fn a_running_payment_blocks_another_after_the_context_was_deleted_or_has_expired() {
    for is_deleted in [true, false] {
        let world = world([]).await;
        set(&world, draft("1"), 1).await;
        assert_eq!(start_payment(&world, "a").await, PaymentAdmission::Admitted);
        if is_deleted {
            let now = world.clock.now();
            world.store.delete_context(&key(), now).await.unwrap();
            assert_eq!(load(&world).await, None);
        } else {
            let short = ContextDraft {
                ttl: Some(60),
                ..draft("1")
            };
            set(&world, short, 2).await;
            pass(&world, 100).await;
        }
        set(&world, draft("2"), 3).await;
        assert_eq!(
            start_payment(&world, "b").await,
            PaymentAdmission::OtherCallPaying("a".into()),
            "{is_deleted}"
        );
        let put = put(&world, 1, &outcome(PaymentStatus::PaymentFailed, "a")).await;
        assert_eq!(put == OutcomeWrite::PurchaseGone, is_deleted);
        assert_eq!(start_payment(&world, "b").await, PaymentAdmission::Admitted);
    }
}

/// A hang-up is reported twice, in any order: by the result of the payment and by the status callback.
#[tokio::test(start_paused = true)]
async fn the_result_of_a_payment_releases_its_hold_also_after_the_end_of_its_call() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    let start = world.clock.now();
    assert_eq!(start_payment(&world, "a").await, PaymentAdmission::Admitted);
    world.store.end_call(&key(), "a", world.clock.now()).await.unwrap();
    assert_eq!(
        start_payment(&world, "b").await,
        PaymentAdmission::OtherCallPaying("a".into())
    );
    assert_eq!(
        end_payment(&world, 1, PaymentStatus::CallerHungUp, "a", start).await,
        written()
    );
    let outcome = load(&world).await.unwrap().current.outcome.unwrap();
    assert_eq!(
        outcome.processor.confirmation_code.as_deref(),
        Some("ch_1"),
        "the details of the result are stored"
    );
    assert_eq!(start_payment(&world, "b").await, PaymentAdmission::Admitted);
}

#[tokio::test(start_paused = true)]
async fn a_refused_result_releases_its_hold() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    let start = world.clock.now();
    assert_eq!(start_payment(&world, "a").await, PaymentAdmission::Admitted);
    world.store.end_call(&key(), "a", world.clock.now()).await.unwrap();
    pass(&world, 151).await;
    let start_b = world.clock.now();
    assert_eq!(start_payment(&world, "b").await, PaymentAdmission::Admitted);
    // Call "a" has paid after all, which is final.
    end_payment(&world, 1, PaymentStatus::PaymentSuccess, "a", start).await;
    let refused = end_payment(&world, 1, PaymentStatus::PaymentFailed, "b", start_b).await;
    assert!(matches!(refused, OutcomeWrite::Refused(_)), "{refused:?}");
    set(&world, draft("2"), 2).await;
    assert_eq!(start_payment(&world, "c").await, PaymentAdmission::Admitted);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_call_shortens_its_hold_also_after_the_context_was_deleted() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    assert_eq!(start_payment(&world, "a").await, PaymentAdmission::Admitted);
    world.store.delete_context(&key(), world.clock.now()).await.unwrap();
    set(&world, draft("2"), 2).await;
    world.store.end_call(&key(), "a", world.clock.now()).await.unwrap();
    assert_eq!(
        start_payment(&world, "b").await,
        PaymentAdmission::OtherCallPaying("a".into())
    );
    pass(&world, 151).await;
    assert_eq!(start_payment(&world, "b").await, PaymentAdmission::Admitted);
}
