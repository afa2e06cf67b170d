//! What the customer writes: bursts, turns that are overtaken, and messages that the bot does not answer.

use patchbay_domain::conversation::limits::{INITIAL_SECONDS, LEASE_SECONDS, MAX_DEBOUNCE_SECONDS, PATIENCE_SECONDS};
use patchbay_domain::conversation::{
    Author, ChangeReason, Contact, Direction, DropReason, EventKind, EventOutcome, Fact, Holder, IgnoreReason,
    PlatformEvent, PlatformMessage, PostKind, Speaker, TurnAction, Work,
};

use crate::story::{CANCEL, DEBOUNCE_MILLIS, ENDED, Story, done, event, id, message, plan, result, start};

#[test]
fn a_message_is_answered_after_the_debounce() {
    let mut story = Story::new();
    assert_eq!(story.customer("where is my parcel"), EventOutcome::Applied);
    let turn = story.conversation.turn.expect("a turn");
    let due_at = start().plus_millis(i64::from(DEBOUNCE_MILLIS));
    assert_eq!(story.sent_work(), [(Work::Turn { turn: turn.id }, due_at)]);
    story.answers(&["On its way."], TurnAction::Continue);
    assert_eq!(story.posts(), [("On its way.", PostKind::Reply)]);
    assert!(story.conversation.turn.is_none() && story.conversation.pending.is_empty());
}

#[test]
fn a_message_is_recorded_with_the_holder_and_its_whole_text() {
    let mut story = Story::new();
    let text = "long ".repeat(500);
    story.customer(&text);
    let [
        Fact::CustomerWrote {
            message,
            holder,
            text: recorded,
            unread,
        },
    ] = story.last_facts()[..]
    else {
        panic!("{:?}", story.last)
    };
    assert_eq!(
        (message, *holder, recorded, *unread),
        (&id("9001"), Holder::Bot, &text, 0)
    );
    let line = &story.conversation.transcript[0];
    assert_eq!((line.by, line.text.chars().count()), (Speaker::Customer, 500));
}

#[test]
fn a_burst_is_answered_once() {
    let mut story = Story::new();
    story.customer("hello");
    let first = story.conversation.turn.expect("a turn").id;
    story.now = story.now.plus_millis(1_000);
    story.customer("where is my parcel");
    let turn = story.conversation.turn.expect("a turn");
    assert_ne!(turn.id, first);
    assert_eq!(turn.first_at, start());
    assert_eq!(turn.due_at, start().plus_millis(1_000 + i64::from(DEBOUNCE_MILLIS)));
    assert_eq!(
        story.apply(&patchbay_domain::conversation::Event::TurnBegins { turn: first }),
        stale()
    );
    assert_eq!(story.pending(), ["hello", "where is my parcel"]);
}

fn stale() -> EventOutcome {
    EventOutcome::Ignored(IgnoreReason::Stale)
}

#[test]
fn an_endless_burst_is_answered_all_the_same() {
    let mut story = Story::new();
    for _ in 0..=MAX_DEBOUNCE_SECONDS {
        story.customer("and");
        let turn = story.conversation.turn.expect("a turn");
        assert!(turn.due_at <= start().plus_seconds(MAX_DEBOUNCE_SECONDS));
        story.advance(1);
    }
    story.customer("and");
    assert_eq!(
        story.conversation.turn.expect("a turn").due_at,
        story.now,
        "it is late already"
    );
}

#[test]
fn a_message_without_debounce_is_due_at_once() {
    let mut story = Story::new();
    story.settings.debounce_millis = 0;
    story.customer("hello");
    assert_eq!(story.conversation.turn.expect("a turn").due_at, start());
}

#[test]
fn a_message_overtakes_the_turn_that_runs() {
    let mut story = Story::new();
    story.customer("hello");
    let run = story.begins_turn();
    story.customer("where is my parcel");
    assert_eq!(
        story.ends_turn(run, result(&["Hello!"], TurnAction::Continue)),
        EventOutcome::Applied
    );
    let reason = DropReason::Overtaken;
    assert_eq!(story.last_facts(), [&Fact::TurnDropped { reason }]);
    assert!(story.conversation.steps.is_empty());
    story.answers(&["Hello! On its way."], TurnAction::Continue);
    assert_eq!(story.posts(), [("Hello! On its way.", PostKind::Reply)]);
}

