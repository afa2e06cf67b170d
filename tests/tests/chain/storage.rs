//! What a chain stores between requests and calls, what that costs, and how it answers without DynamoDB.

use std::time::Duration;

use patchbay::clock::Timestamp;
use patchbay::context::ContextKey;
use patchbay::phone::PhoneNumber;
use patchbay::store::{DocumentKey, DocumentKind, Precondition};
use patchbay_simulators::aws::{Fault, Rule, Service};
use patchbay_simulators::twilio::{CallerScript, PaymentInput};
use patchbay_simulators::world::{TENANT, TOKEN};
use serde_json::{Value, json};

use crate::{CALLER, SMS, api, endpoint, one_rule, post, put, qualified, quiet_world};

/// The key of the chain with this name.
fn document_key(name: &str) -> DocumentKey {
    DocumentKey {
        tenant: TENANT.parse().unwrap(),
        kind: DocumentKind::Chain,
        name: name.parse().unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_costs_two_dynamodb_requests_and_one_more_without_a_state() {
    let world = quiet_world().await;
    let url = endpoint(&put(&world, "sms", SMS).await);
    let mut request = json!({ "name": "send_code", "action": "initial", "call_from": CALLER });
    for requests in [3, 2, 2] {
        let answer = post(&world, &url, &request).await;
        let run = world.aws.recorder().last("chain-link").unwrap();
        assert_eq!((run.dynamodb, run.sqs, run.http), (requests, 0, 0));
        request["state"] = answer.json["state"].clone();
    }
    // Nothing is stored about a caller with a hidden number.
    request = json!({ "name": "send_code", "action": "initial", "call_from": "anonymous" });
    post(&world, &url, &request).await;
    let run = world.aws.recorder().last("chain-link").unwrap();
    assert_eq!((run.dynamodb, run.sqs, run.http), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_new_version_answers_at_once_also_after_the_chain_was_deleted() {
    let world = quiet_world().await;
    for text in ["one", "two", "three"] {
        let url = endpoint(&put(&world, "a", &one_rule(&format!("{{content: {text}}}"))).await);
        let answer = post(&world, &url, &qualified("a", &json!({}))).await;
        assert_eq!(answer.text("/content"), text);
        if text == "two" {
            api(&world, "DELETE", "/v1/links/a", &json!(null)).await;
            assert!(
                post(&world, &url, &qualified("a", &json!({})))
                    .await
                    .text("/content")
                    .starts_with("I am sorry")
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cached_version_is_not_read_again() {
    let world = quiet_world().await;
    let url = endpoint(&put(&world, "a", &one_rule("{content: known}")).await);
    post(&world, &url, &qualified("a", &json!({}))).await;
    let key = document_key("a");
    let stored = world.store.document(&key).await.unwrap().unwrap();
    // Another document with the same version, which cannot happen outside this test.
    world.store.delete_document(&key, None).await.unwrap();
    let at = Timestamp::from_millis(stored.version);
    let other = stored.document.replace("known", "other");
    world
        .store
        .put_document(&key, &other, Precondition::Absent, at)
        .await
        .unwrap();
    assert_eq!(
        post(&world, &url, &qualified("a", &json!({}))).await.text("/content"),
        "known"
    );
}

#[tokio::test(start_paused = true)]
async fn without_dynamodb_the_cached_version_answers_and_an_uncached_chain_apologizes() {
    let world = quiet_world().await;
    let url = endpoint(&put(&world, "a", &one_rule("{content: known}")).await);
    let other = endpoint(&put(&world, "b", &one_rule("{content: never read}")).await);
    post(&world, &url, &qualified("a", &json!({}))).await;
    for fault in [Fault::InternalError, Fault::Refused] {
        let outage = Rule::new(fault).service(Service::DynamoDb);
        world.aws.faults().plan(outage.times(u32::MAX));
        let start = tokio::time::Instant::now();
        let answer = post(&world, &url, &qualified("a", &json!({}))).await;
        assert_eq!(answer.text("/content"), "known");
        let answer = post(&world, &other, &qualified("a", &json!({}))).await;
        assert!(answer.text("/content").starts_with("I am sorry"), "{answer:?}");
        assert_eq!(answer.json["actions"], json!([{ "name": "end_task" }]));
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        world.aws.faults().clear();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_has_one_key_and_the_next_call_another() {
    let world = quiet_world().await;
    let url = endpoint(&put(&world, "a", &one_rule("{content: '{{ key }}'}")).await);
    let first = json!({ "name": "a", "action": "initial", "call_from": CALLER });
    let answer = post(&world, &url, &first).await;
    let key = answer.text("/key").to_owned();
    assert!(patchbay::chain::state::is_call_id(&key), "{key}");
    // The same request again, some seconds later.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(post(&world, &url, &first).await.json, answer.json);
    // Hours later the state still identifies the call.
    tokio::time::sleep(Duration::from_hours(2)).await;
    let mut later = qualified("a", &json!({}));
    later["state"] = answer.json["state"].clone();
    let later = post(&world, &url, &later).await;
    assert_eq!(
        (later.text("/key"), later.text("/content")),
        (key.as_str(), key.as_str())
    );
    assert_ne!(post(&world, &url, &first).await.text("/key"), key);
    let other = json!({ "name": "a", "action": "initial", "call_from": "+12025550144" });
    assert_ne!(post(&world, &url, &other).await.text("/key"), key);
}

#[tokio::test(start_paused = true)]
async fn foreign_state_is_preserved() {
    let world = quiet_world().await;
    let url = endpoint(&put(&world, "a", &one_rule("{content: x, state: {seen: 2}}")).await);
    let mut request = qualified("a", &json!({}));
    request["state"] = json!({ "seen": 1, "theirs": { "deep": [1] } });
    let answer = post(&world, &url, &request).await;
    assert_eq!(answer.json["state"]["theirs"], json!({ "deep": [1] }));
    assert_eq!(answer.json["state"]["seen"], 2);
    // A state in the form of JSON text works too. That form is documented for the context only.
    request["state"] = json!(request["state"].to_string());
    assert_eq!(post(&world, &url, &request).await.json["state"], answer.json["state"]);
}

#[tokio::test(start_paused = true)]
async fn a_remembered_note_reaches_the_next_voice_agent() {
    let world = quiet_world().await;
    let rule = "{content: x, remember: {description: Asked for something., memory: 'Said {{ context.text }}'}}";
    let url = endpoint(&put(&world, "a", &one_rule(rule)).await);
    let request = qualified("a", &json!({ "text": "hello" }));
    for _ in 0..2 {
        assert_eq!(post(&world, &url, &request).await.text("/content"), "x");
    }
    let key = ContextKey {
        tenant: TENANT.parse().unwrap(),
        caller: PhoneNumber::parse(CALLER).unwrap(),
    };
    let context = world.store.context(&key, world.clock.now()).await.unwrap().unwrap();
    assert_eq!(context.current.memory, "Asked for something.\nSaid hello");
    assert_eq!(context.current.status().name(), "no-payment");
    assert_eq!(context.earlier.len(), 0, "a repeated request stores one version");
    // The caller is unknown: nothing is stored, and the answer is the same.
    let mut hidden = request.clone();
    hidden["call_from"] = json!("anonymous");
    assert_eq!(post(&world, &url, &hidden).await.text("/content"), "x");
    // The answer is the same while DynamoDB is unavailable.
    let outage = Rule::new(Fault::InternalError).service(Service::DynamoDb);
    world.aws.faults().plan(outage.times(u32::MAX));
    assert_eq!(post(&world, &url, &request).await.text("/content"), "x");
}

#[tokio::test(start_paused = true)]
async fn a_remembered_note_does_not_touch_a_pending_payment() {
    let world = quiet_world().await;
    let purchase = json!({
        "caller": CALLER, "description": "Two theatre seats", "price": "42.00", "vendor": "acme-stage",
        "callback": "+12025550177", "memory": "wants row F",
    });
    let set = format!("/voice/api/v1/twilio/set-context?api_token={TOKEN}");
    assert_eq!(post(&world, &set, &purchase).await.status, 200);
    let rule = "{content: x, remember: {memory: 'Said {{ context.text }}'}}";
    let url = endpoint(&put(&world, "a", &one_rule(rule)).await);
    post(&world, &url, &qualified("a", &json!({ "text": "hello" }))).await;
    let get = format!("/voice/api/v1/twilio/get-context?api_token={TOKEN}");
    let context = post(&world, &get, &json!({ "caller": CALLER })).await;
    for (field, expected) in [
        ("/memory", "Said hello"),
        ("/status", "pending"),
        ("/price", "42.00"),
        ("/vendor", "acme-stage"),
        ("/callback", "+12025550177"),
    ] {
        assert_eq!(context.text(field), expected, "{context:?}");
    }
    let script = CallerScript::new(CALLER, [PaymentInput::Card("4242424242424242")]);
    let record = world.twilio.call(&world.transfer_url().unwrap(), script).await;
    assert!(record.heard("You are about to pay $42.00 to acme-stage"), "{record:#?}");
    post(&world, &url, &qualified("a", &json!({ "text": "thanks" }))).await;
    let context = post(&world, &get, &json!({ "caller": CALLER })).await;
    assert_eq!(
        (context.text("/memory"), context.text("/status")),
        ("Said thanks", "payment-success")
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_link_or_action_gets_an_answer() {
    let world = quiet_world().await;
    let url = endpoint(&put(&world, "a", &one_rule("{content: x}")).await);
    let unknown = post(&world, &url, &json!({ "name": "z", "action": "initial" })).await;
    assert_eq!((unknown.status, unknown.text("/content")), (200, "FALLBACK"));
    let later = post(&world, &url, &json!({ "name": "a", "action": "resumed" })).await;
    assert_eq!((later.status, later.json["content"].clone()), (200, json!(null)));
    assert!(later.json["state"]["patchbay"]["call"].is_string());
}

/// Documents that were accepted by an earlier version and would be refused today.
#[tokio::test(start_paused = true)]
async fn a_stored_document_that_would_be_refused_today_answers_and_has_warnings() {
    let world = quiet_world().await;
    let url = endpoint(&put(&world, "a", &one_rule("{content: HERE}")).await);
    let key = document_key("a");
    let long = vec!["1"; 1_100].join("+");
    for (content, actions, spoken, warning) in [
        (format!("{{{{ {long} }}}}"), json!([]), "1100", "more than 1000 words"),
        (
            "{{ caller.number | same_number('+12025550143') }}".to_owned(),
            json!([]),
            "true",
            "calling code",
        ),
        (
            "goes on".to_owned(),
            json!([{ "name": "transfer_call", "context": { "number": "+99912345678" } }]),
            "goes on",
            "calling code",
        ),
        (
            "goes on".to_owned(),
            json!([{ "name": "transfer_call", "context": { "number": "{{ context.text or '+99912345678' }}" } }]),
            "goes on",
            "",
        ),
    ] {
        let stored = world.store.document(&key).await.unwrap().unwrap();
        let mut document: Value = serde_json::from_str(&stored.document).unwrap();
        let rule = &mut document["links"][0]["qualified"][0];
        rule["content"] = json!(content);
        rule["actions"] = actions.clone();
        let at = Timestamp::from_millis(stored.version + 1);
        let document = document.to_string();
        world
            .store
            .put_document(&key, &document, Precondition::Any, at)
            .await
            .unwrap();
        let answer = post(&world, &url, &qualified("a", &json!({}))).await;
        assert_eq!(answer.text("/content"), spoken, "{answer:?}");
        if actions != json!([]) {
            assert_eq!(answer.text("/actions/0/context/number"), "+99912345678");
        }
        let shown = api(&world, "GET", "/v1/links/a", &json!(null)).await;
        let warnings = shown.json["warnings"].to_string();
        assert_eq!(warnings == "[]", warning.is_empty(), "{warnings}");
        assert!(warnings.contains(warning), "{warnings}");
    }
}
