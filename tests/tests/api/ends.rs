//! How a dispatch ends: cancelled, resolved, expired.

use patchbay_simulators::phones::{Behavior, Script, When};
use patchbay_simulators::routee::EndedBy;
use serde_json::json;

use crate::common::{
    call_to, calls_to, change, create, dispatch_body, heard, load, pass, rings, settle, show, story, text, until, world,
};

#[tokio::test(start_paused = true)]
async fn a_cancellation_hangs_up_a_ringing_call_within_seconds() {
    let world = world([Script::always(Behavior::Interactive), Script::always(Behavior::Busy)]).await;
    let key = create(&world, &dispatch_body(2, &json!({}))).await;
    rings(&world, 0, 0).await;
    pass(&world, 5).await;
    let cancelled_at = world.clock.now();
    let answer = change(&world, &key, "cancel").await;
    assert_eq!((answer.status, answer.text("/status")), (200, "Cancelled"));
    settle(&world).await;
    let call = call_to(&world, 0);
    assert_eq!(call.ended_by, Some(EndedBy::Api));
    let millis = call.ended_at.unwrap().since(cancelled_at).as_millis();
    assert!(millis < 5_000, "{millis} ms");
    assert_eq!(
        world.routee.calls().len(),
        1,
        "no call is placed after the cancellation"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_hangs_up_an_answered_call_within_seconds() {
    let world = world([Script::always(Behavior::silent(2))]).await;
    let key = create(&world, &dispatch_body(1, &json!({}))).await;
    until(&world, "a call is answered", |world| {
        world.routee.live_calls().iter().any(|call| call.answered_at.is_some())
    })
    .await;
    let cancelled_at = world.clock.now();
    change(&world, &key, "cancel").await;
    settle(&world).await;
    let call = call_to(&world, 0);
    assert_eq!(call.ended_by, Some(EndedBy::Api));
    assert!(call.ended_at.unwrap().since(cancelled_at).as_secs() < 5);
}

#[tokio::test(start_paused = true)]
async fn no_call_is_placed_after_a_cancellation_before_the_first_call_or_in_a_pause() {
    let world = world([Script::always(Behavior::Busy)]).await;
    let at_once = create(&world, &dispatch_body(1, &json!({}))).await;
    change(&world, &at_once, "cancel").await;
    settle(&world).await;
    assert!(world.routee.calls().is_empty());
    let in_a_pause = create(&world, &dispatch_body(1, &json!({ "retry_delay": 600 }))).await;
    until(&world, "the first call is over", |world| {
        world.routee.calls().iter().any(|call| call.ended_at.is_some())
    })
    .await;
    pass(&world, 60).await;
    change(&world, &in_a_pause, "cancel").await;
    settle(&world).await;
    assert_eq!(world.routee.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_resolution_stops_the_calls_although_no_one_has_accepted() {
    let world = world([Script::always(Behavior::Interactive), Script::always(Behavior::Busy)]).await;
    let key = create(&world, &dispatch_body(2, &json!({}))).await;
    rings(&world, 0, 0).await;
    let resolved_at = world.clock.now();
    let answer = change(&world, &key, "resolve").await;
    assert_eq!((answer.status, answer.text("/status")), (200, "Resolved"));
    settle(&world).await;
    let calls = world.routee.calls();
    assert_eq!((calls.len(), calls[0].ended_by), (1, Some(EndedBy::Api)));
    assert!(calls[0].ended_at.unwrap().since(resolved_at).as_secs() < 5);
    // Pressing 1 afterward does not accept the ticket.
    let url = calls[0].collect_url.clone().unwrap();
    let event = crate::common::keys_event("1").to_string();
    let plan = crate::common::send(&world, crate::common::webhook(&url, event)).await;
    assert!(!plan.json.to_string().contains("You have accepted"), "{plan:?}");
    assert_eq!(show(&world, &key).await.pointer("/accepted"), None);
}

#[tokio::test(start_paused = true)]
async fn a_ticket_not_resolved_in_time_is_reopened_with_the_next_employee() {
    let accepts = || Script::always(Behavior::presses("1", When::OptionsSay(1)));
    let world = world([accepts(), accepts()]).await;
    let key = create(&world, &dispatch_body(2, &json!({ "resolve_within": 600 }))).await;
    until(&world, "Ben has it", |world| !calls_to(world, 1).is_empty()).await;
    let reopened_after = call_to(&world, 1)
        .created_at
        .since(calls_to(&world, 0)[0].ended_at.unwrap());
    assert!((570..630).contains(&reopened_after.as_secs()), "{reopened_after:?}");
    pass(&world, 120).await;
    let shown = show(&world, &key).await;
    assert_eq!(
        (text(&shown, "/status"), text(&shown, "/accepted/employee/name")),
        ("Accepted", "Ben")
    );
    assert!(!text(&shown, "/accepted/resolve_by").is_empty());
    change(&world, &key, "resolve").await;
    settle(&world).await;
    let timeline = story(&world, &key).await;
    assert!(
        timeline.contains(&"Anna did not resolve it in time: reopened".to_owned()),
        "{timeline:?}"
    );
    assert_eq!(text(&show(&world, &key).await, "/status"), "Resolved");
    assert_eq!((calls_to(&world, 0).len(), calls_to(&world, 1).len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_ticket_resolved_in_time_stays_closed() {
    let world = world([Script::always(Behavior::presses("1", When::OptionsSay(1)))]).await;
    let key = create(&world, &dispatch_body(1, &json!({ "resolve_within": 600 }))).await;
    pass(&world, 300).await;
    assert!(heard(&call_to(&world, 0), "You have accepted"));
    change(&world, &key, "resolve").await;
    settle(&world).await;
    assert_eq!(world.routee.calls().len(), 1);
    let shown = show(&world, &key).await;
    assert_eq!(
        (text(&shown, "/status"), text(&shown, "/accepted/employee/name")),
        ("Resolved", "Anna")
    );
}

#[tokio::test(start_paused = true)]
async fn no_call_is_placed_after_the_dispatch_has_expired() {
    let world = world([Script::always(Behavior::Busy)]).await;
    let policy = json!({ "expires_after": 300, "round_pause": 60, "attempts": 1 });
    let key = create(&world, &dispatch_body(1, &policy)).await;
    let expires_at = load(&world, &key).await.expires_at;
    settle(&world).await;
    assert_eq!(text(&show(&world, &key).await, "/status"), "Expired");
    let calls = world.routee.calls();
    assert!(calls.len() >= 3, "{}", calls.len());
    assert!(calls.iter().all(|call| call.created_at < expires_at));
}
