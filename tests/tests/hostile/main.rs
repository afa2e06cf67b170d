//! Whatever is sent to us: nothing panics, nothing that is not ours is written, and whoever is on the phone hears
//! something that is true.

#![expect(clippy::unwrap_used, reason = "a test")]

mod arbitrary;
#[path = "../common/mod.rs"]
mod common;
mod foreign;
mod gateway;
mod outages;
mod patience;
mod references;
mod requests;
mod tokens;

use common::{Answer, brief, create, rings, world};
use patchbay::ids::DispatchKey;
use patchbay::providers::routee::dialplan::{DialPlan, Verb};
use patchbay_simulators::phones::{Behaviour, Script};
use patchbay_simulators::routee::CallRecord;
use patchbay_simulators::world::World;
use serde_json::json;

/// A ticket whose first phone rings, and nobody but the test does anything about it.
async fn ringing() -> (World, DispatchKey, CallRecord) {
    let world = world([Behaviour::Interactive.into(), Script::always(Behaviour::Interactive)]).await;
    let key = create(&world, &brief(2, &json!({ "attempts": 1 }))).await;
    let call = rings(&world, 0, 0).await;
    world.aws.recorder().clear();
    (world, key, call)
}

/// The texts of a dial plan, of which Routee takes any: it has verbs, and says something that is not too long.
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
