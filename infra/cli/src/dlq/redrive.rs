//! `patchbay dlq redrive`.

use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::types::Message;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use patchbay::queue::QueueError;
use serde::Serialize;
use serde_json::json;

use super::letter::{Letter, receive};
use super::{Pair, Source, depth};
use crate::aws::{Clients, Deployment};
use crate::output::{Output, counted};

/// How often it is looked how far SQS is.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a message is hidden while it is moved by hand.
const HIDDEN_SECONDS: i32 = 60;
/// What SQS says, or a stand-in for it, when it knows no message move tasks.
const NO_TASKS: [&str; 6] = [
    "AWS.SimpleQueueService.UnsupportedOperation",
    "InvalidAction",
    "NotImplemented",
    "UnknownOperation",
    "UnknownOperationException",
    "UnsupportedOperation",
];

#[derive(Debug, Args)]
pub(super) struct Redrive {
    /// At most so many of each queue, one by one
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) limit: Option<u32>,
    /// Only say how many would be moved
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Stop watching after so many seconds; SQS goes on moving, and this command ends with 2
    #[arg(long, default_value_t = 600)]
    pub(super) wait: u32,
}

/// What came of one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Outcome {
    queue: Source,
    /// Dead letters when it began, about.
    found: usize,
    moved: usize,
    /// Who moved them; none when there was nothing to do, or nothing was to be done.
    by: Option<By>,
    /// Whether all that was to be moved is.
    complete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum By {
    /// A message move task of SQS's.
    Task,
    /// This command, message by message.
    Hand,
}

/// Moves what was given up; tells whether all of it is back.
pub(super) async fn redrive(
    clients: &Clients,
    deployment: &Deployment,
    sources: &[Source],
    wanted: &Redrive,
    output: &mut Output<'_>,
) -> anyhow::Result<bool> {
    let mut all = Vec::new();
    for source in sources {
        let pair = Pair::find(&clients.sqs, deployment, *source).await?;
        let moved = move_back(clients, &pair, wanted).await?;
        if !output.is_json() {
            output.line(sentence(&moved, wanted))?;
        }
        all.push(moved);
    }
    let complete = all.iter().all(|outcome: &Outcome| outcome.complete);
    if output.is_json() {
        output.json(&json!({ "dry_run": wanted.dry_run, "complete": complete, "queues": all }))?;
    }
    Ok(complete)
}

fn sentence(outcome: &Outcome, wanted: &Redrive) -> String {
    let name = outcome.queue.name();
    let many = |count| counted(count, "dead letter", "dead letters");
    if outcome.found == 0 && outcome.moved == 0 {
        return format!("{name}: no dead letters");
    }
    if wanted.dry_run {
        return format!("{name}: {} would be moved back", many(most(outcome.found, wanted)));
    }
    let moved = format!("{name}: {} moved back", many(outcome.moved));
    if outcome.complete {
        return moved;
    }
    format!(
        "{moved}, not all within {} s; SQS is still at it, `patchbay dlq list` shows what is left",
        wanted.wait
    )
}

/// How many of `found` are to be moved.
fn most(found: usize, wanted: &Redrive) -> usize {
    let limit = wanted.limit.and_then(|limit| usize::try_from(limit).ok());
    limit.map_or(found, |limit| limit.min(found))
}

async fn move_back(clients: &Clients, pair: &Pair, wanted: &Redrive) -> anyhow::Result<Outcome> {
    let found = depth(&clients.sqs, &pair.dead_url).await?;
    let mut result = Outcome {
        queue: pair.source,
        found,
        moved: 0,
        by: None,
        complete: true,
    };
    if found == 0 || wanted.dry_run {
        return Ok(result);
    }
    let bar = bar(pair.source, most(found, wanted))?;
    if wanted.limit.is_none() && start_task(clients, pair).await? {
        (result.moved, result.complete) = watch_task(clients, pair, wanted, &bar).await?;
        result.by = Some(By::Task);
    } else {
        result.moved = by_hand(clients, pair, most(found, wanted), &bar).await?;
        result.by = Some(By::Hand);
    }
    bar.finish_and_clear();
    Ok(result)
}

