//! A client for Chatwoot's API (CONTRACT.md 5).

use std::fmt;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use serde::Serialize;
use serde_json::{Value, json};

use crate::config::ConfigError;
use crate::conversation::PlatformId;
use crate::http::{HttpClient, Request, Response, SendError};
use crate::providers::chat_answer::{self, created_id, posted_id, successful};
use crate::providers::chat_api::{
    ChatError, CreatedContact, Inbox, NewContact, NewConversation, number_or_text, to_json,
};
use crate::providers::lenient::path_segment;
use crate::secret::Secret;

/// The header of the token. Its underscores are no mistake (CONTRACT.md 5).
const TOKEN_HEADER: HeaderName = HeaderName::from_static("api_access_token");

/// The access tokens of an account (CONTRACT.md 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Of the bot: for conversations.
    pub bot: Secret,
    /// Of an administrator: to create bots, contacts and subscriptions, which a bot may not.
    pub user: Secret,
}

impl Tokens {
    /// Parses the value of the parameter that the variable `name` names: the bot's token and a user's token, separated
    /// by a comma, or one token for everything. With the bot's token alone the calls that set a bot up are refused;
    /// with a user's token alone everything works, and messages name the bot if it is known.
    ///
    /// # Errors
    /// The value does not have this form.
    pub fn parse(name: &'static str, value: &Secret) -> Result<Self, ConfigError> {
        let tokens: Vec<&str> = value.expose().split(',').map(str::trim).collect();
        let is_token = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let (bot, user) = match tokens.as_slice() {
            [only] => (*only, *only),
            [bot, user] => (*bot, *user),
            _ => ("", ""),
        };
        if ![bot, user].iter().all(is_token) {
            let expected = "must name a parameter with the bot's token, or that token and a user's token separated by a \
                            comma";
            return Err(ConfigError::Invalid { name, expected });
        }
        Ok(Self {
            bot: Secret::new(bot),
            user: Secret::new(user),
        })
    }
}

/// Which account is served, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Base URL of the installation.
    pub url: String,
    /// The account's number.
    pub account: PlatformId,
}

/// The token to send.
#[derive(Clone, Copy)]
enum Role {
    Bot,
    User,
}

/// A client for one account.
#[derive(Clone)]
pub struct Chatwoot {
    http: HttpClient,
    base: String,
    tokens: Tokens,
    bot: Option<PlatformId>,
}

impl fmt::Debug for Chatwoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chatwoot")
            .field("base", &self.base)
            .field("bot", &self.bot)
            .finish_non_exhaustive()
    }
}

impl Chatwoot {
    /// Creates a client. Sends no request yet.
    pub fn new(http: HttpClient, tokens: Tokens, settings: &Settings) -> Self {
        let Settings { url, account } = settings;
        Self {
            http,
            base: format!("{}/api/v1/accounts/{account}", url.trim_end_matches('/')),
            tokens,
            bot: None,
        }
    }

    /// The same client, which names this bot as the author of what it posts.
    #[must_use]
    pub fn with_bot(self, bot: Option<PlatformId>) -> Self {
        Self { bot, ..self }
    }

    /// Posts a message as the bot (CONTRACT.md 5.1). Returns its id if the answer has one.
    ///
    /// # Errors
    /// The message was not posted, or may not have been.
    pub async fn post(&self, conversation: &PlatformId, text: &str) -> Result<Option<PlatformId>, ChatError> {
        let body = PostMessage {
            content: text,
            message_type: "outgoing",
            sender_type: self.bot.as_ref().map(|_| "AgentBot"),
            sender_id: self.bot.as_ref().map(number_or_text),
        };
        self.message(conversation, &body).await
    }

    /// Posts a message as the customer. Only an inbox of the kind "API" accepts one (CONTRACT.md 5.1).
    ///
    /// # Errors
    /// The message was not posted, or may not have been.
    pub async fn post_incoming(&self, conversation: &PlatformId, text: &str) -> Result<Option<PlatformId>, ChatError> {
        let body = PostMessage {
            content: text,
            message_type: "incoming",
            sender_type: None,
            sender_id: None,
        };
        self.message(conversation, &body).await
    }

    async fn message(
        &self,
        conversation: &PlatformId,
        body: &PostMessage<'_>,
    ) -> Result<Option<PlatformId>, ChatError> {
        let path = format!("/conversations/{}/messages", segment(conversation)?);
        let response = self.send(Role::Bot, &path, body).await?;
        Ok(posted_id(&response, conversation))
    }

    /// Hands a conversation to people (CONTRACT.md 5.1).
    ///
    /// # Errors
    /// It was not handed over, or may not have been.
    pub async fn deliver(&self, conversation: &PlatformId) -> Result<(), ChatError> {
        self.set_status(conversation, "open").await
    }

    /// Finishes a conversation (CONTRACT.md 5.1).
    ///
    /// # Errors
    /// It was not finished, or may not have been.
    pub async fn finish(&self, conversation: &PlatformId) -> Result<(), ChatError> {
        self.set_status(conversation, "resolved").await
    }

    async fn set_status(&self, conversation: &PlatformId, status: &str) -> Result<(), ChatError> {
        let path = format!("/conversations/{}/toggle_status", segment(conversation)?);
        self.send(Role::Bot, &path, &json!({ "status": status }))
            .await
            .map(drop)
    }

