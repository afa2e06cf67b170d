//! `patchbay link`: documents of task chains, on this machine and at a deployment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use clap::{Args, Subcommand, ValueEnum};
use http::{Method, StatusCode};
use patchbay::chain::{Chain, Issue, sample};
use patchbay::http::{HttpClient, Response};
use patchbay::ids::ChainName;
use patchbay::web::outbound::Outbound;
use patchbay::web::target::Targets;
use serde_json::Value;

/// Longest time that the API may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// What can be said about links.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a document on this machine: every error with its line
    Check {
        /// YAML or JSON
        file: PathBuf,
    },
    /// Try a document on this machine: what would be answered to a request
    Test {
        /// YAML or JSON
        file: PathBuf,
        /// JSON: {"request": as Agent4 posts it, "fetch": {NAME: {"status": 200, "json": ...}}}; - reads it from stdin
        sample: PathBuf,
    },
    /// Write an example
    New {
        /// Which one
        example: Example,
        /// Where to; NAME.yaml when left out
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Check a document and write it to a deployment
    Push {
        /// YAML or JSON
        file: PathBuf,
        /// Name of the chain; the file's name without its ending when left out
        #[arg(long)]
        chain: Option<String>,
        /// Only if this version is there
        #[arg(long)]
        expect: Option<i64>,
        #[command(flatten)]
        api: Api,
    },
    /// Read a document from a deployment, as JSON: comments stay in your own copy
    Pull {
        /// Name of the chain
        chain: String,
        /// Where to; the terminal when left out
        file: Option<PathBuf>,
        #[command(flatten)]
        api: Api,
    },
    /// Show the URL that goes into Agent4's portal; whoever has it can call the chain
    Url {
        /// Name of the chain
        chain: String,
        #[command(flatten)]
        api: Api,
    },
}

