//! Webhooks without a valid reference.

use patchbay::voice::Provider;
use patchbay_simulators::world::{PUBLIC_URL, World};
use proptest::prelude::*;

use crate::common::{
    callbacks, effects, entries, keys_event, load, request, send, status_event, unknown_attempt, webhook,
};
use crate::ringing;

/// Invalid references, made from a valid one.
fn invalid_references(valid: &str) -> Vec<String> {
    let (text, tag) = valid.rsplit_once('.').unwrap();
    let swapped = |from: &str, to: &str| valid.replacen(from, to, 1);
    let last = if tag.ends_with('0') { "1" } else { "0" };
    vec![
        String::new(),
        text.to_owned(),
        tag.to_owned(),
        format!("{text}."),
        format!("{}{last}", valid.get(..valid.len() - 1).unwrap()),
        valid.get(..valid.len() - 1).unwrap().to_owned(),
        format!("{valid}0"),
        format!("{text}.{}", tag.to_uppercase()),
        swapped("main", "other"),
        swapped("000001-", "000002-"),
        swapped("-00-", "-01-"),
        format!("x{valid}"),
        format!("{valid}/{valid}x"),
        format!("..%2f..%2f{valid}"),
        "%00".to_owned(),
        "x".repeat(9_000),
    ]
}

async fn refused(world: &World, url: &str, body: Vec<u8>) {
    let answer = send(world, webhook(url, body)).await;
    answer.is_problem(404, "bad-reference");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_with_an_invalid_reference_is_refused_without_a_request() {
    let (world, key, call) = ringing().await;
    let before = (load(&world, &key).await, entries(&world, &key).await);
    let valid = call.status_url.unwrap().rsplit_once('/').unwrap().1.to_owned();
    world.aws.recorder().clear();
    for reference in invalid_references(&valid) {
        for (route, body) in [("status", status_event("NoAnswer")), ("collect", keys_event("1"))] {
            let url = format!("{PUBLIC_URL}/routee/{route}/{reference}");
            refused(&world, &url, body.to_string().into_bytes()).await;
        }
    }
    let asked = world.aws.recorder().count(|request| request.run.is_some());
    assert_eq!(asked, 0, "an invalid reference must cost no request to AWS");
    assert_eq!((load(&world, &key).await, entries(&world, &key).await), before);
}

#[tokio::test(start_paused = true)]
async fn a_reference_made_with_another_key_is_refused() {
    let (world, key, _call) = ringing().await;
    let attempt = load(&world, &key).await.attempt().unwrap().id;
    let before = load(&world, &key).await;
    for other in ["another key", ""] {
        let others = callbacks(other);
        let urls = [
            others.keys_url(Provider::Routee, &key, attempt, 0),
            others.status_url(Provider::Routee, &key, attempt, None),
        ];
        for url in urls {
            refused(&world, &url, keys_event("1").to_string().into_bytes()).await;
        }
    }
    assert_eq!(effects(&world), 0);
    assert_eq!(load(&world, &key).await, before);
}

#[tokio::test(start_paused = true)]
async fn a_reference_changes_only_its_own_attempt() {
    // The phone of the second attempt rings: a webhook for the first attempt cannot end the second.
    let (world, key, call) = ringing().await;
    let first = call.status_url.unwrap();
    send(&world, webhook(&first, status_event("NoAnswer").to_string())).await;
    let second = crate::common::rings(&world, 1, 0).await;
    let before = load(&world, &key).await;
    for name in ["NoAnswer", "Busy", "Completed", "Failed"] {
        send(&world, webhook(&first, status_event(name).to_string())).await;
    }
    assert_eq!(load(&world, &key).await, before);
    assert!(world.routee.live_calls().iter().any(|call| call.id == second.id));
}

#[tokio::test(start_paused = true)]
async fn a_webhook_must_be_a_post() {
    let (world, _, call) = ringing().await;
    for url in [call.collect_url.unwrap(), call.status_url.unwrap()] {
        for method in ["GET", "PUT", "DELETE", "PATCH"] {
            let request = request(method, &url).body(keys_event("1").to_string().into()).unwrap();
            let answer = send(&world, request).await;
            answer.is_problem(405, "method-not-allowed");
            assert_eq!(answer.header("allow"), "POST");
        }
    }
    assert_eq!(effects(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_over_64_kib_is_refused() {
    let (world, _, call) = ringing().await;
    let event = |bytes: usize| {
        let mut event = keys_event("1").to_string();
        event.push_str(&" ".repeat(bytes - event.len()));
        event
    };
    let collect = call.collect_url.unwrap();
    for url in [&collect, &call.status_url.unwrap()] {
        let answer = send(&world, webhook(url, event(64 * 1024 + 1))).await;
        answer.is_problem(413, "body-too-large");
    }
    assert_eq!(effects(&world), 0);
    let answer = send(&world, webhook(&collect, event(64 * 1024))).await;
    assert!(
        crate::says_accepted(&crate::spoken(&answer)),
        "a body of exactly 64 KiB is accepted"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_invalid_reference_never_causes_a_write(
        reference in "[!-~]{0,60}",
        body in prop::collection::vec(any::<u8>(), 0..400),
        content_type in prop::option::of("[ -~]{0,30}"),
    ) {
        // These characters would make another path or a query.
        let reference = reference.replace(['?', '#', '/'], "_");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = crate::common::world([]).await;
            for route in ["status", "collect"] {
                let url = format!("{PUBLIC_URL}/routee/{route}/{reference}");
                let mut request = http::Request::builder().method("POST").uri(url);
                if let Some(content_type) = &content_type {
                    request = request.header("content-type", content_type);
                }
                let Ok(request) = request.body(body.clone().into()) else { continue };
                let answer = send(&world, request).await;
                // The gateway itself refuses invalid percent-encoding.
                if answer.status == 400 {
                    assert!(reference.contains('%'), "{reference}");
                    continue;
                }
                answer.is_problem(404, "bad-reference");
            }
            assert_eq!(world.aws.recorder().count(|request| request.run.is_some()), 0);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_does_not_create_a_missing_dispatch() {
    let (world, _, _) = ringing().await;
    let (key, attempt) = unknown_attempt();
    let ours = crate::common::our_callbacks();
    let plan = send(
        &world,
        webhook(
            &ours.keys_url(Provider::Routee, &key, attempt, 0),
            keys_event("1").to_string(),
        ),
    )
    .await;
    assert!(!crate::says_accepted(&crate::spoken(&plan)));
    for name in ["Ringing", "NoAnswer"] {
        let url = ours.status_url(Provider::Routee, &key, attempt, Some(3));
        assert_eq!(
            send(&world, webhook(&url, status_event(name).to_string())).await.status,
            200
        );
    }
    assert_eq!(world.store.load(&key).await.unwrap(), None);
}
