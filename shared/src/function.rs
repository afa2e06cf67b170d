//! Entry points for a function's `main`: [`web`], [`web_with_events`], [`consumer`] and [`scheduled`].
//!
//! Each takes the name of the function's crate (`env!("CARGO_CRATE_NAME")`), which may log below `info` like the shared
//! crate; `load`, which runs once, before the first event; and the handler. Secrets are read at the first event, and
//! again every five minutes: see [`Keyring`].

use std::pin::Pin;
use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_http::lambda_runtime::{LambdaEvent, run, service_fn};
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use lambda_http::Error;

use crate::config::ConfigError;
use crate::keyring::Keyring;
use crate::outbox::Outbox;
use crate::telemetry;
use crate::web::gateway;

/// Creates a function's dependencies from its environment: its `Deps::load`.
pub type Load<T> = fn() -> Result<T, ConfigError>;

/// Answers requests to the API.
///
/// # Errors
/// When a variable is missing or invalid, or the Lambda runtime API cannot be reached.
pub async fn web<D, F, const N: usize>(
    function: &'static str,
    load: Load<Keyring<D, N>>,
    handle: impl Fn(Arc<D>, Request) -> F + Sync,
) -> Result<(), Error>
where
    D: Send + Sync,
    F: Future<Output = Response<Body>> + Send,
{
    telemetry::init(function);
    let deps = load()?;
    let handle = &handle;
    gateway::run(|request| deps.answer(move |deps| handle(deps, request))).await
}

/// An event could not be stored. Lambda repeats it, and then moves it to the function's dead-letter queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event could not be stored")]
pub struct NotStored;

/// Answers requests to the API, and receives the events of AWS that a rule sends to the function, as JSON.
///
/// # Errors
/// As [`web`].
pub async fn web_with_events<D, F, R, const N: usize>(
    function: &'static str,
    load: Load<Keyring<D, N>>,
    handle: impl Fn(Arc<D>, Request) -> F + Sync,
    receive: impl Fn(Arc<D>, Box<str>) -> R,
) -> Result<(), Error>
where
    D: Send + Sync,
    F: Future<Output = Response<Body>> + Send,
    R: Future<Output = Result<(), NotStored>>,
{
    telemetry::init(function);
    let deps = &load()?;
    let (handle, receive) = (&handle, &receive);
    let answer = |request| deps.answer(move |deps| handle(deps, request));
    gateway::run_with_events(answer, async |event| Ok(receive(deps.current().await?, event).await?)).await
}

/// Consumes a queue of `Work` messages. While the secrets cannot be read, the [`Outbox`] sends every message again with
/// backoff. Left to the visibility timeout, a message would wait a minute for an outage that may last a second.
///
/// # Errors
/// As [`web`].
pub async fn consumer<Work, D, F, const N: usize>(
    function: &'static str,
    load: Load<(Keyring<D, N>, Outbox)>,
    handle: impl Fn(Arc<D>, SqsEvent) -> F,
) -> Result<(), Error>
where
    Work: DeserializeOwned + Serialize,
    F: Future<Output = SqsBatchResponse>,
{
    telemetry::init(function);
    let (deps, outbox) = load()?;
    run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        Ok::<_, Error>(match deps.current().await {
            Ok(deps) => handle(deps, event.payload).await,
            Err(error) => outbox.retry_batch::<Work>(&event.payload, &error).await,
        })
    }))
    .await
}

/// Runs a scheduled task, and returns its report.
///
/// # Errors
/// As [`web`].
pub async fn scheduled<D, F, Report, const N: usize>(
    function: &'static str,
    load: Load<Keyring<D, N>>,
    handle: impl Fn(Arc<D>, Value) -> F,
) -> Result<(), Error>
where
    F: Future<Output = Report> + 'static,
    Report: Serialize + 'static,
{
    telemetry::init(function);
    let deps = load()?;
    run(service_fn(async |event: LambdaEvent<Value>| {
        let deps = deps.current().await?;
        // Type-erased: the future is nested more deeply than the compiler's limit.
        let report: Pin<Box<dyn Future<Output = Report>>> = Box::pin(handle(deps, event.payload));
        Ok::<_, Error>(report.await)
    }))
    .await
}
