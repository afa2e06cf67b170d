//! Rules, as they stand in a document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reply::Reply;

/// A rule: look things up, then either answer or go through rules of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Rule", deny_unknown_fields))]
#[cfg_attr(feature = "schema", schemars(bound = "R: Reply + schemars::JsonSchema"))]
pub struct Rule<R> {
    /// An expression; the rule is taken when it is true, and always when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// HTTP requests, made one after another once the rule is taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty", bound(serialize = "R: Reply"))]
    pub fetch: Vec<Fetch<R>>,
    /// Values with names, worked out after the requests.
    #[serde(default, rename = "let", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Let>,
    /// Rules that see all of that. A rule that has them has no answer of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty", bound(serialize = "R: Reply"))]
    pub rules: Vec<Rule<R>>,
    /// What it answers, beside the fields above.
    #[serde(flatten, bound(serialize = "R: Reply"))]
    pub reply: R,
}

/// A named value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Let {
    /// Its name.
    pub name: String,
    /// An expression.
    pub value: String,
}

/// An HTTP request. What came of it is `fetch.NAME`: `ok`, `outcome`, `status`, `json` and `retry_after`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, bound = "R: Reply")]
#[cfg_attr(
    feature = "schema",
    schemars(rename = "Fetch", bound = "R: Reply + schemars::JsonSchema")
)]
pub struct Fetch<R> {
    /// Its name.
    pub name: String,
    /// An expression; the request is made when it is true, and always when it is left out. One that is not made has
    /// the outcome `skipped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The method; GET when left out.
    #[serde(default)]
    pub method: Method,
    /// A template of an https URL. Its host is written out; every value in it is escaped.
    pub url: String,
    /// Headers; the values are templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Which secret opens the door.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// The body, sent as JSON; every text in it is a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// Milliseconds that it may take, 100 to 3500; 2500 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u16>,
    /// Answers for what may go wrong. Without one for an outcome the rule goes on.
    #[serde(default)]
    pub on: On<R>,
}

/// The method of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Method {
    /// Read.
    #[default]
    #[serde(rename = "GET")]
    Get,
    /// Ask something that does not fit into a URL, or make something. What is asked may be asked again, and so may this.
    #[serde(rename = "POST")]
    Post,
    /// Write.
    #[serde(rename = "PUT")]
    Put,
}

/// How a request proves that it may be made. A secret belongs to one host: it is kept under the host's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// HTTP Basic; the secret is `user:password`.
    Basic(String),
    /// `Authorization: Bearer`, then the secret.
    Bearer(String),
    /// The secret in a header of any name.
    Header {
        /// The header.
        name: String,
        /// The secret.
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

/// Answers for requests that did not work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, bound = "R: Reply")]
#[cfg_attr(
    feature = "schema",
    schemars(rename = "On", bound = "R: Reply + schemars::JsonSchema")
)]
pub struct On<R> {
    /// 404 or 410.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_found: Option<R>,
    /// 429, or known to be without calling. `fetch.NAME.retry_after` says for how many seconds, if the server did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limited: Option<R>,
    /// 5xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_error: Option<R>,
    /// Nothing in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timed_out: Option<R>,
    /// Everything else, and whatever of the above has no answer of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<R>,
}
