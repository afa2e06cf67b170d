//! A conversation without a platform, for samples: a hand-over is complete at once. Nothing leaves this machine.

use super::Bot;
use super::run::{Step, TurnContext, advance, heard};
use crate::clock::Timestamp;
use crate::conversation::limits::MAX_TRANSCRIPT;
use crate::conversation::state::CustomerMessage;
use crate::conversation::{
    Author, Contact, Conversation, ConversationKey, Direction, Holder, PlatformMessage, Session, Speaker,
    TranscriptLine, TurnAction, TurnResult,
};
use crate::flow::FetchResults;

/// A conversation without a platform.
#[derive(Clone, Debug)]
pub(super) struct Chat {
    conversation: Conversation,
    /// Number of messages so far: the id of the last one.
    messages: u64,
}

impl Chat {
    /// A new conversation with this customer. None only if an id of ours is not valid.
    pub(super) fn new(contact: Contact, now: Timestamp) -> Option<Self> {
        let key = ConversationKey {
            tenant: "sample".parse().ok()?,
            id: "1".parse().ok()?,
        };
        let mut conversation = Conversation::new(key, now);
        conversation.contact = contact;
        Some(Self {
            conversation,
            messages: 0,
        })
    }

    /// The customer writes. Several messages before the next turn are answered together. Returns whether the bot
    /// answers: not while people hold the conversation.
    pub(super) fn write(&mut self, bot: &Bot, text: &str, attachments: u16, now: Timestamp) -> bool {
        self.messages += 1;
        let Ok(id) = self.messages.to_string().parse() else {
            return false;
        };
        let message = PlatformMessage {
            id,
            direction: Direction::Incoming,
            private: false,
            text: text.to_owned(),
            attachments,
            author: Author::Customer,
        };
        self.record(Speaker::Customer, text, now);
        if self.conversation.holder != Holder::Bot {
            if heard(bot, &message).cancels_wait {
                self.give_back(now);
            }
            return false;
        }
        self.conversation.pending.push(CustomerMessage {
            id: message.id,
            at: now,
            text: message.text,
            attachments,
        });
        true
    }

    /// What to do next for the turn that answers the messages, with the results so far.
    pub(super) fn advance(&self, bot: &Bot, now: Timestamp, fetched: &FetchResults) -> Step {
        advance(bot, &self.context(now), fetched)
    }

    /// The context of the turn that answers the messages.
    pub(super) const fn context(&self, now: Timestamp) -> TurnContext<'_> {
        TurnContext {
            conversation: &self.conversation,
            now,
        }
    }

    /// Applies the result of a turn. A hand-over is complete at once.
    pub(super) fn apply(&mut self, result: &TurnResult, now: Timestamp) {
        self.conversation.session = result.session.clone();
        let answered = result.answered.min(self.conversation.pending.len());
        self.conversation.pending.drain(..answered);
        for post in &result.posts {
            self.record(Speaker::Bot, post, now);
        }
        match &result.action {
            TurnAction::HandOver { plan, .. } => {
                self.record(Speaker::Bot, &plan.message, now);
                self.conversation.holder = Holder::Waiting;
                self.conversation.holder_since = now;
            }
            TurnAction::Finish => self.conversation.session = Session::default(),
            TurnAction::Continue | TurnAction::Call(_) => {}
        }
    }

    /// The conversation is back with the bot.
    pub(super) fn give_back(&mut self, now: Timestamp) {
        self.conversation.holder = Holder::Bot;
        self.conversation.holder_since = now;
        self.conversation.session.misses = 0;
        self.conversation.session.errors = 0;
    }

    fn record(&mut self, by: Speaker, text: &str, at: Timestamp) {
        let transcript = &mut self.conversation.transcript;
        transcript.push(TranscriptLine {
            at,
            by,
            text: text.to_owned(),
        });
        let excess = transcript.len().saturating_sub(MAX_TRANSCRIPT);
        transcript.drain(..excess);
    }
}
