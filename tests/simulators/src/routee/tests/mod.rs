//! Tests of the simulator through its API and its webhooks.

mod auth;
mod collect;
mod collect_timing;
mod control;
mod create;
mod faults;
mod flow;
mod lines;
mod random;
mod statuses;
mod tracking;
mod webhooks;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use patchbay::clock::{Clock, Timestamp};
use patchbay::http::{HttpClient, Request, Response, ResponseFuture, SendError, SendHttp};
use patchbay::phone::PhoneNumber;
use serde_json::{Value, json};

use super::*;
use crate::phones::{Behavior, Phones, Script};

/// The employee's number.
const NUMBER: &str = "+12025550123";
const STATUS_URL: &str = "https://hooks.example.org/status?k=SECRET";
const COLLECT_URL: &str = "https://hooks.example.org/collect?k=SECRET";
/// Takes 2 s to say.
const TICKET: &str = "Pump four has stopped again.";
/// Takes 3 s to say.
const OPTIONS: &str = "Press one to accept, press two to reject..";

fn base() -> Timestamp {
    Timestamp::parse("2026-01-05T09:00:00Z").expect("a time")
}

fn number() -> PhoneNumber {
    PhoneNumber::parse(NUMBER).expect("a number")
}

/// A webhook as it arrived.
#[derive(Clone, Debug, PartialEq)]
struct Received {
    at: Timestamp,
    url: String,
    content_type: String,
    body: String,
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    fn status(&self) -> Option<String> {
        self.url
            .contains("/status")
            .then(|| self.json()["status"]["name"].as_str().expect("a name").to_owned())
    }

    fn tones(&self) -> Option<String> {
        self.url
            .contains("/collect")
            .then(|| self.json()["collectedTones"].as_str().expect("tones").to_owned())
    }
}

/// A response of the webhook receiver.
#[derive(Clone, Debug)]
struct Reply {
    after: Duration,
    status: u16,
    body: String,
}

impl Reply {
    fn ok() -> Self {
        Self::with(200, "")
    }

    fn with(status: u16, body: impl Into<String>) -> Self {
        Self {
            after: Duration::from_millis(20),
            status,
            body: body.into(),
        }
    }

    fn plan(plan: &Value) -> Self {
        Self::with(200, plan.to_string())
    }

    fn late(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }
}

type Responder = Box<dyn FnMut(&Received) -> Reply + Send>;

/// The receiver of webhooks, in the role of patchbay.
struct Receiver {
    clock: Clock,
    received: Mutex<Vec<Received>>,
    answering: Mutex<Responder>,
}

struct ReceiverClient(Arc<Receiver>);

impl SendHttp for ReceiverClient {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(self.0.receive(request))
    }
}

impl Receiver {
    async fn receive(&self, request: Request) -> Result<Response, SendError> {
        assert_eq!(request.method(), http::Method::POST);
        let received = Received {
            at: self.clock.now(),
            url: request.uri().to_string(),
            content_type: request.headers()["content-type"].to_str().expect("text").to_owned(),
            body: String::from_utf8(request.body().to_vec()).expect("UTF-8"),
        };
        let reply = (self.answering.lock().expect("not poisoned"))(&received);
        self.received.lock().expect("not poisoned").push(received);
        self.clock.sleep(reply.after).await;
        Ok(http::Response::builder()
            .status(reply.status)
            .body(Bytes::from(reply.body))
            .expect("a response"))
    }
}

/// A Routee with one phone, a receiver for its webhooks, and an access token.
struct World {
    routee: Routee,
    clock: Clock,
    receiver: Arc<Receiver>,
    token: String,
}

impl World {
    async fn new(switches: Switches, script: impl Into<Script>) -> Self {
        Self::seeded(switches, script, 1).await
    }

    async fn seeded(switches: Switches, script: impl Into<Script>, seed: u64) -> Self {
        let clock = Clock::starting_at(base(), 1.0);
        let routee = Routee::new(clock.clone(), switches, Phones::new().with(number(), script), seed);
        let receiver = Arc::new(Receiver {
            clock: clock.clone(),
            received: Mutex::default(),
            answering: Mutex::new(Box::new(|_| Reply::ok())),
        });
        routee.set_webhooks(HttpClient::new(ReceiverClient(Arc::clone(&receiver))));
        let mut world = Self {
            routee,
            clock,
            receiver,
            token: String::new(),
        };
        world.renew_token().await;
        world
    }

    async fn renew_token(&mut self) {
        let (status, body) = self.raw(token_request("client_credentials")).await.expect("an answer");
        assert_eq!(status, 200, "{body}");
        self.token = body["access_token"].as_str().expect("a token").to_owned();
    }

