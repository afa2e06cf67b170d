//! What people do: customers in the widget, and agents in the platform's own console.

use serde_json::{Value, json};

use super::Chat;
use super::platform::NewMessage;
use super::questions::EventName;
use super::records::{Author, Cause, MessageKind, Status};
use super::setup::ContactRecord;

/// Why an action is impossible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// There is no such inbox.
    #[error("no inbox {0}")]
    NoInbox(u64),
    /// There is no such conversation.
    #[error("no conversation {0}")]
    NoConversation(u64),
    /// There is no such person in the team.
    #[error("no agent {0}")]
    NoAgent(String),
    /// The brake on loops: the conversation has too many messages in this minute.
    #[error("too many messages in conversation {0}")]
    TooManyMessages(u64),
    /// There is no such action, or a field of it is missing.
    #[error("{0}")]
    NoAction(String),
}

impl Chat {
    /// A visitor opens the widget of an inbox and begins a conversation. Returns its id.
    ///
    /// # Errors
    /// When there is no such inbox.
    pub fn customer_opens(&self, inbox: u64) -> Result<u64, ActionError> {
        self.change(|platform| {
            if platform.state.inbox(inbox).is_none() {
                return Err(ActionError::NoInbox(inbox));
            }
            let contact = platform.state.next_contact();
            platform.state.contacts.push(ContactRecord {
                id: contact,
                name: format!("quiet-fog-{contact}"),
                email: None,
                phone: None,
            });
            platform.state.store_installation();
            let source_id = platform.state.rng.uuid();
            if platform.switches.widget_events {
                platform.report_widget(inbox, contact, &source_id);
            }
            Ok(platform.open(inbox, contact, source_id))
        })
    }

    /// Sets what is known about the customer of a conversation. Later events have it.
    ///
    /// # Errors
    /// When there is no such conversation.
    pub fn customer_is(
        &self,
        conversation: u64,
        name: &str,
        email: Option<&str>,
        phone: Option<&str>,
    ) -> Result<(), ActionError> {
        let mut state = self.lock();
        let found = state.conversation(conversation);
        let contact = found.ok_or(ActionError::NoConversation(conversation))?.record.contact;
        if let Some(contact) = state.contacts.iter_mut().find(|known| known.id == contact) {
            name.clone_into(&mut contact.name);
            contact.email = email.map(str::to_owned);
            contact.phone = phone.map(str::to_owned);
        }
        state.store_installation();
        Ok(())
    }

    /// The customer writes. Returns the message's id.
    ///
    /// # Errors
    /// When there is no such conversation, or it has too many messages in this minute.
    pub fn customer_writes(&self, conversation: u64, text: &str) -> Result<u64, ActionError> {
        let message = NewMessage::text(conversation, Author::Customer, MessageKind::Incoming, text);
        self.change(|platform| platform.add(&message))
    }

    /// The customer sends an attachment, with a text if `caption` is not empty. Returns the message's id.
    ///
    /// # Errors
    /// As [`Self::customer_writes`].
    pub fn customer_sends_attachment(&self, conversation: u64, caption: &str) -> Result<u64, ActionError> {
        let message = NewMessage {
            attachments: 1,
            ..NewMessage::text(conversation, Author::Customer, MessageKind::Incoming, caption)
        };
        self.change(|platform| platform.add(&message))
    }

    /// The customer clicks a choice of the last message that offers choices. Without one they write it. Returns the id
    /// of the message that has the choice.
    ///
    /// # Errors
    /// As [`Self::customer_writes`].
    pub fn customer_clicks(&self, conversation: u64, choice: &str) -> Result<u64, ActionError> {
        let clicked = self.change(|platform| {
            let messages = platform
                .state
                .conversation_mut(conversation)
                .map(|found| &mut found.messages)?;
            let message = messages.iter_mut().rev().find_map(|message| {
                let item = item_titled(&message.attributes, choice)?;
                super::payload::set(&mut message.attributes, "submitted_values", json!([item]));
                Some(message.id)
            })?;
            platform.state.store_message(conversation, message);
            platform.report_message(EventName::MessageUpdated, conversation, message);
            Some(message)
        });
        match clicked {
            Some(message) => Ok(message),
            None => self.customer_writes(conversation, choice),
        }
    }