#[test]
fn a_customer_who_has_waited_long_gets_the_answer_of_the_turn_that_runs() {
    for (waited, is_kept) in [(PATIENCE_SECONDS, false), (PATIENCE_SECONDS + 1, true)] {
        let mut story = Story::new();
        story.customer("hello");
        story.advance(waited - 1);
        let run = story.begins_turn();
        story.now = start().plus_seconds(waited);
        story.customer("where is my parcel");
        assert_eq!(
            story.conversation.turn.expect("a turn").id == run.0,
            is_kept,
            "{waited}"
        );
        story.ends_turn(run, result(&["Hello!"], TurnAction::Continue));
        if is_kept {
            assert_eq!(story.posts(), [("Hello!", PostKind::Reply)]);
            assert_eq!(
                story.pending(),
                ["where is my parcel"],
                "a turn answers only what it has read"
            );
            assert_eq!(story.conversation.turn.expect("a turn").due_at, story.now);
        } else {
            assert_eq!(story.pending(), ["hello", "where is my parcel"]);
        }
    }
}

#[test]
fn a_turn_whose_lease_is_over_is_always_replaced() {
    let mut story = Story::new();
    story.customer("hello");
    let (turn, _) = story.begins_turn();
    story.advance(LEASE_SECONDS);
    story.customer("hello?");
    assert_ne!(story.conversation.turn.expect("a turn").id, turn);
}

#[test]
fn direction_decides_who_wrote() {
    for author in [Author::Unknown, Author::Customer, Author::Human(None), Author::Bot] {
        let mut story = Story::new();
        story.reports_message(message("1", Direction::Incoming, author, "hello"));
        assert_eq!(story.pending(), ["hello"]);
        assert_eq!(story.conversation.holder, Holder::Bot);
    }
}

#[test]
fn the_same_message_is_handled_once() {
    let mut story = Story::new();
    let hello = message("1", Direction::Incoming, Author::Customer, "hello");
    story.reports_message(hello.clone());
    assert_eq!(
        story.reports_message(hello.clone()),
        EventOutcome::Ignored(IgnoreReason::Duplicate)
    );
    story.answers(&["Hello!"], TurnAction::Continue);
    assert_eq!(
        story.reports_message(hello),
        EventOutcome::Ignored(IgnoreReason::Duplicate)
    );
    assert!(story.nothing_happened());
}

#[test]
fn a_click_among_quick_replies_is_a_message_of_the_customer() {
    let mut story = Story::new();
    story.customer("hello");
    story.answers(&["What is it about?"], TurnAction::Continue);
    story.takes_step(done("500"));
    let offer = message("500", Direction::Outgoing, Author::Bot, "Track a parcel");
    let click = event(EventKind::Choice, Some(offer));
    assert_eq!(story.reports(click.clone()), EventOutcome::Applied);
    assert_eq!(story.pending(), ["Track a parcel"]);
    assert_eq!(story.reports(click), EventOutcome::Ignored(IgnoreReason::Duplicate));
}

#[test]
fn an_attachment_is_a_message() {
    let mut story = Story::new();
    let photo = PlatformMessage {
        attachments: 2,
        ..message("1", Direction::Incoming, Author::Customer, "")
    };
    story.reports_message(photo);
    assert_eq!(story.conversation.pending[0].attachments, 2);
    assert_eq!(story.conversation.transcript[0].text, "[attachments: 2]");
}

/// Our own chat page began the conversation with this text.
fn begins(story: &mut Story, text: &str) {
    story.reports(PlatformEvent {
        initial_message: Some(text.to_owned()),
        ..event(EventKind::Created, None)
    });
}

#[test]
fn the_message_with_which_our_page_began_the_conversation_is_not_answered() {
    let mut story = Story::new();
    begins(&mut story, "Orders");
    story.customer(" Orders ");
    assert_eq!(story.pending(), [""; 0]);
    assert!(matches!(
        story.last_facts()[..],
        [Fact::CustomerWrote { unread: 8, .. }]
    ));
    story.customer("Where is my parcel?");
    story.customer("Orders");
    assert_eq!(
        story.pending(),
        ["Where is my parcel?", "Orders"],
        "the second one is the customer's"
    );
}

#[test]
fn the_platform_may_report_that_message_before_we_do() {
    let mut story = Story::new();
    story.customer("Orders");
    begins(&mut story, "Orders");
    assert_eq!((story.pending(), story.conversation.turn), (vec![], None));
    let mut story = Story::new();
    story.customer("Orders");
    story.customer("Where is my parcel?");
    let before = story.conversation.turn;
    begins(&mut story, "Orders");
    assert_eq!(story.pending(), ["Where is my parcel?"]);
    assert!(story.conversation.turn.is_some() && story.conversation.turn != before);
}

