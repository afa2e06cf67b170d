//! Tests of the network through patchbay's own clients, with a receiver in the role of patchbay.

mod answers;
mod faults;
mod fields;
mod habits;
mod random;
mod whatsapp;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use patchbay::clock::{Clock, Timestamp};
use patchbay::messaging::{
    Account, Content, FailureReason, IncomingMessage, MessageError, MessageStatus, OutgoingMessage, Sender,
    SentMessage, StatusReport, incoming_message, overall, status_report,
};
use patchbay::phone::PhoneNumber;
use patchbay::providers::routee::{Credentials, Endpoints};
use patchbay::providers::twilio::calls;
use patchbay::providers::twilio::signature::{HEADER, SignatureVerifier};
use patchbay::providers::{routee as routee_client, twilio as twilio_client};
use patchbay::secret::Secret;
use serde_json::Value;

use super::*;
use crate::phones::Phones;
use crate::routee::{APPLICATION_ID, APPLICATION_SECRET};
use crate::twilio::outbound::API_KEY;
use crate::twilio::{ACCOUNT, AUTH_TOKEN};

/// The customer's number, and ours.
const CUSTOMER: &str = "+12025550143";
const OURS: &str = "+12025550100";
const TEXT: &str = "Your order is ready.";
const INCOMING: &str = "https://hooks.example.org/incoming";

fn start() -> Timestamp {
    Timestamp::parse("2026-01-05T09:00:00Z").expect("a time")
}

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).expect("a number")
}

/// A webhook as it arrived.
#[derive(Clone, Debug, PartialEq)]
struct Received {
    at: Timestamp,
    url: String,
    body: String,
    has_signature: bool,
}

/// The receiver of webhooks, in the role of patchbay.
#[derive(Clone)]
struct Receiver {
    clock: Clock,
    received: Arc<Mutex<Vec<Received>>>,
    /// The statuses of the next responses. Then it is 200.
    statuses: Arc<Mutex<Vec<u16>>>,
}

impl SendHttp for Receiver {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        let url = request.uri().to_string();
        let headers = request.headers();
        let signature = headers
            .get(HEADER)
            .map(|value| value.to_str().expect("text").to_owned());
        if let Some(signature) = &signature {
            let verifier = SignatureVerifier::new(Secret::new(AUTH_TOKEN), None);
            assert!(
                verifier.is_valid(&url, request.body(), true, signature, ""),
                "{signature}"
            );
        }
        self.received.lock().expect("a lock").push(Received {
            at: self.clock.now(),
            url,
            body: String::from_utf8(request.body().to_vec()).expect("UTF-8"),
            has_signature: signature.is_some(),
        });
        let mut statuses = self.statuses.lock().expect("a lock");
        let status = if statuses.is_empty() { 200 } else { statuses.remove(0) };
        let response = http::Response::builder()
            .status(status)
            .header("content-type", "text/xml");
        let response = response.body("<Response/>".into()).expect("a response");
        Box::pin(std::future::ready(Ok(response)))
    }
}

/// A network with one customer, and patchbay's accounts.
struct Net {
    messages: Messages,
    receiver: Receiver,
    clock: Clock,
}

impl Net {
    fn new(habits: impl Into<Habits>) -> Self {
        Self::with(habits, Switches::default(), 7)
    }

    fn with(habits: impl Into<Habits>, switches: Switches, seed: u64) -> Self {
        let clock = Clock::starting_at(start(), 1.0);
        let receiver = Receiver {
            clock: clock.clone(),
            received: Arc::default(),
            statuses: Arc::default(),
        };
        let exchange = crate::exchange::Exchange::new(Phones::new());
        let twilio = Twilio::on_network(
            exchange.clone(),
            clock.clone(),
            crate::twilio::Switches::default(),
            seed,
        );
        let routee = Routee::on_network(exchange, clock.clone(), crate::routee::Switches::default(), seed);
        twilio.set_webhooks(HttpClient::new(receiver.clone()));
        let mobiles = Mobiles::new().with(number(CUSTOMER), habits);
        let messages = Messages::new(clock.clone(), (twilio, routee), switches, mobiles, seed);
        messages.set_webhooks(HttpClient::new(receiver.clone()));
        for provider in [Provider::Twilio, Provider::Routee] {
            messages.set_incoming_url(provider, INCOMING);
        }
        Self {
            messages,
            receiver,
            clock,
        }
    }

