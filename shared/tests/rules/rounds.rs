//! Rounds through the list of employees.

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
fn pause_follows_the_last_employee_and_then_the_first_is_phoned_again() {
    let mut story = Story::with_policy(once(), &["Anna", "Ben"]);
    story.rings_out("Anna");
    story.rings_out("Ben");
    assert_eq!(story.waits(), (300, WaitReason::RoundPause));
    story.resumes();
    assert_eq!((story.turn(), story.dispatch.progress.round), (("Anna", 1), 2));
}

#[test]
fn next_round_follows_at_once_without_a_pause() {
    let policy = Policy {
        round_pause: 0,
        ..once()
    };
    let mut story = Story::with_policy(policy, &["Anna", "Ben"]);
    for round in 1..=20 {
        assert_eq!(story.dispatch.progress.round, round);
        story.rings_out("Anna");
        story.rings_out("Ben");
    }
}

#[test]
fn dispatch_is_exhausted_after_the_last_round() {
    let policy = Policy {
        max_rounds: Some(2),
        ..once()
    };
    let mut story = Story::with_policy(policy, &["Anna", "Ben"]);
    story.rings_out("Anna");
    story.rings_out("Ben");
    story.resumes();
    story.rings_out("Anna");
    story.rings_out("Ben");
    assert_eq!(story.status(), "Exhausted");
    assert!(story.recorded(|fact| matches!(
        fact,
        Fact::Exhausted {
            reason: Exhaustion::NobodyLeft
        }
    )));
    assert!(story.dispatch.state.is_over());
    assert!(story.only_counts(), "no work is left but counting the alarm");
}

#[test]
fn rounds_without_a_limit_continue_until_the_dispatch_expires() {
    let policy = Policy {
        expires_after: 3_600,
        ..once()
    };
    let mut story = Story::with_policy(policy, &["Anna"]);
    let mut calls = 0;
    while !story.dispatch.state.is_over() {
        if story.dispatch.attempt().is_some() {
            story.rings_out("Anna");
            calls += 1;
        } else {
            story.resumes();
        }
    }
    // One call of 25 s and a pause of 300 s fit eleven times into an hour, and a twelfth call starts before its end.
    assert_eq!((story.status(), calls), ("Expired", 12));
    assert_eq!(story.now, story.dispatch.expires_at);
}

#[test]
fn round_without_a_call_is_not_counted() {
    let policy = Policy {
        max_rounds: Some(1),
        ..once()
    };
    let mut story = Story::with_policy(policy, &["Anna", "Ben"]);
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
fn dispatch_without_employees_is_exhausted_from_the_start() {
    let story = Story::with_employees(Vec::new(), Policy::default());
    assert_eq!((story.status(), story.dispatch.version), ("Exhausted", 1));
}

#[test]
fn dispatch_without_available_employees_is_exhausted_from_the_start() {
    let mut employees = people(&["Anna", "Ben"]);
    employees[0].opted_out = true;
    employees[1].unverified = true;
    let story = Story::with_employees(employees, Policy::default());
    assert_eq!(story.status(), "Exhausted");
    assert_eq!(
        story.last.entries.len(),
        4,
        "created, two skips, exhausted: {:?}",
        story.facts()
    );
}

#[test]
fn pause_is_extended_until_an_employee_is_available() {
    let mut story = Story::with_policy(once(), &["Anna", "Ben"]);
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
fn employee_who_was_busy_in_the_last_round_is_phoned_before_it_ends() {
    let policy = Policy {
        max_rounds: Some(1),
        attempts: 2,
        ..Policy::default()
    };
    let mut story = Story::with_policy(policy, &["Anna", "Ben", "Carla"]);
    story.is_busy("Anna", 20);
    for name in ["Ben", "Ben", "Carla", "Carla"] {
        story.rings_out(name);
    }
    // Anna is free by now and had no call yet. She is phoned, and nobody else is phoned again.
    assert_eq!(story.turn(), ("Anna", 1));
    story.is_busy("Anna", 20);
    assert_eq!(story.waits(), (20, WaitReason::NobodyAvailable), "busy again");
    story.resumes();
    story.rings_out("Anna");
    story.rings_out("Anna");
    assert_eq!(story.status(), "Exhausted");
}

#[test]
fn later_round_without_a_call_is_not_counted_either() {
    let policy = Policy {
        max_rounds: Some(2),
        ..once()
    };
    let mut story = Story::with_policy(policy, &["Anna", "Ben"]);
    story.rings_out("Anna");
    story.rings_out("Ben");
    story.resumes();
    story.is_busy("Anna", 20);
    story.is_busy("Ben", 20);
    assert_eq!(story.waits(), (20, WaitReason::NobodyAvailable));
    story.resumes();
    assert_eq!((story.turn(), story.dispatch.progress.round), (("Anna", 1), 2));
}
