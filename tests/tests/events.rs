//! The events in `tests/events`, in the format of AWS, are routed to their functions and processed. They all belong to
//! one dispatch, which `dispatches-create.json` creates.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;
#[path = "common/template.rs"]
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use common::{Answer, our_callbacks, text, world};
use patchbay::access::{Scope, TokenRecord};
use patchbay::chat::Platform;
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, Nonce, Tenant};
use patchbay::store::ChatConnection;
use patchbay::voice::Provider;
use patchbay::web::auth::token_hash;
use patchbay_simulators::world::World;
use serde_json::{Value, json};

/// The inbox in the events.
const INBOX: u64 = 7;
/// The token in the events.
const TOKEN: &str = "pb_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("events")
}

fn event(name: &str) -> String {
    fs::read_to_string(directory().join(name)).unwrap()
}

/// The dispatch of all events.
fn key() -> DispatchKey {
    let tenant: Tenant = "example".parse().unwrap();
    let id = DispatchId::for_idempotency_key(&tenant, "INC-4711");
    DispatchKey { tenant, id }
}

async fn world_with_token() -> World {
    let world = world([]).await;
    let record = TokenRecord {
        tenant: key().tenant,
        scopes: Scope::ALL.into(),
        expires_at: None,
        revoked: false,
    };
    world.store.put_token(&token_hash(TOKEN), &record).await.unwrap();
    world
}

async fn invoke(world: &World, name: &str) -> Answer {
    world.invoke(&event(name)).await.unwrap().into()
}

