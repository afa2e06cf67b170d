//! Sends and looks up messages, and parses what Twilio posts about them (CONTRACT.md 5).

use serde_json::Value;

use super::calls::{ApiError, Refusal, Twilio, api_error, parse_rfc_2822, success_fields, unreadable};
use super::webhook::Form;
use crate::clock::Timestamp;
use crate::http::{Response, SendError};
use crate::opt_out::OptOutWord;
use crate::phone::PhoneNumber;
use crate::providers::lenient::{Fields, MAX_ID_CHARS, path_segment};
use crate::providers::masked::redact;
use crate::providers::message_api::{
    Channel, Content, Failure, FailureReason, IncomingMessage, InvalidMessageWebhook, MessageError, MessageStatus,
    OutgoingMessage, Sender, SentMessage, StatusReport,
};
use crate::providers::retry_after::retry_after;

/// Longest text of a message, in characters (CONTRACT.md 5.1).
pub const MAX_BODY_CHARS: usize = 1_600;
/// Longest validity in seconds (CONTRACT.md 5.1).
const MAX_VALIDITY: u32 = 36_000;
/// Most variables of a template (CONTRACT.md 5.1).
const MAX_VARIABLES: usize = 100;
/// Most media of a message (CONTRACT.md 5.1).
const MAX_MEDIA: u32 = 10;
/// Longest status name that we keep, in characters.
const MAX_NAME_CHARS: usize = 64;
/// Messages that a search returns.
const PAGE_SIZE: &str = "50";
/// Marks an address of `WhatsApp`.
const WHATSAPP: &str = "whatsapp:";

/// The fields that we use of Twilio's message resource (CONTRACT.md 5.1).
#[derive(Clone, PartialEq, Eq)]
pub struct MessageRecord {
    /// SID of the message.
    pub sid: String,
    /// Current status.
    pub status: MessageStatus,
    /// Address of the sender; `None` until a messaging service has picked a number.
    pub from: Option<String>,
    /// Address of the receiver.
    pub to: Option<String>,
    /// The text, as Twilio stored it.
    pub body: Option<String>,
    /// Whether we sent it.
    pub is_outbound: bool,
    /// Creation time, if it has the documented format.
    pub created_at: Option<Timestamp>,
}

/// Shows neither text nor numbers, which are private.
impl std::fmt::Debug for MessageRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageRecord")
            .field("sid", &self.sid)
            .field("status", &self.status)
            .field("is_outbound", &self.is_outbound)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

impl MessageRecord {
    /// `None` if the SID is missing.
    fn parse(fields: &Fields) -> Option<Self> {
        let code = fields.text("error_code");
        Some(Self {
            sid: fields.id("sid")?,
            status: parse_status(&fields.text("status").unwrap_or_default(), code.as_deref()),
            from: fields.text("from"),
            to: fields.text("to"),
            body: fields.text("body"),
            is_outbound: fields
                .text("direction")
                .is_some_and(|direction| direction.starts_with("outbound")),
            created_at: fields.text("date_created").and_then(|text| parse_rfc_2822(&text)),
        })
    }
}

/// How Twilio writes a number on a channel.
pub fn address(number: &PhoneNumber, channel: Channel) -> String {
    match channel {
        Channel::Sms => number.as_str().to_owned(),
        Channel::WhatsApp => format!("{WHATSAPP}{}", number.as_str()),
    }
}

impl Twilio {
    /// Sends a message. Must not be repeated for the same message unless the error is [`MessageError::TryLater`].
    ///
    /// # Errors
    /// There is no message, or it is unclear whether there is one.
    pub async fn send_message(&self, message: &OutgoingMessage<'_>) -> Result<SentMessage, MessageError> {
        let fields = form(message)?;
        let response = self.post("/Messages.json", &fields).await;
        let response = response.map_err(|error| send_error(&error))?;
        if !response.status().is_success() {
            return Err(refusal(&response));
        }
        // Any 2xx has sent a message. Without a readable SID only its callbacks identify it.
        let fields = Fields::from_json(response.body());
        let record = fields.as_ref().and_then(MessageRecord::parse);
        let record = record.ok_or_else(|| MessageError::Unclear {
            detail: format!("status {} without a sid", response.status().as_u16()),
        })?;
        // A messaging service reports 0: it has not picked a number yet.
        let parts = fields.and_then(|fields| fields.integer("num_segments"));
        Ok(SentMessage {
            id: record.sid,
            status: record.status,
            parts: parts
                .and_then(|parts| u32::try_from(parts).ok())
                .filter(|parts| *parts > 0),
        })
    }

