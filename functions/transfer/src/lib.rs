//! Handles calls that an agent transferred to our Twilio number: greets the caller, takes the payment in the caller's
//! context, stores the outcome, and connects the caller to the next agent.
//!
//! | request | purpose |
//! |---|---|
//! | `POST /twilio/transfer/{ref}` | the voice webhook of our number; also its status callback |
//! | `POST /twilio/payment/{ref}` | the result of `<Pay>` |
//! | `POST /twilio/handback/{ref}` | the result of the call to the next agent |
//!
//! A request with Twilio's signature always gets 200 and a `TwiML` document, even when something fails: for an error,
//! Twilio would say "an application error has occurred" and end the call. A caller is charged only after DynamoDB has
//! recorded that this call, and no other call of the caller, is paying. The outcome of a payment that cannot be stored
//! is carried in the next URL. A caller with nothing to pay is connected at once.

mod begin;
mod hand_back;
mod load;
mod payment;
mod responses;

use std::time::Duration;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use patchbay::clock::Clock;
use patchbay::providers::twilio::signature::SignatureVerifier;
use patchbay::providers::twilio::twiml::Twiml;
use patchbay::providers::twilio::webhook::Form;
use patchbay::store::Store;
use patchbay::telemetry::{self, Unit};
use patchbay::web::body;
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::media;
use patchbay::web::problem::Problem;

/// Time limit for DynamoDB before the caller has paid. Twilio waits 15 s, but the caller hears silence meanwhile.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// The function's dependencies.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Stores the contexts.
    pub store: Store,
    /// The source of the current time.
    pub clock: Clock,
    /// Signs and checks the references in callback URLs.
    pub callbacks: CallbackUrls,
    /// Verifies Twilio's signatures.
    pub signatures: SignatureVerifier,
    /// Settings of payments.
    pub pay: PaySettings,
}

/// Settings of payments.
#[derive(Clone, Debug)]
pub struct PaySettings {
    /// Name of the pay connector in Twilio's console.
    pub connector: String,
    /// Attempts that a caller has to pay, 1 to 3.
    pub max_attempts: u8,
}

impl Default for PaySettings {
    fn default() -> Self {
        Self {
            connector: "Default".into(),
            max_attempts: 3,
        }
    }
}

/// Handles a request of Twilio.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    let deps = &Deps {
        callbacks: deps.callbacks.with_fallback_base(&request, &["twilio"]),
        ..deps.clone()
    };
    match answer(deps, &request).await {
        Ok(twiml) => xml(&twiml),
        Err(problem) => problem.into_response(),
    }
}

async fn answer(deps: &Deps, request: &Request) -> Result<Twiml, Problem> {
    if request.method() != Method::POST {
        return Err(Problem::method_not_allowed("POST"));
    }
    let form = signed_form(deps, request)?;
    let path = body::path_segments(request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    // A custom domain may add a base path in front.
    match path.as_slice() {
        [.., "twilio", "transfer", reference] => Ok(begin::handle(deps, reference, &form).await),
        [.., "twilio", "payment", reference] => Ok(payment::handle(deps, reference, &form).await),
        [.., "twilio", "handback", reference] => Ok(hand_back::handle(deps, reference, &form).await),
        _ => Err(Problem::not_found()),
    }
}

/// The form of a request, if Twilio signed it for this URL.
fn signed_form(deps: &Deps, request: &Request) -> Result<Form, Problem> {
    let form = deps
        .signatures
        .verified_form(request, &deps.callbacks.twilio_url_of(request))?;
    form.ok_or_else(|| {
        count(deps, "bad-signature");
        Problem::bad_signature()
    })
}

fn xml(twiml: &Twiml) -> Response<Body> {
    media::response(StatusCode::OK, "text/xml; charset=utf-8", twiml.to_string())
}

/// Counts an outcome of a transferred call, or of a step of it.
fn count(deps: &Deps, outcome: &str) {
    let dimensions = [("Outcome", outcome)];
    telemetry::emf(deps.clock.now(), &dimensions, &[("Transfers", Unit::Count, 1.0)], &[]);
}
