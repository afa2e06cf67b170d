//! Attempts, until the provider has them.

use patchbay_domain::ids::Nonce;
use patchbay_domain::interaction::limits::{
    MAX_BACKOFF_SECONDS, MAX_EARLIER, MAX_LEGS, MAX_PLAN_BYTES, MAX_TRIES, SEND_SECONDS,
};
use patchbay_domain::interaction::{
    AttemptOutcome, Channel, Clearance, DecisionContext, EndReason, Event, EventOutcome, Fact, IgnoreReason, Phase,
    Progress, Reply, Report, Request, SendResult, Sender, State, Work, create,
};

use crate::story::{
    LATEST_SECONDS, OUTCOME_SECONDS, Story, accepted, call, delivered, email, failed, key, new, notice, outcome,
    progress, refused, reply, sms, start, talked_to, unclear, undelivered,
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
            story.ends(SendResult::OptedOut);
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

/// Tries to send until the plan goes on with another channel, or ends. Returns how often it was tried.
fn try_in_vain(story: &mut Story, result: &SendResult) -> u16 {
    let channel = story.channel();
    let mut tries = 0;
    while story.interaction.attempt.is_some() && story.channel() == channel {
        if let Phase::Planned { due_at } = story.phase() {
            story.now = due_at;
        }
        story.begin();
        story.ends(result.clone());
        tries += 1;
    }
    tries
}

#[test]
fn the_last_channel_is_tried_until_the_latest_time() {
    let detail = "the account has no money".to_owned();
    for result in [failed(None), SendResult::OutOfMoney { detail }] {
        let mut story = Story::of([sms(), email()]);
        assert_eq!(try_in_vain(&mut story, &result), MAX_TRIES);
        let tries = try_in_vain(&mut story, &result);
        assert!((250..300).contains(&tries), "{tries}");
        assert!(story.now >= start().plus_seconds(LATEST_SECONDS - MAX_BACKOFF_SECONDS));
        assert_eq!(story.end(), EndReason::Failed);
        assert_eq!(story.outcomes(), ["not_accepted", "not_accepted"]);
    }
}

#[test]
fn what_was_down_for_hours_is_sent_afterwards() {
    let mut story = Story::of([sms()]);
    while story.now < start().plus_seconds(6 * 3_600) {
        story.begin();
        story.ends(failed(None));
        let Phase::Planned { due_at } = story.phase() else {
            panic!("{:?}", story.phase())
        };
        assert!(due_at.since(story.now).as_secs() <= u64::from(MAX_BACKOFF_SECONDS));
        story.now = due_at;
    }
    let earlier = story.interaction.attempt.as_ref().map(|attempt| attempt.earlier.len());
    assert_eq!(earlier, Some(MAX_EARLIER));
    story.send();
    assert_eq!(story.state(), State::Sent);
}

#[test]
fn what_waits_for_its_turn_beyond_the_latest_time_expires_and_is_not_outside_of_hours() {
    let held = |seconds| Clearance::Held {
        at: start().plus_seconds(seconds),
        reason: "other calls come first".to_owned(),
    };
    let mut story = Story::of([sms()]);
    story.begins(held(600));
    let due_at = start().plus_seconds(600);
    assert_eq!(story.phase(), Phase::Planned { due_at });
    story.pass(600);
    story.begins(held(LATEST_SECONDS));
    assert_eq!((story.end(), story.outcomes()), (EndReason::Expired, vec!["expired"]));
    // Another channel may still be in time.
    let mut story = Story::of([sms(), email()]);
    story.begins(held(LATEST_SECONDS));
    assert_eq!(story.channel(), Channel::Email);
    story.send();
    assert_eq!(story.state(), State::Sent);
}

#[test]
fn how_the_end_of_a_call_went_is_in_the_timeline() {
    let mut story = Story::sent([call()]);
    story.requests(Request::End(EndReason::Canceled));
    let provider_id = "SM1".to_owned();
    let reason = "no connection".to_owned();
    for (failure, expected) in [
        (
            Some(reason.clone()),
            Fact::HangUpFailed {
                provider_id: provider_id.clone(),
                reason,
            },
        ),
        (
            None,
            Fact::HungUp {
                provider_id: provider_id.clone(),
            },
        ),
    ] {
        let provider_id = provider_id.clone();
        story.applies(&Event::HangUpEnded { provider_id, failure });
        assert_eq!(story.facts.last(), Some(&expected));
    }
    assert_eq!(story.end(), EndReason::Canceled);
}

/// A call that the provider refused and placed nevertheless.
fn placed_after_all() -> (Story, Nonce) {
    let mut story = Story::of([call(), sms()]);
    let attempt = story.begin();
    story.ends(failed(None));
    (story, attempt)
}

#[test]
fn a_try_that_was_sent_after_all_is_not_made_again_and_all_its_reports_count() {
    let mut story = Story::of([sms()]);
    let attempt = story.begin();
    story.ends(failed(None));
    let planned = story.attempt();
    let report = progress(Progress::Underway);
    story.applies(&Event::Reported { attempt, report });
    assert!(story.facts.contains(&Fact::SentAfterAll { attempt }));
    assert_eq!(story.attempt(), attempt, "its id is what the provider reports to");
    let clearance = Clearance::Granted;
    let again = Event::SendBegins {
        attempt: planned,
        clearance,
    };
    story.pass(60);
    story.ignores(&again, IgnoreReason::Stale);
    let report = delivered();
    story.applies(&Event::Reported { attempt, report });
    assert!(matches!(story.phase(), Phase::Delivered { .. }), "{:?}", story.phase());
    let report = outcome(undelivered());
    story.applies(&Event::Reported { attempt, report });
    assert_eq!((story.end(), story.outcomes()), (EndReason::Failed, vec!["failed"]));
}

#[test]
fn a_key_in_a_call_that_seemed_not_to_be_placed_counts() {
    let (mut story, attempt) = placed_after_all();
    let reply = Reply {
        attempt: Some(attempt),
        ..reply("key", Channel::Call, "1", story.now)
    };
    story.applies(&Event::Replied { reply });
    assert!(matches!(story.phase(), Phase::Sent { .. }), "{:?}", story.phase());
    let report = talked_to();
    story.applies(&Event::Reported { attempt, report });
    assert_eq!(
        (story.end(), story.outcomes()),
        (EndReason::Completed, vec!["answered"])
    );
}

#[test]
fn reports_about_a_try_count_also_while_the_next_one_is_under_way() {
    let mut story = Story::of([notice(), email()]);
    let attempt = story.begin();
    story.ends(failed(None));
    story.pass(5);
    story.begin();
    let report = progress(Progress::Underway);
    story.applies(&Event::Reported { attempt, report });
    assert!(matches!(story.phase(), Phase::Begun { .. }), "{:?}", story.phase());
    let report = delivered();
    story.applies(&Event::Reported { attempt, report });
    assert_eq!(story.outcomes(), ["delivered"]);
    // It arrived, so the next try is not repeated, and no e-mail follows.
    story.ends(failed(None));
    assert_eq!(story.end(), EndReason::Completed);
}

#[test]
fn a_try_that_was_sent_after_all_goes_on_when_the_next_one_fails() {
    for result in [failed(None), refused()] {
        let mut story = Story::of([sms(), email()]);
        let attempt = story.begin();
        story.ends(failed(None));
        story.pass(5);
        story.begin();
        let report = delivered();
        story.applies(&Event::Reported { attempt, report });
        assert_eq!(story.outcomes(), ["delivered"]);
        story.ends(result);
        assert_eq!((story.attempt(), story.outcomes()), (attempt, vec![]));
        assert!(matches!(story.phase(), Phase::Delivered { .. }), "{:?}", story.phase());
    }
}

#[test]
fn reports_about_a_try_count_also_after_the_attempt_was_given_up() {
    let mut story = Story::of([notice(), email()]);
    let attempt = story.begin();
    story.ends(failed(None));
    story.pass(5);
    story.begin();
    story.ends(refused());
    assert_eq!((story.channel(), story.outcomes()), (Channel::Email, vec!["refused"]));
    let report = delivered();
    story.applies(&Event::Reported { attempt, report });
    assert_eq!(story.outcomes(), ["refused", "delivered", "superseded"]);
    assert_eq!(story.end(), EndReason::Completed);
}

#[test]
fn a_call_that_was_placed_after_all_and_is_not_wanted_any_more_is_hung_up() {
    let (mut story, attempt) = placed_after_all();
    story.requests(Request::End(EndReason::Canceled));
    let report = Report {
        provider_id: Some("CA1".to_owned()),
        ..progress(Progress::Underway)
    };
    story.applies(&Event::Reported { attempt, report });
    let is_hung_up = |(work, _): &(Work, _)| matches!(work, Work::HangUp { provider_id, .. } if provider_id == "CA1");
    assert!(story.works.iter().any(is_hung_up));
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
