//! The invariants of every decision, every transition and every state.

use patchbay::dispatch::work::Work;
use patchbay::dispatch::{
    Availability, CallLookup, Decision, Dispatch, Entry, Event, EventOutcome, NotPlaced, Phase, State, pending_work,
};
use patchbay::ids::AttemptId;

use crate::history::{History, can_fail_over};

pub(crate) const NEXT_VERSION: &str = "a change increases the version by one";
pub(crate) const FENCED: &str = "a message names the version of its commit";
pub(crate) const ONLY_FORWARD: &str = "states only move forward";
pub(crate) const ADVANCES: &str = "a dispatch that is not over has a queued message that advances it";
pub(crate) const PENDING_WORK_IS_DERIVED: &str = "the pending message can be derived from the dispatch";
pub(crate) const ONE_MESSAGE: &str = "each attempt, wait and reminder has exactly one message, due at its time";
pub(crate) const MAX_ATTEMPTS: &str = "an employee is called at most as often in a round as the policy allows";
pub(crate) const NEXT_ORDINAL: &str = "every attempt has the next ordinal";
pub(crate) const UNIQUE_ENTRIES: &str = "every timeline entry has a unique id";
pub(crate) const FITS_TRANSACTION: &str = "a decision fits into one transaction";
pub(crate) const NO_CALL_AFTER_EXPIRY: &str = "no call is placed after the expiry";
pub(crate) const NO_CALL_AFTER_REJECTION: &str = "only a policy with retry_rejected calls an employee who rejected";
pub(crate) const ONLY_AVAILABLE: &str = "only available employees are called";
pub(crate) const ONLY_KEY_1_ACCEPTS: &str = "only key 1 accepts";
pub(crate) const WEBHOOKS_IN_ORDER: &str =
    "the requester is notified as the strategy says, with rising sequence numbers";
pub(crate) const HUNG_UP: &str = "a call that is no longer wanted is hung up";
pub(crate) const FIXED_INDEXES: &str = "an index in the list of employees always means the same employee";
pub(crate) const LEASES_END: &str = "a lease lasts as long as its call";

pub(crate) const MAX_CALLS: &str = "no more calls are placed than the policy allows";
pub(crate) const FAILS_OVER: &str = "a call that one provider does not take is placed over another one at once";
pub(crate) const NO_FAILOVER_WHEN_UNCLEAR: &str = "a call that may have been placed does not fail over";

/// DynamoDB takes 100 items in a transaction: the entries, the dispatch, a status, and the end of a lease.
const MAX_ENTRIES: usize = 97;

pub(crate) fn check_decision(history: &History, event: &Event, decision: &Decision) {
    let before = &history.dispatch;
    let after = decision.next.as_ref().unwrap_or(before);
    let changes = u64::from(decision.next.is_some());
    assert_eq!(after.version, before.version + changes, "{NEXT_VERSION}");
    for message in &decision.messages {
        assert_eq!(message.version, after.version, "{FENCED}: {message:?}");
        assert_eq!(message.sent_at, history.now, "{FENCED}: {message:?}");
    }
    assert!(
        decision.entries.len() <= MAX_ENTRIES,
        "{FITS_TRANSACTION}: {} entries",
        decision.entries.len()
    );
    check_webhooks(decision, after);
    // Callback URLs that are already in use identify an employee by index alone.
    let is_unchanged = |(index, employee)| after.spec.employees.get(index) == Some(employee);
    assert!(
        before.spec.employees.iter().enumerate().all(is_unchanged),
        "{FIXED_INDEXES}"
    );
    let planned = after.progress.attempts - before.progress.attempts;
    assert!(planned <= 1, "{NEXT_ORDINAL}");
    check_new_work(history, decision);
    if decision.outcome == EventOutcome::Dial {
        check_call_is_allowed(history, decision);
    }
    if let State::Accepted(acceptance) = &after.state
        && !matches!(before.state, State::Accepted(_))
    {
        let keys = match event {
            Event::Key { attempt, keys } if *attempt == acceptance.attempt => keys,
            Event::Watched {
                attempt,
                lookup: CallLookup::Over { keys, .. },
                ..
            } if *attempt == acceptance.attempt => keys,
            other => panic!("{ONLY_KEY_1_ACCEPTS}, not {other:?}"),
        };
        assert!(keys.ends_with('1'), "{ONLY_KEY_1_ACCEPTS}, not {keys}");
    }
    check_hang_up(history, event, decision);
    check_failover(history, event, decision);
}

