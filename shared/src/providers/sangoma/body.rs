//! The bodies of requests (CONTRACT.md 3 to 5).
//!
//! Ids are texts in one call and numbers in the others, as documented for each.

use serde::Serialize;
use serde_json::Value;

/// The body of every request that has one.
#[derive(Serialize)]
pub(super) struct Body<'a, T> {
    pub(super) tenant_domain: &'a str,
    #[serde(flatten)]
    pub(super) fields: T,
}

#[derive(Serialize)]
pub(super) struct QueueCall<'a> {
    pub(super) queue_name: &'a str,
    pub(super) destination: &'a str,
}

#[derive(Serialize)]
pub(super) struct AgentCall<'a> {
    pub(super) agent_name: &'a str,
    pub(super) destination: &'a str,
}

#[derive(Serialize)]
pub(super) struct CreateBot<'a> {
    pub(super) outgoing_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
    pub(super) name: &'a str,
}

#[derive(Serialize)]
pub(super) struct AssignBot<'a> {
    pub(super) inbox_id: &'a str,
    pub(super) agent_bot_id: &'a str,
}

#[derive(Serialize)]
pub(super) struct Subscribe<'a> {
    url: &'a str,
    subscriptions: [&'static str; 2],
}

impl<'a> Subscribe<'a> {
    /// Both documented subscriptions.
    pub(super) const fn to_all(url: &'a str) -> Self {
        Self {
            url,
            subscriptions: ["conversation_created", "message_created"],
        }
    }
}

#[derive(Serialize)]
pub(super) struct CreateContact<'a> {
    pub(super) name: &'a str,
    pub(super) email: &'a str,
    pub(super) inbox_id: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phone_number: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct CreateConversation<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source_id: Option<&'a str>,
    pub(super) contact_id: Value,
    pub(super) inbox_id: Value,
    pub(super) priority: u8,
    pub(super) initial_message: &'a str,
}

#[derive(Serialize)]
pub(super) struct PostMessage<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_bot: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) agent_bot_id: Option<Value>,
    pub(super) content: &'a str,
    pub(super) message_type: &'static str,
    pub(super) conversation_id: Value,
}

#[derive(Serialize)]
pub(super) struct ConversationOnly {
    pub(super) conversation_id: Value,
}
