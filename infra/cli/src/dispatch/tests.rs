use std::time::Duration;

use patchbay_simulators::aws::{Fault, Rule, Service};
use patchbay_simulators::world::World;
use serde_json::{Value, json};

use super::*;
use crate::story::{create_dispatch, dispatch_key};
use crate::testing::{clients, deployment, json_of, text_of, world};

pub(crate) async fn ticket(world: &World, reference: &str) -> DispatchKey {
    let request = json!({
        "ticket": { "reference": reference, "text": "Pump four has stopped." },
        "employees": [
            { "id": "anna", "name": "Anna", "phone": "+12025550101" },
            { "id": "ben", "name": "Ben", "phone": "+12025550102" },
        ],
        "policy": { "attempts": 1 },
    });
    dispatch_key(&create_dispatch(world, &request).await.expect("created")).expect("an id")
}

/// A ticket with a webhook.
async fn ticket_with_webhook(world: &World) -> DispatchKey {
    let request = json!({
        "ticket": { "text": "Pump four has stopped." },
        "employees": [
            { "name": "Anna", "phone": "+12025550101" },
            { "name": "Ben", "phone": "+12025550102" },
        ],
        "policy": { "attempts": 1 },
        "webhook": { "url": "https://requester.example.org/hook?key=hidden" },
    });
    dispatch_key(&create_dispatch(world, &request).await.expect("created")).expect("an id")
}

fn filter(limit: u16, days: u16, open: bool) -> List {
    List { limit, days, open }
}

async fn references(world: &World, filter: &List) -> Vec<Value> {
    let tenant = "main".parse().expect("a tenant");
    let document = json_of(async |output| list(&world.store, &world.clock, &tenant, filter, output).await).await;
    let lines = document["dispatches"].as_array().expect("a list").iter();
    lines.map(|line| line["reference"].clone()).collect()
}

/// Runs every subcommand, for the check of the documented permissions.
pub(crate) async fn run_all(world: &World, key: &DispatchKey) {
    assert_eq!(references(world, &filter(20, 7, false)).await.len(), 1);
    text_of(async |output| show(&world.store, &world.clock, key, output).await).await;
    let engine = clients(world).engine(&deployment());
    json_of(async |output| cancel(&engine, key, output).await.map(drop)).await;
    let key = ticket_with_webhook(world).await;
    assert!(world.settle(Duration::from_hours(1)).await);
    let listed = webhooks_of(world, &key).await;
    let id = listed[0]["id"].as_str().expect("an id").to_owned();
    json_of(async |output| webhooks::resend(&engine, &key, &id, output).await).await;
}

async fn webhooks_of(world: &World, key: &DispatchKey) -> Vec<Value> {
    let document = json_of(async |output| webhooks::list(&world.store, key, output).await).await;
    document["webhooks"].as_array().expect("a list").clone()
}

