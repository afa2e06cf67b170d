//! What becomes of what was sent.

use patchbay_domain::interaction::{
    AttemptOutcome, Channel, EndReason, Event, EventOutcome, Fact, IgnoreReason, Leg, Phase, Progress, Report, State,
    Work,
};

use crate::story::{
    ANSWER_SECONDS, OUTCOME_SECONDS, Story, call, delivered, email, notice, outcome, progress, reply, sms, start,
    talked_to, unclear, undelivered,
};

#[test]
fn a_message_that_needs_no_answer_is_complete_when_it_arrived() {
    let mut story = Story::sent([notice(), email()]);
    story.reports(delivered());
    assert_eq!(
        (story.end(), story.outcomes()),
        (EndReason::Completed, vec!["delivered"])
    );
}

#[test]
fn a_message_that_needs_an_answer_waits_for_it() {
    let mut story = Story::sent([sms()]);
    story.pass(60);
    story.reports(delivered());
    let answer_by = start().plus_seconds(60 + ANSWER_SECONDS);
    assert_eq!(
        (story.state(), story.phase()),
        (State::Sent, Phase::Delivered { answer_by })
    );
    let attempt = story.attempt();
    assert_eq!(
        story.apply(&Event::AnswerDue { attempt }),
        EventOutcome::NotYet(answer_by)
    );
    story.now = answer_by;
    story.applies(&Event::AnswerDue { attempt });
    assert_eq!(story.end(), EndReason::NoAnswer);
}

#[test]
fn reports_count_only_forward() {
    let mut story = Story::sent([sms()]);
    let attempt = story.attempt();
    story.reports(progress(Progress::Read));
    for earlier in [
        Progress::Accepted,
        Progress::Underway,
        Progress::Delivered,
        Progress::Read,
    ] {
        let report = progress(earlier);
        story.ignores(&Event::Reported { attempt, report }, IgnoreReason::Stale);
    }
    let thread = &story.interaction.thread;
    assert_eq!(
        thread.first().and_then(|message| message.progress),
        Some(Progress::Read)
    );
}

#[test]
fn a_second_report_of_the_delivery_does_not_extend_the_wait() {
    let mut story = Story::sent([sms()]);
    story.reports(delivered());
    let before = story.phase();
    story.pass(600);
    let (attempt, report) = (story.attempt(), delivered());
    story.ignores(&Event::Reported { attempt, report }, IgnoreReason::Stale);
    assert_eq!(story.phase(), before);
}

#[test]
fn a_message_that_bounces_after_its_delivery_goes_on_with_the_next_leg() {
    let mut story = Story::sent([email(), sms()]);
    story.reports(delivered());
    story.reports(outcome(undelivered()));
    assert_eq!((story.channel(), story.outcomes()), (Channel::Sms, vec!["failed"]));
}

#[test]
fn a_failure_is_the_end_of_a_plan_with_one_leg() {
    let mut story = Story::sent([sms()]);
    story.reports(outcome(undelivered()));
    assert_eq!(story.end(), EndReason::Failed);
}

#[test]
fn a_provider_that_never_reports_does_not_hold_up_the_plan() {
    let mut story = Story::sent([sms(), email()]);
    let attempt = story.attempt();
    let event = Event::OutcomeDue { attempt };
    assert_eq!(
        story.apply(&event),
        EventOutcome::NotYet(start().plus_seconds(OUTCOME_SECONDS))
    );
    story.pass(OUTCOME_SECONDS);
    story.applies(&event);
    assert_eq!((story.channel(), story.outcomes()), (Channel::Email, vec!["no_report"]));
}

#[test]
fn what_stays_unclear_ends_as_unclear() {
    let mut story = Story::of([sms()]);
    story.begin();
    story.ends(unclear());
    story.pass(OUTCOME_SECONDS);
    let attempt = story.attempt();
    story.applies(&Event::OutcomeDue { attempt });
    assert_eq!((story.end(), story.outcomes()), (EndReason::Unclear, vec!["unclear"]));
}

#[test]
fn a_delivery_whose_final_report_is_missing_is_a_delivery() {
    let mut story = Story::sent([sms()]);
    story.reports(progress(Progress::Delivered));
    story.pass(OUTCOME_SECONDS);
    let attempt = story.attempt();
    story.applies(&Event::OutcomeDue { attempt });
    assert!(matches!(story.phase(), Phase::Delivered { .. }), "{:?}", story.phase());
}

