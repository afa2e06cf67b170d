//! The messages that an interaction needs, derived from its state alone.
//!
//! Every next action is a message on the `interactions` queue, sent before the commit that it belongs to: a decision
//! sends what the new state needs and the old one did not. A message can still be lost, and the state tells which one it
//! was, so it can be sent again. Consumers are fenced, so a duplicate does nothing.

use super::limits::{GRACE_SECONDS, LAST_POLL_SECONDS, POLL_SECONDS, SEND_SECONDS};
use super::plan::{Content, Leg};
use super::state::{Attempt, Interaction, Phase};
use super::work::Work;
use crate::timestamp::Timestamp;

/// The message that advances `interaction` next, and when it is due; none when it has ended.
pub fn pending_work(interaction: &Interaction) -> Option<(Work, Timestamp)> {
    let all = all_pending_work(interaction);
    all.into_iter().min_by_key(|(_, due_at)| *due_at)
}

/// All messages that `interaction` needs, and when each is due.
pub fn all_pending_work(interaction: &Interaction) -> Vec<(Work, Timestamp)> {
    let mut all = Vec::new();
    if let Some(attempt) = &interaction.attempt
        && let Some(leg) = interaction.leg(attempt.leg)
    {
        all.push(next_step(attempt, leg));
        all.extend(poll(attempt, leg));
    }
    let closing = interaction.closes;
    all.extend(closing.map(|closing| (Work::Close { closing: closing.id }, closing.at)));
    all
}

fn next_step(attempt: &Attempt, leg: &Leg) -> (Work, Timestamp) {
    let id = attempt.id;
    match attempt.phase {
        Phase::Planned { due_at } => (Work::Send { attempt: id }, due_at),
        Phase::Begun { at } => (Work::Watch { attempt: id }, at.plus_seconds(SEND_SECONDS)),
        Phase::Sent { at } | Phase::Unclear { at } => {
            (Work::OutcomeDue { attempt: id }, at.plus_seconds(leg.outcome_seconds))
        }
        Phase::Delivered { answer_by } => (Work::AnswerDue { attempt: id }, answer_by),
        Phase::Over { at } => (Work::AnswerDue { attempt: id }, at.plus_seconds(GRACE_SECONDS)),
    }
}

/// What is sent is asked for where the provider does not report by itself; of what is unclear only a text, which can be
/// recognized by what it says. Until the outcome is due: afterwards the plan goes on without an answer.
fn poll(attempt: &Attempt, leg: &Leg) -> Option<(Work, Timestamp)> {
    let since = match attempt.phase {
        Phase::Unclear { at } if matches!(leg.content, Content::Text { .. }) => at,
        Phase::Sent { at } if leg.is_polled => at,
        Phase::Planned { .. }
        | Phase::Begun { .. }
        | Phase::Sent { .. }
        | Phase::Unclear { .. }
        | Phase::Delivered { .. }
        | Phase::Over { .. } => return None,
    };
    let seconds = seconds_until_poll(attempt.polls);
    let work = Work::Poll {
        attempt: attempt.id,
        polls: attempt.polls,
    };
    (seconds < leg.outcome_seconds).then(|| (work, since.plus_seconds(seconds)))
}

/// Seconds from the moment of sending until the provider is asked, after this many times.
fn seconds_until_poll(polls: u16) -> u32 {
    let pauses = POLL_SECONDS.into_iter().chain(std::iter::repeat(LAST_POLL_SECONDS));
    pauses.take(usize::from(polls) + 1).fold(0, u32::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_asked_less_and_less_often() {
        let times: Vec<u32> = (0..9).map(seconds_until_poll).collect();
        assert_eq!(times, [15, 45, 105, 405, 1_305, 4_905, 8_505, 12_105, 15_705]);
    }
}
