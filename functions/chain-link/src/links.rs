//! `/v1/links`: where the documents of task chains are kept.

use lambda_http::http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, RequestExt, Response};
use patchbay::chain::sample::{self, Sample};
use patchbay::chain::{Chain, Issue, MAX_DOCUMENT};
use patchbay::dispatch::policy::FieldError;
use patchbay::ids::{ChainName, Tenant};
use patchbay::store::{DeletedChain, Expected, PutChain, StoredChain};
use patchbay::web::auth::{Scope, Token, authorise};
use patchbay::web::body::{self, json_response};
use patchbay::web::problem::Problem;
use serde_json::{Value, json};

use crate::{Answer, Deps, stored};

const DEFAULT_LIMIT: i32 = 50;
const MAX_LIMIT: i32 = 200;

/// `/v1/links`.
pub(crate) async fn collection(deps: &Deps, request: &Request) -> Answer {
    if request.method() != Method::GET {
        return Err(Problem::method_not_allowed("GET"));
    }
    let tenant = tenant(deps, request, Scope::LinksRead).await?;
    let query = request.query_string_parameters();
    let limit = match query.first("limit").map(str::parse::<i32>) {
        None => DEFAULT_LIMIT,
        Some(Ok(limit @ 1..=MAX_LIMIT)) => limit,
        Some(_) => {
            return Err(Problem::invalid_field(
                "limit",
                format!("must be from 1 to {MAX_LIMIT}"),
            ));
        }
    };
    let after = query.first("cursor").map(str::parse::<ChainName>).transpose();
    let after = after.map_err(|_| Problem::invalid_field("cursor", "is not one that a list has given out"))?;
    let page = deps
        .store
        .list_chains(&tenant, after.as_ref(), limit)
        .await
        .map_err(|error| stored(&error))?;
    let body = json!({ "links": page.chains, "next_cursor": page.more_after });
    Ok(json_response(StatusCode::OK, &body))
}

