//! A simulator of Amazon SES v2: the few operations that patchbay uses, the events about each mail, and the mail that
//! customers send back.
//!
//! It follows the wire contract (ses/CONTRACT.md). Where the contract is uncertain, [`Switches`] select the behavior. It
//! verifies signatures, keeps headers and tags, and journals everything that was sent: [`Ses::audit`].

mod api;
mod events;
mod inbound;
mod lifecycle;
mod mailboxes;
mod records;
mod request;
mod signature;
mod state;
mod switches;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use patchbay::clock::{Clock, Timestamp};
use patchbay::http::{HttpClient, Request, ResponseFuture, SendHttp};
use serde_json::Value;

pub use self::mailboxes::{Fate, Habit, Mailboxes, Reply};
pub use self::records::{ApiRequest, Audit, Click, Email, Mail, OptOut, Publication};
use self::state::{Destination, State};
pub use self::switches::{EventShape, Faults, OneClickForm, QuotaError, RateError, SendFault, Switches};
pub use crate::webhook_faults::{WebhookFault, WebhookFaults};

/// The id of the access key with which requests must be signed.
pub const ACCESS_KEY: &str = "AKIDSIMULATED";
/// Its secret.
pub const SECRET_KEY: &str = "made-up-secret-access-key";
/// The region of the service.
pub const REGION: &str = crate::aws::REGION;
/// The configuration set that publishes events.
pub const CONFIGURATION_SET: &str = "patchbay";
/// The verified domain.
pub const DOMAIN: &str = "example.org";

/// Whether an invocation with this event succeeded.
pub type Invocation = Pin<Box<dyn Future<Output = bool> + Send>>;
/// Invokes a function with an event.
pub type Invoke = Arc<dyn Fn(Value) -> Invocation + Send + Sync>;

/// A simulated SES. Clones share the same state.
#[derive(Clone)]
pub struct Ses(Arc<Core>);

struct Core {
    clock: Clock,
    switches: Switches,
    state: Mutex<State>,
}

impl Ses {
    /// An account with the verified domain [`DOMAIN`] and the configuration set [`CONFIGURATION_SET`]. Mails are tasks of
    /// the tokio runtime in which they are sent.
    pub fn new(clock: Clock, switches: Switches, mailboxes: Mailboxes, seed: u64) -> Self {
        Self(Arc::new(Core {
            clock,
            switches,
            state: Mutex::new(State::new(mailboxes, seed)),
        }))
    }

    /// Publishes events to a URL.
    pub fn publish_to_url(&self, url: impl Into<String>, shape: EventShape) {
        self.lock().destination = Some(Destination::Url(url.into(), shape));
    }

    /// Publishes events by invoking a function.
    pub fn publish_to(&self, shape: EventShape, invoke: Invoke) {
        self.lock().destination = Some(Destination::Function(invoke, shape));
    }

    /// Hands mail that comes in to a function, as a receipt rule does. The body is in [`Ses::mails`], as it would be in
    /// S3.
    pub fn receive_with(&self, invoke: Invoke) {
        self.lock().receiver = Some(invoke);
    }

    /// Sets the client of everybody else: of SNS for events, and of mail programs for the opt-out button.
    pub fn set_webhooks(&self, client: HttpClient) {
        self.lock().client = Some(client);
    }

    /// Verifies an address or a domain.
    pub fn verify(&self, identity: impl Into<String>) {
        self.lock().identities.insert(identity.into().to_ascii_lowercase());
    }

    /// Adds a configuration set.
    pub fn add_configuration_set(&self, name: impl Into<String>) {
        self.lock().configuration_sets.insert(name.into());
    }

    /// Changes what happens to future mails. Mails on their way are not affected.
    pub fn change_mailboxes(&self, change: impl FnOnce(&mut Mailboxes)) {
        change(&mut self.lock().mailboxes);
    }

    /// Changes the random faults and the state of outages.
    pub fn change_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.lock().faults);
    }

    /// Makes the next request to send a mail fail. Several calls queue their faults.
    pub fn fail_next_send(&self, fault: SendFault) {
        self.lock().scripted_send.push_back(fault);
    }

    /// Injects a fault into the next event with this `eventType`. Several calls queue their faults.
    pub fn fail_next_event(&self, kind: &'static str, fault: WebhookFault) {
        self.lock().scripted_events.push((kind, fault));
    }

    /// Everything that was sent, and who had opted out.
    pub fn audit(&self) -> Audit {
        let state = self.lock();
        Audit {
            emails: state.emails.clone(),
            opt_outs: state.opt_outs.clone(),
        }
    }

    /// All mails that patchbay sent, in the order of sending.
    pub fn emails(&self) -> Vec<Email> {
        self.lock().emails.clone()
    }

    /// All mails that customers sent to us.
    pub fn mails(&self) -> Vec<Mail> {
        self.lock().mails.clone()
    }

    /// All requests of mail programs and scanners.
    pub fn clicks(&self) -> Vec<Click> {
        self.lock().clicks.clone()
    }

    /// All deliveries of events.
    pub fn publications(&self) -> Vec<Publication> {
        self.lock().publications.clone()
    }

    /// All requests to the API.
    pub fn requests(&self) -> Vec<ApiRequest> {
        self.lock().requests.clone()
    }

    /// The addresses on the account's suppression list.
    pub fn suppressed(&self) -> Vec<String> {
        self.lock().suppressed.keys().cloned().collect()
    }

    /// Mail to addresses without habits, fields without effect, and whatever no correct client sends.
    pub fn unexpected(&self) -> Vec<String> {
        self.lock().unexpected.clone()
    }

    /// Whether no mail is on its way, and nobody is writing. Events may still be retried.
    pub fn is_idle(&self) -> bool {
        self.lock().pending == 0
    }

    /// Whether a request is for SES.
    pub fn serves<B>(request: &http::Request<B>) -> bool {
        request.uri().path().starts_with("/v2/email/")
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SendHttp for Ses {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(self.respond(request))
    }
}

impl fmt::Debug for Ses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ses")
    }
}
