//! Wire format of Protegee's context API, which voice-agent platforms can be configured to call: one payload in four
//! envelopes.
//!
//! Protegee publishes the fields and the successful answers. It does not publish errors or the answer for an unknown
//! caller; [`answer`] decides those. Requests may have unknown fields.

pub mod answer;
mod request;
pub mod verify;

use crate::lenient_json::Selection;

pub use request::{ContextQuery, EnvelopeErrors, Operation, read_get, read_set};

/// The platform that runs the agent. It determines the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// A custom agent on Twilio: the plain payload.
    Twilio,
    /// Vapi: tool calls inside a message.
    Vapi,
    /// Retell: `call` and `args` of a custom function.
    Retell,
    /// Bland: the plain payload.
    Bland,
}

impl Platform {
    /// All platforms.
    pub const ALL: [Self; 4] = [Self::Twilio, Self::Vapi, Self::Retell, Self::Bland];

    /// Name in the URL path.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Twilio => "twilio",
            Self::Vapi => "vapi",
            Self::Retell => "retell",
            Self::Bland => "bland",
        }
    }

    /// The platform called `name` in the URL path.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.name() == name)
    }

    /// The fields of the envelope that are read. The rest is not needed: transcripts, prompts, definitions of all
    /// tools.
    pub const fn envelope_fields(self) -> Selection {
        match self {
            Self::Twilio | Self::Bland => Selection::Fields(FLAT),
            Self::Retell => Selection::Fields(&[
                ("call", Selection::Fields(RETELL_CALL)),
                ("args", request::ARGUMENTS),
                ("call_id", Selection::Scalar),
                ("from_number", Selection::Scalar),
            ]),
            Self::Vapi => Selection::Fields(&[("message", Selection::Fields(VAPI_MESSAGE))]),
        }
    }
}

const FLAT: &[(&str, Selection)] = &request::FLAT_FIELDS;

const RETELL_CALL: &[(&str, Selection)] = &[
    ("call_id", Selection::Scalar),
    ("direction", Selection::Scalar),
    ("from_number", Selection::Scalar),
    ("to_number", Selection::Scalar),
];

const CUSTOMER: &[(&str, Selection)] = &[("number", Selection::Scalar)];

const ID: (&str, Selection) = ("id", Selection::Scalar);
const NAME: (&str, Selection) = ("name", Selection::Scalar);
const CALL_ARGUMENTS: (&str, Selection) = ("arguments", request::ARGUMENTS);
const CALL_PARAMETERS: (&str, Selection) = ("parameters", request::ARGUMENTS);
const FUNCTION: (&str, Selection) = ("function", Selection::Fields(&[NAME, CALL_ARGUMENTS, CALL_PARAMETERS]));

/// A tool call in every known form: see `ToolCall` in [`request`].
const VAPI_CALL: &[(&str, Selection)] = &[ID, NAME, CALL_ARGUMENTS, CALL_PARAMETERS, FUNCTION];

/// A tool call, or one next to the configuration of its tool.
const VAPI_CALL_WITH_TOOL: &[(&str, Selection)] = &[
    ID,
    NAME,
    CALL_ARGUMENTS,
    CALL_PARAMETERS,
    FUNCTION,
    ("toolCall", Selection::Fields(VAPI_CALL)),
];

const VAPI_MESSAGE: &[(&str, Selection)] = &[
    ("customer", Selection::Fields(CUSTOMER)),
    (
        "call",
        Selection::Fields(&[("id", Selection::Scalar), ("customer", Selection::Fields(CUSTOMER))]),
    ),
    ("toolCalls", Selection::Fields(VAPI_CALL_WITH_TOOL)),
    ("toolCallList", Selection::Fields(VAPI_CALL_WITH_TOOL)),
    ("toolWithToolCallList", Selection::Fields(VAPI_CALL_WITH_TOOL)),
];
