//! An in-process simulator of the voice provider Routee: its API, its webhooks and its calls.
//!
//! It follows the wire contract (routee/CONTRACT.md). Where the contract is uncertain, [`Switches`] select the
//! behavior, so that patchbay is tested against every possibility. Everything runs on one [`Clock`] and draws from one
//! seeded [`Rng`](crate::rng::Rng): on a paused current-thread runtime, a seed replays the same calls to the
//! millisecond.

mod answered;
mod api;
mod auth;
mod call;
mod control;
mod create;
mod faults;
mod fields;
mod plan;
mod records;
mod state;
mod switches;
#[cfg(test)]
mod tests;
mod tones;
mod tracking;
mod webhooks;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use patchbay::clock::{Clock, Timestamp};
use patchbay::http::{HttpClient, Request, ResponseFuture, SendHttp};
use patchbay::phone::PhoneNumber;

pub(crate) use self::api::Reply;
pub use self::faults::{ApiFault, CreateFault, Endpoint, Faults, OutOfMoney, Target};
pub use self::records::{CallRecord, RequestRecord, Status, Unexpected, WebhookKind, WebhookOutcome, WebhookRecord};
use self::state::{Command, State};
pub use self::switches::{
    AnsweredBy, CodeForm, CollectStart, DateFraction, DialPlanEcho, EndEventOrder, FilterShape, InvalidReply,
    QuietKeys, RateLimit, Strategy, Switches, ToneJoin, TonesAfterReplacement, WrongState,
};
pub use crate::exchange::{CallId, EndedBy, PhoneEvent, PhoneEventKind};
use crate::exchange::{Exchange, Provider};
use crate::journal::{Journal, JournalError};
use crate::phones::Phones;
pub use crate::webhook_faults::{WebhookFault, WebhookFaults};

/// The default application id.
pub const APPLICATION_ID: &str = "5f9138288b71de3617a87cd3";

/// The secret of [`APPLICATION_ID`].
pub const APPLICATION_SECRET: &str = "simulated-secret";

/// A simulated Routee. Clones share the same state.
///
/// As [`SendHttp`], it serves `auth.routee.net` and `connect.routee.net`. Under any other host name it serves all
/// paths, so that it can listen on a local port.
#[derive(Clone)]
pub struct Routee(Arc<Core>);

struct Core {
    clock: Clock,
    switches: Switches,
    exchange: Exchange,
    state: Mutex<State>,
}

impl Routee {
    /// A Routee with its own phone network. Calls are tasks of the tokio runtime in which they are created.
    pub fn new(clock: Clock, switches: Switches, phones: Phones, seed: u64) -> Self {
        Self::on_network(Exchange::new(phones), clock, switches, seed)
    }

    /// A Routee on a phone network that it shares with other providers.
    pub fn on_network(exchange: Exchange, clock: Clock, switches: Switches, seed: u64) -> Self {
        Self(Arc::new(Core {
            clock,
            switches,
            exchange,
            state: Mutex::new(State::new(seed)),
        }))
    }

    /// Sets the client that delivers webhooks. Without one, no webhook arrives.
    pub fn set_webhooks(&self, client: HttpClient) {
        self.lock().client = Some(client);
    }

