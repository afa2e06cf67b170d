//! Converts API Gateway events (HTTP API, payload version 2.0) to requests.
//!
//! The event's `rawPath` is decoded, despite its name; its `rawQueryString` is what the client sent (`tests/simulators`
//! has the rules with their sources). `lambda_http` assumes that both form a URI, together with headers that a client
//! controls (`Host: [`, `X-Forwarded-Proto: a b`). If they do not, it panics before any handler runs. Functions abort
//! on a panic, so such a request would end the sandbox.
//!
//! So every event is sanitized before `lambda_http` converts it, in one pass and regardless of its content. The path is
//! encoded once as a URI path. In the query, characters that no URI may have are encoded. The URI gets neither scheme
//! nor host; [`domain`] returns the domain as API Gateway reports it, which no client controls.
//!
//! A function may get events of `EventBridge` besides: [`run_with_events`].

use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::HOST;
use http::{HeaderName, HeaderValue, Response};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::lambda_runtime::{self, Context, Error, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Body, Request, RequestExt as _, Service as _, service_fn};
use percent_encoding::utf8_percent_encode;
use serde::de::{self, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::percent::{IN_PATH, IN_QUERY};

/// The header from which `lambda_http` takes the URI's scheme.
const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// Longest path or query, in bytes; a longer one is dropped. A URI may have at most 65,534 bytes, and API Gateway
/// accepts at most 10,240 bytes for request line and headers.
const MAX_URI_PART: usize = 16_384;

/// Runs `handler` for every API Gateway request until the sandbox ends.
///
/// # Errors
/// The Lambda runtime cannot be reached.
pub async fn run<F, Fut>(handler: F) -> Result<(), Error>
where
    F: Fn(Request) -> Fut,
    Fut: Future<Output = Response<Body>> + Send,
{
    let handler = &handler;
    let respond = async |event: LambdaEvent<Event>| answer(handler, event.payload, event.context).await;
    lambda_runtime::run(service_fn(respond)).await
}

/// As [`run`], and runs `receive` for every event that did not come through API Gateway, with its JSON. Only a principal
/// that the function's policy lists can send one: a client of the API decides about the body of a request, never about
/// the event around it.
///
/// # Errors
/// The Lambda runtime cannot be reached.
pub async fn run_with_events<F, Fut, R, Received>(handler: F, receive: R) -> Result<(), Error>
where
    F: Fn(Request) -> Fut,
    Fut: Future<Output = Response<Body>> + Send,
    R: Fn(Box<str>) -> Received,
    Received: Future<Output = Result<(), Error>>,
{
    let (handler, receive) = (&handler, &receive);
    let respond = async |event: LambdaEvent<Invocation>| match event.payload {
        Invocation::Request(request) => {
            let answer = answer(handler, *request, event.context).await?;
            Ok::<_, Error>(serde_json::to_value(answer)?)
        }
        Invocation::Event(json) => receive(json).await.map(|()| Value::Null),
    };
    lambda_runtime::run(service_fn(respond)).await
}

/// Lets `handler` answer a request.
async fn answer<F, Fut>(handler: &F, event: Event, context: Context) -> Result<impl Serialize + use<F, Fut>, Error>
where
    F: Fn(Request) -> Fut,
    Fut: Future<Output = Response<Body>> + Send,
{
    let domain = event.domain.clone();
    let mut adapter = Adapter::from(service_fn(|mut request: Request| {
        request.extensions_mut().insert(domain.clone());
        let response = handler(request);
        async { Ok::<_, Infallible>(response.await) }
    }));
    let answer = adapter.call(LambdaEvent::new(event.into(), context)).await;
    answer.map_err(|never| match never {})
}

/// The domain of a request, as API Gateway reports it. Never taken from a header, which a client controls.
pub fn domain(request: &Request) -> Option<&str> {
    let domain = request.extensions().get::<Domain>()?;
    domain.0.as_deref()
}

/// The base URL of a request whose route begins with one of `roots`: the domain, and the path before the route (a named
/// stage, or the base path of a custom domain).
pub fn base_url(request: &Request, roots: &[&str]) -> Option<String> {
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

/// The request in an event, as [`run`] passes it to a handler. For tests, which have events but no runtime.
///
/// # Errors
/// The text is not an API Gateway event.
pub fn parse_event(event: &str) -> Result<Request, serde_json::Error> {
    let event: Event = serde_json::from_str(event)?;
    let domain = event.domain.clone();
    let mut request = Request::from(LambdaRequest::from(event));
    request.extensions_mut().insert(domain);
    Ok(request)
}

/// The domain name in an event; `None` if it is not a valid name.
#[derive(Clone, Debug)]
struct Domain(Option<String>);

/// A sanitized event, which `lambda_http` converts without a panic.
#[derive(Debug)]
struct Event {
    request: ApiGatewayV2httpRequest,
    domain: Domain,
}

impl Event {
    fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let read = serde_json::from_str(text).or_else(|_| parse_without_invalid_headers(text));
        read.map(Self::new)
    }

    fn new(mut event: ApiGatewayV2httpRequest) -> Self {
        let domain = event.request_context.domain_name.take();
        Self {
            request: sanitize(event),
            domain: Domain(domain.filter(|name| is_domain(name))),
        }
    }
}

impl From<Event> for LambdaRequest {
    fn from(event: Event) -> Self {
        Self::ApiGatewayV2(event.request)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(text.get()).map_err(de::Error::custom)
    }
}

/// What a function with [`run_with_events`] is invoked with.
#[derive(Debug)]
enum Invocation {
    Request(Box<Event>),
    Event(Box<str>),
}

impl<'de> Deserialize<'de> for Invocation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// What only an event of API Gateway has.
        #[derive(Deserialize)]
        struct Probe {
            #[serde(rename = "requestContext")]
            request_context: Option<IgnoredAny>,
        }
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let is_request = serde_json::from_str(text.get()).is_ok_and(|probe: Probe| probe.request_context.is_some());
        if !is_request {
            return Ok(Self::Event(text.into()));
        }
        let request = Event::parse(text.get()).map_err(de::Error::custom)?;
        Ok(Self::Request(Box::new(request)))
    }
}