    /// Creates a bot whose events are posted to `url` (CONTRACT.md 5.2). Returns its id.
    ///
    /// # Errors
    /// There is no bot, or it is unclear whether there is one.
    pub async fn create_bot(&self, name: &str, description: &str, url: &str) -> Result<PlatformId, ChatError> {
        let body = json!({ "name": name, "description": description, "outgoing_url": url });
        let response = self.send(Role::User, "/agent_bots", &body).await?;
        created_id(&response, &["agent_bot", "bot"])
    }

    /// The inboxes of the account (CONTRACT.md 5.2).
    ///
    /// # Errors
    /// They could not be read.
    pub async fn inboxes(&self) -> Result<Vec<Inbox>, ChatError> {
        let response = self.call(Role::User, Method::GET, "/inboxes", None).await?;
        chat_answer::inboxes(&response)
    }

    /// Lets a bot answer an inbox (CONTRACT.md 5.2).
    ///
    /// # Errors
    /// The bot was not assigned, or may not have been.
    pub async fn assign_bot(&self, inbox: &PlatformId, bot: &PlatformId) -> Result<(), ChatError> {
        let path = format!("/inboxes/{}/set_agent_bot", segment(inbox)?);
        let body = json!({ "agent_bot": number_or_text(bot) });
        self.send(Role::User, &path, &body).await.map(drop)
    }

    /// Subscribes `url` to the events that a widget of our own needs (CONTRACT.md 5.2).
    ///
    /// # Errors
    /// There is no subscription, or it is unclear whether there is one.
    pub async fn subscribe(&self, url: &str) -> Result<(), ChatError> {
        let body = json!({ "url": url, "subscriptions": ["conversation_created", "message_created"] });
        self.send(Role::User, "/webhooks", &body).await.map(drop)
    }

    /// Creates a customer (CONTRACT.md 5.2).
    ///
    /// # Errors
    /// There is no such customer, or it is unclear whether there is one.
    pub async fn create_contact(&self, contact: NewContact<'_>) -> Result<CreatedContact, ChatError> {
        let body = CreateContact {
            inbox_id: number_or_text(contact.inbox),
            name: contact.name,
            email: contact.email,
            phone_number: contact.phone,
        };
        let response = self.send(Role::User, "/contacts", &body).await?;
        let id = created_id(&response, &["contact"])?;
        Ok(CreatedContact {
            id,
            source: source_in(&chat_answer::body(&response)),
        })
    }

    /// Creates a conversation (CONTRACT.md 5.2). Returns its id. The priority is not among the documented fields and not
    /// sent.
    ///
    /// # Errors
    /// There is no conversation, or it is unclear whether there is one.
    pub async fn create_conversation(&self, conversation: NewConversation<'_>) -> Result<PlatformId, ChatError> {
        let body = CreateConversation {
            source_id: conversation.source,
            inbox_id: number_or_text(conversation.inbox),
            contact_id: number_or_text(conversation.contact),
            message: FirstMessage {
                content: conversation.initial_message,
                message_type: "incoming",
            },
        };
        let response = self.send(Role::Bot, "/conversations", &body).await?;
        created_id(&response, &["conversation"])
    }

    async fn send(&self, role: Role, path: &str, body: &impl Serialize) -> Result<Response, ChatError> {
        self.call(role, Method::POST, path, Some(to_json(body)?)).await
    }

    async fn call(&self, role: Role, method: Method, path: &str, body: Option<Bytes>) -> Result<Response, ChatError> {
        let token = match role {
            Role::Bot => &self.tokens.bot,
            Role::User => &self.tokens.user,
        };
        let not_sent = |error: &dyn fmt::Display| SendError::NotSent(error.to_string());
        let mut token = HeaderValue::from_str(token.expose()).map_err(|error| not_sent(&error))?;
        token.set_sensitive(true);
        let mut request = http::Request::builder()
            .method(&method)
            .uri(format!("{}{path}", self.base))
            .header(TOKEN_HEADER, token)
            .header(header::ACCEPT, "application/json");
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request: Request = request
            .body(body.unwrap_or_default())
            .map_err(|error| not_sent(&error))?;
        successful(&method, self.http.send(request).await?)
    }
}

/// An id as a part of a path.
fn segment(id: &PlatformId) -> Result<String, ChatError> {
    path_segment(id.as_str()).ok_or_else(|| ChatError::invalid("the id cannot be a part of a path"))
}

/// What identifies a new customer in their inbox: next to the contact, or in the only entry of the contact's list.
fn source_in(body: &Value) -> Option<String> {
    let payload = body.get("payload").unwrap_or(body);
    let next_to_it = payload.pointer("/contact_inbox/source_id");
    let within = || chat_answer::object(body, &["contact"])?.pointer("/contact_inboxes/0/source_id");
    let source = next_to_it.or_else(within)?.as_str()?;
    (!source.is_empty()).then(|| source.to_owned())
}

#[derive(Serialize)]
struct PostMessage<'a> {
    content: &'a str,
    message_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_id: Option<Value>,
}

#[derive(Serialize)]
struct CreateContact<'a> {
    inbox_id: Value,
    name: &'a str,
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<&'a str>,
}

#[derive(Serialize)]
struct CreateConversation<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<&'a str>,
    inbox_id: Value,
    contact_id: Value,
    message: FirstMessage<'a>,
}

#[derive(Serialize)]
struct FirstMessage<'a> {
    content: &'a str,
    message_type: &'static str,
}

#[cfg(test)]
mod tests;
