//! What the requester's webhook is told.

use patchbay_simulators::phones::{Behaviour, Script, When};
use patchbay_simulators::world::{Notification, World};
use serde_json::{Value, json};

use crate::common::{brief, change, create, rings, settle, text, until, world};

/// The webhooks so far in the order of their numbers, each checked: posted once, to the right place, and signed.
pub(crate) fn told(world: &World) -> Vec<Value> {
    let notifications = world.notifications();
    let mut ids: Vec<&str> = Vec::new();
    for notification in &notifications {
        let (headers, body) = (notification.request.headers(), notification.request.body());
        assert_eq!(notification.request.method(), "POST");
        assert_eq!(notification.request.uri(), "https://requester.example.org/hook");
        assert_eq!(headers["content-type"], "application/json");
        world.signer.verify(headers, body, notification.at).unwrap();
        assert!(
            world.signer.verify(headers, b"{}", notification.at).is_err(),
            "a changed body"
        );
        let late = notification.at.plus_seconds(3_600);
        assert!(world.signer.verify(headers, body, late).is_err(), "a replayed webhook");
        ids.push(headers["webhook-id"].to_str().unwrap());
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "a webhook came twice");
    let number = |body: &Value| body.pointer("/data/sequence").and_then(Value::as_u64).unwrap();
    let mut bodies: Vec<Value> = notifications.iter().map(Notification::json).collect();
    bodies.sort_by_key(number);
    assert!(bodies.is_sorted_by(|a, b| number(a) < number(b)), "a number came twice");
    let times = bodies.iter().map(|body| text(body, "/timestamp"));
    assert!(times.is_sorted(), "numbers rise with time");
    bodies
}

pub(crate) fn statuses(told: &[Value]) -> Vec<&str> {
    told.iter().map(|body| text(body, "/data/status")).collect()
}

#[tokio::test(start_paused = true)]
async fn every_outcome_is_told_with_employee_attempt_and_reason_and_is_signed() {
    let world = world([
        Behaviour::NeverPicksUp.then(Behaviour::Busy).then(Behaviour::silent(3)),
        Script::always(Behaviour::Fails),
        Script::always(Behaviour::presses("2", When::OptionsSay(1))),
        Script::always(Behaviour::presses("1", When::OptionsSay(1))),
    ])
    .await;
    let key = create(&world, &brief(4, &json!({ "attempts": 3 }))).await;
    settle(&world).await;
    change(&world, &key, "resolve").await;
    settle(&world).await;
    let told = told(&world);
    let lines: Vec<Value> = told
        .iter()
        .map(|body| {
            assert_eq!(text(body, "/data/dispatch"), key.id.to_string());
            assert_eq!(text(body, "/data/reference"), "INC-4711");
            assert_eq!(text(body, "/data/at"), text(body, "/timestamp"));
            let field = |pointer| body.pointer(pointer).cloned().unwrap_or_default();
            json!([
                text(body, "/type"),
                text(body, "/data/status"),
                field("/data/employee/id"),
                field("/data/attempt/ordinal"),
                field("/data/attempt/number"),
                field("/data/reason"),
            ])
        })
        .collect();
    let no_answer =
        |who, ordinal, number, reason| json!(["dispatch.no_answer", "NoAnswer", who, ordinal, number, reason]);
    assert_eq!(
        lines,
        [
            no_answer("anna", 1, 1, "not_picked_up"),
            no_answer("anna", 2, 2, "busy"),
            no_answer("anna", 3, 3, "no_key"),
            no_answer("ben", 4, 1, "failed"),
            no_answer("ben", 5, 2, "failed"),
            no_answer("ben", 6, 3, "failed"),
            json!(["dispatch.rejected", "Rejected", "carla", 7, null, null]),
            json!(["dispatch.accepted", "Accepted", "dora", 8, null, null]),
            json!(["dispatch.resolved", "Resolved", null, null, null, null]),
        ]
    );
    let accepted = &told[7];
    assert_eq!(text(accepted, "/data/employee/name"), "Dora");
    assert_eq!(accepted.pointer("/data/late"), Some(&json!(false)));
    // Nobody's number leaves the house.
    assert!(told.iter().all(|body| !body.to_string().contains("555")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn on_completion_tells_only_the_whole() {
    let world = world([
        Script::always(Behaviour::Busy),
        Script::always(Behaviour::presses("2", When::OptionsSay(1))),
        Script::always(Behaviour::presses("1", When::OptionsSay(1))),
    ])
    .await;
    let mut body = brief(3, &json!({ "attempts": 2 }));
    body["webhook"]["strategy"] = json!("OnCompletion");
    create(&world, &body).await;
    settle(&world).await;
    assert_eq!(statuses(&told(&world)), ["Accepted"]);
}

#[tokio::test(start_paused = true)]
async fn every_end_is_told() {
    let accepts = || Script::always(Behaviour::presses("1", When::OptionsSay(1)));
    let on_completion = |policy: &Value| {
        let mut body = brief(1, policy);
        body["webhook"]["strategy"] = json!("OnCompletion");
        body
    };
    let exhausted = world([Script::always(Behaviour::Busy)]).await;
    create(&exhausted, &on_completion(&json!({ "attempts": 1, "max_rounds": 1 }))).await;
    settle(&exhausted).await;
    assert_eq!(statuses(&told(&exhausted)), ["Exhausted"]);

    let expired = world([Script::always(Behaviour::Busy)]).await;
    create(&expired, &on_completion(&json!({ "expires_after": 60 }))).await;
    settle(&expired).await;
    assert_eq!(statuses(&told(&expired)), ["Expired"]);

    let cancelled = world([Script::always(Behaviour::NeverPicksUp)]).await;
    let key = create(&cancelled, &on_completion(&json!({}))).await;
    rings(&cancelled, 0, 0).await;
    for _ in 0..2 {
        change(&cancelled, &key, "cancel").await;
    }
    settle(&cancelled).await;
    assert_eq!(statuses(&told(&cancelled)), ["Cancelled"]);

    let reopened = world([accepts()]).await;
    let key = create(
        &reopened,
        &on_completion(&json!({ "resolve_within": 60, "round_pause": 0 })),
    )
    .await;
    until(&reopened, "it is accepted again", |world| {
        statuses(&told(world)).len() >= 3
    })
    .await;
    change(&reopened, &key, "resolve").await;
    settle(&reopened).await;
    let told = told(&reopened);
    assert_eq!(statuses(&told), ["Accepted", "Reopened", "Accepted", "Resolved"]);
    assert!(!text(&told[0], "/data/resolve_by").is_empty());
    assert_eq!(text(&told[1], "/data/employee/name"), "Anna");
}

#[tokio::test(start_paused = true)]
async fn without_a_webhook_nobody_is_told_and_everything_works() {
    let world = world([Script::always(Behaviour::presses("1", When::OptionsSay(1)))]).await;
    let mut body = brief(1, &json!({}));
    drop(body.as_object_mut().unwrap().remove("webhook"));
    let key = create(&world, &body).await;
    settle(&world).await;
    assert!(world.notifications().is_empty());
    assert_eq!(crate::common::load(&world, &key).await.state.name(), "Accepted");
}
