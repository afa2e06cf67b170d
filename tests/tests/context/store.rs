//! How a context lies in the table.

use patchbay::clock::Timestamp;
use patchbay::context::{CallId, Context, ContextKey, Draft, EARLIER_VERSIONS, NewContext, Outcome, Processor, Status};
use patchbay::ids::{Nonce, Tenant};
use patchbay::store::OutcomePut;
use patchbay_simulators::world::World;

use crate::common::{pass, phone, world};

const CALLER: &str = "+12025550143";

fn tenant() -> Tenant {
    "main".parse().unwrap()
}

fn key() -> ContextKey {
    ContextKey {
        tenant: tenant(),
        caller: phone(CALLER),
    }
}

/// A context whose description is `what`.
fn draft(what: &str) -> Draft {
    let some = |text: &str| Some(text.to_owned());
    Draft {
        caller: some(CALLER),
        description: some(what),
        price: some("42.00"),
        vendor: some("acme-stage"),
        ..Draft::default()
    }
}

fn checked(draft: Draft) -> NewContext {
    draft.check(None, false).ok().unwrap()
}

async fn set(world: &World, draft: Draft, generation: u64) {
    let new = checked(draft);
    let (tenant, now) = (tenant(), world.clock.now());
    let stored = world.store.set_context(&tenant, &new, Nonce::new(generation), now);
    stored.await.unwrap();
}

async fn load(world: &World) -> Option<Context> {
    world.store.context(&key(), world.clock.now()).await.unwrap()
}

/// Number, description and memory of every version, newest first.
fn told(context: &Context) -> Vec<(u32, &str, &str)> {
    let versions = std::iter::once(&context.current).chain(&context.earlier);
    versions
        .map(|version| (version.number, &*version.brief.description, &*version.memory))
        .collect()
}

fn outcome(status: Status, call: &str) -> Outcome {
    Outcome {
        status,
        call: call.into(),
        start_time: Timestamp::from_millis(1_795_402_800_000),
        processor: Processor {
            confirmation_code: Some("ch_1".into()),
            ..Processor::default()
        },
        debug: String::new(),
    }
}

/// The description that is found by a call.
async fn of_call(world: &World, tenant: &Tenant, call: &str) -> Option<String> {
    let now = world.clock.now();
    let found = world.store.context_of_call(tenant, CallId::new(call), now).await;
    found.unwrap().map(|context| context.current.brief.description)
}

