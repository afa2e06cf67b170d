//! The `patchbay` command.

mod account;
mod api;
mod aws;
mod bot;
mod caller;
mod clock;
mod demo;
mod deployed;
mod dispatch;
mod dlq;
mod doctor;
mod documents;
mod input;
mod interaction;
mod limits;
mod link;
mod local;
mod lookup;
mod manual;
mod opt_out;
mod output;
mod outreach;
#[cfg(test)]
mod permissions;
mod phone_scripts;
mod provider_choice;
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

/// patchbay phones a team's employees, one at a time, until one accepts the ticket
#[derive(Debug, Parser)]
#[command(name = "patchbay", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole system on this machine, on virtual time: one ticket live, a storm of tickets, one paying caller
    Demo(demo::Options),
    /// Check, test, read and write the documents of chat bots, connect them to a chat platform, steer conversations
    Bot(bot::Options),
    /// Check, read and write the documents of agents: who contacts customers, in which words, from which senders
    Agent(outreach::Options),
    /// Check, read and write the documents of skills: what contacting customers is about, when, over which channels
    Skill(outreach::Options),
    /// Check, test, read and write the documents of Agent4 task chains
    Link(link::Options),
    /// Serve the API and simulated providers on one local port
    Local(local::Options),
    /// Create, list and revoke API tokens of a deployment
    Token(token::Options),
    /// Show and set how often a tenant may call one number
    Limits(limits::Options),
    /// Record phone numbers and e-mail addresses that must not be contacted
    OptOut(opt_out::Options),
    /// List, show and cancel dispatches, list and resend their webhooks
    Dispatch(dispatch::Options),
    /// Contact customers through the API of a deployment, and show the outcome
    Interaction(interaction::Options),
    /// List dead letters and move them back to their queues
    Dlq(dlq::Options),
    /// Check a deployment: report what is wrong and how to fix it
    Doctor(doctor::Options),
    /// Print URLs to configure at a provider
    Url(url::Options),
    /// Print a shell completion script
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual as a man page (roff)
    Man(manual::Options),
}

fn main() -> ExitCode {
    let result = run(&Arguments::parse().command);
    result.unwrap_or_else(|error| {
        if is_broken_pipe(&error) {
            // The reader closed the pipe, such as `head`: not a failure.
            return ExitCode::SUCCESS;
        }
        eprintln!("patchbay: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let with_output = |format: Format, run: &dyn Fn(&mut Output<'_>) -> anyhow::Result<ExitCode>| {
        run(&mut Output::new(&mut io::stdout().lock(), format))
    };
    match command {
        Command::Demo(options) => demo::run(options),
        Command::Bot(options) => with_output(options.output, &|output| bot::run(options, output)),
        Command::Agent(options) => with_output(options.output, &|output| outreach::AGENT.run(options, output)),
        Command::Skill(options) => with_output(options.output, &|output| outreach::SKILL.run(options, output)),
        Command::Link(options) => with_output(options.output, &|output| link::run(options, output)),
        Command::Local(options) => local::run(options),
        Command::Token(options) => with_output(options.target.output, &|output| token::run(options, output)),
        Command::Limits(options) => with_output(options.target.output, &|output| limits::run(options, output)),
        Command::OptOut(options) => with_output(options.target.output, &|output| opt_out::run(options, output)),
        Command::Dispatch(options) => with_output(options.target.output, &|output| dispatch::run(options, output)),
        Command::Interaction(options) => with_output(options.output, &|output| interaction::run(options, output)),
        Command::Dlq(options) => with_output(options.target.output, &|output| dlq::run(options, output)),
        Command::Doctor(options) => with_output(options.target.output, &|output| doctor::run(options, output)),
        Command::Url(options) => with_output(options.target.output, &|output| url::run(options, output)),
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
    fn argument_definitions_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn deployment_options_are_accepted_before_and_after_the_command() {
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
    fn output_format_of_bot_is_accepted_with_and_without_a_deployment() {
        for line in [
            "patchbay bot check bot.yaml --output json",
            "patchbay bot --output json inboxes --stack prod",
            "patchbay bot inboxes --stack prod --output json",
            "patchbay bot connect --inbox 7=shop --output json --tenant acme",
        ] {
            let Ok(Command::Bot(options)) = parse(line) else {
                panic!("{line}")
            };
            assert_eq!(options.output, Format::Json, "{line}");
        }
    }

    #[test]
    fn a_dash_is_accepted_in_place_of_a_secret() {
        for line in [
            "patchbay token revoke -",
            "patchbay link url orders --api https://api.example.org --token -",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn an_invalid_argument_is_rejected_with_the_reason() {
        for (line, expected) in [
            (
                "patchbay token create --scopes dispatches:fly",
                "possible scopes: dispatches:read",
            ),
            ("patchbay token create --tenant Acme", "not a tenant"),
            ("patchbay dispatch show 4711", "not a dispatch id"),
            ("patchbay interaction show 4711", "not an interaction id"),
            ("patchbay interaction list --status happy", "not a status"),
            (
                "patchbay interaction resend 6b1f0000-0000-4000-8000-0000000000aa a/b",
                "not a webhook-id",
            ),
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
            ("patchbay bot new Shop", "document name"),
            ("patchbay bot conversations show a/b", "id of a chat platform"),
            ("patchbay bot chat bot.yaml --secrets s.json", "--fetch"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn completions_contain_commands_and_options() {
        let mut script = Vec::new();
        clap_complete::generate(Shell::Bash, &mut Arguments::command(), "patchbay", &mut script);
        let script = String::from_utf8(script).expect("text");
        for word in ["doctor", "redrive", "--notifications-queue"] {
            assert!(script.contains(word), "{word}");
        }
    }
}
