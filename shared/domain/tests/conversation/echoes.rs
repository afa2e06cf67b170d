//! Echoes: the bot never takes its own message for one of a person, nor a person's message for its own.

use patchbay_domain::conversation::limits::{ECHO_RETRY_SECONDS, ECHO_SECONDS, MAX_SENT, STEP_SECONDS};
use patchbay_domain::conversation::{Author, Event, EventOutcome, Fact, Holder, IgnoreReason, StepResult, TurnAction};

use crate::story::{Story, assigned, done, failed, id, jo, unclear};

const OWN: EventOutcome = EventOutcome::Ignored(IgnoreReason::Own);

/// Every way in which a platform can name the author of the bot's message.
fn authors() -> [Author; 4] {
    [Author::Unknown, Author::Customer, jo(), Author::Bot]
}

fn posting(text: &str) -> (Story, patchbay_domain::ids::Nonce) {
    let mut story = Story::new();
    story.customer("hello");
    story.answers(&[text], TurnAction::Continue);
    let step = story.begins_step();
    (story, step)
}

#[test]
fn the_echo_of_a_posted_message_is_recognized_by_its_id() {
    for author in authors() {
        let (mut story, step) = posting("Hello!");
        story.ends_step(step, done("500"));
        story.advance(3_600);
        assert_eq!(story.outgoing("500", author, "Hello! (rewritten)"), OWN);
        assert!(story.nothing_happened());
    }
}

#[test]
fn the_echo_that_is_faster_than_the_answer_is_recognized_by_its_text() {
    for author in authors() {
        for result in [done("500"), StepResult::Done { id: None }, unclear(), failed(None)] {
            let (mut story, step) = posting("Hello,\n  Kim!");
            assert_eq!(story.outgoing("500", author.clone(), " Hello, Kim!"), OWN);
            assert_eq!(story.outgoing("500", author.clone(), "Hello, Kim!"), OWN, "a duplicate");
            assert!(story.nothing_happened());
            story.ends_step(step, result);
            assert!(
                matches!(story.last_facts()[..], [Fact::Done { .. }]),
                "the echo proves it"
            );
            assert!(story.conversation.steps.is_empty(), "it is not posted again");
            assert_eq!(story.conversation.sent.len(), 1);
            assert_eq!(story.conversation.sent[0].id, Some(id("500")));
            assert_eq!(story.outgoing("500", author.clone(), "Hello, Kim!"), OWN);
        }
    }
}

#[test]
fn the_echo_proves_that_a_message_was_posted_by_a_function_that_died() {
    let (mut story, step) = posting("Hello!");
    story.outgoing("500", Author::Bot, "Hello!");
    story.advance(STEP_SECONDS);
    story.apply(&Event::StepWatched { step });
    assert!(matches!(story.last_facts()[..], [Fact::Done { .. }]));
}

#[test]
fn a_message_can_have_two_ids() {
    let (mut story, step) = posting("Hello!");
    story.outgoing("500", Author::Bot, "Hello!");
    story.ends_step(step, done("9500"));
    for id in ["500", "9500"] {
        assert_eq!(story.outgoing(id, jo(), "Hello!"), OWN);
    }
}

#[test]
fn the_echo_of_a_message_without_an_id_is_recognized_by_its_text_for_a_while() {
    for result in [StepResult::Done { id: None }, unclear()] {
        for (seconds, is_own) in [(0, true), (ECHO_SECONDS, true), (ECHO_SECONDS + 1, false)] {
            let (mut story, step) = posting("Hello!");
            story.ends_step(step, result.clone());
            story.advance(seconds);
            assert_eq!(story.outgoing("500", jo(), "Hello!") == OWN, is_own, "{seconds}");
            let holder = if is_own { Holder::Bot } else { Holder::Human };
            assert_eq!(story.conversation.holder, holder);
            if is_own {
                story.advance(3_600);
                assert_eq!(story.outgoing("500", jo(), "Hello!"), OWN, "its id is known now");
            }
        }
    }
}

#[test]
fn an_echo_without_an_id_is_recognized_once() {
    let (mut story, step) = posting("Hello!");
    story.ends_step(step, StepResult::Done { id: None });
    assert_eq!(story.outgoing("500", jo(), "Hello!"), OWN);
    assert_eq!(story.outgoing("501", jo(), "Hello!"), EventOutcome::Applied);
    assert_eq!(story.conversation.holder, Holder::Human);
}

