//! Answers a sample request with sample responses of back ends, to try out a document. Nothing leaves this machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reply::CallerMemory;
use super::run::{RequestContext, Step, advance, fallback};
use super::{Chain, state};
use crate::flow::FetchResults;
use crate::flow::sample::{MAX_FETCHES, result as sample_result};
pub use crate::flow::sample::{SampleFetch, SampleResponse};
use crate::providers::agent4::{Answer, BadRequest, Request};

/// Call id of every sample.
const CALL_ID: &str = "00000000-0000-4000-8000-000000000000";
/// Code of every sample.
const CODE: &str = "424242";

/// A sample request and sample responses.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The request, as Agent4 would send it.
    pub request: Value,
    /// Responses of back ends, by name of the request. A request without one times out.
    #[serde(default)]
    pub fetch: BTreeMap<String, SampleResponse>,
}

/// The result of a sample.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SampleResult {
    /// The answer that Agent4 would get.
    pub answer: Answer,
    /// Path of the rule or reply that answered.
    pub answered_by: String,
    /// Requests that would be sent, in order, with their outcomes. Secrets are not included.
    pub fetches: Vec<SampleFetch>,
    /// The note for the context of the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remembered: Option<CallerMemory>,
    /// The error, when the fallback answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Answers the sample request.
///
/// # Errors
/// When it is not a valid request of Agent4.
pub fn run(chain: &Chain, sample: &Sample) -> Result<SampleResult, BadRequest> {
    let request = Request::from_value(&sample.request)?;
    let context = RequestContext {
        request: &request,
        key: state::call_id(&request.state).unwrap_or(CALL_ID),
        code: CODE,
        state_kept: true,
    };
    let mut results = FetchResults::new();
    let mut fetches = Vec::new();
    for _ in 0..MAX_FETCHES {
        match advance(chain, &context, &results) {
            Step::Fetch(fetch) => {
                let result = sample_result(sample.fetch.get(&fetch.name));
                fetches.push(SampleFetch::new(&fetch, &result));
                results.insert(fetch.path, result);
            }
            Step::Answer(chain_answer) => {
                return Ok(SampleResult {
                    answer: chain_answer.answer,
                    answered_by: chain_answer.answered_by,
                    fetches,
                    remembered: chain_answer.remembered,
                    error: chain_answer.error.map(|error| error.to_string()),
                });
            }
        }
    }
    let chain_answer = fallback(Some(chain), &context, "too many requests to back ends");
    Ok(SampleResult {
        answer: chain_answer.answer,
        answered_by: chain_answer.answered_by,
        fetches,
        remembered: None,
        error: chain_answer.error.map(|error| error.to_string()),
    })
}
