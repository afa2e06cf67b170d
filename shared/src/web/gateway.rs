//! What API Gateway hands over (HTTP API, payload version 2.0), as requests.
//!
//! Its `rawPath` is decoded, in spite of its name, and its `rawQueryString` is what the client sent (`tests/simulators`
//! has the rules, with their sources). `lambda_http` takes for granted that both make a URI, together with headers that
//! a client can send (`Host: [`, `X-Forwarded-Proto: a b`), and panics where they make none, before a handler has seen
//! anything. Functions abort on a panic, so such a request would end the sandbox. So every event is changed before
//! `lambda_http` converts it, in one pass and whatever it holds: the path is encoded, once, as the path of a URI; of the
//! query that which no URI has is encoded; and the URI has neither scheme nor host. Under which domain the request came
//! is said by [`domain`], as API Gateway has it and no client.

use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::HOST;
use http::{HeaderName, HeaderValue, Response};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::lambda_runtime::{self, Error, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Body, Request, RequestExt as _, Service as _, service_fn};
use percent_encoding::utf8_percent_encode;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::percent::{IN_PATH, IN_QUERY};

/// The header from which `lambda_http` takes the URI's scheme.
const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// A path or a query that is longer is left out: a URI has 65,534 bytes at most, and the gateway takes no request whose
/// first line and headers have more than 10,240.
const LONGEST: usize = 16_384;

/// Lets `handler` answer the requests of API Gateway, until the sandbox ends.
///
/// # Errors
/// When the Lambda runtime cannot be reached.
pub async fn run<F, Answer>(mut handler: F) -> Result<(), Error>
where
    F: FnMut(Request) -> Answer,
    Answer: Future<Output = Response<Body>> + Send,
{
    let answer = |event: LambdaEvent<Event>| {
        let LambdaEvent { payload, context } = event;
        let domain = payload.domain.clone();
        let mut adapter = Adapter::from(service_fn(|mut request: Request| {
            request.extensions_mut().insert(domain.clone());
            let answer = handler(request);
            async { Ok::<_, Infallible>(answer.await) }
        }));
        adapter.call(LambdaEvent::new(payload.into(), context))
    };
    lambda_runtime::run(service_fn(answer)).await
}

/// The domain under which a request came, by API Gateway's own account of it: never by a header, which anybody may send.
pub fn domain(request: &Request) -> Option<&str> {
    let domain = request.extensions().get::<Domain>()?;
    domain.0.as_deref()
}

/// The URL below which a request came whose route begins with one of `roots`: the domain, and what stands before the route
/// (a stage with a name, or the path that a domain of one's own maps to the API).
pub fn base(request: &Request, roots: &[&str]) -> Option<String> {
    let domain = domain(request)?;
    let path = request.raw_http_path();
    let begins = |at: &usize| {
        let rest = path.get(at + 1..).unwrap_or_default();
        roots.contains(&rest.split('/').next().unwrap_or_default())
    };
    let at = path.match_indices('/').map(|(at, _)| at).find(begins);
    let before = at.and_then(|at| path.get(..at)).unwrap_or_default();
    Some(format!("https://{domain}{before}"))
}

/// The request in an event, as [`run`] hands it to a handler: for tests, which have events and no runtime.
///
/// # Errors
/// When it is no event of API Gateway.
pub fn request(event: &str) -> Result<Request, serde_json::Error> {
    let event: Event = serde_json::from_str(event)?;
    let domain = event.domain.clone();
    let mut request = Request::from(LambdaRequest::from(event));
    request.extensions_mut().insert(domain);
    Ok(request)
}

/// What API Gateway calls itself in an event, if it is a name.
#[derive(Clone, Debug)]
struct Domain(Option<String>);

/// An event that makes a request.
#[derive(Debug)]
struct Event {
    sound: ApiGatewayV2httpRequest,
    domain: Domain,
}

impl Event {
    fn new(mut event: ApiGatewayV2httpRequest) -> Self {
        let domain = event.request_context.domain_name.take();
        Self {
            sound: sound(event),
            domain: Domain(domain.filter(|name| is_domain(name))),
        }
    }
}

impl From<Event> for LambdaRequest {
    fn from(event: Event) -> Self {
        Self::ApiGatewayV2(event.sound)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let read = serde_json::from_str(text.get()).or_else(|_| without_odd_headers(text.get()));
        read.map(Self::new).map_err(de::Error::custom)
    }
}

/// Reads an event again, without the headers that are none: one of them would cost all the others.
fn without_odd_headers(text: &str) -> Result<ApiGatewayV2httpRequest, serde_json::Error> {
    let mut event: Value = serde_json::from_str(text)?;
    if let Some(Value::Object(headers)) = event.get_mut("headers") {
        headers.retain(|name, value| {
            let is_value = value.as_str().is_some_and(|value| HeaderValue::from_str(value).is_ok());
            is_value && HeaderName::from_bytes(name.as_bytes()).is_ok()
        });
    }
    serde_json::from_value(event)
}

