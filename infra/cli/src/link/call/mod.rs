//! `patchbay link call`: the simulated Agent4 against a server of links, ours or another's, over HTTP. Whoever sits at the
//! terminal is the model and the caller.

mod answers;
mod doubt;
#[cfg(test)]
mod tests;
mod told;
mod wire;

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum as _};
use console::style;
use http::Uri;
use patchbay::http::HttpClient;
use patchbay::phone::PhoneNumber;
use patchbay::web::outbound::Outbound;
use patchbay::web::target::Targets;
use patchbay_simulators::agent4::{Agent4, CallRecord, Ending, Move, PortalLink, Switches, Turn};
use serde_json::{Map, Value, json};

use self::answers::Answers;
use self::doubt::Doubt;
use self::wire::{Exchange, Failure, PATIENCE, Wire};
use super::deployed::is_loopback;
use crate::aws::block_on;
use crate::output::{Output, counted};

/// Options for a call.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// URL of the server: https, or http on this machine
    #[arg(value_parser = endpoint)]
    url: String,
    /// Names of the links, in order; NAME=URL for one that has a URL of its own
    #[arg(long, required = true, value_delimiter = ',', value_parser = link)]
    links: Vec<Link>,
    /// Read the answers from a file, one a line, instead of stdin
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Who calls: E.164, or anonymous
    #[arg(long, default_value = "+12025550143", value_parser = caller)]
    caller: String,
    /// The number that they called
    #[arg(long, default_value = "+12025550100", value_parser = caller)]
    line: String,
    /// Metadata of the portal, NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
    /// Differ from the simulated Agent4 where the contract leaves it open
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME")]
    doubt: Vec<Doubt>,
    /// Play the same answers again under each doubt, and say what comes out differently
    #[arg(long, conflicts_with = "doubt")]
    every_doubt: bool,
}

/// A link, and its URL if it has one of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    name: String,
    url: Option<String>,
}

/// A URL that may be asked: nobody else reads what a caller said on its way.
fn endpoint(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|_| "not a URL".to_owned())?;
    let host = uri.host().unwrap_or_default();
    match uri.scheme_str() {
        Some("https") => Ok(text.to_owned()),
        Some("http") if is_loopback(host) => Ok(text.to_owned()),
        Some("http") => Err("http:// is for this machine only: use https://".to_owned()),
        _ => Err("must begin with https:// (or, on this machine, http://)".to_owned()),
    }
}

fn link(text: &str) -> Result<Link, String> {
    let (name, url) = match text.split_once('=') {
        Some((name, url)) => (name, Some(endpoint(url)?)),
        None => (text, None),
    };
    let name = name.trim().to_owned();
    if name.is_empty() {
        return Err("a link must have a name".to_owned());
    }
    Ok(Link { name, url })
}

fn caller(text: &str) -> Result<String, String> {
    if text == "anonymous" {
        return Ok(text.to_owned());
    }
    let number = PhoneNumber::parse(text).map_err(|error| error.to_string())?;
    Ok(number.as_str().to_owned())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    // Each exchange ends before the client gives it up.
    let outbound = Outbound::new(Targets::any(), PATIENCE + Duration::from_secs(1)).context("no HTTP client")?;
    let http = HttpClient::new(outbound);
    let (name, mut reader): (String, Box<dyn BufRead>) = match &options.answers {
        None => ("stdin".to_owned(), Box::new(io::stdin().lock())),
        Some(path) => {
            let name = path.display().to_string();
            let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
            (name, Box::new(BufReader::new(file)))
        }
    };
    let is_interactive = options.answers.is_none() && io::stdin().is_terminal();
    let mut answers = Answers::new(&mut *reader, &name, is_interactive);
    block_on(call(options, http, &mut answers, output))
}

/// What came of a call.
struct Outcome {
    record: CallRecord,
    exchanges: Vec<Exchange>,
    deviations: Vec<String>,
}

/// A doubt, and what it makes of the same answers.
struct Comparison {
    doubt: Doubt,
    difference: Option<String>,
    deviations: Vec<String>,
}

