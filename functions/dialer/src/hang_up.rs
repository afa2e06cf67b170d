//! Ends a call that is no longer wanted: another employee accepted, or the ticket was cancelled or resolved.

use patchbay::dispatch::Dispatch;
use patchbay::dispatch::work::{Message, Work};
use patchbay::ids::AttemptId;
use patchbay::voice::{CallHistory, EndOutcome};

use crate::{Deps, Failure};

/// Seconds from one attempt to end the call to the next: four minutes in all. By then the provider must have sent us
/// the id of the call. The list is short because a message that is delivered twice doubles every message after it.
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
    let trace = CallHistory::from_entries(&deps.engine.store.entries_of(&dispatch.key, id).await?);
    let Some(account) = deps.account(trace.provider.as_ref()) else {
        tracing::error!(dispatch = %dispatch.key.id, attempt = %id, provider = ?trace.provider, "cannot end a call that is no longer wanted: the stack has no account with its provider; keep the provider in VoiceProviders until its calls are over, or fix its secret");
        return Ok(());
    };
    match account.end(&trace).await {
        Ok(EndOutcome::Over) => return Ok(()),
        Ok(EndOutcome::NoCallId) => {}
        Err(error) => {
            tracing::warn!(dispatch = %dispatch.key.id, attempt = %id, %error, "the provider did not end a call: retrying");
        }
    }
    let Some(pause) = PAUSES.get(usize::from(tries)) else {
        tracing::error!(dispatch = %dispatch.key.id, attempt = %id, "gave up ending a call that is no longer wanted");
        return Ok(());
    };
    let work = Work::HangUp {
        attempt: id,
        tries: tries + 1,
    };
    let due_at = deps.engine.clock.now().plus_seconds(*pause);
    deps.resend(
        &Message {
            work,
            ..message.clone()
        },
        due_at,
    )
    .await
}
