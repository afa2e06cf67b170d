//! Documents: one item per document, of the kinds in [`DocumentKind`].
//!
//! A version is the time of the write in milliseconds, or the previous version plus one if the writer's clock is
//! behind. A version never recurs, not even after a document was deleted and created again, so it identifies a copy
//! cached in memory.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::items::{DOC, Item, PARTITION_KEY, SORT_KEY, key, number, text, text_of};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::ids::{DocumentName, Tenant};

const VERSION: &str = "version";
const UPDATED_AT: &str = "updated_at";
/// Attempts to write when this machine's clock is behind.
const MAX_ATTEMPTS: u8 = 4;

/// What a document defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// A task chain of Agent4.
    Chain,
    /// A chat bot.
    Bot,
    /// An agent that contacts customers.
    Agent,
    /// What contacting customers is about.
    Skill,
}

impl DocumentKind {
    /// The letter that identifies the kind in keys.
    const fn letter(self) -> &'static str {
        match self {
            Self::Chain => "C",
            Self::Bot => "B",
            Self::Agent => "G",
            Self::Skill => "S",
        }
    }

    /// The published name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Bot => "bot",
            Self::Agent => "agent",
            Self::Skill => "skill",
        }
    }
}

/// Key of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentKey {
    /// The tenant that owns the document.
    pub tenant: Tenant,
    /// Its kind.
    pub kind: DocumentKind,
    /// Its name, unique within its kind.
    pub name: DocumentName,
}

impl DocumentKey {
    fn item_key(&self) -> Item {
        key(partition(&self.tenant, self.kind), &self.sort())
    }

    fn sort(&self) -> String {
        format!("{}#{}", self.kind.letter(), self.name)
    }
}

/// The condition of a write on the stored document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// No condition.
    Any,
    /// The document exists.
    Exists,
    /// The document does not exist.
    Absent,
    /// The document has this version.
    Version(i64),
}

/// Result of writing a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutDocumentResult {
    /// The document was written.
    Stored {
        /// Its new version.
        version: i64,
        /// Whether the precondition was that it does not exist. Otherwise it is unknown whether the document is new.
        created: bool,
    },
    /// The precondition was not met. Contains the stored document, if there is one.
    Conflict(Option<StoredDocument>),
}

/// Result of deleting a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteDocumentResult {
    /// The document was deleted.
    Deleted,
    /// The document does not exist.
    NotFound,
    /// The document has this other version.
    Conflict(i64),
}

/// A stored document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    /// Its version.
    pub version: i64,
    /// When it was written, RFC 3339.
    pub updated_at: String,
    /// The document, as JSON.
    pub document: String,
}

/// Result of looking up a document of which a version is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentLookup {
    /// The stored version is the known one.
    Unchanged,
    /// The stored version is another one.
    Changed(StoredDocument),
    /// The document does not exist.
    NotFound,
}

/// A document as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentSummary {
    /// Unique within its kind.
    pub name: String,
    /// Its version.
    pub version: i64,
    /// When it was written, RFC 3339.
    pub updated_at: String,
}

/// A page of the list of documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentPage {
    /// The documents, in the order of their names.
    pub documents: Vec<DocumentSummary>,
    /// Where the next page starts: the name of the last document read. `None` on the last page.
    pub next_cursor: Option<String>,
}

fn partition(tenant: &Tenant, kind: DocumentKind) -> String {
    format!("T#{tenant}#{}", kind.letter())
}

fn version_of(item: &Item) -> Result<i64, StoreError> {
    match item.get(VERSION) {
        Some(AttributeValue::N(digits)) => digits.parse().map_err(StoreError::item),
        _ => Err(StoreError::item("a document has no version")),
    }
}

fn stored(item: &Item) -> Result<StoredDocument, StoreError> {
    Ok(StoredDocument {
        version: version_of(item)?,
        updated_at: text_of(item, UPDATED_AT)?.to_owned(),
        document: text_of(item, DOC)?.to_owned(),
    })
}

/// The name in the sort key of a document.
fn name_of(item: &Item) -> Result<String, StoreError> {
    let sort = text_of(item, SORT_KEY)?;
    Ok(sort.split_once('#').map_or(sort, |(_, name)| name).to_owned())
}

