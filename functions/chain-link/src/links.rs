//! `/v1/links`: where the documents of task chains are kept.

use lambda_http::http::header::{ETAG, HeaderMap, HeaderValue};
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use patchbay::access::Scope;
use patchbay::api::{self, paging};
use patchbay::chain::sample::{self, Sample};
use patchbay::chain::{Chain, Issue, MAX_DOCUMENT};
use patchbay::field::FieldError;
use patchbay::ids::{ChainName, Tenant};
use patchbay::store::{DeletedChain, Expected, PutChain, StoredChain};
use patchbay::web::body::{self, json_response};
use patchbay::web::media::media_type;
use patchbay::web::problem::Problem;
use serde_json::{Value, json};

use crate::condition::{Condition, tag};
use crate::{Answer, Deps};

/// Tries of a conditional write for which one has to look first.
const TRIES: u8 = 4;

/// `/v1/links`.
pub(crate) async fn collection(deps: &Deps, request: &Request) -> Answer {
    if request.method() != Method::GET {
        return Err(Problem::method_not_allowed("GET"));
    }
    let tenant = deps.tenant(request, Scope::LinksRead).await?;
    let limit = i32::try_from(paging::limit(request)?).unwrap_or(i32::MAX);
    let after: Option<ChainName> = paging::cursor(request)?;
    let page = deps.store.list_chains(&tenant, after.as_ref(), limit).await?;
    let body = json!({ "links": page.chains, "next_cursor": page.more_after });
    Ok(json_response(StatusCode::OK, &body))
}

