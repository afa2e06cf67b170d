//! Requests to back ends, ready to send, and their results.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::document::{Auth, Method};
use crate::json_number::normalize_numbers;

/// A request to a back end, with all templates rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchRequest {
    /// Path in the document: identifies the request within the document.
    pub path: String,
    /// Name of the request in the document.
    pub name: String,
    /// HTTP method.
    pub method: Method,
    /// The URL, percent-encoded.
    pub url: String,
    /// Host of the URL. Secrets are looked up by host.
    pub host: String,
    /// Headers, without those that carry a secret.
    pub headers: Vec<(String, String)>,
    /// The secret to authenticate with.
    pub auth: Option<Auth>,
    /// JSON body, if any.
    pub body: Option<Value>,
    /// Time-out for the whole exchange.
    pub timeout: Duration,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FetchOutcome {
    /// 2xx, with a JSON body or an empty one.
    Ok,
    /// Not sent: its `when` was false.
    Skipped,
    /// 404 or 410.
    NotFound,
    /// 429, or not sent because the back end had asked for a pause.
    RateLimited,
    /// 5xx.
    ServerError,
    /// No response within the time-out.
    TimedOut,
    /// Any other failure.
    Failed,
}

/// The result of a request. Templates see it as `fetch.NAME`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FetchResult {
    /// Whether `outcome` is `ok`.
    pub ok: bool,
    /// How the request ended.
    pub outcome: FetchOutcome,
    /// HTTP status. 0 if there was no response.
    pub status: u16,
    /// JSON body. Null if there was none.
    pub json: Value,
    /// Seconds to wait before the next try, if the server stated them.
    pub retry_after: Option<u32>,
}

impl FetchResult {
    /// The result of a request that got no response.
    pub const fn no_response(outcome: FetchOutcome) -> Self {
        Self {
            ok: false,
            outcome,
            status: 0,
            json: Value::Null,
            retry_after: None,
        }
    }

    /// The result of a response. `json` is none when the body is not JSON.
    pub fn from_response(status: u16, json: Option<Value>, retry_after: Option<u32>) -> Self {
        let outcome = match (status, &json) {
            (200..=299, Some(_)) => FetchOutcome::Ok,
            (404 | 410, _) => FetchOutcome::NotFound,
            (429, _) => FetchOutcome::RateLimited,
            (500..=599, _) => FetchOutcome::ServerError,
            _ => FetchOutcome::Failed,
        };
        Self {
            ok: outcome == FetchOutcome::Ok,
            outcome,
            status,
            // `3.0` becomes 3, as in all JSON from models and back ends.
            json: normalize_numbers(json.unwrap_or_default()),
            retry_after,
        }
    }
}

/// Results so far, by [`FetchRequest::path`].
pub type FetchResults = BTreeMap<String, FetchResult>;