    /// Restores calls and webhooks from `journal`, and writes to it from now on.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn restore(&self, journal: Journal) -> Result<(), JournalError> {
        self.lock().journal = journal;
        self.restore_calls()?;
        self.restore_webhooks()
    }

    /// Accepts these credentials instead of [`APPLICATION_ID`] and [`APPLICATION_SECRET`].
    pub fn set_credentials(&self, application_id: impl Into<String>, application_secret: impl Into<String>) {
        self.lock().credentials = (application_id.into(), application_secret.into());
    }

    /// Changes what phones do on future calls. Calls in progress are not affected.
    pub fn change_phones(&self, change: impl FnOnce(&mut Phones)) {
        self.0.exchange.change_phones(change);
    }

    /// Changes the random faults and the state of outages.
    pub fn change_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.lock().faults);
    }

    /// Makes the next create request fail. Several calls queue their faults.
    pub fn fail_next_create(&self, fault: CreateFault) {
        self.lock().scripted_create.push_back(fault);
    }

    /// Makes the next request of this kind fail. Several calls queue their faults.
    pub fn fail_next(&self, endpoint: Endpoint, fault: ApiFault) {
        self.lock().scripted_api.push((endpoint, fault));
    }

    /// Injects a fault into the next webhook that matches `target`. Several calls queue their faults.
    pub fn fail_next_webhook(&self, target: Target, fault: WebhookFault) {
        self.lock().scripted_webhooks.push((target, fault));
    }

    /// Revokes all tokens that were issued so far.
    pub fn revoke_tokens(&self) {
        self.lock().tokens.clear();
    }

    /// Calls `listener` with every future event, when it happens, in calls of all providers on this network.
    pub fn subscribe(&self, listener: impl Fn(&PhoneEvent) + Send + Sync + 'static) {
        self.0.exchange.subscribe(listener);
    }

    /// Picks up a ringing phone. Returns false if there is no such live call.
    pub fn pick_up(&self, call: CallId) -> bool {
        self.command(call, Command::PickUp)
    }

    /// Presses a key in an answered call. Returns false if there is no such live call.
    pub fn press(&self, call: CallId, key: char) -> bool {
        self.command(call, Command::Key(key))
    }

    /// Hangs up an answered call, or rejects a ringing one. Returns false if there is no such live call.
    pub fn hang_up(&self, call: CallId) -> bool {
        self.command(call, Command::HangUp)
    }

    /// All requests to the API.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.lock().requests.clone()
    }

    /// All attempts to deliver a webhook.
    pub fn webhooks(&self) -> Vec<WebhookRecord> {
        self.lock().webhooks.clone()
    }

    /// All calls, in order of creation.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.lock().legs.iter().map(|leg| leg.record.clone()).collect()
    }

    /// The calls that have not ended.
    pub fn live_calls(&self) -> Vec<CallRecord> {
        let state = self.lock();
        state
            .legs
            .iter()
            .map(|leg| &leg.record)
            .filter(|record| record.ended_at.is_none())
            .cloned()
            .collect()
    }

    /// The number of live calls to this number, over all providers.
    pub fn live_calls_to(&self, number: &PhoneNumber) -> usize {
        self.0.exchange.live_calls_to(number)
    }

    /// The maximum number of simultaneously live calls to this number, over all providers.
    pub fn most_live_calls_to(&self, number: &PhoneNumber) -> usize {
        self.0.exchange.most_live_calls_to(number)
    }

    /// The maximum number of simultaneously live calls to any one number, over all providers.
    pub fn most_live_calls_to_one_number(&self) -> usize {
        self.0.exchange.most_live_calls_to_one_number()
    }

    /// Calls to numbers without a script, and requests that match no endpoint.
    pub fn unexpected(&self) -> Vec<Unexpected> {
        self.lock().unexpected.clone()
    }

    /// The switches that select its behavior.
    pub fn switches(&self) -> &Switches {
        &self.0.switches
    }

    /// The clock it runs on.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(&self, call: CallId, command: Command) -> bool {
        let state = self.lock();
        let live = state.leg(call).filter(|leg| leg.record.ended_at.is_none());
        live.is_some_and(|leg| leg.commands.send(command).is_ok())
    }

    fn emit(&self, call: CallId, kind: PhoneEventKind) {
        let to = self
            .lock()
            .leg(call)
            .map(|leg| leg.record.to.clone())
            .unwrap_or_default();
        self.0.exchange.publish(&PhoneEvent {
            at: self.now(),
            provider: Provider::Routee,
            call,
            to,
            kind,
        });
    }
}

impl SendHttp for Routee {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(self.handle(request))
    }
}

impl fmt::Debug for Routee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Routee")
    }
}
