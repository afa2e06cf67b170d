//! The state of the simulator, behind its lock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use patchbay::clock::Timestamp;
use patchbay::http::HttpClient;
use patchbay::phone::PhoneNumber;

use super::faults::{CreateFault, Faults, ReadFault, Target};
use super::habits::{Habit, Mobiles};
use super::records::{ApiRequest, Incoming, Message, OptOut, Unexpected, Webhook, WebhookKind};
use super::webhooks::Outgoing;
use crate::exchange::Provider;
use crate::rng::Rng;
use crate::webhook_faults::{DrawnFaults, WebhookFault, take_planned};

/// Our address and that of a customer.
pub(super) type Pair = (String, String);

#[derive(Default)]
pub(super) struct Scripted {
    pub(super) create: VecDeque<CreateFault>,
    pub(super) read: VecDeque<ReadFault>,
    pub(super) webhooks: Vec<(Target, WebhookFault)>,
}

pub(super) struct State {
    pub(super) rng: Rng,
    pub(super) mobiles: Mobiles,
    pub(super) faults: Faults,
    pub(super) scripted: Scripted,
    pub(super) client: Option<HttpClient>,
    pub(super) incoming_urls: BTreeMap<Provider, String>,
    pub(super) senders: Vec<String>,
    pub(super) messages: Vec<Message>,
    /// The habit of each message.
    pub(super) habits: Vec<Habit>,
    pub(super) incoming: Vec<Incoming>,
    pub(super) opt_outs: Vec<OptOut>,
    /// The customers to whom Twilio refuses to send.
    pub(super) refused: BTreeSet<Pair>,
    /// When a customer last wrote to one of our `WhatsApp` numbers.
    pub(super) windows: BTreeMap<Pair, Timestamp>,
    /// How many messages each number has got so far.
    pub(super) counts: BTreeMap<String, usize>,
    /// Reordered callbacks that wait for the next one of their message to be sent first.
    pub(super) held: BTreeMap<usize, Vec<Outgoing>>,
    pub(super) requests: Vec<ApiRequest>,
    pub(super) webhooks: Vec<Webhook>,
    pub(super) unexpected: Vec<Unexpected>,
    /// Messages on their way, and answers that are being written.
    pub(super) pending: usize,
}

impl State {
    pub(super) fn new(mobiles: Mobiles, senders: Vec<String>, seed: u64) -> Self {
        Self {
            rng: Rng::new(seed ^ 0x0005_3515),
            mobiles,
            faults: Faults::default(),
            scripted: Scripted::default(),
            client: None,
            incoming_urls: BTreeMap::new(),
            senders,
            messages: Vec::new(),
            habits: Vec::new(),
            incoming: Vec::new(),
            opt_outs: Vec::new(),
            refused: BTreeSet::new(),
            windows: BTreeMap::new(),
            counts: BTreeMap::new(),
            held: BTreeMap::new(),
            requests: Vec::new(),
            webhooks: Vec::new(),
            unexpected: Vec::new(),
            pending: 0,
        }
    }

    /// The planned or random fault of the current request to send a message.
    pub(super) fn create_fault(&mut self) -> Option<CreateFault> {
        if let Some(fault) = self.scripted.create.pop_front() {
            return Some(fault);
        }
        let rng = &mut self.rng;
        let mut faults = self.faults.create.iter();
        faults
            .find(|(probability, _)| rng.chance(*probability))
            .map(|(_, fault)| *fault)
    }

    /// The planned or random fault of the current lookup or list.
    pub(super) fn read_fault(&mut self) -> Option<ReadFault> {
        if let Some(fault) = self.scripted.read.pop_front() {
            return Some(fault);
        }
        let probability = self.faults.read;
        self.rng.chance(probability).then(|| ReadFault::random(&mut self.rng))
    }

    pub(super) fn webhook_faults(&mut self, kind: WebhookKind) -> DrawnFaults {
        if let Some(fault) = take_planned(&mut self.scripted.webhooks, |target| target.fits(kind)) {
            return fault.into();
        }
        let faults = match kind {
            WebhookKind::Status(_) => &self.faults.status,
            WebhookKind::Incoming => &self.faults.incoming,
        };
        faults.draw(&mut self.rng)
    }

    /// What happens to the next message to a number. A number without habits is unexpected: nobody has it.
    pub(super) fn next_habit(&mut self, number: &PhoneNumber) -> Habit {
        let nth = self.counts.get(number.as_str()).copied().unwrap_or_default();
        self.mobiles
            .habit(number, nth)
            .cloned()
            .unwrap_or(Habit::only(super::habits::Delivery::Unknown))
    }

    /// Adds a message, and returns its index.
    pub(super) fn add(&mut self, message: Message, number: &PhoneNumber) -> usize {
        let habit = self.next_habit(number);
        if self.mobiles.habit(number, 0).is_none() {
            self.unexpected.push(Unexpected::Number(message.to.clone()));
        }
        *self.counts.entry(message.to.clone()).or_default() += 1;
        self.messages.push(message);
        self.habits.push(habit);
        self.messages.len() - 1
    }

    pub(super) fn opt_out(&mut self, number: &str, at: Timestamp) {
        self.opt_outs.push(OptOut {
            number: number.to_owned(),
            at,
            known_at: None,
            lifted_at: None,
        });
    }

    /// Patchbay knows all opt-outs of a number up to a time.
    pub(super) fn opt_out_is_known(&mut self, number: &str, until: Timestamp, now: Timestamp) {
        let of_number = self.opt_outs.iter_mut().filter(|opt_out| opt_out.number == number);
        for opt_out in of_number.filter(|opt_out| opt_out.at <= until) {
            opt_out.known_at.get_or_insert(now);
        }
    }

    pub(super) fn lift_opt_outs(&mut self, number: &str, now: Timestamp) {
        let of_number = self.opt_outs.iter_mut().filter(|opt_out| opt_out.number == number);
        for opt_out in of_number {
            opt_out.lifted_at.get_or_insert(now);
        }
    }
}
