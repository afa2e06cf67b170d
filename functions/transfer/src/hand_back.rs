//! The result of the call to the next agent.

use patchbay::providers::twilio::twiml::Twiml;
use patchbay::providers::twilio::webhook::{Form, was_reached};

use crate::payment::{SaveResult, announcement, save};
use crate::{Deps, count, responses};

/// Handles `POST /twilio/handback/{ref}`: the call to the next agent has ended, or has yet to be made because an
/// outcome could not be stored before. One request to DynamoDB if there is an unsaved outcome, else none.
pub(crate) async fn handle(deps: &Deps, reference: &str, form: &Form) -> Twiml {
    let Ok(mut transfer) = deps.callbacks.check_hand_back(reference) else {
        tracing::error!("invalid reference: the URL of a call to the next agent is not ours, or its key is retired");
        count(deps, "bad-reference");
        return responses::not_set_up();
    };
    let outcome = transfer.unsaved.take();
    let reached = was_reached(form);
    let mut status = outcome.as_ref().map(|outcome| outcome.status);
    if let Some(outcome) = outcome {
        match save(deps, &transfer, &outcome).await {
            SaveResult::Saved => {}
            SaveResult::Superseded(stored) => status = Some(stored),
            // Try once more when the call to the next agent has ended.
            SaveResult::Failed if reached.is_none() && transfer.callback.is_some() => transfer.unsaved = Some(outcome),
            SaveResult::Failed => {
                let code = outcome.processor.confirmation_code.as_deref();
                tracing::error!(
                    tenant = %transfer.tenant,
                    call = transfer.call,
                    confirmation_code = code,
                    status = outcome.status.name(),
                    "an outcome could not be stored: only this log line has it"
                );
            }
        }
    }
    match (reached, status) {
        (None, Some(status)) => responses::connect(deps, &transfer, announcement(status)),
        (Some(false), _) => {
            tracing::warn!(
                tenant = %transfer.tenant,
                caller = %transfer.caller,
                call = transfer.call,
                "the next agent was not reached"
            );
            count(deps, "not-reached");
            responses::not_reached(&transfer)
        }
        (Some(true) | None, _) => responses::hang_up(),
    }
}
