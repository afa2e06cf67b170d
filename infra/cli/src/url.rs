//! `patchbay url`: URLs to configure at a provider.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use patchbay::chat::Platform;
use patchbay::ids::Tenant;
use patchbay::voice::Provider;
use patchbay::web::callbacks::CallbackUrls;
use serde_json::json;

use crate::aws::{Clients, Target, block_on};
use crate::deployed::{callback_urls, chat_config, read_function};
use crate::output::Output;

/// Options of `patchbay url`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Tenant whose data the URL gives access to
    #[arg(long, global = true, default_value = "main")]
    tenant: Tenant,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// Print the voice webhook URL for the Twilio number that callers are transferred to
    TwilioTransfer,
    /// Print the URL to which the chat platform posts the events of the bot; `patchbay bot connect` sets it there
    Bot,
    /// Print the URL of the chat platform's webhook for a widget of your own; `patchbay bot connect --widget` sets it
    /// there
    ChatEvents,
    /// Print the URL for what customers write to a Twilio number, messaging service or other sender of an agent
    TwilioMessages,
    /// Print the URL for what customers write to a Routee number of an agent
    RouteeMessages,
    /// Print the URL to which events of Amazon SES about e-mails are posted
    SesEvents,
}

pub(crate) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    block_on(async {
        let clients = Clients::connect(&options.target).await?;
        let url = url(&clients, &options.target.stack, options.command, &options.tenant).await?;
        if output.is_json() {
            output.json(&json!({ "url": url }))?;
        } else {
            output.line(url)?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn url(clients: &Clients, stack: &str, command: Command, tenant: &Tenant) -> anyhow::Result<String> {
    match command {
        Command::TwilioTransfer => {
            let transfer = read_function(clients, stack, "transfer", "TwilioAuthTokensParam").await?;
            Ok(callback_urls(clients, stack, &transfer).await?.transfer_url(tenant))
        }
        Command::Bot => {
            let (urls, platform) = chat_urls(clients, stack).await?;
            Ok(urls.bot_url(platform, tenant))
        }
        Command::ChatEvents => {
            let (urls, platform) = chat_urls(clients, stack).await?;
            Ok(urls.events_url(platform, tenant))
        }
        Command::TwilioMessages => {
            let urls = message_urls(clients, stack).await?;
            Ok(urls.incoming_message_url(Provider::Twilio, tenant))
        }
        Command::RouteeMessages => {
            let urls = message_urls(clients, stack).await?;
            Ok(urls.incoming_message_url(Provider::Routee, tenant))
        }
        Command::SesEvents => Ok(message_urls(clients, stack).await?.email_events_url(tenant)),
    }
}

async fn message_urls(clients: &Clients, stack: &str) -> anyhow::Result<CallbackUrls> {
    let message_event = read_function(clients, stack, "message-event", "CallsApi").await?;
    callback_urls(clients, stack, &message_event).await
}

async fn chat_urls(clients: &Clients, stack: &str) -> anyhow::Result<(CallbackUrls, Platform)> {
    let bot = read_function(clients, stack, "bot", "ChatPlatform").await?;
    let urls = callback_urls(clients, stack, &bot).await?;
    Ok((urls, chat_config(clients, &bot)?.platform()))
}

#[cfg(test)]
mod tests {
    use patchbay::secret::Secret;
    use patchbay::web::reference::ReferenceSigner;
    use patchbay_simulators::world::{PUBLIC_URL, REFERENCE_KEY};

    use super::*;
    use crate::testing::{Account, clients_in, world};

    async fn printed(account: &Account, command: Command, tenant: &str) -> Result<String, String> {
        let world = world().await;
        let tenant = tenant.parse().expect("a tenant");
        let url = url(&clients_in(&world, account), "patchbay", command, &tenant).await;
        url.map_err(|error| format!("{error:#}"))
    }

    #[tokio::test]
    async fn printed_url_is_accepted_by_the_deployed_function() {
        let callbacks = CallbackUrls::new(PUBLIC_URL, ReferenceSigner::new(Secret::new(REFERENCE_KEY), None));
        for tenant in ["main", "acme"] {
            let owner = tenant.parse().expect("a tenant");
            for (command, expected) in [
                (Command::TwilioTransfer, callbacks.transfer_url(&owner)),
                (Command::Bot, callbacks.bot_url(Platform::Sangoma, &owner)),
                (Command::ChatEvents, callbacks.events_url(Platform::Sangoma, &owner)),
            ] {
                assert_eq!(printed(&Account::default(), command, tenant).await, Ok(expected));
            }
            for (command, expected) in [
                (
                    Command::TwilioMessages,
                    callbacks.incoming_message_url(Provider::Twilio, &owner),
                ),
                (
                    Command::RouteeMessages,
                    callbacks.incoming_message_url(Provider::Routee, &owner),
                ),
                (Command::SesEvents, callbacks.email_events_url(&owner)),
            ] {
                let account = Account::contacting_customers();
                assert_eq!(printed(&account, command, tenant).await, Ok(expected));
            }
        }
    }

    #[tokio::test]
    async fn missing_key_or_function_is_named() {
        let account = Account::default();
        account.change(|state| {
            state.parameters.remove("/patchbay/reference-keys");
        });
        let error = printed(&account, Command::TwilioTransfer, "main")
            .await
            .expect_err("no key");
        assert_eq!(error, "there is no SSM parameter /patchbay/reference-keys");
        for (function, command, parameter) in [
            ("patchbay-transfer", Command::TwilioTransfer, "TwilioAuthTokensParam"),
            ("patchbay-bot", Command::Bot, "ChatPlatform"),
            ("patchbay-message-event", Command::SesEvents, "CallsApi"),
        ] {
            account.change(|state| {
                state.functions.remove(function);
            });
            let error = printed(&account, command, "main").await.expect_err("no function");
            assert!(error.contains(parameter), "{error}");
        }
    }
}
