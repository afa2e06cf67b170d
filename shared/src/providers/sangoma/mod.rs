//! A client for Sangoma CX: chats ("digital interactions"), and calls to customers (CONTRACT.md).
//!
//! No answer is documented, so nothing of one is relied on but the ids of what was created.

mod body;
mod settings;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde::Serialize;

use self::body::{
    AgentCall, AssignBot, Body, ConversationOnly, CreateBot, CreateContact, CreateConversation, PostMessage, QueueCall,
    Subscribe,
};
pub use self::settings::{Credentials, Endpoints, Generation, Settings};
use super::chat_answer::{self, created_id, posted_id, successful};
use super::chat_api::{ChatError, CreatedContact, Inbox, NewContact, NewConversation, number_or_text, to_json};
use super::oauth::{TokenCache, TokenRequest};
use crate::clock::Clock;
use crate::conversation::PlatformId;
use crate::http::{HttpClient, Request, Response, SendError};

/// The paths of the chat calls, below [`Endpoints::api`].
const CHATS: &str = "/api/v1/digital-interactions";

/// One token for each scope (CONTRACT.md 2): a client that may not call agents can still chat, and no request carries
/// more rights than it needs.
struct Tokens {
    chats: TokenCache,
    queue_calls: TokenCache,
    agent_calls: TokenCache,
}

/// What a token is for.
#[derive(Clone, Copy)]
enum Scope {
    Chats,
    QueueCalls,
    AgentCalls,
}

impl Scope {
    const fn name(self) -> &'static str {
        match self {
            Self::Chats => "cx.digital-interactions",
            Self::QueueCalls => "cx.queue-calls",
            Self::AgentCalls => "cx.agent-calls",
        }
    }
}

/// A client for one tenant. Caches its access tokens; clones share the cache.
#[derive(Clone)]
pub struct Sangoma {
    http: HttpClient,
    api: String,
    tenant_domain: String,
    generation: Generation,
    tokens: Arc<Tokens>,
    bot: Option<PlatformId>,
}

impl fmt::Debug for Sangoma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sangoma")
            .field("api", &self.api)
            .field("tenant_domain", &self.tenant_domain)
            .field("generation", &self.generation)
            .field("bot", &self.bot)
            .finish_non_exhaustive()
    }
}

impl Sangoma {
    /// Creates a client. Sends no request yet.
    pub fn new(http: HttpClient, clock: &Clock, credentials: &Credentials, settings: Settings) -> Self {
        let Settings {
            tenant_domain,
            generation,
            endpoints: Endpoints { auth, api },
        } = settings;
        let cache = |scope: Scope| {
            let request = TokenRequest {
                url: format!("{}/oauth/token", auth.trim_end_matches('/')),
                client_id: credentials.client_id.clone(),
                client_secret: credentials.client_secret.clone(),
                scope: Some(scope.name()),
            };
            TokenCache::new(http.clone(), clock.clone(), request)
        };
        let tokens = Tokens {
            chats: cache(Scope::Chats),
            queue_calls: cache(Scope::QueueCalls),
            agent_calls: cache(Scope::AgentCalls),
        };
        Self {
            http,
            api: api.trim_end_matches('/').to_owned(),
            tenant_domain,
            generation,
            tokens: Arc::new(tokens),
            bot: None,
        }
    }

    /// The same client, which names this bot as the author of what it posts.
    #[must_use]
    pub fn with_bot(self, bot: Option<PlatformId>) -> Self {
        Self { bot, ..self }
    }

    /// Posts a message as the bot (CONTRACT.md 5.7). Returns its id if the answer has one.
    ///
    /// # Errors
    /// The message was not posted, or may not have been.
    pub async fn post(&self, conversation: &PlatformId, text: &str) -> Result<Option<PlatformId>, ChatError> {
        let bot = self.bot.as_ref().filter(|_| self.generation == Generation::New);
        let message = PostMessage {
            is_bot: bot.map(|_| true),
            agent_bot_id: bot.map(number_or_text),
            content: text,
            message_type: "outgoing",
            conversation_id: number_or_text(conversation),
        };
        self.message(conversation, message).await
    }