/// The notices are those that the requester's strategy asks for, and their sequence numbers rise from commit to commit
/// and within a commit.
fn check_webhooks(decision: &Decision, after: &Dispatch) {
    let numbers = decision.entries.iter().filter_map(|entry| entry.sequence);
    let first = after.version * 100;
    let entries = u64::try_from(decision.entries.len()).unwrap();
    let expected = if decision.next.is_some() { entries } else { 0 };
    assert!(numbers.eq(first..first + expected), "{WEBHOOKS_IN_ORDER}");
    let strategy = after.spec.webhook.as_ref().map(|webhook| webhook.strategy);
    let is_notified = |entry: &&Entry| strategy.is_some_and(|strategy| entry.notifies(strategy));
    let expected = decision.entries.iter().filter(is_notified).map(|entry| &entry.id);
    assert!(
        decision.notices.iter().map(|notice| &notice.entry).eq(expected),
        "{WEBHOOKS_IN_ORDER}"
    );
}

/// A new attempt, wait, or acceptance with a time limit has exactly one message, due at its time.
fn check_new_work(history: &History, decision: &Decision) {
    let Some(next) = &decision.next else { return };
    let due_times = |is_wanted: &dyn Fn(&Work) -> bool| -> Vec<_> {
        let messages = decision.messages.iter().filter(|message| is_wanted(&message.work));
        messages.map(|message| message.due_at).collect()
    };
    let before = &history.dispatch;
    match &next.state {
        State::Calling(attempt) if attempt.phase == Phase::Planned && before.attempt_with_id(attempt.id).is_none() => {
            assert_eq!(attempt.id.ordinal, next.progress.attempts, "{NEXT_ORDINAL}");
            assert_eq!(attempt.id.ordinal, before.progress.attempts + 1, "{NEXT_ORDINAL}");
            assert!(attempt.number <= next.spec.policy.attempts, "{MAX_ATTEMPTS}");
            let id = attempt.id;
            let dials = due_times(&|work| matches!(work, Work::Dial { attempt, .. } if *attempt == id));
            assert_eq!(dials, [attempt.due_at], "{ONE_MESSAGE}");
        }
        State::Waiting(wait) if before.state != next.state => {
            let resumes = due_times(&|work| matches!(work, Work::Resume { wait: id } if *id == wait.id));
            assert_eq!(resumes, [wait.until], "{ONE_MESSAGE}");
            assert!(wait.until <= next.expires_at, "{ONE_MESSAGE}");
        }
        State::Accepted(acceptance) if before.state != next.state => {
            let reminders = due_times(&|work| matches!(work, Work::Remind { .. }));
            assert_eq!(reminders, Vec::from_iter(acceptance.resolve_by), "{ONE_MESSAGE}");
        }
        _ => {}
    }
}

fn check_call_is_allowed(history: &History, decision: &Decision) {
    let Some(attempt) = decision.next.as_ref().and_then(|next| next.attempt()) else {
        panic!("{NEXT_ORDINAL}: a call without an attempt")
    };
    let (dispatch, now, id) = (&history.dispatch, history.now, attempt.id);
    assert!(now < dispatch.expires_at, "{NO_CALL_AFTER_EXPIRY}");
    let has_rejected = history.tracked.rejected.contains(&id.employee);
    assert!(
        dispatch.spec.policy.retry_rejected || !has_rejected,
        "{NO_CALL_AFTER_REJECTION}"
    );
    let employee = dispatch.employee(id.employee).unwrap();
    assert_eq!(employee.availability(now), Availability::Available, "{ONLY_AVAILABLE}");
    let calls = history
        .tracked
        .calls_in_round
        .get(&id.employee)
        .copied()
        .unwrap_or_default();
    assert!(calls < dispatch.spec.policy.attempts, "{MAX_ATTEMPTS}");
    let max_calls = dispatch.spec.policy.max_calls;
    assert!(
        max_calls.is_none_or(|max_calls| history.tracked.calls < max_calls),
        "{MAX_CALLS}"
    );
}

