//! `patchbay bot inboxes`: the inboxes of the chat platform, and which bot document answers each.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use patchbay::chat::{ChatClient, Inbox};
use patchbay::ids::Tenant;
use patchbay::store::Store;
use serde_json::json;

use super::platform;
use super::timeline::plain;
use crate::aws::{Clients, Target, block_on};
use crate::output::Output;

/// Options of `patchbay bot inboxes`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    target: Target,
    /// Tenant of the bot
    #[arg(long, default_value = "main")]
    tenant: Tenant,
}

pub(super) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    block_on(async {
        let clients = Clients::connect(&options.target).await?;
        let store = clients.store(&options.target.find_table(&clients).await?);
        let platform = platform::access(&clients, &options.target.stack).await?;
        list(&platform.client, &store, &options.tenant, output).await?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn list(client: &ChatClient, store: &Store, tenant: &Tenant, output: &mut Output<'_>) -> anyhow::Result<()> {
    let inboxes = client
        .inboxes()
        .await
        .context("cannot read the inboxes of the platform")?;
    let connection = store.connection(tenant).await?;
    let connection = connection.filter(|connection| connection.platform == client.platform());
    let document = |inbox: &Inbox| Some(connection.as_ref()?.inboxes.get(&inbox.id)?.to_string());
    if output.is_json() {
        let line = |inbox: &Inbox| json!({ "id": inbox.id, "name": inbox.name, "channel": inbox.channel, "bot": document(inbox) });
        let inboxes: Vec<_> = inboxes.iter().map(line).collect();
        return Ok(output.json(&json!({ "inboxes": inboxes }))?);
    }
    if inboxes.is_empty() {
        return Ok(output.line("the platform names no inboxes")?);
    }
    let shown = |text: Option<&str>| text.map_or_else(|| "-".to_owned(), plain);
    let row = |inbox: &Inbox| {
        [
            inbox.id.to_string(),
            shown(inbox.name.as_deref()),
            shown(inbox.channel.as_deref()),
            shown(document(inbox).as_deref()),
        ]
    };
    let rows: Vec<_> = inboxes.iter().map(row).collect();
    Ok(output.table(["ID", "NAME", "CHANNEL", "BOT"], &rows)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Account, clients_in, json_of, text_of, world};

    #[tokio::test(start_paused = true)]
    async fn inboxes_are_listed_with_their_documents() {
        let world = world().await;
        world.put_bot_in(&[7], "shop", "{}").await.expect("a bot");
        let clients = clients_in(&world, &Account::default());
        let platform = platform::access(&clients, "patchbay").await.expect("access");
        let (store, tenant) = (&world.store, "main".parse().expect("a tenant"));
        let shown = text_of(async |output| list(&platform.client, store, &tenant, output).await).await;
        assert_eq!(
            shown,
            "ID  NAME          CHANNEL             BOT\n\
             7   Shop chat     Channel::WebWidget  shop\n\
             8   Returns chat  Channel::WebWidget  -\n\
             9   Own widget    Channel::Api        -\n"
        );
        let other = "acme".parse().expect("a tenant");
        let report = json_of(async |output| list(&platform.client, store, &other, output).await).await;
        assert_eq!(report["inboxes"][0]["bot"], serde_json::Value::Null);
    }
}
