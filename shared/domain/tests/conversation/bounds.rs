//! Bounds: nothing grows without limit, and nothing is lost without an entry.

use patchbay_domain::conversation::event::MAX_TEXT_CHARS;
use patchbay_domain::conversation::limits::{
    MAX_ANSWER_CHARS, MAX_BACKGROUND_STEPS, MAX_DETAIL_CHARS, MAX_LINE_CHARS, MAX_PENDING, MAX_PENDING_CHARS,
    MAX_POST_CHARS, MAX_POSTS, MAX_SEEN, MAX_SENT, MAX_SENT_CHARS, MAX_SESSION_BYTES, MAX_TRANSCRIPT,
};
use patchbay_domain::conversation::{
    Author, CallPlan, Contact, Direction, EventKind, EventOutcome, Fact, HandOverPlan, IgnoreReason, PlatformEvent,
    PlatformMessage, PostKind, Session, TurnAction, TurnResult,
};

use crate::story::{Story, done, event, failed, hands_over, message, plan, result};

#[test]
fn a_message_too_many_is_joined_into_the_last_one() {
    let mut story = Story::new();
    for number in 1..=MAX_PENDING + 2 {
        story.customer(&number.to_string());
    }
    let pending = story.pending();
    assert_eq!(pending.len(), MAX_PENDING);
    assert_eq!(pending[MAX_PENDING - 2..], ["19", "20\n21\n22"]);
    story.answers(&["Slowly!"], TurnAction::Continue);
    assert!(story.conversation.pending.is_empty());
}

#[test]
fn an_attachment_too_many_is_counted() {
    let mut story = Story::new();
    for _ in 0..=MAX_PENDING {
        let id = story.fresh_id();
        story.reports_message(PlatformMessage {
            attachments: 2,
            ..message(&id, Direction::Incoming, Author::Customer, "")
        });
    }
    let last = story.conversation.pending.last().expect("a message");
    assert_eq!((last.text.as_str(), last.attachments), ("", 4));
    story.customer("see above");
    assert_eq!(story.pending().last(), Some(&"see above"));
}

#[test]
fn a_message_is_never_joined_into_one_that_a_turn_has_read() {
    let mut story = Story::new();
    for number in 1..=MAX_PENDING {
        story.customer(&number.to_string());
    }
    let run = story.begins_turn();
    story.advance(21);
    story.customer("21");
    assert_ne!(
        story.conversation.turn.expect("a turn").id,
        run.0,
        "the turn is overtaken after all"
    );
    story.ends_turn(run, result(&["Slowly!"], TurnAction::Continue));
    assert_eq!(story.pending().last(), Some(&"20\n21"));
}

#[test]
fn messages_that_came_during_a_turn_are_joined_with_each_other() {
    let mut story = Story::new();
    for number in 1..MAX_PENDING {
        story.customer(&number.to_string());
    }
    let run = story.begins_turn();
    story.advance(21);
    for number in MAX_PENDING..MAX_PENDING + 3 {
        story.customer(&number.to_string());
    }
    assert_eq!(story.conversation.turn.expect("a turn").id, run.0);
    story.ends_turn(run, result(&["Slowly!"], TurnAction::Continue));
    assert_eq!(story.pending(), ["20\n21\n22"]);
}

#[test]
fn what_is_too_long_to_be_answered_is_recorded() {
    let mut story = Story::new();
    let text = "x".repeat(MAX_TEXT_CHARS);
    for _ in 0..4 {
        story.customer(&text);
    }
    let Some(Fact::CustomerWrote {
        text: recorded, unread, ..
    }) = story.last_facts().pop()
    else {
        panic!("{:?}", story.last)
    };
    assert_eq!(
        (recorded.len(), *unread),
        (MAX_TEXT_CHARS, 3),
        "each message before takes one more"
    );
    let total: usize = story.pending().iter().map(|text| text.len()).sum();
    assert_eq!(total, MAX_PENDING_CHARS - 3);
    story.customer("ä");
    let unread = |fact: &&Fact| matches!(fact, Fact::CustomerWrote { unread: 1, .. });
    assert!(story.last_facts().iter().any(unread));
}

