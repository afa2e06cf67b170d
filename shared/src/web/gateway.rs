//! What API Gateway hands over (HTTP API, payload version 2.0), as requests.
//!
//! `lambda_http` makes a URI of an event and takes for granted that it is one. What a client sends decides that it is
//! not (`Host: [`, `X-Forwarded-Proto: a b`, the path `*`, the query `?<`), and then it panics before a handler has seen
//! anything. Functions abort on a panic, so such a request would end the sandbox. Here an event is first repaired as far
//! as it makes no URI, and then `lambda_http` converts it as ever. An event of which nothing need be repaired stays as
//! it is.

use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::HOST;
use http::{HeaderName, HeaderValue, Response, Uri};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::lambda_runtime::{self, Error, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Body, Request, Service as _, service_fn};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

/// The header from which `lambda_http` takes the URI's scheme.
const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// Set in a function that does not want the stage in its paths.
const IGNORE_STAGE: &str = "AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH";

/// Lets `handler` answer the requests of API Gateway, until the sandbox ends.
///
/// # Errors
/// When the Lambda runtime cannot be reached.
pub async fn run<F, Answer>(mut handler: F) -> Result<(), Error>
where
    F: FnMut(Request) -> Answer,
    Answer: Future<Output = Response<Body>> + Send,
{
    let mut adapter = Adapter::from(service_fn(|request| {
        let answer = handler(request);
        async { Ok::<_, Infallible>(answer.await) }
    }));
    let answer = |event: LambdaEvent<Event>| adapter.call(LambdaEvent::new(event.payload.into(), event.context));
    lambda_runtime::run(service_fn(answer)).await
}

/// The request in an event, as [`run`] hands it to a handler: for tests, which have events and no runtime.
///
/// # Errors
/// When it is no event of API Gateway.
pub fn request(event: &str) -> Result<Request, serde_json::Error> {
    let event: Event = serde_json::from_str(event)?;
    Ok(LambdaRequest::from(event).into())
}

/// An event that makes a request.
#[derive(Debug)]
struct Event(ApiGatewayV2httpRequest);

