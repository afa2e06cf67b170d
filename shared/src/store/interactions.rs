//! Interactions in the table.

use std::fmt::Display;

use super::StoreError;
use super::due::{DUE_SHARDS, Subject};
use super::items::{DAY_SK, Item, key, text_of};
use super::list::ListItem;
use super::versioned::{Listing, Versioned};
use crate::clock::Timestamp;
use crate::ids::{InteractionId, InteractionKey, Tenant};
use crate::interaction::{self, Channel, Fact, Interaction};

/// Sort key of an interaction; also the letter of its kind in lists.
const INTERACTION: &str = "I";

impl Subject for Interaction {
    type Key = InteractionKey;
    type Work = interaction::Work;

    const INDEX_PREFIX: &'static str = "DUE#I#";

    fn key(&self) -> &InteractionKey {
        &self.key
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn state_name(&self) -> &'static str {
        self.state.name()
    }

    fn pending_work(&self) -> Option<(Self::Work, Timestamp)> {
        interaction::pending_work(self)
    }

    fn tenant(key: &InteractionKey) -> &Tenant {
        &key.tenant
    }

    fn id(key: &InteractionKey) -> &dyn Display {
        &key.id
    }

    fn shard(key: &InteractionKey) -> u8 {
        key.id.shard(DUE_SHARDS)
    }

    fn item_key(of: &InteractionKey) -> Item {
        key(format!("T#{}#I#{}", of.tenant, of.id), INTERACTION)
    }

    fn parse_partition(partition: &str) -> Option<InteractionKey> {
        let (tenant, id) = partition.strip_prefix("T#")?.split_once("#I#")?;
        Some(InteractionKey {
            tenant: tenant.parse().ok()?,
            id: id.parse().ok()?,
        })
    }
}

impl Versioned for Interaction {
    type Fact = Fact;

    const KIND: &'static str = INTERACTION;

    fn listing(&self) -> Listing {
        Listing {
            status: self
                .state
                .end_reason()
                .map_or(self.state.name(), |reason| reason.name()),
            status_since: self.state_since,
            created_at: self.created_at,
            reference: self.channel().map(Channel::name),
        }
    }

    fn retained_from(&self, now: Timestamp) -> Timestamp {
        // One that is scheduled may begin much later.
        self.plan.latest_at.max(now)
    }
}

/// An interaction as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InteractionSummary {
    /// Its id.
    pub id: InteractionId,
    /// The published name of its state; for one that has ended, of the reason why it has.
    pub status: String,
    /// The channel that was asked for.
    pub channel: Option<Channel>,
    /// When it was created.
    pub created_at: Timestamp,
}

impl ListItem for InteractionSummary {
    type Id = InteractionId;
    const KIND: &'static str = INTERACTION;

    fn key(tenant: &Tenant, id: InteractionId) -> Item {
        let tenant = tenant.clone();
        Interaction::item_key(&InteractionKey { tenant, id })
    }

    fn read(item: &Item) -> Result<Self, StoreError> {
        let id = text_of(item, DAY_SK)?.rsplit('#').next().unwrap_or_default();
        let created_at = Timestamp::parse(text_of(item, "created_at")?);
        Ok(Self {
            id: id.parse().map_err(StoreError::item)?,
            status: text_of(item, "status")?.to_owned(),
            channel: text_of(item, "reference").ok().and_then(Channel::named),
            created_at: created_at.ok_or_else(|| StoreError::item("`created_at` is not a timestamp"))?,
        })
    }
}
