//! Placing a call: what may be tried again and what must not.

use proptest::prelude::*;

use super::super::dialplan::{DialPlan, Position, Settings};
use super::*;
use crate::dispatch::policy::TextOverrides;
use crate::dispatch::{Employee, Language, Policy, Ticket, script};
use crate::phone::PhoneNumber;
use crate::providers::testing::{any_token, lost, not_sent, raw};

const CREATE: &str = "POST https://connect.example.org/voice/conversation";

fn published_policy() -> Policy {
    let options = Some("Press 1 to accept, press 2 to reject.".to_owned());
    Policy {
        ring_timeout: None,
        max_duration: None,
        texts: [(Language::EnUs, TextOverrides { options })].into(),
        ..Policy::default()
    }
}

fn call(policy: &Policy, collect: Position) -> CreateConversation {
    let phone = PhoneNumber::parse("+306900000001").expect("a number");
    let employee = Employee {
        id: "anna".to_owned(),
        name: "Anna".to_owned(),
        phone: phone.clone(),
        language: None,
        voice: None,
        on_duty: Vec::new(),
        quiet_hours: None,
        opted_out: false,
        unverified: false,
    };
    let ticket = Ticket {
        reference: None,
        text: "The pump in hall four has stopped.".to_owned(),
    };
    let script = script::offer(&ticket, &employee, policy);
    let settings = Settings {
        collect,
        ..Settings::default()
    };
    let plan = DialPlan::of(script, &settings, "https://hooks.example.org/collect");
    CreateConversation::call("123", &phone, plan, "https://hooks.example.org/status".to_owned())
        .ringing(policy.ring_timeout)
        .lasting(policy.max_duration)
}

async fn create(script: impl IntoIterator<Item = Answer>) -> Result<Created, CreateError> {
    let provider = Provider::new([any_token()].into_iter().chain(script));
    let result = provider
        .client()
        .create(&call(&Policy::default(), Position::First))
        .await;
    assert!(provider.is_done());
    result
}

#[tokio::test]
async fn the_published_request_is_reproduced() {
    let provider = Provider::new([any_token(), raw(200, include_str!("../fixtures/created.json"))]);
    let created = provider
        .client()
        .create(&call(&published_policy(), Position::Last))
        .await
        .expect("a call");
    assert_eq!(created.tracking_id, "5b0c2f5e-7a31-4f0f-9d58-0c1d2e3f4a5b");
    assert_eq!(provider.asked().last().map(String::as_str), Some(CREATE));
    let published: Value = serde_json::from_str(include_str!("../fixtures/published-request.json")).expect("json");
    assert_eq!(provider.bodies().last(), Some(&published));
}

#[test]
fn ring_time_and_longest_duration_come_from_the_policy() {
    let request = serde_json::to_value(call(&Policy::default(), Position::First)).expect("json");
    assert_eq!(
        (&request["hangupDelay"], &request["maxDuration"]),
        (&json!(25), &json!(180))
    );
}

#[tokio::test]
async fn any_2xx_with_a_name_is_a_call() {
    for status in [200, 201, 202] {
        let created = create([answer(status, &json!({ "trackingId": "c-1", "dialPlans": 7 }))]).await;
        assert_eq!(
            created,
            Ok(Created {
                tracking_id: "c-1".to_owned()
            })
        );
    }
}

