//! `POST /voice/conversation`: creates a call (2).

use std::time::Duration;

use patchbay::clock::Timestamp;
use patchbay::http::Request;
use patchbay::phone::PhoneNumber;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Routee;
use super::api::{DelayedReply, Reply};
use super::auth::has_content_type;
use super::call::Call;
use super::faults::{CreateFault, OutOfMoney};
use super::fields::{Object, Problems};
use super::plan::{self, Plan, first_collect};
use super::records::{CallRecord, Status, Unexpected};
use super::state::{CALLS, Leg, StoredCall};
use super::switches::{DialPlanEcho, RateLimit, Strategy};
use super::tones::Tones;
use crate::exchange::{CallId, PhoneEventKind};
use crate::journal::JournalError;
use crate::phones::Behavior;

/// A valid create request.
pub(super) struct Order {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) plan: PlanSource,
    pub(super) callback: Option<Callback>,
    pub(super) ring_seconds: Option<u32>,
    pub(super) talk_seconds: Option<u32>,
    pub(super) machine: Option<OnVoicemail>,
}

/// The source of the first plan.
pub(super) enum PlanSource {
    Given(Plan),
    /// Fetched when the call is answered.
    At(String),
}

/// Where and when status callbacks are sent.
#[derive(Clone)]
pub(super) struct Callback {
    pub(super) url: String,
    pub(super) strategy: Strategy,
}

/// What happens when machine detection detects a machine.
#[derive(Clone)]
pub(super) enum OnVoicemail {
    HangUp,
    Continue(String),
}

/// Extra delay of a response that the first webhooks overtake. The first statuses are sent within this time.
const OVERTAKEN: Duration = Duration::from_millis(1500);

/// Between the response and the start of the call.
const BEGINS_AFTER: Duration = Duration::from_millis(150);

impl Routee {
    /// `POST /voice/conversation`.
    pub(super) fn create(&self, request: &Request) -> DelayedReply {
        let fault = self.lock().create_fault();
        match fault {
            Some(CreateFault::NotSent) => return Reply::NotSent.into(),
            Some(CreateFault::NoAnswer { placed: false }) => return Reply::NoAnswer.into(),
            Some(CreateFault::Unauthorized) => self.revoke_tokens(),
            _ => {}
        }
        if let Some(refusal) = self.bearer_problem(request) {
            return refusal.into();
        }
        match fault {
            Some(CreateFault::TooManyRequests) => return self.error(429, "000000", "Too many requests").into(),
            Some(CreateFault::BadRequest) => return self.invalid_because("to.phone", "is not valid").into(),
            Some(CreateFault::InternalError { placed: false }) => return self.internal_error().into(),
            Some(CreateFault::Unavailable { placed: false }) => return Reply::Garbage(503).into(),
            _ => {}
        }
        if let Some(refusal) = self.over_the_limit() {
            return refusal.into();
        }
        let (order, body) = match self.read_order(request) {
            Ok(read) => read,
            Err(problems) => return self.invalid(problems).into(),
        };
        let money = match fault {
            Some(CreateFault::OutOfMoney(OutOfMoney::Refused)) => {
                return self.error(400, "001009", "Insufficient Balance").into();
            }
            Some(CreateFault::OutOfMoney(money)) => Some(money),
            _ => None,
        };
        let overtaken = fault == Some(CreateFault::WebhookFirst);
        let starts_after = if overtaken {
            Duration::ZERO
        } else {
            self.0.switches.response_time + BEGINS_AFTER
        };
        let echo = self.place(order, body, money, starts_after);
        match fault {
            Some(CreateFault::NoAnswer { .. }) => Reply::NoAnswer.into(),
            Some(CreateFault::InternalError { .. }) => self.internal_error().into(),
            Some(CreateFault::Unavailable { .. }) => Reply::Garbage(503).into(),
            Some(CreateFault::Malformed) => Reply::Garbage(200).into(),
            _ => DelayedReply {
                reply: Reply::Json(200, echo),
                delay: if overtaken { OVERTAKEN } else { Duration::ZERO },
            },
        }
    }

    /// Enforces the limit of one request per second (7).
    fn over_the_limit(&self) -> Option<Reply> {
        let now = self.now();
        let mut state = self.lock();
        let too_soon = state.last_create.is_some_and(|last| now < last.plus_seconds(1));
        let status = match self.0.switches.rate_limit {
            RateLimit::TooManyRequests => 429,
            RateLimit::BadRequest => 400,
            RateLimit::Conflict => 409,
            RateLimit::Off => return None,
        };
        if too_soon {
            return Some(self.error(status, "000000", "Too many requests"));
        }
        state.last_create = Some(now);
        None
    }

