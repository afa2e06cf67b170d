//! What `patchbay bot connect` prints.

use std::io::{self, Write as _};

use patchbay::chat::Inbox;
use patchbay::conversation::PlatformId;
use patchbay::store::ChatConnection;
use serde_json::json;

use super::plan::{Action, Plan, Wanted};
use crate::bot::timeline::plain;
use crate::output::Output;

/// Prints what is done.
pub(super) struct Printer<'a, 'b> {
    pub(super) output: &'a mut Output<'b>,
    pub(super) wanted: &'a Wanted,
    /// The inboxes of the platform.
    pub(super) inboxes: &'a [Inbox],
}

/// An inbox with its name, if the platform told it.
pub(super) fn describe(inbox: &Inbox) -> String {
    let details: Vec<String> = [&inbox.name, &inbox.channel]
        .into_iter()
        .flatten()
        .map(|text| plain(text))
        .collect();
    if details.is_empty() {
        return inbox.id.to_string();
    }
    format!("{} ({})", inbox.id, details.join(", "))
}

impl Printer<'_, '_> {
    /// Prints an action that is done, before it is recorded. With JSON output to stderr, because the document is printed
    /// at the end.
    pub(super) fn done(&mut self, action: &Action, bot: &PlatformId) -> anyhow::Result<()> {
        let platform = self.wanted.platform;
        let line = match action {
            Action::CreateBot => format!("created the bot {bot} ({}) at {platform}", self.wanted.name),
            Action::UseBot { .. } => format!("use the bot {bot} at {platform}"),
            Action::Assign { inbox, document } => format!("inbox {}: answered by {document}", self.inbox(inbox)),
            Action::Register => format!("registered the webhook {} at {platform}", self.wanted.events_url),
            Action::UseRegistered => format!("use the webhook {} at {platform}", self.wanted.events_url),
        };
        if self.output.is_json() {
            return Ok(writeln!(io::stderr(), "{line}")?);
        }
        Ok(self.output.line(line)?)
    }

    /// Prints what would be done.
    pub(super) fn dry_run(&mut self, plan: &Plan) -> anyhow::Result<()> {
        let Wanted {
            platform,
            name,
            bot_url,
            events_url,
            ..
        } = self.wanted;
        if self.output.is_json() {
            return Ok(self.output.json(&json!({
                "dry_run": true, "platform": platform, "actions": plan.actions, "notes": plan.notes,
                "bot_url": bot_url, "events_url": events_url,
            }))?);
        }
        for action in &plan.actions {
            self.output.line(match action {
                Action::CreateBot => format!("would create the bot {name} at {platform}, with the URL {bot_url}"),
                Action::UseBot { bot } => format!("would use the bot {bot} at {platform}"),
                Action::Assign { inbox, document } => {
                    format!("would let {document} answer the inbox {}", self.inbox(inbox))
                }
                Action::Register => format!("would register the webhook {events_url} at {platform}"),
                Action::UseRegistered => format!("would use the webhook {events_url} at {platform}"),
            })?;
        }
        if plan.actions.is_empty() {
            self.output.line("nothing to do")?;
        }
        self.notes(plan)
    }

    /// Prints the result.
    pub(super) fn finish(&mut self, plan: &Plan, connection: Option<&ChatConnection>) -> anyhow::Result<()> {
        if self.output.is_json() {
            return Ok(self.output.json(&json!({
                "dry_run": false, "platform": self.wanted.platform, "actions": plan.actions, "notes": plan.notes,
                "connection": connection,
            }))?);
        }
        if let Some(connection) = connection.filter(|_| plan.recorded.is_some()) {
            let (bot, platform) = (&connection.bot_id, connection.platform);
            self.output.line(format!("the bot {bot} is connected at {platform}"))?;
        }
        if connection.is_none_or(|connection| connection.inboxes.is_empty()) {
            let inboxes: Vec<String> = self.inboxes.iter().map(describe).collect();
            self.output.line(format!(
                "no inbox is answered yet: pass --inbox ID=DOCUMENT; the platform has {}",
                if inboxes.is_empty() {
                    "none".to_owned()
                } else {
                    inboxes.join(", ")
                }
            ))?;
        }
        self.notes(plan)
    }

    fn notes(&mut self, plan: &Plan) -> anyhow::Result<()> {
        for note in &plan.notes {
            self.output.line(note)?;
        }
        Ok(())
    }

    fn inbox(&self, id: &PlatformId) -> String {
        let known = self.inboxes.iter().find(|inbox| inbox.id == *id);
        known.map_or_else(|| id.to_string(), describe)
    }
}
