//! The plan ahead equals what happens when nobody picks up.

use patchbay::clock::Timestamp;
use patchbay::dispatch::employee::Duty;
use patchbay::dispatch::{Dispatch, Employee, Event, Policy, State};
use proptest::prelude::*;

use crate::story::{RING, Story, people, start};

#[test]
fn plan_has_a_summary_in_words() {
    let story = Story::new(&["Anna", "Ben"]);
    let plan = story.dispatch.plan_ahead(story.now).expect("a plan");
    assert_eq!(
        plan.summary,
        "Anna ×3, then Ben ×3, ends 09:04:30 UTC, then again from the top at 09:09:30 UTC"
    );
    assert_eq!(plan.next_status, "Waiting");
}

#[test]
fn plan_covers_one_round_even_without_a_pause_after_it() {
    let policy = Policy {
        round_pause: 0,
        ..Policy::default()
    };
    let story = Story::with_policy(policy, &["Anna", "Ben"]);
    let plan = story.dispatch.plan_ahead(story.now).expect("a plan");
    assert_eq!(
        plan.summary,
        "Anna ×3, then Ben ×3, ends 09:04:30 UTC, then again from the top at 09:04:30 UTC"
    );
    assert_eq!(plan.resumes_at, Some(plan.round_ends_at));
}

#[test]
fn longest_list_with_most_attempts_has_a_complete_plan() {
    let policy = Policy {
        attempts: 10,
        ..Policy::default()
    };
    let names: Vec<String> = (0..40).map(|i| format!("P{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let story = Story::with_policy(policy, &names);
    let plan = story.dispatch.plan_ahead(story.now).expect("a plan");
    assert_eq!(plan.turns.len(), 40);
    assert!(plan.turns.iter().all(|turn| turn.calls == 10));
    assert!(plan.resumes_at.is_some());
}

#[test]
fn plan_tells_when_the_dispatch_ends() {
    let once = Policy {
        attempts: 1,
        max_rounds: Some(1),
        ..Policy::default()
    };
    let exhausting = Story::with_policy(once.clone(), &["Anna"]);
    let plan = exhausting.dispatch.plan_ahead(start()).expect("a plan");
    assert_eq!(plan.summary, "Anna ×1, ends 09:00:25 UTC, then exhausted");
    let expiring = Policy {
        expires_after: 60,
        max_rounds: None,
        ..once
    };
    let plan = Story::with_policy(expiring, &["Anna"])
        .dispatch
        .plan_ahead(start())
        .expect("a plan");
    assert_eq!(plan.summary, "Anna ×1, ends 09:00:25 UTC, then expires at 09:01:00 UTC");
    assert_eq!(plan.resumes_at, None);
}

#[test]
fn plan_during_a_wait_starts_at_its_end() {
    let mut story = Story::new(&["Anna"]);
    story.is_busy("Anna", 20);
    let plan = story.dispatch.plan_ahead(story.now).expect("a plan");
    assert_eq!(plan.turns[0].from, start().plus_seconds(20));
}

#[test]
fn ended_dispatch_has_no_plan() {
    let mut story = Story::new(&["Anna"]);
    story.apply(&Event::Cancel);
    assert_eq!(story.dispatch.plan_ahead(story.now), None);
}

/// A call: the employee's index, when it was placed, when it had rung out.
type Call = (u8, Timestamp, Timestamp);

/// Plays the dispatch with nobody picking up, until the end of the round.
fn play_round(mut story: Story) -> (Vec<Call>, Dispatch) {
    let mut calls = Vec::new();
    let round = story.dispatch.progress.round;
    while story.dispatch.progress.round == round {
        match &story.dispatch.state {
            State::Calling(_) => {
                let (id, outcome) = story.claims();
                if outcome == patchbay::dispatch::EventOutcome::Dial {
                    let from = story.now;
                    story.advance(RING);
                    story.ends(id, patchbay::dispatch::Ending::NoAnswer);
                    calls.push((id.employee, from, story.now));
                }
            }
            State::Waiting(_) if calls.is_empty() => story.resumes(),
            _ => break,
        }
    }
    (calls, story.dispatch)
}

/// The same calls as turns: the employee's index, the number of calls, start and end.
fn turns(calls: &[Call]) -> Vec<(u8, u32, Timestamp, Timestamp)> {
    let mut turns: Vec<(u8, u32, Timestamp, Timestamp)> = Vec::new();
    for (employee, from, until) in calls {
        match turns.last_mut() {
            Some(turn) if turn.0 == *employee => {
                turn.1 += 1;
                turn.3 = *until;
            }
            _ => turns.push((*employee, 1, *from, *until)),
        }
    }
    turns
}

prop_compose! {
    fn team()(duties in prop::collection::vec(prop::option::of((0_u32..900, 1_u32..900)), 1..6)) -> Vec<Employee> {
        let mut team = people(&["Anna", "Ben", "Cora", "Dora", "Emil"][..duties.len()]);
        for (employee, duty) in team.iter_mut().zip(duties) {
            employee.on_duty = duty
                .map(|(from, length)| Duty {
                    from: start().plus_seconds(from),
                    until: start().plus_seconds(from + length),
                })
                .into_iter()
                .collect();
        }
        team
    }
}

proptest! {
    #[test]
    fn plan_equals_what_happens_when_nobody_picks_up(
        team in team(),
        attempts in 1_u8..5,
        retry_delay in 5_u32..200,
        round_pause in prop_oneof![Just(0_u32), 1_u32..400],
        max_rounds in prop::option::of(1_u32..3),
        expires_after in 60_u32..2_000,
    ) {
        let policy = Policy {
            attempts,
            retry_delay,
            round_pause,
            max_rounds,
            expires_after,
            ring_timeout: Some(RING),
            ..Policy::default()
        };
        let story = Story::with_employees(team, policy);
        let Some(plan) = story.dispatch.plan_ahead(story.now) else {
            prop_assert!(story.dispatch.state.is_over());
            return Ok(());
        };
        let (calls, after) = play_round(story);
        let planned: Vec<_> = plan
            .turns
            .iter()
            .map(|turn| (turn.employee, turn.calls, turn.from, turn.until))
            .collect();
        prop_assert_eq!(planned, turns(&calls));
        prop_assert_eq!(plan.next_status, after.state.name());
        if let Some((_, _, until)) = calls.last() {
            prop_assert!(plan.round_ends_at >= *until);
        }
    }
}
