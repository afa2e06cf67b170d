//! Time limits: expiry of a dispatch, and reopening of an acceptance that is not resolved in time.

use patchbay::dispatch::work::Work;
use patchbay::dispatch::{Event, EventOutcome, Fact, Policy, State, WaitReason};

use crate::story::{Story, people, start};

fn short() -> Policy {
    Policy {
        expires_after: 60,
        ..Policy::default()
    }
}

fn reminding() -> Policy {
    Policy {
        resolve_within: Some(600),
        ..Policy::default()
    }
}

#[test]
fn planned_call_is_not_placed_after_expiry() {
    let mut story = Story::with_policy(short(), &["Anna"]);
    story.set_time(60);
    let (_, outcome) = story.claims();
    assert_eq!((outcome, story.status()), (EventOutcome::Noted, "Expired"));
    assert_eq!(story.facts(), [&Fact::Expired]);
    assert_eq!((story.last.lease, story.last.release), (None, None));
}

#[test]
fn call_is_placed_until_the_last_millisecond() {
    let mut story = Story::with_policy(short(), &["Anna"]);
    story.now = start().plus_millis(59_999);
    assert_eq!(story.claims().1, EventOutcome::Dial);
}

#[test]
fn call_that_would_be_due_after_expiry_is_not_planned() {
    let mut story = Story::with_policy(short(), &["Anna", "Ben"]);
    story.set_time(10);
    story.rings_out("Anna");
    assert_eq!(story.waits(), (25, WaitReason::Expiry), "35 of 60 s have passed");
    story.resumes();
    assert_eq!((story.status(), story.now), ("Expired", story.dispatch.expires_at));
}

#[test]
fn call_that_fails_after_expiry_ends_the_dispatch_at_once() {
    let mut story = Story::with_policy(short(), &["Anna", "Ben"]);
    story.set_time(50);
    story.rings_out("Anna");
    assert_eq!(story.status(), "Expired");
    assert!(story.only_counts());
}

#[test]
fn expired_dispatch_records_no_skips() {
    let mut employees = people(&["Anna", "Ben"]);
    employees[1].opted_out = true;
    let policy = Policy { attempts: 1, ..short() };
    let mut story = Story::with_employees(employees, policy);
    story.set_time(50);
    story.rings_out("Anna");
    assert!(matches!(story.facts()[..], [Fact::NoAnswer { .. }, Fact::Expired]));
}

#[test]
fn key_in_a_call_that_outlives_expiry_still_accepts() {
    let mut story = Story::with_policy(short(), &["Anna"]);
    story.set_time(55);
    let call = story.rings("Anna");
    story.set_time(70);
    assert_eq!(story.presses(call, "1"), EventOutcome::Accepted);
}

#[test]
fn key_after_expiry_is_answered_with_closed() {
    let mut story = Story::with_policy(short(), &["Anna"]);
    story.set_time(50);
    let call = story.rings_out("Anna");
    assert_eq!(story.status(), "Expired");
    for keys in ["1", "2", "7"] {
        assert_eq!(story.presses(call, keys), EventOutcome::Closed);
    }
    assert_eq!(story.status(), "Expired");
}

#[test]
fn wait_ends_at_expiry_at_the_latest() {
    let policy = Policy {
        attempts: 1,
        round_pause: 86_400,
        ..short()
    };
    let mut story = Story::with_policy(policy, &["Anna"]);
    story.rings_out("Anna");
    assert_eq!(story.waits(), (35, WaitReason::RoundPause));
    story.resumes();
    assert_eq!(story.status(), "Expired");
}

#[test]
fn acceptance_with_a_time_limit_sends_a_reminder_for_its_end() {
    let mut story = Story::with_policy(reminding(), &["Anna", "Ben"]);
    let (attempt, _) = story.answers("Anna", "1");
    assert_eq!(story.sent(), [&Work::Remind { attempt }]);
    assert_eq!(story.last.messages[0].due_at, story.now.plus_seconds(600));
    assert!(!story.dispatch.state.is_over(), "the reminder is still to come");
}

#[test]
fn acceptance_not_resolved_in_time_is_reopened_with_the_next_employee() {
    let mut story = Story::with_policy(reminding(), &["Anna", "Ben"]);
    let (attempt, _) = story.answers("Anna", "1");
    story.advance(600);
    story.apply(&Event::Overdue { attempt });
    assert_eq!(story.facts()[0], &Fact::Reopened { attempt });
    assert_eq!((story.turn(), story.due_in()), (("Ben", 1), 0));
    assert_eq!(story.dispatch.expires_at, story.now.plus_seconds(86_400));
}

