//! A small client for Lambda, SSM and `CloudWatch` Logs. It signs its few requests itself, because an SDK for each
//! service would take longer to build than this whole command.

mod responses;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use bytes::Bytes;
use patchbay::clock::{Clock, Timestamp};
use patchbay::http::{HttpClient, Response};
use patchbay::partition;
use patchbay::signing::sign;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::sync::OnceCell;

use responses::{AccountSettings, Concurrency, Events, Mappings, Parameters};
pub(crate) use responses::{Function, Mapping, Parameter};

/// Maximum number of attempts of a throttled request.
const ATTEMPTS: u32 = 5;
/// Pause before the second attempt; it doubles with each further attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(300);
/// Error codes of AWS for invalid credentials, and for a wrong clock.
const AUTHENTICATION_ERRORS: [&str; 11] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Why a lookup failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    /// AWS returned an error.
    #[error("{action} failed ({status} {code}){}{message}", if .message.is_empty() { "" } else { ": " })]
    Refused {
        action: &'static str,
        status: u16,
        code: String,
        message: String,
    },
    /// The response could not be parsed.
    #[error("{action}: {cause}")]
    Unreadable { action: &'static str, cause: String },
    /// No response, or no credentials to send the request with.
    #[error("{action}: {cause}")]
    Failed { action: &'static str, cause: String },
}

impl LookupError {
    /// Whether the resource certainly does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// The missing IAM permission, if that is the cause.
    pub(crate) fn missing_permission(&self) -> Option<&'static str> {
        match self {
            Self::Refused { action, code, .. } if code.starts_with("AccessDenied") => Some(action),
            _ => None,
        }
    }

    fn is_throttled(&self) -> bool {
        match self {
            Self::Refused { status, code, .. } => *status == 429 || code.starts_with("Throttl"),
            _ => false,
        }
    }

    /// Whether every other request would fail in the same way: AWS is unreachable, or rejects the credentials.
    pub(crate) fn affects_every_request(&self) -> bool {
        match self {
            Self::Refused { code, .. } => AUTHENTICATION_ERRORS.contains(&code.as_str()),
            Self::Unreadable { .. } => false,
            Self::Failed { .. } => true,
        }
    }
}

/// A request before it is signed.
struct AwsRequest<'a> {
    /// The IAM action, also its name in errors.
    action: &'static str,
    service: &'static str,
    method: &'static str,
    path: &'a str,
    /// The `x-amz-target` header, for services whose path does not name the operation.
    target: Option<&'static str>,
    body: Bytes,
}

/// The endpoint variant that the environment or the profile selects.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EndpointVariant {
    pub(crate) fips: bool,
    pub(crate) dual_stack: bool,
}

/// Client for Lambda, SSM and `CloudWatch` Logs.
#[derive(Debug)]
pub(crate) struct Lookup {
    http: HttpClient,
    region: String,
    endpoint: Option<String>,
    provider: SharedCredentialsProvider,
    /// Cached credentials: some providers take seconds, and a command ends before they expire.
    credentials: OnceCell<Credentials>,
    clock: Clock,
    variant: EndpointVariant,
    /// See [`Self::clock_ahead`].
    ahead: Mutex<Option<i64>>,
}

impl Lookup {
    pub(crate) fn new(
        http: HttpClient,
        region: &str,
        endpoint: Option<String>,
        provider: SharedCredentialsProvider,
        clock: Clock,
    ) -> Self {
        Self {
            http,
            region: region.to_owned(),
            endpoint,
            provider,
            credentials: OnceCell::new(),
            clock,
            variant: EndpointVariant::default(),
            ahead: Mutex::default(),
        }
    }

