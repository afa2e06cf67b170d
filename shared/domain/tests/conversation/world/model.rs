//! Model-checks the rules: every order of events in a small world, with at most one fault.

use std::hash::{Hash, Hasher};
use std::time::Instant;

use patchbay_domain::conversation::{Author, Holder, Settings, decide};
use stateright::{Checker, HasDiscoveries, Model, Property};

use super::functions::{Answer, Job, Reply};
use super::ops::Op;
use super::queue::Fate;
use super::{Decide, World, broken};

const NOTHING_GOES_WRONG: &str = "nothing goes wrong";
const QUIET_IS_SETTLED: &str = "a quiet conversation is settled";

/// What can happen, and how often.
#[derive(Clone, Copy, Debug)]
struct Budget {
    customers: u8,
    people: u8,
    hand_overs: u8,
    crashes: u8,
    duplicates: u8,
    unclear: u8,
    resolves: u8,
}

/// The customer writes twice, the bot hands over, and a person writes. Nothing fails.
const CALM: Budget = Budget {
    customers: 2,
    people: 1,
    hand_overs: 1,
    crashes: 0,
    duplicates: 0,
    unclear: 0,
    resolves: 0,
};

/// As before, but the customer writes once.
const SMALL: Budget = Budget { customers: 1, ..CALM };

/// A world, what can still happen in it, and what went wrong.
#[derive(Clone, Debug)]
struct State {
    world: World,
    budget: Budget,
    wrong: Option<String>,
    /// Equal for equivalent states.
    print: String,
}

impl State {
    fn describe(&mut self) {
        let Self { budget, wrong, .. } = &*self;
        self.print = format!("{}\n{budget:?} {wrong:?}", self.world.print());
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.print == other.print
    }
}

impl Eq for State {}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.print.hash(hasher);
    }
}

struct Chat {
    decide: Decide,
    budget: Budget,
}

impl Model for Chat {
    type State = State;
    type Action = Op;

    fn init_states(&self) -> Vec<State> {
        // The hardest case: the platform takes the bot for a person.
        let mut world = World::new(self.decide, Some(Author::Human(None)));
        world.settings = Settings {
            ended: None,
            give_back_after: None,
            ..world.settings
        };
        let mut state = State {
            world,
            budget: self.budget,
            wrong: None,
            print: String::new(),
        };
        state.describe();
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Op>) {
        let State {
            world, budget, wrong, ..
        } = state;
        if wrong.is_some() {
            return;
        }
        if budget.customers > 0 {
            actions.push(Op::CustomerWrites { cancels: false });
        }
        if budget.people > 0 {
            actions.push(Op::PersonWrites { gives_back: false });
        }
        if budget.resolves > 0 {
            actions.push(Op::Resolved);
        }
        for choice in 0..world.due().len() {
            actions.push(Op::Consume(choice, Fate::Consumed));
            if budget.duplicates > 0 {
                actions.push(Op::Consume(choice, Fate::Duplicated));
            }
            if budget.crashes > 0 {
                actions.push(Op::Consume(choice, Fate::Uncommitted));
            }
        }
        for (choice, run) in world.runs.iter().enumerate() {
            for (answer, reply) in continuations(&run.job, budget) {
                actions.push(Op::Progress(choice, answer, reply));
            }
            if budget.crashes > 0 {
                actions.push(Op::Crash(choice));
            }
        }
        actions.extend(next_time(world).map(Op::Wait));
    }

    fn next_state(&self, state: &State, op: Op) -> Option<State> {
        let mut next = state.clone();
        let Budget {
            customers,
            people,
            hand_overs,
            crashes,
            duplicates,
            unclear,
            resolves,
        } = &mut next.budget;
        let cost = match &op {
            Op::CustomerWrites { .. } => Some(customers),
            Op::PersonWrites { .. } => Some(people),
            Op::Resolved => Some(resolves),
            Op::Consume(_, Fate::Duplicated) => Some(duplicates),
            Op::Consume(_, Fate::Uncommitted) | Op::Crash(_) => Some(crashes),
            Op::Progress(_, Answer::HandsOverSimply, _) => Some(hand_overs),
            Op::Progress(_, _, Reply::UnclearAndDone) => Some(unclear),
            _ => None,
        };
        if let Some(left) = cost {
            *left -= 1;
        }
        next.wrong = next.world.play(&[op]).err();
        next.describe();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let Budget {
            customers,
            people,
            hand_overs,
            ..
        } = self.budget;
        let always = [
            Property::always(NOTHING_GOES_WRONG, |_, state: &State| state.wrong.is_none()),
            Property::always(QUIET_IS_SETTLED, |_, state: &State| {
                let World {
                    queue,
                    runs,
                    conversation,
                    audit,
                    ..
                } = &state.world;
                let is_quiet = queue.is_empty() && runs.is_empty();
                !is_quiet || audit.is_settled(conversation).is_ok()
            }),
            Property::sometimes("the bot answers", |_, state: &State| {
                state.world.audit.kinds().contains("answered")
            }),
        ];
        let waits = Property::sometimes("the customer waits", |_, state: &State| {
            state.world.conversation.holder == Holder::Waiting
        });
        let takes_over = Property::sometimes("a person takes over", |_, state: &State| {
            state.world.conversation.holder == Holder::Human
        });
        let overtakes = Property::sometimes("two functions run", |_, state: &State| state.world.runs.len() == 2);
        let possible = [
            (hand_overs > 0, waits),
            (people > 0, takes_over),
            (customers > 1, overtakes),
        ];
        let possible = possible
            .into_iter()
            .filter_map(|(is_possible, property)| is_possible.then_some(property));
        always.into_iter().chain(possible).collect()
    }
}

