//! SQS: standard queues with the service's own semantics, and Lambda's event source mapping.
//!
//! Delays, visibility timeouts, receive counts, dead-letter queues, stale receipts and retention are as documented.
//! What a standard queue may do but rarely does (deliver twice, out of order, late, or again after deletion) is
//! [`Disorder`], which is off by default.

mod attributes;
mod errors;
mod mapping;
mod store;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use patchbay::clock::{Clock, Timestamp};
use tokio::sync::Notify;

use super::{ACCOUNT, REGION};
use crate::journal::{Journal, JournalError};
use crate::rng::Rng;
use store::Store;

pub use attributes::{Attribute, Attributes};
pub use mapping::{BatchOutcome, Polling, event_json};

/// All queues of the account. Cheap to clone; clones share their queues.
#[derive(Clone, Debug)]
pub struct Sqs {
    clock: Clock,
    store: Arc<Mutex<Store>>,
    /// Notified at every change that may make a message visible earlier than expected.
    changed: Arc<Notify>,
}

/// The settings of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// How long a received message stays hidden.
    pub visibility_timeout: Duration,
    /// How long a message that was sent without a delay stays hidden at first.
    pub delay: Duration,
    /// The age at which a message is deleted.
    pub retention: Duration,
    /// The redrive policy, if the queue has a dead-letter queue.
    pub redrive: Option<Redrive>,
}

impl Default for QueueSettings {
    /// The defaults of SQS.
    fn default() -> Self {
        Self {
            visibility_timeout: Duration::from_secs(30),
            delay: Duration::ZERO,
            retention: Duration::from_hours(96),
            redrive: None,
        }
    }
}

/// A redrive policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// The dead-letter queue's name.
    pub queue: String,
    /// After this many deliveries a message is moved there instead of being delivered again.
    pub max_receive_count: u32,
}

/// The probabilities, in thousandths, of what a standard queue may do at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disorder {
    /// A delivered message is delivered again within two seconds, even if the first delivery is deleted.
    pub duplicate: u16,
    /// A deleted message comes back when its visibility timeout ends.
    pub undelete: u16,
    /// Another message is delivered than the one that has been visible longest.
    pub reorder: u16,
    /// A sent message becomes visible later than it should.
    pub late: u16,
    /// The most by which a message is late.
    pub late_by: Duration,
    /// A sent message becomes visible at once, although it was sent with a delay.
    pub early: u16,
    /// A sent message is lost, although it was accepted. SQS does not do that, but an operator who purges a queue does.
    pub lost: u16,
}

impl Disorder {
    const NONE: Self = Self {
        duplicate: 0,
        undelete: 0,
        reorder: 0,
        late: 0,
        late_by: Duration::ZERO,
        early: 0,
        lost: 0,
    };
}

/// A delivered message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The message's id.
    pub id: String,
    /// The handle with which it can be deleted until it is delivered again.
    pub receipt_handle: String,
    /// What was sent.
    pub body: String,
    /// The body's MD5 in hex.
    pub md5_of_body: String,
    /// The MD5 of its attributes in hex, if it has any.
    pub md5_of_attributes: Option<String>,
    /// The system attributes (`ApproximateReceiveCount` and so on).
    pub system: BTreeMap<String, String>,
    /// The attributes that its sender set.
    pub attributes: Attributes,
}

/// A message in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedMessage {
    /// The message's id.
    pub id: String,
    /// What was sent.
    pub body: String,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it becomes, or became, visible.
    pub visible_at: Timestamp,
    /// How often it has been delivered.
    pub receive_count: u32,
    /// Whether it has been delivered and its visibility timeout has not ended.
    pub in_flight: bool,
}

/// The history of a message in one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageHistory {
    /// The message's id.
    pub id: String,
    /// What was sent.
    pub body: String,
    /// When it was added to this queue.
    pub sent_at: Timestamp,
    /// The times of its deliveries.
    pub deliveries: Vec<Timestamp>,
    /// How and when it left the queue, if it has.
    pub end: Option<(MessageEnd, Timestamp)>,
}

impl MessageHistory {
    const fn new(id: String, body: String, sent_at: Timestamp) -> Self {
        Self {
            id,
            body,
            sent_at,
            deliveries: Vec::new(),
            end: None,
        }
    }
}

/// How a message left a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageEnd {
    /// Deleted by a receiver.
    Deleted,
    /// Moved to the dead-letter queue.
    DeadLettered,
    /// Deleted at the end of its retention.
    Expired,
    /// Deleted with all others by `PurgeQueue`.
    Purged,
    /// Lost: see [`Disorder::lost`] and [`Queue::lose`].
    Lost,
}

impl Sqs {
    pub(super) fn new(clock: Clock, rng: Rng, journal: Journal) -> Self {
        Self {
            clock,
            store: Arc::new(Mutex::new(Store::new(rng, journal))),
            changed: Arc::new(Notify::new()),
        }
    }

    /// Creates a queue, or changes the settings of an existing one.
    pub fn create_queue(&self, name: &str, settings: QueueSettings) -> Queue {
        self.lock().create(name, settings);
        self.handle(name)
    }

