//! Webhooks with a valid reference and an arbitrary body: Routee always receives 200, and the call always continues.

use patchbay::dispatch::State;
use patchbay::voice::Provider;
use patchbay_simulators::world::World;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{load, our_callbacks, send, unknown_attempt, webhook};
use crate::{ringing, says_accepted, spoken};

/// Any JSON of limited depth.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[0-9*#, ]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(field(), inner, 0..5).prop_map(|fields| json!(fields)),
        ]
    })
}

/// Names of fields, mostly those that have a meaning.
fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec![
            "collectedTones", "messageId", "conversationTrackingId", "status", "name", "updatedDate", "to", "from",
        ])
        .prop_map(str::to_owned),
        1 => ".{0,8}",
    ]
}

/// An event with the right fields and arbitrary values.
fn any_event() -> impl Strategy<Value = Value> {
    (
        any_json(),
        any_json(),
        any_json(),
        prop::sample::select(vec!["NoAnswer", "Busy", "Ringing", "Completed", "x"]),
    )
        .prop_map(|(tones, message, tracking, status)| {
            json!({
                "collectedTones": tones,
                "messageId": message,
                "conversationTrackingId": tracking,
                "status": { "name": status, "updatedDate": message },
            })
        })
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        any_json().prop_map(|json| json.to_string().into_bytes()),
        any_event().prop_map(|json| json.to_string().into_bytes()),
        "(collectedTones|messageId|x)=[0-9*#%A-F&=+]{0,20}".prop_map(String::into_bytes),
    ]
}

/// Sends each body to every callback URL.
async fn send_to_all_urls(bodies: &[Vec<u8>]) {
    let (world, key, call) = ringing().await;
    let (status, collect) = (call.status_url.unwrap(), call.collect_url.unwrap());
    let (missing, attempt) = unknown_attempt();
    let ours = our_callbacks();
    for body in bodies {
        expect_true_answer(&world, &collect, body, Some(&key)).await;
        expect_true_answer(&world, &format!("{collect}?again=300&again=x"), body, Some(&key)).await;
        expect_true_answer(
            &world,
            &ours.keys_url(Provider::Routee, &missing, attempt, 0),
            body,
            None,
        )
        .await;
        for url in [&status, &ours.status_url(Provider::Routee, &missing, attempt, Some(1))] {
            let answer = send(&world, webhook(url, body.clone())).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
}

async fn expect_true_answer(world: &World, url: &str, body: &[u8], key: Option<&patchbay::ids::DispatchKey>) {
    let answer = send(world, webhook(url, body.to_vec())).await;
    let accepted = match key {
        Some(key) => matches!(load(world, key).await.state, State::Accepted(_)),
        None => false,
    };
    assert!(accepted || !says_accepted(&spoken(&answer)), "{answer:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_body_gets_200_and_a_true_answer(bodies in prop::collection::vec(any_body(), 1..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(send_to_all_urls(&bodies));
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalid_body_is_not_a_key() {
    for body in [
        "",
        "{",
        "null",
        "[]",
        "\"1\"",
        "1",
        r#"{"collectedTones":[1]}"#,
        r#"{"collectedTones":{"1":1}}"#,
    ] {
        let (world, key, call) = ringing().await;
        let before = load(&world, &key).await;
        let answer = send(&world, webhook(&call.collect_url.unwrap(), body)).await;
        assert!(!says_accepted(&spoken(&answer)), "{body}");
        assert_eq!(load(&world, &key).await, before, "{body}");
    }
}
