//! Tests of the provider-neutral interface, with Routee as the provider.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use lambda_http::Body;
use serde_json::{Value, json};

use super::*;
use crate::dispatch::script::{SpokenLine, Step};
use crate::dispatch::{CallStatus, Ending, Entry, Fact, Gender, Language};
use crate::ids::{AttemptId, Nonce};
use crate::providers::routee::dialplan::Settings as DialPlanSettings;
use crate::providers::testing::{ScriptedProvider, ScriptedResponse, any_token, json_response, no_response, raw};

const KEYS_URL: &str = "https://hooks.example.org/keys";
const STATUS_URL: &str = "https://hooks.example.org/status";
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const ATTEMPT: AttemptId = AttemptId {
    ordinal: 1,
    employee: 0,
    nonce: Nonce::new(1),
};

fn script() -> Script {
    let line = SpokenLine {
        text: "Press 1.".to_owned(),
        language: Language::EnUs,
        gender: Gender::Female,
    };
    let interruptible = true;
    Script {
        steps: vec![Step::Listen, Step::Say { line, interruptible }],
    }
}

fn account(provider: &ScriptedProvider) -> Account {
    Account::Routee(RouteeAccount {
        client: provider.routee(),
        from: "12025550100".to_owned(),
        call_interval: 1_000,
        settings: DialPlanSettings::default(),
    })
}

fn anna() -> PhoneNumber {
    PhoneNumber::parse("+12025550101").expect("a number")
}

fn page(legs: &Value) -> ScriptedResponse {
    json_response(200, &json!({ "content": legs }))
}

fn entry(fact: Fact) -> Entry {
    Entry::decided(1, START, Nonce::new(1), 0, fact)
}

fn status(status: CallStatus, call_id: &str, leg_id: &str) -> Entry {
    let report = CallReport {
        status,
        name: status.name().to_owned(),
        call_id: call_id.to_owned(),
        leg_id: leg_id.to_owned(),
    };
    Entry::status(ATTEMPT, START, Provider::Routee.name(), report)
}

fn placed(call_id: &str) -> Entry {
    entry(Fact::Placed {
        attempt: ATTEMPT,
        call_id: call_id.to_owned(),
    })
}

#[test]
fn provider_is_found_by_its_exact_name_only() {
    for provider in Provider::ALL {
        assert_eq!(Provider::from_name(provider.as_str()), Some(provider));
        assert_eq!(provider.name().as_str().parse(), Ok(provider.name()));
    }
    for other in ["", "Routee", "routee ", "voice"] {
        assert_eq!(Provider::from_name(other), None, "{other}");
    }
}

#[test]
fn rendered_script_is_an_uncacheable_response() {
    let spoken = Provider::Routee.render(script(), KEYS_URL, &Settings::default());
    let response = spoken.into_response();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    let Body::Text(text) = response.body() else {
        unreachable!("a text")
    };
    let plan: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(plan.pointer("/verbs/0/eventUrl"), Some(&json!(KEYS_URL)));
    assert_eq!(plan.pointer("/verbs/1/message/text"), Some(&json!("Press 1.")));
}

#[test]
fn webhook_is_mapped_to_neutral_types() {
    let keys = json!({ "messageId": "leg", "collectedTones": "7, 1#" }).to_string();
    assert_eq!(Provider::Routee.keys(keys.as_bytes()).as_deref(), Ok("71"));
    assert!(Provider::Routee.keys(b"<html>").is_err());
    let report = |name: &str| {
        let body = json!({ "messageId": "leg", "conversationTrackingId": "call", "status": { "name": name } });
        Provider::Routee.report(body.to_string().as_bytes()).expect("a report")
    };
    let expected = |status, name: &str| CallReport {
        status,
        name: name.to_owned(),
        call_id: "call".to_owned(),
        leg_id: "leg".to_owned(),
    };
    assert_eq!(report("Ringing"), expected(CallStatus::Ringing, "Ringing"));
    assert_eq!(report("Unsent"), expected(CallStatus::OutOfMoney, "Unsent"));
    assert_eq!(report("Parked"), expected(CallStatus::Other, "Parked"));
    assert!(Provider::Routee.report(b"{}").is_err());
}

#[tokio::test]
async fn place_error_tells_whether_there_may_be_a_call() {
    let not = |reason| Err(Some(reason));
    for (response, expected) in [
        (
            json_response(200, &json!({ "trackingId": "call" })),
            Ok("call".to_owned()),
        ),
        (raw(400, "{}"), not(NotPlaced::NotAllowed)),
        (
            json_response(
                400,
                &json!({ "code": "400000000", "properties": { "to.phone": "is no number" } }),
            ),
            not(NotPlaced::Refused),
        ),
        (
            json_response(
                400,
                &json!({ "code": "400000000", "properties": { "from": "may not be empty" } }),
            ),
            not(NotPlaced::NotAllowed),
        ),
        (raw(429, "{}"), not(NotPlaced::TryLater)),
        (
            json_response(400, &json!({ "code": "400001009" })),
            not(NotPlaced::OutOfMoney),
        ),
        (raw(502, "{}"), Err(None)),
        (no_response(), Err(None)),
    ] {
        let provider = ScriptedProvider::new([any_token(), response]);
        let call = OutboundCall {
            to: &anna(),
            script: script(),
            keys_url: KEYS_URL.to_owned(),
            status_url: STATUS_URL.to_owned(),
            ring_timeout: Some(25),
            max_duration: Some(180),
            hang_up_on_machine: false,
        };
        let result = account(&provider).place(call).await.map_err(|error| match error {
            PlaceError::NotPlaced { reason, .. } => Some(reason),
            PlaceError::Unclear { .. } => None,
        });
        assert_eq!(result, expected);
        let sent = provider.bodies().pop().expect("a request");
        for (pointer, value) in [
            ("/from", json!("12025550100")),
            ("/to/phone", json!("+12025550101")),
            ("/hangupDelay", json!(25)),
            ("/maxDuration", json!(180)),
            ("/callback/url", json!(STATUS_URL)),
            ("/dialPlan/verbs/0/eventUrl", json!(KEYS_URL)),
        ] {
            assert_eq!(sent.pointer(pointer), Some(&value), "{pointer}");
        }
    }
}