    fn read_order(&self, request: &Request) -> Result<(Order, Value), Problems> {
        let mut problems = Problems::new(self.0.switches.refuses_unknown_fields);
        if !has_content_type(request, "application/json") {
            problems.add("body", "must be application/json");
            return Err(problems);
        }
        let Ok(body) = serde_json::from_slice::<Value>(request.body()) else {
            problems.add("body", "is not JSON");
            return Err(problems);
        };
        let order = self.check_order(&body, &mut problems);
        match order {
            Some(order) if problems.is_empty() => Ok((order, body)),
            _ => Err(problems),
        }
    }

    /// Reports all problems of the request, not only the first.
    fn check_order(&self, body: &Value, problems: &mut Problems) -> Option<Order> {
        let order = Object::parse("", body, problems)?;
        let fields = [
            "from",
            "to",
            "dialPlan",
            "dialPlanUrl",
            "callback",
            "hangupDelay",
            "maxDuration",
        ];
        order.reject_unknown(&[fields.as_slice(), &["machineDetection"]].concat(), problems);
        let from = order.required_text("from", problems);
        if from.is_some_and(|from| from.chars().count() > 16) {
            problems.add("from", "may not be longer than 16 characters");
        }
        let to = read_destination(&order, problems);
        let plan = read_plan_source(&order, problems);
        let callback = self.read_callback(&order, problems);
        let ring_seconds = order.integer("hangupDelay", &(1..=60), problems);
        let talk_seconds = order.integer("maxDuration", &(1..=i64::from(u32::MAX)), problems);
        let machine = order.object("machineDetection", problems).and_then(|detection| {
            match detection.choice("strategy", &["Hangup", "Continue"], problems) {
                Some("Continue") => detection
                    .url("eventUrl", problems)
                    .map(OnVoicemail::Continue)
                    .or_else(|| {
                        problems.add(detection.path("eventUrl"), "may not be empty");
                        None
                    }),
                Some(_) => Some(OnVoicemail::HangUp),
                None => {
                    problems.add(detection.path("strategy"), "may not be empty");
                    None
                }
            }
        });
        Some(Order {
            from: from?.to_owned(),
            to: to?,
            plan: plan?,
            callback,
            ring_seconds: ring_seconds.and_then(|seconds| u32::try_from(seconds).ok()),
            talk_seconds: talk_seconds.and_then(|seconds| u32::try_from(seconds).ok()),
            machine,
        })
    }

    fn read_callback(&self, order: &Object<'_>, problems: &mut Problems) -> Option<Callback> {
        let callback = order.object("callback", problems)?;
        callback.reject_unknown(&["url", "strategy"], problems);
        let strategy = match callback.choice("strategy", &["OnChange", "OnCompletion"], problems) {
            Some("OnCompletion") => Strategy::OnCompletion,
            Some(_) => Strategy::OnChange,
            None => self.0.switches.default_strategy,
        };
        callback.required_text("url", problems)?;
        Some(Callback {
            url: callback.url("url", problems)?,
            strategy,
        })
    }

    /// Creates the call and returns the body of the response.
    fn place(&self, order: Order, request: Value, money: Option<OutOfMoney>, starts_after: Duration) -> Value {
        let now = self.now();
        let nth = self.0.exchange.next_call_to(&order.to);
        let stored = {
            let mut guard = self.lock();
            let state = &mut *guard;
            let id = CallId(state.legs.len());
            StoredCall {
                record: new_record(&order, id, now, (state.rng.uuid(), state.rng.uuid())),
                request,
                nth,
                machine: None,
                tones: Tones::default(),
            }
        };
        let id = stored.record.id;
        let echo = self.connect(order, stored, money, starts_after);
        self.lock().store(id);
        echo
    }

    /// Restores calls from the journal. Ended calls can be looked up; live calls start again: the line died with the
    /// old process, so the phone rings again for the same call.
    pub(super) fn restore_calls(&self) -> Result<(), JournalError> {
        let journal = self.lock().journal.clone();
        for (_, mut stored) in journal.all::<StoredCall>(CALLS)? {
            let mut problems = Problems::new(false);
            let Some(order) = self.check_order(&stored.request, &mut problems) else {
                return Err(JournalError::other_version(CALLS));
            };
            let record = &mut stored.record;
            if record.ended_at.is_none() {
                *record = CallRecord {
                    answered_at: None,
                    statuses: vec![(self.now(), Status::Queued)],
                    heard: Vec::new(),
                    keys: Vec::new(),
                    ..record.clone()
                };
                (stored.machine, stored.tones) = (None, Tones::default());
            }
            self.connect(order, stored, None, BEGINS_AFTER);
        }
        Ok(())
    }

