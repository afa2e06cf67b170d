//! How a payment ended.

use std::time::Duration;

use patchbay::context::{NotKept, Outcome, Status};
use patchbay::providers::twilio::twiml::Twiml;
use patchbay::providers::twilio::webhook::{CallRequest, Form, PayResult};
use patchbay::store::OutcomePut;
use patchbay::web::transfer::TransferCall;
use tokio::time::timeout;

use crate::{Deps, counted, words};

/// What the table may take of Twilio's 15 s once the caller has paid: worth more silence than before.
const TIME_LIMIT: Duration = Duration::from_secs(8);
/// Pauses between tries, each of which tries several times by itself.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
];

/// `POST /twilio/payment/{ref}`: as the action of `<Pay>` with its result, or as the verb after it, without one.
pub(crate) async fn take(deps: &Deps, reference: &str, form: &Form) -> Twiml {
    let Ok(mut transfer) = deps.callbacks.check_payment(reference) else {
        return unknown(deps, form);
    };
    let result = PayResult::read(form, &deps.pay.connector);
    let outcome = outcome(deps, &transfer, &result);
    not_kept(deps, &transfer, &outcome, &result.not_kept);
    if outcome.status != Status::PaymentSuccess && outcome.processor.confirmation_code.is_some() {
        let code = outcome.processor.confirmation_code.as_deref();
        tracing::error!(tenant = %transfer.tenant, call = transfer.call, confirmation_code = code, "a payment failed, but has a confirmation");
        // Money may have moved, and the context will say that it has not.
        counted(deps, "not-stored");
    }
    let status = match save(deps, &transfer, &outcome).await {
        Saved::Yes => outcome.status,
        Saved::Instead(status) => status,
        Saved::No => {
            let left = deps.callbacks.carry(&mut transfer, outcome.clone());
            if !left.is_empty() {
                let (tenant, left) = (&transfer.tenant, left.join(", "));
                tracing::error!(%tenant, call = transfer.call, left, "an outcome that could not be stored is too long for a URL; a part of it is lost");
            }
            outcome.status
        }
    };
    tracing::info!(tenant = %transfer.tenant, caller = %transfer.caller, call = transfer.call, status = status.name(), "a payment is over");
    counted(deps, status.name());
    match status {
        // Not a word before it is tried again: whoever hangs up while we speak takes the outcome along.
        _ if transfer.unsaved.is_some() => words::at_once(deps, &transfer),
        Status::CallerHungUp => words::hang_up(),
        status => words::back(deps, &transfer, text(status)),
    }
}

fn outcome(deps: &Deps, transfer: &TransferCall, result: &PayResult) -> Outcome {
    let end = match result.error_code {
        Some(code) => format!("Pay ended with {}, code {code}", result.end.name()),
        None => format!("Pay ended with {}", result.end.name()),
    };
    let not_kept = result.not_kept.iter().map(ToString::to_string);
    Outcome {
        status: result.end.status(),
        call: transfer.call.clone(),
        start_time: transfer.start_time,
        end_time: Some(deps.clock.now()),
        processor: result.processor.clone(),
        debug: [end].into_iter().chain(not_kept).collect::<Vec<_>>().join("; "),
    }
}

/// Says what of a payment cannot be found in the context, though it was made. The payment itself is kept.
fn not_kept(deps: &Deps, transfer: &TransferCall, outcome: &Outcome, not_kept: &[NotKept]) {
    let paid = outcome.status == Status::PaymentSuccess;
    for not_kept in not_kept {
        let (tenant, call, field) = (&transfer.tenant, &transfer.call, not_kept.field());
        let code = outcome.processor.confirmation_code.as_deref();
        tracing::error!(%tenant, call, paid, confirmation_code = code, field, why = %not_kept, "a part of what the processor said is not kept");
    }
    if paid && !not_kept.is_empty() {
        counted(deps, "not-stored");
    }
}

