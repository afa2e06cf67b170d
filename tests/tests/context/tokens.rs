//! Which tokens may set, get and delete a context.

use patchbay::access::Scope;
use patchbay::clock::Timestamp;
use patchbay::web::auth::token_hash;
use patchbay_simulators::world::{TOKEN, World};
use serde_json::json;

use crate::common::{Answer, cost, effects, pass, request, send, world};
use crate::{CALLER, is_error, load, post_as, purchase, token};

const SET: &str = "/voice/api/v1/twilio/set-context";
const GET: &str = "/voice/api/v1/twilio/get-context";

/// Posts [`purchase`] with these `Authorization` headers.
async fn post_with(world: &World, authorization: &[&str], path_and_query: &str) -> Answer {
    let mut request = request("POST", path_and_query).header("content-type", "application/json");
    for value in authorization {
        request = request.header("authorization", *value);
    }
    send(world, request.body(purchase().to_string().into()).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn the_token_may_be_in_the_header_the_query_or_both_if_equal() {
    let world = world([]).await;
    let bearer = format!("Bearer {TOKEN}");
    let in_query = format!("?api_token={TOKEN}");
    for (authorization, query) in [(vec![], &*in_query), (vec![&*bearer], ""), (vec![&*bearer], &*in_query)] {
        for path in [SET, GET] {
            let answer = post_with(&world, &authorization, &format!("{path}{query}")).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_valid_token_nothing_is_read_or_written() {
    let world = world([]).await;
    let expired = token(&world, '1', |record| {
        record.expires_at = Some(Timestamp::from_millis(1));
    })
    .await;
    let revoked = token(&world, '2', |record| record.revoked = true).await;
    let valid = token(&world, '3', |_| ()).await;
    let unknown = format!("pb_{}", "f".repeat(64));
    let bearer = format!("Bearer {TOKEN}");
    world.aws.recorder().clear();
    for (authorization, query) in [
        (vec![], String::new()),
        (vec![], "?api_token=".into()),
        (vec![], "?api_token=test_ABCDEFGHIJKLMNOPQRSTUVWX".into()),
        (vec![], format!("?api_token={unknown}")),
        (vec![], format!("?api_token={expired}")),
        (vec![], format!("?api_token={revoked}")),
        (vec![], format!("?API_TOKEN={valid}")),
        (vec![], format!("?api_token={valid}&api_token={valid}")),
        (vec!["Basic eDp5"], format!("?api_token={valid}")),
        (vec![&*bearer], format!("?api_token={valid}")),
        (vec![&*bearer], "?api_token=".into()),
    ] {
        for path in [SET, GET] {
            let answer = post_with(&world, &authorization, &format!("{path}{query}")).await;
            assert_eq!(
                is_error(&answer, 401),
                Vec::<String>::new(),
                "{authorization:?} {query}"
            );
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            let text = answer.json.to_string();
            assert!(!text.contains(&valid) && !text.contains(&expired), "{text}");
        }
    }
    assert_eq!(effects(&world), 0);
    assert_eq!(load(&world).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_token_may_do_only_what_its_scopes_allow() {
    let world = world([]).await;
    let reader = token(&world, '4', |record| record.scopes = [Scope::ContextRead].into()).await;
    let writer = token(&world, '5', |record| record.scopes = [Scope::ContextWrite].into()).await;
    let neither = token(&world, '6', |record| {
        record.scopes.remove(&Scope::ContextRead);
        record.scopes.remove(&Scope::ContextWrite);
    })
    .await;
    for (token, may_set, may_get) in [(&reader, false, true), (&writer, true, false), (&neither, false, false)] {
        for (path, is_allowed, scope) in [
            ("twilio/set-context", may_set, "context:write"),
            ("twilio/get-context", may_get, "context:read"),
        ] {
            let answer = post_as(&world, token, path, &purchase()).await;
            if is_allowed {
                assert_eq!(answer.status, 200, "{answer:?}");
            } else {
                is_error(&answer, 403);
                assert!(answer.text("/message/detail").contains(scope), "{answer:?}");
            }
        }
        for (method, is_allowed) in [("DELETE", may_set), ("GET", may_get)] {
            let request = request(method, &format!("/v1/contexts/{CALLER}"));
            let request = request.header("authorization", format!("Bearer {token}"));
            let answer = send(&world, request.body(bytes::Bytes::new()).unwrap()).await;
            assert_eq!(answer.status == 403, !is_allowed, "{answer:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cached_token_works_for_a_minute_after_it_is_revoked_but_not_after_it_expires() {
    let world = world([]).await;
    let ask = json!({ "caller": CALLER });
    let soon = world.clock.now().plus_seconds(30);
    let expiring = token(&world, '8', |record| record.expires_at = Some(soon)).await;
    let revoked_later = token(&world, '9', |_| ()).await;
    for token in [&expiring, &revoked_later] {
        assert_eq!(post_as(&world, token, "twilio/get-context", &ask).await.status, 200);
    }
    token(&world, '9', |record| record.revoked = true).await;
    pass(&world, 31).await;
    is_error(&post_as(&world, &expiring, "twilio/get-context", &ask).await, 401);
    assert_eq!(
        post_as(&world, &revoked_later, "twilio/get-context", &ask).await.status,
        200
    );
    // A function that has not cached it refuses it at once.
    is_error(
        &post_as(&world, &revoked_later, "twilio/set-context", &purchase()).await,
        401,
    );
    pass(&world, 30).await;
    is_error(&post_as(&world, &revoked_later, "twilio/get-context", &ask).await, 401);
}

#[tokio::test(start_paused = true)]
async fn a_new_token_works_at_once_although_it_was_refused_before() {
    let world = world([]).await;
    let ask = json!({ "caller": CALLER });
    let early = format!("pb_{}", "a".repeat(64));
    is_error(&post_as(&world, &early, "twilio/get-context", &ask).await, 401);
    token(&world, 'a', |record| record.revoked = true).await;
    is_error(&post_as(&world, &early, "twilio/get-context", &ask).await, 401);
    token(&world, 'a', |_| ()).await;
    assert_eq!(post_as(&world, &early, "twilio/get-context", &ask).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn more_tokens_than_fit_into_the_cache_all_work() {
    let world = world([]).await;
    let ask = json!({ "caller": CALLER });
    let nth_token = |n: u32| format!("pb_{n:064x}");
    let record = world.store.token(&token_hash(TOKEN)).await.unwrap().unwrap();
    for n in 1..=70 {
        world
            .store
            .put_token(&token_hash(&nth_token(n)), &record)
            .await
            .unwrap();
        assert_eq!(
            post_as(&world, &nth_token(n), "twilio/get-context", &ask).await.status,
            200
        );
    }
    // The oldest one was evicted and is looked up again; the newest one is cached.
    for (n, requests) in [(1, 2), (70, 1)] {
        assert_eq!(
            post_as(&world, &nth_token(n), "twilio/get-context", &ask).await.status,
            200
        );
        assert_eq!(cost(&world, "get-context"), (requests, 0, 0), "{n}");
    }
}