    /// Adds a call to its line, and starts it unless it has ended.
    fn connect(&self, order: Order, stored: StoredCall, money: Option<OutOfMoney>, starts_after: Duration) -> Value {
        let StoredCall {
            record,
            request,
            nth,
            machine,
            tones,
        } = stored;
        let (commands, received) = mpsc::unbounded_channel();
        let echo = self.echo(request.clone(), &record);
        let (id, is_over) = (record.id, record.ended_at.is_some());
        let mut guard = self.lock();
        let state = &mut *guard;
        state.legs.push(Leg {
            record,
            from: order.from.clone(),
            echo: echo.clone(),
            callback: order.callback.clone(),
            machine,
            tones,
            commands,
            held: Vec::new(),
            request,
            nth,
        });
        if is_over {
            self.0.exchange.record_call(&order.to, nth);
            return echo;
        }
        let behavior = self.0.exchange.start_call(&order.to, nth).unwrap_or_else(|| {
            state.unexpected.push(Unexpected::Call {
                at: self.now(),
                to: order.to.clone(),
            });
            Behavior::NeverPicksUp
        });
        drop(guard);
        self.emit(id, PhoneEventKind::Created);
        tokio::spawn(Call::new(self.clone(), id, order, behavior, money, received).run(starts_after));
        echo
    }

    /// The response: the request with the id of the conversation, without any data of the call leg (2.2).
    fn echo(&self, body: Value, record: &CallRecord) -> Value {
        let mut echo = body;
        if let Some(map) = echo.as_object_mut() {
            if self.0.switches.dial_plan_echo == DialPlanEcho::DialPlans
                && let Some(plan) = map.remove("dialPlan")
            {
                map.insert("dialPlans".to_owned(), json!([plan]));
            }
            map.insert("trackingId".to_owned(), record.tracking_id.clone().into());
            map.insert("direction".to_owned(), "Outbound".into());
            map.insert("createdAt".to_owned(), self.date(record.created_at).into());
        }
        self.to_wire(echo)
    }
}

fn new_record(order: &Order, id: CallId, now: Timestamp, (tracking_id, message_id): (String, String)) -> CallRecord {
    let collect_url = match &order.plan {
        PlanSource::Given(plan) => first_collect(plan).and_then(|collect| collect.event_url.clone()),
        PlanSource::At(_) => None,
    };
    CallRecord {
        id,
        tracking_id,
        message_id,
        to: order.to.clone(),
        created_at: now,
        answered_at: None,
        ended_at: None,
        statuses: vec![(now, Status::Queued)],
        heard: Vec::new(),
        keys: Vec::new(),
        status_url: order.callback.as_ref().map(|callback| callback.url.clone()),
        collect_url,
        ended_by: None,
    }
}

/// Reads `to`, which must be exactly one of a phone number, a SIP address and a Viber number.
fn read_destination(order: &Object<'_>, problems: &mut Problems) -> Option<String> {
    let Some(value) = order.get("to") else {
        problems.add("to", "may not be empty");
        return None;
    };
    let to = Object::parse("to", value, problems)?;
    to.reject_unknown(&["phone", "sip", "viber"], problems);
    let kinds = ["phone", "sip", "viber"];
    let given: Vec<&str> = kinds.into_iter().filter(|kind| to.get(kind).is_some()).collect();
    let [kind] = given.as_slice() else {
        problems.add("to", "must have exactly one of phone, sip, viber");
        return None;
    };
    let text = to.required_text(kind, problems)?;
    // Strict: separators or a missing plus are rejected.
    if *kind == "phone" && !PhoneNumber::parse(text).is_ok_and(|number| number.as_str() == text) {
        problems.add("to.phone", "must be an E.164 number");
        return None;
    }
    Some(text.to_owned())
}

/// Reads the plan: exactly one of `dialPlan` and `dialPlanUrl`.
fn read_plan_source(order: &Object<'_>, problems: &mut Problems) -> Option<PlanSource> {
    match (order.get("dialPlan"), order.get("dialPlanUrl")) {
        (Some(plan), None) => plan::read("dialPlan", plan, problems).map(PlanSource::Given),
        (None, Some(_)) => order.url("dialPlanUrl", problems).map(PlanSource::At),
        _ => {
            problems.add("dialPlan", "must have exactly one of dialPlan, dialPlanUrl");
            None
        }
    }
}
