//! How a dispatch runs out of time, and how an acceptance does.

use patchbay::dispatch::work::Work;
use patchbay::dispatch::{Event, Fact, Policy, State, Verdict, WaitReason};

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
fn a_planned_call_is_not_placed_after_the_expiry() {
    let mut story = Story::under(short(), &["Anna"]);
    story.at(60);
    let (_, verdict) = story.claims();
    assert_eq!((verdict, story.status()), (Verdict::Noted, "Expired"));
    assert_eq!(story.facts(), [&Fact::Expired]);
    assert_eq!((story.last.hold, story.last.release), (None, None));
}

#[test]
fn a_call_is_placed_up_to_the_last_millisecond() {
    let mut story = Story::under(short(), &["Anna"]);
    story.now = start().plus_millis(59_999);
    assert_eq!(story.claims().1, Verdict::Dial);
}

#[test]
fn a_call_that_would_be_due_after_the_expiry_is_not_planned() {
    let mut story = Story::under(short(), &["Anna", "Ben"]);
    story.at(10);
    story.rings_out("Anna");
    assert_eq!(story.waits(), (25, WaitReason::Expiry), "35 s are over");
    story.resumes();
    assert_eq!((story.status(), story.now), ("Expired", story.dispatch.expires_at));
}

#[test]
fn a_call_that_fails_after_the_expiry_ends_the_dispatch_at_once() {
    let mut story = Story::under(short(), &["Anna", "Ben"]);
    story.at(50);
    story.rings_out("Anna");
    assert_eq!(story.status(), "Expired");
    assert!(story.only_counts());
}

#[test]
fn an_expired_dispatch_says_so_and_nothing_of_whoever_would_have_been_next() {
    let mut employees = people(&["Anna", "Ben"]);
    employees[1].opted_out = true;
    let policy = Policy { attempts: 1, ..short() };
    let mut story = Story::with(employees, policy);
    story.at(50);
    story.rings_out("Anna");
    assert!(matches!(story.facts()[..], [Fact::NoAnswer { .. }, Fact::Expired]));
}

#[test]
fn a_key_in_a_call_that_outlives_the_expiry_still_accepts() {
    let mut story = Story::under(short(), &["Anna"]);
    story.at(55);
    let call = story.rings("Anna");
    story.at(70);
    assert_eq!(story.presses(call, "1"), Verdict::Accepted);
}

#[test]
fn a_key_after_the_expiry_hears_that_the_ticket_is_closed() {
    let mut story = Story::under(short(), &["Anna"]);
    story.at(50);
    let call = story.rings_out("Anna");
    assert_eq!(story.status(), "Expired");
    for keys in ["1", "2", "7"] {
        assert_eq!(story.presses(call, keys), Verdict::Closed);
    }
    assert_eq!(story.status(), "Expired");
}

#[test]
fn a_wait_ends_with_the_expiry_at_the_latest() {
    let policy = Policy {
        attempts: 1,
        round_pause: 86_400,
        ..short()
    };
    let mut story = Story::under(policy, &["Anna"]);
    story.rings_out("Anna");
    assert_eq!(story.waits(), (35, WaitReason::RoundPause));
    story.resumes();
    assert_eq!(story.status(), "Expired");
}

#[test]
fn an_acceptance_with_a_time_limit_is_reminded_of_at_its_end() {
    let mut story = Story::under(reminding(), &["Anna", "Ben"]);
    let (attempt, _) = story.answers("Anna", "1");
    assert_eq!(story.sent(), [&Work::Remind { attempt }]);
    assert_eq!(story.last.messages[0].due_at, story.now.plus_seconds(600));
    assert!(!story.dispatch.state.is_over(), "something is still to happen");
}

#[test]
fn an_acceptance_that_is_not_resolved_in_time_is_opened_again_with_the_next_employee() {
    let mut story = Story::under(reminding(), &["Anna", "Ben"]);
    let (attempt, _) = story.answers("Anna", "1");
    story.later(600);
    story.when(&Event::Overdue { attempt });
    assert_eq!(story.facts()[0], &Fact::Reopened { attempt });
    assert_eq!((story.turn(), story.due_in()), (("Ben", 1), 0));
    assert_eq!(story.dispatch.expires_at, story.now.plus_seconds(86_400));
}

