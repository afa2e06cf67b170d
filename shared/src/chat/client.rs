//! The client of whichever platform is configured.

use super::{ChatError, CreatedContact, Inbox, NewContact, NewConversation, Platform};
use crate::conversation::PlatformId;
use crate::providers::chatwoot::Chatwoot;
use crate::providers::sangoma::Sangoma;

/// A client of a chat platform. Clones share what it caches, so [`ChatClient::with_bot`] may be called for every
/// conversation.
///
/// No call repeats a request that may have had an effect: [`ChatError`] tells what is known about it.
#[derive(Clone, Debug)]
pub enum ChatClient {
    /// Sangoma CX.
    Sangoma(Sangoma),
    /// Chatwoot.
    Chatwoot(Chatwoot),
}

impl ChatClient {
    /// The platform of this client.
    pub const fn platform(&self) -> Platform {
        match self {
            Self::Sangoma(_) => Platform::Sangoma,
            Self::Chatwoot(_) => Platform::Chatwoot,
        }
    }

    /// The same client, which names this bot as the author of what it posts. Without it the platform takes the owner of
    /// the credentials for the author.
    #[must_use]
    pub fn with_bot(self, bot: Option<PlatformId>) -> Self {
        match self {
            Self::Sangoma(client) => Self::Sangoma(client.with_bot(bot)),
            Self::Chatwoot(client) => Self::Chatwoot(client.with_bot(bot)),
        }
    }

    /// Posts a message to the customer. Returns its id if the platform tells it; the message was posted either way.
    ///
    /// # Errors
    /// The message was not posted, or may not have been.
    pub async fn post(&self, conversation: &PlatformId, text: &str) -> Result<Option<PlatformId>, ChatError> {
        match self {
            Self::Sangoma(client) => client.post(conversation, text).await,
            Self::Chatwoot(client) => client.post(conversation, text).await,
        }
    }

    /// Posts a message as the customer, for a widget of our own. Returns its id if the platform tells it; the message
    /// was posted either way. The platform reports the message to us like any other.
    ///
    /// # Errors
    /// The message was not posted, or may not have been.
    pub async fn post_incoming(&self, conversation: &PlatformId, text: &str) -> Result<Option<PlatformId>, ChatError> {
        match self {
            Self::Sangoma(client) => client.post_incoming(conversation, text).await,
            Self::Chatwoot(client) => client.post_incoming(conversation, text).await,
        }
    }

    /// Hands a conversation to people. May be repeated.
    ///
    /// # Errors
    /// It was not handed over, or may not have been.
    pub async fn deliver(&self, conversation: &PlatformId) -> Result<(), ChatError> {
        match self {
            Self::Sangoma(client) => client.deliver(conversation).await,
            Self::Chatwoot(client) => client.deliver(conversation).await,
        }
    }

    /// Finishes a conversation. May be repeated.
    ///
    /// # Errors
    /// It was not finished, or may not have been.
    pub async fn finish(&self, conversation: &PlatformId) -> Result<(), ChatError> {
        match self {
            Self::Sangoma(client) => client.finish(conversation).await,
            Self::Chatwoot(client) => client.finish(conversation).await,
        }
    }

    /// Lets the platform phone `destination`, a number or an extension, and queue the call for the agents of `queue`.
    /// Must not be repeated after [`ChatError::Unclear`]: the phone would ring twice.
    ///
    /// # Errors
    /// The call was not accepted, or may not have been; or the platform has no such call.
    pub async fn queue_call(&self, queue: &str, destination: &str) -> Result<(), ChatError> {
        match self {
            Self::Sangoma(client) => client.queue_call(queue, destination).await,
            Self::Chatwoot(_) => Err(no_calls()),
        }
    }

    /// Lets the platform phone `destination`, a number or an extension, for an agent who is logged in. Must not be
    /// repeated after [`ChatError::Unclear`].
    ///
    /// # Errors
    /// The call was not accepted, or may not have been; or the platform has no such call.
    pub async fn agent_call(&self, agent: &str, destination: &str) -> Result<(), ChatError> {
        match self {
            Self::Sangoma(client) => client.agent_call(agent, destination).await,
            Self::Chatwoot(_) => Err(no_calls()),
        }
    }

    /// Creates a bot whose events the platform posts to `url`. Returns its id.
    ///
    /// # Errors
    /// There is no bot, or it is unclear whether there is one.
    pub async fn create_bot(&self, name: &str, description: &str, url: &str) -> Result<PlatformId, ChatError> {
        match self {
            Self::Sangoma(client) => client.create_bot(name, description, url).await,
            Self::Chatwoot(client) => client.create_bot(name, description, url).await,
        }
    }

    /// The inboxes of the account.
    ///
    /// # Errors
    /// They could not be read.
    pub async fn inboxes(&self) -> Result<Vec<Inbox>, ChatError> {
        match self {
            Self::Sangoma(client) => client.inboxes().await,
            Self::Chatwoot(client) => client.inboxes().await,
        }
    }

    /// Lets a bot answer an inbox. May be repeated.
    ///
    /// # Errors
    /// The bot was not assigned, or may not have been.
    pub async fn assign_bot(&self, inbox: &PlatformId, bot: &PlatformId) -> Result<(), ChatError> {
        match self {
            Self::Sangoma(client) => client.assign_bot(inbox, bot).await,
            Self::Chatwoot(client) => client.assign_bot(inbox, bot).await,
        }
    }

    /// Subscribes `url` to new conversations and messages, for a widget of our own: a bot gets its events without.
    ///
    /// # Errors
    /// There is no subscription, or it is unclear whether there is one.
    pub async fn subscribe(&self, url: &str) -> Result<(), ChatError> {
        match self {
            Self::Sangoma(client) => client.subscribe(url).await,
            Self::Chatwoot(client) => client.subscribe(url).await,
        }
    }

    /// Creates a customer, for a widget of our own.
    ///
    /// # Errors
    /// There is no such customer, or it is unclear whether there is one.
    pub async fn create_contact(&self, contact: NewContact<'_>) -> Result<CreatedContact, ChatError> {
        match self {
            Self::Sangoma(client) => client.create_contact(contact).await,
            Self::Chatwoot(client) => client.create_contact(contact).await,
        }
    }

    /// Creates a conversation, for a widget of our own. Returns its id.
    ///
    /// # Errors
    /// There is no conversation, or it is unclear whether there is one.
    pub async fn create_conversation(&self, conversation: NewConversation<'_>) -> Result<PlatformId, ChatError> {
        match self {
            Self::Sangoma(client) => client.create_conversation(conversation).await,
            Self::Chatwoot(client) => client.create_conversation(conversation).await,
        }
    }
}

fn no_calls() -> ChatError {
    ChatError::no_such_call("Chatwoot has no phone calls")
}

#[cfg(test)]
mod tests;
