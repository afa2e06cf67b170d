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
mod remember;

use std::time::Duration;

use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use patchbay::aws::Aws;
use patchbay::chain::Document;
use patchbay::clock::Clock;
use patchbay::config::ConfigError;
use patchbay::fetch::{Cache, Fetcher, Limits};
use patchbay::http::HttpClient;
use patchbay::keyring::Keyring;
use patchbay::secret::Randomness;
use patchbay::store::Store;
use patchbay::target::Targets;
use patchbay::web::body;
use patchbay::web::callbacks::Callbacks;
use patchbay::web::outbound::Outbound;
use patchbay::web::problem::Problem;

/// Longest time that a request to a back end may take: a document may say less.
const HTTP_TIMEOUT: Duration = Duration::from_millis(3_600);

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

impl Deps {
    /// As deployed: see `infra/template.yaml`.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn load() -> Result<Keyring<Self, 1>, ConfigError> {
        let aws = Aws::load()?;
        let (store, targets) = (aws.store()?, Targets::public_only());
        let fetcher = Fetcher {
            http: HttpClient::new(Outbound::on_demand(targets.clone(), HTTP_TIMEOUT)),
            targets,
            secrets: aws.parameters("PATCHBAY_LINK_SECRETS_PARAM")?,
            clock: Clock::system(),
            limits: Limits::default(),
        };
        let cache = Cache::default();
        aws.with_callbacks(move |callbacks| Self {
            store: store.clone(),
            clock: Clock::system(),
            random: Randomness::default(),
            callbacks,
            fetcher: fetcher.clone(),
            cache: cache.clone(),
        })
    }
}

type Answer = Result<Response<Body>, Problem>;

/// Everything under `/agent4` and `/v1/links`.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
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