#[test]
fn the_next_after_the_last_employee_is_the_first() {
    let mut story = Story::under(reminding(), &["Anna"]);
    let (attempt, _) = story.answers("Anna", "1");
    story.later(600);
    story.when(&Event::Overdue { attempt });
    assert_eq!((story.turn(), story.due_in()), (("Anna", 1), 0));
    assert_eq!(
        story.dispatch.progress.round, 1,
        "nobody was called since the re-opening"
    );
}

#[test]
fn an_acceptance_is_not_opened_again_before_its_time_nor_after_it_is_resolved() {
    let mut story = Story::under(reminding(), &["Anna", "Ben"]);
    let (attempt, _) = story.answers("Anna", "1");
    let by = story.now.plus_seconds(600);
    story.later(599);
    assert_eq!(story.when(&Event::Overdue { attempt }), Verdict::Noted);
    // Too early is not stale: it may have been the only reminder.
    assert_eq!(
        (story.last.next.is_none(), story.sent()),
        (true, vec![&Work::Remind { attempt }])
    );
    assert_eq!(story.last.messages[0].due_at, by);
    story.when(&Event::Resolve);
    story.later(600);
    assert_eq!(story.when(&Event::Overdue { attempt }), Verdict::Stale);
    assert_eq!(story.status(), "Resolved");
}

#[test]
fn a_reminder_of_one_acceptance_does_not_open_another() {
    let mut story = Story::under(reminding(), &["Anna", "Ben"]);
    let (first, _) = story.answers("Anna", "1");
    story.later(600);
    story.when(&Event::Overdue { attempt: first });
    story.answers("Ben", "1");
    story.later(600);
    assert_eq!(story.when(&Event::Overdue { attempt: first }), Verdict::Stale);
    assert_eq!(story.acceptor(), "Ben");
}

#[test]
fn an_acceptance_without_a_time_limit_is_never_opened_again() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let (attempt, _) = story.answers("Anna", "1");
    story.later(u32::MAX);
    assert_eq!(story.when(&Event::Overdue { attempt }), Verdict::Stale);
    assert_eq!(story.acceptor(), "Anna");
}

#[test]
fn a_key_of_before_a_re_opening_says_nothing_about_the_ticket_as_it_stands() {
    let mut story = Story::under(reminding(), &["Anna", "Ben"]);
    let missed = story.rings_out("Anna");
    let (attempt, _) = story.answers("Anna", "1");
    story.later(600);
    story.when(&Event::Overdue { attempt });
    let reopened = story.dispatch.clone();
    for old in [missed, attempt] {
        for keys in ["1", "2", "7"] {
            assert_eq!(story.presses(old, keys), Verdict::Closed, "{old} {keys}");
            assert_eq!(story.dispatch, reopened);
        }
    }
    let (_, verdict) = story.answers("Ben", "1");
    assert_eq!(verdict, Verdict::Accepted);
    assert_eq!(story.presses(attempt, "1"), Verdict::TakenBy(1));
}

#[test]
fn a_re_opened_dispatch_starts_with_a_clean_slate() {
    let policy = Policy {
        attempts: 1,
        ask_again: false,
        max_rounds: Some(1),
        ..reminding()
    };
    let mut story = Story::under(policy, &["Anna", "Ben"]);
    story.answers("Anna", "2");
    let (attempt, _) = story.answers("Ben", "1");
    story.later(600);
    story.when(&Event::Overdue { attempt });
    assert_eq!(
        story.turn().0,
        "Anna",
        "she may say yes this time, and the round counts anew"
    );
    assert_eq!(story.dispatch.attempt().expect("an attempt").id.ordinal, 3, "ids go on");
}

#[test]
fn a_dispatch_can_be_accepted_and_opened_again_many_times() {
    let mut story = Story::under(reminding(), &["Anna", "Ben"]);
    for name in ["Anna", "Ben", "Anna", "Ben"] {
        let (attempt, verdict) = story.answers(name, "1");
        assert_eq!(verdict, Verdict::Accepted);
        story.later(600);
        story.when(&Event::Overdue { attempt });
        assert!(matches!(story.dispatch.state, State::Calling(_)));
    }
}
