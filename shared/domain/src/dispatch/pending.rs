//! What a dispatch waits for, told by the dispatch alone.
//!
//! Whatever is to come is a message on the `dialing` queue, sent before the commit that it belongs to. A message can be
//! lost all the same: a queue is purged, or its consumer is switched off for longer than the queue keeps messages. The
//! state says which message that was, so it can be sent once more; consumers are fenced, so one too many does nothing.

use super::decide::GRACE_SECONDS;
use super::state::{Dispatch, Phase, State};
use crate::dispatch::work::Work;
use crate::timestamp::Timestamp;

/// How long after its longest duration a call is settled at the latest, in seconds: a call that the provider does not
/// know is given up after three looks, 15 s apart.
const SETTLED_SECONDS: u32 = 60;

/// The message that moves `dispatch` on, and the moment at which it does so at the latest; none when nothing is to come
/// by itself.
///
/// A message on its way may say more: the pacing slot of a call, how often a call was looked at.
pub fn pending_work(dispatch: &Dispatch) -> Option<(Work, Timestamp)> {
    let attempt = match &dispatch.state {
        State::Calling(attempt) => attempt,
        State::Waiting(wait) => return Some((Work::Resume { wait: wait.id }, wait.until)),
        State::Accepted(acceptance) => {
            let attempt = acceptance.attempt;
            return acceptance.resolve_by.map(|by| (Work::Remind { attempt }, by));
        }
        State::Exhausted { .. } | State::Cancelled { .. } | State::Expired { .. } | State::Resolved { .. } => {
            return None;
        }
    };
    let id = attempt.id;
    let watch = Work::Watch { attempt: id, looks: 0 };
    Some(match &attempt.phase {
        Phase::Planned => (
            Work::Dial {
                attempt: id,
                slot: None,
                over: None,
            },
            attempt.due_at,
        ),
        Phase::Claimed { at } | Phase::Placed { at, .. } => {
            let longest = dispatch.brief.policy.longest_call() + SETTLED_SECONDS;
            (watch, at.plus_seconds(longest))
        }
        Phase::Ended { at, .. } => (watch, at.plus_seconds(GRACE_SECONDS)),
    })
}
