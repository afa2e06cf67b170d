//! Task chains: one item a chain, with all its links.
//!
//! A version is the millisecond at which it was written, or one more than the version before it where a clock is
//! behind: it never comes again, even after a chain was deleted and made anew, so a copy that is kept in memory is
//! known by it.

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
/// Tries against clocks that are behind.
const TRIES: u8 = 4;

/// What a writer expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Anything,
    /// Some version.
    Something,
    /// Nothing.
    Nothing,
    /// This version.
    Version(i64),
}

/// What came of writing a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutChain {
    /// It is kept.
    Stored {
        /// Its version.
        version: i64,
        /// Whether there was none before.
        created: bool,
    },
    /// There is something else than was expected: this, or nothing.
    Unexpected(Option<StoredChain>),
}

/// What came of deleting a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletedChain {
    /// It is gone.
    Deleted,
    /// There was none.
    Missing,
    /// There is another version.
    Unexpected(i64),
}

/// A chain as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChain {
    /// Its version.
    pub version: i64,
    /// When it was written, RFC 3339.
    pub updated_at: String,
    /// The document, JSON.
    pub document: String,
}

/// What somebody who knows a version is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownChain {
    /// It is still that version.
    Same,
    /// It is another one.
    Changed(StoredChain),
    /// There is none.
    Missing,
}

/// A line of a list.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ChainSummary {
    /// Its name.
    pub chain: String,
    /// Its version.
    pub version: i64,
    /// When it was written, RFC 3339.
    pub updated_at: String,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainPage {
    /// By name.
    pub chains: Vec<ChainSummary>,
    /// Name of the last one when there may be more after it.
    pub more_after: Option<String>,
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
        _ => Err(StoreError::item("a chain without a version")),
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
    /// Keeps `document` (JSON) under a name. One request, unless a clock is behind.
    pub async fn put_chain(
        &self,
        tenant: &Tenant,
        chain: &ChainName,
        document: &str,
        expected: Expected,
        now: Timestamp,
    ) -> Result<PutChain, StoreError> {
        let mut version = now.millis();
        for _ in 0..TRIES {
            let found = self
                .put_chain_as(tenant, chain, document, expected, version, now)
                .await?;
            let Some(found) = found else {
                // A version that was expected was there; whether anything else was is not told, and asking costs more.
                return Ok(PutChain::Stored {
                    version,
                    created: expected == Expected::Nothing,
                });
            };
            let there = if found.is_empty() { None } else { Some(stored(&found)?) };
            let is_expected = match (expected, &there) {
                (Expected::Anything, _) | (Expected::Something, Some(_)) => true,
                (Expected::Version(expected), Some(there)) => expected == there.version,
                _ => false,
            };
            match there {
                // Somebody whose clock is ahead wrote it.
                Some(there) if is_expected && there.version >= version => version = there.version + 1,
                there => return Ok(PutChain::Unexpected(there)),
            }
        }
        Err(StoreError::item("a chain was written again at every try"))
    }

    /// Writes a version; gives back what is there instead if it may not, empty when there is nothing.
    async fn put_chain_as(
        &self,
        tenant: &Tenant,
        chain: &ChainName,
        document: &str,
        expected: Expected,
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
            Expected::Nothing => "attribute_not_exists(#pk)",
            Expected::Anything => "attribute_not_exists(#pk) OR #version < :version",
            Expected::Something => "attribute_exists(#pk) AND #version < :version",
            Expected::Version(_) => "#version = :expected AND #version < :version",
        };
        if matches!(expected, Expected::Nothing | Expected::Anything | Expected::Something) {
            request = request.expression_attribute_names("#pk", PARTITION_KEY);
        }
        if expected != Expected::Nothing {
            request = request
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":version", number(version));
        }
        if let Expected::Version(expected) = expected {
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

    /// A chain (a consistent read), if there is one. One request.
    pub async fn chain(&self, tenant: &Tenant, chain: &ChainName) -> Result<Option<StoredChain>, StoreError> {
        let item = self.get(chain_key(tenant, chain)).await?;
        item.map(|item| stored(&item)).transpose()
    }

    /// A chain, unless it is the version that is known already. One request; the document is sent only when it has
    /// changed. May be behind the table for some moments.
    pub async fn chain_unless(
        &self,
        tenant: &Tenant,
        chain: &ChainName,
        known: Option<i64>,
    ) -> Result<KnownChain, StoreError> {
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
            return Ok(KnownChain::Changed(stored(item)?));
        }
        Ok(if page.scanned_count() == 0 {
            KnownChain::Missing
        } else {
            KnownChain::Same
        })
    }

    /// Up to `limit` chains of a tenant, by name, after the one called `after`. One request.
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
            more_after: page.last_evaluated_key().map(name).transpose()?,
        })
    }

    /// Deletes a chain, on condition of its version if one is given. One request.
    pub async fn delete_chain(
        &self,
        tenant: &Tenant,
        chain: &ChainName,
        version: Option<i64>,
    ) -> Result<DeletedChain, StoreError> {
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
            return Ok(DeletedChain::Deleted);
        };
        match error.as_service_error() {
            Some(DeleteItemError::ConditionalCheckFailedException(failed)) => match failed.item() {
                Some(item) => Ok(DeletedChain::Unexpected(version_of(item)?)),
                None => Ok(DeletedChain::Missing),
            },
            _ => Err(StoreError::request("DeleteItem", &error)),
        }
    }
}
