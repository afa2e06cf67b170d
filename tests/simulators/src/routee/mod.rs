//! Routee, the voice provider, in process: its API, its webhooks and the calls between them.
//!
//! Written from the wire contract (`routee.md`). Where the contract only guesses, a switch ([`Switches`]) sets which
//! way this Routee goes, so that patchbay is tested against all of them. Everything runs on one
//! [`Clock`] and draws from one seeded [`Rng`](crate::rng::Rng): on a paused current-thread runtime the same
//! seed plays the same calls, to the millisecond.

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
mod talk;
#[cfg(test)]
mod tests;
mod tones;
mod tracking;
mod webhooks;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use patchbay::clock::{Clock, Timestamp};
use patchbay::http::{HttpClient, Request, SendHttp, Sending};
use patchbay::phone::PhoneNumber;

pub use self::faults::{ApiFault, CreateFault, Endpoint, Faults, OutOfMoney, Target};
pub use self::records::{CallRecord, RequestRecord, Status, Unexpected, WebhookKind, WebhookOutcome, WebhookRecord};
use self::state::{Command, State};
pub use self::switches::{
    AnsweredBy, Arms, CodeForm, DateFraction, DialPlanEcho, EndEventOrder, FilterShape, InvalidReply, QuietKeys,
    RateLimit, Strategy, Switches, ToneJoin, TonesAfterReplacement, WrongState,
};
pub use crate::exchange::{CallId, EndedBy, Happening, PhoneEvent};
use crate::exchange::{Exchange, Provider};
use crate::journal::{Journal, JournalError};
pub use crate::mishaps::{WebhookFault, WebhookFaults};
use crate::phones::Phones;

/// The application id that this Routee knows, unless it is told another.
pub const APPLICATION_ID: &str = "5f9138288b71de3617a87cd3";

/// The secret that goes with [`APPLICATION_ID`].
pub const APPLICATION_SECRET: &str = "simulated-secret";

/// A Routee. Clones are handles on the same one.
///
/// As [`SendHttp`] it answers for `auth.routee.net` and `connect.routee.net`; under any other host name it goes by
/// the path alone, so that it can be served on a local port.
#[derive(Clone)]
pub struct Routee(Arc<Core>);

struct Core {
    clock: Clock,
    switches: Switches,
    exchange: Exchange,
    state: Mutex<State>,
}

impl Routee {
    /// A Routee on this clock, behaving as the switches say, in a world of these phones. Calls are tasks of the tokio
    /// runtime in which they are created.
    pub fn new(clock: Clock, switches: Switches, phones: Phones, seed: u64) -> Self {
        Self::on(Exchange::new(phones), clock, switches, seed)
    }

    /// The same on a network that others phone on as well.
    pub fn on(exchange: Exchange, clock: Clock, switches: Switches, seed: u64) -> Self {
        Self(Arc::new(Core {
            clock,
            switches,
            exchange,
            state: Mutex::new(State::new(seed)),
        }))
    }

    /// Where webhooks leave. Without it none arrives.
    pub fn set_webhooks(&self, client: HttpClient) {
        self.lock().client = Some(client);
    }

    /// Writes calls and webhooks into `journal` from now on, and goes on with those that are in it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn go_on(&self, journal: Journal) -> Result<(), JournalError> {
        self.lock().journal = journal;
        self.connect_the_rest()?;
        self.post_the_rest()
    }

    /// Accepts these credentials instead of [`APPLICATION_ID`] and [`APPLICATION_SECRET`].
    pub fn set_credentials(&self, application_id: impl Into<String>, application_secret: impl Into<String>) {
        self.lock().credentials = (application_id.into(), application_secret.into());
    }

    /// Changes what phones do from now on; calls under way go on as they began.
    pub fn change_phones(&self, change: impl FnOnce(&mut Phones)) {
        self.0.exchange.change_phones(change);
    }

    /// Changes what goes wrong by chance from now on.
    pub fn change_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.lock().faults);
    }

    /// The next create request fails like this. Several wait for their turn.
    pub fn fail_next_create(&self, fault: CreateFault) {
        self.lock().scripted_create.push_back(fault);
    }

    /// The next request of this kind fails like this. Several wait for their turn.
    pub fn fail_next(&self, endpoint: Endpoint, fault: ApiFault) {
        self.lock().scripted_api.push((endpoint, fault));
    }

    /// The next webhook of this kind fares like this. Several wait for their turn.
    pub fn disturb_next(&self, target: Target, fault: WebhookFault) {
        self.lock().scripted_webhooks.push((target, fault));
    }

    /// All tokens that were issued until now are void.
    pub fn revoke_tokens(&self) {
        self.lock().tokens.clear();
    }

    /// Tells `listener` everything that happens on the lines from now on, as it happens: in the calls of every provider
    /// on this network.
    pub fn subscribe(&self, listener: impl Fn(&PhoneEvent) + Send + Sync + 'static) {
        self.0.exchange.subscribe(listener);
    }

    /// Picks up a ringing phone. False when there is no such live call.
    pub fn pick_up(&self, call: CallId) -> bool {
        self.command(call, Command::PickUp)
    }

    /// Presses a key in an answered call. False when there is no such live call.
    pub fn press(&self, call: CallId, key: char) -> bool {
        self.command(call, Command::Key(key))
    }

    /// Hangs up, or rejects a ringing call. False when there is no such live call.
    pub fn hang_up(&self, call: CallId) -> bool {
        self.command(call, Command::HangUp)
    }

    /// Every request to the API so far.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.lock().requests.clone()
    }

    /// Every attempt to deliver a webhook so far.
    pub fn webhooks(&self) -> Vec<WebhookRecord> {
        self.lock().webhooks.clone()
    }

    /// Every call so far, in the order of creation.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.lock().legs.iter().map(|leg| leg.record.clone()).collect()
    }

    /// The calls that are not over.
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

    /// How many calls to this number are not over, over all providers.
    pub fn live_calls_to(&self, number: &PhoneNumber) -> usize {
        self.0.exchange.live_calls_to(number)
    }

    /// The greatest number of calls to this number that were ever live at the same time, over all providers.
    pub fn most_live_calls_to(&self, number: &PhoneNumber) -> usize {
        self.0.exchange.most_live_calls_to(number)
    }

    /// The greatest number of calls to any one number that were ever live at the same time, over all providers.
    pub fn most_live_calls_to_one_number(&self) -> usize {
        self.0.exchange.most_live_calls_to_one_number()
    }

    /// Calls to numbers without a script, and requests that match no endpoint.
    pub fn unexpected(&self) -> Vec<Unexpected> {
        self.lock().unexpected.clone()
    }

    /// How it behaves.
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

    fn emit(&self, call: CallId, what: Happening) {
        let to = self
            .lock()
            .leg(call)
            .map(|leg| leg.record.to.clone())
            .unwrap_or_default();
        self.0.exchange.tell(&PhoneEvent {
            at: self.now(),
            provider: Provider::Routee,
            call,
            to,
            what,
        });
    }
}

impl SendHttp for Routee {
    fn send(&self, request: Request) -> Sending<'_> {
        Box::pin(self.handle(request))
    }
}

impl fmt::Debug for Routee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Routee")
    }
}
