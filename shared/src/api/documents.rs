//! The API for documents of one kind: a collection, and its documents under their names.
//!
//! Writes may be conditional (`If-Match`, `If-None-Match`), so that two people do not overwrite each other's changes.

use http::header::{ETAG, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::condition::{Condition, etag};
use super::paging;
use crate::access::Scope;
use crate::clock::Clock;
use crate::field::FieldError;
use crate::flow::{CompiledDocument, Document, Issue, MAX_DOCUMENT};
use crate::ids::{DocumentName, Tenant};
use crate::store::{
    DeleteDocumentResult, DocumentKey, DocumentKind, DocumentSummary, Precondition, PutDocumentResult, Store,
    StoredDocument,
};
use crate::web::body::{self, json_response};
use crate::web::media::media_type;
use crate::web::problem::Problem;

/// Attempts at a conditional write whose condition must be checked by a read.
const MAX_ATTEMPTS: u8 = 4;

type Answer = Result<Response<Body>, Problem>;

/// The fields of the response to an upload that only one kind of document has.
pub type Details<'a, D> = &'a (dyn Fn(&DocumentKey, &D) -> Map<String, Value> + Sync);

/// The API for documents of one kind, which a `D` defines.
#[derive(Clone, Copy)]
pub struct DocumentApi<'a, D> {
    /// The table.
    pub store: &'a Store,
    /// The clock.
    pub clock: &'a Clock,
    /// The kind of the documents.
    pub kind: DocumentKind,
    /// Further fields of the response to an upload.
    pub details: Details<'a, D>,
}

impl<D> std::fmt::Debug for DocumentApi<'_, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DocumentApi")
    }
}

impl DocumentKind {
    /// The name of the collection in paths and lists.
    const fn collection(self) -> &'static str {
        match self {
            Self::Chain => "links",
            Self::Bot => "bots",
            Self::Agent => "agents",
            Self::Skill => "skills",
        }
    }

    /// The scope for reading.
    const fn read_scope(self) -> Scope {
        match self {
            Self::Chain => Scope::LinksRead,
            Self::Bot => Scope::BotsRead,
            Self::Agent | Self::Skill => Scope::CallsRead,
        }
    }

    /// The scope for writing.
    const fn write_scope(self) -> Scope {
        match self {
            Self::Chain => Scope::LinksWrite,
            Self::Bot => Scope::BotsWrite,
            Self::Agent | Self::Skill => Scope::CallsWrite,
        }
    }
}

