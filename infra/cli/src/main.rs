//! The `patchbay` command.

mod caller;
mod demo;
mod local;
mod storm;
mod story;
mod token;
mod url;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// patchbay phones a team's people, one at a time, until one accepts the ticket.
#[derive(Debug, Parser)]
#[command(name = "patchbay", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play the main job on this machine: one ticket told live, then a storm of tickets, on virtual time
    Demo(demo::Options),
    /// Serve the API and a simulated Routee on one port
    Local(local::Options),
    /// Make and withdraw the tokens of a deployment's API
    Token(token::Options),
    /// Print URLs to paste at a provider
    Url(url::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Local(options) => local::run(&options),
        Command::Token(options) => token::run(&options),
        Command::Url(options) => url::run(&options),
    };
    result.unwrap_or_else(|error| {
        eprintln!("patchbay: {error:#}");
        ExitCode::FAILURE
    })
}
