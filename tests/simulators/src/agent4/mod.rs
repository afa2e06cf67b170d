//! A simulator of the part of Agent4 that runs a task chain. It is only a client of the chain's URLs, so it works with
//! any server of a chain, not only with patchbay.
//!
//! It follows the contract (agent4/CONTRACT.md). Where the contract is silent or contradicts itself, [`Switches`]
//! select the behavior.

mod call;
mod switches;
#[cfg(test)]
mod tests;

use patchbay::http::HttpClient;
use serde_json::{Map, Value};

pub use call::{CallRecord, Ending, HttpExchange, Utterance};
pub use switches::{ContextForm, EarlyContext, NoActionRule, StateRule, Switches};

/// A link of the chain, as configured in the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalLink {
    /// The name, which requests contain.
    pub name: String,
    /// The URL of its webhook.
    pub endpoint: String,
}

/// What the model and the caller do after a prompt.
#[derive(Clone, Debug, PartialEq)]
pub enum Move {
    /// The model calls `qualified` with these arguments.
    Qualified(Value),
    /// The model calls `disqualified` with these arguments.
    Disqualified(Value),
    /// The caller hangs up.
    HangUp,
}

/// The input of the model.
#[derive(Clone, Debug)]
pub struct Turn<'a> {
    /// The name of the current link.
    pub link: &'a str,
    /// The prompt of the link.
    pub prompt: &'a str,
    /// The parameters of `qualified`.
    pub parameters: &'a Value,
    /// Text messages that the caller has received so far.
    pub texts: &'a [String],
}

/// An Agent4 with one chain.
#[derive(Clone, Debug)]
pub struct Agent4 {
    /// The client that sends requests.
    pub http: HttpClient,
    /// The switches that select its behavior.
    pub switches: Switches,
    /// The chain, in order.
    pub links: Vec<PortalLink>,
    /// The metadata that is configured in the portal.
    pub metadata: Map<String, Value>,
    /// The number that callers dial.
    pub line: String,
}

impl Agent4 {
    /// An Agent4 with a chain of these links, all at one URL.
    pub fn new(http: HttpClient, switches: Switches, endpoint: &str, links: &[&str]) -> Self {
        let link = |name: &&str| PortalLink {
            name: (*name).to_owned(),
            endpoint: endpoint.to_owned(),
        };
        Self {
            http,
            switches,
            links: links.iter().map(link).collect(),
            metadata: Map::new(),
            line: "+12025550100".to_owned(),
        }
    }

    /// Runs a call from `caller`. `person` decides what the model and the caller do after each prompt.
    pub async fn call(&self, caller: &str, person: impl FnMut(&Turn<'_>) -> Move) -> CallRecord {
        call::run(self, caller, person).await
    }
}
