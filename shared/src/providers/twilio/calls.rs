//! Twilio's REST API for calls (`twilio.md` 1).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde_json::Value;

use super::status::status;
use crate::clock::Timestamp;
use crate::config::ConfigError;
use crate::dispatch::{CallStatus, Ending, NotPlaced};
use crate::http::{HttpClient, Request, Response, SendError};
use crate::phone::PhoneNumber;
use crate::providers::lenient::{Fields, segment};
use crate::providers::masked::detail;
use crate::secret::Secret;

/// Where Twilio is.
pub const ENDPOINT: &str = "https://api.twilio.com";
/// Most that an inline document may have (`twilio.md` 1.2), counted in bytes: whether Twilio counts these or characters is
/// not written, and what fits the one fits the other.
pub const MAX_INLINE: usize = 4_000;
/// Calls that a search looks at: the newest ones to a number.
const PAGE_SIZE: &str = "50";

/// What proves who we are (`twilio.md` 1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The account whose calls they are.
    pub account: String,
    /// The account, or an API key of it.
    pub user: String,
    /// The account's auth token, or the key's secret.
    pub password: Secret,
}

impl Credentials {
    /// The credentials in the value of the parameter that the variable `name` names: `accountSid:apiKeySid:apiKeySecret`,
    /// or `accountSid:authToken`.
    ///
    /// # Errors
    /// When the value has neither form.
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
            return Err(ConfigError::Wrong { name, expected });
        }
        Ok(Self {
            account: account.to_owned(),
            user: user.to_owned(),
            password: Secret::new(password),
        })
    }

    fn header(&self) -> Option<HeaderValue> {
        let text = format!("{}:{}", self.user, self.password.expose());
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(text))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// What a call says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// This document, at most [`MAX_INLINE`] long.
    Inline(String),
    /// The one that is answered at this URL when the call is picked up.
    At(String),
}

/// The request for a call (`twilio.md` 1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateCall<'a> {
    /// A number of the account's, or a verified one.
    pub from: &'a str,
    /// Who is called.
    pub to: &'a PhoneNumber,
    /// What it says.
    pub document: Document,
    /// Where every status is told.
    pub status_url: String,
    /// Seconds that it rings at most, up to 600; 60 when left out.
    pub ring_timeout: Option<u32>,
    /// Seconds that it lasts at most.
    pub time_limit: Option<u32>,
    /// Where it is told whether a person or a machine picked up; the call does not wait for that. None does not ask.
    pub machine_url: Option<String>,
}

