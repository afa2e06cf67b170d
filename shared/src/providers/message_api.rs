//! What the clients of the message providers have in common: the messages that they send and receive, their statuses
//! and their errors.

mod incoming;
mod sender;
mod status;

use std::collections::BTreeMap;
use std::fmt;

pub use self::incoming::{IncomingMessage, InvalidMessageWebhook};
pub use self::sender::{Channel, InvalidSender, Sender, SenderName, ServiceId, TemplateId};
pub use self::status::{Failure, FailureReason, MessageStatus, StatusReport, overall};
use crate::phone::PhoneNumber;

/// A text message to send.
#[derive(Clone, Debug)]
pub struct OutgoingMessage<'a> {
    /// Who sends it. Decides the channel, too.
    pub from: &'a Sender,
    /// Who receives it.
    pub to: &'a PhoneNumber,
    /// What it says.
    pub content: &'a Content,
    /// URL to which the provider posts every status. It must identify the message: after [`MessageError::Unclear`] the
    /// statuses are the only proof that there is a message.
    pub status_url: String,
    /// Seconds after which the provider gives up; `None` leaves it to the provider. Clamped to what the provider
    /// allows.
    pub validity_seconds: Option<u32>,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// This text, as it is. Over `WhatsApp` only within 24 hours of the customer's last message (twilio/CONTRACT.md
    /// 5.3).
    Text(String),
    /// A template that the platform has approved.
    Template {
        /// Twilio's id of the template.
        id: TemplateId,
        /// The values of its variables by name, such as `1`.
        variables: BTreeMap<String, String>,
    },
}

/// Shows no texts: they are private.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Template { id, variables } => write!(f, "Template({id}, {} variables)", variables.len()),
        }
    }
}

/// The provider accepted a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMessage {
    /// The provider's id of the message.
    pub id: String,
    /// Its first status, which callbacks need not repeat.
    pub status: MessageStatus,
    /// SMS parts that are billed, if the provider counted them.
    pub parts: Option<u32>,
}

/// Why a message was not sent, or may not have been. Only after [`MessageError::Unclear`] may a customer have received
/// it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Certainly no message. A later try may be accepted: not connected, too many requests, no token, or credentials
    /// that an operator has to fix.
    #[error("not accepted now: {detail}")]
    TryLater {
        /// Seconds to wait, if the provider stated them.
        retry_after: Option<u32>,
        /// Message for operators, redacted for logs.
        detail: String,
    },
    /// Certainly no message. The same one would be refused again.
    #[error("refused ({}): {detail}", failure.reason)]
    Refused {
        /// What it means for other messages.
        failure: Failure,
        /// Message for operators, redacted for logs.
        detail: String,
    },
    /// The request may have arrived. It must not be sent again: no provider has an idempotency key (twilio/CONTRACT.md
    /// 1.2, routee/CONTRACT.md 7).
    #[error("unclear whether the message was sent: {detail}")]
    Unclear {
        /// Message for operators, redacted for logs.
        detail: String,
    },
}

impl MessageError {
    /// For a message that cannot be valid, and is not sent.
    pub(in crate::providers) fn invalid(reason: FailureReason, detail: &str) -> Self {
        Self::Refused {
            failure: Failure { code: None, reason },
            detail: detail.to_owned(),
        }
    }
}