/// Parses an event again without its invalid headers: a single one would make the whole event unreadable.
fn parse_without_invalid_headers(text: &str) -> Result<ApiGatewayV2httpRequest, serde_json::Error> {
    let mut event: Value = serde_json::from_str(text)?;
    if let Some(Value::Object(headers)) = event.get_mut("headers") {
        headers.retain(|name, value| {
            let is_value = value.as_str().is_some_and(|value| HeaderValue::from_str(value).is_ok());
            is_value && HeaderName::from_bytes(name.as_bytes()).is_ok()
        });
    }
    serde_json::from_value(event)
}

/// Changes an event so that `lambda_http` can convert it.
fn sanitize(mut event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpRequest {
    // If the body is not base64 although the event says so, keep it as text: the handler then responds that it cannot
    // be parsed.
    let encoded = event.body.as_deref().filter(|_| event.is_base64_encoded);
    if encoded.is_some_and(|body| STANDARD.decode(body).is_err()) {
        event.is_base64_encoded = false;
    }
    event.headers.remove(HOST);
    event.headers.remove(FORWARDED_PROTO);
    let context = &mut event.request_context;
    context.stage = context.stage.take().filter(|stage| is_stage(stage));
    event.raw_path = Some(encode_path(event.raw_path.as_deref().unwrap_or_default()));
    event.raw_query_string = event.raw_query_string.as_deref().map(encode_query);
    event
}

/// Whether this is a valid domain name.
fn is_domain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
}

/// Whether this is a valid stage name.
fn is_stage(name: &str) -> bool {
    name.len() <= 128
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"$_-".contains(&byte))
}

/// Encodes a decoded path as a URI path; decoding it once gives the original. A path that is too long becomes `/`,
/// where no route exists.
fn encode_path(decoded: &str) -> String {
    let slash = if decoded.starts_with('/') { "" } else { "/" };
    let encoded = format!("{slash}{}", utf8_percent_encode(decoded, IN_PATH));
    if encoded.len() <= MAX_URI_PART {
        encoded
    } else {
        "/".to_owned()
    }
}

