//! The number of requests that each operation makes: a cold function must answer a webhook within 2 s, and every
//! request is billed.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{
    calls_to, change, cost, cost_of, create, dispatch_body, effects, keys_event, load, rings, send, settle,
    status_event, webhook, world,
};
use patchbay::ids::DispatchKey;
use patchbay_simulators::phones::{Behavior, Script, When};
use patchbay_simulators::routee::CallRecord;
use patchbay_simulators::world::World;
use serde_json::{Value, json};

/// A dispatch whose first phone rings until the test acts.
async fn ringing() -> (World, DispatchKey, CallRecord) {
    let world = world([Behavior::Interactive.into(), Script::always(Behavior::Interactive)]).await;
    let key = create(&world, &dispatch_body(2, &json!({ "attempts": 1 }))).await;
    let call = rings(&world, 0, 0).await;
    world.aws.recorder().clear();
    (world, key, call)
}

/// Posts an event with these keys. Returns the requests to DynamoDB, SQS and HTTP that it caused.
async fn press(world: &World, call: &CallRecord, keys: &str) -> (u32, u32, u32) {
    let url = call.collect_url.as_deref().unwrap();
    let answer = send(world, webhook(url, keys_event(keys).to_string())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    cost(world, "collect-event")
}

/// Posts a status. Returns the requests to DynamoDB, SQS and HTTP that it caused.
async fn status(world: &World, call: &CallRecord, name: &str) -> (u32, u32, u32) {
    let url = call.status_url.as_deref().unwrap();
    let answer = send(world, webhook(url, status_event(name).to_string())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    cost(world, "status-callback")
}

#[tokio::test(start_paused = true)]
async fn a_key_costs_two_requests_to_the_table_and_at_most_one_to_each_queue() {
    // Key 1 sends the webhook. Key 2 sends the next call and the webhook, concurrently. A wrong key is only recorded.
    for (keys, queue) in [("1", 1), ("2", 2), ("7", 0), ("*", 0)] {
        let (world, ..) = ringing().await;
        let call = calls_to(&world, 0).remove(0);
        assert_eq!(press(&world, &call, keys).await, (2, queue, 0), "key {keys}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_without_effect_is_within_the_budget() {
    let (world, key, call) = ringing().await;
    assert_eq!(press(&world, &call, "1").await, (2, 1, 0));
    // The acceptor presses again: nothing changes.
    assert_eq!(press(&world, &call, "1").await, (1, 0, 0));
    assert_eq!(press(&world, &call, "2").await, (1, 0, 0));
    change(&world, &key, "resolve").await;
    // Too late: it is recorded.
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
        // A message to check which keys were pressed.
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
async fn api_requests_stay_within_their_budgets() {
    let world = world([Script::always(Behavior::Interactive)]).await;
    let mut costs = Vec::new();
    let mut record = |what, world: &World| costs.push((what, cost(world, "dispatches")));
    let key = create(&world, &dispatch_body(1, &json!({}))).await;
    record("create", &world);
    for (what, method, path, body) in [
        ("preview", "POST", "/preview".to_owned(), dispatch_body(1, &json!({}))),
        ("show", "GET", format!("/{}", key.id), Value::Null),
        ("cancel", "POST", format!("/{}/cancel", key.id), Value::Null),
        ("cancel again", "POST", format!("/{}/cancel", key.id), Value::Null),
    ] {
        let answer = common::ask(&world, method, &format!("/v1/dispatches{path}"), &body).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        record(what, &world);
    }
    let table = [
        // The token, the commit; Dial.
        ("create", (2, 1, 0)),
        ("preview", (1, 0, 0)),
        // The token, the dispatch, its timeline, the status of its webhooks.
        ("show", (4, 0, 0)),
        // The token, the dispatch, the commit; the notification.
        ("cancel", (3, 1, 0)),
        ("cancel again", (2, 0, 0)),
    ];
    assert_eq!(costs, table);
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_stays_within_its_budget_until_it_is_accepted() {
    let world = world([
        Script::always(Behavior::NeverPicksUp),
        Script::always(Behavior::presses("1", When::OptionsSay(1))),
    ])
    .await;
    let key = create(&world, &dispatch_body(2, &json!({ "attempts": 1 }))).await;
    settle(&world).await;
    assert_eq!(load(&world, &key).await.state.name(), "Accepted");
    let runs = world.aws.recorder().runs();
    let costs_of = |function: &str| -> Vec<(u32, u32, u32)> {
        let runs = runs.iter().filter(|run| &*run.function == function);
        runs.map(cost_of).collect()
    };
    let table = [
        ("dispatches", vec![(2, 1, 0)]),
        (
            "dialer",
            vec![
                // Dial: the dispatch twice (the message arrives before its commit), the lease, the limits of the
                // number, the slot, the claim, the outcome; Watch; Routee's token and the call.
                (7, 1, 2),
                // Dial; the token is still valid.
                (7, 1, 1),
                // Two Watch messages for calls that have ended.
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
                // Queued, Initiated, Ringing, InProgress; Completed changes nothing.
                (1, 0, 0),
                (1, 0, 0),
                (1, 0, 0),
                (1, 0, 0),
                (2, 0, 0),
            ],
        ),
        // The key; the end of the call, without a key.
        ("collect-event", vec![(2, 1, 0), (1, 0, 0)]),
        // The dispatch twice, with entry and delivery (the message arrives before its commit), whether the receiver
        // answers, the status of the delivery; the webhook.
        ("notifier", vec![(4, 0, 1), (4, 0, 1)]),
    ];
    let costs = table.each_ref().map(|(function, _)| (*function, costs_of(function)));
    assert_eq!(costs, table);
}

/// The capacity units by which DynamoDB bills the dispatch in README's table of costs.
#[tokio::test(start_paused = true)]
async fn a_dispatch_with_two_calls_stays_within_its_capacity_units() {
    let world = world([
        Script::always(Behavior::NeverPicksUp),
        Script::always(Behavior::presses("1", When::OptionsSay(1))),
    ])
    .await;
    world.aws.dynamodb().start_metering();
    create(&world, &dispatch_body(2, &json!({ "attempts": 1 }))).await;
    settle(&world).await;
    let units: Vec<(String, f64)> = world.aws.dynamodb().consumed_units().into_iter().collect();
    let expected = [("by_day", 2.0), ("by_due", 4.0), ("read", 29.0), ("write", 68.0)];
    assert_eq!(units, expected.map(|(name, units)| (name.to_owned(), units)));
}

/// A bot that answers one question without a lookup.
const BOT: &str = r#"{"greeting": "Hello.", "debounce_ms": 200, "faq": {"entries": [
    {"name": "hours", "questions": ["When are you open?"], "answer": "From nine to five."}
]}}"#;

/// The requests of each invocation of a function since the recorder was cleared.
fn costs_of(world: &World, function: &str) -> Vec<(u32, u32, u32)> {
    let runs = world.aws.recorder().runs();
    runs.iter()
        .filter(|run| &*run.function == function)
        .map(cost_of)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_question_in_a_chat_and_its_answer_stay_within_their_budget() {
    let world = world([]).await;
    world.put_bot("support", BOT).await.unwrap();
    let chat = world.chat.customer_opens(7).unwrap();
    world.chat.customer_writes(chat, "Hello").unwrap();
    settle(&world).await;
    world.aws.recorder().clear();
    world.chat.customer_writes(chat, "When are you open?").unwrap();
    settle(&world).await;
    // The question, the platform's report of the answer, and that the customer has read it: the last one is no event.
    assert_eq!(costs_of(&world, "bot"), [(0, 1, 0), (0, 1, 0), (0, 0, 0)]);
    let table = [
        // Receive: connection, document, conversation, commit; Turn.
        (4, 1, 0),
        // Turn, with the post of the answer, and the messages that take over if this invocation dies.
        (6, 3, 1),
        // What the platform reports of the answer, and messages that turn out not to be needed.
        (2, 0, 0),
        (2, 0, 0),
        (1, 0, 0),
        (1, 0, 0),
    ];
    assert_eq!(costs_of(&world, "responder"), table);
}