    /// Posts a message as the customer, from a widget of our own (CONTRACT.md 5.7). Returns its id if the answer has
    /// one.
    ///
    /// # Errors
    /// The message was not posted, or may not have been.
    pub async fn post_incoming(&self, conversation: &PlatformId, text: &str) -> Result<Option<PlatformId>, ChatError> {
        let message = PostMessage {
            is_bot: None,
            agent_bot_id: None,
            content: text,
            message_type: "incoming",
            conversation_id: number_or_text(conversation),
        };
        self.message(conversation, message).await
    }

    async fn message(
        &self,
        conversation: &PlatformId,
        message: PostMessage<'_>,
    ) -> Result<Option<PlatformId>, ChatError> {
        let response = self.post_chat("/messages/", message).await?;
        Ok(posted_id(&response, conversation))
    }

    /// Hands a conversation to people (CONTRACT.md 5.8).
    ///
    /// # Errors
    /// It was not handed over, or may not have been.
    pub async fn deliver(&self, conversation: &PlatformId) -> Result<(), ChatError> {
        self.conversation_call("/conversations/deliver-to-agent/", conversation)
            .await
    }

    /// Finishes a conversation (CONTRACT.md 5.9).
    ///
    /// # Errors
    /// It was not finished, or may not have been.
    pub async fn finish(&self, conversation: &PlatformId) -> Result<(), ChatError> {
        self.conversation_call("/conversations/finish/", conversation).await
    }

    async fn conversation_call(&self, path: &str, conversation: &PlatformId) -> Result<(), ChatError> {
        let body = ConversationOnly {
            conversation_id: number_or_text(conversation),
        };
        self.post_chat(path, body).await.map(drop)
    }

    /// Lets the platform phone `destination` and queue the call for agents (CONTRACT.md 3).
    ///
    /// # Errors
    /// The call was not accepted, or may not have been.
    pub async fn queue_call(&self, queue: &str, destination: &str) -> Result<(), ChatError> {
        let body = QueueCall {
            queue_name: queue,
            destination,
        };
        self.post_json(Scope::QueueCalls, "/api/v1/queues/call/", body)
            .await
            .map(drop)
    }

    /// Lets the platform phone `destination` for an agent who is logged in (CONTRACT.md 4).
    ///
    /// # Errors
    /// The call was not accepted, or may not have been.
    pub async fn agent_call(&self, agent: &str, destination: &str) -> Result<(), ChatError> {
        let body = AgentCall {
            agent_name: agent,
            destination,
        };
        self.post_json(Scope::AgentCalls, "/api/v1/agents/call/", body)
            .await
            .map(drop)
    }

    /// Creates a bot whose events are posted to `url` (CONTRACT.md 5.1). Returns its id.
    ///
    /// # Errors
    /// There is no bot, or it is unclear whether there is one.
    pub async fn create_bot(&self, name: &str, description: &str, url: &str) -> Result<PlatformId, ChatError> {
        let body = CreateBot {
            outgoing_url: url,
            description: (self.generation == Generation::New).then_some(description),
            name,
        };
        let response = self.post_chat(self.generation.bots(), body).await?;
        created_id(&response, &["agent_bot", "bot"])
    }

    /// The inboxes of the tenant (CONTRACT.md 5.2).
    ///
    /// # Errors
    /// They could not be read.
    pub async fn inboxes(&self) -> Result<Vec<Inbox>, ChatError> {
        let path = format!("{CHATS}/inboxes/");
        chat_answer::inboxes(&self.call(Scope::Chats, Method::GET, &path, None).await?)
    }

