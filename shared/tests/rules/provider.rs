//! What the provider does instead of placing a call.

use patchbay::dispatch::decide::MAX_DEFERRALS;
use patchbay::dispatch::{Ending, Event, Fact, NotPlaced, Phase, Policy, State, Verdict, WaitReason};

use crate::story::{Story, start};

#[test]
fn without_money_nothing_is_redialled_for_a_while() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let attempt = story.dials("Anna");
    story.refused(attempt, NotPlaced::OutOfMoney);
    assert_eq!(story.waits(), (900, WaitReason::OutOfMoney));
    assert_eq!(story.facts()[0], &Fact::OutOfMoney { attempt });
    assert_eq!(story.last.release, Some(attempt));
}

#[test]
fn running_out_of_money_during_a_call_is_the_same() {
    let mut by_status = Story::of(&["Anna"]);
    let call = by_status.rings("Anna");
    by_status.ends(call, Ending::OutOfMoney);
    let mut by_watch = Story::of(&["Anna"]);
    let call = by_watch.rings("Anna");
    by_watch.over(call, Ending::OutOfMoney, "");
    for story in [by_status, by_watch] {
        assert_eq!(story.waits(), (900, WaitReason::OutOfMoney));
    }
}

#[test]
fn whoever_could_not_be_phoned_for_want_of_money_keeps_the_place() {
    let policy = Policy {
        attempts: 1,
        ..Policy::default()
    };
    let mut story = Story::under(policy, &["Anna", "Ben", "Cora"]);
    story.rings_out("Anna");
    let call = story.dials("Ben");
    story.refused(call, NotPlaced::OutOfMoney);
    story.resumes();
    assert_eq!((story.turn(), story.dispatch.progress.round), (("Ben", 1), 1));
}

#[test]
fn a_wait_for_money_ends_with_the_expiry() {
    let policy = Policy {
        expires_after: 60,
        ..Policy::default()
    };
    let mut story = Story::under(policy, &["Anna"]);
    let call = story.dials("Anna");
    story.refused(call, NotPlaced::OutOfMoney);
    assert_eq!(story.waits(), (60, WaitReason::OutOfMoney));
    story.resumes();
    assert_eq!(story.status(), "Expired");
}

#[test]
fn a_call_that_is_put_off_is_tried_again_with_growing_delays_and_the_same_number() {
    let mut story = Story::of(&["Anna", "Ben"]);
    story.rings_out("Anna");
    for (deferral, delay) in [2, 4, 8, 16, 32, 60, 60, 60].into_iter().enumerate() {
        let call = story.dials("Anna");
        story.refused(call, NotPlaced::TryLater);
        assert_eq!((story.turn(), story.due_in()), (("Anna", 2), delay), "{deferral}");
        assert_eq!(story.last.release, Some(call));
    }
}

#[test]
fn while_a_call_is_put_off_again_and_again_others_have_their_turn_and_it_is_no_attempt() {
    let policy = Policy {
        max_rounds: Some(1),
        ..Policy::default()
    };
    let mut story = Story::under(policy, &["Anna", "Ben"]);
    story.rings_out("Anna");
    for _ in 0..=MAX_DEFERRALS {
        let call = story.dials("Anna");
        story.refused(call, NotPlaced::TryLater);
    }
    assert!(!story.tells(|fact| matches!(fact, Fact::NoAnswer { .. })));
    // It may be this number only.
    for _ in 0..3 {
        let call = story.rings_out("Ben");
        assert!(story.entries.iter().any(|entry| entry.fact.attempt() == Some(call)));
    }
    // The last round is not over before Anna had hers; she is where she was.
    assert_eq!(story.turn(), ("Anna", 2));
}

#[test]
fn while_the_provider_takes_no_call_at_all_everybody_is_tried_once_a_minute_for_as_long_as_it_takes() {
    let policy = Policy {
        max_rounds: Some(1),
        ..Policy::default()
    };
    let mut story = Story::under(policy, &["Anna", "Ben"]);
    let mut tries = 0;
    while story.now < start().plus_seconds(6 * 3_600) {
        if matches!(story.dispatch.state, State::Waiting(_)) {
            story.resumes();
            continue;
        }
        let (call, verdict) = story.claims();
        assert_eq!(verdict, Verdict::Dial);
        story.refused(call, NotPlaced::TryLater);
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
    let (_, verdict) = story.answers(&name, "1");
    assert_eq!(verdict, Verdict::Accepted);
}

#[test]
fn a_call_that_gets_through_forgets_the_deferrals() {
    let mut story = Story::of(&["Anna"]);
    let call = story.dials("Anna");
    story.refused(call, NotPlaced::TryLater);
    assert_eq!(story.dispatch.progress.deferrals, 1);
    story.rings("Anna");
    assert_eq!(story.dispatch.progress.deferrals, 0);
}

#[test]
fn a_call_that_is_put_off_past_the_expiry_is_not_planned() {
    let policy = Policy {
        expires_after: 60,
        ..Policy::default()
    };
    let mut story = Story::under(policy, &["Anna"]);
    story.at(59);
    let call = story.dials("Anna");
    story.refused(call, NotPlaced::TryLater);
    assert!(matches!(story.dispatch.state, State::Waiting(_)));
    story.resumes();
    assert_eq!(story.status(), "Expired");
}

#[test]
fn a_refusal_of_a_call_that_the_story_has_left_behind_means_nothing() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let call = story.dials("Anna");
    story.ends(call, Ending::NoAnswer);
    for why in [NotPlaced::Refused, NotPlaced::TryLater, NotPlaced::OutOfMoney] {
        assert_eq!(story.refused(call, why), Verdict::Stale);
        assert!(story.nothing_happened());
    }
}

#[test]
fn an_unclear_answer_is_noted_and_left_to_the_watch() {
    let mut story = Story::of(&["Anna"]);
    let attempt = story.dials("Anna");
    assert_eq!(story.when(&Event::Unclear { attempt }), Verdict::Noted);
    assert_eq!(story.facts(), [&Fact::Unclear { attempt }]);
    assert!(matches!(story.phase(), Phase::Claimed { .. }));
}
