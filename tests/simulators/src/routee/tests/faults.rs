//! All faults, planned and random.

use super::*;
use crate::phones::When;

/// Plays a call with one key and a fault of the next webhook that matches `target`.
async fn play_with_fault(target: Target, fault: WebhookFault) -> (World, CallRecord) {
    let world = World::new(Switches::default(), Behavior::presses("1", When::OptionsSay(1))).await;
    world.routee.fail_next_webhook(target, fault);
    let call = world.play(published()).await;
    (world, call)
}

#[tokio::test(start_paused = true)]
async fn a_lost_status_is_retried_but_a_lost_event_is_not() {
    let (world, _) = play_with_fault(Target::Status(Status::Ringing), WebhookFault::Lose).await;
    assert_eq!(
        world.statuses(),
        ["Queued", "Initiated", "InProgress", "Ringing", "Completed"]
    );

    let (world, _) = play_with_fault(Target::Collect, WebhookFault::Lose).await;
    assert_eq!(world.tones(), ["1"], "only the event after the call");
    let webhooks = world.routee.webhooks();
    let outcomes = webhooks.iter().filter(|webhook| webhook.kind == WebhookKind::Collect);
    let outcomes: Vec<&WebhookOutcome> = outcomes.map(|webhook| &webhook.outcome).collect();
    assert_eq!(outcomes, [&WebhookOutcome::Lost, &WebhookOutcome::Answered(200)]);
}

