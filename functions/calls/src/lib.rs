//! Serves the API for interactions, compatible with Elemente's, and for agents, skills, customers and opt-outs.
//!
//! - `create`, `list`, `change`: `/api/v1/calls`, as Elemente documents it; [`mod@feedback`]: its answers.
//! - `interactions`: `/v1/interactions`, our own view of an interaction, and its webhooks. [`view`]: its JSON.
//! - `documents`: `/v1/agents` and `/v1/skills`.
//! - `customers`: finding the customer of a request, and `/v1/customers`, where one is forgotten.
//! - [`recordings`]: `/recordings`, where people listen to calls.
//! - `opt_outs`: `/v1/opt-outs`, who must not be contacted.

mod change;
mod create;
mod customers;
mod documents;
pub mod feedback;
mod interactions;
mod list;
mod load;
mod opt_outs;
pub mod recordings;
pub mod view;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use patchbay::access::Scope;
use patchbay::api;
use patchbay::ids::{InteractionKey, Tenant};
use patchbay::interaction::Interaction;
use patchbay::ledger::Interactions;
use patchbay::providers::elemente::{BadRequest, Feedback};
use patchbay::web::auth::accept_basic;
use patchbay::web::body::{self, json_response};
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::problem::Problem;
use patchbay::web::target::Targets;

use crate::feedback::feedback;
use crate::recordings::Recordings;

/// Dependencies of the function.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Loads and changes interactions, and sends to the `interactions` queue.
    pub interactions: Interactions,
    /// The URLs of recordings.
    pub callbacks: CallbackUrls,
    /// Which webhook URLs are allowed.
    pub targets: Targets,
}

/// The first segments of all paths.
const ROOTS: [&str; 3] = ["api", "v1", "recordings"];

type Answer = Result<Response<Body>, Problem>;

/// Handles every request under `/api/v1/calls`, `/v1/interactions`, `/v1/customers`, `/v1/agents`, `/v1/skills` and
/// `/v1/opt-outs`; all of them accept HTTP Basic besides Bearer. `/recordings` needs no token.
pub async fn handle(deps: &Deps, mut request: Request) -> Response<Body> {
    accept_basic(request.headers_mut());
    let deps = &Deps {
        callbacks: deps.callbacks.with_fallback_base(&request, &ROOTS),
        ..deps.clone()
    };
    route(deps, &request)
        .await
        .unwrap_or_else(Problem::into_response_with_basic)
}

async fn route(deps: &Deps, request: &Request) -> Answer {
    let path = body::path_segments(request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let method = request.method();
    match path.as_slice() {
        [.., "api", "v1", "calls"] => match *method {
            Method::POST => create::create(deps, request).await,
            Method::GET => list::list(deps, request).await,
            _ => Err(Problem::method_not_allowed("GET, POST")),
        },
        [.., "api", "v1", "calls", id] => match *method {
            Method::GET => show(deps, request, id).await,
            Method::PUT => change::change(deps, request, id).await,
            _ => Err(Problem::method_not_allowed("GET, PUT")),
        },
        [.., "v1", "interactions", "preview"] => match *method {
            Method::POST => create::preview(deps, request).await,
            _ => Err(Problem::method_not_allowed("POST")),
        },
        [.., "v1", "interactions", id] => match *method {
            Method::GET => interactions::show(deps, request, id).await,
            _ => Err(Problem::method_not_allowed("GET")),
        },
        [.., "v1", "interactions", id, "webhooks"] => match *method {
            Method::GET => interactions::list_webhooks(deps, request, id).await,
            _ => Err(Problem::method_not_allowed("GET")),
        },
        [.., "v1", "interactions", id, "webhooks", webhook, "resend"] => match *method {
            Method::POST => interactions::resend_webhook(deps, request, id, webhook).await,
            _ => Err(Problem::method_not_allowed("POST")),
        },
        [.., "v1", "customers", id] => match *method {
            Method::DELETE => customers::forget(deps, request, id).await,
            _ => Err(Problem::method_not_allowed("DELETE")),
        },
        [.., "recordings", reference] => recordings::redirect(deps, request, reference).await,
        [.., "v1", "agents"] => documents::agents(deps).collection(request).await,
        [.., "v1", "agents", agent] => documents::agents(deps).one(request, agent).await,
        [.., "v1", "skills"] => documents::skills(deps).collection(request).await,
        [.., "v1", "skills", skill] => documents::skills(deps).one(request, skill).await,
        [.., "v1", "opt-outs", address] => opt_outs::one(deps, request, address).await,
        _ => Err(Problem::not_found()),
    }
}

/// `GET /api/v1/calls/{id}`.
async fn show(deps: &Deps, request: &Request, id: &str) -> Answer {
    let tenant = deps.tenant(request, Scope::CallsRead).await?;
    let interaction = deps.interaction(tenant, id).await?;
    Ok(json_response(StatusCode::OK, &deps.feedback(&interaction)))
}

impl Deps {
    /// Makes the URLs of recordings.
    fn recordings(&self) -> Recordings<'_> {
        Recordings {
            callbacks: &self.callbacks,
            now: self.interactions.clock.now(),
        }
    }

    /// The answer about an interaction.
    fn feedback(&self, interaction: &Interaction) -> Feedback {
        feedback(interaction, &self.recordings())
    }

    /// Authenticates the request: the tenant of its token, if the token has the scope `needed`.
    async fn tenant(&self, request: &Request, needed: Scope) -> Result<Tenant, Problem> {
        let Interactions { store, clock, .. } = &self.interactions;
        api::tenant(store, request.headers(), needed, clock.now()).await
    }

    /// The interaction with this id.
    async fn interaction(&self, tenant: Tenant, id: &str) -> Result<Interaction, Problem> {
        let id = id.parse().map_err(|_| Problem::not_found())?;
        let interaction = self.interactions.load(&InteractionKey { tenant, id }).await?;
        interaction.ok_or_else(Problem::not_found)
    }
}

/// The problem for a body that is no request.
fn bad_request(error: BadRequest) -> Problem {
    match error {
        BadRequest::Unreadable(error) => body::unreadable(error),
        BadRequest::Fields(errors) => Problem::invalid_fields(errors),
    }
}
