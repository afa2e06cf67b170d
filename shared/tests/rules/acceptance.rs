//! Acceptance: who gets the ticket when several employees accept it, or one accepts late.

use patchbay::dispatch::{Ending, EventOutcome, Fact, Policy, Route};

use crate::story::{PROVIDER, Story};

#[test]
fn late_accept_wins_over_the_call_to_the_next_employee() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let annas: Vec<_> = (0..3).map(|_| story.rings_out("Anna")).collect();
    let bens = story.rings("Ben");
    assert_eq!(story.presses(annas[0], "1"), EventOutcome::Accepted);
    assert_eq!(story.acceptor(), "Anna");
    assert_eq!(story.hung_up(), [bens]);
    assert_eq!(story.last.release, Some(bens), "others may phone Ben");
    assert!(story.recorded(|fact| matches!(fact, Fact::Accepted { late: true, .. })));
}

#[test]
fn late_accept_hangs_up_a_claimed_call() {
    let policy = Policy {
        attempts: 1,
        ..Policy::default()
    };
    let mut story = Story::with_policy(policy, &["Anna", "Ben"]);
    let annas = story.rings_out("Anna");
    let bens = story.dials("Ben");
    story.presses(annas, "1");
    assert_eq!(story.hung_up(), [bens]);
}

#[test]
fn late_accept_prevents_a_planned_call() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let first = story.rings_out("Anna");
    let second = story.dispatch.attempt().expect("the second call").id;
    assert_eq!(story.presses(first, "1"), EventOutcome::Accepted);
    assert!(story.hung_up().is_empty(), "nothing rings");
    let outcome = story.apply(&patchbay::dispatch::Event::Claim {
        attempt: second,
        route: Route::only(PROVIDER),
    });
    assert_eq!(outcome, EventOutcome::Stale);
}

#[test]
fn late_accept_ends_a_wait() {
    let policy = Policy {
        attempts: 1,
        ..Policy::default()
    };
    let mut story = Story::with_policy(policy, &["Anna"]);
    let call = story.rings_out("Anna");
    assert_eq!(story.status(), "Waiting");
    assert_eq!(story.presses(call, "1"), EventOutcome::Accepted);
}

#[test]
fn late_accept_is_valid_after_exhaustion() {
    let policy = Policy {
        attempts: 1,
        max_rounds: Some(1),
        ..Policy::default()
    };
    let mut story = Story::with_policy(policy, &["Anna"]);
    let call = story.rings_out("Anna");
    assert_eq!(story.status(), "Exhausted");
    assert_eq!(story.presses(call, "1"), EventOutcome::Accepted);
    assert_eq!(story.acceptor(), "Anna");
}

#[test]
fn second_acceptor_hears_who_has_the_ticket() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let annas: Vec<_> = (0..3).map(|_| story.rings_out("Anna")).collect();
    let bens = story.rings("Ben");
    story.presses(annas[2], "1");
    assert_eq!(story.presses(bens, "1"), EventOutcome::TakenBy(0));
    assert_eq!(story.acceptor(), "Anna");
    assert_eq!(story.last.next, None);
    assert!(story.recorded(|fact| matches!(fact, Fact::Key { key: '1', .. })));
}

#[test]
fn accept_in_another_call_of_the_acceptor_is_confirmed_again() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let first = story.rings_out("Anna");
    let (_, outcome) = story.answers("Anna", "1");
    assert_eq!(outcome, EventOutcome::Accepted);
    assert_eq!(story.presses(first, "1"), EventOutcome::Accepted);
    assert!(story.nothing_happened());
}

#[test]
fn acceptors_own_call_is_not_hung_up() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let (call, _) = story.answers("Anna", "1");
    assert!(story.hung_up().is_empty());
    assert_eq!(story.last.release, Some(call));
}

#[test]
fn second_call_to_the_acceptor_is_hung_up() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let first = story.rings_out("Anna");
    let second = story.rings("Anna");
    story.presses(first, "1");
    assert_eq!(story.hung_up(), [second]);
}

#[test]
fn only_the_current_call_and_the_acceptors_call_are_wanted() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let old = story.rings_out("Anna");
    let live = story.rings("Anna");
    assert!(story.dispatch.wants_call(live) && !story.dispatch.wants_call(old));
    story.presses(old, "1");
    assert!(
        story.dispatch.wants_call(old),
        "the acceptor may be hearing the confirmation"
    );
    assert!(!story.dispatch.wants_call(live));
    story.apply(&patchbay::dispatch::Event::Resolve);
    assert!(!story.dispatch.wants_call(old) && !story.dispatch.wants_call(live));
}

#[test]
fn accept_within_the_grace_period_after_the_call_is_valid() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let call = story.rings("Anna");
    story.ends(call, Ending::Completed);
    story.advance(2);
    assert_eq!(story.presses(call, "1"), EventOutcome::Accepted);
    assert!(story.recorded(|fact| matches!(fact, Fact::Accepted { late: true, .. })));
    assert!(story.hung_up().is_empty(), "that call is over");
}

#[test]
fn reject_within_the_grace_period_phones_the_next_employee_at_once() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let call = story.rings("Anna");
    story.ends(call, Ending::Completed);
    story.advance(2);
    assert_eq!(story.presses(call, "2"), EventOutcome::Rejected);
    assert_eq!(story.turn(), ("Ben", 1));
}
