//! Checks the invariants of a world that is idle: nothing lost, duplicated, or reported wrongly.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use patchbay::clock::Timestamp;
use patchbay::dispatch::decide::LEASE_MARGIN_SECONDS;
use patchbay::dispatch::{Dispatch, Entry, Fact, NoAnswerReason, State, script};
use patchbay::ids::{AttemptId, DispatchKey};
use patchbay::store::StoreError;
use patchbay::webhook::event_id;

use crate::aws::sqs::{MessageEnd, MessageHistory};
use crate::exchange::PlacedCall;
use crate::world::{Notification, World};

/// A violated invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breach {
    /// The dispatch is missing, or is not over although nothing will continue it.
    Lost(DispatchKey),
    /// The timeline has two acceptances without a reopening between them.
    AcceptedTwice(DispatchKey),
    /// An employee is recorded as acceptor who did not press 1.
    AcceptedWithoutKey(DispatchKey),
    /// "You have accepted" was said to an employee whose acceptance is not recorded.
    WrongAcceptanceNotice(DispatchKey),
    /// Two calls were placed for one attempt.
    DialedTwice(String),
    /// The number called is not that of the attempt's employee, or the call belongs to no attempt.
    WrongNumber(String),
    /// Two calls of one dispatch overlap although we could not assume that the first was over.
    OverlappingCalls(DispatchKey, String, String),
    /// Two calls to one employee overlap, for two dispatches, although the first dispatch had not released the phone.
    OverlappingCallsToEmployee(String, String),
    /// "You have rejected" was said to an employee whose rejection is not recorded.
    RejectionNotRecorded(DispatchKey),
    /// A call was placed after the dispatch was closed.
    CalledAfterClose(DispatchKey, String),
    /// An employee was called more often in one turn than the policy allows.
    CalledTooOften(DispatchKey),
    /// An event that raises an alarm was never counted. Second: the status that the event led to.
    AlarmNotCounted(DispatchKey, &'static str),
    /// A webhook was never delivered. Second: the event's type and id.
    MissingWebhook(DispatchKey, String),
    /// A webhook was delivered whose event is not in the timeline. Its id.
    UnexpectedWebhook(String),
    /// Two webhooks of a dispatch have the same sequence number.
    DuplicateSequence(DispatchKey, u64),
    /// Messages multiplied. How many were sent, and the most frequent kind of work.
    MessageFlood(usize, String),
    /// A message is in a dead-letter queue. Its body.
    DeadLetter(String),
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(key) => write!(f, "{} is lost", key.id),
            Self::AcceptedTwice(key) => write!(f, "{} was accepted twice", key.id),
            Self::AcceptedWithoutKey(key) => write!(f, "{} is accepted, but the acceptor did not press 1", key.id),
            Self::WrongAcceptanceNotice(key) => write!(
                f,
                "{}: \"accepted\" was said to an employee who is not recorded as acceptor",
                key.id
            ),
            Self::DialedTwice(call) => write!(f, "two calls for one attempt: {call}"),
            Self::WrongNumber(call) => write!(f, "wrong number called: {call}"),
            Self::OverlappingCalls(key, first, second) => {
                write!(f, "{}: overlapping calls: {first} and {second}", key.id)
            }
            Self::OverlappingCallsToEmployee(first, second) => {
                write!(f, "overlapping calls to one employee: {first} and {second}")
            }
            Self::RejectionNotRecorded(key) => {
                write!(f, "{}: \"rejected\" was said, but no rejection is recorded", key.id)
            }
            Self::CalledAfterClose(key, call) => write!(f, "{}: called after it was closed: {call}", key.id),
            Self::CalledTooOften(key) => write!(f, "{}: an employee was called too often", key.id),
            Self::AlarmNotCounted(key, status) => write!(f, "{}: no alarm counted the status {status}", key.id),
            Self::MissingWebhook(key, event) => write!(f, "{}: no webhook for {event}", key.id),
            Self::UnexpectedWebhook(webhook) => write!(f, "a webhook without an event in the timeline: {webhook}"),
            Self::DuplicateSequence(key, number) => {
                write!(f, "{}: two webhooks have the sequence number {number}", key.id)
            }
            Self::MessageFlood(count, work) => write!(f, "{count} messages were sent, most of them {work}"),
            Self::DeadLetter(body) => write!(f, "in a dead-letter queue: {body}"),
        }
    }
}

