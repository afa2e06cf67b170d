//! Time: a person who does not come, and one who is silent.

use patchbay_domain::conversation::{
    CallPlan, ChangeReason, Event, EventKind, EventOutcome, Fact, HandOverPlan, Holder, IgnoreReason, PostKind,
    WaitAction, Work,
};
use patchbay_domain::ids::Nonce;

use crate::story::{CANCEL, ENDED, SILENCE_SECONDS, Story, WAIT_SECONDS, done, event, plan, settings, start};

const WAIT_MESSAGE: (&str, PostKind) = ("Nobody is free yet.", PostKind::Wait);

fn stale() -> EventOutcome {
    EventOutcome::Ignored(IgnoreReason::Stale)
}

fn wait_over(story: &Story) -> Event {
    let hand_over = story.conversation.hand_over.as_ref().expect("a hand-over").id;
    Event::WaitOver { hand_over }
}

fn with_end(then: WaitAction) -> HandOverPlan {
    HandOverPlan { then, ..plan() }
}

#[test]
fn a_customer_who_waits_too_long_is_notified_once() {
    let mut story = Story::waiting(plan());
    let event = wait_over(&story);
    let over_at = story.conversation.holder_since.plus_seconds(WAIT_SECONDS);
    story.now = over_at.plus_millis(-1);
    assert_eq!(story.apply(&event), EventOutcome::NotYet(over_at));
    story.now = over_at;
    assert_eq!(story.apply(&event), EventOutcome::Applied);
    assert_eq!(story.last_facts(), [&Fact::WaitedTooLong]);
    assert_eq!(story.posts(), [WAIT_MESSAGE]);
    assert_eq!(story.conversation.holder, Holder::Waiting);
    assert_eq!(story.apply(&event), stale());
}

#[test]
fn a_wait_can_end_with_the_bot() {
    let mut story = Story::waiting(with_end(WaitAction::GiveBack));
    let event = wait_over(&story);
    story.advance(WAIT_SECONDS);
    story.apply(&event);
    assert_eq!(story.edges().last(), Some(&(Holder::Bot, ChangeReason::WaitedTooLong)));
    assert_eq!(story.posts(), [WAIT_MESSAGE], "the message says both");
    story.takes_step(crate::story::failed(None));
    assert_eq!(story.posts(), [WAIT_MESSAGE]);
    story.takes_all_steps();
}

#[test]
fn a_wait_can_end_with_a_call() {
    let call = CallPlan::Queue {
        queue: "support".into(),
        destination: "+12025550101".into(),
    };
    let mut story = Story::waiting(with_end(WaitAction::Call(call)));
    let event = wait_over(&story);
    story.advance(WAIT_SECONDS);
    story.apply(&event);
    assert_eq!(story.steps(), ["post", "queue_call"]);
    assert_eq!(story.conversation.holder, Holder::Waiting);
}

#[test]
fn a_wait_that_has_ended_otherwise_is_stale() {
    for end in [
        |story: &mut Story| story.customer(CANCEL),
        |story: &mut Story| story.person("Hello, I am Jo."),
        |story: &mut Story| story.reports(event(EventKind::Resolved, None)),
    ] {
        let mut story = Story::waiting(plan());
        let event = wait_over(&story);
        end(&mut story);
        story.advance(WAIT_SECONDS);
        assert_eq!(story.apply(&event), stale());
    }
    let mut story = Story::waiting(plan());
    let hand_over = Nonce::new(7);
    story.advance(WAIT_SECONDS);
    assert_eq!(
        story.apply(&Event::WaitOver { hand_over }),
        stale(),
        "another hand-over"
    );
}

#[test]
fn a_wait_message_is_dropped_when_a_person_comes() {
    let mut story = Story::waiting(plan());
    let event = wait_over(&story);
    story.advance(WAIT_SECONDS);
    story.apply(&event);
    story.settings.joined = None;
    story.person("Hello, I am Jo.");
    assert!(story.posts().is_empty());
}

#[test]
fn a_wait_without_a_limit_sends_no_message() {
    let mut story = Story::handing_off(HandOverPlan {
        wait_seconds: None,
        ..plan()
    });
    story.takes_step(done("500"));
    let event = wait_over(&story);
    story.takes_step(done("501"));
    assert_eq!(story.conversation.holder, Holder::Waiting);
    assert_eq!(story.sent_work(), []);
    assert_eq!(story.apply(&event), stale());
}

fn silence_over(silence: Nonce) -> Event {
    Event::Silence {
        silence,
        settings: settings(),
    }
}

#[test]
fn a_silent_person_loses_the_conversation() {
    let mut story = Story::new();
    story.person("I take this.");
    let silence = story.conversation.silence.expect("a sign");
    let over_at = start().plus_seconds(SILENCE_SECONDS);
    story.now = over_at.plus_millis(-1);
    assert_eq!(story.apply(&silence_over(silence)), EventOutcome::NotYet(over_at));
    story.now = over_at;
    assert_eq!(story.apply(&silence_over(silence)), EventOutcome::Applied);
    assert_eq!(story.edges().last(), Some(&(Holder::Bot, ChangeReason::Silence)));
    assert_eq!(story.posts(), [(ENDED, PostKind::Ended)]);
    assert_eq!(story.apply(&silence_over(silence)), stale());
}

#[test]
fn a_person_who_gave_another_sign_is_not_silent() {
    let mut story = Story::new();
    story.person("I take this.");
    let silence = story.conversation.silence.expect("a sign");
    story.advance(SILENCE_SECONDS - 1);
    story.person("One moment.");
    story.advance(1);
    assert_eq!(story.apply(&silence_over(silence)), stale());
    assert_eq!(story.conversation.holder, Holder::Human);
}

#[test]
fn a_message_of_the_customer_is_no_sign_of_the_person() {
    let mut story = Story::new();
    story.person("I take this.");
    let silence = story.conversation.silence;
    story.advance(60);
    story.customer("thanks");
    assert_eq!(story.conversation.silence, silence);
    assert!(
        !story
            .sent_work()
            .iter()
            .any(|(work, _)| matches!(work, Work::GiveBack { .. }))
    );
}
