//! What everybody on our side of the seam may rely on, whichever provider is behind it.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use lambda_http::Body;
use serde_json::{Value, json};

use super::*;
use crate::dispatch::script::{Line, Step};
use crate::dispatch::{CallStatus, Ending, Entry, Fact, Gender, Language};
use crate::ids::{AttemptId, Nonce};
use crate::providers::routee::dialplan::Settings as DialPlans;
use crate::providers::testing::{Answer, Provider as Phone, answer, any_token, lost, raw};

const KEYS_URL: &str = "https://hooks.example.org/keys";
const STATUS_URL: &str = "https://hooks.example.org/status";
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const ATTEMPT: AttemptId = AttemptId {
    ordinal: 1,
    employee: 0,
    nonce: Nonce::new(1),
};

fn script() -> Script {
    let line = Line {
        text: "Press 1.".to_owned(),
        language: Language::EnUs,
        gender: Gender::Female,
    };
    let interruptible = true;
    Script {
        steps: vec![Step::Listen, Step::Say { line, interruptible }],
    }
}

fn account(provider: &Phone) -> Account {
    Account::Routee(RouteeAccount {
        client: provider.client(),
        from: "12025550100".to_owned(),
        call_interval: 1_000,
        settings: DialPlans::default(),
    })
}

fn anna() -> PhoneNumber {
    PhoneNumber::parse("+12025550101").expect("a number")
}

