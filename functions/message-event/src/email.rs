//! `POST /ses/events/{ref}`: what Amazon SES reports about e-mails, posted by Amazon `EventBridge`.
//!
//! Nothing in the body is signed. The URL has a reference of ours, and an event counts only for an attempt whose id it
//! names: 64 random bits that SES got with the e-mail.

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request};
use patchbay::ids::{Nonce, Tenant};
use patchbay::interaction::{AttemptOutcome, Interaction, Progress, Report};
use patchbay::outreach::callbacks::MessageReference;
use patchbay::outreach::{email_tags, inbound};
use patchbay::providers::ses::{Bounce, BounceCause, EmailEvent, Occurrence, ReceivedEvent, read_events};
use patchbay::web::problem::Problem;
use patchbay::web::{body, media};

use crate::{Answer, Boxed, Deps, TIME_LIMIT, status, unavailable};

/// Largest event, in bytes: that of `EventBridge`. An event has all headers of its e-mail.
const MAX_BODY: usize = 256 * 1024;

pub(crate) async fn receive(deps: &Deps, request: &Request, reference: &str) -> Answer {
    if request.method() != Method::POST {
        return Err(Problem::method_not_allowed("POST"));
    }
    let tenant = deps.callbacks.check_email_events(reference);
    let tenant = tenant.map_err(|_| Problem::bad_reference())?;
    let body = body::bytes_up_to(request, MAX_BODY)?;
    match read_events(body) {
        Ok(events) => {
            for event in events {
                take(deps, &tenant, event).await?;
            }
        }
        Err(error) => tracing::warn!(%tenant, %error, "cannot read an event of SES: ignored"),
    }
    Ok(media::response(
        StatusCode::OK,
        "text/plain; charset=utf-8",
        Body::Empty,
    ))
}

/// Applies an event.
async fn take(deps: &Deps, tenant: &Tenant, event: ReceivedEvent) -> Result<(), Problem> {
    let event = match event {
        ReceivedEvent::Email(event) => event,
        ReceivedEvent::Irrelevant { name } => {
            tracing::info!(%tenant, event = name, "an event of SES is about no e-mail of ours");
            return Ok(());
        }
    };
    // Others may send through the same account, and other tenants.
    let ours = event.tags.as_ref().and_then(email_tags::read);
    let Some((interaction, attempt)) = ours.filter(|(key, _)| key.tenant == *tenant) else {
        tracing::info!(%tenant, "an event of SES is about an e-mail that this tenant did not send");
        return Ok(());
    };
    let message = MessageReference { interaction, attempt };
    let report = report_of(&event);
    if report.as_ref().and_then(|report| report.outcome.as_ref()) == Some(&AttemptOutcome::OptedOut) {
        note_opt_out(deps, &message, &event).await?;
    }
    match report {
        None => Ok(()),
        Some(report) if is_soft_bounce(&event) => apply_soft_bounce(deps, &message, &report).await,
        Some(report) => status::apply(deps, &message, &report, name_of(&event.what)).await,
    }
}

/// Puts the recipient on the list, also if the interaction does not know them any more: it may have been forgotten.
async fn note_opt_out(deps: &Deps, message: &MessageReference, event: &EmailEvent) -> Result<(), Problem> {
    let Some(recipient) = &event.recipient else {
        return Ok(());
    };
    let noting: Boxed<'_, _> = Box::pin(inbound::note_recipient_opt_out(&deps.interactions, message, recipient));
    match tokio::time::timeout(TIME_LIMIT, noting).await {
        Ok(Ok(())) => Ok(()),
        failed => {
            let interaction = message.interaction.id;
            tracing::error!(%interaction, ?failed, "cannot store an opt-out by e-mail: asking EventBridge to repeat it");
            Err(unavailable())
        }
    }
}