#[test]
fn call_history_has_unique_ids_and_whether_the_call_is_over() {
    let entries = [
        placed("call"),
        status(CallStatus::Queued, "call", ""),
        status(CallStatus::Ringing, "", "leg"),
        status(CallStatus::Unknown, "other", "leg"),
        entry(Fact::Dialing {
            attempt: ATTEMPT,
            provider: Provider::Routee.name(),
            instead_of: None,
        }),
    ];
    let mut history = CallHistory::from_entries(&entries);
    assert_eq!(history.call_ids, ["call", "other"]);
    let legs = [CallStatus::Ringing, CallStatus::Unknown].map(|status| ("leg".to_owned(), status));
    assert_eq!(history.legs, legs);
    assert!(!history.is_over, "a network error does not end the call");
    for ended in [CallStatus::Completed, CallStatus::NoAnswer, CallStatus::OutOfMoney] {
        history = CallHistory::from_entries(&[status(ended, "call", "leg"), placed("call")]);
        assert!(history.is_over, "{ended:?}");
    }
}

#[tokio::test]
async fn call_is_ended_by_the_action_that_fits_its_history() {
    let ringing = json!([{ "messageId": "found", "status": { "status": "Ringing" } }]);
    for (entries, script, actions, ended) in [
        (vec![], vec![], vec![], EndOutcome::NoCallId),
        (
            vec![status(CallStatus::Busy, "call", "leg")],
            vec![],
            vec![],
            EndOutcome::Over,
        ),
        (
            vec![status(CallStatus::InProgress, "call", "leg")],
            vec![any_token(), raw(200, "{}")],
            vec![json!("hangup")],
            EndOutcome::Over,
        ),
        (
            vec![status(CallStatus::Ringing, "call", "leg")],
            vec![any_token(), raw(200, "{}")],
            vec![json!("reject")],
            EndOutcome::Over,
        ),
        // No leg is known yet: the legs are looked up once.
        (
            vec![placed("call"), status(CallStatus::Queued, "call", "")],
            vec![any_token(), page(&ringing), raw(200, "{}")],
            vec![json!("reject")],
            EndOutcome::Over,
        ),
        (
            vec![placed("call")],
            vec![any_token(), page(&json!([]))],
            vec![],
            EndOutcome::NoCallId,
        ),
    ] {
        let provider = ScriptedProvider::new(script);
        let result = account(&provider).end(&CallHistory::from_entries(&entries)).await;
        assert_eq!(result, Ok(ended), "{entries:?}");
        let bodies = provider.bodies().into_iter();
        let sent_actions: Vec<Value> = bodies.filter_map(|body| body.get("action").cloned()).collect();
        assert_eq!(sent_actions, actions, "{entries:?}");
        assert!(provider.is_done(), "{entries:?}");
    }
}

#[tokio::test]
async fn search_says_only_that_a_call_is_live() {
    let leg = |status: &str| json!([{ "messageId": "leg", "status": { "status": status }, "collectedTones": "1" }]);
    for (legs, lookup) in [
        (leg("InProgress"), CallLookup::Live),
        (leg("Completed"), CallLookup::Unknown),
        (json!([]), CallLookup::Unknown),
    ] {
        let provider = ScriptedProvider::new([any_token(), page(&legs)]);
        let found = account(&provider).search(&anna(), START, START.plus_seconds(60)).await;
        assert_eq!(found, Ok(lookup));
    }
    // A lookup by the call id is unambiguous, so ending and keys count.
    let provider = ScriptedProvider::new([any_token(), page(&leg("Completed"))]);
    let over = CallLookup::Over {
        ending: Ending::Completed,
        keys: "1".to_owned(),
        machine: false,
    };
    assert_eq!(account(&provider).look_up("call").await, Ok(over));
}

#[tokio::test]
async fn unavailable_provider_is_transient_and_refused_request_is_not() {
    for (response, is_transient) in [(no_response(), true), (raw(503, "{}"), true), (raw(400, "{}"), false)] {
        let provider = ScriptedProvider::new([any_token(), response]);
        let error = account(&provider).look_up("call").await.expect_err("no answer");
        assert_eq!(error.is_transient, is_transient, "{error}");
    }
}
