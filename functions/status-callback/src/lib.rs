//! Routee's status callbacks: what became of a call.
//!
//! An intermediate status is one write; only a final one moves the dispatch. Statuses come twice, late and in any
//! order, so each is an entry under a name of its own, and only the end of the current call counts. A requester who asked
//! for it hears of every status: the reference says so, so that it costs nobody else anything.

mod load;

use std::time::Duration;

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use patchbay::dispatch::{CallStatus, Entry, Event};
use patchbay::engine::{Engine, EngineError};
use patchbay::providers::routee::{self, StatusCallback};
use patchbay::web::body::json_response;
use patchbay::web::callbacks::Callbacks;
use patchbay::web::problem::Problem;
use patchbay::web::reference::Reference;
use serde_json::json;

/// What the table may take of Routee's 2 s.
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
}

/// `POST /routee/status/{ref}`.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    match take(deps, &request).await {
        // Literally 200: Routee takes nothing else for success (`contracts/routee.md` 5.7).
        Ok(()) => json_response(StatusCode::OK, &json!({})),
        Err(problem) => problem.into_response(),
    }
}

async fn take(deps: &Deps, request: &Request) -> Result<(), Problem> {
    let (reference, bytes) = deps.callbacks.open(request)?;
    let callback = match StatusCallback::parse(bytes) {
        Ok(callback) => callback,
        Err(error) => {
            // Only Routee has this reference, and sending the same again would not make it better.
            tracing::warn!(dispatch = %reference.dispatch.id, attempt = %reference.attempt, %error, "a status cannot be read");
            return Ok(());
        }
    };
    let result = match tokio::time::timeout(TIME_LIMIT, record(deps, &reference, &callback)).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    };
    match result {
        Ok(()) => Ok(()),
        Err(error) => keep(deps, &reference, &callback, &error).await,
    }
}

async fn record(deps: &Deps, reference: &Reference, callback: &StatusCallback) -> Result<(), EngineError> {
    let Reference {
        dispatch: key, attempt, ..
    } = reference;
    let (name, message_id) = (callback.status.as_str(), callback.message_id.as_str());
    let now = deps.engine.clock.now();
    let told = reference.told_from.zip(CallStatus::named(name));
    let entry = Entry {
        sequence: told.map(|(version, status)| status.sequence(version)),
        ..Entry::status(*attempt, now, name, message_id, &callback.tracking_id)
    };
    let Some(event) = ending(reference, callback) else {
        let new = deps.engine.note_status(key, &entry, told.is_some()).await?;
        tracing::info!(dispatch = %key.id, attempt = %attempt, status = name, new, "a call is under way");
        return Ok(());
    };
    let applied = deps.engine.apply(key, &event, Some(&entry)).await?;
    let verdict = applied.map(|applied| applied.verdict);
    tracing::info!(dispatch = %key.id, attempt = %attempt, status = name, ?verdict, "a call is over");
    Ok(())
}

/// The event that a final status is; none for an intermediate one.
fn ending(reference: &Reference, callback: &StatusCallback) -> Option<Event> {
    let tracking_id = Some(callback.tracking_id.clone()).filter(|id| !id.is_empty());
    let ending = routee::ending(&callback.status)?;
    Some(Event::CallEnded {
        attempt: reference.attempt,
        ending,
        tracking_id,
    })
}

/// The table cannot be had: a final status is kept on the queue. Only when that fails too is Routee told to come
/// again; the watch over the attempt stands behind it all.
async fn keep(deps: &Deps, reference: &Reference, callback: &StatusCallback, error: &str) -> Result<(), Problem> {
    let Reference {
        dispatch: key, attempt, ..
    } = reference;
    tracing::error!(dispatch = %key.id, attempt = %attempt, error, "a status could not be stored");
    let Some(event) = ending(reference, callback) else {
        return Ok(());
    };
    let kept = tokio::time::timeout(KEEP_LIMIT, deps.engine.keep(key, event)).await;
    if matches!(kept, Ok(Ok(()))) {
        return Ok(());
    }
    tracing::error!(dispatch = %key.id, %attempt, ?kept, "a status could not be kept either");
    Err(Problem::unavailable(30))
}
