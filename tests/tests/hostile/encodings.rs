//! Damaged or unusual encodings of JSON: cut surrogate pairs, byte order marks, Latin-1, large and deep documents.

use bytes::Bytes;
use patchbay_simulators::phones::{Behavior, Script};
use patchbay_simulators::world::{TOKEN, World};
use serde_json::json;

use crate::common::{
    Answer, dispatch_body, list, load, request, rings, send, settle, text, webhook, with_token, world,
};

async fn agent(world: &World, path: &str, body: impl Into<Bytes>) -> Answer {
    let request = request("POST", &format!("/voice/api/v1/{path}?api_token={TOKEN}"));
    send(
        world,
        request
            .header("content-type", "application/json")
            .body(body.into())
            .unwrap(),
    )
    .await
}

async fn post(world: &World, path: &str, body: impl Into<Bytes>) -> Answer {
    let request = with_token("POST", path).header("content-type", "application/json");
    send(world, request.body(body.into()).unwrap()).await
}

/// The fields that an error response to an agent names.
fn wrong_fields(answer: &Answer) -> Vec<&str> {
    let errors = list(&answer.json, "/message/errors").iter();
    errors.map(|error| text(error, "/field")).collect()
}

fn purchase(field: &str, raw: &str) -> String {
    let mut fields = json!({
        "caller": "+12025550143", "description": "Two seats", "price": "42.00", "vendor": "acme-stage",
    });
    fields.as_object_mut().unwrap().insert(field.to_owned(), json!("HERE"));
    fields.to_string().replace("\"HERE\"", raw)
}