fn page(legs: &Value) -> Answer {
    answer(200, &json!({ "content": legs }))
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
fn a_provider_is_found_by_its_name_and_by_no_other() {
    for provider in Provider::ALL {
        assert_eq!(Provider::named(provider.as_str()), Some(provider));
        assert_eq!(provider.name().as_str().parse(), Ok(provider.name()));
    }
    for other in ["", "Routee", "routee ", "voice"] {
        assert_eq!(Provider::named(other), None, "{other}");
    }
}

#[test]
fn a_script_is_an_answer_that_nobody_on_the_way_keeps() {
    let spoken = Provider::Routee.says(script(), KEYS_URL, &Settings::default());
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
fn a_webhook_is_read_in_our_own_words() {
    let keys = json!({ "messageId": "leg", "collectedTones": "7, 1#" }).to_string();
    assert_eq!(Provider::Routee.keys(keys.as_bytes()).as_deref(), Ok("71"));
    assert!(Provider::Routee.keys(b"<html>").is_err());
    let said = |name: &str| {
        let body = json!({ "messageId": "leg", "conversationTrackingId": "call", "status": { "name": name } });
        Provider::Routee.report(body.to_string().as_bytes()).expect("a report")
    };
    let expected = |status, name: &str| CallReport {
        status,
        name: name.to_owned(),
        call_id: "call".to_owned(),
        leg_id: "leg".to_owned(),
    };
    assert_eq!(said("Ringing"), expected(CallStatus::Ringing, "Ringing"));
    assert_eq!(said("Unsent"), expected(CallStatus::OutOfMoney, "Unsent"));
    assert_eq!(said("Parked"), expected(CallStatus::Other, "Parked"));
    assert!(Provider::Routee.report(b"{}").is_err());
}

#[tokio::test]
async fn what_comes_of_placing_a_call_says_whether_there_may_be_one() {
    let not = |why| Err(Some(why));
    for (answered, expected) in [
        (answer(200, &json!({ "trackingId": "call" })), Ok("call".to_owned())),
        (raw(400, "{}"), not(NotPlaced::NotAllowed)),
        (
            answer(
                400,
                &json!({ "code": "400000000", "properties": { "to.phone": "is no number" } }),
            ),
            not(NotPlaced::Refused),
        ),
        (
            answer(
                400,
                &json!({ "code": "400000000", "properties": { "from": "may not be empty" } }),
            ),
            not(NotPlaced::NotAllowed),
        ),
        (raw(429, "{}"), not(NotPlaced::TryLater)),
        (answer(400, &json!({ "code": "400001009" })), not(NotPlaced::OutOfMoney)),
        (raw(502, "{}"), Err(None)),
        (lost(), Err(None)),
    ] {
        let provider = Phone::new([any_token(), answered]);
        let call = Call {
            to: &anna(),
            script: script(),
            keys_url: KEYS_URL.to_owned(),
            status_url: STATUS_URL.to_owned(),
            ring_timeout: Some(25),
            max_duration: Some(180),
            ends_on_machine: false,
        };
        let came = account(&provider).place(call).await.map_err(|error| match error {
            PlaceError::NotPlaced { why, .. } => Some(why),
            PlaceError::Unclear { .. } => None,
        });
        assert_eq!(came, expected);
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
fn the_traces_of_a_call_are_its_ids_each_once_and_whether_it_is_over() {
    let entries = [
        placed("call"),
        status(CallStatus::Queued, "call", ""),
        status(CallStatus::Ringing, "", "leg"),
        status(CallStatus::Unknown, "other", "leg"),
        entry(Fact::Dialling {
            attempt: ATTEMPT,
            provider: Provider::Routee.name(),
            instead_of: None,
        }),
    ];
    let mut trace = Trace::of(&entries);
    assert_eq!(trace.call_ids, ["call", "other"]);
    let legs = [CallStatus::Ringing, CallStatus::Unknown].map(|status| ("leg".to_owned(), status));
    assert_eq!(trace.legs, legs);
    assert!(!trace.is_over, "what the network lost may go on");
    for ended in [CallStatus::Completed, CallStatus::NoAnswer, CallStatus::OutOfMoney] {
        trace = Trace::of(&[status(ended, "call", "leg"), placed("call")]);
        assert!(trace.is_over, "{ended:?}");
    }
}

#[tokio::test]
async fn a_call_is_ended_by_what_is_known_of_it() {
    let ringing = json!([{ "messageId": "found", "status": { "status": "Ringing" } }]);
    for (entries, script, actions, ended) in [
        (vec![], vec![], vec![], Ended::NotYet),
        (
            vec![status(CallStatus::Busy, "call", "leg")],
            vec![],
            vec![],
            Ended::Over,
        ),
        (
            vec![status(CallStatus::InProgress, "call", "leg")],
            vec![any_token(), raw(200, "{}")],
            vec![json!("hangup")],
            Ended::Over,
        ),
        (
            vec![status(CallStatus::Ringing, "call", "leg")],
            vec![any_token(), raw(200, "{}")],
            vec![json!("reject")],
            Ended::Over,
        ),
        // Nothing names a leg yet: the provider is asked for those of the call, once.
        (
            vec![placed("call"), status(CallStatus::Queued, "call", "")],
            vec![any_token(), page(&ringing), raw(200, "{}")],
            vec![json!("reject")],
            Ended::Over,
        ),
        (
            vec![placed("call")],
            vec![any_token(), page(&json!([]))],
            vec![],
            Ended::NotYet,
        ),
    ] {
        let provider = Phone::new(script);
        let came = account(&provider).end(&Trace::of(&entries)).await;
        assert_eq!(came, Ok(ended), "{entries:?}");
        let asked = provider.bodies().into_iter();
        let told: Vec<Value> = asked.filter_map(|body| body.get("action").cloned()).collect();
        assert_eq!(told, actions, "{entries:?}");
        assert!(provider.is_done(), "{entries:?}");
    }
}

#[tokio::test]
async fn a_search_by_number_never_says_more_than_that_a_call_goes_on() {
    let leg = |status: &str| json!([{ "messageId": "leg", "status": { "status": status }, "collectedTones": "1" }]);
    for (legs, sighting) in [
        (leg("InProgress"), Sighting::Live),
        (leg("Completed"), Sighting::Nothing),
        (json!([]), Sighting::Nothing),
    ] {
        let provider = Phone::new([any_token(), page(&legs)]);
        let seen = account(&provider).search(&anna(), START, START.plus_seconds(60)).await;
        assert_eq!(seen, Ok(sighting));
    }
    // By the call's own id it is another matter: its keys are its own.
    let provider = Phone::new([any_token(), page(&leg("Completed"))]);
    let over = Sighting::Over {
        ending: Ending::Completed,
        keys: "1".to_owned(),
        machine: false,
    };
    assert_eq!(account(&provider).look("call").await, Ok(over));
}

#[tokio::test]
async fn a_provider_that_cannot_be_asked_may_be_asked_again_and_a_bad_question_may_not() {
    for (answered, passes) in [(lost(), true), (raw(503, "{}"), true), (raw(400, "{}"), false)] {
        let provider = Phone::new([any_token(), answered]);
        let error = account(&provider).look("call").await.expect_err("no answer");
        assert_eq!(error.passes, passes, "{error}");
    }
}