/// Twilio says how a payment ended, at a URL that is none of ours or whose key is no longer in use: nobody knows any more
/// what was paid for, but whoever looks for the money finds it here.
fn unknown(deps: &Deps, form: &Form) -> Twiml {
    let result = PayResult::read(form, &deps.pay.connector);
    let (status, processor) = (result.end.status(), result.processor);
    let (call, code) = (CallRequest::read(form).call, processor.confirmation_code);
    tracing::error!(
        call,
        status = status.name(),
        confirmation_code = code,
        not_kept = ?result.not_kept,
        "the result of a payment came to a URL that is none of ours, or whose key is no longer in use"
    );
    let paid = status == Status::PaymentSuccess;
    counted(deps, if paid { "not-stored" } else { "bad-reference" });
    words::not_set_up()
}

pub(crate) fn text(status: Status) -> &'static str {
    match status {
        Status::PaymentSuccess => "Thank you, that worked.",
        Status::PaymentCancelled => "The payment was cancelled.",
        _ => "Sorry, the payment did not work.",
    }
}

/// What became of an outcome.
pub(crate) enum Saved {
    /// It is in the table, or belongs to what nobody can ask for any more.
    Yes,
    /// This stands there instead, of the same call.
    Instead(Status),
    /// The table could not be had.
    No,
}

/// Puts an outcome down, and says so loudly when money has changed hands and nobody will find it there.
pub(crate) async fn save(deps: &Deps, transfer: &TransferCall, outcome: &Outcome) -> Saved {
    let put = match timeout(TIME_LIMIT, tried(deps, transfer, outcome)).await {
        Ok(result) => result,
        Err(_) => Err("no answer in time".to_owned()),
    };
    let (tenant, call) = (&transfer.tenant, &transfer.call);
    let paid = outcome.status == Status::PaymentSuccess;
    let code = outcome.processor.confirmation_code.as_deref();
    match put {
        Ok(OutcomePut::Written { overlapping }) => {
            for other in &overlapping {
                paid_twice(
                    transfer,
                    outcome,
                    other,
                    "paid twice: another call of the caller paid at the same time",
                );
            }
            if !overlapping.is_empty() {
                counted(deps, "paid-twice");
            }
            Saved::Yes
        }
        Ok(OutcomePut::Refused(there)) if there.call == outcome.call => Saved::Instead(there.status),
        // What another call came to is no news for this caller.
        Ok(OutcomePut::Refused(there)) => {
            if paid {
                paid_twice(
                    transfer,
                    outcome,
                    &there,
                    "paid twice: another call has paid for the same",
                );
                counted(deps, "paid-twice");
            }
            Saved::Yes
        }
        Ok(OutcomePut::Gone) => {
            if paid {
                tracing::error!(%tenant, call, confirmation_code = code, "paid for a context that does not exist any more");
                counted(deps, "not-stored");
            }
            Saved::Yes
        }
        Err(error) => {
            tracing::error!(%tenant, call, confirmation_code = code, status = outcome.status.name(), error, "an outcome could not be stored");
            counted(deps, "not-stored");
            Saved::No
        }
    }
}

/// Said again at every repetition of the webhook: a function may die before it is heard.
fn paid_twice(transfer: &TransferCall, outcome: &Outcome, other: &Outcome, what: &str) {
    let (tenant, call, other_call) = (&transfer.tenant, &transfer.call, &other.call);
    let code = outcome.processor.confirmation_code.as_deref();
    let other_code = other.processor.confirmation_code.as_deref();
    tracing::error!(%tenant, call, confirmation_code = code, other_call, other_confirmation_code = other_code, "{what}");
}

async fn tried(deps: &Deps, transfer: &TransferCall, outcome: &Outcome) -> Result<OutcomePut, String> {
    let Some(purchase) = transfer.purchase else {
        return Ok(OutcomePut::Gone);
    };
    let key = transfer.key();
    let mut pauses = PAUSES.into_iter();
    loop {
        let put = deps.store.put_outcome(&key, purchase, outcome, deps.clock.now());
        match (put.await, pauses.next()) {
            (Ok(put), _) => return Ok(put),
            (Err(_), Some(pause)) => deps.clock.sleep(pause).await,
            (Err(error), None) => return Err(error.to_string()),
        }
    }
}
