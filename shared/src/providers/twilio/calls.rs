//! A client for Twilio's REST API for calls (CONTRACT.md 1).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde_json::Value;

use super::status::parse_status;
use crate::clock::Timestamp;
use crate::config::ConfigError;
use crate::dispatch::{CallStatus, Ending, NotPlaced};
use crate::http::{HttpClient, Request, Response, SendError};
use crate::phone::PhoneNumber;
use crate::providers::lenient::{Fields, path_segment};
use crate::providers::masked::redact;
use crate::secret::Secret;

/// Base URL of Twilio.
pub const ENDPOINT: &str = "https://api.twilio.com";
/// Longest inline document, in bytes (CONTRACT.md 1.2). Twilio does not document whether it counts bytes or characters;
/// a limit in bytes is safe for both.
pub const MAX_INLINE: usize = 4_000;
/// Calls that a search returns: the newest ones to a number.
const PAGE_SIZE: &str = "50";

/// The credentials of an account (CONTRACT.md 1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// SID of the account that owns the calls.
    pub account: String,
    /// SID of the account, or of one of its API keys.
    pub user: String,
    /// The account's auth token, or the secret of the API key.
    pub password: Secret,
}

impl Credentials {
    /// Parses the value of the parameter that the variable `name` names: `accountSid:apiKeySid:apiKeySecret` or
    /// `accountSid:authToken`.
    ///
    /// # Errors
    /// The value has neither form.
    pub fn parse(name: &'static str, value: &Secret) -> Result<Self, ConfigError> {
        let parts: Vec<&str> = value.expose().trim().split(':').map(str::trim).collect();
        let (account, user, password) = match parts.as_slice() {
            [account, token] => (*account, *account, *token),
            [account, key, secret] => (*account, *key, *secret),
            _ => ("", "", ""),
        };
        let is_sid = |text: &str, prefix: &str| {
            let digits = text.strip_prefix(prefix).unwrap_or_default();
            digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        if !is_sid(account, "AC") || !(user == account || is_sid(user, "SK")) || password.is_empty() {
            let expected =
                "must name a parameter of the form accountSid:apiKeySid:apiKeySecret or accountSid:authToken";
            return Err(ConfigError::Invalid { name, expected });
        }
        Ok(Self {
            account: account.to_owned(),
            user: user.to_owned(),
            password: Secret::new(password),
        })
    }

    fn authorization(&self) -> Option<HeaderValue> {
        let text = format!("{}:{}", self.user, self.password.expose());
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(text))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// The `TwiML` document of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallDocument {
    /// This document, at most [`MAX_INLINE`] bytes.
    Inline(String),
    /// Twilio fetches the document from this URL when the call is picked up.
    Url(String),
}

/// The request that places a call (CONTRACT.md 1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateCall<'a> {
    /// A phone number of the account, or a verified one.
    pub from: &'a str,
    /// The number to call.
    pub to: &'a PhoneNumber,
    /// What the call says and listens for.
    pub document: CallDocument,
    /// URL to which Twilio posts every status.
    pub status_url: String,
    /// Ring time-out in seconds, up to 600; Twilio's default is 60.
    pub ring_timeout: Option<u32>,
    /// Maximum duration of the call in seconds.
    pub time_limit: Option<u32>,
    /// URL to which Twilio posts whether a person or a machine picked up. The call does not wait for the result. `None`
    /// switches the detection off.
    pub machine_detection_url: Option<String>,
}

impl CreateCall<'_> {
    fn fields(self) -> Vec<(&'static str, String)> {
        let mut fields = vec![("To", self.to.as_str().to_owned()), ("From", self.from.to_owned())];
        match self.document {
            CallDocument::Inline(twiml) => fields.push(("Twiml", twiml)),
            CallDocument::Url(url) => {
                // The fallback is the same URL: if the first fetch fails, Twilio tries once more. Otherwise the
                // employee would hear an error instead of the ticket.
                fields.extend([("FallbackUrl", url.clone()), ("FallbackMethod", "POST".to_owned())]);
                fields.extend([("Url", url), ("Method", "POST".to_owned())]);
            }
        }
        fields.extend([
            ("StatusCallback", self.status_url),
            ("StatusCallbackMethod", "POST".to_owned()),
        ]);
        // One form field per event: for several events in one field Twilio sends no callbacks (CONTRACT.md 9, trap 1).
        let events = ["initiated", "ringing", "answered", "completed"];
        fields.extend(events.map(|event| ("StatusCallbackEvent", event.to_owned())));
        fields.extend(self.ring_timeout.map(|seconds| ("Timeout", seconds.to_string())));
        fields.extend(self.time_limit.map(|seconds| ("TimeLimit", seconds.to_string())));
        if let Some(url) = self.machine_detection_url {
            fields.extend([
                ("MachineDetection", "Enable".to_owned()),
                ("AsyncAmd", "true".to_owned()),
                ("AsyncAmdStatusCallback", url),
                ("AsyncAmdStatusCallbackMethod", "POST".to_owned()),
            ]);
        }
        fields
    }
}

