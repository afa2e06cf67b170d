//! What the employee is told.

use serde::{Deserialize, Serialize};

/// Longest text of a ticket that is taken, in characters. What is spoken is cut further, see
/// [`super::script`].
pub const MAX_TEXT_CHARS: usize = 4_000;
/// Longest reference of a ticket, in characters.
pub const MAX_REFERENCE_CHARS: usize = 128;

/// The ticket that somebody has to accept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// The requester's own name for it, such as `INC-4711`; given back in every notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What is read to the employee.
    pub text: String,
}
