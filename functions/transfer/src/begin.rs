//! The caller comes to us.

use patchbay::clock::Timestamp;
use patchbay::context::{Context, ContextKey, Outcome, Processor, Status, Version, caller};
use patchbay::phone::PhoneNumber;
use patchbay::providers::twilio::twiml::Twiml;
use patchbay::providers::twilio::webhook::{CallRequest, Form};
use patchbay::store::{Begun, Ended};
use patchbay::web::transfer::TransferCall;
use tokio::time::timeout;

use crate::{Deps, TIME_LIMIT, counted, words};

/// `POST /twilio/transfer/{ref}`.
pub(crate) async fn take(deps: &Deps, reference: &str, form: &Form) -> Twiml {
    let Ok(tenant) = deps.callbacks.check_transfer(reference) else {
        tracing::error!("a number's webhook at Twilio is not one of our URLs, or its key is no longer in use");
        counted(deps, "bad-reference");
        return words::not_set_up();
    };
    let request = CallRequest::read(form);
    let caller = match caller::vouched(&request.from, None) {
        Ok(caller) => caller,
        Err(error) => {
            tracing::info!(%tenant, call = request.call, %error, "a caller cannot be known");
            counted(deps, "no-number");
            return words::no_number();
        }
    };
    let key = ContextKey { tenant, caller };
    if request.is_over {
        return over(deps, &key, &request.call).await;
    }
    let now = deps.clock.now();
    let context = match timeout(TIME_LIMIT, deps.store.context(&key, now)).await {
        Ok(Ok(Some(context))) => context,
        Ok(Ok(None)) => {
            tracing::info!(tenant = %key.tenant, caller = %key.caller, call = request.call, "nothing is known of a caller");
            counted(deps, "no-context");
            return words::no_context();
        }
        Ok(Err(error)) => return no_table(deps, &key, &request.call, &error.to_string()),
        Err(_) => return no_table(deps, &key, &request.call, "no answer in time"),
    };
    greet(deps, &key, &context, &request.call, now).await
}

fn no_table(deps: &Deps, key: &ContextKey, call: &str, error: &str) -> Twiml {
    tracing::error!(tenant = %key.tenant, call, error, "a context cannot be had; nobody was charged");
    counted(deps, "unavailable");
    words::trouble()
}

/// Puts down that the caller is with us; only then a payment may be taken.
async fn greet(deps: &Deps, key: &ContextKey, context: &Context, call: &str, now: Timestamp) -> Twiml {
    let version = &context.current;
    let under_way = version.outcome.as_ref().filter(|outcome| outcome.call == call);
    let outcome = Outcome {
        status: Status::InProgress,
        call: call.to_owned(),
        // A repeated webhook begins nothing anew.
        start_time: under_way.map_or(now, |outcome| outcome.start_time),
        end_time: None,
        processor: Processor::default(),
        debug: String::new(),
    };
    let transfer = transfer_of(key, version, &outcome);
    let Some(purchase) = &version.brief.purchase else {
        tracing::info!(tenant = %key.tenant, caller = %key.caller, call, "a caller has nothing to pay");
        counted(deps, "no-payment");
        return words::back(deps, &transfer, words::NOTHING_TO_PAY);
    };
    if version.status() == Status::PaymentSuccess {
        return paid_before(deps, &transfer);
    }
    let begun = deps.store.begin_payment(key, context, &outcome, now);
    match timeout(TIME_LIMIT, begun).await {
        Ok(Ok(Begun::Yes)) => {
            let caller: &PhoneNumber = &key.caller;
            tracing::info!(tenant = %key.tenant, %caller, call, generation = %version.generation, "a caller is asked to pay");
            counted(deps, "asked");
            words::pay(deps, &transfer, &version.brief, purchase)
        }
        Ok(Ok(Begun::Paid)) => paid_before(deps, &transfer),
        Ok(Ok(Begun::Elsewhere(other_call))) => elsewhere(deps, &transfer, &other_call),
        // A repeated webhook of a call that has got further than this.
        Ok(Ok(Begun::Further)) => words::back(deps, &transfer, ""),
        Ok(Ok(Begun::Over)) => {
            tracing::info!(tenant = %key.tenant, call, "the webhook of a call came after its end");
            counted(deps, "over");
            words::hang_up()
        }
        Ok(Ok(Begun::Gone)) => {
            counted(deps, "no-context");
            words::no_context()
        }
        Ok(Err(error)) => not_charged(deps, &transfer, &error.to_string()),
        Err(_) => not_charged(deps, &transfer, "no answer in time"),
    }
}

fn transfer_of(key: &ContextKey, version: &Version, outcome: &Outcome) -> TransferCall {
    TransferCall {
        tenant: key.tenant.clone(),
        caller: key.caller.clone(),
        purchase: version.purchase,
        call: outcome.call.clone(),
        start_time: outcome.start_time,
        callback: version.brief.callback.clone(),
        persona: words::known_persona(&version.brief.persona).to_owned(),
        unsaved: None,
    }
}

fn paid_before(deps: &Deps, transfer: &TransferCall) -> Twiml {
    tracing::info!(tenant = %transfer.tenant, call = transfer.call, "a caller has paid before");
    counted(deps, "paid-before");
    words::back(deps, transfer, words::PAID_BEFORE)
}

/// Of two calls at a time both would be charged.
fn elsewhere(deps: &Deps, transfer: &TransferCall, other_call: &str) -> Twiml {
    let (tenant, call) = (&transfer.tenant, &transfer.call);
    tracing::warn!(%tenant, call, other_call, "another call of this caller's is paying; nobody was charged in this one");
    counted(deps, "under-way");
    words::back(deps, transfer, words::UNDER_WAY)
}

/// What could not be put down could not be put down after a payment either: none is taken.
fn not_charged(deps: &Deps, transfer: &TransferCall, error: &str) -> Twiml {
    tracing::error!(tenant = %transfer.tenant, call = transfer.call, error, "a call cannot be put down; nobody was charged");
    counted(deps, "unavailable");
    words::back(deps, transfer, words::NO_PAYMENT_NOW)
}

/// The status callback of our number, if it is set: the caller hung up, perhaps while paying, and Twilio need not have
/// told of that otherwise; or before we have heard of the call at all.
async fn over(deps: &Deps, key: &ContextKey, call: &str) -> Twiml {
    if call.is_empty() {
        return Twiml::default();
    }
    let ended = deps.store.end_call(key, call, deps.clock.now());
    match timeout(TIME_LIMIT, ended).await {
        Ok(Ok(Ended::WhilePaying)) => {
            tracing::info!(tenant = %key.tenant, caller = %key.caller, call, "a caller hung up while paying");
            counted(deps, Status::CallerHungUp.name());
        }
        Ok(Ok(Ended::Otherwise)) => {}
        Ok(Err(error)) => tracing::error!(tenant = %key.tenant, call, %error, "the end of a call cannot be put down"),
        Err(_) => tracing::error!(tenant = %key.tenant, call, "the end of a call cannot be put down in time"),
    }
    Twiml::default()
}
