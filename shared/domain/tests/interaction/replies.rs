//! What the customer writes.

use patchbay_domain::interaction::limits::IDLE_SECONDS;
use patchbay_domain::interaction::{
    AttemptOutcome, Channel, Clearance, EndReason, Event, EventOutcome, Fact, IgnoreReason, Leg, Progress, Reply,
    Sender, State, Work,
};

use crate::story::{
    OUTCOME_SECONDS, Story, accepted, call, delivered, email, outcome, progress, reply, sms, start, talked_to, unclear,
};

fn stop(id: &str) -> Event {
    let reply = Reply {
        is_opt_out: true,
        ..reply(id, Channel::Sms, "STOP", start())
    };
    Event::Replied { reply }
}

#[test]
fn a_reply_opens_the_conversation_and_stops_the_plan() {
    let mut story = Story::sent([sms(), email()]);
    story.reports(delivered());
    story.replies("IN1", "Yes");
    assert_eq!(story.state(), State::Open);
    assert_eq!(story.outcomes(), ["answered"]);
    let last = story.interaction.thread.last().expect("a message");
    assert_eq!((last.by, last.text.as_str()), (Sender::Customer, "Yes"));
}

#[test]
fn the_same_reply_counts_once() {
    let mut story = Story::sent([sms()]);
    story.replies("IN1", "Yes");
    let reply = reply("IN1", Channel::Sms, "Yes", start());
    story.ignores(&Event::Replied { reply }, IgnoreReason::Duplicate);
    assert_eq!(story.interaction.thread.len(), 2);
}

#[test]
fn a_conversation_is_closed_when_nobody_writes_for_long() {
    let mut story = Story::sent([sms()]);
    story.replies("IN1", "Yes");
    let first = story.interaction.closes.expect("a timer");
    story.pass(600);
    story.replies("IN2", "In the morning, please");
    let second = story.interaction.closes.expect("a timer");
    assert_eq!(second.at, start().plus_seconds(600 + IDLE_SECONDS));
    story.now = first.at;
    story.ignores(&Event::Closed { closing: first.id }, IgnoreReason::Stale);
    let closing = second.id;
    assert_eq!(story.apply(&Event::Closed { closing }), EventOutcome::NotYet(second.at));
    story.now = second.at;
    story.applies(&Event::Closed { closing });
    assert_eq!(story.end(), EndReason::Completed);
}

#[test]
fn a_reply_before_the_next_leg_begins_cancels_it() {
    let mut story = Story::sent([email(), sms()]);
    story.reports(outcome(AttemptOutcome::NoAnswer));
    let attempt = story.attempt();
    story.replies("IN1", "Yes");
    assert_eq!(story.outcomes(), ["no_answer", "superseded"]);
    let clearance = Clearance::Granted;
    story.ignores(&Event::SendBegins { attempt, clearance }, IgnoreReason::Stale);
}

#[test]
fn a_reply_while_the_next_leg_is_being_sent_lets_it_go_on() {
    let mut story = Story::sent([email(), sms(), email()]);
    story.reports(outcome(AttemptOutcome::NoAnswer));
    story.begin();
    story.replies("IN1", "Yes");
    story.ends(accepted("SM2"));
    assert_eq!(story.state(), State::Open);
    story.reports(delivered());
    assert_eq!(story.interaction.attempt, None);
    assert_eq!(story.state(), State::Open, "the conversation goes on");
    assert_eq!(story.interaction.past.len(), 2, "nothing else was planned");
}

/// Whether a call with this id is hung up.
fn is_hung_up(story: &Story, id: &str) -> bool {
    let is_it = |work: &Work| matches!(work, Work::HangUp { provider_id, .. } if provider_id == id);
    story.works.iter().any(|(work, _)| is_it(work))
}

#[test]
fn a_call_that_rings_is_hung_up_when_the_customer_writes() {
    for text in ["Yes", "STOP"] {
        let mut story = Story::sent([sms(), call()]);
        story.reports(outcome(AttemptOutcome::NoAnswer));
        story.begin();
        story.ends(accepted("CA1"));
        let reply = Reply {
            is_opt_out: text == "STOP",
            ..reply("IN1", Channel::Sms, text, story.now)
        };
        story.applies(&Event::Replied { reply });
        let expected = if text == "STOP" {
            ["no_answer", "opted_out"]
        } else {
            ["answered", "superseded"]
        };
        assert_eq!(story.outcomes(), expected);
        assert!(is_hung_up(&story, "CA1"), "{text}");
    }
}

#[test]
fn a_call_that_was_being_placed_when_the_customer_wrote_is_hung_up() {
    let mut story = Story::sent([sms(), call()]);
    story.reports(outcome(AttemptOutcome::NoAnswer));
    story.begin();
    story.replies("IN1", "Yes");
    story.ends(accepted("CA1"));
    assert_eq!(story.outcomes(), ["answered", "superseded"]);
    assert!(is_hung_up(&story, "CA1"));
    assert_eq!(story.state(), State::Open);
}

#[test]
fn somebody_who_is_on_the_phone_is_not_cut_off_by_their_own_message() {
    let mut story = Story::sent([sms(), call()]);
    story.reports(outcome(AttemptOutcome::NoAnswer));
    story.begin();
    story.ends(accepted("CA1"));
    story.reports(progress(Progress::Answered));
    story.replies("IN1", "Yes");
    assert!(story.interaction.attempt.is_some() && !is_hung_up(&story, "CA1"));
}

