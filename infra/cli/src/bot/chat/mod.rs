//! `patchbay bot chat`: talks to a document in the terminal. The deployed rules run on this machine; the person at the
//! terminal is the customer and, with commands, everybody else.

mod back_ends;
mod command;
mod simulation;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use console::style;
use patchbay::bot::{Bot, Document};
use patchbay::clock::{Clock, Timestamp};
use patchbay::conversation::{Contact, Fact, StepAction};
use serde_json::json;

use self::back_ends::{Lookups, Online};
use self::command::{HELP, Input};
use self::simulation::{Happened, Lookup, Simulation, Time};
use super::timeline;
use crate::aws::block_on;
use crate::documents::{parse_or_report, read};
use crate::input::STDIN;
use crate::output::Output;

/// Options of `patchbay bot chat`.
#[derive(Debug, Args)]
#[command(after_long_help = format!("Lines:\n{HELP}"))]
pub(super) struct Options {
    /// YAML or JSON
    file: PathBuf,
    /// Send the document's lookups to its back ends, for real
    #[arg(long)]
    fetch: bool,
    /// JSON file with the secrets of these lookups, by HOST/NAME
    #[arg(long, requires = "fetch", value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// When the conversation begins, such as 2026-11-23T20:15:00Z; default: now
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    at: Option<Timestamp>,
    /// The customer's name
    #[arg(long)]
    name: Option<String>,
    /// The customer's e-mail address
    #[arg(long)]
    email: Option<String>,
    /// The customer's phone number
    #[arg(long)]
    phone: Option<String>,
    /// The customer's language, such as de
    #[arg(long)]
    language: Option<String>,
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "expected a time such as 2026-11-23T20:15:00Z".to_owned())
}

pub(super) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    ensure!(
        options.file != std::path::Path::new(STDIN),
        "the document cannot be read from stdin: the conversation is"
    );
    let Some(bot) = parse_or_report::<Document>(&options.file, &read(&options.file)?, output)? else {
        return Ok(ExitCode::FAILURE);
    };
    let is_interactive = io::stdin().is_terminal();
    let online = options.online()?;
    let stdin = &mut io::stdin().lock();
    let mut terminal = Terminal::new(stdin, is_interactive, online, output);
    block_on(converse(&bot, options, &mut terminal))
}

impl Options {
    fn contact(&self) -> Contact {
        Contact {
            id: None,
            name: self.name.clone(),
            email: self.email.clone(),
            phone: self.phone.clone(),
            language: self.language.clone(),
        }
    }

    fn online(&self) -> anyhow::Result<Option<Online>> {
        if !self.fetch {
            return Ok(None);
        }
        let secrets = self.secrets.as_deref().map(read).transpose()?;
        Online::new(secrets.as_deref()).map(Some)
    }
}

/// The person at the terminal, or a file in their place.
struct Terminal<'a, 'b> {
    reader: &'a mut dyn BufRead,
    /// Number of lines read.
    line: usize,
    is_interactive: bool,
    lookups: Lookups,
    /// Number of events that are printed.
    printed: usize,
    output: &'a mut Output<'b>,
}

impl<'a, 'b> Terminal<'a, 'b> {
    fn new(
        reader: &'a mut dyn BufRead,
        is_interactive: bool,
        online: Option<Online>,
        output: &'a mut Output<'b>,
    ) -> Self {
        Self {
            reader,
            line: 0,
            is_interactive,
            lookups: Lookups::new(online),
            printed: 0,
            output,
        }
    }

    /// The next line without its end; none at the end of input.
    fn read_line(&mut self, prompt: &str) -> anyhow::Result<Option<String>> {
        if self.is_interactive {
            write!(io::stderr(), "{prompt}")?;
        }
        let mut text = String::new();
        let length = self.reader.read_line(&mut text).context("cannot read from stdin")?;
        self.line += 1;
        Ok((length > 0).then(|| text.trim().to_owned()))
    }

    /// The next input. Empty lines and lines that begin with `#` are skipped; a person reads what is wrong.
    fn next(&mut self) -> anyhow::Result<Option<Input>> {
        while let Some(line) = self.read_line("> ")? {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match Input::parse(&line) {
                Ok(input) => return Ok(Some(input)),
                Err(error) if self.is_interactive => self.print(&style(error).red().to_string())?,
                Err(error) => bail!("stdin:{}: {error}", self.line),
            }
        }
        Ok(None)
    }

    /// Prints a line. With JSON output the document is printed at the end, so a person sees the lines on stderr.
    fn print(&mut self, line: &str) -> anyhow::Result<()> {
        if !self.output.is_json() {
            self.output.line(line)?;
        } else if self.is_interactive {
            writeln!(io::stderr(), "{line}")?;
        }
        Ok(())
    }

