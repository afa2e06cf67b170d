//! Tests of the simulator through its API and its events.

mod accounts;
mod audits;
mod bodies;
mod calls;
mod chatwoot;
mod deliveries;
mod doubts;
mod echoes;
mod lifecycle;
mod outages;
mod parties;
mod persistence;
mod random;
mod sangoma;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use patchbay::clock::{Clock, Timestamp};
use patchbay::http::{HttpClient, Request, Response, ResponseFuture, SendError, SendHttp};
use serde_json::{Value, json};

use super::*;
use crate::webhook_faults::WebhookFault;

const BOT_URL: &str = "https://hooks.example.org/bot";
const WEBHOOK_URL: &str = "https://hooks.example.org/events";
/// The inbox with the bot.
const INBOX: u64 = 7;
const SCOPES: &str = "cx.agent-calls cx.queue-calls cx.digital-interactions";

fn base() -> Timestamp {
    Timestamp::parse("2026-11-30T09:00:00Z").expect("a time")
}

/// An event as it arrived.
#[derive(Clone, Debug)]
struct Arrived {
    at: Timestamp,
    url: String,
    headers: HeaderMap,
    text: String,
    body: Value,
}

impl Arrived {
    fn name(&self) -> &str {
        self.body["event"].as_str().expect("a name")
    }
}

/// A response of the receiver.
#[derive(Clone, Copy, Debug)]
struct Respond {
    after: Duration,
    status: u16,
}

impl Respond {
    const OK: Self = Self::with(200);

    const fn with(status: u16) -> Self {
        Self {
            after: Duration::from_millis(5),
            status,
        }
    }
}

type Responder = Box<dyn FnMut(&Arrived) -> Respond + Send>;

/// The receiver of events, in the role of patchbay.
struct Receiver {
    clock: Clock,
    arrived: Mutex<Vec<Arrived>>,
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
        let text = String::from_utf8(request.body().to_vec()).expect("UTF-8");
        let arrived = Arrived {
            at: self.clock.now(),
            url: request.uri().to_string(),
            headers: request.headers().clone(),
            body: serde_json::from_str(&text).expect("JSON"),
            text,
        };
        let respond = (self.answering.lock().expect("not poisoned"))(&arrived);
        self.arrived.lock().expect("not poisoned").push(arrived);
        self.clock.sleep(respond.after).await;
        let response = http::Response::builder().status(respond.status);
        Ok(response.body(Bytes::from_static(b"{}")).expect("a response"))
    }
}

/// An installation whose inbox has a bot, with a receiver for its events and an access token.
struct Desk {
    chat: Chat,
    clock: Clock,
    receiver: Arc<Receiver>,
    token: String,
    bot: u64,
}

impl Desk {
    /// With a bot, and without a webhook.
    async fn new(switches: Switches) -> Self {
        let clock = Clock::starting_at(base(), 1.0);
        let receiver = Arc::new(Receiver {
            clock: clock.clone(),
            arrived: Mutex::default(),
            answering: Mutex::new(Box::new(|_| Respond::OK)),
        });
        let chat = Chat::new(clock.clone(), switches, 7);
        chat.set_webhooks(HttpClient::new(ReceiverClient(Arc::clone(&receiver))));
        let bot = chat.connect_bot("Acme bot", BOT_URL, &[INBOX]);
        let mut desk = Self {
            chat,
            clock,
            receiver,
            token: String::new(),
            bot,
        };
        desk.renew_token(SCOPES).await;
        desk
    }

    async fn renew_token(&mut self, scope: &str) {
        let (status, body) = self.raw(token_request(scope)).await.expect("an answer");
        assert_eq!(status, 200, "{body}");
        body["access_token"]
            .as_str()
            .expect("a token")
            .clone_into(&mut self.token);
    }

    fn answer_with(&self, answering: impl FnMut(&Arrived) -> Respond + Send + 'static) {
        *self.receiver.answering.lock().expect("not poisoned") = Box::new(answering);
    }

