//! `POST /agent4/{ref}/{chain}`: answers a request of Agent4.
//!
//! A valid reference always gets 200 and something to say, whatever fails behind it: what Agent4 does with any other
//! status is not documented, and a caller is waiting.

use std::time::Duration;

use lambda_http::Request as HttpRequest;
use lambda_http::http::StatusCode;
use patchbay::chain::run::{self, ChainAnswer, RequestContext, Step};
use patchbay::fetch::UsedSecrets;
use patchbay::flow::FetchResults;
use patchbay::ids::{DocumentName, Tenant};
use patchbay::providers::agent4::{BadRequest, Request};
use patchbay::store::{DocumentKey, DocumentKind};
use patchbay::web::body::{MAX_ENVELOPE, bytes_up_to, json_response, unreadable};
use patchbay::web::problem::Problem;
use tokio::time::Instant;

use crate::remember::remember;
use crate::{Answer, Deps, calls};

/// Time limit of an answer. Agent4 documents no time-out, but callers speak after 5 s of silence.
const TIME_LIMIT: Duration = Duration::from_secs(4);
/// The part of the time limit that is reserved for the answer after the last request to a back end.
const MARGIN: Duration = Duration::from_millis(150);

pub(crate) async fn answer(deps: &Deps, http: &HttpRequest, reference: &str, chain: &str) -> Answer {
    let name: DocumentName = chain.parse().map_err(|_| Problem::bad_reference())?;
    let tenant = deps
        .callbacks
        .check_chain(reference, &name)
        .map_err(|_| Problem::bad_reference())?;
    let body = bytes_up_to(http, MAX_ENVELOPE)?;
    let mut request = Request::parse(body).map_err(|error| match error {
        BadRequest::Unreadable(reason) => unreadable(reason),
        BadRequest::NotAnObject => Problem::invalid_field("(body)", error.to_string()),
        BadRequest::Name => Problem::invalid_field("name", error.to_string()),
    })?;
    let deadline = Instant::now() + TIME_LIMIT;
    let current = calls::current(deps, &tenant, &name, &mut request, body).await;
    let code = code(deps, &tenant, &name, &current.key, &request);
    let context = RequestContext {
        request: &request,
        key: &current.key,
        code: &code,
        state_kept: current.state_kept,
    };
    let mut used = UsedSecrets::default();
    let document = DocumentKey {
        tenant: tenant.clone(),
        kind: DocumentKind::Chain,
        name: name.clone(),
    };
    let outcome = tokio::time::timeout_at(
        deadline,
        run_chain(deps, &document, &context, deadline - MARGIN, &mut used),
    )
    .await;
    let fallback = |reason: &str| run::fallback(deps.cache.peek(&document).as_deref(), &context, reason);
    let mut chain_answer = outcome.unwrap_or_else(|_| fallback("the time limit is exceeded"));
    // A back end may echo what it receives.
    if used.would_leak_in(&(&chain_answer.answer, &chain_answer.remembered)) {
        chain_answer = fallback("the answer would disclose a secret");
    }
    tokio::join!(
        calls::save(deps, &tenant, &name, &request, &current, &chain_answer),
        save_memory(deps, &tenant, &name, &request, &chain_answer, deadline),
    );
    log_answer(&tenant, &name, &request, &chain_answer);
    Ok(json_response(StatusCode::OK, &chain_answer.answer))
}

async fn run_chain(
    deps: &Deps,
    document: &DocumentKey,
    context: &RequestContext<'_>,
    deadline: Instant,
    used: &mut UsedSecrets,
) -> ChainAnswer {
    let chain = match deps.cache.get(&deps.store, document).await {
        Ok(chain) => chain,
        Err(error) => return run::fallback(None, context, &error.to_string()),
    };
    let mut results = FetchResults::new();

    loop {
        match run::advance(&chain, context, &results) {
            Step::Answer(answer) => break *answer,
            Step::Fetch(request) => {
                let result = deps.fetcher.fetch(&document.tenant, &request, deadline, used).await;
                results.insert(request.path, result);
            }
        }
    }
}

/// Writes the note of the answer to the context of the caller. A failure does not change the answer.
async fn save_memory(
    deps: &Deps,
    tenant: &Tenant,
    name: &DocumentName,
    request: &Request,
    chain_answer: &ChainAnswer,
    deadline: Instant,
) {
    let (Some(remembered), Some(caller)) = (&chain_answer.remembered, &request.caller) else {
        return;
    };
    let writing = remember(deps, tenant, caller, &chain_answer.answer.key, remembered);
    let reason = match tokio::time::timeout_at(deadline, writing).await {
        Ok(Ok(())) => return,
        Ok(Err(reason)) => reason,
        Err(_) => "the time limit is exceeded".to_owned(),
    };
    let call = &chain_answer.answer.key;
    tracing::warn!(%tenant, chain = %name, call, reason, "cannot write the note to the caller's context");
}

fn log_answer(tenant: &Tenant, name: &DocumentName, request: &Request, chain_answer: &ChainAnswer) {
    let (call, event) = (&chain_answer.answer.key, request.event.name());
    match &chain_answer.error {
        None => {
            let answered_by = &chain_answer.answered_by;
            tracing::info!(%tenant, chain = %name, call, event, answered_by, "answered");
        }
        Some(error) => {
            tracing::error!(%tenant, chain = %name, call, event, %error, "answered with the fallback");
        }
    }
}

/// Six digits that belong to the call and its caller.
fn code(deps: &Deps, tenant: &Tenant, name: &DocumentName, key: &str, request: &Request) -> String {
    let caller = request.caller.as_ref().map_or("", |number| number.as_str());
    let bits = deps
        .callbacks
        .derive("agent4 code", &format!("{tenant}\n{name}\n{key}\n{caller}"));
    let number = bits
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    format!("{:06}", number % 1_000_000)
}
