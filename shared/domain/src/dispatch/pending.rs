//! The message that a dispatch waits for, derived from its state alone.
//!
//! Every next step is a message on the `dialing` queue, sent before the commit that it belongs to. A message can still
//! be lost: a queue is purged, or its consumer is switched off for longer than the queue keeps messages. The state
//! tells which message that was, so it can be sent again. Consumers are fenced, so a duplicate does nothing.

use super::decide::GRACE_SECONDS;
use super::state::{Dispatch, Phase, State};
use crate::dispatch::work::Work;
use crate::timestamp::Timestamp;

/// How long after its longest duration a call is resolved at the latest, in seconds: we give up on a call that the
/// provider does not know after three lookups, 15 s apart.
const SETTLED_SECONDS: u32 = 60;

/// The message that advances `dispatch`, and the latest time at which it does so; none when the dispatch waits for no
/// message.
///
/// The message that was sent may hold more: the pacing slot of a call, the number of lookups so far.
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
    let watch = Work::Watch {
        attempt: id,
        lookups: 0,
    };
    Some(match &attempt.phase {
        Phase::Planned => (
            Work::Dial {
                attempt: id,
                slot: None,
                provider: None,
            },
            attempt.due_at,
        ),
        Phase::Claimed { at } | Phase::Placed { at, .. } => {
            let longest = dispatch.spec.policy.longest_call() + SETTLED_SECONDS;
            (watch, at.plus_seconds(longest))
        }
        Phase::Ended { at, .. } => (watch, at.plus_seconds(GRACE_SECONDS)),
    })
}
