//! Task chains end to end: every request of Agent4 through the deployed handler.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod calls;
#[path = "../common/mod.rs"]
mod common;
mod cost;
mod documents;
mod examples;
mod fetch;
mod hostile;
#[path = "../common/lines.rs"]
mod lines;
mod links;
mod missing;
mod storage;

use bytes::Bytes;
use common::{Answer, ask, request, send, with_token, world};
use patchbay::phone::PhoneNumber;
use patchbay_simulators::agent4::{Agent4, CallRecord, Move, Switches, Turn};
use patchbay_simulators::world::World;
use serde_json::{Value, json};

pub(crate) const CALLER: &str = "+12025550143";
pub(crate) const STRANGER: &str = "+12025550199";
pub(crate) const SHIPSTATION: &str = include_str!("../../../functions/chain-link/examples/shipstation.yaml");
pub(crate) const PIN: &str = include_str!("../../../functions/chain-link/examples/pin.yaml");
pub(crate) const SMS: &str = include_str!("../../../functions/chain-link/examples/sms.yaml");

/// A world without employees.
pub(crate) async fn quiet_world() -> World {
    world([]).await
}

/// Uploads a chain. Returns the response.
pub(crate) async fn put(world: &World, chain: &str, document: &str) -> Answer {
    let builder = with_token("PUT", &format!("/v1/links/{chain}")).header("content-type", "application/yaml");
    send(world, builder.body(Bytes::from(document.to_owned())).unwrap()).await
}

/// Endpoint for Agent4 in the response to an upload, which must have succeeded.
#[track_caller]
pub(crate) fn endpoint(answer: &Answer) -> String {
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    answer.text("/endpoint").to_owned()
}

/// Posts to a chain.
pub(crate) async fn post(world: &World, endpoint: &str, body: &Value) -> Answer {
    let builder = request("POST", endpoint).header("content-type", "application/json");
    send(world, builder.body(Bytes::from(body.to_string())).unwrap()).await
}

/// Request of Agent4 when the model qualifies with `context`.
pub(crate) fn qualified(link: &str, context: &Value) -> Value {
    json!({ "name": link, "action": "qualified", "call_from": CALLER, "call_forwarded_by": "+12025550100", "context": context })
}

/// Simulates a call through a chain. `next_move` decides for the model and the caller.
pub(crate) async fn call(
    world: &World,
    switches: Switches,
    endpoint: &str,
    links: &[&str],
    caller: &str,
    next_move: impl FnMut(&Turn<'_>) -> Move,
) -> CallRecord {
    assert!(PhoneNumber::parse(caller).is_ok() || caller == "anonymous");
    let mut agent = Agent4::new(world.api(), switches, endpoint, links);
    let Value::Object(metadata) = json!({ "greeting": "Welcome to the shop.", "unknown": "x" }) else {
        unreachable!("an object")
    };
    agent.metadata = metadata;
    agent.call(caller, next_move).await
}

/// A document with one link, whose `qualified` has only `rule`, a flow mapping of YAML.
pub(crate) fn one_rule(rule: &str) -> String {
    format!(
        "state: {{seen: null}}\nfallback: {{content: FALLBACK, actions: [{{name: end_call}}]}}\nlinks:\n  - name: a\n    \
         qualified_parameters: {{properties: {{text: {{type: string, maxLength: 70000}}, other: {{}}}}}}\n    \
         initial: [{{content: 'Ask, then call qualified.'}}]\n    qualified: [{rule}]\n    \
         disqualified: [{{actions: [{{name: end_call}}]}}]\n"
    )
}

/// Sends a JSON request to the API.
pub(crate) async fn api(world: &World, method: &str, path: &str, body: &Value) -> Answer {
    ask(world, method, path, body).await
}