impl CreateCall<'_> {
    fn fields(self) -> Vec<(&'static str, String)> {
        let mut fields = vec![("To", self.to.as_str().to_owned()), ("From", self.from.to_owned())];
        match self.document {
            Document::Inline(twiml) => fields.push(("Twiml", twiml)),
            Document::At(url) => {
                // Asked once more when it could not be had: otherwise the person hears an error, and no ticket.
                fields.extend([("FallbackUrl", url.clone()), ("FallbackMethod", "POST".to_owned())]);
                fields.extend([("Url", url), ("Method", "POST".to_owned())]);
            }
        }
        fields.extend([
            ("StatusCallback", self.status_url),
            ("StatusCallbackMethod", "POST".to_owned()),
        ]);
        // One field each: of several in one Twilio tells nothing (`twilio.md` 9, 1).
        let events = ["initiated", "ringing", "answered", "completed"];
        fields.extend(events.map(|event| ("StatusCallbackEvent", event.to_owned())));
        fields.extend(self.ring_timeout.map(|seconds| ("Timeout", seconds.to_string())));
        fields.extend(self.time_limit.map(|seconds| ("TimeLimit", seconds.to_string())));
        if let Some(url) = self.machine_url {
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

/// A call as Twilio has it (`twilio.md` 1.3), as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub sid: String,
    /// Where it stands.
    pub status: CallStatus,
    /// When it was created, if Twilio says so in the form that it documents.
    pub created_at: Option<Timestamp>,
    /// Whether a machine picked up, as far as that was asked and found out.
    pub machine: bool,
}

impl Call {
    fn read(fields: &Fields) -> Option<Self> {
        let call = Self::listed(fields);
        (!call.sid.is_empty() && fields.text("status").is_some()).then_some(call)
    }

    /// As one of several: what is not said of it may be anything.
    fn listed(fields: &Fields) -> Self {
        Self {
            sid: fields.id("sid").unwrap_or_default(),
            status: fields.text("status").map_or(CallStatus::Other, |word| status(&word)),
            created_at: fields.text("date_created").and_then(|text| rfc_2822(&text)),
            machine: fields
                .text("answered_by")
                .is_some_and(|word| super::status::is_machine(&word)),
        }
    }

    /// How it ended; none while it goes on.
    pub const fn ending(&self) -> Option<Ending> {
        self.status.ending()
    }
}

/// Why a call was not taken, or may not have been. Only after [`CreateError::Unclear`] may a phone ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// Certainly no call.
    #[error("{detail}")]
    NotPlaced {
        /// What it means for the next one.
        why: NotPlaced,
        /// For a person.
        detail: String,
    },
    /// The request may have arrived. It must not be sent again: there is no idempotency key (`twilio.md` 1.2).
    #[error("unclear whether there is a call: {detail}")]
    Unclear {
        /// For a person.
        detail: String,
    },
}

/// How a call is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndAction {
    /// One that nobody has picked up.
    Cancel,
    /// One that somebody has.
    Complete,
}

impl EndAction {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "canceled",
            Self::Complete => "completed",
        }
    }

    /// What ends a call that stands so; none when it is over.
    const fn fitting(status: CallStatus) -> Option<Self> {
        match status {
            CallStatus::Queued | CallStatus::Initiated | CallStatus::Ringing => Some(Self::Cancel),
            status if status.ending().is_some() => None,
            _ => Some(Self::Complete),
        }
    }
}

/// Twilio did not do or say what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ApiError {
    /// Twilio knows no such call. Now and then it says so of one that there is (`twilio.md` 1.5).
    pub not_found: bool,
    /// Whether another time it may be otherwise: what stands in the way is the provider, the pace or the credentials.
    pub passes: bool,
    /// For a person.
    pub detail: String,
}

/// What is left of an account's money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// A decimal number.
    pub balance: String,
    /// ISO 4217.
    pub currency: String,
}

/// A client of Twilio's API for one account.
#[derive(Clone)]
pub struct Twilio {
    http: HttpClient,
    base: String,
    /// None when the credentials can stand in no header: then nothing is sent.
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
    /// A client; asks for nothing yet. `endpoint` is [`ENDPOINT`], or where a simulator is.
    pub fn new(http: HttpClient, credentials: &Credentials, endpoint: &str) -> Self {
        let endpoint = endpoint.trim_end_matches('/');
        Self {
            http,
            base: format!("{endpoint}/2010-04-01/Accounts/{}", credentials.account),
            authorization: credentials.header(),
        }
    }

    /// Places a call: its name. Never to be repeated for one attempt unless it certainly was not placed.
    ///
    /// # Errors
    /// There is no call, or perhaps none.
    pub async fn create(&self, request: CreateCall<'_>) -> Result<String, CreateError> {
        let response = self.post("/Calls.json", &request.fields()).await;
        let response = response.map_err(|error| not_created(&error))?;
        if !response.status().is_success() {
            return Err(refused(&response));
        }
        // Any 2xx has placed a call. Without a readable name it can only be found by searching.
        let sid = Fields::from_json(response.body()).and_then(|fields| fields.id("sid"));
        sid.ok_or_else(|| CreateError::Unclear {
            detail: format!("status {} without a sid", response.status().as_u16()),
        })
    }