#[test]
fn a_reply_is_credited_to_the_attempt_that_it_answers() {
    let mut story = Story::sent([email(), sms()]);
    let mail = story.attempt();
    story.reports(outcome(AttemptOutcome::NoAnswer));
    story.begin();
    story.ends(unclear());
    let reply = Reply {
        attempt: Some(mail),
        ..reply("IN1", Channel::Email, "Yes", story.now)
    };
    story.applies(&Event::Replied { reply });
    assert_eq!(
        story.outcomes(),
        ["answered", "superseded"],
        "nobody knows whether the message exists"
    );
}

#[test]
fn a_key_proves_that_a_call_was_placed() {
    let mut story = Story::of([Leg { attempts: 1, ..call() }, sms()]);
    story.begin();
    story.ends(unclear());
    let reply = reply("key-1", Channel::Call, "1", story.now);
    story.applies(&Event::Replied { reply });
    story.pass(OUTCOME_SECONDS);
    let attempt = story.attempt();
    story.applies(&Event::OutcomeDue { attempt });
    assert_eq!(
        (story.end(), story.outcomes()),
        (EndReason::Completed, vec!["answered"])
    );
}

#[test]
fn a_key_of_an_earlier_call_stops_the_plan() {
    let mut story = Story::sent([call(), sms()]);
    let first = story.attempt();
    story.reports(talked_to());
    story.grace();
    let reply = Reply {
        attempt: Some(first),
        ..reply("key-1", Channel::Call, "1", story.now)
    };
    story.applies(&Event::Replied { reply });
    assert_eq!(
        (story.end(), story.outcomes()),
        (EndReason::Completed, vec!["answered", "superseded"])
    );
}

#[test]
fn an_opt_out_in_an_earlier_call_hangs_up_the_one_that_rings() {
    let mut story = Story::sent([call()]);
    let first = story.attempt();
    story.reports(talked_to());
    story.grace();
    story.pass(300);
    story.begin();
    story.ends(accepted("CA2"));
    let reply = Reply {
        attempt: Some(first),
        is_opt_out: true,
        ..reply("key-9", Channel::Call, "9", story.now)
    };
    story.applies(&Event::Replied { reply });
    assert_eq!(story.end(), EndReason::OptedOut);
    assert!(is_hung_up(&story, "CA2"));
}

#[test]
fn the_call_in_which_the_key_of_an_opt_out_was_pressed_ends_by_itself() {
    let mut story = Story::of([call()]);
    story.begin();
    story.ends(accepted("CA1"));
    let reply = Reply {
        is_opt_out: true,
        ..reply("key-9", Channel::Call, "9", story.now)
    };
    story.applies(&Event::Replied { reply });
    assert!(!is_hung_up(&story, "CA1"));
}

#[test]
fn a_message_during_a_call_is_no_key_of_that_call() {
    let mut story = Story::sent([sms(), call()]);
    story.reports(outcome(AttemptOutcome::NoAnswer));
    story.begin();
    story.ends(accepted("CA1"));
    story.reports(progress(Progress::Answered));
    story.replies("IN1", "Yes");
    story.reports(talked_to());
    story.grace();
    assert_eq!(story.outcomes(), ["answered", "no_key"]);
    assert_eq!(story.state(), State::Open, "the conversation in writing goes on");
}

#[test]
fn a_long_reply_is_cut_and_says_so() {
    let mut story = Story::sent([email()]);
    story.replies("IN1", &"x".repeat(1_000_000));
    let Some(Fact::Received { text, is_cut, .. }) =
        story.facts.iter().find(|fact| matches!(fact, Fact::Received { .. }))
    else {
        panic!("{:?}", story.facts)
    };
    assert_eq!((text.len(), *is_cut), (10_000, true));
}

#[test]
fn what_fails_after_an_answer_is_not_tried_again() {
    let mut story = Story::sent([email(), sms()]);
    story.reports(outcome(AttemptOutcome::NoAnswer));
    story.begin();
    story.replies("IN1", "Yes");
    story.ends(crate::story::failed(None));
    assert_eq!((story.interaction.attempt.as_ref(), story.state()), (None, State::Open));
}

#[test]
fn a_key_is_an_answer_and_the_end_of_its_call_the_end() {
    let mut story = Story::sent([call(), sms()]);
    story.reports(progress(Progress::Answered));
    let reply = reply("key-1", Channel::Call, "1", start());
    story.applies(&Event::Replied { reply });
    assert_eq!(story.state(), State::Open);
    story.reports(outcome(AttemptOutcome::TalkedTo));
    assert_eq!(
        (story.end(), story.outcomes()),
        (EndReason::Completed, vec!["answered"])
    );
}

#[test]
fn a_customer_who_opts_out_is_not_contacted_again() {
    for begun in [true, false] {
        let mut story = Story::of([sms(), email()]);
        if begun {
            story.send();
        }
        story.applies(&stop("IN1"));
        assert_eq!(
            (story.end(), story.outcomes()),
            (EndReason::OptedOut, vec!["opted_out"])
        );
        assert_eq!(story.interaction.attempt, None);
    }
}

#[test]
fn a_reply_after_the_end_is_kept_and_changes_nothing() {
    let mut story = Story::sent([sms()]);
    story.reports(outcome(AttemptOutcome::NoAnswer));
    story.replies("IN1", "Sorry, I was away");
    assert_eq!((story.end(), story.interaction.closes), (EndReason::NoAnswer, None));
    assert_eq!(story.interaction.thread.len(), 2);
    story.applies(&stop("IN2"));
    assert_eq!(story.end(), EndReason::NoAnswer);
}