    fn twilio(&self) -> Account {
        let (user, password) = API_KEY;
        let credentials = calls::Credentials {
            account: ACCOUNT.to_owned(),
            user: user.to_owned(),
            password: Secret::new(password),
        };
        let http = HttpClient::new(self.messages.clone());
        Account::Twilio(twilio_client::calls::Twilio::new(http, &credentials, calls::ENDPOINT))
    }

    fn routee(&self) -> Account {
        let credentials = Credentials {
            application_id: APPLICATION_ID.into(),
            application_secret: Secret::new(APPLICATION_SECRET),
        };
        let http = HttpClient::new(self.messages.clone());
        let client = routee_client::Routee::new(http, self.clock.clone(), credentials, Endpoints::default());
        Account::Routee(client)
    }

    fn account(&self, provider: Provider) -> Account {
        match provider {
            Provider::Twilio => self.twilio(),
            Provider::Routee => self.routee(),
        }
    }

    /// Sends a text from our number for the attempt `nth`.
    async fn send(&self, provider: Provider, nth: u32) -> Result<SentMessage, MessageError> {
        let from = Sender::parse(Channel::Sms, OURS).expect("a sender");
        self.send_from(provider, &from, &Content::Text(TEXT.to_owned()), nth)
            .await
    }

    async fn send_from(
        &self,
        provider: Provider,
        from: &Sender,
        content: &Content,
        nth: u32,
    ) -> Result<SentMessage, MessageError> {
        let message = OutgoingMessage {
            from,
            to: &number(CUSTOMER),
            content,
            status_url: attempt(nth),
            validity_seconds: Some(600),
        };
        self.account(provider).send(&message).await
    }

    /// Waits until nothing is on its way, and all webhooks have been delivered.
    async fn settle(&self) {
        while !self.messages.is_idle() {
            self.clock.sleep(Duration::from_secs(1)).await;
        }
        self.clock.sleep(Duration::from_mins(3)).await;
    }

    fn received(&self) -> Vec<Received> {
        self.receiver.received.lock().expect("a lock").clone()
    }

    /// The status callbacks of an attempt, as patchbay reads them.
    fn reports(&self, provider: Provider, nth: u32) -> Vec<StatusReport> {
        let received = self
            .received()
            .into_iter()
            .filter(|received| received.url == attempt(nth));
        received
            .map(|received| status_report(provider, received.body.as_bytes()).expect("a report"))
            .collect()
    }

    /// Their names.
    fn names(&self, provider: Provider, nth: u32) -> Vec<String> {
        self.reports(provider, nth)
            .into_iter()
            .map(|report| report.name)
            .collect()
    }

    fn overall(&self, provider: Provider, nth: u32) -> MessageStatus {
        overall(&self.reports(provider, nth))
    }

    /// The messages of the customer, as patchbay reads them.
    fn incoming(&self, provider: Provider) -> Vec<IncomingMessage> {
        let received = self.received().into_iter().filter(|received| received.url == INCOMING);
        received
            .map(|received| incoming_message(provider, received.body.as_bytes()).expect("a message"))
            .collect()
    }
}

/// The status URL of an attempt.
fn attempt(nth: u32) -> String {
    format!("https://hooks.example.org/status/tenant.interaction.{nth}")
}

/// The reason of a failure.
fn reason(status: &MessageStatus) -> FailureReason {
    status.failure().map(|failure| failure.reason).expect("a failure")
}

/// The class of a result, and its reason or `Retry-After`.
fn class(result: &Result<SentMessage, MessageError>) -> String {
    match result {
        Ok(_) => "sent".to_owned(),
        Err(MessageError::TryLater { retry_after, .. }) => format!("later {retry_after:?}"),
        Err(MessageError::Refused { failure, .. }) => format!("refused {:?}", failure.reason),
        Err(MessageError::Unclear { .. }) => "unclear".to_owned(),
    }
}

const BOTH: [Provider; 2] = [Provider::Twilio, Provider::Routee];

fn switches() -> Switches {
    Switches::default()
}
