//! `patchbay token`: the API tokens of a deployment.

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

/// Prefix of every token.
const TOKEN_PREFIX: &str = "pb_";
/// Number of leading hash digits that form an id; enough to tell tokens apart.
const ID_DIGITS: usize = 12;
/// Minimum number of digits of an id prefix: fewer are taken for a typing error.
const MIN_ID_DIGITS: usize = 6;
/// Number of digits of a whole hash.
const HASH_DIGITS: usize = 64;

/// Options of `patchbay token`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Tenant of the tokens
    #[arg(long, global = true, default_value = "main")]
    tenant: Tenant,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a token; it is shown once and only its hash is stored
    Create(Create),
    /// List tokens; one created by a version without this list is missing until it is revoked
    List,
    /// Revoke a token; everything created with it stays
    Revoke {
        /// The token, or at least the first 6 digits of its id; - reads it from stdin, which keeps it out of the shell
        /// history
        token: String,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// What the token is for, such as the name of the bot that uses it
    #[arg(long)]
    name: Option<String>,
    /// What the token allows, such as dispatches:write; separate several scopes with commas
    #[arg(long, value_delimiter = ',', value_parser = parse_scope, default_value = "dispatches:read,dispatches:write")]
    scopes: Vec<Scope>,
    /// Days until the token expires; default: never
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
    expires_in_days: Option<u32>,
}

/// A token in the output; without its secret.
#[derive(Debug, Serialize)]
struct ListedToken<'a> {
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
                let id = create_token(&store, &clients.clock, &options.tenant, create, output).await?;
                if !output.is_json() {
                    // On stderr: stdout with the token may be redirected into a file or a variable.
                    eprintln!("Created token {id} of {}. It is not shown again.", options.tenant);
                }
            }
            Command::List => list(&store, &clients.clock, &options.tenant, output).await?,
            Command::Revoke { token } => {
                let token = input::read_secret(token, io::stdin().lock())?;
                revoke(&store, &clients.clock, &options.tenant, token.expose(), output).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn parse_scope(name: &str) -> Result<Scope, String> {
    let known = || Scope::ALL.map(Scope::name).join(", ");
    Scope::named(name).ok_or_else(|| format!("possible scopes: {}", known()))
}

/// Creates a token, prints it and returns its id.
async fn create_token(
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
        // A collision of 256 random bits.
        bail!("cannot store the token: try again");
    }
    if output.is_json() {
        let mut document = serde_json::to_value(listed_token(&entry, now))?;
        if let Some(fields) = document.as_object_mut() {
            fields.insert("token".to_owned(), json!(token.expose()));
        }
        output.json(&document)?;
    } else {
        output.line(token.expose())?;
    }
    Ok(token_id(&entry).to_owned())
}

async fn list(store: &Store, clock: &Clock, tenant: &Tenant, output: &mut Output<'_>) -> anyhow::Result<()> {
    let now = clock.now();
    let mut entries = store.tokens(tenant, "").await?;
    entries.sort_by(|a, b| (b.created_at, &b.hash).cmp(&(a.created_at, &a.hash)));
    let lines: Vec<ListedToken<'_>> = entries.iter().map(|entry| listed_token(entry, now)).collect();
    if output.is_json() {
        return Ok(output.json(&json!({ "tokens": lines }))?);
    }
    if lines.is_empty() {
        return Ok(output.line(format!("{tenant} has no listed tokens"))?);
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
    let hash = find_hash(store, tenant, token).await?;
    let entry = store.revoke_token(&hash).await?.context("no such token")?;
    if output.is_json() {
        return Ok(output.json(&listed_token(&entry, clock.now()))?);
    }
    let name = entry
        .name
        .as_deref()
        .map(|name| format!(" ({name})"))
        .unwrap_or_default();
    Ok(output.line(format!("revoked token {}{name}", token_id(&entry)))?)
}

/// The hash of the token given as a whole, as a hash, or as a prefix of its id.
async fn find_hash(store: &Store, tenant: &Tenant, given: &str) -> anyhow::Result<String> {
    if given.starts_with(TOKEN_PREFIX) {
        return Ok(token_hash(given));
    }
    let is_hex = given.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !is_hex || !(MIN_ID_DIGITS..=HASH_DIGITS).contains(&given.len()) {
        bail!("expected the token (pb_…) or at least {MIN_ID_DIGITS} digits of its id, as shown by `token list`");
    }
    if given.len() == HASH_DIGITS {
        return Ok(given.to_owned());
    }
    let mut found = store.tokens(tenant, given).await?;
    match (found.pop(), found.len()) {
        (Some(entry), 0) => Ok(entry.hash),
        (Some(_), others) => bail!("{} tokens of {tenant} begin with {given}: give more digits", others + 1),
        (None, _) => bail!("no listed token of {tenant} begins with {given}"),
    }
}

fn token_id(entry: &TokenEntry) -> &str {
    entry.hash.get(..ID_DIGITS).unwrap_or(&entry.hash)
}

fn listed_token(entry: &TokenEntry, now: Timestamp) -> ListedToken<'_> {
    let record = &entry.record;
    let status = match record.expires_at {
        _ if record.revoked => "revoked",
        Some(expires_at) if expires_at <= now => "expired",
        _ => "active",
    };
    ListedToken {
        id: token_id(entry),
        name: entry.name.as_deref(),
        status,
        tenant: record.tenant.to_string(),
        scopes: record.scopes.iter().map(|scope| scope.name()).collect(),
        created_at: entry.created_at,
        expires_at: record.expires_at,
    }
}

