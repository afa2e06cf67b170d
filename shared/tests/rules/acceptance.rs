//! Who gets the ticket when more than one wants it, or somebody wants it late.

use patchbay::dispatch::{Ending, Fact, Policy, Route, Verdict};

use crate::story::{PROVIDER, Story};

#[test]
fn a_late_accept_beats_the_second_call() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let annas: Vec<_> = (0..3).map(|_| story.rings_out("Anna")).collect();
    let bens = story.rings("Ben");
    assert_eq!(story.presses(annas[0], "1"), Verdict::Accepted);
    assert_eq!(story.acceptor(), "Anna");
    assert_eq!(story.hung_up(), [bens]);
    assert_eq!(story.last.release, Some(bens), "others may phone Ben");
    assert!(story.tells(|fact| matches!(fact, Fact::Accepted { late: true, .. })));
}

#[test]
fn a_late_accept_hangs_up_a_call_that_may_be_about_to_ring() {
    let policy = Policy {
        attempts: 1,
        ..Policy::default()
    };
    let mut story = Story::under(policy, &["Anna", "Ben"]);
    let annas = story.rings_out("Anna");
    let bens = story.dials("Ben");
    story.presses(annas, "1");
    assert_eq!(story.hung_up(), [bens]);
}

#[test]
fn a_late_accept_keeps_a_planned_call_from_being_dialled() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let first = story.rings_out("Anna");
    let second = story.dispatch.attempt().expect("the second call").id;
    assert_eq!(story.presses(first, "1"), Verdict::Accepted);
    assert!(story.hung_up().is_empty(), "nothing rings");
    let verdict = story.when(&patchbay::dispatch::Event::Claim {
        attempt: second,
        route: Route::only(PROVIDER),
    });
    assert_eq!(verdict, Verdict::Stale);
}

#[test]
fn a_late_accept_ends_a_wait() {
    let policy = Policy {
        attempts: 1,
        ..Policy::default()
    };
    let mut story = Story::under(policy, &["Anna"]);
    let call = story.rings_out("Anna");
    assert_eq!(story.status(), "Waiting");
    assert_eq!(story.presses(call, "1"), Verdict::Accepted);
}

#[test]
fn a_late_accept_saves_an_exhausted_dispatch() {
    let policy = Policy {
        attempts: 1,
        max_rounds: Some(1),
        ..Policy::default()
    };
    let mut story = Story::under(policy, &["Anna"]);
    let call = story.rings_out("Anna");
    assert_eq!(story.status(), "Exhausted");
    assert_eq!(story.presses(call, "1"), Verdict::Accepted);
    assert_eq!(story.acceptor(), "Anna");
}

#[test]
fn a_second_acceptor_hears_who_has_it() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let annas: Vec<_> = (0..3).map(|_| story.rings_out("Anna")).collect();
    let bens = story.rings("Ben");
    story.presses(annas[2], "1");
    assert_eq!(story.presses(bens, "1"), Verdict::TakenBy(0));
    assert_eq!(story.acceptor(), "Anna");
    assert_eq!(story.last.next, None);
    assert!(story.tells(|fact| matches!(fact, Fact::Key { key: '1', .. })));
}

#[test]
fn the_acceptor_hears_so_again_from_another_call_of_the_same_person() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let first = story.rings_out("Anna");
    let (_, verdict) = story.answers("Anna", "1");
    assert_eq!(verdict, Verdict::Accepted);
    assert_eq!(story.presses(first, "1"), Verdict::Accepted);
    assert!(story.nothing_happened());
}

#[test]
fn the_acceptors_own_call_goes_on() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let (call, _) = story.answers("Anna", "1");
    assert!(story.hung_up().is_empty());
    assert_eq!(story.last.release, Some(call));
}

#[test]
fn a_second_call_to_the_acceptor_is_hung_up() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let first = story.rings_out("Anna");
    let second = story.rings("Anna");
    story.presses(first, "1");
    assert_eq!(story.hung_up(), [second]);
}

#[test]
fn a_hang_up_is_wanted_for_every_call_but_the_live_one_and_the_acceptors() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let old = story.rings_out("Anna");
    let live = story.rings("Anna");
    assert!(story.dispatch.wants_call(live) && !story.dispatch.wants_call(old));
    story.presses(old, "1");
    assert!(
        story.dispatch.wants_call(old),
        "the acceptor may be hearing that it is so"
    );
    assert!(!story.dispatch.wants_call(live));
    story.when(&patchbay::dispatch::Event::Resolve);
    assert!(!story.dispatch.wants_call(old) && !story.dispatch.wants_call(live));
}

#[test]
fn a_key_within_the_grace_after_the_call_accepts() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let call = story.rings("Anna");
    story.ends(call, Ending::Completed);
    story.later(2);
    assert_eq!(story.presses(call, "1"), Verdict::Accepted);
    assert!(story.tells(|fact| matches!(fact, Fact::Accepted { late: true, .. })));
    assert!(story.hung_up().is_empty(), "that call is over");
}

#[test]
fn a_reject_within_the_grace_after_the_call_passes_on_at_once() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let call = story.rings("Anna");
    story.ends(call, Ending::Completed);
    story.later(2);
    assert_eq!(story.presses(call, "2"), Verdict::Rejected);
    assert_eq!(story.turn(), ("Ben", 1));
}
