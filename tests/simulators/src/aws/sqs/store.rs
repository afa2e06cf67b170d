//! The state of all queues, and its transitions at a given time: no protocol, no waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use patchbay::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::attributes::{Attributes, md5_of_attributes, md5_of_body};
use super::{Delivery, Disorder, MessageEnd, MessageHistory, QueueSettings, QueuedMessage, arn};
use crate::journal::{Journal, JournalError};
use crate::rng::Rng;

/// How many of the newest histories a queue keeps: a bound for a `patchbay local` that runs for weeks.
const MAX_HISTORIES: usize = 65_536;

#[derive(Debug)]
pub(super) struct Store {
    rng: Rng,
    pub(super) disorder: Disorder,
    queues: BTreeMap<String, Queue>,
    /// By dead-letter queue, how many messages the newest move task moved.
    moved: BTreeMap<String, usize>,
    /// Whether move tasks never end.
    pub(super) keeps_move_tasks_running: bool,
    serial: u64,
    journal: Journal,
}

#[derive(Debug)]
pub(super) struct Queue {
    journal: Journal,
    section: String,
    pub(super) settings: QueueSettings,
    /// By serial number, which is the order of sending.
    messages: BTreeMap<u64, Message>,
    due: BTreeSet<(Timestamp, u64)>,
    histories: BTreeMap<u64, MessageHistory>,
    purged_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Message {
    id: String,
    body: String,
    attributes: Attributes,
    sent_at: Timestamp,
    visible_at: Timestamp,
    first_received_at: Option<Timestamp>,
    receive_count: u32,
    /// The newest receipt; older ones are stale.
    receipt: u64,
    /// In a dead-letter queue, the queue that moved it there.
    source: Option<String>,
}

/// Why the visibility of a message cannot be changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum VisibilityError {
    InvalidReceipt,
    Gone,
    Stale,
    NotInFlight,
}

impl Store {
    pub(super) const fn new(rng: Rng, journal: Journal) -> Self {
        Self {
            rng,
            journal,
            disorder: Disorder::NONE,
            queues: BTreeMap::new(),
            moved: BTreeMap::new(),
            keeps_move_tasks_running: false,
            serial: 0,
        }
    }

    /// Creates a queue, or changes the settings of an existing one.
    pub(super) fn create(&mut self, name: &str, settings: QueueSettings) {
        let queue = self
            .queues
            .entry(name.to_owned())
            .or_insert_with(|| Queue::new(name, settings.clone(), self.journal.clone()));
        queue.settings = settings;
    }

    /// Restores the messages of all queues from the journal. A message that was in flight is as it was before its
    /// delivery: its receiver was part of the process that ended.
    pub(super) fn restore(&mut self) -> Result<(), JournalError> {
        for queue in self.queues.values_mut() {
            for (name, message) in self.journal.all::<Message>(&queue.section)? {
                let Ok(serial) = name.parse() else { continue };
                self.serial = self.serial.max(serial);
                queue.record(
                    serial,
                    MessageHistory::new(message.id.clone(), message.body.clone(), message.sent_at),
                );
                queue.insert(serial, message);
            }
        }
        Ok(())
    }