#[tokio::test]
async fn a_call_that_may_have_been_placed_is_unclear_and_never_asked_for_again() {
    let long = json!({ "trackingId": "x".repeat(129) });
    for reply in [
        lost(),
        raw(500, ""),
        error(500, "5000000000", "Unexpected"),
        raw(502, "<html>"),
        raw(503, ""),
        raw(408, ""),
        raw(200, ""),
        raw(200, "<html>"),
        raw(204, ""),
        raw(200, "[]"),
        raw(200, r#"{"trackingId":""}"#),
        raw(200, r#"{"trackingId":null}"#),
        answer(200, &long),
    ] {
        let shown = format!("{reply:?}");
        let told = create([reply]).await;
        assert!(matches!(told, Err(CreateError::Unclear { .. })), "{shown}: {told:?}");
    }
}

#[tokio::test]
async fn a_refusal_names_its_reason() {
    let body = json!({ "code": "400000000", "developerMessage": "Validation Error!", "properties": { "from": "may not be empty" } });
    assert_eq!(
        create([answer(400, &body)]).await,
        Err(CreateError::Refused {
            about_number: false,
            status: 400,
            code: Some("400000000".to_owned()),
            detail: "Validation Error! [from: may not be empty]".to_owned(),
        })
    );
    for status in [302, 400, 404, 405, 413, 422] {
        let told = create([raw(status, "")]).await;
        assert!(matches!(told, Err(CreateError::Refused { .. })), "{status}: {told:?}");
    }
}

#[tokio::test]
async fn an_empty_account_is_its_own_outcome() {
    for reply in [
        error(400, "400001009", "Insufficient Balance"),
        answer(400, &json!({ "code": 400_001_009 })),
        error(400, "400013099", "insufficient balance for this call"),
        raw(402, ""),
    ] {
        let told = create([reply]).await;
        assert!(matches!(told, Err(CreateError::OutOfMoney { .. })), "{told:?}");
    }
}

#[tokio::test]
async fn what_says_nothing_against_the_call_may_be_tried_later() {
    let deferred = async |script: Vec<Answer>| match create(script).await {
        Err(CreateError::TryLater {
            reason, retry_after, ..
        }) => (reason, retry_after),
        other => panic!("{other:?}"),
    };
    let paced = |seconds: &str| {
        let response = http::Response::builder().status(429).header("Retry-After", seconds);
        Ok(response.body(Bytes::new()).expect("a response"))
    };
    assert_eq!(deferred(vec![paced("7")]).await, (Deferral::Busy, Some(7)));
    assert_eq!(deferred(vec![paced("999999")]).await, (Deferral::Busy, Some(3_600)));
    assert_eq!(
        deferred(vec![paced("Wed, 21 Oct 2026 07:28:00 GMT")]).await,
        (Deferral::Busy, None)
    );
    assert_eq!(deferred(vec![raw(409, "")]).await, (Deferral::Busy, None));
    assert_eq!(
        deferred(vec![error(400, "400000000", "Too many requests")]).await,
        (Deferral::Busy, None)
    );
    assert_eq!(deferred(vec![not_sent()]).await, (Deferral::Unreachable, None));
    let forbidden = Err(SendError::Forbidden("private address".to_owned()));
    assert_eq!(deferred(vec![forbidden]).await, (Deferral::Unreachable, None));
}

#[tokio::test]
async fn a_call_without_a_token_was_certainly_not_placed() {
    for (script, expected) in [
        (vec![lost()], Deferral::Unreachable),
        (vec![not_sent()], Deferral::Unreachable),
        (vec![raw(500, "")], Deferral::Unreachable),
        (vec![raw(200, "no json")], Deferral::Unreachable),
        (vec![turned_away(401)], Deferral::Unauthorised),
        (vec![any_token(), turned_away(401), lost()], Deferral::Unreachable),
        (
            vec![any_token(), turned_away(403), any_token(), turned_away(403)],
            Deferral::Unauthorised,
        ),
    ] {
        let provider = Provider::new(script);
        let told = provider
            .client()
            .create(&call(&Policy::default(), Position::First))
            .await;
        assert!(
            matches!(told, Err(CreateError::TryLater { reason, .. }) if reason == expected),
            "{told:?}"
        );
        assert!(provider.is_done());
    }
}

#[tokio::test]
async fn a_call_that_was_turned_away_at_the_door_is_placed_with_a_new_token() {
    let script = [
        any_token(),
        turned_away(401),
        any_token(),
        answer(200, &json!({ "trackingId": "c-1" })),
    ];
    let provider = Provider::new(script);
    assert!(
        provider
            .client()
            .create(&call(&Policy::default(), Position::First))
            .await
            .is_ok()
    );
    assert_eq!(provider.bodies()[1], provider.bodies()[3]);
}

#[tokio::test]
async fn after_a_refresh_a_lost_answer_is_as_unclear_as_ever() {
    let told = create([turned_away(401), any_token(), lost()]).await;
    assert!(matches!(told, Err(CreateError::Unclear { .. })), "{told:?}");
}

#[tokio::test]
async fn an_error_is_safe_to_log() {
    let echo = "eventUrl https://hooks.example.org/collect/dsp_1.2.3 for +306900000001 is not valid";
    let told = create([error(400, "400000000", echo)])
        .await
        .expect_err("refused")
        .to_string();
    assert_eq!(
        told,
        "refused with status 400, code 400000000: eventUrl [url] for [number] is not valid"
    );
}

proptest! {
    #[test]
    fn no_answer_brings_the_client_down(
        status in 200_u16..600,
        body in proptest::collection::vec(any::<u8>(), 0..200),
        tracked in any::<String>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            for body in [Bytes::from(body), Bytes::from(json!({ "trackingId": tracked, "content": [{ "messageId": tracked, "status": tracked }] }).to_string())] {
                // Enough for a refresh; what is left over does not matter.
                let script = || [any_token(), raw(status, body.clone()), any_token(), raw(status, body.clone()), raw(status, body.clone())];
                let created = Provider::new(script()).client().create(&call(&Policy::default(), Position::First)).await;
                assert!(created.is_err() || status < 300);
                let _ = Provider::new(script()).client().legs("c-1").await;
                let _ = Provider::new([raw(status, body.clone())]).client().legs("c-1").await;
            }
        });
    }
}