/// The result of an audit.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// The number of dispatches in each state, by the state's name.
    pub states: BTreeMap<&'static str, usize>,
    /// Milliseconds from creation to the first acceptance, of each accepted dispatch, sorted.
    pub millis_to_accept: Vec<i64>,
    /// Milliseconds from creation to the first call, of each dispatch with a call, sorted.
    pub millis_to_first_call: Vec<i64>,
    /// The number of calls that were placed.
    pub calls: usize,
    /// The invariants that were violated.
    pub breaches: Vec<Breach>,
}

/// Audits the dispatches `keys` of a world that is idle.
///
/// # Errors
/// When the table cannot be read.
pub async fn audit(world: &World, keys: &[DispatchKey]) -> Result<Audit, StoreError> {
    let mut audit = Audit::default();
    let mut calls: BTreeMap<(DispatchKey, AttemptId), Vec<PlacedCall>> = BTreeMap::new();
    for call in world.calls() {
        audit.calls += 1;
        match call.status_url.as_deref().and_then(attempt_of) {
            Some(attempt) => calls.entry(attempt).or_default().push(call),
            None => audit.breaches.push(Breach::WrongNumber(describe(&call))),
        }
    }
    let mut tickets = Vec::new();
    for key in keys {
        let Some(dispatch) = world.store.load(key).await? else {
            audit.breaches.push(Breach::Lost(key.clone()));
            continue;
        };
        let ticket = Ticket {
            calls: calls
                .iter()
                .filter(|((of, _), _)| of == key)
                .map(|((_, id), calls)| (*id, calls.as_slice()))
                .collect(),
            entries: all_entries(world, key).await?,
            dispatch,
        };
        ticket.check(&mut audit);
        tickets.push(ticket);
    }
    audit.breaches.extend(overlapping_calls_to_employees(&tickets));
    audit.breaches.extend(uncounted_alarms(world, &tickets));
    audit.breaches.extend(check_webhooks(world, &tickets));
    audit.breaches.extend(message_flood(world, tickets.len()));
    for name in ["dialing", "notifications"] {
        let dead = world.aws.sqs().queue(name).and_then(|queue| queue.dlq());
        let bodies = dead
            .into_iter()
            .flat_map(|queue| queue.messages())
            .map(|message| message.body);
        audit.breaches.extend(bodies.map(Breach::DeadLetter));
    }
    audit.millis_to_accept.sort_unstable();
    audit.millis_to_first_call.sort_unstable();
    Ok(audit)
}

/// Compares the delivered webhooks with the timelines. A webhook about a call's status may be missing: a later one may
/// have superseded it.
fn check_webhooks(world: &World, tickets: &[Ticket<'_>]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let id_of = |notification: &Notification| {
        let id = notification.request.headers().get("webhook-id");
        id.and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned()
    };
    let mut delivered: BTreeMap<String, Notification> = BTreeMap::new();
    for notification in world.notifications() {
        delivered.insert(id_of(&notification), notification);
    }
    for ticket in tickets {
        let Some(webhook) = &ticket.dispatch.spec.webhook else {
            continue;
        };
        let key = &ticket.dispatch.key;
        let mut sequences = BTreeSet::new();
        for entry in ticket.entries.iter().filter(|entry| entry.notifies(webhook.strategy)) {
            if let Some(number) = entry.sequence.filter(|number| !sequences.insert(*number)) {
                breaches.push(Breach::DuplicateSequence(key.clone(), number));
            }
            let was_delivered = delivered.remove(&event_id(&key.clone().into(), &entry.id)).is_some();
            if !was_delivered && entry.fact.call_status().is_none() {
                let event = entry.fact.event_type().unwrap_or_default();
                breaches.push(Breach::MissingWebhook(key.clone(), format!("{event} ({})", entry.id)));
            }
        }
    }
    breaches.extend(delivered.into_keys().map(Breach::UnexpectedWebhook));
    breaches
}

/// More messages per dispatch than even hours of faults need.
const MESSAGES_PER_TICKET: usize = 10_000;

/// Whether more messages were sent than [`MESSAGES_PER_TICKET`] allows.
fn message_flood(world: &World, tickets: usize) -> Option<Breach> {
    let sent = world.aws.sqs().queue("dialing")?.history();
    if sent.len() <= MESSAGES_PER_TICKET * tickets.max(1) {
        return None;
    }
    let mut works: BTreeMap<String, usize> = BTreeMap::new();
    for message in &sent {
        let body: serde_json::Value = serde_json::from_str(&message.body).unwrap_or_default();
        let work = body.get("work").and_then(serde_json::Value::as_str).unwrap_or_default();
        *works.entry(work.to_owned()).or_default() += 1;
    }
    let (work, _) = works.into_iter().max_by_key(|(_, count)| *count)?;
    Some(Breach::MessageFlood(sent.len(), work))
}