async fn call(
    options: &Options,
    http: HttpClient,
    answers: &mut Answers<'_>,
    output: &mut Output<'_>,
) -> anyhow::Result<ExitCode> {
    let (outcome, moves) = first_call(options, &http, answers, output).await?;
    let mut comparisons = Vec::new();
    if options.every_doubt {
        for doubt in Doubt::value_variants() {
            comparisons.push(compare(options, &http, *doubt, &outcome, &moves).await?);
        }
    }
    report(&outcome, &comparisons, output)?;
    let is_sound = |comparison: &Comparison| comparison.difference.is_none() && comparison.deviations.is_empty();
    Ok(if outcome.deviations.is_empty() && comparisons.iter().all(is_sound) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The call with whoever sits at the terminal, told as it goes; and what they did in it.
async fn first_call(
    options: &Options,
    http: &HttpClient,
    answers: &mut Answers<'_>,
    output: &mut Output<'_>,
) -> anyhow::Result<(Outcome, Vec<Move>)> {
    let wire = Wire::new(http.clone());
    let mut teller = Teller {
        wire: wire.clone(),
        told: 0,
        is_interactive: answers.is_interactive(),
        output,
    };
    if answers.is_interactive() {
        teller.say(&style(answers::FORMAT).dim().to_string())?;
    }
    let mut moves = Vec::new();
    let mut failure = None;
    let agent = agent(options, &wire, &options.doubt);
    let record = agent
        .call(&options.caller, |turn| {
            let next = teller.ask(turn, answers).unwrap_or_else(|error| {
                failure = Some(error);
                Move::HangUp
            });
            moves.push(next.clone());
            next
        })
        .await;
    if let Some(error) = failure {
        return Err(error);
    }
    teller.catch_up()?;
    Ok((outcome(record, &wire)?, moves))
}

/// The same moves once more, under a doubt.
async fn compare(
    options: &Options,
    http: &HttpClient,
    doubt: Doubt,
    first: &Outcome,
    moves: &[Move],
) -> anyhow::Result<Comparison> {
    let wire = Wire::new(http.clone());
    let mut moves = moves.iter().cloned();
    let again = agent(options, &wire, &[doubt])
        .call(&options.caller, |_| moves.next().unwrap_or(Move::HangUp))
        .await;
    let again = outcome(again, &wire)?;
    Ok(Comparison {
        doubt,
        difference: difference(&first.record, &again.record),
        // What is wrong in any case is told once.
        deviations: again
            .deviations
            .into_iter()
            .filter(|deviation| !first.deviations.contains(deviation))
            .collect(),
    })
}

fn agent(options: &Options, wire: &Wire, doubts: &[Doubt]) -> Agent4 {
    let mut switches = Switches {
        metadata: !options.metadata.is_empty(),
        // The wire gives up first, and says so.
        time_out: PATIENCE + Duration::from_secs(1),
        ..Switches::default()
    };
    for doubt in doubts {
        doubt.apply(&mut switches);
    }
    let links = options.links.iter().map(|link| PortalLink {
        name: link.name.clone(),
        endpoint: link.url.as_ref().unwrap_or(&options.url).clone(),
    });
    let metadata = options.metadata.iter();
    Agent4 {
        http: HttpClient::new(wire.clone()),
        switches,
        links: links.collect(),
        metadata: metadata.map(|(name, value)| (name.clone(), json!(value))).collect(),
        line: options.line.clone(),
    }
}

/// Puts a call together with what went over the wire. A server that is not there at all is an error of its own.
fn outcome(record: CallRecord, wire: &Wire) -> anyhow::Result<Outcome> {
    let exchanges = wire.after(0);
    if let Some(first) = exchanges.first()
        && let Some(Failure::NotConnected(why)) = &first.failure
    {
        bail!("cannot connect to {}: {why}", first.server);
    }
    let mut deviations: Vec<String> = exchanges.iter().flat_map(Exchange::deviations).collect();
    deviations.extend(record.violations.iter().map(|violation| told::plain(violation)));
    if record.ending == Ending::Endless {
        deviations.push("the chain runs in circles".to_owned());
    }
    Ok(Outcome {
        record,
        exchanges,
        deviations,
    })
}

/// In what two calls differ, if in anything that a caller notices.
fn difference(first: &CallRecord, again: &CallRecord) -> Option<String> {
    let texts = |heard: &[patchbay_simulators::agent4::Heard]| -> Vec<String> {
        heard.iter().map(|heard| heard.text.clone()).collect()
    };
    let parts = [
        ("links", first.links.clone(), again.links.clone()),
        ("prompts", texts(&first.prompts), texts(&again.prompts)),
        ("speech", texts(&first.heard), texts(&again.heard)),
        ("text messages", first.texts.clone(), again.texts.clone()),
        (
            "end",
            vec![told::ending(&first.ending)],
            vec![told::ending(&again.ending)],
        ),
    ];
    let differs = |(what, first, again): (&str, Vec<String>, Vec<String>)| {
        let index = (0..first.len().max(again.len())).find(|index| first.get(*index) != again.get(*index))?;
        let shown = |texts: &[String]| {
            texts
                .get(index)
                .map_or_else(|| "nothing".to_owned(), |text| format!("“{text}”"))
        };
        Some(format!("{what}: {} instead of {}", shown(&again), shown(&first)))
    };
    parts.into_iter().find_map(differs).map(|text| told::plain(&text))
}

/// Tells a call while it goes on.
struct Teller<'a, 'b> {
    wire: Wire,
    /// How many exchanges are told.
    told: usize,
    is_interactive: bool,
    output: &'a mut Output<'b>,
}

impl Teller<'_, '_> {
    /// The document for programs comes at the end; whoever types must still read what to answer.
    fn say(&mut self, line: &str) -> anyhow::Result<()> {
        if !self.output.is_json() {
            self.output.line(line)?;
        } else if self.is_interactive {
            writeln!(io::stderr(), "{line}")?;
        }
        Ok(())
    }

    fn catch_up(&mut self) -> anyhow::Result<()> {
        for exchange in self.wire.after(self.told) {
            self.told += 1;
            for line in told::lines(&exchange) {
                self.say(&line)?;
            }
        }
        Ok(())
    }

    fn ask(&mut self, turn: &Turn<'_>, answers: &mut Answers<'_>) -> anyhow::Result<Move> {
        self.catch_up()?;
        if self.is_interactive {
            write!(io::stderr(), "> ")?;
        }
        answers.next(turn.parameters, &mut |slip| {
            self.say(slip)?;
            write!(io::stderr(), "> ")?;
            Ok(())
        })
    }
}

fn report(outcome: &Outcome, comparisons: &[Comparison], output: &mut Output<'_>) -> anyhow::Result<()> {
    if output.is_json() {
        output.json(&document(outcome, comparisons))?;
        return Ok(());
    }
    output.line(format!(
        "{} {}",
        style("end:").bold(),
        told::ending(&outcome.record.ending)
    ))?;
    for comparison in comparisons {
        let name = comparison.doubt.name();
        let mut found: Vec<&String> = comparison.difference.iter().collect();
        found.extend(&comparison.deviations);
        if found.is_empty() {
            output.line(format!("{}    {name}", style("ok").green()))?;
        }
        for what in found {
            output.line(format!("{} {name}: {what}", style("other").yellow()))?;
        }
    }
    for deviation in &outcome.deviations {
        output.line(format!("{} {deviation}", style("deviation:").red().bold()))?;
    }
    output.line(match outcome.deviations.len() {
        0 => style("no deviation from the contract".to_owned()).green().to_string(),
        count => format!("{} from the contract", counted(count, "deviation", "deviations")),
    })?;
    Ok(())
}

fn document(outcome: &Outcome, comparisons: &[Comparison]) -> Value {
    let record = &outcome.record;
    let heard = |heard: &[patchbay_simulators::agent4::Heard]| -> Vec<Value> {
        let one = |heard: &patchbay_simulators::agent4::Heard| json!({ "link": heard.link, "text": heard.text });
        heard.iter().map(one).collect()
    };
    let mut document = json!({
        "ending": told::ending_name(&record.ending),
        "end": told::ending(&record.ending),
        "links": record.links,
        "prompts": heard(&record.prompts),
        "heard": heard(&record.heard),
        "texts": record.texts,
        "emails": record.emails,
        "triggers": record.triggers,
        "notifications": record.notifications,
        "state": record.state,
        "exchanges": outcome.exchanges.iter().map(Exchange::json).collect::<Vec<_>>(),
        "deviations": outcome.deviations,
    });
    let doubts: Map<String, Value> = comparisons
        .iter()
        .map(|comparison| {
            let found = json!({ "difference": comparison.difference, "deviations": comparison.deviations });
            (comparison.doubt.name(), found)
        })
        .collect();
    if let (Some(fields), false) = (document.as_object_mut(), doubts.is_empty()) {
        fields.insert("doubts".to_owned(), Value::Object(doubts));
    }
    document
}