    pub(super) fn queue(&self, name: &str) -> Option<&Queue> {
        self.queues.get(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.queues.keys().map(String::as_str)
    }

    /// Adds a message, and returns its id. `None` if the queue does not exist.
    pub(super) fn send(
        &mut self,
        name: &str,
        body: String,
        attributes: Attributes,
        delay: Option<Duration>,
        now: Timestamp,
    ) -> Option<String> {
        let queue = self.queues.get_mut(name)?;
        self.serial += 1;
        let mut visible_at = after(now, delay.unwrap_or(queue.settings.delay));
        if self.rng.hits(self.disorder.early) {
            visible_at = now;
        }
        if self.rng.hits(self.disorder.late) {
            visible_at = visible_at.plus_millis(self.rng.below(1 + millis(self.disorder.late_by)).cast_signed());
        }
        let id = message_id(self.serial);
        queue.record(self.serial, MessageHistory::new(id.clone(), body.clone(), now));
        let message = Message {
            id: id.clone(),
            body,
            attributes,
            sent_at: now,
            visible_at,
            first_received_at: None,
            receive_count: 0,
            receipt: 0,
            source: None,
        };
        if self.rng.hits(self.disorder.lost) {
            queue.finish(self.serial, MessageEnd::Lost, now);
        } else {
            queue.add(self.serial, message);
        }
        Some(id)
    }

    /// Removes a message, and returns its body.
    pub(super) fn lose(&mut self, name: &str, id: &str, now: Timestamp) -> Option<String> {
        let queue = self.queues.get_mut(name)?;
        let found = queue.messages.iter().find(|(_, message)| message.id == id);
        let serial = found.map(|(serial, _)| *serial)?;
        let message = queue.take(serial)?;
        queue.finish(serial, MessageEnd::Lost, now);
        Some(message.body)
    }

    /// Delivers up to `most` messages that are visible at `now`, and hides them for `visibility`. Also returns whether
    /// a message was moved to the dead-letter queue instead.
    pub(super) fn receive(
        &mut self,
        name: &str,
        most: usize,
        visibility: Option<Duration>,
        now: Timestamp,
    ) -> (Vec<Delivery>, bool) {
        let mut deliveries = Vec::new();
        let mut moved_to_dlq = false;
        // A batch has no message twice, even if a duplicate of it is due at once.
        let mut delivered = BTreeSet::new();
        while deliveries.len() < most {
            let Some(queue) = self.queues.get_mut(name) else { break };
            queue.expire(now);
            let mut visible = queue
                .due
                .range(..=(now, u64::MAX))
                .map(|(_, serial)| *serial)
                .filter(|s| !delivered.contains(s));
            let picked = if self.rng.hits(self.disorder.reorder) {
                let visible: Vec<u64> = visible.collect();
                let index = self.rng.below(visible.len() as u64);
                usize::try_from(index)
                    .ok()
                    .and_then(|index| visible.get(index).copied())
            } else {
                visible.next()
            };
            let Some(serial) = picked else { break };
            let Some(mut message) = queue.take(serial) else { break };
            if let Some(redrive) = queue
                .settings
                .redrive
                .clone()
                .filter(|r| message.receive_count >= r.max_receive_count)
            {
                queue.finish(serial, MessageEnd::DeadLettered, now);
                message.source = Some(name.to_owned());
                self.move_to_dlq(&redrive.queue, serial, message, now);
                moved_to_dlq = true;
                continue;
            }
            let visibility = visibility.unwrap_or(queue.settings.visibility_timeout);
            self.serial += 1;
            message.receipt = self.serial;
            message.receive_count += 1;
            message.first_received_at.get_or_insert(now);
            message.visible_at = after(now, visibility);
            let delivery = message.delivery(name, serial);
            if self.rng.hits(self.disorder.duplicate) {
                // As if another server delivered it, which does not know of this delivery.
                let soon = now.plus_millis(self.rng.below(2000).cast_signed());
                message.visible_at = message.visible_at.min(soon);
                message.receipt = 0;
            }
            if let Some(history) = queue.histories.get_mut(&serial) {
                history.deliveries.push(now);
            }
            deliveries.push(delivery);
            queue.insert(serial, message);
            delivered.insert(serial);
        }
        (deliveries, moved_to_dlq)
    }

    /// Moves a message to the dead-letter queue. As in SQS, its age still counts from when it was first sent.
    fn move_to_dlq(&mut self, dlq: &str, serial: u64, mut message: Message, now: Timestamp) {
        // SQS accepts no redrive policy with a queue that does not exist. Here the message is lost.
        let Some(dlq) = self.queues.get_mut(dlq) else { return };
        message.visible_at = now;
        dlq.record(
            serial,
            MessageHistory::new(message.id.clone(), message.body.clone(), now),
        );
        dlq.add(serial, message);
    }

    /// Deletes a message. A stale receipt is accepted and does nothing. False only if the handle is no receipt.
    pub(super) fn delete(&mut self, name: &str, handle: &str, now: Timestamp) -> bool {
        let Some((serial, receipt)) = parse_handle(name, handle) else {
            return false;
        };
        let Some(queue) = self.queues.get_mut(name) else {
            return true;
        };
        if queue
            .messages
            .get(&serial)
            .is_some_and(|message| message.receipt == receipt)
            && !self.rng.hits(self.disorder.undelete)
        {
            queue.take(serial);
            queue.finish(serial, MessageEnd::Deleted, now);
        }
        true
    }

    /// Hides a message for `visibility` from now on, instead of the rest of its visibility timeout.
    pub(super) fn change_visibility(
        &mut self,
        name: &str,
        handle: &str,
        visibility: Duration,
        now: Timestamp,
    ) -> Result<(), VisibilityError> {
        let (serial, receipt) = parse_handle(name, handle).ok_or(VisibilityError::InvalidReceipt)?;
        let queue = self.queues.get_mut(name).ok_or(VisibilityError::Gone)?;
        let message = queue.messages.get(&serial).ok_or(VisibilityError::Gone)?;
        if message.receipt != receipt {
            return Err(VisibilityError::Stale);
        }
        if message.visible_at <= now {
            return Err(VisibilityError::NotInFlight);
        }
        if let Some(mut message) = queue.take(serial) {
            message.visible_at = after(now, visibility);
            queue.insert(serial, message);
        }
        Ok(())
    }

    /// Moves the visible messages of a dead-letter queue to `destination`, or back to the queues that they came from,
    /// as new messages. Without a destination, a message that was never in another queue stays.
    pub(super) fn move_back(&mut self, name: &str, destination: Option<&str>, now: Timestamp) {
        let mut moved = 0;
        let due: Vec<u64> = self.queues.get(name).map_or_else(Vec::new, |queue| {
            queue.due.range(..=(now, u64::MAX)).map(|(_, serial)| *serial).collect()
        });
        for serial in due {
            let Some(queue) = self.queues.get_mut(name) else { break };
            let Some(message) = queue.take(serial) else { continue };
            let source = destination.map(str::to_owned).or_else(|| message.source.clone());
            let Some(source) = source else {
                queue.insert(serial, message);
                continue;
            };
            queue.finish(serial, MessageEnd::Deleted, now);
            self.send(&source, message.body, message.attributes, Some(Duration::ZERO), now);
            moved += 1;
        }
        self.moved.insert(name.to_owned(), moved);
    }

    /// How many messages the newest move task moved, if there was one.
    pub(super) fn moved_from(&self, name: &str) -> Option<usize> {
        self.moved.get(name).copied()
    }

    /// Deletes all messages. False, and nothing is deleted, if the previous purge was less than 60 seconds ago.
    pub(super) fn purge(&mut self, name: &str, now: Timestamp) -> bool {
        let Some(queue) = self.queues.get_mut(name) else {
            return true;
        };
        if queue.purged_at.is_some_and(|before| now < before.plus_seconds(60)) {
            return false;
        }
        queue.purged_at = Some(now);
        queue.due.clear();
        for serial in std::mem::take(&mut queue.messages).into_keys() {
            queue.finish(serial, MessageEnd::Purged, now);
        }
        true
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        for queue in self.queues.values_mut() {
            queue.expire(now);
        }
    }
}

impl Queue {
    fn new(name: &str, settings: QueueSettings, journal: Journal) -> Self {
        let (messages, due, histories) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Self {
            journal,
            section: format!("queue/{name}"),
            settings,
            messages,
            due,
            histories,
            purged_at: None,
        }
    }

