//! Tests of simulated calls to employees through the API and webhooks.

mod api;
mod create;
mod detection;
mod documents;
mod faults;
mod flow;
mod lists;
mod network;
mod random;
mod restart;
mod updates;
mod webhooks;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use patchbay::clock::{Clock, Timestamp};
use patchbay::http::{HttpClient, Request, Response, ResponseFuture, SendError, SendHttp};
use patchbay::phone::PhoneNumber;
use patchbay::providers::twilio::signature::{HEADER, SETTINGS_HEADER, SharedKey, SignatureVerifier};
use patchbay::providers::twilio::webhook::Form;
use patchbay::secret::Secret;
use serde_json::Value;

use super::super::{ACCOUNT, AUTH_TOKEN, SHARED_KEY, Switches, Twilio};
use super::*;
use crate::exchange::{EndedBy, Exchange};
use crate::phones::{Action, Behavior, Script, When};

/// The employee's number.
const NUMBER: &str = "+12025550123";
const OTHER: &str = "+12025550124";
const STATUS_URL: &str = "https://hooks.example.org/twilio/status/main.a.b.tag";
const KEYS_URL: &str = "https://hooks.example.org/twilio/collect/main.a.b.tag";
const DETECTION_URL: &str = "https://hooks.example.org/twilio/amd/main.a.b.tag";
const VOICE_URL: &str = "https://hooks.example.org/twilio/voice/main.a.b.tag";
/// Takes 2 s to say.
const TICKET: &str = "Pump four has stopped again.";
/// Takes 3 s to say.
const OPTIONS: &str = "Press one to accept, press two to reject..";
const ALL_EVENTS: [(&str, &str); 4] = [
    ("StatusCallbackEvent", "initiated"),
    ("StatusCallbackEvent", "ringing"),
    ("StatusCallbackEvent", "answered"),
    ("StatusCallbackEvent", "completed"),
];

fn base() -> Timestamp {
    Timestamp::parse("2026-01-05T09:00:00Z").expect("a time")
}

fn number() -> PhoneNumber {
    PhoneNumber::parse(NUMBER).expect("a number")
}

fn switches(change: impl FnOnce(&mut CallSwitches)) -> Switches {
    let mut switches = Switches::default();
    change(&mut switches.calls);
    switches
}

/// A webhook as it arrived.
#[derive(Clone, Debug, PartialEq)]
struct Received {
    at: Timestamp,
    url: String,
    form: Vec<(String, String)>,
    token: String,
}

impl Received {
    fn field(&self, name: &str) -> Option<&str> {
        let field = self.form.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.as_str())
    }
}

/// A response of the webhook receiver.
#[derive(Clone, Debug)]
struct Reply {
    after: Duration,
    status: u16,
    content_type: &'static str,
    body: String,
}

impl Reply {
    fn document(verbs: &str) -> Self {
        Self {
            after: Duration::from_millis(20),
            status: 200,
            content_type: "text/xml",
            body: format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>{verbs}</Response>"),
        }
    }

    fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::document("")
        }
    }

    fn late(mut self, seconds: u64) -> Self {
        self.after = Duration::from_secs(seconds);
        self
    }
}

type Responder = Box<dyn FnMut(&Received) -> Option<Reply> + Send>;

/// The receiver of webhooks, in the role of patchbay. It rejects requests without a valid signature.
struct Receiver {
    clock: Clock,
    signatures: SignatureVerifier,
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
        let url = request.uri().to_string();
        let header = |name: &str| {
            let value = request.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (signature, settings) = (header(HEADER), header(SETTINGS_HEADER));
        assert!(
            self.signatures
                .is_valid(&url, request.body(), true, &signature, &settings),
            "not signed: {url}"
        );
        assert!(!url.contains('#'), "a fragment is never on the wire: {url}");
        let form = Form::parse(request.body());
        let form = form.fields().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let received = Received {
            at: self.clock.now(),
            url,
            form: form.collect(),
            token: header("i-twilio-idempotency-token"),
        };
        let reply = (self.answering.lock().expect("not poisoned"))(&received);
        self.received.lock().expect("not poisoned").push(received);
        let Some(reply) = reply else {
            return Err(SendError::NotSent("refused".to_owned()));
        };
        self.clock.sleep(reply.after).await;
        Ok(http::Response::builder()
            .status(reply.status)
            .header("content-type", reply.content_type)
            .body(Bytes::from(reply.body))
            .expect("a response"))
    }
}

/// A Twilio with two phones that have the same script, and a receiver for its webhooks.
struct World {
    twilio: Twilio,
    exchange: Exchange,
    clock: Clock,
    receiver: Arc<Receiver>,
}

impl World {
    fn new(switches: Switches, script: impl Into<Script>) -> Self {
        Self::seeded(switches, script, 1)
    }

    fn seeded(switches: Switches, script: impl Into<Script>, seed: u64) -> Self {
        let clock = Clock::starting_at(base(), 1.0);
        let script = script.into();
        let other = PhoneNumber::parse(OTHER).expect("a number");
        let phones = Phones::new().with(number(), script.clone()).with(other, script);
        let exchange = Exchange::new(phones);
        let twilio = Twilio::on_network(exchange.clone(), clock.clone(), switches, seed);
        let key = SharedKey {
            id: SHARED_KEY.0.to_owned(),
            secret: Secret::new(SHARED_KEY.1),
        };
        let receiver = Arc::new(Receiver {
            clock: clock.clone(),
            signatures: SignatureVerifier::new(Secret::new(AUTH_TOKEN), None).with_shared_keys([key]),
            received: Mutex::default(),
            answering: Mutex::new(Box::new(|received| {
                let verbs = if received.url == KEYS_URL {
                    "<Say>Thank you.</Say><Hangup/>"
                } else {
                    ""
                };
                Some(Reply::document(verbs))
            })),
        });
        twilio.set_webhooks(HttpClient::new(ReceiverClient(Arc::clone(&receiver))));
        Self {
            twilio,
            exchange,
            clock,
            receiver,
        }
    }

