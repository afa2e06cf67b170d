//! The API for calls and messages to customers, as a client uses it: requests as API Gateway delivers them, the handler
//! of the function, and a simulated table and queue. Nothing here sends: no function consumes the queue. Webhooks to
//! requesters are delivered.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod auth;
mod change;
#[path = "../common/mod.rs"]
mod common;
mod create;
mod customers;
mod documents;
mod events;
mod forget;
mod list;
mod opt_outs;
mod recordings;
mod view;
mod webhooks;

use std::time::Duration;

use bytes::Bytes;
use calls::{Deps, handle};
use lambda_http::Body;
use patchbay::access::{Scope, TokenRecord};
use patchbay::ids::{InteractionId, InteractionKey, Tenant};
use patchbay::interaction::{Event, Fact, Interaction};
use patchbay::ledger::Interactions;
use patchbay::queue::Queue;
use patchbay::secret::Randomness;
use patchbay::web::auth::token_hash;
use patchbay::web::gateway::parse_event;
use patchbay::web::target::Targets;
use patchbay_simulators::aws::sqs::{self, QueueSettings};
use patchbay_simulators::aws::{self, InvocationOutcome, Service};
use patchbay_simulators::gateway;
use patchbay_simulators::world::World;
use serde_json::{Value, json};

use crate::common::{Answer, our_callbacks, request, with_token, world};

/// The agent and the skill of most requests. Their ids are UUIDs, as Elemente's.
pub(crate) const AGENT: &str = "6b1f0000-0000-4000-8000-000000000001";
pub(crate) const SKILL: &str = "6b1f0000-0000-4000-8000-000000000002";

/// The API, with its table and its queue.
pub(crate) struct Api {
    pub(crate) world: World,
    pub(crate) deps: Deps,
}

impl Api {
    /// An API without documents.
    pub(crate) async fn empty() -> Self {
        let world = world([]).await;
        let (_, sqs) = aws::function_clients(&world.aws);
        let queue = world.aws.sqs().create_queue("calls-test", QueueSettings::default());
        let queue = Queue::new(sqs.clone(), queue.url());
        let (store, clock) = (world.store.clone(), world.clock.clone());
        let notifications = world.aws.sqs().queue("notifications").unwrap();
        let notifications = Queue::new(sqs, notifications.url());
        let interactions = Interactions::new(store, queue, clock, Randomness::seeded(7));
        let interactions = interactions.with_notifications(notifications);
        let deps = Deps {
            interactions,
            callbacks: our_callbacks(),
            targets: Targets::any(),
        };
        Self { world, deps }
    }

    /// An API with the agent [`AGENT`], who writes by SMS and e-mail, and the skill [`SKILL`].
    pub(crate) async fn start() -> Self {
        let api = Self::empty().await;
        let agent = json!({
            "name": "Leo",
            "prompt": { "initial_message": "Hi {{firstName}}, {{aiName}} here." },
            "channels": {
                "sms": { "over": "twilio", "from": "+12025550100" },
                "email": { "over": "ses", "from": "leo@example.org" },
                "call": { "over": "elemente", "agent_id": "a-1", "skill_id": "s-1" },
            },
        });
        let skill = json!({ "name": "Delivery", "subject": "Your order", "answer_minutes": 60 });
        api.put(&format!("/v1/agents/{AGENT}"), &agent).await;
        api.put(&format!("/v1/skills/{SKILL}"), &skill).await;
        api
    }

    /// Writes a document.
    pub(crate) async fn put(&self, path: &str, document: &Value) {
        let answer = self.ask("PUT", path, document).await;
        assert!([200, 201].contains(&answer.status), "{path}: {answer:?}");
    }

    /// Sends a request through API Gateway to the handler, as one invocation.
    pub(crate) async fn send(&self, request: http::Request<Bytes>) -> Answer {
        let event = gateway::event(&request, self.world.clock.now()).unwrap();
        self.invoke(&event.to_string()).await
    }

