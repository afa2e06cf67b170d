//! The messages that a state needs.

use patchbay_domain::conversation::limits::{LEASE_SECONDS, STEP_SECONDS};
use patchbay_domain::conversation::{TurnAction, Work, all_pending_work, pending_work};

use crate::story::{SILENCE_SECONDS, Story, WAIT_SECONDS, failed, plan};

#[test]
fn a_conversation_that_waits_only_for_the_platform_needs_no_message() {
    let mut story = Story::new();
    assert_eq!(pending_work(&story.conversation), None);
    story.customer("hello");
    story.answers(&["Hello!"], TurnAction::Continue);
    story.takes_all_steps();
    assert_eq!(pending_work(&story.conversation), None);
}

#[test]
fn a_turn_needs_a_message_until_it_has_ended() {
    let mut story = Story::new();
    story.customer("hello");
    let turn = story.conversation.turn.expect("a turn");
    let work = Work::Turn { turn: turn.id };
    assert_eq!(pending_work(&story.conversation), Some((work.clone(), turn.due_at)));
    story.begins_turn();
    let until = story.now.plus_seconds(LEASE_SECONDS);
    assert_eq!(pending_work(&story.conversation), Some((work, until)));
}

#[test]
fn a_step_needs_a_message_until_it_has_ended() {
    let mut story = Story::new();
    story.customer("hello");
    story.answers(&["Hello!"], TurnAction::Continue);
    let step = story.step().id;
    assert_eq!(
        pending_work(&story.conversation),
        Some((Work::Step { step }, story.now))
    );
    story.begins_step();
    let over_at = story.now.plus_seconds(STEP_SECONDS);
    assert_eq!(pending_work(&story.conversation), Some((Work::Watch { step }, over_at)));
    story.ends_step(step, failed(Some(20)));
    let step = story.step().id;
    let due_at = story.now.plus_seconds(20);
    assert_eq!(pending_work(&story.conversation), Some((Work::Step { step }, due_at)));
}

#[test]
fn a_wait_needs_a_message_until_it_is_over() {
    let story = Story::waiting(plan());
    let hand_over = story.conversation.hand_over.as_ref().expect("a hand-over").id;
    let due_at = story.conversation.holder_since.plus_seconds(WAIT_SECONDS);
    assert_eq!(
        pending_work(&story.conversation),
        Some((Work::WaitOver { hand_over }, due_at))
    );
}

#[test]
fn a_persons_silence_needs_a_message() {
    let story = Story::with_person();
    let silence = story.conversation.silence.expect("a sign");
    let due_at = story.now.plus_seconds(SILENCE_SECONDS);
    assert_eq!(
        pending_work(&story.conversation),
        Some((Work::GiveBack { silence }, due_at))
    );
}

#[test]
fn the_next_message_is_the_earliest_that_can_do_something() {
    let mut story = Story::new();
    story.customer("hello");
    story.answers(&["Hello!"], TurnAction::Continue);
    story.customer("where is my parcel");
    let all = all_pending_work(&story.conversation);
    assert_eq!(all.len(), 2);
    let step = story.step().id;
    assert_eq!(
        pending_work(&story.conversation),
        Some((Work::Step { step }, story.now))
    );
    // The turn is due earlier, and waits for the step.
    story.begins_step();
    let turn = story.conversation.turn.expect("a turn");
    let watched = Some((Work::Watch { step }, story.now.plus_seconds(STEP_SECONDS)));
    assert!(turn.due_at < story.now.plus_seconds(STEP_SECONDS));
    assert_eq!(pending_work(&story.conversation), watched);
}
