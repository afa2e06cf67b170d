//! Any subject's messages, and those about a dispatch as they are written.

use super::*;
use crate::dispatch::work::{Message, Notice, Work};
use crate::dispatch::{Ending, Event, NotPlaced};

#[test]
fn pauses_grow_from_a_second_to_a_minute() {
    let pauses: Vec<u32> = (1..10).map(pause).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(pause(u16::MAX), 60);
}

#[test]
fn a_message_that_never_failed_is_written_as_it_always_was() {
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
    let mut tried = Tried { message, again: 0 };
    assert_eq!(serde_json::to_value(&tried).expect("JSON"), plain);
    tried.again = 9;
    let text = serde_json::to_string(&tried).expect("JSON");
    assert_eq!(serde_json::from_str::<Tried<Message>>(&text).expect("a message"), tried);
    assert_eq!(
        serde_json::from_value::<Tried<Message>>(plain)
            .expect("a message")
            .again,
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
            why: NotPlaced::TryLater,
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
            over: None,
        },
        Work::Dial {
            attempt,
            slot: Some(Timestamp::from_millis(1_800_000_000_001)),
            over: None,
        },
        Work::Watch { attempt, looks: 7 },
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
fn whatever_is_sent_again_is_read_as_it_was() {
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
        let tried = Tried { message, again: 7 };
        let body = serde_json::to_string(&tried).expect("JSON");
        assert_eq!(serde_json::from_str::<Tried<Message>>(&body).expect(&body), tried);
    }
    let notice = Notice {
        dispatch,
        entry: "x".into(),
        first_at: now,
        due_at: now,
        failures: 5,
        resent: 2,
        asked: true,
    };
    let tried = Tried {
        message: notice,
        again: 7,
    };
    let body = serde_json::to_string(&tried).expect("JSON");
    assert_eq!(serde_json::from_str::<Tried<Notice>>(&body).expect(&body), tried);
}

/// Another subject than a dispatch, with a message of its own.
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

type Letter = crate::mail::Envelope<Parcel, Journey>;

#[derive(Debug, Default)]
struct Queues {
    sent: std::sync::Mutex<Vec<(String, Timestamp)>>,
    buried: std::sync::Mutex<Vec<(String, String)>>,
}

impl TakeMessages for &Queues {
    async fn take(&self, body: String, due_at: Timestamp, _: Timestamp) -> Result<(), NotTaken> {
        self.sent.lock().expect("not poisoned").push((body, due_at));
        Ok(())
    }

    async fn bury(&self, body: &str, reason: &str) -> Result<(), NotTaken> {
        let letter = (body.to_owned(), reason.to_owned());
        self.buried.lock().expect("not poisoned").push(letter);
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum Fails {
    #[error("for now")]
    ForNow,
    #[error("for good")]
    ForGood,
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
}

impl Failure for Fails {
    fn failed(&self) -> Failed {
        match self {
            Self::ForNow => Failed::ForNow,
            Self::ForGood => Failed::ForGood,
            Self::NotTaken(_) => Failed::NotSent,
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
async fn messages_about_any_subject_are_worked_off_alike() {
    let queues = Queues::default();
    let outbox = outbox(&queues);
    let body = |tried: &Tried<Letter>| serde_json::to_string(tried).expect("JSON");
    let tried = |id, again| Tried {
        message: letter(id, 1),
        again,
    };
    let bodies = [
        body(&tried(1, 0)),
        body(&tried(2, 0)),
        body(&tried(3, DOUBTS)),
        "{".to_owned(),
        body(&tried(1, 0)),
    ];
    let done = std::sync::Mutex::new(Vec::new());
    let work = |letter: Letter| {
        done.lock().expect("not poisoned").push(letter.subject.id);
        std::future::ready(match letter.subject.id {
            1 => Ok(()),
            2 => Err(Fails::ForNow),
            _ => Err(Fails::ForGood),
        })
    };
    let response = outbox.consume(&event(&bodies), work).await;
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(*done.lock().expect("not poisoned"), [1, 2, 3], "each once");
    let sent = queues.sent.lock().expect("not poisoned");
    let [(again, due_at)] = sent.as_slice() else {
        unreachable!("one is sent again: {sent:?}")
    };
    assert_eq!(
        serde_json::from_str::<Tried<Letter>>(again).expect("a letter"),
        tried(2, 1)
    );
    assert_eq!(*due_at, START.plus_seconds(1));
    let buried = queues.buried.lock().expect("not poisoned");
    let reasons: Vec<&str> = buried.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(reasons.first(), Some(&"for good"));
    assert!(
        reasons
            .get(1)
            .is_some_and(|reason| reason.starts_with("not a message of ours"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_about_any_subject_is_fenced_by_its_commit() {
    for (version, found, sent) in [(1, Some(1), 0), (2, Some(2), 0), (2, Some(1), 1), (1, None, 1)] {
        let queues = Queues::default();
        let outbox = outbox(&queues);
        let letter = letter(1, version);
        let look = || std::future::ready(Ok::<_, Fails>(found.filter(|found| *found >= letter.version)));
        let seen = outbox.fenced(&letter, look).await.expect("a look");
        assert_eq!(seen, found.filter(|found| *found >= version));
        assert_eq!(queues.sent.lock().expect("not poisoned").len(), sent);
    }
    let queues = Queues::default();
    let outbox = outbox(&queues);
    outbox.clock.sleep(std::time::Duration::from_secs(121)).await;
    let seen = outbox
        .fenced(&letter(1, 1), || std::future::ready(Ok::<Option<()>, Fails>(None)))
        .await;
    assert!(matches!(seen, Ok(None)));
    assert!(queues.sent.lock().expect("not poisoned").is_empty(), "it is dropped");
}
