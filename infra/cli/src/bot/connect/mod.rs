//! `patchbay bot connect`: creates the bot at the chat platform, and lets it answer inboxes.
//!
//! Sangoma can neither list nor delete a bot or a webhook, so our own record decides what exists: what is recorded is
//! not created again. Each action is recorded as soon as it is done, and the id of a new bot is printed before that.

mod plan;
mod printer;
#[cfg(test)]
pub(crate) mod tests;

use std::io::{self, BufRead, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use patchbay::chat::{ChatError, Inbox};
use patchbay::clock::Clock;
use patchbay::conversation::PlatformId;
use patchbay::ids::{DocumentName, Tenant};
use patchbay::store::{ChatConnection, DocumentKey, DocumentKind, Store};

use self::plan::{Action, Plan, Wanted, make_plan};
use self::printer::{Printer, describe};
use super::platform::{self, PlatformAccess};
use crate::aws::{Clients, Target, block_on};
use crate::output::Output;

/// Options of `patchbay bot connect`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    target: Target,
    /// Tenant of the bot
    #[arg(long, default_value = "main")]
    tenant: Tenant,
    #[command(flatten)]
    wishes: Wishes,
}

/// What the operator wants.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
struct Wishes {
    /// The bot's name at the platform
    #[arg(long, default_value = "patchbay")]
    name: String,
    /// The bot's description at the platform
    #[arg(long, default_value = "Answers chats, and hands them over to people")]
    description: String,
    /// Let a bot document answer an inbox; may be repeated. Without it, a person at the terminal is asked
    #[arg(long = "inbox", value_name = "ID=DOCUMENT", value_parser = parse_inbox)]
    inboxes: Vec<(PlatformId, DocumentName)>,
    /// Also register the webhook that a widget of your own needs: new conversations and messages of the account
    #[arg(long)]
    widget: bool,
    /// Use a bot that exists at the platform, with the URL that `patchbay url bot` prints, instead of creating one
    #[arg(long, value_name = "ID")]
    bot_id: Option<PlatformId>,
    /// The webhook of --widget exists at the platform: only record it
    #[arg(long, requires = "widget")]
    registered: bool,
    /// Create again what is recorded as created, such as a bot whose URL has changed
    #[arg(long, conflicts_with_all = ["bot_id", "registered"])]
    again: bool,
    /// Show what would be done
    #[arg(long)]
    dry_run: bool,
}

fn parse_inbox(text: &str) -> Result<(PlatformId, DocumentName), String> {
    let (inbox, document) = text.split_once('=').ok_or("expected ID=DOCUMENT, such as 7=shop")?;
    let inbox: PlatformId = inbox.trim().parse().map_err(|error| format!("{inbox}: {error}"))?;
    let document: DocumentName = document
        .trim()
        .parse()
        .map_err(|error| format!("{document}: {error}"))?;
    Ok((inbox, document))
}

