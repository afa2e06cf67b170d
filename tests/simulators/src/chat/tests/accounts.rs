//! Tokens, scopes, hosts and paths.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_token_request_has_credentials_a_form_and_known_scopes() {
    let desk = Desk::new(Switches::default()).await;
    let (status, body) = desk.raw(token_request(SCOPES)).await.expect("an answer");
    assert_eq!(
        (status, &body["token_type"], &body["scope"]),
        (200, &json!("bearer"), &json!(SCOPES))
    );
    assert_eq!(body["expires_in"], 24_304_412, "the first token, a moment later");

    let (status, body) = desk.raw(token_request("cx.everything")).await.expect("an answer");
    assert_eq!((status, body), (400, json!({ "error": "invalid_scope" })));

    let mut wrong = token_request(SCOPES);
    wrong
        .headers_mut()
        .insert("authorization", "Basic eDp5".parse().expect("a value"));
    let (status, body) = desk.raw(wrong).await.expect("an answer");
    assert_eq!((status, body), (401, json!({ "error": "invalid_client" })));

    let mut json_body = token_request(SCOPES);
    json_body
        .headers_mut()
        .insert("content-type", "application/json".parse().expect("a value"));
    assert_eq!(desk.raw(json_body).await.expect("an answer").0, 400);

    let mut password = token_request(SCOPES);
    *password.body_mut() = Bytes::from_static(b"grant_type=password&scope=cx.queue-calls");
    let (status, body) = desk.raw(password).await.expect("an answer");
    assert_eq!((status, body), (400, json!({ "error": "unsupported_grant_type" })));
}

