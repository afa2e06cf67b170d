//! What the account says of functions and secrets: a few requests, signed here, because an SDK for each service would
//! take longer to build than all of this command.

mod answers;

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

use answers::{AccountSettings, Concurrency, Events, Mappings, Parameters};
pub(crate) use answers::{Function, Mapping, Parameter};

/// How often a request is made that is throttled, and the pause before the second time; each one after is twice as long.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(300);
/// What AWS says to somebody whom it does not know, and to one whose clock is wrong.
const STRANGER: [&str; 11] = [
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

/// Why the account did not say.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    /// It says no.
    #[error("{action} is refused ({status} {code}){}{message}", if .message.is_empty() { "" } else { ": " })]
    Refused {
        action: &'static str,
        status: u16,
        code: String,
        message: String,
    },
    /// It says something else than it should.
    #[error("{action}: {cause}")]
    Unreadable { action: &'static str, cause: String },
    /// It says nothing, or was not asked for want of credentials.
    #[error("{action}: {cause}")]
    Failed { action: &'static str, cause: String },
}

impl LookupError {
    /// Whether it is certain that there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// The right that is missing, when it is that.
    pub(crate) fn missing_right(&self) -> Option<&'static str> {
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

    /// Whether every other request would end like this one: nobody answers, or nobody knows who asks.
    pub(crate) fn is_general(&self) -> bool {
        match self {
            Self::Refused { code, .. } => STRANGER.contains(&code.as_str()),
            Self::Unreadable { .. } => false,
            Self::Failed { .. } => true,
        }
    }
}

/// A request, before it is signed.
struct Question<'a> {
    /// The right that it needs.
    action: &'static str,
    service: &'static str,
    method: &'static str,
    path: &'a str,
    /// What is wanted, where the path does not say it.
    target: Option<&'static str>,
    body: Bytes,
}

/// Which of a service's endpoints are asked, as the environment or the profile wants it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Variant {
    pub(crate) fips: bool,
    pub(crate) dual_stack: bool,
}

