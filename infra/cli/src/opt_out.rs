//! `patchbay opt-out`: phone numbers and e-mail addresses that must not be contacted on behalf of a tenant.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use patchbay::clock::Clock;
use patchbay::ids::Tenant;
use patchbay::phone::PhoneNumber;
use patchbay::store::{Address, OptOutChange, OptOutRecord, OptOutSource, Store};
use serde_json::json;

use crate::aws::{Clients, Target, block_on};
use crate::output::Output;

/// Options of `patchbay opt-out`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Tenant that must not contact the address
    #[arg(long, global = true, default_value = "main")]
    tenant: Tenant,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Record that a number or an e-mail address must not be contacted; in effect from the next call or message
    Add {
        /// A phone number (E.164) or an e-mail address
        #[arg(value_parser = parse_address)]
        address: Address,
    },
    /// Record that a number or an e-mail address may be contacted again
    Remove {
        /// A phone number (E.164) or an e-mail address
        #[arg(value_parser = parse_address)]
        address: Address,
    },
    /// Say whether a number or an e-mail address may be contacted
    Check {
        /// A phone number (E.164) or an e-mail address
        #[arg(value_parser = parse_address)]
        address: Address,
    },
}

fn parse_address(text: &str) -> Result<Address, String> {
    if text.contains('@') {
        return Address::parse(text).map_err(|error| error.to_string());
    }
    // People write numbers with spaces and brackets.
    let number = PhoneNumber::parse(text).map_err(|error| error.to_string())?;
    Ok(Address::Phone(number))
}

pub(crate) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    block_on(async {
        let clients = Clients::connect(&options.target).await?;
        let store = clients.store(&options.target.find_table(&clients).await?);
        execute(&store, &clients.clock, &options.tenant, &options.command, output).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Executes the command and prints what holds afterwards.
async fn execute(
    store: &Store,
    clock: &Clock,
    tenant: &Tenant,
    command: &Command,
    output: &mut Output<'_>,
) -> anyhow::Result<()> {
    let (source, now) = (OptOutSource::Operator, clock.now());
    let (address, change) = match command {
        Command::Add { address } => (address, Some(OptOutChange::opt_out(source, now))),
        Command::Remove { address } => (address, Some(OptOutChange::end(source, now))),
        Command::Check { address } => (address, None),
    };
    if let Some(change) = change {
        store.change_opt_out(tenant, address, &change).await?;
    }
    let OptOutRecord { opt_out, changes, .. } = store.opt_out_record(tenant, address).await?;
    let is_opted_out = opt_out.is_some();
    let (name, address) = match address {
        Address::Phone(number) => ("number", number.as_str()),
        Address::Email(address) => ("email", address.as_str()),
    };
    if output.is_json() {
        let document = json!({
            "tenant": tenant.to_string(),
            name: address,
            "opted_out": is_opted_out,
            "since": opt_out.map(|opt_out| opt_out.at),
            "changes": changes,
        });
        return Ok(output.json(&document)?);
    }
    let since = opt_out.map_or_else(String::new, |opt_out| format!(" since {}", opt_out.at));
    let may = if is_opted_out { "must not be" } else { "may be" };
    output.line(format!("{tenant}: {address} {may} contacted{since}"))?;
    for change in &changes {
        output.line(line(change))?;
    }
    Ok(())
}

/// A change, for people.
fn line(change: &OptOutChange) -> String {
    let what = if change.opted_out {
        "opt-out"
    } else {
        "end of the opt-out"
    };
    let how = match change.by {
        OptOutSource::Word => "a word in a message",
        OptOutSource::Chat => "a word in a web chat",
        OptOutSource::Key => "a key in a call",
        OptOutSource::Button => "the button of an e-mail",
        OptOutSource::Provider => "the provider",
        OptOutSource::Api => "a request to the API",
        OptOutSource::Operator => "this command",
    };
    let message = change
        .message
        .as_ref()
        .map_or_else(String::new, |id| format!(", message {id}"));
    let interaction = change
        .interaction
        .map_or_else(String::new, |id| format!(", interaction {id}"));
    format!("  {}  {what} by {how}{message}{interaction}", change.at)
}

#[cfg(test)]
pub(crate) mod tests {
    use clap::Parser;
    use patchbay_simulators::world::World;

    use super::*;
    use crate::testing::{json_of, text_of, world};

    const NUMBER: &str = "+12025550143";

    #[derive(Debug, Parser)]
    struct CommandLine {
        #[command(subcommand)]
        command: Command,
    }

    fn parse(line: &str) -> Result<Command, String> {
        let parsed = CommandLine::try_parse_from(["opt-out"].into_iter().chain(line.split(' ')));
        parsed.map(|parsed| parsed.command).map_err(|error| error.to_string())
    }

    async fn is_opted_out(world: &World, tenant: &str, line: &str) -> bool {
        let tenant = tenant.parse().expect("a tenant");
        let command = parse(&format!("{line} {NUMBER}")).expect(line);
        let report = json_of(async |output| execute(&world.store, &world.clock, &tenant, &command, output).await).await;
        assert_eq!((&report["tenant"], &report["number"]), (&json!(tenant), &json!(NUMBER)));
        report["opted_out"].as_bool().expect("a boolean")
    }

    /// Runs every subcommand, for the check of the documented permissions.
    pub(crate) async fn run_all(world: &World) {
        for line in ["add", "check", "remove"] {
            is_opted_out(world, "main", line).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_opt_out_holds_for_its_tenant_until_it_is_removed() {
        let world = world().await;
        for (tenant, line, expected) in [
            ("main", "check", false),
            ("main", "remove", false),
            ("main", "add", true),
            ("main", "add", true),
            ("main", "check", true),
            ("acme", "check", false),
            ("main", "remove", false),
            ("main", "check", false),
        ] {
            assert_eq!(is_opted_out(&world, tenant, line).await, expected, "{tenant} {line}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn text_output_is_one_sentence() {
        let world = world().await;
        let tenant = "main".parse().expect("a tenant");
        for (line, expected) in [
            ("check", "main: +12025550143 may be contacted\n"),
            (
                "add",
                "main: +12025550143 must not be contacted since TIME\n  TIME  opt-out by this command\n",
            ),
            (
                "remove",
                "main: +12025550143 may be contacted\n  TIME  opt-out by this command\n  TIME  end of the opt-out by this command\n",
            ),
        ] {
            let command = parse(&format!("{line} {NUMBER}")).expect(line);
            let text =
                text_of(async |output| execute(&world.store, &world.clock, &tenant, &command, output).await).await;
            assert_eq!(text.replace(&world.clock.now().to_string(), "TIME"), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_email_address_is_the_same_in_any_case() {
        let world = world().await;
        let tenant = "main".parse().expect("a tenant");
        for (line, address, is_opted_out) in [
            ("add", "Ana@example.org", true),
            ("check", "ana@example.org", true),
            ("check", "bob@example.org", false),
        ] {
            let command = parse(&format!("{line} {address}")).expect(line);
            let report =
                json_of(async |output| execute(&world.store, &world.clock, &tenant, &command, output).await).await;
            let found = (&report["tenant"], &report["email"], &report["opted_out"]);
            assert_eq!(found, (&json!("main"), &json!(address), &json!(is_opted_out)));
        }
    }

    #[test]
    fn an_address_is_refused_unless_it_is_complete() {
        for address in ["2025550143", "+1", "anna", "anna@", "@example.org"] {
            assert!(parse(&format!("add {address}")).is_err(), "{address}");
        }
    }
}
