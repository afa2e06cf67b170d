//! The caller was handed back.

use patchbay::providers::twilio::twiml::Twiml;
use patchbay::providers::twilio::webhook::{Form, was_reached};

use crate::payment::{Saved, save};
use crate::{Deps, counted, words};

/// `POST /twilio/handback/{ref}`: the call to the next agent is over. One request to the table when there is still an
/// outcome to be stored, else none.
pub(crate) async fn take(deps: &Deps, reference: &str, form: &Form) -> Twiml {
    let Ok(transfer) = deps.callbacks.check_hand_back(reference) else {
        tracing::error!("a call came back to a URL that is none of ours, or whose key is no longer in use");
        counted(deps, "bad-reference");
        return words::not_set_up();
    };
    if let Some(outcome) = &transfer.unsaved
        && let Saved::No = save(deps, &transfer, outcome).await
    {
        let code = outcome.processor.confirmation_code.as_deref();
        tracing::error!(tenant = %transfer.tenant, call = transfer.call, confirmation_code = code, status = outcome.status.name(), "an outcome is lost but for this line");
    }
    match was_reached(form) {
        Some(false) => {
            tracing::warn!(tenant = %transfer.tenant, caller = %transfer.caller, call = transfer.call, "the next agent was not reached");
            counted(deps, "not-reached");
            words::not_reached(&transfer)
        }
        Some(true) | None => words::hang_up(),
    }
}