#[tokio::test(start_paused = true)]
async fn webhooks_are_listed_and_sent_again_under_the_same_id() {
    let world = world().await;
    let faults = world.aws.faults();
    let refused = Rule::new(Fault::InternalError)
        .service(Service::Http)
        .function("notifier");
    faults.plan(refused);
    let key = ticket_with_webhook(&world).await;
    assert!(world.settle(Duration::from_hours(1)).await);
    let text = text_of(async |output| webhooks::list(&world.store, &key, output).await).await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "2 webhooks to requester.example.org, OnChange");
    for (line, parts) in lines[1..].iter().zip([
        ["dispatch.no_answer", "Delivered after 2 attempts: 204 No Content"],
        ["dispatch.accepted", "Delivered after 1 attempt: 204 No Content"],
    ]) {
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
    assert!(!text.contains("hidden"), "{text}");
    let shown = text_of(async |output| show(&world.store, &world.clock, &key, output).await).await;
    assert!(shown.contains("2 webhooks delivered\n"), "{shown}");

    let before = world.notifications().len();
    let id = webhooks_of(&world, &key).await[1]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let engine = clients(&world).engine(&deployment());
    let text = text_of(async |output| webhooks::resend(&engine, &key, &id, output).await).await;
    assert!(text.starts_with(&format!("sending {id} again")), "{text}");
    assert!(world.settle(Duration::from_hours(1)).await);
    let all = world.notifications();
    assert_eq!(all.len(), before + 1);
    let again = all.last().expect("one more").request.headers();
    assert_eq!(again["webhook-id"], id.as_str());

    let mut buffer = Vec::new();
    let mut output = Output::new(&mut buffer, crate::output::Format::Text);
    let error = webhooks::resend(&engine, &key, "msg_0", &mut output)
        .await
        .expect_err("no such webhook");
    assert!(error.to_string().contains("has no webhook msg_0"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn failed_deliveries_show_in_the_dispatch() {
    let world = world().await;
    let rule = Rule::new(Fault::Throttled).service(Service::Http).function("notifier");
    world.aws.faults().plan(rule.times(u32::MAX));
    let key = ticket_with_webhook(&world).await;
    world.clock.sleep(Duration::from_mins(5)).await;
    let shown = text_of(async |output| show(&world.store, &world.clock, &key, output).await).await;
    assert!(
        shown.contains("0 webhooks delivered, 2 to be retried, next at "),
        "{shown}"
    );
    assert!(world.settle(Duration::from_hours(48)).await);
    let shown = text_of(async |output| show(&world.store, &world.clock, &key, output).await).await;
    assert!(shown.contains("0 webhooks delivered, 2 failed\n"), "{shown}");
    let text = text_of(async |output| webhooks::list(&world.store, &key, output).await).await;
    assert!(
        ["Failed after 11 attempts", "Failed after 12 attempts"]
            .iter()
            .any(|part| text.contains(part)),
        "{text}"
    );
    assert!(text.contains("gave up after 24 h: 429 Too Many Requests"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn list_goes_back_over_days_newest_first_up_to_its_limit() {
    let world = world().await;
    ticket(&world, "OLD").await;
    world.clock.sleep(Duration::from_hours(48)).await;
    ticket(&world, "NEW").await;
    ticket(&world, "NEWEST").await;
    assert_eq!(
        references(&world, &filter(20, 7, false)).await,
        ["NEWEST", "NEW", "OLD"]
    );
    assert_eq!(references(&world, &filter(20, 2, false)).await, ["NEWEST", "NEW"]);
    assert_eq!(references(&world, &filter(1, 7, false)).await, ["NEWEST"]);
}

#[tokio::test(start_paused = true)]
async fn list_of_open_dispatches_omits_those_that_are_over() {
    let world = world().await;
    let key = ticket(&world, "GONE").await;
    let engine = clients(&world).engine(&deployment());
    json_of(async |output| cancel(&engine, &key, output).await.map(drop)).await;
    ticket(&world, "OPEN").await;
    assert_eq!(references(&world, &filter(20, 7, true)).await, ["OPEN"]);
}

#[tokio::test(start_paused = true)]
async fn show_prints_the_timeline_in_order_with_masked_numbers() {
    let world = world().await;
    let key = ticket(&world, "INC-1").await;
    assert!(world.settle(Duration::from_hours(1)).await);
    let text = text_of(async |output| show(&world.store, &world.clock, &key, output).await).await;
    let parts = [
        "INC-1  Pump four has stopped.",
        &format!("{}  Accepted by Ben, 2 calls, round 1", key.id),
        "Anna …01, Ben …02",
        "2026-11-23",
        "· Created, 2 people to phone",
        "☎ Phoning Anna",
        "▶ No answer from Anna: not picked up (call 1)",
        "☎ Phoning Ben",
        "▶ Ben pressed 1: accepted",
    ];
    let mut from = 0;
    for part in parts {
        let at = text[from..].find(part);
        from += at.unwrap_or_else(|| panic!("no {part:?} after byte {from} of\n{text}")) + part.len();
    }
    assert!(!text.contains("202555"), "{text}");
    assert!(!text.contains("Plan, if"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn show_of_an_open_dispatch_prints_the_plan() {
    let world = world().await;
    let key = ticket(&world, "INC-1").await;
    world.clock.sleep(Duration::from_secs(5)).await;
    let text = text_of(async |output| show(&world.store, &world.clock, &key, output).await).await;
    let (_, plan) = text.split_once("Plan, if nobody picks up\n").expect("a plan");
    for part in [
        "Anna ×1, until",
        "Ben ×1, until",
        "Waiting, resumes at",
        "expires at 2026-11-",
    ] {
        assert!(plan.contains(part), "no {part:?} in\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn json_of_show_equals_the_response_of_the_api() {
    let world = world().await;
    let key = ticket(&world, "INC-1").await;
    assert!(world.settle(Duration::from_hours(1)).await);
    let shown = json_of(async |output| show(&world.store, &world.clock, &key, output).await).await;
    let request = http::Request::get(format!("https://hooks.example.org/v1/dispatches/{}", key.id));
    let request = request.header("authorization", format!("Bearer {}", patchbay_simulators::world::TOKEN));
    let answer = world.send(request.body(bytes::Bytes::new()).expect("a request")).await;
    let answer: Value = serde_json::from_slice(answer.expect("an answer").body()).expect("JSON");
    assert_eq!(shown, answer);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_dispatch_is_not_phoned_again() {
    let world = world().await;
    let key = ticket(&world, "INC-1").await;
    world.clock.sleep(Duration::from_secs(10)).await;
    assert_eq!(world.routee.live_calls().len(), 1);
    let engine = clients(&world).engine(&deployment());
    let text = text_of(async |output| cancel(&engine, &key, output).await.map(drop)).await;
    assert_eq!(text, format!("{} is Cancelled\n", key.id));
    assert!(world.settle(Duration::from_mins(10)).await);
    assert_eq!(world.routee.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn cancel_works_from_a_machine_whose_clock_is_ahead() {
    let world = world().await;
    let key = ticket(&world, "INC-1").await;
    world.clock.sleep(Duration::from_secs(10)).await;
    let mut engine = clients(&world).engine(&deployment());
    engine.clock = world.clock.ahead_by(600_000);
    let began = world.clock.now();
    let text = text_of(async |output| cancel(&engine, &key, output).await.map(drop)).await;
    assert_eq!(text, format!("{} is Cancelled\n", key.id));
    assert!(world.clock.now().since(began) < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn cancel_only_sends_a_message_and_takes_effect_when_the_dialer_runs_again() {
    let world = world().await;
    let key = ticket(&world, "INC-1").await;
    world.clock.sleep(Duration::from_secs(10)).await;
    let now = world.clock.now();
    world.aws.faults().crash_during("dialer", now..now.plus_seconds(300));
    world.aws.recorder().clear();
    let engine = clients(&world).engine(&deployment());
    let mut buffer = Vec::new();
    let mut output = Output::new(&mut buffer, crate::output::Format::Text);
    let error = cancel(&engine, &key, &mut output)
        .await
        .expect_err("the dialer is down");
    assert!(error.to_string().starts_with("the dialer has not cancelled"), "{error}");
    let ours = world.aws.recorder().log();
    let ours = ours.iter().filter(|request| request.function.is_empty());
    assert!(
        ours.clone()
            .all(|request| ["GetItem", "SendMessageBatch"].contains(&request.operation.as_str()))
    );
    world.clock.sleep(Duration::from_mins(10)).await;
    let dispatch = world.store.load(&key).await.expect("a table").expect("a dispatch");
    assert_eq!(dispatch.state.name(), "Cancelled");
}

#[tokio::test(start_paused = true)]
async fn an_accepted_dispatch_cannot_be_cancelled() {
    let world = world().await;
    let key = ticket(&world, "INC-1").await;
    assert!(world.settle(Duration::from_hours(1)).await);
    let engine = clients(&world).engine(&deployment());
    let text = json_of(async |output| {
        assert!(!cancel(&engine, &key, output).await?);
        Ok(())
    })
    .await;
    assert_eq!(text, json!({ "id": key.id, "status": "Accepted", "cancelled": false }));
}

#[tokio::test(start_paused = true)]
async fn show_of_an_unknown_dispatch_fails() {
    let world = world().await;
    let key = DispatchKey {
        tenant: "main".parse().expect("a tenant"),
        id: DispatchId::new(7),
    };
    let mut buffer = Vec::new();
    let mut output = Output::new(&mut buffer, crate::output::Format::Text);
    let error = show(&world.store, &world.clock, &key, &mut output)
        .await
        .expect_err("nothing");
    assert_eq!(
        error.to_string(),
        "main has no dispatch dsp_00000000000000000000000000000007"
    );
}
