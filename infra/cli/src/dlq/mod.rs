//! `patchbay dlq`: messages that were given up, and the way back.

mod letter;
mod list;
mod redrive;
#[cfg(test)]
pub(crate) mod tests;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use clap::{Args, Subcommand, ValueEnum};
use patchbay::queue::QueueError;
use serde::Serialize;
use serde_json::Value;

use crate::aws::{Clients, Deployment, Target, block_on};
use crate::output::Output;

/// What can be said about dead letters.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Only what one queue gave up
    #[arg(long, global = true, value_enum)]
    queue: Option<Source>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what each dead letter is about; they stay where they are
    List {
        /// At most so many of each queue
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Move dead letters back to their queue; what has been overtaken by events is dropped there by itself
    #[command(long_about = REDRIVE)]
    Redrive(redrive::Redrive),
}

const REDRIVE: &str = "\
Move dead letters back to their queue; what has been overtaken by events is dropped there by itself.

Without --limit, SQS moves everything by itself (a message move task), and this command only watches. With --limit, or \
where SQS knows no such tasks, each message is sent to its queue and then deleted here. Should this command die in \
between, that message comes twice, which does no harm: whoever works it off compares it with the dispatch first.

Ends with 0 when everything is back, with 2 when SQS was still moving after --wait seconds, and with 1 when it failed.";

/// How a redrive ends that is still under way.
const UNDER_WAY: u8 = 2;

/// A queue that messages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    /// Calls to be placed, watched and ended, and timers
    Dialing,
    /// Webhooks to requesters
    Notifications,
}

impl Source {
    const fn name(self) -> &'static str {
        match self {
            Self::Dialing => "dialing",
            Self::Notifications => "notifications",
        }
    }

    fn url(self, deployment: &Deployment) -> &str {
        match self {
            Self::Dialing => &deployment.dialing_queue,
            Self::Notifications => &deployment.notifications_queue,
        }
    }
}

pub(crate) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let sources = options
        .queue
        .map_or_else(|| vec![Source::Dialing, Source::Notifications], |queue| vec![queue]);
    block_on(async {
        let clients = Clients::connect(&options.target).await?;
        let deployment = options.target.find(&clients).await?;
        match &options.command {
            Command::List { limit } => list::list(&clients, &deployment, &sources, *limit, output).await?,
            Command::Redrive(wanted) => {
                let complete = redrive::redrive(&clients, &deployment, &sources, wanted, output).await?;
                return Ok(exit_code(complete));
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn exit_code(complete: bool) -> ExitCode {
    if complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(UNDER_WAY)
    }
}

/// A queue and where its messages go when they are given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// Which.
    pub(crate) source: Source,
    /// URL of the queue.
    pub(crate) url: String,
    /// ARN of the queue.
    pub(crate) arn: String,
    /// URL of its dead-letter queue.
    pub(crate) dead_url: String,
    /// ARN of its dead-letter queue.
    pub(crate) dead_arn: String,
}

impl Pair {
    /// Asks the queue where its dead letters go.
    pub(crate) async fn find(sqs: &Client, deployment: &Deployment, source: Source) -> anyhow::Result<Self> {
        let url = source.url(deployment);
        let policy = attribute(sqs, url, QueueAttributeName::RedrivePolicy).await?;
        let policy = policy.with_context(|| format!("the queue {url} has no dead-letter queue"))?;
        let policy: Value = serde_json::from_str(&policy)?;
        let Some(dead_arn) = policy.get("deadLetterTargetArn").and_then(Value::as_str) else {
            bail!("the redrive policy of {url} names no dead-letter queue");
        };
        let arn = attribute(sqs, url, QueueAttributeName::QueueArn).await?;
        let dead_url = url_of(sqs, dead_arn.rsplit(':').next().unwrap_or_default()).await?;
        Ok(Self {
            source,
            url: url.to_owned(),
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

/// An attribute of a queue, if it has it.
pub(crate) async fn attribute(sqs: &Client, url: &str, name: QueueAttributeName) -> anyhow::Result<Option<String>> {
    let request = sqs.get_queue_attributes().queue_url(url).attribute_names(name.clone());
    let output = request.send().await.map_err(|error| QueueError::request(&error))?;
    Ok(output.attributes.and_then(|mut attributes| attributes.remove(&name)))
}

/// How many messages a queue holds that are not hidden, about.
async fn depth(sqs: &Client, url: &str) -> anyhow::Result<usize> {
    let count = attribute(sqs, url, QueueAttributeName::ApproximateNumberOfMessages).await?;
    Ok(count.and_then(|count| count.parse().ok()).unwrap_or(0))
}
