//! `patchbay doctor`: is a deployment as it should be, and if not, what mends it?
//!
//! Nothing here changes anything, and no call is placed; `--smoke` makes something to see that it works, and deletes it.
//! What a check needs it takes from the variables of the deployed
//! functions: they are what the functions go by, whatever a template says.

mod api;
mod concurrency;
mod consumers;
mod finding;
mod functions;
mod mend;
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
use functions::Settings;
use mend::Mends;

/// AWS refuses signatures when a clock is off by five minutes; one that is off by this much is on its way there.
const SKEW_WARN_SECONDS: i64 = 30;
const SKEW_FAIL_SECONDS: i64 = 240;

/// What can be said to the doctor.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Base URL at which the API is asked, instead of the one that the functions give to providers
    #[arg(long)]
    public_url: Option<String>,
    /// Sends requests through all of it too, as after a deployment: makes and deletes a token, a context and a ticket
    /// that phones nobody
    #[arg(long)]
    smoke: bool,
}

/// Fails when something does.
pub(crate) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    block_on(async {
        let clients = Clients::connect(&options.target).await?;
        let progress = progress(output);
        let findings = examine(&clients, options, &progress).await;
        progress.finish_and_clear();
        tell(&options.target, &clients, &findings, output)?;
        let failed = findings.iter().any(|finding| finding.level == Level::Fail);
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    })
}

/// Tells a person what is being looked at: on standard error, and only when that is a terminal.
fn progress(output: &Output<'_>) -> ProgressBar {
    if output.is_json() {
        return ProgressBar::hidden();
    }
    let progress = ProgressBar::new_spinner();
    progress.enable_steady_tick(Duration::from_millis(100));
    progress
}

/// Checks everything that can be checked; what cannot be is said, too.
async fn examine(clients: &Clients, options: &Options, progress: &ProgressBar) -> Vec<Finding> {
    let target = &options.target;
    progress.set_message("credentials");
    if let Err(error) = clients.lookup.identify().await {
        return stranger(clients, target, &error);
    }
    progress.set_message("functions");
    let (settings, mut findings) = match functions::check(clients, target).await {
        Ok(checked) => checked,
        Err(error) => return stranger(clients, target, &error),
    };
    progress.set_message("table, queues and secrets");
    let (concurrency, table, queues, (secrets, of_secrets)) = tokio::join!(
        concurrency::check(clients, &settings),
        // On the heap: they are large.
        Box::pin(table::check(clients, &settings)),
        Box::pin(queues::check(clients, &settings)),
        Box::pin(secrets::check(clients, &settings)),
    );
    findings.extend([concurrency, clock(clients)]);
    findings.extend(table);
    findings.extend(queues);
    findings.extend(of_secrets);
    if options.smoke {
        // Before anything else asks: the first requests after a deployment meet cold functions.
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
    findings.extend(api::check(clients, options.public_url.as_deref(), &settings, &secrets).await);
    progress.set_message("providers");
    findings.extend(provider::check(clients, &settings, secrets).await);
    findings
}

/// That nothing can be asked, said once: for want of credentials, of a network, or of the right time.
fn stranger(clients: &Clients, target: &Target, error: &LookupError) -> Vec<Finding> {
    let mends = Mends::of(target);
    let mend = format!("{}    # must work first", mends.aws("sts get-caller-identity"));
    let what = format!("nothing can be asked in {}: {error}", clients.lookup.region());
    let mut findings = vec![Finding::fail("aws", what, mend)];
    if clients.lookup.clock_ahead().is_some() {
        findings.push(clock(clients));
    }
    findings
}

fn clock(clients: &Clients) -> Finding {
    let check = "clock";
    let Some(seconds) = clients.lookup.clock_ahead() else {
        return Finding::warn(check, "AWS did not tell the time", "make AWS reachable, see above");
    };
    let what = match seconds {
        0 => "this machine's clock agrees with AWS's".to_owned(),
        1.. => format!("this machine's clock is {seconds} s ahead of AWS's"),
        _ => format!("this machine's clock is {} s behind AWS's", -seconds),
    };
    let mend = "sudo timedatectl set-ntp true    # AWS refuses requests of clocks that are off by 5 min";
    match seconds.abs() {
        0..SKEW_WARN_SECONDS => Finding::ok(check, what),
        SKEW_WARN_SECONDS..SKEW_FAIL_SECONDS => Finding::warn(check, what, mend),
        _ => Finding::fail(check, what, mend),
    }
}

fn tell(target: &Target, clients: &Clients, findings: &[Finding], output: &mut Output<'_>) -> anyhow::Result<()> {
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
        output.line(format!("{level}  {:width$}  {}", finding.check, finding.what))?;
        if let Some(mend) = &finding.mend {
            output.line(format!("      {:width$}  {} {mend}", "", style("→").cyan()))?;
        }
    }
    let sum = match (failed, warned) {
        (0, 0) => style("all is well".to_owned()).green(),
        (0, _) => style(counted(warned, "warning", "warnings")).yellow(),
        _ => {
            let warnings = counted(warned, "warning", "warnings");
            style(format!("{}, {warnings}", counted(failed, "failure", "failures"))).red()
        }
    };
    Ok(output.line(sum.bold().to_string())?)
}

/// Settings that could not be had make a check impossible; that is said once, where they are looked for.
type Known<'a> = Option<&'a str>;

/// That something cannot be checked because it is not known.
fn unknown(check: &'static str, what: &str, settings: &Settings) -> Finding {
    let mend = format!("make the function {} readable, see above", settings.asked);
    Finding::warn(check, format!("not checked: {what} is not known"), mend)
}