/// A call that the provider did not take fails over; one that it may have taken does not.
fn check_failover(history: &History, event: &Event, decision: &Decision) {
    let before = &history.dispatch;
    match event {
        Event::Unclear { .. } => assert!(decision.next.is_none(), "{NO_FAILOVER_WHEN_UNCLEAR}"),
        Event::NotPlaced {
            attempt,
            reason: NotPlaced::OutOfMoney | NotPlaced::NotAllowed,
        } if can_fail_over(before, *attempt) => {
            let Some(next) = &decision.next else { return };
            let planned = next.attempt().filter(|planned| planned.due_at == history.now);
            let planned = planned.map(|planned| (planned.id.employee, planned.number));
            let same = before.attempt().map(|same| (same.id.employee, same.number));
            assert!(planned == same || history.now >= before.expires_at, "{FAILS_OVER}");
        }
        _ => {}
    }
}

/// A call that may be going on, and whose attempt is no longer current, is hung up. Exceptions: the event says that it
/// is over, or the employee still hears the response to their key.
fn check_hang_up(history: &History, event: &Event, decision: &Decision) {
    let Some(next) = &decision.next else { return };
    let Some(attempt) = history.dispatch.attempt() else {
        return;
    };
    let id = attempt.id;
    let may_be_live = matches!(attempt.phase, Phase::Claimed { .. } | Phase::Placed { .. });
    let ends_anyway = match event {
        Event::CallEnded { attempt, .. } | Event::NotPlaced { attempt, .. } | Event::Key { attempt, .. } => {
            *attempt == id
        }
        Event::Watched { attempt, lookup, .. } => *attempt == id && matches!(lookup, CallLookup::Over { .. }),
        _ => false,
    };
    if may_be_live && next.attempt_with_id(id).is_none() && !ends_anyway {
        let hung_up = decision
            .messages
            .iter()
            .any(|message| matches!(message.work, Work::HangUp { attempt, .. } if attempt == id));
        assert!(hung_up, "{HUNG_UP}: {id}");
    }
}

pub(crate) fn check_transition(before: &State, event: &Event, after: &State) {
    let allowed = match (before, after) {
        (State::Calling(_) | State::Waiting(_), _)
        | (State::Exhausted { .. }, State::Accepted(_) | State::Resolved { .. })
        | (State::Expired { .. }, State::Resolved { acceptance: None, .. }) => true,
        (State::Exhausted { at }, State::Exhausted { at: after }) => at == after,
        (State::Accepted(before), State::Resolved { acceptance, .. }) => acceptance.as_ref() == Some(before),
        // Reopened: the ticket was not resolved in time.
        (State::Accepted(_), State::Calling(_) | State::Waiting(_) | State::Exhausted { .. }) => {
            matches!(event, Event::Overdue { .. })
        }
        _ => false,
    };
    assert!(allowed, "{ONLY_FORWARD}: {before:?} became {after:?} by {event:?}");
}

pub(crate) fn check_state(history: &History) {
    let is_over = history.dispatch.state.is_over();
    assert!(
        is_over || history.will_advance(),
        "{ADVANCES}: {:?}",
        history.dispatch.state
    );
    assert_eq!(
        pending_work(&history.dispatch).is_some(),
        !is_over,
        "{PENDING_WORK_IS_DERIVED}: {:?}",
        history.dispatch.state
    );
    assert!(
        is_over || history.is_pending_work_queued(),
        "{PENDING_WORK_IS_DERIVED}: {:?}",
        history.dispatch.state
    );
    let calling = history.dispatch.attempt().and_then(|attempt| match attempt.phase {
        Phase::Claimed { .. } | Phase::Placed { .. } => Some(attempt.id),
        Phase::Planned | Phase::Ended { .. } => None,
    });
    let leases: Vec<AttemptId> = history.tracked.leases.iter().copied().collect();
    assert_eq!(leases, Vec::from_iter(calling), "{LEASES_END}");
}
