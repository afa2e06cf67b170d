//! Sends and looks up text messages, and parses what Routee posts about them (CONTRACT.md 6).

use http::Method;
use serde::Serialize;
use serde_json::Value;

use super::conversation::{Callback, CallbackStrategy, to_json};
use super::errors::ErrorBody;
use super::tracking::{TrackingError, success_body};
use super::{RequestError, Routee, TokenError};
use crate::http::Response;
use crate::lenient_json;
use crate::providers::lenient::{Fields, path_segment};
use crate::providers::message_api::{
    Channel, Content, Failure, FailureReason, IncomingMessage, InvalidMessageWebhook, MessageError, MessageStatus,
    OutgoingMessage, Sender, SentMessage, StatusReport, overall,
};
use crate::providers::retry_after::retry_after;

/// Longest validity in minutes (CONTRACT.md 6.1).
const MAX_TTL_MINUTES: u32 = 4_320;
/// The sender is invalid, or there are no recipients. We always name one (CONTRACT.md 2.3).
const INVALID_SENDER: &str = "400005000";
/// Longest status name or reason that we keep, in characters.
const MAX_NAME_CHARS: usize = 64;

/// The request that sends a message (CONTRACT.md 6.1).
#[derive(Debug, Serialize)]
struct SendSms<'a> {
    from: &'a str,
    to: &'a str,
    body: &'a str,
    callback: Callback,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
}

impl<'a> SendSms<'a> {
    fn new(message: &'a OutgoingMessage<'_>) -> Result<Self, MessageError> {
        let from = match message.from {
            // Without its plus, unlike the recipient.
            Sender::Number(number) => number.as_str().trim_start_matches('+'),
            Sender::Name(name) => name.as_str(),
            Sender::Service(_) | Sender::WhatsApp(_) => {
                let detail = "only numbers and names can send, and only SMS";
                return Err(MessageError::invalid(FailureReason::Unsupported, detail));
            }
        };
        let body = match message.content {
            Content::Text(text) if text.trim().is_empty() => {
                return Err(MessageError::invalid(FailureReason::Content, "the text is empty"));
            }
            Content::Text(text) => text,
            Content::Template { .. } => {
                let detail = "templates are not supported";
                return Err(MessageError::invalid(FailureReason::Unsupported, detail));
            }
        };
        Ok(Self {
            from,
            to: message.to.as_str(),
            body,
            callback: Callback {
                url: message.status_url.clone(),
                strategy: CallbackStrategy::OnChange,
            },
            // Rounded down: the message must not arrive later than it may.
            ttl: message
                .validity_seconds
                .map(|seconds| (seconds / 60).clamp(1, MAX_TTL_MINUTES)),
        })
    }
}

impl Routee {
    /// Sends a message. Must not be repeated for the same message unless the error is [`MessageError::TryLater`].
    ///
    /// # Errors
    /// There is no message, or it is unclear whether there is one.
    pub async fn send_sms(&self, message: &OutgoingMessage<'_>) -> Result<SentMessage, MessageError> {
        let body = to_json(&SendSms::new(message)?).map_err(send_error)?;
        let response = self.call(Method::POST, "/sms", Some(body)).await.map_err(send_error)?;
        if !response.status().is_success() {
            return Err(refusal(&response));
        }
        // Any 2xx has sent a message. Without a readable id only its callbacks identify it.
        let fields = Fields::from_json(response.body());
        let id = fields.as_ref().and_then(|fields| fields.id("trackingId"));
        let id = id.ok_or_else(|| MessageError::Unclear {
            detail: format!("status {} without a trackingId", response.status().as_u16()),
        })?;
        let status = fields.as_ref().and_then(parse_status).map(|(status, _)| status);
        let analysis = fields.as_ref().and_then(|fields| fields.value("bodyAnalysis"));
        let parts = analysis
            .cloned()
            .and_then(Fields::from_value)
            .and_then(|analysis| count(&analysis));
        Ok(SentMessage {
            id,
            status: status.unwrap_or(MessageStatus::Queued),
            parts,
        })
    }

