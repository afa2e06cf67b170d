//! The audit: what it accepts, and every breach that it finds.

use super::*;

pub(super) const HAND_OVER: &str = "I am getting somebody for you.";

pub(super) fn document() -> Texts {
    Texts {
        hand_over: vec![HAND_OVER.to_owned()],
        notices: vec!["Somebody has joined".to_owned()],
        ended: vec!["You are with the bot again".to_owned()],
        give_back: vec!["#bot".to_owned()],
        grace: Duration::from_secs(5),
        ..Texts::default()
    }
}

/// A conversation to audit.
pub(super) struct Story {
    pub(super) desk: Desk,
    pub(super) conversation: u64,
}

impl Story {
    pub(super) async fn new() -> Self {
        Self::with(Switches::default()).await
    }

    pub(super) async fn with(switches: Switches) -> Self {
        let desk = Desk::new(switches).await;
        let conversation = desk.opens();
        Self { desk, conversation }
    }

    pub(super) async fn customer(&self, text: &str) -> u64 {
        let message = self.desk.writes(self.conversation, text);
        self.desk.pass(1).await;
        message
    }

    pub(super) async fn bot(&self, text: &str) -> u64 {
        assert_eq!(self.desk.says(self.conversation, text).await.0, 200);
        self.desk.pass(1).await;
        self.desk.chat.posts_of_bot().pop().expect("a message").id
    }

    pub(super) async fn agent(&self, text: &str) {
        self.desk
            .chat
            .agent_replies(self.conversation, "jane.doe", text)
            .expect("a message");
        self.desk.pass(1).await;
    }

    pub(super) async fn deliver(&self) {
        assert_eq!(self.desk.deliver(self.conversation).await.0, 200);
        self.desk.pass(1).await;
    }

    pub(super) async fn audit(&self, texts: &Texts) -> Audit {
        self.desk.pass(30).await;
        audit(&self.desk.chat, texts)
    }