    /// Sets the responses to webhooks. `None` refuses the connection.
    fn answer(&self, answering: impl FnMut(&Received) -> Option<Reply> + Send + 'static) {
        *self.receiver.answering.lock().expect("not poisoned") = Box::new(answering);
    }

    async fn raw(&self, request: Request) -> Result<(u16, Value), SendError> {
        let response = self.twilio.send(request).await?;
        let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        Ok((response.status().as_u16(), body))
    }

    async fn try_create(&self, fields: &[(&str, &str)]) -> Result<(u16, Value), SendError> {
        self.raw(post("Calls.json", fields)).await
    }

    /// Creates a call and returns its SID.
    async fn order(&self, fields: &[(&str, &str)]) -> String {
        let (status, body) = self.try_create(fields).await.expect("an answer");
        assert_eq!(status, 201, "{body}");
        body["sid"].as_str().expect("a SID").to_owned()
    }

    async fn update(&self, sid: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        self.raw(post(&format!("Calls/{sid}.json"), fields))
            .await
            .expect("an answer")
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.raw(request("GET", path, AUTH_TOKEN, String::new()))
            .await
            .expect("an answer")
    }

    /// Creates a call and waits until it and its callbacks have ended.
    async fn play(&self, fields: &[(&str, &str)]) -> OutboundCall {
        self.order(fields).await;
        self.until_over().await
    }

    /// Waits until no call is live, and a little longer for the last callbacks.
    async fn until_over(&self) -> OutboundCall {
        while !self.twilio.live_calls().is_empty() {
            self.pass(0.5).await;
        }
        self.pass(8.0).await;
        self.twilio.calls().pop().expect("a call")
    }

    /// Waits until the newest call has this status.
    async fn until(&self, status: Status) -> OutboundCall {
        loop {
            if let Some(call) = self.twilio.calls().pop().filter(|call| call.status() == status) {
                return call;
            }
            self.pass(0.05).await;
        }
    }

    async fn pass(&self, seconds: f64) {
        self.clock.sleep(Duration::from_secs_f64(seconds)).await;
    }

    fn received(&self) -> Vec<Received> {
        self.receiver.received.lock().expect("not poisoned").clone()
    }

    /// The webhooks that arrived at a URL.
    fn received_at(&self, url: &str) -> Vec<Received> {
        let mut received = self.received();
        received.retain(|received| received.url == url);
        received
    }

    /// The statuses that arrived, in order of arrival.
    fn statuses(&self) -> Vec<String> {
        let received = self.received_at(STATUS_URL);
        let names = received.iter().filter_map(|received| received.field("CallStatus"));
        names.map(str::to_owned).collect()
    }

    /// The keys that arrived, in order of arrival.
    fn digits(&self) -> Vec<String> {
        let received = self.received_at(KEYS_URL);
        let digits = received.iter().filter_map(|received| received.field("Digits"));
        digits.map(str::to_owned).collect()
    }
}

fn request(method: &str, path: &str, token: &str, body: String) -> Request {
    let credentials = STANDARD.encode(format!("{ACCOUNT}:{token}"));
    http::Request::builder()
        .method(method)
        .uri(format!("https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/{path}"))
        .header("authorization", format!("Basic {credentials}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(body))
        .expect("a request")
}

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

fn post(path: &str, fields: &[(&str, &str)]) -> Request {
    request("POST", path, AUTH_TOKEN, form(fields))
}

fn gather(inside: &str, attributes: &str) -> String {
    format!("<Gather input=\"dtmf\" action=\"{KEYS_URL}\" {attributes}>{inside}</Gather>")
}

fn say(text: &str) -> String {
    format!("<Say>{text}</Say>")
}

/// In seconds after the answer: the ticket is spoken from 0 to 2, the options from 6 to 9 and, without a key for 10 s,
/// from 19 to 22. The call ends at 32.
fn twiml() -> String {
    let round = |inside: &str| gather(inside, "numDigits=\"1\" finishOnKey=\"\" timeout=\"10\"");
    let first = format!("{}<Pause length=\"4\"/>{}", say(TICKET), say(OPTIONS));
    format!("<Response>{}{}</Response>", round(&first), round(&say(OPTIONS)))
}

/// The fields of a create request with this document and all callbacks.
fn call(twiml: &str) -> Vec<(&str, &str)> {
    let mut fields = vec![
        ("To", NUMBER),
        ("From", OUR_NUMBERS[0]),
        ("Twiml", twiml),
        ("StatusCallback", STATUS_URL),
    ];
    fields.extend(ALL_EVENTS);
    fields
}

/// `fields` with changed values. An empty value removes the field.
fn with<'a>(fields: &[(&'a str, &'a str)], changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let is_changed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
    let kept = fields.iter().filter(|(name, _)| !is_changed(name)).copied();
    kept.chain(changes.iter().filter(|(_, value)| !value.is_empty()).copied())
        .collect()
}

/// Seconds from the answer to `at`.
fn since_answer(call: &OutboundCall, at: Timestamp) -> f64 {
    at.since(call.answered_at.expect("answered")).as_secs_f64()
}

/// Seconds from the answer to the end.
fn talk_time(call: &OutboundCall) -> f64 {
    since_answer(call, call.ended_at.expect("ended"))
}