impl<D: Document + Serialize> DocumentApi<'_, D> {
    /// Answers a request to the collection: the list of documents.
    ///
    /// # Errors
    /// The problem to answer with.
    pub async fn collection(&self, request: &Request) -> Answer {
        if request.method() != Method::GET {
            return Err(Problem::method_not_allowed("GET"));
        }
        let tenant = self.tenant(request, self.kind.read_scope()).await?;
        let limit = i32::try_from(paging::limit(request)?).unwrap_or(i32::MAX);
        let after: Option<DocumentName> = paging::cursor(request)?;
        let page = self.store.list_documents(&tenant, self.kind, after, limit).await?;
        let line = |line: &DocumentSummary| json!({ self.kind.name(): line.name, "version": line.version, "updated_at": line.updated_at });
        let lines: Vec<Value> = page.documents.iter().map(line).collect();
        let body = json!({ self.kind.collection(): lines, "next_cursor": page.next_cursor });
        Ok(json_response(StatusCode::OK, &body))
    }

    /// Answers a request to a document: reads, writes or deletes it.
    ///
    /// # Errors
    /// The problem to answer with.
    pub async fn one(&self, request: &Request, name: &str) -> Answer {
        match *request.method() {
            Method::GET => self.show(request, name).await,
            Method::PUT => {
                let tenant = self.tenant(request, self.kind.write_scope()).await?;
                self.put(request, &self.key(tenant, name)?).await
            }
            Method::DELETE => {
                let tenant = self.tenant(request, self.kind.write_scope()).await?;
                self.delete(request, &self.key(tenant, name)?).await
            }
            _ => Err(Problem::method_not_allowed("DELETE, GET, PUT")),
        }
    }

    /// The key of the document with this name.
    ///
    /// # Errors
    /// 422 when it is not a name.
    pub fn key(&self, tenant: Tenant, name: &str) -> Result<DocumentKey, Problem> {
        let kind = self.kind;
        let name = name
            .parse()
            .map_err(|_| Problem::invalid_field(kind.name(), "must have 1 to 64 characters of a-z, 0-9, - and _"))?;
        Ok(DocumentKey { tenant, kind, name })
    }

    /// The stored document.
    ///
    /// # Errors
    /// 404 when it does not exist; 503 when DynamoDB is unavailable.
    pub async fn load(&self, key: &DocumentKey) -> Result<StoredDocument, Problem> {
        let stored = self.store.document(key).await?;
        stored.ok_or_else(Problem::not_found)
    }

    /// The tenant of the request's token, if the token has the scope `needed`.
    ///
    /// # Errors
    /// As [`super::tenant`].
    pub async fn tenant(&self, request: &Request, needed: Scope) -> Result<Tenant, Problem> {
        super::tenant(self.store, request.headers(), needed, self.clock.now()).await
    }

    async fn show(&self, request: &Request, name: &str) -> Answer {
        let tenant = self.tenant(request, self.kind.read_scope()).await?;
        let condition = Condition::from_headers(request.headers())?;
        let stored = self.load(&self.key(tenant, name)?).await?;
        if !condition.is_met(Some(stored.version)) {
            return match condition {
                Condition::NoneMatch(_) => Ok(with_etag(empty(StatusCode::NOT_MODIFIED), stored.version)),
                _ => Err(precondition_failed(Some(stored.version))),
            };
        }
        let document: Value = serde_json::from_str(&stored.document).unwrap_or_default();
        let body = json!({
            self.kind.name(): name, "version": stored.version, "updated_at": stored.updated_at, "document": document,
            "warnings": warnings::<D>(&document),
        });
        Ok(with_etag(json_response(StatusCode::OK, &body), stored.version))
    }

    async fn put(&self, request: &Request, key: &DocumentKey) -> Answer {
        if !is_document(request.headers()) {
            return Err(Problem::unsupported_media_type());
        }
        let condition = Condition::from_headers(request.headers())?;
        let text = std::str::from_utf8(body::bytes_up_to(request, MAX_DOCUMENT)?);
        let text = text.map_err(|_| Problem::invalid_json("the body is not UTF-8"))?;
        let checked = CompiledDocument::<D>::read(text).map_err(|issues| refused(&issues))?;
        let document = serde_json::to_string(checked.document()).map_err(|_| Problem::unavailable(60))?;
        if document.len() > MAX_DOCUMENT {
            return Err(Problem::body_too_large(MAX_DOCUMENT));
        }
        let answer = |status: StatusCode, version: i64, updated_at: &str| {
            let mut body = (self.details)(key, checked.document());
            body.insert(self.kind.name().to_owned(), json!(key.name));
            body.insert("version".to_owned(), json!(version));
            body.insert("updated_at".to_owned(), json!(updated_at));
            Ok(with_etag(json_response(status, &body), version))
        };
        for _ in 0..MAX_ATTEMPTS {
            let now = self.clock.now();
            let current = match self.check_precondition(key, &condition).await? {
                PreconditionCheck::Met(expected) => {
                    match self.store.put_document(key, &document, expected, now).await? {
                        PutDocumentResult::Stored { version, created } => {
                            let (tenant, kind, name) = (&key.tenant, self.kind.name(), &key.name);
                            tracing::info!(%tenant, kind, document = %name, version, "document written");
                            let status = if created { StatusCode::CREATED } else { StatusCode::OK };
                            return answer(status, version, &now.to_string());
                        }
                        PutDocumentResult::Conflict(current) => current,
                    }
                }
                PreconditionCheck::Failed(current) => current,
            };
            let version = current.as_ref().map(|current| current.version);
            if condition.as_precondition().is_none() && condition.is_met(version) {
                // Another writer changed the version after our read, and the condition still holds.
                continue;
            }
            return match current {
                // The answer to the first attempt was lost. The document is written: confirm it.
                Some(current) if current.document == document && condition.may_have_written(current.version) => {
                    answer(StatusCode::OK, current.version, &current.updated_at)
                }
                _ => Err(precondition_failed(version)),
            };
        }
        Err(Problem::unavailable(1))
    }

    /// Translates the condition into a precondition of a write. Reads the document if DynamoDB cannot check the
    /// condition.
    async fn check_precondition(&self, key: &DocumentKey, condition: &Condition) -> Result<PreconditionCheck, Problem> {
        if let Some(expected) = condition.as_precondition() {
            return Ok(PreconditionCheck::Met(expected));
        }
        let current = self.store.document(key).await?;
        let version = current.as_ref().map(|current| current.version);
        Ok(if condition.is_met(version) {
            PreconditionCheck::Met(version.map_or(Precondition::Absent, Precondition::Version))
        } else {
            PreconditionCheck::Failed(current)
        })
    }

    async fn delete(&self, request: &Request, key: &DocumentKey) -> Answer {
        let condition = Condition::from_headers(request.headers())?;
        let version = match condition.as_precondition() {
            Some(Precondition::Any | Precondition::Exists) => None,
            Some(Precondition::Version(version)) => Some(version),
            Some(Precondition::Absent) | None => {
                let current = self.load(key).await?.version;
                if !condition.is_met(Some(current)) {
                    return Err(precondition_failed(Some(current)));
                }
                Some(current)
            }
        };
        match self.store.delete_document(key, version).await? {
            DeleteDocumentResult::Deleted => {
                let (tenant, kind, name) = (&key.tenant, self.kind.name(), &key.name);
                tracing::info!(%tenant, kind, document = %name, "document deleted");
                Ok(empty(StatusCode::NO_CONTENT))
            }
            DeleteDocumentResult::NotFound => Err(Problem::not_found()),
            DeleteDocumentResult::Conflict(current) => Err(precondition_failed(Some(current))),
        }
    }
}

