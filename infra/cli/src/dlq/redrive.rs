//! `patchbay dlq redrive`: moves dead letters back to their queue.

use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::types::Message;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use patchbay::queue::QueueError;
use serde::Serialize;
use serde_json::json;

use super::letter::{DeadLetter, receive};
use super::{QueuePair, Source, SourceQueue, depth};
use crate::aws::Clients;
use crate::output::{Output, counted};

/// How often the progress of SQS is polled.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Visibility time-out of a message while this command moves it.
const HIDDEN_SECONDS: i32 = 60;
/// Error codes of SQS, or of an emulator, that mean that message move tasks are not supported.
const MOVE_TASKS_UNSUPPORTED: [&str; 6] = [
    "AWS.SimpleQueueService.UnsupportedOperation",
    "InvalidAction",
    "NotImplemented",
    "UnknownOperation",
    "UnknownOperationException",
    "UnsupportedOperation",
];

#[derive(Debug, Args)]
pub(super) struct Redrive {
    /// Maximum number per queue; they are then moved one by one
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) limit: Option<u32>,
    /// Only print how many would be moved
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Seconds to watch; after that SQS continues and this command exits with 2
    #[arg(long, default_value_t = 600)]
    pub(super) wait: u32,
}

/// The result of one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct RedriveOutcome {
    queue: Source,
    /// Approximate number of dead letters at the start.
    found: usize,
    moved: usize,
    /// What moved them; none in a dry run, or if there were none.
    moved_by: Option<MovedBy>,
    /// Whether everything that was to be moved was moved.
    complete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum MovedBy {
    /// A message move task of SQS.
    Task,
    /// This command, message by message.
    Command,
}

/// Moves the dead letters back and prints the result; returns whether all were moved.
pub(super) async fn redrive(
    clients: &Clients,
    queues: &[SourceQueue],
    options: &Redrive,
    output: &mut Output<'_>,
) -> anyhow::Result<bool> {
    let mut all = Vec::new();
    for queue in queues {
        let pair = QueuePair::find(&clients.sqs, queue).await?;
        let moved = move_back(clients, &pair, options).await?;
        if !output.is_json() {
            output.line(summary(&moved, options))?;
        }
        all.push(moved);
    }
    let complete = all.iter().all(|outcome: &RedriveOutcome| outcome.complete);
    if output.is_json() {
        output.json(&json!({ "dry_run": options.dry_run, "complete": complete, "queues": all }))?;
    }
    Ok(complete)
}

fn summary(outcome: &RedriveOutcome, options: &Redrive) -> String {
    let name = outcome.queue.name();
    let letters = |count| counted(count, "dead letter", "dead letters");
    if outcome.found == 0 && outcome.moved == 0 {
        return format!("{name}: no dead letters");
    }
    if options.dry_run {
        return format!(
            "{name}: {} would be moved back",
            letters(count_to_move(outcome.found, options))
        );
    }
    let moved = format!("{name}: {} moved back", letters(outcome.moved));
    if outcome.complete {
        return moved;
    }
    format!(
        "{moved} within {} s, SQS continues; `patchbay dlq list` shows the rest",
        options.wait
    )
}

/// How many of `found` dead letters to move.
fn count_to_move(found: usize, options: &Redrive) -> usize {
    let limit = options.limit.and_then(|limit| usize::try_from(limit).ok());
    limit.map_or(found, |limit| limit.min(found))
}

async fn move_back(clients: &Clients, pair: &QueuePair, options: &Redrive) -> anyhow::Result<RedriveOutcome> {
    let found = depth(&clients.sqs, &pair.dead_url).await?;
    let mut result = RedriveOutcome {
        queue: pair.source,
        found,
        moved: 0,
        moved_by: None,
        complete: true,
    };
    if found == 0 || options.dry_run {
        return Ok(result);
    }
    let bar = bar(pair.source, count_to_move(found, options))?;
    if options.limit.is_none() && start_task(clients, pair).await? {
        (result.moved, result.complete) = watch_task(clients, pair, options, &bar).await?;
        result.moved_by = Some(MovedBy::Task);
    } else {
        result.moved = move_one_by_one(clients, pair, count_to_move(found, options), &bar).await?;
        result.moved_by = Some(MovedBy::Command);
    }
    bar.finish_and_clear();
    Ok(result)
}

fn bar(source: Source, length: usize) -> anyhow::Result<ProgressBar> {
    let template = format!("{} {{bar:40.green/dim}} {{pos}}/{{len}} moved back", source.name());
    // The bar is drawn on stderr, and only if stderr is a terminal.
    Ok(ProgressBar::new(u64::try_from(length)?).with_style(ProgressStyle::with_template(&template)?))
}

/// Starts a message move task for everything; false if such tasks are not supported.
async fn start_task(clients: &Clients, pair: &QueuePair) -> anyhow::Result<bool> {
    let request = clients.sqs.start_message_move_task().source_arn(&pair.dead_arn);
    // Without a destination SQS would return a message to the queue it came from. It does not know that queue for
    // messages that a function itself sent to the dead letters.
    let request = request.destination_arn(&pair.arn);
    let Err(error) = request.send().await else {
        return Ok(true);
    };
    if error.code().is_some_and(|code| MOVE_TASKS_UNSUPPORTED.contains(&code)) {
        return Ok(false);
    }
    Err(QueueError::request(&error)).with_context(|| format!("cannot redrive {}", pair.dead_arn))
}

/// Watches the task; returns how many messages it moved, and whether it is done.
async fn watch_task(
    clients: &Clients,
    pair: &QueuePair,
    options: &Redrive,
    bar: &ProgressBar,
) -> anyhow::Result<(usize, bool)> {
    let end = clients.clock.now().plus_seconds(options.wait);
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
            .context("SQS no longer lists the message move task")?;
        let moved = usize::try_from(task.approximate_number_of_messages_moved()).unwrap_or(0);
        bar.set_position(u64::try_from(moved)?);
        match task.status() {
            Some("COMPLETED") => return Ok((moved, true)),
            Some("FAILED" | "CANCELLED") => {
                let reason = task.failure_reason().unwrap_or("no reason given");
                bail!("the message move task failed after {moved} messages: {reason}");
            }
            _ if clients.clock.now() >= end => return Ok((moved, false)),
            _ => clients.clock.sleep(POLL_INTERVAL).await,
        }
    }
}

/// Moves up to `most` messages, one after another.
async fn move_one_by_one(clients: &Clients, pair: &QueuePair, most: usize, bar: &ProgressBar) -> anyhow::Result<usize> {
    let mut moved = 0;
    // `most` was counted at the start: messages that fail again meanwhile do not keep this loop going forever.
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

/// Sends first and deletes afterwards: a duplicate is harmless, a lost message is not.
async fn move_one(clients: &Clients, pair: &QueuePair, message: &Message) -> anyhow::Result<()> {
    let letter = DeadLetter::parse(pair.source, message);
    let body = message.body().context("the message has no body")?;
    let sent = clients.sqs.send_message().queue_url(&pair.url).message_body(body);
    sent.send()
        .await
        .map_err(|error| QueueError::request(&error))
        .with_context(|| format!("message {} was not moved and is still a dead letter", letter.message_id))?;
    let receipt = message.receipt_handle().context("the message has no receipt handle")?;
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
                "message {} was moved back, but is still a dead letter as well",
                letter.message_id
            )
        })?;
    Ok(())
}
