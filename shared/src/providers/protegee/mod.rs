//! The wire of Protegee's context API, which platforms for voice agents are configured to speak: the same payload in
//! four envelopes.
//!
//! Protegee publishes fields and successful answers; what an error looks like and how an unknown caller is answered is
//! not published, and decided here ([`answer`]). Requests may have fields that we do not know.

pub mod answer;
pub mod proof;
mod request;

use crate::foreign::Keep;

pub use request::{Ask, Query, Unreadable, read_get, read_set};

/// Who runs the agent, and so which envelope it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// An agent of one's own on Twilio: the payload itself.
    Twilio,
    /// Vapi: tool calls inside a message.
    Vapi,
    /// Retell: a custom function's `call` and `args`.
    Retell,
    /// Bland: the payload itself.
    Bland,
}

impl Platform {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Twilio, Self::Vapi, Self::Retell, Self::Bland];

    /// The name in the path.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Twilio => "twilio",
            Self::Vapi => "vapi",
            Self::Retell => "retell",
            Self::Bland => "bland",
        }
    }

    /// The platform called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.name() == name)
    }

    /// What is read of its envelope. The rest is its own: transcripts, prompts, the definitions of all tools.
    pub const fn keeps(self) -> Keep {
        match self {
            Self::Twilio | Self::Bland => Keep::All,
            Self::Retell => Keep::Only(&[
                ("call", Keep::Only(RETELL_CALL)),
                ("args", Keep::All),
                ("call_id", Keep::All),
                ("from_number", Keep::All),
            ]),
            Self::Vapi => Keep::Only(&[("message", Keep::Only(VAPI_MESSAGE))]),
        }
    }
}

const RETELL_CALL: &[(&str, Keep)] = &[
    ("call_id", Keep::All),
    ("direction", Keep::All),
    ("from_number", Keep::All),
    ("to_number", Keep::All),
];

const CUSTOMER: &[(&str, Keep)] = &[("number", Keep::All)];

const VAPI_MESSAGE: &[(&str, Keep)] = &[
    ("customer", Keep::Only(CUSTOMER)),
    (
        "call",
        Keep::Only(&[("id", Keep::All), ("customer", Keep::Only(CUSTOMER))]),
    ),
    ("toolCalls", Keep::All),
    ("toolCallList", Keep::All),
    (
        "toolWithToolCallList",
        Keep::Only(&[("name", Keep::All), ("toolCall", Keep::All)]),
    ),
];
