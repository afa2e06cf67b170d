//! API tokens: their tenant and their scopes.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::Tenant;
use crate::timestamp::Timestamp;

/// A scope of a token. Every collection of the API has one for reading and one for writing; writing does not imply
/// reading.
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
    /// See chat bots and conversations.
    #[serde(rename = "bots:read")]
    BotsRead,
    /// Change chat bots, and who answers a conversation.
    #[serde(rename = "bots:write")]
    BotsWrite,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 12] = [
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
        Self::BotsRead,
        Self::BotsWrite,
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
            Self::BotsRead => "bots:read",
            Self::BotsWrite => "bots:write",
        }
    }

    /// The scope with this published name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What we store about a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// The tenant that the token belongs to.
    pub tenant: Tenant,
    /// The scopes that the token grants.
    pub scopes: BTreeSet<Scope>,
    /// The token is invalid from this time on; none never expires.
    pub expires_at: Option<Timestamp>,
    /// Whether the token was revoked.
    pub revoked: bool,
}
