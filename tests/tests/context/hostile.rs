//! Arbitrary requests: nothing panics, every answer has a documented format, and a refused request writes nothing.

use bytes::Bytes;
use patchbay_simulators::aws::{Fault, Rule, Service};
use patchbay_simulators::world::{TOKEN, World};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{Answer, effects, request, send, with_token, world};
use crate::{CALLER, get, is_error, load, own, post, purchase, purchase_with, set};

async fn raw(world: &World, path: &str, content_type: Option<&str>, body: impl Into<Bytes>) -> Answer {
    let mut request = request("POST", &format!("/voice/api/v1/{path}?api_token={TOKEN}"));
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    send(world, request.body(body.into()).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn an_invalid_body_is_refused_with_the_right_status() {
    let world = world([]).await;
    let json = Some("application/json");
    let large = format!("{{\"caller\":\"{}\"}}", "x".repeat(1_048_576));
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    for (content_type, body, status) in [
        (json, Bytes::new(), 400),
        (json, "{".into(), 400),
        (json, Bytes::from_static(b"\xff\xfe"), 400),
        // JSON, but nested too deeply.
        (json, deep.into(), 422),
        (json, large.into(), 413),
        (json, "null".into(), 422),
        (json, "\"x\"".into(), 422),
        (
            Some("application/x-www-form-urlencoded"),
            "caller=%2B12025550143".into(),
            415,
        ),
        (Some("text/plain"), purchase().to_string().into(), 415),
    ] {
        for path in [
            "twilio/set-context",
            "twilio/get-context",
            "vapi/set-context",
            "retell/get-context",
        ] {
            is_error(&raw(&world, path, content_type, body.clone()).await, status);
        }
    }
    // Without a content type, as `requests.post(data=json.dumps(...))` sends it.
    assert_eq!(
        raw(&world, "twilio/set-context", None, purchase().to_string())
            .await
            .status,
        200
    );
}

#[tokio::test(start_paused = true)]
async fn every_text_has_a_maximum_length() {
    let world = world([]).await;
    for (field, limit) in [
        ("description", 4_096),
        ("vendor", 512),
        ("customer_id", 256),
        ("email", 512),
        ("full_name", 512),
        ("persona", 64),
        ("memory", 24_576),
        ("call_id", 512),
    ] {
        set(&world, &purchase_with(field, "x".repeat(limit))).await;
        let answer = post(
            &world,
            "twilio/set-context",
            &purchase_with(field, "x".repeat(limit + 1)),
        )
        .await;
        assert_eq!(is_error(&answer, 422), [field]);
        let answer = post(&world, "twilio/set-context", &purchase_with(field, "a\u{7}b")).await;
        assert_eq!(is_error(&answer, 422), [field]);
    }
    // Text of any language, with line breaks.
    let memory = "möchte\nReihe F \u{1f3ad}\t\u{202e}x";
    set(&world, &purchase_with("memory", memory)).await;
    assert_eq!(get(&world).await["memory"], json!(memory));
}

#[tokio::test(start_paused = true)]
async fn a_number_cannot_reach_the_key_of_another_caller() {
    let world = world([]).await;
    set(&world, &purchase()).await;
    for number in [
        "+12025550143#X",
        "T#local#X#+12025550143",
        "+12025550143\u{0}",
        "+1202555014\u{0663}",
    ] {
        let answer = post(&world, "twilio/get-context", &json!({ "caller": number })).await;
        assert_eq!(is_error(&answer, 422), ["caller"], "{number}");
    }
    for path in ["%2e%2e", "%00", "%ff", "*"] {
        own(&world, "DELETE", path).await.is_problem(422, "invalid-field");
    }
    // The gateway decodes the slash, so the path matches no route.
    assert_eq!(own(&world, "DELETE", "+12025550143%2f..").await.status, 404);
    assert!(load(&world).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn while_dynamodb_is_unavailable_the_agent_is_asked_to_try_again() {
    let world = world([]).await;
    set(&world, &purchase()).await;
    get(&world).await;
    for fault in [
        Fault::Throttled,
        Fault::InternalError,
        Fault::Refused,
        Fault::LostRequest,
    ] {
        world
            .aws
            .faults()
            .plan(Rule::new(fault).service(Service::DynamoDb).times(u32::MAX));
        for path in ["twilio/set-context", "twilio/get-context"] {
            let answer = post(&world, path, &purchase()).await;
            is_error(&answer, 503);
            assert_eq!(answer.header("retry-after"), "1");
        }
        let body = json!({ "message": {
            "customer": { "number": CALLER },
            "toolCalls": [{ "id": "t", "function": { "name": "GetContextFromProtegee" } }],
        } });
        let answer = post(&world, "vapi/get-context", &body).await;
        // Either the lookup of the token fails, or the one of the context.
        match answer.status {
            200 => assert!(answer.text("/results/0/error").contains("retry in"), "{answer:?}"),
            _ => assert_eq!(is_error(&answer, 503), Vec::<String>::new()),
        }
        world.aws.faults().clear();
    }
    assert_eq!(load(&world).await.unwrap().current.number, 1);
}

#[tokio::test(start_paused = true)]
async fn a_set_whose_response_is_lost_is_stored_once() {
    let world = world([]).await;
    set(&world, &purchase()).await;
    let lost = Rule::new(Fault::LostAnswer)
        .service(Service::DynamoDb)
        .operation("UpdateItem");
    world.aws.faults().plan(lost.times(1));
    set(&world, &purchase_with("description", "again")).await;
    let context = load(&world).await.unwrap();
    assert_eq!((context.current.number, context.earlier.len()), (2, 1));
}

/// Any JSON of limited depth, often with known field names.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[+0-9().-]{0,18}".prop_map(Value::from),
        prop::sample::select(vec![
            CALLER,
            "10.00",
            "once",
            "inbound",
            "outbound",
            "anonymous",
            "SendContextToProtegee",
            "GetContextFromProtegee",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(field(), inner, 0..8).prop_map(|fields| json!(fields)),
        ]
    })
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec![
            "caller", "description", "price", "vendor", "callback", "customer_id", "email", "full_name", "memory",
            "persona", "transaction_type", "call_id", "ttl", "message", "customer", "number", "call", "id", "toolCalls",
            "toolCallList", "function", "name", "arguments", "args", "direction", "from_number", "to_number",
        ])
        .prop_map(str::to_owned),
        1 => ".{0,8}",
    ]
}