#[test]
fn a_report_about_what_was_given_up_is_noted_once() {
    // The message is to be answered, so that it arrived is not enough.
    let mut story = Story::sent([sms(), email()]);
    let attempt = story.attempt();
    story.pass(OUTCOME_SECONDS);
    story.applies(&Event::OutcomeDue { attempt });
    let event = Event::Reported {
        attempt,
        report: delivered(),
    };
    story.applies(&event);
    assert_eq!(story.outcomes(), ["delivered"]);
    assert!(story.facts.iter().any(|fact| matches!(fact, Fact::SettledLate { .. })));
    assert_eq!(story.channel(), Channel::Email, "the plan has gone on");
    story.ignores(&event, IgnoreReason::Stale);
}

#[test]
fn what_was_given_up_and_arrived_after_all_needs_no_fall_back() {
    let mut story = Story::sent([notice(), email()]);
    let attempt = story.attempt();
    story.pass(OUTCOME_SECONDS);
    story.applies(&Event::OutcomeDue { attempt });
    let report = delivered();
    story.applies(&Event::Reported { attempt, report });
    assert_eq!(
        (story.end(), story.outcomes()),
        (EndReason::Completed, vec!["delivered", "superseded"])
    );
}

#[test]
fn a_complaint_about_an_earlier_message_stops_the_plan() {
    let mut story = Story::sent([email(), sms()]);
    let attempt = story.attempt();
    story.reports(outcome(AttemptOutcome::NoAnswer));
    let report = outcome(AttemptOutcome::OptedOut);
    story.applies(&Event::Reported { attempt, report });
    assert_eq!(
        (story.end(), story.interaction.attempt.as_ref()),
        (EndReason::OptedOut, None)
    );
}

#[test]
fn a_bounce_after_the_end_is_noted() {
    let mut story = Story::sent([notice()]);
    let attempt = story.attempt();
    story.reports(delivered());
    let report = outcome(undelivered());
    story.applies(&Event::Reported { attempt, report });
    assert_eq!((story.end(), story.outcomes()), (EndReason::Completed, vec!["failed"]));
    let report = delivered();
    story.ignores(&Event::Reported { attempt, report }, IgnoreReason::Stale);
}

#[test]
fn a_key_that_comes_after_the_end_of_its_call_counts() {
    let mut story = Story::sent([Leg { attempts: 1, ..call() }, sms()]);
    story.reports(talked_to());
    story.pass(5);
    let key = reply("key-1", Channel::Call, "1", story.now);
    story.applies(&Event::Replied { reply: key });
    assert_eq!(
        (story.end(), story.outcomes()),
        (EndReason::Completed, vec!["answered"])
    );
}

#[test]
fn a_verdict_that_a_machine_picked_up_may_come_after_the_end_of_the_call() {
    let mut story = Story::sent([
        Leg {
            attempts: 1,
            answer_seconds: None,
            ..call()
        },
        sms(),
    ]);
    story.reports(talked_to());
    story.pass(5);
    story.reports(outcome(AttemptOutcome::Voicemail));
    assert_eq!((story.channel(), story.outcomes()), (Channel::Sms, vec!["voicemail"]));
}

#[test]
fn where_a_key_is_expected_a_call_that_was_picked_up_is_not_open() {
    let mut story = Story::sent([call()]);
    story.reports(progress(Progress::Answered));
    assert_eq!(story.state(), State::Sent);
}

#[test]
fn a_late_recording_of_an_earlier_call_does_not_replace_that_of_the_last() {
    let mut story = Story::sent([call()]);
    let first = story.attempt();
    story.reports(outcome(AttemptOutcome::Voicemail));
    story.pass(300);
    story.send();
    let recording = |name: &str, text: &str| Report {
        recording: Some(name.to_owned()),
        transcript: Some(text.to_owned()),
        ..Report::default()
    };
    story.reports(recording("RE2", "Hello, Leo."));
    let report = recording("RE1", "Please leave a message after the tone.");
    let event = Event::Reported { attempt: first, report };
    story.applies(&event);
    assert_eq!(story.interaction.recording(), Some("RE2"));
    let transcript = story.interaction.transcript.as_ref().expect("a transcript");
    assert_eq!((transcript.attempt, transcript.text.as_str()), (1, "Hello, Leo."));
    let recorded = story.facts.iter().filter(|fact| matches!(fact, Fact::Recorded { .. }));
    assert_eq!(recorded.count(), 2, "the timeline has both");
    story.ignores(&event, IgnoreReason::Stale);
}

