//! `patchbay dispatch`: what becomes of tickets, straight from the table.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use console::style;
use dispatches::view::{self, Past};
use patchbay::clock::{Clock, Timestamp};
use patchbay::dispatch::plan::Outlook;
use patchbay::dispatch::{Dispatch, Entry, Event, State};
use patchbay::engine::Engine;
use patchbay::ids::{DispatchId, DispatchKey, Tenant};
use patchbay::store::{Store, Summary, TimelinePage};
use serde_json::json;

use crate::aws::{Clients, Target, block_on};
use crate::output::{Output, counted};
use crate::timeline;

mod webhooks;

/// Entries of a timeline in one request.
const PAGE: i32 = view::TIMELINE_LIMIT;
const DAY_MILLIS: i64 = 86_400_000;
/// Longest text of a ticket that is shown, in characters.
const SHOWN_CHARS: usize = 100;

/// What can be said about dispatches.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Whose dispatches
    #[arg(long, global = true, default_value = "main")]
    tenant: Tenant,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the newest dispatches
    List(List),
    /// Tell the whole story of one, and what comes next
    Show {
        /// Its id
        id: DispatchId,
    },
    /// Stop one; a ringing phone is hung up
    Cancel {
        /// Its id
        id: DispatchId,
    },
    /// Show what its requester was told, and what the receiver said
    Webhooks {
        /// Its id
        id: DispatchId,
    },
    /// Tell its requester once more of an event, under the same webhook-id
    Resend {
        /// Its id
        id: DispatchId,
        /// The webhook-id, msg_…
        webhook: String,
    },
}

#[derive(Debug, Args)]
struct List {
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Of the last so many days (in UTC), today included
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=100))]
    days: u16,
    /// Only those in which something is still to happen
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
            Command::List(wanted) => {
                let store = clients.store(&target.find_table(&clients).await?);
                list(&store, &clients.clock, tenant, wanted, output).await?;
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
    wanted: &List,
    output: &mut Output<'_>,
) -> anyhow::Result<()> {
    let found = newest(store, clock.now(), tenant, wanted).await?;
    if output.is_json() {
        return Ok(output.json(&json!({ "dispatches": found }))?);
    }
    if found.is_empty() {
        return Ok(output.line(format!("no such dispatch of {tenant} in {}", days(wanted.days)))?);
    }
    let rows: Vec<_> = found.iter().map(row).collect();
    Ok(output.table(["ID", "REFERENCE", "STATUS", "CREATED", "CHANGED"], &rows)?)
}

fn days(count: u16) -> String {
    counted(usize::from(count), "day", "days")
}

