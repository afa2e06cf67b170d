//! Skips: who is skipped and why, and what follows when everybody is.

use patchbay::dispatch::decide::LEASE_MARGIN_SECONDS;
use patchbay::dispatch::employee::{Duty, QuietHours};
use patchbay::dispatch::work::Work;
use patchbay::dispatch::{EmployeeLease, Event, EventOutcome, Fact, Policy, State, Unavailable, WaitReason};

use crate::story::{Story, people, start};

fn duty(from: u32, until: u32) -> Vec<Duty> {
    let (from, until) = (start().plus_seconds(from), start().plus_seconds(until));
    vec![Duty { from, until }]
}

fn skips(story: &Story) -> Vec<(u8, Unavailable)> {
    let skipped = story.facts().into_iter().filter_map(|fact| match fact {
        Fact::Skipped { employee, reason, .. } => Some((*employee, *reason)),
        _ => None,
    });
    skipped.collect()
}

#[test]
fn unavailable_employee_is_skipped_with_the_reason_in_the_timeline() {
    let mut employees = people(&["Anna", "Ben", "Cora", "Dora", "Emil"]);
    employees[0].opted_out = true;
    employees[1].unverified = true;
    employees[2].on_duty = duty(3_600, 7_200);
    employees[3].quiet_hours = Some(QuietHours {
        from_minute: 8 * 60,
        until_minute: 10 * 60,
        utc_offset_minutes: 0,
    });
    let story = Story::with_employees(employees, Policy::default());
    assert_eq!(story.turn(), ("Emil", 1));
    assert_eq!(
        skips(&story),
        [
            (0, Unavailable::OptedOut),
            (1, Unavailable::Unverified),
            (2, Unavailable::OffDuty),
            (3, Unavailable::QuietHours),
        ]
    );
}

#[test]
fn dispatch_waits_until_the_first_employee_is_available() {
    let mut employees = people(&["Anna", "Ben"]);
    employees[0].on_duty = duty(7_200, 9_000);
    employees[1].on_duty = duty(3_600, 9_000);
    let mut story = Story::with_employees(employees, Policy::default());
    assert_eq!(story.waits(), (3_600, WaitReason::NobodyAvailable));
    story.resumes();
    assert_eq!(story.turn(), ("Ben", 1));
    assert_eq!(skips(&story), [(0, Unavailable::OffDuty)]);
}

#[test]
fn employee_whose_duty_ends_before_the_next_attempt_is_skipped() {
    let mut employees = people(&["Anna", "Ben"]);
    employees[0].on_duty = duty(0, 40);
    let mut story = Story::with_employees(employees, Policy::default());
    story.rings_out("Anna");
    assert_eq!(skips(&story), [(0, Unavailable::OffDuty)]);
    assert_eq!((story.turn(), story.due_in()), (("Ben", 1), 0));
}

#[test]
fn employee_whose_duty_ended_while_the_call_was_paced_is_not_phoned() {
    let mut employees = people(&["Anna", "Ben"]);
    employees[0].on_duty = duty(0, 40);
    let mut story = Story::with_employees(employees, Policy::default());
    story.set_time(45);
    let (id, outcome) = story.claims();
    assert_eq!(outcome, EventOutcome::Noted);
    assert_eq!(skips(&story), [(0, Unavailable::OffDuty)]);
    assert_eq!((story.last.lease, story.last.release), (None, None), "{id}");
    assert_eq!(story.turn(), ("Ben", 1));
    assert!(!story.dispatch.progress.called);
}

#[test]
fn claim_acquires_a_lease_for_the_longest_call() {
    let mut story = Story::new(&["Anna"]);
    let attempt = story.dials("Anna");
    let longest = story.dispatch.spec.policy.longest_call() + LEASE_MARGIN_SECONDS;
    let lease = EmployeeLease {
        attempt,
        until: story.now.plus_seconds(longest),
    };
    assert_eq!((story.last.lease, story.last.release), (Some(lease), None));
}

