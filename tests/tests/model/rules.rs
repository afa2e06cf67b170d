//! The rules by which functions consume messages and commit decisions, and functions that break them.

use patchbay::dispatch::work::Work;
use patchbay::dispatch::{Decision, DecisionContext, Dispatch, Ending, Event, EventOutcome, State, decide};

/// A decision function: the real one, or one that breaks a rule.
pub(crate) type Decide = fn(&Dispatch, &Event, DecisionContext) -> Decision;

/// The rules. patchbay follows all of them: `true`, and the real `decide`.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each rule can be broken alone")]
pub(crate) struct Rules {
    pub(crate) decide: Decide,
    /// Messages are sent before the commit.
    pub(crate) sends_first: bool,
    /// A commit is conditional on the version.
    pub(crate) commits_conditionally: bool,
    /// A message that arrives before its commit is delivered again.
    pub(crate) redelivers_early_messages: bool,
    /// A call is placed only after its claim is committed.
    pub(crate) claims_attempts: bool,
    /// A claimed attempt is never dialed again.
    pub(crate) dials_once: bool,
    /// Every call has a watch.
    pub(crate) watches_calls: bool,
    /// The watch of a call is consumed only after the function that sent it has ended.
    pub(crate) delays_watches: bool,
    /// An employee hears only what is committed.
    pub(crate) announces_after_commit: bool,
    /// A hang-up does not end a call that is wanted after all.
    pub(crate) spares_wanted_calls: bool,
}

impl Rules {
    pub(crate) const REAL: Self = Self {
        decide,
        sends_first: true,
        commits_conditionally: true,
        redelivers_early_messages: true,
        claims_attempts: true,
        dials_once: true,
        watches_calls: true,
        delays_watches: true,
        announces_after_commit: true,
        spares_wanted_calls: true,
    };
}

/// Accepts every key 1, even when another employee has accepted.
pub(crate) fn accept_every_key_1(dispatch: &Dispatch, event: &Event, context: DecisionContext) -> Decision {
    let mut open = dispatch.clone();
    if let (State::Accepted(acceptance), Event::Key { attempt, .. }) = (&dispatch.state, event)
        && acceptance.attempt != *attempt
    {
        open.state = State::Exhausted { at: context.now };
    }
    decide(&open, event, context)
}

/// Treats a completed call as an acceptance.
pub(crate) fn accept_on_pick_up(dispatch: &Dispatch, event: &Event, context: DecisionContext) -> Decision {
    match event {
        Event::CallEnded {
            attempt,
            ending: Ending::Completed,
            ..
        } if dispatch.attempt_with_id(*attempt).is_some() => {
            let key = Event::Key {
                attempt: *attempt,
                keys: "1".into(),
            };
            let mut decision = decide(dispatch, &key, context);
            decision.outcome = EventOutcome::Noted;
            decision
        }
        _ => decide(dispatch, event, context),
    }
}

/// Omits all hang-ups.
pub(crate) fn omit_hang_ups(dispatch: &Dispatch, event: &Event, context: DecisionContext) -> Decision {
    let mut decision = decide(dispatch, event, context);
    decision
        .messages
        .retain(|message| !matches!(message.work, Work::HangUp { .. }));
    decision
}

/// Omits the messages after the end of a call, such as the one for the next attempt.
pub(crate) fn omit_next_attempt(dispatch: &Dispatch, event: &Event, context: DecisionContext) -> Decision {
    let mut decision = decide(dispatch, event, context);
    if matches!(event, Event::CallEnded { .. }) {
        decision.messages.clear();
    }
    decision
}
