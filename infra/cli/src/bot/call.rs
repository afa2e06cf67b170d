//! `patchbay bot call`: lets the chat platform phone somebody, through the API of a deployment.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::api::{Api, ApiOptions};
use crate::aws::block_on;
use crate::output::Output;

/// Options of `patchbay bot call`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Phone a number, then queue the call for the agents of a queue. The token needs calls:write
    Queue {
        /// Name of the queue
        name: String,
        /// Number to phone, or an extension
        number: String,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Phone a number for an agent who is logged in. The token needs calls:write
    Agent {
        /// Name of the agent
        name: String,
        /// Number to phone, or an extension
        number: String,
        #[command(flatten)]
        api: ApiOptions,
    },
}

pub(super) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let (kind, name, number, api) = match &options.command {
        Command::Queue { name, number, api } => ("queue", name, number, api),
        Command::Agent { name, number, api } => ("agent", name, number, api),
    };
    block_on(async { call(&api.connect()?, kind, name, number, output).await })?;
    Ok(ExitCode::SUCCESS)
}

async fn call(api: &Api, kind: &str, name: &str, number: &str, output: &mut Output<'_>) -> anyhow::Result<()> {
    let body = json!({ kind: name, "destination": number });
    let answer = api.post(&format!("/v1/chat/{kind}-calls"), &body).await?;
    if output.is_json() {
        return Ok(output.json(&answer)?);
    }
    Ok(output.line(format!("the platform phones {number} for the {kind} {name}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::{api, api_of};
    use crate::output::Format;
    use crate::testing::{text_of, world};

    #[tokio::test(start_paused = true)]
    async fn the_platform_of_a_deployment_places_the_call() {
        let world = world().await;
        let api = api_of(&world);
        text_of(async |output| call(&api, "queue", "support_en", "+12025550143", output).await).await;
        assert_eq!(world.chat.calls().len(), 1);
        let mut buffer = Vec::new();
        let mut output = Output::new(&mut buffer, Format::Text);
        let refused = call(&api, "queue", "no_such_queue", "+12025550143", &mut output).await;
        assert!(refused.is_err());
        assert_eq!(world.chat.calls().len(), 1);
    }

    #[tokio::test]
    async fn a_call_names_its_queue_or_agent() {
        for (kind, name) in [("queue", "support_en"), ("agent", "jane.doe")] {
            let (deployment, request) = api(&json!({ kind: name, "destination": "+12025550143" }));
            let api = deployment.connect().expect("a client");
            let shown = text_of(async |output| call(&api, kind, name, "+12025550143", output).await).await;
            assert_eq!(
                shown,
                format!("the platform phones +12025550143 for the {kind} {name}\n")
            );
            let request = request.join().expect("a request");
            assert!(
                request.starts_with(&format!("POST /v1/chat/{kind}-calls ")),
                "{request}"
            );
            assert!(request.contains(&format!(r#""{kind}":"{name}""#)), "{request}");
        }
    }
}
