//! How an answer of a chat platform is judged, and how an id is found in it.
//!
//! The answers of one platform are not documented, and those of the other differ between its versions
//! (sangoma/CONTRACT.md 5.10, chatwoot/CONTRACT.md 5.3). So nothing of an answer is relied on but its status and an id,
//! and the id is looked for in every form that is known.

use http::Method;
use serde_json::Value;

use super::chat_api::{ChatError, Inbox};
use super::lenient::Fields;
use super::masked::redact;
use super::retry_after::retry_after;
use crate::conversation::PlatformId;
use crate::http::Response;
use crate::lenient_json::{self, Selection};

/// What an answer may be wrapped in.
const WRAPPERS: [&str; 3] = ["payload", "data", "results"];
/// How many wrappers in each other are opened.
const MAX_DEPTH: usize = 4;
/// How long to wait after the refusal of too many messages in a minute, in seconds.
const MESSAGE_LIMIT_SECONDS: u32 = 60;

/// The answer to a request if it was successful.
pub(in crate::providers) fn successful(method: &Method, response: Response) -> Result<Response, ChatError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let error = error_of(&response);
    Err(if *method == Method::GET {
        error.of_reading()
    } else {
        error
    })
}

/// Judges an answer without success.
fn error_of(response: &Response) -> ChatError {
    let status = response.status().as_u16();
    let message = message_in(response.body());
    let meaning = match status {
        401 => "the credentials are rejected",
        403 => "the credentials do not allow this request",
        301 | 307 | 308 => "the request is redirected, so the configured URL is wrong",
        _ => "the platform answered",
    };
    let detail = redact(&format!("{meaning} (status {status}): {message}"));
    let failed = |retry_after| ChatError::Failed {
        retry_after,
        detail: detail.clone(),
    };
    match status {
        // The request had no effect, and an operator can help: no message may be lost until then. We do not follow
        // redirects, so nothing received a redirected request.
        401 | 403 | 301 | 307 | 308 => failed(None),
        429 => failed(retry_after(response)),
        // The brake on loops (chatwoot/CONTRACT.md 5.4) has the status of an invalid request, but passes.
        422 if message.to_ascii_lowercase().contains("too many messages") => failed(Some(MESSAGE_LIMIT_SECONDS)),
        // 408 may come from a gateway that gave up while the server behind it did what was asked.
        408 => ChatError::Unclear { detail },
        400..=499 => ChatError::Refused { status, detail },
        _ => ChatError::Unclear { detail },
    }
}

/// The message of an error body, in the forms that are known (chatwoot/CONTRACT.md 5.4) and two others that are common.
fn message_in(body: &[u8]) -> String {
    let Some(fields) = Fields::from_json(body) else {
        return "the answer is not a JSON object".to_owned();
    };
    let names = ["error_description", "message", "error", "detail", "errors"];
    let text = names.iter().find_map(|name| match fields.value(name)? {
        Value::Array(all) => all.first().and_then(Value::as_str).map(str::to_owned),
        _ => fields.text(name),
    });
    text.unwrap_or_default()
}

/// A number or a text as an id.
pub(in crate::providers) fn as_id(value: &Value) -> Option<PlatformId> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// The body of an answer; null for an empty body, and for one that is no JSON.
pub(in crate::providers) fn body(response: &Response) -> Value {
    lenient_json::select(response.body(), Selection::All).unwrap_or_default()
}

/// The object that an answer is about: `body` itself, or what it has below one of `nouns`, in any wrapper.
pub(in crate::providers) fn object<'a>(body: &'a Value, nouns: &[&str]) -> Option<&'a Value> {
    object_within(body, nouns, MAX_DEPTH)
}

fn object_within<'a>(body: &'a Value, nouns: &[&str], depth: usize) -> Option<&'a Value> {
    let depth = depth.checked_sub(1)?;
    if let Value::Array(all) = body {
        // Of several objects none is certainly ours.
        return match all.as_slice() {
            [only] => object_within(only, nouns, depth),
            _ => None,
        };
    }
    let has_id = |value: &&Value| value.get("id").and_then(as_id).is_some();
    let named = nouns.iter().find_map(|noun| body.get(noun)).filter(has_id);
    let own = || Some(body).filter(has_id);
    let wrapped = || {
        let inner = WRAPPERS.iter().filter_map(|wrapper| body.get(wrapper));
        inner.into_iter().find_map(|value| object_within(value, nouns, depth))
    };
    named.or_else(own).or_else(wrapped)
}

/// The id of the object that an answer is about.
fn id(body: &Value, nouns: &[&str]) -> Option<PlatformId> {
    object(body, nouns)?.get("id").and_then(as_id)
}

/// The id of a message that was just posted, if the answer has one. The id of its conversation is none: the answer may
/// be about that.
pub(in crate::providers) fn posted_id(response: &Response, conversation: &PlatformId) -> Option<PlatformId> {
    id(&body(response), &["message"]).filter(|id| id != conversation)
}

/// The id of an object that was just created.
pub(in crate::providers) fn created_id(response: &Response, nouns: &[&str]) -> Result<PlatformId, ChatError> {
    id(&body(response), nouns).ok_or_else(|| {
        let status = response.status().as_u16();
        ChatError::Unclear {
            detail: format!("status {status} without an id"),
        }
    })
}

/// The inboxes in an answer. Entries without an id are left out.
pub(in crate::providers) fn inboxes(response: &Response) -> Result<Vec<Inbox>, ChatError> {
    let body = body(response);
    let Some(all) = list(&body, MAX_DEPTH) else {
        return Err(ChatError::failed("the answer has no list of inboxes"));
    };
    let inbox = |value: &Value| {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Inbox {
            id: value.get("id").and_then(as_id)?,
            name: text("name"),
            channel: text("channel_type").or_else(|| text("channel")),
        })
    };
    Ok(all.iter().filter_map(inbox).collect())
}

fn list(body: &Value, depth: usize) -> Option<&Vec<Value>> {
    let depth = depth.checked_sub(1)?;
    if let Value::Array(all) = body {
        return Some(all);
    }
    let names = WRAPPERS.iter().chain(&["inboxes"]);
    names
        .filter_map(|name| body.get(*name))
        .find_map(|value| list(value, depth))
}

#[cfg(test)]
mod tests {
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
        let all = json!([{ "id": 7, "name": "Shop", "channel_type": "a" }, { "id": "8", "channel": "b" }, { "name": "x" }, 5]);
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

    proptest! {
        #[test]
        fn no_answer_panics(status in 100_u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
            let response = http::Response::builder().status(status).body(body.into()).expect("a response");
            let _ = (created_id(&response, &["message"]), inboxes(&response));
            let judged = successful(&Method::POST, response);
            prop_assert_eq!(judged.is_ok(), (200..300).contains(&status));
        }
    }
}
