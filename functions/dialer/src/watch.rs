//! Asks the provider about a call whose end no webhook has reported.

use patchbay::clock::Timestamp;
use patchbay::dispatch::work::Message;
use patchbay::dispatch::{Attempt, CallLookup, Dispatch, Event, Phase};
use patchbay::ids::AttemptId;
use patchbay::message::WRITER_LIFETIME_SECONDS;
use patchbay::voice::{Account, CallHistory, LookupError};

use crate::{Deps, Failure};

/// Seconds after the longest possible end of a call for which an unavailable provider is still asked about it.
const ASK_SECONDS: u32 = 600;
/// Seconds between two checks for a claim that may still be made.
const CLAIM_PAUSE_SECONDS: u32 = 10;

pub(crate) async fn watch(
    deps: &Deps,
    message: &Message,
    dispatch: Dispatch,
    id: AttemptId,
    lookups: u8,
) -> Result<(), Failure> {
    let Some(attempt) = dispatch.attempt_with_id(id) else {
        return Ok(());
    };
    if attempt.phase == Phase::Planned {
        // A different commit made the version that this message waited for. The sender of this message may still claim
        // the call after that commit, and sends no second watch.
        let now = deps.engine.clock.now();
        if now < message.sent_at.plus_seconds(WRITER_LIFETIME_SECONDS) {
            return deps.resend(message, now.plus_seconds(CLAIM_PAUSE_SECONDS)).await;
        }
        return Ok(());
    }
    let lookup = look(deps, &dispatch, attempt).await?;
    let event = Event::Watched {
        attempt: id,
        lookup,
        lookups: lookups.saturating_add(1),
    };
    deps.apply(dispatch, &event).await.map(drop)
}

async fn look(deps: &Deps, dispatch: &Dispatch, attempt: &Attempt) -> Result<CallLookup, Failure> {
    let Some(account) = deps.account(attempt.provider.as_ref()) else {
        let provider = attempt.provider.as_ref();
        tracing::error!(dispatch = %dispatch.key.id, attempt = %attempt.id, ?provider, "cannot ask the provider about a call: the stack has no account with it; keep it in VoiceProviders until its calls are over, or fix its secret");
        return Ok(CallLookup::Unknown);
    };
    let seen = match call_id(deps, dispatch, attempt).await? {
        Some(call_id) => account.look_up(&call_id).await,
        None => search(deps, account, dispatch, attempt).await,
    };
    match seen {
        Ok(lookup) => Ok(lookup),
        Err(error) if error.is_transient && deps.engine.clock.now() < ask_until(dispatch, attempt) => {
            Err(Failure::Provider(error.detail))
        }
        Err(error) => {
            tracing::warn!(dispatch = %dispatch.key.id, attempt = %attempt.id, %error, "the provider does not report the state of a call");
            Ok(CallLookup::Unknown)
        }
    }
}

/// Until when an unavailable provider is asked again.
///
/// Giving up the question uses up the attempt. While the only provider is down, no other employee could be phoned
/// either. So a call that it may not have accepted waits for its answer until the ticket expires. For a call that it
/// has accepted we would usually have received a webhook, so probably only this query fails, and the wait is shorter.
///
/// With another provider the wait never exceeds the longest possible call: the next employee is phoned over that one.
fn ask_until(dispatch: &Dispatch, attempt: &Attempt) -> Timestamp {
    match attempt.phase {
        Phase::Claimed { at } if attempt.elsewhere => at,
        Phase::Planned | Phase::Claimed { .. } => dispatch.expires_at,
        Phase::Placed { at, .. } if attempt.elsewhere => at.plus_seconds(dispatch.spec.policy.longest_call()),
        Phase::Placed { at, .. } | Phase::Ended { at, .. } => {
            at.plus_seconds(dispatch.spec.policy.longest_call() + ASK_SECONDS)
        }
    }
}

/// The provider's id of the call: from the dispatch, or from the status callbacks received so far.
async fn call_id(deps: &Deps, dispatch: &Dispatch, attempt: &Attempt) -> Result<Option<String>, Failure> {
    match &attempt.phase {
        Phase::Placed { call_id, .. }
        | Phase::Ended {
            call_id: Some(call_id), ..
        } => {
            return Ok(Some(call_id.clone()));
        }
        Phase::Planned | Phase::Claimed { .. } | Phase::Ended { call_id: None, .. } => {}
    }
    let entries = deps.engine.store.entries_of(&dispatch.key, attempt.id).await?;
    Ok(CallHistory::from_entries(&entries).call_ids.into_iter().next())
}

/// Searches the provider for a call to the employee since the attempt was claimed.
async fn search(
    deps: &Deps,
    account: &Account,
    dispatch: &Dispatch,
    attempt: &Attempt,
) -> Result<CallLookup, LookupError> {
    let employee = dispatch.employee(attempt.id.employee);
    let (Phase::Claimed { at }, Some(employee)) = (&attempt.phase, employee) else {
        return Ok(CallLookup::Unknown);
    };
    let (from, until) = (at.plus_millis(-1_000), deps.engine.clock.now());
    account.search(&employee.phone, from, until).await
}
