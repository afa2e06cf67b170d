//! The plan: attempts over one leg, and fall-back to the next.

use patchbay_domain::interaction::{AttemptOutcome, Channel, EndReason, Leg, Phase};

use crate::story::{LATEST_SECONDS, RETRY_SECONDS, Story, call, email, outcome, sms, talked_to};

#[test]
fn a_call_that_nobody_answers_is_placed_again() {
    let (busy, machine) = (AttemptOutcome::Busy, AttemptOutcome::Voicemail);
    for (outcomes, expected) in [
        ([busy.clone(), busy.clone(), busy.clone()], EndReason::Busy),
        ([machine.clone(), busy.clone(), busy.clone()], EndReason::Voicemail),
        ([busy, AttemptOutcome::NoAnswer, machine], EndReason::NoAnswer),
    ] {
        let mut story = Story::of([call()]);
        for result in outcomes {
            if let Phase::Planned { due_at } = story.phase() {
                story.now = due_at;
            }
            story.send();
            story.reports(outcome(result));
        }
        assert_eq!(story.end(), expected);
        assert_eq!(story.interaction.past.len(), 3);
    }
}

#[test]
fn attempts_are_apart() {
    let mut story = Story::sent([call()]);
    story.reports(outcome(AttemptOutcome::Busy));
    let due_at = story.now.plus_seconds(RETRY_SECONDS);
    assert_eq!(story.phase(), Phase::Planned { due_at });
}

#[test]
fn instead_of_a_retry_that_would_be_too_late_the_next_leg_is_tried() {
    let mut story = Story::of([call(), sms()]);
    story.pass(LATEST_SECONDS - RETRY_SECONDS);
    story.send();
    story.reports(outcome(AttemptOutcome::Busy));
    assert_eq!(story.channel(), Channel::Sms);
}

#[test]
fn a_call_that_failed_is_not_placed_again() {
    let mut story = Story::sent([call(), sms()]);
    let detail = "the number does not exist".to_owned();
    story.reports(outcome(AttemptOutcome::Failed { detail }));
    assert_eq!(story.channel(), Channel::Sms);
}

#[test]
fn a_call_then_a_text_then_an_email_until_the_first_answer() {
    let once = Leg { attempts: 1, ..call() };
    let mut story = Story::sent([once, sms(), email()]);
    story.reports(outcome(AttemptOutcome::NoAnswer));
    assert_eq!(story.channel(), Channel::Sms);
    story.send();
    story.replies("IN1", "Yes, Monday is fine");
    assert_eq!(story.interaction.attempt, None, "no e-mail is planned");
    assert_eq!(story.outcomes(), ["no_answer", "answered"]);
}

#[test]
fn a_call_without_the_expected_key_is_no_answer() {
    let once = Leg { attempts: 1, ..call() };
    let mut story = Story::sent([once, sms()]);
    story.reports(talked_to());
    story.grace();
    assert_eq!((story.channel(), story.outcomes()), (Channel::Sms, vec!["no_key"]));
}

#[test]
fn a_message_is_not_sent_a_second_time_because_nobody_answers() {
    let mut story = Story::sent([sms()]);
    story.reports(outcome(AttemptOutcome::NoAnswer));
    assert_eq!((story.end(), story.interaction.past.len()), (EndReason::NoAnswer, 1));
}
