//! `patchbay dispatch`: lists, shows and cancels dispatches, read directly from the table.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use console::style;
use dispatches::view::{self, History};
use patchbay::clock::{Clock, Timestamp};
use patchbay::dispatch::plan::Plan;
use patchbay::dispatch::{Dispatch, Entry, Event, State};
use patchbay::engine::Engine;
use patchbay::ids::{DispatchId, DispatchKey, Tenant};
use patchbay::store::{DispatchSummary, Store, TimelinePage};
use serde_json::json;

use crate::aws::{Clients, Target, block_on};
use crate::output::{Output, counted};
use crate::timeline;

pub(crate) mod webhooks;

/// Timeline entries per request.
const PAGE: i32 = view::TIMELINE_LIMIT;
const DAY_MILLIS: i64 = 86_400_000;
/// Maximum length of the printed ticket text, in characters.
const MAX_TEXT_CHARS: usize = 100;

/// Options of `patchbay dispatch`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Tenant of the dispatches
    #[arg(long, global = true, default_value = "main")]
    tenant: Tenant,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List dispatches, newest first
    List(List),
    /// Show a dispatch: its status, its whole timeline and the plan ahead
    Show {
        /// Its id
        id: DispatchId,
    },
    /// Cancel a dispatch; a ringing phone is hung up. Exits with 1 if it is too late to cancel
    Cancel {
        /// Its id
        id: DispatchId,
    },
    /// List the webhooks of a dispatch, each with the response of the receiver
    Webhooks {
        /// Its id
        id: DispatchId,
    },
    /// Send a webhook again, under the same webhook-id
    Resend {
        /// Its id
        id: DispatchId,
        /// Its webhook-id, msg_…
        webhook: String,
    },
}

#[derive(Debug, Args)]
struct List {
    /// Maximum number of dispatches
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Number of days to go back, in UTC, today included
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=100))]
    days: u16,
    /// Only those not yet over: Calling, Waiting or Accepted
    #[arg(long)]
    open: bool,
}

