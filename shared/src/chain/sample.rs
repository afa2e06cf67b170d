//! Trying a document out: one request, with answers of back ends made up. Nothing leaves this machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reply::Remembered;
use super::run::{Call, Step, advance, fallback};
use super::{Chain, state};
use crate::flow::{Findings, Found, Lookup, Outcome};
use crate::providers::agent4::{Answer, BadRequest, Request};

/// The call of every sample.
const KEY: &str = "00000000-0000-4000-8000-000000000000";
/// Its code.
const CODE: &str = "424242";
/// More look-ups than a document can have on one way through it.
const MAX_LOOKUPS: usize = 64;

/// What is tried.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The request, as Agent4 would send it.
    pub request: Value,
    /// What back ends answer, by the names of the look-ups. One that is not here gets no answer in time.
    #[serde(default)]
    pub fetch: BTreeMap<String, Made>,
}

/// A made-up answer of a back end.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// The HTTP status; 200 when left out.
    #[serde(default = "ok")]
    pub status: u16,
    /// The body.
    #[serde(default)]
    pub json: Value,
    /// Seconds after which another try is worth it.
    #[serde(default)]
    pub retry_after: Option<u32>,
}

const fn ok() -> u16 {
    200
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// The answer that Agent4 would get.
    pub answer: Answer,
    /// Which rule answered.
    pub answered_by: String,
    /// What would be looked up, in order, and how it went. Secrets are not in it.
    pub fetches: Vec<Looked>,
    /// What would be remembered of the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remembered: Option<Remembered>,
    /// What went wrong, when the fallback answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A look-up that would be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// Its name.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// How it went.
    pub outcome: Outcome,
}

/// Tries a request.
///
/// # Errors
/// When it is no request of Agent4's.
pub fn run(chain: &Chain, sample: &Sample) -> Result<Tried, BadRequest> {
    let request = Request::of(&sample.request)?;
    let call = Call {
        request: &request,
        key: state::call(&request.state).unwrap_or(KEY),
        code: CODE,
        state_kept: true,
    };
    let mut found = Findings::new();
    let mut fetches = Vec::new();
    for _ in 0..MAX_LOOKUPS {
        match advance(chain, &call, &found) {
            Step::Fetch(lookup) => {
                let result = made_up(sample, &lookup);
                fetches.push(Looked {
                    name: lookup.name,
                    url: lookup.url,
                    outcome: result.outcome,
                });
                found.insert(lookup.path, result);
            }
            Step::Done(done) => {
                return Ok(Tried {
                    answer: done.answer,
                    answered_by: done.answered_by,
                    fetches,
                    remembered: done.remembered,
                    trouble: done.trouble.map(|trouble| trouble.to_string()),
                });
            }
        }
    }
    let done = fallback(Some(chain), &call, "too many look-ups");
    Ok(Tried {
        answer: done.answer,
        answered_by: done.answered_by,
        fetches,
        remembered: None,
        trouble: done.trouble.map(|trouble| trouble.to_string()),
    })
}

fn made_up(sample: &Sample, lookup: &Lookup) -> Found {
    match sample.fetch.get(&lookup.name) {
        Some(made) => Found::answered(made.status, Some(made.json.clone()), made.retry_after),
        None => Found::without_answer(Outcome::TimedOut),
    }
}
