//! The outbox with messages about any subject, and the JSON of messages about a dispatch.

use super::*;
use crate::dispatch::work::{Message, Work};
use crate::dispatch::{Ending, Event, NotPlaced};
use crate::webhook::Notice;

#[test]
fn backoff_doubles_from_one_second_to_a_minute() {
    let backoffs: Vec<u32> = (1..10).map(backoff_seconds).collect();
    assert_eq!(backoffs, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(backoff_seconds(u16::MAX), 60);
}

#[test]
fn a_message_without_retries_is_serialized_without_the_counter() {
    let now = Timestamp::from_millis(1_800_000_000_000);
    let message = Message {
        subject: crate::ids::DispatchKey {
            tenant: "acme".parse().expect("a tenant"),
            id: crate::ids::DispatchId::new(7),
        },
        version: 3,
        sent_at: now,
        due_at: now,
        work: Work::Count { entry: "x".into() },
    };
    let plain = serde_json::to_value(&message).expect("JSON");
    let mut queued = QueuedMessage { message, retries: 0 };
    assert_eq!(serde_json::to_value(&queued).expect("JSON"), plain);
    queued.retries = 9;
    let text = serde_json::to_string(&queued).expect("JSON");
    assert_eq!(
        serde_json::from_str::<QueuedMessage<Message>>(&text).expect("a message"),
        queued
    );
    assert_eq!(
        serde_json::from_value::<QueuedMessage<Message>>(plain)
            .expect("a message")
            .retries,
        0
    );
}

fn every_work() -> Vec<Work> {
    let attempt: crate::ids::AttemptId = "000003-01-0000000000000007".parse().expect("an attempt");
    let events = [
        Event::Key {
            attempt,
            keys: "71".into(),
        },
        Event::CallEnded {
            attempt,
            ending: Ending::Completed,
            call_id: None,
        },
        Event::NotPlaced {
            attempt,
            reason: NotPlaced::TryLater,
        },
        Event::Placed {
            attempt,
            call_id: "track".into(),
        },
        Event::Cancel,
    ];
    let applied = events.into_iter().map(|event| Work::Apply { event });
    let others = [
        Work::Dial {
            attempt,
            slot: None,
            provider: None,
        },
        Work::Dial {
            attempt,
            slot: Some(Timestamp::from_millis(1_800_000_000_001)),
            provider: None,
        },
        Work::Watch { attempt, lookups: 7 },
        Work::Resume {
            wait: crate::ids::Nonce::new(7),
        },
        Work::Remind { attempt },
        Work::HangUp { attempt, tries: 7 },
        Work::Count { entry: "x".into() },
        Work::Notify { entry: "x".into() },
    ];
    applied.chain(others).collect()
}

#[test]
fn every_retried_message_round_trips() {
    let now = Timestamp::from_millis(1_800_000_000_000);
    let dispatch = crate::ids::DispatchKey {
        tenant: "acme".parse().expect("a tenant"),
        id: crate::ids::DispatchId::new(7),
    };
    for work in every_work() {
        let message = Message {
            subject: dispatch.clone(),
            version: 3,
            sent_at: now,
            due_at: now,
            work,
        };
        let queued = QueuedMessage { message, retries: 7 };
        let body = serde_json::to_string(&queued).expect("JSON");
        assert_eq!(
            serde_json::from_str::<QueuedMessage<Message>>(&body).expect(&body),
            queued
        );
    }
    let notice = Notice {
        subject: dispatch.into(),
        entry: "x".into(),
        first_at: now,
        due_at: now,
        failures: 5,
        resent: 2,
        manual: true,
    };
    let queued = QueuedMessage {
        message: notice,
        retries: 7,
    };
    let body = serde_json::to_string(&queued).expect("JSON");
    assert_eq!(
        serde_json::from_str::<QueuedMessage<Notice>>(&body).expect(&body),
        queued
    );
}

/// A subject other than a dispatch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Parcel {
    tenant: String,
    id: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
enum Journey {
    Deliver,
}

type Letter = crate::message::Envelope<Parcel, Journey>;

#[derive(Debug, Default)]
struct Queues {
    sent: std::sync::Mutex<Vec<(String, Timestamp)>>,
    dead: std::sync::Mutex<Vec<(String, String)>>,
}

impl MessageQueue for &Queues {
    async fn enqueue(&self, body: String, due_at: Timestamp, _: Timestamp) -> Result<(), EnqueueError> {
        self.sent.lock().expect("not poisoned").push((body, due_at));
        Ok(())
    }

    async fn dead_letter(&self, body: &str, reason: &str) -> Result<(), EnqueueError> {
        let letter = (body.to_owned(), reason.to_owned());
        self.dead.lock().expect("not poisoned").push(letter);
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum TestFailure {
    #[error("transient")]
    Transient,
    #[error("permanent")]
    Permanent,
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
}

impl Failure for TestFailure {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Transient => FailureKind::Transient,
            Self::Permanent => FailureKind::Permanent,
            Self::Enqueue(_) => FailureKind::NotSent,
        }
    }
}

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn letter(id: u8, version: u64) -> Letter {
    let tenant = "acme".to_owned();
    Letter {
        version,
        ..Letter::at_once(Parcel { tenant, id }, Journey::Deliver, START)
    }
}

fn event(bodies: &[String]) -> SqsEvent {
    let record =
        |(index, body): (usize, &String)| serde_json::json!({ "messageId": format!("m-{index}"), "body": body });
    let records: Vec<Value> = bodies.iter().enumerate().map(record).collect();
    serde_json::from_value(serde_json::json!({ "Records": records })).expect("an event")
}

fn outbox(queues: &Queues) -> Outbox<&Queues> {
    Outbox {
        queue: queues,
        dead_letters: queues,
        clock: Clock::starting_at(START, 1.0),
    }
}

#[tokio::test(start_paused = true)]
async fn messages_about_any_subject_are_consumed_retried_or_dead_lettered() {
    let queues = Queues::default();
    let outbox = outbox(&queues);
    let body = |queued: &QueuedMessage<Letter>| serde_json::to_string(queued).expect("JSON");
    let message = |id, retries| QueuedMessage {
        message: letter(id, 1),
        retries,
    };
    let bodies = [
        body(&message(1, 0)),
        body(&message(2, 0)),
        body(&message(3, PERMANENT_FAILURE_RETRIES)),
        "{".to_owned(),
        body(&message(1, 0)),
    ];
    let done = std::sync::Mutex::new(Vec::new());
    let work = |letter: Letter| {
        done.lock().expect("not poisoned").push(letter.subject.id);
        std::future::ready(match letter.subject.id {
            1 => Ok(()),
            2 => Err(TestFailure::Transient),
            _ => Err(TestFailure::Permanent),
        })
    };
    let response = outbox.consume(&event(&bodies), work).await;
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(*done.lock().expect("not poisoned"), [1, 2, 3], "each is consumed once");
    let sent = queues.sent.lock().expect("not poisoned");
    let [(retry, due_at)] = sent.as_slice() else {
        unreachable!("exactly one message is sent again: {sent:?}")
    };
    assert_eq!(
        serde_json::from_str::<QueuedMessage<Letter>>(retry).expect("a letter"),
        message(2, 1)
    );
    assert_eq!(*due_at, START.plus_seconds(1));
    let dead = queues.dead.lock().expect("not poisoned");
    let reasons: Vec<&str> = dead.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(reasons.first(), Some(&"permanent"));
    assert!(
        reasons
            .get(1)
            .is_some_and(|reason| reason.starts_with("not a message of patchbay"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_for_its_commit_and_is_dropped_when_none_comes() {
    for (version, found, sent) in [(1, Some(1), 0), (2, Some(2), 0), (2, Some(1), 1), (1, None, 1)] {
        let queues = Queues::default();
        let outbox = outbox(&queues);
        let letter = letter(1, version);
        let load = || std::future::ready(Ok::<_, TestFailure>(found.filter(|found| *found >= letter.version)));
        let seen = outbox.await_commit(&letter, load).await.expect("a result");
        assert_eq!(seen, found.filter(|found| *found >= version));
        assert_eq!(queues.sent.lock().expect("not poisoned").len(), sent);
    }
    let queues = Queues::default();
    let outbox = outbox(&queues);
    outbox.clock.sleep(std::time::Duration::from_secs(121)).await;
    let seen = outbox
        .await_commit(&letter(1, 1), || {
            std::future::ready(Ok::<Option<()>, TestFailure>(None))
        })
        .await;
    assert!(matches!(seen, Ok(None)));
    assert!(
        queues.sent.lock().expect("not poisoned").is_empty(),
        "the message is dropped"
    );
}