    /// A person replies to the customer. Returns the message's id.
    ///
    /// # Errors
    /// When there is no such conversation or person, or the conversation has too many messages in this minute.
    pub fn agent_replies(&self, conversation: u64, agent: &str, text: &str) -> Result<u64, ActionError> {
        self.known_agent(agent)?;
        let author = Author::Human(agent.to_owned());
        let message = NewMessage::text(conversation, author, MessageKind::Outgoing, text);
        self.change(|platform| platform.add(&message))
    }

    /// A person writes a note that only the team sees. Returns the message's id.
    ///
    /// # Errors
    /// As [`Self::agent_replies`].
    pub fn agent_notes(&self, conversation: u64, agent: &str, text: &str) -> Result<u64, ActionError> {
        self.known_agent(agent)?;
        let author = Author::Human(agent.to_owned());
        let message = NewMessage {
            private: true,
            ..NewMessage::text(conversation, author, MessageKind::Outgoing, text)
        };
        self.change(|platform| platform.add(&message))
    }

    /// A person takes a conversation over: it is open and assigned to them.
    ///
    /// # Errors
    /// When there is no such conversation or person.
    pub fn agent_takes(&self, conversation: u64, agent: &str) -> Result<(), ActionError> {
        self.known_agent(agent)?;
        self.known_conversation(conversation)?;
        self.change(|platform| {
            platform.assign(conversation, Some(agent));
            platform.set_status(conversation, Status::Open, Cause::Human(agent.to_owned()));
        });
        Ok(())
    }

    /// A person resolves a conversation.
    ///
    /// # Errors
    /// As [`Self::agent_takes`].
    pub fn agent_resolves(&self, conversation: u64, agent: &str) -> Result<(), ActionError> {
        self.agent_sets(conversation, agent, Status::Resolved)
    }

    /// A person hides a conversation until the customer writes again.
    ///
    /// # Errors
    /// As [`Self::agent_takes`].
    pub fn agent_snoozes(&self, conversation: u64, agent: &str) -> Result<(), ActionError> {
        self.agent_sets(conversation, agent, Status::Snoozed)
    }

    /// A person marks a conversation as pending and removes its assignee, which most people take for a return to the
    /// bot.
    ///
    /// # Errors
    /// As [`Self::agent_takes`].
    pub fn agent_releases(&self, conversation: u64, agent: &str) -> Result<(), ActionError> {
        self.known_conversation(conversation)?;
        self.change(|platform| platform.assign(conversation, None));
        self.agent_sets(conversation, agent, Status::Pending)
    }

    fn agent_sets(&self, conversation: u64, agent: &str, status: Status) -> Result<(), ActionError> {
        self.known_agent(agent)?;
        self.known_conversation(conversation)?;
        let by = Cause::Human(agent.to_owned());
        self.change(|platform| platform.set_status(conversation, status, by));
        Ok(())
    }

    /// Another bot of the platform writes to the customer. Returns the message's id.
    ///
    /// # Errors
    /// As [`Self::customer_writes`].
    pub fn other_bot_writes(&self, conversation: u64, name: &str, text: &str) -> Result<u64, ActionError> {
        let author = Author::Other(name.to_owned());
        let message = NewMessage::text(conversation, author, MessageKind::Outgoing, text);
        self.change(|platform| platform.add(&message))
    }

    fn known_agent(&self, name: &str) -> Result<(), ActionError> {
        match self.lock().agent(name) {
            Some(_) => Ok(()),
            None => Err(ActionError::NoAgent(name.to_owned())),
        }
    }

    fn known_conversation(&self, id: u64) -> Result<(), ActionError> {
        match self.lock().conversation(id) {
            Some(_) => Ok(()),
            None => Err(ActionError::NoConversation(id)),
        }
    }
}

/// The choice with this title among the items of a message.
fn item_titled(attributes: &Value, title: &str) -> Option<Value> {
    let mut items = attributes.get("items")?.as_array()?.iter();
    let found = items.find(|item| {
        let fields = ["title", "value"].into_iter().filter_map(|field| item.get(field));
        fields.filter_map(Value::as_str).any(|text| text == title)
    });
    found.cloned()
}
