//! `patchbay link call`: runs the simulated Agent4 over HTTP against a link server, patchbay or another. The person at
//! the terminal acts as the model and the caller.

mod answers;
mod recorder;
mod render;
#[cfg(test)]
mod tests;
mod variant;

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

use self::answers::AnswerReader;
use self::recorder::{Exchange, ExchangeFailure, Recorder, WAIT_LIMIT};
use self::variant::ContractVariant;
use crate::api::is_loopback;
use crate::aws::block_on;
use crate::output::{Output, counted};

/// Options of `patchbay link call`.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// URL of the server: https, or http on this machine
    #[arg(value_parser = parse_url)]
    url: String,
    /// Names of the links, in order; NAME=URL for a link with a URL of its own
    #[arg(long, required = true, value_delimiter = ',', value_parser = parse_link)]
    links: Vec<Link>,
    /// Read the answers from a file, one per line, instead of stdin
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Number of the caller: E.164, or `anonymous`
    #[arg(long, default_value = "+12025550143", value_parser = parse_number)]
    caller: String,
    /// Number that was called
    #[arg(long, default_value = "+12025550100", value_parser = parse_number)]
    line: String,
    /// Metadata of the portal, NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    metadata: Vec<(String, String)>,
    /// Deviate from the simulated Agent4 in these points, where the contract is open
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME")]
    variant: Vec<ContractVariant>,
    /// Repeat the call with the same answers under each variant of the contract, and report what changes
    #[arg(long, conflicts_with = "variant")]
    all_variants: bool,
}

/// A link, and its own URL if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    name: String,
    url: Option<String>,
}

/// Parses the URL of a server. What a caller said must not travel in plain text, so `http://` is accepted only for this
/// machine.
fn parse_url(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|_| "not a URL".to_owned())?;
    let host = uri.host().unwrap_or_default();
    match uri.scheme_str() {
        Some("https") => Ok(text.to_owned()),
        Some("http") if is_loopback(host) => Ok(text.to_owned()),
        Some("http") => Err("http:// is only for this machine: use https://".to_owned()),
        _ => Err("must begin with https:// (or, on this machine, http://)".to_owned()),
    }
}

fn parse_link(text: &str) -> Result<Link, String> {
    let (name, url) = match text.split_once('=') {
        Some((name, url)) => (name, Some(parse_url(url)?)),
        None => (text, None),
    };
    let name = name.trim().to_owned();
    if name.is_empty() {
        return Err("a link must have a name".to_owned());
    }
    Ok(Link { name, url })
}

fn parse_number(text: &str) -> Result<String, String> {
    if text == "anonymous" {
        return Ok(text.to_owned());
    }
    let number = PhoneNumber::parse(text).map_err(|error| error.to_string())?;
    Ok(number.as_str().to_owned())
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn run(options: &Options, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    // Longer than the time-out of an exchange, so that the recorder gives up first.
    let outbound =
        Outbound::new(Targets::any(), WAIT_LIMIT + Duration::from_secs(1)).context("cannot create the HTTP client")?;
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
    let mut answers = AnswerReader::new(&mut *reader, &name, is_interactive);
    block_on(call(options, http, &mut answers, output))
}

/// Result of a call.
struct CallOutcome {
    record: CallRecord,
    exchanges: Vec<Exchange>,
    deviations: Vec<String>,
}

/// Result of repeating the call under a variant of the contract.
struct Comparison {
    variant: ContractVariant,
    difference: Option<String>,
    deviations: Vec<String>,
}

async fn call(
    options: &Options,
    http: HttpClient,
    answers: &mut AnswerReader<'_>,
    output: &mut Output<'_>,
) -> anyhow::Result<ExitCode> {
    let (outcome, moves) = first_call(options, &http, answers, output).await?;
    let mut comparisons = Vec::new();
    if options.all_variants {
        for variant in ContractVariant::value_variants() {
            comparisons.push(compare(options, &http, *variant, &outcome, &moves).await?);
        }
    }
    report(&outcome, &comparisons, output)?;
    let is_unchanged = |comparison: &Comparison| comparison.difference.is_none() && comparison.deviations.is_empty();
    Ok(
        if outcome.deviations.is_empty() && comparisons.iter().all(is_unchanged) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        },
    )
}

