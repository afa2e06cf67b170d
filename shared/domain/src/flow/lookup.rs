//! Requests to back ends, written out, and what came of them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::document::{Auth, Method};
use crate::number::by_value;

/// A request to a back end, written out.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    /// Where it stands in the document: names it among all others.
    pub path: String,
    /// Its name.
    pub name: String,
    /// The method.
    pub method: Method,
    /// The URL.
    pub url: String,
    /// The host in it: secrets belong to a host.
    pub host: String,
    /// Headers, without secrets.
    pub headers: Vec<(String, String)>,
    /// Which secret goes with it.
    pub auth: Option<Auth>,
    /// The body.
    pub body: Option<Value>,
    /// How long it may take.
    pub timeout: Duration,
}

/// How a look-up went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// 2xx, with JSON or nothing.
    Ok,
    /// Its `when` was false.
    Skipped,
    /// 404 or 410.
    NotFound,
    /// 429, or known to be.
    RateLimited,
    /// 5xx.
    ServerError,
    /// Nothing in time.
    TimedOut,
    /// Everything else.
    Failed,
}

/// What was found. Templates see it as `fetch.NAME`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// Whether it worked.
    pub ok: bool,
    /// How it went.
    pub outcome: Outcome,
    /// The HTTP status; 0 for none.
    pub status: u16,
    /// The body; null for none.
    pub json: Value,
    /// Seconds after which another try is worth it, if the server says.
    pub retry_after: Option<u32>,
}

impl Found {
    /// Something without an answer.
    pub const fn without_answer(outcome: Outcome) -> Self {
        Self {
            ok: false,
            outcome,
            status: 0,
            json: Value::Null,
            retry_after: None,
        }
    }

    /// What an HTTP answer says. `json` is none when the body is not JSON.
    pub fn answered(status: u16, json: Option<Value>, retry_after: Option<u32>) -> Self {
        let outcome = match (status, &json) {
            (200..=299, Some(_)) => Outcome::Ok,
            (404 | 410, _) => Outcome::NotFound,
            (429, _) => Outcome::RateLimited,
            (500..=599, _) => Outcome::ServerError,
            _ => Outcome::Failed,
        };
        Self {
            ok: outcome == Outcome::Ok,
            outcome,
            status,
            // What is whole is written so, as in all that models and back ends send.
            json: by_value(json.unwrap_or_default()),
            retry_after,
        }
    }
}

/// What was found so far, by the paths of the look-ups.
pub type Findings = BTreeMap<String, Found>;
