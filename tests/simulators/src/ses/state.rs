//! The state of the simulator, behind its lock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use patchbay::clock::Timestamp;
use patchbay::http::HttpClient;

use super::mailboxes::{Fate, Habit, Mailboxes};
use super::records::{ApiRequest, Click, Email, Mail, OptOut, Publication};
use super::switches::{EventShape, Faults, SendFault};
use super::{CONFIGURATION_SET, DOMAIN, Invoke};
use crate::rng::Rng;
use crate::webhook_faults::{DrawnFaults, WebhookFault, take_planned};

/// Where events are published.
#[derive(Clone)]
pub(super) enum Destination {
    Url(String, EventShape),
    Function(Invoke, EventShape),
}

pub(super) struct State {
    pub(super) rng: Rng,
    pub(super) mailboxes: Mailboxes,
    pub(super) faults: Faults,
    pub(super) scripted_send: VecDeque<SendFault>,
    pub(super) scripted_events: Vec<(&'static str, WebhookFault)>,
    pub(super) client: Option<HttpClient>,
    pub(super) destination: Option<Destination>,
    pub(super) receiver: Option<Invoke>,
    pub(super) identities: BTreeSet<String>,
    pub(super) configuration_sets: BTreeSet<String>,
    /// The suppression list, with the reasons.
    pub(super) suppressed: BTreeMap<String, String>,
    pub(super) emails: Vec<Email>,
    pub(super) mails: Vec<Mail>,
    pub(super) opt_outs: Vec<OptOut>,
    pub(super) clicks: Vec<Click>,
    pub(super) publications: Vec<Publication>,
    pub(super) requests: Vec<ApiRequest>,
    pub(super) unexpected: Vec<String>,
    /// Mails on their way, and answers that are being written.
    pub(super) pending: usize,
}

impl State {
    pub(super) fn new(mailboxes: Mailboxes, seed: u64) -> Self {
        Self {
            rng: Rng::new(seed ^ 0x0005_e500),
            mailboxes,
            faults: Faults::default(),
            scripted_send: VecDeque::new(),
            scripted_events: Vec::new(),
            client: None,
            destination: None,
            receiver: None,
            identities: [DOMAIN.to_owned()].into(),
            configuration_sets: [CONFIGURATION_SET.to_owned()].into(),
            suppressed: BTreeMap::new(),
            emails: Vec::new(),
            mails: Vec::new(),
            opt_outs: Vec::new(),
            clicks: Vec::new(),
            publications: Vec::new(),
            requests: Vec::new(),
            unexpected: Vec::new(),
            pending: 0,
        }
    }

    /// The planned or random fault of the current request to send a mail.
    pub(super) fn send_fault(&mut self) -> Option<SendFault> {
        if let Some(fault) = self.scripted_send.pop_front() {
            return Some(fault);
        }
        let rng = &mut self.rng;
        let mut faults = self.faults.send.iter();
        faults
            .find(|(probability, _)| rng.chance(*probability))
            .map(|(_, fault)| *fault)
    }

    pub(super) fn event_faults(&mut self, kind: &'static str) -> DrawnFaults {
        match take_planned(&mut self.scripted_events, |target| *target == kind) {
            Some(fault) => fault.into(),
            None => self.faults.events.draw(&mut self.rng),
        }
    }

    /// What happens to mail to an address. Mail to one without a habit is unexpected, and vanishes.
    pub(super) fn habit(&mut self, address: &str) -> Habit {
        if let Some(habit) = self.mailboxes.habit(address) {
            return habit.clone();
        }
        self.unexpected.push(format!("mail to {address}"));
        Habit::only(Fate::Vanishes)
    }

    /// Whether an address, or its domain, is verified.
    pub(super) fn is_verified(&self, address: &str) -> bool {
        let address = address.to_ascii_lowercase();
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        self.identities.contains(&address) || self.identities.contains(domain)
    }

    /// Adds an opt-out, and returns its index.
    pub(super) fn opt_out(&mut self, address: &str, at: Timestamp) -> usize {
        self.opt_outs.push(OptOut {
            address: address.to_owned(),
            at,
            known_at: None,
        });
        self.opt_outs.len() - 1
    }

    /// Patchbay knows of an opt-out.
    pub(super) fn opt_out_is_known(&mut self, index: usize, now: Timestamp) {
        if let Some(opt_out) = self.opt_outs.get_mut(index) {
            opt_out.known_at.get_or_insert(now);
        }
    }
}
