//! `patchbay demo`: the main job, played on virtual time by the deployed handlers.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use console::style;

use crate::{caller, storm, story};

/// What can be said about the demo.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Everything that happens by chance follows from this number
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Tickets in the storm
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    tickets: u16,
    /// Do not slow down for a reader
    #[arg(long)]
    fast: bool,
}

/// Plays both parts. Fails when a ticket is lost, accepted twice or dialled twice.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let slow = !options.fast && console::user_attended();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .context("no runtime")?;
    let told = runtime.block_on(story::tell(options.seed, slow))?;
    println!();
    let weathered = runtime.block_on(storm::weather(options.seed, options.tickets))?;
    println!();
    runtime.block_on(caller::follow(options.seed))?;
    let breaches: Vec<String> = told
        .breaches
        .iter()
        .chain(&weathered.breaches)
        .map(ToString::to_string)
        .collect();
    println!();
    for breach in &breaches {
        println!("{} {breach}", style("✗").red().bold());
    }
    if breaches.is_empty() {
        println!(
            "{} nothing lost, nothing accepted twice, nobody dialled twice, in {:.1} s",
            style("✓").green().bold(),
            began.elapsed().as_secs_f64()
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{} {} things that must not happen",
        style("✗").red().bold(),
        breaches.len()
    );
    Ok(ExitCode::FAILURE)
}
