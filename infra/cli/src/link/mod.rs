//! `patchbay link`: checks, tests and deploys link documents, and calls link servers as Agent4 does.

mod call;
mod deployed;
mod document;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::api::ApiOptions;
use crate::output::{Format, Output};
use document::Example;

/// Options of `patchbay link`.
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
    /// Check a document on this machine: report every error with its line
    Check {
        /// YAML or JSON
        file: PathBuf,
    },
    /// Answer a sample request with a document on this machine
    Test {
        /// YAML or JSON
        file: PathBuf,
        /// JSON: {"request": as posted by Agent4, "fetch": {NAME: {"status": 200, "json": ...}}}; - reads stdin
        sample: PathBuf,
    },
    /// Write an example document and a sample request for it
    New {
        /// The example
        example: Example,
        /// File to write (default: EXAMPLE.yaml); the sample is written next to it as EXAMPLE.sample.json
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Check a document and write it to a deployment
    Push {
        /// YAML or JSON
        file: PathBuf,
        /// Name of the chain (default: the file name without its extension)
        #[arg(long)]
        chain: Option<String>,
        /// Write only if this is the current version
        #[arg(long)]
        expect: Option<i64>,
        /// Print only what the portal takes as the chain: names and endpoints of all links, as JSON
        #[arg(long)]
        portal: bool,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Read a document from a deployment, as JSON; comments stay in your local copy
    Pull {
        /// Name of the chain
        chain: String,
        /// File to write (default: stdout)
        file: Option<PathBuf>,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Show the URL for Agent4's portal; anyone with the URL can call the chain
    Url {
        /// Name of the chain
        chain: String,
        /// Print what the portal takes as the chain instead: names and endpoints of all links, as JSON
        #[arg(long)]
        portal: bool,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Call a link server as Agent4 does, with you as the model and the caller
    ///
    /// Works with any link server, not only patchbay. Each prompt is shown with the parameters of `qualified`; then a
    /// line is read: JSON or FIELD=VALUE ... is qualified, - (optionally with JSON or fields) is disqualified, the end
    /// of input hangs up. Empty lines and lines that begin with # are skipped. Every exchange is shown with its
    /// duration. Exits with 1 when the server deviates from the contract (late, not 200, not JSON, an unknown field or
    /// action), or, with --all-variants, when a variant changes the result.
    Call(call::Options),
}

pub(crate) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    match &options.command {
        Command::Check { file } => document::check(file, output),
        Command::Test { file, sample } => document::test(file, sample, output),
        Command::New { example, file } => document::new(*example, file.as_deref(), output),
        Command::Push {
            file,
            chain,
            expect,
            portal,
            api,
        } => deployed::push(file, chain.as_deref(), *expect, *portal, api, output),
        Command::Pull { chain, file, api } => deployed::pull(chain, file.as_deref(), api, output),
        Command::Url { chain, portal, api } => deployed::url(chain, *portal, api, output),
        Command::Call(options) => call::run(options, output),
    }
}
