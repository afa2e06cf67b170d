//! Shows that the invariants are effective: random histories notice every broken decision function.

use std::panic::{AssertUnwindSafe, catch_unwind};

use patchbay::clock::Timestamp;
use patchbay::dispatch::employee::Employee;
use patchbay::dispatch::work::Work;
use patchbay::dispatch::{Decision, DecisionContext, Dispatch, Ending, Event, State, Wait, WaitReason, decide};
use patchbay::ids::Nonce;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use proptest_state_machine::ReferenceStateMachine;

use crate::Decide;
use crate::history::History;
use crate::invariants::{
    ADVANCES, FENCED, FITS_TRANSACTION, FIXED_INDEXES, HUNG_UP, LEASES_END, MAX_ATTEMPTS, NEXT_ORDINAL, NEXT_VERSION,
    NO_CALL_AFTER_EXPIRY, NO_CALL_AFTER_REJECTION, ONE_MESSAGE, ONLY_AVAILABLE, ONLY_FORWARD, ONLY_KEY_1_ACCEPTS,
    UNIQUE_ENTRIES,
};
use crate::scenario::Scenarios;

/// The number of histories within which a broken rule must be noticed.
const HISTORIES: u32 = 3_000;

/// Plays histories with this decision function until `invariant` fails. One failure is enough, so nothing is shrunk.
fn violates(invariant: &str, decide: Decide) {
    let mut runner = TestRunner::deterministic();
    let histories = Scenarios::sequential_strategy(60..140);
    let failure = (0..HISTORIES).find_map(|_| {
        let (scenario, steps, _) = histories.new_tree(&mut runner).unwrap().current();
        let play = || {
            let mut history = History::start(&scenario, decide);
            for step in &steps {
                history.apply(step);
                history.check();
            }
        };
        catch_unwind(AssertUnwindSafe(play)).err()
    });
    let Some(reason) = failure.as_ref().and_then(|reason| reason.downcast_ref::<String>()) else {
        panic!("no history violated the invariant: {invariant}")
    };
    assert!(
        reason.contains(invariant),
        "\"{invariant}\" was expected to fail: {reason}"
    );
}

/// The real decision on a changed dispatch, with the spec and the expiry restored afterwards.
fn decide_changed(
    dispatch: &Dispatch,
    event: &Event,
    context: DecisionContext,
    change: impl Fn(&mut Dispatch),
) -> Decision {
    let mut other = dispatch.clone();
    change(&mut other);
    let mut decision = decide(&other, event, context);
    if let Some(next) = &mut decision.next {
        next.spec = dispatch.spec.clone();
        next.expires_at = if matches!(event, Event::Overdue { .. }) {
            next.expires_at
        } else {
            dispatch.expires_at
        };
    }
    decision
}

/// The real decision without the messages whose work is `lost`.
fn without(dispatch: &Dispatch, event: &Event, context: DecisionContext, lost: fn(&Work) -> bool) -> Decision {
    let mut decision = decide(dispatch, event, context);
    decision.messages.retain(|message| !lost(&message.work));
    decision
}

#[test]
fn an_employee_at_another_index_is_noticed() {
    violates(FIXED_INDEXES, |dispatch, event, context| {
        let mut decision = decide(dispatch, event, context);
        if let Some(next) = &mut decision.next {
            next.spec.employees.rotate_left(1);
        }
        decision
    });
}

#[test]
fn an_unchanged_version_is_noticed() {
    violates(NEXT_VERSION, |dispatch, event, context| {
        let mut decision = decide(dispatch, event, context);
        if let Some(next) = &mut decision.next {
            next.version = dispatch.version;
        }
        decision
    });
}

#[test]
fn a_message_with_the_previous_version_is_noticed() {
    violates(FENCED, |dispatch, event, context| {
        let mut decision = decide(dispatch, event, context);
        for message in &mut decision.messages {
            message.version = dispatch.version;
        }
        decision
    });
}

#[test]
fn a_second_acceptor_is_noticed() {
    violates(ONLY_FORWARD, |dispatch, event, context| {
        decide_changed(dispatch, event, context, |open| {
            if matches!((&open.state, event), (State::Accepted(_), Event::Key { .. })) {
                open.state = State::Exhausted { at: context.now };
            }
        })
    });
}

