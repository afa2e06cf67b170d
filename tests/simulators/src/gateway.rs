//! API Gateway: HTTP requests become the events that Lambda delivers (HTTP API, payload version 2.0), and back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use lambda_http::Body;
use patchbay::clock::Timestamp;
use patchbay::http::{Request, Response};
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

/// The event as Lambda gets it.
pub fn event(request: &Request, now: Timestamp) -> Value {
    let (method, uri) = (request.method().as_str(), request.uri());
    let mut headers = Map::new();
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        // Several headers of one name are joined.
        let joined = match headers.get(name.as_str()) {
            Some(Value::String(earlier)) => format!("{earlier},{value}"),
            _ => value,
        };
        headers.insert(name.as_str().to_owned(), Value::String(joined));
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
        "rawPath": uri.path(),
        "rawQueryString": uri.query().unwrap_or_default(),
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "local",
            "domainName": host,
            "domainPrefix": "local",
            "http": {
                "method": method,
                "path": uri.path(),
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
    let parameters: Map<String, Value> = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    if let Some(fields) = event.as_object_mut() {
        if !parameters.is_empty() {
            fields.insert("queryStringParameters".into(), Value::Object(parameters));
        }
        if !request.body().is_empty() {
            fields.insert("body".into(), Value::String(body));
        }
    }
    event
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
