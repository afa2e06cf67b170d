//! Asks a back end for the status of an attempt.

use patchbay::ids::Nonce;
use patchbay::interaction::{AttemptOutcome, Event, Interaction, Message, Report};
use patchbay::outreach::inbound;

use crate::{Deps, Failure, boxed};

/// What the back end says about an attempt; `None` if it says nothing. An opt-out is put on the list.
pub(crate) async fn ask(deps: &Deps, interaction: &Interaction, attempt: Nonce) -> Result<Option<Report>, Failure> {
    let report = boxed(look_up(deps, interaction, attempt)).await;
    if report.as_ref().and_then(|report| report.outcome.as_ref()) == Some(&AttemptOutcome::OptedOut) {
        inbound::note_opt_out(&deps.interactions, interaction, attempt).await?;
    }
    Ok(report)
}

async fn look_up(deps: &Deps, interaction: &Interaction, attempt: Nonce) -> Option<Report> {
    let current = interaction.attempt.as_ref().filter(|current| current.id == attempt)?;
    let leg = interaction.leg(current.leg)?;
    // Without an id nothing can be asked for: what is unclear becomes clear by a callback, whose URL names the attempt.
    let id = current.provider_id.as_deref()?;
    boxed(deps.back_ends.look_up(leg, id)).await
}

/// The outcome of an attempt is due. Callbacks can be lost, so the back end is asked first.
pub(crate) async fn settle_before_due(
    deps: &Deps,
    message: &Message,
    interaction: Interaction,
    attempt: Nonce,
) -> Result<(), Failure> {
    let due = Event::OutcomeDue { attempt };
    let Some(report) = ask(deps, &interaction, attempt).await? else {
        return deps.apply(message, interaction, due).await;
    };
    let reported = |_: &Interaction| Event::Reported {
        attempt,
        report: report.clone(),
    };
    let applied = deps.interactions.apply_to(interaction, reported).await?;
    deps.apply(message, applied.subject, due).await
}

/// Ends a call. Best effort.
pub(crate) async fn hang_up(deps: &Deps, interaction: &Interaction, leg: usize, id: &str) {
    let Some(leg) = interaction.leg(leg) else { return };
    if let Err(reason) = boxed(deps.back_ends.hang_up(leg, id)).await {
        tracing::warn!(back_end = leg.back_end, reason, "a call could not be ended");
    }
}
