//! People: they take a conversation over, and give it back.

use patchbay_domain::conversation::limits::RETURN_SECONDS;
use patchbay_domain::conversation::{
    Author, ChangeReason, Direction, DropReason, Event, EventOutcome, Fact, Holder, IgnoreReason, PlatformEvent,
    PlatformStatus, PostKind, TurnAction, Work,
};

use crate::story::{
    ENDED, GIVE_BACK, JOINED, SILENCE_SECONDS, Story, assigned, done, failed, id, jo, message, plan, start,
};

const IRRELEVANT: EventOutcome = EventOutcome::Ignored(IgnoreReason::Irrelevant);

#[test]
fn a_person_who_writes_takes_over() {
    for author in [jo(), Author::Human(None), Author::Unknown, Author::Customer] {
        let mut story = Story::new();
        story.customer("hello");
        assert_eq!(
            story.outgoing("500", author.clone(), "I take this."),
            EventOutcome::Applied
        );
        assert_eq!(story.edges(), [(Holder::Human, ChangeReason::Wrote)]);
        let by = (author == jo()).then(|| "Jo".to_owned());
        let written = Fact::PersonWrote {
            message: id("500"),
            by: by.clone(),
            text: "I take this.".into(),
        };
        assert_eq!(story.last_facts()[0], &written);
        assert!(matches!(story.last_facts()[1], Fact::HolderChanged(change) if change.by == by));
        assert!(story.conversation.turn.is_none() && story.conversation.pending.is_empty());
        assert!(story.posts().is_empty(), "nobody waited for a person");
    }
}

#[test]
fn a_take_over_drops_the_answers_that_are_not_posted_yet() {
    let mut story = Story::new();
    story.customer("hello");
    story.answers(&["One", "Two"], TurnAction::Finish);
    story.person("I take this.");
    let reason = DropReason::TakenOver;
    assert_eq!(
        story.dropped(),
        [("post", reason), ("post", reason), ("finish", reason)]
    );
    assert!(story.conversation.steps.is_empty());
}

#[test]
fn a_take_over_before_the_hand_over_is_delivered_keeps_the_delivery() {
    let mut story = Story::handing_off(plan());
    story.person("I take this.");
    assert_eq!(story.dropped(), [("post", DropReason::TakenOver)]);
    assert_eq!(story.steps(), ["deliver", "post"]);
    assert_eq!(story.posts(), [(JOINED, PostKind::Joined)]);
    let step = story.step().id;
    assert!(
        story.sent_work().contains(&(Work::Step { step }, story.now)),
        "it is first now"
    );
    story.takes_all_steps();
    assert_eq!(story.conversation.holder, Holder::Human, "the delivery changes nothing");
    assert_eq!(story.edges().last(), Some(&(Holder::Human, ChangeReason::Wrote)));
}

#[test]
fn a_customer_who_waited_learns_that_a_person_has_joined() {
    let mut story = Story::waiting(plan());
    story.person("Hello, I am Jo.");
    assert_eq!(story.posts(), [(JOINED, PostKind::Joined)]);
    story.takes_all_steps();
    story.person("How can I help?");
    assert!(story.posts().is_empty(), "once");
    let mut story = Story::waiting(plan());
    story.settings.joined = Some("  ".into());
    story.person("Hello, I am Jo.");
    assert!(story.posts().is_empty());
}

#[test]
fn a_message_that_a_person_has_joined_is_tried_again() {
    let mut story = Story::waiting(plan());
    story.person("Hello, I am Jo.");
    story.takes_step(failed(None));
    assert_eq!(story.posts(), [(JOINED, PostKind::Joined)]);
}

#[test]
fn every_message_of_a_person_renews_the_time_until_the_return() {
    let mut story = Story::new();
    story.person("I take this.");
    let first = story.conversation.silence.expect("a sign");
    let due_at = start().plus_seconds(SILENCE_SECONDS);
    assert_eq!(story.sent_work(), [(Work::GiveBack { silence: first }, due_at)]);
    story.advance(600);
    story.person("One moment.");
    let second = story.conversation.silence.expect("a sign");
    assert_ne!(first, second);
    assert_eq!(
        story.sent_work(),
        [(Work::GiveBack { silence: second }, due_at.plus_seconds(600))]
    );
    assert!(matches!(story.last_facts()[..], [Fact::PersonWrote { .. }]));
}

#[test]
fn a_person_keeps_the_conversation_without_limit_if_none_is_set() {
    let mut story = Story::new();
    story.settings.give_back_after = None;
    story.person("I take this.");
    assert_eq!(story.conversation.silence, None);
    assert_eq!(story.sent_work(), []);
}

#[test]
fn the_same_message_of_a_person_counts_once() {
    let mut story = Story::waiting(plan());
    let hello = message("500", Direction::Outgoing, jo(), "Hello, I am Jo.");
    story.reports_message(hello.clone());
    story.advance(60);
    assert_eq!(
        story.reports_message(hello),
        EventOutcome::Ignored(IgnoreReason::Duplicate)
    );
    assert_eq!(story.posts().len(), 1);
}