/// Makes the call with the answers of the person at the terminal, and prints it as it proceeds. Also returns the moves
/// of that person.
async fn first_call(
    options: &Options,
    http: &HttpClient,
    answers: &mut AnswerReader<'_>,
    output: &mut Output<'_>,
) -> anyhow::Result<(CallOutcome, Vec<Move>)> {
    let recorder = Recorder::new(http.clone());
    let mut printer = CallPrinter {
        recorder: recorder.clone(),
        printed: 0,
        is_interactive: answers.is_interactive(),
        output,
    };
    if answers.is_interactive() {
        printer.print(&style(answers::FORMAT).dim().to_string())?;
    }
    let mut moves = Vec::new();
    let mut failure = None;
    let agent = agent(options, &recorder, &options.variant);
    let record = agent
        .call(&options.caller, |turn| {
            let next = printer.next_move(turn, answers).unwrap_or_else(|error| {
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
    printer.catch_up()?;
    Ok((outcome(record, &recorder)?, moves))
}

/// Repeats the moves under a variant of the contract.
async fn compare(
    options: &Options,
    http: &HttpClient,
    variant: ContractVariant,
    first: &CallOutcome,
    moves: &[Move],
) -> anyhow::Result<Comparison> {
    let recorder = Recorder::new(http.clone());
    let mut moves = moves.iter().cloned();
    let again = agent(options, &recorder, &[variant])
        .call(&options.caller, |_| moves.next().unwrap_or(Move::HangUp))
        .await;
    let again = outcome(again, &recorder)?;
    Ok(Comparison {
        variant,
        difference: difference(&first.record, &again.record),
        // Deviations of the first call are already reported.
        deviations: again
            .deviations
            .into_iter()
            .filter(|deviation| !first.deviations.contains(deviation))
            .collect(),
    })
}

fn agent(options: &Options, recorder: &Recorder, variants: &[ContractVariant]) -> Agent4 {
    let mut switches = Switches {
        metadata: !options.metadata.is_empty(),
        // The recorder gives up first, and records it.
        time_out: WAIT_LIMIT + Duration::from_secs(1),
        ..Switches::default()
    };
    for variant in variants {
        variant.apply(&mut switches);
    }
    let links = options.links.iter().map(|link| PortalLink {
        name: link.name.clone(),
        endpoint: link.url.as_ref().unwrap_or(&options.url).clone(),
    });
    let metadata = options.metadata.iter();
    Agent4 {
        http: HttpClient::new(recorder.clone()),
        switches,
        links: links.collect(),
        metadata: metadata.map(|(name, value)| (name.clone(), json!(value))).collect(),
        line: options.line.clone(),
    }
}

/// Combines the record of the call with its exchanges. Fails if there is no server.
fn outcome(record: CallRecord, recorder: &Recorder) -> anyhow::Result<CallOutcome> {
    let exchanges = recorder.after(0);
    if let Some(first) = exchanges.first()
        && let Some(ExchangeFailure::NotConnected(reason)) = &first.failure
    {
        bail!("cannot connect to {}: {reason}", first.server);
    }
    let mut deviations: Vec<String> = exchanges.iter().flat_map(Exchange::deviations).collect();
    deviations.extend(record.violations.iter().map(|violation| render::plain(violation)));
    if record.ending == Ending::Endless {
        deviations.push("the chain loops forever".to_owned());
    }
    Ok(CallOutcome {
        record,
        exchanges,
        deviations,
    })
}

/// The first difference between two calls that a caller would notice.
fn difference(first: &CallRecord, again: &CallRecord) -> Option<String> {
    let texts = |heard: &[patchbay_simulators::agent4::Utterance]| -> Vec<String> {
        heard.iter().map(|heard| heard.text.clone()).collect()
    };
    let parts = [
        ("links", first.links.clone(), again.links.clone()),
        ("prompts", texts(&first.prompts), texts(&again.prompts)),
        ("speech", texts(&first.heard), texts(&again.heard)),
        ("text messages", first.texts.clone(), again.texts.clone()),
        (
            "end",
            vec![render::ending(&first.ending)],
            vec![render::ending(&again.ending)],
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
    parts.into_iter().find_map(differs).map(|text| render::plain(&text))
}

/// Prints a call while it proceeds.
struct CallPrinter<'a, 'b> {
    recorder: Recorder,
    /// Number of exchanges that are printed.
    printed: usize,
    is_interactive: bool,
    output: &'a mut Output<'b>,
}

impl CallPrinter<'_, '_> {
    /// With JSON output the document is printed at the end, so an interactive user gets the progress on stderr.
    fn print(&mut self, line: &str) -> anyhow::Result<()> {
        if !self.output.is_json() {
            self.output.line(line)?;
        } else if self.is_interactive {
            writeln!(io::stderr(), "{line}")?;
        }
        Ok(())
    }

    fn catch_up(&mut self) -> anyhow::Result<()> {
        for exchange in self.recorder.after(self.printed) {
            self.printed += 1;
            for line in render::lines(&exchange) {
                self.print(&line)?;
            }
        }
        Ok(())
    }

    fn next_move(&mut self, turn: &Turn<'_>, answers: &mut AnswerReader<'_>) -> anyhow::Result<Move> {
        self.catch_up()?;
        if self.is_interactive {
            write!(io::stderr(), "> ")?;
        }
        answers.next(turn.parameters, &mut |error| {
            self.print(error)?;
            write!(io::stderr(), "> ")?;
            Ok(())
        })
    }
}

fn report(outcome: &CallOutcome, comparisons: &[Comparison], output: &mut Output<'_>) -> anyhow::Result<()> {
    if output.is_json() {
        output.json(&document(outcome, comparisons))?;
        return Ok(());
    }
    output.line(format!(
        "{} {}",
        style("end:").bold(),
        render::ending(&outcome.record.ending)
    ))?;
    for comparison in comparisons {
        let name = comparison.variant.name();
        let mut found: Vec<&String> = comparison.difference.iter().collect();
        found.extend(&comparison.deviations);
        if found.is_empty() {
            output.line(format!("{}    {name}", style("ok").green()))?;
        }
        for what in found {
            output.line(format!("{} {name}: {what}", style("diff ").yellow()))?;
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

fn document(outcome: &CallOutcome, comparisons: &[Comparison]) -> Value {
    let record = &outcome.record;
    let heard = |heard: &[patchbay_simulators::agent4::Utterance]| -> Vec<Value> {
        let one = |heard: &patchbay_simulators::agent4::Utterance| json!({ "link": heard.link, "text": heard.text });
        heard.iter().map(one).collect()
    };
    let mut document = json!({
        "ending": render::ending_name(&record.ending),
        "end": render::ending(&record.ending),
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
    let variants: Map<String, Value> = comparisons
        .iter()
        .map(|comparison| {
            let found = json!({ "difference": comparison.difference, "deviations": comparison.deviations });
            (comparison.variant.name(), found)
        })
        .collect();
    if let (Some(fields), false) = (document.as_object_mut(), variants.is_empty()) {
        fields.insert("variants".to_owned(), Value::Object(variants));
    }
    document
}
