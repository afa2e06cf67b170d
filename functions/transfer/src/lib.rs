//! A caller whom an agent transferred to our number at Twilio: greets, takes the payment that the context asks for, puts
//! down what came of it and hands the caller back.
//!
//! | request | what it is |
//! |---|---|
//! | `POST /twilio/transfer/{ref}` | the voice webhook of our number; also takes its status callback |
//! | `POST /twilio/payment/{ref}` | how `<Pay>` ended |
//! | `POST /twilio/handback/{ref}` | how the call to the next agent ended |
//!
//! Whoever signs as Twilio gets 200 and a document that can be heard, whatever happens behind it: an error would be
//! read out as "an application error has occurred", and the caller would be lost. Nobody is charged before the table
//! has taken that the caller is with us, and no other call of theirs; and a payment that cannot be stored travels on in the
//! next URL. Whoever has nothing to pay is connected at once.

mod begin;
mod hand_back;
mod load;
mod payment;
mod words;

use std::time::Duration;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use patchbay::clock::Clock;
use patchbay::providers::twilio::signature::Signatures;
use patchbay::providers::twilio::twiml::Twiml;
use patchbay::providers::twilio::webhook::Form;
use patchbay::store::Store;
use patchbay::telemetry::{self, Unit};
use patchbay::web::body;
use patchbay::web::callbacks::Callbacks;
use patchbay::web::media;
use patchbay::web::problem::Problem;

/// What the table may take of Twilio's 15 s before the caller has paid: somebody listens to the silence.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// What the function works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Contexts.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// References and URLs.
    pub callbacks: Callbacks,
    /// Tells Twilio from everybody else.
    pub signatures: Signatures,
    /// How payments are taken.
    pub pay: PaySettings,
}

/// How payments are taken.
#[derive(Clone, Debug)]
pub struct PaySettings {
    /// Name of the pay connector in Twilio's console.
    pub connector: String,
    /// How often a caller may try, 1 to 3.
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

/// Everything that Twilio asks.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    let deps = &Deps {
        callbacks: deps.callbacks.reached_by(&request, &["twilio"]),
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
    // Behind a custom domain there may be a mapped path in front.
    match path.as_slice() {
        [.., "twilio", "transfer", reference] => Ok(begin::take(deps, reference, &form).await),
        [.., "twilio", "payment", reference] => Ok(payment::take(deps, reference, &form).await),
        [.., "twilio", "handback", reference] => Ok(hand_back::take(deps, reference, &form).await),
        _ => Err(Problem::not_found()),
    }
}

/// The form, once it is certain that Twilio sent it, and to this URL.
fn signed_form(deps: &Deps, request: &Request) -> Result<Form, Problem> {
    let form = deps.signatures.form(request, &deps.callbacks.twilio_url_of(request))?;
    form.ok_or_else(|| {
        counted(deps, "bad-signature");
        Problem::bad_signature()
    })
}

fn xml(twiml: &Twiml) -> Response<Body> {
    media::answer(StatusCode::OK, "text/xml; charset=utf-8", twiml.to_string())
}

/// Counts what came of a transferred call, or of a part of it.
fn counted(deps: &Deps, outcome: &str) {
    let dimensions = [("outcome", outcome)];
    telemetry::emf(deps.clock.now(), &dimensions, &[("Transfers", Unit::Count, 1.0)], &[]);
}
