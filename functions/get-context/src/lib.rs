//! A voice agent asks what is known of a caller: `POST /voice/api/v1/{platform}/get-context`. Whoever runs the agents
//! sees everything that is kept, with the versions before: `GET /v1/contexts/{caller}`.

mod load;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use patchbay::access::Scope;
use patchbay::api::tenant_of_agent;
use patchbay::clock::Clock;
use patchbay::context::caller::{self, NoNumber};
use patchbay::context::{CallId, Context, ContextKey};
use patchbay::field::FieldError;
use patchbay::ids::Tenant;
use patchbay::phone::{CallingCode, PhoneNumber};
use patchbay::providers::protegee::proof::Proofs;
use patchbay::providers::protegee::{Ask, Platform, Query, answer, read_get};
use patchbay::store::Store;
use patchbay::tokens::Tokens;
use patchbay::web::body::{self, json_response};
use patchbay::web::problem::Problem;
use serde_json::Value;

/// What the function works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Who may do it.
    pub tokens: Tokens,
    /// Contexts.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The country of numbers without a `+`.
    pub home: Option<CallingCode>,
    /// What proves, beside the token, that a platform asks.
    pub proofs: Proofs,
}

/// Everything that reads contexts.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    let path = body::path_segments(&request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [.., "v1", "contexts", number] => show(deps, &request, number)
            .await
            .unwrap_or_else(Problem::into_response),
        [.., "voice", "api", "v1", platform, "get-context"] => get(deps, &request, platform)
            .await
            .unwrap_or_else(|problem| answer::refusal(&problem)),
        _ => Problem::not_found().into_response(),
    }
}

async fn get(deps: &Deps, request: &Request, platform: &str) -> Result<Response<Body>, Problem> {
    let platform = Platform::named(platform).ok_or_else(Problem::not_found)?;
    if request.method() != Method::POST {
        return Err(Problem::method_not_allowed("POST"));
    }
    deps.proofs.check(platform, request, deps.clock.now())?;
    let tenant = tenant_of_agent(&deps.tokens, request, Scope::ContextRead).await?;
    let body = body::envelope(request, platform.keeps())?;
    let asks = read_get(platform, &body).map_err(|errors| refused(platform, Problem::invalid_fields(errors)))?;
    let mut done = Vec::with_capacity(asks.len());
    for ask in asks {
        let result = answered(deps, platform, &tenant, &ask).await;
        done.push((ask.tool_call, result));
    }
    Ok(answer::to_get(platform, &done))
}

async fn answered(deps: &Deps, platform: Platform, tenant: &Tenant, ask: &Ask<Query>) -> Result<Value, Problem> {
    let wrong = |errors| refused(platform, Problem::invalid_fields(ask.located(errors)));
    let query = ask.what.as_ref().map_err(|errors| wrong(errors.clone()))?;
    let call = query.call_id.as_deref().filter(|id| !id.is_empty()).map(CallId::new);
    let caller = caller_of(deps, query, call.is_some()).map_err(|error| wrong(vec![error]))?;
    let found = match (&caller, call) {
        (Some(caller), _) => load(deps, tenant, caller).await?,
        (None, Some(call)) => deps.store.context_of_call(tenant, call, deps.clock.now()).await?,
        (None, None) => None,
    };
    let known = caller.as_ref().or(found.as_ref().map(|context| &context.caller));
    let (masked, known_context) = (known.map(PhoneNumber::to_string), found.is_some());
    tracing::info!(%tenant, platform = platform.name(), caller = masked, known_context, "context read");
    Ok(match &found {
        Some(context) => answer::shown(platform, &context.caller, context.seen_from(call)),
        None => answer::unknown(platform, caller.as_ref().map_or("", PhoneNumber::as_str)),
    })
}

/// How the caller's number is read.
fn read(query: &Query) -> fn(&str, Option<&CallingCode>) -> Result<PhoneNumber, NoNumber> {
    if query.vouched { caller::vouched } else { caller::number }
}

/// The caller, who need not be known when the call is.
fn caller_of(deps: &Deps, query: &Query, has_call: bool) -> Result<Option<PhoneNumber>, FieldError> {
    let wrong = |detail: String| FieldError::new("caller", detail);
    match query.caller.as_deref().filter(|text| !text.trim().is_empty()) {
        None if has_call => Ok(None),
        None => Err(wrong("is missing or empty".into())),
        Some(text) => match read(query)(text, deps.home.as_ref()) {
            Ok(number) => Ok(Some(number)),
            // Whoever withholds his number still has a call.
            Err(NoNumber::Withheld | NoNumber::App | NoNumber::Sip) if has_call => Ok(None),
            Err(error) => Err(wrong(error.to_string())),
        },
    }
}

async fn load(deps: &Deps, tenant: &Tenant, caller: &PhoneNumber) -> Result<Option<Context>, Problem> {
    let of = ContextKey {
        tenant: tenant.clone(),
        caller: caller.clone(),
    };
    deps.store.context(&of, deps.clock.now()).await.map_err(Problem::from)
}

async fn show(deps: &Deps, request: &Request, number: &str) -> Result<Response<Body>, Problem> {
    if request.method() != Method::GET {
        return Err(Problem::method_not_allowed("GET, DELETE"));
    }
    let tenant = tenant_of_agent(&deps.tokens, request, Scope::ContextRead).await?;
    // As it is kept, whoever vouched for it then.
    let caller = caller::vouched(number, deps.home.as_ref())
        .map_err(|error| Problem::invalid_field("caller", error.to_string()))?;
    let context = load(deps, &tenant, &caller).await?.ok_or_else(Problem::not_found)?;
    Ok(json_response(StatusCode::OK, &answer::whole(&context)))
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
