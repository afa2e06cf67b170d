//! Logs record what was done, without personal data and without content.
//!
//! One test in its own process: `tracing` caches per call site whether a subscriber listens, so a line that another
//! test logged first, without one, would never be captured.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;
#[path = "common/lines.rs"]
mod lines;

use patchbay_simulators::aws::{Fault, Rule, Service};
use patchbay_simulators::world::TOKEN;
use patchbay_simulators::world::World;
use serde_json::{Value, json};
use tracing::Level;

use crate::common::{request, send, with_token, world};
use crate::lines::Lines;

const CALLER: &str = "+12025550143";

fn purchase() -> Value {
    json!({
        "caller": CALLER,
        "description": "Two theater seats",
        "price": "42.00",
        "vendor": "acme-stage",
        "callback": "+12025550177",
        "email": "c@example.org",
        "full_name": "Ana Ruiz",
        "memory": "wants row F",
    })
}

fn purchase_with(field: &str, value: &str) -> Value {
    let mut purchase = purchase();
    purchase.as_object_mut().unwrap().insert(field.to_owned(), json!(value));
    purchase
}

async fn post(world: &World, path: &str, body: &Value) {
    let request = request("POST", &format!("/voice/api/v1/{path}?api_token={TOKEN}"));
    send(world, request.body(body.to_string().into()).unwrap()).await;
}

async fn request_context(world: &World, method: &str, number: &str) {
    let request = with_token(method, &format!("/v1/contexts/{number}"));
    send(world, request.body(bytes::Bytes::new()).unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn logs_contain_no_personal_data_and_no_content() {
    let (lines, _guard) = Lines::capture(Level::INFO);
    let world = world([]).await;
    post(&world, "twilio/set-context", &purchase()).await;
    post(&world, "twilio/get-context", &json!({ "caller": CALLER })).await;
    for body in [
        purchase_with("price", "forty-two"),
        purchase_with("caller", "sip:ana@example.org"),
        json!({ "caller": [CALLER], "Ana Ruiz": "row F" }),
    ] {
        post(&world, "twilio/set-context", &body).await;
        post(&world, "bland/get-context", &body).await;
        post(&world, "vapi/set-context", &body).await;
    }
    request_context(&world, "GET", CALLER).await;
    request_context(&world, "DELETE", CALLER).await;
    world
        .aws
        .faults()
        .plan(Rule::new(Fault::Refused).service(Service::DynamoDb).times(u32::MAX));
    post(&world, "twilio/set-context", &purchase()).await;
    post(&world, "twilio/get-context", &purchase()).await;

    let text = lines.text();
    for expected in [
        "context set",
        "context read",
        "context deleted",
        "request rejected: invalid fields",
        "a request to DynamoDB failed",
        "…43",
        "see errors: price",
    ] {
        assert!(text.contains(expected), "no {expected:?} in {text}");
    }
    for secret in [
        "2025550143",
        "2025550177",
        "Ruiz",
        "row F",
        "example.org",
        "theater",
        "forty",
        "42.00",
        TOKEN,
    ] {
        assert!(!text.contains(secret), "{secret:?} in {text}");
    }
}
