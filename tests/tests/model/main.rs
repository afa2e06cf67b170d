//! Model-checks the real `decide` and the protocol around it: every order of events in a small world.
#![expect(clippy::unwrap_used, reason = "a model that cannot be built is a failed test")]

mod consumers;
mod prune;
mod rules;
mod steps;
mod world;

use std::time::Instant;

use patchbay::dispatch::{DispatchPriority, Employee, NewDispatch, Policy, State, Ticket};
use patchbay::ids::AttemptId;
use patchbay::phone::PhoneNumber;
use stateright::{Checker, HasDiscoveries, Model, Property, UniformChooser};

use rules::Rules;
use steps::{Action, Protocol};
use world::{Budget, QueuedWork, World};

const CAN_ADVANCE: &str = "a dispatch that is not over can still advance";
const DIALED_ONCE: &str = "an attempt is dialed at most once";
const ONE_ACCEPTOR: &str = "at most one employee hears that they have accepted";
const ANNOUNCEMENT_IS_TRUE: &str = "an employee who hears that they have accepted is the acceptor";
const ONLY_KEY_1_ACCEPTS: &str = "only key 1 accepts";
const UNWANTED_CALLS_END: &str = "a call that is no longer wanted is being hung up";
const WANTED_CALLS_STAY: &str = "a call that is wanted is not hung up";

const PROPERTIES: [&str; 7] = [
    CAN_ADVANCE,
    DIALED_ONCE,
    ONE_ACCEPTOR,
    ANNOUNCEMENT_IS_TRUE,
    ONLY_KEY_1_ACCEPTS,
    UNWANTED_CALLS_END,
    WANTED_CALLS_STAY,
];

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![self.start()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.actions(world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        self.next(world, &action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(CAN_ADVANCE, |_, world: &World| {
                let quiet = world.queue.is_empty()
                    && world.webhooks.is_empty()
                    && world.invocations.is_empty()
                    && world.calls.iter().all(|call| call.end.is_some());
                !quiet || world.stored.state.is_over()
            }),
            Property::always(DIALED_ONCE, |_, world: &World| !world.record.dialed_twice),
            Property::always(ONE_ACCEPTOR, |_, world: &World| world.announced.len() <= 1),
            Property::always(ANNOUNCEMENT_IS_TRUE, |_, world: &World| {
                world
                    .announced
                    .iter()
                    .all(|employee| acceptor(&world.stored.state) == Some(*employee))
            }),
            Property::always(ONLY_KEY_1_ACCEPTS, |_, world: &World| {
                !world.record.accepted_without_key
            }),
            Property::always(UNWANTED_CALLS_END, |protocol: &Self, world: &World| {
                let dispatch = protocol.load(&world.stored);
                world.calls.iter().filter(|call| call.end.is_none()).all(|call| {
                    // An employee who pressed 2, or who was the acceptor of a resolved ticket, hears a last sentence.
                    let hears_goodbye = call.rejected || acceptance(&world.stored.state) == Some(call.id);
                    dispatch.wants_call(call.id) || hears_goodbye || world.is_under_way(QueuedWork::HangUp(call.id))
                })
            }),
            Property::always(WANTED_CALLS_STAY, |_, world: &World| !world.record.cut_off),
            Property::sometimes("an employee accepts", |_, world: &World| {
                matches!(world.stored.state, State::Accepted(_))
            }),
            Property::sometimes("no employee accepts", |_, world: &World| {
                matches!(world.stored.state, State::Exhausted { .. })
            }),
            Property::sometimes(
                "the first employee accepts after the second was called",
                |_, world: &World| acceptor(&world.stored.state) == Some(0) && world.stored.progress.attempts == 2,
            ),
            Property::sometimes(
                "a second acceptor hears that the ticket is taken",
                |_, world: &World| world.record.taken_announced,
            ),
            Property::sometimes("two phones ring", |_, world: &World| {
                world.calls.iter().filter(|call| call.end.is_none()).count() == 2
            }),
        ]
    }
}

fn acceptance(state: &State) -> Option<AttemptId> {
    match state {
        State::Accepted(acceptance)
        | State::Resolved {
            acceptance: Some(acceptance),
            ..
        } => Some(acceptance.attempt),
        _ => None,
    }
}

fn acceptor(state: &State) -> Option<u8> {
    acceptance(state).map(|attempt| attempt.employee)
}

