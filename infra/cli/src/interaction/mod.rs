//! `patchbay interaction`: contacts customers, and shows the outcome; through the API of a deployment.

mod story;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use console::style;
use http::Method;
use patchbay::clock::Clock;
use patchbay::ids::InteractionId;
use patchbay::interaction::Channel;
use patchbay::providers::elemente::Word;
use serde_json::{Value, json};

use crate::api::{Api, ApiOptions, field, text};
use crate::aws::block_on;
use crate::bot::timeline::plain;
use crate::dispatch::webhooks::format_webhook;
use crate::documents;
use crate::input::STDIN;
use crate::output::{Format, Output, counted};
use crate::timeline::{Days, load, moment};

/// How often `follow` looks.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Options of `patchbay interaction`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Output format
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) output: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List interactions, newest first
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Show an interaction: who, over which channels, what was tried, and its whole timeline
    Show {
        /// Its id
        id: InteractionId,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Contact a customer, and print the id of the interaction
    Create {
        /// The request as JSON, as for POST /api/v1/calls; - reads stdin
        file: PathBuf,
        /// Idempotency key: the same request with it contacts nobody a second time
        #[arg(long)]
        key: Option<String>,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Print what happens to an interaction until it has ended
    Follow {
        /// Its id
        id: InteractionId,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Cancel an interaction: nothing is sent any more, and a call is hung up
    Cancel {
        /// Its id
        id: InteractionId,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Close an interaction: the conversation is over
    Close {
        /// Its id
        id: InteractionId,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Resolve an interaction: the matter is settled
    Resolve {
        /// Its id
        id: InteractionId,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// List the webhooks of an interaction, each with the response of the receiver
    Webhooks {
        /// Its id
        id: InteractionId,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Send a webhook again, under the same webhook-id
    Resend {
        /// Its id
        id: InteractionId,
        /// Its webhook-id, msg_…
        #[arg(value_parser = parse_webhook)]
        webhook: String,
        #[command(flatten)]
        api: ApiOptions,
    },
}

#[derive(Debug, Args)]
struct Filter {
    /// Maximum number of interactions
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Only those created within so many hours
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=8784))]
    hours: Option<u16>,
    /// Only those with this status
    #[arg(long, value_parser = parse_status)]
    status: Option<String>,
    /// Only those for which this channel was asked for
    #[arg(long, value_parser = PossibleValuesParser::new(Channel::ALL.map(Channel::name)))]
    channel: Option<String>,
}

fn parse_status(text: &str) -> Result<String, String> {
    let word = Word::parse(text).ok_or("not a status such as open, completed or no-answer")?;
    Ok(word.as_str().to_owned())
}

/// Nothing else than an id goes into a path.
fn parse_webhook(text: &str) -> Result<String, String> {
    let is_id = text.starts_with("msg_") && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    is_id
        .then(|| text.to_owned())
        .ok_or_else(|| "not a webhook-id such as msg_…".to_owned())
}

pub(crate) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    block_on(async {
        match &options.command {
            Command::List { filter, api } => list(&api.connect()?, filter, output).await,
            Command::Show { id, api } => show(&api.connect()?, id, output).await,
            Command::Create { file, key, api } => {
                let both = file.as_os_str() == STDIN && api.reads_stdin();
                ensure!(!both, "only one of the request and --token can be read from stdin");
                create(&api.connect()?, &documents::read(file)?, key.as_deref(), output).await
            }
            Command::Follow { id, api } => follow(&api.connect()?, &Clock::system(), id, output).await,
            Command::Cancel { id, api } => end(&api.connect()?, id, "canceled", output).await,
            Command::Close { id, api } => end(&api.connect()?, id, "closed", output).await,
            Command::Resolve { id, api } => end(&api.connect()?, id, "resolved", output).await,
            Command::Webhooks { id, api } => webhooks(&api.connect()?, id, output).await,
            Command::Resend { id, webhook, api } => resend(&api.connect()?, id, webhook, output).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn list(api: &Api, filter: &Filter, output: &mut Output<'_>) -> anyhow::Result<()> {
    let found = newest(api, filter).await?;
    if output.is_json() {
        return Ok(output.json(&json!({ "interactions": found }))?);
    }
    if found.is_empty() {
        return Ok(output.line("the deployment has no matching interactions")?);
    }
    let row = |interaction: &Value| {
        let customer = ["customerName", "customerPhone", "customerEmail"].map(|name| text(interaction, name));
        let customer = customer.into_iter().find(|name| !name.is_empty());
        let messages = field(interaction, "messages").as_array().map_or(0, Vec::len);
        [
            text(interaction, "id").to_owned(),
            colored(text(interaction, "status")),
            text(interaction, "agentId").to_owned(),
            text(interaction, "skillId").to_owned(),
            plain(customer.unwrap_or("-")),
            messages.to_string(),
        ]
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    Ok(output.table(["ID", "STATUS", "AGENT", "SKILL", "CUSTOMER", "MESSAGES"], &rows)?)
}

/// The newest interactions that match, page by page. A page may be short or empty, and still not be the last one.
async fn newest(api: &Api, filter: &Filter) -> anyhow::Result<Vec<Value>> {
    let limit = usize::from(filter.limit);
    let hours = filter.hours.map(|hours| hours.to_string());
    let parameters = [
        ("hrs", &hours),
        ("status", &filter.status),
        ("channel", &filter.channel),
    ];
    let given = parameters
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
    let mut query = format!("?{}", given.collect::<Vec<_>>().join("&"));
    let mut found = Vec::new();
    while found.len() < limit {
        let (page, next) = api.page(&format!("/api/v1/calls{query}")).await?;
        found.extend(page.as_array().into_iter().flatten().cloned());
        let Some(next) = next else { break };
        query = next;
    }
    found.truncate(limit);
    Ok(found)
}

async fn show(api: &Api, id: &InteractionId, output: &mut Output<'_>) -> anyhow::Result<()> {
    let interaction = load(api, &path(id)).await?;
    if output.is_json() {
        return Ok(output.json(&interaction)?);
    }
    print_header(&interaction, output)?;
    output.line("")?;
    let mut days = Days::default();
    for entry in entries(&interaction) {
        days.print(entry, &story::lines(entry), output)?;
    }
    Ok(())
}

fn entries(interaction: &Value) -> impl Iterator<Item = &Value> {
    field(interaction, "timeline").as_array().into_iter().flatten()
}

/// Prints who contacts whom, where it stands, and what was tried.
fn print_header(interaction: &Value, output: &mut Output<'_>) -> anyhow::Result<()> {
    let (agent, customer) = (field(interaction, "agent"), field(interaction, "customer"));
    let details = ["name", "phone", "email"].map(|name| plain(text(customer, name)));
    let details: Vec<&str> = details
        .iter()
        .map(String::as_str)
        .filter(|detail| !detail.is_empty())
        .collect();
    output.line(format!(
        "{}  {} about {}, to {}",
        style(text(interaction, "id")).bold(),
        plain(text(agent, "name")),
        text(interaction, "skill"),
        details.join(", ")
    ))?;
    let reason = match text(interaction, "reason") {
        "" => String::new(),
        reason => format!(": {}", colored(reason)),
    };
    output.line(format!(
        "{}{reason} since {}",
        colored(text(interaction, "state")),
        moment(text(interaction, "state_since"))
    ))?;
    if let Some(next) = field(interaction, "next_at").as_str() {
        output.line(format!("due next at {}", moment(next)))?;
    }
    for attempt in field(interaction, "attempts").as_array().into_iter().flatten() {
        let (outcome, phase) = (
            text(field(attempt, "outcome"), "is"),
            text(field(attempt, "phase"), "is"),
        );
        let stage = if outcome.is_empty() { phase } else { outcome };
        output.line(format!(
            "  {:<9} over {}: {}",
            text(attempt, "channel"),
            text(attempt, "back_end"),
            stage.replace('_', " ")
        ))?;
    }
    for (name, value) in [
        ("note", text(interaction, "note")),
        ("recording", text(interaction, "recording")),
    ] {
        if !value.is_empty() {
            output.line(format!("{name}: {}", plain(value)))?;
        }
    }
    Ok(())
}

async fn create(api: &Api, request: &str, key: Option<&str>, output: &mut Output<'_>) -> anyhow::Result<()> {
    let mut headers = vec![("content-type", "application/json".to_owned())];
    headers.extend(key.map(|key| ("idempotency-key", key.to_owned())));
    let body = Bytes::from(request.to_owned());
    let created = api.send(Method::POST, "/api/v1/calls", &headers, body).await?;
    report(&created, output)
}

/// Prints new entries of the timeline until the interaction has ended.
async fn follow(api: &Api, clock: &Clock, id: &InteractionId, output: &mut Output<'_>) -> anyhow::Result<()> {
    let (mut printed, mut days) = (0, Days::default());
    loop {
        let interaction = load(api, &path(id)).await?;
        let is_over = text(&interaction, "state") == "ended";
        if output.is_json() && is_over {
            return Ok(output.json(&interaction)?);
        }
        if !output.is_json() {
            for entry in entries(&interaction).skip(printed) {
                days.print(entry, &story::lines(entry), output)?;
                printed += 1;
            }
        }
        if is_over {
            return Ok(());
        }
        clock.sleep(POLL_INTERVAL).await;
    }
}

async fn end(api: &Api, id: &InteractionId, status: &str, output: &mut Output<'_>) -> anyhow::Result<()> {
    let headers = [("content-type", "application/json".to_owned())];
    let body = Bytes::from(json!({ "status": status }).to_string());
    let changed = api
        .send(Method::PUT, &format!("/api/v1/calls/{id}"), &headers, body)
        .await?;
    report(&changed, output)
}

/// Prints id and status of an answer.
fn report(interaction: &Value, output: &mut Output<'_>) -> anyhow::Result<()> {
    if output.is_json() {
        return Ok(output.json(interaction)?);
    }
    let (id, status) = (text(interaction, "id"), colored(text(interaction, "status")));
    Ok(output.line(format!("{id}: {status}"))?)
}

async fn webhooks(api: &Api, id: &InteractionId, output: &mut Output<'_>) -> anyhow::Result<()> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{}/webhooks{cursor}", path(id))).await?;
        found.extend(field(&page, "webhooks").as_array().into_iter().flatten().cloned());
        let next = text(&page, "next_cursor");
        if next.is_empty() {
            break;
        }
        cursor = format!("?cursor={next}");
    }
    if output.is_json() {
        return Ok(output.json(&json!({ "webhooks": found }))?);
    }
    output.line(counted(found.len(), "webhook", "webhooks"))?;
    for webhook in &found {
        output.line(format_webhook(webhook))?;
    }
    Ok(())
}

async fn resend(api: &Api, id: &InteractionId, webhook: &str, output: &mut Output<'_>) -> anyhow::Result<()> {
    let path = format!("{}/webhooks/{webhook}/resend", path(id));
    api.post(&path, &json!({}))
        .await
        .context("the webhook was not sent again")?;
    if output.is_json() {
        return Ok(output.json(&json!({ "id": webhook, "sent": true }))?);
    }
    Ok(output.line(format!(
        "sending {webhook} again: `patchbay interaction webhooks {id}` shows the result"
    ))?)
}

fn path(id: &InteractionId) -> String {
    format!("/v1/interactions/{id}")
}

/// A status, a state or the reason of an end.
fn colored(word: &str) -> String {
    let words = style(word.replace('_', " "));
    match word {
        "completed" | "resolved" | "closed" => words.green(),
        "failed" | "refused" | "unclear" | "stalled" | "unknown" => words.red(),
        "ended" | "canceled" | "expired" => words.dim(),
        _ => words.yellow(),
    }
    .to_string()
}

#[cfg(test)]
mod tests;