/// `/v1/links/{chain}`.
pub(crate) async fn one(deps: &Deps, request: &Request, chain: &str) -> Answer {
    match *request.method() {
        Method::GET => {
            let tenant = deps.tenant(request, Scope::LinksRead).await?;
            let condition = Condition::of(request.headers())?;
            let stored = load(deps, &tenant, &name(chain)?).await?;
            if !condition.holds(Some(stored.version)) {
                return match condition {
                    Condition::NoneMatch(_) => Ok(tagged(empty(StatusCode::NOT_MODIFIED), stored.version)),
                    _ => Err(unexpected(Some(stored.version))),
                };
            }
            let document: Value = serde_json::from_str(&stored.document).unwrap_or_default();
            let body = json!({
                "chain": chain, "version": stored.version, "updated_at": stored.updated_at, "document": document,
                "warnings": warnings(&document),
            });
            Ok(tagged(json_response(StatusCode::OK, &body), stored.version))
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
        // Whoever has the URL can ask the chain in any caller's name, so reading documents is not enough for it.
        let tenant = deps.tenant(request, Scope::LinksWrite).await?;
        let chain = name(chain)?;
        let kept = load(deps, &tenant, &chain).await?;
        let url = deps.callbacks.chain_url(&tenant, &chain);
        // The portal wants them so.
        let links: Vec<Value> = link_names(&kept.document)
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
    let kept = load(deps, &tenant, &name(chain)?).await?;
    let document = serde_json::from_str(&kept.document).unwrap_or_default();
    let chain = Chain::from_kept(&document).map_err(|issues| refused(&issues))?;
    let tried = sample::run(&chain, &sample);
    let tried = tried.map_err(|error| Problem::invalid_field("request", error.to_string()))?;
    Ok(json_response(StatusCode::OK, &tried))
}

async fn put(deps: &Deps, request: &Request, tenant: &Tenant, chain: &ChainName) -> Answer {
    if !is_document(request.headers()) {
        return Err(Problem::unsupported_media_type());
    }
    let condition = Condition::of(request.headers())?;
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
        Ok(tagged(json_response(status, &body), version))
    };
    for _ in 0..TRIES {
        let now = deps.clock.now();
        let there = match looked(deps, tenant, chain, &condition).await? {
            Looked::Expected(expected) => {
                let put = deps.store.put_chain(tenant, chain, &document, expected, now).await;
                match put? {
                    PutChain::Stored { version, created } => {
                        tracing::info!(%tenant, %chain, version, links = links.len(), "a chain was written");
                        let status = if created { StatusCode::CREATED } else { StatusCode::OK };
                        return answer(status, version, &now.to_string());
                    }
                    PutChain::Unexpected(there) => there,
                }
            }
            Looked::Unexpected(there) => there,
        };
        let version = there.as_ref().map(|there| there.version);
        if condition.expected().is_none() && condition.holds(version) {
            // Somebody else wrote what is as good, after we looked.
            continue;
        }
        return match there {
            // Its first answer was lost, and what it wrote is there: it is told so again.
            Some(there) if there.document == document && condition.may_have_led_to(there.version) => {
                answer(StatusCode::OK, there.version, &there.updated_at)
            }
            _ => Err(unexpected(version)),
        };
    }
    Err(Problem::unavailable(1))
}

/// What was found by looking, for a condition that the table cannot check.
enum Looked {
    /// The condition holds as long as this does.
    Expected(Expected),
    /// The condition does not hold: this is there, or nothing.
    Unexpected(Option<StoredChain>),
}

/// Looks at what is there, if the table cannot check the condition.
async fn looked(deps: &Deps, tenant: &Tenant, chain: &ChainName, condition: &Condition) -> Result<Looked, Problem> {
    if let Some(expected) = condition.expected() {
        return Ok(Looked::Expected(expected));
    }
    let there = deps.store.chain(tenant, chain).await?;
    let version = there.as_ref().map(|there| there.version);
    Ok(if condition.holds(version) {
        Looked::Expected(version.map_or(Expected::Nothing, Expected::Version))
    } else {
        Looked::Unexpected(there)
    })
}

async fn delete(deps: &Deps, request: &Request, tenant: &Tenant, chain: &ChainName) -> Answer {
    let condition = Condition::of(request.headers())?;
    let version = match condition.expected() {
        Some(Expected::Anything | Expected::Something) => None,
        Some(Expected::Version(version)) => Some(version),
        Some(Expected::Nothing) | None => {
            let there = load(deps, tenant, chain).await?.version;
            if !condition.holds(Some(there)) {
                return Err(unexpected(Some(there)));
            }
            Some(there)
        }
    };
    match deps.store.delete_chain(tenant, chain, version).await? {
        DeletedChain::Deleted => {
            tracing::info!(%tenant, %chain, "a chain was deleted");
            Ok(empty(StatusCode::NO_CONTENT))
        }
        DeletedChain::Missing => Err(Problem::not_found()),
        DeletedChain::Unexpected(there) => Err(unexpected(Some(there))),
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

/// The names of the links in a document that is kept.
fn link_names(document: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let links = document.get("links").and_then(Value::as_array);
    let name = |link: &Value| link.get("name").and_then(Value::as_str).map(str::to_owned);
    links.into_iter().flatten().filter_map(name).collect()
}

/// What would be refused today of a document that is kept, and may not do what it did when it was taken.
fn warnings(document: &Value) -> Vec<FieldError> {
    let checked = Chain::from_value(document);
    checked
        .err()
        .into_iter()
        .flatten()
        .map(|issue| field_error(&issue))
        .collect()
}

fn unexpected(there: Option<i64>) -> Problem {
    Problem::precondition_failed(match there {
        Some(version) => format!("the version that is there is {version}"),
        None => "there is none".to_owned(),
    })
}

/// A document, checked whole. Each thing that is wrong is named with its path, its line and its column.
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
    match issue.place {
        Some(place) => {
            let (line, column) = (place.line, place.column);
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
    /// Whose request it is, if its token allows what is `needed`.
    async fn tenant(&self, request: &Request, needed: Scope) -> Result<Tenant, Problem> {
        api::tenant(&self.store, request.headers(), needed, self.clock.now()).await
    }
}

fn name(text: &str) -> Result<ChainName, Problem> {
    text.parse()
        .map_err(|_| Problem::invalid_field("chain", "must have 1 to 64 of a-z, 0-9, - and _"))
}

fn tagged(mut response: Response<Body>, version: i64) -> Response<Body> {
    if let Ok(tag) = HeaderValue::from_str(&tag(version)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// JSON and YAML, by any of the names that YAML has.
fn is_document(headers: &HeaderMap) -> bool {
    media_type(headers).is_none_or(|media_type| {
        matches!(
            media_type.as_str(),
            "application/json" | "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" | "text/plain"
        )
    })
}