#[tokio::test(start_paused = true)]
async fn a_status_with_a_lost_response_arrives_twice() {
    let (world, _) = play_with_fault(Target::Status(Status::Completed), WebhookFault::LoseAnswer).await;
    world.pass(60).await;
    assert_eq!(
        world.statuses().iter().filter(|status| *status == "Completed").count(),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn the_plan_in_a_lost_reply_to_an_event_has_no_effect() {
    let world = World::new(Switches::default(), Behavior::presses("1", When::OptionsSay(1))).await;
    world.answer_keys(|_| Reply::plan(&plan(&[say("Thanks.", false)])));
    world
        .routee
        .fail_next_webhook(Target::Collect, WebhookFault::LoseAnswer);
    let call = world.play(published()).await;
    assert_eq!(world.tones(), ["1", "1"]);
    assert!(!call.texts().contains(&"Thanks."));
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_lost_for_good_never_arrives() {
    let (world, call) = play_with_fault(Target::Status(Status::Completed), WebhookFault::LoseForGood).await;
    world.pass(2 * 86_400).await;
    assert_eq!(call.status(), Status::Completed);
    assert_eq!(world.statuses(), ["Queued", "Initiated", "Ringing", "InProgress"]);
}

#[tokio::test(start_paused = true)]
async fn the_reply_to_a_duplicate_event_has_no_effect() {
    let again = WebhookFault::Duplicate(Duration::from_secs(2));
    let (world, _) = play_with_fault(Target::Status(Status::InProgress), again).await;
    assert_eq!(
        world.statuses().iter().filter(|status| *status == "InProgress").count(),
        2
    );

    let world = World::new(Switches::default(), Behavior::presses("1", When::OptionsSay(1))).await;
    world.answer_keys(|_| Reply::plan(&plan(&[say(TICKET, false)])));
    world
        .routee
        .fail_next_webhook(Target::Collect, WebhookFault::Duplicate(Duration::from_millis(500)));
    let call = world.play(published()).await;
    assert_eq!(world.tones(), ["1", "1", "1"], "twice, and the event after the call");
    assert_eq!(call.texts(), [TICKET, OPTIONS, TICKET]);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_webhook_arrives_late() {
    let (world, _) = play_with_fault(
        Target::Status(Status::Ringing),
        WebhookFault::Delay(Duration::from_mins(1)),
    )
    .await;
    world.pass(60).await;
    assert_eq!(
        world.statuses(),
        ["Queued", "Initiated", "InProgress", "Completed", "Ringing"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_delayed_beyond_the_deadline_does_not_replace_the_plan() {
    for (delay, replaced) in [(2, true), (4, false)] {
        let world = World::new(Switches::default(), Behavior::presses("1", When::OptionsSay(1))).await;
        world.answer_keys(|_| Reply::plan(&plan(&[say("Thanks.", false)])));
        world
            .routee
            .fail_next_webhook(Target::Collect, WebhookFault::Delay(Duration::from_secs(delay)));
        let call = world.play(published()).await;
        assert_eq!(world.tones(), ["1", "1"]);
        assert_eq!(call.texts().contains(&"Thanks."), replaced);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reordered_webhook_swaps_places_with_the_next() {
    let (world, _) = play_with_fault(Target::Status(Status::Initiated), WebhookFault::Reorder).await;
    assert_eq!(
        world.statuses(),
        ["Queued", "Ringing", "Initiated", "InProgress", "Completed"]
    );

    let (world, _) = play_with_fault(Target::Collect, WebhookFault::Reorder).await;
    let order: Vec<String> = world
        .received()
        .iter()
        .map(|received| received.status().unwrap_or_else(|| "keys".to_owned()))
        .collect();
    assert_eq!(
        order,
        [
            "Queued",
            "Initiated",
            "Ringing",
            "InProgress",
            "Completed",
            "keys",
            "keys"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_webhook_is_neither_reordered_nor_lost() {
    let (world, _) = play_with_fault(Target::Status(Status::Completed), WebhookFault::Reorder).await;
    assert_eq!(world.statuses().last().map(String::as_str), Some("Completed"));
    let mut order = published();
    order.as_object_mut().expect("an object").remove("callback");
    let world = World::new(
        Switches {
            end_event: false,
            ..Switches::default()
        },
        Behavior::presses("1", When::OptionsSay(1)),
    )
    .await;
    world.routee.fail_next_webhook(Target::Collect, WebhookFault::Reorder);
    world.play(order).await;
    assert_eq!(world.tones(), ["1"], "it is sent when the call ends");
}

#[tokio::test(start_paused = true)]
async fn random_webhook_faults_have_the_configured_probability() {
    let certain = |change: fn(&mut WebhookFaults)| {
        let mut faults = Faults::default();
        change(&mut faults.status);
        faults
    };
    for (faults, expected) in [
        (certain(|faults| faults.lose = 1.0), [0, 0]),
        (certain(|faults| faults.lose_for_good = 1.0), [0, 0]),
        (certain(|faults| faults.duplicate = 1.0), [8, 0]),
        (certain(|faults| faults.lose_answer = 1.0), [4, 9]),
        (Faults::default(), [4, 0]),
    ] {
        let world = World::new(Switches::default(), Behavior::Busy).await;
        world.routee.change_faults(|current| *current = faults);
        world.play(published()).await;
        world.pass(10).await;
        assert_eq!(world.statuses().len(), expected[0]);
        world.pass(200).await;
        let later = world.statuses().len() - expected[0];
        assert!(later >= expected[1], "{later}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_create_request_places_no_call() {
    for (fault, status, code) in [
        (CreateFault::TooManyRequests, 429, json!("429000000")),
        (CreateFault::BadRequest, 400, json!("400000000")),
        (CreateFault::InternalError { placed: false }, 500, json!("5000000000")),
        (CreateFault::Unavailable { placed: false }, 503, Value::Null),
        (CreateFault::OutOfMoney(OutOfMoney::Refused), 400, json!("400001009")),
    ] {
        let world = World::new(Switches::default(), Behavior::Busy).await;
        world.routee.fail_next_create(fault);
        let (answered, body) = world.send("POST", "/voice/conversation", published()).await;
        assert_eq!((answered, &body["code"]), (status, &code), "{fault:?}");
        assert_eq!(world.routee.calls(), []);
        world.pass(1).await;
        assert_eq!(
            world.play(published()).await.status(),
            Status::Busy,
            "the next one succeeds"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_request_can_fail_although_the_call_is_placed() {
    for (fault, status) in [
        (CreateFault::InternalError { placed: true }, 500),
        (CreateFault::Unavailable { placed: true }, 503),
        (CreateFault::Malformed, 200),
    ] {
        let world = World::new(Switches::default(), Behavior::Busy).await;
        world.routee.fail_next_create(fault);
        let (answered, body) = world.send("POST", "/voice/conversation", published()).await;
        assert_eq!(answered, status);
        assert!(body.get("trackingId").is_none());
        assert_eq!(world.until_over().await.status(), Status::Busy);
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_request_without_a_response_may_or_may_not_place_a_call() {
    for (fault, calls) in [
        (CreateFault::NoAnswer { placed: true }, 1),
        (CreateFault::NoAnswer { placed: false }, 0),
    ] {
        let world = World::new(Switches::default(), Behavior::Busy).await;
        world.routee.fail_next_create(fault);
        let request = world.request("POST", "/voice/conversation", &published());
        let start = world.clock.now();
        assert!(matches!(world.raw(request).await, Err(SendError::NoResponse(_))));
        assert_eq!(world.clock.now().since(start).as_secs(), 10);
        assert_eq!(world.routee.calls().len(), calls);
        assert_eq!(world.routee.requests().last().expect("one").status, None);
    }
    let world = World::new(Switches::default(), Behavior::Busy).await;
    world.routee.fail_next_create(CreateFault::NotSent);
    let request = world.request("POST", "/voice/conversation", &published());
    assert!(matches!(world.raw(request).await, Err(SendError::NotSent(_))));
    assert_eq!(world.routee.calls(), []);
    assert_eq!(world.routee.requests().len(), 1, "only the token request arrived");
}

#[tokio::test(start_paused = true)]
async fn a_401_revokes_the_token() {
    let mut world = World::new(Switches::default(), Behavior::Busy).await;
    world.routee.fail_next_create(CreateFault::Unauthorized);
    for _ in 0..2 {
        assert_eq!(world.send("POST", "/voice/conversation", published()).await.0, 401);
    }
    world.renew_token().await;
    world.order(published()).await;
    assert_eq!(world.routee.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_can_arrive_before_or_after_the_response() {
    for overtaken in [true, false] {
        let switches = Switches {
            queued_is_called_back: false,
            ..Switches::default()
        };
        let world = World::new(switches, Behavior::Busy).await;
        if overtaken {
            world.routee.fail_next_create(CreateFault::WebhookFirst);
        }
        world.order(published()).await;
        assert_eq!(world.statuses().is_empty(), !overtaken, "{:?}", world.statuses());
        world.until_over().await;
        assert_eq!(world.statuses(), ["Initiated", "Ringing", "Busy"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_account_has_one_of_three_effects_until_it_has_money() {
    for (money, expected) in [
        (OutOfMoney::Unsent, vec!["Queued", "Unsent"]),
        (
            OutOfMoney::Terminated {
                after: Duration::from_secs(6),
            },
            vec!["Queued", "Initiated", "Ringing", "InProgress", "Terminated"],
        ),
    ] {
        let world = World::new(Switches::default(), Behavior::silent(5)).await;
        world.routee.change_faults(|faults| faults.out_of_money = Some(money));
        for _ in 0..2 {
            let call = world.play(published()).await;
            assert_eq!(call.status_names(), expected);
            assert_eq!(call.ended_by, Some(EndedBy::Money));
        }
        world.routee.change_faults(|faults| faults.out_of_money = None);
        assert_eq!(world.play(published()).await.status(), Status::Completed);
    }
    let world = World::new(Switches::default(), Behavior::silent(5)).await;
    world
        .routee
        .change_faults(|faults| faults.out_of_money = Some(OutOfMoney::Refused));
    for _ in 0..2 {
        let (status, body) = world.send("POST", "/voice/conversation", published()).await;
        assert_eq!((status, &body["code"]), (400, &json!("400001009")));
        world.pass(2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_planned_api_fault_affects_one_request() {
    let world = World::new(Switches::default(), Behavior::silent(5)).await;
    let id = world.order(published()).await;
    let path = format!("/voice/tracking/conversation/{id}");
    for (fault, status) in [
        (ApiFault::InternalError, 500),
        (ApiFault::Unavailable, 503),
        (ApiFault::Forbidden, 403),
        (ApiFault::NotFound, 404),
        (ApiFault::Malformed, 200),
    ] {
        world.routee.fail_next(Endpoint::Tracking, fault);
        let (answered, body) = world.get(&path).await;
        assert_eq!(answered, status, "{fault:?}");
        assert!(body.get("content").is_none());
        assert_eq!(world.get(&path).await.0, 200);
    }
    for (fault, sent) in [(ApiFault::NoAnswer, true), (ApiFault::NotSent, false)] {
        world.routee.fail_next(Endpoint::Tracking, fault);
        let error = world
            .raw(world.request("GET", &path, &Value::Null))
            .await
            .expect_err("no answer");
        assert_eq!(matches!(error, SendError::NoResponse(_)), sent);
    }
    world.routee.fail_next(Endpoint::Token, ApiFault::InternalError);
    assert_eq!(
        world
            .raw(token_request("client_credentials"))
            .await
            .expect("an answer")
            .0,
        500
    );
    world.routee.fail_next(Endpoint::Tracking, ApiFault::Unauthorized);
    assert_eq!(world.get(&path).await.0, 401);
    assert_eq!(world.get(&path).await.0, 401, "the token is void");
}

#[tokio::test(start_paused = true)]
async fn a_hangup_without_a_response_has_no_effect() {
    let world = World::new(Switches::default(), Behavior::silent(5)).await;
    world.order(published()).await;
    let call = world.until(Status::InProgress).await;
    world.routee.fail_next(Endpoint::Control, ApiFault::NoAnswer);
    let path = format!("/voice/conversation/{}", call.message_id);
    let request = world.request("PUT", &path, &json!({ "action": "hangup" }));
    assert!(matches!(world.raw(request).await, Err(SendError::NoResponse(_))));
    assert_eq!(world.until_over().await.ended_by, Some(EndedBy::Plan));
}

#[tokio::test(start_paused = true)]
async fn random_api_faults_have_the_configured_probability() {
    let world = World::new(
        Switches {
            rate_limit: RateLimit::Off,
            ..Switches::default()
        },
        Behavior::Busy,
    )
    .await;
    let fault = CreateFault::InternalError { placed: false };
    world.routee.change_faults(|faults| {
        faults.create = vec![(0.25, fault)];
        faults.tracking = 1.0;
    });
    let mut failed = 0;
    for _ in 0..200 {
        failed += u32::from(world.send("POST", "/voice/conversation", published()).await.0 == 500);
    }
    assert!((30..70).contains(&failed), "{failed}");
    world.routee.change_faults(|faults| faults.create = Vec::new());
    world.order(published()).await;
    let answer = world
        .raw(world.request("GET", "/accounts/me/balance", &Value::Null))
        .await;
    assert!(!matches!(answer, Ok((200, body)) if body.get("balance").is_some()));
}
