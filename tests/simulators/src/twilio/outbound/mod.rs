//! Calls that patchbay places to employees: Twilio's Calls API, its callbacks, and the calls themselves.
//!
//! It follows the wire contract (twilio/CONTRACT.md 1, 2, 3, 6, 8, 9). A call is `failed` if the network fails or loses
//! it. The contract has no status for a lost call: the switch [`LostCall`] makes it end differently, or never.

mod answered;
mod api;
mod call;
mod create;
mod faults;
mod list;
mod order;
mod records;
mod state;
mod switches;
#[cfg(test)]
mod tests;
mod update;
mod verbs;
mod webhooks;

use std::sync::{MutexGuard, PoisonError};

use patchbay::http::{Request, ResponseFuture, SendHttp};
use patchbay::phone::PhoneNumber;

pub(crate) use self::api::rfc_2822;
pub use self::faults::{ApiFault, CallFaults, CreateFault, Endpoint, Target};
pub(crate) use self::list::page_link;
pub use self::records::{ApiRequest, OutboundCall, Status, Unexpected, Webhook, WebhookKind};
use self::state::Command;
pub(super) use self::state::State;
pub use self::switches::{
    AnsweredByForm, BadEvent, CallSwitches, CancelTooLate, CompleteTooEarly, DetectionResult, LostCall, MachineEnd,
    QueuedStart, Sequence, TwimlCounted, UpdateAfterEnd,
};
use super::{OUR_NUMBER, Twilio};
use crate::exchange::{CallId, PhoneEvent, PhoneEventKind, Provider};
use crate::journal::{Journal, JournalError};
use crate::phones::Phones;
use crate::webhook_faults::WebhookFault;

/// The default API key: SID and secret. It authenticates API requests like the auth token, but signs nothing.
pub const API_KEY: (&str, &str) = ("SK00000000000000000000000000000001", "made-up-key-secret-1");
/// The default numbers of the account, which calls may use as caller id.
pub const OUR_NUMBERS: [&str; 2] = ["+12025550100", OUR_NUMBER];

impl Twilio {
    /// Restores calls and callbacks from `journal`, and writes to it from now on.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn restore(&self, journal: Journal) -> Result<(), JournalError> {
        self.outbound().journal = journal;
        self.restore_calls()?;
        self.restore_webhooks()
    }

    /// Accepts this API key instead of [`API_KEY`].
    pub fn set_api_key(&self, sid: impl Into<String>, secret: impl Into<String>) {
        self.outbound().api_key = (sid.into(), secret.into());
    }

    /// Replaces the numbers that calls may use as caller id.
    pub fn set_numbers(&self, numbers: impl IntoIterator<Item = String>) {
        self.outbound().numbers = numbers.into_iter().collect();
    }

    /// Sets the account's balance, in the API's format.
    pub fn set_balance(&self, balance: impl Into<String>) {
        self.outbound().balance = balance.into();
    }

    /// Changes what phones do on future calls. Calls in progress are not affected.
    pub fn change_phones(&self, change: impl FnOnce(&mut Phones)) {
        self.0.exchange.change_phones(change);
    }

    /// Changes the random faults and the state of outages.
    pub fn change_faults(&self, change: impl FnOnce(&mut CallFaults)) {
        change(&mut self.outbound().faults);
    }

    /// Makes the next create request fail. Several calls queue their faults.
    pub fn fail_next_create(&self, fault: CreateFault) {
        self.outbound().scripted_create.push_back(fault);
    }

    /// Makes the next request of this kind fail. Several calls queue their faults.
    pub fn fail_next(&self, endpoint: Endpoint, fault: ApiFault) {
        self.outbound().scripted_api.push((endpoint, fault));
    }

    /// Injects a fault into the next webhook that matches `target`. Several calls queue their faults.
    pub fn fail_next_webhook(&self, target: Target, fault: WebhookFault) {
        self.outbound().scripted_webhooks.push((target, fault));
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
    pub fn requests(&self) -> Vec<ApiRequest> {
        self.outbound().requests.clone()
    }

    /// All webhooks of calls to employees.
    pub fn webhooks(&self) -> Vec<Webhook> {
        self.outbound().webhooks.clone()
    }

    /// All calls to employees, in order of creation.
    pub fn calls(&self) -> Vec<OutboundCall> {
        self.outbound().legs.iter().map(|leg| leg.record.clone()).collect()
    }

    /// The calls to employees that have not ended.
    pub fn live_calls(&self) -> Vec<OutboundCall> {
        let mut calls = self.calls();
        calls.retain(|call| call.ended_at.is_none());
        calls
    }

    /// The number of live calls to this number, over all providers.
    pub fn live_calls_to(&self, number: &PhoneNumber) -> usize {
        self.0.exchange.live_calls_to(number)
    }

    /// Calls to numbers without a script, requests to unknown endpoints, and fields without effect.
    pub fn unexpected(&self) -> Vec<Unexpected> {
        self.outbound().unexpected.clone()
    }

    fn outbound(&self) -> MutexGuard<'_, State> {
        self.0.outbound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(&self, call: CallId, command: Command) -> bool {
        let state = self.outbound();
        let live = state.leg(call).filter(|leg| leg.record.ended_at.is_none());
        live.is_some_and(|leg| leg.commands.send(command).is_ok())
    }

    fn emit(&self, call: CallId, kind: PhoneEventKind) {
        let to = self
            .outbound()
            .leg(call)
            .map(|leg| leg.record.to.clone())
            .unwrap_or_default();
        self.0.exchange.publish(&PhoneEvent {
            at: self.now(),
            provider: Provider::Twilio,
            call,
            to,
            kind,
        });
    }
}

impl SendHttp for Twilio {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(self.handle(request))
    }
}
