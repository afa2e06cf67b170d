//! `POST /voice/conversation`: a call is ordered and begins (section 2).

use std::time::Duration;

use patchbay::clock::Timestamp;
use patchbay::http::Request;
use patchbay::phone::PhoneNumber;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Routee;
use super::api::{Answer, Verdict};
use super::auth::has_content_type;
use super::call::Call;
use super::faults::{CreateFault, OutOfMoney};
use super::fields::{Object, Problems};
use super::plan::{self, Plan, first_collect};
use super::records::{CallRecord, Status, Unexpected};
use super::state::{CALLS, KeptCall, Leg};
use super::switches::{DialPlanEcho, RateLimit, Strategy};
use super::tones::Tones;
use crate::exchange::{CallId, Happening};
use crate::journal::JournalError;
use crate::phones::Behaviour;

/// A valid request.
pub(super) struct Order {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) plan: PlanSource,
    pub(super) callback: Option<Callback>,
    pub(super) ring_seconds: Option<u32>,
    pub(super) talk_seconds: Option<u32>,
    pub(super) machine: Option<OnMachine>,
}

/// Where the plan comes from.
pub(super) enum PlanSource {
    Given(Plan),
    /// Fetched when the call is answered.
    At(String),
}

/// Where and when statuses are told.
#[derive(Clone)]
pub(super) struct Callback {
    pub(super) url: String,
    pub(super) strategy: Strategy,
}

/// What machine detection does.
#[derive(Clone)]
pub(super) enum OnMachine {
    HangUp,
    Continue(String),
}

/// How much later a response arrives that is overtaken by a webhook: the first statuses are out by then.
const OVERTAKEN: Duration = Duration::from_millis(1500);

/// After the response, the provider takes a moment to begin.
const BEGINS_AFTER: Duration = Duration::from_millis(150);

impl Routee {
    /// `POST /voice/conversation`.
    pub(super) fn create(&self, request: &Request) -> Answer {
        let fault = self.lock().create_fault();
        match fault {
            Some(CreateFault::NotSent) => return Verdict::NotSent.into(),
            Some(CreateFault::NoAnswer { placed: false }) => return Verdict::NoAnswer.into(),
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
            Some(CreateFault::Unavailable { placed: false }) => return Verdict::Garbage(503).into(),
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
            Some(CreateFault::NoAnswer { .. }) => Verdict::NoAnswer.into(),
            Some(CreateFault::InternalError { .. }) => self.internal_error().into(),
            Some(CreateFault::Unavailable { .. }) => Verdict::Garbage(503).into(),
            Some(CreateFault::Malformed) => Verdict::Garbage(200).into(),
            _ => Answer {
                verdict: Verdict::Json(200, echo),
                later: if overtaken { OVERTAKEN } else { Duration::ZERO },
            },
        }
    }