    /// Looks up the message `sid`.
    ///
    /// # Errors
    /// The lookup failed.
    pub async fn message(&self, sid: &str) -> Result<MessageRecord, ApiError> {
        let sid = path_segment(sid).ok_or_else(|| ApiError {
            not_found: false,
            is_transient: false,
            detail: "invalid message id".to_owned(),
        })?;
        let response = self.get(&format!("/Messages/{sid}.json"), &[]).await;
        let fields = success_fields(&response.map_err(|error| api_error(&error))?)?;
        MessageRecord::parse(&fields).ok_or_else(|| unreadable("the response has no message"))
    }

    /// Messages to an address, both sent and received: one page, presumably the newest 50.
    ///
    /// # Errors
    /// The search failed.
    pub async fn messages_to(&self, address: &str) -> Result<Vec<MessageRecord>, ApiError> {
        let query = [("To", address), ("PageSize", PAGE_SIZE)];
        let response = self.get("/Messages.json", &query).await;
        let fields = success_fields(&response.map_err(|error| api_error(&error))?)?;
        let Some(Value::Array(messages)) = fields.value("messages") else {
            return Err(unreadable("the response has no list of messages"));
        };
        let messages = messages.iter().cloned().filter_map(Fields::from_value);
        Ok(messages.filter_map(|fields| MessageRecord::parse(&fields)).collect())
    }
}

/// The form that sends a message.
fn form(message: &OutgoingMessage<'_>) -> Result<Vec<(&'static str, String)>, MessageError> {
    let channel = message.from.channel();
    let from = match message.from {
        Sender::Number(number) | Sender::WhatsApp(number) => ("From", address(number, channel)),
        Sender::Service(service) => ("MessagingServiceSid", service.as_str().to_owned()),
        Sender::Name(_) => {
            let detail = "sender names are not supported";
            return Err(MessageError::invalid(FailureReason::Unsupported, detail));
        }
    };
    let mut fields = vec![("To", address(message.to, channel)), from];
    match message.content {
        Content::Text(text) if text.trim().is_empty() => {
            return Err(MessageError::invalid(FailureReason::Content, "the text is empty"));
        }
        Content::Text(text) if text.chars().count() > MAX_BODY_CHARS => {
            let detail = "the text has more than 1600 characters";
            return Err(MessageError::invalid(FailureReason::Content, detail));
        }
        Content::Text(text) => fields.push(("Body", text.clone())),
        Content::Template { variables, .. } if variables.len() > MAX_VARIABLES => {
            let detail = "the template has more than 100 variables";
            return Err(MessageError::invalid(FailureReason::Content, detail));
        }
        Content::Template { id, variables } => {
            fields.push(("ContentSid", id.as_str().to_owned()));
            if !variables.is_empty() {
                // Displayed JSON of a map of strings: this cannot fail.
                let json: Value = variables
                    .iter()
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
                fields.push(("ContentVariables", json.to_string()));
            }
        }
    }
    fields.push(("StatusCallback", message.status_url.clone()));
    let validity = message.validity_seconds.map(|seconds| seconds.clamp(1, MAX_VALIDITY));
    fields.extend(validity.map(|seconds| ("ValidityPeriod", seconds.to_string())));
    Ok(fields)
}

fn send_error(error: &SendError) -> MessageError {
    let detail = redact(&error.to_string());
    match error {
        SendError::NotSent(_) | SendError::Forbidden(_) => MessageError::TryLater {
            retry_after: None,
            detail,
        },
        SendError::NoResponse(_) => MessageError::Unclear { detail },
    }
}

/// What a response other than 2xx says about the message (CONTRACT.md 1.5, 5.4).
fn refusal(response: &Response) -> MessageError {
    let Refusal { status, code, detail } = Refusal::parse(response);
    // Regardless of the code: a failed server may have sent the message, and 408 may come from a gateway that timed out
    // while the server behind it sent the message.
    if !matches!(status, 300..=407 | 409..=499) {
        return MessageError::Unclear { detail };
    }
    let reason = code.and_then(reason_of_code);
    let reason = reason.or_else(|| (status == 402).then_some(FailureReason::OutOfMoney));
    // A code of messages that we do not know still says that the message was refused, not the credentials.
    let is_about_message = matches!(code, Some(21_000..=21_999 | 30_000..=30_999 | 63_000..=63_999));
    let is_temporary = match reason {
        Some(reason) => reason == FailureReason::Overloaded,
        // Rejected credentials affect every message, and last until an operator fixes them.
        None => status == 429 || code == Some(20_003) || (matches!(status, 401 | 403) && !is_about_message),
    };
    if is_temporary {
        return MessageError::TryLater {
            retry_after: retry_after(response),
            detail,
        };
    }
    MessageError::Refused {
        failure: Failure {
            code: code.map(|code| code.to_string()),
            reason: reason.unwrap_or(FailureReason::Other),
        },
        detail,
    }
}

