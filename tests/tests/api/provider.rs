//! Failures of the voice provider: which calls are postponed, which count as attempts, and which must not be repeated.

use patchbay_simulators::phones::{Behavior, Script, When};
use patchbay_simulators::routee::{CreateFault, OutOfMoney};
use patchbay_simulators::world::World;
use serde_json::json;

use crate::common::{calls_to, create, dispatch_body, pass, settle, show, story, text, until, world};

fn requests_for_calls(world: &World) -> usize {
    let requests = world.routee.requests();
    let creates = requests
        .iter()
        .filter(|request| request.method == "POST" && request.path == "/voice/conversation");
    creates.count()
}

/// Anna never picks up; Ben accepts.
async fn two_people() -> World {
    world([
        Script::always(Behavior::NeverPicksUp),
        Script::always(Behavior::presses("1", When::OptionsSay(1))),
    ])
    .await
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_have_been_placed_is_never_placed_again() {
    let may_be_placed = [
        CreateFault::InternalError { placed: true },
        CreateFault::InternalError { placed: false },
        CreateFault::Unavailable { placed: true },
        CreateFault::Unavailable { placed: false },
        CreateFault::NoAnswer { placed: true },
        CreateFault::NoAnswer { placed: false },
        CreateFault::Malformed,
        CreateFault::WebhookFirst,
    ];
    for fault in may_be_placed {
        let world = two_people().await;
        world.routee.fail_next_create(fault);
        let key = create(&world, &dispatch_body(2, &json!({ "attempts": 1 }))).await;
        settle(&world).await;
        assert_eq!(
            text(&show(&world, &key).await, "/accepted/employee/name"),
            "Ben",
            "{fault:?}"
        );
        assert!(calls_to(&world, 0).len() <= 1, "{fault:?}");
        assert_eq!(calls_to(&world, 1).len(), 1, "{fault:?}");
        assert_eq!(requests_for_calls(&world), 2, "{fault:?}");
        assert_eq!(world.routee.most_live_calls_to_one_number(), 1, "{fault:?}");
        let timeline = story(&world, &key).await;
        assert_eq!(
            timeline
                .iter()
                .filter(|line| *line == "Phoning Anna over routee")
                .count(),
            1,
            "{fault:?}: {timeline:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_certainly_not_placed_is_postponed_and_costs_no_attempt() {
    for fault in [CreateFault::TooManyRequests, CreateFault::NotSent] {
        let world = two_people().await;
        world.routee.fail_next_create(fault);
        let key = create(&world, &dispatch_body(2, &json!({ "attempts": 1 }))).await;
        settle(&world).await;
        let timeline = story(&world, &key).await;
        let postponed = timeline
            .iter()
            .filter(|line| line.starts_with("The provider postponed the call to Anna"))
            .count();
        assert_eq!(postponed, 1, "{fault:?}: {timeline:?}");
        assert_eq!(
            (calls_to(&world, 0).len(), calls_to(&world, 1).len()),
            (1, 1),
            "{fault:?}: {timeline:?}"
        );
        assert!(
            timeline.contains(&"No answer from Anna: not picked up (call 1)".to_owned()),
            "{timeline:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalid_token_is_renewed_without_a_second_call() {
    let world = two_people().await;
    world.routee.fail_next_create(CreateFault::Unauthorized);
    create(&world, &dispatch_body(2, &json!({ "attempts": 1 }))).await;
    settle(&world).await;
    assert_eq!((calls_to(&world, 0).len(), calls_to(&world, 1).len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_refused_by_the_provider_counts_as_an_attempt() {
    let world = two_people().await;
    world.routee.fail_next_create(CreateFault::BadRequest);
    let key = create(&world, &dispatch_body(2, &json!({ "attempts": 1 }))).await;
    settle(&world).await;
    let timeline = story(&world, &key).await;
    assert!(
        timeline.contains(&"No answer from Anna: the provider refused the call (call 1)".to_owned()),
        "{timeline:?}"
    );
    assert!(calls_to(&world, 0).is_empty());
    assert_eq!(text(&show(&world, &key).await, "/accepted/employee/name"), "Ben");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_keeps_postponing_does_not_block_the_next_employee() {
    let world = two_people().await;
    for _ in 0..9 {
        world.routee.fail_next_create(CreateFault::TooManyRequests);
    }
    let key = create(&world, &dispatch_body(2, &json!({ "attempts": 1 }))).await;
    settle(&world).await;
    assert_eq!(text(&show(&world, &key).await, "/accepted/employee/name"), "Ben");
    assert!(calls_to(&world, 0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_money_calls_pause_for_15_minutes_and_then_continue() {
    for variant in [OutOfMoney::Refused, OutOfMoney::Unsent] {
        let world = world([Script::always(Behavior::presses("1", When::OptionsSay(1)))]).await;
        world.routee.fail_next_create(CreateFault::OutOfMoney(variant));
        let mut body = dispatch_body(1, &json!({ "attempts": 1, "max_rounds": 1 }));
        body["webhook"]["strategy"] = json!("OnCompletion");
        let key = create(&world, &body).await;
        let started = world.clock.now();
        until(&world, "the requester is notified", |world| {
            !world.notifications().is_empty()
        })
        .await;
        assert!(world.clock.now().since(started).as_secs() < 30, "{variant:?}");
        let alarm = world.notifications().remove(0).json();
        assert_eq!(text(&alarm, "/data/status"), "OutOfMoney", "{variant:?}");
        assert_eq!(text(&show(&world, &key).await, "/status"), "Waiting", "{variant:?}");
        let requests = requests_for_calls(&world);
        pass(&world, 14 * 60).await;
        assert_eq!(
            requests_for_calls(&world),
            requests,
            "{variant:?}: redialed without money"
        );
        settle(&world).await;
        assert_eq!(requests_for_calls(&world), requests + 1, "{variant:?}");
        assert_eq!(
            text(&show(&world, &key).await, "/accepted/employee/name"),
            "Anna",
            "{variant:?}"
        );
        assert!(world.clock.now().since(started).as_secs() >= 15 * 60);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_cut_off_without_money_is_not_redialed_at_once() {
    let world = world([Script::always(Behavior::silent(2))]).await;
    let after = std::time::Duration::from_secs(3);
    world
        .routee
        .fail_next_create(CreateFault::OutOfMoney(OutOfMoney::Terminated { after }));
    let key = create(&world, &dispatch_body(1, &json!({ "attempts": 3 }))).await;
    pass(&world, 14 * 60).await;
    assert_eq!(world.routee.calls().len(), 1);
    let timeline = story(&world, &key).await;
    let alarm = "The call to Anna was not placed: the provider's account has no money";
    assert!(timeline.contains(&alarm.to_owned()), "{timeline:?}");
    until(&world, "calls continue", |world| world.routee.calls().len() > 1).await;
    let [first, second, ..] = &world.routee.calls()[..] else {
        panic!("no second call")
    };
    let pause = second.created_at.since(first.ended_at.unwrap()).as_secs();
    assert!((900..930).contains(&pause), "{pause} s");
}
