//! Who is passed over, and what happens when everybody is.

use patchbay::dispatch::decide::LEASE_MARGIN_SECONDS;
use patchbay::dispatch::employee::{Duty, QuietHours};
use patchbay::dispatch::work::Work;
use patchbay::dispatch::{Event, Fact, Hold, Policy, State, Unavailable, Verdict, WaitReason};

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
fn whoever_cannot_be_phoned_is_skipped_and_the_timeline_says_why() {
    let mut employees = people(&["Anna", "Ben", "Cora", "Dora", "Emil"]);
    employees[0].opted_out = true;
    employees[1].unverified = true;
    employees[2].on_duty = duty(3_600, 7_200);
    employees[3].quiet_hours = Some(QuietHours {
        from_minute: 8 * 60,
        until_minute: 10 * 60,
        utc_offset_minutes: 0,
    });
    let story = Story::with(employees, Policy::default());
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
fn when_nobody_is_available_the_earliest_moment_is_waited_for() {
    let mut employees = people(&["Anna", "Ben"]);
    employees[0].on_duty = duty(7_200, 9_000);
    employees[1].on_duty = duty(3_600, 9_000);
    let mut story = Story::with(employees, Policy::default());
    assert_eq!(story.waits(), (3_600, WaitReason::NobodyAvailable));
    story.resumes();
    assert_eq!(story.turn(), ("Ben", 1));
    assert_eq!(skips(&story), [(0, Unavailable::OffDuty)]);
}

#[test]
fn somebody_whose_duty_ends_before_the_next_attempt_is_passed_over() {
    let mut employees = people(&["Anna", "Ben"]);
    employees[0].on_duty = duty(0, 40);
    let mut story = Story::with(employees, Policy::default());
    story.rings_out("Anna");
    assert_eq!(skips(&story), [(0, Unavailable::OffDuty)]);
    assert_eq!((story.turn(), story.due_in()), (("Ben", 1), 0));
}

#[test]
fn somebody_whose_duty_ended_while_the_call_was_held_back_is_not_phoned() {
    let mut employees = people(&["Anna", "Ben"]);
    employees[0].on_duty = duty(0, 40);
    let mut story = Story::with(employees, Policy::default());
    story.at(45);
    let (id, verdict) = story.claims();
    assert_eq!(verdict, Verdict::Noted);
    assert_eq!(skips(&story), [(0, Unavailable::OffDuty)]);
    assert_eq!((story.last.hold, story.last.release), (None, None), "{id}");
    assert_eq!(story.turn(), ("Ben", 1));
    assert!(!story.dispatch.progress.called);
}

#[test]
fn a_claim_takes_the_lease_for_as_long_as_the_longest_call() {
    let mut story = Story::of(&["Anna"]);
    let attempt = story.dials("Anna");
    let longest = story.dispatch.brief.policy.longest_call() + LEASE_MARGIN_SECONDS;
    let hold = Hold {
        attempt,
        until: story.now.plus_seconds(longest),
    };
    assert_eq!((story.last.hold, story.last.release), (Some(hold), None));
}

#[test]
fn an_employee_on_the_phone_for_another_dispatch_is_passed_over() {
    let mut story = Story::of(&["Anna", "Ben"]);
    story.is_busy("Anna", 90);
    assert_eq!(skips(&story), [(0, Unavailable::Busy)]);
    assert_eq!(story.turn(), ("Ben", 1));
    assert_eq!(story.last.release, None, "the lease is another's");
}

#[test]
fn when_everybody_is_on_the_phone_the_first_who_hangs_up_is_phoned() {
    let mut story = Story::of(&["Anna", "Ben"]);
    story.is_busy("Anna", 90);
    story.is_busy("Ben", 20);
    assert_eq!(story.waits(), (20, WaitReason::NobodyAvailable));
    story.resumes();
    assert_eq!(skips(&story), [(0, Unavailable::Busy)]);
    assert_eq!(story.turn(), ("Ben", 1));
}

#[test]
fn a_lease_that_has_just_run_out_is_not_asked_for_in_a_tight_loop() {
    let mut story = Story::of(&["Anna"]);
    story.is_busy("Anna", 0);
    assert_eq!(story.waits(), (1, WaitReason::NobodyAvailable));
}

#[test]
fn busy_is_forgotten_once_it_is_past() {
    let mut story = Story::of(&["Anna", "Ben"]);
    story.is_busy("Anna", 10);
    story.is_busy("Ben", 10);
    story.resumes();
    story.dials("Anna");
    assert!(!story.dispatch.progress.busy.contains_key(&0));
}

#[test]
fn somebody_on_the_phone_is_tried_again_before_the_longest_call_could_be_over() {
    let mut story = Story::of(&["Anna"]);
    story.is_busy("Anna", 600);
    assert_eq!(story.waits(), (30, WaitReason::NobodyAvailable));
}

#[test]
fn busy_is_about_the_current_planned_call_only() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let call = story.dials("Anna");
    let until = story.now.plus_seconds(60);
    assert_eq!(
        story.when(&Event::EmployeeBusy { attempt: call, until }),
        Verdict::Stale
    );
    assert!(story.nothing_happened());
}

#[test]
fn the_round_goes_on_with_whoever_came_before_when_the_rest_cannot_be_phoned() {
    // Anna's number was busy with another dispatch for a moment; when Ben's turn comes to nothing it is hers again.
    let mut story = Story::of(&["Anna", "Ben"]);
    story.is_busy("Anna", 1);
    story.later(2);
    story.is_busy("Ben", 600);
    assert_eq!((story.turn(), story.due_in()), (("Anna", 1), 0));
    assert_eq!(story.dispatch.progress.round, 1);
}

#[test]
fn nobody_is_phoned_during_a_wait() {
    let mut employees = people(&["Anna"]);
    employees[0].on_duty = duty(3_600, 7_200);
    let mut story = Story::with(employees, Policy::default());
    let State::Waiting(wait) = story.dispatch.state.clone() else {
        panic!("a wait")
    };
    story.at(3_599);
    assert_eq!(story.when(&Event::Resume { wait: wait.id }), Verdict::Noted);
    assert_eq!(story.last.next, None);
    // Too early is not stale: it may have been the only message.
    let again: Vec<_> = story
        .last
        .messages
        .iter()
        .map(|message| (&message.work, message.due_at))
        .collect();
    assert_eq!(again, [(&Work::Resume { wait: wait.id }, wait.until)]);
    story.at(3_600);
    assert_eq!(story.when(&Event::Resume { wait: wait.id }), Verdict::Noted);
    assert_eq!(story.when(&Event::Resume { wait: wait.id }), Verdict::Stale, "once");
    assert_eq!(story.turn(), ("Anna", 1));
}

#[test]
fn a_message_of_an_earlier_wait_ends_no_later_one() {
    let mut story = Story::of(&["Anna"]);
    story.is_busy("Anna", 60);
    let State::Waiting(earlier) = story.dispatch.state.clone() else {
        panic!("a wait")
    };
    story.resumes();
    story.is_busy("Anna", 60);
    story.later(60);
    assert_eq!(story.when(&Event::Resume { wait: earlier.id }), Verdict::Stale);
    assert_eq!(story.status(), "Waiting");
}