#[test]
fn the_same_text_is_the_customers_a_minute_later() {
    let mut story = Story::new();
    begins(&mut story, "Orders");
    story.advance(INITIAL_SECONDS);
    story.customer("Orders");
    assert_eq!(story.pending(), ["Orders"]);
}

#[test]
fn details_of_the_customer_are_kept() {
    let mut story = Story::new();
    let hello = message("1", Direction::Incoming, Author::Customer, "hello");
    let contact = Contact {
        name: Some("Kim".into()),
        phone: Some("+12025550101".into()),
        ..Contact::default()
    };
    story.reports(PlatformEvent {
        inbox: Some(id("7")),
        contact,
        ..event(EventKind::Message, Some(hello))
    });
    let again = message("2", Direction::Incoming, Author::Customer, "hello?");
    let contact = Contact {
        name: Some("Kim Doe".into()),
        ..Contact::default()
    };
    story.reports(PlatformEvent {
        contact,
        ..event(EventKind::Message, Some(again))
    });
    let known = &story.conversation.contact;
    assert_eq!(known.name.as_deref(), Some("Kim Doe"));
    assert_eq!(known.phone.as_deref(), Some("+12025550101"));
    assert_eq!(story.conversation.inbox, Some(id("7")));
}

#[test]
fn a_message_after_the_hand_over_is_recorded_and_not_answered() {
    let mut story = Story::handing_off(plan());
    for expected in [Holder::HandingOff, Holder::Waiting, Holder::Human] {
        assert_eq!(story.conversation.holder, expected);
        let steps = story.conversation.steps.clone();
        assert_eq!(story.customer("are you there"), EventOutcome::Applied);
        let is_recorded = |fact: &&Fact| matches!(fact, Fact::CustomerWrote { holder, .. } if *holder == expected);
        assert!(story.last_facts().iter().any(is_recorded));
        assert!(story.conversation.turn.is_none() && story.conversation.pending.is_empty());
        assert_eq!(story.conversation.steps, steps);
        assert_eq!(story.sent_work(), []);
        if expected == Holder::HandingOff {
            story.takes_all_steps();
        } else {
            story.person("I am.");
        }
    }
}

#[test]
fn a_customer_who_no_longer_wants_to_wait_is_back_with_the_bot() {
    let mut story = Story::waiting(plan());
    story.customer(CANCEL);
    assert_eq!(story.edges().last(), Some(&(Holder::Bot, ChangeReason::Cancelled)));
    assert_eq!(story.posts(), [(ENDED, PostKind::Ended)]);
    assert!(story.conversation.turn.is_none(), "the message itself is not answered");
    assert!(story.conversation.hand_over.is_none());
    story.takes_all_steps();
    story.customer("another question");
    story.answers(&["Another answer."], TurnAction::Continue);
    assert_eq!(story.posts(), [("Another answer.", PostKind::Reply)]);
}

#[test]
fn the_words_against_waiting_mean_nothing_unless_the_customer_waits() {
    let mut story = Story::new();
    story.customer(CANCEL);
    assert_eq!(story.pending(), [CANCEL], "an ordinary message");
    for mut story in [Story::handing_off(plan()), Story::with_person()] {
        let holder = story.conversation.holder;
        story.customer(CANCEL);
        assert_eq!(story.conversation.holder, holder);
    }
}

#[test]
fn a_message_stops_the_finish_that_has_not_begun() {
    let mut story = Story::new();
    story.customer("thanks");
    story.answers(&["You are welcome."], TurnAction::Finish);
    assert_eq!(story.steps(), ["post", "finish"]);
    story.customer("one more question");
    assert_eq!(story.steps(), ["post"]);
    assert_eq!(story.dropped(), [("finish", DropReason::Overtaken)]);
}

#[test]
fn a_message_during_the_finish_is_answered() {
    let mut story = Story::new();
    story.customer("thanks");
    story.answers(&[], TurnAction::Finish);
    let finish = story.begins_step();
    story.customer("one more question");
    story.ends_step(finish, done("1"));
    assert_eq!(
        story.reports(event(EventKind::Resolved, None)),
        EventOutcome::Ignored(IgnoreReason::Own)
    );
    assert_eq!(story.pending(), ["one more question"]);
    story.answers(&["Yes?"], TurnAction::Continue);
}
