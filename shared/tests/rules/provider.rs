//! Provider failures: what follows when the provider does not place a call.

use patchbay::dispatch::decide::MAX_DEFERRALS;
use patchbay::dispatch::{Ending, Event, EventOutcome, Fact, NotPlaced, Phase, Policy, State, WaitReason};

use crate::story::{Story, start};

#[test]
fn call_without_money_is_retried_after_15_minutes() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let attempt = story.dials("Anna");
    story.not_placed(attempt, NotPlaced::OutOfMoney);
    assert_eq!(story.waits(), (900, WaitReason::OutOfMoney));
    assert_eq!(story.facts()[0], &Fact::OutOfMoney { attempt });
    assert_eq!(story.last.release, Some(attempt));
}

#[test]
fn running_out_of_money_during_a_call_has_the_same_effect() {
    let mut by_status = Story::new(&["Anna"]);
    let call = by_status.rings("Anna");
    by_status.ends(call, Ending::OutOfMoney);
    let mut by_watch = Story::new(&["Anna"]);
    let call = by_watch.rings("Anna");
    by_watch.call_over(call, Ending::OutOfMoney, "");
    for story in [by_status, by_watch] {
        assert_eq!(story.waits(), (900, WaitReason::OutOfMoney));
    }
}

#[test]
fn employee_keeps_their_turn_while_the_provider_has_no_money() {
    let policy = Policy {
        attempts: 1,
        ..Policy::default()
    };
    let mut story = Story::with_policy(policy, &["Anna", "Ben", "Cora"]);
    story.rings_out("Anna");
    let call = story.dials("Ben");
    story.not_placed(call, NotPlaced::OutOfMoney);
    story.resumes();
    assert_eq!((story.turn(), story.dispatch.progress.round), (("Ben", 1), 1));
}

#[test]
fn wait_for_money_ends_at_expiry() {
    let policy = Policy {
        expires_after: 60,
        ..Policy::default()
    };
    let mut story = Story::with_policy(policy, &["Anna"]);
    let call = story.dials("Anna");
    story.not_placed(call, NotPlaced::OutOfMoney);
    assert_eq!(story.waits(), (60, WaitReason::OutOfMoney));
    story.resumes();
    assert_eq!(story.status(), "Expired");
}

#[test]
fn postponed_call_is_retried_with_growing_delays_as_the_same_attempt() {
    let mut story = Story::new(&["Anna", "Ben"]);
    story.rings_out("Anna");
    for (deferral, delay) in [2, 4, 8, 16, 32, 60, 60, 60].into_iter().enumerate() {
        let call = story.dials("Anna");
        story.not_placed(call, NotPlaced::TryLater);
        assert_eq!((story.turn(), story.due_in()), (("Anna", 2), delay), "{deferral}");
        assert_eq!(story.last.release, Some(call));
    }
}

#[test]
fn repeatedly_postponed_call_gives_others_their_turn_and_is_no_attempt() {
    let policy = Policy {
        max_rounds: Some(1),
        ..Policy::default()
    };
    let mut story = Story::with_policy(policy, &["Anna", "Ben"]);
    story.rings_out("Anna");
    for _ in 0..=MAX_DEFERRALS {
        let call = story.dials("Anna");
        story.not_placed(call, NotPlaced::TryLater);
    }
    assert!(!story.recorded(|fact| matches!(fact, Fact::NoAnswer { .. })));
    // Perhaps only Anna's number is affected.
    for _ in 0..3 {
        let call = story.rings_out("Ben");
        assert!(story.entries.iter().any(|entry| entry.fact.attempt() == Some(call)));
    }
    // The last round is not over before Anna had her turn; it continues where it was interrupted.
    assert_eq!(story.turn(), ("Anna", 2));
}

#[test]
fn everybody_is_retried_once_a_minute_while_the_provider_postpones_every_call() {
    let policy = Policy {
        max_rounds: Some(1),
        ..Policy::default()
    };
    let mut story = Story::with_policy(policy, &["Anna", "Ben"]);
    let mut tries = 0;
    while story.now < start().plus_seconds(6 * 3_600) {
        if matches!(story.dispatch.state, State::Waiting(_)) {
            story.resumes();
            continue;
        }
        let (call, outcome) = story.claims();
        assert_eq!(outcome, EventOutcome::Dial);
        story.not_placed(call, NotPlaced::TryLater);
        tries += 1;
    }
    assert!((600..=760).contains(&tries), "{tries}");
    assert_eq!(story.dispatch.progress.round, 1);
    if matches!(story.dispatch.state, State::Waiting(_)) {
        story.resumes();
    }
    let (name, number) = story.turn();
    let name = name.to_owned();
    assert_eq!(number, 1, "{name}");
    let (_, outcome) = story.answers(&name, "1");
    assert_eq!(outcome, EventOutcome::Accepted);
}

#[test]
fn placed_call_resets_the_deferrals() {
    let mut story = Story::new(&["Anna"]);
    let call = story.dials("Anna");
    story.not_placed(call, NotPlaced::TryLater);
    assert_eq!(story.dispatch.progress.deferrals, 1);
    story.rings("Anna");
    assert_eq!(story.dispatch.progress.deferrals, 0);
}

#[test]
fn call_postponed_beyond_expiry_is_not_planned() {
    let policy = Policy {
        expires_after: 60,
        ..Policy::default()
    };
    let mut story = Story::with_policy(policy, &["Anna"]);
    story.set_time(59);
    let call = story.dials("Anna");
    story.not_placed(call, NotPlaced::TryLater);
    assert!(matches!(story.dispatch.state, State::Waiting(_)));
    story.resumes();
    assert_eq!(story.status(), "Expired");
}

#[test]
fn refusal_of_an_earlier_attempt_has_no_effect() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let call = story.dials("Anna");
    story.ends(call, Ending::NoAnswer);
    for reason in [NotPlaced::Refused, NotPlaced::TryLater, NotPlaced::OutOfMoney] {
        assert_eq!(story.not_placed(call, reason), EventOutcome::Stale);
        assert!(story.nothing_happened());
    }
}

#[test]
fn unclear_answer_is_recorded_and_left_to_the_watch() {
    let mut story = Story::new(&["Anna"]);
    let attempt = story.dials("Anna");
    assert_eq!(story.apply(&Event::Unclear { attempt }), EventOutcome::Noted);
    assert_eq!(story.facts(), [&Fact::Unclear { attempt }]);
    assert!(matches!(story.phase(), Phase::Claimed { .. }));
}
