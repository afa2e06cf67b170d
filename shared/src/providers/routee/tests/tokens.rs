//! The access token: fetched once, replaced before it expires, refreshed once after a rejection.

use std::time::Duration;

use super::*;
use crate::providers::testing::{any_token, no_response, not_sent, raw, token};

const TOKEN: &str = "POST https://auth.example.org/oauth/token";
const LEGS: &str = "GET https://connect.example.org/voice/tracking/conversation/c-1";

#[tokio::test]
async fn token_is_fetched_with_the_credentials_and_cached() {
    let provider = ScriptedProvider::new([any_token(), tracking_page(&[]), tracking_page(&[])]);
    let routee = provider.routee();
    routee.legs("c-1").await.expect("legs");
    routee.legs("c-1").await.expect("legs");
    assert_eq!(provider.requests(), [TOKEN, LEGS, LEGS]);
    // base64 of app:s3cret
    assert_eq!(
        provider.authorizations(),
        ["Basic YXBwOnMzY3JldA==", "Bearer t-1", "Bearer t-1"]
    );
}

#[tokio::test(start_paused = true)]
async fn token_is_replaced_a_minute_before_expiry() {
    let page = || tracking_page(&[]);
    let provider = ScriptedProvider::new([token("t-1", 3_599), page(), page(), token("t-2", 3_599), page()]);
    let routee = provider.routee();
    routee.legs("c-1").await.expect("legs");
    tokio::time::advance(Duration::from_secs(3_538)).await;
    routee.legs("c-1").await.expect("legs");
    tokio::time::advance(Duration::from_secs(1)).await;
    routee.legs("c-1").await.expect("legs");
    assert_eq!(provider.requests(), [TOKEN, LEGS, LEGS, TOKEN, LEGS]);
    assert_eq!(provider.authorizations().last().map(String::as_str), Some("Bearer t-2"));
}

#[tokio::test]
async fn token_about_to_expire_serves_one_request() {
    let page = || tracking_page(&[]);
    let provider = ScriptedProvider::new([token("t-1", 30), page(), token("t-1", 29), page()]);
    let routee = provider.routee();
    routee.legs("c-1").await.expect("legs");
    routee.legs("c-1").await.expect("legs");
    assert!(provider.is_done());
}

#[tokio::test(start_paused = true)]
async fn lifetime_may_be_long_a_string_or_missing() {
    let page = || tracking_page(&[]);
    for (lifetime, secs) in [
        (json!(631_139_040), 600_000_000),
        (json!("86400"), 86_000),
        (json!(null), 3_500),
    ] {
        let body = json!({ "access_token": "t-1", "expires_in": lifetime });
        let provider = ScriptedProvider::new([json_response(200, &body), page(), page()]);
        let routee = provider.routee();
        routee.legs("c-1").await.expect("legs");
        tokio::time::advance(Duration::from_secs(secs)).await;
        routee.legs("c-1").await.expect("legs");
        assert!(provider.is_done(), "{lifetime}");
    }
}

#[tokio::test]
async fn rejected_token_is_refreshed_once() {
    for status in [401, 403] {
        let provider = ScriptedProvider::new([
            token("t-1", 3_600),
            unauthorized(status),
            token("t-2", 3_600),
            tracking_page(&[]),
        ]);
        provider.routee().legs("c-1").await.expect("legs");
        assert_eq!(provider.requests(), [TOKEN, LEGS, TOKEN, LEGS]);
        assert_eq!(provider.authorizations().last().map(String::as_str), Some("Bearer t-2"));
    }
}

#[tokio::test]
async fn second_rejection_is_final() {
    // The provider may issue the same token again.
    let provider = ScriptedProvider::new([any_token(), unauthorized(401), any_token(), unauthorized(401)]);
    let detail = "Invalid access token: [id]".to_owned();
    let expected = Err(TrackingError::Unauthorized { status: 401, detail });
    assert_eq!(provider.routee().legs("c-1").await, expected);
    assert!(provider.is_done());
}

#[tokio::test]
async fn wrong_credentials_differ_from_unavailable_endpoint() {
    let bad = json!({ "status": 401, "error": "Unauthorized", "message": "Bad credentials" });
    let provider = ScriptedProvider::new([json_response(401, &bad)]);
    let detail = "Bad credentials".to_owned();
    let expected = Err(TrackingError::Unauthorized { status: 401, detail });
    assert_eq!(provider.routee().legs("c-1").await, expected);

    for down in [
        raw(503, ""),
        raw(200, "{}"),
        raw(200, r#"{"access_token":"line\nbreak"}"#),
        no_response(),
        not_sent(),
    ] {
        let result = ScriptedProvider::new([down]).routee().legs("c-1").await;
        assert!(matches!(result, Err(TrackingError::Unavailable { .. })), "{result:?}");
    }
}

#[tokio::test]
async fn failed_token_fetch_is_not_cached() {
    let provider = ScriptedProvider::new([no_response(), any_token(), tracking_page(&[])]);
    let routee = provider.routee();
    assert!(routee.legs("c-1").await.is_err());
    assert!(routee.legs("c-1").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn concurrent_callers_share_one_token_request() {
    let page = || tracking_page(&[]);
    let provider = ScriptedProvider::slow(Duration::from_millis(100), [any_token(), page(), page(), page()]);
    let routee = provider.routee();
    let clone = routee.clone();
    let (a, b, c) = tokio::join!(routee.legs("c-1"), routee.legs("c-1"), clone.legs("c-1"));
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(
        provider.requests().iter().filter(|requests| *requests == TOKEN).count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn concurrently_rejected_callers_share_the_new_token() {
    let page = || tracking_page(&[]);
    let script = [
        any_token(),
        page(),
        unauthorized(401),
        unauthorized(401),
        any_token(),
        page(),
        page(),
    ];
    let provider = ScriptedProvider::slow(Duration::from_millis(100), script);
    let routee = provider.routee();
    routee.legs("c-1").await.expect("legs");
    let (a, b) = tokio::join!(routee.legs("c-1"), routee.legs("c-1"));
    assert!(a.is_ok() && b.is_ok());
    assert_eq!(
        provider.requests().iter().filter(|requests| *requests == TOKEN).count(),
        2
    );
}