#[test]
fn an_answer_of_many_messages_is_joined() {
    let mut story = Story::new();
    story.customer("hello");
    let texts: Vec<String> = (1..=MAX_POSTS + 2).map(|number| number.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    story.answers(&texts, TurnAction::Continue);
    let posts = story.posts();
    assert_eq!(posts.len(), MAX_POSTS);
    assert_eq!(posts[MAX_POSTS - 1], ("10\n\n11\n\n12", PostKind::Reply));
}

#[test]
fn an_answer_that_is_too_long_is_shortened_and_recorded() {
    let mut story = Story::new();
    story.customer("hello");
    let text = "x".repeat(MAX_POST_CHARS);
    story.answers(&[&text, " ", &text, &text, &text, "y"], TurnAction::Continue);
    let posts = story.posts();
    assert_eq!(posts.len(), MAX_ANSWER_CHARS / MAX_POST_CHARS);
    assert!(
        story
            .last_facts()
            .iter()
            .any(|fact| matches!(fact, Fact::NotDone { .. }))
    );
}

#[test]
fn an_answer_that_is_too_long_for_one_message_becomes_several() {
    let mut story = Story::new();
    story.customer("hello");
    let words = "word ".repeat(1_000);
    let unbroken = "x".repeat(MAX_POST_CHARS + 10);
    story.answers(&[&words, &unbroken], TurnAction::Continue);
    let lengths: Vec<usize> = story.posts().iter().map(|(text, _)| text.chars().count()).collect();
    assert_eq!(lengths, [3_999, 999, MAX_POST_CHARS, 10]);
    assert!(
        !story
            .last_facts()
            .iter()
            .any(|fact| matches!(fact, Fact::NotDone { .. }))
    );
}

#[test]
fn a_message_that_is_too_long_is_shortened_and_recorded() {
    let long = "x".repeat(MAX_POST_CHARS + 1);
    let plan = HandOverPlan {
        message: long.clone(),
        wait_message: Some(long.clone()),
        summary: Some(long),
        ..plan()
    };
    let story = Story::handing_off(plan);
    let (text, _) = story.posts()[0];
    assert_eq!(text.chars().count(), MAX_POST_CHARS);
    assert!(text.ends_with('…'));
    assert!(
        story
            .last_facts()
            .iter()
            .any(|fact| matches!(fact, Fact::NotDone { .. }))
    );
    let plan = &story.conversation.hand_over.as_ref().expect("a hand-over").plan;
    for text in [&plan.wait_message, &plan.summary] {
        assert_eq!(text.as_ref().expect("a text").chars().count(), MAX_POST_CHARS);
    }
}

#[test]
fn old_ids_and_lines_are_forgotten() {
    let mut story = Story::new();
    for _ in 0..=MAX_SEEN {
        story.customer("hello");
        story.person("Hello!");
    }
    assert_eq!(story.conversation.seen.len(), MAX_SEEN);
    assert_eq!(story.conversation.transcript.len(), MAX_TRANSCRIPT);
    let newest = story.conversation.seen.last().expect("an id").clone();
    let again = message(newest.as_str(), Direction::Incoming, Author::Customer, "hello");
    assert_eq!(
        story.reports_message(again),
        EventOutcome::Ignored(IgnoreReason::Duplicate)
    );
}

#[test]
fn sent_messages_are_bounded() {
    let mut story = Story::new();
    for index in 0..=MAX_SENT {
        story.customer("hello");
        story.answers(&["word ".repeat(500).as_str()], TurnAction::Continue);
        story.takes_step(done(&format!("5{index:04}")));
    }
    assert_eq!(story.conversation.sent.len(), MAX_SENT);
    let key = &story.conversation.sent[0].text;
    assert_eq!(key.chars().count(), MAX_SENT_CHARS);
    let line = story.conversation.transcript.last().expect("a line");
    assert_eq!(line.text.chars().count(), MAX_LINE_CHARS);
}

#[test]
fn calls_that_cannot_be_placed_do_not_pile_up() {
    let mut story = Story::new();
    for _ in 0..MAX_BACKGROUND_STEPS {
        story.customer("call me");
        story.answers(&[], TurnAction::Call(call()));
        story.takes_step(failed(None));
    }
    story.customer("call me");
    story.answers(&["We will."], TurnAction::Call(call()));
    assert!(
        story
            .last_facts()
            .iter()
            .any(|fact| matches!(fact, Fact::NotDone { .. }))
    );
    assert_eq!(story.posts(), [("We will.", PostKind::Reply)]);
    story.takes_step(done("500"));
    story.customer("a person");
    story.answers(&[], hands_over(plan()));
    assert_eq!(story.steps()[..2], ["post", "deliver"], "a hand-over finds room");
}

fn call() -> CallPlan {
    CallPlan::Queue {
        queue: "support".into(),
        destination: "+12025550101".into(),
    }
}

#[test]
fn a_session_that_is_too_large_begins_again() {
    let mut story = Story::new();
    story.customer("hello");
    let run = story.begins_turn();
    let mut session = Session {
        started_at: Some(story.now),
        misses: 2,
        ..Session::default()
    };
    session
        .variables
        .insert("text".into(), "x".repeat(MAX_SESSION_BYTES).into());
    let answer = TurnResult {
        session,
        ..result(&["Hello!"], TurnAction::Continue)
    };
    story.ends_turn(run, answer);
    let expected = Session {
        started_at: Some(story.now),
        ..Session::default()
    };
    assert_eq!(story.conversation.session, expected);
    assert!(
        story
            .last_facts()
            .iter()
            .any(|fact| matches!(fact, Fact::NotDone { .. }))
    );
}

#[test]
fn details_of_the_customer_are_shortened() {
    let mut story = Story::new();
    let contact = Contact {
        name: Some("x".repeat(1_000)),
        ..Contact::default()
    };
    let created = PlatformEvent {
        contact,
        ..event(EventKind::Created, None)
    };
    story.reports(created);
    let name = story.conversation.contact.name.as_ref().expect("a name");
    assert_eq!(name.chars().count(), MAX_DETAIL_CHARS);
}

#[test]
fn the_fullest_conversation_fits_into_an_item() {
    let mut story = Story::new();
    let wide = "𝄞".repeat(MAX_TEXT_CHARS);
    for index in 0..MAX_SENT {
        story.customer(&wide);
        story.answers(&[&wide], TurnAction::Continue);
        story.takes_step(done(&format!("{index:064}")));
    }
    for _ in 0..MAX_SEEN {
        let id = format!("c{:0>63}", story.fresh_id());
        story.reports_message(message(&id, Direction::Incoming, Author::Customer, &wide));
    }
    let run = story.begins_turn();
    story.advance(25);
    story.ends_turn(run, result(&[&wide, &wide, &wide, &wide], hands_over(plan())));
    let bytes = serde_json::to_vec(&story.conversation).expect("JSON").len();
    assert!(bytes < 350_000, "{bytes}");
}
