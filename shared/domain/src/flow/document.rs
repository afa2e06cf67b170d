//! The rules of a document, as written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reply::Reply;

/// A rule: sends its requests, then either answers or continues with its nested rules.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Rule", deny_unknown_fields))]
#[cfg_attr(feature = "schema", schemars(bound = "R: Reply + schemars::JsonSchema"))]
pub struct Rule<R> {
    /// An expression. The rule matches when it is true, and always when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// HTTP requests, sent one after another once the rule matches.
    #[serde(default, skip_serializing_if = "Vec::is_empty", bound(serialize = "R: Reply"))]
    pub fetch: Vec<Fetch<R>>,
    /// Named values, computed after the requests.
    #[serde(default, rename = "let", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Let>,
    /// Nested rules. They see the results and values above. A rule with nested rules has no answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty", bound(serialize = "R: Reply"))]
    pub rules: Vec<Rule<R>>,
    /// The answer: fields next to those above.
    #[serde(flatten, bound(serialize = "R: Reply"))]
    pub reply: R,
}

/// A named value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Let {
    /// The name by which templates refer to the value.
    pub name: String,
    /// An expression.
    pub value: String,
}

/// An HTTP request. Templates see its result as `fetch.NAME`: `ok`, `outcome`, `status`, `json` and `retry_after`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, bound = "R: Reply")]
#[cfg_attr(
    feature = "schema",
    schemars(rename = "Fetch", bound = "R: Reply + schemars::JsonSchema")
)]
pub struct Fetch<R> {
    /// The name by which templates refer to the result.
    pub name: String,
    /// An expression. The request is sent when it is true, and always when it is left out. A request that is not sent
    /// has the outcome `skipped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The method. GET when left out.
    #[serde(default)]
    pub method: Method,
    /// A template of an https URL. The host is literal. Every inserted value is percent-encoded.
    pub url: String,
    /// Headers. The values are templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The secret that authenticates the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// The body, sent as JSON. Every string in it is a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// Time-out in milliseconds, from 100 to 3500, in a bot to 15000. 2500 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u16>,
    /// Answers for requests that fail. Without an answer for an outcome the rule continues.
    #[serde(default)]
    pub on: FailureReplies<R>,
}

/// The method of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Method {
    /// Reads.
    #[default]
    #[serde(rename = "GET")]
    Get,
    /// Sends a query that does not fit into a URL, or creates something. It may be sent more than once: a repeated
    /// request to patchbay sends it again.
    #[serde(rename = "POST")]
    Post,
    /// Writes.
    #[serde(rename = "PUT")]
    Put,
}

/// How a request authenticates. A secret belongs to one host: it is stored under the name of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// HTTP Basic. The secret is `user:password`.
    Basic(String),
    /// `Authorization: Bearer` followed by the secret.
    Bearer(String),
    /// The secret as the value of a header.
    Header {
        /// The name of the header.
        name: String,
        /// The name of the secret.
        secret: String,
    },
}

impl Auth {
    /// The name of the secret.
    pub fn secret(&self) -> &str {
        match self {
            Self::Basic(secret) | Self::Bearer(secret) | Self::Header { secret, .. } => secret,
        }
    }
}

/// Answers for requests that failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, bound = "R: Reply")]
#[cfg_attr(
    feature = "schema",
    schemars(rename = "On", bound = "R: Reply + schemars::JsonSchema")
)]
pub struct FailureReplies<R> {
    /// The status was 404 or 410.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_found: Option<R>,
    /// The status was 429, or the request was not sent because the back end had asked for a pause.
    /// `fetch.NAME.retry_after` has the seconds to wait, if the back end stated them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limited: Option<R>,
    /// The status was 5xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_error: Option<R>,
    /// There was no response within the time-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timed_out: Option<R>,
    /// Every other failure, and each of the above that has no answer here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<R>,
}