    /// The status of a message, all parts together; `None` if Routee does not know it (yet).
    ///
    /// # Errors
    /// The lookup failed.
    pub async fn sms_status(&self, tracking_id: &str) -> Result<Option<MessageStatus>, TrackingError> {
        let id = path_segment(tracking_id).ok_or(TrackingError::BadId)?;
        let response = self
            .call(Method::GET, &format!("/sms/tracking/single/{id}"), None)
            .await?;
        if response.status().as_u16() == 404 {
            return Ok(None);
        }
        let value = lenient_json::parse(success_body(&response)?).map_err(|_| TrackingError::Unreadable)?;
        let reports = tracked_parts(value).ok_or(TrackingError::Unreadable)?;
        Ok(Some(overall(&reports)))
    }
}

/// The parts in a tracking response. It is unknown whether a message of several parts is one object, a list or a page
/// (CONTRACT.md 6.3); this accepts each of them. `None` if a part has no status: it must not count as delivered.
fn tracked_parts(value: Value) -> Option<Vec<StatusReport>> {
    let parts = match value {
        Value::Array(parts) => parts,
        Value::Object(mut page) => match page.remove("content") {
            Some(Value::Array(parts)) => parts,
            _ => vec![Value::Object(page)],
        },
        _ => return None,
    };
    let reports = parts.into_iter().map(|part| report(&Fields::from_value(part)?));
    reports
        .collect::<Option<Vec<_>>>()
        .filter(|reports| !reports.is_empty())
}

/// Parses a status callback. There is one for every part of a message (CONTRACT.md 6.2).
///
/// # Errors
/// The body is not a JSON object, or has no status.
pub fn parse_sms_report(body: &[u8]) -> Result<StatusReport, InvalidMessageWebhook> {
    let fields = Fields::from_json(body).ok_or(InvalidMessageWebhook::NotAnObject)?;
    report(&fields).ok_or(InvalidMessageWebhook::NoStatus)
}

fn report(fields: &Fields) -> Option<StatusReport> {
    let (status, name) = parse_status(fields)?;
    Some(StatusReport {
        message_id: fields.id("messageId").or_else(|| fields.id("trackingId")),
        status,
        name,
        part: fields.id("part").or_else(|| fields.id("smsId")).unwrap_or_default(),
        parts: count(fields).unwrap_or(1),
    })
}

/// The number of parts, at least 1.
fn count(fields: &Fields) -> Option<u32> {
    let parts = fields.integer("parts").filter(|parts| *parts > 0)?;
    Some(u32::try_from(parts).unwrap_or(u32::MAX))
}

/// The status and its name. Callbacks use `status.name`, tracking uses `status.status`, and the response to a send a
/// plain text; this accepts each of them everywhere.
fn parse_status(fields: &Fields) -> Option<(MessageStatus, String)> {
    let (name, reason) = match fields.value("status")? {
        Value::Object(status) => {
            let status = Fields::from_value(Value::Object(status.clone()))?;
            let name = ["name", "status"].iter().find_map(|field| non_blank(&status, field))?;
            let reason = status.value("reason").cloned();
            (name, reason.and_then(detailed_status))
        }
        _ => (non_blank(fields, "status")?, None),
    };
    let name = cut(&name);
    let failure = || Failure {
        reason: reason.as_deref().map_or(FailureReason::Other, meaning),
        code: reason.clone(),
    };
    let status = match compact(&name).as_str() {
        "queued" => MessageStatus::Queued,
        "sent" => MessageStatus::Sent,
        "delivered" => MessageStatus::Delivered,
        "undelivered" => MessageStatus::Undelivered(failure()),
        "failed" | "unsent" => MessageStatus::Failed(failure()),
        _ => MessageStatus::Unknown,
    };
    Some((status, name))
}

/// `detailedStatus` of a reason, or a reason that is a plain text.
fn detailed_status(reason: Value) -> Option<String> {
    let text = match reason {
        Value::String(text) => Some(text),
        reason => Fields::from_value(reason)?.text("detailedStatus"),
    };
    text.map(|text| cut(&text)).filter(|text| !text.is_empty())
}

