//! Answers what is known about a caller: `POST /voice/api/v1/{platform}/get-context`. Shows the operator of the agents
//! everything that is stored, with earlier versions: `GET /v1/contexts/{caller}`.

mod load;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use patchbay::access::Scope;
use patchbay::api::agent_tenant;
use patchbay::clock::Clock;
use patchbay::context::caller::{self, CallerNumberError};
use patchbay::context::{CallId, Context, ContextKey};
use patchbay::field::FieldError;
use patchbay::ids::Tenant;
use patchbay::phone::{CallingCode, PhoneNumber};
use patchbay::providers::protegee::verify::PlatformVerifier;
use patchbay::providers::protegee::{ContextQuery, Operation, Platform, answer, read_get};
use patchbay::store::Store;
use patchbay::tokens::Tokens;
use patchbay::web::body::{self, json_response};
use patchbay::web::problem::Problem;
use serde_json::Value;

/// Dependencies of the function.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Verifies API tokens.
    pub tokens: Tokens,
    /// Stores caller contexts.
    pub store: Store,
    /// Current time.
    pub clock: Clock,
    /// Country of phone numbers without a `+`; none refuses them.
    pub home: Option<CallingCode>,
    /// Verifies that a request comes from its platform, in addition to the token.
    pub verifier: PlatformVerifier,
}

/// Handles every request that reads a context.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    let path = body::path_segments(&request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [.., "v1", "contexts", number] => show(deps, &request, number)
            .await
            .unwrap_or_else(Problem::into_response),
        [.., "voice", "api", "v1", platform, "get-context"] => get(deps, &request, platform)
            .await
            .unwrap_or_else(|problem| answer::error_response(&problem)),
        _ => Problem::not_found().into_response(),
    }
}

async fn get(deps: &Deps, request: &Request, platform: &str) -> Result<Response<Body>, Problem> {
    let platform = Platform::from_name(platform).ok_or_else(Problem::not_found)?;
    if request.method() != Method::POST {
        return Err(Problem::method_not_allowed("POST"));
    }
    deps.verifier.verify(platform, request, deps.clock.now())?;
    let tenant = agent_tenant(&deps.tokens, request, Scope::ContextRead).await?;
    let body = body::envelope(request, platform.envelope_fields())?;
    let operations = read_get(platform, &body).map_err(|errors| rejected(platform, Problem::invalid_fields(errors)))?;
    let mut results = Vec::with_capacity(operations.len());
    for operation in operations {
        let result = answer_query(deps, platform, &tenant, &operation).await;
        results.push((operation.tool_call, result));
    }
    Ok(answer::get_response(platform, &results))
}

async fn answer_query(
    deps: &Deps,
    platform: Platform,
    tenant: &Tenant,
    operation: &Operation<ContextQuery>,
) -> Result<Value, Problem> {
    let invalid = |errors| rejected(platform, Problem::invalid_fields(operation.with_paths(errors)));
    let query = operation.payload.as_ref().map_err(|errors| invalid(errors.clone()))?;
    let call = query.call_id.as_deref().filter(|id| !id.is_empty()).map(CallId::new);
    let caller = caller_of(deps, query, call.is_some()).map_err(|error| invalid(vec![error]))?;
    let found = match (&caller, call) {
        (Some(caller), _) => load(deps, tenant, caller).await?,
        (None, Some(call)) => deps.store.context_of_call(tenant, call, deps.clock.now()).await?,
        (None, None) => None,
    };
    let known = caller.as_ref().or(found.as_ref().map(|context| &context.caller));
    let (masked, known_context) = (known.map(PhoneNumber::to_string), found.is_some());
    tracing::info!(%tenant, platform = platform.name(), caller = masked, known_context, "context read");
    Ok(match &found {
        Some(context) => answer::context_json(platform, &context.caller, context.version_for_call(call)),
        None => answer::unknown_caller_json(platform, caller.as_ref().map_or("", PhoneNumber::as_str)),
    })
}

/// The parser for the caller's number: the lenient one if the platform vouches for the number.
fn parser(query: &ContextQuery) -> fn(&str, Option<&CallingCode>) -> Result<PhoneNumber, CallerNumberError> {
    if query.trusted { caller::trusted } else { caller::parse }
}

/// The caller's number. None is allowed if the request names the call.
fn caller_of(deps: &Deps, query: &ContextQuery, has_call: bool) -> Result<Option<PhoneNumber>, FieldError> {
    let invalid = |detail: String| FieldError::new("caller", detail);
    match query.caller.as_deref().filter(|text| !text.trim().is_empty()) {
        None if has_call => Ok(None),
        None => Err(invalid("is missing or empty".into())),
        Some(text) => match parser(query)(text, deps.home.as_ref()) {
            Ok(number) => Ok(Some(number)),
            // A caller who withholds their number is still found by the call.
            Err(CallerNumberError::Withheld | CallerNumberError::App | CallerNumberError::Sip) if has_call => Ok(None),
            Err(error) => Err(invalid(error.to_string())),
        },
    }
}

async fn load(deps: &Deps, tenant: &Tenant, caller: &PhoneNumber) -> Result<Option<Context>, Problem> {
    let key = ContextKey {
        tenant: tenant.clone(),
        caller: caller.clone(),
    };
    deps.store.context(&key, deps.clock.now()).await.map_err(Problem::from)
}

async fn show(deps: &Deps, request: &Request, number: &str) -> Result<Response<Body>, Problem> {
    if request.method() != Method::GET {
        return Err(Problem::method_not_allowed("GET, DELETE"));
    }
    let tenant = agent_tenant(&deps.tokens, request, Scope::ContextRead).await?;
    // Parsed leniently: the stored number may be one that only its platform accepts as a number.
    let caller = caller::trusted(number, deps.home.as_ref())
        .map_err(|error| Problem::invalid_field("caller", error.to_string()))?;
    let context = load(deps, &tenant, &caller).await?.ok_or_else(Problem::not_found)?;
    Ok(json_response(StatusCode::OK, &answer::history_json(&context)))
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
