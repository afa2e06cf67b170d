//! Agent4, the part that runs a task chain: a client of the chain's URLs and nothing else, so it runs against any
//! server of a chain, whoever wrote it.
//!
//! Written from the contract (`agent4.md`). Where the contract is silent or contradicts itself, a [`Switches`] says
//! which way this Agent4 goes.

mod call;
mod switches;
#[cfg(test)]
mod tests;

use patchbay::http::HttpClient;
use serde_json::{Map, Value};

pub use call::{CallRecord, Ending, Exchange, Heard};
pub use switches::{AfterNothing, ContextForm, EarlyContext, StateRule, Switches};

/// A link, as the portal has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalLink {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub endpoint: String,
}

/// What the model and the caller make of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub enum Move {
    /// The model calls `qualified` with this.
    Qualified(Value),
    /// The model calls `disqualified` with this.
    Disqualified(Value),
    /// The caller hangs up.
    HangUp,
}

/// What the model sees.
#[derive(Clone, Debug)]
pub struct Turn<'a> {
    /// The link.
    pub link: &'a str,
    /// The prompt.
    pub prompt: &'a str,
    /// What `qualified` takes.
    pub parameters: &'a Value,
    /// Texts that the caller has got so far.
    pub texts: &'a [String],
}

/// An Agent4 with one chain.
#[derive(Clone, Debug)]
pub struct Agent4 {
    /// How requests leave.
    pub http: HttpClient,
    /// Which way it goes where nobody knows.
    pub switches: Switches,
    /// The chain.
    pub links: Vec<PortalLink>,
    /// Metadata of the portal.
    pub metadata: Map<String, Value>,
    /// The number on which calls come in.
    pub line: String,
}

impl Agent4 {
    /// An Agent4 whose chain has these links, all at one URL.
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

    /// Runs a call from `caller`; `person` says what the model and the caller do at each prompt.
    pub async fn call(&self, caller: &str, person: impl FnMut(&Turn<'_>) -> Move) -> CallRecord {
        call::run(self, caller, person).await
    }
}
