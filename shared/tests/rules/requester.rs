//! The requester: cancel and resolve, and the notices that are sent.

use patchbay::dispatch::work::Work;
use patchbay::dispatch::{CallStatus, Ending, Entry, Event, EventOutcome, Fact, NewDispatch, Policy, Route, State};
use patchbay::webhook::{Strategy, Webhook};

use crate::story::{PROVIDER, Story, people, spec};

#[test]
fn cancel_hangs_up_the_call_at_once() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let call = story.rings("Anna");
    assert_eq!(story.apply(&Event::Cancel), EventOutcome::Noted);
    assert_eq!((story.status(), story.hung_up()), ("Cancelled", vec![call]));
    assert_eq!(story.last.release, Some(call));
    assert_eq!(story.presses(call, "1"), EventOutcome::Closed);
    assert_eq!(story.status(), "Cancelled");
}

#[test]
fn cancel_prevents_a_planned_call() {
    let mut story = Story::new(&["Anna"]);
    story.apply(&Event::Cancel);
    assert!(story.hung_up().is_empty());
    let State::Cancelled { .. } = story.dispatch.state else {
        panic!("cancelled")
    };
    let Some(Work::Dial { attempt, .. }) = story.messages.first().map(|message| message.work.clone()) else {
        panic!("a call was planned")
    };
    assert_eq!(
        story.apply(&Event::Claim {
            attempt,
            route: Route::only(PROVIDER)
        }),
        EventOutcome::Stale
    );
}

#[test]
fn cancel_hangs_up_a_claimed_call() {
    let mut story = Story::new(&["Anna"]);
    let call = story.dials("Anna");
    story.apply(&Event::Cancel);
    assert_eq!(story.hung_up(), [call]);
}

#[test]
fn cancel_may_be_repeated() {
    let mut story = Story::new(&["Anna"]);
    story.apply(&Event::Cancel);
    assert_eq!(story.apply(&Event::Cancel), EventOutcome::Noted);
    assert!(story.nothing_happened());
}

#[test]
fn accepted_dispatch_cannot_be_cancelled() {
    let mut story = Story::new(&["Anna"]);
    story.answers("Anna", "1");
    assert_eq!(story.apply(&Event::Cancel), EventOutcome::Refused);
    assert_eq!(story.acceptor(), "Anna");
}

#[test]
fn ended_dispatch_cannot_be_cancelled() {
    let policy = Policy {
        attempts: 1,
        max_rounds: Some(1),
        expires_after: 60,
        ..Policy::default()
    };
    let mut exhausted = Story::with_policy(policy.clone(), &["Anna"]);
    exhausted.rings_out("Anna");
    let mut expired = Story::with_policy(policy, &["Anna"]);
    expired.set_time(60);
    expired.claims();
    let mut resolved = Story::new(&["Anna"]);
    resolved.apply(&Event::Resolve);
    for (mut story, status) in [(exhausted, "Exhausted"), (expired, "Expired"), (resolved, "Resolved")] {
        assert_eq!(story.apply(&Event::Cancel), EventOutcome::Refused);
        assert_eq!(story.status(), status);
    }
}

#[test]
fn cancel_ends_a_wait() {
    let mut story = Story::new(&["Anna"]);
    story.is_busy("Anna", 60);
    assert_eq!(story.apply(&Event::Cancel), EventOutcome::Noted);
    assert_eq!(story.status(), "Cancelled");
}

#[test]
fn resolve_hangs_up_the_call_at_once() {
    let mut story = Story::new(&["Anna"]);
    let call = story.rings("Anna");
    assert_eq!(story.apply(&Event::Resolve), EventOutcome::Noted);
    assert_eq!((story.status(), story.hung_up()), ("Resolved", vec![call]));
    assert_eq!(story.presses(call, "1"), EventOutcome::Closed);
}

#[test]
fn resolve_keeps_the_acceptance_and_may_be_repeated() {
    let mut story = Story::new(&["Anna"]);
    let (call, _) = story.answers("Anna", "1");
    story.apply(&Event::Resolve);
    let State::Resolved {
        acceptance: Some(acceptance),
        ..
    } = &story.dispatch.state
    else {
        panic!("resolved")
    };
    assert_eq!(acceptance.attempt, call);
    assert_eq!(story.apply(&Event::Resolve), EventOutcome::Noted);
    assert!(story.nothing_happened());
}

