//! A provider that plays scripted responses in order and records the requests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header;
use serde_json::{Value, json};

use super::routee::{Credentials, Endpoints, Routee};
use crate::clock::{Clock, Timestamp};
use crate::http::{HttpClient, Request, Response, ResponseFuture, SendError, SendHttp};
use crate::secret::Secret;

pub(crate) type ScriptedResponse = Result<Response, SendError>;

/// A provider with scripted responses. A request beyond the script fails the test.
#[derive(Clone)]
pub(crate) struct ScriptedProvider(Arc<Inner>);

struct Inner {
    script: Mutex<VecDeque<ScriptedResponse>>,
    requests: Mutex<Vec<Request>>,
    delay: Duration,
}

impl ScriptedProvider {
    pub(crate) fn new(script: impl IntoIterator<Item = ScriptedResponse>) -> Self {
        Self::slow(Duration::ZERO, script)
    }

    /// A provider that waits for `delay` before every response.
    pub(crate) fn slow(delay: Duration, script: impl IntoIterator<Item = ScriptedResponse>) -> Self {
        Self(Arc::new(Inner {
            script: Mutex::new(script.into_iter().collect()),
            requests: Mutex::default(),
            delay,
        }))
    }

    /// An HTTP client that sends to this provider.
    pub(crate) fn http(&self) -> HttpClient {
        HttpClient::new(self.clone())
    }

    /// A Routee client of this provider, on a clock that starts with the test.
    pub(crate) fn routee(&self) -> Routee {
        let clock = Clock::starting_at(Timestamp::from_millis(1_767_603_600_000), 1.0);
        let credentials = Credentials {
            application_id: "app".to_owned(),
            application_secret: Secret::new("s3cret"),
        };
        let endpoints = Endpoints {
            auth: "https://auth.example.org/".to_owned(),
            connect: "https://connect.example.org".to_owned(),
        };
        Routee::new(self.http(), clock, credentials, endpoints)
    }

    /// The requests so far as `METHOD url`, in order.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.0.requests.lock().expect("no panic");
        requests
            .iter()
            .map(|request| format!("{} {}", request.method(), request.uri()))
            .collect()
    }

    /// The request bodies as JSON; `null` for a body that is not JSON.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        let requests = self.0.requests.lock().expect("no panic");
        requests
            .iter()
            .map(|request| serde_json::from_slice(request.body()).unwrap_or_default())
            .collect()
    }

    /// The request bodies as text.
    pub(crate) fn body_texts(&self) -> Vec<String> {
        let requests = self.0.requests.lock().expect("no panic");
        let text = |request: &Request| String::from_utf8_lossy(request.body()).into_owned();
        requests.iter().map(text).collect()
    }

    /// The `Authorization` headers of the requests.
    pub(crate) fn authorizations(&self) -> Vec<String> {
        let requests = self.0.requests.lock().expect("no panic");
        let value = |request: &Request| request.headers()[header::AUTHORIZATION].to_str().map(str::to_owned);
        requests.iter().map(|request| value(request).expect("ascii")).collect()
    }

    /// The values of a header, of each request that has it.
    pub(crate) fn header_values(&self, name: &str) -> Vec<String> {
        let requests = self.0.requests.lock().expect("no panic");
        let value = |request: &Request| request.headers().get(name)?.to_str().ok().map(str::to_owned);
        requests.iter().filter_map(value).collect()
    }

    /// The header names of each request.
    pub(crate) fn header_names(&self) -> Vec<Vec<String>> {
        let requests = self.0.requests.lock().expect("no panic");
        let names = |request: &Request| request.headers().keys().map(|name| name.as_str().to_owned()).collect();
        requests.iter().map(names).collect()
    }

    /// Whether every scripted response was sent.
    pub(crate) fn is_done(&self) -> bool {
        self.0.script.lock().expect("no panic").is_empty()
    }
}

impl SendHttp for ScriptedProvider {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(async move {
            let line = format!("{} {}", request.method(), request.uri());
            self.0.requests.lock().expect("no panic").push(request);
            let response = self.0.script.lock().expect("no panic").pop_front();
            tokio::time::sleep(self.0.delay).await;
            response.unwrap_or_else(|| panic!("unexpected request: {line}"))
        })
    }
}

#[expect(clippy::unnecessary_wraps, reason = "scripts mix responses with errors")]
pub(crate) fn raw(status: u16, body: impl Into<Bytes>) -> ScriptedResponse {
    Ok(http::Response::builder()
        .status(status)
        .body(body.into())
        .expect("a response"))
}

pub(crate) fn json_response(status: u16, body: &Value) -> ScriptedResponse {
    raw(status, body.to_string())
}

pub(crate) fn token(text: &str, seconds: u32) -> ScriptedResponse {
    json_response(
        200,
        &json!({ "access_token": text, "token_type": "bearer", "expires_in": seconds, "scope": "voice" }),
    )
}

/// A token response whose token outlives the test.
pub(crate) fn any_token() -> ScriptedResponse {
    token("t-1", 3_600)
}

pub(crate) fn no_response() -> ScriptedResponse {
    Err(SendError::NoResponse("timed out".to_owned()))
}

pub(crate) fn not_sent() -> ScriptedResponse {
    Err(SendError::NotSent("connection refused".to_owned()))
}
