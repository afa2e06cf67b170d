//! A voice agent says what it knows of a caller: `POST /voice/api/v1/{platform}/set-context`. Whoever runs the agents
//! forgets a caller: `DELETE /v1/contexts/{caller}`.

mod load;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, RequestExt as _, Response};
use patchbay::access::Scope;
use patchbay::api::tenant_of_agent;
use patchbay::clock::Clock;
use patchbay::context::{ContextKey, How, NewContext, PurchaseSet, caller};
use patchbay::ids::{Nonce, Tenant};
use patchbay::phone::{CallingCode, PhoneNumber};
use patchbay::providers::protegee::proof::Proofs;
use patchbay::providers::protegee::{Platform, answer, read_set};
use patchbay::secret::Randomness;
use patchbay::store::Store;
use patchbay::tokens::Tokens;
use patchbay::web::body;
use patchbay::web::problem::Problem;

/// What the function works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Who may do it.
    pub tokens: Tokens,
    /// Contexts.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Where the names of sets come from.
    pub random: Randomness,
    /// The country of numbers without a `+`.
    pub home: Option<CallingCode>,
    /// What proves, beside the token, that a platform asks.
    pub proofs: Proofs,
}

/// Everything that changes contexts.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    let path = body::path_segments(&request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [.., "v1", "contexts", number] => forget(deps, &request, number)
            .await
            .unwrap_or_else(Problem::into_response),
        [.., "voice", "api", "v1", platform, "set-context"] => set(deps, &request, platform)
            .await
            .unwrap_or_else(|problem| answer::refusal(&problem)),
        _ => Problem::not_found().into_response(),
    }
}

async fn set(deps: &Deps, request: &Request, platform: &str) -> Result<Response<Body>, Problem> {
    let platform = Platform::named(platform).ok_or_else(Problem::not_found)?;
    if request.method() != Method::POST {
        return Err(Problem::method_not_allowed("POST"));
    }
    deps.proofs.check(platform, request, deps.clock.now())?;
    let tenant = tenant_of_agent(&deps.tokens, request, Scope::ContextWrite).await?;
    let how = How {
        replace: flag(request, "replace")?,
        another: flag(request, "new")?,
    };
    let body = body::envelope(request, platform.keeps())?;
    let asks = read_set(platform, &body).map_err(|errors| refused(platform, Problem::invalid_fields(errors)))?;
    let mut done = Vec::with_capacity(asks.len());
    for ask in asks {
        let tool_call = ask.tool_call.clone();
        let result = match ask.checked(|draft| draft.check(deps.home.as_ref(), how)) {
            Ok(new) => (store(deps, platform, &tenant, &new).await).map(|purchase| (new.caller, purchase)),
            Err(errors) => Err(refused(platform, Problem::invalid_fields(errors))),
        };
        done.push((tool_call, result));
    }
    Ok(answer::to_set(&done))
}

async fn store(deps: &Deps, platform: Platform, tenant: &Tenant, new: &NewContext) -> Result<PurchaseSet, Problem> {
    let generation = Nonce::random(&deps.random).map_err(|error| {
        tracing::error!(%error, "there is no randomness");
        Problem::unavailable(1)
    })?;
    let purchase = deps
        .store
        .set_context(tenant, new, generation, deps.clock.now())
        .await?;
    let (platform, caller) = (platform.name(), &new.caller);
    tracing::info!(%tenant, platform, %caller, %generation, purchase = purchase.name(), "context set");
    Ok(purchase)
}

async fn forget(deps: &Deps, request: &Request, number: &str) -> Result<Response<Body>, Problem> {
    if request.method() != Method::DELETE {
        return Err(Problem::method_not_allowed("GET, DELETE"));
    }
    let tenant = tenant_of_agent(&deps.tokens, request, Scope::ContextWrite).await?;
    // As it is kept, whoever vouched for it then.
    let caller: PhoneNumber = caller::vouched(number, deps.home.as_ref())
        .map_err(|error| Problem::invalid_field("caller", error.to_string()))?;
    let of = ContextKey { tenant, caller };
    deps.store.delete_context(&of, deps.clock.now()).await?;
    tracing::info!(tenant = %of.tenant, caller = %of.caller, "context forgotten");
    // The same whether or not there was one: that, too, is something about a person.
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Whether the query says `name=true`. One that says both says nothing.
fn flag(request: &Request, name: &str) -> Result<bool, Problem> {
    let query = request.query_string_parameters();
    let mut said = query.all(name).unwrap_or_default();
    said.sort_unstable();
    said.dedup();
    match said.as_slice() {
        [] | ["false"] => Ok(false),
        ["true"] => Ok(true),
        _ => Err(Problem::invalid_field(name, "expected true or false")),
    }
}

/// Notes which fields of an agent's request are wrong, never what is in them: platforms show it to nobody.
fn refused(platform: Platform, problem: Problem) -> Problem {
    tracing::info!(
        platform = platform.name(),
        problem = problem.detail,
        "a request was refused"
    );
    problem
}