async fn put(world: &World, generation: u64, outcome: &Outcome) -> OutcomePut {
    let (key, until) = (key(), world.clock.now().plus_seconds(3_600));
    let put = world.store.put_outcome(&key, Nonce::new(generation), outcome, until);
    put.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_was_set_is_read_back() {
    let world = world([]).await;
    assert_eq!(load(&world).await, None);
    let some = |text: &str| Some(text.to_owned());
    let full = Draft {
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
    assert_eq!(context.current.brief, new.brief);
    assert_eq!(context.current.memory, "wants row F");
    assert_eq!(context.current.call, Some(CallId::new("call-1")));
    assert_eq!((context.current.number, context.current.generation), (1, Nonce::new(1)));
    assert_eq!(context.current.status(), Status::Pending);
    assert!(context.earlier.is_empty());
    let life = context.expires_at.since(world.clock.now());
    assert!((600..=601).contains(&life.as_secs()), "{life:?}");
}

#[tokio::test(start_paused = true)]
async fn the_newest_set_counts_and_those_before_it_are_kept_with_their_memories() {
    let world = world([]).await;
    for (generation, memory) in [
        (1, Some("one")),
        (2, None),
        (3, Some("three")),
        (4, Some("")),
        (5, None),
    ] {
        let memory = memory.map(str::to_owned);
        let draft = Draft {
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
    assert_eq!(told(&context), expected);
    for generation in 6..=20 {
        set(&world, draft(&generation.to_string()), generation).await;
    }
    let numbers: Vec<u32> = told(&load(&world).await.unwrap())
        .iter()
        .map(|(number, ..)| *number)
        .collect();
    assert_eq!(numbers, [20, 19, 18, 17, 16, 15]);
    assert_eq!(numbers.len(), 1 + EARLIER_VERSIONS);
}

#[tokio::test(start_paused = true)]
async fn the_same_set_again_changes_nothing() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    set(&world, draft("2"), 2).await;
    let before = load(&world).await;
    set(&world, draft("2"), 2).await;
    assert_eq!(load(&world).await, before);
}

#[tokio::test(start_paused = true)]
async fn of_what_has_expired_nothing_survives_though_it_is_still_in_the_table() {
    let world = world([]).await;
    let short = Draft {
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
    assert_eq!(told(&load(&world).await.unwrap()), [(1, "2", "")]);
    // And an outcome of the set that has expired does not reach the new one, though both were the first.
    assert_eq!(
        put(&world, 1, &outcome(Status::PaymentSuccess, "a")).await,
        OutcomePut::Gone
    );
    assert_eq!(load(&world).await.unwrap().current.outcome, None);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_is_forgotten_is_forgotten_altogether() {
    let world = world([]).await;
    let with_call = |what: &str| Draft {
        memory: Some("secret".into()),
        call_id: Some("call-1".into()),
        ..draft(what)
    };
    set(&world, with_call("1"), 1).await;
    set(&world, with_call("2"), 2).await;
    world.store.delete_context(&key()).await.unwrap();
    assert_eq!(load(&world).await, None);
    assert_eq!(of_call(&world, &tenant(), "call-1").await, None);
    assert_eq!(
        put(&world, 2, &outcome(Status::PaymentSuccess, "a")).await,
        OutcomePut::Gone
    );
    assert_eq!(load(&world).await, None);
    // Again, for whoever asks twice.
    world.store.delete_context(&key()).await.unwrap();
    set(&world, draft("3"), 3).await;
    assert_eq!(told(&load(&world).await.unwrap()), [(1, "3", "")]);
}

#[tokio::test(start_paused = true)]
async fn a_context_is_found_by_the_call_of_its_newest_set() {
    let world = world([]).await;
    let in_call = |what: &str, call: &str| Draft {
        call_id: Some(call.into()),
        ..draft(what)
    };
    let (ours, theirs): (Tenant, Tenant) = (tenant(), "other".parse().unwrap());
    set(&world, in_call("1", "a"), 1).await;
    assert_eq!(of_call(&world, &ours, "a").await.as_deref(), Some("1"));
    assert_eq!(of_call(&world, &ours, "b").await, None);
    set(&world, in_call("2", "b"), 2).await;
    assert_eq!(
        (
            of_call(&world, &ours, "a").await,
            of_call(&world, &ours, "b").await.as_deref()
        ),
        (None, Some("2"))
    );
    assert_eq!(of_call(&world, &theirs, "b").await, None);
    set(&world, draft("3"), 3).await;
    assert_eq!(of_call(&world, &ours, "b").await, None);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_belongs_to_its_set_however_many_sets_follow() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    set(&world, draft("2"), 2).await;
    let (paid, failed) = (
        outcome(Status::PaymentSuccess, "a"),
        outcome(Status::PaymentFailed, "b"),
    );
    assert_eq!(put(&world, 1, &paid).await, OutcomePut::Written);
    let context = load(&world).await.unwrap();
    assert_eq!(context.current.outcome, None);
    assert_eq!(context.version(Nonce::new(1)).unwrap().outcome.as_ref(), Some(&paid));
    assert_eq!(put(&world, 2, &failed).await, OutcomePut::Written);
    // It moves along with its set.
    set(&world, draft("3"), 3).await;
    let context = load(&world).await.unwrap();
    let statuses: Vec<Status> = context.earlier.iter().map(patchbay::context::Version::status).collect();
    assert_eq!(context.current.status(), Status::Pending);
    assert_eq!(statuses, [Status::PaymentFailed, Status::PaymentSuccess]);
    for generation in 4..=8 {
        set(&world, draft("later"), generation).await;
    }
    assert_eq!(put(&world, 2, &paid).await, OutcomePut::Gone);
    assert_eq!(put(&world, 99, &paid).await, OutcomePut::Gone);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_moves_forward_and_a_success_stays() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    let of = |status| outcome(status, "a");
    for (next, expected) in [
        (of(Status::InProgress), OutcomePut::Written),
        (of(Status::PaymentFailed), OutcomePut::Written),
        (of(Status::PaymentFailed), OutcomePut::Written),
        (
            of(Status::InProgress),
            OutcomePut::Refused(Box::new(of(Status::PaymentFailed))),
        ),
        (outcome(Status::InProgress, "b"), OutcomePut::Written),
        (outcome(Status::PaymentSuccess, "b"), OutcomePut::Written),
        (outcome(Status::PaymentSuccess, "b"), OutcomePut::Written),
        (
            outcome(Status::PaymentFailed, "b"),
            OutcomePut::Refused(Box::new(outcome(Status::PaymentSuccess, "b"))),
        ),
        (
            outcome(Status::PaymentSuccess, "c"),
            OutcomePut::Refused(Box::new(outcome(Status::PaymentSuccess, "b"))),
        ),
    ] {
        assert_eq!(put(&world, 1, &next).await, expected, "{next:?}");
    }
    let context = load(&world).await.unwrap();
    assert_eq!(context.current.outcome, Some(outcome(Status::PaymentSuccess, "b")));
}

#[tokio::test(start_paused = true)]
async fn the_next_agent_has_an_hour_to_ask_what_came_of_it() {
    let world = world([]).await;
    let short = Draft {
        ttl: Some(60),
        ..draft("1")
    };
    set(&world, short, 1).await;
    pass(&world, 50).await;
    let context = load(&world).await.unwrap();
    let until = context.lives_until(world.clock.now());
    let paid = outcome(Status::PaymentSuccess, "a");
    let put = world.store.put_outcome(&key(), Nonce::new(1), &paid, until).await;
    assert_eq!(put.unwrap(), OutcomePut::Written);
    pass(&world, 3_590).await;
    assert_eq!(load(&world).await.unwrap().current.status(), Status::PaymentSuccess);
    pass(&world, 20).await;
    assert_eq!(load(&world).await, None);
}

#[tokio::test(start_paused = true)]
async fn the_largest_context_with_all_its_versions_fits_into_an_item() {
    let world = world([]).await;
    let long = |bytes: usize| Some("x".repeat(bytes));
    for generation in 1..=7 {
        let largest = Draft {
            description: long(4_096),
            vendor: long(512),
            customer_id: long(256),
            email: long(512),
            full_name: long(512),
            persona: long(64),
            memory: long(24_576),
            ..draft("")
        };
        set(&world, largest, generation).await;
        let mut paid = outcome(Status::PaymentSuccess, "a");
        paid.debug = "x".repeat(5_000);
        assert_eq!(put(&world, generation, &paid).await, OutcomePut::Written);
    }
    assert_eq!(load(&world).await.unwrap().earlier.len(), EARLIER_VERSIONS);
}