/// The meaning of Twilio's error codes, in responses and callbacks alike (CONTRACT.md 5.4). Twilio may change them, so
/// an unknown one must not matter.
const fn reason_of_code(code: u32) -> Option<FailureReason> {
    Some(match code {
        21_610 => FailureReason::OptedOut,
        21_211 | 21_214 | 21_217 | 21_614 | 30_005 | 30_006 | 63_003 | 63_024 => FailureReason::BadRecipient,
        30_004 | 30_007 | 63_032 | 63_033 => FailureReason::Blocked,
        30_003 => FailureReason::Unreachable,
        30_036 => FailureReason::Expired,
        63_016 => FailureReason::WindowClosed,
        21_602 | 21_617 | 21_654 | 21_655 | 21_656 | 63_005 | 63_013 | 63_027 | 63_028 | 63_041 => {
            FailureReason::Content
        }
        21_212 | 21_603 | 21_606 | 21_612 | 21_703 | 63_007 => FailureReason::BadSender,
        21_408 | 21_608 | 30_034 | 63_001 | 63_015 | 63_051 => FailureReason::NotAllowed,
        10_001 | 20_005 | 30_002 => FailureReason::OutOfMoney,
        20_429 | 21_611 | 30_001 | 63_018 => FailureReason::Overloaded,
        _ => return None,
    })
}

/// The status with this name (CONTRACT.md 5.2), and why it failed.
fn parse_status(word: &str, code: Option<&str>) -> MessageStatus {
    let failure = || {
        let code: Option<u32> = code.and_then(|code| code.trim().parse().ok());
        Failure {
            code: code.map(|code| code.to_string()),
            reason: code.and_then(reason_of_code).unwrap_or(FailureReason::Other),
        }
    };
    match word {
        "accepted" | "scheduled" | "queued" | "sending" => MessageStatus::Queued,
        "sent" => MessageStatus::Sent,
        "delivered" => MessageStatus::Delivered,
        "read" => MessageStatus::Read,
        // We schedule nothing and cancel nothing, so this message was canceled by someone else.
        "failed" | "canceled" => MessageStatus::Failed(failure()),
        "undelivered" => MessageStatus::Undelivered(failure()),
        _ => MessageStatus::Unknown,
    }
}

/// Parses a status callback (CONTRACT.md 5.2).
///
/// # Errors
/// The form has no status.
pub fn parse_report(form: &Form) -> Result<StatusReport, InvalidMessageWebhook> {
    let word = form.get("MessageStatus").or_else(|| form.get("SmsStatus"));
    let word = word.ok_or(InvalidMessageWebhook::NoStatus)?;
    Ok(StatusReport {
        message_id: message_id(form),
        status: parse_status(word, form.get("ErrorCode")),
        name: word.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect(),
        // Twilio reports the message as a whole, however many parts it has.
        part: String::new(),
        parts: 1,
    })
}

/// Parses a message from a customer (CONTRACT.md 5.5).
///
/// # Errors
/// The form has no message id, or the sender is not a phone number.
pub fn parse_incoming(form: &Form) -> Result<IncomingMessage, InvalidMessageWebhook> {
    let id = message_id(form).ok_or(InvalidMessageWebhook::NoId)?;
    let from = form.get("From").unwrap_or_default();
    let (channel, from) = match from.strip_prefix(WHATSAPP) {
        Some(number) => (Channel::WhatsApp, number),
        None => (Channel::Sms, from),
    };
    let to = form.get("To").unwrap_or_default();
    let media_count = form.get("NumMedia").and_then(|count| count.parse().ok()).unwrap_or(0);
    let media_urls = (0..MAX_MEDIA.min(media_count)).filter_map(|at| form.get(&format!("MediaUrl{at}")));
    Ok(IncomingMessage {
        id,
        from: PhoneNumber::from_e164(from).map_err(|_| InvalidMessageWebhook::SenderIsNoNumber)?,
        to: PhoneNumber::from_e164(to.strip_prefix(WHATSAPP).unwrap_or(to)).ok(),
        channel,
        text: form.get("Body").unwrap_or_default().to_owned(),
        media_count,
        media_urls: media_urls.map(str::to_owned).collect(),
        replied_to: form.get("OriginalRepliedMessageSid").and_then(short_id),
        handled_opt_out: form.get("OptOutType").and_then(|word| match word {
            "STOP" => Some(OptOutWord::Stop),
            "START" => Some(OptOutWord::Start),
            "HELP" => Some(OptOutWord::Help),
            _ => None,
        }),
    })
}

fn message_id(form: &Form) -> Option<String> {
    ["MessageSid", "SmsSid"]
        .into_iter()
        .find_map(|name| form.get(name).and_then(short_id))
}

/// An id: visible ASCII, of a reasonable length.
fn short_id(text: &str) -> Option<String> {
    let is_id = text.len() <= MAX_ID_CHARS && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_id.then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
