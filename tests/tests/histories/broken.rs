//! Every promise can be broken: for each there are rules that break it, and random histories find that out.

use std::panic::{AssertUnwindSafe, catch_unwind};

use patchbay::clock::Timestamp;
use patchbay::dispatch::employee::Employee;
use patchbay::dispatch::work::Work;
use patchbay::dispatch::{Context, Decision, Dispatch, Ending, Event, State, Wait, WaitReason, decide};
use patchbay::ids::Nonce;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use proptest_state_machine::ReferenceStateMachine;

use crate::Decide;
use crate::history::History;
use crate::promises::{
    ATTEMPTS_IN_A_ROW, FENCED, FITS, HUNG_UP, LEASES_END, LINES_ARE_UNIQUE, MOVED_ON, NO_CALL_AFTER_EXPIRY,
    NO_MEANS_NO, ONE_MESSAGE_EACH, ONE_PERSON_EACH, ONE_VERSION_ON, ONLY_A_1_ACCEPTS, ONLY_FORWARD, ONLY_THE_AVAILABLE,
    ORDINALS_GROW,
};
use crate::scenario::Scenarios;

/// Histories, at most, until a promise must be found broken.
const HISTORIES: u32 = 3_000;

/// Plays histories by these rules until the promise is found broken: one is enough, so nothing is shrunk.
fn breaks(promise: &str, decide: Decide) {
    let mut runner = TestRunner::deterministic();
    let histories = Scenarios::sequential_strategy(60..140);
    let broken = (0..HISTORIES).find_map(|_| {
        let (scenario, happenings, _) = histories.new_tree(&mut runner).unwrap().current();
        let play = || {
            let mut history = History::begin(&scenario, decide);
            for happening in &happenings {
                history.goes_on(happening);
                history.check();
            }
        };
        catch_unwind(AssertUnwindSafe(play)).err()
    });
    let Some(reason) = broken.as_ref().and_then(|reason| reason.downcast_ref::<String>()) else {
        panic!("nobody noticed: {promise}")
    };
    assert!(reason.contains(promise), "{promise}: {reason}");
}

/// The decision on a dispatch that is a little different; what was different is as before afterwards.
fn on(dispatch: &Dispatch, event: &Event, context: Context, change: impl Fn(&mut Dispatch)) -> Decision {
    let mut other = dispatch.clone();
    change(&mut other);
    let mut decision = decide(&other, event, context);
    if let Some(next) = &mut decision.next {
        next.brief = dispatch.brief.clone();
        next.expires_at = if matches!(event, Event::Overdue { .. }) {
            next.expires_at
        } else {
            dispatch.expires_at
        };
    }
    decision
}

/// The real decision, without some of its messages.
fn without(dispatch: &Dispatch, event: &Event, context: Context, lost: fn(&Work) -> bool) -> Decision {
    let mut decision = decide(dispatch, event, context);
    decision.messages.retain(|message| !lost(&message.work));
    decision
}

#[test]
fn people_who_change_places() {
    breaks(ONE_PERSON_EACH, |dispatch, event, context| {
        let mut decision = decide(dispatch, event, context);
        if let Some(next) = &mut decision.next {
            next.brief.employees.rotate_left(1);
        }
        decision
    });
}

#[test]
fn a_version_that_stays() {
    breaks(ONE_VERSION_ON, |dispatch, event, context| {
        let mut decision = decide(dispatch, event, context);
        if let Some(next) = &mut decision.next {
            next.version = dispatch.version;
        }
        decision
    });
}

#[test]
fn a_message_of_another_version() {
    breaks(FENCED, |dispatch, event, context| {
        let mut decision = decide(dispatch, event, context);
        for message in &mut decision.messages {
            message.version = dispatch.version;
        }
        decision
    });
}

#[test]
fn a_second_acceptor() {
    breaks(ONLY_FORWARD, |dispatch, event, context| {
        on(dispatch, event, context, |open| {
            if matches!((&open.state, event), (State::Accepted(_), Event::Key { .. })) {
                open.state = State::Exhausted { at: context.now };
            }
        })
    });
}

