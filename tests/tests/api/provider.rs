//! What happens when the provider does not do what it is asked for.

use patchbay_simulators::phones::{Behaviour, Script, When};
use patchbay_simulators::routee::{CreateFault, OutOfMoney};
use patchbay_simulators::world::World;
use serde_json::json;

use crate::common::{brief, calls_to, create, pass, settle, show, story, text, until, world};

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
        Script::always(Behaviour::NeverPicksUp),
        Script::always(Behaviour::presses("1", When::OptionsSay(1))),
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
        let key = create(&world, &brief(2, &json!({ "attempts": 1 }))).await;
        settle(&world).await;
        assert_eq!(text(&show(&world, &key).await, "/accepted/by/name"), "Ben", "{fault:?}");
        assert!(calls_to(&world, 0).len() <= 1, "{fault:?}");
        assert_eq!(calls_to(&world, 1).len(), 1, "{fault:?}");
        assert_eq!(requests_for_calls(&world), 2, "{fault:?}");
        assert_eq!(world.routee.most_live_calls_to_one_number(), 1, "{fault:?}");
        let told = story(&world, &key).await;
        assert_eq!(
            told.iter().filter(|line| *line == "Phoning Anna over routee").count(),
            1,
            "{fault:?}: {told:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_certainly_not_placed_is_put_off_and_costs_no_attempt() {
    for fault in [CreateFault::TooManyRequests, CreateFault::NotSent] {
        let world = two_people().await;
        world.routee.fail_next_create(fault);
        let key = create(&world, &brief(2, &json!({ "attempts": 1 }))).await;
        settle(&world).await;
        let told = story(&world, &key).await;
        let put_off = told
            .iter()
            .filter(|line| line.starts_with("The provider put off the call to Anna"))
            .count();
        assert_eq!(put_off, 1, "{fault:?}: {told:?}");
        assert_eq!(
            (calls_to(&world, 0).len(), calls_to(&world, 1).len()),
            (1, 1),
            "{fault:?}: {told:?}"
        );
        assert!(
            told.contains(&"No answer from Anna: not picked up (call 1)".to_owned()),
            "{told:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_void_is_renewed_without_a_second_call() {
    let world = two_people().await;
    world.routee.fail_next_create(CreateFault::Unauthorized);
    create(&world, &brief(2, &json!({ "attempts": 1 }))).await;
    settle(&world).await;
    assert_eq!((calls_to(&world, 0).len(), calls_to(&world, 1).len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_provider_refuses_counts_as_an_attempt() {
    let world = two_people().await;
    world.routee.fail_next_create(CreateFault::BadRequest);
    let key = create(&world, &brief(2, &json!({ "attempts": 1 }))).await;
    settle(&world).await;
    let told = story(&world, &key).await;
    assert!(
        told.contains(&"No answer from Anna: the provider refused the call (call 1)".to_owned()),
        "{told:?}"
    );
    assert!(calls_to(&world, 0).is_empty());
    assert_eq!(text(&show(&world, &key).await, "/accepted/by/name"), "Ben");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_always_puts_off_does_not_hold_the_next_employee_back_for_ever() {
    let world = two_people().await;
    for _ in 0..9 {
        world.routee.fail_next_create(CreateFault::TooManyRequests);
    }
    let key = create(&world, &brief(2, &json!({ "attempts": 1 }))).await;
    settle(&world).await;
    assert_eq!(text(&show(&world, &key).await, "/accepted/by/name"), "Ben");
    assert!(calls_to(&world, 0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_money_nobody_is_phoned_for_a_quarter_of_an_hour_and_then_it_goes_on() {
    for how in [OutOfMoney::Refused, OutOfMoney::Unsent] {
        let world = world([Script::always(Behaviour::presses("1", When::OptionsSay(1)))]).await;
        world.routee.fail_next_create(CreateFault::OutOfMoney(how));
        let mut body = brief(1, &json!({ "attempts": 1, "max_rounds": 1 }));
        body["webhook"]["strategy"] = json!("OnCompletion");
        let key = create(&world, &body).await;
        let started = world.clock.now();
        until(&world, "the requester is told", |world| {
            !world.notifications().is_empty()
        })
        .await;
        assert!(world.clock.now().since(started).as_secs() < 30, "{how:?}");
        let alarm = world.notifications().remove(0).json();
        assert_eq!(text(&alarm, "/data/status"), "OutOfMoney", "{how:?}");
        assert_eq!(text(&show(&world, &key).await, "/status"), "Waiting", "{how:?}");
        let asked = requests_for_calls(&world);
        pass(&world, 14 * 60).await;
        assert_eq!(requests_for_calls(&world), asked, "{how:?}: redialled without money");
        settle(&world).await;
        assert_eq!(requests_for_calls(&world), asked + 1, "{how:?}");
        assert_eq!(text(&show(&world, &key).await, "/accepted/by/name"), "Anna", "{how:?}");
        assert!(world.clock.now().since(started).as_secs() >= 15 * 60);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cut_off_for_want_of_money_is_not_dialled_again_at_once() {
    let world = world([Script::always(Behaviour::silent(2))]).await;
    let after = std::time::Duration::from_secs(3);
    world
        .routee
        .fail_next_create(CreateFault::OutOfMoney(OutOfMoney::Terminated { after }));
    let key = create(&world, &brief(1, &json!({ "attempts": 3 }))).await;
    pass(&world, 14 * 60).await;
    assert_eq!(world.routee.calls().len(), 1);
    let told = story(&world, &key).await;
    let alarm = "The call to Anna was not made: the provider's account has no money";
    assert!(told.contains(&alarm.to_owned()), "{told:?}");
    until(&world, "it goes on", |world| world.routee.calls().len() > 1).await;
    let [first, second, ..] = &world.routee.calls()[..] else {
        panic!("no second call")
    };
    let pause = second.created_at.since(first.ended_at.unwrap()).as_secs();
    assert!((900..930).contains(&pause), "{pause} s");
}
