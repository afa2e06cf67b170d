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
            Self::Twilio | Self::Bland => Keep::Only(FLAT),
            Self::Retell => Keep::Only(&[
                ("call", Keep::Only(RETELL_CALL)),
                ("args", request::ARGUMENTS),
                ("call_id", Keep::Plain),
                ("from_number", Keep::Plain),
            ]),
            Self::Vapi => Keep::Only(&[("message", Keep::Only(VAPI_MESSAGE))]),
        }
    }
}

const FLAT: &[(&str, Keep)] = &request::FLAT_FIELDS;

const RETELL_CALL: &[(&str, Keep)] = &[
    ("call_id", Keep::Plain),
    ("direction", Keep::Plain),
    ("from_number", Keep::Plain),
    ("to_number", Keep::Plain),
];

const CUSTOMER: &[(&str, Keep)] = &[("number", Keep::Plain)];

const ID: (&str, Keep) = ("id", Keep::Plain);
const NAME: (&str, Keep) = ("name", Keep::Plain);
const OF_CALL: (&str, Keep) = ("arguments", request::ARGUMENTS);
const OF_FUNCTION: (&str, Keep) = ("parameters", request::ARGUMENTS);
const FUNCTION: (&str, Keep) = ("function", Keep::Only(&[NAME, OF_CALL, OF_FUNCTION]));

/// A call of a tool in each form that there is: see `ToolCall` in [`request`].
const VAPI_CALL: &[(&str, Keep)] = &[ID, NAME, OF_CALL, OF_FUNCTION, FUNCTION];

/// The same, or one beside the tool's configuration.
const VAPI_WITH_TOOL: &[(&str, Keep)] = &[
    ID,
    NAME,
    OF_CALL,
    OF_FUNCTION,
    FUNCTION,
    ("toolCall", Keep::Only(VAPI_CALL)),
];

const VAPI_MESSAGE: &[(&str, Keep)] = &[
    ("customer", Keep::Only(CUSTOMER)),
    (
        "call",
        Keep::Only(&[("id", Keep::Plain), ("customer", Keep::Only(CUSTOMER))]),
    ),
    ("toolCalls", Keep::Only(VAPI_WITH_TOOL)),
    ("toolCallList", Keep::Only(VAPI_WITH_TOOL)),
    ("toolWithToolCallList", Keep::Only(VAPI_WITH_TOOL)),
];
