//! `patchbay dlq`: lists dead letters and moves them back to their queues.

mod letter;
mod list;
mod redrive;
#[cfg(test)]
pub(crate) mod tests;

use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use clap::{Args, Subcommand, ValueEnum};
use patchbay::queue::QueueError;
use serde::Serialize;
use serde_json::Value;

use crate::aws::{Clients, Deployment, Target, block_on};
use crate::output::Output;

/// Options of `patchbay dlq`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Only the dead letters of this queue; default: of all
    #[arg(long, global = true, value_enum)]
    queue: Option<Source>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List dead letters without removing them
    List {
        /// Maximum number per queue
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Move dead letters back to their queue; the consumer drops those that are obsolete
    #[command(long_about = REDRIVE)]
    Redrive(redrive::Redrive),
}

const REDRIVE: &str = "\
Move dead letters back to their queue; the consumer drops those that are obsolete.

Without --limit, SQS moves all messages (a message move task), and this command watches the progress. With --limit, or \
if the endpoint does not support message move tasks, this command sends each message to its queue and then deletes the \
dead letter. If it dies in between, that message is delivered twice. This is harmless: the consumer checks each \
message against its dispatch, conversation or interaction first.

Exit status: 0 when everything was moved, 2 when SQS was still moving messages after --wait seconds, 1 on an error.";

/// Exit status if SQS is still moving messages.
const EXIT_INCOMPLETE: u8 = 2;

/// A queue that has dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    /// Calls to place, watch and hang up, and timers
    Dialing,
    /// Webhooks to requesters
    Notifications,
    /// Events of the chat platform, and what the chat bot does; only with a chat platform
    Conversations,
    /// Messages and calls to customers, and their answers; only with the API for calls
    Interactions,
}

impl Source {
    const fn name(self) -> &'static str {
        match self {
            Self::Dialing => "dialing",
            Self::Notifications => "notifications",
            Self::Conversations => "conversations",
            Self::Interactions => "interactions",
        }
    }
}

/// A queue of the deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceQueue {
    pub(crate) source: Source,
    pub(crate) url: String,
}

pub(crate) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    block_on(async {
        let clients = Clients::connect(&options.target).await?;
        let deployment = options.target.find(&clients).await?;
        let optional = [
            (
                Source::Conversations,
                options.target.find_conversations_queue(&clients).await?,
            ),
            (
                Source::Interactions,
                options.target.find_interactions_queue(&clients).await?,
            ),
        ];
        let queues = chosen(options.queue, &deployment, optional)?;
        match &options.command {
            Command::List { limit } => list::list(&clients, &deployment, &queues, *limit, output).await?,
            Command::Redrive(options) => {
                let complete = redrive::redrive(&clients, &queues, options, output).await?;
                return Ok(exit_code(complete));
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// The queues that not every deployment has, with their URLs.
type OptionalQueues = [(Source, Option<String>); 2];

/// The chosen queue, or all that the deployment has.
fn chosen(
    choice: Option<Source>,
    deployment: &Deployment,
    optional: OptionalQueues,
) -> anyhow::Result<Vec<SourceQueue>> {
    let always = [
        (Source::Dialing, Some(deployment.dialing_queue.clone())),
        (Source::Notifications, Some(deployment.notifications_queue.clone())),
    ];
    let queues: Vec<SourceQueue> = always
        .into_iter()
        .chain(optional)
        .filter(|(source, _)| choice.is_none_or(|choice| choice == *source))
        .filter_map(|(source, url)| Some(SourceQueue { source, url: url? }))
        .collect();
    let missing = match choice {
        Some(Source::Interactions) => {
            "the stack has no API for calls, so it has no interactions queue (CallsApi in samconfig.toml)"
        }
        _ => "the stack has no chat platform, so it has no conversations queue (ChatPlatform in samconfig.toml)",
    };
    ensure!(!queues.is_empty(), missing);
    Ok(queues)
}

fn exit_code(complete: bool) -> ExitCode {
    if complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_INCOMPLETE)
    }
}

/// A queue and its dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueuePair {
    pub(crate) source: Source,
    /// URL of the source queue.
    pub(crate) url: String,
    /// ARN of the source queue.
    pub(crate) arn: String,
    /// URL of its dead-letter queue.
    pub(crate) dead_url: String,
    /// ARN of its dead-letter queue.
    pub(crate) dead_arn: String,
}

impl QueuePair {
    /// Reads the dead-letter queue from the redrive policy of the source queue.
    pub(crate) async fn find(sqs: &Client, SourceQueue { source, url }: &SourceQueue) -> anyhow::Result<Self> {
        let policy = attribute(sqs, url, QueueAttributeName::RedrivePolicy).await?;
        let policy = policy.with_context(|| format!("the queue {url} has no dead-letter queue"))?;
        let policy: Value = serde_json::from_str(&policy)?;
        let Some(dead_arn) = policy.get("deadLetterTargetArn").and_then(Value::as_str) else {
            bail!("the redrive policy of {url} names no dead-letter queue");
        };
        let arn = attribute(sqs, url, QueueAttributeName::QueueArn).await?;
        let dead_url = url_of(sqs, dead_arn.rsplit(':').next().unwrap_or_default()).await?;
        Ok(Self {
            source: *source,
            url: url.clone(),
            arn: arn.with_context(|| format!("the queue {url} has no ARN"))?,
            dead_url,
            dead_arn: dead_arn.to_owned(),
        })
    }
}

async fn url_of(sqs: &Client, name: &str) -> anyhow::Result<String> {
    let output = sqs.get_queue_url().queue_name(name).send().await;
    let output = output.map_err(|error| QueueError::request(&error))?;
    output.queue_url.with_context(|| format!("the queue {name} has no URL"))
}

/// An attribute of a queue, if it is set.
pub(crate) async fn attribute(sqs: &Client, url: &str, name: QueueAttributeName) -> anyhow::Result<Option<String>> {
    let request = sqs.get_queue_attributes().queue_url(url).attribute_names(name.clone());
    let output = request.send().await.map_err(|error| QueueError::request(&error))?;
    Ok(output.attributes.and_then(|mut attributes| attributes.remove(&name)))
}

/// The approximate number of visible messages in a queue.
async fn depth(sqs: &Client, url: &str) -> anyhow::Result<usize> {
    let count = attribute(sqs, url, QueueAttributeName::ApproximateNumberOfMessages).await?;
    Ok(count.and_then(|count| count.parse().ok()).unwrap_or(0))
}