fn row(line: &ListedToken<'_>) -> [String; 6] {
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

    async fn create_json(world: &World, create: &Create) -> (String, String) {
        let document = json_of(async |output| {
            create_token(&world.store, &world.clock, &tenant(), create, output).await?;
            Ok(())
        })
        .await;
        let text = |name: &str| document[name].as_str().expect(name).to_owned();
        (text("token"), text("id"))
    }

    /// The status with which the API answers a request with this token.
    async fn status(world: &World, token: &str) -> u16 {
        let request = http::Request::get("https://hooks.example.org/v1/dispatches");
        let request = request.header("authorization", format!("Bearer {token}"));
        let response = world.send(request.body(bytes::Bytes::new()).expect("a request")).await;
        response.expect("an answer").status().as_u16()
    }

    async fn list_json(world: &World) -> Vec<Value> {
        let document = json_of(async |output| list(&world.store, &world.clock, &tenant(), output).await).await;
        document["tokens"].as_array().expect("a list").clone()
    }

    async fn revoke_json(world: &World, token: &str) -> anyhow::Result<Value> {
        let mut buffer = Vec::new();
        let mut output = Output::new(&mut buffer, crate::output::Format::Json);
        revoke(&world.store, &world.clock, &tenant(), token, &mut output).await?;
        Ok(serde_json::from_slice(&buffer)?)
    }

    /// Runs every subcommand, for the check of the documented permissions.
    pub(crate) async fn run_all(world: &World) {
        let (_, id) = create_json(world, &a_token("short", None)).await;
        assert_eq!(list_json(world).await.len(), 1);
        revoke_json(world, &id).await.expect("revoked");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_works_until_it_expires_and_is_listed_without_its_secret() {
        let world = world().await;
        let (token, id) = create_json(&world, &a_token("night bot", Some(30))).await;
        assert_eq!(status(&world, &token).await, 200);
        let list = list_json(&world).await;
        assert_eq!(list.len(), 1, "{list:?}");
        assert_eq!(
            (&list[0]["id"], &list[0]["name"], &list[0]["status"]),
            (&json!(id), &json!("night bot"), &json!("active"))
        );
        assert_eq!(list[0]["scopes"], json!(["dispatches:read"]));
        assert!(!json!(list).to_string().contains(&token));
        world.clock.sleep(std::time::Duration::from_hours(30 * 24)).await;
        assert_eq!(list_json(&world).await[0]["status"], "expired");
        assert_eq!(status(&world, &token).await, 401);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_revoked_by_its_value_or_by_a_prefix_of_its_id() {
        let world = world().await;
        let (first, _) = create_json(&world, &a_token("first", None)).await;
        let (second, id) = create_json(&world, &a_token("second", None)).await;
        assert_eq!(revoke_json(&world, &first).await.expect("revoked")["status"], "revoked");
        assert_eq!(status(&world, &first).await, 401);
        assert_eq!(status(&world, &second).await, 200);
        assert_eq!(revoke_json(&world, &id[..8]).await.expect("revoked")["name"], "second");
        assert_eq!(status(&world, &second).await, 401);
        let states: Vec<Value> = list_json(&world)
            .await
            .iter()
            .map(|line| line["status"].clone())
            .collect();
        assert_eq!(states, ["revoked", "revoked"]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unlisted_token_works_and_is_listed_once_revoked() {
        let world = world().await;
        assert_eq!(list_json(&world).await, Vec::<Value>::new());
        assert_eq!(status(&world, TOKEN).await, 200);
        assert_eq!(revoke_json(&world, TOKEN).await.expect("revoked")["name"], Value::Null);
        assert_eq!(status(&world, TOKEN).await, 401);
        assert_eq!(list_json(&world).await[0]["status"], "revoked");
    }

    #[tokio::test(start_paused = true)]
    async fn revoke_without_a_match_revokes_nothing() {
        let world = world().await;
        let (token, id) = create_json(&world, &a_token("kept", None)).await;
        for (given, expected) in [
            ("kept", "at least 6 digits"),
            (&id[..5], "at least 6 digits"),
            ("ffffffffffff", "no listed token of main begins with ffffffffffff"),
            (&format!("pb_{}", "1".repeat(64)), "no such token"),
        ] {
            let error = revoke_json(&world, given).await.expect_err(given);
            assert!(error.to_string().contains(expected), "{given}: {error}");
        }
        assert_eq!(status(&world, &token).await, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn text_output_of_create_is_the_token_alone_and_of_list_a_table() {
        let world = world().await;
        let create = a_token("night bot", None);
        let shown = text_of(async |output| {
            create_token(&world.store, &world.clock, &tenant(), &create, output).await?;
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
