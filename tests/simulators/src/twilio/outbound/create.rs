//! `POST /Calls.json`: a call is ordered, waits for its turn and begins (`twilio.md` 1.2, 1.6).

use std::time::Duration;

use patchbay::clock::Timestamp;
use patchbay::http::Request;
use patchbay::providers::twilio::webhook::Form;
use tokio::sync::mpsc;

use super::super::Twilio;
use super::api::{Answer, Reply, error, internal_error, refused, too_many_requests, unauthorized};
use super::call::Call;
use super::faults::CreateFault;
use super::order::{Order, Reader};
use super::records::{OutboundCall, Status, Unexpected};
use super::state::{CALLS, KeptCall, Leg};
use crate::exchange::{CallId, Happening};
use crate::hand::later_by;
use crate::journal::JournalError;
use crate::phones::Behaviour;

/// How much later a response arrives that is overtaken by a callback: the first ones are out by then.
const OVERTAKEN: Duration = Duration::from_millis(2_500);
/// After the response, Twilio takes a moment to begin.
const BEGINS_AFTER: Duration = Duration::from_millis(150);

impl Twilio {
    pub(super) fn create(&self, request: &Request, account: &str) -> Answer {
        let fault = self.out().create_fault();
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
            Some(CreateFault::Refused(code)) => return error(400, code, "This call is refused").into(),
            Some(CreateFault::NoMoney(code)) => {
                let status = self.switches().calls.no_money_status;
                return error(status, code, "Account is not active").into();
            }
            _ => {}
        }
        let overtaken = fault == Some(CreateFault::WebhookFirst);
        let Some(starts_at) = self.turn(overtaken) else {
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
            _ => Answer {
                reply: Reply::Json(201, self.call_json(&record, None)),
                later: if overtaken { OVERTAKEN } else { Duration::ZERO },
            },
        }
    }

    fn read_order(&self, request: &Request) -> Result<Order, Reply> {
        let form = Form::parse(request.body());
        let (switches, numbers) = (self.switches(), self.out().numbers.clone());
        let mut reader = Reader::new(&form, &switches);
        let order = reader.read(&numbers);
        self.note(reader.ignored);
        order.map_err(refused)
    }

    /// Fields that had no effect.
    pub(super) fn note(&self, ignored: Vec<String>) {
        let at = self.now();
        let noted = ignored.into_iter().map(|what| Unexpected::Field { at, what });
        self.out().unexpected.extend(noted);
    }

    /// When a call that is created now leaves the queue; none when it is full.
    fn turn(&self, at_once: bool) -> Option<Timestamp> {
        let (now, switches) = (self.now(), self.switches().calls);
        let mut state = self.out();
        let queued = state
            .legs
            .iter()
            .filter(|leg| leg.record.status() == Status::Queued)
            .count();
        if queued >= switches.queue_holds {
            return None;
        }
        let after = if at_once {
            Duration::ZERO
        } else {
            switches.response_time + BEGINS_AFTER
        };
        let turn = later_by(now, after).max(state.next_start);
        state.next_start = later_by(turn, switches.call_interval);
        Some(turn)
    }

    /// The call exists from here on.
    fn place(&self, order: Order, starts_at: Timestamp) -> OutboundCall {
        let nth = self.0.exchange.next_call_to(&order.to);
        let sid = format!("CA{}", self.hex());
        let id = CallId(self.out().legs.len());
        let now = self.now();
        let record = OutboundCall {
            id,
            sid,
            to: order.to.clone(),
            from: order.from.clone(),
            created_at: now,
            dialled_at: None,
            answered_at: None,
            ended_at: None,
            statuses: vec![(now, Status::Queued)],
            heard: Vec::new(),
            keys: Vec::new(),
            told: Vec::new(),
            status_url: order.status_url.clone(),
            answered_by: None,
            ended_by: None,
            failures: Vec::new(),
        };
        let kept = KeptCall {
            record: record.clone(),
            order,
            nth,
            sent: 0,
        };
        self.connect(kept, starts_at);
        self.out().keep(id);
        record
    }

    /// Goes on with what the journal has: calls that are over can be read back, and those that are not begin again.
    /// Nobody is on the line when the process that was the network is gone, so the phone rings once more, for the same
    /// call.
    pub(super) fn connect_the_rest(&self) -> Result<(), JournalError> {
        let journal = self.out().journal.clone();
        for (_, mut kept) in journal.all::<KeptCall>(CALLS)? {
            let record = &mut kept.record;
            if record.ended_at.is_none() {
                *record = OutboundCall {
                    dialled_at: None,
                    answered_at: None,
                    statuses: vec![(self.now(), Status::Queued)],
                    heard: Vec::new(),
                    keys: Vec::new(),
                    told: Vec::new(),
                    answered_by: None,
                    ..record.clone()
                };
            }
            self.connect(kept, later_by(self.now(), BEGINS_AFTER));
        }
        Ok(())
    }

    /// Puts a call on its line, and lets it begin unless it is over.
    fn connect(&self, kept: KeptCall, starts_at: Timestamp) {
        let KeptCall {
            record,
            order,
            nth,
            sent,
        } = kept;
        let (commands, received) = mpsc::unbounded_channel();
        let (id, to, is_over) = (record.id, record.to.clone(), record.ended_at.is_some());
        self.out().legs.push(Leg {
            record,
            order: order.clone(),
            commands,
            held: Vec::new(),
            nth,
            sent,
        });
        if is_over {
            self.0.exchange.count(&to, nth);
            return;
        }
        let behaviour = self.0.exchange.begin(&to, nth).unwrap_or_else(|| {
            let at = self.now();
            self.out().unexpected.push(Unexpected::Call { at, to });
            Behaviour::NeverPicksUp
        });
        self.emit(id, Happening::Created);
        tokio::spawn(Call::new(self.clone(), id, order, behaviour, received).run(starts_at));
    }
}