#[test]
fn a_cancelled_acceptance_is_noticed() {
    violates(ONLY_FORWARD, |dispatch, event, context| {
        decide_changed(dispatch, event, context, |open| {
            if matches!((&open.state, event), (State::Accepted(_), Event::Cancel)) {
                open.state = State::Waiting(Wait {
                    id: context.nonce,
                    until: context.now,
                    reason: WaitReason::RoundPause,
                    next: 0,
                });
            }
        })
    });
}

#[test]
fn a_missing_resume_message_is_noticed() {
    violates(ONE_MESSAGE, |dispatch, event, context| {
        without(dispatch, event, context, |work| matches!(work, Work::Resume { .. }))
    });
}

#[test]
fn a_missing_dial_message_is_noticed() {
    violates(ONE_MESSAGE, |dispatch, event, context| {
        without(dispatch, event, context, |work| matches!(work, Work::Dial { .. }))
    });
}

#[test]
fn a_missing_reminder_is_noticed() {
    violates(ONE_MESSAGE, |dispatch, event, context| {
        without(dispatch, event, context, |work| matches!(work, Work::Remind { .. }))
    });
}

#[test]
fn a_missing_watch_after_a_call_is_noticed() {
    violates(ADVANCES, |dispatch, event, context| {
        without(dispatch, event, context, |work| matches!(work, Work::Watch { .. }))
    });
}

#[test]
fn one_attempt_too_many_is_noticed() {
    violates(MAX_ATTEMPTS, |dispatch, event, context| {
        decide_changed(dispatch, event, context, |open| open.spec.policy.attempts += 1)
    });
}

#[test]
fn a_repeated_ordinal_is_noticed() {
    violates(NEXT_ORDINAL, |dispatch, event, context| {
        let mut decision = decide(dispatch, event, context);
        if let Some(next) = &mut decision.next {
            next.progress.attempts = next.progress.attempts.min(1);
        }
        decision
    });
}

#[test]
fn a_repeated_nonce_is_noticed() {
    violates(UNIQUE_ENTRIES, |dispatch, event, context| {
        let nonce = Nonce::new(7);
        decide(dispatch, event, DecisionContext { nonce, ..context })
    });
}

#[test]
fn a_decision_with_too_many_entries_is_noticed() {
    violates(FITS_TRANSACTION, |dispatch, event, context| {
        let mut decision = decide(dispatch, event, context);
        if decision.entries.len() > 3 {
            decision.entries = decision.entries.iter().cycle().take(98).cloned().collect();
        }
        decision
    });
}

#[test]
fn a_call_after_the_expiry_is_noticed() {
    violates(NO_CALL_AFTER_EXPIRY, |dispatch, event, context| {
        decide_changed(dispatch, event, context, |open| {
            if matches!(event, Event::Claim { .. }) {
                open.expires_at = Timestamp::from_millis(i64::MAX);
            }
        })
    });
}

#[test]
fn a_call_after_a_rejection_is_noticed() {
    violates(NO_CALL_AFTER_REJECTION, |dispatch, event, context| {
        decide_changed(dispatch, event, context, |open| open.spec.policy.retry_rejected = true)
    });
}

#[test]
fn a_call_to_an_unavailable_employee_is_noticed() {
    violates(ONLY_AVAILABLE, |dispatch, event, context| {
        decide_changed(dispatch, event, context, |open| {
            for employee in &mut open.spec.employees {
                *employee = Employee {
                    on_duty: Vec::new(),
                    quiet_hours: None,
                    ..employee.clone()
                };
            }
        })
    });
}

#[test]
fn an_acceptance_without_a_key_is_noticed() {
    violates(ONLY_KEY_1_ACCEPTS, |dispatch, event, context| match event {
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
fn a_missing_hang_up_is_noticed() {
    violates(HUNG_UP, |dispatch, event, context| {
        without(dispatch, event, context, |work| matches!(work, Work::HangUp { .. }))
    });
}

#[test]
fn a_lease_that_outlives_its_call_is_noticed() {
    violates(LEASES_END, |dispatch, event, context| {
        let mut decision = decide(dispatch, event, context);
        decision.release = None;
        decision
    });
}
