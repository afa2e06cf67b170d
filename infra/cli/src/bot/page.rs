//! `patchbay bot page`: the settings of our own chat page.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use patchbay::conversation::widget::Widget;
use patchbay::field::FieldError;
use patchbay::flow::Issue;
use patchbay::flow::source::Source;
use patchbay::ids::Tenant;
use patchbay::store::{ChatConnection, Store};
use patchbay::web::body;
use patchbay::web::callbacks::CallbackUrls;
use serde_json::json;

use super::platform;
use crate::aws::{Clients, Target, block_on};
use crate::output::Output;

/// Options of `patchbay bot page`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    target: Target,
    /// Tenant of the page
    #[arg(long, global = true, default_value = "main")]
    tenant: Tenant,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the settings and the URL
    Show,
    /// Check settings and write them, in effect at once
    Set {
        /// YAML or JSON
        file: PathBuf,
    },
    /// Remove the page; conversations continue on the platform
    Remove,
}

pub(super) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    block_on(async {
        let clients = Clients::connect(&options.target).await?;
        let store = clients.store(&options.target.find_table(&clients).await?);
        let urls = platform::access(&clients, &options.target.stack).await?.urls;
        execute(&store, &urls, &options.tenant, &options.command, output).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Executes the command, and prints the settings in effect afterwards.
async fn execute(
    store: &Store,
    urls: &CallbackUrls,
    tenant: &Tenant,
    command: &Command,
    output: &mut Output<'_>,
) -> anyhow::Result<()> {
    let connection = store.connection(tenant).await?;
    let mut connection =
        connection.context("no bot is connected to the chat platform: run patchbay bot connect first")?;
    let settings = match command {
        Command::Show => connection.widget.clone(),
        Command::Set { file } => Some(read(file, &connection)?),
        Command::Remove => None,
    };
    if settings != connection.widget {
        connection.widget.clone_from(&settings);
        store.put_connection(tenant, &connection).await?;
    }
    let url = settings.as_ref().map(|_| urls.widget_url(tenant));
    if output.is_json() {
        return Ok(output.json(&json!({ "url": url, "page": settings }))?);
    }
    let (Some(settings), Some(url)) = (settings, url) else {
        return Ok(output.line(format!("{tenant}: no chat page"))?);
    };
    for topic in &settings.topics {
        output.line(format!("{}: inbox {}", topic.name, topic.inbox))?;
    }
    Ok(output.line(url)?)
}

/// Reads settings, and reports every error with its line.
fn read(file: &Path, connection: &ChatConnection) -> anyhow::Result<Widget> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let source = Source::parse(&text).map_err(|issue| refused(file, &[issue]))?;
    let located = |errors: Vec<FieldError>| {
        let issue = |error: FieldError| Issue {
            path: error.field,
            position: None,
            detail: error.detail,
        };
        let issues = errors.into_iter().map(|error| source.locate(issue(error)));
        refused(file, &issues.collect::<Vec<_>>())
    };
    // The stored settings may have fields of a later version, but a file must not.
    let widget: Widget = body::parse(source.value.to_string().as_bytes()).map_err(|problem| located(problem.errors))?;
    widget.check().map_err(located)?;
    for topic in &widget.topics {
        if connection.document(Some(&topic.inbox)).is_none() {
            bail!(
                "no bot answers the inbox {} of the topic {}: run patchbay bot connect --inbox {}=DOCUMENT",
                topic.inbox,
                topic.name,
                topic.inbox
            );
        }
    }
    Ok(widget)
}

fn refused(file: &Path, issues: &[Issue]) -> anyhow::Error {
    let lines: Vec<String> = issues.iter().map(ToString::to_string).collect();
    anyhow::anyhow!("{}:\n{}", file.display(), lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use patchbay_simulators::world::World;
    use serde_json::Value;

    use super::*;
    use crate::testing::{json_of, text_of, world};

    const SETTINGS: &str = "
title: { en: Questions?, de: Fragen? }
topics:
  - { name: orders, title: Orders, inbox: \"9\", priority: high }
";

    #[derive(Debug, Parser)]
    struct CommandLine {
        #[command(subcommand)]
        command: Command,
    }

    fn command(line: &str) -> Command {
        let line = ["page"].into_iter().chain(line.split(' '));
        CommandLine::try_parse_from(line).expect("a command").command
    }

    async fn connected() -> World {
        let world = world().await;
        world.put_bot("shop", "{}").await.expect("a bot");
        world
    }

    async fn execute_in(world: &World, line: &str, output: &mut Output<'_>) -> anyhow::Result<()> {
        let tenant = "main".parse().expect("a tenant");
        execute(&world.store, world.callbacks(), &tenant, &command(line), output).await
    }

    async fn run_json(world: &World, line: &str) -> Value {
        json_of(async |output| execute_in(world, line, output).await).await
    }

    /// Writes settings to a file, and returns the command that sets them.
    fn set(name: &str, settings: &str) -> String {
        let file = std::env::temp_dir().join(format!("patchbay-page-{}-{name}.yaml", std::process::id()));
        fs::write(&file, settings).expect("a file");
        format!("set {}", file.display())
    }

    async fn error(name: &str, settings: &str) -> String {
        let world = connected().await;
        let mut sink = Vec::new();
        let mut output = Output::new(&mut sink, crate::output::Format::Text);
        let result = execute_in(&world, &set(name, settings), &mut output).await;
        result.expect_err("refused").to_string()
    }

    #[tokio::test]
    async fn settings_are_stored_shown_and_removed() {
        let world = connected().await;
        let written = run_json(&world, &set("stored", SETTINGS)).await;
        let url = written["url"].as_str().expect("a URL");
        let reference = url.rsplit('/').next().expect("a reference");
        assert_eq!(
            world
                .callbacks()
                .check_widget(reference)
                .map(|tenant| tenant.to_string()),
            Ok("main".to_owned())
        );
        assert_eq!(written["page"]["topics"][0]["inbox"], "9");
        assert_eq!(run_json(&world, "show").await, written);
        let shown = text_of(async |output| execute_in(&world, "show", output).await).await;
        assert_eq!(shown, format!("orders: inbox 9\n{url}\n"));
        assert_eq!(run_json(&world, "remove").await, json!({ "url": null, "page": null }));
    }

    #[tokio::test]
    async fn every_error_has_its_line() {
        let wrong = SETTINGS
            .replace("title: Orders", "title: \" \"")
            .replace("Questions?", "\"\"");
        let error = error("wrong", &wrong).await;
        assert!(error.contains("\n2:10: title.en: "), "{error}");
        assert!(error.contains("\n4:21: topics[0].title: "), "{error}");
    }

    #[tokio::test]
    async fn an_unknown_field_and_an_inbox_without_a_bot_are_refused() {
        let unknown = error("unknown", &format!("{SETTINGS}color: red\n")).await;
        assert!(unknown.contains("color"), "{unknown}");
        let world = world().await;
        world.put_bot_in(&[7], "shop", "{}").await.expect("a bot");
        world.put_bot_in(&[8], "support", "{}").await.expect("a bot");
        let mut sink = Vec::new();
        let mut output = Output::new(&mut sink, crate::output::Format::Text);
        let result = execute_in(&world, &set("inbox", SETTINGS), &mut output).await;
        let error = result.expect_err("refused").to_string();
        assert!(error.contains("no bot answers the inbox 9"), "{error}");
    }
}
