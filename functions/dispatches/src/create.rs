//! Creating and previewing a dispatch: `POST /v1/dispatches` and `POST /v1/dispatches/preview`.

use lambda_http::Request;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{HeaderValue, LOCATION};
use patchbay::api::idempotency;
use patchbay::dispatch::{self, DecisionContext, Dispatch, DispatchRequest, NewDispatch};
use patchbay::engine::EngineError;
use patchbay::ids::{DispatchId, DispatchKey, Nonce, Tenant};
use patchbay::web::body::{self, json_response};
use patchbay::web::problem::Problem;

use crate::{ApiResult, Deps, view};

pub(crate) async fn create(deps: &Deps, request: &Request, tenant: Tenant) -> ApiResult {
    let idempotency_key = idempotency::key(request)?;
    let (spec, fingerprint) = parse(deps, request)?;
    let now = deps.engine.clock.now();
    let id = match idempotency_key {
        Some(key) => DispatchId::for_idempotency_key(&tenant, key),
        None => DispatchId::random(&deps.engine.random, now).map_err(EngineError::from)?,
    };
    let key = DispatchKey { tenant, id };
    if idempotency_key.is_some() {
        // Looked up before anything is sent: a repeated request must not enqueue messages.
        let existing = deps.engine.store.load(&key).await?;
        if let Some(existing) = existing {
            return replay(deps, &existing, &fingerprint);
        }
    }
    let (dispatch, new) = deps.engine.create(key, spec, fingerprint.clone()).await?;
    if !new {
        return replay(deps, &dispatch, &fingerprint);
    }
    tracing::info!(dispatch = %dispatch.key.id, employees = dispatch.spec.employees.len(), "dispatch created");
    let mut response = json_response(StatusCode::CREATED, &view::dispatch_view(&dispatch, None, now));
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/dispatches/{}", dispatch.key.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Answers a request whose idempotency key was used before: with the dispatch it created, in its current state.
fn replay(deps: &Deps, existing: &Dispatch, fingerprint: &str) -> ApiResult {
    let shown = json_response(
        StatusCode::OK,
        &view::dispatch_view(existing, None, deps.engine.clock.now()),
    );
    idempotency::replayed(&existing.fingerprint, fingerprint, shown)
}

pub(crate) fn preview(deps: &Deps, request: &Request, tenant: Tenant) -> ApiResult {
    let (spec, fingerprint) = parse(deps, request)?;
    let now = deps.engine.clock.now();
    let key = DispatchKey {
        tenant,
        id: DispatchId::new(0),
    };
    let decision = dispatch::create(
        key,
        spec,
        fingerprint,
        DecisionContext {
            now,
            nonce: Nonce::new(0),
        },
    );
    let body = decision
        .next
        .as_ref()
        .map(|dispatch| view::preview(dispatch, &decision.entries, now));
    Ok(json_response(StatusCode::OK, &body))
}

/// Parses and validates the request; also returns the fingerprint of its content (white space does not count).
fn parse(deps: &Deps, request: &Request) -> Result<(NewDispatch, String), Problem> {
    let parsed: DispatchRequest = body::json(request)?;
    let fingerprint = idempotency::fingerprint(request)?;
    let spec = deps.abilities.check(parsed).map_err(Problem::invalid_fields)?;
    Ok((spec, fingerprint))
}
