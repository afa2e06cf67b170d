//! What holds for every decision.

use patchbay_domain::conversation::limits::{
    MAX_BACKGROUND_STEPS, MAX_PENDING, MAX_PENDING_CHARS, MAX_SEEN, MAX_SENT, MAX_STEPS, MAX_TRANSCRIPT,
};
use patchbay_domain::conversation::{
    Conversation, Decision, EventOutcome, Fact, Holder, StepState, Work, all_pending_work,
};
use patchbay_domain::message::Envelope;
use patchbay_domain::timestamp::Timestamp;

/// Checks a decision. The error says what is wrong with it.
pub(crate) fn check(before: &Conversation, decision: &Decision, now: Timestamp) -> Result<(), String> {
    let Some(next) = &decision.next else {
        let is_empty = decision.messages.is_empty() && decision.entries.is_empty();
        expect(is_empty, "what is not committed has no messages and no entries")?;
        return expect(
            decision.outcome != EventOutcome::Applied,
            "what is applied is committed",
        );
    };
    expect(next.version == before.version + 1, "a commit is one version")?;
    expect(next.updated_at == now, "a commit has the time of its event")?;
    let ids: Vec<String> = (0..decision.entries.len())
        .map(|index| format!("{:010}-{index:03}", next.version))
        .collect();
    let recorded: Vec<&str> = decision.entries.iter().map(|entry| entry.id.as_str()).collect();
    expect(ids == recorded, "entries sort in order")?;
    edges(before, next, decision)?;
    consistency(next)?;
    bounds(next)?;
    messages(before, next, decision)
}

fn expect(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// Every change of the holder has an entry.
fn edges(before: &Conversation, next: &Conversation, decision: &Decision) -> Result<(), String> {
    let mut holder = before.holder;
    for entry in &decision.entries {
        if let Fact::HolderChanged(change) = &entry.fact {
            expect(change.from == holder && change.to != holder, "edges form a path")?;
            holder = change.to;
        }
    }
    expect(holder == next.holder, "every change of the holder is an edge")
}

fn consistency(next: &Conversation) -> Result<(), String> {
    expect(
        next.turn.is_some() != next.pending.is_empty(),
        "there is a turn if and only if a message waits for it",
    )?;
    expect(
        next.pending.is_empty() || next.holder == Holder::Bot,
        "messages wait only for the bot",
    )?;
    let begun = next.steps.iter().filter(|step| step.state != StepState::Ready).count();
    let begun_first = next.steps.first().is_some_and(|step| step.state != StepState::Ready);
    expect(begun == usize::from(begun_first), "only the first step has begun")?;
    let is_handed_over = next.holder != Holder::Bot && next.hand_over.is_some();
    expect(next.hand_over.is_none() || is_handed_over, "the bot holds no hand-over")?;
    expect(
        next.silence.is_none() || next.holder == Holder::Human,
        "only a person can be silent",
    )
}

fn bounds(next: &Conversation) -> Result<(), String> {
    let chars: usize = next.pending.iter().map(|message| message.text.chars().count()).sum();
    let background = next.steps.iter().filter(|step| step.action.is_background()).count();
    for (what, length, most) in [
        ("pending messages", next.pending.len(), MAX_PENDING),
        ("pending characters", chars, MAX_PENDING_CHARS + MAX_PENDING),
        ("steps", next.steps.len(), MAX_STEPS),
        ("background steps", background, MAX_BACKGROUND_STEPS),
        ("sent messages", next.sent.len(), MAX_SENT),
        ("seen messages", next.seen.len(), MAX_SEEN),
        ("lines", next.transcript.len(), MAX_TRANSCRIPT),
    ] {
        if length > most {
            return Err(format!("{length} {what}"));
        }
    }
    Ok(())
}

/// The decision sends exactly the messages that the new state needs and the old one did not.
fn messages(before: &Conversation, next: &Conversation, decision: &Decision) -> Result<(), String> {
    let old = all_pending_work(before);
    let needed: Vec<(Work, Timestamp)> = all_pending_work(next)
        .into_iter()
        .filter(|work| !old.contains(work))
        .collect();
    let sent = decision
        .messages
        .iter()
        .map(|message| (message.work.clone(), message.due_at));
    expect(
        needed == sent.collect::<Vec<_>>(),
        "the messages are those that the state needs",
    )?;
    let belongs = |message: &Envelope<_, _>| message.version == next.version && message.subject == next.key;
    expect(decision.messages.iter().all(belongs), "messages belong to their commit")
}