    /// Creates a queue `name` and its dead-letter queue `name-dlq`, whose retention is 14 days.
    pub fn create_queue_with_dlq(&self, name: &str, visibility_timeout: Duration, max_receive_count: u32) -> Queue {
        let queue = format!("{name}-dlq");
        self.create_queue(
            &queue,
            QueueSettings {
                retention: Duration::from_hours(336),
                ..QueueSettings::default()
            },
        );
        let redrive = Some(Redrive {
            queue,
            max_receive_count,
        });
        self.create_queue(
            name,
            QueueSettings {
                visibility_timeout,
                redrive,
                ..QueueSettings::default()
            },
        )
    }

    /// Restores the messages that the existing queues had when the previous process ended. Call it once, after all
    /// queues have been created.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn restore(&self) -> Result<(), JournalError> {
        self.lock().restore()
    }

    /// The queue of that name, if it exists.
    pub fn queue(&self, name: &str) -> Option<Queue> {
        self.lock().queue(name)?;
        Some(self.handle(name))
    }

    /// From now on, `ListMessageMoveTasks` reports all tasks as running.
    pub fn keep_move_tasks_running(&self) {
        self.lock().keeps_move_tasks_running = true;
    }

    /// Sets how all queues misbehave from now on; `Disorder::default()` turns it off.
    pub fn set_disorder(&self, disorder: Disorder) {
        self.lock().disorder = disorder;
    }

    fn handle(&self, name: &str) -> Queue {
        Queue {
            sqs: self.clone(),
            name: name.into(),
        }
    }

    /// The store, without expired messages.
    fn lock(&self) -> MutexGuard<'_, Store> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.expire(self.clock.now());
        store
    }

    /// Changes the store, and wakes the tasks that wait for messages.
    fn change<T>(&self, change: impl FnOnce(&mut Store, Timestamp) -> T) -> T {
        let changed = change(&mut self.lock(), self.clock.now());
        self.changed.notify_waiters();
        changed
    }

    pub(super) fn receive(&self, queue: &str, most: usize, visibility: Option<Duration>) -> Vec<Delivery> {
        let now = self.clock.now();
        let (deliveries, moved_to_dlq) = self.lock().receive(queue, most, visibility, now);
        if moved_to_dlq {
            // Only then: a receiver must not wake itself.
            self.changed.notify_waiters();
        }
        deliveries
    }

    /// Sleeps until `moment`, or forever if it is `None`.
    async fn sleep_until(&self, moment: Option<Timestamp>) {
        match moment {
            Some(moment) => self.clock.sleep_until(moment).await,
            None => std::future::pending().await,
        }
    }
}

/// Direct access to one queue, without SDK, log and faults: for assertions, and for invoking functions with its
/// messages.
#[derive(Clone, Debug)]
pub struct Queue {
    sqs: Sqs,
    name: Arc<str>,
}

impl Queue {
    /// The name, without account and region.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL by which the SDK addresses it.
    pub fn url(&self) -> String {
        url(&self.name)
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        arn(&self.name)
    }

    /// How many messages are visible now.
    pub fn depth(&self) -> usize {
        self.counts().0
    }

    /// How many messages wait for their delay to end.
    pub fn delayed(&self) -> usize {
        self.counts().1
    }

    /// How many messages have been delivered and are hidden.
    pub fn in_flight(&self) -> usize {
        self.counts().2
    }

    /// Whether it has no messages, visible or hidden.
    pub fn is_empty(&self) -> bool {
        self.counts() == (0, 0, 0)
    }

    /// When the next message becomes visible. In the past if one is visible.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.sqs.lock().queue(&self.name).and_then(store::Queue::next_due)
    }

    /// The messages in it, in the order of sending.
    pub fn messages(&self) -> Vec<QueuedMessage> {
        let now = self.sqs.clock.now();
        self.sqs
            .lock()
            .queue(&self.name)
            .map(|queue| queue.queued(now))
            .unwrap_or_default()
    }

    /// The histories of all messages that were ever in it (the newest 65,536), in the order of sending.
    pub fn history(&self) -> Vec<MessageHistory> {
        self.sqs
            .lock()
            .queue(&self.name)
            .map(store::Queue::histories)
            .unwrap_or_default()
    }

    /// Its dead-letter queue, if it has one.
    pub fn dlq(&self) -> Option<Self> {
        let redrive = self.sqs.lock().queue(&self.name)?.settings.redrive.clone()?;
        self.sqs.queue(&redrive.queue)
    }

    /// Sends a message without the SDK. Returns its id.
    pub fn put(&self, body: impl Into<String>, delay: Duration) -> String {
        let send = |store: &mut Store, now| store.send(&self.name, body.into(), Attributes::new(), Some(delay), now);
        self.sqs.change(send).unwrap_or_default()
    }

    /// Removes the message with this id, as if it had never been sent. Returns its body.
    pub fn lose(&self, id: &str) -> Option<String> {
        self.sqs.change(|store, now| store.lose(&self.name, id, now))
    }

    fn counts(&self) -> (usize, usize, usize) {
        let now = self.sqs.clock.now();
        self.sqs
            .lock()
            .queue(&self.name)
            .map(|queue| queue.counts(now))
            .unwrap_or_default()
    }
}

fn url(name: &str) -> String {
    format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}")
}

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}
