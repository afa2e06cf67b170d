//! Finds the call that a request belongs to.
//!
//! A request of Agent4 has no call id. Ours travels in the state, with everything that a chain counts there. Agent4
//! does not document whether it sends the state back with every request, and a retry limit must hold either way. So the
//! state of every answer is also stored in DynamoDB, by caller and chain, and a request without a state gets the stored
//! one.
//!
//! - **A new call begins** when the answer before ended the chain or the caller hung up, after a quarter of an hour,
//!   and when a chain begins without a state although Agent4 sent the state back earlier.
//! - **A repeated request** gets the same state as the first time, and so the same answer.
//! - **Callers who withhold their number** cannot be told apart. If Agent4 does not send their state back, nothing is
//!   stored for them, not even a call id, and a document that counts must treat that as the end
//!   ([`RequestContext::state_kept`]).
//!
//! [`RequestContext::state_kept`]: patchbay::chain::run::RequestContext::state_kept

use std::time::Duration;

use patchbay::chain::run::ChainAnswer;
use patchbay::chain::state::{self, OWN_STATE};
use patchbay::ids::{DocumentName, Nonce, Tenant};
use patchbay::providers::agent4::{LinkEvent, Request};
use patchbay::secret::sha256_hex;
use patchbay::store::SavedCall;
use serde_json::{Map, Value, json};

use crate::Deps;

/// Time-out of each request to DynamoDB. After it the answer is sent without the stored state.
const STORE_TIMEOUT: Duration = Duration::from_millis(700);
/// An identical request within this time is a repeat of the one before.
const REPEAT_WINDOW: Duration = Duration::from_secs(30);

/// The call of a request.
#[derive(Debug)]
pub(crate) struct CurrentCall {
    /// The call id.
    pub(crate) key: String,
    /// Whether the state belongs to this call, and the state of the answer will be available for the next request.
    pub(crate) state_kept: bool,
    /// Hash of the request body.
    hash: String,
    /// The state before this request: the stored one, without the fields that came with the request.
    before: Map<String, Value>,
    /// Whether Agent4 has sent the state back in this call.
    echoed: bool,
}

/// Finds the call of `request`, and puts the state of that call into it.
pub(crate) async fn current(
    deps: &Deps,
    tenant: &Tenant,
    chain: &DocumentName,
    request: &mut Request,
    body: &[u8],
) -> CurrentCall {
    let hash = sha256_hex(body);
    if let Some(key) = state::call_id(&request.state) {
        return CurrentCall {
            key: key.to_owned(),
            state_kept: true,
            hash,
            // A repeat of it carries its state again.
            before: Map::new(),
            echoed: true,
        };
    }
    let saved = load_saved(deps, tenant, chain, request).await;
    let state_kept = saved.is_ok();
    let previous = saved
        .ok()
        .flatten()
        .and_then(|saved| continued_call(saved, request, &hash, deps));
    let echoed = previous.as_ref().is_some_and(|saved| saved.echoed);
    let before = previous.map_or_else(|| initial_state(&new_key(deps, &hash)), |saved| saved.after);
    // The fields that Agent4 sent are newer, except for our own entry.
    let mut sent = std::mem::replace(&mut request.state, before.clone());
    sent.remove(OWN_STATE);
    request.state.extend(sent);
    // The stored state of another version may have no id.
    let key = state::call_id(&request.state).map_or_else(|| new_key(deps, &hash), str::to_owned);
    CurrentCall {
        key,
        state_kept,
        hash,
        before,
        echoed,
    }
}

/// The state of a new call.
fn initial_state(key: &str) -> Map<String, Value> {
    Map::from_iter([(OWN_STATE.to_owned(), json!({ "call": key }))])
}

/// The stored state of the caller's last call. An error when no state can be stored for the caller.
async fn load_saved(
    deps: &Deps,
    tenant: &Tenant,
    chain: &DocumentName,
    request: &Request,
) -> Result<Option<SavedCall>, ()> {
    let caller = request.caller.as_ref().ok_or(())?;
    let reading = Box::pin(deps.store.load_call(tenant, chain, caller));
    let reason = match tokio::time::timeout(STORE_TIMEOUT, reading).await {
        Ok(Ok(saved)) => return Ok(saved),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "DynamoDB did not answer in time".to_owned(),
    };
    tracing::error!(%tenant, %chain, reason, "cannot read the state of the call");
    Err(())
}

/// The stored state of the call that `request` continues. None if it begins a call.
fn continued_call(saved: SavedCall, request: &Request, hash: &str, deps: &Deps) -> Option<SavedCall> {
    let now = deps.clock.now();
    if saved.request == hash && now.since(saved.at) < REPEAT_WINDOW {
        let after = saved.before.clone();
        return Some(SavedCall { after, ..saved });
    }
    let begins = request.event == LinkEvent::Initial && saved.echoed;
    (saved.is_active(now) && !begins).then_some(saved)
}

/// An id that cannot be guessed: the code of the call is derived from it.
fn new_key(deps: &Deps, hash: &str) -> String {
    let random = || Nonce::random(&deps.random).map(|nonce| nonce.to_string());
    let digits = match (random(), random()) {
        (Ok(first), Ok(second)) => first + &second,
        // Without randomness the id is derived from a secret key.
        _ => patchbay::secret::hex(
            &deps
                .callbacks
                .derive("agent4 call", &format!("{hash}\n{}", deps.clock.now())),
        ),
    };
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    // A UUID of version 8, the version for custom layouts.
    format!(
        "{}-{}-8{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 15),
        part(15, 18),
        part(18, 30)
    )
}

/// Stores the state of the answer for the next request of the call.
pub(crate) async fn save(
    deps: &Deps,
    tenant: &Tenant,
    chain: &DocumentName,
    request: &Request,
    current: &CurrentCall,
    chain_answer: &ChainAnswer,
) {
    let Some(caller) = request.caller.as_ref().filter(|_| current.state_kept) else {
        return;
    };
    let call = SavedCall {
        at: deps.clock.now(),
        request: current.hash.clone(),
        before: current.before.clone(),
        after: chain_answer.answer.state.clone(),
        over: chain_answer.ends_chain,
        echoed: current.echoed,
    };
    let writing = Box::pin(deps.store.save_call(tenant, chain, caller, &call));
    let reason = match tokio::time::timeout(STORE_TIMEOUT, writing).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "DynamoDB did not answer in time".to_owned(),
    };
    let call = &chain_answer.answer.key;
    tracing::error!(%tenant, %chain, call, reason, "cannot store the state of the call: its counts may be lost");
}
