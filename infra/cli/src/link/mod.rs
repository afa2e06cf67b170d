//! `patchbay link`: documents of task chains, on this machine and at a deployment, and calls to servers of links.

mod call;
mod deployed;
mod document;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::output::{Format, Output};
use deployed::Api;
pub(crate) use deployed::is_loopback;
use document::Example;

/// Options for links.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// For people or for programs
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) output: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a document on this machine: every error with its line
    Check {
        /// YAML or JSON
        file: PathBuf,
    },
    /// Try a document on this machine: what would be answered to a request
    Test {
        /// YAML or JSON
        file: PathBuf,
        /// JSON: {"request": as Agent4 posts it, "fetch": {NAME: {"status": 200, "json": ...}}}; - reads it from stdin
        sample: PathBuf,
    },
    /// Write an example, and a sample request to test it with
    New {
        /// Which one
        example: Example,
        /// Where to; NAME.yaml when left out. The sample goes beside it, NAME.sample.json
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Check a document and write it to a deployment
    Push {
        /// YAML or JSON
        file: PathBuf,
        /// Name of the chain; the file's name without its ending when left out
        #[arg(long)]
        chain: Option<String>,
        /// Only if this version is there
        #[arg(long)]
        expect: Option<i64>,
        /// Print nothing but what the portal takes as the chain: names and endpoints of all links, JSON
        #[arg(long)]
        portal: bool,
        #[command(flatten)]
        api: Api,
    },
    /// Read a document from a deployment, as JSON: comments stay in your own copy
    Pull {
        /// Name of the chain
        chain: String,
        /// Where to; the terminal when left out
        file: Option<PathBuf>,
        #[command(flatten)]
        api: Api,
    },
    /// Show the URL that goes into Agent4's portal; whoever has it can call the chain
    Url {
        /// Name of the chain
        chain: String,
        /// Print what the portal takes as the chain instead: names and endpoints of all links, JSON
        #[arg(long)]
        portal: bool,
        #[command(flatten)]
        api: Api,
    },
    /// Call a server of links as Agent4 does, ours or another's; you are the model and the caller
    ///
    /// Each prompt is shown with what `qualified` takes, and a line is read: JSON or FIELD=VALUE ... is qualified, - (also
    /// with JSON or fields) is disqualified, the end of input hangs up. Empty lines and lines that begin with # are
    /// skipped. Every exchange is shown with its time. Ends with 1 when the server deviates from the contract (late, not
    /// 200, no JSON, an unknown field or action), or with --every-doubt when a doubt changes what comes out.
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
