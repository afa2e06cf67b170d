//! SSM's `GetParameters`, the one call that patchbay makes of it.
//!
//! Without `aws-sdk-ssm`: its 150 operations take a minute to compile. The request is signed here, and sent by the
//! orchestrator that every SDK client is made of, so time-outs, retries and what counts as throttling are the SDK's own.

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

use crate::aws_error::in_words;
use crate::parameters::{ParameterError, ReadParameters, Reading};
use crate::secret::Secret;
use crate::signing::sign;

/// What SSM calls the operation, in `x-amz-target`.
const TARGET: &str = "AmazonSSM.GetParameters";

/// Where SSM is, and how to reach it.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Region in which the request is signed.
    pub(crate) region: String,
    /// Base URL of the service.
    pub(crate) endpoint: String,
    /// Who asks.
    pub(crate) credentials: Credentials,
    /// How requests leave.
    pub(crate) http_client: SharedHttpClient,
    /// When and how often a failed request is repeated.
    pub(crate) retries: RetryConfig,
    /// How long an attempt and all attempts together may take.
    pub(crate) timeouts: TimeoutConfig,
    /// Whose quota of retries it uses, of those in this process.
    pub(crate) quota: String,
}

type GetParameters = Operation<Vec<String>, HashMap<String, Secret>, Refusal>;

/// SSM, by a client that is made for the first request.
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
    fn read(&self, names: Vec<String>) -> Reading<'_> {
        Box::pin(async move {
            let client = self.client.get_or_init(|| operation(&self.settings));
            client
                .invoke(names)
                .await
                .map_err(|error| ParameterError(in_words(&error)))
        })
    }
}

fn operation(settings: &Settings) -> GetParameters {
    let asked = settings.clone();
    Operation::builder()
        .service_name(settings.quota.clone())
        .operation_name("GetParameters")
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(settings.http_client.clone())
        .endpoint_url(&settings.endpoint)
        // Signed by us: the orchestrator's own signing wants an auth scheme of the service's SDK.
        .no_auth()
        .standard_retry(&settings.retries)
        .retry_classifier(HttpStatusCodeClassifier::default())
        .retry_classifier(TransientErrorClassifier::<Refusal>::new())
        .retry_classifier(AwsErrorCodeClassifier::<Refusal>::new())
        .timeout_config(settings.timeouts.clone())
        .sleep_impl(TokioSleep::new())
        .with_connection_poisoning()
        .serializer(move |names: Vec<String>| request(&asked, &names))
        .deserializer(answer)
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

/// SSM said no.
#[derive(Debug, thiserror::Error)]
#[error("{status} {}", .metadata.code().unwrap_or("without a reason"))]
struct Refusal {
    status: u16,
    metadata: ErrorMetadata,
}

impl ProvideErrorMetadata for Refusal {
    fn meta(&self) -> &ErrorMetadata {
        &self.metadata
    }
}

#[derive(Deserialize)]
struct Found {
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

fn answer(response: &HttpResponse) -> Result<HashMap<String, Secret>, OrchestratorError<Refusal>> {
    let body = response.body().bytes().unwrap_or_default();
    if !response.status().is_success() {
        return Err(OrchestratorError::operation(refusal(response, body)));
    }
    // Not the error of the JSON reader: it may quote what it read, and that is a secret.
    let found: Found = serde_json::from_slice(body)
        .map_err(|_| OrchestratorError::other("SSM's answer to GetParameters is not what its contract says"))?;
    let parameters = found.parameters.into_iter();
    Ok(parameters.map(|one| (one.name, one.value)).collect())
}

/// The code only: a message may name what was asked for.
fn refusal(response: &HttpResponse, body: &[u8]) -> Refusal {
    let fields: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let header = response.headers().get("x-amzn-errortype");
    let code = header.or_else(|| fields.get("__type").and_then(serde_json::Value::as_str));
    let mut metadata = ErrorMetadata::builder();
    if let Some(code) = code {
        // `com.amazonaws.ssm#ThrottlingException:http://…` in the forms of several protocols.
        let code = code.rsplit('#').next().unwrap_or(code);
        metadata = metadata.code(code.split(':').next().unwrap_or(code));
    }
    Refusal {
        status: response.status().as_u16(),
        metadata: metadata.build(),
    }
}

#[cfg(test)]
mod tests;