    /// When the next message becomes visible. In the past if one is visible.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(super) fn queued(&self, now: Timestamp) -> Vec<QueuedMessage> {
        self.messages.values().map(|message| message.queued(now)).collect()
    }

    /// The numbers of messages that are visible, delayed, and in flight.
    pub(super) fn counts(&self, now: Timestamp) -> (usize, usize, usize) {
        self.messages
            .values()
            .fold((0, 0, 0), |(visible, delayed, in_flight), message| {
                match (message.visible_at <= now, message.receive_count) {
                    (true, _) => (visible + 1, delayed, in_flight),
                    (false, 0) => (visible, delayed + 1, in_flight),
                    (false, _) => (visible, delayed, in_flight + 1),
                }
            })
    }

    pub(super) fn histories(&self) -> Vec<MessageHistory> {
        self.histories.values().cloned().collect()
    }

    /// Adds a message that is new in this queue.
    fn add(&mut self, serial: u64, message: Message) {
        self.journal.put(&self.section, &entry_name(serial), &message);
        self.insert(serial, message);
    }

    fn insert(&mut self, serial: u64, message: Message) {
        self.due.insert((message.visible_at, serial));
        self.messages.insert(serial, message);
    }

    fn take(&mut self, serial: u64) -> Option<Message> {
        let message = self.messages.remove(&serial)?;
        self.due.remove(&(message.visible_at, serial));
        Some(message)
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some((&serial, message)) = self.messages.first_key_value() {
            if now < after(message.sent_at, self.settings.retention) {
                break;
            }
            self.take(serial);
            self.finish(serial, MessageEnd::Expired, now);
        }
    }