/// `/v1/links/{chain}`.
pub(crate) async fn one(deps: &Deps, request: &Request, chain: &str) -> Answer {
    match *request.method() {
        Method::GET => {
            let tenant = tenant(deps, request, Scope::LinksRead).await?;
            let stored = load(deps, &tenant, &name(chain)?).await?;
            let document: Value = serde_json::from_str(&stored.document).unwrap_or_default();
            let body = json!({
                "chain": chain, "version": stored.version, "updated_at": stored.updated_at, "document": document,
            });
            Ok(tagged(json_response(StatusCode::OK, &body), stored.version))
        }
        Method::PUT => {
            let tenant = tenant(deps, request, Scope::LinksWrite).await?;
            put(deps, request, &tenant, &name(chain)?).await
        }
        Method::DELETE => {
            let tenant = tenant(deps, request, Scope::LinksWrite).await?;
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
        let tenant = tenant(deps, request, Scope::LinksWrite).await?;
        let chain = name(chain)?;
        let url = deps.callbacks.chain_url(&tenant, &chain);
        return Ok(json_response(
            StatusCode::OK,
            &json!({ "chain": chain, "endpoint": url }),
        ));
    }
    if request.method() != Method::POST {
        return Err(Problem::method_not_allowed("POST"));
    }
    let tenant = tenant(deps, request, Scope::LinksRead).await?;
    let sample: Sample = body::json(request)?;
    let kept = load(deps, &tenant, &name(chain)?).await?;
    let chain = read(&kept.document)?;
    let tried = sample::run(&chain, &sample);
    let tried = tried.map_err(|error| Problem::invalid_field("request", error.to_string()))?;
    Ok(json_response(StatusCode::OK, &tried))
}

async fn put(deps: &Deps, request: &Request, tenant: &Tenant, chain: &ChainName) -> Answer {
    if !is_document(request.headers()) {
        return Err(Problem::unsupported_media_type());
    }
    let expected = expected(request.headers())?;
    let text = std::str::from_utf8(body::bytes_up_to(request, MAX_DOCUMENT)?);
    let text = text.map_err(|_| Problem::invalid_json("the body is not UTF-8"))?;
    let checked = read(text)?;
    let document = serde_json::to_string(checked.document()).map_err(|_| Problem::unavailable(60))?;
    if document.len() > MAX_DOCUMENT {
        return Err(Problem::body_too_large(MAX_DOCUMENT));
    }
    let now = deps.clock.now();
    let put = deps
        .store
        .put_chain(tenant, chain, &document, expected, now)
        .await
        .map_err(|error| stored(&error))?;
    match put {
        PutChain::Stored { version, created } => {
            tracing::info!(%tenant, %chain, version, links = checked.document().links.len(), "a chain was written");
            let names: Vec<&str> = checked.document().links.iter().map(|link| link.name.as_str()).collect();
            let body = json!({
                "chain": chain, "version": version, "updated_at": now, "links": names,
                "endpoint": deps.callbacks.chain_url(tenant, chain),
            });
            let status = if created { StatusCode::CREATED } else { StatusCode::OK };
            Ok(tagged(json_response(status, &body), version))
        }
        PutChain::Unexpected(there) => Err(unexpected(there)),
    }
}

async fn delete(deps: &Deps, request: &Request, tenant: &Tenant, chain: &ChainName) -> Answer {
    let version = match expected(request.headers())? {
        Expected::Version(version) => Some(version),
        Expected::Anything | Expected::Something => None,
        Expected::Nothing => return Err(Problem::invalid_field("If-None-Match", "means nothing for DELETE")),
    };
    match deps
        .store
        .delete_chain(tenant, chain, version)
        .await
        .map_err(|error| stored(&error))?
    {
        DeletedChain::Deleted => {
            tracing::info!(%tenant, %chain, "a chain was deleted");
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
        DeletedChain::Missing => Err(Problem::not_found()),
        DeletedChain::Unexpected(there) => Err(unexpected(Some(there))),
    }
}

fn unexpected(there: Option<i64>) -> Problem {
    Problem::precondition_failed(match there {
        Some(version) => format!("the version that is there is {version}"),
        None => "there is none".to_owned(),
    })
}

/// A document, checked whole. Each thing that is wrong is named with its path, its line and its column.
fn read(text: &str) -> Result<Chain, Problem> {
    Chain::read(text).map_err(|issues| Problem::invalid_fields(issues.iter().map(field_error).collect()))
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
    let chain = deps.store.chain(tenant, chain).await.map_err(|error| stored(&error))?;
    chain.ok_or_else(Problem::not_found)
}

async fn tenant(deps: &Deps, request: &Request, needed: Scope) -> Result<Tenant, Problem> {
    let token = Token::from_headers(request.headers())?;
    let record = deps.store.token(&token.hash()).await.map_err(|error| stored(&error))?;
    authorise(record.as_ref(), needed, deps.clock.now())
}

fn name(text: &str) -> Result<ChainName, Problem> {
    text.parse()
        .map_err(|_| Problem::invalid_field("chain", "must have 1 to 64 of a-z, 0-9, - and _"))
}

fn tagged(mut response: Response<Body>, version: i64) -> Response<Body> {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// What the caller expects to be there.
fn expected(headers: &HeaderMap) -> Result<Expected, Problem> {
    let wrong = |field: &str| Problem::invalid_field(field, "must be the ETag that an answer brought, or *");
    match (headers.get(IF_MATCH), headers.get(IF_NONE_MATCH)) {
        (None, None) => Ok(Expected::Anything),
        (None, Some(value)) if value == "*" => Ok(Expected::Nothing),
        (Some(value), None) if value == "*" => Ok(Expected::Something),
        (Some(value), None) => {
            let text = value.to_str().map_err(|_| wrong("If-Match"))?.trim();
            let version = text
                .strip_prefix('"')
                .and_then(|text| text.strip_suffix('"'))
                .unwrap_or(text);
            version.parse().map(Expected::Version).map_err(|_| wrong("If-Match"))
        }
        (None, Some(_)) => Err(wrong("If-None-Match")),
        (Some(_), Some(_)) => Err(Problem::invalid_field(
            "If-Match",
            "cannot be there together with If-None-Match",
        )),
    }
}

/// JSON and YAML, by any of the names that YAML has.
fn is_document(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    matches!(
        essence.as_str(),
        "application/json" | "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" | "text/plain"
    )
}