/// The fields that we use of Twilio's call resource (CONTRACT.md 1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// SID of the call.
    pub sid: String,
    /// Current status.
    pub status: CallStatus,
    /// Creation time, if it has the documented format.
    pub created_at: Option<Timestamp>,
    /// Whether Twilio detected a machine; `false` if detection was off or had no result.
    pub machine: bool,
}

impl CallRecord {
    /// `None` if SID or status is missing.
    fn parse(fields: &Fields) -> Option<Self> {
        let call = Self::parse_lenient(fields);
        (!call.sid.is_empty() && fields.text("status").is_some()).then_some(call)
    }

    /// An entry of a list: missing fields are empty, and a missing status is [`CallStatus::Other`], which is not final.
    fn parse_lenient(fields: &Fields) -> Self {
        Self {
            sid: fields.id("sid").unwrap_or_default(),
            status: fields
                .text("status")
                .map_or(CallStatus::Other, |word| parse_status(&word)),
            created_at: fields.text("date_created").and_then(|text| parse_rfc_2822(&text)),
            machine: fields
                .text("answered_by")
                .is_some_and(|word| super::status::is_machine(&word)),
        }
    }

    /// How the call ended; `None` while it is live.
    pub const fn ending(&self) -> Option<Ending> {
        self.status.ending()
    }
}

/// Why a call was not accepted, or may not have been. Only after [`CreateError::Unclear`] may a phone ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// Certainly no call.
    #[error("{detail}")]
    NotPlaced {
        /// What the failure means for the next call.
        reason: NotPlaced,
        /// Message for operators, redacted for logs.
        detail: String,
    },
    /// The request may have arrived. It must not be sent again: there is no idempotency key (CONTRACT.md 1.2).
    #[error("unclear whether the call was placed: {detail}")]
    Unclear {
        /// Message for operators, redacted for logs.
        detail: String,
    },
}

/// How a call is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndAction {
    /// Ends a call that has not been answered.
    Cancel,
    /// Ends an answered call.
    Complete,
}

impl EndAction {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "canceled",
            Self::Complete => "completed",
        }
    }

    /// The action that ends a call with this status; `None` if the call is over.
    const fn for_status(status: CallStatus) -> Option<Self> {
        match status {
            CallStatus::Queued | CallStatus::Initiated | CallStatus::Ringing => Some(Self::Cancel),
            status if status.ending().is_some() => None,
            _ => Some(Self::Complete),
        }
    }
}

/// A request to Twilio failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ApiError {
    /// Twilio responded that the call does not exist. Rarely it does so for a call that exists (CONTRACT.md 1.5).
    pub not_found: bool,
    /// Whether a later retry may succeed: the cause is Twilio itself, the rate limit or the credentials, not the
    /// request.
    pub is_transient: bool,
    /// Message for operators, redacted for logs.
    pub detail: String,
}

/// The balance of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Amount, a decimal number.
    pub balance: String,
    /// Currency code (ISO 4217).
    pub currency: String,
}

/// A client of Twilio's API for one account.
#[derive(Clone)]
pub struct Twilio {
    http: HttpClient,
    base: String,
    /// `None` if the credentials do not form a valid header: then no request is sent.
    authorization: Option<HeaderValue>,
}

