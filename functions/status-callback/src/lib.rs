//! Receives the status callbacks of the voice providers: how far a call is, and how it ended.
//!
//! An intermediate status costs one write; only a final one changes the dispatch. Statuses arrive twice, late and in
//! any order. So each is a timeline entry under its own id, and only the end of the current call counts. A requester
//! with the strategy `OnStatus` is notified of every status. The reference in the callback URL says so, so other
//! dispatches pay nothing for it.

mod load;

use std::time::Duration;

use lambda_http::{Body, Request, Response};
use patchbay::dispatch::{CallReport, CallStatus, Entry, Event};
use patchbay::engine::{Engine, EngineError};
use patchbay::voice::callbacks::{AttemptCallback, AttemptReference};
use patchbay::voice::{Provider, SignatureVerifier};
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::problem::Problem;

/// Time for reading and committing, out of the 2 s that a provider waits.
const TIME_LIMIT: Duration = Duration::from_millis(1_100);
/// What remains after that for saving the status on the queue.
const QUEUE_LIMIT: Duration = Duration::from_millis(500);

/// Dependencies of the function.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Loads and changes dispatches.
    pub engine: Engine,
    /// Verifies references.
    pub callbacks: CallbackUrls,
    /// Verifies the webhook signatures of the providers that sign.
    pub signatures: SignatureVerifier,
}

/// Handles `POST /{provider}/status/{ref}`.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    match receive(deps, &request).await {
        Ok(provider) => provider.acknowledge().into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// Records a status. Returns the provider that sent it.
async fn receive(deps: &Deps, request: &Request) -> Result<Provider, Problem> {
    let callback = deps.callbacks.verify(request, &deps.signatures)?;
    let provider = callback.provider;
    let reference = &callback.reference;
    let report = match callback.provider.report(callback.body) {
        Ok(report) => report,
        Err(error) => {
            // Only the provider has this reference, and a retry would send the same body. So it is acknowledged.
            tracing::warn!(dispatch = %reference.dispatch.id, attempt = %reference.attempt, %error, "cannot read a status callback: ignored");
            return Ok(provider);
        }
    };
    let event = dispatch_event(reference, &report);
    let recorded = record(deps, &callback, report, event.as_ref());
    let result = match tokio::time::timeout(TIME_LIMIT, recorded).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("DynamoDB or SQS did not answer in time".to_owned()),
    };
    match result {
        Ok(()) => Ok(provider),
        Err(error) => queue_status(deps, reference, event, &error).await.map(|()| provider),
    }
}

async fn record(
    deps: &Deps,
    callback: &AttemptCallback<'_>,
    report: CallReport,
    event: Option<&Event>,
) -> Result<(), EngineError> {
    let AttemptReference {
        dispatch: key,
        attempt,
        claimed_version,
    } = &callback.reference;
    let name = report.name.clone();
    let sequence = claimed_version.and_then(|version| report.status.sequence(version));
    let now = deps.engine.clock.now();
    let entry = Entry {
        sequence,
        ..Entry::status(*attempt, now, callback.provider.name(), report)
    };
    let Some(event) = event else {
        let new = deps.engine.record_status(key, &entry, sequence.is_some()).await?;
        tracing::info!(dispatch = %key.id, attempt = %attempt, status = name, new, "call status recorded");
        return Ok(());
    };
    let applied = deps.engine.apply(key, event, Some(&entry)).await?;
    let outcome = applied.map(|applied| applied.outcome);
    tracing::info!(dispatch = %key.id, attempt = %attempt, status = name, ?outcome, "call ended, or a machine picked up");
    Ok(())
}

/// The event in a status that changes the dispatch: the call is over, or a machine picked up. None for a status that
/// only says how far the call is.
fn dispatch_event(reference: &AttemptReference, report: &CallReport) -> Option<Event> {
    let attempt = reference.attempt;
    if report.status == CallStatus::Machine {
        return Some(Event::Machine { attempt });
    }
    Some(Event::CallEnded {
        attempt,
        ending: report.status.ending()?,
        call_id: Some(report.call_id.clone()).filter(|id| !id.is_empty()),
    })
}

/// DynamoDB is unavailable: saves a final status on the queue. If that fails too, the provider gets 503 and retries. If
/// no retry arrives, the watch over the attempt finds the end of the call.
async fn queue_status(
    deps: &Deps,
    reference: &AttemptReference,
    event: Option<Event>,
    error: &str,
) -> Result<(), Problem> {
    let AttemptReference {
        dispatch: key, attempt, ..
    } = reference;
    tracing::error!(dispatch = %key.id, attempt = %attempt, error, "cannot store a call status: a final one is saved on the queue");
    let Some(event) = event else {
        return Ok(());
    };
    let queued = tokio::time::timeout(QUEUE_LIMIT, deps.engine.enqueue_event(key, event)).await;
    if matches!(queued, Ok(Ok(()))) {
        return Ok(());
    }
    tracing::error!(dispatch = %key.id, %attempt, ?queued, "cannot save a final call status on the queue either: asking the provider to retry");
    Err(Problem::unavailable(30))
}