    /// Lets a bot answer an inbox (CONTRACT.md 5.3).
    ///
    /// # Errors
    /// The bot was not assigned, or may not have been.
    pub async fn assign_bot(&self, inbox: &PlatformId, bot: &PlatformId) -> Result<(), ChatError> {
        let body = AssignBot {
            inbox_id: inbox.as_str(),
            agent_bot_id: bot.as_str(),
        };
        self.post_chat(self.generation.assign(), body).await.map(drop)
    }

    /// Subscribes `url` to the events that a widget of our own needs (CONTRACT.md 5.4).
    ///
    /// # Errors
    /// There is no subscription, or it is unclear whether there is one.
    pub async fn subscribe(&self, url: &str) -> Result<(), ChatError> {
        self.post_chat("/webhooks/", Subscribe::to_all(url)).await.map(drop)
    }

    /// Creates a customer (CONTRACT.md 5.5).
    ///
    /// # Errors
    /// There is no such customer, or it is unclear whether there is one.
    pub async fn create_contact(&self, contact: NewContact<'_>) -> Result<CreatedContact, ChatError> {
        let body = CreateContact {
            name: contact.name,
            email: contact.email,
            inbox_id: number_or_text(contact.inbox),
            phone_number: contact.phone,
        };
        let response = self.post_chat("/contacts/", body).await?;
        let id = created_id(&response, &["contact"])?;
        let body = chat_answer::body(&response);
        let answered = chat_answer::object(&body, &["contact"]).and_then(|contact| contact.get("email")?.as_str());
        Ok(CreatedContact {
            id,
            source: Some(answered.unwrap_or(contact.email).to_owned()),
        })
    }

    /// Creates a conversation (CONTRACT.md 5.6). Returns its id.
    ///
    /// # Errors
    /// There is no conversation, or it is unclear whether there is one.
    pub async fn create_conversation(&self, conversation: NewConversation<'_>) -> Result<PlatformId, ChatError> {
        let body = CreateConversation {
            source_id: conversation.source,
            contact_id: number_or_text(conversation.contact),
            inbox_id: number_or_text(conversation.inbox),
            priority: conversation.priority.number(),
            initial_message: conversation.initial_message,
        };
        let response = self.post_chat("/conversations/", body).await?;
        created_id(&response, &["conversation"])
    }

    async fn post_chat(&self, path: &str, fields: impl Serialize) -> Result<Response, ChatError> {
        self.post_json(Scope::Chats, &format!("{CHATS}{path}"), fields).await
    }

    async fn post_json(&self, scope: Scope, path: &str, fields: impl Serialize) -> Result<Response, ChatError> {
        let body = to_json(&Body {
            tenant_domain: &self.tenant_domain,
            fields,
        })?;
        self.call(scope, Method::POST, path, Some(body)).await
    }

    /// Sends a request with the cached token of its scope. After 401 it sends the request once more with a new token.
    /// That is safe for every request: one that was rejected as unauthorized had no effect.
    async fn call(&self, scope: Scope, method: Method, path: &str, body: Option<Bytes>) -> Result<Response, ChatError> {
        let tokens = match scope {
            Scope::Chats => &self.tokens.chats,
            Scope::QueueCalls => &self.tokens.queue_calls,
            Scope::AgentCalls => &self.tokens.agent_calls,
        };
        let bearer = tokens.current().await?;
        let mut response = self.attempt(&method, path, body.clone(), &bearer.header).await?;
        if response.status().as_u16() == 401 {
            let bearer = tokens.replace(&bearer).await?;
            response = self.attempt(&method, path, body, &bearer.header).await?;
        }
        successful(&method, response)
    }

    async fn attempt(
        &self,
        method: &Method,
        path: &str,
        body: Option<Bytes>,
        bearer: &HeaderValue,
    ) -> Result<Response, SendError> {
        // The documented requests have both headers, the one without a body too.
        let request: Request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.api))
            .header(header::AUTHORIZATION, bearer)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(body.unwrap_or_default())
            .map_err(|error| SendError::NotSent(error.to_string()))?;
        self.http.send(request).await
    }
}

#[cfg(test)]
mod tests;
