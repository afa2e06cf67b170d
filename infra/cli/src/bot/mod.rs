//! `patchbay bot`: checks, tests and deploys the documents of chat bots, connects them to a chat platform, and shows
//! and steers conversations.

mod call;
mod chat;
pub(crate) mod connect;
mod conversations;
mod deployed;
mod document;
mod inboxes;
mod page;
mod platform;
pub(crate) mod timeline;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use patchbay::ids::DocumentName;

use crate::api::ApiOptions;
use crate::output::{Format, Output};
use deployed::BOTS;
use document::Example;

/// Options of `patchbay bot`.
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
    /// Write an example document and sample exchanges with it; never overwrites a file
    New {
        /// Name of the bot: NAME.yaml and NAME.sample.yaml are written
        name: DocumentName,
        /// The example
        #[arg(long, value_enum, default_value_t)]
        example: Example,
    },
    /// Check a document on this machine: report every error with its line
    Check {
        /// YAML or JSON
        file: PathBuf,
    },
    /// Run sample exchanges with a document on this machine, and show where it differs from what is expected
    Test {
        /// YAML or JSON
        file: PathBuf,
        /// The sample exchanges: YAML or JSON; - reads stdin (default: FILE with the extension sample.yaml)
        #[arg(long, value_name = "FILE")]
        sample: Option<PathBuf>,
    },
    /// Talk to a document on this machine, with the deployed rules for hand-overs, waits and returns
    ///
    /// You are the customer; lines that begin with / play everybody else, and let time pass. Lookups are answered by
    /// /answer, by you at a terminal, or, with --fetch, by the back ends; otherwise they fail. Reads stdin line by line,
    /// so a file of lines works too: then time passes only with /wait. Exits with 1 if the bot failed in a turn.
    Chat(chat::Options),
    /// Check a document and write it to a deployment
    Push {
        /// Name of the bot
        name: DocumentName,
        /// YAML or JSON
        file: PathBuf,
        /// Write only if this is the current version
        #[arg(long)]
        expect: Option<i64>,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// List the bots of a deployment
    List {
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Read a document from a deployment, as JSON; comments stay in your local copy
    Show {
        /// Name of the bot
        name: DocumentName,
        /// File to write (default: stdout)
        file: Option<PathBuf>,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Delete a document from a deployment
    Delete {
        /// Name of the bot
        name: DocumentName,
        /// Delete only if this is the current version
        #[arg(long)]
        expect: Option<i64>,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Create the bot at the chat platform, and let it answer inboxes
    ///
    /// Uses the settings and the credentials of the deployment. What an earlier run has created is recorded in the
    /// table and not created again, so this may be run again at any time. The platform has no call to change or remove
    /// a bot or a webhook: what is replaced stays there until you remove it in its settings.
    Connect(connect::Options),
    /// List the inboxes of the chat platform, and which bot document answers each
    Inboxes(inboxes::Options),
    /// Show, set or remove the settings of your own chat page, and print its URL
    Page(page::Options),
    /// List and show conversations, hand one to people, return one to the bot
    Conversations(conversations::Options),
    /// Let the chat platform phone a number, for a queue or an agent
    Call(call::Options),
}

pub(crate) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    match &options.command {
        Command::New { name, example } => document::new(name, *example, output),
        Command::Check { file } => document::check(file, output),
        Command::Test { file, sample } => document::test(file, sample.as_deref(), output),
        Command::Chat(options) => chat::run(options, output),
        Command::Push {
            name,
            file,
            expect,
            api,
        } => BOTS.push(name, file, *expect, api, output),
        Command::List { api } => BOTS.list(api, output),
        Command::Show { name, file, api } => BOTS.show(name, file.as_deref(), api, output),
        Command::Delete { name, expect, api } => BOTS.delete(name, *expect, api, output),
        Command::Connect(options) => connect::run(options, output),
        Command::Inboxes(options) => inboxes::run(options, output),
        Command::Page(options) => page::run(options, output),
        Command::Conversations(options) => conversations::run(options, output),
        Command::Call(options) => call::run(options, output),
    }
}
