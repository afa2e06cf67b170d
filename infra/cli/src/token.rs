//! `patchbay token`: who may use the API of a deployment.

use std::io;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use console::style;
use patchbay::access::{Scope, TokenRecord};
use patchbay::clock::{Clock, Timestamp};
use patchbay::ids::Tenant;
use patchbay::store::{Store, TokenEntry};
use patchbay::web::auth::{new_token, token_hash};
use serde::Serialize;
use serde_json::json;

use crate::aws::{Clients, Target, block_on};
use crate::input;
use crate::output::Output;

/// What every token begins with.
const TOKEN_PREFIX: &str = "pb_";
/// Digits of the hash that make an id; enough for a person to tell tokens apart.
const ID_DIGITS: usize = 12;
/// Fewest digits by which a token is looked for: fewer are a slip.
const MIN_ID_DIGITS: usize = 6;
const HASH_DIGITS: usize = 64;

/// What can be said about tokens.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Whose tokens
    #[arg(long, global = true, default_value = "main")]
    tenant: Tenant,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token; its secret is shown once and never stored
    Create(Create),
    /// Show which tokens there are; one that was made before tokens were listed is missing
    List,
    /// Withdraw a token; what it was used for stays
    Revoke {
        /// The token, or the beginning of its id; - reads it from stdin, and keeps it out of the shell's history
        token: String,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// What the token is for, such as the name of the bot that gets it
    #[arg(long)]
    name: Option<String>,
    /// What it allows, such as dispatches:write; several separated by commas
    #[arg(long, value_delimiter = ',', value_parser = scope, default_value = "dispatches:read,dispatches:write")]
    scopes: Vec<Scope>,
    /// After so many days it is worth nothing
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
    expires_in_days: Option<u32>,
}

/// A token as a list shows it.
#[derive(Debug, Serialize)]
struct Line<'a> {
    id: &'a str,
    name: Option<&'a str>,
    status: &'static str,
    tenant: String,
    scopes: Vec<&'static str>,
    created_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

