//! Caller context for voice agents, end to end.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod budget;
#[path = "../common/mod.rs"]
mod common;
mod events;
mod hostile;
mod platforms;
mod rules;
mod store;
mod tokens;

use patchbay::access::{Scope, TokenRecord};
use patchbay::context::{Context, ContextKey, Version};
use patchbay::web::auth::token_hash;
use patchbay_simulators::world::{TOKEN, World};
use serde_json::{Value, json};

use crate::common::{Answer, phone, request, send};

const CALLER: &str = "+12025550143";
const CALLBACK: &str = "+12025550177";

/// A purchase as a theater's agent sends it.
fn purchase() -> Value {
    json!({
        "caller": CALLER,
        "description": "Two theatre seats",
        "price": "42.00",
        "vendor": "acme-stage",
        "callback": CALLBACK,
        "customer_id": "",
        "email": "c@example.org",
        "full_name": "Ana Ruiz",
        "memory": "wants row F",
        "persona": "english-jessica",
        "transaction_type": "once",
    })
}

/// As [`purchase`], with one field added or replaced.
fn purchase_with(field: &str, value: impl Into<Value>) -> Value {
    let mut purchase = purchase();
    purchase[field] = value.into();
    purchase
}

/// As [`purchase`], without one field.
fn purchase_without(field: &str) -> Value {
    let mut purchase = purchase();
    purchase.as_object_mut().unwrap().remove(field).unwrap();
    purchase
}

/// Posts as the published snippets do: a JSON body, and the token in the query.
async fn post(world: &World, path: &str, body: &Value) -> Answer {
    post_as(world, TOKEN, path, body).await
}

async fn post_as(world: &World, token: &str, path: &str, body: &Value) -> Answer {
    let query = if path.contains('?') { '&' } else { '?' };
    let request = request("POST", &format!("/voice/api/v1/{path}{query}api_token={token}"));
    let request = request.header("content-type", "application/json");
    send(world, request.body(body.to_string().into()).unwrap()).await
}

async fn set(world: &World, body: &Value) {
    let answer = post(world, "twilio/set-context", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        (answer.text("/status"), answer.text("/message/caller")),
        ("success", CALLER)
    );
}

async fn get(world: &World) -> Value {
    let answer = post(world, "twilio/get-context", &json!({ "caller": CALLER })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json
}

/// Sends a request to our own API: the versions of a caller's context (`GET`), or to forget the caller (`DELETE`).
async fn own(world: &World, method: &str, number: &str) -> Answer {
    let request = common::with_token(method, &format!("/v1/contexts/{number}"));
    send(world, request.body(bytes::Bytes::new()).unwrap()).await
}

fn key(tenant: &str) -> ContextKey {
    ContextKey {
        tenant: tenant.parse().unwrap(),
        caller: phone(CALLER),
    }
}

async fn load(world: &World) -> Option<Context> {
    world.store.context(&key("main"), world.clock.now()).await.unwrap()
}

/// Stores a token of 64 times `digit`, with `change` applied to its record. Returns the token.
async fn token(world: &World, digit: char, change: impl FnOnce(&mut TokenRecord)) -> String {
    let token = format!("pb_{}", digit.to_string().repeat(64));
    let mut record = TokenRecord {
        tenant: "main".parse().unwrap(),
        scopes: Scope::ALL.into_iter().collect(),
        expires_at: None,
        revoked: false,
    };
    change(&mut record);
    world.store.put_token(&token_hash(&token), &record).await.unwrap();
    token
}

/// Asserts that this is an error in the platforms' format. Returns the fields that it names.
#[track_caller]
fn is_error(answer: &Answer, status: u16) -> Vec<String> {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json", "{answer:?}");
    assert_eq!(answer.text("/status"), "error", "{answer:?}");
    assert!(!answer.text("/message/detail").is_empty(), "{answer:?}");
    assert!(
        answer.text("/message/type").starts_with("urn:patchbay:problem:"),
        "{answer:?}"
    );
    let errors = answer.json.pointer("/message/errors").and_then(Value::as_array);
    let field = |error: &Value| common::text(error, "/field").to_owned();
    errors.map_or_else(Vec::new, |errors| errors.iter().map(field).collect())
}

/// Description of a version's purchase, or an empty one.
fn described(version: &Version) -> &str {
    version
        .data
        .purchase
        .as_ref()
        .map_or("", |purchase| &purchase.description)
}
