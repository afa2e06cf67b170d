//! What is set up in an installation: inboxes, bots, webhooks, contacts and people.

use serde::{Deserialize, Serialize};

/// An inbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxRecord {
    /// Its id.
    pub id: u64,
    /// What people call it.
    pub name: String,
    /// Its kind, such as `Channel::WebWidget`.
    pub channel: String,
    /// The bot that is assigned to it.
    pub bot: Option<u64>,
}

/// A bot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BotRecord {
    /// Its id.
    pub id: u64,
    /// What people call it.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Where its events go.
    pub outgoing_url: String,
    /// Its token for Chatwoot's API.
    pub token: String,
}

/// An account webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookSubscription {
    /// Its id.
    pub id: u64,
    /// Where its events go.
    pub url: String,
    /// Names of the events.
    pub subscriptions: Vec<String>,
}

/// A contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactRecord {
    /// Its id.
    pub id: u64,
    /// What the customer is called.
    pub name: String,
    /// The e-mail address.
    pub email: Option<String>,
    /// The phone number.
    pub phone: Option<String>,
}

/// A person of the team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRecord {
    /// Their id.
    pub id: u64,
    /// Their name, as in calls on their behalf.
    pub name: String,
    /// Whether they are logged in.
    pub is_logged_in: bool,
}
