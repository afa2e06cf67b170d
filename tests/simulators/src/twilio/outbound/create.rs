//! `POST /Calls.json`: creates a call, which waits in the queue and then starts (twilio/CONTRACT.md 1.2, 1.6).

use std::time::Duration;

use patchbay::clock::Timestamp;
use patchbay::http::Request;
use patchbay::providers::twilio::webhook::Form;
use tokio::sync::mpsc;

use super::super::Twilio;
use super::api::{DelayedReply, Reply, error, internal_error, refused, too_many_requests, unauthorized};
use super::call::Call;
use super::faults::CreateFault;
use super::order::{Order, Reader};
use super::records::{OutboundCall, Status, Unexpected};
use super::state::{CALLS, Leg, StoredCall};
use crate::exchange::{CallId, PhoneEventKind};
use crate::journal::JournalError;
use crate::phones::Behavior;
use crate::script_runner::later_by;

/// Extra delay of a response that the first callbacks overtake. The first callbacks are sent within this time.
const OVERTAKEN: Duration = Duration::from_millis(2_500);
/// Between the response and the start of the call.
const BEGINS_AFTER: Duration = Duration::from_millis(150);

impl Twilio {
    pub(super) fn create(&self, request: &Request, account: &str) -> DelayedReply {
        let fault = self.outbound().create_fault();
        match fault {
            Some(CreateFault::NotSent) => return Reply::NotSent.into(),
            Some(CreateFault::NoAnswer { placed: false }) => return Reply::NoAnswer.into(),
            Some(CreateFault::Reset { placed: false }) => return Reply::Reset.into(),
            Some(CreateFault::TooManyRequests) => return too_many_requests().into(),
            Some(CreateFault::InternalError { placed: false }) => return internal_error().into(),
            Some(CreateFault::Unavailable { placed: false }) => return Reply::Garbage(503).into(),
            _ => {}
        }
        if fault == Some(CreateFault::Unauthorized) || !self.is_authenticated(request, account) {
            return unauthorized().into();
        }
        let order = match self.read_order(request) {
            Ok(order) => order,
            Err(refusal) => return refusal.into(),
        };
        match fault {
            Some(CreateFault::Refused(code)) => return error(400, code, "This call is rejected").into(),
            Some(CreateFault::NoMoney(code)) => {
                let status = self.switches().calls.no_money_status;
                return error(status, code, "Account is not active").into();
            }
            _ => {}
        }
        let overtaken = fault == Some(CreateFault::WebhookFirst);
        let Some(starts_at) = self.queue_slot(overtaken) else {
            let status = self.switches().calls.queue_full_status;
            return error(status, 22_005, "The call queue is full").into();
        };
        let record = self.place(order, starts_at);
        match fault {
            Some(CreateFault::NoAnswer { .. }) => Reply::NoAnswer.into(),
            Some(CreateFault::Reset { .. }) => Reply::Reset.into(),
            Some(CreateFault::InternalError { .. }) => internal_error().into(),
            Some(CreateFault::Unavailable { .. }) => Reply::Garbage(503).into(),
            Some(CreateFault::Malformed) => Reply::Garbage(201).into(),
            _ => DelayedReply {
                reply: Reply::Json(201, self.call_json(&record, None)),
                delay: if overtaken { OVERTAKEN } else { Duration::ZERO },
            },
        }
    }

    fn read_order(&self, request: &Request) -> Result<Order, Reply> {
        let form = Form::parse(request.body());
        let (switches, numbers) = (self.switches(), self.outbound().numbers.clone());
        let mut reader = Reader::new(&form, &switches);
        let order = reader.read(&numbers);
        self.record_ignored(reader.ignored);
        order.map_err(refused)
    }

    /// Records fields without effect.
    pub(super) fn record_ignored(&self, ignored: Vec<String>) {
        let at = self.now();
        let noted = ignored.into_iter().map(|what| Unexpected::Field { at, what });
        self.outbound().unexpected.extend(noted);
    }

    /// When a call that is created now leaves the queue; `None` if the queue is full.
    fn queue_slot(&self, at_once: bool) -> Option<Timestamp> {
        let (now, switches) = (self.now(), self.switches().calls);
        let mut state = self.outbound();
        let queued = state
            .legs
            .iter()
            .filter(|leg| leg.record.status() == Status::Queued)
            .count();
        if queued >= switches.queue_capacity {
            return None;
        }
        let after = if at_once {
            Duration::ZERO
        } else {
            switches.response_time + BEGINS_AFTER
        };
        let slot = later_by(now, after).max(state.next_start);
        state.next_start = later_by(slot, switches.call_interval);
        Some(slot)
    }

    /// Creates the call.
    fn place(&self, order: Order, starts_at: Timestamp) -> OutboundCall {
        let nth = self.0.exchange.next_call_to(&order.to);
        let sid = format!("CA{}", self.new_id());
        let id = CallId(self.outbound().legs.len());
        let now = self.now();
        let record = OutboundCall {
            id,
            sid,
            to: order.to.clone(),
            from: order.from.clone(),
            created_at: now,
            dialed_at: None,
            answered_at: None,
            ended_at: None,
            statuses: vec![(now, Status::Queued)],
            heard: Vec::new(),
            keys: Vec::new(),
            submitted_digits: Vec::new(),
            status_url: order.status_url.clone(),
            answered_by: None,
            ended_by: None,
            failures: Vec::new(),
        };
        let stored = StoredCall {
            record: record.clone(),
            order,
            nth,
            sent: 0,
        };
        self.connect(stored, starts_at);
        self.outbound().store(id);
        record
    }

    /// Restores calls from the journal. Ended calls can be looked up; live calls start again: the line died with the
    /// old process, so the phone rings again for the same call.
    pub(super) fn restore_calls(&self) -> Result<(), JournalError> {
        let journal = self.outbound().journal.clone();
        for (_, mut stored) in journal.all::<StoredCall>(CALLS)? {
            let record = &mut stored.record;
            if record.ended_at.is_none() {
                *record = OutboundCall {
                    dialed_at: None,
                    answered_at: None,
                    statuses: vec![(self.now(), Status::Queued)],
                    heard: Vec::new(),
                    keys: Vec::new(),
                    submitted_digits: Vec::new(),
                    answered_by: None,
                    ..record.clone()
                };
            }
            self.connect(stored, later_by(self.now(), BEGINS_AFTER));
        }
        Ok(())
    }

    /// Adds a call to its line, and starts it unless it has ended.
    fn connect(&self, stored: StoredCall, starts_at: Timestamp) {
        let StoredCall {
            record,
            order,
            nth,
            sent,
        } = stored;
        let (commands, received) = mpsc::unbounded_channel();
        let (id, to, is_over) = (record.id, record.to.clone(), record.ended_at.is_some());
        self.outbound().legs.push(Leg {
            record,
            order: order.clone(),
            commands,
            held: Vec::new(),
            nth,
            sent,
        });
        if is_over {
            self.0.exchange.record_call(&to, nth);
            return;
        }
        let behavior = self.0.exchange.start_call(&to, nth).unwrap_or_else(|| {
            let at = self.now();
            self.outbound().unexpected.push(Unexpected::Call { at, to });
            Behavior::NeverPicksUp
        });
        self.emit(id, PhoneEventKind::Created);
        tokio::spawn(Call::new(self.clone(), id, order, behavior, received).run(starts_at));
    }
}
