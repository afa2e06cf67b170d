//! The caller was handed back.

use patchbay::providers::twilio::twiml::Twiml;
use patchbay::providers::twilio::webhook::{Form, was_reached};

use crate::payment::{Saved, save, text};
use crate::{Deps, counted, words};

/// `POST /twilio/handback/{ref}`: the call to the next agent is over; or it has yet to be made, because an outcome could
/// not be stored before. One request to the table when there is still one, else none.
pub(crate) async fn take(deps: &Deps, reference: &str, form: &Form) -> Twiml {
    let Ok(mut transfer) = deps.callbacks.check_hand_back(reference) else {
        tracing::error!("a call came back to a URL that is none of ours, or whose key is no longer in use");
        counted(deps, "bad-reference");
        return words::not_set_up();
    };
    let outcome = transfer.unsaved.take();
    let reached = was_reached(form);
    let mut status = outcome.as_ref().map(|outcome| outcome.status);
    if let Some(outcome) = outcome {
        match save(deps, &transfer, &outcome).await {
            Saved::Yes => {}
            Saved::Instead(there) => status = Some(there),
            // Once more when the call to the next agent is over.
            Saved::No if reached.is_none() && transfer.callback.is_some() => transfer.unsaved = Some(outcome),
            Saved::No => {
                let code = outcome.processor.confirmation_code.as_deref();
                tracing::error!(tenant = %transfer.tenant, call = transfer.call, confirmation_code = code, status = outcome.status.name(), "an outcome is lost but for this line");
            }
        }
    }
    match (reached, status) {
        (None, Some(status)) => words::back(deps, &transfer, text(status)),
        (Some(false), _) => {
            tracing::warn!(tenant = %transfer.tenant, caller = %transfer.caller, call = transfer.call, "the next agent was not reached");
            counted(deps, "not-reached");
            words::not_reached(&transfer)
        }
        (Some(true) | None, _) => words::hang_up(),
    }
}
