//! What a function's `main` does: it says what the function works with and what handles an event, and one of these three
//! does the rest.
//!
//! Each is told the function's own crate (`env!("CARGO_CRATE_NAME")`), which may log as finely as ours; how it is set up,
//! which is done once, before the first event; and its handler. Secrets are read when the first event is there, and
//! anew every five minutes: see [`Keyring`].

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

/// How a function is set up, by its environment: `Deps::load`.
pub type Load<T> = fn() -> Result<T, ConfigError>;

/// Answers requests to the API.
///
/// # Errors
/// When a variable is missing or wrong, or the Lambda runtime cannot be reached.
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

/// Consumes a queue of `Work`. While the secrets cannot be read, the second part of what `load` gives back sends every
/// message again: left to the visibility timeout it would wait a minute, for what may pass in a second.
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
            Err(error) => outbox.send_back::<Work>(&event.payload, &error).await,
        })
    }))
    .await
}

/// Does what a schedule asks for, and reports on it.
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
        // In a box of no type of its own: nested more deeply than the compiler follows.
        let report: Pin<Box<dyn Future<Output = Report>>> = Box::pin(handle(deps, event.payload));
        Ok::<_, Error>(report.await)
    }))
    .await
}