/// A dispatch to two employees with this many attempts each, in one round.
fn spec(attempts: u8) -> NewDispatch {
    let employee = |index: u8| Employee {
        id: index.to_string(),
        name: String::new(),
        phone: PhoneNumber::parse(&format!("+1202555010{index}")).unwrap(),
        language: None,
        voice: None,
        on_duty: Vec::new(),
        quiet_hours: None,
        opted_out: false,
        unverified: false,
    };
    NewDispatch {
        ticket: Ticket {
            reference: None,
            text: String::new(),
        },
        employees: vec![employee(0), employee(1)],
        policy: Policy {
            attempts,
            max_rounds: Some(1),
            ..Policy::default()
        },
        priority: DispatchPriority::Normal,
        webhook: None,
    }
}

/// Nothing fails, no request arrives, and each of two employees is called once.
const CALM: Budget = Budget {
    crashes: 0,
    duplicates: 0,
    losses: 0,
    cancels: 0,
    resolves: 0,
    expiries: 0,
    faults: 0,
    odd_events: 0,
    attempts: 2,
};

/// Visits every state of the world and expects every property to hold.
fn expect_properties(spec: NewDispatch, budget: Budget) {
    let started = Instant::now();
    let checker = Protocol::new(Rules::REAL, spec, budget).checker().threads(2);
    let checker = checker.spawn_bfs().join();
    println!(
        "{} states, at most {} steps, {:.1?}",
        checker.unique_state_count(),
        checker.max_depth(),
        started.elapsed()
    );
    checker.assert_properties();
}

/// Breaks a rule and expects the checker to find a counterexample to `property`.
fn expect_counterexample(rules: Rules, budget: Budget, property: &'static str) {
    let protocol = Protocol::new(rules, spec(1), budget);
    let any = HasDiscoveries::AnyOf([property].into());
    let checker = protocol.checker().threads(2).finish_when(any).spawn_bfs().join();
    let path = checker.assert_any_discovery(property).into_actions();
    println!("counterexample to \"{property}\" in {} steps: {path:#?}", path.len());
}

mod properties_hold {
    use super::*;

    #[test]
    fn when_a_function_crashes() {
        expect_properties(spec(1), Budget { crashes: 1, ..CALM });
    }

    #[test]
    fn when_a_message_or_webhook_is_delivered_twice() {
        expect_properties(spec(1), Budget { duplicates: 1, ..CALM });
    }

    #[test]
    fn when_a_webhook_is_lost() {
        expect_properties(spec(1), Budget { losses: 1, ..CALM });
    }

    #[test]
    fn when_the_requester_cancels() {
        expect_properties(spec(1), Budget { cancels: 1, ..CALM });
    }

    #[test]
    fn when_the_requester_resolves() {
        expect_properties(spec(1), Budget { resolves: 1, ..CALM });
    }

    #[test]
    fn when_the_dispatch_expires() {
        expect_properties(spec(1), Budget { expiries: 1, ..CALM });
    }

    #[test]
    fn when_the_provider_fails_once() {
        expect_properties(
            spec(1),
            Budget {
                faults: 1,
                attempts: 3,
                ..CALM
            },
        );
    }

    #[test]
    fn when_an_acceptance_is_reopened() {
        let mut spec = spec(1);
        spec.policy.resolve_within = Some(600);
        expect_properties(spec, CALM);
    }

    #[test]
    fn on_random_walks_with_all_faults() {
        let budget = Budget {
            crashes: 2,
            duplicates: 2,
            losses: 2,
            cancels: 1,
            resolves: 1,
            expiries: 1,
            faults: 2,
            odd_events: 2,
            attempts: 8,
        };
        let protocol = Protocol::new(Rules::REAL, spec(2), budget);
        // On one thread: with two, the first counterexample depends on their speed, and the checker cannot always
        // replay it.
        let walks = protocol.checker().threads(1).target_state_count(60_000);
        let walks = walks
            .finish_when(HasDiscoveries::AnyFailures)
            .spawn_simulation(1, UniformChooser)
            .join();
        println!("{} states, at most {} steps", walks.state_count(), walks.max_depth());
        for property in PROPERTIES {
            walks.assert_no_discovery(property);
        }
    }

    #[test]
    #[ignore = "takes minutes: two calls to each employee"]
    fn with_two_attempts_each() {
        expect_properties(spec(2), Budget { attempts: 4, ..CALM });
    }

