//! `POST /agent4/{ref}/{chain}`.
//!
//! Whoever has the reference gets 200 and something to say, whatever happens behind it: what Agent4 does with anything
//! else is not known, and a caller is on the line.

use std::time::Duration;

use lambda_http::Request as HttpRequest;
use lambda_http::http::StatusCode;
use patchbay::chain::run::{self, Call, Done, Step};
use patchbay::fetch::Used;
use patchbay::flow::Findings;
use patchbay::ids::{ChainName, Tenant};
use patchbay::providers::agent4::{BadRequest, Request};
use patchbay::web::body::{MAX_ENVELOPE, bytes_up_to, json_response, unreadable};
use patchbay::web::problem::Problem;
use tokio::time::Instant;

use crate::remember::remember;
use crate::{Answer, Deps, calls};

/// Agent4 says nothing of how long it waits. People do: after 5 s of silence they speak.
const TIME_LIMIT: Duration = Duration::from_secs(4);
/// What look-ups leave of it for the answer itself.
const MARGIN: Duration = Duration::from_millis(150);

pub(crate) async fn answer(deps: &Deps, http: &HttpRequest, reference: &str, chain: &str) -> Answer {
    let name: ChainName = chain.parse().map_err(|_| Problem::bad_reference())?;
    let tenant = deps
        .callbacks
        .check_chain(reference, &name)
        .map_err(|_| Problem::bad_reference())?;
    let body = bytes_up_to(http, MAX_ENVELOPE)?;
    let mut request = Request::parse(body).map_err(|error| match error {
        BadRequest::Unreadable(why) => unreadable(why),
        BadRequest::NotAnObject => Problem::invalid_field("(body)", error.to_string()),
        BadRequest::Name => Problem::invalid_field("name", error.to_string()),
    })?;
    let deadline = Instant::now() + TIME_LIMIT;
    let current = calls::current(deps, &tenant, &name, &mut request, body).await;
    let code = code(deps, &tenant, &name, &current.key, &request);
    let call = Call {
        request: &request,
        key: &current.key,
        code: &code,
        state_kept: current.state_kept,
    };
    let mut used = Used::default();
    let worked = tokio::time::timeout_at(
        deadline,
        work(deps, &tenant, &name, &call, deadline - MARGIN, &mut used),
    )
    .await;
    let fallback = |why: &str| run::fallback(deps.cache.peek(&tenant, &name).as_deref(), &call, why);
    let mut done = worked.unwrap_or_else(|_| fallback("there was no time left"));
    // A back end may echo what it gets.
    if used.are_told_in(&(&done.answer, &done.remembered)) {
        done = fallback("the answer would hold a secret");
    }
    tokio::join!(
        calls::keep(deps, &tenant, &name, &request, &current, &done),
        keep(deps, &tenant, &name, &request, &done, deadline),
    );
    say(&tenant, &name, &request, &done);
    Ok(json_response(StatusCode::OK, &done.answer))
}

async fn work(
    deps: &Deps,
    tenant: &Tenant,
    name: &ChainName,
    call: &Call<'_>,
    deadline: Instant,
    used: &mut Used,
) -> Done {
    let chain = match deps.cache.get(&deps.store, tenant, name).await {
        Ok(chain) => chain,
        Err(why) => return run::fallback(None, call, &why.to_string()),
    };
    let mut found = Findings::new();

    loop {
        match run::advance(&chain, call, &found) {
            Step::Done(done) => break *done,
            Step::Fetch(lookup) => {
                let result = deps.fetcher.look_up(tenant, &lookup, deadline, used).await;
                found.insert(lookup.path, result);
            }
        }
    }
}

/// Remembers what the answer says is to be remembered. The caller hears the answer either way.
async fn keep(deps: &Deps, tenant: &Tenant, name: &ChainName, request: &Request, done: &Done, deadline: Instant) {
    let (Some(remembered), Some(caller)) = (&done.remembered, &request.caller) else {
        return;
    };
    let writing = remember(deps, tenant, caller, &done.answer.key, remembered);
    let why = match tokio::time::timeout_at(deadline, writing).await {
        Ok(Ok(())) => return,
        Ok(Err(why)) => why,
        Err(_) => "there was no time left".to_owned(),
    };
    tracing::warn!(%tenant, chain = %name, call = done.answer.key, why, "what was to be remembered is lost");
}

fn say(tenant: &Tenant, name: &ChainName, request: &Request, done: &Done) {
    let moment = request.moment.name();
    match &done.trouble {
        None => {
            tracing::info!(%tenant, chain = %name, call = done.answer.key, moment, answered_by = done.answered_by, "answered");
        }
        Some(trouble) => {
            tracing::error!(%tenant, chain = %name, call = done.answer.key, moment, %trouble, "answered with the fallback");
        }
    }
}

/// Six digits that belong to a call and its caller.
fn code(deps: &Deps, tenant: &Tenant, name: &ChainName, key: &str, request: &Request) -> String {
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
