//! The token: fetched once, replaced in time, refreshed once.

use std::time::Duration;

use super::*;
use crate::providers::testing::{any_token, lost, not_sent, raw, token};

const TOKEN: &str = "POST https://auth.example.org/oauth/token";
const LEGS: &str = "GET https://connect.example.org/voice/tracking/conversation/c-1";

#[tokio::test]
async fn a_token_is_asked_for_with_the_credentials_and_kept() {
    let provider = Provider::new([any_token(), tracking_page(&[]), tracking_page(&[])]);
    let routee = provider.client();
    routee.legs("c-1").await.expect("legs");
    routee.legs("c-1").await.expect("legs");
    assert_eq!(provider.asked(), [TOKEN, LEGS, LEGS]);
    // base64 of app:s3cret
    assert_eq!(
        provider.authorisations(),
        ["Basic YXBwOnMzY3JldA==", "Bearer t-1", "Bearer t-1"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_is_replaced_a_minute_before_it_expires() {
    let page = || tracking_page(&[]);
    let provider = Provider::new([token("t-1", 3_599), page(), page(), token("t-2", 3_599), page()]);
    let routee = provider.client();
    routee.legs("c-1").await.expect("legs");
    tokio::time::advance(Duration::from_secs(3_538)).await;
    routee.legs("c-1").await.expect("legs");
    tokio::time::advance(Duration::from_secs(1)).await;
    routee.legs("c-1").await.expect("legs");
    assert_eq!(provider.asked(), [TOKEN, LEGS, LEGS, TOKEN, LEGS]);
    assert_eq!(provider.authorisations().last().map(String::as_str), Some("Bearer t-2"));
}

#[tokio::test]
async fn a_token_that_is_about_to_expire_serves_one_request() {
    let page = || tracking_page(&[]);
    let provider = Provider::new([token("t-1", 30), page(), token("t-1", 29), page()]);
    let routee = provider.client();
    routee.legs("c-1").await.expect("legs");
    routee.legs("c-1").await.expect("legs");
    assert!(provider.is_done());
}

#[tokio::test(start_paused = true)]
async fn lives_of_twenty_years_in_a_string_or_unknown_are_understood() {
    let page = || tracking_page(&[]);
    for (life, secs) in [
        (json!(631_139_040), 600_000_000),
        (json!("86400"), 86_000),
        (json!(null), 3_500),
    ] {
        let body = json!({ "access_token": "t-1", "expires_in": life });
        let provider = Provider::new([answer(200, &body), page(), page()]);
        let routee = provider.client();
        routee.legs("c-1").await.expect("legs");
        tokio::time::advance(Duration::from_secs(secs)).await;
        routee.legs("c-1").await.expect("legs");
        assert!(provider.is_done(), "{life}");
    }
}

#[tokio::test]
async fn a_token_that_is_turned_away_is_refreshed_once() {
    for status in [401, 403] {
        let provider = Provider::new([
            token("t-1", 3_600),
            turned_away(status),
            token("t-2", 3_600),
            tracking_page(&[]),
        ]);
        provider.client().legs("c-1").await.expect("legs");
        assert_eq!(provider.asked(), [TOKEN, LEGS, TOKEN, LEGS]);
        assert_eq!(provider.authorisations().last().map(String::as_str), Some("Bearer t-2"));
    }
}

#[tokio::test]
async fn a_second_refusal_is_final_and_never_loops() {
    // The provider may hand out the same token again.
    let provider = Provider::new([any_token(), turned_away(401), any_token(), turned_away(401)]);
    let detail = "Invalid access token: [id]".to_owned();
    let expected = Err(TrackingError::Unauthorised { status: 401, detail });
    assert_eq!(provider.client().legs("c-1").await, expected);
    assert!(provider.is_done());
}

#[tokio::test]
async fn wrong_credentials_are_told_from_an_endpoint_that_is_down() {
    let bad = json!({ "status": 401, "error": "Unauthorized", "message": "Bad credentials" });
    let provider = Provider::new([answer(401, &bad)]);
    let detail = "Bad credentials".to_owned();
    let expected = Err(TrackingError::Unauthorised { status: 401, detail });
    assert_eq!(provider.client().legs("c-1").await, expected);

    for down in [
        raw(503, ""),
        raw(200, "{}"),
        raw(200, r#"{"access_token":"line\nbreak"}"#),
        lost(),
        not_sent(),
    ] {
        let told = Provider::new([down]).client().legs("c-1").await;
        assert!(matches!(told, Err(TrackingError::Unavailable { .. })), "{told:?}");
    }
}

#[tokio::test]
async fn a_failure_to_get_a_token_is_forgotten() {
    let provider = Provider::new([lost(), any_token(), tracking_page(&[])]);
    let routee = provider.client();
    assert!(routee.legs("c-1").await.is_err());
    assert!(routee.legs("c-1").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn callers_at_the_same_time_ask_for_one_token() {
    let page = || tracking_page(&[]);
    let provider = Provider::slow(Duration::from_millis(100), [any_token(), page(), page(), page()]);
    let routee = provider.client();
    let clone = routee.clone();
    let (a, b, c) = tokio::join!(routee.legs("c-1"), routee.legs("c-1"), clone.legs("c-1"));
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(provider.asked().iter().filter(|asked| *asked == TOKEN).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn callers_that_are_turned_away_together_share_the_new_token() {
    let page = || tracking_page(&[]);
    let script = [
        any_token(),
        page(),
        turned_away(401),
        turned_away(401),
        any_token(),
        page(),
        page(),
    ];
    let provider = Provider::slow(Duration::from_millis(100), script);
    let routee = provider.client();
    routee.legs("c-1").await.expect("legs");
    let (a, b) = tokio::join!(routee.legs("c-1"), routee.legs("c-1"));
    assert!(a.is_ok() && b.is_ok());
    assert_eq!(provider.asked().iter().filter(|asked| *asked == TOKEN).count(), 2);
}
