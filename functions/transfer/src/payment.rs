//! The result of `<Pay>`: stores the outcome and connects the caller to the next agent.

use std::time::Duration;

use patchbay::context::{DroppedField, PaymentOutcome, PaymentStatus};
use patchbay::providers::twilio::twiml::Twiml;
use patchbay::providers::twilio::webhook::{Form, PayResult, VoiceRequest};
use patchbay::store::OutcomeWrite;
use patchbay::web::transfer::TransferCall;
use tokio::time::timeout;

use crate::{Deps, count, responses};

/// Time limit for DynamoDB once the caller has paid. Twilio waits 15 s; storing the outcome is worth a longer silence.
const TIME_LIMIT: Duration = Duration::from_secs(8);
/// Backoff between attempts, each of which includes the SDK's own retries.
const BACKOFF: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
];

/// Handles `POST /twilio/payment/{ref}`: the action of `<Pay>`, with its result, or the verb after `<Pay>`, without
/// one.
pub(crate) async fn handle(deps: &Deps, reference: &str, form: &Form) -> Twiml {
    let Ok(mut transfer) = deps.callbacks.check_payment(reference) else {
        return invalid_reference(deps, form);
    };
    let result = PayResult::parse(form, &deps.pay.connector);
    let outcome = outcome(deps, &transfer, &result);
    report_dropped_fields(deps, &transfer, &outcome, &result.dropped_fields);
    if outcome.status != PaymentStatus::PaymentSuccess && outcome.processor.confirmation_code.is_some() {
        let code = outcome.processor.confirmation_code.as_deref();
        tracing::error!(
            tenant = %transfer.tenant,
            call = transfer.call,
            confirmation_code = code,
            "a failed payment has a confirmation code"
        );
        // The caller may have been charged, although the context will show a failed payment.
        count(deps, "not-stored");
    }
    let status = match save(deps, &transfer, &outcome).await {
        SaveResult::Saved => outcome.status,
        SaveResult::Superseded(status) => status,
        SaveResult::Failed => {
            let dropped = deps.callbacks.carry(&mut transfer, outcome.clone());
            if !dropped.is_empty() {
                let (tenant, dropped) = (&transfer.tenant, dropped.join(", "));
                tracing::error!(
                    %tenant,
                    call = transfer.call,
                    dropped,
                    "an outcome that could not be stored is too long for the URL: these fields are lost"
                );
            }
            outcome.status
        }
    };
    tracing::info!(
        tenant = %transfer.tenant,
        caller = %transfer.caller,
        call = transfer.call,
        status = status.name(),
        "a payment has ended"
    );
    count(deps, status.name());
    match status {
        // Retry before saying anything: if the caller hung up while we speak, the outcome would be lost.
        _ if transfer.unsaved.is_some() => responses::redirect(deps, &transfer),
        PaymentStatus::CallerHungUp => responses::hang_up(),
        status => responses::connect(deps, &transfer, announcement(status)),
    }
}

fn outcome(deps: &Deps, transfer: &TransferCall, result: &PayResult) -> PaymentOutcome {
    let end = match result.error_code {
        Some(code) => format!("Pay ended with {}, code {code}", result.code.name()),
        None => format!("Pay ended with {}", result.code.name()),
    };
    let dropped = result.dropped_fields.iter().map(ToString::to_string);
    PaymentOutcome {
        status: result.code.status(),
        call: transfer.call.clone(),
        start_time: transfer.start_time,
        end_time: Some(deps.clock.now()),
        processor: result.processor.clone(),
        debug: [end].into_iter().chain(dropped).collect::<Vec<_>>().join("; "),
    }
}

/// Reports fields of a payment that the context will not contain. The payment itself is stored.
fn report_dropped_fields(deps: &Deps, transfer: &TransferCall, outcome: &PaymentOutcome, dropped: &[DroppedField]) {
    let paid = outcome.status == PaymentStatus::PaymentSuccess;
    for dropped in dropped {
        let (tenant, call, field) = (&transfer.tenant, &transfer.call, dropped.field());
        let code = outcome.processor.confirmation_code.as_deref();
        tracing::error!(
            %tenant,
            call,
            paid,
            confirmation_code = code,
            field,
            reason = %dropped,
            "a field of the processor's response was dropped"
        );
    }
    if paid && !dropped.is_empty() {
        count(deps, "not-stored");
    }
}

