//! What must hold of every decision, of every change, and at every moment.

use patchbay::dispatch::work::Work;
use patchbay::dispatch::{
    Availability, Decision, Dispatch, Entry, Event, NotPlaced, Phase, Sighting, State, Verdict, pending_work,
};
use patchbay::ids::AttemptId;

use crate::history::{History, may_go_elsewhere};

pub(crate) const ONE_VERSION_ON: &str = "a change is one version on";
pub(crate) const FENCED: &str = "a message names the version that it belongs to";
pub(crate) const ONLY_FORWARD: &str = "states only move forward";
pub(crate) const MOVED_ON: &str = "what is not over has a message that moves it on";
pub(crate) const TOLD_BY_ITSELF: &str = "what is to come is told by the dispatch itself";
pub(crate) const ONE_MESSAGE_EACH: &str = "whatever is new is sent for once, at its moment";
pub(crate) const ATTEMPTS_IN_A_ROW: &str = "nobody is phoned more often in a round than the policy says";
pub(crate) const ORDINALS_GROW: &str = "every attempt has the next ordinal";
pub(crate) const LINES_ARE_UNIQUE: &str = "every line of the timeline has a name of its own";
pub(crate) const FITS: &str = "a decision fits into one transaction";
pub(crate) const NO_CALL_AFTER_EXPIRY: &str = "nobody is phoned after the expiry";
pub(crate) const NO_MEANS_NO: &str = "whoever said no for good is not phoned";
pub(crate) const ONLY_THE_AVAILABLE: &str = "nobody is phoned who is not available";
pub(crate) const ONLY_A_1_ACCEPTS: &str = "only a 1 accepts";
pub(crate) const TOLD_IN_ORDER: &str = "the requester is told of everything, with a number for its place";
pub(crate) const HUNG_UP: &str = "a call that is wanted no more is hung up";
pub(crate) const ONE_PERSON_EACH: &str = "a place in the list of employees belongs to one person for good";
pub(crate) const LEASES_END: &str = "a lease lasts as long as its call";

pub(crate) const MOST_CALLS: &str = "no more calls are placed than the policy allows";
pub(crate) const GOES_ELSEWHERE: &str = "a call that a provider does not take goes over another one at once";
pub(crate) const UNCLEAR_STAYS: &str = "a call that was perhaps placed is not placed elsewhere";

/// DynamoDB takes 100 items at once: the dispatch, a status and the end of a lease beside the lines.
const MOST_LINES: usize = 97;

pub(crate) fn of_a_decision(history: &History, event: &Event, decision: &Decision) {
    let before = &history.dispatch;
    let after = decision.next.as_ref().unwrap_or(before);
    let changes = u64::from(decision.next.is_some());
    assert_eq!(after.version, before.version + changes, "{ONE_VERSION_ON}");
    for message in &decision.messages {
        assert_eq!(message.version, after.version, "{FENCED}: {message:?}");
        assert_eq!(message.sent_at, history.now, "{FENCED}: {message:?}");
    }
    assert!(
        decision.entries.len() <= MOST_LINES,
        "{FITS}: {} lines",
        decision.entries.len()
    );
    tells(decision, after);
    // URLs that are out there say the place, and nothing else of the person.
    let stays = |(place, employee)| after.brief.employees.get(place) == Some(employee);
    assert!(
        before.brief.employees.iter().enumerate().all(stays),
        "{ONE_PERSON_EACH}"
    );
    let planned = after.progress.attempts - before.progress.attempts;
    assert!(planned <= 1, "{ORDINALS_GROW}");
    sends_for_what_is_new(history, decision);
    if decision.verdict == Verdict::Dial {
        may_be_phoned(history, decision);
    }
    if let State::Accepted(acceptance) = &after.state
        && !matches!(before.state, State::Accepted(_))
    {
        let keys = match event {
            Event::Key { attempt, keys } if *attempt == acceptance.attempt => keys,
            Event::Watched {
                attempt,
                sighting: Sighting::Over { keys, .. },
                ..
            } if *attempt == acceptance.attempt => keys,
            other => panic!("{ONLY_A_1_ACCEPTS}, not {other:?}"),
        };
        assert!(keys.ends_with('1'), "{ONLY_A_1_ACCEPTS}, not {keys}");
    }
    hangs_up(history, event, decision);
    goes_elsewhere(history, event, decision);
}

