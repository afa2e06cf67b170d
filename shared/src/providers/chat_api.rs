//! What the clients of the chat platforms have in common: how an answer is judged, and how an id is found in it.
//!
//! The answers of one platform are not documented, and those of the other differ between its versions
//! (sangoma/CONTRACT.md 5.10, chatwoot/CONTRACT.md 5.3). So nothing of an answer is relied on but its status and an id, and the
//! id is looked for in every form that is known.

use http::Method;
use serde::Serialize;
use serde_json::Value;

use super::lenient::Fields;
use super::masked::redact;
use super::oauth::TokenError;
use super::retry_after::retry_after;
use crate::conversation::PlatformId;
pub use crate::conversation::widget::Priority;
use crate::http::{Response, SendError};
use crate::lenient_json::{self, Selection};

/// What an answer may be wrapped in.
const WRAPPERS: [&str; 3] = ["payload", "data", "results"];
/// How many wrappers in each other are opened.
const MAX_DEPTH: usize = 4;
/// The status of a call that the platform does not have.
const NOT_IMPLEMENTED: u16 = 501;
/// How long to wait after the refusal of too many messages in a minute, in seconds.
const MESSAGE_LIMIT_SECONDS: u32 = 60;

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
    fn of_reading(self) -> Self {
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

/// The answer to a request if it was successful.
pub(in crate::providers) fn successful(method: &Method, response: Response) -> Result<Response, ChatError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let error = error_of(&response);
    Err(if *method == Method::GET {
        error.of_reading()
    } else {
        error
    })
}

/// Judges an answer without success.
fn error_of(response: &Response) -> ChatError {
    let status = response.status().as_u16();
    let message = message_in(response.body());
    let meaning = match status {
        401 => "the credentials are rejected",
        403 => "the credentials do not allow this request",
        301 | 307 | 308 => "the request is redirected, so the configured URL is wrong",
        _ => "the platform answered",
    };
    let detail = redact(&format!("{meaning} (status {status}): {message}"));
    let failed = |retry_after| ChatError::Failed {
        retry_after,
        detail: detail.clone(),
    };
    match status {
        // The request had no effect, and an operator can help: no message may be lost until then. We do not follow
        // redirects, so nothing received a redirected request.
        401 | 403 | 301 | 307 | 308 => failed(None),
        429 => failed(retry_after(response)),
        // The brake on loops (chatwoot/CONTRACT.md 5.4) has the status of an invalid request, but passes.
        422 if message.to_ascii_lowercase().contains("too many messages") => failed(Some(MESSAGE_LIMIT_SECONDS)),
        // 408 may come from a gateway that gave up while the server behind it did what was asked.
        408 => ChatError::Unclear { detail },
        400..=499 => ChatError::Refused { status, detail },
        _ => ChatError::Unclear { detail },
    }
}

/// The message of an error body, in the forms that are known (chatwoot/CONTRACT.md 5.4) and two others that are common.
fn message_in(body: &[u8]) -> String {
    let Some(fields) = Fields::from_json(body) else {
        return "the answer is not a JSON object".to_owned();
    };
    let names = ["error_description", "message", "error", "detail", "errors"];
    let text = names.iter().find_map(|name| match fields.value(name)? {
        Value::Array(all) => all.first().and_then(Value::as_str).map(str::to_owned),
        _ => fields.text(name),
    });
    text.unwrap_or_default()
}

/// A JSON body.
pub(in crate::providers) fn to_json(body: &impl Serialize) -> Result<bytes::Bytes, ChatError> {
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

/// A number or a text as an id.
pub(in crate::providers) fn as_id(value: &Value) -> Option<PlatformId> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// The body of an answer; null for an empty body, and for one that is no JSON.
pub(in crate::providers) fn body(response: &Response) -> Value {
    lenient_json::select(response.body(), Selection::All).unwrap_or_default()
}

/// The object that an answer is about: `body` itself, or what it has below one of `nouns`, in any wrapper.
pub(in crate::providers) fn object<'a>(body: &'a Value, nouns: &[&str]) -> Option<&'a Value> {
    object_within(body, nouns, MAX_DEPTH)
}

fn object_within<'a>(body: &'a Value, nouns: &[&str], depth: usize) -> Option<&'a Value> {
    let depth = depth.checked_sub(1)?;
    if let Value::Array(all) = body {
        // Of several objects none is certainly ours.
        return match all.as_slice() {
            [only] => object_within(only, nouns, depth),
            _ => None,
        };
    }
    let has_id = |value: &&Value| value.get("id").and_then(as_id).is_some();
    let named = nouns.iter().find_map(|noun| body.get(noun)).filter(has_id);
    let own = || Some(body).filter(has_id);
    let wrapped = || {
        let inner = WRAPPERS.iter().filter_map(|wrapper| body.get(wrapper));
        inner.into_iter().find_map(|value| object_within(value, nouns, depth))
    };
    named.or_else(own).or_else(wrapped)
}

/// The id of the object that an answer is about.
fn id(body: &Value, nouns: &[&str]) -> Option<PlatformId> {
    object(body, nouns)?.get("id").and_then(as_id)
}

/// The id of a message that was just posted, if the answer has one. The id of its conversation is none: the answer may
/// be about that.
pub(in crate::providers) fn posted_id(response: &Response, conversation: &PlatformId) -> Option<PlatformId> {
    id(&body(response), &["message"]).filter(|id| id != conversation)
}

/// The id of an object that was just created.
pub(in crate::providers) fn created_id(response: &Response, nouns: &[&str]) -> Result<PlatformId, ChatError> {
    id(&body(response), nouns).ok_or_else(|| {
        let status = response.status().as_u16();
        ChatError::Unclear {
            detail: format!("status {status} without an id"),
        }
    })
}

/// The inboxes in an answer. Entries without an id are left out.
pub(in crate::providers) fn inboxes(response: &Response) -> Result<Vec<Inbox>, ChatError> {
    let body = body(response);
    let Some(all) = list(&body, MAX_DEPTH) else {
        return Err(ChatError::failed("the answer has no list of inboxes"));
    };
    let inbox = |value: &Value| {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Inbox {
            id: value.get("id").and_then(as_id)?,
            name: text("name"),
            channel: text("channel_type").or_else(|| text("channel")),
        })
    };
    Ok(all.iter().filter_map(inbox).collect())
}

fn list(body: &Value, depth: usize) -> Option<&Vec<Value>> {
    let depth = depth.checked_sub(1)?;
    if let Value::Array(all) = body {
        return Some(all);
    }
    let names = WRAPPERS.iter().chain(&["inboxes"]);
    names
        .filter_map(|name| body.get(*name))
        .find_map(|value| list(value, depth))
}

#[cfg(test)]
mod tests;
