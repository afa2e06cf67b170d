//! The installation in the journal: bots, inboxes, conversations, messages, and events that are under way. Records of
//! requests are not kept.

use serde::{Deserialize, Serialize};

use super::Chat;
use super::delivery::OutgoingEvent;
use super::records::{ConversationRecord, Message};
use super::setup::{AgentRecord, BotRecord, ContactRecord, InboxRecord, WebhookSubscription};
use super::state::{Conversation, State, Token};
use crate::journal::{Journal, JournalError};
use crate::webhook_faults::AttemptFaults;

/// The journal section of events that are under way.
pub(super) const EVENTS: &str = "chat/event";
/// The journal section of everything that is set up.
const INSTALLATION: &str = "chat/installation";
/// The journal section of conversations without their messages.
const CONVERSATIONS: &str = "chat/conversation";
/// The journal section of messages.
const MESSAGES: &str = "chat/message";
/// The journal section of access tokens.
const TOKENS: &str = "chat/token";

/// What is set up, in the journal.
#[derive(Serialize, Deserialize)]
struct Installation {
    inboxes: Vec<InboxRecord>,
    bots: Vec<BotRecord>,
    webhooks: Vec<WebhookSubscription>,
    contacts: Vec<ContactRecord>,
    agents: Vec<AgentRecord>,
    queues: Vec<String>,
}

impl State {
    /// Writes what is set up to the journal.
    pub(super) fn store_installation(&self) {
        let installation = Installation {
            inboxes: self.inboxes.clone(),
            bots: self.bots.clone(),
            webhooks: self.webhooks.clone(),
            contacts: self.contacts.clone(),
            agents: self.agents.clone(),
            queues: self.queues.clone(),
        };
        self.journal.put(INSTALLATION, "all", &installation);
    }

    /// Writes the conversations that changed to the journal.
    pub(super) fn store_changes(&mut self) {
        for id in std::mem::take(&mut self.changed) {
            if let Some(conversation) = self.conversation(id) {
                self.journal
                    .put(CONVERSATIONS, &format!("{id:020}"), &conversation.record);
            }
        }
    }

    /// Writes a message to the journal.
    pub(super) fn store_message(&self, conversation: u64, id: u64) {
        let messages = self.conversation(conversation).map(|found| &found.messages);
        if let Some(message) = messages.and_then(|messages| messages.iter().find(|message| message.id == id)) {
            self.journal.put(MESSAGES, &format!("{id:020}"), message);
        }
    }

    /// Writes an access token to the journal.
    pub(super) fn store_token(&self, token: &Token) {
        self.journal.put(TOKENS, &token.value, token);
    }

    /// Removes all access tokens.
    pub(super) fn forget_tokens(&mut self) {
        for token in self.tokens.drain(..) {
            self.journal.remove(TOKENS, &token.value);
        }
    }

    /// Writes an event that is under way to the journal, and returns its name there.
    pub(super) fn store_event(&mut self, event: &OutgoingEvent) -> (String, Journal) {
        self.posted += 1;
        let entry = format!("{:020}", self.posted);
        self.journal.put(EVENTS, &entry, event);
        (entry, self.journal.clone())
    }
}

impl Chat {
    /// Restores the installation from `journal`, and writes to it from now on. Events that were under way are sent again.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn restore(&self, journal: Journal) -> Result<(), JournalError> {
        let installation = journal.all::<Installation>(INSTALLATION)?.pop();
        let tokens = journal.all::<Token>(TOKENS)?;
        let conversations = journal.all::<ConversationRecord>(CONVERSATIONS)?;
        let messages = journal.all::<Message>(MESSAGES)?;
        let events = journal.all::<OutgoingEvent>(EVENTS)?;
        let mut state = self.lock();
        state.journal = journal;
        if let Some((_, installation)) = installation {
            state.inboxes = installation.inboxes;
            state.bots = installation.bots;
            state.webhooks = installation.webhooks;
            state.contacts = installation.contacts;
            state.agents = installation.agents;
            state.queues = installation.queues;
        }
        state.tokens.extend(tokens.into_iter().map(|(_, token)| token));
        for (_, record) in conversations {
            let messages = Vec::new();
            state.conversations.push(Conversation { record, messages });
        }
        for (_, message) in messages {
            state.next_message = state.next_message.max(message.id + 1);
            if let Some(found) = state.conversation_mut(message.conversation) {
                found.messages.push(Message {
                    request: None,
                    ..message
                });
            }
        }
        state.posted = events
            .last()
            .and_then(|(entry, _)| entry.parse().ok())
            .unwrap_or_default();
        drop(state);
        for (entry, event) in events {
            self.start_delivery(event, std::time::Duration::ZERO, AttemptFaults::default());
            self.lock().journal.remove(EVENTS, &entry);
        }
        Ok(())
    }
}
