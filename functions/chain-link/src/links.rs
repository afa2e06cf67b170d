//! `/v1/links`: the API for link documents.

use lambda_http::http::header::{ETAG, HeaderMap, HeaderValue};
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use patchbay::access::Scope;
use patchbay::api::{self, paging};
use patchbay::chain::sample::{self, Sample};
use patchbay::chain::{Chain, Issue, MAX_DOCUMENT};
use patchbay::field::FieldError;
use patchbay::ids::{ChainName, Tenant};
use patchbay::store::{DeleteChainResult, Precondition, PutChainResult, StoredChain};
use patchbay::web::body::{self, json_response};
use patchbay::web::media::media_type;
use patchbay::web::problem::Problem;
use serde_json::{Value, json};

use crate::condition::{Condition, etag};
use crate::{Answer, Deps};

/// Attempts at a conditional write whose condition must be checked by a read.
const MAX_ATTEMPTS: u8 = 4;

/// `/v1/links`.
pub(crate) async fn collection(deps: &Deps, request: &Request) -> Answer {
    if request.method() != Method::GET {
        return Err(Problem::method_not_allowed("GET"));
    }
    let tenant = deps.tenant(request, Scope::LinksRead).await?;
    let limit = i32::try_from(paging::limit(request)?).unwrap_or(i32::MAX);
    let after: Option<ChainName> = paging::cursor(request)?;
    let page = deps.store.list_chains(&tenant, after.as_ref(), limit).await?;
    let body = json!({ "links": page.chains, "next_cursor": page.next_cursor });
    Ok(json_response(StatusCode::OK, &body))
}

/// `/v1/links/{chain}`.
pub(crate) async fn one(deps: &Deps, request: &Request, chain: &str) -> Answer {
    match *request.method() {
        Method::GET => {
            let tenant = deps.tenant(request, Scope::LinksRead).await?;
            let condition = Condition::from_headers(request.headers())?;
            let stored = load(deps, &tenant, &name(chain)?).await?;
            if !condition.is_met(Some(stored.version)) {
                return match condition {
                    Condition::NoneMatch(_) => Ok(with_etag(empty(StatusCode::NOT_MODIFIED), stored.version)),
                    _ => Err(precondition_failed(Some(stored.version))),
                };
            }
            let document: Value = serde_json::from_str(&stored.document).unwrap_or_default();
            let body = json!({
                "chain": chain, "version": stored.version, "updated_at": stored.updated_at, "document": document,
                "warnings": warnings(&document),
            });
            Ok(with_etag(json_response(StatusCode::OK, &body), stored.version))
        }
        Method::PUT => {
            let tenant = deps.tenant(request, Scope::LinksWrite).await?;
            put(deps, request, &tenant, &name(chain)?).await
        }
        Method::DELETE => {
            let tenant = deps.tenant(request, Scope::LinksWrite).await?;
            delete(deps, request, &tenant, &name(chain)?).await
        }
        _ => Err(Problem::method_not_allowed("DELETE, GET, PUT")),
    }
}

/// `/v1/links/{chain}/test` and `/v1/links/{chain}/endpoint`.
pub(crate) async fn verb(deps: &Deps, request: &Request, chain: &str, verb: &str) -> Answer {
    if verb == "endpoint" {
        if request.method() != Method::GET {
            return Err(Problem::method_not_allowed("GET"));
        }
        // Anyone with the URL can send requests to the chain for any caller, so `links:read` is not enough.
        let tenant = deps.tenant(request, Scope::LinksWrite).await?;
        let chain = name(chain)?;
        let stored = load(deps, &tenant, &chain).await?;
        let url = deps.callbacks.chain_url(&tenant, &chain);
        // The format of the portal.
        let links: Vec<Value> = link_names(&stored.document)
            .into_iter()
            .map(|name| json!({ "name": name, "endpoint": url }))
            .collect();
        return Ok(json_response(
            StatusCode::OK,
            &json!({ "chain": chain, "endpoint": url, "links": links }),
        ));
    }
    if request.method() != Method::POST {
        return Err(Problem::method_not_allowed("POST"));
    }
    let tenant = deps.tenant(request, Scope::LinksRead).await?;
    let sample: Sample = body::json(request)?;
    let stored = load(deps, &tenant, &name(chain)?).await?;
    let document = serde_json::from_str(&stored.document).unwrap_or_default();
    let chain = Chain::from_stored(&document).map_err(|issues| refused(&issues))?;
    let result = sample::run(&chain, &sample);
    let result = result.map_err(|error| Problem::invalid_field("request", error.to_string()))?;
    Ok(json_response(StatusCode::OK, &result))
}