impl fmt::Debug for Twilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Twilio")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Twilio {
    /// Creates a client. Sends no request yet. `endpoint` is [`ENDPOINT`] or the URL of a simulator.
    pub fn new(http: HttpClient, credentials: &Credentials, endpoint: &str) -> Self {
        let endpoint = endpoint.trim_end_matches('/');
        Self {
            http,
            base: format!("{endpoint}/2010-04-01/Accounts/{}", credentials.account),
            authorization: credentials.authorization(),
        }
    }

    /// Places a call and returns its SID. Must not be repeated for the same attempt unless the error is
    /// [`CreateError::NotPlaced`].
    ///
    /// # Errors
    /// There is no call, or it is unclear whether there is one.
    pub async fn create(&self, request: CreateCall<'_>) -> Result<String, CreateError> {
        let response = self.post("/Calls.json", &request.fields()).await;
        let response = response.map_err(|error| create_error(&error))?;
        if !response.status().is_success() {
            return Err(create_error_of_response(&response));
        }
        // Any 2xx has placed a call. Without a readable SID it can only be found by a search.
        let sid = Fields::from_json(response.body()).and_then(|fields| fields.id("sid"));
        sid.ok_or_else(|| CreateError::Unclear {
            detail: format!("status {} without a sid", response.status().as_u16()),
        })
    }

    /// Ends the call `sid` with the action `first`. If the call is not over then, it looks up the status and uses the
    /// action that fits: the phone may be picked up in the meantime, and a cancellation that comes too late leaves a
    /// live call.
    ///
    /// # Errors
    /// The call may still be live. A retry does no harm.
    pub async fn end_call(&self, sid: &str, first: EndAction) -> Result<(), ApiError> {
        let mut refusal = None;
        match self.set_status(sid, first).await {
            Ok(call) if call.ending().is_some() => return Ok(()),
            Ok(_) => {}
            Err(error) if error.is_transient && !error.not_found => return Err(error),
            Err(error) => refusal = Some(error),
        }
        let call = match self.call(sid).await {
            Ok(call) => call,
            // Two responses in a row that the call does not exist: believe them.
            Err(error) if error.not_found && refusal.is_some_and(|refusal| refusal.not_found) => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(action) = EndAction::for_status(call.status) else {
            return Ok(());
        };
        match self.set_status(sid, action).await?.ending() {
            Some(_) => Ok(()),
            None => Err(ApiError {
                not_found: false,
                is_transient: true,
                detail: format!("the call is still live after the status was set to {}", action.as_str()),
            }),
        }
    }

    async fn set_status(&self, sid: &str, action: EndAction) -> Result<CallRecord, ApiError> {
        let path = call_path(sid)?;
        let fields = [("Status", action.as_str().to_owned())];
        let response = self.post(&path, &fields).await.map_err(|error| api_error(&error))?;
        parse_call(&response)
    }

    /// Looks up the call `sid`.
    ///
    /// # Errors
    /// The lookup failed.
    pub async fn call(&self, sid: &str) -> Result<CallRecord, ApiError> {
        let response = self
            .get(&call_path(sid)?, &[])
            .await
            .map_err(|error| api_error(&error))?;
        parse_call(&response)
    }

    /// The newest 50 calls to a number.
    ///
    /// # Errors
    /// The search failed.
    pub async fn calls_to(&self, to: &PhoneNumber) -> Result<Vec<CallRecord>, ApiError> {
        let query = [("To", to.as_str()), ("PageSize", PAGE_SIZE)];
        let response = self
            .get("/Calls.json", &query)
            .await
            .map_err(|error| api_error(&error))?;
        let fields = success_fields(&response)?;
        let Some(Value::Array(calls)) = fields.value("calls") else {
            return Err(unreadable("the response has no list of calls"));
        };
        let calls = calls.iter().cloned().filter_map(Fields::from_value);
        Ok(calls.map(|fields| CallRecord::parse_lenient(&fields)).collect())
    }

    /// The balance of the account.
    ///
    /// # Errors
    /// The lookup failed. Twilio refuses it for subaccounts, which have no balance of their own.
    pub async fn balance(&self) -> Result<Balance, ApiError> {
        let response = self
            .get("/Balance.json", &[])
            .await
            .map_err(|error| api_error(&error))?;
        let fields = success_fields(&response)?;
        let text = |name| {
            fields
                .text(name)
                .ok_or_else(|| unreadable("the response has no balance"))
        };
        Ok(Balance {
            balance: text("balance")?,
            currency: text("currency")?,
        })
    }

    pub(super) async fn post(&self, path: &str, fields: &[(&'static str, String)]) -> Result<Response, SendError> {
        self.send(Method::POST, path, Some(encode_form(fields))).await
    }

    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Response, SendError> {
        let query = encode_form(query);
        let separator = if query.is_empty() { "" } else { "?" };
        self.send(Method::GET, &format!("{path}{separator}{query}"), None).await
    }

    async fn send(&self, method: Method, path: &str, form: Option<String>) -> Result<Response, SendError> {
        let not_sent = |cause: &dyn fmt::Display| SendError::NotSent(cause.to_string());
        let Some(authorization) = &self.authorization else {
            return Err(not_sent(&"the credentials do not form a valid header"));
        };
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::AUTHORIZATION, authorization);
        if form.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request: Request = request
            .body(Bytes::from(form.unwrap_or_default()))
            .map_err(|error| not_sent(&error))?;
        self.http.send(request).await
    }
}

fn encode_form<N: AsRef<str>, V: AsRef<str>>(fields: &[(N, V)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    form.finish()
}

fn call_path(sid: &str) -> Result<String, ApiError> {
    let sid = path_segment(sid).ok_or_else(|| ApiError {
        not_found: false,
        is_transient: false,
        detail: "invalid call id".to_owned(),
    })?;
    Ok(format!("/Calls/{sid}.json"))
}

pub(super) fn unreadable(what: &str) -> ApiError {
    ApiError {
        not_found: false,
        is_transient: true,
        detail: what.to_owned(),
    }
}

fn parse_call(response: &Response) -> Result<CallRecord, ApiError> {
    CallRecord::parse(&success_fields(response)?).ok_or_else(|| unreadable("the response has no call"))
}

/// The fields of a successful response.
pub(super) fn success_fields(response: &Response) -> Result<Fields, ApiError> {
    let status = response.status();
    if status.is_success() {
        return Fields::from_json(response.body()).ok_or_else(|| unreadable("the response is not a JSON object"));
    }
    let refusal = Refusal::parse(response);
    Err(ApiError {
        not_found: status.as_u16() == 404,
        is_transient: status.is_server_error() || matches!(status.as_u16(), 401 | 403 | 404 | 408 | 429),
        detail: refusal.detail,
    })
}

pub(super) fn api_error(error: &SendError) -> ApiError {
    ApiError {
        not_found: false,
        is_transient: true,
        detail: redact(&error.to_string()),
    }
}

fn create_error(error: &SendError) -> CreateError {
    let text = redact(&error.to_string());
    match error {
        SendError::NotSent(_) | SendError::Forbidden(_) => CreateError::NotPlaced {
            reason: NotPlaced::TryLater,
            detail: text,
        },
        SendError::NoResponse(_) => CreateError::Unclear { detail: text },
    }
}

/// A response without success (CONTRACT.md 1.5).
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: Option<u32>,
    pub(super) detail: String,
}

impl Refusal {
    pub(super) fn parse(response: &Response) -> Self {
        let status = response.status().as_u16();
        let fields = Fields::from_json(response.body());
        let code = fields.as_ref().and_then(|fields| fields.integer("code"));
        let code = code.and_then(|code| u32::try_from(code).ok());
        let message = fields.and_then(|fields| fields.text("message")).unwrap_or_default();
        let code_text = code.map_or(String::new(), |code| format!(", code {code}"));
        Self {
            status,
            code,
            detail: redact(&format!("status {status}{code_text}: {message}")),
        }
    }

    /// Why there certainly is no call; `None` if there may be one.
    fn not_placed(&self) -> Option<NotPlaced> {
        // Regardless of the code: a failed server may have placed the call, and 408 may come from a gateway that timed
        // out while the server behind it placed the call.
        if matches!(self.status, 408 | 500..) {
            return None;
        }
        Some(match (self.code, self.status) {
            // Not a valid number (too short, unknown country), or an unreachable one.
            (Some(21_211 | 21_214 | 21_217 | 21_614), _) => NotPlaced::Refused,
            // The account is suspended or closed, or has insufficient balance.
            (Some(10_001 | 20_005 | 30_002), _) | (_, 402) => NotPlaced::OutOfMoney,
            // Too many concurrent requests, too many concurrent calls, or a full call queue.
            (Some(20_429 | 10_004 | 22_005), _) | (_, 429) => NotPlaced::TryLater,
            // Our sender number, a country that is not enabled, Twilio's block list, a premium number, a trial account,
            // or an invalid field of ours.
            (Some(21_000..=21_999), _) => NotPlaced::NotAllowed,
            // Rejected credentials affect every call, not only this one, and last until an operator fixes them.
            (Some(20_003), _) | (_, 401 | 403) => NotPlaced::TryLater,
            (_, 300..=499) => NotPlaced::NotAllowed,
            _ => return None,
        })
    }
}

fn create_error_of_response(response: &Response) -> CreateError {
    let refusal = Refusal::parse(response);
    match refusal.not_placed() {
        Some(reason) => CreateError::NotPlaced {
            reason,
            detail: refusal.detail,
        },
        None => CreateError::Unclear { detail: refusal.detail },
    }
}

/// Parses a time as Twilio writes it: `Tue, 04 Mar 2025 15:02:09 +0000` (RFC 2822, UTC only).
pub(super) fn parse_rfc_2822(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let parts: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, day, month, year, time, "+0000"] = parts.as_slice() else {
        return None;
    };
    let month = MONTHS.iter().position(|name| name == month)? + 1;
    Timestamp::parse(&format!("{year}-{month:02}-{day:0>2}T{time}Z"))
}

#[cfg(test)]
mod tests;
