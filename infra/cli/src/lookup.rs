//! What the account says of functions and secrets: two requests, signed here, because an SDK for each service would
//! take longer to build than all of this command.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use patchbay::clock::{Clock, Timestamp};
use patchbay::http::{HttpClient, Response};
use patchbay::secret::Secret;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

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
    /// It says nothing.
    #[error("{action}: {cause}")]
    Failed { action: &'static str, cause: String },
}

impl LookupError {
    /// Whether it is certain that there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

/// What is known of a function.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Function {
    /// Seconds after which it is ended.
    #[serde(default)]
    pub(crate) timeout: u32,
    #[serde(default)]
    environment: Environment,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

impl Function {
    /// A variable that is set, and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let value = self.environment.variables.get(name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

/// A parameter, decrypted.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Parameter {
    pub(crate) value: Secret,
    #[serde(rename = "Type", default)]
    kind: String,
}

impl Parameter {
    pub(crate) fn is_encrypted(&self) -> bool {
        self.kind == "SecureString"
    }
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(default, rename = "Parameters")]
    found: Vec<Parameter>,
}

/// Asks Lambda and SSM.
#[derive(Debug)]
pub(crate) struct Lookup {
    http: HttpClient,
    region: String,
    endpoint: Option<String>,
    credentials: SharedCredentialsProvider,
    clock: Clock,
    /// How far our clock was ahead of AWS's at the newest answer, in seconds.
    ahead: Mutex<Option<i64>>,
}

impl Lookup {
    pub(crate) fn new(
        http: HttpClient,
        region: &str,
        endpoint: Option<String>,
        credentials: SharedCredentialsProvider,
        clock: Clock,
    ) -> Self {
        Self {
            http,
            region: region.to_owned(),
            endpoint,
            credentials,
            clock,
            ahead: Mutex::default(),
        }
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// How far our clock was ahead of AWS's at the newest answer, in seconds.
    pub(crate) fn clock_ahead(&self) -> Option<i64> {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The function called `name`.
    pub(crate) async fn function(&self, name: &str) -> Result<Function, LookupError> {
        let path = format!("/2015-03-31/functions/{name}/configuration");
        let action = "lambda:GetFunctionConfiguration";
        let answer = self.ask(action, "lambda", "GET", &path, None, Bytes::new()).await?;
        read(action, &answer)
    }

    /// The parameter called `name`, decrypted; none when there is none.
    pub(crate) async fn parameter(&self, name: &str) -> Result<Option<Parameter>, LookupError> {
        let action = "ssm:GetParameters";
        let body = json!({ "Names": [name], "WithDecryption": true }).to_string();
        let target = Some("AmazonSSM.GetParameters");
        let answer = self.ask(action, "ssm", "POST", "/", target, body.into()).await?;
        let parameters: Parameters = read(action, &answer)?;
        Ok(parameters.found.into_iter().next())
    }

    async fn ask(
        &self,
        action: &'static str,
        service: &str,
        method: &str,
        path: &str,
        target: Option<&str>,
        body: Bytes,
    ) -> Result<Response, LookupError> {
        let failed = |cause: String| LookupError::Failed { action, cause };
        let url = format!("{}{path}", self.base(service));
        let mut request = http::Request::builder().method(method).uri(&url);
        if let Some(target) = target {
            request = request
                .header("content-type", "application/x-amz-json-1.1")
                .header("x-amz-target", target);
        }
        let mut request = request.body(body).map_err(|error| failed(error.to_string()))?;
        self.sign(service, &mut request)
            .await
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
        let domain = if self.region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        match &self.endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => format!("https://{service}.{}.{domain}", self.region),
        }
    }

    async fn sign(&self, service: &str, request: &mut http::Request<Bytes>) -> anyhow::Result<()> {
        let identity = self.credentials.provide_credentials().await?.into();
        let now = Duration::from_millis(self.clock.now().millis().unsigned_abs());
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(SystemTime::UNIX_EPOCH + now)
            .settings(SigningSettings::default())
            .build()?
            .into();
        let headers = request.headers().iter();
        let headers: Vec<(&str, &str)> = headers
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        let signable = SignableRequest::new(
            request.method().as_str(),
            request.uri().to_string(),
            headers.into_iter(),
            SignableBody::Bytes(request.body()),
        )?;
        let (instructions, _) = sign(signable, &parameters)?.into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
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
    serde_json::from_slice(response.body()).map_err(|error| LookupError::Failed {
        action,
        cause: format!(
            "an answer that cannot be read (line {}, column {})",
            error.line(),
            error.column()
        ),
    })
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
}
