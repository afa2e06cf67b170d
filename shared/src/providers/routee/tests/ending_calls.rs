//! Ending a call whose state may change while we ask.

use super::*;
use crate::providers::testing::{any_token, lost, not_sent, raw};

const PUT: &str = "PUT https://connect.example.org/voice/conversation/m-1";
const LOOK: &str = "GET https://connect.example.org/voice/tracking/m-1";

async fn end(first: EndAction, script: impl IntoIterator<Item = Answer>) -> (Result<Ended, EndError>, Provider) {
    let provider = Provider::new([any_token()].into_iter().chain(script));
    let result = provider.client().end_call("m-1", first).await;
    assert!(provider.is_done());
    (result, provider)
}

fn done() -> Answer {
    answer(200, &json!({ "messageId": "m-1", "message": "ok" }))
}

fn wrong_state(status: u16) -> Answer {
    error(status, "409013000", "wrong state")
}

fn leg(status: &str) -> Answer {
    answer(200, &json!({ "messageId": "m-1", "status": { "status": status } }))
}

#[tokio::test]
async fn a_ringing_call_is_rejected_and_an_answered_one_hung_up() {
    for (action, wire) in [(EndAction::Reject, "reject"), (EndAction::HangUp, "hangup")] {
        let (result, provider) = end(action, [done()]).await;
        assert_eq!(result, Ok(Ended { by: action }));
        assert_eq!(provider.asked().last().map(String::as_str), Some(PUT));
        assert_eq!(provider.bodies().last(), Some(&json!({ "action": wire })));
    }
}

#[tokio::test]
async fn a_call_that_was_just_answered_is_ended_by_the_other_action() {
    for status in [400, 404, 409] {
        let (result, provider) = end(EndAction::Reject, [wrong_state(status), done()]).await;
        assert_eq!(result, Ok(Ended { by: EndAction::HangUp }));
        assert_eq!(
            provider.bodies()[1..],
            [json!({ "action": "reject" }), json!({ "action": "hangup" })]
        );
    }
}

#[tokio::test]
async fn a_call_that_is_over_or_unknown_is_gone() {
    let (result, _) = end(EndAction::HangUp, [wrong_state(404), wrong_state(404)]).await;
    assert_eq!(result, Err(EndError::Gone));
    let (result, provider) = end(
        EndAction::HangUp,
        [wrong_state(409), wrong_state(409), leg("Completed")],
    )
    .await;
    assert_eq!(result, Err(EndError::Gone));
    assert_eq!(provider.asked()[1..], [PUT, PUT, LOOK]);
}

#[tokio::test]
async fn a_call_that_waits_in_the_providers_queue_is_not_taken_for_gone() {
    for look in [
        leg("Queued"),
        leg("Unknown"),
        leg("Parked"),
        raw(404, ""),
        raw(500, ""),
        lost(),
    ] {
        let (result, _) = end(EndAction::Reject, [wrong_state(400), wrong_state(400), look]).await;
        assert_eq!(
            result,
            Err(EndError::NotYet {
                detail: "status 400: wrong state".to_owned()
            })
        );
    }
}

#[tokio::test]
async fn whether_a_lost_request_ended_the_call_is_unclear() {
    for reply in [lost(), raw(500, ""), raw(408, "")] {
        let (result, _) = end(EndAction::HangUp, [reply]).await;
        assert!(matches!(result, Err(EndError::Unclear { .. })), "{result:?}");
    }
    let (result, _) = end(EndAction::HangUp, [wrong_state(409), lost()]).await;
    assert!(matches!(result, Err(EndError::Unclear { .. })), "{result:?}");
}

#[tokio::test]
async fn a_request_that_did_nothing_may_be_tried_later() {
    for (script, expected) in [
        (vec![not_sent()], Deferral::Unreachable),
        (vec![raw(429, "")], Deferral::Busy),
        (
            vec![turned_away(401), any_token(), turned_away(401)],
            Deferral::Unauthorised,
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
async fn an_id_cannot_choose_another_path() {
    let provider = Provider::new([any_token(), done()]);
    let routee = provider.client();
    assert!(routee.end_call("../x?y", EndAction::HangUp).await.is_ok());
    let asked = provider.asked();
    assert_eq!(
        asked[1],
        "PUT https://connect.example.org/voice/conversation/..%2Fx%3Fy"
    );
    for id in ["", "..", &"x".repeat(129)] {
        assert_eq!(routee.end_call(id, EndAction::HangUp).await, Err(EndError::BadId));
        assert_eq!(routee.legs(id).await, Err(TrackingError::BadId));
        assert_eq!(routee.leg(id).await, Err(TrackingError::BadId));
    }
}