/// The result of a payment arrived at a URL that is not one of ours, or was signed with a retired key. The purchase is
/// unknown, so the payment is only logged, for an operator who traces it.
fn invalid_reference(deps: &Deps, form: &Form) -> Twiml {
    let result = PayResult::parse(form, &deps.pay.connector);
    let (status, processor) = (result.code.status(), result.processor);
    let (call, code) = (VoiceRequest::parse(form).call, processor.confirmation_code);
    tracing::error!(
        call,
        status = status.name(),
        confirmation_code = code,
        dropped = ?result.dropped_fields,
        "invalid reference: the result of a payment arrived at a URL that is not ours, or its key is retired"
    );
    let paid = status == PaymentStatus::PaymentSuccess;
    count(deps, if paid { "not-stored" } else { "bad-reference" });
    responses::not_set_up()
}

/// What the caller hears about the outcome.
pub(crate) fn announcement(status: PaymentStatus) -> &'static str {
    match status {
        PaymentStatus::PaymentSuccess => "Thank you, that worked.",
        PaymentStatus::PaymentCancelled => "The payment was cancelled.",
        _ => "Sorry, the payment did not work.",
    }
}

/// Result of saving an outcome.
pub(crate) enum SaveResult {
    /// The outcome is stored, or nobody can read it any more because its purchase is gone or another call has paid.
    Saved,
    /// The stored outcome of the same call has this other status, and was not replaced.
    Superseded(PaymentStatus),
    /// DynamoDB is unavailable.
    Failed,
}

/// Saves an outcome. Logs an error if the caller was charged and the context does not show the payment.
pub(crate) async fn save(deps: &Deps, transfer: &TransferCall, outcome: &PaymentOutcome) -> SaveResult {
    let put = match timeout(TIME_LIMIT, put_with_retries(deps, transfer, outcome)).await {
        Ok(result) => result,
        Err(_) => Err("time-out".to_owned()),
    };
    let (tenant, call) = (&transfer.tenant, &transfer.call);
    let paid = outcome.status == PaymentStatus::PaymentSuccess;
    let code = outcome.processor.confirmation_code.as_deref();
    match put {
        Ok(OutcomeWrite::Written { overlapping }) => {
            for other in &overlapping {
                paid_twice(
                    transfer,
                    outcome,
                    other,
                    "paid twice: another call of the caller has paid at the same time",
                );
            }
            if !overlapping.is_empty() {
                count(deps, "paid-twice");
            }
            SaveResult::Saved
        }
        Ok(OutcomeWrite::Refused(stored)) if stored.call == outcome.call => SaveResult::Superseded(stored.status),
        // The outcome of another call is not announced to this caller.
        Ok(OutcomeWrite::Refused(stored)) => {
            if paid {
                paid_twice(
                    transfer,
                    outcome,
                    &stored,
                    "paid twice: another call has paid for the same purchase",
                );
                count(deps, "paid-twice");
            }
            SaveResult::Saved
        }
        Ok(OutcomeWrite::PurchaseGone) => {
            if paid {
                tracing::error!(
                    %tenant,
                    call,
                    confirmation_code = code,
                    "the caller paid for a purchase that no longer exists"
                );
                count(deps, "not-stored");
            }
            SaveResult::Saved
        }
        Err(error) => {
            tracing::error!(
                %tenant,
                call,
                confirmation_code = code,
                status = outcome.status.name(),
                error,
                "cannot store the outcome of a payment"
            );
            count(deps, "not-stored");
            SaveResult::Failed
        }
    }
}

/// Logged again at every repetition of the webhook, because a function may crash before the line is written.
fn paid_twice(transfer: &TransferCall, outcome: &PaymentOutcome, other: &PaymentOutcome, what: &str) {
    let (tenant, call, other_call) = (&transfer.tenant, &transfer.call, &other.call);
    let code = outcome.processor.confirmation_code.as_deref();
    let other_code = other.processor.confirmation_code.as_deref();
    tracing::error!(
        %tenant,
        call,
        confirmation_code = code,
        other_call,
        other_confirmation_code = other_code,
        "{what}"
    );
}

async fn put_with_retries(
    deps: &Deps,
    transfer: &TransferCall,
    outcome: &PaymentOutcome,
) -> Result<OutcomeWrite, String> {
    let Some(purchase) = transfer.purchase else {
        return Ok(OutcomeWrite::PurchaseGone);
    };
    let key = transfer.key();
    let mut backoffs = BACKOFF.into_iter();
    loop {
        let put = deps.store.put_outcome(&key, purchase, outcome, deps.clock.now());
        match (put.await, backoffs.next()) {
            (Ok(put), _) => return Ok(put),
            (Err(_), Some(backoff)) => deps.clock.sleep(backoff).await,
            (Err(error), None) => return Err(error.to_string()),
        }
    }
}
