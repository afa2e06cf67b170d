//! JSON view of a dispatch, shared by the API and the `patchbay` command.

use patchbay::api::webhooks::WebhookSummary;
use patchbay::clock::Timestamp;
use patchbay::dispatch::plan::Plan;
use patchbay::dispatch::policy::Policy;
use patchbay::dispatch::script::{self, Script};
use patchbay::dispatch::{Dispatch, DispatchPriority, Employee, Entry, State, Ticket};
use patchbay::ids::{AttemptId, DispatchId};
use patchbay::store::TimelinePage;
use patchbay::webhook::Delivery;
use serde::Serialize;
use serde_json::{Map, Value};

/// Most timeline entries in one response.
pub const TIMELINE_LIMIT: i32 = 500;

/// JSON view of a dispatch: its spec, status, plan and timeline.
#[derive(Debug, Serialize)]
pub struct DispatchView<'a> {
    id: DispatchId,
    status: &'static str,
    created_at: Timestamp,
    expires_at: Timestamp,
    ticket: &'a Ticket,
    employees: &'a [Employee],
    policy: &'a Policy,
    priority: DispatchPriority,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<WebhookSummary<'a>>,
    /// Attempts so far.
    attempts: u32,
    round: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<Accepted<'a>>,
    /// What happens next if nobody picks up.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Plan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Vec<TimelineLine<'a>>>,
    /// Pass it as `timeline_cursor` to read the next page; none on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline_next_cursor: Option<&'a str>,
}

/// Timeline and webhook deliveries of a dispatch.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// One page of the timeline.
    pub timeline: &'a TimelinePage,
    /// Deliveries of its webhooks, and whether there are more than these.
    pub deliveries: &'a (Vec<Delivery>, bool),
}

#[derive(Debug, Serialize)]
struct Accepted<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    employee: Option<EmployeeRef<'a>>,
    at: Timestamp,
    attempt: AttemptRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolve_by: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct EmployeeRef<'a> {
    id: &'a str,
    name: &'a str,
}

/// An entry of the timeline. Employee and attempt look as they do in a webhook.
#[derive(Debug, Serialize)]
struct TimelineLine<'a> {
    id: &'a str,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    employee: Option<EmployeeRef<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<AttemptRef>,
    /// The event's name and its other fields.
    #[serde(flatten)]
    fact: Map<String, Value>,
    /// The entry as an English sentence.
    text: String,
}

#[derive(Debug, Serialize)]
struct AttemptRef {
    /// The id by which logs name the attempt.
    id: AttemptId,
    /// Counted over the whole dispatch, from 1.
    ordinal: u32,
    /// Counted over the calls to this employee in this round, from 1; not in every event.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<Value>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Preview<'a> {
    plan: Option<Plan>,
    /// Which employees would be skipped and why, and the first planned attempt.
    timeline: Vec<TimelineLine<'a>>,
    /// The script that each employee would hear, step by step.
    scripts: Vec<EmployeeScript<'a>>,
}

#[derive(Debug, Serialize)]
struct EmployeeScript<'a> {
    employee: EmployeeRef<'a>,
    max_duration: u32,
    #[serde(flatten)]
    script: Script,
}

/// View of the dispatch as of `now`, with its history where one was loaded.
pub fn dispatch_view<'a>(dispatch: &'a Dispatch, history: Option<History<'a>>, now: Timestamp) -> DispatchView<'a> {
    let spec = &dispatch.spec;
    let page = history.map(|history| history.timeline);
    DispatchView {
        id: dispatch.key.id,
        status: dispatch.state.name(),
        created_at: dispatch.created_at,
        expires_at: dispatch.expires_at,
        ticket: &spec.ticket,
        employees: &spec.employees,
        policy: &spec.policy,
        priority: spec.priority,
        webhook: spec
            .webhook
            .as_ref()
            .map(|webhook| WebhookSummary::new(webhook, history.map(|history| history.deliveries))),
        attempts: dispatch.progress.attempts,
        round: dispatch.progress.round,
        accepted: accepted(dispatch),
        plan: dispatch.plan_ahead(now),
        timeline: page.map(|page| timeline_lines(dispatch, &page.entries)),
        timeline_next_cursor: page.and_then(|page| page.next_cursor.as_deref()),
    }
}

pub(crate) fn preview<'a>(dispatch: &'a Dispatch, entries: &'a [Entry], now: Timestamp) -> Preview<'a> {
    let spec = &dispatch.spec;
    let scripts = spec.employees.iter().map(|employee| {
        let script = script::offer(&spec.ticket, employee, &spec.policy);
        EmployeeScript {
            employee: employee_ref(employee),
            max_duration: script.longest_seconds(),
            script,
        }
    });
    Preview {
        plan: dispatch.plan_ahead(now),
        timeline: timeline_lines(dispatch, entries),
        scripts: scripts.collect(),
    }
}

fn accepted(dispatch: &Dispatch) -> Option<Accepted<'_>> {
    let acceptance = match &dispatch.state {
        State::Accepted(acceptance) => acceptance,
        State::Resolved { acceptance, .. } => acceptance.as_ref()?,
        _ => return None,
    };
    let employee = dispatch.employee(acceptance.attempt.employee).map(employee_ref);
    let (at, resolve_by) = (acceptance.at, acceptance.resolve_by);
    Some(Accepted {
        employee,
        at,
        attempt: attempt_ref(acceptance.attempt, None),
        resolve_by,
    })
}

fn employee_ref(employee: &Employee) -> EmployeeRef<'_> {
    EmployeeRef {
        id: &employee.id,
        name: &employee.name,
    }
}

fn timeline_lines<'a>(dispatch: &'a Dispatch, entries: &'a [Entry]) -> Vec<TimelineLine<'a>> {
    entries.iter().map(|entry| timeline_line(dispatch, entry)).collect()
}

fn timeline_line<'a>(dispatch: &'a Dispatch, entry: &'a Entry) -> TimelineLine<'a> {
    let mut fact = match serde_json::to_value(&entry.fact) {
        Ok(Value::Object(fields)) => fields,
        // A fact is an enum with a tag: serde writes it as an object.
        _ => Map::new(),
    };
    let number = fact.remove("number");
    fact.remove("attempt");
    // An index into the dispatch's employees; they are shown by id and name.
    fact.remove("employee");
    let attempt = entry.fact.attempt().map(|attempt| attempt_ref(attempt, number));
    TimelineLine {
        id: &entry.id,
        at: entry.at,
        sequence: entry.sequence,
        employee: entry
            .fact
            .employee()
            .and_then(|index| dispatch.employee(index))
            .map(employee_ref),
        attempt,
        fact,
        text: entry.fact.sentence(dispatch),
    }
}

const fn attempt_ref(id: AttemptId, number: Option<Value>) -> AttemptRef {
    AttemptRef {
        id,
        ordinal: id.ordinal,
        number,
    }
}
