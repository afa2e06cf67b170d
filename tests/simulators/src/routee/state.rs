//! What the simulator keeps behind its lock.

use std::collections::VecDeque;
use std::time::Duration;

use patchbay::clock::Timestamp;
use patchbay::http::HttpClient;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::create::Callback;
use super::faults::{ApiFault, CreateFault, Endpoint, Faults, Target};
use super::plan::Plan;
use super::records::{CallRecord, RequestRecord, Status, Unexpected, WebhookRecord};
use super::tones::Tones;
use super::webhooks::Envelope;
use super::{APPLICATION_ID, APPLICATION_SECRET};
use crate::exchange::CallId;
use crate::hand::later_by;
use crate::journal::Journal;
use crate::mishaps::WebhookFault;
use crate::mishaps::take_planned;
use crate::rng::Rng;

/// Where the journal has calls.
pub(super) const CALLS: &str = "routee/call";

pub(super) struct State {
    pub(super) rng: Rng,
    pub(super) credentials: (String, String),
    pub(super) tokens: Vec<Token>,
    pub(super) client: Option<HttpClient>,
    pub(super) legs: Vec<Leg>,
    /// When the last create request passed the limiter.
    pub(super) last_create: Option<Timestamp>,
    pub(super) faults: Faults,
    pub(super) scripted_create: VecDeque<CreateFault>,
    pub(super) scripted_api: Vec<(Endpoint, ApiFault)>,
    pub(super) scripted_webhooks: Vec<(Target, WebhookFault)>,
    pub(super) requests: Vec<RequestRecord>,
    pub(super) webhooks: Vec<WebhookRecord>,
    pub(super) unexpected: Vec<Unexpected>,
    /// Webhooks that were posted so far.
    pub(super) posted: u64,
    pub(super) journal: Journal,
}

/// An access token.
pub(super) struct Token {
    pub(super) value: String,
    pub(super) expires_at: Timestamp,
}

/// One call.
pub(super) struct Leg {
    pub(super) record: CallRecord,
    pub(super) from: String,
    /// The create response, which is also the body of `GET /voice/conversation/{id}`.
    pub(super) echo: Value,
    pub(super) callback: Option<Callback>,
    /// Whether a machine picked up; none while nobody has.
    pub(super) machine: Option<bool>,
    pub(super) tones: Tones,
    pub(super) commands: UnboundedSender<Command>,
    /// Webhooks that wait for the next one to leave before them.
    pub(super) held: Vec<Envelope>,
    /// The create request.
    pub(super) request: Value,
    /// How many calls to the number there were before.
    pub(super) nth: usize,
}

/// A call as the journal has it.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptCall {
    pub(super) record: CallRecord,
    pub(super) request: Value,
    pub(super) nth: usize,
    pub(super) machine: Option<bool>,
    pub(super) tones: Tones,
}

/// What reaches a call from outside.
pub(super) enum Command {
    /// The phone is picked up.
    PickUp,
    /// A key is pressed on the phone.
    Key(char),
    /// The phone's owner hangs up, or rejects.
    HangUp,
    /// `hangup` through the API.
    ApiHangup,
    /// `reject` through the API.
    ApiReject,
    /// The reply to an event; none when it was not a valid plan, or came too late.
    Reply(Option<Plan>),
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            credentials: (APPLICATION_ID.to_owned(), APPLICATION_SECRET.to_owned()),
            tokens: Vec::new(),
            client: None,
            legs: Vec::new(),
            last_create: None,
            faults: Faults::default(),
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

    /// Writes down how far a call is.
    pub(super) fn keep(&self, call: CallId) {
        let Some(leg) = self.leg(call) else { return };
        let kept = KeptCall {
            record: leg.record.clone(),
            request: leg.request.clone(),
            nth: leg.nth,
            machine: leg.machine,
            tones: leg.tones.clone(),
        };
        self.journal.put(CALLS, &format!("{:020}", call.index()), &kept);
    }

    pub(super) fn leg_by_message(&self, message_id: &str) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.record.message_id == message_id)
    }

    pub(super) fn leg_by_tracking(&self, tracking_id: &str) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.record.tracking_id == tracking_id)
    }

    /// The fault that strikes a request of this kind, if one does.
    pub(super) fn api_fault(&mut self, endpoint: Endpoint) -> Option<ApiFault> {
        if let Some(fault) = take_planned(&mut self.scripted_api, |target| *target == endpoint) {
            return Some(fault);
        }
        let probability = match endpoint {
            Endpoint::Token => self.faults.token,
            Endpoint::Tracking => self.faults.tracking,
            Endpoint::Control => self.faults.control,
        };
        self.rng.chance(probability).then(|| ApiFault::random(&mut self.rng))
    }

    /// The fault that strikes a create request, if one does.
    pub(super) fn create_fault(&mut self) -> Option<CreateFault> {
        if let Some(fault) = self.scripted_create.pop_front() {
            return Some(fault);
        }
        let rng = &mut self.rng;
        let drawn = self
            .faults
            .create
            .iter()
            .find(|(probability, _)| rng.chance(*probability));
        drawn
            .map(|(_, fault)| *fault)
            .or(self.faults.out_of_money.map(CreateFault::OutOfMoney))
    }
}

impl Leg {
    /// The status that tracking shows at `now`.
    pub(super) fn tracked_status(&self, now: Timestamp, lag: Duration) -> (Timestamp, Status) {
        let mut statuses = self.record.statuses.iter().rev().copied();
        let last = statuses.next().unwrap_or((self.record.created_at, Status::Queued));
        let lags = self
            .record
            .ended_at
            .is_some_and(|ended_at| now < later_by(ended_at, lag));
        if lags { statuses.next().unwrap_or(last) } else { last }
    }

    /// Whole seconds on the phone until `now` or the end, begun ones counted.
    pub(super) fn seconds(&self, now: Timestamp) -> u64 {
        let Some(answered_at) = self.record.answered_at else {
            return 0;
        };
        let spoken = self.record.ended_at.unwrap_or(now).since(answered_at);
        u64::try_from(spoken.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
    }
}

/// What `seconds` on the phone cost.
pub(super) fn price(seconds: u64) -> f64 {
    // In thousandths, so that the number on the wire is short.
    f64::from(u32::try_from(seconds).unwrap_or(u32::MAX)) / 1000.0
}