/// The newest dispatches, day by day back from today.
async fn newest(store: &Store, now: Timestamp, tenant: &Tenant, wanted: &List) -> anyhow::Result<Vec<Summary>> {
    let limit = usize::from(wanted.limit);
    let mut found = Vec::new();
    for back in 0..i64::from(wanted.days) {
        let day = now.plus_millis(-back * DAY_MILLIS).day();
        let mut after = None;
        loop {
            let page = store.list_day(tenant, &day, after.as_deref(), 200).await?;
            let fits = |summary: &Summary| !wanted.open || is_open(&summary.status);
            found.extend(page.lines.into_iter().filter(fits));
            after = page.more_after;
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

/// Whether something is still to happen in a dispatch with this status. One that was accepted may be opened again.
fn is_open(status: &str) -> bool {
    matches!(status, "Calling" | "Waiting" | "Accepted")
}

fn row(summary: &Summary) -> [String; 5] {
    let moment = |text: &str| text.replacen('T', " ", 1).chars().take(19).collect();
    [
        summary.id.to_string(),
        summary.reference.clone().unwrap_or_else(|| "-".to_owned()),
        coloured(&summary.status),
        moment(&summary.created_at),
        moment(&summary.updated_at),
    ]
}

fn coloured(status: &str) -> String {
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
    let page = whole_timeline(store, key).await?;
    let deliveries = store.first_deliveries(key).await?;
    let now = clock.now();
    if output.is_json() {
        let past = Past {
            timeline: &page,
            deliveries: &deliveries,
        };
        return Ok(output.json(&view::whole(&dispatch, Some(past), now))?);
    }
    head(&dispatch, output)?;
    webhooks::summary(&dispatch, &deliveries, output)?;
    output.line("")?;
    for line in timeline::lines(&page.entries, &dispatch) {
        output.line(line)?;
    }
    if let Some(outlook) = dispatch.outlook(now) {
        output.line("")?;
        ahead(&outlook, output)?;
    }
    Ok(())
}

async fn whole_timeline(store: &Store, key: &DispatchKey) -> anyhow::Result<TimelinePage> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut after = None;
    loop {
        let page = store.timeline(key, after.as_deref(), PAGE).await?;
        entries.extend(page.entries);
        after = page.more_after;
        if after.is_none() {
            break;
        }
    }
    // Each page is in order, but a late entry of an early attempt may stand on an early page.
    entries.sort_by_key(|entry| entry.at);
    Ok(TimelinePage {
        entries,
        more_after: None,
    })
}

/// What it is and how it stands.
fn head(dispatch: &Dispatch, output: &mut Output<'_>) -> anyhow::Result<()> {
    let ticket = &dispatch.brief.ticket;
    let reference = ticket.reference.as_deref().unwrap_or("no reference");
    let short: String = ticket.text.chars().take(SHOWN_CHARS).collect();
    let dots = if short.len() < ticket.text.len() { "…" } else { "" };
    output.line(format!("{}  {short}{dots}", style(reference).bold()))?;
    let calls = counted(usize::try_from(dispatch.progress.attempts)?, "call", "calls");
    output.line(format!(
        "{}  {}{}, {calls}, round {}",
        style(dispatch.key.id).dim(),
        coloured(dispatch.state.name()),
        by_whom(dispatch),
        dispatch.progress.round,
    ))?;
    let people = dispatch.brief.employees.iter();
    let people: Vec<String> = people
        .map(|employee| format!("{} {}", employee.name, style(&employee.phone).dim()))
        .collect();
    Ok(output.line(people.join(", "))?)
}

fn by_whom(dispatch: &Dispatch) -> String {
    let acceptance = match &dispatch.state {
        State::Accepted(acceptance) => Some(acceptance),
        State::Resolved { acceptance, .. } => acceptance.as_ref(),
        _ => None,
    };
    let who = acceptance.and_then(|acceptance| dispatch.employee(acceptance.attempt.employee));
    who.map(|employee| format!(" by {}", employee.name)).unwrap_or_default()
}

/// What will happen if nobody picks up.
fn ahead(outlook: &Outlook, output: &mut Output<'_>) -> anyhow::Result<()> {
    output.line(style("Ahead, if nobody picks up").bold().to_string())?;
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
    let on = outlook
        .resumes_at
        .map(|moment| format!(", on again at {}", moment.time_of_day()));
    let on = on.unwrap_or_default();
    output.line(format!("  {}  {}{on}", at(outlook.round_ends_at), outlook.then))?;
    let end = outlook.expires_at.to_string().replacen('T', " ", 1);
    let end: String = end.chars().take(19).collect();
    Ok(output.line(format!("  {}", style(format!("gives up at {end}")).dim()))?)
}

/// How long it is waited for that a dialer cancels, in seconds.
const CANCEL_SECONDS: u32 = 60;
/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Withdraws a ticket; tells whether it could be. A dialer does it: whoever commits must be gone after two minutes
/// ([`patchbay::mail::WRITER_LIFETIME_SECONDS`]), and a laptop may go to sleep for a night between two requests.
async fn cancel(engine: &Engine, key: &DispatchKey, output: &mut Output<'_>) -> anyhow::Result<bool> {
    let mut dispatch = load(&engine.store, key).await?;
    if may_be_cancelled(&dispatch) {
        engine.keep(key, Event::Cancel).await?;
        let end = engine.clock.now().plus_seconds(CANCEL_SECONDS);
        while may_be_cancelled(&dispatch) {
            if engine.clock.now() >= end {
                bail!(
                    "the dialer has not cancelled {} within {CANCEL_SECONDS} s; it will as soon as it works",
                    key.id
                );
            }
            engine.clock.sleep(LOOK_EVERY).await;
            dispatch = load(&engine.store, key).await?;
        }
    }
    let (status, done) = (dispatch.state.name(), matches!(dispatch.state, State::Cancelled { .. }));
    if output.is_json() {
        output.json(&json!({ "id": key.id, "status": status, "cancelled": done }))?;
    } else if done {
        output.line(format!("{} is {}", key.id, coloured(status)))?;
    } else {
        output.line(format!(
            "{} is {}: that cannot be cancelled any more",
            key.id,
            coloured(status)
        ))?;
    }
    Ok(done)
}

const fn may_be_cancelled(dispatch: &Dispatch) -> bool {
    matches!(dispatch.state, State::Calling(_) | State::Waiting(_))
}

#[cfg(test)]
#[path = "dispatch/tests.rs"]
pub(crate) mod tests;
