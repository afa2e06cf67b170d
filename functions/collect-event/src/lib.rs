//! Routee's COLLECT events: the key that an employee pressed.
//!
//! Routee waits 3 s for a dial plan, and what it does without one is not known (`contracts/routee.md` 5.3). So whoever
//! comes with a reference of ours gets 200 and a plan, whatever happens behind it; and nobody hears "accepted" before
//! it is so.

mod answer;
mod load;

use std::time::Duration;

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, RequestExt, Response};
use patchbay::dispatch::{Dispatch, Event};
use patchbay::engine::Engine;
use patchbay::providers::routee::CollectEvent;
use patchbay::providers::routee::dialplan::DialPlan;
use patchbay::web::body::json_response;
use patchbay::web::callbacks::{AGAIN, Callbacks};
use patchbay::web::problem::Problem;
use patchbay::web::reference::Reference;

/// What the table may take of Routee's 3 s.
const TIME_LIMIT: Duration = Duration::from_millis(1_800);
/// What then remains for keeping the key on the queue.
const KEEP_LIMIT: Duration = Duration::from_millis(600);

/// What the function works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Dispatches.
    pub engine: Engine,
    /// References and URLs.
    pub callbacks: Callbacks,
}

/// `POST /routee/collect/{ref}`.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    let deps = &Deps {
        callbacks: deps.callbacks.reached_by(&request),
        ..deps.clone()
    };
    match answer(deps, &request).await {
        Ok(plan) => json_response(StatusCode::OK, &plan),
        Err(problem) => problem.into_response(),
    }
}

async fn answer(deps: &Deps, request: &Request) -> Result<DialPlan, Problem> {
    let (reference, bytes) = deps.callbacks.open(request)?;
    // Only Routee has this reference. What cannot be read is no key, and the call must go on.
    let keys = match CollectEvent::parse(bytes) {
        Ok(event) => event.keys(),
        Err(error) => {
            let Reference { dispatch, attempt, .. } = &reference;
            tracing::warn!(dispatch = %dispatch.id, %attempt, %error, "a COLLECT event cannot be read");
            String::new()
        }
    };
    let asked_again = request
        .query_string_parameters()
        .first(AGAIN)
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    let press = Press {
        reference,
        keys,
        asked_again,
    };
    let Ok(plan) = tokio::time::timeout(TIME_LIMIT, take(deps, &press)).await else {
        return Ok(keep(deps, &press, None, "no answer in time").await);
    };
    Ok(plan)
}

/// Keys that came from one call.
struct Press {
    reference: Reference,
    keys: String,
    asked_again: u8,
}

async fn take(deps: &Deps, press: &Press) -> DialPlan {
    let Reference {
        dispatch: key, attempt, ..
    } = &press.reference;
    let dispatch = match deps.engine.store.load(key).await {
        Ok(Some(dispatch)) => dispatch,
        Ok(None) => return answer::unknown(deps, press),
        Err(error) => return keep(deps, press, None, &error.to_string()).await,
    };
    if press.keys.is_empty() {
        return answer::no_key(deps, press, &dispatch);
    }
    let event = Event::Key {
        attempt: *attempt,
        keys: press.keys.clone(),
    };
    match deps.engine.apply_to(dispatch.clone(), &event, None).await {
        Ok(applied) => {
            tracing::info!(dispatch = %key.id, attempt = %attempt, verdict = ?applied.verdict, "a key was pressed");
            answer::to(deps, press, &applied.dispatch, &applied.verdict)
        }
        Err(error) => keep(deps, press, Some(&dispatch), &error.to_string()).await,
    }
}

/// The table cannot be had: the key is kept on the queue, so that it is not lost even if nobody presses it again. The
/// person is not told more than we know.
async fn keep(deps: &Deps, press: &Press, dispatch: Option<&Dispatch>, error: &str) -> DialPlan {
    let Reference {
        dispatch: key, attempt, ..
    } = &press.reference;
    tracing::error!(dispatch = %key.id, %attempt, error, "a key could not be stored");
    if !press.keys.is_empty() {
        let event = Event::Key {
            attempt: *attempt,
            keys: press.keys.clone(),
        };
        let kept = tokio::time::timeout(KEEP_LIMIT, deps.engine.keep(key, event)).await;
        if !matches!(kept, Ok(Ok(()))) {
            tracing::error!(dispatch = %key.id, %attempt, ?kept, "a key is lost unless it is pressed again");
        }
    }
    answer::one_moment(deps, press, dispatch)
}