/// The raw query, with only those characters encoded that no URI may have: signatures may cover the rest.
fn encode_query(raw: &str) -> String {
    let encoded = utf8_percent_encode(raw, IN_QUERY).to_string();
    if encoded.len() <= MAX_URI_PART {
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
        parse_event(&event(path, query, headers))
            .expect("an event")
            .uri()
            .to_string()
    }

    #[test]
    fn decoded_path_is_encoded_once() {
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
            let request = parse_event(&event(delivered, "", &json!({}))).expect("an event");
            assert_eq!(request.raw_http_path(), encoded, "{delivered}");
        }
        assert_eq!(uri(&"/".repeat(70_000), "a=b", &json!({})), "/?a=b");
    }

    #[test]
    fn query_stays_raw_except_for_invalid_characters() {
        for (raw, expected) in [
            ("c=d%20e&c=[{}]|^`", "c=d%20e&c=[{}]|^`"),
            ("?<", "?%3C"),
            ("a=\"b c\"#d", "a=%22b%20c%22%23d"),
            ("a=\u{e9}\u{7f}", "a=%C3%A9%7F"),
        ] {
            assert_eq!(uri("/a", raw, &json!({})), format!("/a?{expected}"), "{raw}");
        }
        assert_eq!(uri("/a", &"x".repeat(70_000), &json!({})), "/a");
        let query = parse_event(&event("/v1", "limit=5&a=b#&<", &json!({}))).expect("an event");
        let parameters = query.query_string_parameters();
        assert_eq!(
            (parameters.first("limit"), parameters.first("a")),
            (Some("5"), Some("b#"))
        );
    }

    #[test]
    fn scheme_and_host_of_the_client_are_ignored() {
        for headers in [
            json!({ "host": "[", "x-forwarded-proto": "https", "a": "b" }),
            json!({ "host": "example.org", "x-forwarded-proto": "a b", "a": "b" }),
            json!({ "a": "b" }),
        ] {
            let request = parse_event(&event("/a", "c=d", &headers)).expect("an event");
            assert_eq!(request.uri(), "/a?c=d");
            assert_eq!(domain(&request), Some("api.example.org"));
            assert_eq!(request.headers().get("a"), Some(&HeaderValue::from_static("b")));
        }
    }

    #[test]
    fn invalid_domain_is_ignored() {
        for invalid in ["", "[", "a b", "example.org/x", "example.org:443", "user@example.org"] {
            let event = event("/a", "", &json!({})).replace("api.example.org", invalid);
            let request = parse_event(&event).expect("an event");
            assert_eq!((domain(&request), request.uri().path()), (None, "/a"), "{invalid}");
        }
    }

    #[test]
    fn nothing_that_a_client_sends_makes_its_request_an_event() {
        let forged = r#"{"source":"aws.ses","detail-type":"Email Delivered","detail":{}}"#;
        let mut request: Value = serde_json::from_str(&event(
            "/ses/events/x",
            "detail-type=Email",
            &json!({
                "detail-type": "Email Delivered", "source": "aws.ses",
            }),
        ))
        .expect("an event");
        request["body"] = json!(forged);
        let invocation: Invocation = serde_json::from_str(&request.to_string()).expect("an invocation");
        assert!(matches!(invocation, Invocation::Request(_)), "{invocation:?}");
        for published in [forged, "{}", "[]", "null", r#"{"requestContext":null}"#] {
            let invocation = serde_json::from_str(published).expect("an invocation");
            let Invocation::Event(json) = invocation else {
                panic!("{published}: {invocation:?}")
            };
            assert_eq!(*json, *published);
        }
    }

    #[test]
    fn other_json_is_an_error() {
        for invalid in ["", "null", "[]", "{}", r#"{"Records":[]}"#] {
            assert!(parse_event(invalid).is_err(), "{invalid}");
        }
    }
}
