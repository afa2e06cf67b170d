//! What is kept behind the lock.

use std::collections::VecDeque;

use patchbay::clock::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use super::faults::{ApiFault, CallFaults, CreateFault, Endpoint, Target};
use super::order::{Order, Source};
use super::records::{ApiRequest, OutboundCall, Status, Unexpected, Webhook};
use super::webhooks::Envelope;
use super::{API_KEY, OUR_NUMBERS};
use crate::exchange::CallId;
use crate::journal::Journal;
use crate::mishaps::WebhookFault;
use crate::mishaps::take_planned;
use crate::rng::Rng;
use crate::twilio::RequestRecord;

/// Where the journal has calls.
pub(super) const CALLS: &str = "twilio/call";

/// Everything about calls to employees.
pub(in super::super) struct State {
    pub(super) rng: Rng,
    /// Whose numbers may be shown.
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
    /// Webhooks that were posted so far.
    pub(super) posted: u64,
    pub(super) journal: Journal,
}

/// One call.
pub(super) struct Leg {
    pub(super) record: OutboundCall,
    pub(super) order: Order,
    pub(super) commands: UnboundedSender<Command>,
    /// Callbacks that wait for the next one to leave before them.
    pub(super) held: Vec<Envelope>,
    /// How many calls to the number there were before.
    pub(super) nth: usize,
    /// Callbacks that were sent.
    pub(super) sent: u32,
}

/// A call as the journal has it.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptCall {
    pub(super) record: OutboundCall,
    pub(super) order: Order,
    pub(super) nth: usize,
    pub(super) sent: u32,
}

/// What reaches a call from outside.
pub(super) enum Command {
    /// The phone is picked up.
    PickUp,
    /// A key is pressed on the phone.
    Key(char),
    /// The phone's owner hangs up, or rejects.
    HangUp,
    /// The API ends it, with this status.
    Stop(Status),
    /// The API has something else spoken.
    Redirect(Source),
    /// The answer to the request of this number.
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

    /// Writes down how far a call is.
    pub(super) fn keep(&self, call: CallId) {
        let Some(leg) = self.leg(call) else { return };
        let kept = KeptCall {
            record: leg.record.clone(),
            order: leg.order.clone(),
            nth: leg.nth,
            sent: leg.sent,
        };
        self.journal.put(CALLS, &format!("{:020}", call.index()), &kept);
    }

    /// The fault that strikes a request of this kind, if one does.
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

    /// The fault that strikes a create request, if one does.
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
