//! What things cost in requests: a webhook must be answered within 2 s on a cold function, and every request is paid.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{
    brief, calls_to, change, cost, cost_of, create, effects, keys_event, load, rings, send, settle, status_event,
    webhook, world,
};
use patchbay::ids::DispatchKey;
use patchbay_simulators::phones::{Behaviour, Script, When};
use patchbay_simulators::routee::CallRecord;
use patchbay_simulators::world::World;
use serde_json::{Value, json};

/// A ticket whose first phone rings, and nobody but the test does anything about it.
async fn ringing() -> (World, DispatchKey, CallRecord) {
    let world = world([Behaviour::Interactive.into(), Script::always(Behaviour::Interactive)]).await;
    let key = create(&world, &brief(2, &json!({ "attempts": 1 }))).await;
    let call = rings(&world, 0, 0).await;
    world.aws.recorder().clear();
    (world, key, call)
}

/// Tells of keys, and what that cost at DynamoDB and SQS.
async fn press(world: &World, call: &CallRecord, keys: &str) -> (u32, u32, u32) {
    let url = call.collect_url.as_deref().unwrap();
    let answer = send(world, webhook(url, keys_event(keys).to_string())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    cost(world, "collect-event")
}

/// Tells of a status, and what that cost.
async fn status(world: &World, call: &CallRecord, name: &str) -> (u32, u32, u32) {
    let url = call.status_url.as_deref().unwrap();
    let answer = send(world, webhook(url, status_event(name).to_string())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    cost(world, "status-callback")
}

#[tokio::test(start_paused = true)]
async fn a_key_costs_two_requests_to_the_table_and_at_most_one_to_each_queue() {
    // 1: the webhook. 2: the next call, and the webhook; at once. A wrong key is only noted.
    for (keys, queue) in [("1", 1), ("2", 2), ("7", 0), ("*", 0)] {
        let (world, ..) = ringing().await;
        let call = calls_to(&world, 0).remove(0);
        assert_eq!(press(&world, &call, keys).await, (2, queue, 0), "key {keys}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_changes_nothing_any_more_is_within_the_budget_too() {
    let (world, key, call) = ringing().await;
    assert_eq!(press(&world, &call, "1").await, (2, 1, 0));
    // The acceptor presses again: all is as it was.
    assert_eq!(press(&world, &call, "1").await, (1, 0, 0));
    assert_eq!(press(&world, &call, "2").await, (1, 0, 0));
    change(&world, &key, "resolve").await;
    // Too late: it is written down.
    assert_eq!(press(&world, &call, "1").await, (2, 0, 0));

    let (world, _, call) = ringing().await;
    assert_eq!(press(&world, &call, "2").await, (2, 2, 0));
    // Routee repeats the key when the call ends.
    assert_eq!(press(&world, &call, "2").await, (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_key_writes_nothing() {
    let (world, _, call) = ringing().await;
    assert_eq!(press(&world, &call, "").await, (1, 0, 0));
    assert_eq!(effects(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn an_intermediate_status_costs_one_request_to_the_table_and_none_to_the_queue() {
    for name in ["Queued", "Initiated", "Ringing", "InProgress", "SomethingNew"] {
        let (world, _, call) = ringing().await;
        assert_eq!(status(&world, &call, name).await, (1, 0, 0), "{name}");
        assert_eq!(status(&world, &call, name).await, (1, 0, 0), "{name} again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_final_status_costs_two_requests_to_the_table_and_at_most_one_to_each_queue() {
    for (name, queue) in [
        // A look at what was pressed.
        ("Completed", 1),
        // The next call, and the webhook.
        ("NoAnswer", 2),
        ("Busy", 2),
        ("Failed", 2),
        ("Unsent", 2),
        ("Terminated", 2),
        ("Unknown", 1),
    ] {
        let (world, _, call) = ringing().await;
        assert_eq!(status(&world, &call, name).await, (2, queue, 0), "{name}");
    }
    let (world, _, call) = ringing().await;
    assert_eq!(status(&world, &call, "NoAnswer").await, (2, 2, 0));
    assert_eq!(status(&world, &call, "NoAnswer").await, (2, 0, 0), "again");
    assert_eq!(status(&world, &call, "Completed").await, (2, 0, 0), "after the end");
}

#[tokio::test(start_paused = true)]
async fn a_request_to_the_api_costs_this_much() {
    let world = world([Script::always(Behaviour::Interactive)]).await;
    let mut costs = Vec::new();
    let mut note = |what, world: &World| costs.push((what, cost(world, "dispatches")));
    let key = create(&world, &brief(1, &json!({}))).await;
    note("create", &world);
    for (what, method, path, body) in [
        ("preview", "POST", "/preview".to_owned(), brief(1, &json!({}))),
        ("show", "GET", format!("/{}", key.id), Value::Null),
        ("cancel", "POST", format!("/{}/cancel", key.id), Value::Null),
        ("cancel again", "POST", format!("/{}/cancel", key.id), Value::Null),
    ] {
        let answer = common::ask(&world, method, &format!("/v1/dispatches{path}"), &body).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        note(what, &world);
    }
    let table = [
        // The token, the commit; Dial.
        ("create", (2, 1, 0)),
        ("preview", (1, 0, 0)),
        // The token, the dispatch, its timeline, how its webhooks stand.
        ("show", (4, 0, 0)),
        // The token, the dispatch, the commit; the notice.
        ("cancel", (3, 1, 0)),
        ("cancel again", (2, 0, 0)),
    ];
    assert_eq!(costs, table);
}

#[tokio::test(start_paused = true)]
async fn a_ticket_costs_this_much_from_its_creation_to_its_acceptance() {
    let world = world([
        Script::always(Behaviour::NeverPicksUp),
        Script::always(Behaviour::presses("1", When::OptionsSay(1))),
    ])
    .await;
    let key = create(&world, &brief(2, &json!({ "attempts": 1 }))).await;
    settle(&world).await;
    assert_eq!(load(&world, &key).await.state.name(), "Accepted");
    let runs = world.aws.recorder().runs();
    let of = |function: &str| -> Vec<(u32, u32, u32)> {
        let such = runs.iter().filter(|run| &*run.function == function);
        such.map(cost_of).collect()
    };
    let table = [
        ("dispatches", vec![(2, 1, 0)]),
        (
            "dialer",
            vec![
                // Dial: twice the dispatch (the message is faster than the commit that it belongs to), the lease,
                // the limits of the number, the slot, the claim, what came of it; Watch; Routee's token and the call.
                (7, 1, 2),
                // Dial; the token is still good.
                (7, 1, 1),
                // Two Watches over calls that are over.
                (1, 0, 0),
                (1, 0, 0),
            ],
        ),
        (
            "status-callback",
            vec![
                // Queued, Initiated, Ringing; NoAnswer moves the dispatch.
                (1, 0, 0),
                (1, 0, 0),
                (1, 0, 0),
                (2, 2, 0),
                // Queued, Initiated, Ringing, InProgress; Completed is no news any more.
                (1, 0, 0),
                (1, 0, 0),
                (1, 0, 0),
                (1, 0, 0),
                (2, 0, 0),
            ],
        ),
        // The key; the end of the call, which brings none.
        ("collect-event", vec![(2, 1, 0), (1, 0, 0)]),
        // Twice the dispatch with entry and delivery (the message is faster than the commit that it belongs to), whether the
        // receiver answers, how it stands; the webhook.
        ("notifier", vec![(4, 0, 1), (4, 0, 1)]),
    ];
    let costs = table.each_ref().map(|(function, _)| (*function, of(function)));
    assert_eq!(costs, table);
}

/// The units by which DynamoDB bills, of the ticket in README's table of costs.
#[tokio::test(start_paused = true)]
async fn a_ticket_of_two_calls_writes_and_reads_this_many_units() {
    let world = world([
        Script::always(Behaviour::NeverPicksUp),
        Script::always(Behaviour::presses("1", When::OptionsSay(1))),
    ])
    .await;
    world.aws.dynamodb().meter();
    create(&world, &brief(2, &json!({ "attempts": 1 }))).await;
    settle(&world).await;
    let units: Vec<(String, f64)> = world.aws.dynamodb().units().into_iter().collect();
    let expected = [("by_day", 2.0), ("by_due", 4.0), ("read", 29.0), ("write", 68.0)];
    assert_eq!(units, expected.map(|(name, units)| (name.to_owned(), units)));
}