    /// Sets the responses to webhooks.
    fn answer(&self, answering: impl FnMut(&Received) -> Reply + Send + 'static) {
        *self.receiver.answering.lock().expect("not poisoned") = Box::new(answering);
    }

    /// Sets the responses to COLLECT events. Statuses get 200.
    fn answer_keys(&self, mut answering: impl FnMut(&str) -> Reply + Send + 'static) {
        self.answer(move |received| received.tones().map_or_else(Reply::ok, |tones| answering(&tones)));
    }

    async fn raw(&self, request: Request) -> Result<(u16, Value), SendError> {
        let response = self.routee.send(request).await?;
        let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        Ok((response.status().as_u16(), body))
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.raw(self.request(method, path, &body)).await.expect("an answer")
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, Value::Null).await
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> Request {
        let body = if body.is_null() {
            Bytes::new()
        } else {
            body.to_string().into()
        };
        http::Request::builder()
            .method(method)
            .uri(format!("https://connect.routee.net{path}"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(body)
            .expect("a request")
    }

    /// Creates a call and returns its tracking id.
    async fn order(&self, body: Value) -> String {
        let (status, body) = self.send("POST", "/voice/conversation", body).await;
        assert_eq!(status, 200, "{body}");
        body["trackingId"].as_str().expect("an id").to_owned()
    }

    /// Creates a call and waits until it and its webhooks have ended.
    async fn play(&self, body: Value) -> CallRecord {
        self.order(body).await;
        self.until_over().await
    }

    /// Waits until no call is live, and a little longer for the last webhooks.
    async fn until_over(&self) -> CallRecord {
        while !self.routee.live_calls().is_empty() {
            self.clock.sleep(Duration::from_millis(500)).await;
        }
        self.pass(8).await;
        self.routee.calls().pop().expect("a call")
    }

    /// Waits until the newest call has this status.
    async fn until(&self, status: Status) -> CallRecord {
        loop {
            if let Some(call) = self.routee.calls().pop().filter(|call| call.status() == status) {
                return call;
            }
            self.pass_millis(50).await;
        }
    }

    async fn pass(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    async fn pass_millis(&self, millis: u64) {
        self.clock.sleep(Duration::from_millis(millis)).await;
    }

    fn received(&self) -> Vec<Received> {
        self.receiver.received.lock().expect("not poisoned").clone()
    }

    /// The names of the statuses that arrived, in order of arrival.
    fn statuses(&self) -> Vec<String> {
        self.received().iter().filter_map(Received::status).collect()
    }

    /// The keys of the COLLECT events that arrived, in order of arrival.
    fn tones(&self) -> Vec<String> {
        self.received().iter().filter_map(Received::tones).collect()
    }
}

/// Seconds from the answer to `at`.
fn since_answer(call: &CallRecord, at: Timestamp) -> f64 {
    at.since(call.answered_at.expect("answered")).as_secs_f64()
}

/// Seconds from the answer to the end.
fn talk_time(call: &CallRecord) -> f64 {
    since_answer(call, call.ended_at.expect("ended"))
}

fn token_request(grant: &str) -> Request {
    use base64::Engine;
    let credentials = format!("{APPLICATION_ID}:{APPLICATION_SECRET}");
    let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
    http::Request::post("https://auth.routee.net/oauth/token")
        .header("authorization", format!("Basic {encoded}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(format!("grant_type={grant}")))
        .expect("a request")
}

fn say(text: &str, barge_in: bool) -> Value {
    json!({ "type": "SAY", "message": { "text": text, "gender": "male", "language": "en-US" }, "bargeIn": barge_in })
}

fn pause(seconds: u32) -> Value {
    json!({ "type": "PAUSE", "duration": seconds })
}

fn collect() -> Value {
    json!({ "type": "COLLECT", "eventUrl": COLLECT_URL })
}

fn collect_until_hash() -> Value {
    json!({ "type": "COLLECT", "eventUrl": COLLECT_URL, "submitOnHash": true })
}

fn plan(verbs: &[Value]) -> Value {
    json!({ "verbs": verbs })
}

/// A create request with these verbs.
fn call(verbs: &[Value]) -> Value {
    json!({
        "from": "302100000000",
        "to": { "phone": NUMBER },
        "dialPlan": plan(verbs),
        "callback": { "url": STATUS_URL, "strategy": "OnChange" },
    })
}

/// The published request. In seconds after the answer: the ticket is spoken from 3 to 5, the options from 9 to 12 and
/// from 22 to 25, and the call ends at 31.
fn published() -> Value {
    call(&[
        pause(3),
        say(TICKET, false),
        pause(4),
        say(OPTIONS, true),
        pause(10),
        say(OPTIONS, true),
        pause(6),
        collect(),
    ])
}
