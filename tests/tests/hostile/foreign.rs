//! What other people's programs make of a text on its way to us.

use bytes::Bytes;
use patchbay_simulators::phones::{Behaviour, Script};
use patchbay_simulators::world::{TOKEN, World};
use serde_json::json;

use crate::common::{Answer, brief, list, load, request, rings, send, settle, text, webhook, with_token, world};

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

/// The fields that an answer to an agent names.
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
async fn half_an_emoji_in_what_is_remembered_refuses_nothing_and_in_a_name_is_named() {
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

/// A language model's arguments come as a text, and what cut them cut them in there.
#[tokio::test(start_paused = true)]
async fn half_an_emoji_in_a_text_in_a_text_refuses_nothing() {
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
async fn a_byte_order_mark_and_another_encoding_refuse_nothing() {
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
async fn an_envelope_may_be_as_large_as_a_long_talk_and_our_own_api_stays_small() {
    let world = world([]).await;
    let talk = "and so on ".repeat(90_000);
    let vapi = json!({ "message": {
        "type": "tool-calls",
        "artifact": { "transcript": talk, "messages": [{ "role": "system", "message": "\u{1f600}" }] },
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
        "call": { "call_id": "c", "from_number": "+12025550143", "transcript": talk },
        "name": "set", "args": { "memory": "wants row F" },
    });
    assert_eq!(
        agent(&world, "retell/set-context", retell.to_string()).await.status,
        200
    );
    let large = json!({ "call": { "transcript": talk.repeat(2) } }).to_string();
    let refused = agent(&world, "retell/set-context", large).await;
    assert_eq!(
        (refused.status, refused.text("/message/type")),
        (413, "urn:patchbay:problem:body-too-large")
    );
    let ours = json!({ "ticket": { "text": talk } }).to_string();
    post(&world, "/v1/dispatches", ours)
        .await
        .is_problem(413, "body-too-large");
}

#[tokio::test(start_paused = true)]
async fn half_an_emoji_in_a_ticket_keeps_nobody_from_being_phoned_nor_one_beside_a_key_that_key_from_counting() {
    let world = world([Script::always(Behaviour::Interactive)]).await;
    let mut body = brief(1, &json!({}));
    *body.pointer_mut("/ticket/text").unwrap() = json!("HERE");
    let body = body.to_string().replace("\"HERE\"", r#""Pump four \ud83d is down""#);
    let preview = post(&world, "/v1/dispatches/preview", body.clone()).await;
    assert_eq!(preview.status, 200, "{preview:?}");
    let said = preview.json.to_string();
    assert!(
        said.contains("Pump four is down") && !said.contains('\u{fffd}'),
        "{said}"
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

/// A megabyte of values of which each is one of ours, or stands where ours are.
#[tokio::test(start_paused = true)]
async fn a_megabyte_of_tiny_values_is_refused_by_name_or_not_looked_at() {
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
async fn what_cannot_be_read_is_told_by_what_is_wrong_with_it() {
    let world = world([]).await;
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (value, told) in [
        ("1e999", "a number that is larger than we read, at line 1"),
        // That it is no text can be seen, however deep it is.
        (deep.as_str(), "expected a string"),
        ("nul", "is not JSON at line 1"),
    ] {
        let body = format!("{{\"message\":{{\"call\":{{\"id\":{value}}}}}}}");
        let answer = agent(&world, "vapi/get-context", body).await;
        assert!(answer.json.to_string().contains(told), "{value:.20}: {answer:?}");
    }
}
