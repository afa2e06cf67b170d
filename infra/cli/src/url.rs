//! `patchbay url`: URLs to configure at a provider.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use patchbay::config::{base_url, reference_signer, variables};
use patchbay::ids::Tenant;
use patchbay::web::callbacks::CallbackUrls;
use serde_json::json;

use crate::aws::{Clients, Target, block_on};
use crate::output::Output;

/// Options of `patchbay url`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Tenant whose caller contexts the URL gives access to
    #[arg(long, global = true, default_value = "main")]
    tenant: Tenant,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the voice webhook URL for the Twilio number that callers are transferred to
    TwilioTransfer,
}

pub(crate) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    block_on(async {
        let clients = Clients::connect(&options.target).await?;
        let url = match options.command {
            Command::TwilioTransfer => transfer_url(&clients, &options.target.stack, &options.tenant).await?,
        };
        if output.is_json() {
            output.json(&json!({ "url": url }))?;
        } else {
            output.line(url)?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// The transfer webhook of `tenant`: below the public URL in the dialer's settings, signed with the reference key that
/// the deployed `transfer` function checks against.
async fn transfer_url(clients: &Clients, stack: &str, tenant: &Tenant) -> anyhow::Result<String> {
    let function = format!("{stack}-transfer");
    let settings = clients.lookup.function(&function).await.with_context(|| {
        format!(
            "cannot read the function {function} (is --stack right, and was the stack deployed with \
             TwilioAuthTokensParam?)"
        )
    })?;
    let variable = |name| {
        let value = settings.variable(name);
        value.with_context(|| format!("the function {function} has no {name}"))
    };
    // Functions behind the API have no PUBLIC_URL variable, the dialer has.
    let dialer = format!("{stack}-dialer");
    let dialer_settings = clients.lookup.function(&dialer).await;
    let dialer_settings = dialer_settings.with_context(|| format!("cannot read the function {dialer}"))?;
    let base = dialer_settings.variable(variables::PUBLIC_URL);
    let base = base_url(base.with_context(|| format!("the function {dialer} has no {}", variables::PUBLIC_URL))?)?;
    let parameter = variable(variables::REFERENCE_KEYS_PARAM)?;
    let keys = clients.lookup.parameter(parameter).await?;
    let keys = keys.with_context(|| format!("there is no SSM parameter {parameter}"))?;
    let callbacks = CallbackUrls::new(base, reference_signer(variables::REFERENCE_KEYS_PARAM, &keys.value)?);
    Ok(callbacks.transfer_url(tenant))
}

#[cfg(test)]
mod tests {
    use patchbay::secret::Secret;
    use patchbay::web::reference::ReferenceSigner;
    use patchbay_simulators::world::{PUBLIC_URL, REFERENCE_KEY};

    use super::*;
    use crate::testing::{Account, clients_in, world};

    async fn url(account: &Account, tenant: &str) -> Result<String, String> {
        let world = world().await;
        let tenant = tenant.parse().expect("a tenant");
        let url = transfer_url(&clients_in(&world, account), "patchbay", &tenant).await;
        url.map_err(|error| format!("{error:#}"))
    }

    #[tokio::test]
    async fn printed_url_is_accepted_by_the_deployed_function() {
        let callbacks = CallbackUrls::new(PUBLIC_URL, ReferenceSigner::new(Secret::new(REFERENCE_KEY), None));
        for tenant in ["main", "acme"] {
            let expected = callbacks.transfer_url(&tenant.parse().expect("a tenant"));
            assert_eq!(url(&Account::default(), tenant).await, Ok(expected));
        }
    }

    #[tokio::test]
    async fn missing_key_or_function_is_named() {
        let account = Account::default();
        account.change(|state| {
            state.parameters.remove("/patchbay/reference-keys");
        });
        let error = url(&account, "main").await.expect_err("no key");
        assert_eq!(error, "there is no SSM parameter /patchbay/reference-keys");
        account.change(|state| {
            state.functions.remove("patchbay-transfer");
        });
        let error = url(&account, "main").await.expect_err("no function");
        assert!(error.contains("TwilioAuthTokensParam"), "{error}");
    }
}
