//! `patchbay limits`: how often a tenant may call one number.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use patchbay::dispatch::limits::{CallLimits, MAX_CALL_LIMIT};
use patchbay::ids::Tenant;
use patchbay::store::Store;
use serde_json::json;

use crate::aws::{Clients, Target, block_on};
use crate::output::{Output, counted};

/// Options of `patchbay limits`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Tenant whose limits are shown or set
    #[arg(long, global = true, default_value = "main")]
    tenant: Tenant,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the limits
    Show,
    /// Set one or both limits, in effect from the next call; a limit not given stays unchanged
    Set(Set),
    /// Remove both limits
    Clear,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Set {
    /// Maximum calls to one number within any 60 minutes
    #[arg(long, value_parser = calls())]
    per_hour: Option<u16>,
    /// Maximum calls to one number within any 24 hours
    #[arg(long, value_parser = calls())]
    per_day: Option<u16>,
}

fn calls() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=i64::from(MAX_CALL_LIMIT))
}

pub(crate) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    block_on(async {
        let clients = Clients::connect(&options.target).await?;
        let store = clients.store(&options.target.find_table(&clients).await?);
        execute(&store, &options.tenant, &options.command, output).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Executes the command and prints the limits in effect afterwards.
async fn execute(store: &Store, tenant: &Tenant, command: &Command, output: &mut Output<'_>) -> anyhow::Result<()> {
    let limits = match command {
        Command::Show => store.call_limits(tenant).await?,
        Command::Set(set) => {
            let limits = set.merged_with(store.call_limits(tenant).await?);
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
    /// The limits `old` with those given here replaced.
    fn merged_with(&self, old: CallLimits) -> CallLimits {
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
    let describe = |limit: Option<u16>, window: &str| {
        limit.map(|limit| format!("{} {window}", counted(usize::from(limit), "call", "calls")))
    };
    let parts = [
        describe(per_hour, "within 60 minutes"),
        describe(per_day, "within 24 hours"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return Ok(output.line(format!("{tenant}: no limit on calls to a number"))?);
    }
    Ok(output.line(format!("{tenant}: at most {} to a number", parts.join(" and ")))?)
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
    struct CommandLine {
        #[command(subcommand)]
        command: Command,
    }

    fn command(line: &str) -> Command {
        parse(line).expect(line).command
    }

    fn parse(line: &str) -> Result<CommandLine, String> {
        CommandLine::try_parse_from(["limits"].into_iter().chain(line.split(' '))).map_err(|error| error.to_string())
    }

    fn tenant(name: &str) -> Tenant {
        name.parse().expect("a tenant")
    }

    async fn run_json(world: &World, name: &str, line: &str) -> Value {
        json_of(async |output| execute(&world.store, &tenant(name), &command(line), output).await).await
    }

    async fn run_text(world: &World, line: &str) -> String {
        text_of(async |output| execute(&world.store, &tenant("main"), &command(line), output).await).await
    }

    /// Runs every subcommand, for the check of the documented permissions.
    pub(crate) async fn run_all(world: &World) {
        for line in ["set --per-hour 3", "show", "clear"] {
            run_json(world, "main", line).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_not_given_stays_unchanged_and_clear_removes_both() {
        fn limits(per_hour: Option<u16>, per_day: Option<u16>) -> Value {
            json!({ "tenant": "main", "per_hour": per_hour, "per_day": per_day })
        }

        let world = world().await;
        for (line, expected) in [
            ("show", limits(None, None)),
            ("set --per-hour 3", limits(Some(3), None)),
            ("set --per-day 20", limits(Some(3), Some(20))),
            ("set --per-hour 500 --per-day 500", limits(Some(500), Some(500))),
            ("show", limits(Some(500), Some(500))),
            ("clear", limits(None, None)),
            ("show", limits(None, None)),
        ] {
            assert_eq!(run_json(&world, "main", line).await, expected, "{line}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn limits_are_kept_per_tenant() {
        let world = world().await;
        run_json(&world, "main", "set --per-hour 3").await;
        assert_eq!(run_json(&world, "acme", "show").await["per_hour"], Value::Null);
        run_json(&world, "acme", "clear").await;
        assert_eq!(run_json(&world, "main", "show").await["per_hour"], 3);
    }

    #[tokio::test(start_paused = true)]
    async fn setting_and_clearing_a_limit_take_effect_with_the_next_call() {
        for (lines, calls) in [(&["set --per-hour 1"][..], 1), (&["set --per-hour 1", "clear"], 2)] {
            let world = world().await;
            for line in lines {
                run_json(&world, "main", line).await;
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
    async fn text_output_is_one_sentence() {
        let world = world().await;
        assert_eq!(run_text(&world, "show").await, "main: no limit on calls to a number\n");
        assert_eq!(
            run_text(&world, "set --per-hour 1").await,
            "main: at most 1 call within 60 minutes to a number\n"
        );
        assert_eq!(
            run_text(&world, "set --per-day 9").await,
            "main: at most 1 call within 60 minutes and 9 calls within 24 hours to a number\n"
        );
    }

    #[test]
    fn an_invalid_limit_is_rejected_by_option_name() {
        for (line, expected) in [
            ("set --per-hour 0", "'--per-hour <PER_HOUR>': 0 is not in 1..=500"),
            ("set --per-day 501", "'--per-day <PER_DAY>': 501 is not in 1..=500"),
            ("set --per-day many", "'--per-day <PER_DAY>': invalid digit"),
            ("set", "--per-hour <PER_HOUR>|--per-day <PER_DAY>"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