/// Entries that raise an alarm although no consumer has counted them. A message that the simulation itself removed
/// counts as consumed.
fn uncounted_alarms(world: &World, tickets: &[Ticket<'_>]) -> Vec<Breach> {
    let sent = world
        .aws
        .sqs()
        .queue("dialing")
        .map_or_else(Vec::new, |queue| queue.history());
    let counts: Vec<_> = sent
        .iter()
        .filter(|message| message.body.contains(r#""work":"count""#))
        .collect();
    let mut breaches = Vec::new();
    for ticket in tickets {
        for entry in ticket.entries.iter().filter(|entry| entry.fact.raises_alarm()) {
            let is_counted = |message: &&&MessageHistory| {
                let ended = message
                    .end
                    .is_some_and(|(end, _)| matches!(end, MessageEnd::Deleted | MessageEnd::Lost));
                ended && message.body.contains(&entry.id)
            };
            if counts.iter().find(is_counted).is_none() {
                let status = entry.fact.status().unwrap_or_default();
                breaches.push(Breach::AlarmNotCounted(ticket.dispatch.key.clone(), status));
            }
        }
    }
    breaches
}

/// How far the functions' clocks may differ; they date the entries of a timeline.
const SKEW_MILLIS: i64 = 30_000;

/// Pairs of overlapping calls to one employee, for two dispatches, whose first dispatch had not released the employee.
fn overlapping_calls_to_employees(tickets: &[Ticket<'_>]) -> Vec<Breach> {
    let mut all = Vec::new();
    for ticket in tickets {
        for (id, calls) in &ticket.calls {
            all.extend(calls.iter().map(|call| (ticket, *id, call)));
        }
    }
    let mut breaches = Vec::new();
    for (ticket, id, first) in &all {
        for (other, _, second) in &all {
            let overlap = ticket.dispatch.key != other.dispatch.key
                && first.to == second.to
                && first.created_at <= second.created_at
                && first.ended_at.is_none_or(|ended| ended > second.created_at);
            let released_at = ticket.released_at(*id);
            // A call that outlives its longest duration is the provider's fault: its lease has expired, so that the
            // employee may be called for another dispatch.
            let longest = ticket.dispatch.spec.policy.longest_call() + LEASE_MARGIN_SECONDS;
            let overlap = overlap && second.created_at < first.created_at.plus_seconds(longest);
            if overlap && released_at.is_none_or(|at| at > second.created_at.plus_millis(SKEW_MILLIS)) {
                breaches.push(Breach::OverlappingCallsToEmployee(describe(first), describe(second)));
            }
        }
    }
    breaches
}

async fn all_entries(world: &World, key: &DispatchKey) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    let mut after = None;
    loop {
        let page = world.store.timeline(key, after.as_deref(), 500).await?;
        entries.extend(page.entries);
        after = page.next_cursor;
        if after.is_none() {
            return Ok(entries);
        }
    }
}

/// The attempt that a call belongs to, from the reference in its callback URL. Its format is the same for every
/// provider: `{base}/{provider}/status/{tenant}.{dispatch}.{attempt}[.{version}].{tag}`, optionally with a query and a
/// fragment.
fn attempt_of(status_url: &str) -> Option<(DispatchKey, AttemptId)> {
    let path = status_url.split(['?', '#']).next()?;
    let reference = path.rsplit('/').next()?;
    let mut parts = reference.split('.');
    let tenant = parts.next()?.parse().ok()?;
    let id = parts.next()?.parse().ok()?;
    Some((DispatchKey { tenant, id }, parts.next()?.parse().ok()?))
}

fn describe(call: &PlacedCall) -> String {
    format!(
        "{} call to {} at {} ({})",
        call.provider.as_str(),
        call.to,
        call.created_at,
        call.status_url.as_deref().unwrap_or("no callback")
    )
}

/// A dispatch with its whole timeline and the calls of each attempt.
struct Ticket<'a> {
    dispatch: Dispatch,
    entries: Vec<Entry>,
    calls: Vec<(AttemptId, &'a [PlacedCall])>,
}

impl Ticket<'_> {
    fn check(&self, audit: &mut Audit) {
        let key = &self.dispatch.key;
        *audit.states.entry(self.dispatch.state.name()).or_default() += 1;
        let mut breach = |found: bool, breach: Breach| {
            if found {
                audit.breaches.push(breach);
            }
        };
        let lost = matches!(self.dispatch.state, State::Calling(_) | State::Waiting(_));
        breach(lost, Breach::Lost(key.clone()));
        breach(self.is_accepted_twice(), Breach::AcceptedTwice(key.clone()));
        breach(self.is_accepted_without_key(), Breach::AcceptedWithoutKey(key.clone()));
        breach(
            self.has_wrong_acceptance_notice(),
            Breach::WrongAcceptanceNotice(key.clone()),
        );
        breach(
            self.has_unrecorded_rejection(),
            Breach::RejectionNotRecorded(key.clone()),
        );
        breach(self.has_too_many_calls(), Breach::CalledTooOften(key.clone()));
        for (attempt, calls) in &self.calls {
            for call in *calls {
                let is_right_number = self
                    .dispatch
                    .employee(attempt.employee)
                    .is_some_and(|e| e.phone.as_str() == call.to);
                breach(!is_right_number, Breach::WrongNumber(describe(call)));
                breach(
                    self.is_closed_before(call.created_at),
                    Breach::CalledAfterClose(key.clone(), describe(call)),
                );
            }
            if let [first, .., _] = *calls {
                breach(true, Breach::DialedTwice(describe(first)));
            }
        }
        for (first, second) in self.overlapping_calls() {
            audit
                .breaches
                .push(Breach::OverlappingCalls(key.clone(), describe(first), describe(second)));
        }
        let since = |at: Timestamp| at.millis() - self.dispatch.created_at.millis();
        audit.millis_to_accept.extend(self.first_acceptance().map(since));
        let first_call = self
            .calls
            .iter()
            .flat_map(|(_, calls)| *calls)
            .map(|call| call.created_at)
            .min();
        audit.millis_to_first_call.extend(first_call.map(since));
    }

    fn first_acceptance(&self) -> Option<Timestamp> {
        self.entries
            .iter()
            .find(|entry| matches!(entry.fact, Fact::Accepted { .. }))
            .map(|entry| entry.at)
    }

    /// Whether more than one acceptance has no matching reopening. The order of the entries does not count: the clocks
    /// that date them differ.
    fn is_accepted_twice(&self) -> bool {
        let mut held: BTreeMap<AttemptId, i32> = BTreeMap::new();
        for entry in &self.entries {
            match entry.fact {
                Fact::Accepted { attempt, .. } => *held.entry(attempt).or_default() += 1,
                Fact::Reopened { attempt } => *held.entry(attempt).or_default() -= 1,
                _ => {}
            }
        }
        held.values().sum::<i32>() > 1 || held.values().any(|held| *held < 0)
    }

    fn is_accepted_without_key(&self) -> bool {
        self.entries.iter().any(|entry| {
            let Fact::Accepted { attempt, .. } = entry.fact else {
                return false;
            };
            let pressed = |call: &PlacedCall| call.keys.iter().any(|(_, key)| *key == '1');
            !self
                .calls
                .iter()
                .any(|(id, calls)| *id == attempt && calls.iter().any(pressed))
        })
    }

    /// Whether "you have accepted" was said to an employee of whom no acceptance is recorded.
    fn has_wrong_acceptance_notice(&self) -> bool {
        self.calls.iter().any(|(attempt, calls)| {
            let Some(employee) = self.dispatch.employee(attempt.employee) else { return false };
            let policy = &self.dispatch.spec.policy;
            let script = script::accepted(script::language_of(employee, policy), policy);
            let was_said = calls.iter().flat_map(|call| &call.heard).any(|(_, text)| script.says(text));
            let acceptor = |entry: &Entry| {
                matches!(entry.fact, Fact::Accepted { attempt: by, .. } if by.employee == attempt.employee)
            };
            was_said && !self.entries.iter().any(acceptor)
        })
    }

    /// Whether "you have rejected" was said to an employee of whom no rejection is recorded.
    fn has_unrecorded_rejection(&self) -> bool {
        self.calls.iter().any(|(attempt, calls)| {
            let Some(employee) = self.dispatch.employee(attempt.employee) else {
                return false;
            };
            let policy = &self.dispatch.spec.policy;
            let script = script::rejected(script::language_of(employee, policy), policy);
            let was_said = calls
                .iter()
                .flat_map(|call| &call.heard)
                .any(|(_, text)| script.says(text));
            let is_their_rejection = |entry: &Entry| {
                let Fact::Rejected { attempt: by } = entry.fact else {
                    return false;
                };
                by.employee == attempt.employee && by.ordinal >= attempt.ordinal
            };
            was_said && !self.entries.iter().any(is_their_rejection)
        })
    }

    /// When the dispatch left an attempt behind and so released its employee for other dispatches. The call itself may
    /// last a little longer: an employee who rejects hears a last sentence.
    fn released_at(&self, id: AttemptId) -> Option<Timestamp> {
        let releases = |fact: &Fact| match fact {
            Fact::NoAnswer { attempt, .. } | Fact::OutOfMoney { attempt } => *attempt == id,
            Fact::Status { attempt, status, .. } => *attempt == id && status.ending().is_some(),
            // A late rejection may come from an earlier call to the same employee.
            Fact::Rejected { attempt } => attempt.employee == id.employee && attempt.ordinal <= id.ordinal,
            Fact::Accepted { .. } | Fact::Cancelled | Fact::Expired | Fact::Resolved => true,
            _ => false,
        };
        let start = self
            .entries
            .iter()
            .position(|entry| matches!(entry.fact, Fact::Dialing { attempt, .. } if attempt == id))?;
        let after = self.entries.iter().skip(start);
        after.filter(|entry| releases(&entry.fact)).map(|entry| entry.at).next()
    }

    /// Whether an employee was called more often in one turn than the policy allows. An attempt that the provider
    /// certainly did not take is no call. A turn that was interrupted (the employee was on the phone for another
    /// dispatch) continues after the turns of others, and a call that failed for lack of credit is repeated.
    fn has_too_many_calls(&self) -> bool {
        let most = usize::from(self.dispatch.spec.policy.attempts);
        let mut planned: Vec<(AttemptId, u8)> = self.entries.iter().filter_map(planned).collect();
        planned.sort_unstable();
        let mut turns: BTreeMap<u8, usize> = BTreeMap::new();
        for (attempt, number) in planned {
            let calls_in_turn = turns.entry(attempt.employee).or_default();
            if number == 1 {
                *calls_in_turn = 0;
            }
            let mut calls = self.calls.iter().filter(|(id, _)| *id == attempt);
            *calls_in_turn += usize::from(calls.any(|(_, calls)| calls.iter().any(|call| !call.cut_off)));
            if *calls_in_turn > most || usize::from(number) > most {
                return true;
            }
        }
        false
    }

    /// Whether the dispatch was closed, more than 30 seconds before `at`. A call that was being placed when it was
    /// closed does not count: it is hung up.
    fn is_closed_before(&self, at: Timestamp) -> bool {
        const PLACING_MILLIS: i64 = 30_000;
        let closed = match &self.dispatch.state {
            State::Cancelled { at } | State::Expired { at } | State::Resolved { at, .. } => *at,
            State::Accepted(acceptance) => acceptance.at,
            _ => return false,
        };
        at > closed.plus_millis(PLACING_MILLIS)
    }

    /// Pairs of overlapping calls of which the second was placed without a reason to leave the first behind.
    fn overlapping_calls(&self) -> Vec<(&PlacedCall, &PlacedCall)> {
        let mut pairs = Vec::new();
        for (first_id, first) in self
            .calls
            .iter()
            .flat_map(|(id, calls)| calls.iter().map(move |call| (*id, call)))
        {
            for (second_id, second) in self
                .calls
                .iter()
                .flat_map(|(id, calls)| calls.iter().map(move |c| (*id, c)))
            {
                let overlap = first_id != second_id
                    && first.created_at <= second.created_at
                    && first.ended_at.is_none_or(|ended| ended > second.created_at);
                if overlap && !self.may_overlap(first_id) {
                    pairs.push((first, second));
                }
            }
        }
        pairs
    }

    /// Whether the next call may be placed while the attempt's call is live: the employee accepted or rejected (and
    /// hears a last sentence), voicemail picked up, or the provider could not report the call's status.
    fn may_overlap(&self, id: AttemptId) -> bool {
        self.entries.iter().any(|entry| match &entry.fact {
            Fact::Accepted { attempt, .. } => *attempt == id,
            // A late rejection may come from an earlier call to the same employee.
            Fact::Rejected { attempt } => attempt.employee == id.employee && attempt.ordinal <= id.ordinal,
            // Voicemail is hung up on while the next phone already rings.
            Fact::NoAnswer { attempt, reason, .. } => {
                *attempt == id && matches!(reason, NoAnswerReason::Unknown | NoAnswerReason::Voicemail)
            }
            _ => false,
        })
    }
}

fn planned(entry: &Entry) -> Option<(AttemptId, u8)> {
    match entry.fact {
        Fact::Planned { attempt, number, .. } => Some((attempt, number)),
        _ => None,
    }
}
