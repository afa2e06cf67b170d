//! `patchbay url`: URLs to paste at a provider.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use patchbay::config::{base_url, references, variables};
use patchbay::ids::Tenant;
use patchbay::web::callbacks::Callbacks;
use serde_json::json;

use crate::aws::{Clients, Target, block_on};
use crate::output::Output;

/// What can be said about URLs.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Whose contexts are looked up
    #[arg(long, global = true, default_value = "main")]
    tenant: Tenant,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The voice webhook of the number at Twilio that callers are transferred to
    TwilioTransfer,
}

pub(crate) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    block_on(async {
        let clients = Clients::connect(&options.target).await?;
        let url = match options.command {
            Command::TwilioTransfer => transfer(&clients, &options.target.stack, &options.tenant).await?,
        };
        if output.is_json() {
            output.json(&json!({ "url": url }))?;
        } else {
            output.line(url)?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Below the public URL that the dialer is told, and signed with the key that the deployed function checks with.
async fn transfer(clients: &Clients, stack: &str, tenant: &Tenant) -> anyhow::Result<String> {
    let function = format!("{stack}-transfer");
    let settings = clients.lookup.function(&function).await.with_context(|| {
        format!(
            "cannot ask the function {function} (is --stack right, and was it deployed with TwilioAuthTokensParam?)"
        )
    })?;
    let variable = |name| {
        let value = settings.variable(name);
        value.with_context(|| format!("the function {function} has no {name}"))
    };
    // A function behind the API need not be told its URL.
    let dialer = format!("{stack}-dialer");
    let told = clients.lookup.function(&dialer).await;
    let told = told.with_context(|| format!("cannot ask the function {dialer}"))?;
    let base = told.variable(variables::PUBLIC_URL);
    let base = base_url(base.with_context(|| format!("the function {dialer} has no {}", variables::PUBLIC_URL))?)?;
    let parameter = variable(variables::REFERENCE_KEYS_PARAM)?;
    let keys = clients.lookup.parameter(parameter).await?;
    let keys = keys.with_context(|| format!("there is no parameter {parameter}"))?;
    let callbacks = Callbacks::new(base, references(variables::REFERENCE_KEYS_PARAM, &keys.value)?);
    Ok(callbacks.transfer_url(tenant))
}

#[cfg(test)]
mod tests {
    use patchbay::secret::Secret;
    use patchbay::web::reference::References;
    use patchbay_simulators::world::{PUBLIC_URL, REFERENCE_KEY};

    use super::*;
    use crate::testing::{Account, clients_in, world};

    async fn url(account: &Account, tenant: &str) -> Result<String, String> {
        let world = world().await;
        let tenant = tenant.parse().expect("a tenant");
        let url = transfer(&clients_in(&world, account), "patchbay", &tenant).await;
        url.map_err(|error| format!("{error:#}"))
    }

    #[tokio::test]
    async fn the_url_is_what_the_deployed_function_takes() {
        let callbacks = Callbacks::new(PUBLIC_URL, References::new(Secret::new(REFERENCE_KEY), None));
        for tenant in ["main", "acme"] {
            let expected = callbacks.transfer_url(&tenant.parse().expect("a tenant"));
            assert_eq!(url(&Account::default(), tenant).await, Ok(expected));
        }
    }

    #[tokio::test]
    async fn what_is_missing_is_said() {
        let account = Account::default();
        account.change(|state| {
            state.parameters.remove("/patchbay/reference-keys");
        });
        let error = url(&account, "main").await.expect_err("no key");
        assert_eq!(error, "there is no parameter /patchbay/reference-keys");
        account.change(|state| {
            state.functions.remove("patchbay-transfer");
        });
        let error = url(&account, "main").await.expect_err("no function");
        assert!(error.contains("TwilioAuthTokensParam"), "{error}");
    }
}
