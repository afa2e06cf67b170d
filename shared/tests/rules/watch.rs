//! The watch: lookups of a call whose end was not reported, and the grace period after an end.

use patchbay::dispatch::decide::{GRACE_SECONDS, LOOKUP_INTERVAL_SECONDS, MAX_LIVE_LOOKUPS, MAX_UNKNOWN_LOOKUPS};
use patchbay::dispatch::work::Work;
use patchbay::dispatch::{CallLookup, Ending, EventOutcome, Fact, NoAnswerReason, Phase};

use crate::story::Story;

#[test]
fn lookup_recovers_a_lost_status() {
    for (ending, reason) in [
        (Ending::NoAnswer, NoAnswerReason::NotPickedUp),
        (Ending::Busy, NoAnswerReason::Busy),
        (Ending::Failed, NoAnswerReason::Failed),
        (Ending::Completed, NoAnswerReason::NoKey),
        (Ending::Unknown, NoAnswerReason::Unknown),
    ] {
        let mut story = Story::new(&["Anna", "Ben"]);
        let call = story.rings("Anna");
        story.call_over(call, ending, "");
        assert!(
            story.recorded(|fact| matches!(fact, Fact::NoAnswer { reason: recorded, .. } if *recorded == reason)),
            "{ending:?}"
        );
        assert_eq!(story.turn(), ("Anna", 2));
    }
}

#[test]
fn lookup_recovers_a_lost_key() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let call = story.rings("Anna");
    assert_eq!(story.call_over(call, Ending::Completed, "71"), EventOutcome::Accepted);
    assert_eq!(story.acceptor(), "Anna");
    assert!(story.hung_up().is_empty() && story.last.release == Some(call));

    let mut story = Story::new(&["Anna", "Ben"]);
    let call = story.rings("Anna");
    assert_eq!(story.call_over(call, Ending::Completed, "2"), EventOutcome::Rejected);
    assert_eq!(story.turn(), ("Ben", 1));
}

#[test]
fn live_call_is_looked_up_again() {
    let mut story = Story::new(&["Anna"]);
    let attempt = story.rings("Anna");
    for lookups in 1..MAX_LIVE_LOOKUPS {
        story.watched(attempt, CallLookup::Live, lookups);
        assert_eq!(story.sent(), [&Work::Watch { attempt, lookups }]);
        assert_eq!(
            story.last.messages[0].due_at,
            story.now.plus_seconds(LOOKUP_INTERVAL_SECONDS)
        );
        assert_eq!(story.last.next, None);
    }
}

#[test]
fn call_that_never_ends_is_hung_up_and_counts_as_an_attempt() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let call = story.rings("Anna");
    story.watched(call, CallLookup::Live, MAX_LIVE_LOOKUPS);
    assert_eq!(story.hung_up(), [call]);
    assert_eq!(story.turn(), ("Anna", 2));
    assert_eq!(story.last.release, Some(call));
}

#[test]
fn call_unknown_to_the_provider_is_hung_up_and_counts_as_an_attempt() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let call = story.dials("Anna");
    for lookups in 1..MAX_UNKNOWN_LOOKUPS {
        story.watched(call, CallLookup::Unknown, lookups);
        assert_eq!(story.sent(), [&Work::Watch { attempt: call, lookups }]);
    }
    story.watched(call, CallLookup::Unknown, MAX_UNKNOWN_LOOKUPS);
    assert!(story.recorded(|fact| matches!(
        fact,
        Fact::NoAnswer {
            reason: NoAnswerReason::Unknown,
            ..
        }
    )));
    assert_eq!(story.hung_up(), [call], "it may ring after all");
    assert_eq!(story.turn(), ("Anna", 2));
}

