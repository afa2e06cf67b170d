//! Answers Agent4: task chains whose links are data, and the API for them.
//!
//! - `answer`: `POST /agent4/{ref}/{chain}`, one URL for all links of a chain.
//! - `links`: `/v1/links`, where the documents are kept; `condition`: `If-Match` and `If-None-Match`.
//! - `calls`: which call a request belongs to, and its state.
//! - `remember`: what the next voice agent should know.

mod answer;
mod calls;
mod condition;
mod links;
mod load;
mod remember;

use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use patchbay::chain::Document;
use patchbay::clock::Clock;
use patchbay::fetch::{Cache, Fetcher};
use patchbay::secret::Randomness;
use patchbay::store::Store;
use patchbay::web::body;
use patchbay::web::callbacks::Callbacks;
use patchbay::web::problem::Problem;

/// What the function works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// The table.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// What nobody can guess.
    pub random: Randomness,
    /// References, URLs, and what is derived from their keys.
    pub callbacks: Callbacks,
    /// Requests to back ends.
    pub fetcher: Fetcher,
    /// Chains that were read before.
    pub cache: Cache<Document>,
}

type Answer = Result<Response<Body>, Problem>;

/// Everything under `/agent4` and `/v1/links`.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    let deps = &Deps {
        callbacks: deps.callbacks.reached_by(&request, &["agent4", "v1"]),
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
