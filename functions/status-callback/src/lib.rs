//! What became of a call, as its provider tells it by webhook.
//!
//! An intermediate status is one write; only a final one moves the dispatch. Statuses come twice, late and in any
//! order, so each is an entry under a name of its own, and only the end of the current call counts. A requester who asked
//! for it hears of every status: the reference says so, so that it costs nobody else anything.

mod load;

use std::time::Duration;

use lambda_http::{Body, Request, Response};
use patchbay::dispatch::{CallReport, CallStatus, Entry, Event};
use patchbay::engine::{Engine, EngineError};
use patchbay::voice::callbacks::{Callback, Reference};
use patchbay::voice::{Provider, Signatures};
use patchbay::web::callbacks::Callbacks;
use patchbay::web::problem::Problem;

/// What the table may take of the 2 s that a provider waits.
const TIME_LIMIT: Duration = Duration::from_millis(1_100);
/// What then remains for keeping the status on the queue.
const KEEP_LIMIT: Duration = Duration::from_millis(500);

/// What the function works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Dispatches.
    pub engine: Engine,
    /// References.
    pub callbacks: Callbacks,
    /// Tells a provider that signs from everybody else.
    pub signatures: Signatures,
}

/// `POST /{provider}/status/{ref}`.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    match take(deps, &request).await {
        Ok(provider) => provider.acknowledged().into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// Takes a status; says whose it is.
async fn take(deps: &Deps, request: &Request) -> Result<Provider, Problem> {
    let callback = deps.callbacks.open(request, &deps.signatures)?;
    let provider = callback.provider;
    let reference = &callback.reference;
    let report = match callback.provider.report(callback.body) {
        Ok(report) => report,
        Err(error) => {
            // Only the provider has this reference, and sending the same again would not make it better.
            tracing::warn!(dispatch = %reference.dispatch.id, attempt = %reference.attempt, %error, "a status cannot be read");
            return Ok(provider);
        }
    };
    let event = event(reference, &report);
    let recorded = record(deps, &callback, report, event.as_ref());
    let result = match tokio::time::timeout(TIME_LIMIT, recorded).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    };
    match result {
        Ok(()) => Ok(provider),
        Err(error) => keep(deps, reference, event, &error).await.map(|()| provider),
    }
}

async fn record(
    deps: &Deps,
    callback: &Callback<'_>,
    report: CallReport,
    event: Option<&Event>,
) -> Result<(), EngineError> {
    let Reference {
        dispatch: key,
        attempt,
        told_from,
    } = &callback.reference;
    let name = report.name.clone();
    let sequence = told_from.and_then(|version| report.status.sequence(version));
    let now = deps.engine.clock.now();
    let entry = Entry {
        sequence,
        ..Entry::status(*attempt, now, callback.provider.name(), report)
    };
    let Some(event) = event else {
        let new = deps.engine.note_status(key, &entry, sequence.is_some()).await?;
        tracing::info!(dispatch = %key.id, attempt = %attempt, status = name, new, "a call is under way");
        return Ok(());
    };
    let applied = deps.engine.apply(key, event, Some(&entry)).await?;
    let verdict = applied.map(|applied| applied.verdict);
    tracing::info!(dispatch = %key.id, attempt = %attempt, status = name, ?verdict, "a call is over, or a machine picked up");
    Ok(())
}

/// The event that a status is which a dispatch waits for: that the call is over, or that a machine picked up. None for one
/// that only says how far the call is.
fn event(reference: &Reference, report: &CallReport) -> Option<Event> {
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

/// The table cannot be had: a final status is kept on the queue. Only when that fails too is the provider told to come
/// again; the watch over the attempt stands behind it all.
async fn keep(deps: &Deps, reference: &Reference, event: Option<Event>, error: &str) -> Result<(), Problem> {
    let Reference {
        dispatch: key, attempt, ..
    } = reference;
    tracing::error!(dispatch = %key.id, attempt = %attempt, error, "a status could not be stored");
    let Some(event) = event else {
        return Ok(());
    };
    let kept = tokio::time::timeout(KEEP_LIMIT, deps.engine.keep(key, event)).await;
    if matches!(kept, Ok(Ok(()))) {
        return Ok(());
    }
    tracing::error!(dispatch = %key.id, %attempt, ?kept, "a status could not be kept either");
    Err(Problem::unavailable(30))
}
