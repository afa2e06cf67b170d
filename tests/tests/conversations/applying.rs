//! How events are applied: concurrently, and when the outcome of a commit is unknown.

use patchbay::conversation::{
    Author, Contact, Conversation, ConversationKey, Direction, Event, EventKind, EventOutcome, Heard, PlatformEvent,
    PlatformMessage, Settings,
};
use patchbay::ledger::Conversations;
use patchbay::queue::Queue;
use patchbay::secret::Randomness;
use patchbay_simulators::aws::{self, Fault, Rule, Service};
use patchbay_simulators::world::World;

use crate::common::world;

fn key() -> ConversationKey {
    ConversationKey {
        tenant: "main".parse().unwrap(),
        id: "1201".parse().unwrap(),
    }
}

/// What changes conversations, outside of any function.
fn conversations(world: &World) -> Conversations {
    let (_, sqs) = aws::function_clients(&world.aws);
    let queue = Queue::new(sqs, world.aws.sqs().queue("conversations").unwrap().url());
    Conversations::new(world.store.clone(), queue, world.clock.clone(), Randomness::seeded(1))
}

/// A customer's message.
fn wrote(id: u64) -> Event {
    let message = PlatformMessage {
        id: id.to_string().parse().unwrap(),
        direction: Direction::Incoming,
        private: false,
        text: format!("message {id}"),
        attachments: 0,
        author: Author::Customer,
    };
    Event::Platform {
        event: Box::new(PlatformEvent {
            kind: EventKind::Message,
            inbox: None,
            message: Some(message),
            contact: Contact::default(),
            status: None,
            is_human_assigned: false,
            initial_message: None,
        }),
        heard: Heard::default(),
        settings: Settings {
            has_bot: true,
            debounce_millis: 10_000,
            ..Settings::default()
        },
    }
}

async fn stored(world: &World) -> Conversation {
    world.store.load_subject::<Conversation>(&key()).await.unwrap().unwrap()
}

/// The ids of the messages that wait for an answer.
fn pending(conversation: &Conversation) -> Vec<&str> {
    let pending = conversation.pending.iter();
    pending.map(|message| message.id.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn concurrent_events_are_applied_one_after_the_other() {
    let world = world([]).await;
    let conversations = conversations(&world);
    let key = key();
    let (one, two, three) = tokio::join!(
        conversations.apply(&key, |_| wrote(1)),
        conversations.apply(&key, |_| wrote(2)),
        conversations.apply(&key, |_| wrote(3)),
    );
    for applied in [one, two, three] {
        assert_eq!(applied.unwrap().unwrap().outcome, EventOutcome::Applied);
    }
    let stored = stored(&world).await;
    assert_eq!(stored.version, 3);
    let mut pending = pending(&stored);
    pending.sort_unstable();
    assert_eq!(pending, ["1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_is_lost_counts_once() {
    let world = world([]).await;
    let conversations = conversations(&world);
    let lost = Rule::new(Fault::LostAnswer)
        .service(Service::DynamoDb)
        .operation("TransactWriteItems");
    world.aws.faults().plan(lost);
    let applied = conversations.apply(&key(), |_| wrote(1)).await.unwrap().unwrap();
    assert_eq!(applied.outcome, EventOutcome::Applied);
    let stored = stored(&world).await;
    assert_eq!((stored.version, pending(&stored)), (1, vec!["1"]));
    // The platform reports the message again.
    let again = conversations.apply(&key(), |_| wrote(1)).await.unwrap().unwrap();
    assert_ne!(again.outcome, EventOutcome::Applied);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_committed_when_the_messages_cannot_be_sent() {
    let world = world([]).await;
    let conversations = conversations(&world);
    let outage = Rule::new(Fault::InternalError).service(Service::Sqs);
    world.aws.faults().plan(outage.times(u32::MAX));
    conversations.apply(&key(), |_| wrote(1)).await.unwrap_err();
    assert_eq!(world.store.load_subject::<Conversation>(&key()).await.unwrap(), None);
}
