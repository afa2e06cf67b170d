//! How answers are judged, and what is found in them.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn answer(status: u16, body: &str) -> Response {
    let response = http::Response::builder().status(status);
    response.body(body.to_owned().into()).expect("a response")
}

fn outcome(method: &Method, status: u16, body: &str) -> &'static str {
    match successful(method, answer(status, body)) {
        Ok(_) => "done",
        Err(ChatError::Failed { retry_after: None, .. }) => "failed",
        Err(ChatError::Failed { .. }) => "failed, later",
        Err(ChatError::Refused { status: stated, .. }) if stated == status => "refused",
        Err(ChatError::Refused { .. }) => "another status",
        Err(ChatError::Unclear { .. }) => "unclear",
    }
}

#[test]
fn answer_says_what_happened_to_the_request() {
    for (status, body, expected) in [
        (200, "", "done"),
        (201, "<html>", "done"),
        (202, "{}", "done"),
        (204, "", "done"),
        // Nothing happened, and an operator or time can help.
        (401, r#"{"error":"Invalid Access Token"}"#, "failed"),
        (403, "", "failed"),
        (429, "", "failed"),
        (301, "", "failed"),
        (308, "", "failed"),
        (422, r#"{"error":"Too many messages"}"#, "failed, later"),
        (
            422,
            r#"{"message":"Content Too many messages","attributes":["content"]}"#,
            "failed, later",
        ),
        // Nothing happened, and nothing will.
        (400, r#"{"detail":"no"}"#, "refused"),
        (404, r#"{"error":"Resource could not be found"}"#, "refused"),
        (409, "", "refused"),
        (413, "", "refused"),
        (
            422,
            r#"{"message":"Email has already been taken","attributes":["email"]}"#,
            "refused",
        ),
        // It may have happened.
        (408, "", "unclear"),
        (500, r#"{"error":"Too many messages"}"#, "unclear"),
        (502, "", "unclear"),
        (503, "", "unclear"),
        (504, "", "unclear"),
        (302, "", "unclear"),
        (303, "", "unclear"),
        (100, "", "unclear"),
    ] {
        assert_eq!(outcome(&Method::POST, status, body), expected, "{status} {body}");
        // What only reads has no effect, whatever happened.
        let expected = if expected == "unclear" { "failed" } else { expected };
        assert_eq!(outcome(&Method::GET, status, body), expected, "{status} {body}");
    }
}

#[test]
fn wait_that_the_platform_states_is_kept() {
    let mut response = answer(429, "");
    response
        .headers_mut()
        .insert("retry-after", "17".parse().expect("a header"));
    let error = successful(&Method::POST, response).expect_err("too many requests");
    let detail = "the platform answered (status 429): the answer is not a JSON object".to_owned();
    let retry_after = Some(17);
    assert_eq!(error, ChatError::Failed { retry_after, detail });
}

#[test]
fn detail_has_the_message_and_neither_numbers_nor_tokens() {
    for (body, detail) in [
        (
            r#"{"error":"invalid_scope","error_description":"no such scope"}"#,
            "the platform answered (status 400): no such scope",
        ),
        (
            r#"{"errors":["first","second"]}"#,
            "the platform answered (status 400): first",
        ),
        (
            r#"{"message":"phone +12025550143 is taken"}"#,
            "the platform answered (status 400): phone [number] is taken",
        ),
        (
            r#"{"detail":"token eyJhbGciOiJIUzI1NiJ9abc"}"#,
            "the platform answered (status 400): token [id]",
        ),
        ("{}", "the platform answered (status 400):"),
        (
            "",
            "the platform answered (status 400): the answer is not a JSON object",
        ),
    ] {
        let error = successful(&Method::POST, answer(400, body)).expect_err("refused");
        assert_eq!(error.to_string(), detail, "{body}");
    }
}

#[test]
fn lost_answer_is_unclear_and_lost_request_is_not() {
    let unclear = ChatError::from(SendError::NoResponse("timed out".to_owned()));
    assert!(matches!(unclear, ChatError::Unclear { .. }));
    for error in [
        SendError::NotSent("refused".to_owned()),
        SendError::Forbidden("http".to_owned()),
    ] {
        assert!(matches!(ChatError::from(error), ChatError::Failed { .. }));
    }
}

#[test]
fn id_is_found_in_every_known_form() {
    for body in [
        json!({ "id": 41 }),
        json!({ "id": "41" }),
        json!({ "id": 41.0 }),
        json!({ "contact": { "id": 41 } }),
        json!({ "payload": { "id": 41 } }),
        json!({ "data": { "contact": { "id": 41 } } }),
        json!({ "results": [{ "id": 41 }] }),
        json!([{ "id": 41 }]),
        json!({ "payload": { "contact": { "id": 41 }, "contact_inbox": { "id": 9 } } }),
        // The noun counts more than the object around it.
        json!({ "id": 5, "contact": { "id": 41 } }),
        json!({ "id": 41, "payload": { "id": 5 } }),
    ] {
        let response = answer(200, &body.to_string());
        assert_eq!(
            created_id(&response, &["contact"]),
            Ok("41".parse().expect("an id")),
            "{body}"
        );
    }
    for body in [
        json!(null),
        json!({}),
        json!([]),
        json!(41),
        json!({ "id": null }),
        json!({ "id": "" }),
        json!({ "id": { "id": 41 } }),
        json!({ "contact_id": 41 }),
        json!({ "payload": { "payload": { "payload": { "payload": { "id": 41 } } } } }),
        json!([{ "id": 41 }, { "id": 42 }]),
    ] {
        assert_eq!(id(&body, &["contact"]), None, "{body}");
    }
}

#[test]
fn id_of_the_conversation_is_not_taken_for_the_one_of_the_message() {
    let conversation: PlatformId = "1201".parse().expect("an id");
    let posted = |body: Value| posted_id(&answer(200, &body.to_string()), &conversation).map(|id| id.to_string());
    assert_eq!(
        posted(json!({ "id": 9001, "conversation_id": 1201 })).as_deref(),
        Some("9001")
    );
    assert_eq!(
        posted(json!({ "id": 1201, "message": { "id": 9001 } })).as_deref(),
        Some("9001")
    );
    assert_eq!(
        posted(json!({ "id": 9001, "message": "created" })).as_deref(),
        Some("9001")
    );
    assert_eq!(posted(json!({ "id": 1201, "messages": [] })), None);
}

#[test]
fn inboxes_are_found_in_every_known_form() {
    let all =
        json!([{ "id": 7, "name": "Shop", "channel_type": "a" }, { "id": "8", "channel": "b" }, { "name": "x" }, 5]);
    for body in [
        all.clone(),
        json!({ "payload": all }),
        json!({ "data": { "payload": all } }),
        json!({ "results": all }),
        json!({ "inboxes": all }),
    ] {
        let found = inboxes(&answer(200, &body.to_string())).expect("a list");
        let expected = json!([
            { "id": "7", "name": "Shop", "channel": "a" },
            { "id": "8", "name": null, "channel": "b" },
        ]);
        assert_eq!(json!(found), expected, "{body}");
    }
    for body in ["", "{}", "null", r#"{"payload":{}}"#] {
        let error = inboxes(&answer(200, body)).expect_err(body);
        assert!(matches!(error, ChatError::Failed { .. }), "{error:?}");
    }
}

#[test]
fn number_is_sent_as_a_number_and_every_other_id_as_it_is() {
    for (text, expected) in [
        ("0", json!(0)),
        ("1201", json!(1201)),
        ("18446744073709551615", json!(u64::MAX)),
        ("18446744073709551616", json!("18446744073709551616")),
        ("007", json!("007")),
        ("+7", json!("+7")),
        ("-7", json!("-7")),
        ("c-1", json!("c-1")),
    ] {
        assert_eq!(number_or_text(&text.parse().expect("an id")), expected);
    }
}

#[test]
fn priorities_have_the_numbers_of_the_platform() {
    let all = [Priority::Low, Priority::Medium, Priority::High, Priority::Urgent];
    assert_eq!(all.map(Priority::number), [0, 1, 2, 3]);
    assert_eq!(Priority::default(), Priority::Medium);
}

proptest! {
    #[test]
    fn no_answer_panics(status in 100_u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let response = http::Response::builder().status(status).body(body.into()).expect("a response");
        let _ = (created_id(&response, &["message"]), inboxes(&response));
        let judged = successful(&Method::POST, response);
        prop_assert_eq!(judged.is_ok(), (200..300).contains(&status));
    }
}
