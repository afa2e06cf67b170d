//! `POST /v1/dispatches` and `POST /v1/dispatches/preview`.

use lambda_http::Request;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{HeaderValue, LOCATION};
use patchbay::api::idempotency;
use patchbay::dispatch::{self, Context, Dispatch, DispatchRequest, NewDispatch};
use patchbay::engine::EngineError;
use patchbay::field::FieldError;
use patchbay::ids::{DispatchId, DispatchKey, Nonce, ProviderName, Tenant};
use patchbay::web::body::{self, json_response};
use patchbay::web::problem::Problem;
use url::Url;

use crate::{Answer, Deps, view};

pub(crate) async fn create(deps: &Deps, request: &Request, tenant: Tenant) -> Answer {
    let idempotency_key = idempotency::key(request)?;
    let (brief, fingerprint) = read(deps, request)?;
    let now = deps.engine.clock.now();
    let id = match idempotency_key {
        Some(key) => DispatchId::for_idempotency_key(&tenant, key),
        None => DispatchId::random(&deps.engine.random, now).map_err(EngineError::from)?,
    };
    let key = DispatchKey { tenant, id };
    if idempotency_key.is_some() {
        // Looked up first, so that a repeated request sends no messages.
        let existing = deps.engine.store.load(&key).await?;
        if let Some(existing) = existing {
            return repeated(deps, &existing, &fingerprint);
        }
    }
    let (dispatch, new) = deps.engine.create(key, brief, fingerprint.clone()).await?;
    if !new {
        return repeated(deps, &dispatch, &fingerprint);
    }
    tracing::info!(dispatch = %dispatch.key.id, employees = dispatch.brief.employees.len(), "created");
    let mut response = json_response(StatusCode::CREATED, &view::whole(&dispatch, None, now));
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/dispatches/{}", dispatch.key.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// The answer to a request whose key has been used: the dispatch that it made, as it is now.
fn repeated(deps: &Deps, existing: &Dispatch, fingerprint: &str) -> Answer {
    let shown = json_response(StatusCode::OK, &view::whole(existing, None, deps.engine.clock.now()));
    idempotency::replayed(&existing.fingerprint, fingerprint, shown)
}

pub(crate) fn preview(deps: &Deps, request: &Request, tenant: Tenant) -> Answer {
    let (brief, fingerprint) = read(deps, request)?;
    let now = deps.engine.clock.now();
    let key = DispatchKey {
        tenant,
        id: DispatchId::new(0),
    };
    let decision = dispatch::create(
        key,
        brief,
        fingerprint,
        Context {
            now,
            fresh: Nonce::new(0),
        },
    );
    let body = decision
        .next
        .as_ref()
        .map(|dispatch| view::preview(dispatch, &decision.entries, now));
    Ok(json_response(StatusCode::OK, &body))
}

/// The request, checked, and the fingerprint of what it says (not of how it is spaced).
fn read(deps: &Deps, request: &Request) -> Result<(NewDispatch, String), Problem> {
    let parsed: DispatchRequest = body::json(request)?;
    let fingerprint = idempotency::fingerprint(request)?;
    let brief = parsed.check().map_err(Problem::invalid_fields)?;
    check_providers(deps, &brief)?;
    if let Some(webhook) = &brief.webhook {
        let wrong = |detail: String| Problem::invalid_field("webhook.url", detail);
        let url = Url::parse(&webhook.url).map_err(|error| wrong(format!("is no URL: {error}")))?;
        deps.targets.check_url(&url).map_err(|error| wrong(error.to_string()))?;
    }
    Ok((brief, fingerprint))
}

/// Whether there is an account with every provider that is asked for.
fn check_providers(deps: &Deps, brief: &NewDispatch) -> Result<(), Problem> {
    let wanted = brief.policy.providers.iter().enumerate();
    let unknown = wanted.filter(|(_, provider)| !deps.providers.contains(provider));
    let names: Vec<&str> = deps.providers.iter().map(ProviderName::as_str).collect();
    let error = |(index, _): (usize, &ProviderName)| {
        let field = format!("policy.providers[{index}]");
        FieldError::new(field, format!("must be one of: {}", names.join(", ")))
    };
    let errors: Vec<_> = unknown.map(error).collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Problem::invalid_fields(errors))
    }
}
