//! A provider that answers as it is told, in order, and keeps what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header;
use serde_json::{Value, json};

use super::routee::{Credentials, Endpoints, Routee};
use crate::clock::{Clock, Timestamp};
use crate::http::{HttpClient, Request, Response, SendError, SendHttp, Sending};
use crate::secret::Secret;

pub(crate) type Answer = Result<Response, SendError>;

/// A provider with a script. Anything that it is asked beyond the script fails the test.
#[derive(Clone)]
pub(crate) struct Provider(Arc<Inner>);

struct Inner {
    script: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Request>>,
    delay: Duration,
}

impl Provider {
    pub(crate) fn new(script: impl IntoIterator<Item = Answer>) -> Self {
        Self::slow(Duration::ZERO, script)
    }

    /// One that takes its time over every answer.
    pub(crate) fn slow(delay: Duration, script: impl IntoIterator<Item = Answer>) -> Self {
        Self(Arc::new(Inner {
            script: Mutex::new(script.into_iter().collect()),
            asked: Mutex::default(),
            delay,
        }))
    }

    /// It, behind the door that clients send through.
    pub(crate) fn http(&self) -> HttpClient {
        HttpClient::new(self.clone())
    }

    /// A client of Routee's that asks it, on a clock that starts with the test.
    pub(crate) fn client(&self) -> Routee {
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

    /// What it was asked, as `METHOD url`, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self.0.asked.lock().expect("no panic");
        asked
            .iter()
            .map(|request| format!("{} {}", request.method(), request.uri()))
            .collect()
    }

    /// The bodies that it was sent.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        let asked = self.0.asked.lock().expect("no panic");
        asked
            .iter()
            .map(|request| serde_json::from_slice(request.body()).unwrap_or_default())
            .collect()
    }

    /// The same as texts.
    pub(crate) fn texts(&self) -> Vec<String> {
        let asked = self.0.asked.lock().expect("no panic");
        let text = |request: &Request| String::from_utf8_lossy(request.body()).into_owned();
        asked.iter().map(text).collect()
    }

    /// The values of `Authorization` that it was sent.
    pub(crate) fn authorisations(&self) -> Vec<String> {
        let asked = self.0.asked.lock().expect("no panic");
        let value = |request: &Request| request.headers()[header::AUTHORIZATION].to_str().map(str::to_owned);
        asked.iter().map(|request| value(request).expect("ascii")).collect()
    }

    /// The names of the headers that it was sent, one list a request.
    pub(crate) fn headers(&self) -> Vec<Vec<String>> {
        let asked = self.0.asked.lock().expect("no panic");
        let names = |request: &Request| request.headers().keys().map(|name| name.as_str().to_owned()).collect();
        asked.iter().map(names).collect()
    }

    /// Whether all of the script was played.
    pub(crate) fn is_done(&self) -> bool {
        self.0.script.lock().expect("no panic").is_empty()
    }
}

impl SendHttp for Provider {
    fn send(&self, request: Request) -> Sending<'_> {
        Box::pin(async move {
            let asked = format!("{} {}", request.method(), request.uri());
            self.0.asked.lock().expect("no panic").push(request);
            let answer = self.0.script.lock().expect("no panic").pop_front();
            tokio::time::sleep(self.0.delay).await;
            answer.unwrap_or_else(|| panic!("unexpected: {asked}"))
        })
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands in scripts beside answers that never came"
)]
pub(crate) fn raw(status: u16, body: impl Into<Bytes>) -> Answer {
    Ok(http::Response::builder()
        .status(status)
        .body(body.into())
        .expect("a response"))
}

pub(crate) fn answer(status: u16, body: &Value) -> Answer {
    raw(status, body.to_string())
}

pub(crate) fn token(text: &str, seconds: u32) -> Answer {
    answer(
        200,
        &json!({ "access_token": text, "token_type": "bearer", "expires_in": seconds, "scope": "voice" }),
    )
}

/// A token that outlives the test.
pub(crate) fn any_token() -> Answer {
    token("t-1", 3_600)
}

pub(crate) fn lost() -> Answer {
    Err(SendError::NoAnswer("timed out".to_owned()))
}

pub(crate) fn not_sent() -> Answer {
    Err(SendError::NotSent("connection refused".to_owned()))
}
