//! Replays one conversation in the order of time, to find out who had it at each moment.

use std::time::Duration;

use patchbay::clock::Timestamp;

use super::{Answers, Breach, HandOver, Record, contains_any};
use crate::chat::questions::EventName;
use crate::chat::records::{Author, Cause, ChangeKind, ConversationRecord, EventRecord, Message, Status};
use crate::script_runner::later_by;

/// How long after a conversation returned to the bot an assigned person may be a leftover of the time before.
const LEFTOVER: Duration = Duration::from_mins(1);

/// Who has the conversation, as far as the bot can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    /// The bot, since this time if it was returned.
    Bot { returned_at: Option<Timestamp> },
    /// People, but nobody has taken it yet. Whether the customer was notified, or could not be.
    Waiting { is_notified: bool },
    /// A person. The bot knows it since this time, if at all.
    Human {
        last_sign: Timestamp,
        known_at: Option<Timestamp>,
    },
    /// Not the bot, unless it was notified in a way that the record does not show. Whatever it does is right.
    Unknown,
}

/// A moment of a conversation.
enum Moment<'a> {
    Change(&'a ChangeKind),
    /// The bot requested that people get the conversation, for the first time or again.
    Delivery,
    /// The bot requested a message that says that the conversation is back with it.
    Ended,
    /// The conversation was returned through patchbay's API.
    Returned,
    Message(&'a Message),
}

pub(super) struct Replay<'a> {
    record: &'a Record<'a>,
    conversation: &'a ConversationRecord,
    messages: &'a [Message],
    answers: &'a [Answers],
    holder: Holder,
    status: Status,
    is_assigned: bool,
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
            holder: Holder::Bot { returned_at: None },
            status: Status::Pending,
            is_assigned: false,
            open: Vec::new(),
            current: None,
            hand_overs: Vec::new(),
            breaches: Vec::new(),
        }
    }

    pub(super) fn run(&mut self) {
        for (at, moment) in self.moments() {
            self.pass(at);
            match moment {
                Moment::Message(message) if message.is_of_bot() => self.posted(message),
                Moment::Message(message) if message.is_of_customer() => self.received(message),
                Moment::Message(message) => self.written(message),
                Moment::Change(change) => self.changed(at, change),
                Moment::Delivery => self.delivered(at),
                Moment::Ended => self.ended(at),
                Moment::Returned => self.back_to_bot(at),
            }
        }
        self.end();
    }

    /// Everything that happened, in order. Of moments at the same time a change comes first, because a message causes
    /// it, and a request before the change and the message that it causes.
    fn moments(&self) -> Vec<(Timestamp, Moment<'a>)> {
        let id = self.conversation.id;
        let deliveries = self
            .record
            .requests
            .iter()
            .filter(|request| request.delivers() == Some(id));
        let deliveries = deliveries.map(|request| (request.at, Moment::Delivery));
        let ended = self.record.posts_to(id);
        let ended = ended
            .filter(|(_, text)| contains_any(text, &self.record.texts.ended))
            .map(|(request, _)| (request.at, Moment::Ended));
        let returned = self.record.texts.returned.iter().filter(|(of, _)| *of == id);
        let returned = returned.map(|(_, at)| (*at, Moment::Returned));
        let changes = self.conversation.changes.iter();
        let changes = changes.map(|change| (change.at, Moment::Change(&change.kind)));
        let messages = self
            .messages
            .iter()
            .map(|message| (message.at, Moment::Message(message)));
        let all = deliveries.chain(ended).chain(returned).chain(changes).chain(messages);
        let mut moments: Vec<(Timestamp, Moment<'a>)> = all.collect();
        moments.sort_by_key(|(at, _)| *at);
        moments
    }

    /// Time passes: a person who gave no sign for long has left.
    fn pass(&mut self, now: Timestamp) {
        if let (Holder::Human { last_sign, .. }, Some(limit)) = (self.holder, self.record.texts.give_back_after)
            && later_by(last_sign, limit) <= now
        {
            self.back_to_bot(later_by(last_sign, limit));
        }
    }

    fn back_to_bot(&mut self, at: Timestamp) {
        self.holder = Holder::Bot { returned_at: Some(at) };
        self.close_hand_over();
    }

    /// The conversation is back with the bot, if it was notified.
    fn back_if(&mut self, at: Timestamp, is_notified: bool) {
        if is_notified {
            self.back_to_bot(at);
        } else if !matches!(self.holder, Holder::Bot { .. }) {
            self.holder = Holder::Unknown;
        }
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
        if contains_any(&message.text, &texts.hand_over) {
            self.hand_over(message.at).messages += 1;
            self.check_holder(message);
        } else if texts.is_answer(&message.text) {
            self.check_holder(message);
            match self.holder {
                Holder::Waiting { .. } => {
                    let breach = Breach::PostWhileWaiting(self.conversation.id, message.id);
                    self.breaches.push(breach);
                }
                Holder::Bot { .. } => self.close_hand_over(),
                Holder::Human { .. } | Holder::Unknown => {}
            }
        }
        if !texts.answers_quote {
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

    /// The customer wrote. Shortly after a return the bot may not know of it yet, and leaves the message to people.
    fn received(&mut self, message: &'a Message) {
        let Holder::Bot { returned_at } = self.holder else {
            return;
        };
        let is_settled = returned_at.is_none_or(|at| message.at > later_by(at, self.record.texts.grace));
        if is_settled && self.notified_of(message.id).is_some() {
            self.open.push(message);
        }
    }

    /// Somebody else wrote.
    fn written(&mut self, message: &Message) {
        if !matches!(message.author, Author::Human(_)) {
            return;
        }
        let known_at = self.notified_of(message.id);
        if contains_any(&message.text, &self.record.texts.give_back) {
            self.back_if(message.at, known_at.is_some());
        } else if message.is_of_human() {
            self.taken_over(message.at, known_at);
        }
    }

    fn taken_over(&mut self, at: Timestamp, known_at: Option<Timestamp>) {
        let earlier = match self.holder {
            Holder::Human { known_at, .. } => known_at,
            Holder::Bot { .. } | Holder::Waiting { .. } | Holder::Unknown => None,
        };
        self.holder = Holder::Human {
            last_sign: at,
            known_at: earlier.or(known_at),
        };
        self.open.clear();
    }

    /// Whether the customer waits for a person. Then nobody takes over who does not write: many platforms assign somebody
    /// as soon as a conversation is handed over.
    fn is_waiting(&self) -> bool {
        matches!(self.holder, Holder::Waiting { .. }) || self.current.is_some()
    }

    /// Whether the bot had posted an answer to a message by then. Without quotes, whether it had posted any since.
    fn is_answered(&self, message: &Message, by: Timestamp) -> bool {
        let texts = self.record.texts;
        let quotes = |answer: &Message| !texts.answers_quote || answer.text.contains(&message.text);
        let mut answers = self.messages.iter().filter(|answer| {
            answer.is_of_bot() && (message.at..=by).contains(&answer.at) && texts.is_answer(&answer.text)
        });
        answers.any(quotes)
    }

    /// A person is assigned to an open conversation.
    fn assigned(&mut self, at: Timestamp) {
        if self.is_waiting() {
            return;
        }
        if self.open.iter().any(|message| !self.is_answered(message, at)) {
            // The bot may be handing over one of these messages, and then still waits for a person.
            self.open.clear();
            self.holder = Holder::Unknown;
            return;
        }
        let is_leftover = match self.holder {
            Holder::Bot {
                returned_at: Some(returned_at),
            } => at < later_by(returned_at, LEFTOVER + self.record.texts.grace),
            _ => false,
        };
        let known_at = self.notified(at, |event| {
            matches!(
                event.name,
                EventName::ConversationOpened | EventName::ConversationStatusChanged | EventName::ConversationUpdated
            )
        });
        self.taken_over(at, known_at.filter(|_| !is_leftover));
    }

    fn changed(&mut self, at: Timestamp, change: &ChangeKind) {
        match change {
            ChangeKind::Assigned(_) => self.is_assigned = true,
            ChangeKind::Unassigned => self.is_assigned = false,
            ChangeKind::Status { to, .. } => self.status = *to,
        }
        match change {
            ChangeKind::Status {
                to: Status::Open,
                by: Cause::Request(_) | Cause::Undelivered | Cause::Customer,
            } if self.is_assigned => {
                if self.is_waiting() {
                    return;
                }
                // Perhaps somebody from before: the bot may take them for the person who took over.
                self.taken_over(at, None);
            }
            ChangeKind::Assigned(_)
            | ChangeKind::Status {
                to: Status::Open,
                by: Cause::Human(_),
            } if self.status == Status::Open && self.is_assigned => {
                self.assigned(at);
            }
            ChangeKind::Status {
                to: Status::Resolved, ..
            } => {
                self.open.clear();
                let is_notified = self.notified(at, |event| match event.name {
                    EventName::ConversationResolved => true,
                    EventName::ConversationStatusChanged => event.body.contains(r#""status":"resolved""#),
                    _ => false,
                });
                self.back_if(at, is_notified.is_some());
            }
            ChangeKind::Status { .. } | ChangeKind::Assigned(_) | ChangeKind::Unassigned => {}
        }
    }

    /// The bot requested that people get the conversation.
    fn delivered(&mut self, at: Timestamp) {
        let id = self.conversation.id;
        let is_failing = self.has_failed_post(|request_at| request_at <= at);
        let had_message = self.hand_overs.last().is_some_and(|last| last.messages > 0);
        let returned_at = match self.holder {
            Holder::Bot { returned_at } => returned_at,
            _ => None,
        };
        // It may have been under way when the conversation was returned.
        let is_late =
            returned_at.is_some_and(|returned| had_message && at <= later_by(returned, self.record.texts.grace));
        let hand_over = self.hand_over(at);
        hand_over.deliveries += 1;
        let is_notified = hand_over.messages > 0 || is_failing || is_late;
        if matches!(self.holder, Holder::Bot { .. }) {
            if !is_notified {
                self.breaches.push(Breach::NoHandOverMessage(id));
            }
            self.holder = Holder::Waiting { is_notified };
        }
        self.open.clear();
    }

    /// The bot told the customer, or tried to, that the conversation is back.
    fn ended(&mut self, at: Timestamp) {
        match self.holder {
            Holder::Waiting { .. } | Holder::Bot { .. } => self.back_to_bot(at),
            Holder::Human { .. } | Holder::Unknown => {}
        }
    }

    /// When the bot was first notified, after `at`, by an event that fits.
    fn notified(&self, at: Timestamp, fits: impl Fn(&EventRecord) -> bool) -> Option<Timestamp> {
        let events = self.record.events.iter().filter(|event| {
            event.conversation == Some(self.conversation.id) && event.at >= at && event.is_accepted() && fits(event)
        });
        events.filter_map(|event| event.ended_at).min()
    }

    /// When the bot was notified of a message.
    fn notified_of(&self, message: u64) -> Option<Timestamp> {
        self.notified(self.conversation.created_at, |event| {
            event.name == EventName::MessageCreated && event.message == Some(message)
        })
    }

    /// Whether the client got no success for a message at a time that fits: it may never be repeated.
    fn has_failed_post(&self, fits: impl Fn(Timestamp) -> bool) -> bool {
        let mut requests = self.record.posts_to(self.conversation.id);
        requests.any(|(request, _)| fits(request.at) && !request.is_confirmed())
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
        let Some(last) = last.filter(|last| last.is_of_customer()) else {
            return;
        };
        let is_silent = match self.holder {
            Holder::Bot { .. } => {
                let is_open = self.open.iter().any(|open| open.id == last.id);
                is_open && !attempted(last) && !self.has_failed_post(|at| at >= last.at)
            }
            Holder::Waiting { is_notified } => !is_notified,
            Holder::Human { .. } | Holder::Unknown => false,
        };
        if is_silent {
            self.breaches.push(Breach::Silence(id, last.id));
        }
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