#[test]
fn a_cancel_of_what_is_accepted() {
    breaks(ONLY_FORWARD, |dispatch, event, context| {
        on(dispatch, event, context, |open| {
            if matches!((&open.state, event), (State::Accepted(_), Event::Cancel)) {
                open.state = State::Waiting(Wait {
                    id: context.fresh,
                    until: context.now,
                    reason: WaitReason::RoundPause,
                    next: 0,
                });
            }
        })
    });
}

#[test]
fn a_wait_without_an_end() {
    breaks(ONE_MESSAGE_EACH, |dispatch, event, context| {
        without(dispatch, event, context, |work| matches!(work, Work::Resume { .. }))
    });
}

#[test]
fn a_call_that_nobody_dials() {
    breaks(ONE_MESSAGE_EACH, |dispatch, event, context| {
        without(dispatch, event, context, |work| matches!(work, Work::Dial { .. }))
    });
}

#[test]
fn an_acceptance_nobody_is_reminded_of() {
    breaks(ONE_MESSAGE_EACH, |dispatch, event, context| {
        without(dispatch, event, context, |work| matches!(work, Work::Remind { .. }))
    });
}

#[test]
fn an_end_that_nobody_looks_after() {
    breaks(MOVED_ON, |dispatch, event, context| {
        without(dispatch, event, context, |work| matches!(work, Work::Watch { .. }))
    });
}

#[test]
fn one_attempt_too_many() {
    breaks(ATTEMPTS_IN_A_ROW, |dispatch, event, context| {
        on(dispatch, event, context, |open| open.brief.policy.attempts += 1)
    });
}

#[test]
fn an_ordinal_that_comes_again() {
    breaks(ORDINALS_GROW, |dispatch, event, context| {
        let mut decision = decide(dispatch, event, context);
        if let Some(next) = &mut decision.next {
            next.progress.attempts = next.progress.attempts.min(1);
        }
        decision
    });
}

#[test]
fn a_nonce_that_comes_again() {
    breaks(LINES_ARE_UNIQUE, |dispatch, event, context| {
        let fresh = Nonce::new(7);
        decide(dispatch, event, Context { fresh, ..context })
    });
}

#[test]
fn a_decision_that_says_too_much() {
    breaks(FITS, |dispatch, event, context| {
        let mut decision = decide(dispatch, event, context);
        if decision.entries.len() > 3 {
            decision.entries = decision.entries.iter().cycle().take(98).cloned().collect();
        }
        decision
    });
}

#[test]
fn a_call_after_the_expiry() {
    breaks(NO_CALL_AFTER_EXPIRY, |dispatch, event, context| {
        on(dispatch, event, context, |open| {
            if matches!(event, Event::Claim { .. }) {
                open.expires_at = Timestamp::from_millis(i64::MAX);
            }
        })
    });
}

#[test]
fn a_call_to_somebody_who_said_no() {
    breaks(NO_MEANS_NO, |dispatch, event, context| {
        on(dispatch, event, context, |open| open.brief.policy.ask_again = true)
    });
}

#[test]
fn a_call_in_quiet_hours() {
    breaks(ONLY_THE_AVAILABLE, |dispatch, event, context| {
        on(dispatch, event, context, |open| {
            for person in &mut open.brief.employees {
                *person = Employee {
                    on_duty: Vec::new(),
                    quiet_hours: None,
                    ..person.clone()
                };
            }
        })
    });
}

#[test]
fn a_call_that_is_taken_for_a_key() {
    breaks(ONLY_A_1_ACCEPTS, |dispatch, event, context| match event {
        Event::CallEnded {
            attempt,
            ending: Ending::Completed,
            ..
        } => {
            let keys = "1".into();
            let attempt = *attempt;
            decide(dispatch, &Event::Key { attempt, keys }, context)
        }
        _ => decide(dispatch, event, context),
    });
}

#[test]
fn a_call_that_nobody_hangs_up() {
    breaks(HUNG_UP, |dispatch, event, context| {
        without(dispatch, event, context, |work| matches!(work, Work::HangUp { .. }))
    });
}

#[test]
fn a_lease_that_outlives_its_call() {
    breaks(LEASES_END, |dispatch, event, context| {
        let mut decision = decide(dispatch, event, context);
        decision.release = None;
        decision
    });
}
