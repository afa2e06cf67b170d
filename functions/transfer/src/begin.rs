//! The voice webhook: admits a transferred caller to the payment.

use patchbay::clock::Timestamp;
use patchbay::context::{Context, ContextKey, PaymentOutcome, PaymentStatus, Processor, Version, caller};
use patchbay::phone::PhoneNumber;
use patchbay::providers::twilio::twiml::Twiml;
use patchbay::providers::twilio::webhook::{Form, VoiceRequest};
use patchbay::store::{CallEnd, PaymentAdmission};
use patchbay::web::transfer::TransferCall;
use tokio::time::timeout;

use crate::{Deps, TIME_LIMIT, count, responses};

/// Handles `POST /twilio/transfer/{ref}`.
pub(crate) async fn handle(deps: &Deps, reference: &str, form: &Form) -> Twiml {
    let Ok(tenant) = deps.callbacks.check_transfer(reference) else {
        tracing::error!("invalid reference: the webhook URL of a Twilio number is not ours, or its key is retired");
        count(deps, "bad-reference");
        return responses::not_set_up();
    };
    let request = VoiceRequest::parse(form);
    let caller = match caller::trusted(&request.from, None) {
        Ok(caller) => caller,
        Err(error) => {
            tracing::info!(%tenant, call = request.call, %error, "the caller has no usable number");
            count(deps, "no-number");
            return responses::no_number();
        }
    };
    let key = ContextKey { tenant, caller };
    if request.is_over {
        return end_call(deps, &key, &request.call).await;
    }
    let now = deps.clock.now();
    let context = match timeout(TIME_LIMIT, deps.store.context(&key, now)).await {
        Ok(Ok(Some(context))) => context,
        Ok(Ok(None)) => {
            tracing::info!(
                tenant = %key.tenant,
                caller = %key.caller,
                call = request.call,
                "the caller has no context"
            );
            count(deps, "no-context");
            return responses::no_context();
        }
        Ok(Err(error)) => return context_unavailable(deps, &key, &request.call, &error.to_string()),
        Err(_) => return context_unavailable(deps, &key, &request.call, "time-out"),
    };
    admit(deps, &key, &context, &request.call, now).await
}

fn context_unavailable(deps: &Deps, key: &ContextKey, call: &str, error: &str) -> Twiml {
    tracing::error!(tenant = %key.tenant, call, error, "cannot load the context; the caller was not charged");
    count(deps, "unavailable");
    responses::unavailable()
}

/// Records that this call is paying, and only then asks for the payment.
async fn admit(deps: &Deps, key: &ContextKey, context: &Context, call: &str, now: Timestamp) -> Twiml {
    let version = &context.current;
    let previous = version.outcome.as_ref().filter(|outcome| outcome.call == call);
    let outcome = PaymentOutcome {
        status: PaymentStatus::InProgress,
        call: call.to_owned(),
        // A repeated webhook keeps the first start time.
        start_time: previous.map_or(now, |outcome| outcome.start_time),
        end_time: None,
        processor: Processor::default(),
        debug: String::new(),
    };
    let transfer = transfer_of(key, version, &outcome);
    let Some(purchase) = &version.data.purchase else {
        tracing::info!(tenant = %key.tenant, caller = %key.caller, call, "the caller has nothing to pay");
        count(deps, "no-payment");
        return responses::connect(deps, &transfer, responses::NOTHING_TO_PAY);
    };
    if version.status() == PaymentStatus::PaymentSuccess {
        return already_paid(deps, &transfer);
    }
    let admission = deps.store.begin_payment(key, context, &outcome, now);
    match timeout(TIME_LIMIT, admission).await {
        Ok(Ok(PaymentAdmission::Admitted)) => {
            let caller: &PhoneNumber = &key.caller;
            tracing::info!(
                tenant = %key.tenant,
                %caller,
                call,
                generation = %version.generation,
                "asking the caller to pay"
            );
            count(deps, "asked");
            responses::pay(deps, &transfer, &version.data, purchase)
        }
        Ok(Ok(PaymentAdmission::AlreadyPaid)) => already_paid(deps, &transfer),
        Ok(Ok(PaymentAdmission::OtherCallPaying(other_call))) => other_call_paying(deps, &transfer, &other_call),
        // A repeated webhook of a call whose payment has already ended.
        Ok(Ok(PaymentAdmission::AlreadyProcessed)) => responses::connect(deps, &transfer, ""),
        Ok(Ok(PaymentAdmission::CallEnded)) => {
            tracing::info!(tenant = %key.tenant, call, "the voice webhook arrived after the end of the call");
            count(deps, "over");
            responses::hang_up()
        }
        Ok(Ok(PaymentAdmission::PurchaseGone)) => {
            count(deps, "no-context");
            responses::no_context()
        }
        Ok(Err(error)) => not_charged(deps, &transfer, &error.to_string()),
        Err(_) => not_charged(deps, &transfer, "time-out"),
    }
}

fn transfer_of(key: &ContextKey, version: &Version, outcome: &PaymentOutcome) -> TransferCall {
    TransferCall {
        tenant: key.tenant.clone(),
        caller: key.caller.clone(),
        purchase: version.purchase,
        call: outcome.call.clone(),
        start_time: outcome.start_time,
        callback: version.data.callback.clone(),
        persona: responses::supported_persona(&version.data.persona).to_owned(),
        unsaved: None,
    }
}

fn already_paid(deps: &Deps, transfer: &TransferCall) -> Twiml {
    tracing::info!(tenant = %transfer.tenant, call = transfer.call, "the caller has already paid");
    count(deps, "paid-before");
    responses::connect(deps, transfer, responses::ALREADY_PAID)
}

/// Refuses the payment: two calls that pay at the same time would both be charged.
fn other_call_paying(deps: &Deps, transfer: &TransferCall, other_call: &str) -> Twiml {
    let (tenant, call) = (&transfer.tenant, &transfer.call);
    tracing::warn!(
        %tenant,
        call,
        other_call,
        "another call of the caller is paying; the caller was not charged in this call"
    );
    count(deps, "under-way");
    responses::connect(deps, transfer, responses::OTHER_CALL_PAYING)
}

/// Takes no payment: if this call could not be recorded, the outcome of a payment could not be stored either.
fn not_charged(deps: &Deps, transfer: &TransferCall, error: &str) -> Twiml {
    tracing::error!(
        tenant = %transfer.tenant,
        call = transfer.call,
        error,
        "cannot record that the call is paying; the caller was not charged"
    );
    count(deps, "unavailable");
    responses::connect(deps, transfer, responses::PAYMENT_UNAVAILABLE)
}

/// The status callback of our number, if configured: the caller hung up, perhaps while paying, which Twilio may not
/// report in any other way, or perhaps before the voice webhook arrived.
async fn end_call(deps: &Deps, key: &ContextKey, call: &str) -> Twiml {
    if call.is_empty() {
        return Twiml::default();
    }
    let ended = deps.store.end_call(key, call, deps.clock.now());
    match timeout(TIME_LIMIT, ended).await {
        Ok(Ok(CallEnd::WhilePaying)) => {
            tracing::info!(tenant = %key.tenant, caller = %key.caller, call, "the caller hung up while paying");
            count(deps, PaymentStatus::CallerHungUp.name());
        }
        Ok(Ok(CallEnd::NotPaying)) => {}
        Ok(Err(error)) => tracing::error!(tenant = %key.tenant, call, %error, "cannot record the end of a call"),
        Err(_) => tracing::error!(tenant = %key.tenant, call, "cannot record the end of a call: time-out"),
    }
    Twiml::default()
}
