//! What the requester asks for, and what the requester is told.

use patchbay::dispatch::state::{Strategy, Webhook};
use patchbay::dispatch::{Event, Fact, NewDispatch, Policy, State, Verdict};
use patchbay::queue::Work;

use crate::story::{Story, brief, people};

#[test]
fn a_cancel_stops_the_call_at_once() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let call = story.rings("Anna");
    assert_eq!(story.when(&Event::Cancel), Verdict::Noted);
    assert_eq!((story.status(), story.hung_up()), ("Cancelled", vec![call]));
    assert_eq!(story.last.release, Some(call));
    assert_eq!(story.presses(call, "1"), Verdict::Closed);
    assert_eq!(story.status(), "Cancelled");
}

#[test]
fn a_cancel_keeps_a_planned_call_from_being_placed() {
    let mut story = Story::of(&["Anna"]);
    story.when(&Event::Cancel);
    assert!(story.hung_up().is_empty());
    let State::Cancelled { .. } = story.dispatch.state else {
        panic!("cancelled")
    };
    let Some(Work::Dial { attempt, .. }) = story.messages.first().map(|message| message.work.clone()) else {
        panic!("a call was planned")
    };
    assert_eq!(story.when(&Event::Claim { attempt }), Verdict::Stale);
}

#[test]
fn a_cancel_hangs_up_a_call_that_may_be_about_to_ring() {
    let mut story = Story::of(&["Anna"]);
    let call = story.dials("Anna");
    story.when(&Event::Cancel);
    assert_eq!(story.hung_up(), [call]);
}

#[test]
fn a_cancel_may_be_repeated() {
    let mut story = Story::of(&["Anna"]);
    story.when(&Event::Cancel);
    assert_eq!(story.when(&Event::Cancel), Verdict::Noted);
    assert!(story.nothing_happened());
}

#[test]
fn what_somebody_has_accepted_cannot_be_cancelled() {
    let mut story = Story::of(&["Anna"]);
    story.answers("Anna", "1");
    assert_eq!(story.when(&Event::Cancel), Verdict::Refused);
    assert_eq!(story.acceptor(), "Anna");
}

#[test]
fn what_is_over_cannot_be_cancelled() {
    let policy = Policy {
        attempts: 1,
        max_rounds: Some(1),
        expires_after: 60,
        ..Policy::default()
    };
    let mut exhausted = Story::under(policy.clone(), &["Anna"]);
    exhausted.rings_out("Anna");
    let mut expired = Story::under(policy, &["Anna"]);
    expired.at(60);
    expired.claims();
    let mut resolved = Story::of(&["Anna"]);
    resolved.when(&Event::Resolve);
    for (mut story, status) in [(exhausted, "Exhausted"), (expired, "Expired"), (resolved, "Resolved")] {
        assert_eq!(story.when(&Event::Cancel), Verdict::Refused);
        assert_eq!(story.status(), status);
    }
}

#[test]
fn a_cancel_ends_a_wait() {
    let mut story = Story::of(&["Anna"]);
    story.is_busy("Anna", 60);
    assert_eq!(story.when(&Event::Cancel), Verdict::Noted);
    assert_eq!(story.status(), "Cancelled");
}

#[test]
fn a_resolve_stops_the_call_at_once() {
    let mut story = Story::of(&["Anna"]);
    let call = story.rings("Anna");
    assert_eq!(story.when(&Event::Resolve), Verdict::Noted);
    assert_eq!((story.status(), story.hung_up()), ("Resolved", vec![call]));
    assert_eq!(story.presses(call, "1"), Verdict::Closed);
}

#[test]
fn a_resolve_remembers_who_had_it_and_may_be_repeated() {
    let mut story = Story::of(&["Anna"]);
    let (call, _) = story.answers("Anna", "1");
    story.when(&Event::Resolve);
    let State::Resolved {
        acceptance: Some(acceptance),
        ..
    } = &story.dispatch.state
    else {
        panic!("resolved")
    };
    assert_eq!(acceptance.attempt, call);
    assert_eq!(story.when(&Event::Resolve), Verdict::Noted);
    assert!(story.nothing_happened());
}

#[test]
fn what_was_cancelled_cannot_be_resolved() {
    let mut story = Story::of(&["Anna"]);
    story.when(&Event::Cancel);
    assert_eq!(story.when(&Event::Resolve), Verdict::Refused);
    assert_eq!(story.status(), "Cancelled");
}

#[test]
fn whatever_nobody_accepted_can_still_be_resolved() {
    let policy = Policy {
        attempts: 1,
        max_rounds: Some(1),
        ..Policy::default()
    };
    let mut story = Story::under(policy, &["Anna"]);
    story.rings_out("Anna");
    assert_eq!(story.when(&Event::Resolve), Verdict::Noted);
    assert_eq!(story.status(), "Resolved");
}

fn told(strategy: Option<Strategy>) -> Vec<&'static str> {
    let webhook = strategy.map(|strategy| Webhook {
        url: "https://example.com/hook".into(),
        strategy,
    });
    let mut story = Story::about(NewDispatch {
        webhook,
        ..brief(people(&["Anna", "Ben"]), Policy::default())
    });
    story.rings_out("Anna");
    story.answers("Anna", "2");
    story.answers("Ben", "1");
    let named: Vec<String> = story
        .messages
        .iter()
        .filter_map(|message| match &message.work {
            Work::Notify { entry } => Some(entry.clone()),
            _ => None,
        })
        .collect();
    let entries = story.entries.iter().filter(|entry| named.contains(&entry.id));
    entries.filter_map(|entry| entry.fact.status()).collect()
}

#[test]
fn the_requester_is_told_as_much_as_was_asked_for() {
    assert_eq!(told(Some(Strategy::OnChange)), ["NoAnswer", "Rejected", "Accepted"]);
    assert_eq!(told(Some(Strategy::OnCompletion)), ["Accepted"]);
    assert!(told(None).is_empty());
}

#[test]
fn every_notification_names_a_line_of_the_same_decision() {
    let webhook = Some(Webhook {
        url: "https://example.com/hook".into(),
        strategy: Strategy::OnChange,
    });
    let mut story = Story::about(NewDispatch {
        webhook,
        ..brief(people(&["Anna"]), Policy::default())
    });
    story.rings_out("Anna");
    let Some(Work::Notify { entry }) = story
        .sent()
        .into_iter()
        .find(|work| matches!(work, Work::Notify { .. }))
    else {
        panic!("the requester is to be told")
    };
    let line = story.last.entries.iter().find(|line| line.id == *entry);
    assert!(matches!(line.expect("the line").fact, Fact::NoAnswer { .. }));
}
