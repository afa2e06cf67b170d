//! `patchbay token`: who may use the API of a deployment.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use patchbay::clock::Clock;
use patchbay::config::Aws;
use patchbay::ids::Tenant;
use patchbay::store::Store;
use patchbay::web::auth::{Scope, TokenRecord, new_token, token_hash};

/// What can be said about tokens. Region and credentials are those of the environment, as for the AWS CLI.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The deployment's table (output `TableName` of the stack)
    #[arg(long, env = "PATCHBAY_TABLE", global = true, default_value = "")]
    table: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token; its secret is shown once and never stored
    Create {
        /// Whose dispatches it sees
        #[arg(long, default_value = "main")]
        tenant: String,
        /// What it allows, such as dispatches:write; several separated by commas
        #[arg(long, value_delimiter = ',', default_value = "dispatches:read,dispatches:write")]
        scopes: Vec<String>,
        /// After so many days it is worth nothing
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
        expires_in_days: Option<u32>,
    },
    /// Withdraw a token; what it was used for stays
    Revoke {
        /// The token
        token: String,
    },
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        !options.table.is_empty(),
        "--table (or PATCHBAY_TABLE) must name the deployment's table"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    runtime.block_on(async {
        let store = Aws::load().await.store_called(&options.table);
        match &options.command {
            Command::Create {
                tenant,
                scopes,
                expires_in_days,
            } => create(&store, tenant, scopes, *expires_in_days).await,
            Command::Revoke { token } => revoke(&store, token).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn create(store: &Store, tenant: &str, scopes: &[String], days: Option<u32>) -> anyhow::Result<()> {
    let tenant: Tenant = tenant.parse().context("a tenant has 1 to 32 of a-z, 0-9 and -")?;
    let named = |name: &String| {
        let known = || Scope::ALL.map(Scope::name).join(", ");
        Scope::named(name).with_context(|| format!("there is no scope {name}; there are: {}", known()))
    };
    let scopes = scopes.iter().map(named).collect::<anyhow::Result<_>>()?;
    let expires_at = days.map(|days| Clock::system().now().plus_seconds(days * 86_400));
    let (token, hash) = new_token()?;
    store
        .put_token(
            &hash,
            &TokenRecord {
                tenant,
                scopes,
                expires_at,
                revoked: false,
            },
        )
        .await?;
    println!("{}", token.expose());
    Ok(())
}

async fn revoke(store: &Store, token: &str) -> anyhow::Result<()> {
    let hash = token_hash(token.trim());
    let record = store.token(&hash).await?.context("there is no such token")?;
    store
        .put_token(
            &hash,
            &TokenRecord {
                revoked: true,
                ..record
            },
        )
        .await?;
    println!("revoked");
    Ok(())
}
