//! Transfers over Twilio: a caller comes from voice agent A, pays, and is connected with agent B.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod ambiguities;
mod chance;
#[path = "../common/mod.rs"]
mod common;
mod events;
mod flows;
mod hostile;
mod money;
mod outages;
#[path = "../common/seeds.rs"]
mod seeds;

use patchbay_simulators::twilio::{CallRecord, Callee, CallerScript, PaymentInput};
use patchbay_simulators::world::{TOKEN, World};
use serde_json::{Value, json};

use crate::common::{request, send, world};

const CALLER: &str = "+12025550143";
const CALLBACK: &str = "+12025550177";
const CARD: PaymentInput = PaymentInput::Card("4242424242424242");

/// What agent A sets about the caller.
fn purchase() -> Value {
    json!({
        "caller": CALLER,
        "description": "Two theater seats",
        "price": "42.00",
        "vendor": "acme-stage",
        "callback": CALLBACK,
        "full_name": "Ana Ruiz",
        "memory": "wants row F",
    })
}

fn purchase_with(field: &str, value: impl Into<Value>) -> Value {
    let mut purchase = purchase();
    purchase[field] = value.into();
    purchase
}

async fn post(world: &World, verb: &str, body: &Value) -> Value {
    let query = if verb.contains('?') { '&' } else { '?' };
    let request = request("POST", &format!("/voice/api/v1/twilio/{verb}{query}api_token={TOKEN}"));
    let request = request.header("content-type", "application/json");
    let answer = send(world, request.body(body.to_string().into()).unwrap()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json
}

async fn set(world: &World, body: &Value) {
    assert_eq!(post(world, "set-context", body).await["status"], "success");
}

/// What agent B reads.
async fn get(world: &World) -> Value {
    post(world, "get-context", &json!({ "caller": CALLER })).await
}

/// A world in which agent A has set `purchase`.
async fn world_with(purchase: &Value) -> World {
    let world = world([]).await;
    set(&world, purchase).await;
    world
}

async fn call(world: &World, script: CallerScript) -> CallRecord {
    world.twilio.call(&world.transfer_url().unwrap(), script).await
}

/// A call whose caller pays like this. Everything in it must follow the contract.
async fn pays(world: &World, pays: impl Into<Vec<PaymentInput>>) -> CallRecord {
    let record = call(world, CallerScript::new(CALLER, pays)).await;
    assert_eq!(record.failures, Vec::<String>::new(), "{record:#?}");
    record
}

/// A script whose callback number answers like this.
fn script(pays: impl Into<Vec<PaymentInput>>, callee: Callee) -> CallerScript {
    CallerScript {
        callee,
        ..CallerScript::new(CALLER, pays)
    }
}