#[test]
fn employee_after_the_last_is_the_first() {
    let mut story = Story::with_policy(reminding(), &["Anna"]);
    let (attempt, _) = story.answers("Anna", "1");
    story.advance(600);
    story.apply(&Event::Overdue { attempt });
    assert_eq!((story.turn(), story.due_in()), (("Anna", 1), 0));
    assert_eq!(
        story.dispatch.progress.round, 1,
        "nobody was called since it was reopened"
    );
}

#[test]
fn acceptance_is_not_reopened_early_or_after_it_is_resolved() {
    let mut story = Story::with_policy(reminding(), &["Anna", "Ben"]);
    let (attempt, _) = story.answers("Anna", "1");
    let by = story.now.plus_seconds(600);
    story.advance(599);
    assert_eq!(story.apply(&Event::Overdue { attempt }), EventOutcome::Noted);
    // Too early is not stale: it may have been the only reminder.
    assert_eq!(
        (story.last.next.is_none(), story.sent()),
        (true, vec![&Work::Remind { attempt }])
    );
    assert_eq!(story.last.messages[0].due_at, by);
    story.apply(&Event::Resolve);
    story.advance(600);
    assert_eq!(story.apply(&Event::Overdue { attempt }), EventOutcome::Stale);
    assert_eq!(story.status(), "Resolved");
}

#[test]
fn reminder_of_one_acceptance_does_not_reopen_another() {
    let mut story = Story::with_policy(reminding(), &["Anna", "Ben"]);
    let (first, _) = story.answers("Anna", "1");
    story.advance(600);
    story.apply(&Event::Overdue { attempt: first });
    story.answers("Ben", "1");
    story.advance(600);
    assert_eq!(story.apply(&Event::Overdue { attempt: first }), EventOutcome::Stale);
    assert_eq!(story.acceptor(), "Ben");
}

#[test]
fn acceptance_without_a_time_limit_is_never_reopened() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let (attempt, _) = story.answers("Anna", "1");
    story.advance(u32::MAX);
    assert_eq!(story.apply(&Event::Overdue { attempt }), EventOutcome::Stale);
    assert_eq!(story.acceptor(), "Anna");
}

#[test]
fn key_of_an_attempt_before_reopening_is_answered_with_closed() {
    let mut story = Story::with_policy(reminding(), &["Anna", "Ben"]);
    let missed = story.rings_out("Anna");
    let (attempt, _) = story.answers("Anna", "1");
    story.advance(600);
    story.apply(&Event::Overdue { attempt });
    let reopened = story.dispatch.clone();
    for old in [missed, attempt] {
        for keys in ["1", "2", "7"] {
            assert_eq!(story.presses(old, keys), EventOutcome::Closed, "{old} {keys}");
            assert_eq!(story.dispatch, reopened);
        }
    }
    let (_, outcome) = story.answers("Ben", "1");
    assert_eq!(outcome, EventOutcome::Accepted);
    assert_eq!(story.presses(attempt, "1"), EventOutcome::TakenBy(1));
}

#[test]
fn reopened_dispatch_forgets_rejections_and_rounds() {
    let policy = Policy {
        attempts: 1,
        retry_rejected: false,
        max_rounds: Some(1),
        ..reminding()
    };
    let mut story = Story::with_policy(policy, &["Anna", "Ben"]);
    story.answers("Anna", "2");
    let (attempt, _) = story.answers("Ben", "1");
    story.advance(600);
    story.apply(&Event::Overdue { attempt });
    assert_eq!(
        story.turn().0,
        "Anna",
        "she may accept this time, and rounds are counted from the start"
    );
    assert_eq!(
        story.dispatch.attempt().expect("an attempt").id.ordinal,
        3,
        "ordinals continue"
    );
}

#[test]
fn dispatch_can_be_accepted_and_reopened_many_times() {
    let mut story = Story::with_policy(reminding(), &["Anna", "Ben"]);
    for name in ["Anna", "Ben", "Anna", "Ben"] {
        let (attempt, outcome) = story.answers(name, "1");
        assert_eq!(outcome, EventOutcome::Accepted);
        story.advance(600);
        story.apply(&Event::Overdue { attempt });
        assert!(matches!(story.dispatch.state, State::Calling(_)));
    }
}
