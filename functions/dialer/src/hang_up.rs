//! Ending a call that is wanted no more: somebody else accepted, or the ticket was cancelled or resolved.

use patchbay::dispatch::{Dispatch, Fact};
use patchbay::ids::AttemptId;
use patchbay::providers::routee::{self, CallStatus, EndAction, EndError};
use patchbay::queue::{Message, Work};

use crate::{Deps, Failure};

/// Seconds from one try to the next: four minutes in all, by which the provider must have told us the name of the call.
/// Few, because every message that is delivered twice makes two of each that follows.
const PAUSES: [u32; 13] = [1, 1, 2, 2, 4, 4, 8, 8, 15, 30, 45, 60, 60];

pub(crate) async fn hang_up(
    deps: &Deps,
    message: &Message,
    dispatch: &Dispatch,
    id: AttemptId,
    tries: u8,
) -> Result<(), Failure> {
    if dispatch.wants_call(id) {
        return Ok(());
    }
    match end(deps, dispatch, id).await? {
        Outcome::Over => Ok(()),
        Outcome::NotYet => {
            let Some(pause) = PAUSES.get(usize::from(tries)) else {
                tracing::error!(dispatch = %dispatch.key.id, attempt = %id, "a call that is wanted no more could not be ended");
                return Ok(());
            };
            let work = Work::HangUp {
                attempt: id,
                tries: tries + 1,
            };
            let due_at = deps.engine.clock.now().plus_seconds(*pause);
            deps.again(
                &Message {
                    work,
                    ..message.clone()
                },
                due_at,
            )
            .await
        }
    }
}

enum Outcome {
    /// The call is over.
    Over,
    /// The call has no name yet, or the provider did not do it.
    NotYet,
}

async fn end(deps: &Deps, dispatch: &Dispatch, id: AttemptId) -> Result<Outcome, Failure> {
    let mut message_ids = Vec::new();
    let mut tracking_ids = Vec::new();
    for entry in deps.engine.store.entries_of(&dispatch.key, id).await? {
        match entry.fact {
            Fact::Status { name, message_id, .. } => {
                let status = CallStatus::from_name(&name);
                if routee::ending(&status).is_some_and(|ending| ending != patchbay::dispatch::Ending::Unknown) {
                    return Ok(Outcome::Over);
                }
                message_ids.push((message_id, status));
            }
            Fact::Placed { tracking_id, .. } => tracking_ids.push(tracking_id),
            _ => {}
        }
    }
    if message_ids.is_empty() {
        for tracking_id in tracking_ids {
            let Ok(legs) = deps.routee.legs(&tracking_id).await else {
                continue;
            };
            message_ids.extend(legs.into_iter().filter_map(|leg| Some((leg.message_id, leg.status?))));
        }
    }
    // The newest status says whether the phone still rings.
    let Some((message_id, status)) = message_ids.pop() else {
        return Ok(Outcome::NotYet);
    };
    let action = if status == CallStatus::InProgress {
        EndAction::HangUp
    } else {
        EndAction::Reject
    };
    match deps.routee.end_call(&message_id, action).await {
        Ok(_) | Err(EndError::Gone) => Ok(Outcome::Over),
        Err(error) => {
            tracing::warn!(dispatch = %dispatch.key.id, attempt = %id, %error, "the provider did not end a call");
            Ok(Outcome::NotYet)
        }
    }
}