pub(super) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    block_on(async {
        let clients = Clients::connect(&options.target).await?;
        let store = clients.store(&options.target.find_table(&clients).await?);
        let platform = platform::access(&clients, &options.target.stack).await?;
        let connector = Connector {
            store: &store,
            clock: &clients.clock,
            platform: &platform,
            tenant: &options.tenant,
            wishes: &options.wishes,
        };
        let mut stdin = io::stdin().lock();
        let person: Option<&mut dyn BufRead> = if io::stdin().is_terminal() {
            Some(&mut stdin)
        } else {
            None
        };
        connector.connect(person, output).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Connects a tenant to a platform.
struct Connector<'a> {
    store: &'a Store,
    clock: &'a Clock,
    platform: &'a PlatformAccess,
    tenant: &'a Tenant,
    wishes: &'a Wishes,
}

impl Connector<'_> {
    /// Connects. `person` is the operator, who can be asked which document answers which inbox.
    async fn connect(&self, person: Option<&mut dyn BufRead>, output: &mut Output<'_>) -> anyhow::Result<()> {
        let recorded = self.store.connection(self.tenant).await?;
        let inboxes = self.platform.client.inboxes().await;
        let inboxes = inboxes.context("cannot read the inboxes of the platform")?;
        let mut wanted = self.wanted();
        if let Some(person) = person.filter(|_| wanted.inboxes.is_empty()) {
            wanted.inboxes = ask(&inboxes, recorded.as_ref(), person)?;
        }
        self.check_inboxes(&wanted, &inboxes).await?;
        let plan = make_plan(recorded, &wanted)?;
        let mut printer = Printer {
            output,
            wanted: &wanted,
            inboxes: &inboxes,
        };
        if self.wishes.dry_run {
            return printer.dry_run(&plan);
        }
        let connection = self.carry_out(&plan, &wanted, &mut printer).await?;
        printer.finish(&plan, connection.as_ref())
    }

    fn wanted(&self) -> Wanted {
        let (wishes, platform) = (self.wishes, self.platform.client.platform());
        Wanted {
            platform,
            name: wishes.name.clone(),
            bot_url: self.platform.urls.bot_url(platform, self.tenant),
            events_url: self.platform.urls.events_url(platform, self.tenant),
            inboxes: wishes.inboxes.clone(),
            has_widget: wishes.widget,
            bot_id: wishes.bot_id.clone(),
            is_registered: wishes.registered,
            again: wishes.again,
        }
    }

    /// Checks that every wanted inbox and document exists, before anything is done.
    async fn check_inboxes(&self, wanted: &Wanted, known: &[Inbox]) -> anyhow::Result<()> {
        for (inbox, document) in &wanted.inboxes {
            // No inbox at all: the platform answers in a form that we do not know.
            if !known.is_empty() && !known.iter().any(|other| other.id == *inbox) {
                let known: Vec<String> = known.iter().map(describe).collect();
                bail!("the platform has no inbox {inbox}; it has {}", known.join(", "));
            }
            let key = DocumentKey {
                tenant: self.tenant.clone(),
                kind: DocumentKind::Bot,
                name: document.clone(),
            };
            if self.store.document(&key).await?.is_none() {
                bail!("there is no bot document {document}: write it first, with patchbay bot push {document} FILE");
            }
        }
        Ok(())
    }

    /// Does what is planned, one action after another. Returns what is recorded afterwards.
    async fn carry_out(
        &self,
        plan: &Plan,
        wanted: &Wanted,
        printer: &mut Printer<'_, '_>,
    ) -> anyhow::Result<Option<ChatConnection>> {
        let mut connection = plan.recorded.clone();
        for action in &plan.actions {
            let bot = connection.as_ref().map(|connection| &connection.bot_id);
            let bot = self.perform(action, bot, wanted).await?;
            printer.done(action, &bot)?;
            let next = action.apply(connection.take(), bot, wanted, self.clock.now());
            let recorded = self.store.put_connection(self.tenant, &next).await;
            recorded.with_context(|| not_recorded(action, &next.bot_id))?;
            connection = Some(next);
        }
        Ok(connection)
    }

    /// Does one action at the platform. Returns the bot that is used from now on.
    async fn perform(&self, action: &Action, bot: Option<&PlatformId>, wanted: &Wanted) -> anyhow::Result<PlatformId> {
        let client = &self.platform.client;
        if let Action::UseBot { bot } = action {
            return Ok(bot.clone());
        }
        if *action == Action::CreateBot {
            let created = client.create_bot(&wanted.name, &self.wishes.description, &wanted.bot_url);
            return created.await.map_err(|error| not_created(error, &wanted.name));
        }
        let bot = bot.context("there is no bot to assign")?;
        match action {
            Action::Assign { inbox, .. } => {
                let assigned = client.assign_bot(inbox, bot).await;
                assigned
                    .with_context(|| format!("the bot {bot} was not assigned to the inbox {inbox}; run this again"))?;
            }
            Action::Register => client.subscribe(&wanted.events_url).await.map_err(not_registered)?,
            Action::CreateBot | Action::UseBot { .. } | Action::UseRegistered => {}
        }
        Ok(bot.clone())
    }
}

/// Asks which document answers which inbox.
fn ask(
    inboxes: &[Inbox],
    recorded: Option<&ChatConnection>,
    person: &mut dyn BufRead,
) -> anyhow::Result<Vec<(PlatformId, DocumentName)>> {
    let mut answers = Vec::new();
    for inbox in inboxes {
        let present = recorded.and_then(|recorded| recorded.inboxes.get(&inbox.id));
        let default = present.map_or_else(|| "nobody".to_owned(), ToString::to_string);
        loop {
            write!(
                io::stderr(),
                "inbox {}: which bot document answers it? [{default}] ",
                describe(inbox)
            )?;
            let mut line = String::new();
            person.read_line(&mut line).context("cannot read from the terminal")?;
            match line.trim() {
                "" => break,
                name => match name.parse() {
                    Ok(document) => {
                        answers.push((inbox.id.clone(), document));
                        break;
                    }
                    Err(error) => writeln!(io::stderr(), "{name}: {error}")?,
                },
            }
        }
    }
    Ok(answers)
}

fn not_created(error: ChatError, name: &str) -> anyhow::Error {
    let advice = match error {
        ChatError::Unclear { .. } => {
            format!(
                "it is unclear whether the bot was created: look for {name} in the settings of the platform. If it is \
                 there, pass its id with --bot-id; if it is not, run this again"
            )
        }
        _ => "no bot was created".to_owned(),
    };
    anyhow!(error).context(advice)
}

fn not_registered(error: ChatError) -> anyhow::Error {
    let advice = match error {
        ChatError::Unclear { .. } => {
            "it is unclear whether the webhook was registered: look for it in the settings of the platform. If it is \
             there, pass --registered; if it is not, run this again"
        }
        _ => "the webhook was not registered; if the platform has it already, pass --registered",
    };
    anyhow!(error).context(advice)
}

/// What the operator must do when an action is done but could not be recorded.
fn not_recorded(action: &Action, bot: &PlatformId) -> String {
    let again = match action {
        Action::CreateBot | Action::UseBot { .. } => format!("run this again with --bot-id {bot}"),
        Action::Assign { .. } => "run this again".to_owned(),
        Action::Register | Action::UseRegistered => "run this again with --registered".to_owned(),
    };
    format!("the last action was done, but not recorded: {again}")
}
