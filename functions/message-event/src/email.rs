//! What Amazon SES reports about e-mails, by way of Amazon `EventBridge`: sent by a rule of the stack, or, from another
//! account or region, posted to `/ses/events/{ref}`.
//!
//! Nothing in an event is signed. Only the rule may invoke the function, and the URL has a reference of ours. An event
//! counts only for an attempt whose id it names: 64 random bits that SES got with the e-mail.

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request};
use patchbay::ids::{InteractionKey, Nonce, Tenant};
use patchbay::interaction::{AttemptOutcome, Interaction, Progress, Report};
use patchbay::outreach::callbacks::MessageReference;
use patchbay::outreach::{email_tags, inbound};
use patchbay::providers::ses::{Bounce, BounceCause, EmailEvent, Occurrence, ReceivedEvent, read_events};
use patchbay::web::problem::Problem;
use patchbay::web::{body, media};
use tokio::time::Instant;

use crate::{Answer, Deps, by, deadline, status, unavailable};

/// Largest event, in bytes: that of `EventBridge`. An event has all headers of its e-mail.
const MAX_BODY: usize = 256 * 1024;

pub(crate) async fn receive(deps: &Deps, request: &Request, reference: &str) -> Answer {
    if request.method() != Method::POST {
        return Err(Problem::method_not_allowed("POST"));
    }
    let tenant = deps.callbacks.check_email_events(reference);
    let tenant = tenant.map_err(|_| Problem::bad_reference())?;
    let body = body::bytes_up_to(request, MAX_BODY)?;
    take_all(deps, Some(&tenant), body).await?;
    Ok(media::response(
        StatusCode::OK,
        "text/plain; charset=utf-8",
        Body::Empty,
    ))
}

/// Applies events, of one tenant only if it is given.
pub(crate) async fn take_all(deps: &Deps, tenant: Option<&Tenant>, body: &[u8]) -> Result<(), Problem> {
    match read_events(body) {
        Ok(events) => {
            let deadline = deadline();
            for event in events {
                take(deps, tenant, event, deadline).await?;
            }
        }
        Err(error) => tracing::warn!(tenant = tenant.map(display), %error, "cannot read an event of SES: ignored"),
    }
    Ok(())
}

/// Applies an event.
async fn take(deps: &Deps, tenant: Option<&Tenant>, event: ReceivedEvent, deadline: Instant) -> Result<(), Problem> {
    let event = match event {
        ReceivedEvent::Email(event) => event,
        ReceivedEvent::Irrelevant { name } => {
            tracing::info!(
                tenant = tenant.map(display),
                event = name,
                "an event of SES is about no e-mail of ours"
            );
            return Ok(());
        }
    };
    // Others may send through the same account, and other tenants.
    let ours = event.tags.as_ref().and_then(email_tags::read);
    let is_of_tenant = |key: &InteractionKey| tenant.is_none_or(|tenant| key.tenant == *tenant);
    let Some((interaction, attempt)) = ours.filter(|(key, _)| is_of_tenant(key)) else {
        tracing::info!(
            tenant = tenant.map(display),
            "an event of SES is about an e-mail that was not sent here"
        );
        return Ok(());
    };
    let message = MessageReference { interaction, attempt };
    let report = report_of(&event);
    if report.as_ref().and_then(|report| report.outcome.as_ref()) == Some(&AttemptOutcome::OptedOut) {
        note_opt_out(deps, &message, &event, deadline).await?;
    }
    match report {
        None => Ok(()),
        Some(report) if is_soft_bounce(&event) => apply_soft_bounce(deps, &message, &report, deadline).await,
        Some(report) => status::apply(deps, &message, &report, name_of(&event.what), deadline).await,
    }
}

/// Puts the recipient on the list, also if the interaction does not know them any more: it may have been forgotten.
async fn note_opt_out(
    deps: &Deps,
    message: &MessageReference,
    event: &EmailEvent,
    deadline: Instant,
) -> Result<(), Problem> {
    let Some(recipient) = &event.recipient else {
        return Ok(());
    };
    let noting = inbound::note_recipient_opt_out(&deps.interactions, message, recipient);
    by(deadline, noting).await.map_err(|error| {
        let (interaction, provider_id) = (message.interaction.id, event.message.as_str());
        tracing::error!(%interaction, provider_id, error, "cannot store an opt-out by e-mail: it has to be repeated");
        unavailable()
    })
}

/// Why SES sends nothing to an address.
const SUPPRESSED: &str = "the address is on the suppression list of SES";

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
        // Nothing was sent, and nobody complained now: perhaps the opt-out has been ended since, but not at SES.
        Occurrence::Complained { suppressed: true } => (None, failed(SUPPRESSED.to_owned())),
        Occurrence::Complained { suppressed: false } => (None, Some(AttemptOutcome::OptedOut)),
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
        BounceCause::Suppressed => SUPPRESSED,
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
/// could not tell, so what cannot be applied has to be repeated.
async fn apply_soft_bounce(
    deps: &Deps,
    message: &MessageReference,
    report: &Report,
    deadline: Instant,
) -> Result<(), Problem> {
    let (interaction, attempt) = (message.interaction.id, message.attempt);
    let report_in = |interaction: &Interaction| Report {
        outcome: report.outcome.clone().filter(|_| !is_delivered(interaction, attempt)),
        ..report.clone()
    };
    let provider_id = report.provider_id.as_deref();
    match by(deadline, inbound::apply_report(&deps.interactions, message, report_in)).await {
        Ok(outcome) => {
            tracing::info!(%interaction, %attempt, provider_id, ?outcome, "bounce of an e-mail applied");
            Ok(())
        }
        Err(error) => {
            tracing::error!(%interaction, %attempt, provider_id, error, "cannot store a bounce: it has to be repeated");
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
