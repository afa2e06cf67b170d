//! `/ses/one-click/{ref}`: the opt-out button of an e-mail (RFC 8058).
//!
//! Mail scanners fetch every link, so only the POST of the button changes anything. The list of opt-outs gets the
//! address first: it works years after the interaction is gone.

use lambda_http::http::header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY};
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use patchbay::interaction::{AttemptOutcome, Event, Interaction, Report, Work};
use patchbay::outreach::callbacks::OptOutReference;
use patchbay::providers::ses::one_click::{self, OneClick};
use patchbay::store::{OptOutChange, OptOutSource};
use patchbay::web::problem::Problem;
use patchbay::web::{body, media};

use crate::{Answer, Deps, by, deadline, unavailable};

/// The page with the button, which makes the same request as a mail program, and the page that confirms it.
const PAGE: &str = include_str!("one_click/page.html");
const DONE: &str = include_str!("one_click/done.html");
/// The methods that the URL accepts.
const METHODS: &str = "GET, HEAD, POST";
/// The page may load nothing and post to itself.
const POLICY: &str = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(crate) async fn receive(deps: &Deps, request: &Request, reference: &str) -> Answer {
    let reference = deps.callbacks.check_opt_out(reference);
    let reference = reference.map_err(|_| Problem::bad_reference())?;
    match one_click::decide(request.method(), body::bytes(request)?) {
        OneClick::Stop => {
            stop(deps, &reference).await?;
            Ok(page(StatusCode::OK, DONE))
        }
        OneClick::ShowPage => Ok(page(StatusCode::OK, PAGE)),
        OneClick::Refused if request.method() == Method::POST => Ok(page(StatusCode::BAD_REQUEST, PAGE)),
        OneClick::Refused => Err(Problem::method_not_allowed(METHODS)),
    }
}

/// Puts the address on the list, and ends the interaction.
async fn stop(deps: &Deps, reference: &OptOutReference) -> Result<(), Problem> {
    let message = &reference.message;
    let (key, attempt) = (&message.interaction, message.attempt);
    let (store, now) = (&deps.interactions.store, deps.interactions.clock.now());
    let change = OptOutChange::opt_out(OptOutSource::Button, now).about(key.id);
    let deadline = deadline();
    let putting = store.change_opt_out(&key.tenant, &reference.address, &change);
    by(deadline, putting).await.map_err(|error| {
        tracing::error!(interaction = %key.id, error, "cannot store an opt-out: asking the customer to repeat it");
        unavailable()
    })?;
    let report = Report {
        outcome: Some(AttemptOutcome::OptedOut),
        ..Report::default()
    };
    let event = |_: &Interaction| Event::Reported {
        attempt,
        report: report.clone(),
    };
    let work = Work::Report {
        attempt,
        report: Box::new(report.clone()),
    };
    let applying = deps.interactions.apply(key, event);
    // The list is checked before every message: whether or not the interaction ends, the customer gets no e-mail.
    if let Ok(Some(applied)) = deps.apply_or_queue(key, work, deadline, applying).await {
        let outcome = applied.map(|applied| applied.outcome);
        tracing::info!(interaction = %key.id, %attempt, ?outcome, "opt-out by button applied");
    }
    Ok(())
}

fn page(status: StatusCode, html: &'static str) -> Response<Body> {
    let mut response = media::response(status, "text/html; charset=utf-8", html);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // The URL of the page is the right to opt out.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        HeaderName::from_static("x-robots-tag"),
        HeaderValue::from_static("noindex, nofollow"),
    );
    response
}
