//! Asking what became of a call.

use super::*;
use crate::clock::Timestamp;
use crate::phone::PhoneNumber;
use crate::providers::testing::{any_token, lost, raw};

async fn legs(reply: Answer) -> Result<Vec<Leg>, TrackingError> {
    Provider::new([any_token(), reply]).client().legs("c-1").await
}

#[tokio::test]
async fn a_page_of_the_contract_is_read() {
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
async fn a_leg_needs_nothing_but_its_id_and_an_odd_one_hides_no_other() {
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
async fn a_conversation_that_the_provider_does_not_know_has_no_legs() {
    assert_eq!(legs(error(404, "404013000", "not found")).await, Ok(Vec::new()));
    let provider = Provider::new([any_token(), raw(404, "")]);
    assert_eq!(provider.client().leg("m-1").await, Ok(None));
}

#[tokio::test]
async fn a_question_without_an_answer_is_an_error() {
    for reply in [lost(), raw(500, ""), raw(429, "")] {
        let told = legs(reply).await;
        assert!(matches!(told, Err(TrackingError::Unavailable { .. })), "{told:?}");
    }
    for body in ["", "[]", "{}", r#"{"content":{}}"#] {
        assert_eq!(legs(raw(200, body)).await, Err(TrackingError::Unreadable), "{body}");
    }
    let told = legs(error(400, "400000000", "no")).await;
    assert!(
        matches!(told, Err(TrackingError::Refused { status: 400, .. })),
        "{told:?}"
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
async fn calls_are_searched_by_recipient_and_time() {
    let (phone, from, to) = search_arguments();
    let page = tracking_page(&[
        json!({ "messageId": "m-1", "to": "306900000001" }),
        json!({ "messageId": "m-2", "to": "+1306900000001" }),
        json!({ "messageId": "m-3" }),
    ]);
    let provider = Provider::new([any_token(), page]);
    let legs = provider.client().search(&phone, from, to).await.expect("legs");
    assert_eq!(
        legs.iter().map(|leg| leg.message_id.as_str()).collect::<Vec<_>>(),
        ["m-1", "m-3"]
    );
    assert_eq!(
        provider.asked()[1],
        "POST https://connect.example.org/voice/tracking?from=2026-01-05T09%3A00%3A00.000Z\
         &to=2026-01-05T09%3A05%3A00.500Z&page=0&size=20"
    );
    assert_eq!(
        provider.bodies()[1],
        json!([{ "fieldName": "recipient", "searchOperator": "ends_with", "searchTerm": "306900000001" }])
    );
}

#[tokio::test]
async fn a_search_that_is_refused_is_put_as_an_object_once() {
    let (phone, from, to) = search_arguments();
    let refused = || error(400, "400000000", "Validation Error!");
    let provider = Provider::new([any_token(), refused(), tracking_page(&[])]);
    assert_eq!(provider.client().search(&phone, from, to).await, Ok(Vec::new()));
    let bodies = provider.bodies();
    assert_eq!(json!([bodies[2]]), bodies[1]);

    let provider = Provider::new([any_token(), refused(), refused()]);
    let told = provider.client().search(&phone, from, to).await;
    assert!(
        matches!(told, Err(TrackingError::Refused { status: 400, .. })),
        "{told:?}"
    );

    let provider = Provider::new([any_token(), raw(500, "")]);
    assert!(provider.client().search(&phone, from, to).await.is_err());
    assert!(provider.is_done());
}
