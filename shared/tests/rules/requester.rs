//! What the requester asks for, and what the requester is told.

use patchbay::dispatch::state::{Strategy, Webhook};
use patchbay::dispatch::work::Work;
use patchbay::dispatch::{CallStatus, Ending, Entry, Event, Fact, NewDispatch, Policy, Route, State, Verdict};

use crate::story::{PROVIDER, Story, brief, people};

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
    assert_eq!(
        story.when(&Event::Claim {
            attempt,
            route: Route::only(PROVIDER)
        }),
        Verdict::Stale
    );
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

fn asked(strategy: Option<Strategy>, names: &[&str]) -> Story {
    let webhook = strategy.map(|strategy| Webhook {
        url: "https://example.com/hook".into(),
        strategy,
    });
    Story::about(NewDispatch {
        webhook,
        ..brief(people(names), Policy::default())
    })
}

fn told(strategy: Option<Strategy>) -> Vec<&'static str> {
    let mut story = asked(strategy, &["Anna", "Ben"]);
    story.rings_out("Anna");
    story.answers("Anna", "2");
    story.answers("Ben", "1");
    let is_named = |entry: &&Entry| story.notices.iter().any(|notice| notice.entry == entry.id);
    let entries = story.entries.iter().filter(is_named);
    entries.filter_map(|entry| entry.fact.status()).collect()
}

#[test]
fn the_requester_is_told_as_much_as_was_asked_for() {
    for strategy in [Strategy::OnChange, Strategy::OnStatus] {
        assert_eq!(told(Some(strategy)), ["NoAnswer", "Rejected", "Accepted"]);
    }
    assert_eq!(told(Some(Strategy::OnCompletion)), ["Accepted"]);
    assert!(told(None).is_empty());
}

#[test]
fn every_notice_names_a_line_of_the_same_decision_and_is_due_at_once() {
    let mut story = asked(Some(Strategy::OnChange), &["Anna"]);
    story.rings_out("Anna");
    let [notice] = &story.last.notices[..] else {
        panic!("one thing is to be told: {:?}", story.last.notices)
    };
    let line = story.last.entries.iter().find(|line| line.id == notice.entry);
    assert!(matches!(line.expect("the line").fact, Fact::NoAnswer { .. }));
    assert_eq!((notice.first_at, notice.due_at), (story.now, story.now));
    assert_eq!((notice.failures, notice.resent), (0, 0));
}

#[test]
fn what_happened_later_has_the_higher_number_also_within_one_commit() {
    let policy = Policy {
        attempts: 1,
        max_rounds: Some(1),
        ..Policy::default()
    };
    let mut story = Story::under(policy, &["Anna"]);
    let call = story.rings("Anna");
    let claimed = story.dispatch.version - 1;
    story.ends(call, Ending::NoAnswer);
    let sequence_of = |story: &Story, is: fn(&Fact) -> bool| {
        let mut found = story.entries.iter().filter(|entry| is(&entry.fact));
        found.next().and_then(|entry| entry.sequence).expect("a number")
    };
    let dialling = sequence_of(&story, |fact| matches!(fact, Fact::Dialling { .. }));
    let placed = sequence_of(&story, |fact| matches!(fact, Fact::Placed { .. }));
    let no_answer = sequence_of(&story, |fact| matches!(fact, Fact::NoAnswer { .. }));
    let exhausted = sequence_of(&story, |fact| matches!(fact, Fact::Exhausted { .. }));
    assert!(no_answer < exhausted, "of one commit");
    let statuses = [
        CallStatus::Queued,
        CallStatus::Initiated,
        CallStatus::Ringing,
        CallStatus::InProgress,
    ];
    let statuses = statuses.map(|status| status.sequence(claimed).expect("a number"));
    let all = [&[dialling][..], &statuses, &[placed, no_answer, exhausted]].concat();
    assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
}

#[test]
fn what_changed_nothing_has_no_number_and_is_told_to_nobody() {
    let mut story = asked(Some(Strategy::OnStatus), &["Anna"]);
    let call = story.rings("Anna");
    story.presses(call, "7");
    let [line] = &story.last.entries[..] else {
        panic!("a wrong key is noted")
    };
    assert!(matches!(line.fact, Fact::Key { .. }));
    assert_eq!((line.sequence, line.is_told(Strategy::OnStatus)), (None, false));
    assert!(story.last.notices.is_empty());
}
