//! The state of outbound calls, behind its lock.

use std::collections::VecDeque;

use patchbay::clock::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use super::faults::{ApiFault, CallFaults, CreateFault, Endpoint, Target};
use super::order::{Order, Source};
use super::records::{ApiRequest, OutboundCall, Status, Unexpected, Webhook};
use super::webhooks::OutgoingWebhook;
use super::{API_KEY, OUR_NUMBERS};
use crate::exchange::CallId;
use crate::journal::Journal;
use crate::rng::Rng;
use crate::twilio::RequestRecord;
use crate::webhook_faults::WebhookFault;
use crate::webhook_faults::take_planned;

/// The journal section of calls.
pub(super) const CALLS: &str = "twilio/call";

/// The state of outbound calls and of the API.
pub(in super::super) struct State {
    pub(super) rng: Rng,
    /// Numbers that calls may use as caller id.
    pub(super) numbers: Vec<String>,
    pub(super) api_key: (String, String),
    pub(super) balance: String,
    pub(super) legs: Vec<Leg>,
    /// When the next call may leave the queue.
    pub(super) next_start: Timestamp,
    pub(super) faults: CallFaults,
    pub(super) scripted_create: VecDeque<CreateFault>,
    pub(super) scripted_api: Vec<(Endpoint, ApiFault)>,
    pub(super) scripted_webhooks: Vec<(Target, WebhookFault)>,
    pub(super) requests: Vec<ApiRequest>,
    pub(super) webhooks: Vec<Webhook>,
    pub(super) unexpected: Vec<Unexpected>,
    /// The number of webhooks whose delivery was started.
    pub(super) posted: u64,
    pub(super) journal: Journal,
}

/// One call.
pub(super) struct Leg {
    pub(super) record: OutboundCall,
    pub(super) order: Order,
    pub(super) commands: UnboundedSender<Command>,
    /// Reordered callbacks that wait for the next one to be sent first.
    pub(super) held: Vec<OutgoingWebhook>,
    /// The number of earlier calls to the same number.
    pub(super) nth: usize,
    /// The number of callbacks that were sent.
    pub(super) sent: u32,
}

/// A call in the journal.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredCall {
    pub(super) record: OutboundCall,
    pub(super) order: Order,
    pub(super) nth: usize,
    pub(super) sent: u32,
}

/// An input to a call.
pub(super) enum Command {
    /// The phone is picked up.
    PickUp,
    /// A key is pressed on the phone.
    Key(char),
    /// The phone's owner hangs up, or rejects the call.
    HangUp,
    /// The API ends it, with this status.
    Stop(Status),
    /// The API replaces the document.
    Redirect(Source),
    /// The response to the request with this number.
    Reply(u64, Box<RequestRecord>),
}

impl State {
    pub(in super::super) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed ^ 0x7411_1011),
            numbers: OUR_NUMBERS.map(str::to_owned).to_vec(),
            api_key: (API_KEY.0.to_owned(), API_KEY.1.to_owned()),
            balance: "25.00".to_owned(),
            legs: Vec::new(),
            next_start: Timestamp::from_millis(0),
            faults: CallFaults::default(),
            scripted_create: VecDeque::new(),
            scripted_api: Vec::new(),
            scripted_webhooks: Vec::new(),
            requests: Vec::new(),
            webhooks: Vec::new(),
            unexpected: Vec::new(),
            posted: 0,
            journal: Journal::default(),
        }
    }

    pub(super) fn leg(&self, call: CallId) -> Option<&Leg> {
        self.legs.get(call.index())
    }

    pub(super) fn leg_mut(&mut self, call: CallId) -> Option<&mut Leg> {
        self.legs.get_mut(call.index())
    }

    pub(super) fn leg_by_sid(&self, sid: &str) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.record.sid == sid)
    }

    /// Writes the current state of a call to the journal.
    pub(super) fn store(&self, call: CallId) {
        let Some(leg) = self.leg(call) else { return };
        let stored = StoredCall {
            record: leg.record.clone(),
            order: leg.order.clone(),
            nth: leg.nth,
            sent: leg.sent,
        };
        self.journal.put(CALLS, &format!("{:020}", call.index()), &stored);
    }

    /// The planned or random fault of the current request of this kind, if any.
    pub(super) fn api_fault(&mut self, endpoint: Endpoint) -> Option<ApiFault> {
        if let Some(fault) = take_planned(&mut self.scripted_api, |target| *target == endpoint) {
            return Some(fault);
        }
        let probability = match endpoint {
            Endpoint::Read => self.faults.read,
            Endpoint::Update => self.faults.update,
        };
        self.rng.chance(probability).then(|| ApiFault::random(&mut self.rng))
    }

    /// The planned or random fault of the current create request, if any.
    pub(super) fn create_fault(&mut self) -> Option<CreateFault> {
        if let Some(fault) = self.scripted_create.pop_front() {
            return Some(fault);
        }
        let rng = &mut self.rng;
        let mut faults = self.faults.create.iter();
        let drawn = faults.find(|(probability, _)| rng.chance(*probability));
        drawn
            .map(|(_, fault)| *fault)
            .or(self.faults.no_money.map(CreateFault::NoMoney))
    }
}
