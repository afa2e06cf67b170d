//! The connection of a tenant to a chat platform: which bot answers which inbox.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::items::{DOC, Item, json, key, read_doc};
use super::{Store, StoreError};
use crate::chat::Platform;
use crate::clock::Timestamp;
use crate::conversation::PlatformId;
use crate::conversation::widget::Widget;
use crate::ids::{DocumentName, Tenant};

/// Sort key of a connection.
const CONNECTION: &str = "CHAT";

/// The connection of a tenant to a chat platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatConnection {
    /// The platform.
    pub platform: Platform,
    /// The platform's id of our bot.
    pub bot_id: PlatformId,
    /// The bot's name on the platform.
    pub name: String,
    /// The bot documents that answer, by inbox.
    pub inboxes: BTreeMap<PlatformId, DocumentName>,
    /// The URL to which the platform posts the bot's events.
    pub bot_url: String,
    /// The URL to which the platform posts the account's events, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_url: Option<String>,
    /// The settings of our own chat page, if the tenant uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub widget: Option<Widget>,
    /// When the connection was changed.
    pub updated_at: Timestamp,
}

impl ChatConnection {
    /// The document that answers conversations in `inbox`. Without an inbox, or with an unknown one, it is the only
    /// document that there is.
    pub fn document(&self, inbox: Option<&PlatformId>) -> Option<&DocumentName> {
        let known = inbox.and_then(|inbox| self.inboxes.get(inbox));
        let mut all = self.inboxes.values();
        let only = || all.next().filter(|first| all.all(|other| other == *first));
        known.or_else(only)
    }
}

fn connection_key(tenant: &Tenant) -> Item {
    key(format!("T#{tenant}#{CONNECTION}"), CONNECTION)
}

impl Store {
    /// Loads a tenant's connection (a consistent read), if it has one. One request.
    pub async fn connection(&self, tenant: &Tenant) -> Result<Option<ChatConnection>, StoreError> {
        let item = self.get(connection_key(tenant)).await?;
        item.map(|item| read_doc(&item)).transpose()
    }

    /// Stores a tenant's connection, in place of the previous one. One request.
    pub async fn put_connection(&self, tenant: &Tenant, connection: &ChatConnection) -> Result<(), StoreError> {
        let mut item = connection_key(tenant);
        item.insert(DOC.into(), json(connection)?);
        self.put(item).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(inboxes: &[(&str, &str)]) -> ChatConnection {
        let pair = |(inbox, document): &(&str, &str)| {
            let inbox = inbox.parse().expect("an id");
            (inbox, document.parse().expect("a name"))
        };
        ChatConnection {
            platform: Platform::Sangoma,
            bot_id: "3".parse().expect("an id"),
            name: "Acme bot".to_owned(),
            inboxes: inboxes.iter().map(pair).collect(),
            bot_url: "https://hooks.example.org/sangoma/bot/x".to_owned(),
            events_url: None,
            widget: None,
            updated_at: Timestamp::from_millis(0),
        }
    }

    fn document(inboxes: &[(&str, &str)], inbox: Option<&str>) -> Option<String> {
        let inbox = inbox.map(|inbox| inbox.parse().expect("an id"));
        let connection = connection(inboxes);
        connection.document(inbox.as_ref()).map(ToString::to_string)
    }

    #[test]
    fn an_inbox_has_its_own_document() {
        let inboxes = [("7", "shop"), ("8", "support")];
        assert_eq!(document(&inboxes, Some("7")).as_deref(), Some("shop"));
        assert_eq!(document(&inboxes, Some("8")).as_deref(), Some("support"));
    }

    #[test]
    fn an_unknown_inbox_gets_the_only_document_and_none_of_several() {
        for inbox in [None, Some("9")] {
            assert_eq!(document(&[("7", "shop")], inbox).as_deref(), Some("shop"));
            assert_eq!(
                document(&[("7", "shop"), ("8", "shop")], inbox).as_deref(),
                Some("shop")
            );
            assert_eq!(document(&[("7", "shop"), ("8", "support")], inbox), None);
            assert_eq!(document(&[], inbox), None);
        }
    }
}
