//! Steps: one at a time, in order, and never a message twice.

use patchbay_domain::conversation::limits::{MAX_RETRY_AFTER_SECONDS, STEP_SECONDS};
use patchbay_domain::conversation::{
    CallPlan, ChangeReason, DropReason, Event, EventOutcome, Fact, HandOverReason, Holder, IgnoreReason, PostKind,
    Session, StepResult, StepState, TurnAction, Work,
};

use crate::story::{HAND_OVER, Story, assigned, done, failed, hands_over, id, plan, refused, unclear};

fn stale() -> EventOutcome {
    EventOutcome::Ignored(IgnoreReason::Stale)
}

fn with_replies(texts: &[&str]) -> Story {
    let mut story = Story::new();
    story.customer("hello");
    story.answers(texts, TurnAction::Continue);
    story
}

#[test]
fn a_step_is_on_the_queue_as_soon_as_it_is_first() {
    let mut story = with_replies(&["One", "Two"]);
    let steps = story.conversation.steps.clone();
    assert_eq!(story.sent_work(), [(Work::Step { step: steps[0].id }, story.now)]);
    assert_eq!(
        story.apply(&Event::StepBegins { step: steps[1].id }),
        stale(),
        "not the first"
    );
    let step = story.begins_step();
    assert_eq!(
        story.sent_work(),
        [(Work::Watch { step }, story.now.plus_seconds(STEP_SECONDS))]
    );
    assert_eq!(story.apply(&Event::StepBegins { step }), stale(), "it has begun");
    story.ends_step(step, done("500"));
    assert_eq!(story.sent_work(), [(Work::Step { step: steps[1].id }, story.now)]);
}

#[test]
fn a_posted_message_is_recorded_and_kept_for_its_echo() {
    let mut story = with_replies(&["On its way."]);
    story.takes_step(done("500"));
    let expected = Fact::Done {
        step: "post".into(),
        id: Some("500".into()),
        text: Some("On its way.".into()),
    };
    assert_eq!(story.last_facts(), [&expected]);
    assert_eq!(story.conversation.sent[0].id, Some(id("500")));
    assert_eq!(
        story.conversation.transcript.last().expect("a line").text,
        "On its way."
    );
}

#[test]
fn a_failed_step_is_tried_again_after_a_growing_pause() {
    let mut story = with_replies(&["Hello!"]);
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
        story.takes_step(failed(None));
        let step = story.step().clone();
        assert_eq!(step.due_at, story.now.plus_seconds(pause));
        assert_eq!(story.sent_work(), [(Work::Step { step: step.id }, step.due_at)]);
        let begins = Event::StepBegins { step: step.id };
        story.now = step.due_at.plus_millis(-1);
        assert_eq!(story.apply(&begins), EventOutcome::NotYet(step.due_at));
    }
    story.takes_step(done("500"));
    assert!(story.conversation.steps.is_empty());
}

#[test]
fn a_failed_step_waits_as_long_as_the_platform_says() {
    for (stated, pause) in [(0, 1), (1, 1), (30, 30), (u32::MAX, MAX_RETRY_AFTER_SECONDS)] {
        let mut story = with_replies(&["Hello!"]);
        story.takes_step(failed(Some(stated)));
        assert_eq!(story.step().due_at, story.now.plus_seconds(pause), "{stated}");
    }
}

#[test]
fn a_late_report_about_an_earlier_try_of_a_message_is_stale() {
    let mut story = with_replies(&["Hello!"]);
    let first = story.begins_step();
    story.ends_step(first, failed(None));
    let second = story.begins_step();
    assert_ne!(first, second);
    assert_eq!(story.ends_step(first, failed(None)), stale());
    assert_eq!(story.apply(&Event::StepWatched { step: first }), stale());
    assert_ne!(story.step().state, StepState::Ready);
}

