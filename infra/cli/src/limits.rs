//! `patchbay limits`: how often a tenant lets a number be called.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use patchbay::dispatch::limits::{CallLimits, MOST_CALLS};
use patchbay::ids::Tenant;
use patchbay::store::Store;
use serde_json::json;

use crate::aws::{Clients, Target, block_on};
use crate::output::{Output, counted};

/// Options for limits.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Whose limits
    #[arg(long, global = true, default_value = "main")]
    tenant: Tenant,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show how often a number may be called
    Show,
    /// Set one limit or both, from the next call on; the one that is not given stays as it is
    Set(Set),
    /// Remove both limits
    Clear,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Set {
    /// Calls to a number within any 60 minutes
    #[arg(long, value_parser = calls())]
    per_hour: Option<u16>,
    /// Calls to a number within any 24 hours
    #[arg(long, value_parser = calls())]
    per_day: Option<u16>,
}

fn calls() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=i64::from(MOST_CALLS))
}

pub(crate) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    block_on(async {
        let clients = Clients::connect(&options.target).await?;
        let store = clients.store(&options.target.find_table(&clients).await?);
        act(&store, &options.tenant, &options.command, output).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Does what was asked, and shows the limits that hold from now on.
async fn act(store: &Store, tenant: &Tenant, command: &Command, output: &mut Output<'_>) -> anyhow::Result<()> {
    let limits = match command {
        Command::Show => store.call_limits(tenant).await?,
        Command::Set(set) => {
            let limits = set.over(store.call_limits(tenant).await?);
            store.set_call_limits(tenant, &limits).await?;
            limits
        }
        Command::Clear => {
            let none = CallLimits::default();
            store.set_call_limits(tenant, &none).await?;
            none
        }
    };
    show(tenant, limits, output)
}

impl Set {
    /// The limits `old`, with what is set here in their place.
    fn over(&self, old: CallLimits) -> CallLimits {
        CallLimits {
            per_hour: self.per_hour.or(old.per_hour),
            per_day: self.per_day.or(old.per_day),
        }
    }
}

fn show(tenant: &Tenant, limits: CallLimits, output: &mut Output<'_>) -> anyhow::Result<()> {
    let CallLimits { per_hour, per_day } = limits;
    if output.is_json() {
        let document = json!({ "tenant": tenant.to_string(), "per_hour": per_hour, "per_day": per_day });
        return Ok(output.json(&document)?);
    }
    let told = |most: Option<u16>, window: &str| {
        most.map(|most| format!("{} {window}", counted(usize::from(most), "call", "calls")))
    };
    let told = [told(per_hour, "within 60 minutes"), told(per_day, "within 24 hours")];
    let told: Vec<String> = told.into_iter().flatten().collect();
    if told.is_empty() {
        return Ok(output.line(format!("{tenant} sets no limit to calls of a number"))?);
    }
    Ok(output.line(format!("a number of {tenant} gets at most {}", told.join(" and ")))?)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use clap::Parser;
    use patchbay_simulators::world::World;
    use serde_json::Value;

    use super::*;
    use crate::dispatch;
    use crate::testing::{json_of, text_of, world};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    fn command(line: &str) -> Command {
        parse(line).expect(line).command
    }

    fn parse(line: &str) -> Result<Line, String> {
        Line::try_parse_from(["limits"].into_iter().chain(line.split(' '))).map_err(|error| error.to_string())
    }

    fn tenant(name: &str) -> Tenant {
        name.parse().expect("a tenant")
    }

    async fn told(world: &World, of: &str, line: &str) -> Value {
        json_of(async |output| act(&world.store, &tenant(of), &command(line), output).await).await
    }

    async fn said(world: &World, line: &str) -> String {
        text_of(async |output| act(&world.store, &tenant("main"), &command(line), output).await).await
    }

    /// All that the command does.
    pub(crate) async fn everything(world: &World) {
        for line in ["set --per-hour 3", "show", "clear"] {
            told(world, "main", line).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_given_stays_and_clear_takes_both_away() {
        let world = world().await;
        let limits = |per_hour: Option<u16>, per_day: Option<u16>| json!({ "tenant": "main", "per_hour": per_hour, "per_day": per_day });
        for (line, expected) in [
            ("show", limits(None, None)),
            ("set --per-hour 3", limits(Some(3), None)),
            ("set --per-day 20", limits(Some(3), Some(20))),
            ("set --per-hour 500 --per-day 500", limits(Some(500), Some(500))),
            ("show", limits(Some(500), Some(500))),
            ("clear", limits(None, None)),
            ("show", limits(None, None)),
        ] {
            assert_eq!(told(&world, "main", line).await, expected, "{line}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_limits_of_one_tenant_are_not_anothers() {
        let world = world().await;
        told(&world, "main", "set --per-hour 3").await;
        assert_eq!(told(&world, "acme", "show").await["per_hour"], Value::Null);
        told(&world, "acme", "clear").await;
        assert_eq!(told(&world, "main", "show").await["per_hour"], 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_was_set_holds_for_the_next_call_and_one_that_was_cleared_does_not() {
        for (lines, calls) in [(&["set --per-hour 1"][..], 1), (&["set --per-hour 1", "clear"], 2)] {
            let world = world().await;
            for line in lines {
                told(&world, "main", line).await;
            }
            // Anna never picks up: her phone rings for half a minute.
            for reference in ["INC-1", "INC-2"] {
                dispatch::tests::ticket(&world, reference).await;
                world.clock.sleep(Duration::from_mins(3)).await;
            }
            let to_anna = world.calls().into_iter().filter(|call| call.to == "+12025550101");
            assert_eq!(to_anna.count(), calls, "{lines:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_person_is_told_in_a_sentence() {
        let world = world().await;
        assert_eq!(said(&world, "show").await, "main sets no limit to calls of a number\n");
        assert_eq!(
            said(&world, "set --per-hour 1").await,
            "a number of main gets at most 1 call within 60 minutes\n"
        );
        assert_eq!(
            said(&world, "set --per-day 9").await,
            "a number of main gets at most 1 call within 60 minutes and 9 calls within 24 hours\n"
        );
    }

    #[test]
    fn a_limit_that_cannot_be_is_refused_by_its_name() {
        for (line, says) in [
            ("set --per-hour 0", "'--per-hour <PER_HOUR>': 0 is not in 1..=500"),
            ("set --per-day 501", "'--per-day <PER_DAY>': 501 is not in 1..=500"),
            ("set --per-day many", "'--per-day <PER_DAY>': invalid digit"),
            ("set", "--per-hour <PER_HOUR>|--per-day <PER_DAY>"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(says), "{line}: {error}");
        }
    }
}