#[test]
fn cancelled_dispatch_cannot_be_resolved() {
    let mut story = Story::new(&["Anna"]);
    story.apply(&Event::Cancel);
    assert_eq!(story.apply(&Event::Resolve), EventOutcome::Refused);
    assert_eq!(story.status(), "Cancelled");
}

#[test]
fn exhausted_dispatch_can_be_resolved() {
    let policy = Policy {
        attempts: 1,
        max_rounds: Some(1),
        ..Policy::default()
    };
    let mut story = Story::with_policy(policy, &["Anna"]);
    story.rings_out("Anna");
    assert_eq!(story.apply(&Event::Resolve), EventOutcome::Noted);
    assert_eq!(story.status(), "Resolved");
}

fn story_with_webhook(strategy: Option<Strategy>, names: &[&str]) -> Story {
    let webhook = strategy.map(|strategy| Webhook {
        url: "https://example.com/hook".into(),
        strategy,
    });
    Story::for_dispatch(NewDispatch {
        webhook,
        ..spec(people(names), Policy::default())
    })
}

fn notified_statuses(strategy: Option<Strategy>) -> Vec<&'static str> {
    let mut story = story_with_webhook(strategy, &["Anna", "Ben"]);
    story.rings_out("Anna");
    story.answers("Anna", "2");
    story.answers("Ben", "1");
    let is_named = |entry: &&Entry| story.notices.iter().any(|notice| notice.entry == entry.id);
    let entries = story.entries.iter().filter(is_named);
    entries.filter_map(|entry| entry.fact.status()).collect()
}

#[test]
fn strategy_decides_which_events_are_notified() {
    for strategy in [Strategy::OnChange, Strategy::OnStatus] {
        assert_eq!(notified_statuses(Some(strategy)), ["NoAnswer", "Rejected", "Accepted"]);
    }
    assert_eq!(notified_statuses(Some(Strategy::OnCompletion)), ["Accepted"]);
    assert!(notified_statuses(None).is_empty());
}

#[test]
fn notice_refers_to_an_entry_of_the_same_decision_and_is_due_at_once() {
    let mut story = story_with_webhook(Some(Strategy::OnChange), &["Anna"]);
    story.rings_out("Anna");
    let [notice] = &story.last.notices[..] else {
        panic!("expected one notice: {:?}", story.last.notices)
    };
    let line = story.last.entries.iter().find(|line| line.id == notice.entry);
    assert!(matches!(line.expect("the line").fact, Fact::NoAnswer { .. }));
    assert_eq!((notice.first_at, notice.due_at), (story.now, story.now));
    assert_eq!((notice.failures, notice.resent), (0, 0));
}

#[test]
fn sequence_numbers_increase_over_time_and_within_a_commit() {
    let policy = Policy {
        attempts: 1,
        max_rounds: Some(1),
        ..Policy::default()
    };
    let mut story = Story::with_policy(policy, &["Anna"]);
    let call = story.rings("Anna");
    let claimed = story.dispatch.version - 1;
    story.ends(call, Ending::NoAnswer);
    let sequence_of = |story: &Story, is: fn(&Fact) -> bool| {
        let mut found = story.entries.iter().filter(|entry| is(&entry.fact));
        found.next().and_then(|entry| entry.sequence).expect("a number")
    };
    let dialing = sequence_of(&story, |fact| matches!(fact, Fact::Dialing { .. }));
    let placed = sequence_of(&story, |fact| matches!(fact, Fact::Placed { .. }));
    let no_answer = sequence_of(&story, |fact| matches!(fact, Fact::NoAnswer { .. }));
    let exhausted = sequence_of(&story, |fact| matches!(fact, Fact::Exhausted { .. }));
    assert!(no_answer < exhausted, "within one commit");
    let statuses = [
        CallStatus::Queued,
        CallStatus::Initiated,
        CallStatus::Ringing,
        CallStatus::InProgress,
    ];
    let statuses = statuses.map(|status| status.sequence(claimed).expect("a number"));
    let all = [&[dialing][..], &statuses, &[placed, no_answer, exhausted]].concat();
    assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
}

#[test]
fn entry_without_a_change_has_no_sequence_number_and_no_notice() {
    let mut story = story_with_webhook(Some(Strategy::OnStatus), &["Anna"]);
    let call = story.rings("Anna");
    story.presses(call, "7");
    let [line] = &story.last.entries[..] else {
        panic!("a wrong key is recorded")
    };
    assert!(matches!(line.fact, Fact::Key { .. }));
    assert_eq!((line.sequence, line.notifies(Strategy::OnStatus)), (None, false));
    assert!(story.last.notices.is_empty());
}
