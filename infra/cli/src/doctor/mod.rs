//! `patchbay doctor`: checks whether a deployment is healthy, and prints how to fix what is not.
//!
//! The checks change nothing and place no call. Only `--smoke` creates data, and deletes it afterwards. All settings
//! come from the environment variables of the deployed functions: these are what the functions use, whatever a template
//! says.

mod api;
mod calls;
mod chat;
mod concurrency;
mod consumers;
mod finding;
mod fix;
mod functions;
mod provider;
mod queues;
mod secrets;
mod smoke;
mod table;
#[cfg(test)]
pub(crate) mod tests;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use console::style;
use indicatif::ProgressBar;
use serde_json::json;

use crate::aws::{Clients, Target, block_on};
use crate::lookup::LookupError;
use crate::output::{Output, counted};
use finding::{Finding, Level};
use fix::FixCommands;
use functions::Settings;

/// AWS rejects signatures of a clock that is off by five minutes. From this offset, in seconds, the clock is a warning,
/// from [`SKEW_FAIL_SECONDS`] a failure.
const SKEW_WARN_SECONDS: i64 = 30;
const SKEW_FAIL_SECONDS: i64 = 240;

/// Options of `patchbay doctor`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Base URL of the API; default: the one that the functions give to providers
    #[arg(long)]
    public_url: Option<String>,
    /// Also send requests through the whole system, as after a deployment: creates and deletes a token, a context and a
    /// ticket; nobody is phoned
    #[arg(long)]
    smoke: bool,
}

/// Runs all checks and prints the report; exits with 1 if a check failed.
pub(crate) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    block_on(async {
        let clients = Clients::connect(&options.target).await?;
        let progress = progress(output);
        let findings = run_checks(&clients, options, &progress).await;
        progress.finish_and_clear();
        report(&options.target, &clients, &findings, output)?;
        let failed = findings.iter().any(|finding| finding.level == Level::Fail);
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    })
}

/// A spinner with the current check, on stderr and only if stderr is a terminal.
fn progress(output: &Output<'_>) -> ProgressBar {
    if output.is_json() {
        return ProgressBar::hidden();
    }
    let progress = ProgressBar::new_spinner();
    progress.enable_steady_tick(Duration::from_millis(100));
    progress
}

/// Runs all checks. A check that cannot be made is reported as well.
async fn run_checks(clients: &Clients, options: &Options, progress: &ProgressBar) -> Vec<Finding> {
    let target = &options.target;
    progress.set_message("credentials");
    if let Err(error) = clients.lookup.load_credentials().await {
        return no_access(clients, target, &error);
    }
    progress.set_message("functions");
    let (settings, mut findings) = match functions::check(clients, target).await {
        Ok(checked) => checked,
        Err(error) => return no_access(clients, target, &error),
    };
    progress.set_message("table, queues and secrets");
    let (concurrency, table, queues, (secrets, secret_findings)) = tokio::join!(
        concurrency::check(clients, &settings),
        // Boxed: these futures are large.
        Box::pin(table::check(clients, &settings)),
        Box::pin(queues::check(clients, &settings)),
        Box::pin(secrets::check(clients, &settings)),
    );
    findings.extend([concurrency, check_clock(clients)]);
    findings.extend(table);
    findings.extend(queues);
    findings.extend(secret_findings);
    if options.smoke {
        // Before any other request: the first requests after a deployment measure cold starts.
        progress.set_message("smoke");
        findings.extend(
            Box::pin(smoke::check(
                clients,
                options.public_url.as_deref(),
                &settings,
                &secrets,
            ))
            .await,
        );
    }
    progress.set_message("public URL");
    let public_url = options.public_url.as_deref();
    let routes = api::check(clients, public_url, &settings, &secrets).await;
    // A single finding: the URL is unknown, malformed or unreachable.
    let is_reachable = routes.len() > 1;
    findings.extend(routes);
    progress.set_message("providers and chat platform");
    findings.extend(chat::check(clients, public_url, is_reachable, &settings, &secrets).await);
    findings.extend(provider::check(clients, &settings, secrets).await);
    findings
}

/// The findings if AWS is not accessible at all: no credentials, no network, or a wrong clock. The clock is included if
/// AWS reported its time.
fn no_access(clients: &Clients, target: &Target, error: &LookupError) -> Vec<Finding> {
    let fixes = FixCommands::new(target);
    let fix = format!("{}    # must work first", fixes.aws("sts get-caller-identity"));
    let message = format!("no access to AWS in {}: {error}", clients.lookup.region());
    let mut findings = vec![Finding::fail("aws", message, fix)];
    if clients.lookup.clock_ahead().is_some() {
        findings.push(check_clock(clients));
    }
    findings
}

fn check_clock(clients: &Clients) -> Finding {
    let check = "clock";
    let Some(seconds) = clients.lookup.clock_ahead() else {
        return Finding::warn(
            check,
            "not checked: AWS did not report its time",
            "fix the access to AWS, see above",
        );
    };
    let message = match seconds {
        0 => "the clock of this machine agrees with AWS".to_owned(),
        1.. => format!("the clock of this machine is {seconds} s ahead of AWS"),
        _ => format!("the clock of this machine is {} s behind AWS", -seconds),
    };
    let fix = "sudo timedatectl set-ntp true    # AWS rejects requests if the clock is off by 5 min";
    match seconds.abs() {
        0..SKEW_WARN_SECONDS => Finding::ok(check, message),
        SKEW_WARN_SECONDS..SKEW_FAIL_SECONDS => Finding::warn(check, message, fix),
        _ => Finding::fail(check, message, fix),
    }
}

fn report(target: &Target, clients: &Clients, findings: &[Finding], output: &mut Output<'_>) -> anyhow::Result<()> {
    let count = |level: Level| findings.iter().filter(|finding| finding.level == level).count();
    let (warned, failed) = (count(Level::Warn), count(Level::Fail));
    let region = clients.lookup.region();
    if output.is_json() {
        let document = json!({
            "stack": target.stack, "region": region, "healthy": failed == 0,
            "warnings": warned, "failures": failed, "checks": findings,
        });
        return Ok(output.json(&document)?);
    }
    output.line(style(format!("{} in {region}", target.stack)).bold().to_string())?;
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    for finding in findings {
        let level = match finding.level {
            Level::Ok => style("ok  ").green(),
            Level::Warn => style("warn").yellow(),
            Level::Fail => style("FAIL").red().bold(),
        };
        output.line(format!("{level}  {:width$}  {}", finding.check, finding.message))?;
        if let Some(fix) = &finding.fix {
            output.line(format!("      {:width$}  {} {fix}", "", style("→").cyan()))?;
        }
    }
    let total = match (failed, warned) {
        (0, 0) => style("all checks passed".to_owned()).green(),
        (0, _) => style(counted(warned, "warning", "warnings")).yellow(),
        _ => {
            let warnings = counted(warned, "warning", "warnings");
            style(format!("{}, {warnings}", counted(failed, "failure", "failures"))).red()
        }
    };
    Ok(output.line(total.bold().to_string())?)
}

/// A setting of the deployed functions; none if it could not be read. That is reported once, where it is read.
type Setting<'a> = Option<&'a str>;

/// A check that cannot be made because a setting is unknown.
fn unknown(check: &'static str, message: &str, settings: &Settings) -> Finding {
    let fix = format!("make the function {} readable, see above", settings.source_function);
    Finding::warn(check, format!("not checked: {message} is unknown"), fix)
}
