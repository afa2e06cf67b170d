//! Attempts, until the provider has them.

use patchbay_domain::ids::Nonce;
use patchbay_domain::interaction::limits::{MAX_LEGS, MAX_PLAN_BYTES, MAX_TRIES, SEND_SECONDS};
use patchbay_domain::interaction::{
    AttemptOutcome, Channel, Clearance, DecisionContext, EndReason, Event, EventOutcome, Fact, IgnoreReason, Phase,
    Progress, Sender, State, Work, create,
};

use crate::story::{
    LATEST_SECONDS, OUTCOME_SECONDS, Story, accepted, email, failed, key, new, notice, outcome, progress, refused, sms,
    start, unclear,
};

#[test]
fn a_new_interaction_waits_for_a_function_that_sends() {
    let story = Story::of([sms()]);
    assert_eq!(story.state(), State::Scheduled);
    let attempt = story.attempt();
    assert_eq!(story.works, [(Work::Send { attempt }, start())]);
    let Some(Fact::Created { channels, due_at, .. }) = story.facts.first() else {
        panic!("{:?}", story.facts)
    };
    assert_eq!((&channels[..], *due_at), (&[Channel::Sms][..], start()));
}

#[test]
fn a_plan_without_legs_is_over_at_once() {
    assert_eq!(Story::created(new(Vec::new())).end(), EndReason::Refused);
}

#[test]
fn a_scheduled_interaction_is_not_sent_before_its_time() {
    let mut later = new(vec![sms()]);
    later.plan.not_before = start().plus_seconds(600);
    let mut story = Story::created(later);
    let attempt = story.attempt();
    let clearance = Clearance::Granted;
    let event = Event::SendBegins { attempt, clearance };
    assert_eq!(story.works, [(Work::Send { attempt }, start().plus_seconds(600))]);
    assert_eq!(story.apply(&event), EventOutcome::NotYet(start().plus_seconds(600)));
    story.pass(600);
    assert_eq!(story.apply(&event), EventOutcome::Send);
    assert_eq!(story.state(), State::Sending);
}

#[test]
fn an_attempt_is_sent_by_one_function_only() {
    let mut story = Story::of([sms()]);
    let attempt = story.begin();
    let clearance = Clearance::Granted;
    story.ignores(&Event::SendBegins { attempt, clearance }, IgnoreReason::Stale);
}

#[test]
fn what_the_provider_accepts_is_sent_and_in_the_thread() {
    let mut story = Story::of([sms()]);
    let attempt = story.send();
    assert_eq!(story.state(), State::Sent);
    let message = story.interaction.thread.first().expect("a message");
    assert_eq!((message.id.as_str(), message.by), ("SM1", Sender::Agent));
    assert_eq!(message.text, "Can you confirm the delivery on Monday?");
    let result = accepted("SM1");
    story.ignores(&Event::SendEnds { attempt, result }, IgnoreReason::Duplicate);
    assert_eq!(story.interaction.thread.len(), 1);
}

#[test]
fn what_certainly_failed_is_tried_again_later_and_later_with_a_new_id() {
    let mut story = Story::of([sms()]);
    let mut pauses = Vec::new();
    for _ in 0..3 {
        let before = story.begin();
        story.ends(failed(None));
        assert_ne!(story.attempt(), before);
        let Phase::Planned { due_at } = story.phase() else {
            panic!("{:?}", story.phase())
        };
        pauses.push(due_at.since(story.now).as_secs());
        story.now = due_at;
    }
    assert_eq!(pauses, [5, 10, 20]);
    story.send();
    assert_eq!(story.state(), State::Sent);
}

#[test]
fn a_provider_can_state_a_longer_pause_within_limits() {
    for (stated, expected) in [(30, 30), (1, 5), (86_400, 3_600)] {
        let mut story = Story::of([sms()]);
        story.begin();
        story.ends(failed(Some(stated)));
        let Phase::Planned { due_at } = story.phase() else {
            panic!("{:?}", story.phase())
        };
        assert_eq!(due_at.since(story.now).as_secs(), expected, "{stated}");
    }
}