/// The report in an event; `None` if it says nothing about the way of the e-mail. Images and links are loaded by
/// programs, too: they prove nothing.
fn report_of(event: &EmailEvent) -> Option<Report> {
    let failed = |detail: String| Some(AttemptOutcome::Failed { detail });
    let (progress, outcome) = match &event.what {
        Occurrence::Sent => (Some(Progress::Accepted), None),
        Occurrence::Delayed { .. } => (Some(Progress::Underway), None),
        Occurrence::Delivered => (Some(Progress::Delivered), Some(AttemptOutcome::Delivered)),
        Occurrence::Bounced(bounce) if bounce.cause == BounceCause::Unsubscribed => {
            (None, Some(AttemptOutcome::OptedOut))
        }
        Occurrence::Bounced(bounce) => (None, failed(bounce_detail(bounce))),
        Occurrence::Complained { .. } => (None, Some(AttemptOutcome::OptedOut)),
        Occurrence::Rejected => (None, failed("SES found a virus".to_owned())),
        Occurrence::RenderingFailed => (None, failed("SES could not fill in the template".to_owned())),
        Occurrence::Opened | Occurrence::Clicked | Occurrence::SubscriptionChanged => return None,
    };
    Some(Report {
        provider_id: Some(event.message.as_str().to_owned()),
        progress,
        outcome,
        ..Report::default()
    })
}

fn bounce_detail(bounce: &Bounce) -> String {
    let cause = match bounce.cause {
        BounceCause::NoMailbox => "there is no such mailbox",
        BounceCause::MailboxFull => "the mailbox is full",
        BounceCause::Content => "the content was refused",
        BounceCause::Suppressed => "the address is on the suppression list of SES",
        BounceCause::Unsubscribed => "the recipient unsubscribed at SES",
        BounceCause::Other => "the e-mail bounced",
    };
    match &bounce.status {
        Some(status) => format!("{cause} ({status})"),
        None => cause.to_owned(),
    }
}

const fn is_soft_bounce(event: &EmailEvent) -> bool {
    matches!(&event.what, Occurrence::Bounced(bounce) if !bounce.permanent)
}

/// A bounce that is not for good counts only before a delivery: afterwards it is likely an automatic reply. The queue
/// could not tell, so `EventBridge` is asked to repeat what cannot be applied.
async fn apply_soft_bounce(deps: &Deps, message: &MessageReference, report: &Report) -> Result<(), Problem> {
    let (interaction, attempt) = (message.interaction.id, message.attempt);
    let report_in = |interaction: &Interaction| Report {
        outcome: report.outcome.clone().filter(|_| !is_delivered(interaction, attempt)),
        ..report.clone()
    };
    let applying: Boxed<'_, _> = Box::pin(inbound::apply_report(&deps.interactions, message, report_in));
    match tokio::time::timeout(TIME_LIMIT, applying).await {
        Ok(Ok(outcome)) => {
            tracing::info!(%interaction, %attempt, ?outcome, "bounce of an e-mail applied");
            Ok(())
        }
        failed => {
            tracing::error!(%interaction, %attempt, ?failed, "cannot store a bounce: asking EventBridge to repeat it");
            Err(unavailable())
        }
    }
}

/// Whether an attempt is known to have arrived: in progress, ended by that, or ended later without an answer.
fn is_delivered(interaction: &Interaction, attempt: Nonce) -> bool {
    let is_far = |progress: Option<Progress>| progress >= Some(Progress::Delivered);
    let mut current = interaction.attempt.iter();
    let mut past = interaction.past.iter();
    let mut thread = interaction.thread.iter();
    current.any(|current| current.id == attempt && is_far(current.progress))
        || past.any(|past| past.id == attempt && past.outcome.is_success())
        || thread.any(|message| message.attempt == Some(attempt) && is_far(message.progress))
}

const fn name_of(what: &Occurrence) -> &'static str {
    match what {
        Occurrence::Sent => "sent",
        Occurrence::Delayed { .. } => "delayed",
        Occurrence::Delivered => "delivered",
        Occurrence::Bounced(_) => "bounced",
        Occurrence::Complained { .. } => "complained",
        Occurrence::Rejected => "rejected",
        Occurrence::RenderingFailed => "rendering failed",
        Occurrence::Opened => "opened",
        Occurrence::Clicked => "clicked",
        Occurrence::SubscriptionChanged => "subscription changed",
    }
}
