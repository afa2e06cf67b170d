//! Placing a call: which failures may be retried and which must not.

use proptest::prelude::*;

use super::super::dialplan::{CollectPosition, DialPlan, Settings};
use super::*;
use crate::dispatch::policy::TextOverrides;
use crate::dispatch::{Employee, Language, Policy, Ticket, script};
use crate::phone::PhoneNumber;
use crate::providers::testing::{any_token, no_response, not_sent, raw};

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

fn call(policy: &Policy, collect: CollectPosition) -> CreateConversation {
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
    let plan = DialPlan::from_script(script, &settings, "https://hooks.example.org/collect");
    CreateConversation::new("123", &phone, plan, "https://hooks.example.org/status".to_owned())
        .with_ring_timeout(policy.ring_timeout)
        .with_max_duration(policy.max_duration)
}

async fn create(script: impl IntoIterator<Item = ScriptedResponse>) -> Result<CreatedConversation, CreateError> {
    let provider = ScriptedProvider::new([any_token()].into_iter().chain(script));
    let result = provider
        .routee()
        .create(&call(&Policy::default(), CollectPosition::First))
        .await;
    assert!(provider.is_done());
    result
}

#[tokio::test]
async fn request_matches_the_published_example() {
    let provider = ScriptedProvider::new([any_token(), raw(200, include_str!("../fixtures/created.json"))]);
    let created = provider
        .routee()
        .create(&call(&published_policy(), CollectPosition::Last))
        .await
        .expect("a call");
    assert_eq!(created.tracking_id, "5b0c2f5e-7a31-4f0f-9d58-0c1d2e3f4a5b");
    assert_eq!(provider.requests().last().map(String::as_str), Some(CREATE));
    let published: Value = serde_json::from_str(include_str!("../fixtures/published-request.json")).expect("json");
    assert_eq!(provider.bodies().last(), Some(&published));
}

#[test]
fn ring_timeout_and_max_duration_come_from_the_policy() {
    let request = serde_json::to_value(call(&Policy::default(), CollectPosition::First)).expect("json");
    assert_eq!(
        (&request["hangupDelay"], &request["maxDuration"]),
        (&json!(25), &json!(180))
    );
}

#[tokio::test]
async fn any_2xx_with_a_tracking_id_is_a_call() {
    for status in [200, 201, 202] {
        let created = create([json_response(status, &json!({ "trackingId": "c-1", "dialPlans": 7 }))]).await;
        assert_eq!(
            created,
            Ok(CreatedConversation {
                tracking_id: "c-1".to_owned()
            })
        );
    }
}

#[tokio::test]
async fn call_that_may_have_been_placed_is_unclear_and_not_retried() {
    let long = json!({ "trackingId": "x".repeat(129) });
    for reply in [
        no_response(),
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
        json_response(200, &long),
    ] {
        let shown = format!("{reply:?}");
        let result = create([reply]).await;
        assert!(
            matches!(result, Err(CreateError::Unclear { .. })),
            "{shown}: {result:?}"
        );
    }
}

#[tokio::test]
async fn refusal_has_status_code_and_detail() {
    let body = json!({ "code": "400000000", "developerMessage": "Validation Error!", "properties": { "from": "may not be empty" } });
    assert_eq!(
        create([json_response(400, &body)]).await,
        Err(CreateError::Refused {
            about_number: false,
            status: 400,
            code: Some("400000000".to_owned()),
            detail: "Validation Error! [from: may not be empty]".to_owned(),
        })
    );
    for status in [302, 400, 404, 405, 413, 422] {
        let result = create([raw(status, "")]).await;
        assert!(
            matches!(result, Err(CreateError::Refused { .. })),
            "{status}: {result:?}"
        );
    }
}

#[tokio::test]
async fn insufficient_balance_is_its_own_error() {
    for reply in [
        error(400, "400001009", "Insufficient Balance"),
        json_response(400, &json!({ "code": 400_001_009 })),
        error(400, "400013099", "insufficient balance for this call"),
        raw(402, ""),
    ] {
        let result = create([reply]).await;
        assert!(matches!(result, Err(CreateError::OutOfMoney { .. })), "{result:?}");
    }
}

