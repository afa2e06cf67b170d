//! Conversations of a chat platform in the table.

use std::fmt::Display;

use super::StoreError;
use super::due::{DUE_SHARDS, Subject};
use super::items::{DAY_SK, Item, key, text_of};
use super::list::ListItem;
use super::versioned::{Listing, Versioned};
use crate::clock::Timestamp;
use crate::conversation::{self, Conversation, ConversationKey, Fact, PlatformId};
use crate::ids::Tenant;

/// Sort key of a conversation; also the letter of its kind in lists.
const CONVERSATION: &str = "V";

impl Subject for Conversation {
    type Key = ConversationKey;
    type Work = conversation::Work;

    const INDEX_PREFIX: &'static str = "DUE#V#";

    fn key(&self) -> &ConversationKey {
        &self.key
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn state_name(&self) -> &'static str {
        self.holder.name()
    }

    fn pending_work(&self) -> Option<(Self::Work, Timestamp)> {
        conversation::pending_work(self)
    }

    fn tenant(key: &ConversationKey) -> &Tenant {
        &key.tenant
    }

    fn id(key: &ConversationKey) -> &dyn Display {
        &key.id
    }

    fn shard(key: &ConversationKey) -> u8 {
        // The last characters of a platform's ids are spread evenly: most platforms count.
        let last = key.id.as_str().bytes().last().unwrap_or_default();
        last % DUE_SHARDS
    }

    fn item_key(of: &ConversationKey) -> Item {
        key(format!("T#{}#V#{}", of.tenant, of.id), CONVERSATION)
    }

    fn parse_partition(partition: &str) -> Option<ConversationKey> {
        let (tenant, id) = partition.strip_prefix("T#")?.split_once("#V#")?;
        Some(ConversationKey {
            tenant: tenant.parse().ok()?,
            id: id.parse().ok()?,
        })
    }
}

impl Versioned for Conversation {
    type Fact = Fact;

    const KIND: &'static str = CONVERSATION;

    fn listing(&self) -> Listing {
        Listing {
            status: self.holder.name(),
            status_since: self.holder_since,
            created_at: self.created_at,
            reference: None,
        }
    }

    fn retained_from(&self, now: Timestamp) -> Timestamp {
        now
    }
}

/// A conversation as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ConversationSummary {
    /// The platform's id.
    pub id: PlatformId,
    /// The published name of who answers the customer.
    pub holder: String,
    /// Since when, RFC 3339.
    pub holder_since: String,
    /// When its first event was received, RFC 3339.
    pub created_at: String,
}

impl ListItem for ConversationSummary {
    type Id = PlatformId;
    const KIND: &'static str = CONVERSATION;

    fn key(tenant: &Tenant, id: PlatformId) -> Item {
        let tenant = tenant.clone();
        Conversation::item_key(&ConversationKey { tenant, id })
    }

    fn read(item: &Item) -> Result<Self, StoreError> {
        let id = text_of(item, DAY_SK)?.rsplit('#').next().unwrap_or_default();
        Ok(Self {
            id: id.parse().map_err(StoreError::item)?,
            holder: text_of(item, "status")?.to_owned(),
            holder_since: text_of(item, "updated_at")?.to_owned(),
            created_at: text_of(item, "created_at")?.to_owned(),
        })
    }
}
