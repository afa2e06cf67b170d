//! Looking after an attempt that nobody told us the end of.

use patchbay::clock::Timestamp;
use patchbay::dispatch::{Attempt, Dispatch, Event, Fact, Phase, Sighting};
use patchbay::engine::WRITER_LIFETIME_SECONDS;
use patchbay::ids::AttemptId;
use patchbay::providers::routee::{self, Leg};
use patchbay::queue::Message;

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
    let known = tracking_id(deps, dispatch, attempt).await?;
    let legs = match &known {
        Some(tracking_id) => deps.routee.legs(tracking_id).await,
        None => search(deps, dispatch, attempt).await,
    };
    Ok(match legs.map(|legs| sighting(&legs)) {
        // A search goes by the number, and may find another ticket's call to the same phone: its keys and its end are
        // not ours. That somebody is on the line is reason enough to wait; anything more would be a guess.
        Ok(Sighting::Over { .. }) if known.is_none() => Sighting::Nothing,
        Ok(sighting) => sighting,
        Err(error) if error.passes() && deps.engine.clock.now() < patience(dispatch, attempt) => {
            return Err(Failure::Provider(error.to_string()));
        }
        Err(error) => {
            tracing::warn!(dispatch = %dispatch.key.id, attempt = %attempt.id, %error, "the provider does not say what became of a call");
            Sighting::Nothing
        }
    })
}

/// Until when a provider that cannot be asked is asked again. To have seen nothing uses up an attempt, and while it takes
/// no calls either there is nobody who could be phoned instead; so a call that it has not taken for certain waits for it as
/// long as the ticket lives. Of one that it has taken we would mostly have heard: then only that question is not answered.
fn patience(dispatch: &Dispatch, attempt: &Attempt) -> Timestamp {
    match attempt.phase {
        Phase::Planned | Phase::Claimed { .. } => dispatch.expires_at,
        Phase::Placed { at, .. } | Phase::Ended { at, .. } => {
            at.plus_seconds(dispatch.brief.policy.longest_call() + PATIENCE_SECONDS)
        }
    }
}

/// The provider's name for the conversation: from the dispatch, or from what webhooks told.
async fn tracking_id(deps: &Deps, dispatch: &Dispatch, attempt: &Attempt) -> Result<Option<String>, Failure> {
    let known = match &attempt.phase {
        Phase::Placed { tracking_id, .. } => Some(tracking_id.clone()),
        Phase::Ended { tracking_id, .. } => tracking_id.clone(),
        Phase::Planned | Phase::Claimed { .. } => None,
    };
    if known.is_some() {
        return Ok(known);
    }
    let entries = deps.engine.store.entries_of(&dispatch.key, attempt.id).await?;
    Ok(entries.into_iter().find_map(|entry| match entry.fact {
        Fact::Status { tracking_id, .. } | Fact::Placed { tracking_id, .. } if !tracking_id.is_empty() => {
            Some(tracking_id)
        }
        _ => None,
    }))
}

/// Calls to the employee since the attempt was claimed.
async fn search(deps: &Deps, dispatch: &Dispatch, attempt: &Attempt) -> Result<Vec<Leg>, routee::TrackingError> {
    let Phase::Claimed { at } = attempt.phase else {
        return Ok(Vec::new());
    };
    let Some(employee) = dispatch.employee(attempt.id.employee) else {
        return Ok(Vec::new());
    };
    deps.routee
        .search(&employee.phone, at.plus_millis(-1_000), deps.engine.clock.now())
        .await
}

/// What the legs of one conversation come to.
fn sighting(legs: &[Leg]) -> Sighting {
    let keys: String = legs.iter().map(Leg::keys).collect();
    let endings: Vec<_> = legs
        .iter()
        .map(|leg| leg.status.as_ref().and_then(routee::ending))
        .collect();
    match endings.last() {
        None => Sighting::Nothing,
        Some(Some(ending)) if !endings.contains(&None) => Sighting::Over { ending: *ending, keys },
        Some(_) => Sighting::Live,
    }
}