    fn record(&mut self, serial: u64, history: MessageHistory) {
        self.histories.insert(serial, history);
        if self.histories.len() > MAX_HISTORIES {
            self.histories.pop_first();
        }
    }

    fn finish(&mut self, serial: u64, end: MessageEnd, now: Timestamp) {
        self.journal.remove(&self.section, &entry_name(serial));
        if let Some(history) = self.histories.get_mut(&serial) {
            history.end = Some((end, now));
        }
    }
}

impl Message {
    fn queued(&self, now: Timestamp) -> QueuedMessage {
        QueuedMessage {
            id: self.id.clone(),
            body: self.body.clone(),
            sent_at: self.sent_at,
            visible_at: self.visible_at,
            receive_count: self.receive_count,
            in_flight: self.receive_count > 0 && self.visible_at > now,
        }
    }

    fn delivery(&self, queue: &str, serial: u64) -> Delivery {
        let first = self.first_received_at.unwrap_or(self.sent_at);
        let mut system = BTreeMap::from([
            ("ApproximateReceiveCount".to_owned(), self.receive_count.to_string()),
            ("SentTimestamp".to_owned(), self.sent_at.millis().to_string()),
            ("SenderId".to_owned(), "AROATESTTESTTESTTEST:patchbay".to_owned()),
            (
                "ApproximateFirstReceiveTimestamp".to_owned(),
                first.millis().to_string(),
            ),
        ]);
        if let Some(source) = &self.source {
            system.insert("DeadLetterQueueSourceArn".to_owned(), arn(source));
        }
        Delivery {
            id: self.id.clone(),
            receipt_handle: STANDARD.encode(format!("{queue}/{serial}/{}", self.receipt)),
            body: self.body.clone(),
            md5_of_body: md5_of_body(&self.body),
            md5_of_attributes: md5_of_attributes(&self.attributes),
            system,
            attributes: self.attributes.clone(),
        }
    }
}

/// The name of a message's entry in the journal: sorts like the serial numbers.
fn entry_name(serial: u64) -> String {
    format!("{serial:020}")
}

fn parse_handle(queue: &str, handle: &str) -> Option<(u64, u64)> {
    let text = String::from_utf8(STANDARD.decode(handle).ok()?).ok()?;
    let (serial, receipt) = text.strip_prefix(queue)?.strip_prefix('/')?.split_once('/')?;
    Some((serial.parse().ok()?, receipt.parse().ok()?))
}

/// An id in the format of SQS's ids (a UUID), the same in every run.
fn message_id(serial: u64) -> String {
    let mut rng = Rng::new(serial);
    let id = (u128::from(rng.bits()) << 64) | u128::from(rng.bits());
    // Version 4, variant 1.
    let id = id & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    let hex = format!("{id:032x}");
    [0..8, 8..12, 12..16, 16..20, 20..32]
        .map(|part| hex.get(part).unwrap_or_default())
        .join("-")
}

fn after(now: Timestamp, wait: Duration) -> Timestamp {
    now.plus_millis(millis(wait).cast_signed())
}

fn millis(duration: Duration) -> u64 {
    // Half of the range is far beyond the year 9999, and fits a signed number.
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .min(u64::MAX / 2)
}