/// Asks Lambda, SSM and `CloudWatch` Logs.
#[derive(Debug)]
pub(crate) struct Lookup {
    http: HttpClient,
    region: String,
    endpoint: Option<String>,
    provider: SharedCredentialsProvider,
    /// What the provider gave: some ask for seconds, and a command is over before anything expires.
    credentials: OnceCell<Credentials>,
    clock: Clock,
    variant: Variant,
    /// How far our clock was ahead of AWS's at the newest answer, in seconds.
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
            variant: Variant::default(),
            ahead: Mutex::default(),
        }
    }

    /// The same at other endpoints.
    #[must_use]
    pub(crate) fn at(mut self, variant: Variant) -> Self {
        self.variant = variant;
        self
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// How far our clock was ahead of AWS's at the newest answer, in seconds.
    pub(crate) fn clock_ahead(&self) -> Option<i64> {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the credentials with which everything is asked.
    pub(crate) async fn identify(&self) -> Result<&Credentials, LookupError> {
        let credentials = self.credentials.get_or_try_init(|| self.provider.provide_credentials());
        credentials.await.map_err(|error| LookupError::Failed {
            action: "credentials",
            cause: no_credentials(error),
        })
    }

    /// The function called `name`.
    pub(crate) async fn function(&self, name: &str) -> Result<Function, LookupError> {
        let path = format!("/2015-03-31/functions/{name}/configuration");
        self.of_lambda("lambda:GetFunctionConfiguration", &path).await
    }

    /// How many of the function called `name` may run at a time, when some are reserved for it.
    pub(crate) async fn reserved_concurrency(&self, name: &str) -> Result<Option<u32>, LookupError> {
        let path = format!("/2019-09-30/functions/{name}/concurrency");
        let answer: Concurrency = self.of_lambda("lambda:GetFunctionConcurrency", &path).await?;
        Ok(answer.reserved_concurrent_executions)
    }

    /// What hands messages to the function called `name`: the first hundred, which are more than anybody has.
    pub(crate) async fn mappings(&self, name: &str) -> Result<Vec<Mapping>, LookupError> {
        let path = format!("/2015-03-31/event-source-mappings/?FunctionName={name}");
        let answer: Mappings = self.of_lambda("lambda:ListEventSourceMappings", &path).await?;
        Ok(answer.event_source_mappings)
    }

    /// How many functions of the account that have nothing reserved may run at a time, all together.
    pub(crate) async fn unreserved_concurrency(&self) -> Result<u32, LookupError> {
        let answer: AccountSettings = self
            .of_lambda("lambda:GetAccountSettings", "/2016-08-19/account-settings")
            .await?;
        Ok(answer.account_limit.unreserved_concurrent_executions)
    }

    /// The parameter called `name`, decrypted; none when there is none.
    pub(crate) async fn parameter(&self, name: &str) -> Result<Option<Parameter>, LookupError> {
        let action = "ssm:GetParameters";
        let body = json!({ "Names": [name], "WithDecryption": true }).to_string();
        let question = Question {
            action,
            service: "ssm",
            method: "POST",
            path: "/",
            target: Some("AmazonSSM.GetParameters"),
            body: body.into(),
        };
        let parameters: Parameters = read(action, &self.ask(&question).await?)?;
        Ok(parameters.found.into_iter().next())
    }

    /// How many errors, panics and failed invocations the log `group` has since then; a hundred at most.
    pub(crate) async fn complaints(&self, group: &str, since: Timestamp) -> Result<usize, LookupError> {
        let action = "logs:FilterLogEvents";
        // A function's own lines, and what Lambda says of an invocation that ended otherwise than well. What comes is looked
        // at once more: a stand-in may know no filters.
        let pattern = r#"{ ($.level = "ERROR") || ($.record.status = "error") || ($.record.status = "failure") || ($.record.status = "timeout") }"#;
        let body = json!({
            "logGroupName": group, "startTime": since.millis(), "filterPattern": pattern, "limit": 100,
        });
        let question = Question {
            action,
            service: "logs",
            method: "POST",
            path: "/",
            target: Some("Logs_20140328.FilterLogEvents"),
            body: body.to_string().into(),
        };
        let events: Events = read(action, &self.ask(&question).await?)?;
        Ok(events.complaints())
    }

    async fn of_lambda<T: serde::de::DeserializeOwned>(
        &self,
        action: &'static str,
        path: &str,
    ) -> Result<T, LookupError> {
        let question = Question {
            action,
            service: "lambda",
            method: "GET",
            path,
            target: None,
            body: Bytes::new(),
        };
        read(action, &self.ask(&question).await?)
    }

    /// Asks again when too much was asked at a time: Lambda takes fifteen of such requests a second from all of an
    /// account, and a deployment takes its share of them.
    async fn ask(&self, question: &Question<'_>) -> Result<Response, LookupError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            match self.ask_once(question).await {
                Err(error) if error.is_throttled() => self.clock.sleep(pause).await,
                answer => return answer,
            }
            pause *= 2;
        }
        self.ask_once(question).await
    }

    async fn ask_once(&self, question: &Question<'_>) -> Result<Response, LookupError> {
        let action = question.action;
        let failed = |cause: String| LookupError::Failed { action, cause };
        let url = format!("{}{}", self.base(question.service), question.path);
        let mut request = http::Request::builder().method(question.method).uri(&url);
        if let Some(target) = question.target {
            request = request
                .header("content-type", "application/x-amz-json-1.1")
                .header("x-amz-target", target);
        }
        let request = request.body(question.body.clone());
        let mut request = request.map_err(|error| failed(error.to_string()))?;
        let credentials = self.identify().await?;
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(self.clock.now().millis().unsigned_abs());
        sign(credentials, &self.region, question.service, now, &mut request)
            .map_err(|error| failed(error.to_string()))?;
        let response = self.http.send(request).await;
        let response = response.map_err(|error| failed(error.to_string()))?;
        self.note_time(&response);
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(action, &response))
    }

    fn base(&self, service: &str) -> String {
        if let Some(endpoint) = &self.endpoint {
            return endpoint.trim_end_matches('/').to_owned();
        }
        let Variant { fips, dual_stack } = self.variant;
        partition::endpoint(service, &self.region, fips, dual_stack)
    }

    fn note_time(&self, response: &Response) {
        let date = response.headers().get(http::header::DATE);
        let Some(theirs) = date.and_then(|date| date.to_str().ok()).and_then(parse_date) else {
            return;
        };
        // AWS leaves out the fraction of a second: half of one is the best guess, and less than that is no news.
        let millis = self.clock.now().millis() - (theirs.millis() + 500);
        let ahead = millis.signum() * ((millis.abs() + 499) / 1_000);
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
    }
}

