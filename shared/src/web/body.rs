//! Reading what was sent, and answering in JSON.

use http::{HeaderMap, Response, StatusCode};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt as _};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use super::media::{answer, media_type};
use super::problem::Problem;
use crate::field::{FieldError, expected};
use crate::foreign::{self, Keep, Unreadable};

/// Most bytes of a body that are read.
pub const MAX_BODY: usize = 64 * 1024;
/// Most bytes of a body in a platform's envelope: within minutes of talk a transcript and the assistant's own prompt in it
/// outgrow what we read of anybody else.
pub const MAX_ENVELOPE: usize = 1024 * 1024;
/// Most characters of a field's path that are given back: an unknown field's name is the caller's text.
const MAX_FIELD_CHARS: usize = 200;
/// What an error about the whole body is said to be about.
const WHOLE: &str = "(body)";

/// The bytes of the body. Whether API Gateway hands over text or base64 depends on the content type alone (a form, or
/// no content type, comes as base64), so no caller may depend on either.
///
/// # Errors
/// 413 for more than [`MAX_BODY`].
pub fn bytes(request: &Request) -> Result<&[u8], Problem> {
    bytes_up_to(request, MAX_BODY)
}

/// The bytes of a body that may have another length.
///
/// # Errors
/// 413 for more than `limit`.
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

/// The body of a request to our own API, which says by its content type that it is JSON, or does not say at all.
///
/// # Errors
/// 413 for a body that is too large, 415 for one of another type, 400 for one that is not JSON, 422 for one that is
/// not a `T`, with the path of the field.
pub fn json<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    let bytes = bytes(request)?;
    if !may_be_json(request.headers()) {
        return Err(Problem::unsupported_media_type());
    }
    parse(bytes)
}

/// Of the body of a platform's request, which may be in an envelope of [`MAX_ENVELOPE`] bytes, what `keep` says.
///
/// # Errors
/// As [`json`], but for 422.
pub fn envelope(request: &Request, keep: Keep) -> Result<Value, Problem> {
    let bytes = bytes_up_to(request, MAX_ENVELOPE)?;
    if !may_be_json(request.headers()) {
        return Err(Problem::unsupported_media_type());
    }
    foreign::envelope(bytes, keep).map_err(unreadable)
}

/// What is said of an envelope that cannot be read.
pub fn unreadable(why: Unreadable) -> Problem {
    match why {
        Unreadable::Empty => Problem::invalid_json("the body is empty"),
        Unreadable::NotJson { .. } => Problem::invalid_json(format!("the body {why}")),
        Unreadable::Deep | Unreadable::Number { .. } | Unreadable::Large => {
            Problem::invalid_field(WHOLE, why.to_string())
        }
    }
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::invalid_json(format!("not JSON at line {}, column {}", error.line(), error.column()))
}

/// `bytes` as a `T`.
///
/// # Errors
/// As [`json`], 400 and 422 only.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if bytes.is_empty() {
        return Err(Problem::invalid_json("the body is empty"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::invalid_json("the body is not UTF-8"))?;
    // Bots cut texts as other people do.
    let text = &*foreign::mended(text);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = serde_path_to_error::deserialize(&mut deserializer);
    // serde_json calls some wrong types a syntax error (7 where an enum is expected), and stops at the first wrong
    // field. So whether it is JSON at all is asked of the whole body.
    if parsed.is_err() || deserializer.end().is_err() {
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| not_json(&error))?;
    }
    parsed.map_err(|error| {
        let path = error.path().to_string();
        Problem::invalid_fields(vec![field_error(&path, &error.into_inner().to_string())])
    })
}

/// An answer in JSON. It is about one tenant's things, so nobody on the way keeps it.
pub fn json_response(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    let text = match serde_json::to_string(body) {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            return Problem::unavailable(60).into_response();
        }
    };
    answer(status, "application/json", text)
}

/// The segments of the path, percent-decoded, without the stage's name in front.
///
/// They are what API Gateway delivered: [`gateway`](super::gateway) encodes its decoded path, and here that is taken
/// back. A slash that the client encoded is one like any other by then, so a parameter may have become two segments, and
/// a route two others; whoever matches them takes for granted nothing that the route's pattern says.
///
/// With a named stage API Gateway puts `/{stage}` before the path, with `$default` and on a function URL it does not.
/// A stage must not be called like the first segment of a route (`v1`): the two could not be told apart.
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

/// `segment` decoded once; as it is when it does not decode to printable text.
fn percent_decoded(segment: &str) -> String {
    let decoded = percent_decode_str(segment).decode_utf8().ok();
    let printable = decoded.filter(|text| !text.chars().any(char::is_control));
    printable.map_or_else(|| segment.to_owned(), std::borrow::Cow::into_owned)
}

