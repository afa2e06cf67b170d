//! `patchbay url`: URLs to paste at a provider.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use patchbay::config::Aws;
use patchbay::ids::Tenant;

/// What can be said about URLs. Region and credentials are those of the environment, as for the AWS CLI.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The voice webhook of the number at Twilio that callers are transferred to
    TwilioTransfer {
        /// The deployment's public URL (output `ApiUrl` of the stack, or its parameter `PublicUrl`)
        #[arg(long, env = "PATCHBAY_PUBLIC_URL")]
        base_url: String,
        /// Whose contexts are looked up
        #[arg(long, default_value = "main")]
        tenant: String,
        /// SSM parameter with the keys of references
        #[arg(
            long,
            env = "PATCHBAY_REFERENCE_KEYS_PARAM",
            default_value = "/patchbay/reference-keys"
        )]
        keys_param: String,
    },
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let Command::TwilioTransfer {
        base_url,
        tenant,
        keys_param,
    } = &options.command;
    let tenant: Tenant = tenant.parse().context("a tenant has 1 to 32 of a-z, 0-9 and -")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    let callbacks = runtime.block_on(async { Aws::load().await.callbacks_at(base_url, keys_param).await })?;
    println!("{}", callbacks.transfer_url(&tenant));
    Ok(ExitCode::SUCCESS)
}