#[tokio::test(start_paused = true)]
async fn api_gateway_events_take_a_dispatch_from_creation_to_its_end() {
    let world = world_with_token().await;
    let created = invoke(&world, "dispatches-create.json").await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.text("/id"), key().id.to_string());
    for name in ["dispatches-preview.json", "dispatches-list.json", "dispatches-get.json"] {
        let answer = invoke(&world, name).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
    }

    let status = invoke(&world, "status-callback.json").await;
    assert_eq!((status.status, &status.json), (200, &json!({})), "{status:?}");
    for name in ["collect-event.json", "collect-event-form.json"] {
        let answer = invoke(&world, name).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        assert!(!common::list(&answer.json, "/verbs").is_empty(), "{name}: {answer:?}");
    }
    let now = invoke(&world, "dispatches-get.json").await;
    assert_eq!(text(&now.json, "/accepted/employee/id"), "anna", "{now:?}");

    let webhooks = invoke(&world, "dispatches-webhooks.json").await;
    let listed = common::list(&webhooks.json, "/webhooks");
    assert_eq!((webhooks.status, listed.len()), (200, 1), "{webhooks:?}");
    // No webhook was sent for the event that it names.
    invoke(&world, "dispatches-resend.json")
        .await
        .is_problem(404, "not-found");

    for (name, status) in [("dispatches-resolve.json", 200), ("dispatches-cancel.json", 409)] {
        let answer = invoke(&world, name).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn task_chain_events_write_call_and_delete_a_chain() {
    let world = world_with_token().await;
    for (name, pointer, expected) in [
        ("links-put.json", "/links/0", "order_start"),
        ("links-list.json", "/links/0/chain", "orders"),
        ("links-get.json", "/document/links/0/name", "order_start"),
        ("links-test.json", "/answered_by", "links[0].qualified[0]"),
        (
            "chain-link-initial.json",
            "/content",
            "Ask for the order number, then call qualified with it.",
        ),
        (
            "chain-link-qualified.json",
            "/content",
            "Thank you for Q, X, dash, 1, 0, 0, 9.",
        ),
    ] {
        let answer = invoke(&world, name).await;
        assert_eq!(
            (answer.status, answer.text(pointer)),
            (200, expected),
            "{name}: {answer:?}"
        );
    }
    let endpoint = invoke(&world, "links-endpoint.json").await;
    for name in ["chain-link-initial.json", "chain-link-qualified.json"] {
        let event: Value = serde_json::from_str(&event(name)).unwrap();
        assert!(
            endpoint.text("/endpoint").ends_with(text(&event, "/rawPath")),
            "{endpoint:?}"
        );
    }
    assert_eq!(invoke(&world, "links-delete.json").await.status, 204);
}

/// Connects the bot of the events to the first inbox of the platform, as `patchbay bot connect` does.
async fn connect_bot(world: &World) {
    let bot_url = our_callbacks().bot_url(Platform::Sangoma, &key().tenant);
    let bot_id = world.chat.connect_bot("Acme bot", &bot_url, &[INBOX]).to_string();
    let widget = json!({
        "title": "Help",
        "topics": [{ "name": "orders", "title": "Orders", "inbox": INBOX.to_string() }],
    });
    let connection = ChatConnection {
        platform: Platform::Sangoma,
        bot_id: bot_id.parse().unwrap(),
        name: "Acme bot".to_owned(),
        inboxes: [(INBOX.to_string().parse().unwrap(), "support".parse().unwrap())].into(),
        bot_url,
        events_url: None,
        widget: Some(serde_json::from_value(widget).unwrap()),
        updated_at: world.clock.now(),
    };
    world.store.put_connection(&key().tenant, &connection).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn chat_events_are_answered_and_change_who_holds_the_conversation() {
    let world = world_with_token().await;
    for (name, pointer, expected) in [
        ("bots-put.json", "/bot", "support"),
        ("bots-list.json", "/bots/0/bot", "support"),
        ("bots-get.json", "/document/faq/entries/0/name", "parcel"),
        ("bots-test.json", "/exchanges/0/posts/0", "It arrives tomorrow."),
    ] {
        let answer = invoke(&world, name).await;
        assert_eq!(
            (answer.status, answer.text(pointer)),
            (200, expected),
            "{name}: {answer:?}"
        );
    }
    connect_bot(&world).await;
    // The conversation of the events.
    assert_eq!(world.chat.customer_opens(INBOX), Ok(1201));
    for name in ["bot-webhook.json", "bot-events.json"] {
        let answer = invoke(&world, name).await;
        assert_eq!((answer.status, &answer.json), (200, &json!({})), "{name}: {answer:?}");
    }
    common::settle(&world).await;
    let posts = world.chat.posts_of_bot();
    assert!(
        posts.iter().any(|post| post.text.contains("It arrives tomorrow.")),
        "{posts:?}"
    );
    for (name, pointer, expected) in [
        ("conversations-list.json", "/conversations/0/id", "1201"),
        ("conversations-get.json", "/holder", "bot"),
        ("conversations-hand-over.json", "/holder", "handing_off"),
        ("conversations-give-back.json", "/holder", "bot"),
    ] {
        let answer = invoke(&world, name).await;
        assert_eq!(
            (answer.status, answer.text(pointer)),
            (200, expected),
            "{name}: {answer:?}"
        );
    }
    for name in ["chat-queue-call.json", "chat-agent-call.json"] {
        assert_eq!(invoke(&world, name).await.status, 202, "{name}");
    }
    assert_eq!(invoke(&world, "bots-delete.json").await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn chat_page_events_start_a_conversation() {
    let world = world_with_token().await;
    connect_bot(&world).await;
    let started = invoke(&world, "widget-start.json").await;
    assert_eq!(
        (started.status, started.text("/conversation")),
        (201, "1201"),
        "{started:?}"
    );
    for name in [
        "widget-page.json",
        "widget-asset.json",
        "widget-send.json",
        "widget-read.json",
    ] {
        let answer = invoke(&world, name).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_references_in_the_events_have_our_signature() {
    let attempt = AttemptId {
        ordinal: 1,
        employee: 0,
        nonce: Nonce::new(0x9f8a_7b6c_5d4e_3f2a),
    };
    for (name, url) in [
        (
            "collect-event.json",
            our_callbacks().keys_url(Provider::Routee, &key(), attempt, 0),
        ),
        (
            "collect-event-form.json",
            our_callbacks().keys_url(Provider::Routee, &key(), attempt, 0),
        ),
        (
            "status-callback.json",
            our_callbacks().status_url(Provider::Routee, &key(), attempt, None),
        ),
        (
            "bot-webhook.json",
            our_callbacks().bot_url(Platform::Sangoma, &key().tenant),
        ),
        (
            "bot-events.json",
            our_callbacks().events_url(Platform::Sangoma, &key().tenant),
        ),
        ("widget-page.json", our_callbacks().widget_url(&key().tenant)),
    ] {
        let event: Value = serde_json::from_str(&event(name)).unwrap();
        assert!(url.ends_with(text(&event, "/rawPath")), "{name}: {url}");
    }
}

#[tokio::test(start_paused = true)]
async fn sqs_events_are_consumed() {
    let world = world_with_token().await;
    for function in ["dialer", "notifier", "responder", "messenger"] {
        let event = serde_json::from_str(&event(&format!("{function}.json"))).unwrap();
        let response = world.consume(function, event).await.unwrap();
        assert_eq!(response.batch_item_failures, [], "{function}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_schedule_event_runs_the_sentinel() {
    let world = world_with_token().await;
    let report = world
        .run_sentinel(serde_json::from_str(&event("sentinel.json")).unwrap())
        .await;
    assert!(report.unwrap().well, "{report:?}");
}

#[test]
fn every_event_file_is_used_by_a_test() {
    let files: BTreeSet<String> = fs::read_dir(directory())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let source = concat!(
        include_str!("events.rs"),
        include_str!("calls/events.rs"),
        include_str!("context/events.rs"),
        include_str!("messages/events.rs"),
        include_str!("transfer/events.rs")
    );
    let unused: Vec<&String> = files
        .iter()
        .filter(|name| {
            let function = name.trim_end_matches(".json");
            !source.contains(&format!("{name}\"")) && !source.contains(&format!("\"{function}\""))
        })
        .collect();
    assert_eq!(unused, Vec::<&String>::new());
}

const WORKSPACE: &str = include_str!("../../Cargo.toml");
const README: &str = include_str!("../README.md");

/// The text of a table in the workspace's Cargo.toml.
fn table(name: &str) -> &'static str {
    let table = WORKSPACE.split_once(&format!("\n[{name}]\n")).unwrap().1;
    table.split_once("\n[").map_or(table, |(table, _)| table)
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

#[test]
fn cargo_lambda_watch_has_the_routes_of_the_template() {
    let (functions, routes) = (template::names(), template::routes());
    assert!(functions.len() >= 10 && routes.len() >= 22, "{functions:?} {routes:?}");
    let (mut path, mut method) = ("", "");
    let mut watched = BTreeMap::new();
    for word in quoted(table("workspace.metadata.lambda.watch.router")) {
        if word.starts_with('/') {
            path = word;
        } else if functions.contains(word) {
            watched.insert(format!("{method} {path}"), word.to_owned());
        } else {
            method = word;
        }
    }
    template::agrees("Cargo.toml", &template::lines(&watched), &template::lines(&routes));
}

#[test]
fn one_cargo_command_builds_every_function() {
    let built: BTreeSet<String> = quoted(table("workspace.metadata.lambda.build"))
        .map(str::to_owned)
        .collect();
    template::agrees("Cargo.toml", &built, &template::names());
}

#[test]
fn readme_invokes_every_function_with_its_event() {
    let (functions, routes) = (template::names(), template::routes());
    let mut invoked = BTreeSet::new();
    for line in README.lines().filter(|line| line.starts_with("cargo lambda invoke ")) {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, _, _, function, "--data-file", file] = words[..] else {
            panic!("{line}")
        };
        let event: Value = serde_json::from_str(&event(file.strip_prefix("tests/events/").unwrap())).unwrap();
        match event["routeKey"].as_str() {
            Some(route) => assert_eq!(routes[route], function, "{line}"),
            None if event["source"] == "aws.events" => assert_eq!(function, "sentinel", "{line}"),
            None => assert!(event["Records"][0]["messageId"].is_string(), "{line}"),
        }
        invoked.insert(function.to_owned());
    }
    template::agrees("README", &invoked, &functions);
}