#[test]
fn two_equal_messages_have_two_echoes() {
    let mut story = Story::new();
    story.customer("hello");
    story.answers(&["Hello!", "Hello!"], TurnAction::Continue);
    story.takes_step(StepResult::Done { id: None });
    let step = story.begins_step();
    assert_eq!(story.outgoing("501", jo(), "Hello!"), OWN);
    assert_eq!(story.outgoing("500", jo(), "Hello!"), OWN);
    story.ends_step(step, done("501"));
    assert_eq!(story.conversation.holder, Holder::Bot);
}

#[test]
fn another_text_waits_until_the_post_on_its_way_has_ended() {
    for author in [Author::Unknown, jo()] {
        let (mut story, step) = posting("Hello!");
        let again = EventOutcome::NotYet(story.now.plus_seconds(ECHO_RETRY_SECONDS));
        assert_eq!(story.outgoing("500", author.clone(), "Hello! 👋"), again);
        assert!(story.nothing_happened());
        story.ends_step(step, done("500"));
        assert_eq!(
            story.outgoing("500", author, "Hello! 👋"),
            OWN,
            "the platform rewrote it"
        );
        assert_eq!(story.conversation.holder, Holder::Bot);
    }
}

#[test]
fn a_person_who_writes_during_a_post_takes_over_once_it_has_ended() {
    let (mut story, step) = posting("Hello!");
    assert!(matches!(
        story.outgoing("501", jo(), "I take this."),
        EventOutcome::NotYet(_)
    ));
    story.ends_step(step, done("500"));
    assert_eq!(story.outgoing("501", jo(), "I take this."), EventOutcome::Applied);
    assert_eq!(story.conversation.holder, Holder::Human);
}

#[test]
fn a_person_who_writes_after_the_echo_takes_over_at_once() {
    let (mut story, _) = posting("Hello!");
    story.outgoing("500", Author::Bot, "Hello!");
    assert_eq!(story.outgoing("501", jo(), "I take this."), EventOutcome::Applied);
    assert_eq!(story.conversation.holder, Holder::Human);
}

#[test]
fn a_step_that_posts_nothing_makes_no_message_wait() {
    let mut story = Story::handing_off(crate::story::plan());
    story.takes_step(done("500"));
    story.begins_step();
    assert_eq!(story.person("I take this."), EventOutcome::Applied);
}

#[test]
fn another_bot_is_no_person() {
    let (mut story, step) = posting("Hello!");
    let irrelevant = EventOutcome::Ignored(IgnoreReason::Irrelevant);
    assert_eq!(story.outgoing("500", Author::Bot, "I am another bot."), irrelevant);
    story.ends_step(step, done("501"));
    assert_eq!(story.outgoing("502", Author::Bot, "I am another bot."), irrelevant);
    assert_eq!(story.conversation.holder, Holder::Bot);
}

#[test]
fn an_own_message_is_recognized_while_a_person_holds_the_conversation() {
    let (mut story, step) = posting("Hello!");
    story.reports(assigned());
    assert_eq!(story.outgoing("500", jo(), "Hello!"), OWN);
    story.ends_step(step, done("500"));
    assert_eq!(story.outgoing("500", jo(), "Hello!"), OWN);
    assert!(
        !story
            .entries
            .iter()
            .any(|entry| matches!(entry.fact, Fact::PersonWrote { .. }))
    );
}

#[test]
fn the_id_of_an_old_message_of_the_bot_still_says_that_it_is_handled() {
    let (mut story, step) = posting("Hello!");
    story.ends_step(step, done("500"));
    for index in 0..MAX_SENT {
        story.customer("again");
        story.answers(&["Hello again!"], TurnAction::Continue);
        story.takes_step(done(&format!("5{index:04}")));
    }
    assert!(!story.conversation.sent.iter().any(|sent| sent.id == Some(id("500"))));
    let duplicate = EventOutcome::Ignored(IgnoreReason::Duplicate);
    assert_eq!(story.outgoing("500", jo(), "Hello!"), duplicate);
    assert_eq!(story.conversation.holder, Holder::Bot);
}