    pub(super) async fn breaches(&self) -> Vec<Breach> {
        self.audit(&document()).await.breaches
    }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_from_beginning_to_end_has_no_breach() {
    let story = Story::new().await;
    let first = story.customer("Where is it?").await;
    story.bot("You wrote: Where is it? It is on its way.").await;
    let (second, third) = (story.customer("And").await, story.customer("the other one?").await);
    story.bot("You wrote: And the other one? No idea.").await;
    story.customer("A person, please").await;
    story.bot(HAND_OVER).await;
    story.deliver().await;
    let waiting = story.customer("Anybody here?").await;
    story.agent("I am Jane.").await;
    story.bot("Somebody has joined").await;
    story.customer("Thanks").await;
    let note = story.desk.chat.agent_notes(story.conversation, "jane.doe", "#bot");
    note.expect("a note");
    story.bot("You are with the bot again").await;
    story.customer("Bye").await;
    story.bot("You wrote: Bye").await;
    story.desk.finish(story.conversation).await;
    story.customer("One more thing").await;
    story.bot("You wrote: One more thing").await;

    let audit = story.audit(&document()).await;
    assert_eq!(audit.breaches, []);
    assert_eq!(
        [first, second, third, waiting].map(|message| audit.times(message)),
        [1, 1, 1, 0]
    );
    let [hand_over] = audit.hand_overs.try_into().expect("one hand-over");
    assert_eq!((hand_over.messages, hand_over.deliveries), (1, 1));
    assert_eq!(audit.posts, 7);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_not_answered_is_found() {
    let story = Story::new().await;
    let first = story.customer("Where is it?").await;
    let second = story.customer("Hello?").await;
    let id = story.conversation;
    let expected = [
        Breach::Unanswered(id, first),
        Breach::Unanswered(id, second),
        Breach::Silence(id, second),
    ];
    assert_eq!(story.breaches().await, expected);
    story.bot("You wrote: Hello?").await;
    assert_eq!(story.breaches().await, [Breach::Unanswered(id, first)]);
    let unquoted = Texts {
        answers_quote: false,
        ..document()
    };
    assert_eq!(
        story.audit(&unquoted).await.breaches,
        [],
        "any message of the bot is an answer"
    );
    story.agent("I take it from here").await;
    assert_eq!(story.breaches().await, [], "a person takes care of it");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_never_reached_the_bot_need_not_be_answered() {
    let story = Story::new().await;
    story.desk.answer_with(|_| Respond::with(404));
    story.customer("Where is it?").await;
    assert_eq!(story.breaches().await, []);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_failed_is_an_attempt() {
    let story = Story::new().await;
    let message = story.customer("Where is it?").await;
    story
        .desk
        .chat
        .fail_next(Endpoint::Messages, ApiFault::NoAnswer { done: false });
    let post = story.desk.message(story.conversation, "You wrote: Where is it?");
    story
        .desk
        .try_post("digital-interactions/messages/", post)
        .await
        .expect_err("no answer");
    let audit = story.audit(&document()).await;
    assert_eq!(audit.breaches, []);
    let [answers] = audit.answers.try_into().expect("one message");
    assert_eq!((answers.message, answers.times, answers.attempts), (message, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_second_answer_is_found() {
    let story = Story::new().await;
    let message = story.customer("Where is it?").await;
    story.bot("You wrote: Where is it? It is on its way.").await;
    story.bot("You wrote: Where is it? I do not know.").await;
    assert_eq!(
        story.breaches().await,
        [Breach::AnsweredTwice(story.conversation, message)]
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_message_twice_may_be_answered_twice() {
    let story = Story::new().await;
    for _ in 0..2 {
        story.customer("Hello").await;
        story.bot("You wrote: Hello").await;
    }
    assert_eq!(story.breaches().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_posted_twice_is_found() {
    let story = Story::new().await;
    let message = story.customer("Hello").await;
    let first = story.bot("You wrote: Hello").await;
    let second = story.bot("You wrote: Hello").await;
    let id = story.conversation;
    let expected = [
        Breach::PostedTwice(id, first, second),
        Breach::AnsweredTwice(id, message),
    ];
    assert_eq!(story.breaches().await, expected);
    let unquoted = Texts {
        answers_quote: false,
        ..document()
    };
    assert_eq!(
        story.audit(&unquoted).await.breaches,
        [],
        "perhaps two turns with the same answer"
    );
}

#[tokio::test(start_paused = true)]
async fn a_retry_of_a_post_that_had_its_effect_is_found() {
    let story = Story::new().await;
    story.customer("Hello").await;
    story
        .desk
        .chat
        .fail_next(Endpoint::Messages, ApiFault::InternalError { done: true });
    story.desk.says(story.conversation, "I see").await;
    story.bot("I see").await;
    let unquoted = Texts {
        answers_quote: false,
        ..document()
    };
    let breaches = story.audit(&unquoted).await.breaches;
    assert!(matches!(breaches[..], [Breach::PostedTwice(..)]), "{breaches:?}");
}

#[tokio::test(start_paused = true)]
async fn a_post_after_a_takeover_is_found_once_the_bot_knows_of_it() {
    for notified in [true, false] {
        let story = Story::new().await;
        story.customer("Hello").await;
        if !notified {
            story.desk.answer_with(|_| Respond::with(404));
        }
        story.agent("I take it from here").await;
        story.bot("This one was under way").await;
        story.desk.pass(10).await;
        let late = story.bot("You wrote: Hello").await;
        let expected = [Breach::PostAfterTakeover(story.conversation, late)];
        let expected: &[Breach] = if notified { &expected } else { &[] };
        assert_eq!(story.breaches().await, expected);
    }
}

impl Story {
    /// The breaches after a person was assigned and the bot wrote nonetheless, with the bot's message.
    async fn assigned(self) -> (Vec<Breach>, Breach) {
        self.desk
            .chat
            .agent_takes(self.conversation, "jane.doe")
            .expect("a conversation");
        self.desk.pass(10).await;
        let late = self.bot("Anything else?").await;
        (
            self.breaches().await,
            Breach::PostAfterTakeover(self.conversation, late),
        )
    }
}

#[tokio::test(start_paused = true)]
async fn an_assignment_is_a_takeover() {
    let story = Story::new().await;
    story.customer("Hello").await;
    story.bot("You wrote: Hello").await;
    let (breaches, late) = story.assigned().await;
    assert_eq!(breaches, [late]);
}

#[tokio::test(start_paused = true)]
async fn an_assignment_before_the_answer_leaves_open_who_answers() {
    let story = Story::new().await;
    story.customer("Hello").await;
    assert_eq!(story.assigned().await.0, []);
}

#[tokio::test(start_paused = true)]
async fn an_assignment_does_not_end_the_wait_for_a_person() {
    let story = Story::new().await;
    story.customer("A person, please").await;
    story.bot(HAND_OVER).await;
    story.deliver().await;
    let (breaches, _) = story.assigned().await;
    assert!(matches!(breaches[..], [Breach::PostWhileWaiting(..)]), "{breaches:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_or_a_request_returns_a_conversation_to_the_bot() {
    let story = Story::new().await;
    story.agent("I take it from here").await;
    story.desk.pass(600).await;
    story.customer("Hello").await;
    let post = story.bot("You wrote: Hello").await;
    let id = story.conversation;
    assert_eq!(story.breaches().await, [Breach::PostAfterTakeover(id, post)]);
    let silence = Texts {
        give_back_after: Some(Duration::from_mins(10)),
        ..document()
    };
    assert_eq!(story.audit(&silence).await.breaches, []);
    let requested = Texts {
        returned: vec![(id, base().plus_seconds(300))],
        ..document()
    };
    assert_eq!(story.audit(&requested).await.breaches, []);
}

#[tokio::test(start_paused = true)]
async fn a_post_while_the_customer_waits_is_found() {
    let story = Story::new().await;
    story.customer("A person, please").await;
    story.bot(HAND_OVER).await;
    story.deliver().await;
    story.customer("Hello?").await;
    let post = story.bot("You wrote: Hello?").await;
    assert_eq!(
        story.breaches().await,
        [Breach::PostWhileWaiting(story.conversation, post)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_with_two_messages_or_none_is_found() {
    let story = Story::new().await;
    story.customer("A person, please").await;
    story.bot(HAND_OVER).await;
    story.customer("Now!").await;
    story.bot(HAND_OVER).await;
    story.deliver().await;
    assert_eq!(
        story.breaches().await,
        [Breach::HandOverMessages(story.conversation, 2)]
    );

    let story = Story::new().await;
    story.customer("A person, please").await;
    story.deliver().await;
    let last = story.customer("Hello?").await;
    let id = story.conversation;
    assert_eq!(
        story.breaches().await,
        [Breach::NoHandOverMessage(id), Breach::Silence(id, last)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_repeated_is_one_hand_over() {
    let story = Story::new().await;
    story.customer("A person, please").await;
    story.bot(HAND_OVER).await;
    story
        .desk
        .chat
        .fail_next(Endpoint::Deliver, ApiFault::InternalError { done: true });
    story.desk.deliver(story.conversation).await;
    story.deliver().await;
    let audit = story.audit(&document()).await;
    assert_eq!((audit.hand_overs.len(), audit.breaches), (1, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_quotation_consists_of_whole_words() {
    let story = Story::new().await;
    let (first, second) = (story.customer("message 1").await, story.customer("message 12").await);
    story.bot("You wrote:\nmessage  12").await;
    let audit = story.audit(&document()).await;
    assert_eq!([first, second].map(|message| audit.times(message)), [0, 1]);
}

#[test]
fn a_breach_is_described_by_its_conversation() {
    assert_eq!(
        Breach::Silence(1_201, 9_001).to_string(),
        "1201: ends in silence after message 9001"
    );
    assert_eq!(
        Breach::HandOverMessages(1_201, 2).to_string(),
        "1201: a hand-over has 2 messages"
    );
}
