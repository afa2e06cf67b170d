//! Replays one conversation in the order of time, to find out who had it at each moment.

use patchbay::clock::Timestamp;

use super::{Answers, Breach, HandOver, Record, contains_any};
use crate::chat::records::{Author, Cause, ChangeKind, ConversationRecord, Message, Status, WebhookOutcome};
use crate::script_runner::later_by;

/// Who has the conversation, as far as the bot can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Bot,
    /// People, but nobody has taken it yet.
    Waiting,
    /// A person, since this time. The bot knows it since the second time, if at all.
    Human {
        last_sign: Timestamp,
        known_at: Option<Timestamp>,
    },
}

/// A moment of a conversation.
enum Moment<'a> {
    Message(&'a Message),
    Change(&'a ChangeKind),
    Returned,
}

pub(super) struct Replay<'a> {
    record: &'a Record<'a>,
    conversation: &'a ConversationRecord,
    messages: &'a [Message],
    answers: &'a [Answers],
    holder: Holder,
    /// Messages of the customer that reached the bot while it had the conversation, and that nobody has taken care of.
    open: Vec<&'a Message>,
    current: Option<HandOver>,
    pub(super) hand_overs: Vec<HandOver>,
    pub(super) breaches: Vec<Breach>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        record: &'a Record<'a>,
        conversation: &'a ConversationRecord,
        messages: &'a [Message],
        answers: &'a [Answers],
    ) -> Self {
        Self {
            record,
            conversation,
            messages,
            answers,
            holder: Holder::Bot,
            open: Vec::new(),
            current: None,
            hand_overs: Vec::new(),
            breaches: Vec::new(),
        }
    }

    pub(super) fn run(&mut self) {
        let messages = self
            .messages
            .iter()
            .map(|message| (message.at, Moment::Message(message)));
        let changes = self.conversation.changes.iter();
        let changes = changes.map(|change| (change.at, Moment::Change(&change.kind)));
        let returned = self.record.texts.returned.iter();
        let returned = returned
            .filter(|(id, _)| *id == self.conversation.id)
            .map(|(_, at)| (*at, Moment::Returned));
        let mut moments: Vec<(Timestamp, Moment<'a>)> = changes.chain(messages).chain(returned).collect();
        // The sort is stable: of moments at the same time, a change comes first, because a message causes it.
        moments.sort_by_key(|(at, _)| *at);
        for (at, moment) in moments {
            self.pass(at);
            match moment {
                Moment::Message(message) if message.is_of_bot() => self.posted(message),
                Moment::Message(message) if message.is_of_customer() => self.received(message),
                Moment::Message(message) => self.written(message),
                Moment::Change(change) => self.changed(at, change),
                Moment::Returned => self.back_to_bot(),
            }
        }
        self.end();
    }

    /// Time passes: a person who gave no sign for long has left.
    fn pass(&mut self, now: Timestamp) {
        if let (Holder::Human { last_sign, .. }, Some(limit)) = (self.holder, self.record.texts.give_back_after)
            && later_by(last_sign, limit) <= now
        {
            self.back_to_bot();
        }
    }

    fn back_to_bot(&mut self) {
        self.holder = Holder::Bot;
        self.close_hand_over();
    }

    fn close_hand_over(&mut self) {
        let Some(hand_over) = self.current.take() else { return };
        if hand_over.messages > 1 {
            let breach = Breach::HandOverMessages(hand_over.conversation, hand_over.messages);
            self.breaches.push(breach);
        }
        self.hand_overs.push(hand_over);
    }

    fn hand_over(&mut self, at: Timestamp) -> &mut HandOver {
        let conversation = self.conversation.id;
        self.current.get_or_insert(HandOver {
            conversation,
            at,
            messages: 0,
            deliveries: 0,
        })
    }

    /// The bot posted a message.
    fn posted(&mut self, message: &Message) {
        let texts = self.record.texts;
        let id = self.conversation.id;
        if contains_any(&message.text, &texts.hand_over) {
            self.hand_over(message.at).messages += 1;
            self.check_holder(message);
        } else if contains_any(&message.text, &texts.ended) {
            if self.holder == Holder::Waiting {
                self.back_to_bot();
            }
        } else if !contains_any(&message.text, &texts.notices) {
            self.check_holder(message);
            if self.holder == Holder::Waiting {
                self.breaches.push(Breach::PostWhileWaiting(id, message.id));
            }
            if self.holder == Holder::Bot {
                self.close_hand_over();
            }
        }
        if self.holder == Holder::Bot && !texts.answers_quote {
            self.open.clear();
        }
    }

    /// Whether the bot posts although it knows that a person took over.
    fn check_holder(&mut self, message: &Message) {
        if let Holder::Human {
            known_at: Some(known_at),
            ..
        } = self.holder
            && message.at > later_by(known_at, self.record.texts.grace)
        {
            let breach = Breach::PostAfterTakeover(self.conversation.id, message.id);
            self.breaches.push(breach);
        }
    }

    /// The customer wrote.
    fn received(&mut self, message: &'a Message) {
        if self.holder == Holder::Bot && self.reached(message.id) {
            self.open.push(message);
        }
    }

    /// Somebody else wrote.
    fn written(&mut self, message: &Message) {
        if !matches!(message.author, Author::Human(_)) {
            return;
        }
        if contains_any(&message.text, &self.record.texts.give_back) {
            self.back_to_bot();
        } else if message.is_of_human() {
            self.taken_over(message.at, Some(message.id));
        }
    }

    fn taken_over(&mut self, at: Timestamp, message: Option<u64>) {
        let earlier = match self.holder {
            Holder::Human { known_at, .. } => known_at,
            Holder::Bot | Holder::Waiting => None,
        };
        self.holder = Holder::Human {
            last_sign: at,
            known_at: earlier.or_else(|| self.known_at(at, message)),
        };
        self.open.clear();
    }

    /// When the bot was notified of a takeover: by the event about the person's message, or else by any later event.
    fn known_at(&self, at: Timestamp, message: Option<u64>) -> Option<Timestamp> {
        let events = self.record.events.iter().filter(|event| {
            let fits = message.is_none_or(|message| event.message == Some(message));
            event.conversation == Some(self.conversation.id) && event.at >= at && event.is_accepted() && fits
        });
        events.filter_map(|event| event.ended_at).min()
    }

    fn changed(&mut self, at: Timestamp, change: &ChangeKind) {
        match change {
            ChangeKind::Status { to: Status::Open, by } => match by {
                Cause::Request(_) => self.delivered(at),
                Cause::Human(_) => self.taken_over(at, None),
                Cause::Customer | Cause::Undelivered => {}
            },
            ChangeKind::Status {
                to: Status::Resolved, ..
            } => {
                self.open.clear();
                self.back_to_bot();
            }
            ChangeKind::Status { .. } | ChangeKind::Assigned(_) | ChangeKind::Unassigned => {}
        }
    }

    fn delivered(&mut self, at: Timestamp) {
        let id = self.conversation.id;
        let hand_over = self.hand_over(at);
        hand_over.deliveries += 1;
        let is_told = hand_over.messages > 0;
        if !is_told && self.holder == Holder::Bot && !self.has_failed_post(at) {
            self.breaches.push(Breach::NobodyTold(id));
        }
        if self.holder == Holder::Bot {
            self.holder = Holder::Waiting;
        }
        self.open.clear();
    }

    /// Whether an event about a message was accepted.
    fn reached(&self, message: u64) -> bool {
        let mut events = self.record.events.iter();
        events
            .any(|event| event.message == Some(message) && event.outcome != WebhookOutcome::Lost && event.is_accepted())
    }

    /// Whether a post to this conversation failed before `until`: it may never be repeated.
    fn has_failed_post(&self, until: Timestamp) -> bool {
        let mut requests = self.record.posts_to(self.conversation.id);
        requests.any(|(request, _)| request.at <= until && !request.is_confirmed())
    }

    fn end(&mut self) {
        let id = self.conversation.id;
        self.close_hand_over();
        let attempted = |message: &Message| {
            let answers = self.answers.iter().find(|answers| answers.message == message.id);
            answers.is_some_and(|answers| answers.attempts > 0)
        };
        let quoting = self.record.texts.answers_quote;
        let unanswered: Vec<u64> = self
            .open
            .iter()
            .filter(|message| quoting && !message.text.is_empty() && !attempted(message))
            .map(|message| message.id)
            .collect();
        self.breaches
            .extend(unanswered.iter().map(|message| Breach::Unanswered(id, *message)));
        self.check_repetitions();
        let last = self.messages.iter().rev().find(|message| message.is_public());
        let Some(last) = last.filter(|last| last.is_of_customer() && self.reached(last.id)) else {
            return;
        };
        let is_silent = match self.holder {
            Holder::Bot => !attempted(last) && !self.has_failed_post_after(last.at),
            Holder::Waiting => self.hand_overs.last().is_none_or(|hand_over| hand_over.messages == 0),
            Holder::Human { .. } => false,
        };
        if is_silent {
            self.breaches.push(Breach::Silence(id, last.id));
        }
    }

    fn has_failed_post_after(&self, from: Timestamp) -> bool {
        let mut requests = self.record.posts_to(self.conversation.id);
        requests.any(|(request, _)| request.at >= from && !request.is_confirmed())
    }

    /// Finds messages that more answers contain than the customer wrote them.
    fn check_repetitions(&mut self) {
        if !self.record.texts.answers_quote {
            return;
        }
        for answers in self.answers {
            let text = |id: u64| {
                let found = self.messages.iter().find(|message| message.id == id);
                found.map_or("", |message| message.text.trim())
            };
            let same = self
                .answers
                .iter()
                .filter(|other| text(other.message) == text(answers.message));
            if answers.times > same.count() {
                let breach = Breach::AnsweredTwice(self.conversation.id, answers.message);
                self.breaches.push(breach);
            }
        }
    }
}
