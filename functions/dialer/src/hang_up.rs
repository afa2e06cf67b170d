//! Ending a call that is wanted no more: somebody else accepted, or the ticket was cancelled or resolved.

use patchbay::dispatch::Dispatch;
use patchbay::dispatch::work::{Message, Work};
use patchbay::ids::AttemptId;
use patchbay::voice::{Ended, Trace};

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
    let trace = Trace::of(&deps.engine.store.entries_of(&dispatch.key, id).await?);
    let Some(account) = deps.account(trace.provider.as_ref()) else {
        tracing::error!(dispatch = %dispatch.key.id, attempt = %id, provider = ?trace.provider, "a call that is wanted no more cannot be ended: name its provider in VoiceProviders until its calls are over, or mend its secret");
        return Ok(());
    };
    match account.end(&trace).await {
        Ok(Ended::Over) => return Ok(()),
        Ok(Ended::NotYet) => {}
        Err(error) => {
            tracing::warn!(dispatch = %dispatch.key.id, attempt = %id, %error, "the provider did not end a call");
        }
    }
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
