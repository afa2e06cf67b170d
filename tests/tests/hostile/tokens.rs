//! Requests without a valid token, or beyond its scopes or tenant.

use patchbay::access::{Scope, TokenRecord};
use patchbay::clock::Timestamp;
use patchbay::web::auth::token_hash;
use patchbay_simulators::world::{TOKEN, World};
use serde_json::json;

use crate::common::{Answer, create, dispatch_body, effects, load, request, send, with_token, world};

/// All requests to the dispatch API. `id` is the dispatch of those that name one.
fn all_requests(id: &str) -> Vec<(&'static str, String)> {
    vec![
        ("POST", "/v1/dispatches".to_owned()),
        ("GET", "/v1/dispatches".to_owned()),
        ("POST", "/v1/dispatches/preview".to_owned()),
        ("GET", format!("/v1/dispatches/{id}")),
        ("POST", format!("/v1/dispatches/{id}/cancel")),
        ("POST", format!("/v1/dispatches/{id}/resolve")),
    ]
}

async fn send_with(world: &World, authorization: &[&str], method: &str, path: &str) -> Answer {
    let mut request = request(method, path);
    for value in authorization {
        request = request.header("authorization", *value);
    }
    let body = dispatch_body(1, &json!({})).to_string();
    send(world, request.body(body.into()).unwrap()).await
}

/// Stores a token that consists of this digit, 64 times. Returns its `Authorization` header.
async fn token(world: &World, digit: char, change: impl FnOnce(&mut TokenRecord)) -> String {
    let token = format!("pb_{}", digit.to_string().repeat(64));
    let mut record = TokenRecord {
        tenant: "main".parse().unwrap(),
        scopes: Scope::ALL.into_iter().collect(),
        expires_at: None,
        revoked: false,
    };
    change(&mut record);
    world.store.put_token(&token_hash(&token), &record).await.unwrap();
    format!("Bearer {token}")
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_valid_token_changes_nothing() {
    let world = world([]).await;
    let key = create(&world, &dispatch_body(1, &json!({}))).await;
    let before = load(&world, &key).await;
    let expired = token(&world, '1', |record| {
        record.expires_at = Some(Timestamp::from_millis(1));
    })
    .await;
    let revoked = token(&world, '2', |record| record.revoked = true).await;
    let now = world.clock.now();
    let just_expired = token(&world, '3', |record| record.expires_at = Some(now)).await;
    let unknown = format!("Bearer pb_{}", "f".repeat(64));
    let (twice, basic, bare) = (format!("Bearer {TOKEN}"), format!("Basic {TOKEN}"), TOKEN.to_owned());
    let upper = format!("Bearer {}", TOKEN.to_uppercase());
    world.aws.recorder().clear();
    let wrong: [&[&str]; 10] = [
        &[],
        &[""],
        &["Bearer"],
        &["Bearer pb_"],
        &[&upper],
        &[&basic],
        &[&bare],
        &[&unknown],
        &[&expired],
        &[&twice, &revoked],
    ];
    let wrong = wrong
        .into_iter()
        .map(<[&str]>::to_vec)
        .chain([vec![revoked.as_str()], vec![just_expired.as_str()]]);
    for authorization in wrong {
        for (method, path) in all_requests(&key.id.to_string()) {
            let answer = send_with(&world, &authorization, method, &path).await;
            answer.is_problem(401, "unauthorized");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    assert_eq!(effects(&world), 0);
    assert_eq!(load(&world, &key).await, before);
}

#[tokio::test(start_paused = true)]
async fn a_token_works_until_it_expires() {
    let world = world([]).await;
    let soon = world.clock.now().plus_seconds(60);
    let token = token(&world, '4', |record| record.expires_at = Some(soon)).await;
    assert_eq!(send_with(&world, &[&token], "GET", "/v1/dispatches").await.status, 200);
    crate::common::pass(&world, 60).await;
    send_with(&world, &[&token], "GET", "/v1/dispatches")
        .await
        .is_problem(401, "unauthorized");
}

#[tokio::test(start_paused = true)]
async fn a_token_allows_exactly_its_scopes() {
    let world = world([]).await;
    let key = create(&world, &dispatch_body(1, &json!({}))).await;
    let without = |scope: Scope| move |record: &mut TokenRecord| record.scopes.retain(|other| *other != scope);
    let cannot_read = token(&world, '5', without(Scope::DispatchesRead)).await;
    let cannot_write = token(&world, '6', without(Scope::DispatchesWrite)).await;
    world.aws.recorder().clear();
    for (method, path) in all_requests(&key.id.to_string()) {
        let reads = method == "GET" || path.ends_with("preview");
        let (token, scope) = if reads {
            (&cannot_read, "read")
        } else {
            (&cannot_write, "write")
        };
        let answer = send_with(&world, &[token], method, &path).await;
        answer.is_problem(403, "forbidden");
        assert!(
            answer.text("/detail").contains(&format!("dispatches:{scope}")),
            "{answer:?}"
        );
    }
    assert_eq!(effects(&world), 0);
    // With the right scope all of them succeed.
    for (method, path) in all_requests(&key.id.to_string()) {
        let reads = method == "GET" || path.ends_with("preview");
        let token = if reads { &cannot_write } else { &cannot_read };
        let answer = send_with(&world, &[token], method, &path).await;
        assert!([200, 201].contains(&answer.status), "{method} {path}: {answer:?}");
        if path.ends_with("cancel") {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_of_another_tenant_is_not_found() {
    let world = world([]).await;
    let keyed = with_token("POST", "/v1/dispatches").header("idempotency-key", "same");
    let mine = send(
        &world,
        keyed.body(dispatch_body(1, &json!({})).to_string().into()).unwrap(),
    )
    .await;
    assert_eq!(mine.status, 201);
    let other = token(&world, '7', |record| record.tenant = "other".parse().unwrap()).await;
    let id = mine.text("/id");
    world.aws.recorder().clear();
    for (method, path) in all_requests(id).split_off(3) {
        send_with(&world, &[&other], method, &path)
            .await
            .is_problem(404, "not-found");
    }
    assert_eq!(effects(&world), 0);
    let list = send_with(&world, &[&other], "GET", "/v1/dispatches").await;
    assert_eq!(list.json.pointer("/dispatches"), Some(&json!([])));
    // The same idempotency key names another dispatch.
    let keyed = request("POST", "/v1/dispatches").header("idempotency-key", "same");
    let keyed = keyed.header("authorization", &other);
    let theirs = send(
        &world,
        keyed.body(dispatch_body(1, &json!({})).to_string().into()).unwrap(),
    )
    .await;
    assert_eq!(theirs.status, 201, "{theirs:?}");
    assert_ne!(theirs.text("/id"), id);
}