#[tokio::test(start_paused = true)]
async fn half_an_emoji_is_replaced_in_a_memory_and_refused_in_other_fields() {
    let world = world([]).await;
    let answer = agent(&world, "twilio/set-context", purchase("memory", r#""cut off \ud83d""#)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let shown = agent(
        &world,
        "twilio/get-context",
        json!({ "caller": "+12025550143" }).to_string(),
    )
    .await;
    assert!(shown.json.to_string().contains("cut off \u{fffd}"), "{shown:?}");
    for field in ["vendor", "description", "order_id"] {
        let answer = agent(&world, "twilio/set-context", purchase(field, r#""acme \ud83d""#)).await;
        assert_eq!((answer.status, wrong_fields(&answer)), (422, vec![field]), "{answer:?}");
    }
    let answer = agent(
        &world,
        "twilio/set-context",
        purchase("caller", r#""+1202555\ud83d0143""#),
    )
    .await;
    assert_eq!(
        (answer.status, wrong_fields(&answer)),
        (422, vec!["caller"]),
        "{answer:?}"
    );
}

/// The arguments of a language model are JSON within a JSON string, and may have been cut inside of it.
#[tokio::test(start_paused = true)]
async fn half_an_emoji_in_nested_json_is_replaced() {
    let world = world([]).await;
    let arguments =
        r#"{"description":"Two seats","price":"42.00","vendor":"acme-stage","memory":"wants row F \ud83d"}"#;
    let vapi = json!({ "message": {
        "type": "tool-calls",
        "call": { "id": "call-1" },
        "customer": { "number": "+12025550143" },
        "toolCalls": [{ "id": "t-1", "type": "function", "function": {
            "name": "SendContextToProtegee", "arguments": arguments,
        } }],
    } });
    let answer = agent(&world, "vapi/set-context", vapi.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let caller = json!({ "caller": "+12025550143" });
    let shown = agent(&world, "twilio/get-context", caller.to_string()).await;
    assert!(shown.json.to_string().contains("row F \u{fffd}"), "{shown:?}");
}

#[tokio::test(start_paused = true)]
async fn a_byte_order_mark_and_latin_1_are_accepted() {
    let world = world([]).await;
    let marked = [b"\xef\xbb\xbf".as_slice(), purchase("vendor", r#""acme""#).as_bytes()].concat();
    assert_eq!(agent(&world, "bland/set-context", marked).await.status, 200);
    let body = purchase("full_name", r#""Jos?""#).into_bytes();
    let latin: Vec<u8> = body
        .into_iter()
        .map(|byte| if byte == b'?' { 0xe9 } else { byte })
        .collect();
    assert_eq!(agent(&world, "twilio/set-context", latin).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_envelope_of_an_agent_may_be_large_and_a_request_to_our_api_may_not() {
    let world = world([]).await;
    let transcript = "and so on ".repeat(90_000);
    let vapi = json!({ "message": {
        "type": "tool-calls",
        "artifact": { "transcript": transcript, "messages": [{ "role": "system", "message": "\u{1f600}" }] },
        "call": { "id": "call-1", "assistant": { "prompt": "be kind" } },
        "customer": { "number": "+12025550143" },
        "toolCalls": [{ "id": "t-1", "type": "function", "function": {
            "name": "SendContextToProtegee",
            "arguments": { "description": "Two seats", "price": "42.00", "vendor": "acme-stage" },
        } }],
    } });
    let answer = agent(&world, "vapi/set-context", vapi.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let retell = json!({
        "call": { "call_id": "c", "from_number": "+12025550143", "transcript": transcript },
        "name": "set", "args": { "memory": "wants row F" },
    });
    assert_eq!(
        agent(&world, "retell/set-context", retell.to_string()).await.status,
        200
    );
    let large = json!({ "call": { "transcript": transcript.repeat(2) } }).to_string();
    let refused = agent(&world, "retell/set-context", large).await;
    assert_eq!(
        (refused.status, refused.text("/message/type")),
        (413, "urn:patchbay:problem:body-too-large")
    );
    let ours = json!({ "ticket": { "text": transcript } }).to_string();
    post(&world, "/v1/dispatches", ours)
        .await
        .is_problem(413, "body-too-large");
}

#[tokio::test(start_paused = true)]
async fn half_an_emoji_prevents_neither_a_dispatch_nor_an_acceptance() {
    let world = world([Script::always(Behavior::Interactive)]).await;
    let mut body = dispatch_body(1, &json!({}));
    *body.pointer_mut("/ticket/text").unwrap() = json!("HERE");
    let body = body.to_string().replace("\"HERE\"", r#""Pump four \ud83d is down""#);
    let preview = post(&world, "/v1/dispatches/preview", body.clone()).await;
    assert_eq!(preview.status, 200, "{preview:?}");
    let plan = preview.json.to_string();
    assert!(
        plan.contains("Pump four is down") && !plan.contains('\u{fffd}'),
        "{plan}"
    );
    let created = post(&world, "/v1/dispatches", format!("\u{feff}{body}")).await;
    assert_eq!(created.status, 201, "{created:?}");
    let call = rings(&world, 0, 0).await;
    let keys = r#"{"collectedTones":"1","note":"\ud83d","messageId":"m","conversationTrackingId":"t"}"#;
    let answer = send(&world, webhook(call.collect_url.as_deref().unwrap(), keys)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let key = patchbay::ids::DispatchKey {
        tenant: "main".parse().unwrap(),
        id: created.text("/id").parse().unwrap(),
    };
    assert_eq!(load(&world, &key).await.state.name(), "Accepted");
    settle(&world).await;
    assert_eq!(world.notifications().len(), 1);
}

/// A megabyte of tiny values, in fields that we read and in fields that we ignore.
#[tokio::test(start_paused = true)]
async fn a_megabyte_of_tiny_values_is_refused_or_ignored() {
    let world = world([]).await;
    let many = |one: &str| format!("[{}0]", format!("{one},").repeat(900_000 / (one.len() + 1)));
    for one in ["{}", "{\"a\":{}}", "[]", "0"] {
        let list = many(one);
        for (path, body, status) in [
            (
                "vapi/set-context",
                format!("{{\"message\":{{\"toolCalls\":{list}}}}}"),
                422,
            ),
            (
                "retell/set-context",
                format!("{{\"call\":{{\"from_number\":\"+12025550143\"}},\"args\":{{\"memory\":{list}}}}}"),
                422,
            ),
            (
                "retell/set-context",
                format!("{{\"call\":{{\"from_number\":\"+12025550143\"}},\"args\":{{\"memory\":\"a\",\"x\":{list}}}}}"),
                200,
            ),
            (
                "twilio/get-context",
                format!("{{\"caller\":\"+12025550143\",\"x\":{list}}}"),
                200,
            ),
            ("bland/get-context", format!("{{\"caller\":{list}}}"), 422),
        ] {
            let answer = agent(&world, path, body).await;
            assert_eq!(answer.status, status, "{path} {one}: {answer:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalid_document_is_refused_with_its_error() {
    let world = world([]).await;
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (value, error) in [
        ("1e999", "a number that is out of range, at line 1"),
        // The type error is found whatever the depth.
        (deep.as_str(), "expected a string"),
        ("nul", "is not JSON at line 1"),
    ] {
        let body = format!("{{\"message\":{{\"call\":{{\"id\":{value}}}}}}}");
        let answer = agent(&world, "vapi/get-context", body).await;
        assert!(answer.json.to_string().contains(error), "{value:.20}: {answer:?}");
    }
}
