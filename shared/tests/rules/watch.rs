//! The watch over a call whose end nobody reported, and the moments after an end.

use patchbay::dispatch::decide::{GRACE_SECONDS, LOOK_AGAIN_SECONDS, MAX_BLIND_LOOKS, MAX_LIVE_LOOKS};
use patchbay::dispatch::work::Work;
use patchbay::dispatch::{Ending, Fact, Phase, Reason, Sighting, Verdict};

use crate::story::Story;

#[test]
fn a_lost_status_is_made_up_for_by_asking_the_provider() {
    for (ending, reason) in [
        (Ending::NoAnswer, Reason::NotPickedUp),
        (Ending::Busy, Reason::Busy),
        (Ending::Failed, Reason::Failed),
        (Ending::Completed, Reason::NoKey),
        (Ending::Unknown, Reason::Unknown),
    ] {
        let mut story = Story::of(&["Anna", "Ben"]);
        let call = story.rings("Anna");
        story.over(call, ending, "");
        assert!(
            story.tells(|fact| matches!(fact, Fact::NoAnswer { reason: told, .. } if *told == reason)),
            "{ending:?}"
        );
        assert_eq!(story.turn(), ("Anna", 2));
    }
}

#[test]
fn a_lost_key_is_made_up_for_by_asking_the_provider() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let call = story.rings("Anna");
    assert_eq!(story.over(call, Ending::Completed, "71"), Verdict::Accepted);
    assert_eq!(story.acceptor(), "Anna");
    assert!(story.hung_up().is_empty() && story.last.release == Some(call));

    let mut story = Story::of(&["Anna", "Ben"]);
    let call = story.rings("Anna");
    assert_eq!(story.over(call, Ending::Completed, "2"), Verdict::Rejected);
    assert_eq!(story.turn(), ("Ben", 1));
}

#[test]
fn a_call_that_goes_on_is_looked_at_again() {
    let mut story = Story::of(&["Anna"]);
    let attempt = story.rings("Anna");
    for looks in 1..MAX_LIVE_LOOKS {
        story.watched(attempt, Sighting::Live, looks);
        assert_eq!(story.sent(), [&Work::Watch { attempt, looks }]);
        assert_eq!(
            story.last.messages[0].due_at,
            story.now.plus_seconds(LOOK_AGAIN_SECONDS)
        );
        assert_eq!(story.last.next, None);
    }
}

#[test]
fn a_call_that_never_ends_is_hung_up_and_given_up() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let call = story.rings("Anna");
    story.watched(call, Sighting::Live, MAX_LIVE_LOOKS);
    assert_eq!(story.hung_up(), [call]);
    assert_eq!(story.turn(), ("Anna", 2));
    assert_eq!(story.last.release, Some(call));
}

#[test]
fn a_call_of_which_the_provider_knows_nothing_is_given_up_and_hung_up() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let call = story.dials("Anna");
    for looks in 1..MAX_BLIND_LOOKS {
        story.watched(call, Sighting::Nothing, looks);
        assert_eq!(story.sent(), [&Work::Watch { attempt: call, looks }]);
    }
    story.watched(call, Sighting::Nothing, MAX_BLIND_LOOKS);
    assert!(story.tells(|fact| matches!(
        fact,
        Fact::NoAnswer {
            reason: Reason::Unknown,
            ..
        }
    )));
    assert_eq!(story.hung_up(), [call], "it may ring after all");
    assert_eq!(story.turn(), ("Anna", 2));
}

#[test]
fn an_answered_call_without_a_key_is_looked_at_when_the_grace_is_over() {
    let mut story = Story::of(&["Anna"]);
    let attempt = story.rings("Anna");
    story.ends(attempt, Ending::Completed);
    assert_eq!(story.sent(), [&Work::Watch { attempt, looks: 0 }]);
    assert_eq!(story.last.messages[0].due_at, story.now.plus_seconds(GRACE_SECONDS));
    assert_eq!(story.last.release, Some(attempt), "nobody is on that line any more");
}

#[test]
fn a_watch_that_comes_within_the_grace_takes_a_key_but_gives_nothing_up() {
    for sighting in [
        Sighting::Live,
        Sighting::Nothing,
        Sighting::Over {
            ending: Ending::Completed,
            keys: String::new(),
            machine: false,
        },
    ] {
        let mut story = Story::of(&["Anna"]);
        let call = story.rings("Anna");
        story.ends(call, Ending::Completed);
        story.later(GRACE_SECONDS - 1);
        story.watched(call, sighting, MAX_LIVE_LOOKS);
        assert!(story.last.next.is_none() && story.last.entries.is_empty());
        // Nobody knows here whether the watch that was sent with the end is on its way.
        // Looks while the call was live do not count among those after its end.
        let (attempt, looks) = (call, 0);
        assert_eq!(story.sent(), [&Work::Watch { attempt, looks }]);
        assert_eq!(story.last.messages[0].due_at, story.now.plus_seconds(1));
    }
    let mut story = Story::of(&["Anna"]);
    let call = story.rings("Anna");
    story.ends(call, Ending::Completed);
    assert_eq!(story.over(call, Ending::Completed, "1"), Verdict::Accepted);
}

#[test]
fn tracking_that_lags_behind_an_end_is_asked_a_few_times() {
    let mut story = Story::of(&["Anna"]);
    let attempt = story.rings("Anna");
    story.ends(attempt, Ending::Completed);
    story.later(GRACE_SECONDS);
    for looks in 1..MAX_BLIND_LOOKS {
        for lagging in [Sighting::Live, Sighting::Nothing] {
            story.watched(attempt, lagging, looks);
            assert_eq!(story.sent(), [&Work::Watch { attempt, looks }]);
            assert_eq!(story.last.messages[0].due_at, story.now.plus_seconds(GRACE_SECONDS));
        }
        story.later(GRACE_SECONDS);
    }
    story.watched(attempt, Sighting::Live, MAX_BLIND_LOOKS);
    assert!(story.tells(|fact| matches!(
        fact,
        Fact::NoAnswer {
            reason: Reason::NoKey,
            ..
        }
    )));
    assert!(story.hung_up().is_empty(), "we were told that it is over");
}

#[test]
fn an_unknown_end_is_looked_up_before_it_is_believed() {
    let mut story = Story::of(&["Anna"]);
    let attempt = story.rings("Anna");
    assert_eq!(story.ends(attempt, Ending::Unknown), Verdict::Noted);
    assert_eq!(story.sent(), [&Work::Watch { attempt, looks: 0 }]);
    assert_eq!(
        story.last.messages[0].due_at,
        story.now.plus_seconds(LOOK_AGAIN_SECONDS)
    );
    assert!(
        matches!(story.phase(), Phase::Placed { .. }),
        "a key still counts as live"
    );
    assert_eq!(story.presses(attempt, "1"), Verdict::Accepted);
}

#[test]
fn a_watch_over_a_call_that_is_past_or_not_yet_dialled_means_nothing() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let planned = story.dispatch.attempt().expect("an attempt").id;
    assert_eq!(
        story.watched(planned, Sighting::Nothing, MAX_BLIND_LOOKS),
        Verdict::Stale
    );
    assert!(story.nothing_happened());
    let past = story.rings_out("Anna");
    assert_eq!(story.over(past, Ending::Completed, "1"), Verdict::Stale);
    assert!(story.nothing_happened());
}
