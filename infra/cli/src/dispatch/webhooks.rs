//! `patchbay dispatch webhooks` and `patchbay dispatch resend`.

use anyhow::Context as _;
use console::style;
use dispatches::webhooks::Webhook;
use patchbay::clock::Timestamp;
use patchbay::dispatch::Dispatch;
use patchbay::dispatch::delivery::{Delivery, Outcome};
use patchbay::engine::Engine;
use patchbay::ids::DispatchKey;
use patchbay::store::Store;
use patchbay::webhooks::{self, Told};
use serde_json::json;

use super::load;
use crate::output::{Output, counted};

/// How the webhooks stand, in a line; none when nothing has been tried.
pub(super) fn summary(
    dispatch: &Dispatch,
    (deliveries, more): &(Vec<Delivery>, bool),
    output: &mut Output<'_>,
) -> anyhow::Result<()> {
    if dispatch.brief.webhook.is_none() || deliveries.is_empty() {
        return Ok(());
    }
    let count = |is: fn(&Outcome) -> bool| deliveries.iter().filter(|one| is(&one.outcome)).count();
    let delivered = count(|outcome| matches!(outcome, Outcome::Delivered));
    let mut parts = vec![format!("{} delivered", counted(delivered, "webhook", "webhooks"))];
    let next_at = deliveries.iter().filter_map(next_at).min();
    let retrying = count(|outcome| matches!(outcome, Outcome::Retrying { .. }));
    if let Some(next_at) = next_at {
        let text = format!("{retrying} to be tried again, next at {}", next_at.to_the_second());
        parts.push(style(text).yellow().to_string());
    }
    let given_up = count(|outcome| matches!(outcome, Outcome::GivenUp));
    if given_up > 0 {
        parts.push(style(format!("{given_up} given up")).red().to_string());
    }
    if *more {
        parts.push("and more, which are not counted here".to_owned());
    }
    Ok(output.line(parts.join(", "))?)
}

const fn next_at(delivery: &Delivery) -> Option<Timestamp> {
    match delivery.outcome {
        Outcome::Retrying { next_at } => Some(next_at),
        _ => None,
    }
}

/// All that the requester is told, and how it stands.
pub(super) async fn list(store: &Store, key: &DispatchKey, output: &mut Output<'_>) -> anyhow::Result<()> {
    let dispatch = load(store, key).await?;
    let told = all(store, &dispatch).await?;
    let webhooks: Vec<Webhook<'_>> = told.iter().map(|told| Webhook::of(&dispatch, told)).collect();
    if output.is_json() {
        return Ok(output.json(&json!({ "webhooks": webhooks }))?);
    }
    let Some(webhook) = &dispatch.brief.webhook else {
        return Ok(output.line(format!("nobody asked to be told of {}", key.id))?);
    };
    // The rest of the URL may hold a secret of the receiver's.
    let host: Option<http::Uri> = webhook.url.parse().ok();
    let host = host.as_ref().and_then(http::Uri::host).unwrap_or("nowhere");
    output.line(format!(
        "{} to {host}, {:?}",
        counted(webhooks.len(), "webhook", "webhooks"),
        webhook.strategy
    ))?;
    for webhook in &webhooks {
        output.line(line(webhook))?;
    }
    Ok(())
}

async fn all(store: &Store, dispatch: &Dispatch) -> anyhow::Result<Vec<Told>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = webhooks::told(store, dispatch, after.as_deref()).await?;
        all.extend(page.told);
        after = page.more_after;
        if after.is_none() {
            all.sort_by_key(|told: &Told| told.entry.sequence);
            return Ok(all);
        }
    }
}

fn line(webhook: &Webhook<'_>) -> String {
    let status = style(webhook.status);
    let status = match webhook.status {
        "Delivered" => status.green(),
        "GivenUp" => status.red(),
        "Retrying" => status.yellow(),
        _ => status.dim(),
    };
    let next = webhook.next_at.map(|at| format!(", again at {}", at.to_the_second()));
    let answer = webhook.answer.map(|answer| format!(": {answer}"));
    format!(
        "  {}  {}  {:<22} {status} after {}{}{}",
        style(webhook.happened_at.to_the_second()).dim(),
        webhook.id,
        webhook.event_type,
        counted(usize::try_from(webhook.posts).unwrap_or(usize::MAX), "post", "posts"),
        answer.unwrap_or_default(),
        next.unwrap_or_default(),
    )
}

/// Has one sent again.
pub(super) async fn resend(
    engine: &Engine,
    key: &DispatchKey,
    webhook: &str,
    output: &mut Output<'_>,
) -> anyhow::Result<()> {
    let dispatch = load(&engine.store, key).await?;
    let resent = webhooks::resend(engine, &dispatch, webhook).await?;
    resent.with_context(|| {
        format!(
            "{} has no webhook {webhook}; \"patchbay dispatch webhooks {}\" lists them",
            key.id, key.id
        )
    })?;
    if output.is_json() {
        return Ok(output.json(&json!({ "id": webhook, "sent": true }))?);
    }
    Ok(output.line(format!(
        "{webhook} is sent again; \"patchbay dispatch webhooks {}\" says what becomes of it",
        key.id
    ))?)
}
