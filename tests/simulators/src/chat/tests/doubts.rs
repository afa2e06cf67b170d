//! The audit where the bot cannot know who has a conversation: it blames nobody.

use super::audits::{HAND_OVER, Story, document};
use super::*;

/// No event tells that a conversation was opened or resolved.
fn quiet() -> Switches {
    with(|switches| switches.opened_and_resolved = false)
}

#[tokio::test(start_paused = true)]
async fn an_assignment_of_which_the_bot_is_not_notified_is_no_takeover() {
    let story = Story::with(quiet()).await;
    story
        .desk
        .chat
        .agent_takes(story.conversation, "jane.doe")
        .expect("taken");
    story.desk.pass(10).await;
    story.customer("Hello").await;
    story.bot("You wrote: Hello").await;
    story.customer("Anybody else?").await;
    assert_eq!(story.breaches().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_person_who_is_still_assigned_shortly_after_a_return_is_no_takeover() {
    let story = Story::new().await;
    story.agent("I take it from here").await;
    story
        .desk
        .chat
        .agent_notes(story.conversation, "jane.doe", "#bot")
        .expect("a note");
    story.desk.pass(20).await;
    story
        .desk
        .chat
        .agent_takes(story.conversation, "jane.doe")
        .expect("taken");
    story.desk.pass(20).await;
    story.customer("Hello").await;
    story.bot("You wrote: Hello").await;
    assert_eq!(story.breaches().await, []);
}

#[tokio::test(start_paused = true)]
async fn an_end_of_which_the_bot_is_not_notified_leaves_open_who_answers() {
    for answers in [true, false] {
        let story = Story::with(quiet()).await;
        story.agent("I take it from here").await;
        story
            .desk
            .chat
            .agent_resolves(story.conversation, "jane.doe")
            .expect("resolved");
        story.desk.pass(60).await;
        story.customer("One more thing").await;
        if answers {
            story.bot("You wrote: One more thing").await;
        }
        assert_eq!(story.breaches().await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_word_of_return_that_never_arrives_leaves_open_who_answers() {
    for answers in [true, false] {
        let story = Story::new().await;
        story.agent("I take it from here").await;
        story.desk.answer_with(|_| Respond::with(404));
        story
            .desk
            .chat
            .agent_notes(story.conversation, "jane.doe", "#bot")
            .expect("a note");
        story.desk.pass(60).await;
        story.desk.answer_with(|_| Respond::OK);
        story.customer("Hello").await;
        if answers {
            story.bot("You wrote: Hello").await;
        }
        assert_eq!(story.breaches().await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_right_after_a_return_may_be_left_to_people() {
    for (seconds, expected) in [(1, 0), (10, 2)] {
        let story = Story::new().await;
        story.agent("I take it from here").await;
        story
            .desk
            .chat
            .agent_notes(story.conversation, "jane.doe", "#bot")
            .expect("a note");
        story.desk.pass(seconds).await;
        story.customer("Hello").await;
        assert_eq!(story.breaches().await.len(), expected, "after {seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_return_whose_message_was_lost_is_a_return() {
    let story = Story::new().await;
    story.customer("A person, please").await;
    story.bot(HAND_OVER).await;
    story.deliver().await;
    story.customer("Never mind").await;
    story
        .desk
        .chat
        .fail_next(Endpoint::Messages, ApiFault::NoAnswer { done: false });
    let ended = story.desk.message(story.conversation, "You are with the bot again");
    story
        .desk
        .try_post("digital-interactions/messages/", ended)
        .await
        .expect_err("lost");
    story.customer("Hello").await;
    story.bot("You wrote: Hello").await;
    story.customer("A person after all").await;
    story.bot(HAND_OVER).await;
    story.deliver().await;
    let audit = story.audit(&document()).await;
    assert_eq!((audit.hand_overs.len(), audit.breaches), (2, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_whose_message_failed_or_was_given_back_meanwhile_needs_none() {
    let story = Story::new().await;
    story.customer("A person, please").await;
    story.desk.chat.fail_next(Endpoint::Messages, ApiFault::Refused(422));
    story.desk.says(story.conversation, HAND_OVER).await;
    story.deliver().await;
    story.customer("Hello?").await;
    assert_eq!(story.breaches().await, []);

    let story = Story::new().await;
    story.customer("A person, please").await;
    story.bot(HAND_OVER).await;
    story
        .desk
        .chat
        .agent_notes(story.conversation, "jane.doe", "#bot")
        .expect("a note");
    story.deliver().await;
    assert_eq!(story.breaches().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_changes_nothing_is_a_hand_over() {
    let story = Story::with(with(|switches| switches.repetition_is_refused = true)).await;
    story.customer("Hello").await;
    story.desk.answer_with(|_| Respond::with(404));
    story.customer("This one opens the conversation").await;
    story.desk.answer_with(|_| Respond::OK);
    story.bot("You wrote: Hello").await;
    story.customer("A person, please").await;
    story.bot(HAND_OVER).await;
    assert_eq!(
        story.desk.deliver(story.conversation).await.0,
        422,
        "it is open already"
    );
    story.customer("Are you there?").await;
    assert_eq!(story.breaches().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_notice_about_an_earlier_act_may_be_late() {
    let story = Story::new().await;
    for _ in 0..2 {
        story.agent("I take it from here").await;
        story.agent("#bot").await;
    }
    for _ in 0..2 {
        story.bot("You are with the bot again").await;
    }
    assert_eq!(story.breaches().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_notice_may_be_repeated_when_people_act_again() {
    let story = Story::new().await;
    for _ in 0..2 {
        story
            .desk
            .chat
            .agent_takes(story.conversation, "jane.doe")
            .expect("taken");
        story
            .desk
            .chat
            .agent_notes(story.conversation, "jane.doe", "#bot")
            .expect("a note");
        story.desk.pass(90).await;
        story.bot("You are with the bot again").await;
    }
    assert_eq!(story.breaches().await, []);
}
