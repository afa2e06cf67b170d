//! Removes from the modeled world what can no longer have an effect, so that equivalent states are equal.

use patchbay::dispatch::State;

use crate::steps::Protocol;
use crate::world::{
    Budget, Call, Cause, Invocation, QueuedMessage, QueuedWork, STORED_VERSION, Step, StoredDispatch, Webhook, World,
};

impl Protocol {
    /// Removes messages and webhooks that every consumer would drop, calls that are not looked up any more, and faults
    /// that would have no effect.
    pub(crate) fn prune(&self, world: &mut World) {
        let World {
            stored,
            queue,
            webhooks,
            invocations,
            calls,
            budget,
            ..
        } = world;
        let any_version = |test: &dyn Fn(&StoredDispatch) -> bool| {
            let pending = invocations.iter().filter_map(|invocation| match &invocation.step {
                Step::Commit { next, .. } => Some(&**next),
                _ => None,
            });
            pending.chain([&*stored]).any(test)
        };
        let will_ring = |id| invocations.iter().any(|invocation| invocation.step == Step::Call(id));
        let is_live = |id| calls.iter().any(|call: &Call| call.id == id && call.end.is_none());
        let is_early = |message: &QueuedMessage| message.version > STORED_VERSION;
        queue.retain(|message| match message.work {
            QueuedWork::Dial(id) => any_version(&|stored| stored.may_dial(id, self.rules.dials_once)),
            QueuedWork::Watch { attempt, .. } => any_version(&|stored| stored.is_current(attempt)),
            QueuedWork::Resume(wait) => {
                any_version(&|stored| matches!(&stored.state, State::Waiting(current) if current.id == wait))
            }
            QueuedWork::Remind(id) => {
                any_version(&|stored| matches!(&stored.state, State::Accepted(acceptance) if acceptance.attempt == id))
            }
            QueuedWork::HangUp(id) => is_early(message) || is_live(id) || will_ring(id),
        });
        let is_closed = matches!(
            stored.state,
            State::Cancelled { .. } | State::Expired { .. } | State::Resolved { .. }
        );
        webhooks.retain(|webhook| match webhook {
            Webhook::Key(..) => !is_closed,
            Webhook::Ended(id, _) => stored.is_current(*id),
        });
        let is_dialed = |id| {
            let work = QueuedWork::Dial(id);
            let dials =
                |invocation: &Invocation| matches!(invocation.cause, Cause::Message(message) if message.work == work);
            stored.is_current(id) || invocations.iter().any(dials)
        };
        calls.retain(|call| call.end.is_none() || is_dialed(call.id));
        if is_closed || matches!(&stored.state, State::Accepted(acceptance) if acceptance.resolve_by.is_none()) {
            *budget = Budget {
                attempts: budget.attempts,
                ..Budget::default()
            };
        }
    }
}
