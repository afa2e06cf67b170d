//! Looking after an attempt that nobody told us the end of.

use patchbay::clock::Timestamp;
use patchbay::dispatch::work::Message;
use patchbay::dispatch::{Attempt, Dispatch, Event, Phase, Sighting};
use patchbay::ids::AttemptId;
use patchbay::mail::WRITER_LIFETIME_SECONDS;
use patchbay::voice::{Account, LookError, Trace};

use crate::{Deps, Failure};

/// How long after the end of a call the provider is asked for it that cannot be asked, in seconds.
const PATIENCE_SECONDS: u32 = 600;
/// Before a claim that may yet be made is waited for again, in seconds.
const CLAIM_PAUSE_SECONDS: u32 = 10;

pub(crate) async fn watch(
    deps: &Deps,
    message: &Message,
    dispatch: Dispatch,
    id: AttemptId,
    looks: u8,
) -> Result<(), Failure> {
    let Some(attempt) = dispatch.attempt_called(id) else {
        return Ok(());
    };
    if attempt.phase == Phase::Planned {
        // Somebody else's commit made the version that this message waited for. Whoever sent it may be about to claim
        // the call after that, and sends no other watch.
        let now = deps.engine.clock.now();
        if now < message.sent_at.plus_seconds(WRITER_LIFETIME_SECONDS) {
            return deps.again(message, now.plus_seconds(CLAIM_PAUSE_SECONDS)).await;
        }
        return Ok(());
    }
    let sighting = look(deps, &dispatch, attempt).await?;
    let event = Event::Watched {
        attempt: id,
        sighting,
        looks: looks.saturating_add(1),
    };
    deps.apply(dispatch, &event).await.map(drop)
}

async fn look(deps: &Deps, dispatch: &Dispatch, attempt: &Attempt) -> Result<Sighting, Failure> {
    let Some(account) = deps.account(attempt.provider.as_ref()) else {
        let provider = attempt.provider.as_ref();
        tracing::error!(dispatch = %dispatch.key.id, attempt = %attempt.id, ?provider, "the provider of a call cannot be asked what became of it: name it in VoiceProviders until its calls are over, or mend its secret");
        return Ok(Sighting::Nothing);
    };
    let seen = match call_id(deps, dispatch, attempt).await? {
        Some(call_id) => account.look(&call_id).await,
        None => search(deps, account, dispatch, attempt).await,
    };
    match seen {
        Ok(sighting) => Ok(sighting),
        Err(error) if error.passes && deps.engine.clock.now() < patience(dispatch, attempt) => {
            Err(Failure::Provider(error.detail))
        }
        Err(error) => {
            tracing::warn!(dispatch = %dispatch.key.id, attempt = %attempt.id, %error, "the provider does not say what became of a call");
            Ok(Sighting::Nothing)
        }
    }
}

/// Until when a provider that cannot be asked is asked again. To have seen nothing uses up an attempt, and while it takes
/// no calls either there is nobody who could be phoned instead; so a call that it has not taken for certain waits for it as
/// long as the ticket lives. Of one that it has taken we would mostly have heard: then only that question is not answered.
///
/// Where there is another provider nobody waits for longer than the call can last: whoever is next is phoned over that one.
fn patience(dispatch: &Dispatch, attempt: &Attempt) -> Timestamp {
    match attempt.phase {
        Phase::Claimed { at } if attempt.elsewhere => at,
        Phase::Planned | Phase::Claimed { .. } => dispatch.expires_at,
        Phase::Placed { at, .. } if attempt.elsewhere => at.plus_seconds(dispatch.brief.policy.longest_call()),
        Phase::Placed { at, .. } | Phase::Ended { at, .. } => {
            at.plus_seconds(dispatch.brief.policy.longest_call() + PATIENCE_SECONDS)
        }
    }
}

/// The provider's id of the call: from the dispatch, or from what webhooks told.
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
    Ok(Trace::of(&entries).call_ids.into_iter().next())
}

/// Looks for a call to the employee since the attempt was claimed.
async fn search(deps: &Deps, account: &Account, dispatch: &Dispatch, attempt: &Attempt) -> Result<Sighting, LookError> {
    let employee = dispatch.employee(attempt.id.employee);
    let (Phase::Claimed { at }, Some(employee)) = (&attempt.phase, employee) else {
        return Ok(Sighting::Nothing);
    };
    let (from, until) = (at.plus_millis(-1_000), deps.engine.clock.now());
    account.search(&employee.phone, from, until).await
}
