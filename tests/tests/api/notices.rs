//! Webhooks that the requester receives.

use patchbay_simulators::phones::{Behavior, Script, When};
use patchbay_simulators::world::{Notification, World};
use serde_json::{Value, json};

use crate::common::{change, create, dispatch_body, rings, settle, text, until, world};

/// Bodies of the webhooks received so far, by sequence. Checks that each was posted once, to the right URL, and signed.
pub(crate) fn received(world: &World) -> Vec<Value> {
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
    assert_eq!(ids.len(), count, "a webhook was posted twice");
    let sequence = |body: &Value| body.pointer("/data/sequence").and_then(Value::as_u64).unwrap();
    let mut bodies: Vec<Value> = notifications.iter().map(Notification::json).collect();
    bodies.sort_by_key(sequence);
    assert!(
        bodies.is_sorted_by(|a, b| sequence(a) < sequence(b)),
        "two webhooks have one sequence"
    );
    let times = bodies.iter().map(|body| text(body, "/timestamp"));
    assert!(times.is_sorted(), "sequences follow the timestamps");
    bodies
}

pub(crate) fn statuses(received: &[Value]) -> Vec<&str> {
    received.iter().map(|body| text(body, "/data/status")).collect()
}

#[tokio::test(start_paused = true)]
async fn every_outcome_is_posted_signed_with_employee_attempt_and_reason() {
    let world = world([
        Behavior::NeverPicksUp.then(Behavior::Busy).then(Behavior::silent(3)),
        Script::always(Behavior::Fails),
        Script::always(Behavior::presses("2", When::OptionsSay(1))),
        Script::always(Behavior::presses("1", When::OptionsSay(1))),
    ])
    .await;
    let key = create(&world, &dispatch_body(4, &json!({ "attempts": 3 }))).await;
    settle(&world).await;
    change(&world, &key, "resolve").await;
    settle(&world).await;
    let received = received(&world);
    let lines: Vec<Value> = received
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
    let no_answer = |employee, ordinal, number, reason| {
        json!(["dispatch.no_answer", "NoAnswer", employee, ordinal, number, reason])
    };
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
    let accepted = &received[7];
    assert_eq!(text(accepted, "/data/employee/name"), "Dora");
    assert_eq!(accepted.pointer("/data/late"), Some(&json!(false)));
    // No webhook contains a phone number.
    assert!(
        received.iter().all(|body| !body.to_string().contains("555")),
        "{received:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn on_completion_posts_only_events_of_the_whole_dispatch() {
    let world = world([
        Script::always(Behavior::Busy),
        Script::always(Behavior::presses("2", When::OptionsSay(1))),
        Script::always(Behavior::presses("1", When::OptionsSay(1))),
    ])
    .await;
    let mut body = dispatch_body(3, &json!({ "attempts": 2 }));
    body["webhook"]["strategy"] = json!("OnCompletion");
    create(&world, &body).await;
    settle(&world).await;
    assert_eq!(statuses(&received(&world)), ["Accepted"]);
}

#[tokio::test(start_paused = true)]
async fn every_end_of_a_dispatch_is_posted() {
    let accepts = || Script::always(Behavior::presses("1", When::OptionsSay(1)));
    let on_completion = |policy: &Value| {
        let mut body = dispatch_body(1, policy);
        body["webhook"]["strategy"] = json!("OnCompletion");
        body
    };
    let exhausted = world([Script::always(Behavior::Busy)]).await;
    create(&exhausted, &on_completion(&json!({ "attempts": 1, "max_rounds": 1 }))).await;
    settle(&exhausted).await;
    assert_eq!(statuses(&received(&exhausted)), ["Exhausted"]);

    let expired = world([Script::always(Behavior::Busy)]).await;
    create(&expired, &on_completion(&json!({ "expires_after": 60 }))).await;
    settle(&expired).await;
    assert_eq!(statuses(&received(&expired)), ["Expired"]);

    let cancelled = world([Script::always(Behavior::NeverPicksUp)]).await;
    let key = create(&cancelled, &on_completion(&json!({}))).await;
    rings(&cancelled, 0, 0).await;
    for _ in 0..2 {
        change(&cancelled, &key, "cancel").await;
    }
    settle(&cancelled).await;
    assert_eq!(statuses(&received(&cancelled)), ["Cancelled"]);

    let reopened = world([accepts()]).await;
    let key = create(
        &reopened,
        &on_completion(&json!({ "resolve_within": 60, "round_pause": 0 })),
    )
    .await;
    until(&reopened, "it is accepted again", |world| {
        statuses(&received(world)).len() >= 3
    })
    .await;
    change(&reopened, &key, "resolve").await;
    settle(&reopened).await;
    let received = received(&reopened);
    assert_eq!(statuses(&received), ["Accepted", "Reopened", "Accepted", "Resolved"]);
    assert!(!text(&received[0], "/data/resolve_by").is_empty());
    assert_eq!(text(&received[1], "/data/employee/name"), "Anna");
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_without_a_webhook_works_and_posts_nothing() {
    let world = world([Script::always(Behavior::presses("1", When::OptionsSay(1)))]).await;
    let mut body = dispatch_body(1, &json!({}));
    drop(body.as_object_mut().unwrap().remove("webhook"));
    let key = create(&world, &body).await;
    settle(&world).await;
    assert!(world.notifications().is_empty());
    assert_eq!(crate::common::load(&world, &key).await.state.name(), "Accepted");
}
