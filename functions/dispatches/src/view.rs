//! A dispatch as the API shows it, and as everybody else does who shows one.

use patchbay::clock::Timestamp;
use patchbay::dispatch::delivery::Delivery;
use patchbay::dispatch::plan::Outlook;
use patchbay::dispatch::policy::Policy;
use patchbay::dispatch::script::{self, Script};
use patchbay::dispatch::state::Webhook;
use patchbay::dispatch::{Dispatch, Employee, Entry, State, Ticket, Urgency};
use patchbay::ids::DispatchId;
use patchbay::store::TimelinePage;
use serde::Serialize;

use crate::webhooks::Summary;

/// Entries of the timeline in one answer.
pub const TIMELINE_LIMIT: i32 = 500;

/// One dispatch: what it is, how it stands, what comes next and what happened.
#[derive(Debug, Serialize)]
pub struct Whole<'a> {
    id: DispatchId,
    status: &'static str,
    created_at: Timestamp,
    expires_at: Timestamp,
    ticket: &'a Ticket,
    employees: &'a [Employee],
    policy: &'a Policy,
    priority: Urgency,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<Receiver<'a>>,
    /// Calls so far.
    attempts: u32,
    round: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<Accepted<'a>>,
    /// What comes next if nobody picks up.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Outlook>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Vec<Line<'a>>>,
    /// Give it back as `timeline_after` to read on.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline_more: Option<&'a str>,
}

/// What has become of a dispatch.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    /// What happened.
    pub timeline: &'a TimelinePage,
    /// How the webhooks stand.
    pub deliveries: &'a (Vec<Delivery>, bool),
}

#[derive(Debug, Serialize)]
struct Receiver<'a> {
    #[serde(flatten)]
    webhook: &'a Webhook,
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<Summary<'a>>,
}

#[derive(Debug, Serialize)]
struct Accepted<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Person<'a>>,
    at: Timestamp,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolve_by: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct Person<'a> {
    id: &'a str,
    name: &'a str,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    entry: &'a Entry,
    /// Whom it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<Person<'a>>,
    /// The same in words.
    text: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Preview<'a> {
    plan: Option<Outlook>,
    /// Why somebody is passed over, and what is planned first.
    timeline: Vec<Line<'a>>,
    /// What each employee would hear, step by step.
    scripts: Vec<ScriptOf<'a>>,
}

#[derive(Debug, Serialize)]
struct ScriptOf<'a> {
    person: Person<'a>,
    longest_seconds: u32,
    #[serde(flatten)]
    script: Script,
}

/// The dispatch as of `now`, with what has become of it.
pub fn whole<'a>(dispatch: &'a Dispatch, past: Option<Past<'a>>, now: Timestamp) -> Whole<'a> {
    let brief = &dispatch.brief;
    let page = past.map(|past| past.timeline);
    Whole {
        id: dispatch.key.id,
        status: dispatch.state.name(),
        created_at: dispatch.created_at,
        expires_at: dispatch.expires_at,
        ticket: &brief.ticket,
        employees: &brief.employees,
        policy: &brief.policy,
        priority: brief.priority,
        webhook: brief.webhook.as_ref().map(|webhook| Receiver {
            webhook,
            deliveries: past.map(|past| Summary::of(&past.deliveries.0, past.deliveries.1)),
        }),
        attempts: dispatch.progress.attempts,
        round: dispatch.progress.round,
        accepted: accepted(dispatch),
        plan: dispatch.outlook(now),
        timeline: page.map(|page| lines(dispatch, &page.entries)),
        timeline_more: page.and_then(|page| page.more_after.as_deref()),
    }
}

pub(crate) fn preview<'a>(dispatch: &'a Dispatch, entries: &'a [Entry], now: Timestamp) -> Preview<'a> {
    let brief = &dispatch.brief;
    let scripts = brief.employees.iter().map(|employee| {
        let script = script::offer(&brief.ticket, employee, &brief.policy);
        ScriptOf {
            person: of(employee),
            longest_seconds: script.longest_seconds(),
            script,
        }
    });
    Preview {
        plan: dispatch.outlook(now),
        timeline: lines(dispatch, entries),
        scripts: scripts.collect(),
    }
}

fn accepted(dispatch: &Dispatch) -> Option<Accepted<'_>> {
    let acceptance = match &dispatch.state {
        State::Accepted(acceptance) => acceptance,
        State::Resolved { acceptance, .. } => acceptance.as_ref()?,
        _ => return None,
    };
    let by = dispatch.employee(acceptance.attempt.employee).map(of);
    let (at, resolve_by) = (acceptance.at, acceptance.resolve_by);
    Some(Accepted {
        by,
        at,
        attempt: acceptance.attempt.ordinal,
        resolve_by,
    })
}

fn of(employee: &Employee) -> Person<'_> {
    Person {
        id: &employee.id,
        name: &employee.name,
    }
}

fn lines<'a>(dispatch: &'a Dispatch, entries: &'a [Entry]) -> Vec<Line<'a>> {
    let line = |entry: &'a Entry| {
        let person = entry.fact.employee().and_then(|index| dispatch.employee(index)).map(of);
        Line {
            entry,
            person,
            text: entry.fact.sentence(dispatch),
        }
    };
    entries.iter().map(line).collect()
}
