//! What becomes of a message that could not be worked off.
//!
//! - What failed may well succeed another time (the table, a provider, secrets that cannot be read): it is sent again,
//!   after 1, 2, 4, up to 60 seconds, for as long as it takes. Nothing is given up because a thing was down for hours.
//! - What can never succeed goes to the dead-letter queue, with the reason: an alarm waits there.
//! - If neither can be sent, the message is reported as failed. SQS brings it back when its visibility timeout ends, as it
//!   does when a function dies.
//!
//! A message that is sent again is a new one, which counts no receives and lives another four days.

use std::pin::Pin;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Queue, QueueError};
use crate::clock::{Clock, Timestamp};
use crate::secret::without_contents;
use crate::telemetry::{self, Unit};

/// The longest pause before a message is tried again, in seconds.
const LONGEST_PAUSE: u32 = 60;
/// Failures after which what seems to be broken for good is held to be so. Until then it may be that a version of this
/// function that is about to be replaced cannot read what the new one wrote.
const DOUBTS: u16 = 8;

/// A message, and how often it has failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried<M> {
    /// What was sent at first.
    #[serde(flatten)]
    pub message: M,
    /// How often it was sent again because it could not be worked off.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub again: u16,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(again: &u16) -> bool {
    *again == 0
}

/// How a message failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It may succeed another time.
    ForNow,
    /// A message of its own could not be sent, or perhaps was. It comes back by itself: to send it as well would make two of
    /// one, and four of those.
    NotSent,
    /// It would take another message, another item or another version of ours.
    ForGood,
}

/// Why a message could not be worked off.
pub trait Failure: std::fmt::Display {
    /// Whether it is worth trying again.
    fn failed(&self) -> Failed;
}

/// A queue, as far as messages are sent to it that could not be worked off.
pub trait TakeMessages: Sync {
    /// Why a message was not taken.
    type Error: std::fmt::Display + Send;

