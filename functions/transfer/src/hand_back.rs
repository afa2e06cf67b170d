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
    if let Some(outcome) = &outcome
        && let Saved::No = save(deps, &transfer, outcome).await
    {
        let code = outcome.processor.confirmation_code.as_deref();
        if reached.is_none() && transfer.callback.is_some() {
            // Once more when the call to the next agent is over.
            transfer.unsaved = Some(outcome.clone());
        } else {
            tracing::error!(tenant = %transfer.tenant, call = transfer.call, confirmation_code = code, status = outcome.status.name(), "an outcome is lost but for this line");
        }
    }
    match (reached, &outcome) {
        (None, Some(outcome)) => words::back(deps, &transfer, text(outcome.status)),
        (Some(false), _) => {
            tracing::warn!(tenant = %transfer.tenant, caller = %transfer.caller, call = transfer.call, "the next agent was not reached");
            counted(deps, "not-reached");
            words::not_reached(&transfer)
        }
        (Some(true) | None, _) => words::hang_up(),
    }
}
