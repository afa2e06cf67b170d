//! Delivers events, with retries and faults (chatwoot 2), and runs whatever else follows from a change.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use patchbay::http::{Request, SendError};
use serde::{Deserialize, Serialize};

use super::Chat;
use super::questions::EventName;
use super::records::{Cause, EventRecord, Recipient, Status, WebhookOutcome};
use super::signature::{self, DELIVERY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use super::state::Effect;
use crate::webhook_faults::{AttemptFaults, DrawnFaults, take_planned};

/// How often an event is sent to a bot that responds with 429 or 500.
const ATTEMPTS: u32 = 3;
/// Time between two attempts.
const RETRY_AFTER: Duration = Duration::from_secs(3);
/// How long after its successor an overtaken event is sent.
const OVERTAKEN_BY: Duration = Duration::from_millis(150);
/// How long an event at most waits for one that overtakes it.
const HELD_FOR: Duration = Duration::from_secs(10);
/// How long after it was written the customer reads a message.
const READ_AFTER: Duration = Duration::from_millis(700);
/// How long after its beginning a conversation is reported late.
const REPORTED_AFTER: Duration = Duration::from_secs(3);

/// An event to send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct OutgoingEvent {
    pub(super) name: EventName,
    pub(super) to: Recipient,
    pub(super) url: String,
    pub(super) conversation: Option<u64>,
    pub(super) message: Option<u64>,
    pub(super) body: String,
    /// The same in all attempts.
    pub(super) delivery: String,
}

/// Counts a task as running until it is dropped.
pub(super) struct Running(Chat);

impl Running {
    pub(super) fn begin(chat: &Chat) -> Self {
        chat.lock().running += 1;
        Self(chat.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.running = state.running.saturating_sub(1);
    }
}

impl Chat {
    /// Runs `task`, which counts as running until its end.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let running = Running::begin(self);
        tokio::spawn(async move {
            task.await;
            drop(running);
        });
    }

    /// Starts what follows from a change.
    pub(super) fn follow(&self, effect: Effect) {
        let chat = self.clone();
        match effect {
            Effect::Send(event, delay) => self.send_event(event, delay),
            Effect::Read { conversation, message } => self.spawn(async move {
                let delay = chat.0.switches.response_time + READ_AFTER;
                chat.0.clock.sleep(delay).await;
                chat.change(|platform| platform.read(conversation, message));
            }),
            Effect::ReportLate { conversation } => self.spawn(async move {
                chat.0.clock.sleep(REPORTED_AFTER).await;
                chat.change(|platform| {
                    platform.report(EventName::ConversationCreated, conversation, None, &().into());
                });
            }),
            Effect::Serve { conversation, agent } => {
                self.spawn(async move { agent.serve(&chat, conversation).await });
            }
            Effect::Respond { conversation, party } => {
                self.spawn(async move { party.respond(&chat, conversation).await });
            }
        }
    }

    /// Sends an event after `delay`, followed by those that it was to overtake.
    fn send_event(&self, event: OutgoingEvent, delay: Duration) {
        let drawn = self.draw_faults(&event);
        if drawn.lost_for_good {
            self.record(&event, 1, WebhookOutcome::Lost);
            return;
        }
        if drawn.reordered {
            self.hold(event, delay);
            return;
        }
        let overtaken = self.take_held(|held| held.conversation == event.conversation && held.to == event.to);
        if let Some(after) = drawn.duplicate {
            self.start_delivery(event.clone(), delay + drawn.delay + after, AttemptFaults::default());
        }
        self.start_delivery(event, delay + drawn.delay, drawn.first);
        for event in overtaken {
            self.start_delivery(event, delay + OVERTAKEN_BY, AttemptFaults::default());
        }
    }

    /// Keeps an event back until another one of its conversation is sent, or until [`HELD_FOR`] has passed.
    fn hold(&self, event: OutgoingEvent, delay: Duration) {
        let (chat, delivery) = (self.clone(), event.delivery.clone());
        self.lock().held.push(event);
        self.spawn(async move {
            chat.0.clock.sleep(delay + HELD_FOR).await;
            for event in chat.take_held(|held| held.delivery == delivery) {
                chat.start_delivery(event, Duration::ZERO, AttemptFaults::default());
            }
        });
    }

    fn take_held(&self, fits: impl Fn(&OutgoingEvent) -> bool) -> Vec<OutgoingEvent> {
        let mut state = self.lock();
        let (taken, kept) = std::mem::take(&mut state.held).into_iter().partition(fits);
        state.held = kept;
        taken
    }

