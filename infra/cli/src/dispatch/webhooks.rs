//! `patchbay dispatch webhooks` and `patchbay dispatch resend`.

use anyhow::Context as _;
use console::style;
use patchbay::api::webhooks::WebhookView;
use patchbay::clock::Timestamp;
use patchbay::dispatch::Dispatch;
use patchbay::engine::Engine;
use patchbay::ids::DispatchKey;
use patchbay::store::Store;
use patchbay::webhook::{Delivery, DeliveryStatus};
use patchbay::webhooks::{self, WebhookEvent};
use serde_json::{Value, json};

use super::load;
use crate::api::{field, text};
use crate::output::{Output, counted};
use crate::timeline::moment;

/// Prints the delivery status of the webhooks in one line; nothing before the first attempt.
pub(super) fn summary(
    dispatch: &Dispatch,
    (deliveries, has_more): &(Vec<Delivery>, bool),
    output: &mut Output<'_>,
) -> anyhow::Result<()> {
    if dispatch.spec.webhook.is_none() || deliveries.is_empty() {
        return Ok(());
    }
    let count = |matches: fn(&DeliveryStatus) -> bool| deliveries.iter().filter(|one| matches(&one.outcome)).count();
    let delivered = count(|outcome| matches!(outcome, DeliveryStatus::Delivered));
    let mut parts = vec![format!("{} delivered", counted(delivered, "webhook", "webhooks"))];
    let next_at = deliveries.iter().filter_map(next_at).min();
    let retrying = count(|outcome| matches!(outcome, DeliveryStatus::Retrying { .. }));
    if let Some(next_at) = next_at {
        let text = format!("{retrying} to be retried, next at {}", next_at.to_the_second());
        parts.push(style(text).yellow().to_string());
    }
    let failed = count(|outcome| matches!(outcome, DeliveryStatus::Failed));
    if failed > 0 {
        parts.push(style(format!("{failed} failed")).red().to_string());
    }
    if *has_more {
        parts.push("and more, not counted here".to_owned());
    }
    Ok(output.line(parts.join(", "))?)
}

const fn next_at(delivery: &Delivery) -> Option<Timestamp> {
    match delivery.outcome {
        DeliveryStatus::Retrying { next_at } => Some(next_at),
        _ => None,
    }
}

/// Prints every webhook of a dispatch with its delivery status.
pub(super) async fn list(store: &Store, key: &DispatchKey, output: &mut Output<'_>) -> anyhow::Result<()> {
    let dispatch = load(store, key).await?;
    let events = load_events(store, &dispatch).await?;
    let webhooks: Vec<WebhookView<'_>> = events.iter().map(WebhookView::new).collect();
    if output.is_json() {
        return Ok(output.json(&json!({ "webhooks": webhooks }))?);
    }
    let Some(webhook) = &dispatch.spec.webhook else {
        return Ok(output.line(format!("{} has no webhook configured", key.id))?);
    };
    // Only the host: the rest of the URL may hold a secret of the receiver.
    let host: Option<http::Uri> = webhook.url.parse().ok();
    let host = host.as_ref().and_then(http::Uri::host).unwrap_or("an invalid URL");
    output.line(format!(
        "{} to {host}, {:?}",
        counted(webhooks.len(), "webhook", "webhooks"),
        webhook.strategy
    ))?;
    for webhook in &webhooks {
        output.line(format_webhook(&serde_json::to_value(webhook)?))?;
    }
    Ok(())
}

async fn load_events(store: &Store, dispatch: &Dispatch) -> anyhow::Result<Vec<WebhookEvent>> {
    let (mut events, mut after) = (Vec::new(), None);
    loop {
        let page = webhooks::events(store, dispatch, after.as_deref()).await?;
        events.extend(page.events);
        after = page.next_cursor;
        if after.is_none() {
            events.sort_by_key(|webhook: &WebhookEvent| webhook.event.sequence);
            return Ok(events);
        }
    }
}

/// A webhook, as the API returns it, in one line.
pub(crate) fn format_webhook(webhook: &Value) -> String {
    let status = style(text(webhook, "status"));
    let status = match text(webhook, "status") {
        "Delivered" => status.green(),
        "Failed" => status.red(),
        "Retrying" => status.yellow(),
        _ => status.dim(),
    };
    let optional = |name: &str| field(webhook, name).as_str();
    let next = optional("next_at").map(|at| format!(", next attempt at {}", moment(at)));
    let answer = optional("answer").map(|answer| format!(": {answer}"));
    let posts = field(webhook, "posts").as_u64().unwrap_or_default();
    format!(
        "  {}  {}  {:<22} {status} after {}{}{}",
        style(moment(text(webhook, "happened_at"))).dim(),
        text(webhook, "id"),
        text(webhook, "type"),
        counted(usize::try_from(posts).unwrap_or(usize::MAX), "attempt", "attempts"),
        answer.unwrap_or_default(),
        next.unwrap_or_default(),
    )
}

/// Sends one webhook again.
pub(super) async fn resend(
    engine: &Engine,
    key: &DispatchKey,
    webhook: &str,
    output: &mut Output<'_>,
) -> anyhow::Result<()> {
    let dispatch = load(&engine.store, key).await?;
    let (store, now) = (&engine.store, engine.clock.now());
    let resent = webhooks::resend(store, &engine.notifications, &dispatch, webhook, now).await?;
    resent.with_context(|| {
        format!(
            "{} has no webhook {webhook}: `patchbay dispatch webhooks {}` lists them",
            key.id, key.id
        )
    })?;
    if output.is_json() {
        return Ok(output.json(&json!({ "id": webhook, "sent": true }))?);
    }
    Ok(output.line(format!(
        "sending {webhook} again: `patchbay dispatch webhooks {}` shows the result",
        key.id
    ))?)
}