    /// Passes an event of API Gateway to the handler, as one invocation.
    pub(crate) async fn invoke(&self, event: &str) -> Answer {
        let request = parse_event(event).unwrap();
        let outcome = self.world.aws.invoke("calls", handle(&self.deps, request)).await;
        let InvocationOutcome::Done(response) = outcome else {
            unreachable!("nothing crashes")
        };
        let body = match response.body() {
            Body::Text(text) => serde_json::from_str(text).unwrap_or_default(),
            _ => Value::Null,
        };
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            json: body,
        }
    }

    /// Sends a JSON request with the world's token; a null body is sent empty.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send(json_request(with_token(method, path), body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &Value::Null).await
    }

    /// Contacts a customer.
    pub(crate) async fn post(&self, body: &Value) -> Answer {
        self.ask("POST", "/api/v1/calls", body).await
    }

    /// The same with an idempotency key.
    pub(crate) async fn post_once(&self, key: &str, body: &Value) -> Answer {
        let request = with_token("POST", "/api/v1/calls").header("idempotency-key", key);
        self.send(json_request(request, body)).await
    }

    /// Contacts a customer, and returns the interaction's id.
    pub(crate) async fn create(&self, body: &Value) -> String {
        let answer = self.post(body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text("/id").to_owned()
    }

    pub(crate) async fn load(&self, id: &str) -> Interaction {
        self.deps.interactions.load(&key(id)).await.unwrap().unwrap()
    }

    /// Applies an event, as the messenger and webhooks do.
    pub(crate) async fn apply(&self, id: &str, event: impl Fn(&Interaction) -> Event + Sync) -> Interaction {
        let applied = self.deps.interactions.apply(&key(id), event).await.unwrap();
        applied.unwrap().subject
    }

    pub(crate) async fn facts(&self, id: &str) -> Vec<Fact> {
        let store = &self.world.store;
        let page = store.timeline_of::<Interaction>(&key(id), None, 500).await.unwrap();
        page.entries.into_iter().map(|entry| entry.fact).collect()
    }

    pub(crate) fn queue(&self) -> sqs::Queue {
        self.world.aws.sqs().queue("calls-test").unwrap()
    }

    /// Writes to the table since the recorder was cleared.
    pub(crate) fn writes(&self) -> usize {
        self.world.aws.recorder().count(|request| {
            request.service == Service::DynamoDb && !["GetItem", "Query"].contains(&request.operation.as_str())
        })
    }

    pub(crate) async fn pass(&self, seconds: u64) {
        self.world.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// Creates a token of another tenant or with fewer scopes.
    pub(crate) async fn put_token(&self, token: &str, tenant: &str, scopes: &[Scope]) {
        let record = TokenRecord {
            tenant: tenant.parse().unwrap(),
            scopes: scopes.iter().copied().collect(),
            expires_at: None,
            revoked: false,
        };
        self.world.store.put_token(&token_hash(token), &record).await.unwrap();
    }
}

pub(crate) fn tenant() -> Tenant {
    "main".parse().unwrap()
}

pub(crate) fn key(id: &str) -> InteractionKey {
    let id: InteractionId = id.parse().unwrap();
    InteractionKey { tenant: tenant(), id }
}

pub(crate) fn json_request(builder: http::request::Builder, body: &Value) -> http::Request<Bytes> {
    if body.is_null() {
        return builder.body(Bytes::new()).unwrap();
    }
    let builder = builder.header("content-type", "application/json");
    builder.body(body.to_string().into()).unwrap()
}

/// A request without a token.
pub(crate) fn anonymous(method: &str, path: &str) -> http::request::Builder {
    request(method, path)
}

/// The body of a request that contacts Ana by SMS.
pub(crate) fn sms() -> Value {
    json!({
        "agentId": AGENT, "channel": "sms", "skillId": SKILL,
        "customerOverride": { "firstName": "Ana", "lastName": "Ruiz", "phoneNumber": "+12025550143" },
    })
}

/// The same with other fields in place of some.
pub(crate) fn sms_with(fields: &Value) -> Value {
    let mut body = sms();
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}
