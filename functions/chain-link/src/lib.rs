//! Answers Agent4's webhook with link documents, and serves the API for these documents.
//!
//! - `answer`: `POST /agent4/{ref}/{chain}`. One URL serves all links of a chain.
//! - `links`: `/v1/links`, the API for link documents.
//! - `calls`: the call of a request, and its state.
//! - `remember`: notes for the next voice agent.

mod answer;
mod calls;
mod links;
mod load;
mod remember;

use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use patchbay::chain::Document;
use patchbay::clock::Clock;
use patchbay::fetch::{DocumentCache, Fetcher};
use patchbay::secret::Randomness;
use patchbay::store::Store;
use patchbay::web::body;
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::problem::Problem;

/// Dependencies of the function.
#[derive(Clone, Debug)]
pub struct Deps {
    /// DynamoDB.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// Source of random ids.
    pub random: Randomness,
    /// Signed references and URLs, and values derived from their keys.
    pub callbacks: CallbackUrls,
    /// Sends requests to back ends.
    pub fetcher: Fetcher,
    /// Compiled documents.
    pub cache: DocumentCache<Document>,
}

type Answer = Result<Response<Body>, Problem>;

/// Handles every request under `/agent4` and `/v1/links`.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    let deps = &Deps {
        callbacks: deps.callbacks.with_fallback_base(&request, &["agent4", "v1"]),
        ..deps.clone()
    };
    let path = body::path_segments(&request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let answer = match path.as_slice() {
        [.., "agent4", _, _] if request.method() != Method::POST => Err(Problem::method_not_allowed("POST")),
        [.., "agent4", reference, chain] => answer::answer(deps, &request, reference, chain).await,
        [.., "v1", "links"] => links::collection(deps, &request).await,
        [.., "v1", "links", chain] => links::one(deps, &request, chain).await,
        [.., "v1", "links", chain, verb @ ("test" | "endpoint")] => links::verb(deps, &request, chain, verb).await,
        _ => Err(Problem::not_found()),
    };
    answer.unwrap_or_else(Problem::into_response)
}