/// The result of checking a condition that DynamoDB cannot check as part of a write.
enum PreconditionCheck {
    /// The condition is met as long as this precondition holds.
    Met(Precondition),
    /// The condition is not met. The current document, if any.
    Failed(Option<StoredDocument>),
}

/// The problem for a document with these issues. Each has its path, and its line and column if they are known.
pub fn refused(issues: &[Issue]) -> Problem {
    Problem::invalid_fields(issues.iter().map(field_error).collect())
}

fn field_error(issue: &Issue) -> FieldError {
    let field = if issue.path.is_empty() {
        "(document)"
    } else {
        issue.path.as_str()
    };
    match issue.position {
        Some(position) => {
            let (line, column) = (position.line, position.column);
            FieldError::new(field, format!("line {line}, column {column}: {}", issue.detail))
        }
        None => FieldError::new(field, &issue.detail),
    }
}

/// Issues that a newer check finds in a stored document. It may not behave as when it was uploaded.
fn warnings<D: Document>(document: &Value) -> Vec<FieldError> {
    let issues = CompiledDocument::<D>::from_value(document).err();
    issues.into_iter().flatten().map(|issue| field_error(&issue)).collect()
}

fn precondition_failed(current: Option<i64>) -> Problem {
    Problem::precondition_failed(match current {
        Some(version) => format!("the current version is {version}"),
        None => "the document does not exist".to_owned(),
    })
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

fn with_etag(mut response: Response<Body>, version: i64) -> Response<Body> {
    if let Ok(etag) = HeaderValue::from_str(&etag(version)) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

/// Whether the media type is JSON or YAML, under any of the names of YAML.
fn is_document(headers: &HeaderMap) -> bool {
    media_type(headers).is_none_or(|media_type| {
        matches!(
            media_type.as_str(),
            "application/json" | "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" | "text/plain"
        )
    })
}