/// Whether the content type is absent, `application/json`, or of the form `application/*+json`.
fn may_be_json(headers: &HeaderMap) -> bool {
    let Some(media_type) = media_type(headers) else {
        return true;
    };
    let kind = media_type.strip_prefix("application/");
    kind.is_some_and(|kind| kind == "json" || kind.ends_with("+json"))
}

/// Which field `message` (serde's) is about, and what is expected there, without the names of our types.
fn field_error(path: &str, message: &str) -> FieldError {
    // serde_json says where in the text it was; the path says it better.
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    if let Some(name) = message.strip_prefix("missing field `") {
        FieldError::new(with_own_name(path, name.trim_end_matches('`')), "is missing")
    } else if let Some(name) = message.strip_prefix("duplicate field `") {
        FieldError::new(with_own_name(path, name.trim_end_matches('`')), "is there twice")
    } else if let Some(rest) = message.strip_prefix("unknown field `") {
        // The name is the caller's text; the last part is ours.
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

/// `path` and the field's own name, where serde leaves it out: it is about the object around a missing field.
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
        WHOLE.to_owned()
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
    #[expect(dead_code, reason = "only what is refused is looked at")]
    struct Order {
        policy: Policy,
        people: Vec<Person>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what is refused is looked at")]
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
    fn the_field_is_named_by_its_path() {
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
                r#"{"policy":{"ask_again":"yes"}}"#,
                "policy.ask_again",
                "expected a boolean",
            ),
            (
                r#"{"policy":{"ticket_voice":7}}"#,
                "policy.ticket_voice",
                "has a wrong type",
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
            (r#"{"policy":{},"policy":{}}"#, "policy", "is there twice"),
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
        assert!(
            detail.starts_with("is not known; expected one of `attempts`, `retry_delay`, "),
            "{detail}"
        );
    }

    #[test]
    fn an_unknown_name_can_neither_forge_the_answer_nor_fill_it() {
        let (_, field, detail) = refusal(r#"{"a`, expected gold":1}"#);
        assert_eq!(
            (field.as_str(), detail.as_str()),
            ("a`, expected gold", "is not known; expected `policy` or `people`")
        );
        let (_, field, _) = refusal(&format!(r#"{{"{}":1}}"#, "x".repeat(10_000)));
        assert_eq!(field.len(), MAX_FIELD_CHARS);
    }

    #[test]
    fn what_the_caller_sent_is_not_given_back() {
        for body in [
            r#"{"policy":"+306900000001"}"#,
            r#"{"policy":{"ticket_voice":"+306900000001"}}"#,
        ] {
            let problem = parse::<Order>(body.as_bytes()).expect_err(body);
            assert!(!format!("{problem:?}").contains("+3069"), "{problem:?}");
        }
    }

    #[test]
    fn what_is_not_json_is_told_from_what_does_not_fit() {
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
    fn text_base64_and_nothing_are_all_bodies() {
        let empty: &[u8] = b"";
        assert_eq!(bytes(&request("a=1", None)), Ok(&b"a=1"[..]));
        assert_eq!(bytes(&request(b"a=1".to_vec(), None)), Ok(&b"a=1"[..]));
        assert_eq!(bytes(&request((), None)), Ok(empty));
    }

    #[test]
    fn a_body_is_read_up_to_its_limit() {
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
    fn a_body_that_says_it_is_something_else_is_refused() {
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
    fn an_answer_is_json_and_is_kept_by_nobody() {
        let response = json_response(StatusCode::CREATED, &serde_json::json!({ "id": "x" }));
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.body(), &Body::from(r#"{"id":"x"}"#));
    }

    /// What API Gateway sends, reduced to what matters for the path.
    fn from_gateway(stage: &str, raw_path: &str) -> Request {
        let event = serde_json::json!({
            "version": "2.0", "routeKey": "$default", "rawPath": raw_path, "rawQueryString": "", "headers": {},
            "requestContext": { "stage": stage, "http": { "method": "GET", "path": raw_path } },
            "isBase64Encoded": false,
        });
        crate::web::gateway::request(&event.to_string()).expect("an event")
    }

    #[test]
    fn a_path_is_the_same_with_and_without_a_stage() {
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
    fn a_segment_is_what_the_gateway_delivered_and_is_not_decoded_again() {
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
        fn any_body_gets_an_answer(body in "\\PC{0,60}", json_like in "[{}\\[\\]\",:a-c0-9e`. ]{0,40}") {
            let _ = parse::<Order>(body.as_bytes());
            let _ = parse::<Order>(json_like.as_bytes());
        }

        #[test]
        fn any_segment_is_decoded_without_a_panic(segment in "[%0-9a-fA-F\\PC]{0,30}") {
            let _ = percent_decoded(&segment);
        }
    }
}