#[test]
fn a_person_gives_the_conversation_back_in_a_note_or_a_message() {
    for is_private in [true, false] {
        let mut stories = [Story::handing_off(plan()), Story::waiting(plan()), Story::with_person()];
        for story in &mut stories {
            story.conversation.session.misses = 3;
            story.conversation.session.errors = 2;
            if is_private {
                story.private_note(jo(), GIVE_BACK);
            } else {
                story.person(GIVE_BACK);
            }
            assert_eq!(story.edges().last(), Some(&(Holder::Bot, ChangeReason::GivenBack)));
            assert_eq!(
                story.posts(),
                [(ENDED, PostKind::Ended)],
                "what was planned for people is dropped"
            );
            let session = &story.conversation.session;
            assert_eq!((session.misses, session.errors), (0, 0));
            assert_eq!(story.conversation.silence, None);
            assert_eq!(story.conversation.gives_back_at, None);
            assert!(story.conversation.hand_over.is_none());
            story.takes_all_steps();
            story.customer("another question");
            story.answers(&["Another answer."], TurnAction::Continue);
        }
    }
}

#[test]
fn a_duplicate_of_a_give_back_word_changes_nothing() {
    for is_private in [true, false] {
        let mut story = Story::with_person();
        let mut word = message("500", Direction::Outgoing, jo(), GIVE_BACK);
        word.private = is_private;
        story.reports_message(word.clone());
        story.person("I take this again.");
        assert_eq!(
            story.reports_message(word),
            EventOutcome::Ignored(IgnoreReason::Duplicate)
        );
        assert_eq!(story.conversation.holder, Holder::Human);
    }
}

#[test]
fn a_give_back_word_in_a_conversation_of_the_bot_is_no_take_over() {
    let mut story = Story::new();
    story.customer("hello");
    story.person(GIVE_BACK);
    assert_eq!(story.conversation.holder, Holder::Bot);
    assert_eq!(story.pending(), ["hello"]);
    assert_eq!(story.private_note(jo(), GIVE_BACK), IRRELEVANT);
}

#[test]
fn a_private_note_is_no_sign() {
    let mut story = Story::new();
    story.customer("hello");
    assert_eq!(story.private_note(jo(), "Let us see what the bot says."), IRRELEVANT);
    assert_eq!(story.conversation.holder, Holder::Bot);
    let mut story = Story::with_person();
    for author in [Author::Unknown, Author::Customer, Author::Bot] {
        assert_eq!(
            story.private_note(author, GIVE_BACK),
            IRRELEVANT,
            "only a person gives back"
        );
    }
    assert_eq!(story.private_note(jo(), "Kim is a good customer."), IRRELEVANT);
    assert!(story.nothing_happened());
}

#[test]
fn a_person_who_is_assigned_to_a_conversation_of_the_bot_takes_over() {
    let mut story = Story::new();
    let inbox = Some(id("7"));
    assert_eq!(
        story.reports(PlatformEvent { inbox, ..assigned() }),
        EventOutcome::Applied
    );
    assert_eq!(story.conversation.inbox, Some(id("7")));
    assert_eq!(story.edges().last(), Some(&(Holder::Human, ChangeReason::Assigned)));
    assert!(story.conversation.silence.is_some());
    assert_eq!(story.reports(assigned()), IRRELEVANT, "they have it already");
}

/// Many platforms assign somebody as soon as a conversation is handed over. If that ended the wait, a customer would be
/// told that somebody is there who is not, and nobody would be phoned.
#[test]
fn a_customer_waits_until_a_person_writes_even_if_one_is_assigned() {
    for mut story in [Story::handing_off(plan()), Story::waiting(plan())] {
        let (holder, steps) = (story.conversation.holder, story.steps());
        assert_eq!(story.reports(assigned()), IRRELEVANT);
        assert_eq!((story.conversation.holder, story.steps()), (holder, steps));
    }
}

#[test]
fn an_assigned_person_is_no_sign_unless_the_conversation_is_open() {
    for status in [
        None,
        Some(PlatformStatus::Pending),
        Some(PlatformStatus::Snoozed),
        Some(PlatformStatus::Other),
    ] {
        let mut story = Story::new();
        assert_eq!(story.reports(PlatformEvent { status, ..assigned() }), IRRELEVANT);
    }
    let mut story = Story::new();
    let open = PlatformEvent {
        is_human_assigned: false,
        ..assigned()
    };
    assert_eq!(story.reports(open), IRRELEVANT, "nobody is assigned, or a bot");
}

#[test]
fn an_assigned_person_is_no_sign_right_after_the_return() {
    for (seconds, is_sign) in [(RETURN_SECONDS - 1, false), (RETURN_SECONDS, true)] {
        let mut story = Story::with_person();
        story.advance(10);
        story.person(GIVE_BACK);
        story.advance(seconds);
        assert_eq!(story.reports(assigned()) == EventOutcome::Applied, is_sign, "{seconds}");
    }
}

#[test]
fn a_status_in_the_event_of_a_message_is_no_sign() {
    let mut story = Story::new();
    let hello = message("1", Direction::Incoming, Author::Customer, "hello");
    story.reports(PlatformEvent {
        status: Some(PlatformStatus::Open),
        is_human_assigned: true,
        ..crate::story::event(patchbay_domain::conversation::EventKind::Message, Some(hello))
    });
    assert_eq!(story.conversation.holder, Holder::Bot);
}

#[test]
fn a_person_who_takes_over_during_a_post_lets_it_end() {
    let mut story = Story::new();
    story.customer("hello");
    story.answers(&["One", "Two"], TurnAction::Continue);
    let step = story.begins_step();
    story.reports(assigned());
    assert_eq!(story.steps(), ["post"], "the first is on its way");
    assert_eq!(story.ends_step(step, done("500")), EventOutcome::Applied);
    assert!(story.conversation.steps.is_empty());
    assert_eq!(
        story.apply(&Event::StepBegins { step }),
        EventOutcome::Ignored(IgnoreReason::Stale)
    );
}