/// A valid request with arbitrary values in one or two of its fields.
fn nearly_valid() -> impl Strategy<Value = Value> {
    (field(), any_json(), field(), any_json(), 0..4_usize).prop_map(|(first, one, second, two, envelope)| {
        let mut fields = purchase();
        fields[&first] = one.clone();
        fields[&second] = two;
        match envelope {
            0 => fields,
            1 => json!({ "call": { "from_number": CALLER, first: one }, "args": fields }),
            2 => json!({ "message": { "customer": { "number": CALLER }, "call": { "id": "c" }, "toolCalls": [
                { "id": "t", "function": { "name": "SendContextToProtegee", "arguments": fields } },
                { "id": "u", "function": { "name": "GetContextFromProtegee", "arguments": fields } },
            ] } }),
            _ => json!({ "message": { "customer": { "number": CALLER }, "toolCalls": one } }),
        }
    })
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..200),
        2 => any_json().prop_map(|json| json.to_string().into_bytes()),
        4 => nearly_valid().prop_map(|json| json.to_string().into_bytes()),
    ]
}

/// Sends every body to every route.
async fn send_all(bodies: &[Vec<u8>]) {
    let world = world([]).await;
    for body in bodies {
        for platform in ["twilio", "vapi", "retell", "bland"] {
            world.aws.recorder().clear();
            let answer = raw(&world, &format!("{platform}/set-context"), None, body.clone()).await;
            let status = answer.text("/status");
            assert!(["success", "error"].contains(&status), "{answer:?}");
            assert!(answer.status < 500, "{answer:?}");
            // A reported success makes one or two writes. Nothing else writes.
            let results = answer.json.pointer("/results").and_then(Value::as_array);
            let successes = match results {
                Some(results) => results.iter().filter(|result| result.get("result").is_some()).count(),
                None => usize::from(status == "success"),
            };
            let written = effects(&world);
            assert!(
                successes <= written && written <= 2 * successes,
                "{written} for {answer:?}"
            );

            world.aws.recorder().clear();
            let answer = raw(&world, &format!("{platform}/get-context"), None, body.clone()).await;
            assert!(answer.status < 500 && answer.json.is_object(), "{answer:?}");
            assert_eq!(effects(&world), 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_body_gets_an_answer_and_only_a_success_writes(bodies in prop::collection::vec(any_body(), 1..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(send_all(&bodies));
    }
}

#[tokio::test(start_paused = true)]
async fn a_malformed_query_is_ignored_or_refused_and_writes_nothing() {
    let world = world([]).await;
    for query in [
        "",
        "?",
        "?&&=&",
        "?api_token",
        "?api_token=%",
        "?api_token=%00",
        "?%61pi_token=x",
        "?replace",
    ] {
        let request = request("POST", &format!("/voice/api/v1/twilio/set-context{query}"));
        let answer = send(&world, request.body(purchase().to_string().into()).unwrap()).await;
        is_error(&answer, 401);
        let request = with_token("POST", &format!("/voice/api/v1/twilio/get-context{query}"));
        let answer = send(&world, request.body(purchase().to_string().into()).unwrap()).await;
        assert!([200, 401].contains(&answer.status), "{answer:?}");
    }
    assert_eq!(load(&world).await, None);
}
