//! `/v1/links`: the API for link documents.

use lambda_http::Request;
use lambda_http::http::{Method, StatusCode};
use patchbay::access::Scope;
use patchbay::api::documents::{DocumentApi, refused};
use patchbay::chain::sample::{self, Sample};
use patchbay::chain::{Chain, Document};
use patchbay::store::{DocumentKey, DocumentKind};
use patchbay::web::body::{self, json_response};
use patchbay::web::problem::Problem;
use serde_json::{Map, Value, json};

use crate::{Answer, Deps};

/// `/v1/links`.
pub(crate) async fn collection(deps: &Deps, request: &Request) -> Answer {
    api(deps, &|key, links| details(deps, key, links))
        .collection(request)
        .await
}

/// `/v1/links/{chain}`.
pub(crate) async fn one(deps: &Deps, request: &Request, chain: &str) -> Answer {
    api(deps, &|key, links| details(deps, key, links))
        .one(request, chain)
        .await
}

/// `/v1/links/{chain}/test` and `/v1/links/{chain}/endpoint`.
pub(crate) async fn verb(deps: &Deps, request: &Request, chain: &str, verb: &str) -> Answer {
    let api = api(deps, &|_, _| Map::new());
    if verb == "endpoint" {
        if request.method() != Method::GET {
            return Err(Problem::method_not_allowed("GET"));
        }
        // Anyone with the URL can send requests to the chain for any caller, so `links:read` is not enough.
        let tenant = api.tenant(request, Scope::LinksWrite).await?;
        let key = api.key(tenant, chain)?;
        let stored = api.load(&key).await?;
        let url = deps.callbacks.chain_url(&key.tenant, &key.name);
        // The format of the portal.
        let links: Vec<Value> = link_names(&stored.document)
            .into_iter()
            .map(|name| json!({ "name": name, "endpoint": url }))
            .collect();
        return Ok(json_response(
            StatusCode::OK,
            &json!({ "chain": key.name, "endpoint": url, "links": links }),
        ));
    }
    if request.method() != Method::POST {
        return Err(Problem::method_not_allowed("POST"));
    }
    let tenant = api.tenant(request, Scope::LinksRead).await?;
    let sample: Sample = body::json(request)?;
    let stored = api.load(&api.key(tenant, chain)?).await?;
    let document = serde_json::from_str(&stored.document).unwrap_or_default();
    let chain = Chain::from_stored(&document).map_err(|issues| refused(&issues))?;
    let result = sample::run(&chain, &sample);
    let result = result.map_err(|error| Problem::invalid_field("request", error.to_string()))?;
    Ok(json_response(StatusCode::OK, &result))
}

type Details<'a> = patchbay::api::documents::Details<'a, Document>;

const fn api<'a>(deps: &'a Deps, details: Details<'a>) -> DocumentApi<'a, Document> {
    DocumentApi {
        store: &deps.store,
        clock: &deps.clock,
        kind: DocumentKind::Chain,
        details,
    }
}

/// What the response to an upload says besides name and version: the links, and the URL for the portal.
fn details(deps: &Deps, key: &DocumentKey, document: &Document) -> Map<String, Value> {
    let names: Vec<&str> = document.links.iter().map(|link| link.name.as_str()).collect();
    Map::from_iter([
        ("links".to_owned(), json!(names)),
        (
            "endpoint".to_owned(),
            json!(deps.callbacks.chain_url(&key.tenant, &key.name)),
        ),
    ])
}

/// The names of the links in a stored document.
fn link_names(document: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let links = document.get("links").and_then(Value::as_array);
    let name = |link: &Value| link.get("name").and_then(Value::as_str).map(str::to_owned);
    links.into_iter().flatten().filter_map(name).collect()
}
