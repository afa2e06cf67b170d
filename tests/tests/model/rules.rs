//! The rules by which functions consume messages and commit decisions; and ways to break each of them.

use patchbay::dispatch::work::Work;
use patchbay::dispatch::{Context, Decision, Dispatch, Ending, Event, State, Verdict, decide};

/// Decides what an event makes of a dispatch.
pub(crate) type Decide = fn(&Dispatch, &Event, Context) -> Decision;

/// Each field is a rule; `true` and the real `decide` are patchbay's.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a rule that can be broken by itself"
)]
pub(crate) struct Rules {
    pub(crate) decide: Decide,
    /// Messages are sent before the commit.
    pub(crate) sends_first: bool,
    /// A commit is conditional on the version.
    pub(crate) commits_on_condition: bool,
    /// A message whose commit is not there yet comes again.
    pub(crate) returns_early_messages: bool,
    /// A call is placed only after a claim was committed.
    pub(crate) claims: bool,
    /// A claimed attempt is never dialled again.
    pub(crate) dials_once: bool,
    /// Every call is watched.
    pub(crate) watches: bool,
    /// The watch of a call comes only after the function that sent it has ended.
    pub(crate) watches_late: bool,
    /// A person is told only what is committed.
    pub(crate) tells_after_commit: bool,
    /// A hang-up lets alone a call that is wanted after all.
    pub(crate) spares_wanted_calls: bool,
}

impl Rules {
    pub(crate) const REAL: Self = Self {
        decide,
        sends_first: true,
        commits_on_condition: true,
        returns_early_messages: true,
        claims: true,
        dials_once: true,
        watches: true,
        watches_late: true,
        tells_after_commit: true,
        spares_wanted_calls: true,
    };
}

/// A 1 makes its presser the acceptor, whatever the dispatch says.
pub(crate) fn accepts_blindly(dispatch: &Dispatch, event: &Event, context: Context) -> Decision {
    let mut open = dispatch.clone();
    if let (State::Accepted(acceptance), Event::Key { attempt, .. }) = (&dispatch.state, event)
        && acceptance.attempt != *attempt
    {
        open.state = State::Exhausted { at: context.now };
    }
    decide(&open, event, context)
}

/// Whoever picks up has accepted.
pub(crate) fn takes_picking_up_for_accepting(dispatch: &Dispatch, event: &Event, context: Context) -> Decision {
    match event {
        Event::CallEnded {
            attempt,
            ending: Ending::Completed,
            ..
        } if dispatch.attempt_called(*attempt).is_some() => {
            let key = Event::Key {
                attempt: *attempt,
                keys: "1".into(),
            };
            let mut decision = decide(dispatch, &key, context);
            decision.verdict = Verdict::Noted;
            decision
        }
        _ => decide(dispatch, event, context),
    }
}

/// Nobody's call is ended for another's sake.
pub(crate) fn hangs_up_nobody(dispatch: &Dispatch, event: &Event, context: Context) -> Decision {
    let mut decision = decide(dispatch, event, context);
    decision
        .messages
        .retain(|message| !matches!(message.work, Work::HangUp { .. }));
    decision
}

/// A call that came to nothing is forgotten without a next one being sent for.
pub(crate) fn forgets_the_next(dispatch: &Dispatch, event: &Event, context: Context) -> Decision {
    let mut decision = decide(dispatch, event, context);
    if matches!(event, Event::CallEnded { .. }) {
        decision.messages.clear();
    }
    decision
}
