//! Task chains: one item per chain, with all its links.
//!
//! A version is the time of the write in milliseconds, or the previous version plus one if the writer's clock is
//! behind. A version never recurs, not even after a chain was deleted and created again, so it identifies a copy cached
//! in memory.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::items::{DOC, Item, PARTITION_KEY, SORT_KEY, key, number, text, text_of};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::ids::{ChainName, Tenant};

const PREFIX: &str = "C#";
const VERSION: &str = "version";
const UPDATED_AT: &str = "updated_at";
/// Attempts to write when this machine's clock is behind.
const MAX_ATTEMPTS: u8 = 4;

/// The condition of a write on the stored chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// No condition.
    Any,
    /// The chain exists.
    Exists,
    /// The chain does not exist.
    Absent,
    /// The chain has this version.
    Version(i64),
}

/// Result of writing a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutChainResult {
    /// The chain was written.
    Stored {
        /// Its new version.
        version: i64,
        /// Whether the precondition was that it does not exist. Otherwise it is unknown whether the chain is new.
        created: bool,
    },
    /// The precondition was not met. Contains the stored chain, if there is one.
    Conflict(Option<StoredChain>),
}

/// Result of deleting a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteChainResult {
    /// The chain was deleted.
    Deleted,
    /// The chain does not exist.
    NotFound,
    /// The chain has this other version.
    Conflict(i64),
}

/// A stored chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChain {
    /// Its version.
    pub version: i64,
    /// When it was written, RFC 3339.
    pub updated_at: String,
    /// The document, as JSON.
    pub document: String,
}

/// Result of looking up a chain of which a version is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainLookup {
    /// The stored version is the known one.
    Unchanged,
    /// The stored version is another one.
    Changed(StoredChain),
    /// The chain does not exist.
    NotFound,
}

/// A chain as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ChainSummary {
    /// Name of the chain.
    pub chain: String,
    /// Its version.
    pub version: i64,
    /// When it was written, RFC 3339.
    pub updated_at: String,
}

/// A page of the list of chains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainPage {
    /// The chains, in the order of their names.
    pub chains: Vec<ChainSummary>,
    /// Where the next page starts: the name of the last chain read. `None` on the last page.
    pub next_cursor: Option<String>,
}

fn partition(tenant: &Tenant) -> String {
    format!("T#{tenant}#C")
}

fn chain_key(tenant: &Tenant, chain: &ChainName) -> Item {
    key(partition(tenant), &format!("{PREFIX}{chain}"))
}

fn version_of(item: &Item) -> Result<i64, StoreError> {
    match item.get(VERSION) {
        Some(AttributeValue::N(digits)) => digits.parse().map_err(StoreError::item),
        _ => Err(StoreError::item("a chain has no version")),
    }
}

fn stored(item: &Item) -> Result<StoredChain, StoreError> {
    Ok(StoredChain {
        version: version_of(item)?,
        updated_at: text_of(item, UPDATED_AT)?.to_owned(),
        document: text_of(item, DOC)?.to_owned(),
    })
}

impl Store {
    /// Stores `document` (JSON) as the chain with this name. One request; more if this machine's clock is behind.
    pub async fn put_chain(
        &self,
        tenant: &Tenant,
        chain: &ChainName,
        document: &str,
        expected: Precondition,
        now: Timestamp,
    ) -> Result<PutChainResult, StoreError> {
        let mut version = now.millis();
        for _ in 0..MAX_ATTEMPTS {
            let found = self
                .put_chain_as(tenant, chain, document, expected, version, now)
                .await?;
            let Some(found) = found else {
                // Whether an unconditional write created the chain is unknown: DynamoDB does not return the old item
                // unless asked, which costs more.
                return Ok(PutChainResult::Stored {
                    version,
                    created: expected == Precondition::Absent,
                });
            };
            let current = if found.is_empty() { None } else { Some(stored(&found)?) };
            let is_expected = match (expected, &current) {
                (Precondition::Any, _) | (Precondition::Exists, Some(_)) => true,
                (Precondition::Version(expected), Some(current)) => expected == current.version,
                _ => false,
            };
            match current {
                // The current version was written by a machine whose clock is ahead.
                Some(current) if is_expected && current.version >= version => version = current.version + 1,
                current => return Ok(PutChainResult::Conflict(current)),
            }
        }
        Err(StoreError::item("a chain was changed concurrently at every attempt"))
    }

