//! The messages that a conversation needs, derived from its state alone.
//!
//! Every next action is a message on the `conversations` queue, sent before the commit that it belongs to: a decision
//! sends what the new state needs and the old one did not. A message can still be lost: a queue is purged, or its
//! consumer is switched off for longer than the queue keeps messages. The state tells which message that was, so it can
//! be sent again. Consumers are fenced, so a duplicate does nothing.

use super::limits::STEP_SECONDS;
use super::state::{Conversation, Holder};
use super::step::StepState;
use super::work::Work;
use crate::timestamp::Timestamp;

/// The message that advances `conversation` next, and when it is due; none when the conversation waits for nothing but
/// the platform. A turn that waits until the customer can read the answer before it is not next: its message could do
/// nothing, and the step that it waits for is due later.
pub fn pending_work(conversation: &Conversation) -> Option<(Work, Timestamp)> {
    let is_blocked = conversation.steps.iter().any(|step| !step.action.is_background());
    let all = all_pending_work(conversation).into_iter();
    all.filter(|(work, _)| !(is_blocked && matches!(work, Work::Turn { .. })))
        .min_by_key(|(_, due_at)| *due_at)
}

/// All messages that `conversation` needs, and when each is due.
pub fn all_pending_work(conversation: &Conversation) -> Vec<(Work, Timestamp)> {
    let work = [
        step_work(conversation),
        turn_work(conversation),
        wait_work(conversation),
        silence_work(conversation),
    ];
    work.into_iter().flatten().collect()
}

fn step_work(conversation: &Conversation) -> Option<(Work, Timestamp)> {
    let step = conversation.steps.first()?;
    Some(match step.state {
        StepState::Ready => (Work::Step { step: step.id }, step.due_at),
        StepState::Begun(at) => (Work::Watch { step: step.id }, at.plus_seconds(STEP_SECONDS)),
    })
}

fn turn_work(conversation: &Conversation) -> Option<(Work, Timestamp)> {
    let turn = conversation.turn?;
    let due_at = turn.running.map_or(turn.due_at, |lease| lease.until);
    Some((Work::Turn { turn: turn.id }, due_at))
}

fn wait_work(conversation: &Conversation) -> Option<(Work, Timestamp)> {
    let hand_over = conversation.hand_over.as_ref()?;
    let seconds = hand_over.plan.wait_seconds?;
    let due_at = conversation.holder_since.plus_seconds(seconds);
    (conversation.holder == Holder::Waiting).then_some((
        Work::WaitOver {
            hand_over: hand_over.id,
        },
        due_at,
    ))
}

fn silence_work(conversation: &Conversation) -> Option<(Work, Timestamp)> {
    let silence = conversation.silence?;
    Some((Work::GiveBack { silence }, conversation.gives_back_at?))
}