fn bar(source: Source, length: usize) -> anyhow::Result<ProgressBar> {
    let template = format!("{} {{bar:40.green/dim}} {{pos}}/{{len}} moved back", source.name());
    // Drawn on standard error, and only when that is a terminal.
    Ok(ProgressBar::new(u64::try_from(length)?).with_style(ProgressStyle::with_template(&template)?))
}

/// Asks SQS to move everything; false when it knows no such tasks.
async fn start_task(clients: &Clients, pair: &Pair) -> anyhow::Result<bool> {
    let request = clients.sqs.start_message_move_task().source_arn(&pair.dead_arn);
    // Named, because SQS knows of no other queue for what a function itself has sent to the dead letters.
    let request = request.destination_arn(&pair.arn);
    let Err(error) = request.send().await else {
        return Ok(true);
    };
    if error.code().is_some_and(|code| NO_TASKS.contains(&code)) {
        return Ok(false);
    }
    Err(QueueError::request(&error)).with_context(|| format!("cannot redrive {}", pair.dead_arn))
}

/// Follows the task: how many it moved, and whether it is done.
async fn watch_task(
    clients: &Clients,
    pair: &Pair,
    wanted: &Redrive,
    bar: &ProgressBar,
) -> anyhow::Result<(usize, bool)> {
    let end = clients.clock.now().plus_seconds(wanted.wait);
    loop {
        let request = clients
            .sqs
            .list_message_move_tasks()
            .source_arn(&pair.dead_arn)
            .max_results(1);
        let output = request.send().await.map_err(|error| QueueError::request(&error))?;
        let task = output
            .results()
            .first()
            .context("the task that moves the messages is gone")?;
        let moved = usize::try_from(task.approximate_number_of_messages_moved()).unwrap_or(0);
        bar.set_position(u64::try_from(moved)?);
        match task.status() {
            Some("COMPLETED") => return Ok((moved, true)),
            Some("FAILED" | "CANCELLED") => {
                let why = task.failure_reason().unwrap_or("no reason told");
                bail!("SQS gave up after {moved} messages: {why}");
            }
            _ if clients.clock.now() >= end => return Ok((moved, false)),
            _ => clients.clock.sleep(LOOK_EVERY).await,
        }
    }
}

/// Moves up to `most` messages, one after the other.
async fn by_hand(clients: &Clients, pair: &Pair, most: usize, bar: &ProgressBar) -> anyhow::Result<usize> {
    let mut moved = 0;
    // What was given up again meanwhile is not moved a second time: `most` was counted when it began.
    while moved < most {
        let messages = receive(&clients.sqs, pair, (most - moved).min(10), HIDDEN_SECONDS).await?;
        if messages.is_empty() {
            break;
        }
        for message in &messages {
            move_one(clients, pair, message).await?;
            moved += 1;
            bar.set_position(u64::try_from(moved)?);
        }
    }
    Ok(moved)
}

/// Sends first, deletes then: a message that comes twice does no harm, one that is lost does.
async fn move_one(clients: &Clients, pair: &Pair, message: &Message) -> anyhow::Result<()> {
    let letter = Letter::read(pair.source, message);
    let body = message.body().context("a message without a body")?;
    let sent = clients.sqs.send_message().queue_url(&pair.url).message_body(body);
    sent.send()
        .await
        .map_err(|error| QueueError::request(&error))
        .with_context(|| format!("message {} stays a dead letter", letter.message_id))?;
    let receipt = message.receipt_handle().context("a message without a receipt")?;
    let deleted = clients
        .sqs
        .delete_message()
        .queue_url(&pair.dead_url)
        .receipt_handle(receipt);
    deleted
        .send()
        .await
        .map_err(|error| QueueError::request(&error))
        .with_context(|| {
            format!(
                "message {} was moved back, and is still a dead letter, too",
                letter.message_id
            )
        })?;
    Ok(())
}