#[test]
fn answered_call_without_a_key_is_looked_up_after_the_grace_period() {
    let mut story = Story::new(&["Anna"]);
    let attempt = story.rings("Anna");
    story.ends(attempt, Ending::Completed);
    assert_eq!(story.sent(), [&Work::Watch { attempt, lookups: 0 }]);
    assert_eq!(story.last.messages[0].due_at, story.now.plus_seconds(GRACE_SECONDS));
    assert_eq!(story.last.release, Some(attempt), "the line is free again");
}

#[test]
fn lookup_within_the_grace_period_accepts_a_key_but_ends_nothing() {
    for lookup in [
        CallLookup::Live,
        CallLookup::Unknown,
        CallLookup::Over {
            ending: Ending::Completed,
            keys: String::new(),
            machine: false,
        },
    ] {
        let mut story = Story::new(&["Anna"]);
        let call = story.rings("Anna");
        story.ends(call, Ending::Completed);
        story.advance(GRACE_SECONDS - 1);
        story.watched(call, lookup, MAX_LIVE_LOOKUPS);
        assert!(story.last.next.is_none() && story.last.entries.is_empty());
        // It is unknown here whether the watch message that was sent with the end is still on its way.
        // Lookups while the call was live do not count toward those after its end.
        let (attempt, lookups) = (call, 0);
        assert_eq!(story.sent(), [&Work::Watch { attempt, lookups }]);
        assert_eq!(story.last.messages[0].due_at, story.now.plus_seconds(1));
    }
    let mut story = Story::new(&["Anna"]);
    let call = story.rings("Anna");
    story.ends(call, Ending::Completed);
    assert_eq!(story.call_over(call, Ending::Completed, "1"), EventOutcome::Accepted);
}

#[test]
fn lookups_that_lag_behind_an_end_are_repeated_a_few_times() {
    let mut story = Story::new(&["Anna"]);
    let attempt = story.rings("Anna");
    story.ends(attempt, Ending::Completed);
    story.advance(GRACE_SECONDS);
    for lookups in 1..MAX_UNKNOWN_LOOKUPS {
        for lagging in [CallLookup::Live, CallLookup::Unknown] {
            story.watched(attempt, lagging, lookups);
            assert_eq!(story.sent(), [&Work::Watch { attempt, lookups }]);
            assert_eq!(story.last.messages[0].due_at, story.now.plus_seconds(GRACE_SECONDS));
        }
        story.advance(GRACE_SECONDS);
    }
    story.watched(attempt, CallLookup::Live, MAX_UNKNOWN_LOOKUPS);
    assert!(story.recorded(|fact| matches!(
        fact,
        Fact::NoAnswer {
            reason: NoAnswerReason::NoKey,
            ..
        }
    )));
    assert!(
        story.hung_up().is_empty(),
        "the end was reported, so there is nothing to hang up"
    );
}

#[test]
fn unknown_end_is_looked_up_before_it_counts() {
    let mut story = Story::new(&["Anna"]);
    let attempt = story.rings("Anna");
    assert_eq!(story.ends(attempt, Ending::Unknown), EventOutcome::Noted);
    assert_eq!(story.sent(), [&Work::Watch { attempt, lookups: 0 }]);
    assert_eq!(
        story.last.messages[0].due_at,
        story.now.plus_seconds(LOOKUP_INTERVAL_SECONDS)
    );
    assert!(
        matches!(story.phase(), Phase::Placed { .. }),
        "a key still counts as live"
    );
    assert_eq!(story.presses(attempt, "1"), EventOutcome::Accepted);
}

#[test]
fn lookup_of_an_earlier_or_planned_attempt_has_no_effect() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let planned = story.dispatch.attempt().expect("an attempt").id;
    assert_eq!(
        story.watched(planned, CallLookup::Unknown, MAX_UNKNOWN_LOOKUPS),
        EventOutcome::Stale
    );
    assert!(story.nothing_happened());
    let past = story.rings_out("Anna");
    assert_eq!(story.call_over(past, Ending::Completed, "1"), EventOutcome::Stale);
    assert!(story.nothing_happened());
}
