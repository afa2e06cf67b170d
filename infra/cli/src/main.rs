//! The `patchbay` command.

mod account;
mod aws;
mod caller;
mod clock;
mod demo;
mod dispatch;
mod dlq;
mod doctor;
mod habits;
mod input;
mod limits;
mod link;
mod local;
mod lookup;
mod manual;
mod output;
mod phoning;
#[cfg(test)]
mod rights;
mod screen;
mod storm;
mod story;
mod template;
#[cfg(test)]
mod testing;
mod timeline;
mod token;
mod url;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use output::{Format, Output};

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
    /// Check, try, read and write the documents of Agent4's task chains
    Link(link::Options),
    /// Serve the API and simulated providers on one port
    Local(local::Options),
    /// Make, list and withdraw the tokens of a deployment's API
    Token(token::Options),
    /// Show and set how often a tenant of a deployment lets a number be called
    Limits(limits::Options),
    /// List, show and cancel the dispatches of a deployment
    Dispatch(dispatch::Options),
    /// See what the queues of a deployment gave up, and move it back
    Dlq(dlq::Options),
    /// Check a deployment: say what is wrong, and how to mend it
    Doctor(doctor::Options),
    /// Print URLs to paste at a provider
    Url(url::Options),
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual, as man pages are written
    Man(manual::Options),
}

fn main() -> ExitCode {
    let result = run(&Arguments::parse().command);
    result.unwrap_or_else(|error| {
        if is_broken_pipe(&error) {
            // Whoever read has seen enough.
            return ExitCode::SUCCESS;
        }
        eprintln!("patchbay: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let told = |format: Format, act: &dyn Fn(&mut Output<'_>) -> anyhow::Result<ExitCode>| {
        act(&mut Output::new(&mut io::stdout().lock(), format))
    };
    match command {
        Command::Demo(options) => demo::run(options),
        Command::Link(options) => told(options.output, &|output| link::run(options, output)),
        Command::Local(options) => local::run(options),
        Command::Token(options) => told(options.target.output, &|output| token::run(options, output)),
        Command::Limits(options) => told(options.target.output, &|output| limits::run(options, output)),
        Command::Dispatch(options) => told(options.target.output, &|output| dispatch::run(options, output)),
        Command::Dlq(options) => told(options.target.output, &|output| dlq::run(options, output)),
        Command::Doctor(options) => told(options.target.output, &|output| doctor::run(options, output)),
        Command::Url(options) => told(options.target.output, &|output| url::run(options, output)),
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Arguments::command(), "patchbay", &mut io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Man(options) => manual::run(Arguments::command(), options, &mut io::stdout().lock()),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(broken))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        let parsed = Arguments::try_parse_from(line.split(' ')).map_err(|error| error.to_string())?;
        Ok(parsed.command)
    }

    #[test]
    fn the_arguments_contradict_each_other_nowhere() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn which_deployment_may_be_said_before_or_after_the_command() {
        for line in [
            "patchbay token --stack prod --output json --tenant acme list",
            "patchbay token list --stack prod --output json --tenant acme",
        ] {
            let Ok(Command::Token(options)) = parse(line) else {
                panic!("{line}")
            };
            assert_eq!(
                (options.target.stack.as_str(), options.target.output),
                ("prod", Format::Json)
            );
        }
    }

    #[test]
    fn a_secret_may_stand_on_stdin() {
        for line in [
            "patchbay token revoke -",
            "patchbay link url orders --api https://api.example.org --token -",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn a_slip_is_refused_and_named() {
        for (line, says) in [
            (
                "patchbay token create --scopes dispatches:fly",
                "there are: dispatches:read",
            ),
            ("patchbay token create --tenant Acme", "not a tenant"),
            ("patchbay dispatch show 4711", "not a dispatch id"),
            ("patchbay dispatch list --limit 0", "0 is not in 1..=1000"),
            (
                "patchbay dlq redrive --queue callz",
                "possible values: dialing, notifications",
            ),
            ("patchbay doctor --output yaml", "possible values: text, json"),
            (
                "patchbay link url orders --api http://api.example.org --token pb_1",
                "the token would travel to api.example.org in plain text",
            ),
            ("patchbay completions cobol", "possible values: bash"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(says), "{line}: {error}");
        }
    }

    #[test]
    fn completions_know_the_commands() {
        let mut script = Vec::new();
        clap_complete::generate(Shell::Bash, &mut Arguments::command(), "patchbay", &mut script);
        let script = String::from_utf8(script).expect("text");
        for word in ["doctor", "redrive", "--notifications-queue"] {
            assert!(script.contains(word), "{word}");
        }
    }
}
