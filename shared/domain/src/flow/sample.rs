//! Sample responses of back ends, to try out a document without a network.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fetch::{FetchOutcome, FetchRequest, FetchResult};

/// Maximum number of requests of one answer: more than an evaluation of a document can need.
pub const MAX_FETCHES: usize = 64;

/// A sample response of a back end.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleResponse {
    /// HTTP status. 200 when left out.
    #[serde(default = "ok")]
    pub status: u16,
    /// JSON body. Null when left out.
    #[serde(default)]
    pub json: Value,
    /// Seconds to wait before the next try.
    #[serde(default)]
    pub retry_after: Option<u32>,
}

const fn ok() -> u16 {
    200
}

/// A request that would be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SampleFetch {
    /// Name of the request in the document.
    pub name: String,
    /// Rendered URL.
    pub url: String,
    /// How it ended.
    pub outcome: FetchOutcome,
}

/// The result of a request with its sample response. A request without one times out.
pub fn result(response: Option<&SampleResponse>) -> FetchResult {
    match response {
        Some(response) => {
            FetchResult::from_response(response.status, Some(response.json.clone()), response.retry_after)
        }
        None => FetchResult::no_response(FetchOutcome::TimedOut),
    }
}

impl SampleFetch {
    /// The record of a request and its result.
    pub fn new(request: &FetchRequest, result: &FetchResult) -> Self {
        Self {
            name: request.name.clone(),
            url: request.url.clone(),
            outcome: result.outcome,
        }
    }
}