impl Store {
    /// Stores `document` (JSON) under this key. One request; more if this machine's clock is behind.
    pub async fn put_document(
        &self,
        key: &DocumentKey,
        document: &str,
        expected: Precondition,
        now: Timestamp,
    ) -> Result<PutDocumentResult, StoreError> {
        let mut version = now.millis();
        for _ in 0..MAX_ATTEMPTS {
            let found = self.put_document_as(key, document, expected, version, now).await?;
            let Some(found) = found else {
                // Whether an unconditional write created the document is unknown: DynamoDB does not return the old item
                // unless asked, which costs more.
                return Ok(PutDocumentResult::Stored {
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
                current => return Ok(PutDocumentResult::Conflict(current)),
            }
        }
        Err(StoreError::item("a document was changed concurrently at every attempt"))
    }

    /// Writes a version. If the condition was not met, returns the stored item, which is empty if there is none.
    async fn put_document_as(
        &self,
        key: &DocumentKey,
        document: &str,
        expected: Precondition,
        version: i64,
        now: Timestamp,
    ) -> Result<Option<Item>, StoreError> {
        let mut item = key.item_key();
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

    /// Loads a document (a consistent read), if it exists. One request.
    pub async fn document(&self, key: &DocumentKey) -> Result<Option<StoredDocument>, StoreError> {
        let item = self.get(key.item_key()).await?;
        item.map(|item| stored(&item)).transpose()
    }

    /// Looks up a document of which the version `known` is already known. One request, which transfers the document
    /// only if it has changed. Eventually consistent: the result may lag the table by moments.
    pub async fn document_if_changed(
        &self,
        key: &DocumentKey,
        known: Option<i64>,
    ) -> Result<DocumentLookup, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#pk = :pk AND #sk = :sk")
            .filter_expression("#version <> :known")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#sk", SORT_KEY)
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_values(":pk", text(partition(&key.tenant, key.kind)))
            .expression_attribute_values(":sk", text(key.sort()))
            .expression_attribute_values(":known", number(known.unwrap_or(0)))
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        if let Some(item) = page.items().first() {
            return Ok(DocumentLookup::Changed(stored(item)?));
        }
        Ok(if page.scanned_count() == 0 {
            DocumentLookup::NotFound
        } else {
            DocumentLookup::Unchanged
        })
    }

    /// Up to `limit` documents of a tenant in the order of their names, after the one named `after`. One request.
    pub async fn list_documents(
        &self,
        tenant: &Tenant,
        kind: DocumentKind,
        after: Option<DocumentName>,
        limit: i32,
    ) -> Result<DocumentPage, StoreError> {
        let after = after.map(|name| DocumentKey {
            tenant: tenant.clone(),
            kind,
            name,
        });
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
            .expression_attribute_values(":pk", text(partition(tenant, kind)))
            .set_exclusive_start_key(after.map(|after| after.item_key()))
            .limit(limit)
            .send()
            .await
            .map_err(|error| StoreError::request("Query", &error))?;
        let summary = |item: &Item| {
            Ok(DocumentSummary {
                name: name_of(item)?,
                version: version_of(item)?,
                updated_at: text_of(item, UPDATED_AT)?.to_owned(),
            })
        };
        Ok(DocumentPage {
            documents: page.items().iter().map(summary).collect::<Result<_, StoreError>>()?,
            next_cursor: page.last_evaluated_key().map(name_of).transpose()?,
        })
    }

    /// Deletes a document, on condition that it has `version` if one is given. One request.
    pub async fn delete_document(
        &self,
        key: &DocumentKey,
        version: Option<i64>,
    ) -> Result<DeleteDocumentResult, StoreError> {
        let mut request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key.item_key()))
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
            return Ok(DeleteDocumentResult::Deleted);
        };
        match error.as_service_error() {
            Some(DeleteItemError::ConditionalCheckFailedException(failed)) => match failed.item() {
                Some(item) => Ok(DeleteDocumentResult::Conflict(version_of(item)?)),
                None => Ok(DeleteDocumentResult::NotFound),
            },
            _ => Err(StoreError::request("DeleteItem", &error)),
        }
    }
}