/// Which deployment.
#[derive(Debug, Args)]
struct Api {
    /// Base URL of the API (output `ApiUrl` of the stack)
    #[arg(long, env = "PATCHBAY_API")]
    api: String,
    /// A token with the scopes links:read and links:write
    #[arg(long, env = "PATCHBAY_TOKEN", hide_env_values = true)]
    token: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Example {
    /// Order status from `ShipStation`
    Shipstation,
    /// Let in who knows a PIN
    Pin,
    /// Let in who can read a text message
    Sms,
}

impl Example {
    const fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::Shipstation => (
                "shipstation.yaml",
                include_str!("../../../functions/chain-link/examples/shipstation.yaml"),
            ),
            Self::Pin => (
                "pin.yaml",
                include_str!("../../../functions/chain-link/examples/pin.yaml"),
            ),
            Self::Sms => (
                "sms.yaml",
                include_str!("../../../functions/chain-link/examples/sms.yaml"),
            ),
        }
    }
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    match &options.command {
        Command::Check { file } => Ok(check(file)?.map_or(ExitCode::FAILURE, |chain| {
            let links: Vec<&str> = chain.document().links.iter().map(|link| link.name.as_str()).collect();
            println!("{}: sound; links: {}", file.display(), links.join(", "));
            ExitCode::SUCCESS
        })),
        Command::Test { file, sample } => test(file, sample),
        Command::New { example, file } => new(*example, file.as_deref()),
        Command::Push {
            file,
            chain,
            expect,
            api,
        } => push(file, chain.as_deref(), *expect, api),
        Command::Pull { chain, file, api } => pull(chain, file.as_deref(), api),
        Command::Url { chain, api } => url(chain, api),
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        return std::io::read_to_string(std::io::stdin()).context("cannot read from stdin");
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The chain in a file; none when it is not sound, which is then said.
fn check(file: &Path) -> anyhow::Result<Option<Chain>> {
    let text = read(file)?;
    match Chain::read(&text) {
        Ok(chain) => Ok(Some(chain)),
        Err(issues) => {
            for issue in &issues {
                eprintln!("{}", line(file, issue));
            }
            eprintln!("{}: {} to mend", file.display(), issues.len());
            Ok(None)
        }
    }
}

/// `FILE:LINE:COLUMN: PATH: DETAIL`, the form that editors find their way by.
fn line(file: &Path, issue: &Issue) -> String {
    let separator = if issue.place.is_some() { ":" } else { ": " };
    format!("{}{separator}{issue}", file.display())
}

fn test(file: &Path, sample: &Path) -> anyhow::Result<ExitCode> {
    let Some(chain) = check(file)? else {
        return Ok(ExitCode::FAILURE);
    };
    let sample = serde_json::from_str(&read(sample)?).context("the sample is not what it must be")?;
    let tried = sample::run(&chain, &sample)?;
    println!("{}", serde_json::to_string_pretty(&tried)?);
    Ok(if tried.trouble.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn new(example: Example, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let (name, text) = example.parts();
    let file = file.unwrap_or_else(|| Path::new(name));
    ensure!(!file.exists(), "{} is there already", file.display());
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    println!(
        "{}: written; read its first lines, then: patchbay link push {0}",
        file.display()
    );
    Ok(ExitCode::SUCCESS)
}

fn push(file: &Path, chain: Option<&str>, expect: Option<i64>, api: &Api) -> anyhow::Result<ExitCode> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let name = name(chain.unwrap_or(stem))?;
    if check(file)?.is_none() {
        return Ok(ExitCode::FAILURE);
    }
    let mut headers = vec![("content-type", "application/yaml".to_owned())];
    headers.extend(expect.map(|version| ("if-match", format!("\"{version}\""))));
    let answer = ask(
        api,
        Method::PUT,
        &format!("/v1/links/{name}"),
        &headers,
        read(file)?.into(),
    )?;
    println!("{name}: version {}", field(&answer, "version"));
    println!(
        "endpoint of every link in Agent4's portal: {}",
        text(&answer, "endpoint")
    );
    Ok(ExitCode::SUCCESS)
}

fn pull(chain: &str, file: Option<&Path>, api: &Api) -> anyhow::Result<ExitCode> {
    let answer = ask(
        api,
        Method::GET,
        &format!("/v1/links/{}", name(chain)?),
        &[],
        Bytes::new(),
    )?;
    let document = format!("{:#}\n", field(&answer, "document"));
    match file {
        None => print!("{document}"),
        Some(file) => {
            fs::write(file, document).with_context(|| format!("cannot write {}", file.display()))?;
            println!("{}: version {}", file.display(), field(&answer, "version"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn url(chain: &str, api: &Api) -> anyhow::Result<ExitCode> {
    let answer = ask(
        api,
        Method::GET,
        &format!("/v1/links/{}/endpoint", name(chain)?),
        &[],
        Bytes::new(),
    )?;
    println!("{}", text(&answer, "endpoint"));
    Ok(ExitCode::SUCCESS)
}

fn name(text: &str) -> anyhow::Result<ChainName> {
    text.parse()
        .with_context(|| format!("`{text}` is not a name: use --chain"))
}

fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Asks the API, and says what it does not like.
fn ask(api: &Api, method: Method, path: &str, headers: &[(&str, String)], body: Bytes) -> anyhow::Result<Value> {
    let url = format!("{}{path}", api.api.trim_end_matches('/'));
    let mut request = http::Request::builder()
        .method(method)
        .uri(&url)
        .header("authorization", format!("Bearer {}", api.token.trim()));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(body).context("--api or the token cannot be sent")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    let response = runtime.block_on(async {
        let client = HttpClient::new(Outbound::new(Targets::any(), TIMEOUT)?);
        client.send(request).await.map_err(anyhow::Error::from)
    });
    read_answer(&response.with_context(|| format!("{url} does not answer"))?)
}

fn read_answer(response: &Response) -> anyhow::Result<Value> {
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    if response.status() == StatusCode::OK || response.status() == StatusCode::CREATED {
        return Ok(body);
    }
    for error in body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        eprintln!("{}: {}", text(error, "field"), text(error, "detail"));
    }
    bail!(
        "{}: {} {}",
        response.status(),
        text(&body, "title"),
        text(&body, "detail")
    )
}

#[cfg(test)]
mod tests {
    use patchbay::chain::Place;

    use super::*;

    #[test]
    fn an_issue_is_told_as_editors_want_it() {
        let mut issue = Issue::new("links[0].name", "is wrong");
        let file = Path::new("a.yaml");
        assert_eq!(line(file, &issue), "a.yaml: links[0].name: is wrong");
        issue.place = Some(Place { line: 3, column: 5 });
        assert_eq!(line(file, &issue), "a.yaml:3:5: links[0].name: is wrong");
    }

    #[test]
    fn every_example_can_be_pushed_as_it_is() {
        for example in [Example::Shipstation, Example::Pin, Example::Sms] {
            let (file, text) = example.parts();
            assert!(Chain::read(text).is_ok(), "{file}");
            assert!(name(file.trim_end_matches(".yaml")).is_ok());
        }
    }

    #[test]
    fn a_problem_of_the_api_is_an_error() {
        let mut response = Response::new(Bytes::from_static(br#"{"title":"No","detail":"not so"}"#));
        *response.status_mut() = StatusCode::CONFLICT;
        let error = read_answer(&response).expect_err("a problem").to_string();
        assert_eq!(error, "409 Conflict: No not so");
    }
}
