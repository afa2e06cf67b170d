//! Lookup and search of calls.

use super::*;
use crate::clock::Timestamp;
use crate::phone::PhoneNumber;
use crate::providers::testing::{any_token, no_response, raw};

async fn legs(reply: ScriptedResponse) -> Result<Vec<Leg>, TrackingError> {
    ScriptedProvider::new([any_token(), reply]).routee().legs("c-1").await
}

#[tokio::test]
async fn tracking_page_of_the_contract_is_parsed() {
    let page = raw(200, include_str!("../fixtures/tracking.json"));
    let leg = Leg {
        message_id: "a1b2c3d4-0000-4000-8000-00000000c0de".to_owned(),
        tracking_id: Some("5b0c2f5e-7a31-4f0f-9d58-0c1d2e3f4a5b".to_owned()),
        to: PhoneNumber::parse("+306900000001").ok(),
        from: PhoneNumber::parse("+302100000000").ok(),
        country: Some("GR".to_owned()),
        status: Some(CallStatus::Completed),
        status_at: Timestamp::parse("2026-01-05T09:00:41.500Z"),
        originating_service: None,
        direction: Some(Direction::Outbound),
        duration: Some(27.0),
        price: Some(0.031),
        charge_interval: Some(1.0),
        collected_tones: Some("1".to_owned()),
        answered_by: Some(AnsweredBy::Human),
    };
    assert_eq!(leg.keys(), "1");
    assert_eq!(legs(page).await, Ok(vec![leg]));
}

#[tokio::test]
async fn leg_needs_only_its_id_and_invalid_leg_is_skipped() {
    let page = tracking_page(&[
        json!({ "status": { "status": "Busy" } }),
        json!(7),
        json!({ "messageId": "m-1", "status": { "name": "Ringing" }, "answeredBy": "machine", "collectedTones": "1,2#" }),
        json!({ "messageId": "m-2", "status": 5, "duration": "27", "price": "0.1", "to": [] }),
    ]);
    let legs = legs(page).await.expect("legs");
    assert_eq!(
        legs.iter().map(|leg| leg.message_id.as_str()).collect::<Vec<_>>(),
        ["m-1", "m-2"]
    );
    assert_eq!(
        (&legs[0].status, legs[0].keys().as_str()),
        (&Some(CallStatus::Ringing), "12")
    );
    assert_eq!(legs[0].answered_by, Some(AnsweredBy::Machine));
    assert_eq!(
        (legs[1].status.as_ref(), legs[1].duration, legs[1].price),
        (None, Some(27.0), Some(0.1))
    );
    assert_eq!(legs[1].keys(), "");
}

#[tokio::test]
async fn unknown_conversation_has_no_legs() {
    assert_eq!(legs(error(404, "404013000", "not found")).await, Ok(Vec::new()));
    let provider = ScriptedProvider::new([any_token(), raw(404, "")]);
    assert_eq!(provider.routee().leg("m-1").await, Ok(None));
}

#[tokio::test]
async fn failed_lookup_is_an_error() {
    for reply in [no_response(), raw(500, ""), raw(429, "")] {
        let result = legs(reply).await;
        assert!(matches!(result, Err(TrackingError::Unavailable { .. })), "{result:?}");
    }
    for body in ["", "[]", "{}", r#"{"content":{}}"#] {
        assert_eq!(legs(raw(200, body)).await, Err(TrackingError::Unreadable), "{body}");
    }
    let result = legs(error(400, "400000000", "no")).await;
    assert!(
        matches!(result, Err(TrackingError::Refused { status: 400, .. })),
        "{result:?}"
    );
}

fn search_arguments() -> (PhoneNumber, Timestamp, Timestamp) {
    let time = |text| Timestamp::parse(text).expect("a time");
    (
        PhoneNumber::parse("+306900000001").expect("a number"),
        time("2026-01-05T09:00:00Z"),
        time("2026-01-05T09:05:00.5Z"),
    )
}

#[tokio::test]
async fn search_filters_by_recipient_and_time() {
    let (phone, from, to) = search_arguments();
    let page = tracking_page(&[
        json!({ "messageId": "m-1", "to": "306900000001" }),
        json!({ "messageId": "m-2", "to": "+1306900000001" }),
        json!({ "messageId": "m-3" }),
    ]);
    let provider = ScriptedProvider::new([any_token(), page]);
    let legs = provider.routee().search(&phone, from, to).await.expect("legs");
    assert_eq!(
        legs.iter().map(|leg| leg.message_id.as_str()).collect::<Vec<_>>(),
        ["m-1", "m-3"]
    );
    assert_eq!(
        provider.requests()[1],
        "POST https://connect.example.org/voice/tracking?from=2026-01-05T09%3A00%3A00.000Z\
         &to=2026-01-05T09%3A05%3A00.500Z&page=0&size=20"
    );
    assert_eq!(
        provider.bodies()[1],
        json!([{ "fieldName": "recipient", "searchOperator": "ends_with", "searchTerm": "306900000001" }])
    );
}

#[tokio::test]
async fn refused_search_is_retried_once_with_an_object() {
    let (phone, from, to) = search_arguments();
    let refused = || error(400, "400000000", "Validation Error!");
    let provider = ScriptedProvider::new([any_token(), refused(), tracking_page(&[])]);
    assert_eq!(provider.routee().search(&phone, from, to).await, Ok(Vec::new()));
    let bodies = provider.bodies();
    assert_eq!(json!([bodies[2]]), bodies[1]);

    let provider = ScriptedProvider::new([any_token(), refused(), refused()]);
    let result = provider.routee().search(&phone, from, to).await;
    assert!(
        matches!(result, Err(TrackingError::Refused { status: 400, .. })),
        "{result:?}"
    );

    let provider = ScriptedProvider::new([any_token(), raw(500, "")]);
    assert!(provider.routee().search(&phone, from, to).await.is_err());
    assert!(provider.is_done());
}
