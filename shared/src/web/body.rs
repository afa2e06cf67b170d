//! Parses request bodies and paths, and makes JSON responses.

use http::{HeaderMap, Response, StatusCode};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt as _};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use super::media::{media_type, response};
use super::problem::Problem;
use crate::field::{FieldError, expected};
use crate::lenient_json::{self, Selection, UnreadableJson};

/// Largest body, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// Largest body in the envelope of a voice-agent platform, in bytes. Such an envelope contains the transcript and the
/// assistant's prompt, which exceed [`MAX_BODY`] within minutes of a call.
pub const MAX_ENVELOPE: usize = 1024 * 1024;
/// Longest field path in a response, in characters: the name of an unknown field is the client's text.
const MAX_FIELD_CHARS: usize = 200;
/// Most unknown fields that one problem names.
const MAX_UNKNOWN_FIELDS: usize = 20;
/// The field name of an error about the whole body.
const WHOLE_BODY: &str = "(body)";

/// The bytes of the body. API Gateway passes a body as text or base64 depending on the content type alone (base64 for a
/// form, or without content type), so no code may depend on either.
///
/// # Errors
/// 413 for more than [`MAX_BODY`] bytes.
pub fn bytes(request: &Request) -> Result<&[u8], Problem> {
    bytes_up_to(request, MAX_BODY)
}

/// The bytes of a body with a limit other than [`MAX_BODY`].
///
/// # Errors
/// 413 for more than `limit` bytes.
pub fn bytes_up_to(request: &Request, limit: usize) -> Result<&[u8], Problem> {
    let bytes: &[u8] = match request.body() {
        Body::Text(text) => text.as_bytes(),
        Body::Binary(bytes) => bytes,
        _ => &[],
    };
    if bytes.len() > limit {
        return Err(Problem::body_too_large(limit));
    }
    Ok(bytes)
}

/// Parses the body of a request to our API. Its content type must be JSON or missing.
///
/// # Errors
/// 413 for a body that is too large, 415 for another content type, 400 for a body that is not JSON, 422 with the path
/// of the field for a body that is not a `T`, or has fields that a `T` does not have: types that are also stored ignore
/// those when they are read back, because a later version may have written them.
pub fn json<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    parse(json_bytes(request)?)
}

/// The bytes of a JSON body, for a handler that parses them itself.
///
/// # Errors
/// 413 and 415 as for [`json`].
pub fn json_bytes(request: &Request) -> Result<&[u8], Problem> {
    let bytes = bytes(request)?;
    if !may_be_json(request.headers()) {
        return Err(Problem::unsupported_media_type());
    }
    Ok(bytes)
}

/// Parses the selected part of a voice-agent platform's request, whose envelope may have [`MAX_ENVELOPE`] bytes.
///
/// # Errors
/// 413, 415 and 400 as for [`json`]; 422 for JSON that we cannot store (see [`UnreadableJson`]).
pub fn envelope(request: &Request, selection: Selection) -> Result<Value, Problem> {
    let bytes = bytes_up_to(request, MAX_ENVELOPE)?;
    if !may_be_json(request.headers()) {
        return Err(Problem::unsupported_media_type());
    }
    lenient_json::select(bytes, selection).map_err(unreadable)
}

/// The problem for an envelope that cannot be parsed.
pub fn unreadable(error: UnreadableJson) -> Problem {
    match error {
        UnreadableJson::Empty => Problem::invalid_json("the body is empty"),
        UnreadableJson::NotJson { .. } => Problem::invalid_json(format!("the body {error}")),
        UnreadableJson::Deep | UnreadableJson::Number { .. } | UnreadableJson::Large => {
            Problem::invalid_field(WHOLE_BODY, error.to_string())
        }
    }
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::invalid_json(format!("not JSON at line {}, column {}", error.line(), error.column()))
}

/// Parses `bytes` as a `T`.
///
/// # Errors
/// 400 and 422 as for [`json`].
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if bytes.is_empty() {
        return Err(Problem::invalid_json("the body is empty"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::invalid_json("the body is not UTF-8"))?;
    // Clients may cut a text inside a surrogate pair.
    let text = &*lenient_json::repaired(text);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let mut unknown = Vec::new();
    let mut collect = |path: serde_ignored::Path<'_>| {
        if unknown.len() < MAX_UNKNOWN_FIELDS {
            unknown.push(FieldError::new(with_own_name(&field_path(&path), ""), "is not known"));
        }
    };
    let parsed: Result<T, _> =
        serde_path_to_error::deserialize(serde_ignored::Deserializer::new(&mut deserializer, &mut collect));
    // serde_json reports some wrong types as syntax errors (such as 7 for an enum), and stops at the first wrong field.
    // So parse the whole body again to find out whether it is JSON at all.
    if parsed.is_err() || deserializer.end().is_err() {
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| not_json(&error))?;
    }
    match parsed {
        Ok(parsed) if unknown.is_empty() => Ok(parsed),
        Ok(_) => Err(Problem::invalid_fields(unknown)),
        Err(error) => {
            let path = error.path().to_string();
            unknown.push(field_error(&path, &error.into_inner().to_string()));
            Err(Problem::invalid_fields(unknown))
        }
    }
}

