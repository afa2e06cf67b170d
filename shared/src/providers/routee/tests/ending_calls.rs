//! Ending a call whose state may change in the meantime.

use super::*;
use crate::providers::testing::{any_token, no_response, not_sent, raw};

const PUT: &str = "PUT https://connect.example.org/voice/conversation/m-1";
const LOOKUP: &str = "GET https://connect.example.org/voice/tracking/m-1";

async fn end(
    first: EndAction,
    script: impl IntoIterator<Item = ScriptedResponse>,
) -> (Result<EndedCall, EndError>, ScriptedProvider) {
    let provider = ScriptedProvider::new([any_token()].into_iter().chain(script));
    let result = provider.routee().end_call("m-1", first).await;
    assert!(provider.is_done());
    (result, provider)
}

fn ended() -> ScriptedResponse {
    json_response(200, &json!({ "messageId": "m-1", "message": "ok" }))
}

fn wrong_state(status: u16) -> ScriptedResponse {
    error(status, "409013000", "wrong state")
}

fn leg(status: &str) -> ScriptedResponse {
    json_response(200, &json!({ "messageId": "m-1", "status": { "status": status } }))
}

#[tokio::test]
async fn requested_action_ends_the_call() {
    for (action, wire) in [(EndAction::Reject, "reject"), (EndAction::HangUp, "hangup")] {
        let (result, provider) = end(action, [ended()]).await;
        assert_eq!(result, Ok(EndedCall { by: action }));
        assert_eq!(provider.requests().last().map(String::as_str), Some(PUT));
        assert_eq!(provider.bodies().last(), Some(&json!({ "action": wire })));
    }
}

#[tokio::test]
async fn just_answered_call_is_ended_by_the_other_action() {
    for status in [400, 404, 409] {
        let (result, provider) = end(EndAction::Reject, [wrong_state(status), ended()]).await;
        assert_eq!(result, Ok(EndedCall { by: EndAction::HangUp }));
        assert_eq!(
            provider.bodies()[1..],
            [json!({ "action": "reject" }), json!({ "action": "hangup" })]
        );
    }
}

#[tokio::test]
async fn ended_or_unknown_call_is_gone() {
    let (result, _) = end(EndAction::HangUp, [wrong_state(404), wrong_state(404)]).await;
    assert_eq!(result, Err(EndError::Gone));
    let (result, provider) = end(
        EndAction::HangUp,
        [wrong_state(409), wrong_state(409), leg("Completed")],
    )
    .await;
    assert_eq!(result, Err(EndError::Gone));
    assert_eq!(provider.requests()[1..], [PUT, PUT, LOOKUP]);
}

#[tokio::test]
async fn queued_call_is_not_gone() {
    for lookup in [
        leg("Queued"),
        leg("Unknown"),
        leg("Parked"),
        raw(404, ""),
        raw(500, ""),
        no_response(),
    ] {
        let (result, _) = end(EndAction::Reject, [wrong_state(400), wrong_state(400), lookup]).await;
        assert_eq!(
            result,
            Err(EndError::NotYet {
                detail: "status 400: wrong state".to_owned()
            })
        );
    }
}

#[tokio::test]
async fn lost_response_is_unclear() {
    for reply in [no_response(), raw(500, ""), raw(408, "")] {
        let (result, _) = end(EndAction::HangUp, [reply]).await;
        assert!(matches!(result, Err(EndError::Unclear { .. })), "{result:?}");
    }
    let (result, _) = end(EndAction::HangUp, [wrong_state(409), no_response()]).await;
    assert!(matches!(result, Err(EndError::Unclear { .. })), "{result:?}");
}

#[tokio::test]
async fn request_without_effect_is_try_later() {
    for (script, expected) in [
        (vec![not_sent()], DeferralReason::Unreachable),
        (vec![raw(429, "")], DeferralReason::Busy),
        (
            vec![unauthorized(401), any_token(), unauthorized(401)],
            DeferralReason::Unauthorized,
        ),
    ] {
        let (result, _) = end(EndAction::HangUp, script).await;
        assert!(
            matches!(result, Err(EndError::TryLater { reason, .. }) if reason == expected),
            "{result:?}"
        );
    }
}

#[tokio::test]
async fn id_cannot_choose_another_path() {
    let provider = ScriptedProvider::new([any_token(), ended()]);
    let routee = provider.routee();
    assert!(routee.end_call("../x?y", EndAction::HangUp).await.is_ok());
    let requests = provider.requests();
    assert_eq!(
        requests[1],
        "PUT https://connect.example.org/voice/conversation/..%2Fx%3Fy"
    );
    for id in ["", "..", &"x".repeat(129)] {
        assert_eq!(routee.end_call(id, EndAction::HangUp).await, Err(EndError::BadId));
        assert_eq!(routee.legs(id).await, Err(TrackingError::BadId));
        assert_eq!(routee.leg(id).await, Err(TrackingError::BadId));
    }
}