    /// The same client with other endpoints.
    #[must_use]
    pub(crate) fn with_variant(mut self, variant: EndpointVariant) -> Self {
        self.variant = variant;
        self
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// How many seconds our clock was ahead of AWS's at the latest response; negative if behind, none before a
    /// response.
    pub(crate) fn clock_ahead(&self) -> Option<i64> {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads the credentials that all requests are signed with.
    pub(crate) async fn load_credentials(&self) -> Result<&Credentials, LookupError> {
        let credentials = self.credentials.get_or_try_init(|| self.provider.provide_credentials());
        credentials.await.map_err(|error| LookupError::Failed {
            action: "credentials",
            cause: credentials_error(error),
        })
    }

    /// The configuration of the function called `name`.
    pub(crate) async fn function(&self, name: &str) -> Result<Function, LookupError> {
        let path = format!("/2015-03-31/functions/{name}/configuration");
        self.get_lambda("lambda:GetFunctionConfiguration", &path).await
    }

    /// The reserved concurrency of the function called `name`; none without a reservation.
    pub(crate) async fn reserved_concurrency(&self, name: &str) -> Result<Option<u32>, LookupError> {
        let path = format!("/2019-09-30/functions/{name}/concurrency");
        let response: Concurrency = self.get_lambda("lambda:GetFunctionConcurrency", &path).await?;
        Ok(response.reserved_concurrent_executions)
    }

    /// The event source mappings of the function called `name`: only the first page of a hundred; no function has more.
    pub(crate) async fn mappings(&self, name: &str) -> Result<Vec<Mapping>, LookupError> {
        let path = format!("/2015-03-31/event-source-mappings/?FunctionName={name}");
        let response: Mappings = self.get_lambda("lambda:ListEventSourceMappings", &path).await?;
        Ok(response.event_source_mappings)
    }

    /// The concurrency that all functions of the account without a reservation share.
    pub(crate) async fn unreserved_concurrency(&self) -> Result<u32, LookupError> {
        let response: AccountSettings = self
            .get_lambda("lambda:GetAccountSettings", "/2016-08-19/account-settings")
            .await?;
        Ok(response.account_limit.unreserved_concurrent_executions)
    }

    /// The parameter called `name`, decrypted; none if it does not exist.
    pub(crate) async fn parameter(&self, name: &str) -> Result<Option<Parameter>, LookupError> {
        let action = "ssm:GetParameters";
        let body = json!({ "Names": [name], "WithDecryption": true }).to_string();
        let request = AwsRequest {
            action,
            service: "ssm",
            method: "POST",
            path: "/",
            target: Some("AmazonSSM.GetParameters"),
            body: body.into(),
        };
        let parameters: Parameters = decode(action, &self.send(&request).await?)?;
        Ok(parameters.found.into_iter().next())
    }

    /// The number of errors, panics and failed invocations in the log `group` since `since`; at most 100.
    pub(crate) async fn count_errors(&self, group: &str, since: Timestamp) -> Result<usize, LookupError> {
        let action = "logs:FilterLogEvents";
        // The function's own error lines, and Lambda's reports on failed invocations. The events are filtered again on
        // arrival: an emulator may ignore the pattern.
        let pattern = r#"{ ($.level = "ERROR") || ($.record.status = "error") || ($.record.status = "failure") || ($.record.status = "timeout") }"#;
        let body = json!({
            "logGroupName": group, "startTime": since.millis(), "filterPattern": pattern, "limit": 100,
        });
        let request = AwsRequest {
            action,
            service: "logs",
            method: "POST",
            path: "/",
            target: Some("Logs_20140328.FilterLogEvents"),
            body: body.to_string().into(),
        };
        let events: Events = decode(action, &self.send(&request).await?)?;
        Ok(events.count_errors())
    }

    async fn get_lambda<T: serde::de::DeserializeOwned>(
        &self,
        action: &'static str,
        path: &str,
    ) -> Result<T, LookupError> {
        let request = AwsRequest {
            action,
            service: "lambda",
            method: "GET",
            path,
            target: None,
            body: Bytes::new(),
        };
        decode(action, &self.send(&request).await?)
    }

    /// Retries while throttled: Lambda allows fifteen of these requests per second for a whole account, and a
    /// deployment uses some of them.
    async fn send(&self, spec: &AwsRequest<'_>) -> Result<Response, LookupError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            match self.send_once(spec).await {
                Err(error) if error.is_throttled() => self.clock.sleep(pause).await,
                response => return response,
            }
            pause *= 2;
        }
        self.send_once(spec).await
    }

    async fn send_once(&self, spec: &AwsRequest<'_>) -> Result<Response, LookupError> {
        let action = spec.action;
        let failed = |cause: String| LookupError::Failed { action, cause };
        let url = format!("{}{}", self.base(spec.service), spec.path);
        let mut request = http::Request::builder().method(spec.method).uri(&url);
        if let Some(target) = spec.target {
            request = request
                .header("content-type", "application/x-amz-json-1.1")
                .header("x-amz-target", target);
        }
        let request = request.body(spec.body.clone());
        let mut request = request.map_err(|error| failed(error.to_string()))?;
        let credentials = self.load_credentials().await?;
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(self.clock.now().millis().unsigned_abs());
        sign(credentials, &self.region, spec.service, now, &mut request).map_err(|error| failed(error.to_string()))?;
        let response = self.http.send(request).await;
        let response = response.map_err(|error| failed(error.to_string()))?;
        self.record_clock_offset(&response);
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(action, &response))
    }

    fn base(&self, service: &str) -> String {
        if let Some(endpoint) = &self.endpoint {
            return endpoint.trim_end_matches('/').to_owned();
        }
        let EndpointVariant { fips, dual_stack } = self.variant;
        partition::endpoint(service, &self.region, fips, dual_stack)
    }

    fn record_clock_offset(&self, response: &Response) {
        let date = response.headers().get(http::header::DATE);
        let Some(aws_time) = date.and_then(|date| date.to_str().ok()).and_then(parse_date) else {
            return;
        };
        // AWS omits the fraction of a second: half a second is the best estimate, and a smaller offset counts as none.
        let millis = self.clock.now().millis() - (aws_time.millis() + 500);
        let ahead = millis.signum() * ((millis.abs() + 499) / 1_000);
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
    }
}

