//! Checks invariants after every step of long random histories of dispatches.
//!
//! A history that violates an invariant is shrunk, printed, and saved under `proptest-regressions`. Later runs replay
//! saved ones first. To run more: `PROPTEST_CASES=5000 cargo test -p patchbay-tests --test histories`.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a history that cannot continue is a failed test"
)]

mod broken;
mod history;
mod invariants;
mod scenario;

use std::collections::BTreeSet;

use patchbay::dispatch::{Decision, DecisionContext, Dispatch, Event, decide};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use history::History;
use scenario::{Scenario, Scenarios, Step};

/// A decision function: the real one, or one that breaks a rule.
pub(crate) type Decide = fn(&Dispatch, &Event, DecisionContext) -> Decision;

struct Histories;

impl StateMachineTest for Histories {
    type SystemUnderTest = History;
    type Reference = Scenarios;

    fn init_test(scenario: &Scenario) -> History {
        History::start(scenario, decide)
    }

    fn apply(mut history: History, _: &Scenario, step: Step) -> History {
        history.apply(&step);
        history
    }

    fn check_invariants(history: &History, _: &Scenario) {
        history.check();
    }

    fn teardown(history: History, _: <Scenarios as ReferenceStateMachine>::State) {
        let json = serde_json::to_string(&history.dispatch).unwrap();
        assert_eq!(serde_json::from_str::<Dispatch>(&json).unwrap(), history.dispatch);
    }
}

prop_state_machine! {
    #![proptest_config(Config { cases: 400, ..Config::default() })]

    #[test]
    fn every_invariant_holds_in_every_history(sequential 60..140 => Histories);
}

#[test]
fn random_histories_reach_every_state_and_event() {
    let mut runner = TestRunner::deterministic();
    let histories = Scenarios::sequential_strategy(60..140);
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let (scenario, steps, _) = histories.new_tree(&mut runner).unwrap().current();
        let mut history = History::start(&scenario, decide);
        for step in &steps {
            history.apply(step);
        }
        seen.append(&mut history.seen);
    }
    let expected = [
        "Accepted",
        "Calling",
        "Cancelled",
        "Created",
        "Dialing",
        "Exhausted",
        "Expired",
        "Key",
        "NoAnswer",
        "NotAllowed",
        "OutOfMoney",
        "Placed",
        "Planned",
        "Postponed",
        "Rejected",
        "Reopened",
        "Resolved",
        "Skipped",
        "Unclear",
        "Waiting",
    ];
    assert_eq!(Vec::from_iter(seen), expected);
}
