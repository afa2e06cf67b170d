//! What holds for every decision.

use patchbay_domain::interaction::limits::{MAX_PAST, MAX_SEEN, MAX_THREAD};
use patchbay_domain::interaction::{
    Attempt, Decision, EventOutcome, Fact, Interaction, Phase, State, Work, all_pending_work,
};
use patchbay_domain::timestamp::Timestamp;

/// Checks a decision. The error says what is wrong with it.
pub(crate) fn check(before: &Interaction, decision: &Decision, now: Timestamp) -> Result<(), String> {
    let Some(next) = &decision.next else {
        let is_empty = decision.messages.is_empty() && decision.entries.is_empty();
        expect(is_empty, "what is not committed has no messages and no entries")?;
        return expect(
            !matches!(decision.outcome, EventOutcome::Applied | EventOutcome::Send),
            "what is applied is committed",
        );
    };
    expect(next.version == before.version + 1, "a commit is one version")?;
    expect(next.updated_at == now, "a commit has the time of its event")?;
    let ids = (0..decision.entries.len()).map(|index| format!("{:010}-{index:03}", next.version));
    let is_sorted = ids.eq(decision.entries.iter().map(|entry| entry.id.clone()));
    expect(is_sorted, "entries sort in order")?;
    states(before, next, decision)?;
    attempts(before, next, decision)?;
    bounds(next)?;
    messages(before, next, decision)
}

fn expect(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// How far a state is.
pub(crate) fn rank(state: State) -> u8 {
    match state {
        State::Scheduled => 0,
        State::Sending => 1,
        State::Unknown => 2,
        State::Sent => 3,
        State::Open => 4,
        State::Ended { .. } => 5,
    }
}

/// The state moves forward only, and every change has one entry.
fn states(before: &Interaction, next: &Interaction, decision: &Decision) -> Result<(), String> {
    expect(rank(before.state) <= rank(next.state), "the state only moves forward")?;
    let is_end = before.state.is_terminal();
    expect(!is_end || before.state == next.state, "an end is the end")?;
    let changes: Vec<_> = decision
        .entries
        .iter()
        .filter_map(|entry| match entry.fact {
            Fact::StateChanged { from, to } => Some((from, to)),
            _ => None,
        })
        .collect();
    let expected: &[_] = if before.state == next.state {
        &[]
    } else {
        &[(before.state, next.state)]
    };
    expect(changes == expected, "every change of the state has one entry")?;
    let is_settled = next.attempt.is_none() && next.closes.is_none();
    expect(!next.state.is_terminal() || is_settled, "after the end nothing is due")?;
    let something_is_due = !all_pending_work(next).is_empty();
    expect(
        next.state.is_terminal() || something_is_due,
        "before the end something is due",
    )
}

/// An attempt that disappears has ended, exactly once, or was replaced because it certainly had no effect.
fn attempts(before: &Interaction, next: &Interaction, decision: &Decision) -> Result<(), String> {
    let ended: Vec<_> = decision
        .entries
        .iter()
        .filter_map(|entry| match &entry.fact {
            Fact::AttemptEnded { attempt, .. } => Some(*attempt),
            _ => None,
        })
        .collect();
    let replaced = decision.entries.iter().find_map(|entry| match &entry.fact {
        Fact::NotSent { attempt, .. } => Some(*attempt),
        _ => None,
    });
    let (old, new) = (before.attempt.as_ref(), next.attempt.as_ref());
    let sent_after_all = decision.entries.iter().find_map(|entry| match &entry.fact {
        Fact::SentAfterAll { attempt } => Some(*attempt),
        _ => None,
    });
    // A try that was sent after all takes the place of the one that is planned.
    let retaken = |old: &Attempt| {
        let is_planned = matches!(old.phase, Phase::Planned { .. });
        sent_after_all.filter(|id| is_planned && old.earlier.contains(id))
    };
    let old_id = old.map(|old| retaken(old).unwrap_or(old.id));
    let is_gone = |id| new.is_none_or(|new| new.id != id);
    if let Some(old) = old_id.filter(|old| is_gone(*old)) {
        let has_one_end = (ended == [old]) != (replaced == Some(old));
        expect(has_one_end, "an attempt that is gone has ended, or is tried again")?;
    } else {
        expect(ended.is_empty(), "an attempt that is there has not ended")?;
    }
    let begins = new.filter(|new| matches!(new.phase, Phase::Begun { .. }));
    let begins = begins.filter(|new| old.is_none_or(|old| old.phase != new.phase));
    let is_sent = decision.outcome == EventOutcome::Send;
    expect(
        is_sent == begins.is_some(),
        "a function sends what has begun, and nothing else",
    )?;
    let Some(begins) = begins else { return Ok(()) };
    expect(!before.is_reached, "nothing is sent after an answer")?;
    expect(
        next.updated_at < next.plan.latest_at,
        "nothing is sent after the latest time",
    )?;
    expect(
        next.updated_at >= next.plan.not_before,
        "nothing is sent before its time",
    )?;
    let used = next.past.iter().any(|past| past.id == begins.id);
    expect(!used, "no attempt is sent twice")
}

fn bounds(next: &Interaction) -> Result<(), String> {
    expect(next.past.len() <= MAX_PAST, "old attempts are bounded")?;
    expect(next.thread.len() <= MAX_THREAD, "the thread is bounded")?;
    expect(next.seen.len() <= MAX_SEEN, "ids of messages are bounded")
}

/// What the new state needs, and the old one did not, is sent with the commit.
fn messages(before: &Interaction, next: &Interaction, decision: &Decision) -> Result<(), String> {
    let old = all_pending_work(before);
    for (work, due_at) in all_pending_work(next) {
        let is_on_its_way = old.contains(&(work.clone(), due_at));
        let is_sent = decision
            .messages
            .iter()
            .any(|message| message.work == work && message.due_at == due_at);
        expect(is_on_its_way || is_sent, "what is due has a message")?;
    }
    let is_fenced = |work: &Work| !matches!(work, Work::Report { .. } | Work::Receive { .. } | Work::Incoming { .. });
    let fits = decision
        .messages
        .iter()
        .all(|message| message.version == next.version && is_fenced(&message.work));
    expect(fits, "messages belong to their commit")
}
