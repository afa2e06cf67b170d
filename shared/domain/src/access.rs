//! What an API token allows, and whose it is.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::Tenant;
use crate::timestamp::Timestamp;

/// One thing that a token may allow: a pair for every collection of the API. Writing does not imply reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// See dispatches and their timelines, and preview one.
    #[serde(rename = "dispatches:read")]
    DispatchesRead,
    /// Create, cancel and resolve dispatches.
    #[serde(rename = "dispatches:write")]
    DispatchesWrite,
    /// See employees and rosters.
    #[serde(rename = "employees:read")]
    EmployeesRead,
    /// Change employees and rosters.
    #[serde(rename = "employees:write")]
    EmployeesWrite,
    /// Read what voice agents share about a caller.
    #[serde(rename = "context:read")]
    ContextRead,
    /// Write what voice agents share about a caller.
    #[serde(rename = "context:write")]
    ContextWrite,
    /// See the links of task chains.
    #[serde(rename = "links:read")]
    LinksRead,
    /// Change the links of task chains.
    #[serde(rename = "links:write")]
    LinksWrite,
    /// See outbound calls and messages.
    #[serde(rename = "calls:read")]
    CallsRead,
    /// Make outbound calls and messages.
    #[serde(rename = "calls:write")]
    CallsWrite,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::DispatchesRead,
        Self::DispatchesWrite,
        Self::EmployeesRead,
        Self::EmployeesWrite,
        Self::ContextRead,
        Self::ContextWrite,
        Self::LinksRead,
        Self::LinksWrite,
        Self::CallsRead,
        Self::CallsWrite,
    ];

    /// The published name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DispatchesRead => "dispatches:read",
            Self::DispatchesWrite => "dispatches:write",
            Self::EmployeesRead => "employees:read",
            Self::EmployeesWrite => "employees:write",
            Self::ContextRead => "context:read",
            Self::ContextWrite => "context:write",
            Self::LinksRead => "links:read",
            Self::LinksWrite => "links:write",
            Self::CallsRead => "calls:read",
            Self::CallsWrite => "calls:write",
        }
    }

    /// The scope called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is kept of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Whose it is.
    pub tenant: Tenant,
    /// What it allows.
    pub scopes: BTreeSet<Scope>,
    /// From when on it is worth nothing; none never expires.
    pub expires_at: Option<Timestamp>,
    /// Whether it was withdrawn.
    pub revoked: bool,
}