pub(crate) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    block_on(async {
        let clients = Clients::connect(&options.target).await?;
        let store = clients.store(&options.target.find_table(&clients).await?);
        match &options.command {
            Command::Create(create) => {
                let id = make(&store, &clients.clock, &options.tenant, create, output).await?;
                if !output.is_json() {
                    // Beside the token, which may be on its way into a file or a variable.
                    eprintln!("This is token {id} of {}. It is shown once.", options.tenant);
                }
            }
            Command::List => list(&store, &clients.clock, &options.tenant, output).await?,
            Command::Revoke { token } => {
                let token = input::secret(token, io::stdin().lock())?;
                revoke(&store, &clients.clock, &options.tenant, token.expose(), output).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn scope(name: &str) -> Result<Scope, String> {
    let known = || Scope::ALL.map(Scope::name).join(", ");
    Scope::named(name).ok_or_else(|| format!("there are: {}", known()))
}

/// Makes a token, shows it, and tells its id.
async fn make(
    store: &Store,
    clock: &Clock,
    tenant: &Tenant,
    create: &Create,
    output: &mut Output<'_>,
) -> anyhow::Result<String> {
    let now = clock.now();
    let (token, hash) = new_token()?;
    let entry = TokenEntry {
        hash,
        name: create.name.clone(),
        created_at: Some(now),
        record: TokenRecord {
            tenant: tenant.clone(),
            scopes: create.scopes.iter().copied().collect(),
            expires_at: create.expires_in_days.map(|days| now.plus_seconds(days * 86_400)),
            revoked: false,
        },
    };
    if !store.create_token(&entry).await? {
        // 256 random bits that were there already.
        bail!("the token was not stored: try again");
    }
    if output.is_json() {
        let mut document = serde_json::to_value(line(&entry, now))?;
        if let Some(fields) = document.as_object_mut() {
            fields.insert("token".to_owned(), json!(token.expose()));
        }
        output.json(&document)?;
    } else {
        output.line(token.expose())?;
    }
    Ok(id(&entry).to_owned())
}

async fn list(store: &Store, clock: &Clock, tenant: &Tenant, output: &mut Output<'_>) -> anyhow::Result<()> {
    let now = clock.now();
    let mut entries = store.tokens(tenant, "").await?;
    entries.sort_by(|a, b| (b.created_at, &b.hash).cmp(&(a.created_at, &a.hash)));
    let lines: Vec<Line<'_>> = entries.iter().map(|entry| line(entry, now)).collect();
    if output.is_json() {
        return Ok(output.json(&json!({ "tokens": lines }))?);
    }
    if lines.is_empty() {
        return Ok(output.line(format!("no token of {tenant} is listed"))?);
    }
    let rows: Vec<_> = lines.iter().map(row).collect();
    Ok(output.table(["ID", "NAME", "STATUS", "CREATED", "EXPIRES", "SCOPES"], &rows)?)
}

async fn revoke(
    store: &Store,
    clock: &Clock,
    tenant: &Tenant,
    token: &str,
    output: &mut Output<'_>,
) -> anyhow::Result<()> {
    let hash = find(store, tenant, token).await?;
    let entry = store.revoke_token(&hash).await?.context("there is no such token")?;
    if output.is_json() {
        return Ok(output.json(&line(&entry, clock.now()))?);
    }
    let name = entry
        .name
        .as_deref()
        .map(|name| format!(" ({name})"))
        .unwrap_or_default();
    Ok(output.line(format!("token {}{name} is withdrawn", id(&entry)))?)
}

/// The hash of the token that is meant.
async fn find(store: &Store, tenant: &Tenant, given: &str) -> anyhow::Result<String> {
    if given.starts_with(TOKEN_PREFIX) {
        return Ok(token_hash(given));
    }
    let is_hex = given.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !is_hex || !(MIN_ID_DIGITS..=HASH_DIGITS).contains(&given.len()) {
        bail!("give the token (pb_…) or at least {MIN_ID_DIGITS} digits of its id, as `token list` shows it");
    }
    if given.len() == HASH_DIGITS {
        return Ok(given.to_owned());
    }
    let mut found = store.tokens(tenant, given).await?;
    match (found.pop(), found.len()) {
        (Some(entry), 0) => Ok(entry.hash),
        (Some(_), more) => bail!("{} tokens of {tenant} begin with {given}", more + 1),
        (None, _) => bail!("no token of {tenant} that is listed begins with {given}"),
    }
}

fn id(entry: &TokenEntry) -> &str {
    entry.hash.get(..ID_DIGITS).unwrap_or(&entry.hash)
}

fn line(entry: &TokenEntry, now: Timestamp) -> Line<'_> {
    let record = &entry.record;
    let status = match record.expires_at {
        _ if record.revoked => "revoked",
        Some(expires_at) if expires_at <= now => "expired",
        _ => "active",
    };
    Line {
        id: id(entry),
        name: entry.name.as_deref(),
        status,
        tenant: record.tenant.to_string(),
        scopes: record.scopes.iter().map(|scope| scope.name()).collect(),
        created_at: entry.created_at,
        expires_at: record.expires_at,
    }
}

fn row(line: &Line<'_>) -> [String; 6] {
    let day = |moment: Option<Timestamp>, none: &str| {
        moment.map_or_else(
            || none.to_owned(),
            |moment| moment.to_string().chars().take(10).collect(),
        )
    };
    let status = match line.status {
        "active" => style(line.status).green(),
        _ => style(line.status).red(),
    };
    [
        line.id.to_owned(),
        line.name.unwrap_or("-").to_owned(),
        status.to_string(),
        day(line.created_at, "-"),
        day(line.expires_at, "never"),
        line.scopes.join(" "),
    ]
}

#[cfg(test)]
pub(crate) mod tests {
    use patchbay_simulators::world::{TOKEN, World};
    use serde_json::Value;

    use super::*;
    use crate::testing::{json_of, text_of, world};

    fn tenant() -> Tenant {
        "main".parse().expect("a tenant")
    }

    fn a_token(name: &str, days: Option<u32>) -> Create {
        Create {
            name: Some(name.to_owned()),
            scopes: vec![Scope::DispatchesRead],
            expires_in_days: days,
        }
    }

    async fn made(world: &World, create: &Create) -> (String, String) {
        let document = json_of(async |output| {
            make(&world.store, &world.clock, &tenant(), create, output).await?;
            Ok(())
        })
        .await;
        let text = |name: &str| document[name].as_str().expect(name).to_owned();
        (text("token"), text("id"))
    }

    /// What the API answers to somebody with this token.
    async fn status(world: &World, token: &str) -> u16 {
        let request = http::Request::get("https://hooks.example.org/v1/dispatches");
        let request = request.header("authorization", format!("Bearer {token}"));
        let response = world.send(request.body(bytes::Bytes::new()).expect("a request")).await;
        response.expect("an answer").status().as_u16()
    }

    async fn listed(world: &World) -> Vec<Value> {
        let document = json_of(async |output| list(&world.store, &world.clock, &tenant(), output).await).await;
        document["tokens"].as_array().expect("a list").clone()
    }

    async fn revoked(world: &World, token: &str) -> anyhow::Result<Value> {
        let mut buffer = Vec::new();
        let mut output = Output::new(&mut buffer, crate::output::Format::Json);
        revoke(&world.store, &world.clock, &tenant(), token, &mut output).await?;
        Ok(serde_json::from_slice(&buffer)?)
    }

    /// All that the command does.
    pub(crate) async fn everything(world: &World) {
        let (_, id) = made(world, &a_token("short", None)).await;
        assert_eq!(listed(world).await.len(), 1);
        revoked(world, &id).await.expect("withdrawn");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_shown_once_works_and_is_listed_without_its_secret() {
        let world = world().await;
        let (token, id) = made(&world, &a_token("night bot", Some(30))).await;
        assert_eq!(status(&world, &token).await, 200);
        let list = listed(&world).await;
        assert_eq!(list.len(), 1, "{list:?}");
        assert_eq!(
            (&list[0]["id"], &list[0]["name"], &list[0]["status"]),
            (&json!(id), &json!("night bot"), &json!("active"))
        );
        assert_eq!(list[0]["scopes"], json!(["dispatches:read"]));
        assert!(!json!(list).to_string().contains(&token));
        world.clock.sleep(std::time::Duration::from_hours(30 * 24)).await;
        assert_eq!(listed(&world).await[0]["status"], "expired");
        assert_eq!(status(&world, &token).await, 401);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_withdrawn_by_itself_or_by_the_beginning_of_its_id() {
        let world = world().await;
        let (first, _) = made(&world, &a_token("first", None)).await;
        let (second, id) = made(&world, &a_token("second", None)).await;
        assert_eq!(revoked(&world, &first).await.expect("withdrawn")["status"], "revoked");
        assert_eq!(status(&world, &first).await, 401);
        assert_eq!(status(&world, &second).await, 200);
        assert_eq!(revoked(&world, &id[..8]).await.expect("withdrawn")["name"], "second");
        assert_eq!(status(&world, &second).await, 401);
        let states: Vec<Value> = listed(&world).await.iter().map(|line| line["status"].clone()).collect();
        assert_eq!(states, ["revoked", "revoked"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_from_before_the_list_works_and_is_listed_once_it_is_withdrawn() {
        let world = world().await;
        assert_eq!(listed(&world).await, Vec::<Value>::new());
        assert_eq!(status(&world, TOKEN).await, 200);
        assert_eq!(revoked(&world, TOKEN).await.expect("withdrawn")["name"], Value::Null);
        assert_eq!(status(&world, TOKEN).await, 401);
        assert_eq!(listed(&world).await[0]["status"], "revoked");
    }

    #[tokio::test(start_paused = true)]
    async fn what_names_no_token_withdraws_none() {
        let world = world().await;
        let (token, id) = made(&world, &a_token("kept", None)).await;
        for (given, says) in [
            ("kept", "at least 6 digits"),
            (&id[..5], "at least 6 digits"),
            (
                "ffffffffffff",
                "no token of main that is listed begins with ffffffffffff",
            ),
            (&format!("pb_{}", "1".repeat(64)), "there is no such token"),
        ] {
            let error = revoked(&world, given).await.expect_err(given);
            assert!(error.to_string().contains(says), "{given}: {error}");
        }
        assert_eq!(status(&world, &token).await, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn for_a_person_the_token_stands_alone_and_the_list_is_a_table() {
        let world = world().await;
        let create = a_token("night bot", None);
        let shown = text_of(async |output| {
            make(&world.store, &world.clock, &tenant(), &create, output).await?;
            Ok(())
        })
        .await;
        assert_eq!(shown.lines().count(), 1);
        let id = &token_hash(shown.trim())[..ID_DIGITS];
        let table = text_of(async |output| list(&world.store, &world.clock, &tenant(), output).await).await;
        assert_eq!(
            table,
            format!(
                "ID            NAME       STATUS  CREATED     EXPIRES  SCOPES\n\
                 {id}  night bot  active  2026-11-23  never    dispatches:read\n"
            )
        );
    }
}
