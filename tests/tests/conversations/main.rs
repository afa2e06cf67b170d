//! Chats end to end: a simulated platform with its customers and people, the deployed handlers, and a bot document.

#![expect(clippy::unwrap_used, reason = "a test")]

mod api;
mod applying;
mod chance;
#[path = "../common/mod.rs"]
mod common;
mod events;
mod lost;
mod musts;
#[path = "../common/seeds.rs"]
mod seeds;
mod store;

use patchbay::conversation::{Conversation, ConversationKey};
use patchbay_simulators::chat::Message;
use patchbay_simulators::world::{Options, World};

use crate::common::{pass, settle};

/// The inbox in which customers write.
pub(crate) const INBOX: u64 = 7;
/// A bot that knows its opening hours.
pub(crate) const BOT: &str = "
debounce_ms: 500
faq:
  entries:
    - name: hours
      questions: [When are you open?, opening hours]
      answer: We are open from 9 to 5.
hand_over:
  text: A colleague will be with you shortly.
";

/// A world whose bot is [`BOT`].
pub(crate) async fn chat_world() -> World {
    world_of(BOT).await
}

/// A world with a bot. Its sentinel runs only when the test invokes it.
pub(crate) async fn world_of(bot: &str) -> World {
    let world = World::start(Options {
        sentinel: None,
        ..Options::default()
    })
    .await
    .unwrap();
    world.put_bot("shop", bot).await.unwrap();
    world
}

/// A conversation in which a customer has just written a text.
pub(crate) async fn opened(world: &World, text: &str) -> u64 {
    let conversation = world.chat.customer_opens(INBOX).unwrap();
    world.chat.customer_writes(conversation, text).unwrap();
    pass(world, 1).await;
    conversation
}

/// The stored conversation.
pub(crate) async fn stored(world: &World, id: u64) -> Conversation {
    stored_if_any(world, id).await.unwrap()
}

/// The stored conversation, if the bot knows it.
pub(crate) async fn stored_if_any(world: &World, id: u64) -> Option<Conversation> {
    world.store.load_subject(&key(id)).await.unwrap()
}

pub(crate) fn key(id: u64) -> ConversationKey {
    ConversationKey {
        tenant: "main".parse().unwrap(),
        id: id.to_string().parse().unwrap(),
    }
}

/// The name of the holder of a conversation.
pub(crate) async fn holder(world: &World, id: u64) -> &'static str {
    stored(world, id).await.holder.name()
}

/// The texts that the bot has posted in a conversation.
pub(crate) fn posts(world: &World, id: u64) -> Vec<String> {
    let messages = world.chat.messages(id).into_iter();
    messages
        .filter(Message::is_of_bot)
        .map(|message| message.text)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_bot_answers_once_and_is_silent_after_a_person_has_taken_over() {
    let world = chat_world().await;
    let id = opened(&world, "What are your opening hours?").await;
    settle(&world).await;
    let [answer] = &posts(&world, id)[..] else {
        panic!("not one answer: {:?}", posts(&world, id))
    };
    assert!(answer.contains("We are open from 9 to 5."), "{answer}");
    assert_eq!(holder(&world, id).await, "bot");

    world.chat.customer_writes(id, "I want to talk to a human").unwrap();
    settle(&world).await;
    let told = "A colleague will be with you shortly.";
    let hand_overs = posts(&world, id).into_iter().filter(|text| text.contains(told));
    assert_eq!(hand_overs.count(), 1);
    assert_eq!(world.chat.delivered().len(), 1);
    assert_eq!(holder(&world, id).await, "waiting");

    world
        .chat
        .agent_replies(id, "jane.doe", "Hello, this is Jane.")
        .unwrap();
    settle(&world).await;
    assert_eq!(holder(&world, id).await, "human");
    let before = posts(&world, id);
    world.chat.customer_writes(id, "When are you open?").unwrap();
    settle(&world).await;
    assert_eq!(posts(&world, id), before);
    assert_eq!(holder(&world, id).await, "human");
}