fn read<T: serde::de::DeserializeOwned>(action: &'static str, response: &Response) -> Result<T, LookupError> {
    // The error says where it is, and nothing of what is there.
    serde_json::from_slice(response.body()).map_err(|error| LookupError::Unreadable {
        action,
        cause: format!(
            "an answer that cannot be read (line {}, column {})",
            error.line(),
            error.column()
        ),
    })
}

/// Why there are no credentials, in one line.
fn no_credentials(error: CredentialsError) -> String {
    if matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
        // The error lists every place, one a line.
        return "there are none in the environment, the profile, the container or the instance".to_owned();
    }
    format!("{:#}", anyhow::Error::from(error)).replace('\n', " ")
}

fn refusal(action: &'static str, response: &Response) -> LookupError {
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let header = response.headers().get("x-amzn-errortype");
    let code = header.and_then(|code| code.to_str().ok()).or_else(|| text("__type"));
    let code = code.unwrap_or("no reason told");
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

/// A date as HTTP writes it: `Sat, 21 Nov 2026 06:09:36 GMT`.
fn parse_date(text: &str) -> Option<Timestamp> {
    let text = text.replace("GMT", "+0000");
    let date = OffsetDateTime::parse(&text, &Rfc2822).ok()?;
    Some(Timestamp::from_millis(date.unix_timestamp() * 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_of_http_is_read() {
        let date = parse_date("Sat, 21 Nov 2026 06:09:36 GMT").expect("a date");
        assert_eq!(date.to_string(), "2026-11-21T06:09:36.000Z");
        assert_eq!(parse_date("yesterday"), None);
    }

    #[test]
    fn a_refusal_says_what_was_refused_and_why() {
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
            "lambda:GetFunctionConfiguration is refused (403 AccessDeniedException): not authorized to perform it"
        );
        let response = http::Response::builder()
            .status(400)
            .body(Bytes::from(r#"{"__type":"com.amazonaws.ssm#ThrottlingException"}"#))
            .expect("a response");
        let refusal = refusal("ssm:GetParameters", &response);
        assert_eq!(
            refusal.to_string(),
            "ssm:GetParameters is refused (400 ThrottlingException)"
        );
        assert!(!refusal.is_not_found());
    }

    #[test]
    fn a_missing_right_is_told_from_a_stranger_and_from_a_refusal_of_another_kind() {
        let refused = |code: &str| LookupError::Refused {
            action: "lambda:GetAccountSettings",
            status: 403,
            code: code.to_owned(),
            message: String::new(),
        };
        let right = refused("AccessDeniedException");
        assert_eq!(right.missing_right(), Some("lambda:GetAccountSettings"));
        assert!(!right.is_general());
        let stranger = refused("UnrecognizedClientException");
        assert_eq!(stranger.missing_right(), None);
        assert!(stranger.is_general());
        let other = refused("KMSDisabledException");
        assert_eq!(other.missing_right(), None);
        assert!(!other.is_general());
    }
}
