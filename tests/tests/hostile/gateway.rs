//! Events of API Gateway whose path, query or headers form no valid URI: every one is answered, and none crashes a
//! function. The functions are built with `panic = "abort"`, so a panic would end the sandbox and every request in it.

use patchbay_simulators::aws::RequestRecord;
use patchbay_simulators::world::World;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use crate::common::{ask, world};

/// A request for the list of dispatches, as API Gateway delivers it, merged with `changes`.
fn event(changes: &Value) -> Value {
    let mut event = json!({
        "version": "2.0",
        "routeKey": "GET /v1/dispatches",
        "rawPath": "/v1/dispatches",
        "rawQueryString": "",
        "headers": { "host": "api.example.org", "x-forwarded-proto": "https", "x-forwarded-port": "443" },
        "requestContext": {
            "apiId": "api",
            "domainName": "api.example.org",
            "http": { "method": "GET", "path": "/v1/dispatches", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1" },
            "stage": "$default",
        },
        "isBase64Encoded": false,
    });
    merge(&mut event, changes);
    event
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// One path for every function.
const PATHS: [&str; 8] = [
    "/v1/dispatches",
    "/v1/links",
    "/agent4/main.0/a",
    "/routee/collect/x",
    "/routee/status/x",
    "/twilio/transfer/x",
    "/voice/api/v1/vapi/set-context",
    "/voice/api/v1/vapi/get-context",
];

async fn status(world: &World, event: &Value) -> u16 {
    world.invoke(&event.to_string()).await.unwrap().status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn an_invalid_header_path_or_query_is_answered() {
    let world = world([]).await;
    let changes = [
        json!({ "headers": { "host": "[" } }),
        json!({ "headers": { "host": "a:99999" } }),
        json!({ "headers": { "host": "" } }),
        json!({ "headers": { "host": "a b" } }),
        json!({ "headers": { "host": "a,b" } }),
        json!({ "headers": { "host": "xn--a" } }),
        json!({ "headers": { "host": "[" }, "requestContext": { "domainName": "[" } }),
        json!({ "headers": { "host": "caf\u{e9}" }, "requestContext": { "domainName": null } }),
        json!({ "headers": { "x-forwarded-proto": "https, http" } }),
        json!({ "headers": { "x-forwarded-proto": "" } }),
        json!({ "headers": { "x-forwarded-proto": "1" } }),
        json!({ "headers": { "x-forwarded-proto": "file" } }),
        json!({ "headers": { "x-forwarded-proto": "javascript:" } }),
        json!({ "headers": { "x-forwarded-port": "99999999" } }),
        json!({ "rawQueryString": "?<" }),
        json!({ "rawQueryString": "<" }),
        json!({ "rawQueryString": "a=b c" }),
        json!({ "rawQueryString": "\u{0}\u{7f}\u{e9}" }),
        json!({ "rawQueryString": "x".repeat(70_000) }),
        json!({ "rawPath": "*" }),
        json!({ "rawPath": "" }),
        json!({ "rawPath": null }),
        json!({ "rawPath": "@" }),
        json!({ "rawPath": ":80:80/" }),
        json!({ "rawPath": "/".repeat(70_000) }),
        json!({ "requestContext": { "stage": "a b[<" } }),
        json!({ "isBase64Encoded": true, "body": "=" }),
        // Invalid header names or values must not affect the other headers.
        json!({ "headers": { "x-odd": "a\u{1}b" } }),
        json!({ "headers": { "x odd": "a" } }),
        json!({ "headers": { "": "a" } }),
        json!({ "headers": null }),
    ];
    for path in PATHS {
        for change in &changes {
            let event = event(&json!({ "rawPath": path, "requestContext": { "http": { "method": "POST" } } }));
            let mut invalid = event.clone();
            merge(&mut invalid, change);
            let answer = status(&world, &invalid).await;
            assert!((200..500).contains(&answer), "{change}: {answer}");
            // Only the path selects the function. Any other change must not change the status.
            if change.get("rawPath").is_none() && change.get("rawQueryString").is_none() && change.get("body").is_none()
            {
                assert_eq!(answer, status(&world, &event).await, "{path} {change}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalid_header_does_not_hide_the_token() {
    let world = world([]).await;
    let token = format!("Bearer {}", patchbay_simulators::world::TOKEN);
    for invalid in [
        json!({ "host": "[" }),
        json!({ "x-odd": "a\u{1}b" }),
        json!({ "x-forwarded-proto": "," }),
    ] {
        let event = event(&json!({ "headers": { "authorization": token } }));
        let mut with = event.clone();
        merge(&mut with, &json!({ "headers": invalid }));
        assert_eq!(status(&world, &event).await, 200);
        assert_eq!(status(&world, &with).await, 200, "{invalid}");
    }
    // The valid parameters of an invalid query count.
    let limited = event(&json!({ "headers": { "authorization": token }, "rawQueryString": "limit=0&<" }));
    assert_eq!(status(&world, &limited).await, 422);
}

/// The routes with parameters, and their functions. `{}` is the last parameter.
const ROUTES: [(&str, &str, &str); 16] = [
    ("GET", "/v1/dispatches/{}", "dispatches"),
    ("POST", "/v1/dispatches/{}/cancel", "dispatches"),
    ("POST", "/v1/dispatches/{}/resolve", "dispatches"),
    ("GET", "/v1/dispatches/{}/webhooks", "dispatches"),
    ("POST", "/v1/dispatches/{}/webhooks/x/resend", "dispatches"),
    ("POST", "/routee/collect/{}", "collect-event"),
    ("POST", "/routee/status/{}", "status-callback"),
    ("POST", "/voice/api/v1/{}/set-context", "set-context"),
    ("DELETE", "/v1/contexts/{}", "set-context"),
    ("GET", "/v1/contexts/{}", "get-context"),
    ("POST", "/agent4/x/{}", "chain-link"),
    ("GET", "/v1/links/{}", "chain-link"),
    ("PUT", "/v1/links/{}", "chain-link"),
    ("DELETE", "/v1/links/{}", "chain-link"),
    ("POST", "/v1/links/{}/test", "chain-link"),
    ("POST", "/twilio/transfer/{}", "transfer"),
];

/// Path parameters as the gateway has decoded them. None names an existing item.
const PARAMETERS: [&str; 11] = [
    "a/b", "/", "a/../b", "../..", "..", "a b", "a?b=c", "#", "%61bc", "\u{3bb}", "\u{0}",
];

#[tokio::test(start_paused = true)]
async fn a_decoded_path_parameter_never_matches_another_item() {
    let world = world([]).await;
    let token = format!("Bearer {}", patchbay_simulators::world::TOKEN);
    // `%61bc` stays as it is: the gateway has already decoded everything.
    let document = json!({ "version": 1, "answers": [] });
    for (method, path, function) in ROUTES {
        for parameter in PARAMETERS {
            let event = event(&json!({
                "rawPath": path.replace("{}", parameter),
                "headers": { "authorization": token, "content-type": "application/json" },
                "requestContext": { "http": { "method": method } },
                "body": document.to_string(),
            }));
            world.aws.recorder().clear();
            let answer = world.invoke_as(function, &event.to_string()).await.unwrap();
            // A path that ends in two slashes is the path of the list, which the token may read.
            let status = answer.status().as_u16();
            assert!(
                (400..500).contains(&status) || (method, parameter) == ("GET", "/"),
                "{event}: {answer:?}"
            );
            let writes = |entry: &RequestRecord| !["GetItem", "Query"].contains(&entry.operation.as_str());
            assert_eq!(world.aws.recorder().count(writes), 0, "{event}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_path_segment_is_decoded_by_the_gateway_only() {
    let world = world([]).await;
    // 404: a valid number without a context. 422: not a number.
    for (path, status) in [
        ("/v1/contexts/+12025550143", 404),
        ("/v1/contexts/%2B12025550143", 404),
        // The gateway decodes twice, as observed.
        ("/v1/contexts/%252B12025550143", 404),
        ("/v1/contexts/%25252B12025550143", 422),
        ("/v1/contexts/%25x", 400),
    ] {
        assert_eq!(ask(&world, "GET", path, &Value::Null).await.status, status, "{path}");
    }
}

/// Random texts, mostly of characters that occur in URIs.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z/:.@\\[\\]?#%<>&=*, 0-9{}^`|\\\\\"-]{0,24}",
        "\\PC{0,24}",
        prop::sample::select(vec![
            "[",
            "a:99999",
            "*",
            "?<",
            "https",
            "//",
            "/v1/dispatches",
            "/agent4/a/b",
            "[::1]:0"
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

fn maybe(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    prop_oneof![1 => Just(Value::Null), 6 => value].boxed()
}

/// Any event of payload version 2.0 that a client, a custom domain or a stage can cause.
fn any_event() -> impl Strategy<Value = Value> {
    let words = || text().prop_map(Value::from);
    let header = prop_oneof![
        4 => prop::sample::select(vec![
            "host", "x-forwarded-proto", "x-forwarded-port", "content-type", "authorization",
        ])
        .prop_map(str::to_owned),
        1 => text(),
    ];
    let headers = prop::collection::btree_map(header, words(), 0..5)
        .prop_map(|headers| Value::Object(headers.into_iter().collect::<Map<_, _>>()));
    let path = prop_oneof![
        (prop::sample::select(PATHS.to_vec()), text()).prop_map(|(path, rest)| Value::from(format!("{path}{rest}"))),
        words(),
    ];
    let parts = (path, maybe(words()), maybe(headers), maybe(words()), maybe(words()));
    let method = prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "OPTIONS", "x"]);
    let cookies = maybe(prop::collection::vec(text(), 0..3).prop_map(Value::from));
    (parts, method, maybe(words()), any::<bool>(), cookies).prop_map(
        |((path, query, headers, domain, stage), method, body, encoded, cookies)| {
            json!({
                "version": "2.0",
                "rawPath": path,
                "rawQueryString": query,
                "headers": headers,
                "cookies": cookies,
                "requestContext": {
                    "domainName": domain,
                    "stage": stage,
                    "http": { "method": method, "path": path, "sourceIp": "192.0.2.1" },
                },
                "body": body,
                "isBase64Encoded": encoded,
            })
        },
    )
}

#[test]
fn no_event_crashes_a_function() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let world = runtime.block_on(world([]));
    let config = Config {
        cases: 1_500,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&any_event(), |event| {
            let answer = runtime.block_on(status(&world, &event));
            prop_assert!((200..500).contains(&answer), "{}: {}", event, answer);
            Ok(())
        })
        .unwrap();
}
