//! What comes in from the providers of messages: statuses, messages of customers, events about e-mails and clicks on
//! opt-out buttons.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

#[path = "../common/mod.rs"]
mod common;
mod email;
mod events;
mod incoming;
#[path = "../common/lines.rs"]
mod lines;
mod one_click;
mod status;
mod threads;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::http::HeaderMap;
use message_event::{Deps, handle};
use patchbay::ids::{InteractionId, InteractionKey, Nonce, Tenant};
use patchbay::interaction::{
    self, Agent, Channel, Clearance, Content, Customer, Event, EventOutcome, Interaction, Leg, NewInteraction, Parties,
    Plan, SendResult,
};
use patchbay::ledger::Interactions;
use patchbay::providers::twilio::signature::sign;
use patchbay::providers::twilio::webhook::Form;
use patchbay::queue::Queue;
use patchbay::secret::{Randomness, Secret};
use patchbay::store::{Address, AddressHash};
use patchbay::voice::{Settings, SignatureVerifier};
use patchbay::web::gateway;
use patchbay_simulators::aws;
use patchbay_simulators::world::{PUBLIC_URL, World};
use serde_json::{Value, json};

use crate::common::{our_callbacks, world};

/// Our number, and the customer's.
pub(crate) const OURS: &str = "+12025550100";
pub(crate) const CUSTOMER: &str = "+12025550143";
/// The customer's e-mail address.
pub(crate) const EMAIL: &str = "Ana@example.net";
/// The auth token of the account at Twilio.
const AUTH_TOKEN: &str = "an-auth-token-of-a-test-account-0";
/// The queue of interactions.
const QUEUE: &str = "interactions";
/// The id that the provider gave to the message.
pub(crate) const SENT_ID: &str = "SM00000000000000000000000000000001";

