//! A client for SSM's `GetParameters`, the only SSM operation that patchbay uses.
//!
//! It does without `aws-sdk-ssm`, whose 150 operations take a minute to compile. The request is signed here and sent by
//! the orchestrator that all SDK clients use, so time-outs, retries and the detection of throttling are the SDK's own.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use crate::aws_error::error_chain;
use crate::parameters::{ParameterError, ReadFuture, ReadParameters};
use crate::secret::Secret;
use crate::signing::sign;

/// The operation's name, in the header `x-amz-target`.
const TARGET: &str = "AmazonSSM.GetParameters";

/// Settings of the client.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The region for which requests are signed.
    pub(crate) region: String,
    /// Base URL of the service.
    pub(crate) endpoint: String,
    /// The credentials that requests are signed with.
    pub(crate) credentials: Credentials,
    /// The HTTP client that sends requests.
    pub(crate) http_client: SharedHttpClient,
    /// Retries of a failed request.
    pub(crate) retries: RetryConfig,
    /// Time-outs of one attempt and of all attempts together.
    pub(crate) timeouts: TimeoutConfig,
    /// Clients in a process with the same value share one budget of retries.
    pub(crate) retry_partition: String,
}

type GetParameters = Operation<Vec<String>, HashMap<String, Secret>, SsmError>;

/// The client. It is built for the first request.
pub(crate) struct Ssm {
    settings: Settings,
    client: OnceLock<GetParameters>,
}

impl fmt::Debug for Ssm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ssm")
    }
}

impl Ssm {
    pub(crate) const fn new(settings: Settings) -> Self {
        Self {
            settings,
            client: OnceLock::new(),
        }
    }
}

impl ReadParameters for Ssm {
    fn read(&self, names: Vec<String>) -> ReadFuture<'_> {
        Box::pin(async move {
            let client = self.client.get_or_init(|| operation(&self.settings));
            client
                .invoke(names)
                .await
                .map_err(|error| ParameterError(error_chain(&error)))
        })
    }
}

fn operation(settings: &Settings) -> GetParameters {
    let for_requests = settings.clone();
    Operation::builder()
        .service_name(settings.retry_partition.clone())
        .operation_name("GetParameters")
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(settings.http_client.clone())
        .endpoint_url(&settings.endpoint)
        // Signed in `request`: the orchestrator's signing would need an auth scheme from the service's SDK.
        .no_auth()
        .standard_retry(&settings.retries)
        .retry_classifier(HttpStatusCodeClassifier::default())
        .retry_classifier(TransientErrorClassifier::<SsmError>::new())
        .retry_classifier(AwsErrorCodeClassifier::<SsmError>::new())
        .timeout_config(settings.timeouts.clone())
        .sleep_impl(TokioSleep::new())
        .with_connection_poisoning()
        .serializer(move |names: Vec<String>| request(&for_requests, &names))
        .deserializer(parse_response)
        .build()
}

fn request(settings: &Settings, names: &[String]) -> Result<HttpRequest, BoxError> {
    let body = json!({ "Names": names, "WithDecryption": true }).to_string();
    let mut request = http::Request::post(format!("{}/", settings.endpoint.trim_end_matches('/')))
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", TARGET)
        .body(Bytes::from(body))?;
    sign(
        &settings.credentials,
        &settings.region,
        "ssm",
        SystemTime::now(),
        &mut request,
    )?;
    Ok(HttpRequest::try_from(request.map(SdkBody::from))?)
}

/// An error response of SSM.
#[derive(Debug, thiserror::Error)]
#[error("{status} {}", .metadata.code().unwrap_or("(no error code)"))]
struct SsmError {
    status: u16,
    metadata: ErrorMetadata,
}

impl ProvideErrorMetadata for SsmError {
    fn meta(&self) -> &ErrorMetadata {
        &self.metadata
    }
}

#[derive(Deserialize)]
struct GetParametersOutput {
    #[serde(rename = "Parameters", default)]
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Value")]
    value: Secret,
}

fn parse_response(response: &HttpResponse) -> Result<HashMap<String, Secret>, OrchestratorError<SsmError>> {
    let body = response.body().bytes().unwrap_or_default();
    if !response.status().is_success() {
        return Err(OrchestratorError::operation(parse_error(response, body)));
    }
    // Drop the JSON error: it may quote the input, which contains secrets.
    let output: GetParametersOutput = serde_json::from_slice(body)
        .map_err(|_| OrchestratorError::other("cannot parse the response to GetParameters"))?;
    let parameters = output.parameters.into_iter();
    Ok(parameters.map(|one| (one.name, one.value)).collect())
}

/// Keeps only the error code: the message may name the parameters.
fn parse_error(response: &HttpResponse, body: &[u8]) -> SsmError {
    let fields: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let header = response.headers().get("x-amzn-errortype");
    let code = header.or_else(|| fields.get("__type").and_then(serde_json::Value::as_str));
    let mut metadata = ErrorMetadata::builder();
    if let Some(code) = code {
        // `com.amazonaws.ssm#ThrottlingException:http://…`: prefix and suffix vary between protocols.
        let code = code.rsplit('#').next().unwrap_or(code);
        metadata = metadata.code(code.split(':').next().unwrap_or(code));
    }
    SsmError {
        status: response.status().as_u16(),
        metadata: metadata.build(),
    }
}

#[cfg(test)]
mod tests;
