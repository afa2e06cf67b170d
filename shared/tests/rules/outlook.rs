//! The plan ahead is what really happens when nobody picks up.

use patchbay::clock::Timestamp;
use patchbay::dispatch::employee::Duty;
use patchbay::dispatch::{Dispatch, Employee, Event, Policy, State};
use proptest::prelude::*;

use crate::story::{RING, Story, people, start};

#[test]
fn the_outlook_reads_as_a_plan() {
    let story = Story::of(&["Anna", "Ben"]);
    let outlook = story.dispatch.outlook(story.now).expect("an outlook");
    assert_eq!(
        outlook.summary,
        "Anna ×3, then Ben ×3, ends 09:04:30 UTC, then again from the top at 09:09:30 UTC"
    );
    assert_eq!(outlook.then, "Waiting");
}

#[test]
fn the_outlook_covers_one_round_even_when_no_pause_follows() {
    let policy = Policy {
        round_pause: 0,
        ..Policy::default()
    };
    let story = Story::under(policy, &["Anna", "Ben"]);
    let outlook = story.dispatch.outlook(story.now).expect("an outlook");
    assert_eq!(
        outlook.summary,
        "Anna ×3, then Ben ×3, ends 09:04:30 UTC, then again from the top at 09:04:30 UTC"
    );
    assert_eq!(outlook.resumes_at, Some(outlook.round_ends_at));
}

#[test]
fn the_longest_list_with_the_most_attempts_has_a_whole_outlook() {
    let policy = Policy {
        attempts: 10,
        ..Policy::default()
    };
    let names: Vec<String> = (0..40).map(|i| format!("P{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let story = Story::under(policy, &names);
    let outlook = story.dispatch.outlook(story.now).expect("an outlook");
    assert_eq!(outlook.turns.len(), 40);
    assert!(outlook.turns.iter().all(|turn| turn.calls == 10));
    assert!(outlook.resumes_at.is_some());
}

#[test]
fn the_outlook_says_when_the_dispatch_ends_for_good() {
    let once = Policy {
        attempts: 1,
        max_rounds: Some(1),
        ..Policy::default()
    };
    let exhausting = Story::under(once.clone(), &["Anna"]);
    let outlook = exhausting.dispatch.outlook(start()).expect("an outlook");
    assert_eq!(outlook.summary, "Anna ×1, ends 09:00:25 UTC, then exhausted");
    let expiring = Policy {
        expires_after: 60,
        max_rounds: None,
        ..once
    };
    let outlook = Story::under(expiring, &["Anna"])
        .dispatch
        .outlook(start())
        .expect("an outlook");
    assert_eq!(
        outlook.summary,
        "Anna ×1, ends 09:00:25 UTC, then expires at 09:01:00 UTC"
    );
    assert_eq!(outlook.resumes_at, None);
}

#[test]
fn the_outlook_of_a_wait_begins_with_its_end() {
    let mut story = Story::of(&["Anna"]);
    story.is_busy("Anna", 20);
    let outlook = story.dispatch.outlook(story.now).expect("an outlook");
    assert_eq!(outlook.turns[0].from, start().plus_seconds(20));
}

#[test]
fn what_is_over_has_no_outlook() {
    let mut story = Story::of(&["Anna"]);
    story.when(&Event::Cancel);
    assert_eq!(story.dispatch.outlook(story.now), None);
}

/// A call: whom, when it was placed, when it had rung out.
type Call = (u8, Timestamp, Timestamp);

/// Lets it happen: nobody picks up, up to the end of the round.
fn what_happens(mut story: Story) -> (Vec<Call>, Dispatch) {
    let mut calls = Vec::new();
    let round = story.dispatch.progress.round;
    while story.dispatch.progress.round == round {
        match &story.dispatch.state {
            State::Calling(_) => {
                let (id, verdict) = story.claims();
                if verdict == patchbay::dispatch::Verdict::Dial {
                    let from = story.now;
                    story.later(RING);
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

/// The same as turns: whom, how many calls, from when until when.
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
    fn the_outlook_is_what_happens_when_nobody_picks_up(
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
        let story = Story::with(team, policy);
        let Some(outlook) = story.dispatch.outlook(story.now) else {
            prop_assert!(story.dispatch.state.is_over());
            return Ok(());
        };
        let (calls, after) = what_happens(story);
        let planned: Vec<_> = outlook
            .turns
            .iter()
            .map(|turn| (turn.employee, turn.calls, turn.from, turn.until))
            .collect();
        prop_assert_eq!(planned, turns(&calls));
        prop_assert_eq!(outlook.then, after.state.name());
        if let Some((_, _, until)) = calls.last() {
            prop_assert!(outlook.round_ends_at >= *until);
        }
    }
}