#[test]
fn a_message_whose_result_is_unclear_is_never_posted_again() {
    let mut story = with_replies(&["One", "Two"]);
    story.takes_step(unclear());
    let expected = Fact::Unclear {
        step: "post".into(),
        reason: "time-out".into(),
        text: Some("One".into()),
    };
    assert_eq!(story.last_facts(), [&expected]);
    assert_eq!(story.posts(), [("Two", PostKind::Reply)]);
    let sent = &story.conversation.sent[0];
    assert_eq!((&sent.id, sent.text.as_str()), (&None, "One"), "its echo is recognized");
}

#[test]
fn a_function_that_died_while_it_posted_leaves_an_unclear_message() {
    let mut story = with_replies(&["Hello!"]);
    let step = story.begins_step();
    let watched = Event::StepWatched { step };
    let over_at = story.now.plus_seconds(STEP_SECONDS);
    story.now = over_at.plus_millis(-1);
    assert_eq!(story.apply(&watched), EventOutcome::NotYet(over_at));
    story.now = over_at;
    assert_eq!(story.apply(&watched), EventOutcome::Applied);
    assert!(matches!(story.last_facts()[..], [Fact::Unclear { .. }]));
    assert!(story.conversation.steps.is_empty());
    assert_eq!(story.ends_step(step, done("500")), stale(), "too late");
}

#[test]
fn the_watch_of_a_step_that_ended_is_stale() {
    let mut story = with_replies(&["One", "Two"]);
    let step = story.begins_step();
    story.ends_step(step, done("500"));
    story.advance(STEP_SECONDS);
    assert_eq!(story.apply(&Event::StepWatched { step }), stale());
    let step = story.step().id;
    assert_eq!(story.apply(&Event::StepWatched { step }), stale(), "it has not begun");
    assert_eq!(story.ends_step(step, done("501")), stale(), "it has not begun");
}

#[test]
fn a_delivery_whose_result_is_unclear_is_repeated() {
    let mut story = Story::handing_off(plan());
    story.takes_step(done("500"));
    let step = story.begins_step();
    story.advance(STEP_SECONDS);
    story.apply(&Event::StepWatched { step });
    assert_eq!(
        story.step().id,
        step,
        "other services recognize the repetition by its id"
    );
    story.takes_step(unclear());
    assert_eq!(story.steps(), ["deliver"]);
    assert_eq!(story.step().tries, 2);
    story.takes_step(done("1"));
    assert_eq!(story.conversation.holder, Holder::Waiting);
}

#[test]
fn a_queue_call_whose_result_is_unclear_is_never_repeated() {
    let mut story = Story::new();
    story.customer("call me");
    let call = CallPlan::Queue {
        queue: "support".into(),
        destination: "+12025550101".into(),
    };
    story.answers(&[], TurnAction::Call(call));
    story.takes_step(unclear());
    assert!(matches!(story.last_facts()[..], [Fact::Unclear { .. }]));
    assert!(story.conversation.steps.is_empty() && story.conversation.sent.is_empty());
}

#[test]
fn a_call_that_fails_holds_up_no_answer() {
    let mut story = Story::new();
    story.customer("call me");
    let request = serde_json::json!({"ticket": {"text": "call Kim"}});
    let call = CallPlan::Dispatch {
        request: request.into(),
    };
    story.answers(&[], TurnAction::Call(call));
    story.takes_step(failed(None));
    story.customer("and my parcel");
    story.answers(&["On its way."], TurnAction::Continue);
    assert_eq!(story.steps(), ["post", "dispatch"]);
    assert_eq!(story.sent_work(), [(Work::Step { step: story.step().id }, story.now)]);
    story.takes_step(done("500"));
    story.takes_step(failed(None));
    story.takes_step(StepResult::Done { id: None });
    assert!(story.conversation.steps.is_empty());
}

#[test]
fn a_call_that_fails_lets_later_steps_pass() {
    let mut story = Story::new();
    story.conversation.contact.phone = Some("+12025550101".into());
    story.customer("a person");
    let call = CallPlan::Queue {
        queue: "support".into(),
        destination: "+12025550101".into(),
    };
    let plan = patchbay_domain::conversation::HandOverPlan {
        call: Some(call),
        ..plan()
    };
    story.answers(&[], hands_over(plan));
    story.takes_step(done("500"));
    story.takes_step(done("501"));
    story.takes_step(failed(None));
    assert_eq!(story.steps(), ["queue_call", "remember"]);
}

