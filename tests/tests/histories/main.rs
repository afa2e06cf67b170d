//! Long random histories of dispatches, and what must hold after every step of each.
//!
//! A history that breaks a promise is shrunk, printed and kept under `proptest-regressions`, from where it is played
//! again first. More of them: `PROPTEST_CASES=5000 cargo test -p patchbay-tests --test histories`.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a history that cannot go on is a failed test"
)]

mod broken;
mod history;
mod promises;
mod scenario;

use std::collections::BTreeSet;

use patchbay::dispatch::{Context, Decision, Dispatch, Event, decide};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use history::History;
use scenario::{Happening, Scenario, Scenarios};

/// A way to decide: the real one, or one that breaks a rule.
pub(crate) type Decide = fn(&Dispatch, &Event, Context) -> Decision;

struct Histories;

impl StateMachineTest for Histories {
    type SystemUnderTest = History;
    type Reference = Scenarios;

    fn init_test(scenario: &Scenario) -> History {
        History::begin(scenario, decide)
    }

    fn apply(mut history: History, _: &Scenario, happening: Happening) -> History {
        history.goes_on(&happening);
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
    fn every_promise_is_kept_in_every_history(sequential 60..140 => Histories);
}

#[test]
fn random_histories_go_everywhere() {
    let mut runner = TestRunner::deterministic();
    let histories = Scenarios::sequential_strategy(60..140);
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let (scenario, happenings, _) = histories.new_tree(&mut runner).unwrap().current();
        let mut history = History::begin(&scenario, decide);
        for happening in &happenings {
            history.goes_on(happening);
        }
        seen.append(&mut history.seen);
    }
    let expected = [
        "Accepted",
        "Calling",
        "Cancelled",
        "Created",
        "Dialling",
        "Exhausted",
        "Expired",
        "Key",
        "NoAnswer",
        "NotAllowed",
        "OutOfMoney",
        "Placed",
        "Planned",
        "PutOff",
        "Rejected",
        "Reopened",
        "Resolved",
        "Skipped",
        "Unclear",
        "Waiting",
    ];
    assert_eq!(Vec::from_iter(seen), expected);
}