/// How a function can go on.
fn continuations(job: &Job, budget: &Budget) -> Vec<(Answer, Reply)> {
    let answer = (Answer::Posts(1), Reply::Done);
    let (is_turn, is_step) = (matches!(job, Job::Turn { .. }), matches!(job, Job::Step { .. }));
    let hands_over = is_turn && budget.hand_overs > 0;
    let is_unclear = is_step && budget.unclear > 0;
    [
        Some(answer),
        hands_over.then_some((Answer::HandsOverSimply, Reply::Done)),
        is_unclear.then_some((Answer::Posts(1), Reply::UnclearAndDone)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Milliseconds until something is due, if nothing is due now. No function runs that long.
fn next_time(world: &World) -> Option<u32> {
    let due_at = world.queue.iter().map(|queued| queued.due_at).min()?;
    let is_too_late = world.runs.iter().any(|run| run.deadline <= due_at);
    if due_at <= world.now || is_too_late {
        return None;
    }
    u32::try_from(due_at.since(world.now).as_millis()).ok()
}

/// Visits every state of the world and expects every property to hold.
fn expect_properties(budget: Budget) {
    let started = Instant::now();
    let checker = Chat { decide, budget }.checker().threads(2).spawn_bfs().join();
    println!(
        "{} states, at most {} steps, {:.1?}",
        checker.unique_state_count(),
        checker.max_depth(),
        started.elapsed()
    );
    checker.assert_properties();
}

/// Breaks a rule and expects the checker to find a counterexample.
fn expect_counterexample(decide: Decide, budget: Budget) {
    let any = HasDiscoveries::AnyOf([NOTHING_GOES_WRONG, QUIET_IS_SETTLED].into());
    let checker = Chat { decide, budget }
        .checker()
        .threads(2)
        .finish_when(any)
        .spawn_bfs()
        .join();
    let wrong = checker.discovery(NOTHING_GOES_WRONG);
    let path = wrong
        .or_else(|| checker.discovery(QUIET_IS_SETTLED))
        .expect("a counterexample");
    println!("{:?}: {:#?}", path.last_state().wrong, path.clone().into_actions());
}

mod properties_hold {
    use super::*;

    /// The customer writes twice, and no person writes.
    const BURST: Budget = Budget { people: 0, ..CALM };

    #[test]
    fn when_nothing_fails() {
        expect_properties(SMALL);
        expect_properties(BURST);
        expect_properties(Budget { hand_overs: 0, ..CALM });
    }

    #[test]
    fn when_a_function_dies() {
        expect_properties(Budget { crashes: 1, ..SMALL });
        expect_properties(Budget { crashes: 1, ..BURST });
    }

    #[test]
    fn when_something_is_delivered_twice() {
        expect_properties(Budget { duplicates: 1, ..SMALL });
        expect_properties(Budget { duplicates: 1, ..BURST });
    }

    #[test]
    fn when_a_result_is_unclear() {
        expect_properties(Budget { unclear: 1, ..SMALL });
    }

    #[test]
    fn when_the_conversation_is_resolved() {
        expect_properties(Budget { resolves: 1, ..SMALL });
    }

    #[test]
    #[ignore = "takes minutes"]
    fn when_the_world_is_larger() {
        expect_properties(CALM);
        expect_properties(Budget {
            crashes: 1,
            duplicates: 1,
            ..SMALL
        });
    }
}

mod broken_rules_have_a_counterexample {
    use super::*;

    #[test]
    fn when_handled_messages_are_forgotten() {
        expect_counterexample(broken::forget_handled_messages, Budget { duplicates: 1, ..SMALL });
    }

    #[test]
    fn when_posted_messages_are_forgotten() {
        expect_counterexample(broken::forget_posted_messages, SMALL);
    }

    #[test]
    fn when_a_step_begins_again() {
        expect_counterexample(broken::begin_again, Budget { duplicates: 1, ..SMALL });
    }

    #[test]
    fn when_unclear_steps_are_repeated() {
        expect_counterexample(broken::repeat_unclear_steps, Budget { unclear: 1, ..SMALL });
    }

    #[test]
    fn when_replies_stay_after_a_take_over() {
        expect_counterexample(broken::keep_replies, SMALL);
    }

    #[test]
    fn when_every_result_of_a_turn_is_accepted() {
        expect_counterexample(broken::accept_every_result, CALM);
    }

    #[test]
    fn when_a_hand_over_message_is_repeated() {
        expect_counterexample(broken::repeat_the_hand_over_message, SMALL);
    }

    #[test]
    fn when_a_step_has_no_watch() {
        expect_counterexample(broken::omit_watches, SMALL);
    }

    #[test]
    fn when_an_early_turn_is_forgotten() {
        expect_counterexample(broken::forget_early_turns, CALM);
    }
}