#[test]
fn a_delivered_conversation_waits_for_a_person() {
    for (outcome, reason) in [
        (done("1"), ChangeReason::Delivered),
        (refused(), ChangeReason::DeliveryRefused),
    ] {
        let mut story = Story::handing_off(plan());
        story.takes_step(done("500"));
        story.takes_step(outcome);
        assert_eq!(story.edges().last(), Some(&(Holder::Waiting, reason)));
        let hand_over = story.conversation.hand_over.clone().expect("a hand-over");
        let due_at = story.now.plus_seconds(crate::story::WAIT_SECONDS);
        assert_eq!(
            story.sent_work(),
            [(
                Work::WaitOver {
                    hand_over: hand_over.id
                },
                due_at
            )]
        );
    }
}

#[test]
fn a_delivery_of_an_earlier_hand_over_does_not_end_the_present_one() {
    let mut story = Story::handing_off(plan());
    story.takes_step(done("500"));
    let deliver = story.begins_step();
    story.person(crate::story::GIVE_BACK);
    story.customer("a person, after all");
    story.settings.ended = None;
    let settings = story.settings.clone();
    let request = patchbay_domain::conversation::Request::HandOver(Box::new(plan()));
    story.apply(&Event::Requested { request, settings });
    assert_eq!(story.steps(), ["deliver", "post", "deliver"]);
    story.ends_step(deliver, done("1"));
    assert_eq!(story.conversation.holder, Holder::HandingOff);
    story.takes_all_steps();
    assert_eq!(story.conversation.holder, Holder::Waiting);
}

#[test]
fn an_answer_that_the_platform_refuses_is_handed_to_people() {
    let mut story = with_replies(&["One", "Two"]);
    story.takes_step(refused());
    let change = ChangeReason::HandOver(HandOverReason::Error);
    assert_eq!(story.edges(), [(Holder::HandingOff, change)]);
    assert_eq!(
        story.posts(),
        [("Two", PostKind::Reply)],
        "there is no message about it"
    );
    assert_eq!(story.steps(), ["post", "deliver"]);
}

#[test]
fn a_message_that_is_refused_during_a_hand_over_is_left_out() {
    let mut story = Story::handing_off(plan());
    assert_eq!(story.posts(), [(HAND_OVER, PostKind::HandOver)]);
    story.takes_step(refused());
    assert!(matches!(story.last_facts()[..], [Fact::NotDone { .. }]));
    assert_eq!(story.steps(), ["deliver"]);
    assert_eq!(story.conversation.holder, Holder::HandingOff);
}

#[test]
fn the_session_ends_with_the_conversation() {
    let mut story = Story::new();
    story.customer("thanks");
    let run = story.begins_turn();
    let session = Session {
        misses: 1,
        ..Session::default()
    };
    let result = patchbay_domain::conversation::TurnResult {
        session,
        ..crate::story::result(&[], TurnAction::Finish)
    };
    story.ends_turn(run, result);
    story.takes_step(done("1"));
    assert_eq!(story.conversation.session, Session::default());
}

#[test]
fn a_reply_that_failed_is_dropped_when_a_person_has_taken_over_meanwhile() {
    let mut story = with_replies(&["Hello!"]);
    let step = story.begins_step();
    story.reports(assigned());
    story.ends_step(step, failed(None));
    assert_eq!(story.dropped(), [("post", DropReason::TakenOver)]);
    assert!(story.conversation.steps.is_empty());
}

#[test]
fn a_finish_that_failed_is_dropped_when_a_person_has_taken_over_meanwhile() {
    let mut story = Story::new();
    story.customer("thanks");
    story.answers(&[], TurnAction::Finish);
    let step = story.begins_step();
    story.person("Wait.");
    story.ends_step(step, failed(None));
    assert_eq!(story.dropped(), [("finish", DropReason::TakenOver)]);
    assert!(story.conversation.steps.is_empty());
}