/// The path of a field that `T` does not have, written as `serde_path_to_error` writes one: `employees[0].phone`.
pub(crate) fn field_path(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", field_path(parent)),
        Path::Map { parent, key } => match field_path(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => field_path(parent),
    }
}

/// A JSON response. It contains a tenant's data, so caches must not store it (`no-store`).
pub fn json_response(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    let text = match serde_json::to_string(body) {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(%error, "could not serialize a response");
            return Problem::unavailable(60).into_response();
        }
    };
    response(status, "application/json", text)
}

/// The segments of the path, percent-decoded, without the name of the stage.
///
/// They are the segments that API Gateway delivered: [`gateway`](super::gateway) encodes the decoded path, and this
/// function reverses that. A slash that the client encoded is indistinguishable from others by then, so one parameter
/// may have become two segments, and one route another. Code that matches segments must not rely on the route's
/// pattern.
///
/// With a named stage API Gateway puts `/{stage}` before the path; with `$default` and on a function URL it does not. A
/// stage must not have the name of a route's first segment (`v1`): the two would be indistinguishable.
pub fn path_segments(request: &Request) -> Vec<String> {
    let raw = match request.raw_http_path() {
        "" => request.uri().path(),
        raw => raw,
    };
    let stage = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.stage.as_deref(),
        _ => None,
    };
    let mut segments = raw
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(percent_decoded)
        .peekable();
    if let Some(stage) = stage {
        segments.next_if(|first| first == stage);
    }
    segments.collect()
}

/// `segment` decoded once, or unchanged if it does not decode to printable text.
fn percent_decoded(segment: &str) -> String {
    let decoded = percent_decode_str(segment).decode_utf8().ok();
    let printable = decoded.filter(|text| !text.chars().any(char::is_control));
    printable.map_or_else(|| segment.to_owned(), std::borrow::Cow::into_owned)
}

/// Whether the content type is missing, `application/json`, or of the form `application/*+json`.
fn may_be_json(headers: &HeaderMap) -> bool {
    let Some(media_type) = media_type(headers) else {
        return true;
    };
    let kind = media_type.strip_prefix("application/");
    kind.is_some_and(|kind| kind == "json" || kind.ends_with("+json"))
}

/// Translates serde's `message` to the field and what is expected there, without the names of our types.
fn field_error(path: &str, message: &str) -> FieldError {
    // serde_json appends line and column; the path is more helpful.
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    if let Some(name) = message.strip_prefix("missing field `") {
        FieldError::new(with_own_name(path, name.trim_end_matches('`')), "is missing")
    } else if let Some(name) = message.strip_prefix("duplicate field `") {
        FieldError::new(with_own_name(path, name.trim_end_matches('`')), "is a duplicate")
    } else if let Some(rest) = message.strip_prefix("unknown field `") {
        // The name is the client's text and may contain our separator, so split at the last one.
        match rest.rsplit_once("`, expected ") {
            Some((name, known)) => {
                FieldError::new(with_own_name(path, name), format!("is not known; expected {known}"))
            }
            None => FieldError::new(with_own_name(path, ""), "is not known; no fields are expected"),
        }
    } else {
        FieldError::new(with_own_name(path, ""), expected(message))
    }
}

/// `path` with the field's own name. Serde leaves the name out if the error is about the object around the field, such
/// as for a missing field.
fn with_own_name(path: &str, name: &str) -> String {
    let path = if path == "." { "" } else { path };
    let whole = if name.is_empty() || path == name || path.ends_with(&format!(".{name}")) {
        path.to_owned()
    } else if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    };
    if whole.is_empty() {
        WHOLE_BODY.to_owned()
    } else {
        whole.chars().take(MAX_FIELD_CHARS).collect()
    }
}

