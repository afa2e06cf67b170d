//! The ticket that is read to employees.

use serde::{Deserialize, Serialize};

/// Longest text of a ticket that a request may have, in characters. The spoken text is cut further, see
/// [`super::script`].
pub const MAX_TEXT_CHARS: usize = 4_000;
/// Longest reference of a ticket, in characters.
pub const MAX_REFERENCE_CHARS: usize = 128;

/// The ticket that an employee has to accept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ticket {
    /// The requester's reference, such as `INC-4711`; part of every notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The text that is read to the employee.
    pub text: String,
}
