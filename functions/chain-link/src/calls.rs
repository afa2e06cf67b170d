//! Which call a request belongs to.
//!
//! A request bears no id of its call. Ours travels in the state, with all that a chain counts there; whether Agent4 sends
//! the state back with every request, or with some or with none, is not known, and a limit of retries must hold either
//! way. So every answer's state is kept in the table as well, for each caller and chain, and a request without a state
//! gets it from there.
//!
//! - **The next call** is another one: when an answer left the chain in the one before, or the caller went, after a quarter
//!   of an hour, and when a chain begins without a state although a state came back before.
//! - **A request that is repeated** gets the state that it got before, and so the same answer.
//! - **Who hides their number** cannot be told from others who do. Without a state that comes back nothing is kept of them,
//!   not even an id, and whoever counts has to take that for the end ([`Call::state_kept`]).
//!
//! [`Call::state_kept`]: patchbay::chain::run::Call::state_kept

use std::time::Duration;

use patchbay::chain::run::Done;
use patchbay::chain::state::{self, OWN_STATE};
use patchbay::ids::{ChainName, Nonce, Tenant};
use patchbay::providers::agent4::{Moment, Request};
use patchbay::secret::sha256_hex;
use patchbay::store::KeptCall;
use serde_json::{Map, Value, json};

use crate::Deps;

/// What the table may take, each time: the caller hears the answer without it.
const LIMIT: Duration = Duration::from_millis(700);
/// Within this time the same request is the one before, sent again.
const REPEATED: Duration = Duration::from_secs(30);

/// The call of a request.
#[derive(Debug)]
pub(crate) struct CurrentCall {
    /// Our id of it.
    pub(crate) key: String,
    /// Whether the state is that of the call, and what the answer leaves in it will be there for the next request.
    pub(crate) state_kept: bool,
    /// The request, hashed.
    hash: String,
    /// The state of the call before it: ours, without what came with the request.
    before: Map<String, Value>,
    /// Whether Agent4 sent the state, now or before.
    echoed: bool,
}

/// Finds out which call `request` belongs to, and puts the state of that call into it.
pub(crate) async fn current(
    deps: &Deps,
    tenant: &Tenant,
    chain: &ChainName,
    request: &mut Request,
    body: &[u8],
) -> CurrentCall {
    let hash = sha256_hex(body);
    if let Some(key) = state::call(&request.state) {
        return CurrentCall {
            key: key.to_owned(),
            state_kept: true,
            hash,
            // It brings its state again when it is repeated.
            before: Map::new(),
            echoed: true,
        };
    }
    let kept = kept(deps, tenant, chain, request).await;
    let state_kept = kept.is_ok();
    let going_on = kept
        .ok()
        .flatten()
        .and_then(|kept| going_on(kept, request, &hash, deps));
    let echoed = going_on.as_ref().is_some_and(|kept| kept.echoed);
    let before = going_on.map_or_else(|| begun(&new_key(deps, &hash)), |kept| kept.after);
    // What Agent4 sent of it is newer, but for what stands where our id should.
    let mut sent = std::mem::replace(&mut request.state, before.clone());
    sent.remove(OWN_STATE);
    request.state.extend(sent);
    // Of a call that another version of ours kept there may be none.
    let key = state::call(&request.state).map_or_else(|| new_key(deps, &hash), str::to_owned);
    CurrentCall {
        key,
        state_kept,
        hash,
        before,
        echoed,
    }
}

/// The state of a call that begins.
fn begun(key: &str) -> Map<String, Value> {
    Map::from_iter([(OWN_STATE.to_owned(), json!({ "call": key }))])
}

/// What is kept of the caller's last call; an error when nothing can be kept.
async fn kept(deps: &Deps, tenant: &Tenant, chain: &ChainName, request: &Request) -> Result<Option<KeptCall>, ()> {
    let caller = request.caller.as_ref().ok_or(())?;
    let reading = Box::pin(deps.store.kept_call(tenant, chain, caller));
    let why = match tokio::time::timeout(LIMIT, reading).await {
        Ok(Ok(kept)) => return Ok(kept),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the table does not answer in time".to_owned(),
    };
    tracing::error!(%tenant, %chain, why, "the state of a call cannot be read");
    Err(())
}

/// What is kept of the call that `request` belongs to; none when it is the first of one.
fn going_on(kept: KeptCall, request: &Request, hash: &str, deps: &Deps) -> Option<KeptCall> {
    let now = deps.clock.now();
    if kept.request == hash && now.since(kept.at) < REPEATED {
        let after = kept.before.clone();
        return Some(KeptCall { after, ..kept });
    }
    let begins = request.moment == Moment::Initial && kept.echoed;
    (kept.is_on(now) && !begins).then_some(kept)
}

/// An id that nobody can guess: what is said about a call may follow from it.
fn new_key(deps: &Deps, hash: &str) -> String {
    let random = || Nonce::random(&deps.random).map(|nonce| nonce.to_string());
    let digits = match (random(), random()) {
        (Ok(first), Ok(second)) => first + &second,
        // Without randomness, one that follows from what nobody else knows.
        _ => patchbay::secret::hex(
            &deps
                .callbacks
                .derive("agent4 call", &format!("{hash}\n{}", deps.clock.now())),
        ),
    };
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    // A UUID of version 8, the one for ids made in one's own way.
    format!(
        "{}-{}-8{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 15),
        part(15, 18),
        part(18, 30)
    )
}

/// Keeps what `done` leaves of the call for its next request.
pub(crate) async fn keep(
    deps: &Deps,
    tenant: &Tenant,
    chain: &ChainName,
    request: &Request,
    current: &CurrentCall,
    done: &Done,
) {
    let Some(caller) = request.caller.as_ref().filter(|_| current.state_kept) else {
        return;
    };
    let call = KeptCall {
        at: deps.clock.now(),
        request: current.hash.clone(),
        before: current.before.clone(),
        after: done.answer.state.clone(),
        over: done.leaves,
        echoed: current.echoed,
    };
    let writing = Box::pin(deps.store.keep_call(tenant, chain, caller, &call));
    let why = match tokio::time::timeout(LIMIT, writing).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the table does not answer in time".to_owned(),
    };
    tracing::error!(%tenant, %chain, call = done.answer.key, why, "the state of a call is not kept: what it counts may be lost");
}
