//! Other events of the platform: created, resolved, templates, and inboxes without a bot.

use patchbay_domain::conversation::limits::FINISH_ECHO_SECONDS;
use patchbay_domain::conversation::{
    Author, ChangeReason, Contact, Direction, EventKind, EventOutcome, Holder, IgnoreReason, PlatformEvent,
    PlatformMessage, Session, Settings, TurnAction,
};

use crate::story::{Story, assigned, done, event, id, jo, message, plan};

const IRRELEVANT: EventOutcome = EventOutcome::Ignored(IgnoreReason::Irrelevant);
const NO_BOT: EventOutcome = EventOutcome::Ignored(IgnoreReason::NoBot);

fn resolved() -> PlatformEvent {
    event(EventKind::Resolved, None)
}

#[test]
fn a_created_conversation_has_only_details() {
    let mut story = Story::new();
    let hello = message("1", Direction::Incoming, Author::Customer, "hello");
    let created = PlatformEvent {
        inbox: Some(id("7")),
        contact: Contact {
            name: Some("Kim".into()),
            ..Contact::default()
        },
        ..event(EventKind::Created, Some(hello.clone()))
    };
    assert_eq!(story.reports(created.clone()), EventOutcome::Applied);
    assert!(story.conversation.pending.is_empty() && story.last.entries.is_empty());
    assert_eq!(story.reports(created), IRRELEVANT, "nothing new");
    story.reports_message(hello);
    assert_eq!(story.pending(), ["hello"], "its message is reported separately");
}

#[test]
fn an_event_about_a_message_without_one_says_nothing() {
    let mut story = Story::new();
    assert_eq!(story.reports(event(EventKind::Message, None)), IRRELEVANT);
    assert_eq!(story.reports(event(EventKind::Choice, None)), IRRELEVANT);
}

#[test]
fn templates_and_private_incoming_messages_say_nothing() {
    let mut story = Story::new();
    for author in [Author::Unknown, jo(), Author::Bot] {
        let greeting = message("1", Direction::Template, author, "Welcome!");
        assert_eq!(story.reports_message(greeting), IRRELEVANT);
    }
    let note = PlatformMessage {
        private: true,
        ..message("2", Direction::Incoming, Author::Customer, "hello")
    };
    assert_eq!(story.reports_message(note.clone()), IRRELEVANT);
    assert_eq!(story.reports(event(EventKind::Choice, Some(note))), IRRELEVANT);
}

#[test]
fn an_inbox_without_a_bot_is_left_alone() {
    let mut story = Story::new();
    story.settings = Settings::default();
    assert_eq!(story.customer("hello"), NO_BOT);
    assert_eq!(story.person("Hello!"), NO_BOT);
    assert_eq!(story.reports(assigned()), NO_BOT);
    assert_eq!(story.reports(resolved()), NO_BOT);
    assert_eq!(story.reports(event(EventKind::Created, None)), NO_BOT);
    assert_eq!(story.conversation.version, 0);
}

#[test]
fn people_are_noticed_while_the_document_is_missing() {
    let mut story = Story::new();
    story.customer("hello");
    story.settings.has_bot = false;
    assert_eq!(story.customer("hello?"), NO_BOT);
    let click = message("1", Direction::Outgoing, Author::Bot, "Track");
    assert_eq!(story.reports(event(EventKind::Choice, Some(click))), NO_BOT);
    assert_eq!(story.person("I take this."), EventOutcome::Applied);
    assert_eq!(story.conversation.holder, Holder::Human);
    assert_eq!(story.reports(resolved()), EventOutcome::Applied);
    assert_eq!(story.conversation.holder, Holder::Bot);
}

#[test]
fn a_resolved_conversation_is_back_with_the_bot() {
    for mut story in [Story::handing_off(plan()), Story::waiting(plan()), Story::with_person()] {
        story.conversation.session.misses = 3;
        assert_eq!(story.reports(resolved()), EventOutcome::Applied);
        assert_eq!(story.edges().last(), Some(&(Holder::Bot, ChangeReason::Resolved)));
        assert!(story.conversation.steps.is_empty());
        assert!(story.conversation.hand_over.is_none());
        assert_eq!(story.conversation.silence, None);
        assert_eq!(story.conversation.session, Session::default());
        assert_eq!(story.reports(resolved()), IRRELEVANT, "a duplicate");
        story.customer("another question");
        story.answers(&["Another answer."], TurnAction::Continue);
    }
}

#[test]
fn a_message_is_answered_even_if_a_report_that_the_conversation_is_resolved_comes_after_it() {
    let mut story = Story::new();
    story.customer("hello");
    story.answers(&["One", "Two"], TurnAction::Continue);
    story.begins_step();
    story.customer("where is my parcel");
    story.conversation.session.misses = 1;
    let before = story.conversation.clone();
    assert_eq!(story.reports(resolved()), IRRELEVANT);
    assert_eq!(story.conversation, before);
    assert_eq!(story.steps(), ["post", "post"]);
}

#[test]
fn an_idle_conversation_of_the_bot_begins_a_new_session_when_it_is_resolved() {
    let mut story = Story::new();
    story.customer("hello");
    story.answers(&["Hello!"], TurnAction::Finish);
    story.conversation.session.misses = 1;
    assert_eq!(story.reports(resolved()), EventOutcome::Applied);
    assert_eq!(story.conversation.session, Session::default());
    assert_eq!(
        story.steps(),
        ["post"],
        "the answer is still posted, and nothing else done"
    );
    assert_eq!(story.edges(), []);
}

#[test]
fn a_resolved_conversation_without_a_trace_says_nothing() {
    assert_eq!(Story::new().reports(resolved()), IRRELEVANT);
}

#[test]
fn the_bots_own_finish_is_no_sign_of_people() {
    for (seconds, is_own) in [(FINISH_ECHO_SECONDS - 1, true), (FINISH_ECHO_SECONDS, false)] {
        let mut story = Story::new();
        story.customer("thanks");
        story.answers(&[], TurnAction::Finish);
        story.takes_step(done("1"));
        story.customer("one more question");
        story.advance(seconds);
        let outcome = story.reports(resolved());
        assert_eq!(outcome == EventOutcome::Ignored(IgnoreReason::Own), is_own, "{seconds}");
        assert_eq!(story.conversation.pending.len(), 1, "still to be answered");
    }
}
