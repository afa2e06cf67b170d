//! A client for the few operations of SES v2 that patchbay uses (CONTRACT.md 1, 2 and 4).
//!
//! It does without `aws-sdk-sesv2`, whose hundred operations take a minute to compile, and which would send an e-mail
//! again after a lost answer. Every method makes one request and never repeats it.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::{Method, header};
use percent_encoding::utf8_percent_encode;
use serde_json::{Value, json};

use super::address::EmailAddress;
use super::email::{Email, SubjectForm};
use super::error::{ErrorAnswer, SesError};
use super::message_id::MessageId;
use crate::clock::Clock;
use crate::http::{HttpClient, Request};
use crate::lenient_json::{self, Selection};
use crate::percent;
use crate::signing::sign;

/// The name for which requests are signed.
const SERVICE: &str = "ses";
const SEND: &str = "/v2/email/outbound-emails";
const SUPPRESSION: &str = "/v2/email/suppression/addresses";
const ACCOUNT: &str = "/v2/email/account";

/// Settings of the client.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The region for which requests are signed.
    pub region: String,
    /// Base URL of the service: [`crate::partition::endpoint`] of the service `email`.
    pub endpoint: String,
    /// The credentials that requests are signed with.
    pub credentials: Credentials,
    /// How subjects are written.
    pub subject: SubjectForm,
}

/// Why an address is on the account's suppression list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuppressionReason {
    /// Mail to it bounced for good.
    Bounce,
    /// Its owner complained. An opt-out is none: the list has no reason for it.
    Complaint,
}

/// What AWS thinks of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// Nothing is wrong.
    Healthy,
    /// Under review: bounces or complaints are too many.
    Probation,
    /// Sending was stopped.
    Shutdown,
    /// Not stated, or a new word.
    Unknown,
}

/// How many recipients the account may write to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quota {
    /// In 24 hours; `None` if there is no limit.
    pub per_24_hours: Option<f64>,
    /// In a second; `None` if there is no limit.
    pub per_second: Option<f64>,
    /// In the last 24 hours.
    pub sent: f64,
}

/// The account's state in this region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Account {
    /// Whether sending is enabled.
    pub sending_enabled: Option<bool>,
    /// Whether the account may write to unverified addresses. `false`: it is in the sandbox.
    pub production_access: Option<bool>,
    /// What AWS thinks of it.
    pub enforcement: Enforcement,
    /// The quota, if it was stated.
    pub quota: Option<Quota>,
}

/// A client for one account and region.
#[derive(Clone)]
pub struct Ses {
    http: HttpClient,
    clock: Clock,
    settings: Settings,
}

impl fmt::Debug for Ses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ses")
            .field("endpoint", &self.settings.endpoint)
            .finish_non_exhaustive()
    }
}

const MESSAGE_ID: Selection = Selection::Fields(&[("MessageId", Selection::Scalar)]);
const SUPPRESSED: Selection = Selection::Fields(&[(
    "SuppressedDestination",
    Selection::Fields(&[("Reason", Selection::Scalar)]),
)]);
const ACCOUNT_FIELDS: Selection = Selection::Fields(&[
    ("SendingEnabled", Selection::Scalar),
    ("ProductionAccessEnabled", Selection::Scalar),
    ("EnforcementStatus", Selection::Scalar),
    (
        "SendQuota",
        Selection::Fields(&[
            ("Max24HourSend", Selection::Scalar),
            ("MaxSendRate", Selection::Scalar),
            ("SentLast24Hours", Selection::Scalar),
        ]),
    ),
]);

impl Ses {
    /// Creates a client. Sends no request yet. `clock` dates the signatures.
    pub const fn new(http: HttpClient, clock: Clock, settings: Settings) -> Self {
        Self { http, clock, settings }
    }

    /// Sends an e-mail once. That SES accepted it does not mean that it was sent, let alone delivered: events tell.
    ///
    /// # Errors
    /// It was not sent, or ([`SesError::Unclear`]) may have been.
    pub async fn send(&self, email: &Email) -> Result<MessageId, SesError> {
        let body = email.request(self.settings.subject);
        let answer = self.request(Method::POST, SEND, Some(&body)).await?.success()?;
        let answer = lenient_json::select(&answer, MESSAGE_ID).unwrap_or_default();
        MessageId::from_json(answer.get("MessageId"))
            .ok_or_else(|| SesError::unclear("SES accepted the e-mail without an id"))
    }

