//! Invalid requests with a valid token.

use patchbay::ids::DispatchId;
use patchbay_simulators::world::World;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{
    Answer, ask, change, create, dispatch_body, effects, get, keys_event, load, phones, send, webhook, with_token,
    world,
};
use crate::ringing;

async fn post(world: &World, body: impl Into<bytes::Bytes>, content_type: &str) -> Answer {
    let request = with_token("POST", "/v1/dispatches").header("content-type", content_type);
    send(world, request.body(body.into()).unwrap()).await
}

/// Expects that the request is refused, that exactly these fields are named, and that nothing is written.
async fn expect_invalid_fields(body: &Value, fields: &[&str]) {
    let world = world([]).await;
    for path in ["/v1/dispatches", "/v1/dispatches/preview"] {
        let answer = ask(&world, "POST", path, body).await;
        assert_eq!(answer.is_problem(422, "invalid-field"), fields, "{body}");
    }
    assert_eq!(effects(&world), 0);
}

fn with(pointer: &str, field: &str, value: Value) -> Value {
    let mut dispatch_body = dispatch_body(2, &json!({}));
    let object = dispatch_body.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
    object.insert(field.to_owned(), value);
    dispatch_body
}

#[tokio::test(start_paused = true)]
async fn every_limit_of_the_policy_is_enforced_and_its_field_named() {
    let ranges = [
        ("attempts", 1, 10),
        ("retry_delay", 5, 3_600),
        ("ring_timeout", 1, 60),
        ("max_duration", 30, 600),
        ("greeting_pause", 0, 60),
        ("options_pause", 0, 60),
        ("repeat_after", 1, 60),
        ("repeats", 0, 5),
        ("closing_pause", 1, 60),
        ("wrong_keys", 0, 5),
        ("round_pause", 0, 86_400),
        ("max_rounds", 1, 1_000),
        ("expires_after", 60, 604_800),
        ("resolve_within", 60, 604_800),
    ];
    let world = world([]).await;
    for (field, low, high) in ranges {
        for value in [low, high] {
            // A short plan, so that it fits into the shortest call.
            let mut policy = json!({ "options_pause": 0, "repeats": 0 });
            policy[field] = value.into();
            let body = dispatch_body(1, &policy);
            let answer = ask(&world, "POST", "/v1/dispatches/preview", &body).await;
            assert_eq!(answer.status, 200, "{field} {value}: {answer:?}");
        }
        for value in [low - 1, high + 1, -1, i64::from(u32::MAX) + 1] {
            expect_invalid_fields(
                &dispatch_body(1, &json!({ field: value })),
                &[&format!("policy.{field}")],
            )
            .await;
        }
        for value in [json!("7"), json!(1.5), json!([]), json!(true)] {
            expect_invalid_fields(
                &dispatch_body(1, &json!({ field: value })),
                &[&format!("policy.{field}")],
            )
            .await;
        }
    }
    for policy in [
        json!({ "language": "xx-XX" }),
        json!({ "ticket_voice": "robot" }),
        json!({ "options_voice": 1 }),
        json!({ "retry_rejected": "yes" }),
        json!({ "collect": "first" }),
        json!({ "submit_on_hash": false }),
    ] {
        let field = format!("policy.{}", policy.as_object().unwrap().keys().next().unwrap());
        expect_invalid_fields(&dispatch_body(1, &policy), &[&field]).await;
    }
    let long = "x".repeat(301);
    for options in ["", " ", &long] {
        let policy = json!({ "texts": { "de-DE": { "options": options } } });
        expect_invalid_fields(&dispatch_body(1, &policy), &["policy.texts.de-DE.options"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_field_is_named_with_its_path() {
    for (pointer, path) in [
        ("", "color"),
        ("/ticket", "ticket.color"),
        ("/employees/1", "employees[1].color"),
        ("/policy", "policy.color"),
        ("/webhook", "webhook.color"),
    ] {
        expect_invalid_fields(&with(pointer, "color", json!("red")), &[path]).await;
    }
    let quiet = json!({ "from": "22:00", "until": "06:00", "color": 1 });
    expect_invalid_fields(
        &with("/employees/0", "quiet_hours", quiet),
        &["employees[0].quiet_hours.color"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn every_unknown_field_is_named_at_once() {
    let quiet = json!({ "from": "22:00", "until": "06:00", "color": 1 });
    let mut body = with("/employees/0", "quiet_hours", quiet);
    for pointer in ["", "/ticket", "/employees/1", "/policy", "/webhook"] {
        body.pointer_mut(pointer).unwrap()["color"] = json!({ "a": [1] });
    }
    let in_order_of_the_body = [
        "color",
        "employees[0].quiet_hours.color",
        "employees[1].color",
        "policy.color",
        "ticket.color",
        "webhook.color",
    ];
    expect_invalid_fields(&body, &in_order_of_the_body).await;
}

#[tokio::test(start_paused = true)]
async fn every_field_of_a_ticket_and_its_employees_is_checked() {
    let employees = |count: usize| {
        let employee = |n: usize| json!({ "name": "P", "phone": format!("+120255501{:02}", n % 100) });
        json!((0..count).map(employee).collect::<Vec<_>>())
    };
    let cases = [
        ("/ticket", "text", json!(""), "ticket.text"),
        ("/ticket", "text", json!("x".repeat(4_001)), "ticket.text"),
        ("/ticket", "text", Value::Null, "ticket.text"),
        ("/ticket", "reference", json!("x".repeat(129)), "ticket.reference"),
        ("", "ticket", json!({}), "ticket.text"),
        ("", "employees", json!([]), "employees"),
        ("", "employees", employees(41), "employees"),
        ("", "employees", json!("anna"), "employees"),
        ("/employees/1", "id", json!("anna"), "employees[1].id"),
        ("/employees/1", "name", json!("  "), "employees[1].name"),
        ("/employees/0", "phone", json!("0"), "employees[0].phone"),
        ("/employees/0", "phone", json!("2025550101"), "employees[0].phone"),
        ("/employees/0", "language", json!("klingon"), "employees[0].language"),
        (
            "/employees/0",
            "on_duty",
            json!([{ "from": "noon" }]),
            "employees[0].on_duty[0].from",
        ),
        ("/employees/0", "opted_out", json!(1), "employees[0].opted_out"),
        ("/webhook", "url", json!("not a url"), "webhook.url"),
        ("/webhook", "url", json!("ftp://example.org/"), "webhook.url"),
        ("/webhook", "strategy", json!("Sometimes"), "webhook.strategy"),
        ("", "webhook", json!({}), "webhook.url"),
    ];
    for (pointer, field, value, path) in cases {
        expect_invalid_fields(&with(pointer, field, value), &[path]).await;
    }
    let mut dispatch_body = dispatch_body(1, &json!({}));
    drop(dispatch_body.as_object_mut().unwrap().remove("ticket"));
    expect_invalid_fields(&dispatch_body, &["ticket"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_json_or_too_long_is_refused() {
    let world = world([]).await;
    let json = "application/json";
    for body in ["", "{", "{}x", "ticket=1", "\u{feff}"] {
        post(&world, body, json).await.is_problem(400, "invalid-json");
    }
    post(&world, b"\"\xff\"".to_vec(), json)
        .await
        .is_problem(400, "invalid-json");
    post(&world, "[".repeat(20_000), json)
        .await
        .is_problem(400, "invalid-json");
    post(&world, " ".repeat(64 * 1024 + 1), json)
        .await
        .is_problem(413, "body-too-large");
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "jsonp",
    ] {
        post(&world, "{}", kind).await.is_problem(415, "unsupported-media-type");
    }
    assert_eq!(effects(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_path_is_404_and_an_unknown_method_405() {
    let (world, key, _) = ringing().await;
    let id = key.id.to_string();
    let paths = [
        ("/v1/dispatches".to_owned(), "GET, POST"),
        (format!("/v1/dispatches/{id}"), "GET"),
        (format!("/v1/dispatches/{id}/cancel"), "POST"),
        (format!("/v1/dispatches/{id}/resolve"), "POST"),
    ];
    for (path, allow) in paths {
        for method in ["PUT", "DELETE", "PATCH"] {
            let answer = ask(&world, method, &path, &Value::Null).await;
            answer.is_problem(405, "method-not-allowed");
            assert_eq!(answer.header("allow"), allow);
        }
    }
    let unknown = DispatchId::new(1).to_string();
    for id in [
        unknown.as_str(),
        "dsp_1",
        "..",
        "%2e%2e",
        "dsp_%00",
        "x".repeat(3_000).as_str(),
    ] {
        get(&world, &format!("/v1/dispatches/{id}"))
            .await
            .is_problem(404, "not-found");
        for verb in ["cancel", "resolve"] {
            let answer = ask(&world, "POST", &format!("/v1/dispatches/{id}/{verb}"), &Value::Null).await;
            answer.is_problem(404, "not-found");
        }
    }
    get(&world, &format!("/v1/dispatches/{id}/cancel/now"))
        .await
        .is_problem(404, "not-found");
    for query in [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=",
        "cursor=x",
        "cursor=MjAyNjExMjB-eCN5",
    ] {
        let answer = get(&world, &format!("/v1/dispatches?{query}")).await;
        let field = query.split('=').next().unwrap();
        assert_eq!(answer.is_problem(422, "invalid-field"), [field], "{query}");
    }
    let answer = get(&world, &format!("/v1/dispatches/{id}?timeline_cursor=%23")).await;
    assert_eq!(answer.is_problem(422, "invalid-field"), ["timeline_cursor"]);
    assert_eq!(effects(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn an_idempotency_key_names_one_request() {
    let world = world([]).await;
    let send_with = async |key: &str, body: String| {
        let request = with_token("POST", "/v1/dispatches").header("idempotency-key", key);
        send(&world, request.body(body.into()).unwrap()).await
    };
    let body = dispatch_body(1, &json!({})).to_string();
    let first = send_with("k", body.clone()).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (201, ""));
    world.aws.recorder().clear();
    // The same JSON with other whitespace is the same request.
    let spaced = serde_json::to_string_pretty(&dispatch_body(1, &json!({}))).unwrap();
    for body in [body.clone(), spaced] {
        let again = send_with("k", body).await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (200, "true"));
        assert_eq!(again.text("/id"), first.text("/id"));
    }
    let other = dispatch_body(1, &json!({ "attempts": 2 })).to_string();
    send_with("k", other).await.is_problem(422, "idempotency-key-reused");
    for key in ["", &"k".repeat(256), "k\u{e9}", "k\tk"] {
        let answer = send_with(key, body.clone()).await;
        assert_eq!(answer.is_problem(422, "invalid-field"), ["Idempotency-Key"], "{key}");
    }
    let writes = world.aws.recorder().count(|request| {
        &*request.function == "dispatches" && !["GetItem", "Query"].contains(&request.operation.as_str())
    });
    assert_eq!(writes, 0);
    assert_eq!(send_with(&"k".repeat(255), body).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_that_is_over_cannot_be_changed() {
    let (world, key, call) = ringing().await;
    send(&world, webhook(&call.collect_url.unwrap(), keys_event("1").to_string())).await;
    let before = load(&world, &key).await;
    let answer = change(&world, &key, "cancel").await;
    answer.is_problem(409, "conflict");
    assert!(answer.text("/detail").contains("Accepted"), "{answer:?}");
    assert_eq!(load(&world, &key).await, before);
    // Resolving twice is no error. A cancel of a resolved dispatch is.
    for _ in 0..2 {
        let answer = change(&world, &key, "resolve").await;
        assert_eq!((answer.status, answer.text("/status")), (200, "Resolved"));
    }
    change(&world, &key, "cancel").await.is_problem(409, "conflict");

    let cancelled = create(&world, &dispatch_body(1, &json!({}))).await;
    for _ in 0..2 {
        let answer = change(&world, &cancelled, "cancel").await;
        assert_eq!((answer.status, answer.text("/status")), (200, "Cancelled"));
    }
    change(&world, &cancelled, "resolve").await.is_problem(409, "conflict");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_refused_without_a_write(body in prop::collection::vec(any::<u8>(), 0..300)) {
        expect_refused(&body);
    }

    /// A valid request with one byte changed, removed or inserted is refused or still valid.
    #[test]
    fn a_request_with_a_wrong_byte_is_refused_or_valid(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        change in 0..3,
    ) {
        let mut body = dispatch_body(2, &json!({ "attempts": 2 })).to_string().into_bytes();
        let at = at.index(body.len());
        match change {
            0 => body.insert(at, byte),
            1 => drop(body.remove(at)),
            _ => drop(body.splice(at..=at, [byte])),
        }
        expect_refused(&body);
    }
}

/// Expects 400 or 422 without a write, unless the request is valid.
fn expect_refused(body: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let options = patchbay_simulators::world::Options {
            phones: phones([]),
            ..Default::default()
        };
        let world = World::start(options).await.unwrap();
        let answer = post(&world, body.to_vec(), "application/json").await;
        if answer.status == 201 {
            return;
        }
        assert!([400, 422].contains(&answer.status), "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(effects(&world), 0);
        assert!(!answer.json.to_string().contains("patchbay::"), "{answer:?}");
    });
}