    /// Prints what has happened since the last time.
    fn catch_up(&mut self, happened: &[Happened]) -> anyhow::Result<()> {
        for event in happened.get(self.printed..).unwrap_or_default() {
            for line in self.lines(event) {
                self.print(&line)?;
            }
        }
        self.printed = happened.len();
        Ok(())
    }

    /// The lines of an event; none for what a person has just typed, and for what the next entry tells.
    fn lines(&self, event: &Happened) -> Vec<String> {
        match event {
            Happened::Entry(entry) if self.is_interactive && is_customer(&entry.fact) => Vec::new(),
            Happened::Entry(entry) => timeline::lines(entry),
            Happened::Step(StepAction::Deliver | StepAction::Finish) => Vec::new(),
            Happened::Step(action) => vec![timeline::step(action)],
            Happened::Lookup(Lookup { name, url, status }) => {
                let outcome = match status {
                    0 => "no answer".to_owned(),
                    status => status.to_string(),
                };
                vec![timeline::note(&format!(
                    "lookup {name}: {}: {outcome}",
                    timeline::plain(url)
                ))]
            }
        }
    }
}

const fn is_customer(fact: &Fact) -> bool {
    matches!(fact, Fact::CustomerWrote { .. })
}

async fn converse(bot: &Bot, options: &Options, terminal: &mut Terminal<'_, '_>) -> anyhow::Result<ExitCode> {
    let start = options.at.unwrap_or_else(|| Clock::system().now());
    let time = Time::new(start, terminal.is_interactive);
    let mut simulation = Simulation::new(bot, options.contact(), time)?;
    if terminal.is_interactive {
        let hint = style("you are the customer; /help shows the commands, Ctrl-D ends").dim();
        terminal.print(&hint.to_string())?;
    }
    while let Some(input) = terminal.next()? {
        // What became due while the person was typing.
        simulation.settle(terminal).await?;
        terminal.catch_up(simulation.happened())?;
        if !act(input, &mut simulation, terminal).await? {
            break;
        }
        simulation.settle(terminal).await?;
        terminal.catch_up(simulation.happened())?;
    }
    report(&simulation, terminal)
}

/// Does what the line says. Returns whether the conversation goes on.
async fn act(input: Input, simulation: &mut Simulation<'_>, terminal: &mut Terminal<'_, '_>) -> anyhow::Result<bool> {
    match input {
        Input::Customer(text) => simulation.customer_writes(&text, 0)?,
        Input::File(text) => simulation.customer_writes(&text, 1)?,
        Input::Agent(text) => simulation.agent_writes(&text, false)?,
        Input::Note(text) => simulation.agent_writes(&text, true)?,
        Input::Assign => simulation.assign(),
        Input::HandOver => simulation.request(true)?,
        Input::GiveBack => simulation.request(false)?,
        Input::Resolve => simulation.resolve(),
        Input::Wait(seconds) => simulation.pass(seconds, terminal).await?,
        Input::Answer { fetch, response } => terminal.lookups.set(fetch, response),
        Input::State => print_state(simulation, terminal)?,
        Input::Reset => {
            simulation.reset()?;
            terminal.print(&style("· a new conversation").dim().to_string())?;
        }
        Input::Help => terminal.print(HELP)?,
        Input::Quit => return Ok(false),
    }
    Ok(true)
}

fn print_state(simulation: &Simulation<'_>, terminal: &mut Terminal<'_, '_>) -> anyhow::Result<()> {
    let conversation = simulation.conversation();
    terminal.print(&format!("holder: {}", conversation.holder.name()))?;
    terminal.print(&format!("session: {:#}", json!(conversation.session)))
}

/// Prints the JSON document. Fails if the bot failed in a turn.
fn report(simulation: &Simulation<'_>, terminal: &mut Terminal<'_, '_>) -> anyhow::Result<ExitCode> {
    if terminal.output.is_json() {
        let conversation = simulation.conversation();
        let (mut entries, mut steps, mut lookups) = (Vec::new(), Vec::new(), Vec::new());
        for event in simulation.happened() {
            match event {
                Happened::Entry(entry) => entries.push(entry),
                Happened::Step(action) => steps.push(action),
                Happened::Lookup(lookup) => lookups.push(lookup),
            }
        }
        terminal.output.json(&json!({
            "holder": conversation.holder.name(), "session": conversation.session, "timeline": entries, "steps": steps,
            "lookups": lookups,
        }))?;
    }
    let has_failed = |event: &Happened| {
        let Happened::Entry(entry) = event else { return false };
        matches!(entry.fact, Fact::Answered { error: Some(_), .. })
    };
    Ok(if simulation.happened().iter().any(has_failed) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