#[test]
fn what_is_unclear_is_never_sent_again() {
    let mut story = Story::of([sms()]);
    let attempt = story.begin();
    story.ends(unclear());
    assert_eq!(story.state(), State::Unknown);
    let clearance = Clearance::Granted;
    story.ignores(&Event::SendBegins { attempt, clearance }, IgnoreReason::Stale);
    let result = failed(None);
    story.ignores(&Event::SendEnds { attempt, result }, IgnoreReason::Stale);
    let sends = story.works.iter().filter(|(work, _)| matches!(work, Work::Send { .. }));
    assert_eq!(sends.count(), 1);
}

#[test]
fn a_function_that_died_while_sending_leaves_it_unclear() {
    let mut story = Story::of([sms()]);
    let attempt = story.begin();
    let watch = Event::SendWatched { attempt };
    let over_at = start().plus_seconds(SEND_SECONDS);
    assert_eq!(story.apply(&watch), EventOutcome::NotYet(over_at));
    story.pass(SEND_SECONDS);
    story.applies(&watch);
    assert_eq!(story.state(), State::Unknown);
    story.ignores(&watch, IgnoreReason::Stale);
}

#[test]
fn a_report_settles_what_was_unclear() {
    let mut story = Story::of([sms()]);
    story.begin();
    story.ends(unclear());
    story.reports(progress(Progress::Underway));
    assert_eq!(story.state(), State::Sent);
    assert_eq!(story.interaction.thread.len(), 1);
}

#[test]
fn a_late_answer_settles_what_was_given_up() {
    let mut story = Story::of([sms()]);
    story.begin();
    story.ends(unclear());
    story.ends(accepted("SM7"));
    assert_eq!(story.state(), State::Sent);
    assert_eq!(
        story
            .interaction
            .attempt
            .as_ref()
            .and_then(|one| one.provider_id.as_deref()),
        Some("SM7")
    );
}

#[test]
fn a_report_can_be_faster_than_the_answer_to_the_request() {
    let mut story = Story::of([sms()]);
    let attempt = story.begin();
    story.reports(progress(Progress::Underway));
    assert_eq!(story.state(), State::Sent);
    let result = accepted("SM1");
    story.applies(&Event::SendEnds { attempt, result });
    let [message] = &story.interaction.thread[..] else {
        panic!("{:?}", story.interaction.thread)
    };
    assert_eq!(message.id, "SM1");
    let known = story.interaction.attempt.as_ref().and_then(|one| one.progress);
    assert_eq!(known, Some(Progress::Underway), "the answer says less than the report");
}

#[test]
fn what_the_provider_refuses_for_good_goes_on_with_the_next_leg() {
    let mut story = Story::of([sms(), email()]);
    story.begin();
    story.ends(refused());
    assert_eq!((story.channel(), story.outcomes()), (Channel::Email, vec!["refused"]));
    story.begin();
    story.ends(refused());
    assert_eq!(story.end(), EndReason::Refused);
}

#[test]
fn an_opted_out_customer_is_not_contacted_over_any_channel() {
    for is_known_before in [true, false] {
        let mut story = Story::of([sms(), email()]);
        if is_known_before {
            story.begins(Clearance::OptedOut);
        } else {
            story.begin();
            story.ends(patchbay_domain::interaction::SendResult::OptedOut);
        }
        assert_eq!(story.end(), EndReason::OptedOut);
    }
}

#[test]
fn an_attempt_waits_for_a_permitted_hour() {
    let mut story = Story::of([sms()]);
    let at = start().plus_seconds(3_600);
    let reason = "it is 6:00 in America/Los_Angeles".to_owned();
    story.begins(Clearance::Later { at, reason });
    assert_eq!(
        (story.state(), story.phase()),
        (State::Scheduled, Phase::Planned { due_at: at })
    );
    assert!(
        story
            .facts
            .iter()
            .any(|fact| matches!(fact, Fact::Postponed { due_at, .. } if *due_at == at))
    );
    story.now = at;
    story.send();
}

#[test]
fn an_hour_in_the_past_makes_no_loop() {
    let mut story = Story::of([sms()]);
    let (at, reason) = (start(), String::new());
    story.begins(Clearance::Later { at, reason });
    assert_eq!(
        story.phase(),
        Phase::Planned {
            due_at: start().plus_seconds(1)
        }
    );
}