#[cfg(test)]
mod tests {
    use http::header::{CACHE_CONTROL, CONTENT_TYPE};
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::dispatch::policy::Policy;
    use crate::web::problem::Kind;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only rejected bodies are examined")]
    struct Order {
        policy: Policy,
        people: Vec<Person>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only rejected bodies are examined")]
    struct Person {
        name: String,
    }

    fn request(body: impl Into<Body>, content_type: Option<&str>) -> Request {
        let mut request = Request::new(body.into());
        if let Some(content_type) = content_type {
            request
                .headers_mut()
                .insert(CONTENT_TYPE, content_type.parse().expect("a header"));
        }
        request
    }

    fn refusal(body: &str) -> (Kind, String, String) {
        let problem = parse::<Order>(body.as_bytes()).expect_err(body);
        let (field, detail) = problem
            .errors
            .into_iter()
            .next()
            .map(|e| (e.field, e.detail))
            .unwrap_or_default();
        (
            problem.kind,
            field,
            if detail.is_empty() { problem.detail } else { detail },
        )
    }

    #[test]
    fn invalid_field_is_named_by_its_path() {
        for (body, field, detail) in [
            (
                r#"{"policy":{"attempts":"3"}}"#,
                "policy.attempts",
                "expected a whole number from 0 to 255",
            ),
            (
                r#"{"policy":{"attempts":300}}"#,
                "policy.attempts",
                "expected a whole number from 0 to 255",
            ),
            (r#"{"policy":{"attempts":1e400}}"#, "policy.attempts", "is out of range"),
            (
                r#"{"policy":{"retry_rejected":"yes"}}"#,
                "policy.retry_rejected",
                "expected a boolean",
            ),
            (
                r#"{"policy":{"ticket_voice":7}}"#,
                "policy.ticket_voice",
                "has the wrong type",
            ),
            (
                r#"{"policy":{"ticket_voice":"robot"}}"#,
                "policy.ticket_voice",
                "expected `male` or `female`",
            ),
            (r#"{"policy":7}"#, "policy", "expected an object"),
            (r#"{"policy":{}}"#, "people", "is missing"),
            (r#"{"policy":{},"people":[{}]}"#, "people[0].name", "is missing"),
            (
                r#"{"policy":{},"people":[{"name":"x"},{"name":[]}]}"#,
                "people[1].name",
                "expected a string",
            ),
            (r#"{"policy":{},"people":{}}"#, "people", "expected a list"),
            (r#"{"policy":{},"policy":{}}"#, "policy", "is a duplicate"),
            (
                r#"{"people":[{"name":"x","age":3}]}"#,
                "people[0].age",
                "is not known; expected `name`",
            ),
            ("7", "(body)", "expected an object"),
        ] {
            assert_eq!(
                refusal(body),
                (Kind::InvalidField, field.to_owned(), detail.to_owned()),
                "{body}"
            );
        }
        let (kind, field, detail) = refusal(r#"{"policy":{"attemps":1}}"#);
        assert_eq!((kind, field.as_str()), (Kind::InvalidField, "policy.attemps"));
        assert_eq!(detail, "is not known");
    }

    #[test]
    fn unknown_field_name_cannot_forge_or_flood_the_response() {
        let (_, field, detail) = refusal(r#"{"a`, expected gold":1}"#);
        assert_eq!(
            (field.as_str(), detail.as_str()),
            ("a`, expected gold", "is not known; expected `policy` or `people`")
        );
        let (_, field, _) = refusal(&format!(r#"{{"{}":1}}"#, "x".repeat(10_000)));
        assert_eq!(field.len(), MAX_FIELD_CHARS);
    }

    #[test]
    fn field_values_are_not_echoed() {
        for body in [
            r#"{"policy":"+306900000001"}"#,
            r#"{"policy":{"ticket_voice":"+306900000001"}}"#,
        ] {
            let problem = parse::<Order>(body.as_bytes()).expect_err(body);
            assert!(!format!("{problem:?}").contains("+3069"), "{problem:?}");
        }
    }

    #[test]
    fn invalid_json_differs_from_invalid_field() {
        for body in ["", "{", "nonsense", r#"{"policy":{}} x"#, r#"{"policy":7"#, "\u{0}"] {
            assert_eq!(refusal(body).0, Kind::InvalidJson, "{body}");
        }
        assert_eq!(refusal("{\n  x").2, "not JSON at line 2, column 3");
        assert!(matches!(
            parse::<Order>(b"{\"\xff\":1}"),
            Err(Problem {
                kind: Kind::InvalidJson,
                ..
            })
        ));
    }

    #[test]
    fn body_may_be_text_binary_or_empty() {
        let empty: &[u8] = b"";
        assert_eq!(bytes(&request("a=1", None)), Ok(&b"a=1"[..]));
        assert_eq!(bytes(&request(b"a=1".to_vec(), None)), Ok(&b"a=1"[..]));
        assert_eq!(bytes(&request((), None)), Ok(empty));
    }

    #[test]
    fn body_is_read_up_to_the_limit() {
        assert_eq!(
            bytes(&request(vec![b' '; MAX_BODY], None)).map(<[u8]>::len),
            Ok(MAX_BODY)
        );
        let refused = bytes(&request(vec![b' '; MAX_BODY + 1], None)).expect_err("too long");
        assert_eq!(refused.kind, Kind::BodyTooLarge);
        let refused = json::<Policy>(&request(" ".repeat(MAX_BODY + 1), None)).expect_err("too long");
        assert_eq!(refused.kind, Kind::BodyTooLarge);
    }

    #[test]
    fn other_content_type_is_rejected() {
        let read = |content_type| json::<Policy>(&request("{}", content_type)).map_err(|problem| problem.kind);
        let good = [
            None,
            Some("application/json"),
            Some("Application/JSON; charset=utf-8"),
            Some("application/a+json"),
        ];
        for content_type in good {
            assert_eq!(read(content_type), Ok(Policy::default()), "{content_type:?}");
        }
        for content_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "",
            "json",
            "application/jsonp",
        ] {
            assert_eq!(
                read(Some(content_type)),
                Err(Kind::UnsupportedMediaType),
                "{content_type}"
            );
        }
    }

    #[test]
    fn response_is_uncacheable_json() {
        let response = json_response(StatusCode::CREATED, &serde_json::json!({ "id": "x" }));
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.body(), &Body::from(r#"{"id":"x"}"#));
    }

    /// An API Gateway event, reduced to what matters for the path.
    fn from_gateway(stage: &str, raw_path: &str) -> Request {
        let event = serde_json::json!({
            "version": "2.0", "routeKey": "$default", "rawPath": raw_path, "rawQueryString": "", "headers": {},
            "requestContext": { "stage": stage, "http": { "method": "GET", "path": raw_path } },
            "isBase64Encoded": false,
        });
        crate::web::gateway::parse_event(&event.to_string()).expect("an event")
    }

    #[test]
    fn path_is_the_same_with_and_without_a_stage() {
        let expected = ["v1", "dispatches", "dsp_1"];
        for (stage, path) in [
            ("$default", "/v1/dispatches/dsp_1"),
            ("prod", "/prod/v1/dispatches/dsp_1"),
            ("prod", "/v1/dispatches/dsp_1/"),
        ] {
            assert_eq!(path_segments(&from_gateway(stage, path)), expected, "{stage} {path}");
        }
        let mut by_hand = Request::new(Body::Empty);
        *by_hand.uri_mut() = "https://example.org/v1/dispatches/dsp_1?x=1".parse().expect("a URI");
        assert_eq!(path_segments(&by_hand), expected);
        assert_eq!(path_segments(&Request::new(Body::Empty)), Vec::<String>::new());
        // Only the first segment can be the stage.
        assert_eq!(path_segments(&from_gateway("prod", "/prod/prod")), ["prod"]);
    }

    #[test]
    fn segment_is_as_delivered_and_not_decoded_again() {
        for delivered in [
            "INC-47",
            "INC%2D47",
            "a%2Fb",
            "%252F",
            "caf\u{e9}",
            "caf%C3%A9",
            "a+b",
            "a b",
            "a?b#c",
            "%00",
            "%ff",
            "%4",
            "%",
            "\\",
        ] {
            let path = format!("/{delivered}");
            assert_eq!(path_segments(&from_gateway("$default", &path)), [delivered]);
        }
        let mut by_hand = Request::new(Body::Empty);
        *by_hand.uri_mut() = "/a%20b/c%2Fd".parse().expect("a URI");
        assert_eq!(path_segments(&by_hand), ["a b", "c/d"]);
    }

    proptest! {
        #[test]
        fn no_body_panics(body in "\\PC{0,60}", json_like in "[{}\\[\\]\",:a-c0-9e`. ]{0,40}") {
            let _ = parse::<Order>(body.as_bytes());
            let _ = parse::<Order>(json_like.as_bytes());
        }

        #[test]
        fn no_segment_panics(segment in "[%0-9a-fA-F\\PC]{0,30}") {
            let _ = percent_decoded(&segment);
        }
    }
}
