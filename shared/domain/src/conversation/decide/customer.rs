//! What the customer writes.

use super::Decision;
use super::builder::Builder;
use crate::conversation::event::{MAX_TEXT_CHARS, PlatformMessage};
use crate::conversation::limits::{
    INITIAL_SECONDS, MAX_DEBOUNCE_SECONDS, MAX_PENDING, MAX_PENDING_CHARS, PATIENCE_SECONDS,
};
use crate::conversation::state::{CustomerMessage, Holder, Speaker, Turn};
use crate::conversation::step::StepAction;
use crate::conversation::texts::{beginning, echo_key, shorten};
use crate::conversation::timeline::{ChangeReason, DropReason, Fact};
use crate::conversation::turn::{Heard, Settings};

impl Builder<'_> {
    pub(super) fn customer_wrote(mut self, message: &PlatformMessage, heard: Heard, settings: &Settings) -> Decision {
        let holder = self.before.holder;
        let is_initial = self.takes_initial_message(&message.text);
        let text = match holder {
            Holder::Bot if is_initial => "",
            Holder::Bot => unanswered_part(&self.before.pending, &message.text),
            Holder::HandingOff | Holder::Waiting | Holder::Human => &message.text,
        };
        self.record(Fact::CustomerWrote {
            message: message.id.clone(),
            holder,
            text: shorten(&message.text, MAX_TEXT_CHARS),
            unread: message.text.chars().count() - text.chars().count(),
        });
        self.note_line(Speaker::Customer, &line(message));
        match holder {
            Holder::Bot if is_initial => {}
            Holder::Bot => self.answer_later(message, text.to_owned(), settings),
            Holder::Waiting if heard.cancels_wait => self.give_back(ChangeReason::Cancelled, None, settings),
            // People see the message on the platform.
            Holder::HandingOff | Holder::Waiting | Holder::Human => {}
        }
        self.commit()
    }

    /// Remembers the text with which our own chat page began the conversation, or drops it from the messages that wait
    /// for an answer: the platform may have reported it before.
    pub(super) fn note_initial_message(&mut self, text: &str, settings: &Settings) {
        let text = echo_key(text);
        let mut pending = self.next.pending.iter();
        let Some(index) = pending.position(|message| echo_key(&message.text) == text) else {
            self.next.initial_message = Some(text);
            return;
        };
        self.next.pending.remove(index);
        self.next.turn = None;
        self.plan_turn(settings.debounce_millis);
    }

    /// Whether this is the message with which our own chat page began the conversation. There is only one.
    fn takes_initial_message(&mut self, text: &str) -> bool {
        let is_early = self.now() < self.before.created_at.plus_seconds(INITIAL_SECONDS);
        let initial = self.next.initial_message.take_if(|initial| *initial == echo_key(text));
        initial.is_some() && is_early
    }

    /// Adds a message to those that wait for an answer, and plans the turn that answers them all.
    fn answer_later(&mut self, message: &PlatformMessage, text: String, settings: &Settings) {
        // The answer to this message decides again whether the customer has what they wanted.
        let finishes = |action: &StepAction| matches!(action, StepAction::Finish);
        self.drop_steps_because(finishes, DropReason::Overtaken);
        let keeps_turn = self.keeps_turn();
        let message = CustomerMessage {
            id: message.id.clone(),
            at: self.now(),
            text,
            attachments: message.attachments,
        };
        let pending = &mut self.next.pending;
        match pending.last_mut() {
            Some(last) if self.before.pending.len() >= MAX_PENDING => join(last, &message),
            _ => pending.push(message),
        }
        if !keeps_turn {
            self.plan_turn(settings.debounce_millis);
        }
    }

    /// Whether the turn goes on, and a later one answers the message: the customer has waited long enough for this one.
    fn keeps_turn(&self) -> bool {
        let (Some(turn), Some(oldest)) = (self.before.turn, self.before.pending.first()) else {
            return false;
        };
        let Some(lease) = turn.running.filter(|lease| self.now() < lease.until) else {
            return false;
        };
        // A message can be joined only into one that the turn has not read.
        let pending = self.before.pending.len();
        let has_room = pending < MAX_PENDING || pending > lease.messages;
        has_room && self.now() > oldest.at.plus_seconds(PATIENCE_SECONDS)
    }

    /// Plans a turn that answers all pending messages. It replaces the present one.
    pub(super) fn plan_turn(&mut self, debounce_millis: u32) {
        let now = self.now();
        let Some(first_at) = self.next.pending.first().map(|message| message.at) else {
            return;
        };
        let latest = first_at.plus_seconds(MAX_DEBOUNCE_SECONDS).max(now);
        self.next.turn = Some(Turn {
            id: self.fresh_id(),
            first_at,
            due_at: now.plus_millis(i64::from(debounce_millis)).min(latest),
            running: None,
        });
    }
}

/// The part of a text that can still be answered, given the messages that wait already.
fn unanswered_part<'a>(pending: &[CustomerMessage], text: &'a str) -> &'a str {
    let waiting: usize = pending.iter().map(|message| message.text.chars().count() + 1).sum();
    let room = MAX_PENDING_CHARS.saturating_sub(waiting);
    beginning(text, room)
}

fn join(last: &mut CustomerMessage, message: &CustomerMessage) {
    if !last.text.is_empty() && !message.text.is_empty() {
        last.text.push('\n');
    }
    last.text.push_str(&message.text);
    last.attachments = last.attachments.saturating_add(message.attachments);
}

/// The message as a line of the transcript.
fn line(message: &PlatformMessage) -> String {
    match message.attachments {
        0 => message.text.clone(),
        count => format!("{} [attachments: {count}]", message.text),
    }
}
