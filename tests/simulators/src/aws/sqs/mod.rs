//! SQS: standard queues with the service's own semantics, and what Lambda does with them.
//!
//! Delays, visibility timeouts, receive counts, dead-letter queues, stale receipts and retention are as documented.
//! What a standard queue may do but seldom does (deliver twice, out of order, late, or again after deletion) is
//! [`Disorder`], off until asked for.

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
pub use mapping::{Invocation, Polling, event_json};

/// All queues of the account. Cheap to clone; clones share their queues.
#[derive(Clone, Debug)]
pub struct Sqs {
    clock: Clock,
    store: Arc<Mutex<Store>>,
    /// Told at every change that could make a message visible sooner than was thought.
    changed: Arc<Notify>,
}

/// How a queue is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// How long a message that is handed out stays hidden.
    pub visibility_timeout: Duration,
    /// How long a message without a delay of its own waits at first.
    pub delay: Duration,
    /// How old a message becomes before it vanishes.
    pub retention: Duration,
    /// What becomes of a message that is received too often.
    pub redrive: Option<Redrive>,
}

impl Default for QueueSettings {
    /// What SQS does if nothing is said.
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
    /// After how many deliveries a message is moved there instead of being delivered again.
    pub max_receive_count: u32,
}

/// What a standard queue may do at any time, in so many of a thousand cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disorder {
    /// A message that is handed out is handed out again within two seconds, whatever becomes of the first delivery.
    pub duplicate: u16,
    /// A deleted message comes back when its visibility timeout ends.
    pub undelete: u16,
    /// Another message is handed out than the one that has been visible longest.
    pub reorder: u16,
    /// A sent message becomes visible later than it should.
    pub late: u16,
    /// By how much at most.
    pub late_by: Duration,
    /// A sent message becomes visible at once, whatever delay it was sent with.
    pub early: u16,
    /// A sent message is gone, although it was taken. SQS itself does not do that; who purges a queue does.
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

/// A message as it is handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The message's id.
    pub id: String,
    /// What it can be deleted with, until it is handed out again.
    pub receipt_handle: String,
    /// What was sent.
    pub body: String,
    /// Its MD5 in hex.
    pub md5_of_body: String,
    /// The MD5 of its attributes, if it has any.
    pub md5_of_attributes: Option<String>,
    /// What SQS says about it (`ApproximateReceiveCount` and so on).
    pub system: BTreeMap<String, String>,
    /// What its sender said about it.
    pub attributes: Attributes,
}

/// A message that a queue holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The message's id.
    pub id: String,
    /// What was sent.
    pub body: String,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it becomes, or became, visible.
    pub visible_at: Timestamp,
    /// How often it has been handed out.
    pub receive_count: u32,
    /// Whether it has been handed out and its visibility timeout still runs.
    pub in_flight: bool,
}

/// All that befell a message in one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// The message's id.
    pub id: String,
    /// What was sent.
    pub body: String,
    /// When it came into this queue.
    pub sent_at: Timestamp,
    /// When it was handed out.
    pub deliveries: Vec<Timestamp>,
    /// How and when it left the queue, if it has.
    pub end: Option<(End, Timestamp)>,
}

impl Story {
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
pub enum End {
    /// Deleted by a receiver.
    Deleted,
    /// Moved to the dead-letter queue.
    DeadLettered,
    /// Too old.
    Expired,
    /// Swept away with all others.
    Purged,
    /// Gone: see [`Disorder::lost`] and [`Queue::lose`].
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

    /// Makes a queue, or gives an existing one new settings.
    pub fn create_queue(&self, name: &str, settings: QueueSettings) -> Queue {
        self.lock().create(name, settings);
        self.handle(name)
    }

    /// Makes a queue `name` and its dead-letter queue `name-dlq`, which keeps messages for 14 days.
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

    /// Takes up what the queues that exist held when the process before this one ended. To be called once, when all
    /// of them have been made.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn go_on(&self) -> Result<(), JournalError> {
        self.lock().go_on()
    }

    /// The queue of that name, if there is one.
    pub fn queue(&self, name: &str) -> Option<Queue> {
        self.lock().queue(name)?;
        Some(self.handle(name))
    }

    /// Lets tasks that move messages back say from now on that they are still at it.
    pub fn keep_moving(&self) {
        self.lock().keeps_moving = true;
    }

    /// Lets all queues misbehave from now on; `Disorder::default()` ends it.
    pub fn set_disorder(&self, disorder: Disorder) {
        self.lock().disorder = disorder;
    }

    fn handle(&self, name: &str) -> Queue {
        Queue {
            sqs: self.clone(),
            name: name.into(),
        }
    }

    /// The store as of now.
    fn lock(&self) -> MutexGuard<'_, Store> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.expire(self.clock.now());
        store
    }

    /// Changes the store and wakes whoever waits for messages.
    fn change<T>(&self, change: impl FnOnce(&mut Store, Timestamp) -> T) -> T {
        let changed = change(&mut self.lock(), self.clock.now());
        self.changed.notify_waiters();
        changed
    }

    pub(super) fn receive(&self, queue: &str, most: usize, visibility: Option<Duration>) -> Vec<Delivery> {
        let now = self.clock.now();
        let (deliveries, buried) = self.lock().receive(queue, most, visibility, now);
        if buried {
            // Only then: who receives must not wake itself.
            self.changed.notify_waiters();
        }
        deliveries
    }

    /// Sleeps until `moment`; forever if there is none.
    async fn sleep_until(&self, moment: Option<Timestamp>) {
        match moment {
            Some(moment) => self.clock.sleep_until(moment).await,
            None => std::future::pending().await,
        }
    }
}

/// One queue, past the SDK, the log and the faults: to look at it, and to feed a function from it.
#[derive(Clone, Debug)]
pub struct Queue {
    sqs: Sqs,
    name: Arc<str>,
}

impl Queue {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL, by which the SDK addresses it.
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

    /// How many messages have been handed out and are hidden.
    pub fn in_flight(&self) -> usize {
        self.counts().2
    }

    /// Whether it holds no message at all.
    pub fn is_empty(&self) -> bool {
        self.counts() == (0, 0, 0)
    }

    /// When the next message becomes visible, or did.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.sqs.lock().queue(&self.name).and_then(store::Queue::next_due)
    }

    /// The messages that it holds, in the order of sending.
    pub fn messages(&self) -> Vec<Waiting> {
        let now = self.sqs.clock.now();
        self.sqs
            .lock()
            .queue(&self.name)
            .map(|queue| queue.waiting(now))
            .unwrap_or_default()
    }

    /// All messages that were ever in it (the newest 65,536), in the order of sending.
    pub fn history(&self) -> Vec<Story> {
        self.sqs
            .lock()
            .queue(&self.name)
            .map(store::Queue::stories)
            .unwrap_or_default()
    }

    /// Its dead-letter queue, if it has one.
    pub fn dlq(&self) -> Option<Self> {
        let redrive = self.sqs.lock().queue(&self.name)?.settings.redrive.clone()?;
        self.sqs.queue(&redrive.queue)
    }

    /// Puts a message into it, past the SDK, and says its id.
    pub fn put(&self, body: impl Into<String>, delay: Duration) -> String {
        let send = |store: &mut Store, now| store.send(&self.name, body.into(), Attributes::new(), Some(delay), now);
        self.sqs.change(send).unwrap_or_default()
    }

    /// Takes the message with this id out, as if it had never been sent, and gives back what was in it.
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
