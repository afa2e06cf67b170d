//! What makes no difference any more.

use patchbay::dispatch::State;

use crate::steps::Laws;
use crate::world::{Budget, Call, Cause, Errand, Hook, Kept, Letter, Run, STORED, Step, World};

impl Laws {
    /// Strikes out what makes no difference from now on: messages and reports that every consumer would drop, calls
    /// that nothing asks about, and what could go wrong once nothing depends on it.
    pub(crate) fn drop_what_is_past(&self, world: &mut World) {
        let World {
            kept,
            mail,
            hooks,
            runs,
            calls,
            left,
            ..
        } = world;
        let to_come = |test: &dyn Fn(&Kept) -> bool| {
            let pending = runs.iter().filter_map(|run| match &run.step {
                Step::Commit { next, .. } => Some(&**next),
                _ => None,
            });
            pending.chain([&*kept]).any(test)
        };
        let ring = |id| runs.iter().any(|run| run.step == Step::Call(id));
        let live = |id| calls.iter().any(|call: &Call| call.id == id && call.end.is_none());
        let early = |letter: &Letter| letter.version > STORED;
        mail.retain(|letter| match letter.errand {
            Errand::Dial(id) => to_come(&|kept| kept.may_dial(id, self.rules.dials_once)),
            Errand::Watch { attempt, .. } => to_come(&|kept| kept.is_current(attempt)),
            Errand::Resume(wait) => {
                to_come(&|kept| matches!(&kept.state, State::Waiting(current) if current.id == wait))
            }
            Errand::Remind(id) => {
                to_come(&|kept| matches!(&kept.state, State::Accepted(acceptance) if acceptance.attempt == id))
            }
            Errand::HangUp(id) => early(letter) || live(id) || ring(id),
        });
        let closed = matches!(
            kept.state,
            State::Cancelled { .. } | State::Expired { .. } | State::Resolved { .. }
        );
        hooks.retain(|hook| match hook {
            Hook::Key(..) => !closed,
            Hook::Ended(id, _) => kept.is_current(*id),
        });
        let dialled = |id| {
            let seen_to = |run: &Run| matches!(run.cause, Cause::Letter(letter) if letter.errand == Errand::Dial(id));
            kept.is_current(id) || runs.iter().any(seen_to)
        };
        calls.retain(|call| call.end.is_none() || dialled(call.id));
        if closed || matches!(&kept.state, State::Accepted(acceptance) if acceptance.resolve_by.is_none()) {
            *left = Budget {
                attempts: left.attempts,
                ..Budget::default()
            };
        }
    }
}
