//! Invalid and forged input: nothing panics, nothing is written that the sender may not write, and what the employee
//! on the phone hears is true.

#![expect(clippy::unwrap_used, reason = "a test")]

mod arbitrary;
#[path = "../common/mod.rs"]
mod common;
mod encodings;
mod gateway;
mod latency;
mod outages;
mod references;
mod requests;
mod tokens;

use common::{Answer, create, dispatch_body, rings, world};
use patchbay::ids::DispatchKey;
use patchbay::providers::routee::dialplan::{DialPlan, Verb};
use patchbay_simulators::phones::{Behavior, Script};
use patchbay_simulators::routee::CallRecord;
use patchbay_simulators::world::World;
use serde_json::json;

/// A dispatch whose first phone rings. Only the test answers it.
async fn ringing() -> (World, DispatchKey, CallRecord) {
    let world = world([Behavior::Interactive.into(), Script::always(Behavior::Interactive)]).await;
    let key = create(&world, &dispatch_body(2, &json!({ "attempts": 1 }))).await;
    let call = rings(&world, 0, 0).await;
    world.aws.recorder().clear();
    (world, key, call)
}

/// The texts of a dial plan, after checks that Routee accepts it and that it says something.
#[track_caller]
fn spoken(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json", "{answer:?}");
    let plan: DialPlan = serde_json::from_value(answer.json.clone()).unwrap();
    let texts: Vec<String> = plan
        .verbs
        .iter()
        .filter_map(|verb| match verb {
            Verb::Say { message, .. } => Some(message.text.clone()),
            Verb::Pause { duration } => {
                assert!((1..=60).contains(duration), "{answer:?}");
                None
            }
            Verb::Collect { event_url, .. } => {
                assert!(event_url.starts_with("https://hooks.example.org/routee/collect/"));
                None
            }
        })
        .collect();
    assert!(!texts.is_empty(), "{answer:?}");
    assert!(texts.iter().all(|text| (1..=1_000).contains(&text.chars().count())));
    texts
}

/// Whether "you have accepted" is said.
fn says_accepted(texts: &[String]) -> bool {
    texts.iter().any(|text| text.contains("You have accepted"))
}
