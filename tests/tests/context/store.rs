//! How a context lies in the table.

use patchbay::clock::Timestamp;
use patchbay::context::{
    CallId, Context, ContextKey, Draft, EARLIER_VERSIONS, How, NewContext, Outcome, Processor, Said, Status,
};
use patchbay::ids::{Nonce, Tenant};
use patchbay::store::{Begun, Ended, OutcomePut};
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
fn draft(what: &str) -> Draft {
    common::draft(CALLER, what)
}

fn checked(draft: Draft) -> NewContext {
    draft.check(None, How::default()).ok().unwrap()
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
        .map(|version| (version.number, described(version), &*version.memory))
        .collect()
}

fn outcome(status: Status, call: &str) -> Outcome {
    Outcome {
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

/// The description that is found by a call.
async fn of_call(world: &World, tenant: &Tenant, call: &str) -> Option<String> {
    let now = world.clock.now();
    let found = world.store.context_of_call(tenant, CallId::new(call), now).await;
    found.unwrap().map(|context| described(&context.current).to_owned())
}

async fn put(world: &World, generation: u64, outcome: &Outcome) -> OutcomePut {
    let (key, now) = (key(), world.clock.now());
    let put = world.store.put_outcome(&key, Nonce::new(generation), outcome, now);
    put.await.unwrap()
}

fn written() -> OutcomePut {
    OutcomePut::Written { overlapping: vec![] }
}

/// Lets a call pay for what was set last.
async fn begin(world: &World, call: &str) -> Begun {
    let now = world.clock.now();
    let context = load(world).await.unwrap();
    let mut begun = outcome(Status::InProgress, call);
    begun.start_time = now;
    world.store.begin_payment(&key(), &context, &begun, now).await.unwrap()
}

/// The result of a payment, as it is known now.
async fn end(world: &World, purchase: u64, status: Status, call: &str, began: Timestamp) -> OutcomePut {
    let mut ended = outcome(status, call);
    ended.start_time = began;
    ended.end_time = Some(world.clock.now());
    put(world, purchase, &ended).await
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
    assert!(matches!(new.said, Said::Purchase { brief, .. } if brief == context.current.brief));
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
    let now = world.clock.now();
    world.store.delete_context(&key(), now).await.unwrap();
    assert_eq!(load(&world).await, None);
    assert_eq!(of_call(&world, &tenant(), "call-1").await, None);
    assert_eq!(
        put(&world, 2, &outcome(Status::PaymentSuccess, "a")).await,
        OutcomePut::Gone
    );
    assert_eq!(load(&world).await, None);
    // Again, for whoever asks twice.
    let now = world.clock.now();
    world.store.delete_context(&key(), now).await.unwrap();
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
async fn an_outcome_belongs_to_its_purchase_however_many_sets_follow() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    set(&world, draft("2"), 2).await;
    let (paid, failed) = (
        outcome(Status::PaymentSuccess, "a"),
        outcome(Status::PaymentFailed, "b"),
    );
    assert_eq!(put(&world, 1, &paid).await, written());
    let context = load(&world).await.unwrap();
    assert_eq!(context.current.outcome, None);
    assert_eq!(context.earlier[0].outcome.as_ref(), Some(&paid));
    assert_eq!(put(&world, 2, &failed).await, written());
    // It moves along with its set.
    set(&world, draft("3"), 3).await;
    let context = load(&world).await.unwrap();
    let statuses: Vec<Status> = context.earlier.iter().map(patchbay::context::Version::status).collect();
    assert_eq!(context.current.status(), Status::Pending);
    assert_eq!(statuses, [Status::PaymentFailed, Status::PaymentSuccess]);
    for generation in 4..=8 {
        set(&world, draft("later"), generation).await;
    }
    // Also when no version is about it any more.
    assert_eq!(put(&world, 2, &paid).await, written());
    assert_eq!(put(&world, 99, &paid).await, OutcomePut::Gone);
    set(&world, draft("2"), 9).await;
    assert_eq!(load(&world).await.unwrap().current.outcome, Some(paid));
}

#[tokio::test(start_paused = true)]
async fn an_outcome_moves_forward_and_a_success_stays() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    let of = |status| outcome(status, "a");
    for (next, expected) in [
        (of(Status::InProgress), written()),
        (of(Status::PaymentFailed), written()),
        (of(Status::PaymentFailed), written()),
        (
            of(Status::InProgress),
            OutcomePut::Refused(Box::new(of(Status::PaymentFailed))),
        ),
        (outcome(Status::InProgress, "b"), written()),
        (outcome(Status::PaymentSuccess, "b"), written()),
        (outcome(Status::PaymentSuccess, "b"), written()),
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
    let paid = outcome(Status::PaymentSuccess, "a");
    assert_eq!(put(&world, 1, &paid).await, written());
    pass(&world, 3_590).await;
    assert_eq!(load(&world).await.unwrap().current.status(), Status::PaymentSuccess);
    pass(&world, 20).await;
    assert_eq!(load(&world).await, None);
}

#[tokio::test(start_paused = true)]
async fn the_largest_context_with_all_its_versions_fits_into_an_item() {
    let world = world([]).await;
    let long = |bytes: usize| Some("x".repeat(bytes));
    for generation in 1..=40 {
        let largest = Draft {
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
        let mut paid = outcome(Status::PaymentSuccess, "a");
        paid.debug = "x".repeat(5_000);
        paid.processor.confirmation_code = long(4_096);
        paid.processor.token = long(4_096);
        assert_eq!(put(&world, generation, &paid).await, written());
    }
    assert_eq!(load(&world).await.unwrap().earlier.len(), EARLIER_VERSIONS);
}

#[tokio::test(start_paused = true)]
async fn agents_who_say_something_else_at_every_set_leave_room_and_what_was_paid_last_is_known() {
    let world = world([]).await;
    for generation in 1..=150 {
        set(&world, draft(&generation.to_string()), generation).await;
        let status = if generation % 2 == 0 {
            Status::PaymentSuccess
        } else {
            Status::PaymentFailed
        };
        let mut of = outcome(status, &generation.to_string());
        of.start_time = world.clock.now().plus_millis(i64::try_from(generation).unwrap());
        assert_eq!(put(&world, generation, &of).await, written());
    }
    for (purchase, is_known) in [(150, true), (120, true), (2, false)] {
        set(&world, draft(&purchase.to_string()), 1_000 + purchase).await;
        let status = load(&world).await.unwrap().current.status();
        assert_eq!(status == Status::PaymentSuccess, is_known, "{purchase}");
    }
    let (dynamodb, _) = patchbay_simulators::aws::clients(&world.aws, &patchbay_simulators::aws::retries());
    let items = dynamodb.scan().table_name("patchbay").send().await.unwrap();
    let most = items.items().iter().map(std::collections::HashMap::len).max();
    assert!(most.unwrap() < 200, "{most:?} attributes");
}

#[tokio::test(start_paused = true)]
async fn one_call_of_a_caller_pays_at_a_time_whatever_for() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    let began = world.clock.now();
    assert_eq!(begin(&world, "a").await, Begun::Yes);
    assert_eq!(begin(&world, "a").await, Begun::Yes, "a repeated webhook");
    set(&world, draft("2"), 2).await;
    assert_eq!(begin(&world, "b").await, Begun::Elsewhere("a".into()));
    assert_eq!(end(&world, 1, Status::PaymentSuccess, "a", began).await, written());
    assert_eq!(begin(&world, "b").await, Begun::Yes);
    set(&world, draft("1"), 3).await;
    assert_eq!(begin(&world, "c").await, Begun::Paid);
    // Of "b" nothing is heard any more.
    set(&world, draft("2"), 4).await;
    pass(&world, 1_499).await;
    assert_eq!(begin(&world, "c").await, Begun::Elsewhere("b".into()));
    pass(&world, 2).await;
    assert_eq!(begin(&world, "c").await, Begun::Yes);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_over_does_not_begin_and_its_result_is_waited_for() {
    let world = world([]).await;
    let over = async |call: &str| {
        let ended = world.store.end_call(&key(), call, world.clock.now()).await;
        ended.unwrap()
    };
    assert_eq!(over("a").await, Ended::Otherwise);
    assert_eq!(load(&world).await, None);
    set(&world, draft("1"), 1).await;
    assert_eq!(begin(&world, "a").await, Begun::Over);
    let began = world.clock.now();
    assert_eq!(begin(&world, "b").await, Begun::Yes);
    assert_eq!(over("b").await, Ended::WhilePaying);
    assert_eq!(over("b").await, Ended::Otherwise, "a repeated callback");
    assert_eq!(begin(&world, "c").await, Begun::Elsewhere("b".into()));
    assert_eq!(load(&world).await.unwrap().current.status(), Status::CallerHungUp);
    assert_eq!(end(&world, 1, Status::PaymentSuccess, "b", began).await, written());
    assert_eq!(begin(&world, "c").await, Begun::Paid);
    // What expires takes none of it along.
    pass(&world, 8 * 86_400).await;
    set(&world, draft("1"), 2).await;
    assert_eq!(begin(&world, "a").await, Begun::Over);
    assert_eq!(begin(&world, "c").await, Begun::Yes);
}

#[tokio::test(start_paused = true)]
async fn payments_that_overlap_are_told_whatever_they_are_for_and_told_again() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    let a_began = world.clock.now();
    assert_eq!(begin(&world, "a").await, Begun::Yes);
    world.store.end_call(&key(), "a", world.clock.now()).await.unwrap();
    set(&world, draft("2"), 2).await;
    pass(&world, 200).await;
    let b_began = world.clock.now();
    assert_eq!(begin(&world, "b").await, Begun::Yes);
    pass(&world, 10).await;
    // Hours too late for anybody to expect it.
    assert_eq!(end(&world, 1, Status::PaymentSuccess, "a", a_began).await, written());
    for _ in 0..2 {
        pass(&world, 10).await;
        let put = end(&world, 2, Status::PaymentSuccess, "b", b_began).await;
        let OutcomePut::Written { overlapping } = put else {
            panic!("{put:?}")
        };
        assert_eq!(overlapping.len(), 1);
        assert_eq!(overlapping[0].call, "a");
    }
    // One that begins when both are over is fine.
    set(&world, draft("3"), 3).await;
    let c_began = world.clock.now();
    assert_eq!(begin(&world, "c").await, Begun::Yes);
    assert_eq!(end(&world, 3, Status::PaymentSuccess, "c", c_began).await, written());
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_comes_late_lets_the_context_live_an_hour_from_then() {
    let world = world([]).await;
    let short = Draft {
        ttl: Some(60),
        ..draft("1")
    };
    set(&world, short, 1).await;
    let began = world.clock.now();
    assert_eq!(begin(&world, "a").await, Begun::Yes);
    pass(&world, 3 * 3_600).await;
    assert_eq!(load(&world).await, None);
    assert_eq!(end(&world, 1, Status::PaymentSuccess, "a", began).await, written());
    pass(&world, 3_590).await;
    assert_eq!(load(&world).await.unwrap().current.status(), Status::PaymentSuccess);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_paying_is_waited_for_also_when_the_caller_is_forgotten_or_the_context_is_set_to_end() {
    for forgotten in [true, false] {
        let world = world([]).await;
        set(&world, draft("1"), 1).await;
        assert_eq!(begin(&world, "a").await, Begun::Yes);
        if forgotten {
            let now = world.clock.now();
            world.store.delete_context(&key(), now).await.unwrap();
            assert_eq!(load(&world).await, None);
        } else {
            let short = Draft {
                ttl: Some(60),
                ..draft("1")
            };
            set(&world, short, 2).await;
            pass(&world, 100).await;
        }
        set(&world, draft("2"), 3).await;
        assert_eq!(begin(&world, "b").await, Begun::Elsewhere("a".into()), "{forgotten}");
        let put = put(&world, 1, &outcome(Status::PaymentFailed, "a")).await;
        assert_eq!(put == OutcomePut::Gone, forgotten);
        assert_eq!(begin(&world, "b").await, Begun::Yes);
    }
}

/// Whoever hangs up is told of twice, in any order: by the result of the payment and by the status callback.
#[tokio::test(start_paused = true)]
async fn the_result_of_a_payment_frees_its_place_also_when_the_end_of_its_call_was_told_first() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    let began = world.clock.now();
    assert_eq!(begin(&world, "a").await, Begun::Yes);
    world.store.end_call(&key(), "a", world.clock.now()).await.unwrap();
    assert_eq!(begin(&world, "b").await, Begun::Elsewhere("a".into()));
    assert_eq!(end(&world, 1, Status::CallerHungUp, "a", began).await, written());
    let told = load(&world).await.unwrap().current.outcome.unwrap();
    assert_eq!(
        told.processor.confirmation_code.as_deref(),
        Some("ch_1"),
        "what it says is kept"
    );
    assert_eq!(begin(&world, "b").await, Begun::Yes);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_refused_frees_its_place() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    let began = world.clock.now();
    assert_eq!(begin(&world, "a").await, Begun::Yes);
    world.store.end_call(&key(), "a", world.clock.now()).await.unwrap();
    pass(&world, 151).await;
    let began_b = world.clock.now();
    assert_eq!(begin(&world, "b").await, Begun::Yes);
    // It paid after all, which is final.
    end(&world, 1, Status::PaymentSuccess, "a", began).await;
    let refused = end(&world, 1, Status::PaymentFailed, "b", began_b).await;
    assert!(matches!(refused, OutcomePut::Refused(_)), "{refused:?}");
    set(&world, draft("2"), 2).await;
    assert_eq!(begin(&world, "c").await, Begun::Yes);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_call_shortens_its_hold_also_when_the_caller_was_forgotten_meanwhile() {
    let world = world([]).await;
    set(&world, draft("1"), 1).await;
    assert_eq!(begin(&world, "a").await, Begun::Yes);
    world.store.delete_context(&key(), world.clock.now()).await.unwrap();
    set(&world, draft("2"), 2).await;
    world.store.end_call(&key(), "a", world.clock.now()).await.unwrap();
    assert_eq!(begin(&world, "b").await, Begun::Elsewhere("a".into()));
    pass(&world, 151).await;
    assert_eq!(begin(&world, "b").await, Begun::Yes);
}
