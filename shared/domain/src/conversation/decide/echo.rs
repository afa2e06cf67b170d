//! Tells the bot's own messages from those of people. Every message to the customer comes back as an event, and not every
//! platform says who wrote it.

use super::Builder;
use crate::conversation::event::{Author, PlatformMessage};
use crate::conversation::limits::ECHO_SECONDS;
use crate::conversation::state::{Conversation, SentMessage};
use crate::conversation::step::{Step, StepAction, StepState};
use crate::conversation::texts::echo_key;
use crate::timestamp::Timestamp;

/// Whose message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The bot's, by its id.
    Known,
    /// The bot's, by its text: it is being posted.
    BeingPosted,
    /// The bot's, by its text: it was posted, and this is its place in the list of posted messages.
    Posted(usize),
    /// Perhaps the bot's: a post is on its way, and the platform may have changed its text.
    Perhaps,
    /// Another bot's.
    OtherBot,
    /// A person's.
    Person,
}

impl Origin {
    /// Finds out whose message to the customer this is.
    pub(super) fn of(message: &PlatformMessage, conversation: &Conversation, now: Timestamp) -> Self {
        let step = conversation.steps.first();
        let id = Some(&message.id);
        let sent = &conversation.sent;
        if sent.iter().any(|sent| sent.id.as_ref() == id) || step.is_some_and(|step| step.echo.as_ref() == id) {
            return Self::Known;
        }
        let key = echo_key(&message.text);
        let unreported = step.and_then(unreported_post);
        if unreported.is_some_and(|text| echo_key(text) == key) {
            return Self::BeingPosted;
        }
        let is_echo =
            |sent: &SentMessage| sent.id.is_none() && sent.text == key && now <= sent.at.plus_seconds(ECHO_SECONDS);
        if let Some(index) = sent.iter().position(is_echo) {
            return Self::Posted(index);
        }
        match message.author {
            Author::Bot => Self::OtherBot,
            Author::Unknown | Author::Customer | Author::Human(_) if unreported.is_some() => Self::Perhaps,
            Author::Unknown | Author::Customer | Author::Human(_) => Self::Person,
        }
    }
}

/// The text of a post that is on its way and that the platform has not reported yet.
fn unreported_post(step: &Step) -> Option<&str> {
    match (&step.action, step.state, &step.echo) {
        (StepAction::Post { text, .. }, StepState::Begun(_), None) => Some(text),
        _ => None,
    }
}

impl Builder<'_> {
    /// Remembers the id of the post that is on its way.
    pub(super) fn note_echo(&mut self, message: &PlatformMessage) {
        if let Some(step) = self.next.steps.first_mut() {
            step.echo = Some(message.id.clone());
        }
    }

    /// Remembers the id of a message that was posted.
    pub(super) fn note_id(&mut self, index: usize, message: &PlatformMessage) {
        if let Some(sent) = self.next.sent.get_mut(index) {
            sent.id = Some(message.id.clone());
        }
    }
}