pub(crate) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let (target, tenant) = (&options.target, &options.tenant);
    let key = |id: &DispatchId| DispatchKey {
        tenant: tenant.clone(),
        id: *id,
    };
    block_on(async {
        let clients = Clients::connect(target).await?;
        match &options.command {
            Command::List(filter) => {
                let store = clients.store(&target.find_table(&clients).await?);
                list(&store, &clients.clock, tenant, filter, output).await?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Show { id } => {
                let store = clients.store(&target.find_table(&clients).await?);
                show(&store, &clients.clock, &key(id), output).await?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Cancel { id } => {
                let engine = clients.engine(&target.find(&clients).await?);
                let done = cancel(&engine, &key(id), output).await?;
                Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
            Command::Webhooks { id } => {
                let store = clients.store(&target.find_table(&clients).await?);
                webhooks::list(&store, &key(id), output).await?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Resend { id, webhook } => {
                let engine = clients.engine(&target.find(&clients).await?);
                webhooks::resend(&engine, &key(id), webhook, output).await?;
                Ok(ExitCode::SUCCESS)
            }
        }
    })
}

async fn list(
    store: &Store,
    clock: &Clock,
    tenant: &Tenant,
    filter: &List,
    output: &mut Output<'_>,
) -> anyhow::Result<()> {
    let found = newest(store, clock.now(), tenant, filter).await?;
    if output.is_json() {
        return Ok(output.json(&json!({ "dispatches": found }))?);
    }
    if found.is_empty() {
        return Ok(output.line(format!(
            "{tenant} has no matching dispatch in the last {}",
            days(filter.days)
        ))?);
    }
    let rows: Vec<_> = found.iter().map(row).collect();
    Ok(output.table(["ID", "REFERENCE", "STATUS", "CREATED", "CHANGED"], &rows)?)
}

fn days(count: u16) -> String {
    counted(usize::from(count), "day", "days")
}

/// The newest dispatches that match, read day by day back from today.
async fn newest(store: &Store, now: Timestamp, tenant: &Tenant, filter: &List) -> anyhow::Result<Vec<DispatchSummary>> {
    let limit = usize::from(filter.limit);
    let mut found = Vec::new();
    for days_ago in 0..i64::from(filter.days) {
        let day = now.plus_millis(-days_ago * DAY_MILLIS).day();
        let mut after = None;
        loop {
            let page = store.list_day(tenant, &day, after.as_deref(), 200).await?;
            let matches = |summary: &DispatchSummary| !filter.open || is_open(&summary.status);
            found.extend(page.lines.into_iter().filter(matches));
            after = page.next_cursor;
            if after.is_none() || found.len() >= limit {
                break;
            }
        }
        if found.len() >= limit {
            break;
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// Whether a dispatch with this status is not over. An accepted one may be reopened.
fn is_open(status: &str) -> bool {
    matches!(status, "Calling" | "Waiting" | "Accepted")
}

fn row(summary: &DispatchSummary) -> [String; 5] {
    let moment = |text: &str| text.replacen('T', " ", 1).chars().take(19).collect();
    [
        summary.id.to_string(),
        summary.reference.clone().unwrap_or_else(|| "-".to_owned()),
        colored(&summary.status),
        moment(&summary.created_at),
        moment(&summary.updated_at),
    ]
}

fn colored(status: &str) -> String {
    let words = style(status);
    match status {
        "Accepted" | "Resolved" => words.green(),
        "Exhausted" | "Expired" => words.red(),
        "Calling" | "Waiting" => words.yellow(),
        _ => words.dim(),
    }
    .to_string()
}

async fn load(store: &Store, key: &DispatchKey) -> anyhow::Result<Dispatch> {
    let dispatch = store.load(key).await?;
    dispatch.with_context(|| format!("{} has no dispatch {}", key.tenant, key.id))
}

async fn show(store: &Store, clock: &Clock, key: &DispatchKey, output: &mut Output<'_>) -> anyhow::Result<()> {
    let dispatch = load(store, key).await?;
    let page = load_timeline(store, key).await?;
    let deliveries = store.first_deliveries(&key.clone().into()).await?;
    let now = clock.now();
    if output.is_json() {
        let past = History {
            timeline: &page,
            deliveries: &deliveries,
        };
        return Ok(output.json(&view::dispatch_view(&dispatch, Some(past), now))?);
    }
    print_header(&dispatch, output)?;
    webhooks::summary(&dispatch, &deliveries, output)?;
    output.line("")?;
    for line in timeline::lines(&page.entries, &dispatch) {
        output.line(line)?;
    }
    if let Some(outlook) = dispatch.plan_ahead(now) {
        output.line("")?;
        print_plan(&outlook, output)?;
    }
    Ok(())
}

async fn load_timeline(store: &Store, key: &DispatchKey) -> anyhow::Result<TimelinePage> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut after = None;
    loop {
        let page = store.timeline(key, after.as_deref(), PAGE).await?;
        entries.extend(page.entries);
        after = page.next_cursor;
        if after.is_none() {
            break;
        }
    }
    // Each page is in order, but a late entry of an early attempt may be on an early page.
    entries.sort_by_key(|entry| entry.at);
    Ok(TimelinePage {
        entries,
        next_cursor: None,
    })
}

/// Prints ticket, status and employees.
fn print_header(dispatch: &Dispatch, output: &mut Output<'_>) -> anyhow::Result<()> {
    let ticket = &dispatch.spec.ticket;
    let reference = ticket.reference.as_deref().unwrap_or("no reference");
    let short: String = ticket.text.chars().take(MAX_TEXT_CHARS).collect();
    let dots = if short.len() < ticket.text.len() { "…" } else { "" };
    output.line(format!("{}  {short}{dots}", style(reference).bold()))?;
    let calls = counted(usize::try_from(dispatch.progress.attempts)?, "call", "calls");
    output.line(format!(
        "{}  {}{}, {calls}, round {}",
        style(dispatch.key.id).dim(),
        colored(dispatch.state.name()),
        accepted_by(dispatch),
        dispatch.progress.round,
    ))?;
    let employees = dispatch.spec.employees.iter();
    let employees: Vec<String> = employees
        .map(|employee| format!("{} {}", employee.name, style(&employee.phone).dim()))
        .collect();
    Ok(output.line(employees.join(", "))?)
}

fn accepted_by(dispatch: &Dispatch) -> String {
    let acceptance = match &dispatch.state {
        State::Accepted(acceptance) => Some(acceptance),
        State::Resolved { acceptance, .. } => acceptance.as_ref(),
        _ => None,
    };
    let who = acceptance.and_then(|acceptance| dispatch.employee(acceptance.attempt.employee));
    who.map(|employee| format!(" by {}", employee.name)).unwrap_or_default()
}

/// Prints what will happen if nobody picks up.
fn print_plan(outlook: &Plan, output: &mut Output<'_>) -> anyhow::Result<()> {
    output.line(style("Plan, if nobody picks up").bold().to_string())?;
    let at = |moment: Timestamp| style(moment.time_of_day()).dim().to_string();
    for turn in &outlook.turns {
        let until = turn.until.time_of_day();
        output.line(format!(
            "  {}  {} ×{}, until {until}",
            at(turn.from),
            turn.name,
            turn.calls
        ))?;
    }
    let resumes = outlook
        .resumes_at
        .map(|moment| format!(", resumes at {}", moment.time_of_day()));
    let resumes = resumes.unwrap_or_default();
    output.line(format!(
        "  {}  {}{resumes}",
        at(outlook.round_ends_at),
        outlook.next_status
    ))?;
    let end = outlook.expires_at.to_string().replacen('T', " ", 1);
    let end: String = end.chars().take(19).collect();
    Ok(output.line(format!("  {}", style(format!("expires at {end}")).dim()))?)
}

/// How long we wait for the dialer to cancel, in seconds.
const CANCEL_SECONDS: u32 = 60;
/// How often we check whether it has.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Cancels a dispatch; returns whether it is cancelled. The command only sends the event and the dialer commits it: a
/// committing process must end within two minutes ([`patchbay::message::WRITER_LIFETIME_SECONDS`]), and a laptop may
/// sleep for a night between two requests.
async fn cancel(engine: &Engine, key: &DispatchKey, output: &mut Output<'_>) -> anyhow::Result<bool> {
    let mut dispatch = load(&engine.store, key).await?;
    if is_cancellable(&dispatch) {
        engine.enqueue_event(key, Event::Cancel).await?;
        let end = engine.clock.now().plus_seconds(CANCEL_SECONDS);
        while is_cancellable(&dispatch) {
            if engine.clock.now() >= end {
                bail!(
                    "the dialer has not cancelled {} within {CANCEL_SECONDS} s; it will when it runs again",
                    key.id
                );
            }
            engine.clock.sleep(POLL_INTERVAL).await;
            dispatch = load(&engine.store, key).await?;
        }
    }
    let (status, done) = (dispatch.state.name(), matches!(dispatch.state, State::Cancelled { .. }));
    if output.is_json() {
        output.json(&json!({ "id": key.id, "status": status, "cancelled": done }))?;
    } else if done {
        output.line(format!("{} is {}", key.id, colored(status)))?;
    } else {
        output.line(format!("{} is {}: too late to cancel", key.id, colored(status)))?;
    }
    Ok(done)
}

const fn is_cancellable(dispatch: &Dispatch) -> bool {
    matches!(dispatch.state, State::Calling(_) | State::Waiting(_))
}

#[cfg(test)]
#[path = "dispatch/tests.rs"]
pub(crate) mod tests;
