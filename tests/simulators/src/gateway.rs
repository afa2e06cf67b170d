//! API Gateway: converts HTTP requests to Lambda events (HTTP API, payload version 2.0), and responses back.
//!
//! AWS documents the handling of paths in one sentence (API Gateway Developer Guide, "Create routes for HTTP APIs": it
//! decodes parameters before it passes them on). The rest comes from events that a probe behind an HTTP API in
//! us-west-2 captured on AWS in July 2026. They are published with the Go library voker (github.com/hotsock/voker,
//! `vokerhttp/testdata`: `ingress-paths.json`, `apigwv2-request.json`):
//!
//! - `rawPath` and `requestContext.http.path` are decoded twice: `%252F` arrives as a slash.
//! - The result of the first decoding must be valid percent-encoding again, or the client gets 400 (`%25done`).
//! - A question mark that appears in the first decoding ends the path (`a%3Fb` arrives as `a`). One that appears in the
//!   second decoding stays.
//! - `rawQueryString` is what the client sent. `queryStringParameters` are decoded, and values of one name are joined
//!   by commas.
//! - Headers of one name are joined by commas. Cookies are in a separate list.

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

/// Whether API Gateway passes a body of this type as text. All others are base64.
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

/// The path as functions receive it; `None` if the gateway rejects it.
fn delivered_path(path: &str) -> Option<String> {
    let once = percent_decoded(path)?;
    let before = once.split_once('?').map_or(once.as_str(), |(before, _)| before);
    percent_decoded(before)
}

/// Decodes once; `None` if the text is not valid percent-encoding.
fn percent_decoded(text: &str) -> Option<String> {
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let mut signs = text.split('%').skip(1).map(str::as_bytes);
    if !signs.all(|rest| digit(rest.first()) && digit(rest.get(1))) {
        return None;
    }
    // The captures do not show what happens to invalid UTF-8. The event needs a string, so it is replaced.
    Some(percent_decode_str(text).decode_utf8_lossy().into_owned())
}

/// The event as Lambda receives it; `None` if the gateway rejects the request itself.
pub fn event(request: &Request, now: Timestamp) -> Option<Value> {
    let (method, uri) = (request.method().as_str(), request.uri());
    let path = delivered_path(uri.path())?;
    let (mut headers, mut cookies) = (Map::new(), Vec::new());
    for (name, value) in request.headers() {
        if name == COOKIE {
            let header = String::from_utf8_lossy(value.as_bytes()).into_owned();
            cookies.extend(header.split(';').map(|cookie| json!(cookie.trim())));
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

/// Adds a value; values of one name are joined by commas.
fn join(into: &mut Map<String, Value>, name: &str, value: &str) {
    let joined = match into.get(name) {
        Some(Value::String(earlier)) => format!("{earlier},{value}"),
        _ => value.to_owned(),
    };
    into.insert(name.to_owned(), Value::String(joined));
}

/// The gateway's response to a request that it rejects.
pub fn bad_request() -> Response {
    let mut response = Response::new(Bytes::from_static(br#"{"message":"Bad Request"}"#));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// The response as the client of API Gateway receives it.
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
            assert_eq!(delivered_path(sent).as_deref(), arrives, "{sent}");
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
