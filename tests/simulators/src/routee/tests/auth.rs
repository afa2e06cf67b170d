//! Tokens.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_token_opens_the_api_and_says_how_long_it_still_will() {
    let world = World::new(Switches::default(), Behaviour::Busy).await;
    let (status, body) = world.raw(token_request("client_credentials")).await.expect("an answer");
    assert_eq!(status, 200);
    assert_eq!(body["token_type"], "bearer");
    assert_eq!(body["expires_in"], 3599);
    assert_eq!(body["access_token"].as_str().map(str::len), Some(36));
    assert_eq!(world.get("/accounts/me/balance").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_valid_token_is_given_again_with_the_remaining_lifetime_or_a_new_one_is_made() {
    for reused in [true, false] {
        let world = World::new(
            Switches {
                token_is_reused: reused,
                ..Switches::default()
            },
            Behaviour::Busy,
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
async fn a_token_expires_after_the_lifetime_that_is_set() {
    let mut world = World::new(
        Switches {
            token_lifetime: 60,
            ..Switches::default()
        },
        Behaviour::Busy,
    )
    .await;
    world.pass(59).await;
    assert_eq!(world.get("/accounts/me/balance").await.0, 200);
    world.pass(1).await;
    let (status, body) = world.get("/accounts/me/balance").await;
    assert_eq!(status, 401);
    assert_eq!(body["error"], "invalid_token");
    assert!(body.get("code").is_none(), "the other family of errors: {body}");
    world.renew_token().await;
    assert_eq!(world.get("/accounts/me/balance").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_get_the_401_of_the_token_endpoint() {
    let world = World::new(Switches::default(), Behaviour::Busy).await;
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
async fn a_wrong_grant_or_a_json_body_gets_a_400_in_the_manner_of_oauth() {
    let world = World::new(Switches::default(), Behaviour::Busy).await;
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
async fn nothing_is_open_without_a_token_with_basic_credentials_or_after_a_revocation() {
    let world = World::new(Switches::default(), Behaviour::Busy).await;
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
async fn each_host_serves_its_own_paths_and_a_local_port_serves_all() {
    let world = World::new(Switches::default(), Behaviour::Busy).await;
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