#[test]
fn a_call_that_is_answered_is_open_and_its_end_is_the_end() {
    let leg = Leg {
        answer_seconds: None,
        ..call()
    };
    let mut story = Story::sent([leg]);
    story.reports(progress(Progress::Underway));
    assert_eq!(story.state(), State::Sent);
    story.reports(progress(Progress::Answered));
    assert_eq!(story.state(), State::Open);
    story.reports(talked_to());
    story.grace();
    assert_eq!(
        (story.end(), story.interaction.talk_seconds()),
        (EndReason::Completed, 42)
    );
}

#[test]
fn a_recording_that_comes_after_the_call_is_kept() {
    let mut story = Story::sent([call()]);
    let attempt = story.attempt();
    story.reports(talked_to());
    story.grace();
    let report = Report {
        recording: Some("RE1".to_owned()),
        transcript: Some("Hello.".to_owned()),
        ..Report::default()
    };
    let event = Event::Reported { attempt, report };
    story.applies(&event);
    assert_eq!(story.interaction.recording(), Some("RE1"));
    let transcript = story.interaction.transcript.as_ref().expect("a transcript");
    assert_eq!(transcript.text, "Hello.");
    story.ignores(&event, IgnoreReason::Stale);
}

#[test]
fn a_call_without_a_report_of_its_end_is_over_after_a_while() {
    let leg = Leg {
        answer_seconds: None,
        ..call()
    };
    let mut story = Story::sent([leg]);
    story.reports(progress(Progress::Answered));
    story.pass(OUTCOME_SECONDS);
    let attempt = story.attempt();
    story.applies(&Event::OutcomeDue { attempt });
    assert_eq!(story.end(), EndReason::Completed);
}

#[test]
fn a_provider_without_callbacks_is_asked() {
    let leg = Leg {
        is_polled: true,
        ..notice()
    };
    let mut story = Story::sent([leg]);
    let attempt = story.attempt();
    let poll = |polls, report| Event::Polled { attempt, polls, report };
    assert!(
        story
            .works
            .contains(&(Work::Poll { attempt, polls: 0 }, start().plus_seconds(15)))
    );
    story.pass(15);
    // The message of a commit that was never made.
    story.ignores(&poll(1, None), IgnoreReason::Stale);
    story.applies(&poll(0, None));
    assert!(
        story
            .works
            .contains(&(Work::Poll { attempt, polls: 1 }, start().plus_seconds(45)))
    );
    story.ignores(&poll(0, None), IgnoreReason::Stale);
    story.pass(30);
    story.applies(&poll(1, Some(delivered())));
    assert_eq!(story.end(), EndReason::Completed);
    story.ignores(&poll(2, None), IgnoreReason::Stale);
}

#[test]
fn nobody_is_asked_any_more_when_the_outcome_is_due() {
    let leg = Leg {
        is_polled: true,
        ..sms()
    };
    let mut story = Story::sent([leg]);
    let attempt = story.attempt();
    for polls in 0..5 {
        let report = None;
        story.applies(&Event::Polled { attempt, polls, report });
    }
    let polls = story.works.iter().filter(|(work, _)| matches!(work, Work::Poll { .. }));
    assert_eq!(polls.count(), 5, "the sixth would be after an hour");
}

#[test]
fn a_text_that_is_unclear_is_looked_for_and_nothing_else() {
    for (leg, is_asked) in [(sms(), true), (email(), false), (call(), false)] {
        let mut story = Story::of([leg]);
        let attempt = story.begin();
        assert!(!story.works.iter().any(|(work, _)| matches!(work, Work::Poll { .. })));
        story.ends(unclear());
        let poll = (Work::Poll { attempt, polls: 0 }, start().plus_seconds(15));
        assert_eq!(story.works.contains(&poll), is_asked);
    }
}

#[test]
fn a_text_that_is_found_was_sent() {
    let mut story = Story::of([sms()]);
    let attempt = story.begin();
    story.ends(unclear());
    story.pass(15);
    let report = Some(Report {
        provider_id: Some("SM1".to_owned()),
        ..progress(Progress::Underway)
    });
    story.applies(&Event::Polled {
        attempt,
        polls: 0,
        report,
    });
    assert!(matches!(story.phase(), Phase::Sent { .. }), "{:?}", story.phase());
    assert_eq!(story.state(), State::Sent);
}

#[test]
fn a_report_about_a_stranger_changes_nothing() {
    let mut story = Story::sent([sms()]);
    let attempt = patchbay_domain::ids::Nonce::new(0xdead);
    let report = delivered();
    story.ignores(&Event::Reported { attempt, report }, IgnoreReason::Stale);
}
