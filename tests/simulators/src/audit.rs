//! What must be true of a world when it has come to rest.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use patchbay::clock::Timestamp;
use patchbay::dispatch::decide::LEASE_MARGIN_SECONDS;
use patchbay::dispatch::delivery::event_id;
use patchbay::dispatch::{Dispatch, Entry, Fact, Reason, State, script};
use patchbay::ids::{AttemptId, DispatchKey};
use patchbay::store::StoreError;

use crate::aws::sqs::{End, Story};
use crate::exchange::PlacedCall;
use crate::world::{Notification, World};

/// Something that must never happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breach {
    /// A ticket that nothing moves on any more, or that is gone.
    Lost(DispatchKey),
    /// A ticket with two acceptances and no re-opening between them.
    DoublyAccepted(DispatchKey),
    /// An acceptance by somebody who pressed no 1.
    FalselyAccepted(DispatchKey),
    /// Somebody was told "accepted" who has not accepted.
    FalselyTold(DispatchKey),
    /// An attempt with two calls.
    DoublyDialled(String),
    /// A call to a number that is not that of the employee it was for, or to nobody's.
    WrongPerson(String),
    /// Two phones rang for one ticket at once, by our own doing.
    TwoAtOnce(DispatchKey, String, String),
    /// Two calls to one person at once, for two tickets, by our own doing.
    PersonTwiceAtOnce(String, String),
    /// Somebody was told "rejected", and the ticket does not know of it.
    RejectionUnheard(DispatchKey),
    /// A call was placed after the ticket was closed.
    CalledAfterTheEnd(DispatchKey, String),
    /// An employee was called more often in a row than the policy allows.
    CalledTooOften(DispatchKey),
    /// Something that an alarm is to hear of was never counted.
    Uncounted(DispatchKey, &'static str),
    /// The requester never heard of something.
    Untold(DispatchKey, String),
    /// The requester heard of something that the timeline does not have.
    ToldForNothing(String),
    /// Two different webhooks of a ticket have one number.
    SequenceTwice(DispatchKey, u64),
    /// Messages multiply: so many were sent, mostly with this work.
    Flood(usize, String),
    /// A message ended in a dead-letter queue.
    DeadLetter(String),
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(key) => write!(f, "{} is lost", key.id),
            Self::DoublyAccepted(key) => write!(f, "{} was accepted twice", key.id),
            Self::FalselyAccepted(key) => write!(f, "{} counts as accepted, but nobody pressed 1", key.id),
            Self::FalselyTold(key) => write!(f, "{}: somebody was told \"accepted\" for nothing", key.id),
            Self::DoublyDialled(call) => write!(f, "dialled twice: {call}"),
            Self::WrongPerson(call) => write!(f, "the wrong person was phoned: {call}"),
            Self::TwoAtOnce(key, first, second) => write!(f, "{}: two phones at once: {first} and {second}", key.id),
            Self::PersonTwiceAtOnce(first, second) => write!(f, "one person, two calls at once: {first} and {second}"),
            Self::RejectionUnheard(key) => write!(f, "{}: somebody was told \"rejected\" for nothing", key.id),
            Self::CalledAfterTheEnd(key, call) => write!(f, "{}: called after its end: {call}", key.id),
            Self::CalledTooOften(key) => write!(f, "{}: somebody was called too often", key.id),
            Self::Uncounted(key, status) => write!(f, "{}: no alarm hears that it is {status}", key.id),
            Self::Untold(key, what) => write!(f, "{}: the requester never heard of {what}", key.id),
            Self::ToldForNothing(webhook) => write!(f, "a webhook about nothing: {webhook}"),
            Self::SequenceTwice(key, number) => write!(f, "{}: two webhooks have the number {number}", key.id),
            Self::Flood(count, work) => write!(f, "{count} messages were sent, mostly to {work}"),
            Self::DeadLetter(body) => write!(f, "in a dead-letter queue: {body}"),
        }
    }
}