/// The function, with the table of a world.
pub(crate) struct Line {
    pub(crate) world: World,
    pub(crate) deps: Deps,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Line {
    pub(crate) async fn new() -> Self {
        let world = world([]).await;
        let sqs = world.aws.sqs();
        let queue = sqs
            .queue(QUEUE)
            .unwrap_or_else(|| sqs.create_queue_with_dlq(QUEUE, Duration::from_mins(1), 10));
        let (_, client) = aws::function_clients(&world.aws);
        let queue = Queue::new(client, queue.url());
        let random = Randomness::seeded(1);
        let deps = Deps {
            interactions: Interactions::new(world.store.clone(), queue, world.clock.clone(), random),
            callbacks: our_callbacks(),
            signatures: SignatureVerifier::new(Secret::new(AUTH_TOKEN), None),
            settings: Settings::default(),
        };
        Self { world, deps }
    }

    /// An interaction with this plan, whose first attempt was sent. Returns its key and the attempt.
    pub(crate) async fn sent(&self, id: u128, legs: Vec<Leg>) -> (InteractionKey, Nonce) {
        let (key, attempt) = self.begun(id, legs).await;
        let result = SendResult::Sent {
            provider_id: SENT_ID.to_owned(),
            progress: None,
        };
        self.apply(&key, Event::SendEnds { attempt, result }).await;
        (key, attempt)
    }

    /// The same, but it is not known yet whether the attempt was sent.
    pub(crate) async fn begun(&self, id: u128, legs: Vec<Leg>) -> (InteractionKey, Nonce) {
        let interactions = &self.deps.interactions;
        let key = InteractionKey {
            tenant: main_tenant(),
            id: InteractionId::new(id),
        };
        let now = interactions.clock.now();
        let new = NewInteraction {
            parties: Parties {
                agent: Agent {
                    id: "leo".to_owned(),
                    name: "Leo".to_owned(),
                    phone: OURS.to_owned(),
                    email: String::new(),
                },
                skill: "reminder".to_owned(),
                customer: Customer::default(),
            },
            plan: Plan {
                legs,
                not_before: now,
                latest_at: now.plus_seconds(86_400),
                remember: false,
                time_zone: None,
                hours_bypass: None,
            },
            note: String::new(),
            webhook: None,
            blank_variables: Vec::new(),
            unused_fields: Vec::new(),
        };
        let decision = interaction::create(key.clone(), new, interactions.context().unwrap()).unwrap();
        let (created, is_new) = interactions.create(decision).await.unwrap();
        assert!(is_new);
        let attempt = created.attempt.unwrap().id;
        let clearance = Clearance::Granted;
        self.apply(&key, Event::SendBegins { attempt, clearance }).await;
        (key, attempt)
    }

    async fn apply(&self, key: &InteractionKey, event: Event) {
        let applied = self.deps.interactions.apply(key, |_| event.clone()).await;
        let outcome = applied.unwrap().unwrap().outcome;
        assert!(
            matches!(outcome, EventOutcome::Applied | EventOutcome::Send),
            "{outcome:?}"
        );
    }

    pub(crate) async fn load(&self, key: &InteractionKey) -> Interaction {
        self.deps.interactions.load(key).await.unwrap().unwrap()
    }

    /// The works on the queue that are due at once, as JSON.
    pub(crate) fn queued(&self, work: &str) -> Vec<Value> {
        let messages = self.world.aws.sqs().queue(QUEUE).unwrap().messages();
        let all = messages
            .iter()
            .map(|message| serde_json::from_str(&message.body).unwrap());
        let named = |message: &Value| message.to_string().contains(&format!("\"work\":\"{work}\""));
        all.filter(named).collect()
    }

    /// Whether an address is on the list of opt-outs.
    pub(crate) async fn is_opted_out(&self, address: &str) -> bool {
        let hash = AddressHash::from(&Address::parse(address).unwrap());
        self.world.store.is_opted_out(&main_tenant(), hash).await.unwrap()
    }

    /// Posts a form that Twilio signed.
    pub(crate) async fn twilio(&self, url: &str, fields: &[(&str, &str)]) -> Received {
        let body = form(fields);
        let signature = sign(
            &Secret::new(AUTH_TOKEN),
            without_fragment(url),
            &Form::parse(body.as_bytes()),
        );
        let headers = json!({
            "content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature,
        });
        self.request("POST", url, headers, body).await
    }

    /// Posts JSON.
    pub(crate) async fn post(&self, url: &str, body: &Value) -> Received {
        let headers = json!({ "content-type": "application/json" });
        self.request("POST", url, headers, body.to_string()).await
    }

    /// Sends a request as API Gateway passes it on.
    pub(crate) async fn request(&self, method: &str, url: &str, headers: Value, body: impl AsRef<[u8]>) -> Received {
        let path = without_fragment(url).strip_prefix(PUBLIC_URL).unwrap();
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": headers,
            "requestContext": {
                "accountId": "123456789012", "apiId": "a1b2c3d4e5", "domainName": "hooks.example.org",
                "domainPrefix": "hooks", "requestId": "WkR3zhQgFiAEPsw=", "routeKey": "$default",
                "stage": "$default", "time": "05/Jan/2026:09:00:31 +0000", "timeEpoch": 1_767_603_631_440_i64,
                "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "198.51.100.20" },
            },
            "body": STANDARD.encode(body), "isBase64Encoded": true,
        });
        let request = gateway::parse_event(&event.to_string()).unwrap();
        let response = handle(&self.deps, request).await;
        let (head, body) = response.into_parts();
        Received {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

pub(crate) fn main_tenant() -> Tenant {
    "main".parse().unwrap()
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields).finish()
}

fn without_fragment(url: &str) -> &str {
    url.split('#').next().unwrap_or_default()
}

/// A channel of a plan. No answer is expected.
pub(crate) fn leg(channel: Channel, back_end: &str, to: &str) -> Leg {
    Leg {
        channel,
        back_end: back_end.to_owned(),
        from: OURS.to_owned(),
        to: to.to_owned(),
        content: Content::Text {
            text: "Your parcel is here".to_owned(),
        },
        attempts: 1,
        retry_seconds: 60,
        outcome_seconds: 3_600,
        answer_seconds: None,
        is_polled: false,
    }
}

pub(crate) fn sms() -> Leg {
    leg(Channel::Sms, "twilio", CUSTOMER)
}

pub(crate) fn email_leg() -> Leg {
    leg(Channel::Email, "ses", EMAIL)
}

/// A channel over which an answer is expected.
pub(crate) fn asking(leg: Leg) -> Leg {
    Leg {
        answer_seconds: Some(3_600),
        ..leg
    }
}

/// How the attempts that have ended did.
pub(crate) fn outcomes(interaction: &Interaction) -> Vec<&'static str> {
    interaction.past.iter().map(|past| past.outcome.name()).collect()
}

/// The published name of why an interaction ended, or of its state.
pub(crate) fn end(interaction: &Interaction) -> &'static str {
    let state = interaction.state;
    state.end_reason().map_or(state.name(), |reason| reason.name())
}