#[test]
fn employee_on_the_phone_for_another_dispatch_is_skipped() {
    let mut story = Story::new(&["Anna", "Ben"]);
    story.is_busy("Anna", 90);
    assert_eq!(skips(&story), [(0, Unavailable::Busy)]);
    assert_eq!(story.turn(), ("Ben", 1));
    assert_eq!(story.last.release, None, "the lease belongs to another dispatch");
}

#[test]
fn when_everybody_is_busy_the_first_free_employee_is_phoned() {
    let mut story = Story::new(&["Anna", "Ben"]);
    story.is_busy("Anna", 90);
    story.is_busy("Ben", 20);
    assert_eq!(story.waits(), (20, WaitReason::NobodyAvailable));
    story.resumes();
    assert_eq!(skips(&story), [(0, Unavailable::Busy)]);
    assert_eq!(story.turn(), ("Ben", 1));
}

#[test]
fn expired_lease_is_not_retried_in_a_tight_loop() {
    let mut story = Story::new(&["Anna"]);
    story.is_busy("Anna", 0);
    assert_eq!(story.waits(), (1, WaitReason::NobodyAvailable));
}

#[test]
fn busy_employee_is_forgotten_once_called() {
    let mut story = Story::new(&["Anna", "Ben"]);
    story.is_busy("Anna", 10);
    story.is_busy("Ben", 10);
    story.resumes();
    story.dials("Anna");
    assert!(!story.dispatch.progress.busy.contains_key(&0));
}

#[test]
fn busy_employee_is_retried_after_30_seconds_at_the_latest() {
    let mut story = Story::new(&["Anna"]);
    story.is_busy("Anna", 600);
    assert_eq!(story.waits(), (30, WaitReason::NobodyAvailable));
}

#[test]
fn busy_event_counts_only_for_the_planned_call() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let call = story.dials("Anna");
    let until = story.now.plus_seconds(60);
    assert_eq!(
        story.apply(&Event::EmployeeBusy { attempt: call, until }),
        EventOutcome::Stale
    );
    assert!(story.nothing_happened());
}

#[test]
fn round_returns_to_an_earlier_employee_when_the_rest_is_busy() {
    // Anna was on the phone for another dispatch for a moment. Ben is busy too, so it is her turn again.
    let mut story = Story::new(&["Anna", "Ben"]);
    story.is_busy("Anna", 1);
    story.advance(2);
    story.is_busy("Ben", 600);
    assert_eq!((story.turn(), story.due_in()), (("Anna", 1), 0));
    assert_eq!(story.dispatch.progress.round, 1);
}

#[test]
fn early_resume_does_not_end_a_wait() {
    let mut employees = people(&["Anna"]);
    employees[0].on_duty = duty(3_600, 7_200);
    let mut story = Story::with_employees(employees, Policy::default());
    let State::Waiting(wait) = story.dispatch.state.clone() else {
        panic!("a wait")
    };
    story.set_time(3_599);
    assert_eq!(story.apply(&Event::Resume { wait: wait.id }), EventOutcome::Noted);
    assert_eq!(story.last.next, None);
    // Too early is not stale: it may have been the only message.
    let again: Vec<_> = story
        .last
        .messages
        .iter()
        .map(|message| (&message.work, message.due_at))
        .collect();
    assert_eq!(again, [(&Work::Resume { wait: wait.id }, wait.until)]);
    story.set_time(3_600);
    assert_eq!(story.apply(&Event::Resume { wait: wait.id }), EventOutcome::Noted);
    assert_eq!(
        story.apply(&Event::Resume { wait: wait.id }),
        EventOutcome::Stale,
        "once"
    );
    assert_eq!(story.turn(), ("Anna", 1));
}

#[test]
fn resume_of_an_earlier_wait_does_not_end_a_later_one() {
    let mut story = Story::new(&["Anna"]);
    story.is_busy("Anna", 60);
    let State::Waiting(earlier) = story.dispatch.state.clone() else {
        panic!("a wait")
    };
    story.resumes();
    story.is_busy("Anna", 60);
    story.advance(60);
    assert_eq!(story.apply(&Event::Resume { wait: earlier.id }), EventOutcome::Stale);
    assert_eq!(story.status(), "Waiting");
}
