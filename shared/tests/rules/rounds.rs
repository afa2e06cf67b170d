//! Rounds through the list.

use patchbay::dispatch::timeline::Exhaustion;
use patchbay::dispatch::{Fact, Policy, WaitReason};

use crate::story::{Story, people};

fn once() -> Policy {
    Policy {
        attempts: 1,
        ..Policy::default()
    }
}

#[test]
fn after_the_last_employee_comes_a_pause_and_then_the_first_again() {
    let mut story = Story::under(once(), &["Anna", "Ben"]);
    story.rings_out("Anna");
    story.rings_out("Ben");
    assert_eq!(story.waits(), (300, WaitReason::RoundPause));
    story.resumes();
    assert_eq!((story.turn(), story.dispatch.progress.round), (("Anna", 1), 2));
}

#[test]
fn a_round_without_a_pause_is_followed_by_the_next_at_once() {
    let policy = Policy {
        round_pause: 0,
        ..once()
    };
    let mut story = Story::under(policy, &["Anna", "Ben"]);
    for round in 1..=20 {
        assert_eq!(story.dispatch.progress.round, round);
        story.rings_out("Anna");
        story.rings_out("Ben");
    }
}

#[test]
fn after_the_last_round_the_dispatch_is_exhausted_and_says_so() {
    let policy = Policy {
        max_rounds: Some(2),
        ..once()
    };
    let mut story = Story::under(policy, &["Anna", "Ben"]);
    story.rings_out("Anna");
    story.rings_out("Ben");
    story.resumes();
    story.rings_out("Anna");
    story.rings_out("Ben");
    assert_eq!(story.status(), "Exhausted");
    assert!(story.tells(|fact| matches!(
        fact,
        Fact::Exhausted {
            why: Exhaustion::NobodyLeft
        }
    )));
    assert!(story.dispatch.state.is_over());
    assert!(story.only_counts(), "nothing is to happen any more");
}

#[test]
fn without_a_limit_the_rounds_go_on_until_the_dispatch_expires() {
    let policy = Policy {
        expires_after: 3_600,
        ..once()
    };
    let mut story = Story::under(policy, &["Anna"]);
    let mut calls = 0;
    while !story.dispatch.state.is_over() {
        if story.dispatch.attempt().is_some() {
            story.rings_out("Anna");
            calls += 1;
        } else {
            story.resumes();
        }
    }
    // One call of 25 s and a pause of 300 s fit eleven times into an hour, and a twelfth call begins before its end.
    assert_eq!((story.status(), calls), ("Expired", 12));
    assert_eq!(story.now, story.dispatch.expires_at);
}

#[test]
fn a_round_in_which_nobody_was_called_is_not_counted() {
    let policy = Policy {
        max_rounds: Some(1),
        ..once()
    };
    let mut story = Story::under(policy, &["Anna", "Ben"]);
    for _ in 0..5 {
        story.is_busy("Anna", 20);
        story.is_busy("Ben", 20);
        assert_eq!(story.waits(), (20, WaitReason::NobodyAvailable));
        story.resumes();
    }
    assert_eq!(story.dispatch.progress.round, 1);
    story.rings_out("Anna");
    story.rings_out("Ben");
    assert_eq!(story.status(), "Exhausted");
}

#[test]
fn a_dispatch_with_nobody_in_it_is_exhausted_from_the_start() {
    let story = Story::with(Vec::new(), Policy::default());
    assert_eq!((story.status(), story.dispatch.version), ("Exhausted", 1));
}

#[test]
fn a_dispatch_whose_people_can_never_be_phoned_is_exhausted_from_the_start() {
    let mut employees = people(&["Anna", "Ben"]);
    employees[0].opted_out = true;
    employees[1].unverified = true;
    let story = Story::with(employees, Policy::default());
    assert_eq!(story.status(), "Exhausted");
    assert_eq!(
        story.last.entries.len(),
        4,
        "created, two skips, exhausted: {:?}",
        story.facts()
    );
}

#[test]
fn the_pause_lasts_longer_when_nobody_is_available_at_its_end() {
    let mut story = Story::under(once(), &["Anna", "Ben"]);
    story.rings_out("Anna");
    story.is_busy("Ben", 20);
    assert_eq!(
        story.waits(),
        (300, WaitReason::RoundPause),
        "Anna is available after the pause"
    );
    story.resumes();
    story.is_busy("Anna", 20);
    story.is_busy("Ben", 25);
    assert_eq!(story.waits(), (20, WaitReason::NobodyAvailable));
}

#[test]
fn whoever_was_on_the_phone_all_through_the_last_round_is_phoned_before_it_is_over() {
    let policy = Policy {
        max_rounds: Some(1),
        attempts: 2,
        ..Policy::default()
    };
    let mut story = Story::under(policy, &["Anna", "Ben", "Carla"]);
    story.is_busy("Anna", 20);
    for name in ["Ben", "Ben", "Carla", "Carla"] {
        story.rings_out(name);
    }
    // Anna is free by now, and had no call: she has hers, and nobody is phoned again with her.
    assert_eq!(story.turn(), ("Anna", 1));
    story.is_busy("Anna", 20);
    assert_eq!(story.waits(), (20, WaitReason::NobodyAvailable), "busy again");
    story.resumes();
    story.rings_out("Anna");
    story.rings_out("Anna");
    assert_eq!(story.status(), "Exhausted");
}

#[test]
fn a_later_round_in_which_nobody_was_called_is_not_counted_either() {
    let policy = Policy {
        max_rounds: Some(2),
        ..once()
    };
    let mut story = Story::under(policy, &["Anna", "Ben"]);
    story.rings_out("Anna");
    story.rings_out("Ben");
    story.resumes();
    story.is_busy("Anna", 20);
    story.is_busy("Ben", 20);
    assert_eq!(story.waits(), (20, WaitReason::NobodyAvailable));
    story.resumes();
    assert_eq!((story.turn(), story.dispatch.progress.round), (("Anna", 1), 2));
}