    /// Starts the delivery of an event, which the journal has until it ends.
    pub(super) fn start_delivery(&self, event: OutgoingEvent, delay: Duration, first: AttemptFaults) {
        let (entry, journal) = self.lock().store_event(&event);
        let chat = self.clone();
        self.spawn(async move {
            chat.0.clock.sleep(delay).await;
            chat.deliver(&event, first).await;
            journal.remove(super::stored::EVENTS, &entry);
        });
    }

    fn draw_faults(&self, event: &OutgoingEvent) -> DrawnFaults {
        let mut guard = self.lock();
        let state = &mut *guard;
        if let Some(fault) = take_planned(&mut state.planned_events, |name| *name == event.name) {
            return fault.into();
        }
        let mut drawn = state.faults.events.draw(&mut state.rng);
        if matches!(event.to, Recipient::Bot(_)) {
            drawn.lost_for_good = false;
            drawn.first.lost = false;
        }
        drawn
    }

    async fn deliver(&self, event: &OutgoingEvent, first: AttemptFaults) {
        self.wait_until_up().await;
        let mut faults = first;
        for attempt in 1..=ATTEMPTS {
            let outcome = self.attempt(event, attempt, faults).await;
            faults = AttemptFaults::default();
            let is_for_bot = matches!(event.to, Recipient::Bot(_));
            match outcome {
                WebhookOutcome::Answered(200..=299) => return,
                WebhookOutcome::Answered(429 | 500) if is_for_bot && attempt < ATTEMPTS => {
                    self.0.clock.sleep(RETRY_AFTER).await;
                }
                _ if is_for_bot => return self.give_up(event),
                _ => return,
            }
        }
    }

    /// Waits while the platform is down.
    async fn wait_until_up(&self) {
        let down = self.lock().faults.down;
        if let Some((from, until)) = down.filter(|(from, _)| *from <= self.now()) {
            tracing::debug!(%from, %until, "the simulated platform is down");
            self.0.clock.sleep_until(until).await;
        }
    }

    /// An event could not be delivered to a bot: people get the conversation of its message.
    fn give_up(&self, event: &OutgoingEvent) {
        if let (true, Some(conversation), Some(_)) = (self.0.switches.failure_opens, event.conversation, event.message)
        {
            self.change(|platform| {
                let found = platform.state.conversation(conversation);
                if found.is_some_and(|found| found.record.status == Status::Pending) {
                    platform.set_status(conversation, Status::Open, Cause::Undelivered);
                }
            });
        }
    }

    async fn attempt(&self, event: &OutgoingEvent, attempt: u32, faults: AttemptFaults) -> WebhookOutcome {
        let timeout = self.0.switches.event_timeout;
        if faults.lost {
            self.record(event, attempt, WebhookOutcome::Lost);
            self.0.clock.sleep(timeout).await;
            return WebhookOutcome::Lost;
        }
        let record = self.record(event, attempt, WebhookOutcome::Pending);
        // Biased: if both are ready, the choice must not be random, or a seed would not replay.
        let sent = tokio::select! {
            biased;
            sent = self.post(event) => Some(sent),
            () = self.0.clock.sleep(timeout) => None,
        };
        let outcome = match sent {
            _ if faults.answer_lost => WebhookOutcome::AnswerLost,
            None | Some(Err(SendError::NoResponse(_))) => WebhookOutcome::TimedOut,
            Some(Err(error)) => WebhookOutcome::NotDelivered(error.to_string()),
            Some(Ok(status)) => WebhookOutcome::Answered(status),
        };
        let now = self.now();
        if let Some(record) = self.lock().events.get_mut(record) {
            record.outcome = outcome.clone();
            record.ended_at = Some(now);
        }
        outcome
    }

    async fn post(&self, event: &OutgoingEvent) -> Result<u16, SendError> {
        let Some(client) = self.lock().client.clone() else {
            return Err(SendError::NotSent("no webhook client is configured".to_owned()));
        };
        let mut request = http::Request::post(&event.url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json");
        if let Some(secret) = &self.0.switches.secret {
            let now = self.now();
            request = request
                .header(TIMESTAMP_HEADER, now.seconds())
                .header(SIGNATURE_HEADER, signature::sign(secret, now, &event.body))
                .header(DELIVERY_HEADER, &event.delivery);
        }
        let request: Request = request
            .body(Bytes::from(event.body.clone()))
            .map_err(|error| SendError::NotSent(error.to_string()))?;
        Ok(client.send(request).await?.status().as_u16())
    }

    fn record(&self, event: &OutgoingEvent, attempt: u32, outcome: WebhookOutcome) -> usize {
        let at = self.now();
        let mut state = self.lock();
        state.events.push(EventRecord {
            at,
            name: event.name,
            to: event.to,
            url: event.url.clone(),
            conversation: event.conversation,
            message: event.message,
            body: event.body.clone(),
            attempt,
            outcome,
            ended_at: None,
        });
        state.events.len() - 1
    }
}
