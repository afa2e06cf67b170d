//! Stores what a voice agent knows about a caller: `POST /voice/api/v1/{platform}/set-context`. Deletes it for the
//! operator of the agents: `DELETE /v1/contexts/{caller}`.

mod load;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, RequestExt as _, Response};
use patchbay::access::Scope;
use patchbay::api::agent_tenant;
use patchbay::clock::Clock;
use patchbay::context::{ContextKey, NewContext, PurchaseChange, SetOptions, caller};
use patchbay::ids::{Nonce, Tenant};
use patchbay::phone::{CallingCode, PhoneNumber};
use patchbay::providers::protegee::verify::PlatformVerifier;
use patchbay::providers::protegee::{Platform, answer, read_set};
use patchbay::secret::Randomness;
use patchbay::store::Store;
use patchbay::tokens::Tokens;
use patchbay::web::body;
use patchbay::web::problem::Problem;

/// Dependencies of the function.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Verifies API tokens.
    pub tokens: Tokens,
    /// Stores caller contexts.
    pub store: Store,
    /// Current time.
    pub clock: Clock,
    /// Source of the nonces that identify the generations of a context.
    pub random: Randomness,
    /// Country of phone numbers without a `+`; none refuses them.
    pub home: Option<CallingCode>,
    /// Verifies that a request comes from its platform, in addition to the token.
    pub verifier: PlatformVerifier,
}

/// Handles every request that changes a context.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    let path = body::path_segments(&request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [.., "v1", "contexts", number] => forget(deps, &request, number)
            .await
            .unwrap_or_else(Problem::into_response),
        [.., "voice", "api", "v1", platform, "set-context"] => set(deps, &request, platform)
            .await
            .unwrap_or_else(|problem| answer::error_response(&problem)),
        _ => Problem::not_found().into_response(),
    }
}

async fn set(deps: &Deps, request: &Request, platform: &str) -> Result<Response<Body>, Problem> {
    let platform = Platform::from_name(platform).ok_or_else(Problem::not_found)?;
    if request.method() != Method::POST {
        return Err(Problem::method_not_allowed("POST"));
    }
    deps.verifier.verify(platform, request, deps.clock.now())?;
    let tenant = agent_tenant(&deps.tokens, request, Scope::ContextWrite).await?;
    let options = SetOptions {
        replace: flag(request, "replace")?,
        another: flag(request, "new")?,
    };
    let body = body::envelope(request, platform.envelope_fields())?;
    let operations = read_set(platform, &body).map_err(|errors| rejected(platform, Problem::invalid_fields(errors)))?;
    let mut results = Vec::with_capacity(operations.len());
    for operation in operations {
        let tool_call = operation.tool_call.clone();
        let result = match operation.validate(|draft| draft.check(deps.home.as_ref(), options)) {
            Ok(new) => (store(deps, platform, &tenant, &new).await).map(|purchase| (new.caller, purchase)),
            Err(errors) => Err(rejected(platform, Problem::invalid_fields(errors))),
        };
        results.push((tool_call, result));
    }
    Ok(answer::set_response(&results))
}

async fn store(deps: &Deps, platform: Platform, tenant: &Tenant, new: &NewContext) -> Result<PurchaseChange, Problem> {
    let generation = Nonce::random(&deps.random).map_err(|error| {
        tracing::error!(%error, "cannot get random bytes from the operating system");
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
    let tenant = agent_tenant(&deps.tokens, request, Scope::ContextWrite).await?;
    // Parsed leniently: the stored number may be one that only its platform accepts as a number.
    let caller: PhoneNumber = caller::trusted(number, deps.home.as_ref())
        .map_err(|error| Problem::invalid_field("caller", error.to_string()))?;
    let key = ContextKey { tenant, caller };
    deps.store.delete_context(&key, deps.clock.now()).await?;
    tracing::info!(tenant = %key.tenant, caller = %key.caller, "context deleted");
    // The same response whether or not there was a context: its existence, too, is personal data.
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Whether the query has `name=true`. A query with both `true` and `false` is invalid.
fn flag(request: &Request, name: &str) -> Result<bool, Problem> {
    let query = request.query_string_parameters();
    let mut values = query.all(name).unwrap_or_default();
    values.sort_unstable();
    values.dedup();
    match values.as_slice() {
        [] | ["false"] => Ok(false),
        ["true"] => Ok(true),
        _ => Err(Problem::invalid_field(name, "must be true or false")),
    }
}

/// Logs which fields of an agent's request are invalid, never their content. Platforms do not show the error to anyone.
fn rejected(platform: Platform, problem: Problem) -> Problem {
    tracing::info!(
        platform = platform.name(),
        problem = problem.detail,
        "request rejected: invalid fields"
    );
    problem
}