    /// Writes a version. If the condition was not met, returns the stored item, which is empty if there is none.
    async fn put_chain_as(
        &self,
        tenant: &Tenant,
        chain: &ChainName,
        document: &str,
        expected: Precondition,
        version: i64,
        now: Timestamp,
    ) -> Result<Option<Item>, StoreError> {
        let mut item = chain_key(tenant, chain);
        item.insert(VERSION.into(), number(version));
        item.insert(UPDATED_AT.into(), text(now.to_string()));
        item.insert(DOC.into(), text(document));
        let mut request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let condition = match expected {
            Precondition::Absent => "attribute_not_exists(#pk)",
            Precondition::Any => "attribute_not_exists(#pk) OR #version < :version",
            Precondition::Exists => "attribute_exists(#pk) AND #version < :version",
            Precondition::Version(_) => "#version = :expected AND #version < :version",
        };
        if matches!(
            expected,
            Precondition::Absent | Precondition::Any | Precondition::Exists
        ) {
            request = request.expression_attribute_names("#pk", PARTITION_KEY);
        }
        if expected != Precondition::Absent {
            request = request
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":version", number(version));
        }
        if let Precondition::Version(expected) = expected {
            request = request.expression_attribute_values(":expected", number(expected));
        }
        let Err(error) = request.condition_expression(condition).send().await else {
            return Ok(None);
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                Ok(Some(failed.item().cloned().unwrap_or_default()))
            }
            _ => Err(StoreError::request("PutItem", &error)),
        }
    }

    /// Loads a chain (a consistent read), if it exists. One request.
    pub async fn chain(&self, tenant: &Tenant, chain: &ChainName) -> Result<Option<StoredChain>, StoreError> {
        let item = self.get(chain_key(tenant, chain)).await?;
        item.map(|item| stored(&item)).transpose()
    }

    /// Looks up a chain of which the version `known` is already known. One request, which transfers the document only
    /// if it has changed. Eventually consistent: the result may lag the table by moments.
    pub async fn chain_if_changed(
        &self,
        tenant: &Tenant,
        chain: &ChainName,
        known: Option<i64>,
    ) -> Result<ChainLookup, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#pk = :pk AND #sk = :sk")
            .filter_expression("#version <> :known")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#sk", SORT_KEY)
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_values(":pk", text(partition(tenant)))
            .expression_attribute_values(":sk", text(format!("{PREFIX}{chain}")))
            .expression_attribute_values(":known", number(known.unwrap_or(0)))
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        if let Some(item) = page.items().first() {
            return Ok(ChainLookup::Changed(stored(item)?));
        }
        Ok(if page.scanned_count() == 0 {
            ChainLookup::NotFound
        } else {
            ChainLookup::Unchanged
        })
    }

    /// Up to `limit` chains of a tenant in the order of their names, after the one named `after`. One request.
    pub async fn list_chains(
        &self,
        tenant: &Tenant,
        after: Option<&ChainName>,
        limit: i32,
    ) -> Result<ChainPage, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("#pk = :pk")
            .projection_expression("#sk, #version, #updated_at")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#sk", SORT_KEY)
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_names("#updated_at", UPDATED_AT)
            .expression_attribute_values(":pk", text(partition(tenant)))
            .set_exclusive_start_key(after.map(|after| chain_key(tenant, after)))
            .limit(limit)
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        let name = |item: &Item| Ok::<_, StoreError>(text_of(item, SORT_KEY)?.trim_start_matches(PREFIX).to_owned());
        let summary = |item: &Item| {
            Ok(ChainSummary {
                chain: name(item)?,
                version: version_of(item)?,
                updated_at: text_of(item, UPDATED_AT)?.to_owned(),
            })
        };
        Ok(ChainPage {
            chains: page.items().iter().map(summary).collect::<Result<_, StoreError>>()?,
            next_cursor: page.last_evaluated_key().map(name).transpose()?,
        })
    }

    /// Deletes a chain, on condition that it has `version` if one is given. One request.
    pub async fn delete_chain(
        &self,
        tenant: &Tenant,
        chain: &ChainName,
        version: Option<i64>,
    ) -> Result<DeleteChainResult, StoreError> {
        let mut request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(chain_key(tenant, chain)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        request = match version {
            Some(version) => request
                .condition_expression("#version = :version")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":version", number(version)),
            None => request
                .condition_expression("attribute_exists(#pk)")
                .expression_attribute_names("#pk", PARTITION_KEY),
        };
        let Err(error) = request.send().await else {
            return Ok(DeleteChainResult::Deleted);
        };
        match error.as_service_error() {
            Some(DeleteItemError::ConditionalCheckFailedException(failed)) => match failed.item() {
                Some(item) => Ok(DeleteChainResult::Conflict(version_of(item)?)),
                None => Ok(DeleteChainResult::NotFound),
            },
            _ => Err(StoreError::request("DeleteItem", &error)),
        }
    }
}