#[tokio::test]
async fn failure_unrelated_to_the_call_is_try_later() {
    let deferred = async |script: Vec<ScriptedResponse>| match create(script).await {
        Err(CreateError::TryLater {
            reason, retry_after, ..
        }) => (reason, retry_after),
        other => panic!("{other:?}"),
    };
    let paced = |seconds: &str| {
        let response = http::Response::builder().status(429).header("Retry-After", seconds);
        Ok(response.body(Bytes::new()).expect("a response"))
    };
    assert_eq!(deferred(vec![paced("7")]).await, (DeferralReason::Busy, Some(7)));
    assert_eq!(
        deferred(vec![paced("999999")]).await,
        (DeferralReason::Busy, Some(3_600))
    );
    assert_eq!(
        deferred(vec![paced("Wed, 21 Oct 2026 07:28:00 GMT")]).await,
        (DeferralReason::Busy, None)
    );
    assert_eq!(deferred(vec![raw(409, "")]).await, (DeferralReason::Busy, None));
    assert_eq!(
        deferred(vec![error(400, "400000000", "Too many requests")]).await,
        (DeferralReason::Busy, None)
    );
    assert_eq!(deferred(vec![not_sent()]).await, (DeferralReason::Unreachable, None));
    let forbidden = Err(SendError::Forbidden("private address".to_owned()));
    assert_eq!(deferred(vec![forbidden]).await, (DeferralReason::Unreachable, None));
}

#[tokio::test]
async fn call_without_a_token_was_not_placed() {
    for (script, expected) in [
        (vec![no_response()], DeferralReason::Unreachable),
        (vec![not_sent()], DeferralReason::Unreachable),
        (vec![raw(500, "")], DeferralReason::Unreachable),
        (vec![raw(200, "no json")], DeferralReason::Unreachable),
        (vec![unauthorized(401)], DeferralReason::Unauthorized),
        (
            vec![any_token(), unauthorized(401), no_response()],
            DeferralReason::Unreachable,
        ),
        (
            vec![any_token(), unauthorized(403), any_token(), unauthorized(403)],
            DeferralReason::Unauthorized,
        ),
    ] {
        let provider = ScriptedProvider::new(script);
        let result = provider
            .routee()
            .create(&call(&Policy::default(), CollectPosition::First))
            .await;
        assert!(
            matches!(result, Err(CreateError::TryLater { reason, .. }) if reason == expected),
            "{result:?}"
        );
        assert!(provider.is_done());
    }
}

#[tokio::test]
async fn unauthorized_call_is_placed_with_a_new_token() {
    let script = [
        any_token(),
        unauthorized(401),
        any_token(),
        json_response(200, &json!({ "trackingId": "c-1" })),
    ];
    let provider = ScriptedProvider::new(script);
    assert!(
        provider
            .routee()
            .create(&call(&Policy::default(), CollectPosition::First))
            .await
            .is_ok()
    );
    assert_eq!(provider.bodies()[1], provider.bodies()[3]);
}

#[tokio::test]
async fn lost_response_after_a_token_refresh_is_unclear() {
    let result = create([unauthorized(401), any_token(), no_response()]).await;
    assert!(matches!(result, Err(CreateError::Unclear { .. })), "{result:?}");
}

#[tokio::test]
async fn error_text_hides_urls_and_numbers() {
    let echo = "eventUrl https://hooks.example.org/collect/dsp_1.2.3 for +306900000001 is not valid";
    let result = create([error(400, "400000000", echo)])
        .await
        .expect_err("refused")
        .to_string();
    assert_eq!(
        result,
        "refused with status 400, code 400000000: eventUrl [url] for [number] is not valid"
    );
}

proptest! {
    #[test]
    fn no_response_panics(
        status in 200_u16..600,
        body in proptest::collection::vec(any::<u8>(), 0..200),
        tracked in any::<String>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            for body in [Bytes::from(body), Bytes::from(json!({ "trackingId": tracked, "content": [{ "messageId": tracked, "status": tracked }] }).to_string())] {
                // Enough responses for a token refresh; unused ones do not matter.
                let script = || [any_token(), raw(status, body.clone()), any_token(), raw(status, body.clone()), raw(status, body.clone())];
                let created = ScriptedProvider::new(script()).routee().create(&call(&Policy::default(), CollectPosition::First)).await;
                assert!(created.is_err() || status < 300);
                let _ = ScriptedProvider::new(script()).routee().legs("c-1").await;
                let _ = ScriptedProvider::new([raw(status, body.clone())]).routee().legs("c-1").await;
            }
        });
    }
}