async fn put(deps: &Deps, request: &Request, tenant: &Tenant, chain: &ChainName) -> Answer {
    if !is_document(request.headers()) {
        return Err(Problem::unsupported_media_type());
    }
    let condition = Condition::from_headers(request.headers())?;
    let text = std::str::from_utf8(body::bytes_up_to(request, MAX_DOCUMENT)?);
    let text = text.map_err(|_| Problem::invalid_json("the body is not UTF-8"))?;
    let checked = read(text)?;
    let document = serde_json::to_string(checked.document()).map_err(|_| Problem::unavailable(60))?;
    if document.len() > MAX_DOCUMENT {
        return Err(Problem::body_too_large(MAX_DOCUMENT));
    }
    let links = &checked.document().links;
    let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
    let answer = |status: StatusCode, version: i64, updated_at: &str| {
        let body = json!({
            "chain": chain, "version": version, "updated_at": updated_at, "links": names,
            "endpoint": deps.callbacks.chain_url(tenant, chain),
        });
        Ok(with_etag(json_response(status, &body), version))
    };
    for _ in 0..MAX_ATTEMPTS {
        let now = deps.clock.now();
        let current = match check_precondition(deps, tenant, chain, &condition).await? {
            PreconditionCheck::Met(expected) => {
                let put = deps.store.put_chain(tenant, chain, &document, expected, now).await;
                match put? {
                    PutChainResult::Stored { version, created } => {
                        tracing::info!(%tenant, %chain, version, links = links.len(), "chain written");
                        let status = if created { StatusCode::CREATED } else { StatusCode::OK };
                        return answer(status, version, &now.to_string());
                    }
                    PutChainResult::Conflict(current) => current,
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

/// The result of checking a condition that DynamoDB cannot check as part of a write.
enum PreconditionCheck {
    /// The condition is met as long as this precondition holds.
    Met(Precondition),
    /// The condition is not met. The current document, if any.
    Failed(Option<StoredChain>),
}

/// Translates the condition into a precondition of a write. Reads the document if DynamoDB cannot check the condition.
async fn check_precondition(
    deps: &Deps,
    tenant: &Tenant,
    chain: &ChainName,
    condition: &Condition,
) -> Result<PreconditionCheck, Problem> {
    if let Some(expected) = condition.as_precondition() {
        return Ok(PreconditionCheck::Met(expected));
    }
    let current = deps.store.chain(tenant, chain).await?;
    let version = current.as_ref().map(|current| current.version);
    Ok(if condition.is_met(version) {
        PreconditionCheck::Met(version.map_or(Precondition::Absent, Precondition::Version))
    } else {
        PreconditionCheck::Failed(current)
    })
}

async fn delete(deps: &Deps, request: &Request, tenant: &Tenant, chain: &ChainName) -> Answer {
    let condition = Condition::from_headers(request.headers())?;
    let version = match condition.as_precondition() {
        Some(Precondition::Any | Precondition::Exists) => None,
        Some(Precondition::Version(version)) => Some(version),
        Some(Precondition::Absent) | None => {
            let current = load(deps, tenant, chain).await?.version;
            if !condition.is_met(Some(current)) {
                return Err(precondition_failed(Some(current)));
            }
            Some(current)
        }
    };
    match deps.store.delete_chain(tenant, chain, version).await? {
        DeleteChainResult::Deleted => {
            tracing::info!(%tenant, %chain, "chain deleted");
            Ok(empty(StatusCode::NO_CONTENT))
        }
        DeleteChainResult::NotFound => Err(Problem::not_found()),
        DeleteChainResult::Conflict(current) => Err(precondition_failed(Some(current))),
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

/// The names of the links in a stored document.
fn link_names(document: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let links = document.get("links").and_then(Value::as_array);
    let name = |link: &Value| link.get("name").and_then(Value::as_str).map(str::to_owned);
    links.into_iter().flatten().filter_map(name).collect()
}

/// Issues that a newer check finds in a stored document. It may not behave as when it was uploaded.
fn warnings(document: &Value) -> Vec<FieldError> {
    let checked = Chain::from_value(document);
    checked
        .err()
        .into_iter()
        .flatten()
        .map(|issue| field_error(&issue))
        .collect()
}

fn precondition_failed(current: Option<i64>) -> Problem {
    Problem::precondition_failed(match current {
        Some(version) => format!("the current version is {version}"),
        None => "the document does not exist".to_owned(),
    })
}

/// Parses and checks a document. Every issue is reported with its path, line and column.
fn read(text: &str) -> Result<Chain, Problem> {
    Chain::read(text).map_err(|issues| refused(&issues))
}

fn refused(issues: &[Issue]) -> Problem {
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

async fn load(deps: &Deps, tenant: &Tenant, chain: &ChainName) -> Result<StoredChain, Problem> {
    let chain = deps.store.chain(tenant, chain).await?;
    chain.ok_or_else(Problem::not_found)
}

impl Deps {
    /// The tenant of the token, if the token has the scope `needed`.
    async fn tenant(&self, request: &Request, needed: Scope) -> Result<Tenant, Problem> {
        api::tenant(&self.store, request.headers(), needed, self.clock.now()).await
    }
}

fn name(text: &str) -> Result<ChainName, Problem> {
    text.parse()
        .map_err(|_| Problem::invalid_field("chain", "must have 1 to 64 characters of a-z, 0-9, - and _"))
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
