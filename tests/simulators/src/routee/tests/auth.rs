//! Access tokens.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_token_authenticates_requests_and_reports_its_lifetime() {
    let world = World::new(Switches::default(), Behavior::Busy).await;
    let (status, body) = world.raw(token_request("client_credentials")).await.expect("an answer");
    assert_eq!(status, 200);
    assert_eq!(body["token_type"], "bearer");
    assert_eq!(body["expires_in"], 3599);
    assert_eq!(body["access_token"].as_str().map(str::len), Some(36));
    assert_eq!(world.get("/accounts/me/balance").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_second_token_request_returns_the_same_token_or_a_new_one() {
    for reused in [true, false] {
        let world = World::new(
            Switches {
                token_is_reused: reused,
                ..Switches::default()
            },
            Behavior::Busy,
        )
        .await;
        world.pass(1800).await;
        let (_, body) = world.raw(token_request("client_credentials")).await.expect("an answer");
        assert_eq!(body["access_token"] == world.token.as_str(), reused);
        let expires_in = body["expires_in"].as_u64().expect("a number");
        assert_eq!(expires_in < 1800, reused, "{expires_in}");
        assert_eq!(
            world.get("/accounts/me/balance").await.0,
            200,
            "the earlier token stays valid"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_expires_after_its_lifetime() {
    let mut world = World::new(
        Switches {
            token_lifetime: 60,
            ..Switches::default()
        },
        Behavior::Busy,
    )
    .await;
    world.pass(59).await;
    assert_eq!(world.get("/accounts/me/balance").await.0, 200);
    world.pass(1).await;
    let (status, body) = world.get("/accounts/me/balance").await;
    assert_eq!(status, 401);
    assert_eq!(body["error"], "invalid_token");
    assert!(body.get("code").is_none(), "an OAuth error, not an API error: {body}");
    world.renew_token().await;
    assert_eq!(world.get("/accounts/me/balance").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_get_the_401_of_the_token_endpoint() {
    let world = World::new(Switches::default(), Behavior::Busy).await;
    world.routee.set_credentials("another", "secret");
    let (status, body) = world.raw(token_request("client_credentials")).await.expect("an answer");
    assert_eq!(status, 401);
    assert_eq!(
        (&body["error"], &body["message"]),
        (&json!("Unauthorized"), &json!("Bad credentials"))
    );
    assert_eq!(body["status"], 401);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_grant_or_a_json_body_gets_an_oauth_400() {
    let world = World::new(Switches::default(), Behavior::Busy).await;
    let (status, body) = world.raw(token_request("password")).await.expect("an answer");
    assert_eq!((status, &body["error"]), (400, &json!("unsupported_grant_type")));
    assert!(body["error_description"].is_string());

    let mut request = token_request("client_credentials");
    request
        .headers_mut()
        .insert("content-type", "application/json".parse().expect("a value"));
    let (status, body) = world.raw(request).await.expect("an answer");
    assert_eq!((status, &body["error"]), (400, &json!("invalid_request")));
}

#[tokio::test(start_paused = true)]
async fn requests_without_a_valid_bearer_token_are_rejected() {
    let world = World::new(Switches::default(), Behavior::Busy).await;
    let call = || world.request("POST", "/voice/conversation", &published());

    let mut without = call();
    without.headers_mut().remove("authorization");
    assert_eq!(world.raw(without).await.expect("an answer").0, 401);

    let mut basic = call();
    let credentials = token_request("client_credentials").headers()["authorization"].clone();
    basic.headers_mut().insert("authorization", credentials);
    assert_eq!(world.raw(basic).await.expect("an answer").0, 401);

    let mut other_scheme = call();
    let value = format!("Token {}", world.token).parse().expect("a value");
    other_scheme.headers_mut().insert("authorization", value);
    assert_eq!(world.raw(other_scheme).await.expect("an answer").0, 401);

    let mut lower_case = call();
    let value = format!("bearer {}", world.token).parse().expect("a value");
    lower_case.headers_mut().insert("authorization", value);
    assert_eq!(world.raw(lower_case).await.expect("an answer").0, 200);

    world.routee.revoke_tokens();
    assert_eq!(world.raw(call()).await.expect("an answer").0, 401);
    assert_eq!(world.routee.calls().len(), 1, "only one of the five was placed");
}

#[tokio::test(start_paused = true)]
async fn each_host_serves_only_its_paths_and_other_hosts_serve_all() {
    let world = World::new(Switches::default(), Behavior::Busy).await;
    let status_at = async |uri: &str| {
        let mut request = token_request("client_credentials");
        *request.uri_mut() = uri.parse().expect("a URI");
        world.raw(request).await.expect("an answer").0
    };
    assert_eq!(status_at("https://connect.routee.net/oauth/token").await, 404);
    assert_eq!(status_at("http://127.0.0.1:8080/oauth/token").await, 200);
    assert_eq!(status_at("/oauth/token").await, 200);
    assert_eq!(status_at("https://auth.routee.net/voice/conversation").await, 404);
    assert_eq!(world.routee.unexpected().len(), 2);
}