    /// Ends the call `sid`, by `first` or, if that does not fit, by what fits the state that it turns out to be in: the
    /// phone may be picked up while we decide, and a cancellation that comes too late leaves a live call.
    ///
    /// # Errors
    /// It may go on. Trying again does no harm.
    pub async fn end_call(&self, sid: &str, first: EndAction) -> Result<(), ApiError> {
        let mut refusal = None;
        match self.set_status(sid, first).await {
            Ok(call) if call.ending().is_some() => return Ok(()),
            Ok(_) => {}
            Err(error) if error.passes && !error.not_found => return Err(error),
            Err(error) => refusal = Some(error),
        }
        let call = match self.call(sid).await {
            Ok(call) => call,
            // Twilio said twice that there is none.
            Err(error) if error.not_found && refusal.is_some_and(|refusal| refusal.not_found) => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(action) = EndAction::fitting(call.status) else {
            return Ok(());
        };
        match self.set_status(sid, action).await?.ending() {
            Some(_) => Ok(()),
            None => Err(ApiError {
                not_found: false,
                passes: true,
                detail: format!("the call goes on although it was {}", action.as_str()),
            }),
        }
    }

    async fn set_status(&self, sid: &str, action: EndAction) -> Result<Call, ApiError> {
        let path = path_of(sid)?;
        let fields = [("Status", action.as_str().to_owned())];
        let response = self.post(&path, &fields).await.map_err(|error| not_done(&error))?;
        read_call(&response)
    }

    /// The call `sid`.
    ///
    /// # Errors
    /// Twilio does not say.
    pub async fn call(&self, sid: &str) -> Result<Call, ApiError> {
        let response = self.get(&path_of(sid)?, &[]).await.map_err(|error| not_done(&error))?;
        read_call(&response)
    }

    /// The newest calls to a number.
    ///
    /// # Errors
    /// Twilio does not say.
    pub async fn calls_to(&self, to: &PhoneNumber) -> Result<Vec<Call>, ApiError> {
        let query = [("To", to.as_str()), ("PageSize", PAGE_SIZE)];
        let response = self
            .get("/Calls.json", &query)
            .await
            .map_err(|error| not_done(&error))?;
        let fields = read(&response)?;
        let Some(Value::Array(calls)) = fields.value("calls") else {
            return Err(unreadable("no list of calls"));
        };
        let calls = calls.iter().cloned().filter_map(Fields::from_value);
        Ok(calls.map(|fields| Call::listed(&fields)).collect())
    }

    /// What is left of the account's money; subaccounts have none of their own, and are refused.
    ///
    /// # Errors
    /// Twilio does not say.
    pub async fn balance(&self) -> Result<Balance, ApiError> {
        let response = self.get("/Balance.json", &[]).await.map_err(|error| not_done(&error))?;
        let fields = read(&response)?;
        let text = |name| fields.text(name).ok_or_else(|| unreadable("no balance"));
        Ok(Balance {
            balance: text("balance")?,
            currency: text("currency")?,
        })
    }

    async fn post(&self, path: &str, fields: &[(&'static str, String)]) -> Result<Response, SendError> {
        self.send(Method::POST, path, Some(encoded(fields))).await
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Response, SendError> {
        let query = encoded(query);
        let separator = if query.is_empty() { "" } else { "?" };
        self.send(Method::GET, &format!("{path}{separator}{query}"), None).await
    }

    async fn send(&self, method: Method, path: &str, form: Option<String>) -> Result<Response, SendError> {
        let not_sent = |why: &dyn fmt::Display| SendError::NotSent(why.to_string());
        let Some(authorization) = &self.authorization else {
            return Err(not_sent(&"the credentials can stand in no header"));
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

/// As a form.
fn encoded<N: AsRef<str>, V: AsRef<str>>(fields: &[(N, V)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    form.finish()
}

fn path_of(sid: &str) -> Result<String, ApiError> {
    let segment = segment(sid).ok_or_else(|| ApiError {
        not_found: false,
        passes: false,
        detail: "not an id of a call".to_owned(),
    })?;
    Ok(format!("/Calls/{segment}.json"))
}

fn unreadable(what: &str) -> ApiError {
    ApiError {
        not_found: false,
        passes: true,
        detail: what.to_owned(),
    }
}

fn read_call(response: &Response) -> Result<Call, ApiError> {
    Call::read(&read(response)?).ok_or_else(|| unreadable("an answer without a call"))
}

/// The fields of an answer, if it is one that says what was asked for.
fn read(response: &Response) -> Result<Fields, ApiError> {
    let status = response.status();
    if status.is_success() {
        return Fields::from_json(response.body()).ok_or_else(|| unreadable("an answer that is not a JSON object"));
    }
    let refusal = Refusal::of(response);
    Err(ApiError {
        not_found: status.as_u16() == 404,
        passes: status.is_server_error() || matches!(status.as_u16(), 401 | 403 | 404 | 408 | 429),
        detail: refusal.detail,
    })
}

fn not_done(error: &SendError) -> ApiError {
    ApiError {
        not_found: false,
        passes: true,
        detail: detail(&error.to_string()),
    }
}

fn not_created(error: &SendError) -> CreateError {
    let text = detail(&error.to_string());
    match error {
        SendError::NotSent(_) | SendError::Forbidden(_) => CreateError::NotPlaced {
            why: NotPlaced::TryLater,
            detail: text,
        },
        SendError::NoAnswer(_) => CreateError::Unclear { detail: text },
    }
}

/// What an answer says that is no success (`twilio.md` 1.5).
struct Refusal {
    status: u16,
    code: Option<u32>,
    detail: String,
}

impl Refusal {
    fn of(response: &Response) -> Self {
        let status = response.status().as_u16();
        let fields = Fields::from_json(response.body());
        let code = fields.as_ref().and_then(|fields| fields.whole("code"));
        let code = code.and_then(|code| u32::try_from(code).ok());
        let message = fields.and_then(|fields| fields.text("message")).unwrap_or_default();
        let named = code.map_or(String::new(), |code| format!(", code {code}"));
        Self {
            status,
            code,
            detail: detail(&format!("status {status}{named}: {message}")),
        }
    }

    /// Why there certainly is no call; none when there may be one.
    fn why(&self) -> Option<NotPlaced> {
        // Whatever it says: a server that failed may have placed the call, and 408 may come from a gateway that gave up on one
        // that did not.
        if matches!(self.status, 408 | 500..) {
            return None;
        }
        Some(match (self.code, self.status) {
            // No number: too short, no such country, or one that nobody reaches.
            (Some(21_211 | 21_214 | 21_217 | 21_614), _) => NotPlaced::Refused,
            // The account is suspended, closed, or has no money.
            (Some(10_001 | 20_005 | 30_002), _) | (_, 402) => NotPlaced::OutOfMoney,
            // Too many at a time, too many that wait, too many requests.
            (Some(20_429 | 10_004 | 22_005), _) | (_, 429) => NotPlaced::TryLater,
            // Our number, their country, their block list, a premium number, a trial account, a field of ours.
            (Some(21_000..=21_999), _) => NotPlaced::NotAllowed,
            // Who we are says nothing about this call, and would befall every one; it lasts until somebody mends it.
            (Some(20_003), _) | (_, 401 | 403) => NotPlaced::TryLater,
            (_, 300..=499) => NotPlaced::NotAllowed,
            _ => return None,
        })
    }
}

fn refused(response: &Response) -> CreateError {
    let refusal = Refusal::of(response);
    match refusal.why() {
        Some(why) => CreateError::NotPlaced {
            why,
            detail: refusal.detail,
        },
        None => CreateError::Unclear { detail: refusal.detail },
    }
}

/// A time as Twilio writes it, `Tue, 04 Mar 2025 15:02:09 +0000`.
fn rfc_2822(text: &str) -> Option<Timestamp> {
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