    #[test]
    #[ignore = "takes minutes: every combination of one crash, one duplicate and one loss"]
    fn with_a_crash_a_duplicate_and_a_loss() {
        expect_properties(
            spec(1),
            Budget {
                crashes: 1,
                duplicates: 1,
                losses: 1,
                ..CALM
            },
        );
    }
}

mod broken_rule_is_found {
    use patchbay::dispatch::decide;

    use super::*;
    use crate::rules::{accept_every_key_1, accept_on_pick_up, omit_hang_ups, omit_next_attempt};

    const CRASH: Budget = Budget { crashes: 1, ..CALM };
    const DUPLICATE: Budget = Budget { duplicates: 1, ..CALM };
    const LOSS: Budget = Budget { losses: 1, ..CALM };

    #[test]
    fn when_a_commit_comes_before_its_messages() {
        let rules = Rules {
            sends_first: false,
            ..Rules::REAL
        };
        expect_counterexample(rules, CRASH, CAN_ADVANCE);
    }

    #[test]
    fn when_an_early_message_is_dropped() {
        let rules = Rules {
            redelivers_early_messages: false,
            ..Rules::REAL
        };
        expect_counterexample(rules, CALM, CAN_ADVANCE);
    }

    #[test]
    fn when_calls_are_not_watched() {
        let rules = Rules {
            watches_calls: false,
            ..Rules::REAL
        };
        expect_counterexample(rules, LOSS, CAN_ADVANCE);
    }

    #[test]
    fn when_the_watch_may_overtake_the_claim() {
        let rules = Rules {
            delays_watches: false,
            ..Rules::REAL
        };
        expect_counterexample(rules, LOSS, CAN_ADVANCE);
    }

    #[test]
    fn when_a_decision_omits_a_message() {
        let rules = Rules {
            decide: omit_next_attempt,
            ..Rules::REAL
        };
        expect_counterexample(rules, CALM, CAN_ADVANCE);
    }

    #[test]
    fn when_a_call_is_placed_without_a_claim() {
        let rules = Rules {
            claims_attempts: false,
            ..Rules::REAL
        };
        expect_counterexample(rules, DUPLICATE, DIALED_ONCE);
    }

    #[test]
    fn when_a_claimed_attempt_is_dialed_again() {
        let rules = Rules {
            dials_once: false,
            ..Rules::REAL
        };
        expect_counterexample(rules, CRASH, DIALED_ONCE);
    }

    #[test]
    fn when_a_key_accepts_although_another_employee_has() {
        let rules = Rules {
            decide: accept_every_key_1,
            ..Rules::REAL
        };
        expect_counterexample(rules, CALM, ONE_ACCEPTOR);
    }

    #[test]
    fn when_a_commit_ignores_the_version() {
        let rules = Rules {
            commits_conditionally: false,
            ..Rules::REAL
        };
        expect_counterexample(rules, CALM, ANNOUNCEMENT_IS_TRUE);
        expect_counterexample(rules, DUPLICATE, DIALED_ONCE);
    }

    #[test]
    fn when_an_acceptance_is_announced_before_its_commit() {
        let rules = Rules {
            announces_after_commit: false,
            ..Rules::REAL
        };
        expect_counterexample(rules, CALM, ANNOUNCEMENT_IS_TRUE);
    }

    #[test]
    fn when_picking_up_accepts() {
        let rules = Rules {
            decide: accept_on_pick_up,
            ..Rules::REAL
        };
        expect_counterexample(rules, CALM, ONLY_KEY_1_ACCEPTS);
    }

    #[test]
    fn when_no_call_is_hung_up() {
        let rules = Rules {
            decide: omit_hang_ups,
            ..Rules::REAL
        };
        expect_counterexample(rules, CALM, UNWANTED_CALLS_END);
    }

    #[test]
    fn when_a_hang_up_ends_a_wanted_call() {
        let rules = Rules {
            spares_wanted_calls: false,
            ..Rules::REAL
        };
        expect_counterexample(rules, CALM, WANTED_CALLS_STAY);
    }

    #[test]
    fn but_the_real_rules_have_no_counterexample() {
        assert!(std::ptr::fn_addr_eq(Rules::REAL.decide, decide as crate::rules::Decide));
        expect_properties(spec(1), CALM);
    }
}