#[tokio::test(start_paused = true)]
async fn a_second_token_request_returns_the_same_token_with_less_time_or_a_new_one() {
    for reused in [true, false] {
        let desk = Desk::new(with(|switches| {
            switches.token_is_reused = reused;
            switches.token_lifetime = 3_600;
        }))
        .await;
        desk.pass(600).await;
        let (_, body) = desk.raw(token_request(SCOPES)).await.expect("an answer");
        assert_eq!(body["access_token"] == desk.token.as_str(), reused);
        assert_eq!(body["expires_in"].as_u64().expect("a number") <= 3_000, reused);
        let (status, _) = desk
            .raw(desk.request("GET", "digital-interactions/inboxes/", &Value::Null))
            .await
            .expect("one");
        assert_eq!(status, 200, "the earlier token stays valid");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_token_may_invalidate_the_earlier_one() {
    let desk = Desk::new(with(|switches| {
        switches.token_is_reused = false;
        switches.one_token = true;
    }))
    .await;
    desk.raw(token_request(SCOPES)).await.expect("an answer");
    let request = desk.request("GET", "digital-interactions/inboxes/", &Value::Null);
    assert_eq!(desk.raw(request).await.expect("an answer").0, 401);
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_with_its_lifetime_or_is_revoked_early() {
    for (switches, seconds) in [
        (with(|switches| switches.token_lifetime = 60), 60),
        (
            with(|switches| switches.token_revoked_after = Some(Duration::from_secs(45))),
            45,
        ),
    ] {
        let mut desk = Desk::new(switches).await;
        let conversation = desk.opens();
        desk.pass(seconds - 1).await;
        assert_eq!(desk.says(conversation, "one").await.0, 200);
        desk.pass(1).await;
        assert_eq!(desk.says(conversation, "two").await.0, 401);
        desk.renew_token(SCOPES).await;
        assert_eq!(desk.says(conversation, "three").await.0, 200);
        desk.chat.revoke_tokens();
        assert_eq!(desk.says(conversation, "four").await.0, 401);
        let texts: Vec<String> = desk.chat.posts_of_bot().into_iter().map(|post| post.text).collect();
        assert_eq!(texts, ["one", "three"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_allows_its_scopes_only() {
    let mut desk = Desk::new(Switches::default()).await;
    desk.renew_token("cx.queue-calls").await;
    let call = json!({ "queue_name": QUEUES[0], "destination": "+12025550123" });
    assert_eq!(desk.post("queues/call/", call).await.0, 200);
    let conversation = desk.opens();
    assert_eq!(desk.says(conversation, "Hello").await.0, 403);
    let call = json!({ "agent_name": AGENTS[0].0, "destination": "+12025550123" });
    assert_eq!(desk.post("agents/call/", call).await.0, 403);
}

#[tokio::test(start_paused = true)]
async fn every_request_needs_a_bearer_token() {
    let desk = Desk::new(Switches::default()).await;
    for authorization in ["", "Basic eDp5", "Bearer unknown"] {
        let mut request = desk.request("GET", "digital-interactions/inboxes/", &Value::Null);
        request
            .headers_mut()
            .insert("authorization", authorization.parse().expect("a value"));
        assert_eq!(desk.raw(request).await.expect("an answer").0, 401);
    }
    let mut lower_case = desk.request("GET", "digital-interactions/inboxes/", &Value::Null);
    let value = format!("bearer {}", desk.token).parse().expect("a value");
    lower_case.headers_mut().insert("authorization", value);
    assert_eq!(desk.raw(lower_case).await.expect("an answer").0, 200);
}

#[tokio::test(start_paused = true)]
async fn each_host_serves_only_its_paths_and_other_hosts_serve_all() {
    let desk = Desk::new(Switches::default()).await;
    let status_at = async |uri: &str| {
        let mut request = desk.request("GET", "digital-interactions/inboxes/", &Value::Null);
        *request.uri_mut() = uri.parse().expect("a URI");
        desk.raw(request).await.expect("an answer").0
    };
    let path = "/cx/api/v1/digital-interactions/inboxes/";
    assert_eq!(status_at(&format!("https://{SANGOMA_HOST}{path}")).await, 200);
    assert_eq!(status_at(&format!("http://127.0.0.1:8080{path}")).await, 200);
    assert_eq!(status_at(path).await, 200);
    assert_eq!(status_at(&format!("https://{CHATWOOT_HOST}{path}")).await, 404);
    assert_eq!(status_at(&format!("https://{SANGOMA_AUTH_HOST}{path}")).await, 404);
    assert_eq!(
        status_at(&format!("https://{SANGOMA_HOST}/api/v1/accounts/1/inboxes")).await,
        404
    );
    assert_eq!(desk.chat.unexpected().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_path_without_its_final_slash_is_unknown_or_not() {
    for required in [true, false] {
        let desk = Desk::new(with(|switches| switches.slash_is_required = required)).await;
        let request = desk.request("GET", "digital-interactions/inboxes", &Value::Null);
        assert_eq!(
            desk.raw(request).await.expect("an answer").0,
            if required { 404 } else { 200 }
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_new_paths_the_old_paths_or_both_exist() {
    let bot = json!({ "name": "Another", "outgoing_url": BOT_URL, "description": "" });
    for (paths, new, old) in [(Paths::New, 200, 404), (Paths::Old, 404, 200), (Paths::Both, 200, 200)] {
        let desk = Desk::new(with(|switches| switches.paths = paths)).await;
        let assign = json!({ "inbox_id": "8", "agent_bot_id": desk.bot.to_string() });
        for (path, body, expected) in [
            ("agents-bot/", &bot, new),
            ("agents-bot/assign/", &assign, new),
            ("agent-bot/", &bot, old),
            ("assign-agent-bot/", &assign, old),
        ] {
            let (status, _) = desk.post(&format!("digital-interactions/{path}"), body.clone()).await;
            assert_eq!(status, expected, "{path} with {paths:?}");
        }
        let (status, _) = desk.post("digital-interactions/agent-bots/", bot.clone()).await;
        assert_eq!(status, 404, "this form never occurs");
    }
}

#[tokio::test(start_paused = true)]
async fn the_tenant_is_required_or_not_and_must_be_known() {
    for (required, unknown, expected) in [
        (true, UnknownTenant::NotFound, [400, 404]),
        (false, UnknownTenant::Forbidden, [200, 403]),
    ] {
        let desk = Desk::new(with(|switches| {
            switches.tenant_is_required = required;
            switches.unknown_tenant = unknown;
        }))
        .await;
        let conversation = desk.opens();
        let mut body = desk.message(conversation, "Hello");
        let send = async |body: &Value| {
            let request = desk.request("POST", "digital-interactions/messages/", body);
            desk.raw(request).await.expect("an answer").0
        };
        assert_eq!(send(&body).await, expected[0]);
        body["tenant_domain"] = "other.cx.sangoma.com".into();
        assert_eq!(send(&body).await, expected[1]);
    }
}

#[tokio::test(start_paused = true)]
async fn another_method_or_another_content_type_is_refused() {
    let desk = Desk::new(Switches::default()).await;
    let request = desk.request("GET", "digital-interactions/messages/", &Value::Null);
    assert_eq!(desk.raw(request).await.expect("an answer").0, 405);
    let mut form = desk.request("POST", "digital-interactions/messages/", &Value::Null);
    form.headers_mut()
        .insert("content-type", "text/plain".parse().expect("a value"));
    assert_eq!(desk.raw(form).await.expect("an answer").0, 415);
    let list = desk.request("POST", "digital-interactions/messages/", &json!([]));
    assert_eq!(desk.raw(list).await.expect("an answer").0, 400);
}