    /// Takes a message, to arrive at `due_at` or as late before that as the queue can.
    fn take(
        &self,
        body: String,
        due_at: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Takes a dead letter, with the reason for which it is one.
    fn bury(&self, body: &str, reason: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

impl TakeMessages for Queue {
    type Error = QueueError;

    async fn take(&self, body: String, due_at: Timestamp, now: Timestamp) -> Result<(), QueueError> {
        self.send_batch(vec![(body, due_at)], now).await
    }

    async fn bury(&self, body: &str, reason: &str) -> Result<(), QueueError> {
        Self::bury(self, body, reason).await
    }
}

/// A message was not taken elsewhere: why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotTaken(String);

/// Where messages go that could not be worked off.
#[derive(Clone, Debug)]
pub struct Returns<Q = Queue> {
    /// The queue that they came from.
    pub queue: Q,
    /// Its dead-letter queue.
    pub dead_letters: Q,
    /// The time.
    pub clock: Clock,
}

/// What is behind a record of an event.
#[derive(Debug)]
pub enum Read<M> {
    /// A message.
    Message(Tried<M>),
    /// It cannot be read: why.
    Unread(Unread),
}

/// A record that cannot be read.
#[derive(Debug)]
pub struct Unread {
    /// What is in it, when it is about a dispatch: another version of ours may have written it.
    about: Option<Tried<Map<String, Value>>>,
    why: String,
}

impl Failure for Unread {
    fn failed(&self) -> Failed {
        Failed::ForGood
    }
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

/// Reads a record of an event.
pub fn read<M: DeserializeOwned>(record: &SqsMessage) -> Read<M> {
    let body = record.body.as_deref().unwrap_or_default();
    let error = match serde_json::from_str(body) {
        Ok(tried) => return Read::Message(tried),
        Err(error) => error,
    };
    let about: Option<Tried<Map<String, Value>>> = serde_json::from_str(body).ok();
    let is_ours =
        |tried: &Tried<Map<String, Value>>| ["tenant", "id"].iter().all(|name| tried.message.contains_key(*name));
    Read::Unread(Unread {
        about: about.filter(is_ours),
        why: format!("not a message of ours: {}", without_contents(&error)),
    })
}

impl<Q: TakeMessages> Returns<Q> {
    /// Sends back everything in a batch of which nothing could be worked off, because of `error`, which passes.
    pub async fn all<M: DeserializeOwned + Serialize>(
        &self,
        event: &SqsEvent,
        error: &impl std::fmt::Display,
    ) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        for record in &event.records {
            let failure = NothingDone(error.to_string());
            let taken = match read::<M>(record) {
                Read::Message(tried) => self.again_or_dead(&tried, &failure).await,
                Read::Unread(unread) => self.unread(record, &unread).await,
            };
            reported(&mut response, record, taken);
        }
        response
    }

    /// Sends a message again, or to the dead-letter queue when that is in vain.
    ///
    /// # Errors
    /// When it could not be sent; it is to be reported as failed then.
    pub async fn again_or_dead<M: Serialize>(
        &self,
        tried: &Tried<M>,
        failure: &(impl Failure + Sync),
    ) -> Result<(), NotTaken> {
        let now = self.clock.now();
        let failures = tried.again.saturating_add(1);
        telemetry::emf(now, &[], &[("MessageFailures", Unit::Count, 1.0)], &[]);
        if failure.failed() == Failed::NotSent {
            return Err(NotTaken(failure.to_string()));
        }
        if failure.failed() == Failed::ForGood && failures > DOUBTS {
            tracing::error!(error = %failure, failures, "a message can never be worked off: to the dead letters");
            return self.give_up(&tried.message, &failure.to_string()).await;
        }
        tracing::error!(error = %failure, failures, "a message failed and is sent again");
        let again = Tried {
            message: &tried.message,
            again: failures,
        };
        self.send(&again, now.plus_seconds(pause(failures))).await
    }

    /// Sends a message to the queue that it came from, to arrive at `due_at` or as late before that as the queue can.
    ///
    /// # Errors
    /// When it could not be sent.
    pub async fn send<M: Serialize>(&self, message: &M, due_at: Timestamp) -> Result<(), NotTaken> {
        let taking = self.queue.take(body_of(message)?, due_at, self.clock.now());
        taken(Box::pin(taking)).await
    }

    /// Sends what cannot be read to the dead-letter queue; what may be of another version of ours only after some tries.
    ///
    /// # Errors
    /// When it could not be sent; it is to be reported as failed then.
    pub async fn unread(&self, record: &SqsMessage, unread: &Unread) -> Result<(), NotTaken> {
        if let Some(tried) = &unread.about {
            return self.again_or_dead(tried, unread).await;
        }
        let body = record.body.as_deref().unwrap_or_default();
        tracing::error!(message = record.message_id, why = unread.why, "to the dead letters");
        telemetry::emf(self.clock.now(), &[], &[("MessageFailures", Unit::Count, 1.0)], &[]);
        self.bury(body, &unread.why).await
    }

    /// Sends a message to the dead-letter queue, as it is to begin when it is redriven from there.
    ///
    /// # Errors
    /// When it could not be sent.
    pub async fn give_up<M: Serialize>(&self, message: &M, why: &str) -> Result<(), NotTaken> {
        self.bury(&body_of(message)?, why).await
    }

    async fn bury(&self, body: &str, why: &str) -> Result<(), NotTaken> {
        taken(Box::pin(self.dead_letters.bury(body, why))).await
    }
}

/// Nothing of a batch could be worked off.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NothingDone(String);

impl Failure for NothingDone {
    fn failed(&self) -> Failed {
        Failed::ForNow
    }
}

/// Reports a record as failed when it was not taken elsewhere.
pub fn reported(response: &mut SqsBatchResponse, record: &SqsMessage, taken: Result<(), NotTaken>) {
    let Err(error) = taken else { return };
    // A record without an id could only be reported by failing the batch; an empty id does that.
    let id = record.message_id.clone().unwrap_or_default();
    tracing::error!(message = %id, %error, "a message failed and could not be sent again: it comes back by itself");
    response.add_failure(id);
}

/// Seconds before a message that has failed so often is tried again.
fn pause(failures: u16) -> u32 {
    let doublings = u32::from(failures.saturating_sub(1)).min(6);
    (1 << doublings).min(LONGEST_PAUSE)
}

/// Waits for a queue to take something. In a box of no type of its own: what the SDK awaits is nested more deeply than the
/// compiler follows.
async fn taken<E: std::fmt::Display>(
    taking: Pin<Box<dyn Future<Output = Result<(), E>> + Send + '_>>,
) -> Result<(), NotTaken> {
    taking.await.map_err(|error| NotTaken(error.to_string()))
}

fn body_of(message: &impl Serialize) -> Result<String, NotTaken> {
    serde_json::to_string(message).map_err(|error| NotTaken(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::{Ending, Event, NotPlaced};
    use crate::queue::{Message, Notice, Work};

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
            dispatch: crate::ids::DispatchKey {
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
            Work::Dial { attempt, slot: None },
            Work::Dial {
                attempt,
                slot: Some(Timestamp::from_millis(1_800_000_000_001)),
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
                dispatch: dispatch.clone(),
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
}