#[test]
fn without_a_permitted_hour_the_plan_goes_on_with_the_next_leg() {
    let far = start().plus_seconds(LATEST_SECONDS);
    let reason = String::new;
    for clearance in [
        Clearance::Later {
            at: far,
            reason: reason(),
        },
        Clearance::NoHour { reason: reason() },
    ] {
        let mut story = Story::of([sms(), email()]);
        story.begins(clearance.clone());
        assert_eq!(story.channel(), Channel::Email);
        story.begins(clearance);
        assert_eq!(story.end(), EndReason::OutsideHours);
        assert!(story.interaction.thread.is_empty());
    }
}

#[test]
fn a_leg_that_is_not_allowed_is_skipped() {
    let mut story = Story::of([sms(), notice()]);
    let reason = "the sender is not ours".to_owned();
    story.begins(Clearance::Denied { reason });
    assert_eq!(story.outcomes(), ["refused"]);
    story.send();
}

#[test]
fn nothing_is_sent_after_the_latest_time() {
    let mut story = Story::of([sms(), email()]);
    story.pass(LATEST_SECONDS);
    story.begins(Clearance::Granted);
    assert_eq!(story.end(), EndReason::Expired);
    assert!(story.interaction.thread.is_empty());
}

#[test]
fn tries_end_at_the_latest_time() {
    let mut story = Story::of([sms()]);
    story.pass(LATEST_SECONDS - 4);
    story.begin();
    story.ends(failed(None));
    assert_eq!(
        (story.end(), story.outcomes()),
        (EndReason::Failed, vec!["not_accepted"])
    );
}

#[test]
fn a_provider_that_is_down_does_not_hold_up_the_plan() {
    let mut story = Story::of([sms(), email()]);
    for _ in 0..MAX_TRIES {
        if let Phase::Planned { due_at } = story.phase() {
            story.now = due_at;
        }
        story.begin();
        story.ends(failed(None));
    }
    assert_eq!(
        (story.channel(), story.outcomes()),
        (Channel::Email, vec!["not_accepted"])
    );
    assert!(story.now < start().plus_seconds(1_800));
}

#[test]
fn a_report_about_a_try_that_seemed_to_fail_stops_the_next_one() {
    let mut story = Story::of([sms()]);
    let attempt = story.begin();
    story.ends(failed(None));
    let report = progress(Progress::Underway);
    story.applies(&Event::Reported { attempt, report });
    assert!(matches!(story.phase(), Phase::Sent { .. }), "{:?}", story.phase());
    assert!(story.facts.contains(&Fact::SentAfterAll { attempt }));
    let report = progress(Progress::Underway);
    story.ignores(&Event::Reported { attempt, report }, IgnoreReason::Stale);
}

#[test]
fn the_reason_of_the_end_is_the_outcome_that_somebody_has_to_know() {
    // A message that may have been sent, and a mail that was refused: somebody has to look.
    let mut story = Story::of([sms(), email()]);
    story.begin();
    story.ends(unclear());
    story.pass(OUTCOME_SECONDS);
    let attempt = story.attempt();
    story.applies(&Event::OutcomeDue { attempt });
    story.begin();
    story.ends(refused());
    assert_eq!(story.end(), EndReason::Unclear);
    // A message that was delivered and not answered: something was sent.
    let mut story = Story::sent([sms(), email()]);
    story.reports(outcome(AttemptOutcome::NoAnswer));
    story.begin();
    story.ends(refused());
    assert_eq!(story.end(), EndReason::NoAnswer);
}

#[test]
fn a_plan_that_is_too_large_is_refused() {
    let context = DecisionContext {
        now: start(),
        nonce: Nonce::new(1),
    };
    let refused = |new| create(key(), new, context).is_err();
    assert!(!refused(new(vec![sms(); MAX_LEGS])));
    assert!(refused(new(vec![sms(); MAX_LEGS + 1])));
    let mut large = new(vec![sms()]);
    large.parties.customer.name = "A".repeat(MAX_PLAN_BYTES);
    assert!(refused(large));
}