    /// One request per second (section 7).
    fn over_the_limit(&self) -> Option<Verdict> {
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

    /// Finds every problem before it gives up.
    fn check_order(&self, body: &Value, problems: &mut Problems) -> Option<Order> {
        let order = Object::of("", body, problems)?;
        let fields = [
            "from",
            "to",
            "dialPlan",
            "dialPlanUrl",
            "callback",
            "hangupDelay",
            "maxDuration",
        ];
        order.only(&[fields.as_slice(), &["machineDetection"]].concat(), problems);
        let from = order.required_text("from", problems);
        if from.is_some_and(|from| from.chars().count() > 16) {
            problems.add("from", "may not be longer than 16 characters");
        }
        let to = read_destination(&order, problems);
        let plan = read_plan_source(&order, problems);
        let callback = self.read_callback(&order, problems);
        let ring_seconds = order.whole("hangupDelay", &(1..=60), problems);
        let talk_seconds = order.whole("maxDuration", &(1..=i64::from(u32::MAX)), problems);
        let machine = order.object("machineDetection", problems).and_then(|detection| {
            match detection.choice("strategy", &["Hangup", "Continue"], problems) {
                Some("Continue") => detection
                    .url("eventUrl", problems)
                    .map(OnMachine::Continue)
                    .or_else(|| {
                        problems.add(detection.path("eventUrl"), "may not be empty");
                        None
                    }),
                Some(_) => Some(OnMachine::HangUp),
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
        callback.only(&["url", "strategy"], problems);
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

    /// The call exists from here on. Gives the body of the response.
    fn place(&self, order: Order, request: Value, money: Option<OutOfMoney>, starts_after: Duration) -> Value {
        let now = self.now();
        let nth = self.0.exchange.next_call_to(&order.to);
        let kept = {
            let mut guard = self.lock();
            let state = &mut *guard;
            let id = CallId(state.legs.len());
            KeptCall {
                record: record_of(&order, id, now, (state.rng.uuid(), state.rng.uuid())),
                request,
                nth,
                machine: None,
                tones: Tones::default(),
            }
        };
        let id = kept.record.id;
        let echo = self.connect(order, kept, money, starts_after);
        self.lock().keep(id);
        echo
    }

    /// Goes on with what the journal has: calls that are over can be read back, and those that are not begin again.
    /// Nobody is on the line when the process that was the network is gone, so the phone rings once more, for the same
    /// call.
    pub(super) fn connect_the_rest(&self) -> Result<(), JournalError> {
        let journal = self.lock().journal.clone();
        for (_, mut kept) in journal.all::<KeptCall>(CALLS)? {
            let mut problems = Problems::new(false);
            let Some(order) = self.check_order(&kept.request, &mut problems) else {
                return Err(JournalError::other_version(CALLS));
            };
            let record = &mut kept.record;
            if record.ended_at.is_none() {
                *record = CallRecord {
                    answered_at: None,
                    statuses: vec![(self.now(), Status::Queued)],
                    heard: Vec::new(),
                    keys: Vec::new(),
                    ..record.clone()
                };
                (kept.machine, kept.tones) = (None, Tones::default());
            }
            self.connect(order, kept, None, BEGINS_AFTER);
        }
        Ok(())
    }

    /// Puts a call on its line, and lets it begin unless it is over.
    fn connect(&self, order: Order, kept: KeptCall, money: Option<OutOfMoney>, starts_after: Duration) -> Value {
        let KeptCall {
            record,
            request,
            nth,
            machine,
            tones,
        } = kept;
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
            self.0.exchange.count(&order.to, nth);
            return echo;
        }
        let behaviour = self.0.exchange.begin(&order.to, nth).unwrap_or_else(|| {
            state.unexpected.push(Unexpected::Call {
                at: self.now(),
                to: order.to.clone(),
            });
            Behaviour::NeverPicksUp
        });
        drop(guard);
        self.emit(id, Happening::Created);
        tokio::spawn(Call::new(self.clone(), id, order, behaviour, money, received).run(starts_after));
        echo
    }

    /// The response: the request with the conversation's id, and nothing that tells of the call leg (2.2).
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
        self.written(echo)
    }
}

fn record_of(order: &Order, id: CallId, now: Timestamp, (tracking_id, message_id): (String, String)) -> CallRecord {
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

/// Exactly one of a phone, a SIP address and a Viber number.
fn read_destination(order: &Object<'_>, problems: &mut Problems) -> Option<String> {
    let Some(value) = order.get("to") else {
        problems.add("to", "may not be empty");
        return None;
    };
    let to = Object::of("to", value, problems)?;
    to.only(&["phone", "sip", "viber"], problems);
    let kinds = ["phone", "sip", "viber"];
    let given: Vec<&str> = kinds.into_iter().filter(|kind| to.get(kind).is_some()).collect();
    let [kind] = given.as_slice() else {
        problems.add("to", "must have exactly one of phone, sip, viber");
        return None;
    };
    let text = to.required_text(kind, problems)?;
    // Strict: separators, or a missing plus, would be refused.
    if *kind == "phone" && !PhoneNumber::parse(text).is_ok_and(|number| number.as_str() == text) {
        problems.add("to.phone", "must be an E.164 number");
        return None;
    }
    Some(text.to_owned())
}

/// Exactly one of a plan and its URL.
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