/// The event, without its domain, as `lambda_http` can take any.
fn sound(mut event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpRequest {
    // A body that is not what the event says is one that no handler can read, and it says so.
    let encoded = event.body.as_deref().filter(|_| event.is_base64_encoded);
    if encoded.is_some_and(|body| STANDARD.decode(body).is_err()) {
        event.is_base64_encoded = false;
    }
    event.headers.remove(HOST);
    event.headers.remove(FORWARDED_PROTO);
    let context = &mut event.request_context;
    context.stage = context.stage.take().filter(|stage| is_stage(stage));
    event.raw_path = Some(path(event.raw_path.as_deref().unwrap_or_default()));
    event.raw_query_string = event.raw_query_string.as_deref().map(query);
    event
}

/// What a domain may be called.
fn is_domain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
}

/// What a stage may be called.
fn is_stage(name: &str) -> bool {
    name.len() <= 128
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"$_-".contains(&byte))
}

/// A decoded path as the path of a URI, which says the same when it is decoded once. There is nothing at the path that
/// takes the place of one that is too long.
fn path(decoded: &str) -> String {
    let slash = if decoded.starts_with('/') { "" } else { "/" };
    let encoded = format!("{slash}{}", utf8_percent_encode(decoded, IN_PATH));
    if encoded.len() <= LONGEST {
        encoded
    } else {
        "/".to_owned()
    }
}

/// A query as it came, but for what no URI has: signatures may cover it.
fn query(raw: &str) -> String {
    let encoded = utf8_percent_encode(raw, IN_QUERY).to_string();
    if encoded.len() <= LONGEST {
        encoded
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(path: &str, query: &str, headers: &Value) -> String {
        json!({
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": query,
            "headers": headers,
            "requestContext": {
                "domainName": "api.example.org", "stage": "$default", "http": { "method": "GET", "path": path },
            },
            "isBase64Encoded": false,
        })
        .to_string()
    }

    fn uri(path: &str, query: &str, headers: &Value) -> String {
        request(&event(path, query, headers))
            .expect("an event")
            .uri()
            .to_string()
    }

    #[test]
    fn a_path_that_comes_decoded_is_encoded_once() {
        for (delivered, encoded) in [
            ("/v1/links/orders", "/v1/links/orders"),
            ("/v1/contexts/+12025550143", "/v1/contexts/+12025550143"),
            ("/a b", "/a%20b"),
            ("/a?b#c", "/a%3Fb%23c"),
            ("/50%", "/50%25"),
            ("/%41", "/%2541"),
            ("/\u{3bb}", "/%CE%BB"),
            ("*", "/*"),
            ("", "/"),
        ] {
            assert_eq!(uri(delivered, "", &json!({})), encoded, "{delivered}");
            let request = request(&event(delivered, "", &json!({}))).expect("an event");
            assert_eq!(request.raw_http_path(), encoded, "{delivered}");
        }
        assert_eq!(uri(&"/".repeat(70_000), "a=b", &json!({})), "/?a=b");
    }

    #[test]
    fn a_query_stays_as_it_came_but_for_what_no_uri_has() {
        for (raw, expected) in [
            ("c=d%20e&c=[{}]|^`", "c=d%20e&c=[{}]|^`"),
            ("?<", "?%3C"),
            ("a=\"b c\"#d", "a=%22b%20c%22%23d"),
            ("a=\u{e9}\u{7f}", "a=%C3%A9%7F"),
        ] {
            assert_eq!(uri("/a", raw, &json!({})), format!("/a?{expected}"), "{raw}");
        }
        assert_eq!(uri("/a", &"x".repeat(70_000), &json!({})), "/a");
        let query = request(&event("/v1", "limit=5&a=b#&<", &json!({}))).expect("an event");
        let parameters = query.query_string_parameters();
        assert_eq!(
            (parameters.first("limit"), parameters.first("a")),
            (Some("5"), Some("b#"))
        );
    }

    #[test]
    fn what_a_client_says_of_scheme_and_host_decides_nothing() {
        for headers in [
            json!({ "host": "[", "x-forwarded-proto": "https", "a": "b" }),
            json!({ "host": "example.org", "x-forwarded-proto": "a b", "a": "b" }),
            json!({ "a": "b" }),
        ] {
            let request = request(&event("/a", "c=d", &headers)).expect("an event");
            assert_eq!(request.uri(), "/a?c=d");
            assert_eq!(domain(&request), Some("api.example.org"));
            assert_eq!(request.headers().get("a"), Some(&HeaderValue::from_static("b")));
        }
    }

    #[test]
    fn a_domain_that_is_none_is_not_taken() {
        for odd in ["", "[", "a b", "example.org/x", "example.org:443", "user@example.org"] {
            let event = event("/a", "", &json!({})).replace("api.example.org", odd);
            let request = request(&event).expect("an event");
            assert_eq!((domain(&request), request.uri().path()), (None, "/a"), "{odd}");
        }
    }

    #[test]
    fn what_is_no_event_of_the_gateway_is_an_error() {
        for odd in ["", "null", "[]", "{}", r#"{"Records":[]}"#] {
            assert!(request(odd).is_err(), "{odd}");
        }
    }
}