/// The meaning of a `detailedStatus` (CONTRACT.md 6.2).
fn meaning(detailed_status: &str) -> FailureReason {
    match compact(detailed_status).as_str() {
        "unknownnumber" => FailureReason::BadRecipient,
        "undeliveredonhandset" | "roaming" | "networkerror" => FailureReason::Unreachable,
        "callbarred" | "carrierviolation" => FailureReason::Blocked,
        "expired" => FailureReason::Expired,
        _ => FailureReason::Other,
    }
}

fn non_blank(fields: &Fields, name: &str) -> Option<String> {
    fields.text(name).filter(|text| !text.trim().is_empty())
}

/// `text` on one line, without control characters, up to [`MAX_NAME_CHARS`].
fn cut(text: &str) -> String {
    let text = text.trim().chars().filter(|c| !c.is_control());
    text.take(MAX_NAME_CHARS).collect()
}

/// The letters of a name in lowercase: the documentation writes names with and without spaces.
fn compact(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.collect::<String>().to_lowercase()
}

/// Parses a message from a customer (CONTRACT.md 6.4).
///
/// # Errors
/// The body is not a JSON object, has no message id, or its sender is not a phone number.
pub fn parse_incoming_sms(body: &[u8]) -> Result<IncomingMessage, InvalidMessageWebhook> {
    let fields = Fields::from_json(body).ok_or(InvalidMessageWebhook::NotAnObject)?;
    Ok(IncomingMessage {
        id: fields.id("messageId").ok_or(InvalidMessageWebhook::NoId)?,
        from: fields.phone("from").ok_or(InvalidMessageWebhook::SenderIsNoNumber)?,
        to: fields.phone("to"),
        channel: Channel::Sms,
        text: fields.text("message").unwrap_or_default().trim().to_owned(),
        media_count: 0,
        media_urls: Vec::new(),
        replied_to: None,
        handled_opt_out: None,
    })
}

fn send_error(error: RequestError) -> MessageError {
    let (retry_after, detail) = match error {
        RequestError::NoResponse(detail) => return MessageError::Unclear { detail },
        RequestError::NotSent(detail) => (None, detail),
        RequestError::Token(TokenError::Unavailable { retry_after, detail }) => {
            (retry_after, format!("no token: {detail}"))
        }
        RequestError::Token(TokenError::Rejected { status, detail }) => {
            (None, format!("no token, status {status}: {detail}"))
        }
        RequestError::Unauthorized { status, detail } => (None, format!("status {status}: {detail}")),
    };
    MessageError::TryLater { retry_after, detail }
}

/// What a response other than 2xx says about the message (CONTRACT.md 2.3, 6.1).
fn refusal(response: &Response) -> MessageError {
    let status = response.status().as_u16();
    let body = ErrorBody::parse(response.body());
    let code = body.code.as_deref().unwrap_or("none");
    let detail = format!("status {status}, code {code}: {}", body.detail);
    // 408 may come from a gateway that timed out while the server behind it sent the message.
    if !matches!(status, 300..=407 | 409..=499) {
        return MessageError::Unclear { detail };
    }
    if matches!(status, 409 | 429) || body.is_rate_limited() {
        let retry_after = retry_after(response);
        return MessageError::TryLater { retry_after, detail };
    }
    let reason = if body.is_out_of_money() || status == 402 {
        FailureReason::OutOfMoney
    } else {
        match invalid_field(response.body()).as_deref() {
            Some("to") => FailureReason::BadRecipient,
            Some("from") => FailureReason::BadSender,
            Some("body") => FailureReason::Content,
            _ if code == INVALID_SENDER => FailureReason::BadSender,
            _ => FailureReason::Other,
        }
    };
    MessageError::Refused {
        failure: Failure {
            code: body.code,
            reason,
        },
        detail,
    }
}

/// The field that a validation error names, if it names only one (CONTRACT.md 2.3).
fn invalid_field(body: &[u8]) -> Option<String> {
    let fields = Fields::from_json(body)?;
    let Value::Object(properties) = fields.value("properties")? else {
        return None;
    };
    let mut names = properties.keys();
    let (first, second) = (names.next(), names.next());
    first.filter(|_| second.is_none()).cloned()
}
