//! Answers Agent4: task chains whose links are data, and the API for them.
//!
//! - `answer`: `POST /agent4/{ref}/{chain}`, one URL for all links of a chain.
//! - `links`: `/v1/links`, where the documents are kept; `condition`: `If-Match` and `If-None-Match`.
//! - `calls`: which call a request belongs to, and its state.
//! - `lookup`: requests to back ends; `remember`: what the next voice agent should know.

mod answer;
mod cache;
mod calls;
mod condition;
mod links;
mod load;
mod lookup;
mod remember;
mod secrets;

use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use patchbay::clock::Clock;
use patchbay::http::HttpClient;
use patchbay::parameters::Parameters;
use patchbay::secret::Randomness;
use patchbay::store::Store;
use patchbay::web::body;
use patchbay::web::callbacks::Callbacks;
use patchbay::web::problem::Problem;
use patchbay::web::target::Targets;

pub use cache::Cache;
pub use lookup::Limits;

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
    pub http: HttpClient,
    /// Which back ends may be called.
    pub targets: Targets,
    /// Secrets of the tenants, `TENANT/HOST/NAME`.
    pub secrets: Parameters,
    /// Chains that were read before.
    pub cache: Cache,
    /// Back ends that asked not to be called for a while.
    pub limits: Limits,
}

/// Everything under `/agent4` and `/v1/links`.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    let deps = &Deps {
        callbacks: deps.callbacks.reached_by(&request),
        ..deps.clone()
    };
    match route(deps, &request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

type Answer = Result<Response<Body>, Problem>;

async fn route(deps: &Deps, request: &Request) -> Answer {
    let path = body::path_segments(request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [.., "agent4", reference, chain] => {
            if request.method() != Method::POST {
                return Err(Problem::method_not_allowed("POST"));
            }
            answer::answer(deps, request, reference, chain).await
        }
        [.., "v1", "links"] => links::collection(deps, request).await,
        [.., "v1", "links", chain] => links::one(deps, request, chain).await,
        [.., "v1", "links", chain, verb @ ("test" | "endpoint")] => links::verb(deps, request, chain, verb).await,
        _ => Err(Problem::not_found()),
    }
}
