//! API for dispatches: create, read, list, cancel, resolve, preview; and their webhooks.

mod create;
mod list;
mod load;
pub mod view;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, RequestExt, Response};
use patchbay::access::Scope;
use patchbay::api::paging::timeline_cursor;
use patchbay::api::{self, dispatches::Abilities, webhooks};
use patchbay::dispatch::{Dispatch, Event, EventOutcome};
use patchbay::engine::Engine;
use patchbay::ids::{DispatchKey, Tenant};
use patchbay::web::body::{self, json_response};
use patchbay::web::problem::Problem;

/// Dependencies of the function.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Loads and changes dispatches.
    pub engine: Engine,
    /// What this stack can do for a dispatch.
    pub abilities: Abilities,
}

/// Handles every request under `/v1/dispatches`.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    match route(deps, &request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

type ApiResult = Result<Response<Body>, Problem>;

async fn route(deps: &Deps, request: &Request) -> ApiResult {
    let path = body::path_segments(request);
    let path: Vec<&str> = path
        .iter()
        .map(String::as_str)
        .skip_while(|segment| *segment != "dispatches")
        .collect();
    match (request.method(), path.as_slice()) {
        (&Method::POST, ["dispatches"]) => {
            create::create(deps, request, deps.tenant(request, Scope::DispatchesWrite).await?).await
        }
        (&Method::GET, ["dispatches"]) => {
            list::list(deps, request, &deps.tenant(request, Scope::DispatchesRead).await?).await
        }
        (&Method::POST, ["dispatches", "preview"]) => {
            create::preview(deps, request, deps.tenant(request, Scope::DispatchesRead).await?)
        }
        (&Method::GET, ["dispatches", id]) => {
            let tenant = deps.tenant(request, Scope::DispatchesRead).await?;
            show(deps, request, tenant, id).await
        }
        (&Method::POST, ["dispatches", id, verb @ ("cancel" | "resolve")]) => {
            let tenant = deps.tenant(request, Scope::DispatchesWrite).await?;
            let event = if *verb == "cancel" {
                Event::Cancel
            } else {
                Event::Resolve
            };
            change(deps, tenant, id, &event).await
        }
        (&Method::GET, ["dispatches", id, "webhooks"]) => {
            let tenant = deps.tenant(request, Scope::DispatchesRead).await?;
            let dispatch = dispatch_of(deps, tenant, id).await?;
            webhooks::list(&deps.engine.store, &dispatch, request).await
        }
        (&Method::POST, ["dispatches", id, "webhooks", webhook, "resend"]) => {
            let tenant = deps.tenant(request, Scope::DispatchesWrite).await?;
            let dispatch = dispatch_of(deps, tenant, id).await?;
            let queues = (&deps.engine.store, &deps.engine.notifications);
            webhooks::resend(queues, &dispatch, webhook, deps.engine.clock.now()).await
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

impl Deps {
    /// Authenticates the request: the tenant of its token, if the token has the scope `needed`.
    async fn tenant(&self, request: &Request, needed: Scope) -> Result<Tenant, Problem> {
        let Engine { store, clock, .. } = &self.engine;
        api::tenant(store, request.headers(), needed, clock.now()).await
    }
}

async fn show(deps: &Deps, request: &Request, tenant: Tenant, id: &str) -> ApiResult {
    let query = request.query_string_parameters();
    let name = "timeline_cursor";
    let after = query.first(name).map(|text| timeline_cursor(name, text)).transpose()?;
    let dispatch = dispatch_of(deps, tenant, id).await?;
    let (store, key) = (&deps.engine.store, &dispatch.key);
    let timeline = store.timeline(key, after, view::TIMELINE_LIMIT).await;
    let timeline = timeline?;
    let deliveries = match dispatch.spec.webhook {
        Some(_) => store.first_deliveries(&key.clone().into()).await?,
        None => (Vec::new(), false),
    };
    let history = view::History {
        timeline: &timeline,
        deliveries: &deliveries,
    };
    let body = view::dispatch_view(&dispatch, Some(history), deps.engine.clock.now());
    Ok(json_response(StatusCode::OK, &body))
}

async fn dispatch_of(deps: &Deps, tenant: Tenant, id: &str) -> Result<Dispatch, Problem> {
    let key = dispatch_key(tenant, id)?;
    let dispatch = deps.engine.store.load(&key).await?;
    dispatch.ok_or_else(Problem::not_found)
}

async fn change(deps: &Deps, tenant: Tenant, id: &str, event: &Event) -> ApiResult {
    let key = dispatch_key(tenant, id)?;
    let applied = deps.engine.apply(&key, event, None).await?;
    let applied = applied.ok_or_else(Problem::not_found)?;
    if applied.outcome == EventOutcome::Refused {
        let state = applied.dispatch.state.name();
        return Err(Problem::conflict(match (event, state) {
            (Event::Cancel, "Accepted") => {
                "the dispatch is Accepted: resolve it, it can no longer be cancelled".to_owned()
            }
            _ => format!("the dispatch is {state}: this change is no longer possible"),
        }));
    }
    tracing::info!(dispatch = %key.id, ?event, state = applied.dispatch.state.name(), "dispatch changed by the requester");
    Ok(json_response(
        StatusCode::OK,
        &view::dispatch_view(&applied.dispatch, None, deps.engine.clock.now()),
    ))
}

fn dispatch_key(tenant: Tenant, id: &str) -> Result<DispatchKey, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    Ok(DispatchKey { tenant, id })
}
