//! The state of the simulator, behind its lock.

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
use super::webhooks::OutgoingWebhook;
use super::{APPLICATION_ID, APPLICATION_SECRET};
use crate::exchange::CallId;
use crate::journal::Journal;
use crate::rng::Rng;
use crate::script_runner::later_by;
use crate::webhook_faults::WebhookFault;
use crate::webhook_faults::take_planned;

/// The journal section of calls.
pub(super) const CALLS: &str = "routee/call";

pub(super) struct State {
    pub(super) rng: Rng,
    pub(super) credentials: (String, String),
    pub(super) tokens: Vec<Token>,
    pub(super) client: Option<HttpClient>,
    pub(super) legs: Vec<Leg>,
    /// When the last create request passed the rate limit.
    pub(super) last_create: Option<Timestamp>,
    pub(super) faults: Faults,
    pub(super) scripted_create: VecDeque<CreateFault>,
    pub(super) scripted_api: Vec<(Endpoint, ApiFault)>,
    pub(super) scripted_webhooks: Vec<(Target, WebhookFault)>,
    pub(super) requests: Vec<RequestRecord>,
    pub(super) webhooks: Vec<WebhookRecord>,
    pub(super) unexpected: Vec<Unexpected>,
    /// The number of webhooks whose delivery was started.
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
    /// Whether a machine picked up; `None` before the answer.
    pub(super) machine: Option<bool>,
    pub(super) tones: Tones,
    pub(super) commands: UnboundedSender<Command>,
    /// Reordered webhooks that wait for the next one to be sent first.
    pub(super) held: Vec<OutgoingWebhook>,
    /// The create request.
    pub(super) request: Value,
    /// The number of earlier calls to the same number.
    pub(super) nth: usize,
}

/// A call in the journal.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredCall {
    pub(super) record: CallRecord,
    pub(super) request: Value,
    pub(super) nth: usize,
    pub(super) machine: Option<bool>,
    pub(super) tones: Tones,
}

/// An input to a call.
pub(super) enum Command {
    /// The phone is picked up.
    PickUp,
    /// A key is pressed on the phone.
    Key(char),
    /// The phone's owner hangs up, or rejects the call.
    HangUp,
    /// `hangup` through the API.
    ApiHangup,
    /// `reject` through the API.
    ApiReject,
    /// The reply to an event; `None` if it was not a valid plan or came too late.
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

    /// Writes the current state of a call to the journal.
    pub(super) fn store(&self, call: CallId) {
        let Some(leg) = self.leg(call) else { return };
        let stored = StoredCall {
            record: leg.record.clone(),
            request: leg.request.clone(),
            nth: leg.nth,
            machine: leg.machine,
            tones: leg.tones.clone(),
        };
        self.journal.put(CALLS, &format!("{:020}", call.index()), &stored);
    }

    pub(super) fn leg_by_message(&self, message_id: &str) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.record.message_id == message_id)
    }

    pub(super) fn leg_by_tracking(&self, tracking_id: &str) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.record.tracking_id == tracking_id)
    }

    /// The planned or random fault of the current request of this kind, if any.
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

    /// The planned or random fault of the current create request, if any.
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
    /// The status that tracking shows at `now`, and its time.
    pub(super) fn tracked_status(&self, now: Timestamp, lag: Duration) -> (Timestamp, Status) {
        let mut statuses = self.record.statuses.iter().rev().copied();
        let last = statuses.next().unwrap_or((self.record.created_at, Status::Queued));
        let lags = self
            .record
            .ended_at
            .is_some_and(|ended_at| now < later_by(ended_at, lag));
        if lags { statuses.next().unwrap_or(last) } else { last }
    }

    /// `AnsweredCall` time until `now` or the end, in seconds, rounded up.
    pub(super) fn seconds(&self, now: Timestamp) -> u64 {
        let Some(answered_at) = self.record.answered_at else {
            return 0;
        };
        let spoken = self.record.ended_at.unwrap_or(now).since(answered_at);
        u64::try_from(spoken.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
    }
}

/// The price of `seconds` of talk time.
pub(super) fn price(seconds: u64) -> f64 {
    // In thousandths, so that the JSON number is short.
    f64::from(u32::try_from(seconds).unwrap_or(u32::MAX)) / 1000.0
}