    async fn raw(&self, request: Request) -> Result<(u16, Value), SendError> {
        let response = self.chat.send(request).await?;
        let body = serde_json::from_slice(response.body()).unwrap_or_default();
        Ok((response.status().as_u16(), body))
    }

    /// A request to Sangoma's API. The path is the part after `api/v1/`.
    fn request(&self, method: &str, path: &str, body: &Value) -> Request {
        http::Request::builder()
            .method(method)
            .uri(format!("{SANGOMA_URL}api/v1/{path}"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .body(Bytes::from(body.to_string()))
            .expect("a request")
    }

    /// Posts to Sangoma's API with the tenant.
    async fn try_post(&self, path: &str, mut body: Value) -> Result<(u16, Value), SendError> {
        body["tenant_domain"] = TENANT_DOMAIN.into();
        self.raw(self.request("POST", path, &body)).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.try_post(path, body).await.expect("an answer")
    }

    /// Posts a message as the bot.
    async fn says(&self, conversation: u64, text: &str) -> (u16, Value) {
        self.post("digital-interactions/messages/", self.message(conversation, text))
            .await
    }

    fn message(&self, conversation: u64, text: &str) -> Value {
        json!({
            "is_bot": true, "agent_bot_id": self.bot, "content": text, "message_type": "outgoing",
            "conversation_id": conversation,
        })
    }

    async fn deliver(&self, conversation: u64) -> (u16, Value) {
        let body = json!({ "conversation_id": conversation });
        self.post("digital-interactions/conversations/deliver-to-agent/", body)
            .await
    }

    async fn finish(&self, conversation: u64) -> (u16, Value) {
        let body = json!({ "conversation_id": conversation });
        self.post("digital-interactions/conversations/finish/", body).await
    }

    /// A request to Chatwoot's API. The path is the part after the account.
    async fn chatwoot(&self, method: &str, path: &str, token: &str, body: Value) -> (u16, Value) {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{CHATWOOT_URL}/api/v1/accounts/{CHATWOOT_ACCOUNT}/{path}"))
            .header("api_access_token", token)
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_string()))
            .expect("a request");
        self.raw(request).await.expect("an answer")
    }

    fn opens(&self) -> u64 {
        self.chat.customer_opens(INBOX).expect("a conversation")
    }

    fn writes(&self, conversation: u64, text: &str) -> u64 {
        self.chat.customer_writes(conversation, text).expect("a message")
    }

    async fn pass(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    fn arrived(&self) -> Vec<Arrived> {
        self.receiver.arrived.lock().expect("not poisoned").clone()
    }

    /// The names of the events that arrived at a URL, in order.
    fn names(&self, url: &str) -> Vec<String> {
        let arrived = self.arrived();
        let fitting = arrived.iter().filter(|arrived| arrived.url == url);
        fitting.map(|arrived| arrived.name().to_owned()).collect()
    }

    /// The events of this name, in order.
    fn events(&self, name: &str) -> Vec<Arrived> {
        let arrived = self.arrived().into_iter();
        arrived.filter(|arrived| arrived.name() == name).collect()
    }

    /// The last event about a new message.
    fn last_message(&self) -> Value {
        self.events("message_created").pop().expect("an event").body
    }

    fn forget_events(&self) {
        self.receiver.arrived.lock().expect("not poisoned").clear();
    }

    fn status(&self, conversation: u64) -> Status {
        self.chat.conversation(conversation).expect("a conversation").status
    }
}

fn token_request(scope: &str) -> Request {
    let credentials = STANDARD.encode(format!("{}:{}", CREDENTIALS.0, CREDENTIALS.1));
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("scope", scope)
        .finish();
    http::Request::post(format!("https://{SANGOMA_AUTH_HOST}/oauth/token"))
        .header("authorization", format!("Basic {credentials}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(body))
        .expect("a request")
}

/// Switches that differ from the default in one place.
fn with(change: impl FnOnce(&mut Switches)) -> Switches {
    let mut switches = Switches::default();
    change(&mut switches);
    switches
}
