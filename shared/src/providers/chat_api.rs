//! What the clients of the chat platforms have in common: their errors, and what they are called with.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::masked::redact;
use super::oauth::TokenError;
use crate::conversation::PlatformId;
pub use crate::conversation::widget::Priority;
use crate::http::SendError;

/// The status of a call that the platform does not have.
const NOT_IMPLEMENTED: u16 = 501;

/// Why a call to a platform has no usable answer. The variants tell a caller that must not post a message twice whether
/// it may have been posted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChatError {
    /// The request certainly had no effect; a later try may succeed: not connected, too many requests, no token, or
    /// credentials that an operator has to fix.
    #[error("{detail}")]
    Failed {
        /// Seconds to wait, if the platform stated them.
        retry_after: Option<u32>,
        /// Error or answer, redacted for logs.
        detail: String,
    },
    /// The platform refused the request, and will refuse it again (4xx).
    #[error("{detail}")]
    Refused {
        /// HTTP status; 501 if the platform has no such call, and 400 if the request was invalid before it was sent.
        status: u16,
        /// Answer, redacted for logs.
        detail: String,
    },
    /// The request may have had an effect (5xx, no answer).
    #[error("{detail}")]
    Unclear {
        /// Error or answer, redacted for logs.
        detail: String,
    },
}

impl ChatError {
    pub(in crate::providers) fn failed(detail: impl Into<String>) -> Self {
        Self::Failed {
            retry_after: None,
            detail: detail.into(),
        }
    }

    /// For a call that this platform does not have.
    pub(crate) fn no_such_call(detail: impl Into<String>) -> Self {
        Self::Refused {
            status: NOT_IMPLEMENTED,
            detail: detail.into(),
        }
    }

    /// For a request that cannot be valid, and is not sent.
    pub(in crate::providers) fn invalid(detail: impl Into<String>) -> Self {
        Self::Refused {
            status: 400,
            detail: detail.into(),
        }
    }

    /// The same error of a request that only reads: whatever happened, it had no effect.
    pub(in crate::providers) fn of_reading(self) -> Self {
        match self {
            Self::Unclear { detail } => Self::failed(detail),
            other => other,
        }
    }
}

impl From<SendError> for ChatError {
    fn from(error: SendError) -> Self {
        let detail = redact(&error.to_string());
        match error {
            SendError::NotSent(_) | SendError::Forbidden(_) => Self::failed(detail),
            SendError::NoResponse(_) => Self::Unclear { detail },
        }
    }
}

impl From<TokenError> for ChatError {
    fn from(error: TokenError) -> Self {
        let detail = error.to_string();
        match error {
            // Not a refusal: an operator can fix the credentials, and no message may be lost until then.
            TokenError::Rejected { .. } => Self::failed(detail),
            TokenError::Unavailable { retry_after, .. } => Self::Failed { retry_after, detail },
        }
    }
}

/// An inbox of a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inbox {
    /// Its id.
    pub id: PlatformId,
    /// Its name, if the platform told it.
    pub name: Option<String>,
    /// Its kind as the platform names it.
    pub channel: Option<String>,
}

/// A customer to create, before a conversation with them can be created.
#[derive(Clone, Copy, Debug)]
pub struct NewContact<'a> {
    /// The inbox in which they will write.
    pub inbox: &'a PlatformId,
    /// Their name.
    pub name: &'a str,
    /// Their e-mail address. One platform identifies the customer by it, the other refuses an address that it has.
    pub email: &'a str,
    /// Their phone number in E.164.
    pub phone: Option<&'a str>,
}

/// A customer that was created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreatedContact {
    /// Their id.
    pub id: PlatformId,
    /// What identifies the customer in the inbox, for [`NewConversation::source`]. Not every answer has it.
    pub source: Option<String>,
}

/// A conversation to create.
#[derive(Clone, Copy, Debug)]
pub struct NewConversation<'a> {
    /// The inbox.
    pub inbox: &'a PlatformId,
    /// The customer: [`CreatedContact::id`].
    pub contact: &'a PlatformId,
    /// The same customer in the inbox: [`CreatedContact::source`].
    pub source: Option<&'a str>,
    /// How urgent it is.
    pub priority: Priority,
    /// The customer's first message.
    pub initial_message: &'a str,
}

/// A JSON body.
pub(in crate::providers) fn to_json(body: &impl Serialize) -> Result<Bytes, ChatError> {
    let json = serde_json::to_vec(body).map_err(|error| ChatError::invalid(error.to_string()))?;
    Ok(json.into())
}

/// An id as a number if it is one. Platforms answer with numbers, and events may write the same id as a text.
pub(in crate::providers) fn number_or_text(id: &PlatformId) -> Value {
    let text = id.as_str();
    let is_plain = text == "0" || !text.starts_with(['0', '+']);
    match text.parse::<u64>() {
        Ok(number) if is_plain => Value::from(number),
        _ => Value::from(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lost_answer_is_unclear_and_lost_request_is_not() {
        let unclear = ChatError::from(SendError::NoResponse("timed out".to_owned()));
        assert!(matches!(unclear, ChatError::Unclear { .. }));
        for error in [
            SendError::NotSent("refused".to_owned()),
            SendError::Forbidden("http".to_owned()),
        ] {
            assert!(matches!(ChatError::from(error), ChatError::Failed { .. }));
        }
    }

    #[test]
    fn number_is_sent_as_a_number_and_every_other_id_as_it_is() {
        for (text, expected) in [
            ("0", json!(0)),
            ("1201", json!(1201)),
            ("18446744073709551615", json!(u64::MAX)),
            ("18446744073709551616", json!("18446744073709551616")),
            ("007", json!("007")),
            ("+7", json!("+7")),
            ("-7", json!("-7")),
            ("c-1", json!("c-1")),
        ] {
            assert_eq!(number_or_text(&text.parse().expect("an id")), expected);
        }
    }
}