/// What became of some tickets.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// How many tickets ended in each state.
    pub states: BTreeMap<&'static str, usize>,
    /// From creation to the first acceptance of each accepted ticket, in milliseconds, sorted.
    pub millis_to_accept: Vec<i64>,
    /// From creation to the first call, in milliseconds, sorted.
    pub millis_to_first_call: Vec<i64>,
    /// Calls that were placed.
    pub calls: usize,
    /// What must never happen, and did.
    pub breaches: Vec<Breach>,
}

/// Looks at the tickets `keys` in a world that has come to rest.
pub async fn audit(world: &World, keys: &[DispatchKey]) -> Result<Audit, StoreError> {
    let mut audit = Audit::default();
    let mut calls: BTreeMap<(DispatchKey, AttemptId), Vec<PlacedCall>> = BTreeMap::new();
    for call in world.calls() {
        audit.calls += 1;
        match call.status_url.as_deref().and_then(attempt_of) {
            Some(attempt) => calls.entry(attempt).or_default().push(call),
            None => audit.breaches.push(Breach::WrongPerson(describe(&call))),
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
        ticket.look(&mut audit);
        tickets.push(ticket);
    }
    audit.breaches.extend(persons_twice_at_once(&tickets));
    audit.breaches.extend(uncounted(world, &tickets));
    audit.breaches.extend(mistold(world, &tickets));
    audit.breaches.extend(flood(world, tickets.len()));
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

/// What requesters were told and should not have been, and the other way round. A status of a call may be overtaken.
fn mistold(world: &World, tickets: &[Ticket<'_>]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let id_of = |told: &Notification| {
        let id = told.request.headers().get("webhook-id");
        id.and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned()
    };
    let mut told: BTreeMap<String, Notification> = BTreeMap::new();
    for notification in world.notifications() {
        told.insert(id_of(&notification), notification);
    }
    for ticket in tickets {
        let Some(webhook) = &ticket.dispatch.brief.webhook else {
            continue;
        };
        let key = &ticket.dispatch.key;
        let mut numbers = BTreeSet::new();
        for entry in ticket.entries.iter().filter(|entry| entry.is_told(webhook.strategy)) {
            if let Some(number) = entry.sequence.filter(|number| !numbers.insert(*number)) {
                breaches.push(Breach::SequenceTwice(key.clone(), number));
            }
            let heard = told.remove(&event_id(key, &entry.id)).is_some();
            if !heard && entry.fact.call_status().is_none() {
                let what = entry.fact.event_type().unwrap_or_default();
                breaches.push(Breach::Untold(key.clone(), format!("{what} ({})", entry.id)));
            }
        }
    }
    breaches.extend(told.into_keys().map(Breach::ToldForNothing));
    breaches
}

/// Most messages that a ticket takes, whatever goes wrong for hours.
const MESSAGES_PER_TICKET: usize = 10_000;

/// More messages than can be for any good.
fn flood(world: &World, tickets: usize) -> Option<Breach> {
    let sent = world.aws.sqs().queue("dialing")?.history();
    if sent.len() <= MESSAGES_PER_TICKET * tickets.max(1) {
        return None;
    }
    let mut works: BTreeMap<String, usize> = BTreeMap::new();
    for story in &sent {
        let body: serde_json::Value = serde_json::from_str(&story.body).unwrap_or_default();
        let work = body.get("work").and_then(serde_json::Value::as_str).unwrap_or_default();
        *works.entry(work.to_owned()).or_default() += 1;
    }
    let (work, _) = works.into_iter().max_by_key(|(_, count)| *count)?;
    Some(Breach::Flood(sent.len(), work))
}

/// What an alarm is to hear of, and no consumer of a message has counted. Messages that the simulation itself took away
/// are nobody's fault.
fn uncounted(world: &World, tickets: &[Ticket<'_>]) -> Vec<Breach> {
    let sent = world
        .aws
        .sqs()
        .queue("dialing")
        .map_or_else(Vec::new, |queue| queue.history());
    let counts: Vec<_> = sent
        .iter()
        .filter(|story| story.body.contains(r#""work":"count""#))
        .collect();
    let mut breaches = Vec::new();
    for ticket in tickets {
        for entry in ticket.entries.iter().filter(|entry| entry.fact.is_alarming()) {
            let done = |story: &&&Story| {
                let ended = story
                    .end
                    .is_some_and(|(end, _)| matches!(end, End::Deleted | End::Lost));
                ended && story.body.contains(&entry.id)
            };
            if counts.iter().find(done).is_none() {
                let status = entry.fact.status().unwrap_or_default();
                breaches.push(Breach::Uncounted(ticket.dispatch.key.clone(), status));
            }
        }
    }
    breaches
}

/// By how much the clocks of functions, which date the entries of a timeline, may be off.
const SKEW_MILLIS: i64 = 30_000;

/// Pairs of calls to one person, for two tickets, that were live at once although the first had not been let go.
fn persons_twice_at_once(tickets: &[Ticket<'_>]) -> Vec<Breach> {
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
            let let_go = ticket.let_go_at(*id);
            // A call that outlives what it may take is the provider's doing: nobody is kept from the phone for it.
            let longest = ticket.dispatch.brief.policy.longest_call() + LEASE_MARGIN_SECONDS;
            let overlap = overlap && second.created_at < first.created_at.plus_seconds(longest);
            if overlap && let_go.is_none_or(|at| at > second.created_at.plus_millis(SKEW_MILLIS)) {
                breaches.push(Breach::PersonTwiceAtOnce(describe(first), describe(second)));
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
        after = page.more_after;
        if after.is_none() {
            return Ok(entries);
        }
    }
}

/// The attempt that a call was for, from the reference in its callback URL, which is the same for every provider:
/// `{base}/{provider}/status/{tenant}.{dispatch}.{attempt}[.{version}].{tag}`, perhaps with a query and a fragment.
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

struct Ticket<'a> {
    dispatch: Dispatch,
    entries: Vec<Entry>,
    calls: Vec<(AttemptId, &'a [PlacedCall])>,
}

impl Ticket<'_> {
    fn look(&self, audit: &mut Audit) {
        let key = &self.dispatch.key;
        *audit.states.entry(self.dispatch.state.name()).or_default() += 1;
        let mut breach = |found: bool, breach: Breach| {
            if found {
                audit.breaches.push(breach);
            }
        };
        let lost = matches!(self.dispatch.state, State::Calling(_) | State::Waiting(_));
        breach(lost, Breach::Lost(key.clone()));
        breach(self.accepted_twice(), Breach::DoublyAccepted(key.clone()));
        breach(self.accepted_falsely(), Breach::FalselyAccepted(key.clone()));
        breach(self.told_falsely(), Breach::FalselyTold(key.clone()));
        breach(self.rejected_unheard(), Breach::RejectionUnheard(key.clone()));
        breach(self.called_too_often(), Breach::CalledTooOften(key.clone()));
        for (attempt, calls) in &self.calls {
            for call in *calls {
                let right = self
                    .dispatch
                    .employee(attempt.employee)
                    .is_some_and(|e| e.phone.as_str() == call.to);
                breach(!right, Breach::WrongPerson(describe(call)));
                breach(
                    self.closed_before(call.created_at),
                    Breach::CalledAfterTheEnd(key.clone(), describe(call)),
                );
            }
            if let [first, .., _] = *calls {
                breach(true, Breach::DoublyDialled(describe(first)));
            }
        }
        for (first, second) in self.two_at_once() {
            audit
                .breaches
                .push(Breach::TwoAtOnce(key.clone(), describe(first), describe(second)));
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

    /// Whether more than one acceptance was not opened again. Not by the order of the lines: the clocks that date them
    /// differ.
    fn accepted_twice(&self) -> bool {
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

    fn accepted_falsely(&self) -> bool {
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

    /// Whether "you have accepted" was spoken to somebody who is nowhere an acceptor.
    fn told_falsely(&self) -> bool {
        self.calls.iter().any(|(attempt, calls)| {
            let Some(employee) = self.dispatch.employee(attempt.employee) else { return false };
            let policy = &self.dispatch.brief.policy;
            let said = script::accepted(script::language_of(employee, policy), policy);
            let told = calls.iter().flat_map(|call| &call.heard).any(|(_, text)| said.says(text));
            let acceptor = |entry: &Entry| {
                matches!(entry.fact, Fact::Accepted { attempt: by, .. } if by.employee == attempt.employee)
            };
            told && !self.entries.iter().any(acceptor)
        })
    }

    /// Whether "you have rejected" was spoken to somebody who nowhere rejected.
    fn rejected_unheard(&self) -> bool {
        self.calls.iter().any(|(attempt, calls)| {
            let Some(employee) = self.dispatch.employee(attempt.employee) else {
                return false;
            };
            let policy = &self.dispatch.brief.policy;
            let said = script::rejected(script::language_of(employee, policy), policy);
            let told = calls
                .iter()
                .flat_map(|call| &call.heard)
                .any(|(_, text)| said.says(text));
            let by_them = |entry: &Entry| {
                let Fact::Rejected { attempt: by } = entry.fact else {
                    return false;
                };
                by.employee == attempt.employee && by.ordinal >= attempt.ordinal
            };
            told && !self.entries.iter().any(by_them)
        })
    }

    /// When the story went on from an attempt, so that its employee was free for other tickets; whether the call was
    /// over by then is another matter (somebody who rejects hears a last sentence).
    fn let_go_at(&self, id: AttemptId) -> Option<Timestamp> {
        let lets_go = |fact: &Fact| match fact {
            Fact::NoAnswer { attempt, .. } | Fact::OutOfMoney { attempt } => *attempt == id,
            Fact::Status { attempt, status, .. } => *attempt == id && status.ending().is_some(),
            // A late one names an earlier call to the same person.
            Fact::Rejected { attempt } => attempt.employee == id.employee && attempt.ordinal <= id.ordinal,
            Fact::Accepted { .. } | Fact::Cancelled | Fact::Expired | Fact::Resolved => true,
            _ => false,
        };
        let begun = self
            .entries
            .iter()
            .position(|entry| matches!(entry.fact, Fact::Dialling { attempt, .. } if attempt == id))?;
        let after = self.entries.iter().skip(begun);
        after.filter(|entry| lets_go(&entry.fact)).map(|entry| entry.at).next()
    }

    /// Whether somebody was called more often in one turn than the policy says. An attempt that the provider
    /// certainly did not take is no call. A turn that was interrupted (on the phone for another ticket) goes on after
    /// others had theirs, and a call for which there was no money is had again.
    fn called_too_often(&self) -> bool {
        let most = usize::from(self.dispatch.brief.policy.attempts);
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

    /// Whether the ticket was closed for good well before `at`. A call that was being placed at that moment is not
    /// counted: it is hung up.
    fn closed_before(&self, at: Timestamp) -> bool {
        const IN_THE_MAKING_MILLIS: i64 = 30_000;
        let closed = match &self.dispatch.state {
            State::Cancelled { at } | State::Expired { at } | State::Resolved { at, .. } => *at,
            State::Accepted(acceptance) => acceptance.at,
            _ => return false,
        };
        at > closed.plus_millis(IN_THE_MAKING_MILLIS)
    }

    /// Pairs of calls that were live at once although we had no reason to believe that the first one was over.
    fn two_at_once(&self) -> Vec<(&PlacedCall, &PlacedCall)> {
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
                if overlap && !self.given_up(first_id) {
                    pairs.push((first, second));
                }
            }
        }
        pairs
    }

    /// Whether the story went on from an attempt for a reason that does not need the call to be over: the employee
    /// rejected (and hears a last sentence), a machine picked up, or the provider could tell us nothing of it.
    fn given_up(&self, id: AttemptId) -> bool {
        self.entries.iter().any(|entry| match &entry.fact {
            Fact::Accepted { attempt, .. } => *attempt == id,
            // A late one names an earlier call to the same person.
            Fact::Rejected { attempt } => attempt.employee == id.employee && attempt.ordinal <= id.ordinal,
            // A machine is hung up on while the next phone rings already.
            Fact::NoAnswer { attempt, reason, .. } => {
                *attempt == id && matches!(reason, Reason::Unknown | Reason::Voicemail)
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