impl From<Event> for LambdaRequest {
    fn from(event: Event) -> Self {
        Self::ApiGatewayV2(event.0)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let read = serde_json::from_str(text.get()).or_else(|_| without_odd_headers(text.get()));
        read.map(|event| Self(repaired(event))).map_err(de::Error::custom)
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

/// The event with as little changed as makes a request of it.
fn repaired(mut event: ApiGatewayV2httpRequest) -> ApiGatewayV2httpRequest {
    // A body that is not what the event says is one that no handler can read, and it says so.
    let encoded = event.body.as_deref().filter(|_| event.is_base64_encoded);
    if encoded.is_some_and(|body| STANDARD.decode(body).is_err()) {
        event.is_base64_encoded = false;
    }
    let repairs: [fn(&mut ApiGatewayV2httpRequest); 6] = [
        escape,
        forget_client_origin,
        forget_origin,
        forget_stage,
        forget_query,
        forget_path,
    ];
    for repair in repairs {
        if makes_uri(&event) {
            break;
        }
        repair(&mut event);
    }
    event
}

/// A path that begins with a slash, and nothing in path and query that a URI does not have. What is sound stays.
fn escape(event: &mut ApiGatewayV2httpRequest) {
    if let Some(path) = &mut event.raw_path {
        let slash = if path.starts_with('/') { "" } else { "/" };
        *path = format!("{slash}{}", escaped(path, b""));
    }
    if let Some(query) = &mut event.raw_query_string {
        *query = escaped(query, b"?");
    }
}

fn forget_client_origin(event: &mut ApiGatewayV2httpRequest) {
    event.headers.remove(HOST);
    event.headers.remove(FORWARDED_PROTO);
}

fn forget_origin(event: &mut ApiGatewayV2httpRequest) {
    event.request_context.domain_name = None;
}

fn forget_stage(event: &mut ApiGatewayV2httpRequest) {
    event.request_context.stage = None;
}

/// It is too long for a URI.
fn forget_query(event: &mut ApiGatewayV2httpRequest) {
    event.raw_query_string = None;
}

/// It is too long for a URI; there is nothing at the path that takes its place.
fn forget_path(event: &mut ApiGatewayV2httpRequest) {
    event.raw_path = Some("/".to_owned());
}

/// Whether `lambda_http` can make a URI of the event. It builds it in the same way.
fn makes_uri(event: &ApiGatewayV2httpRequest) -> bool {
    let path = with_stage(
        event.request_context.stage.as_deref(),
        event.raw_path.as_deref().unwrap_or_default(),
    );
    let header = |name: &str| event.headers.get(name).and_then(|value| value.to_str().ok());
    let host = header(HOST.as_str()).or(event.request_context.domain_name.as_deref());
    let scheme = header(FORWARDED_PROTO).unwrap_or("https");
    let url = match host {
        None => Url::parse(&format!("http://localhost{path}")).map(|url| url.path().to_owned()),
        Some(host) => Url::parse(&format!("{scheme}://{host}{path}")).map(String::from),
    };
    let Ok(mut uri) = url else { return false };
    if let Some(query) = event.raw_query_string.as_deref().filter(|query| !query.is_empty()) {
        uri.push('?');
        uri.push_str(query);
    }
    Uri::try_from(uri).is_ok()
}

fn with_stage(stage: Option<&str>, path: &str) -> String {
    match stage {
        Some(stage) if stage != "$default" && std::env::var_os(IGNORE_STAGE).is_none() => {
            if path.starts_with(&format!("/{stage}/")) {
                path.to_owned()
            } else {
                format!("/{stage}{path}")
            }
        }
        _ => path.to_owned(),
    }
}

/// `text` with every byte percent-encoded that neither a path nor `also` has.
fn escaped(text: &str, also: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte) || also.contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            for digit in [byte >> 4, byte & 15] {
                escaped.extend(char::from_digit(digit.into(), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use lambda_http::RequestExt as _;
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

    #[test]
    fn a_sound_event_is_taken_as_it_is() {
        let headers = json!({ "host": "example.org:8443", "x-forwarded-proto": "http", "a": "b" });
        let sound = event("/a%20b/|^", "c=d%20e&c=[{}]", &headers);
        let (ours, theirs) = (
            request(&sound).expect("an event"),
            lambda_http::request::from_str(&sound).expect("an event"),
        );
        assert_eq!(ours.uri(), theirs.uri());
        assert_eq!(ours.headers(), theirs.headers());
        assert_eq!(ours.raw_http_path(), theirs.raw_http_path());
        assert_eq!(ours.query_string_parameters(), theirs.query_string_parameters());
    }

    #[test]
    fn only_what_makes_no_uri_is_repaired() {
        let host = json!({ "host": "[", "x-forwarded-proto": "https", "a": "b" });
        let repaired = request(&event("/a b", "c=|", &host)).expect("an event");
        assert_eq!(repaired.uri(), "https://api.example.org/a%20b?c=%7C");
        assert_eq!(repaired.headers().get("a"), Some(&HeaderValue::from_static("b")));
        let star = request(&event("*", "?<", &json!({ "host": "example.org" }))).expect("an event");
        assert_eq!(star.uri(), "https://example.org/*??%3C");
        assert_eq!(star.raw_http_path(), "/*");
        let query = request(&event("/v1", "limit=5&<", &json!({}))).expect("an event");
        assert_eq!(query.query_string_parameters().first("limit"), Some("5"));
    }

    #[test]
    fn what_is_no_event_of_the_gateway_is_an_error() {
        for odd in ["", "null", "[]", "{}", r#"{"Records":[]}"#] {
            assert!(request(odd).is_err(), "{odd}");
        }
    }
}