    /// Puts an address on the suppression list, again if it is there already. Not possible in the sandbox.
    ///
    /// # Errors
    /// The address may not be on the list.
    pub async fn suppress(&self, address: &EmailAddress, reason: SuppressionReason) -> Result<(), SesError> {
        let reason = match reason {
            SuppressionReason::Bounce => "BOUNCE",
            SuppressionReason::Complaint => "COMPLAINT",
        };
        let body = json!({ "EmailAddress": address.as_str(), "Reason": reason });
        self.request(Method::PUT, SUPPRESSION, Some(&body)).await?.success()?;
        Ok(())
    }

    /// Why an address is on the suppression list; `None` if it is not.
    ///
    /// # Errors
    /// It is unknown whether the address is on the list.
    pub async fn suppression(&self, address: &EmailAddress) -> Result<Option<SuppressionReason>, SesError> {
        let answer = self.request(Method::GET, &path(address), None).await?;
        if answer.is_not_found() {
            return Ok(None);
        }
        let answer = lenient_json::select(&answer.success()?, SUPPRESSED).unwrap_or_default();
        match answer.pointer("/SuppressedDestination/Reason").and_then(Value::as_str) {
            Some("BOUNCE") => Ok(Some(SuppressionReason::Bounce)),
            Some("COMPLAINT") => Ok(Some(SuppressionReason::Complaint)),
            _ => Err(SesError::unclear("SES named no known reason of the suppression")),
        }
    }

    /// Takes an address off the suppression list, if it is there.
    ///
    /// # Errors
    /// The address may still be on the list.
    pub async fn unsuppress(&self, address: &EmailAddress) -> Result<(), SesError> {
        let answer = self.request(Method::DELETE, &path(address), None).await?;
        if answer.is_not_found() {
            return Ok(());
        }
        answer.success()?;
        Ok(())
    }

    /// The state and the quota of the account.
    ///
    /// # Errors
    /// They are unknown.
    pub async fn account(&self) -> Result<Account, SesError> {
        let answer = self.request(Method::GET, ACCOUNT, None).await?.success()?;
        let answer = lenient_json::select(&answer, ACCOUNT_FIELDS)
            .map_err(|error| SesError::unclear(format!("the answer {error}")))?;
        Ok(account(&answer))
    }

    async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, SesError> {
        let endpoint = self.settings.endpoint.trim_end_matches('/');
        let mut builder = http::Request::builder().method(method).uri(format!("{endpoint}{path}"));
        if body.is_some() {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
        }
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let mut request: Request = builder
            .body(bytes)
            .map_err(|error| SesError::bad_request(error.to_string()))?;
        let Settings {
            credentials, region, ..
        } = &self.settings;
        sign(credentials, region, SERVICE, self.now(), &mut request)
            .map_err(|error| SesError::bad_request(error.to_string()))?;
        let response = self.http.send(request).await?;
        if response.status().is_success() {
            return Ok(Answer::Success(response.into_body()));
        }
        Ok(Answer::Error(ErrorAnswer::parse(&response)))
    }

    fn now(&self) -> SystemTime {
        let millis = u64::try_from(self.clock.now().millis()).unwrap_or_default();
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }
}

enum Answer {
    Success(Bytes),
    Error(ErrorAnswer),
}

impl Answer {
    fn success(self) -> Result<Bytes, SesError> {
        match self {
            Self::Success(body) => Ok(body),
            Self::Error(answer) => Err(answer.into_error()),
        }
    }

    fn is_not_found(&self) -> bool {
        matches!(self, Self::Error(answer) if answer.is_not_found())
    }
}

/// The path of an address on the suppression list.
fn path(address: &EmailAddress) -> String {
    let address = utf8_percent_encode(address.as_str(), percent::ALL_BUT_UNRESERVED);
    format!("{SUPPRESSION}/{address}")
}

fn account(answer: &Value) -> Account {
    let flag = |name: &str| answer.get(name).and_then(Value::as_bool);
    let number = |name: &str| answer.get("SendQuota")?.get(name)?.as_f64();
    // A negative quota means that there is no limit.
    let limit = |of: f64| (of >= 0.0).then_some(of);
    let quota = || {
        Some(Quota {
            per_24_hours: limit(number("Max24HourSend")?),
            per_second: limit(number("MaxSendRate")?),
            sent: number("SentLast24Hours")?,
        })
    };
    Account {
        sending_enabled: flag("SendingEnabled"),
        production_access: flag("ProductionAccessEnabled"),
        enforcement: match answer.get("EnforcementStatus").and_then(Value::as_str) {
            Some("HEALTHY") => Enforcement::Healthy,
            Some("PROBATION") => Enforcement::Probation,
            Some("SHUTDOWN") => Enforcement::Shutdown,
            _ => Enforcement::Unknown,
        },
        quota: quota(),
    }
}

#[cfg(test)]
mod tests;