fn decode<T: serde::de::DeserializeOwned>(action: &'static str, response: &Response) -> Result<T, LookupError> {
    // The error names the position but not the content, which may be secret.
    serde_json::from_slice(response.body()).map_err(|error| LookupError::Unreadable {
        action,
        cause: format!(
            "cannot parse the response (line {}, column {})",
            error.line(),
            error.column()
        ),
    })
}

/// Why there are no credentials, on one line.
fn credentials_error(error: CredentialsError) -> String {
    if matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
        // The SDK's error lists every source on a line of its own.
        return "none found in the environment, the profile, the container or the instance".to_owned();
    }
    format!("{:#}", anyhow::Error::from(error)).replace('\n', " ")
}

fn refusal(action: &'static str, response: &Response) -> LookupError {
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let header = response.headers().get("x-amzn-errortype");
    let code = header.and_then(|code| code.to_str().ok()).or_else(|| text("__type"));
    let code = code.unwrap_or("no error code");
    // `com.amazonaws...#Code` in a body, `Code:http://...` in a header.
    let code = code.rsplit('#').next().unwrap_or(code);
    let code = code.split(':').next().unwrap_or(code).to_owned();
    let message = text("message")
        .or_else(|| text("Message"))
        .unwrap_or_default()
        .to_owned();
    LookupError::Refused {
        action,
        status: response.status().as_u16(),
        code,
        message,
    }
}

/// Parses an HTTP date: `Sat, 21 Nov 2026 06:09:36 GMT`.
fn parse_date(text: &str) -> Option<Timestamp> {
    let text = text.replace("GMT", "+0000");
    let date = OffsetDateTime::parse(&text, &Rfc2822).ok()?;
    Some(Timestamp::from_millis(date.unix_timestamp() * 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_date_is_parsed() {
        let date = parse_date("Sat, 21 Nov 2026 06:09:36 GMT").expect("a date");
        assert_eq!(date.to_string(), "2026-11-21T06:09:36.000Z");
        assert_eq!(parse_date("yesterday"), None);
    }

    #[test]
    fn an_error_names_action_status_and_code() {
        let response = http::Response::builder()
            .status(403)
            .header(
                "x-amzn-errortype",
                "AccessDeniedException:http://internal.amazon.com/coral/",
            )
            .body(Bytes::from(r#"{"Message":"not authorized to perform it"}"#))
            .expect("a response");
        assert_eq!(
            refusal("lambda:GetFunctionConfiguration", &response).to_string(),
            "lambda:GetFunctionConfiguration failed (403 AccessDeniedException): not authorized to perform it"
        );
        let response = http::Response::builder()
            .status(400)
            .body(Bytes::from(r#"{"__type":"com.amazonaws.ssm#ThrottlingException"}"#))
            .expect("a response");
        let refusal = refusal("ssm:GetParameters", &response);
        assert_eq!(
            refusal.to_string(),
            "ssm:GetParameters failed (400 ThrottlingException)"
        );
        assert!(!refusal.is_not_found());
    }

    #[test]
    fn missing_permission_invalid_credentials_and_other_errors_are_distinguished() {
        let refused = |code: &str| LookupError::Refused {
            action: "lambda:GetAccountSettings",
            status: 403,
            code: code.to_owned(),
            message: String::new(),
        };
        let denied = refused("AccessDeniedException");
        assert_eq!(denied.missing_permission(), Some("lambda:GetAccountSettings"));
        assert!(!denied.affects_every_request());
        let invalid = refused("UnrecognizedClientException");
        assert_eq!(invalid.missing_permission(), None);
        assert!(invalid.affects_every_request());
        let other = refused("KMSDisabledException");
        assert_eq!(other.missing_permission(), None);
        assert!(!other.affects_every_request());
    }
}