/// The requester is told of all that was asked for, and by numbers that rise from commit to commit and within one.
fn tells(decision: &Decision, after: &Dispatch) {
    let numbers = decision.entries.iter().filter_map(|entry| entry.sequence);
    let first = after.version * 100;
    let lines = u64::try_from(decision.entries.len()).unwrap();
    let expected = if decision.next.is_some() { lines } else { 0 };
    assert!(numbers.eq(first..first + expected), "{TOLD_IN_ORDER}");
    let strategy = after.brief.webhook.as_ref().map(|webhook| webhook.strategy);
    let to_tell = |entry: &&Entry| strategy.is_some_and(|strategy| entry.is_told(strategy));
    let to_tell = decision.entries.iter().filter(to_tell).map(|entry| &entry.id);
    assert!(
        decision.notices.iter().map(|notice| &notice.entry).eq(to_tell),
        "{TOLD_IN_ORDER}"
    );
}

/// A new attempt, wait or acceptance with a time limit has exactly one message, due when it is.
fn sends_for_what_is_new(history: &History, decision: &Decision) {
    let Some(next) = &decision.next else { return };
    let due = |is: &dyn Fn(&Work) -> bool| -> Vec<_> {
        let messages = decision.messages.iter().filter(|message| is(&message.work));
        messages.map(|message| message.due_at).collect()
    };
    let before = &history.dispatch;
    match &next.state {
        State::Calling(attempt) if attempt.phase == Phase::Planned && before.attempt_called(attempt.id).is_none() => {
            assert_eq!(attempt.id.ordinal, next.progress.attempts, "{ORDINALS_GROW}");
            assert_eq!(attempt.id.ordinal, before.progress.attempts + 1, "{ORDINALS_GROW}");
            assert!(attempt.number <= next.brief.policy.attempts, "{ATTEMPTS_IN_A_ROW}");
            let id = attempt.id;
            let dials = due(&|work| matches!(work, Work::Dial { attempt, .. } if *attempt == id));
            assert_eq!(dials, [attempt.due_at], "{ONE_MESSAGE_EACH}");
        }
        State::Waiting(wait) if before.state != next.state => {
            let resumes = due(&|work| matches!(work, Work::Resume { wait: id } if *id == wait.id));
            assert_eq!(resumes, [wait.until], "{ONE_MESSAGE_EACH}");
            assert!(wait.until <= next.expires_at, "{ONE_MESSAGE_EACH}");
        }
        State::Accepted(acceptance) if before.state != next.state => {
            let reminders = due(&|work| matches!(work, Work::Remind { .. }));
            assert_eq!(reminders, Vec::from_iter(acceptance.resolve_by), "{ONE_MESSAGE_EACH}");
        }
        _ => {}
    }
}

fn may_be_phoned(history: &History, decision: &Decision) {
    let Some(attempt) = decision.next.as_ref().and_then(|next| next.attempt()) else {
        panic!("{ORDINALS_GROW}: a call without an attempt")
    };
    let (dispatch, now, id) = (&history.dispatch, history.now, attempt.id);
    assert!(now < dispatch.expires_at, "{NO_CALL_AFTER_EXPIRY}");
    let said_no = history.known.rejected.contains(&id.employee);
    assert!(dispatch.brief.policy.ask_again || !said_no, "{NO_MEANS_NO}");
    let person = dispatch.employee(id.employee).unwrap();
    assert_eq!(
        person.availability(now),
        Availability::Available,
        "{ONLY_THE_AVAILABLE}"
    );
    let calls = history
        .known
        .calls_in_round
        .get(&id.employee)
        .copied()
        .unwrap_or_default();
    assert!(calls < dispatch.brief.policy.attempts, "{ATTEMPTS_IN_A_ROW}");
    let most = dispatch.brief.policy.max_calls;
    assert!(most.is_none_or(|most| history.known.calls < most), "{MOST_CALLS}");
}

