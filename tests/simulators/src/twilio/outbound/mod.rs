//! Calls that patchbay places to employees: Twilio's Calls API, its callbacks, and the calls between them.
//!
//! Written from the wire contract (`twilio.md` 1, 2, 3, 6, 8, 9). A call whose network fails, or that gets lost, is
//! `failed` here: the contract has no status for a loss, and a switch ([`LostCall`]) has it end otherwise, or never.

mod api;
mod call;
mod create;
mod faults;
mod list;
mod order;
mod records;
mod state;
mod switches;
mod talk;
#[cfg(test)]
mod tests;
mod update;
mod verbs;
mod webhooks;

use std::sync::{MutexGuard, PoisonError};

use patchbay::http::{Request, SendHttp, Sending};
use patchbay::phone::PhoneNumber;

pub use self::faults::{ApiFault, CallFaults, CreateFault, Endpoint, Target};
pub use self::records::{ApiRequest, OutboundCall, Status, Unexpected, Webhook, WebhookKind};
use self::state::Command;
pub(super) use self::state::State;
pub use self::switches::{
    AnsweredByForm, BadEvent, CallSwitches, CancelTooLate, CompleteTooEarly, LostCall, MachineEnd, QueuedStart,
    Sequence, TwimlCounted, UpdateAfterEnd, Verdict,
};
use super::{OUR_NUMBER, Twilio};
use crate::exchange::{CallId, Happening, PhoneEvent, Provider};
use crate::journal::{Journal, JournalError};
use crate::mishaps::WebhookFault;
use crate::phones::Phones;

/// An API key of the account: its SID and its secret. It opens the API as the auth token does, and signs nothing.
pub const API_KEY: (&str, &str) = ("SK00000000000000000000000000000001", "made-up-key-secret-1");
/// The numbers of the account that calls may show, unless it is told others.
pub const OUR_NUMBERS: [&str; 2] = ["+12025550100", OUR_NUMBER];

impl Twilio {
    /// Writes calls and callbacks into `journal` from now on, and goes on with those that are in it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn go_on(&self, journal: Journal) -> Result<(), JournalError> {
        self.out().journal = journal;
        self.connect_the_rest()?;
        self.post_the_rest()
    }

    /// Accepts this API key instead of [`API_KEY`].
    pub fn set_api_key(&self, sid: impl Into<String>, secret: impl Into<String>) {
        self.out().api_key = (sid.into(), secret.into());
    }

    /// Lets calls show these numbers, and no others.
    pub fn set_numbers(&self, numbers: impl IntoIterator<Item = String>) {
        self.out().numbers = numbers.into_iter().collect();
    }

    /// What the account has, as the API says it.
    pub fn set_balance(&self, balance: impl Into<String>) {
        self.out().balance = balance.into();
    }

    /// Changes what phones do from now on; calls under way go on as they began.
    pub fn change_phones(&self, change: impl FnOnce(&mut Phones)) {
        self.0.exchange.change_phones(change);
    }

    /// Changes what goes wrong by chance from now on.
    pub fn change_faults(&self, change: impl FnOnce(&mut CallFaults)) {
        change(&mut self.out().faults);
    }

    /// The next create request fails like this. Several wait for their turn.
    pub fn fail_next_create(&self, fault: CreateFault) {
        self.out().scripted_create.push_back(fault);
    }

    /// The next request of this kind fails like this. Several wait for their turn.
    pub fn fail_next(&self, endpoint: Endpoint, fault: ApiFault) {
        self.out().scripted_api.push((endpoint, fault));
    }

    /// The next webhook of this kind fares like this. Several wait for their turn.
    pub fn disturb_next(&self, target: Target, fault: WebhookFault) {
        self.out().scripted_webhooks.push((target, fault));
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
    pub fn requests(&self) -> Vec<ApiRequest> {
        self.out().requests.clone()
    }

    /// Every webhook about calls to employees so far.
    pub fn webhooks(&self) -> Vec<Webhook> {
        self.out().webhooks.clone()
    }

    /// Every call to an employee so far, in the order of creation.
    pub fn calls(&self) -> Vec<OutboundCall> {
        self.out().legs.iter().map(|leg| leg.record.clone()).collect()
    }

    /// The calls to employees that are not over.
    pub fn live_calls(&self) -> Vec<OutboundCall> {
        let mut calls = self.calls();
        calls.retain(|call| call.ended_at.is_none());
        calls
    }

    /// How many calls to this number are not over, over all providers.
    pub fn live_calls_to(&self, number: &PhoneNumber) -> usize {
        self.0.exchange.live_calls_to(number)
    }

    /// Calls to numbers without a script, requests that match no endpoint, and fields without effect.
    pub fn unexpected(&self) -> Vec<Unexpected> {
        self.out().unexpected.clone()
    }

    fn out(&self) -> MutexGuard<'_, State> {
        self.0.outbound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(&self, call: CallId, command: Command) -> bool {
        let state = self.out();
        let live = state.leg(call).filter(|leg| leg.record.ended_at.is_none());
        live.is_some_and(|leg| leg.commands.send(command).is_ok())
    }

    fn emit(&self, call: CallId, what: Happening) {
        let to = self
            .out()
            .leg(call)
            .map(|leg| leg.record.to.clone())
            .unwrap_or_default();
        self.0.exchange.tell(&PhoneEvent {
            at: self.now(),
            provider: Provider::Twilio,
            call,
            to,
            what,
        });
    }
}

impl SendHttp for Twilio {
    fn send(&self, request: Request) -> Sending<'_> {
        Box::pin(self.handle(request))
    }
}
