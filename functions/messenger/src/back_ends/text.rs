//! SMS and `WhatsApp`, over Twilio and Routee.

use patchbay::clock::Timestamp;
use patchbay::ids::Nonce;
use patchbay::interaction::{self, Channel, Interaction, Leg, Report, SendResult};
use patchbay::messaging::{self, Account, Content, FailureReason, LookupError, MessageError, OutgoingMessage, Sender};
use patchbay::outreach::receiver;
use patchbay::outreach::reports::{message_progress, message_report};
use patchbay::web::callbacks::CallbackUrls;

use super::{BackEndError, refused};
use crate::clearance::WhatsAppWindow;

/// How long before its result was given up a message may have been sent.
const UNCLEAR_MILLIS: i64 = 120_000;

pub(super) async fn send(
    account: &Account,
    callbacks: &CallbackUrls,
    interaction: &Interaction,
    leg: &Leg,
    attempt: Nonce,
    window: WhatsAppWindow,
    now: Timestamp,
) -> SendResult {
    let (from, to, content) = match (sender(leg), receiver::phone(leg), content(leg, window)) {
        (Ok(from), Ok(to), Ok(content)) => (from, to, content),
        (Err(detail), ..) | (.., Err(detail)) => return refused(detail),
        (_, Err(error), _) => return refused(error.to_string()),
    };
    let message = OutgoingMessage {
        from: &from,
        to: &to,
        content: &content,
        status_url: callbacks.message_status_url(account.provider(), &interaction.key, attempt),
        validity_seconds: Some(validity(interaction, leg, now)),
    };
    match account.send(&message).await {
        Ok(sent) => SendResult::Sent {
            progress: message_progress(&sent.status),
            provider_id: sent.id,
        },
        Err(error) => result_of(error),
    }
}

/// The message whose send was unclear since `at`, if the provider has one that looks like it. One with the same text from
/// the same sender in these minutes is as good: the customer has it.
pub(super) async fn find_unclear(
    account: &Account,
    interaction: &Interaction,
    leg: &Leg,
    at: Timestamp,
) -> Option<Report> {
    let (from, to) = (sender(leg).ok()?, receiver::phone(leg).ok()?);
    let content = content(leg, WhatsAppWindow::Closed).ok()?;
    let message = OutgoingMessage {
        from: &from,
        to: &to,
        content: &content,
        status_url: String::new(),
        validity_seconds: None,
    };
    let is_known = |id: &str| {
        interaction
            .past
            .iter()
            .any(|past| past.provider_id.as_deref() == Some(id))
    };
    let since = at.plus_millis(-UNCLEAR_MILLIS);
    match account.find_unclear(&message, since, at, is_known).await {
        Ok(found) => found.map(|sent| message_report(&sent.status, Some(sent.id))),
        Err(error) => {
            tracing::warn!(%error, "a message could not be looked for");
            None
        }
    }
}

/// Seconds within which a message must arrive: a late one is worse than none.
fn validity(interaction: &Interaction, leg: &Leg, now: Timestamp) -> u32 {
    let left = interaction.plan.latest_at.since(now).as_secs();
    leg.outcome_seconds.min(u32::try_from(left).unwrap_or(u32::MAX)).max(1)
}

fn sender(leg: &Leg) -> Result<Sender, String> {
    let channel = match leg.channel {
        Channel::Sms => messaging::Channel::Sms,
        Channel::Whatsapp => messaging::Channel::WhatsApp,
        other => return Err(format!("{} sends no messages over the channel {other}", leg.back_end)),
    };
    Sender::parse(channel, &leg.from).map_err(|error| format!("the agent's sender is invalid: {error}"))
}

/// What is sent. While the customer may be written to freely over `WhatsApp`, they get the text instead of the template.
fn content(leg: &Leg, window: WhatsAppWindow) -> Result<Content, String> {
    match &leg.content {
        interaction::Content::Text { text } => Ok(Content::Text(text.clone())),
        interaction::Content::Template { text, .. } if window == WhatsAppWindow::Open => {
            Ok(Content::Text(text.clone()))
        }
        interaction::Content::Template {
            template, variables, ..
        } => {
            let id = template
                .parse()
                .map_err(|_| "the skill's template is invalid".to_owned())?;
            let variables = variables.clone();
            Ok(Content::Template { id, variables })
        }
        _ => Err("not a text message".to_owned()),
    }
}

fn result_of(error: MessageError) -> SendResult {
    match error {
        MessageError::TryLater { retry_after, detail } => SendResult::Failed { retry_after, detail },
        MessageError::Refused { failure, .. } if failure.reason == FailureReason::OptedOut => SendResult::OptedOut,
        MessageError::Refused { failure, detail } if failure.reason == FailureReason::OutOfMoney => {
            SendResult::OutOfMoney { detail }
        }
        // Too many messages now, not for good.
        MessageError::Refused { failure, detail } if failure.reason == FailureReason::Overloaded => {
            SendResult::Failed {
                retry_after: None,
                detail,
            }
        }
        MessageError::Refused { failure, detail } => refused(format!("{}: {detail}", failure.reason)),
        MessageError::Unclear { detail } => SendResult::Unclear { detail },
    }
}

pub(super) async fn look_up(account: &Account, id: &str) -> Result<Option<Report>, BackEndError> {
    match account.look_up(id).await {
        Ok(status) => Ok(status.map(|status| message_report(&status, Some(id.to_owned())))),
        Err(LookupError { is_transient, detail }) => Err(BackEndError { is_transient, detail }),
    }
}