/// Where a call goes that a provider did not take, or perhaps not.
fn goes_elsewhere(history: &History, event: &Event, decision: &Decision) {
    let before = &history.dispatch;
    match event {
        Event::Unclear { .. } => assert!(decision.next.is_none(), "{UNCLEAR_STAYS}"),
        Event::NotPlaced {
            attempt,
            why: NotPlaced::OutOfMoney | NotPlaced::NotAllowed,
        } if may_go_elsewhere(before, *attempt) => {
            let Some(next) = &decision.next else { return };
            let planned = next.attempt().filter(|planned| planned.due_at == history.now);
            let planned = planned.map(|planned| (planned.id.employee, planned.number));
            let same = before.attempt().map(|same| (same.id.employee, same.number));
            assert!(planned == same || history.now >= before.expires_at, "{GOES_ELSEWHERE}");
        }
        _ => {}
    }
}

/// A call that may be going on, and that the decision has left behind, is hung up; unless the event says that it is
/// over, or the person hears the answer to the key.
fn hangs_up(history: &History, event: &Event, decision: &Decision) {
    let Some(next) = &decision.next else { return };
    let Some(attempt) = history.dispatch.attempt() else {
        return;
    };
    let id = attempt.id;
    let may_go_on = matches!(attempt.phase, Phase::Claimed { .. } | Phase::Placed { .. });
    let ends_by_itself = match event {
        Event::CallEnded { attempt, .. } | Event::NotPlaced { attempt, .. } | Event::Key { attempt, .. } => {
            *attempt == id
        }
        Event::Watched { attempt, sighting, .. } => *attempt == id && matches!(sighting, Sighting::Over { .. }),
        _ => false,
    };
    if may_go_on && next.attempt_called(id).is_none() && !ends_by_itself {
        let hung_up = decision
            .messages
            .iter()
            .any(|message| matches!(message.work, Work::HangUp { attempt, .. } if attempt == id));
        assert!(hung_up, "{HUNG_UP}: {id}");
    }
}

pub(crate) fn of_a_change(before: &State, event: &Event, after: &State) {
    let allowed = match (before, after) {
        (State::Calling(_) | State::Waiting(_), _)
        | (State::Exhausted { .. }, State::Accepted(_) | State::Resolved { .. })
        | (State::Expired { .. }, State::Resolved { acceptance: None, .. }) => true,
        (State::Exhausted { at }, State::Exhausted { at: still }) => at == still,
        (State::Accepted(had), State::Resolved { acceptance, .. }) => acceptance.as_ref() == Some(had),
        // Opened again.
        (State::Accepted(_), State::Calling(_) | State::Waiting(_) | State::Exhausted { .. }) => {
            matches!(event, Event::Overdue { .. })
        }
        _ => false,
    };
    assert!(allowed, "{ONLY_FORWARD}: {before:?} became {after:?} by {event:?}");
}

pub(crate) fn of_a_moment(history: &History) {
    let over = history.dispatch.state.is_over();
    assert!(
        over || history.is_moved_on(),
        "{MOVED_ON}: {:?}",
        history.dispatch.state
    );
    assert_eq!(
        pending_work(&history.dispatch).is_some(),
        !over,
        "{TOLD_BY_ITSELF}: {:?}",
        history.dispatch.state
    );
    assert!(
        over || history.is_told_by_itself(),
        "{TOLD_BY_ITSELF}: {:?}",
        history.dispatch.state
    );
    let calling = history.dispatch.attempt().and_then(|attempt| match attempt.phase {
        Phase::Claimed { .. } | Phase::Placed { .. } => Some(attempt.id),
        Phase::Planned | Phase::Ended { .. } => None,
    });
    let held: Vec<AttemptId> = history.known.leases.iter().copied().collect();
    assert_eq!(held, Vec::from_iter(calling), "{LEASES_END}");
}
