//! `POST /{provider}/message-status/{ref}`: how far a text message got.

use lambda_http::Request;
use patchbay::interaction::{AttemptOutcome, Report, Work};
use patchbay::messaging::{self, MessageStatus, StatusReport};
use patchbay::outreach::callbacks::{AttemptCallback, MessageReference};
use patchbay::outreach::{inbound, reports};
use patchbay::web::problem::Problem;
use tokio::time::Instant;

use crate::{Answer, Deps, deadline, unavailable};

pub(crate) async fn receive(deps: &Deps, request: &Request) -> Answer {
    let callback = deps
        .callbacks
        .verify_attempt(request, &deps.signatures, AttemptCallback::MessageStatus)?;
    let (provider, message) = (callback.provider, &callback.about);
    let (interaction, attempt) = (message.interaction.id, message.attempt);
    match messaging::status_report(provider, callback.body) {
        Ok(status) if status.status == MessageStatus::Unknown => {
            tracing::info!(%interaction, %attempt, status = status.name, "an unknown status of a message says nothing");
        }
        Ok(status) => apply(deps, message, &report_of(&status), &status.name, deadline()).await?,
        // Only the provider has this reference, and a retry would send the same body. So it is acknowledged.
        Err(error) => {
            tracing::warn!(%interaction, %attempt, %error, "cannot read the status of a message: ignored");
        }
    }
    Ok(provider.acknowledge().into_response())
}

/// The report in a status. The parts of a long SMS have statuses of their own: one that failed decides, and one that
/// arrived does not. Such a message counts as delivered when no other part has failed by the time that a report is due.
fn report_of(status: &StatusReport) -> Report {
    let report = reports::message_report(&status.status, status.message_id.clone());
    let is_delivered = matches!(status.status, MessageStatus::Delivered | MessageStatus::Read);
    if is_delivered && status.parts <= 1 {
        let outcome = Some(AttemptOutcome::Delivered);
        return Report { outcome, ..report };
    }
    report
}

/// Applies a report. If that takes too long, it is saved on the queue. An opt-out must be on the list, too: the provider
/// is asked to repeat it.
///
/// # Errors
/// 503 if the provider has to repeat the report.
pub(crate) async fn apply(
    deps: &Deps,
    message: &MessageReference,
    report: &Report,
    name: &str,
    deadline: Instant,
) -> Result<(), Problem> {
    let (interaction, attempt) = (message.interaction.id, message.attempt);
    let work = Work::Report {
        attempt,
        report: Box::new(report.clone()),
    };
    let applying = inbound::apply_report(&deps.interactions, message, |_| report.clone());
    match deps
        .apply_or_queue(&message.interaction, work, deadline, applying)
        .await?
    {
        Some(outcome) => {
            let provider_id = report.provider_id.as_deref();
            tracing::info!(%interaction, %attempt, provider_id, status = name, ?outcome, "status of a message applied");
            Ok(())
        }
        None if report.outcome == Some(AttemptOutcome::OptedOut) => Err(unavailable()),
        None => Ok(()),
    }
}
