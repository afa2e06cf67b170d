//! API Gateway: HTTP requests become the events that Lambda delivers (HTTP API, payload version 2.0), and back.
//!
//! What it does to a path is documented in one sentence (API Gateway Developer Guide, "Create routes for HTTP APIs": it
//! decodes parameters before it passes them on). The rest is from events that were captured on AWS in July 2026 by a probe
//! behind an HTTP API in us-west-2, and published with the Go library voker (github.com/hotsock/voker,
//! `vokerhttp/testdata`: `ingress-paths.json`, `apigwv2-request.json`):
//!
//! - `rawPath`, and `requestContext.http.path` with it, come decoded, and decoded twice: `%252F` arrives as a slash.
//! - What the first decoding leaves must be percent-encoded text again, or the client gets 400 (`%25done`).
//! - A question mark that the first decoding brings to light ends the path (`a%3Fb` arrives as `a`); one that only the
//!   second brings stays.
//! - `rawQueryString` is what the client sent; `queryStringParameters` are decoded, those of one name joined by commas.
//! - Headers of one name are joined by commas, cookies are in a list of their own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use http::header::COOKIE;
use lambda_http::Body;
use patchbay::clock::Timestamp;
use patchbay::http::{Request, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// Whether API Gateway hands a body of this type over as text; every other one comes in base64.
fn is_text(content_type: &str) -> bool {
    let media = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    media.starts_with("text/")
        || matches!(
            media.as_str(),
            "application/json" | "application/xml" | "application/javascript"
        )
}

/// The path as functions get it; none when the gateway refuses it.
fn delivered(path: &str) -> Option<String> {
    let once = decoded(path)?;
    let before = once.split_once('?').map_or(once.as_str(), |(before, _)| before);
    decoded(before)
}

/// Decoded once; none when it is not percent-encoded text.
fn decoded(text: &str) -> Option<String> {
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let mut signs = text.split('%').skip(1).map(str::as_bytes);
    if !signs.all(|rest| digit(rest.first()) && digit(rest.get(1))) {
        return None;
    }
    // What is no text after that: the captures do not say. It has to be text in the event.
    Some(percent_decode_str(text).decode_utf8_lossy().into_owned())
}

/// The event as Lambda gets it; none when the gateway refuses the request itself.
pub fn event(request: &Request, now: Timestamp) -> Option<Value> {
    let (method, uri) = (request.method().as_str(), request.uri());
    let path = delivered(uri.path())?;
    let (mut headers, mut cookies) = (Map::new(), Vec::new());
    for (name, value) in request.headers() {
        if name == COOKIE {
            let of_one = String::from_utf8_lossy(value.as_bytes()).into_owned();
            cookies.extend(of_one.split(';').map(|cookie| json!(cookie.trim())));
            continue;
        }
        join(&mut headers, name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
    }
    let host = uri.host().unwrap_or("api.example.org");
    headers.entry("host").or_insert_with(|| json!(host));
    let content_type = headers
        .get("content-type")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let text = std::str::from_utf8(request.body())
        .ok()
        .filter(|_| is_text(&content_type));
    let (body, encoded) = match text {
        Some(text) => (text.to_owned(), false),
        None => (STANDARD.encode(request.body()), true),
    };
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": uri.query().unwrap_or_default(),
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "local",
            "domainName": host,
            "domainPrefix": "local",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "local",
            },
            "requestId": format!("local-{}", now.millis()),
            "routeKey": "$default",
            "stage": "$default",
            "time": now.to_string(),
            "timeEpoch": now.millis(),
        },
        "isBase64Encoded": encoded,
    });
    let mut parameters = Map::new();
    for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        join(&mut parameters, &name, &value);
    }
    if let Some(fields) = event.as_object_mut() {
        if !cookies.is_empty() {
            fields.insert("cookies".into(), Value::Array(cookies));
        }
        if !parameters.is_empty() {
            fields.insert("queryStringParameters".into(), Value::Object(parameters));
        }
        if !request.body().is_empty() {
            fields.insert("body".into(), Value::String(body));
        }
    }
    Some(event)
}

/// Several values of one name are joined.
fn join(into: &mut Map<String, Value>, name: &str, value: &str) {
    let joined = match into.get(name) {
        Some(Value::String(earlier)) => format!("{earlier},{value}"),
        _ => value.to_owned(),
    };
    into.insert(name.to_owned(), Value::String(joined));
}

/// What the gateway says to a request that it refuses.
pub fn bad_request() -> Response {
    let mut response = Response::new(Bytes::from_static(br#"{"message":"Bad Request"}"#));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// The response as the client of API Gateway gets it.
pub fn from_function(response: lambda_http::Response<Body>) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = match body {
        Body::Text(text) => Bytes::from(text),
        Body::Binary(bytes) => Bytes::from(bytes),
        _ => Bytes::new(),
    };
    Response::from_parts(parts, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_arrive_as_they_were_captured_on_aws() {
        for (sent, arrives) in [
            ("/capture/plain", Some("/capture/plain")),
            ("/capture/space%20value", Some("/capture/space value")),
            ("/capture/question%3Fvalue", Some("/capture/question")),
            ("/capture/percent%25done", None),
            ("/capture/hash%23value", Some("/capture/hash#value")),
            ("/capture/slash%2Fvalue", Some("/capture/slash/value")),
            ("/capture/unicode-%CE%BB", Some("/capture/unicode-\u{3bb}")),
            ("/capture/literal%252Fvalue", Some("/capture/literal/value")),
            ("/capture/literal%253Fvalue", Some("/capture/literal?value")),
            ("/capture/literal%2525value", Some("/capture/literal%value")),
        ] {
            assert_eq!(delivered(sent).as_deref(), arrives, "{sent}");
        }
    }

    #[test]
    fn queries_headers_and_cookies_arrive_as_they_were_captured_on_aws() {
        let query = "repeat=one&repeat=two&to=https%3A%2F%2Fexample.com%2Fa&plus=a+b&encodedPlus=a%2Bb&empty=";
        let request = http::Request::get(format!("https://api.example.org/a?{query}"))
            .header("x-probe", "first")
            .header("x-probe", "second")
            .header("cookie", "session=abc123; theme=dark")
            .body(Bytes::new())
            .unwrap();
        let event = event(&request, Timestamp::from_millis(0)).unwrap();
        assert_eq!(event["rawQueryString"], query);
        let parameters = json!({
            "repeat": "one,two", "to": "https://example.com/a", "plus": "a b", "encodedPlus": "a+b", "empty": "",
        });
        assert_eq!(event["queryStringParameters"], parameters);
        assert_eq!(event["headers"]["x-probe"], "first,second");
        assert_eq!(event["cookies"], json!(["session=abc123", "theme=dark"]));
        assert_eq!(event["headers"].get("cookie"), None);
    }
}
