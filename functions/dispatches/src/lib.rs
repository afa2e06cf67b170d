//! The API for dispatches: create, read, list, cancel, resolve, preview; and their webhooks.

mod create;
mod cursor;
mod list;
pub mod view;
pub mod webhooks;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, RequestExt, Response};
use patchbay::access::Scope;
use patchbay::dispatch::{Dispatch, Event, Verdict};
use patchbay::engine::{Engine, EngineError};
use patchbay::ids::{DispatchKey, Tenant};
use patchbay::store::StoreError;
use patchbay::web::auth::{Token, authorise};
use patchbay::web::body::{self, json_response};
use patchbay::web::problem::Problem;
use patchbay::web::target::Targets;

/// What the function works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Dispatches.
    pub engine: Engine,
    /// Which webhooks may be called.
    pub targets: Targets,
}

/// Everything under `/v1/dispatches`.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    match route(deps, &request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

type Answer = Result<Response<Body>, Problem>;

async fn route(deps: &Deps, request: &Request) -> Answer {
    let path = body::path_segments(request);
    let path: Vec<&str> = path
        .iter()
        .map(String::as_str)
        .skip_while(|segment| *segment != "dispatches")
        .collect();
    match (request.method(), path.as_slice()) {
        (&Method::POST, ["dispatches"]) => {
            create::create(deps, request, tenant(deps, request, Scope::DispatchesWrite).await?).await
        }
        (&Method::GET, ["dispatches"]) => {
            list::list(deps, request, &tenant(deps, request, Scope::DispatchesRead).await?).await
        }
        (&Method::POST, ["dispatches", "preview"]) => {
            create::preview(deps, request, tenant(deps, request, Scope::DispatchesRead).await?)
        }
        (&Method::GET, ["dispatches", id]) => {
            let tenant = tenant(deps, request, Scope::DispatchesRead).await?;
            show(deps, request, tenant, id).await
        }
        (&Method::POST, ["dispatches", id, verb @ ("cancel" | "resolve")]) => {
            let tenant = tenant(deps, request, Scope::DispatchesWrite).await?;
            let event = if *verb == "cancel" {
                Event::Cancel
            } else {
                Event::Resolve
            };
            change(deps, tenant, id, &event).await
        }
        (&Method::GET, ["dispatches", id, "webhooks"]) => {
            let tenant = tenant(deps, request, Scope::DispatchesRead).await?;
            webhooks::list(deps, request, tenant, id).await
        }
        (&Method::POST, ["dispatches", id, "webhooks", webhook, "resend"]) => {
            let tenant = tenant(deps, request, Scope::DispatchesWrite).await?;
            webhooks::resend(deps, tenant, id, webhook).await
        }
        (_, ["dispatches"]) => Err(Problem::method_not_allowed("GET, POST")),
        (
            _,
            ["dispatches", "preview"]
            | ["dispatches", _, "cancel" | "resolve"]
            | ["dispatches", _, "webhooks", _, "resend"],
        ) => Err(Problem::method_not_allowed("POST")),
        (_, ["dispatches", _] | ["dispatches", _, "webhooks"]) => Err(Problem::method_not_allowed("GET")),
        _ => Err(Problem::not_found()),
    }
}

/// Whose request it is, if it may do what it asks for.
async fn tenant(deps: &Deps, request: &Request, needed: Scope) -> Result<Tenant, Problem> {
    let token = Token::from_headers(request.headers())?;
    let record = deps
        .engine
        .store
        .token(&token.hash())
        .await
        .map_err(|error| stored(&error))?;
    authorise(record.as_ref(), needed, deps.engine.clock.now())
}

async fn show(deps: &Deps, request: &Request, tenant: Tenant, id: &str) -> Answer {
    let query = request.query_string_parameters();
    let name = "timeline_after";
    let after = query.first(name).map(|text| cursor::entry(name, text)).transpose()?;
    let dispatch = dispatch_of(deps, tenant, id).await?;
    let (store, key) = (&deps.engine.store, &dispatch.key);
    let timeline = store.timeline(key, after, view::TIMELINE_LIMIT).await;
    let timeline = timeline.map_err(|error| stored(&error))?;
    let deliveries = match dispatch.brief.webhook {
        Some(_) => store.first_deliveries(key).await.map_err(|error| stored(&error))?,
        None => (Vec::new(), false),
    };
    let past = view::Past {
        timeline: &timeline,
        deliveries: &deliveries,
    };
    let body = view::whole(&dispatch, Some(past), deps.engine.clock.now());
    Ok(json_response(StatusCode::OK, &body))
}

async fn dispatch_of(deps: &Deps, tenant: Tenant, id: &str) -> Result<Dispatch, Problem> {
    let key = dispatch_key(tenant, id)?;
    let dispatch = deps.engine.store.load(&key).await.map_err(|error| stored(&error))?;
    dispatch.ok_or_else(Problem::not_found)
}

async fn change(deps: &Deps, tenant: Tenant, id: &str, event: &Event) -> Answer {
    let key = dispatch_key(tenant, id)?;
    let applied = deps
        .engine
        .apply(&key, event, None)
        .await
        .map_err(|error| changed(&error))?;
    let applied = applied.ok_or_else(Problem::not_found)?;
    if applied.verdict == Verdict::Refused {
        let state = applied.dispatch.state.name();
        return Err(Problem::conflict(match (event, state) {
            (Event::Cancel, "Accepted") => "the dispatch is Accepted: it is resolved, not cancelled".to_owned(),
            _ => format!("the dispatch is {state}; that cannot be changed any more"),
        }));
    }
    tracing::info!(dispatch = %key.id, ?event, state = applied.dispatch.state.name(), "changed by the requester");
    Ok(json_response(
        StatusCode::OK,
        &view::whole(&applied.dispatch, None, deps.engine.clock.now()),
    ))
}

fn dispatch_key(tenant: Tenant, id: &str) -> Result<DispatchKey, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    Ok(DispatchKey { tenant, id })
}

/// The table failed: said once in the log, and to the requester only that it may come again.
fn stored(error: &StoreError) -> Problem {
    tracing::error!(%error, "the table cannot be had");
    Problem::unavailable(1)
}

fn changed(error: &EngineError) -> Problem {
    tracing::error!(%error, "a dispatch could not be changed");
    Problem::unavailable(1)
}
