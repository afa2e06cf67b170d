//! The SDK's clients, connected to the simulators instead of the network.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use bytes::Bytes;
use patchbay::timeouts;

use super::dynamodb::DynamoDb;
use super::faults::Fault;
use super::gate::{Gate, RequestInfo};
use super::recorder::Service;
use super::sqs::Sqs;
use super::{Aws, REGION};

/// A service's response, before it is converted to HTTP.
#[derive(Debug)]
pub(super) struct ServiceResponse {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// The value of `x-amzn-query-error`: SQS repeats the name of an error in this header, which the SDK reads first.
    pub(super) query_error: Option<String>,
}

impl ServiceResponse {
    pub(super) const fn ok(body: Vec<u8>) -> Self {
        Self {
            status: 200,
            body,
            query_error: None,
        }
    }
}

/// A request that was parsed but has not taken effect.
pub(super) struct PreparedRequest {
    pub(super) target: String,
    pub(super) parts: Vec<&'static str>,
    pub(super) keys: Vec<(&'static str, String)>,
    pub(super) effect: Pin<Box<dyn Future<Output = ServiceResponse> + Send>>,
}

/// A simulated service.
pub(super) trait Backend: Clone + fmt::Debug + Send + Sync + 'static {
    /// The service in records and faults.
    const SERVICE: Service;
    /// The prefix of its operations in `x-amz-target`.
    const TARGET_PREFIX: &'static str;

    /// Parses a request.
    ///
    /// # Errors
    /// The error response, if the request is invalid.
    fn prepare(&self, operation: &str, body: &[u8]) -> Result<PreparedRequest, ServiceResponse>;

    /// The service's error response to `operation` when it throttles, fails, or detects a conflict on an item.
    fn fault(fault: Fault, operation: &str) -> ServiceResponse;
}

#[derive(Clone, Debug)]
struct Connector<B> {
    gate: Gate,
    backend: B,
}

impl<B: Backend> HttpConnector for Connector<B> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move { this.answer(&request).await })
    }
}

impl<B: Backend> Connector<B> {
    async fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        match self.answer_to(target, request.body().bytes().unwrap_or_default()).await {
            Ok(answer) => response(answer),
            Err(fault @ (Fault::Throttled | Fault::InternalError | Fault::Conflict | Fault::InProgress)) => {
                response(B::fault(fault, target.strip_prefix(B::TARGET_PREFIX).unwrap_or(target)))
            }
            Err(Fault::Refused) => Err(ConnectorError::io("injected: connection refused".into()).never_connected()),
            Err(Fault::Reset) => Err(ConnectorError::io("injected: connection reset".into())),
            Err(Fault::LostRequest | Fault::LostAnswer) => Err(ConnectorError::timeout("injected: timed out".into())),
        }
    }

    async fn answer_to(&self, target: &str, body: &[u8]) -> Result<ServiceResponse, Fault> {
        let operation = target.strip_prefix(B::TARGET_PREFIX).unwrap_or(target);
        let prepared = self
            .backend
            .prepare(operation, body)
            .unwrap_or_else(|refusal| PreparedRequest {
                target: String::new(),
                parts: Vec::new(),
                keys: Vec::new(),
                effect: Box::pin(std::future::ready(refusal)),
            });
        let info = RequestInfo {
            operation: operation.to_owned(),
            target: prepared.target,
            parts: prepared.parts,
            keys: prepared.keys,
        };
        self.gate.pass(B::SERVICE, info, prepared.effect).await
    }
}

/// Answers a request of an SDK that came over a socket. `None` if it is not for DynamoDB or SQS. Credentials are not
/// checked.
pub async fn answer(aws: &Aws, request: &http::Request<Bytes>) -> Option<http::Response<Bytes>> {
    let target = request.headers().get("x-amz-target")?.to_str().ok()?;
    let gate = aws.gate.clone();
    let answer = if target.starts_with(DynamoDb::TARGET_PREFIX) {
        let backend = aws.dynamodb.clone();
        Connector { gate, backend }.answer_to(target, request.body()).await
    } else if target.starts_with(Sqs::TARGET_PREFIX) {
        let backend = aws.sqs.clone();
        Connector { gate, backend }.answer_to(target, request.body()).await
    } else {
        return None;
    };
    let answer = answer.unwrap_or_else(|_| DynamoDb::fault(Fault::InternalError, ""));
    let mut response = http::Response::builder()
        .status(answer.status)
        .header("content-type", "application/x-amz-json-1.0");
    if let Some(error) = answer.query_error {
        response = response.header("x-amzn-query-error", error);
    }
    response.body(answer.body.into()).ok()
}

fn response(answer: ServiceResponse) -> Result<HttpResponse, ConnectorError> {
    let status = answer
        .status
        .try_into()
        .map_err(|error| ConnectorError::user(Box::new(error)))?;
    let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
    response
        .headers_mut()
        .insert("content-type", "application/x-amz-json-1.0");
    if let Some(error) = answer.query_error {
        response.headers_mut().insert("x-amzn-query-error", error);
    }
    Ok(response)
}

fn http_client<B: Backend>(gate: &Gate, backend: &B) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Connector {
        gate: gate.clone(),
        backend: backend.clone(),
    });
    http_client_fn(move |_settings, _components| connector.clone())
}

/// The retry configuration of the deployed functions.
pub use patchbay::timeouts::retries;

/// The SDK's own clients, connected to `aws` instead of the network.
///
/// Their retries wait on tokio's clock, with jitter from the generator that [`Aws::in_memory`] seeds. Each pair has its
/// own retry quota: the SDK's default quota is shared by the whole process, so retries in one simulation would reduce
/// those of the next. Requests are not signed: the simulators do not check signatures, and signing takes a quarter of
/// the SDK's time.
pub fn clients(aws: &Aws, retries: &RetryConfig) -> (aws_sdk_dynamodb::Client, aws_sdk_sqs::Client) {
    let dynamodb = {
        use aws_sdk_dynamodb::config::retry::RetryPartition;
        use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Region, StalledStreamProtectionConfig};
        let config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(REGION))
            .allow_no_auth()
            .http_client(http_client(&aws.gate, &aws.dynamodb))
            .sleep_impl(TokioSleep::new())
            .retry_partition(RetryPartition::custom("simulated DynamoDB").build())
            // Bodies are in memory: there is no stream to stall.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        patchbay::store::with_retries(config)
            .retry_config(retries.clone())
            .build()
    };
    let sqs = {
        use aws_sdk_sqs::config::retry::RetryPartition;
        use aws_sdk_sqs::config::{BehaviorVersion, Config, Region, StalledStreamProtectionConfig};
        Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(REGION))
            .allow_no_auth()
            .http_client(http_client(&aws.gate, &aws.sqs))
            .sleep_impl(TokioSleep::new())
            .retry_config(retries.clone())
            .retry_partition(RetryPartition::custom("simulated SQS").build())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build()
    };
    (
        aws_sdk_dynamodb::Client::from_conf(dynamodb),
        aws_sdk_sqs::Client::from_conf(sqs),
    )
}

/// Like [`clients`], with the retries and time-outs of the deployed functions.
pub fn function_clients(aws: &Aws) -> (aws_sdk_dynamodb::Client, aws_sdk_sqs::Client) {
    let (dynamodb, sqs) = clients(aws, &retries());
    let table = dynamodb.config().to_builder().timeout_config(timeouts::table());
    let queues = sqs.config().to_builder().timeout_config(timeouts::queues());
    (
        aws_sdk_dynamodb::Client::from_conf(table.build()),
        aws_sdk_sqs::Client::from_conf(queues.build()),
    )
}
