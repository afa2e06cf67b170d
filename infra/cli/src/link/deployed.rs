//! Documents at a deployment, by its API.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use clap::Args;
use http::{Method, StatusCode, Uri};
use patchbay::http::{HttpClient, Response};
use patchbay::ids::ChainName;
use patchbay::web::outbound::Outbound;
use patchbay::web::target::Targets;
use serde_json::{Value, json};

use super::document;
use crate::aws::block_on;
use crate::input::{self, STDIN};
use crate::output::Output;

/// Longest time that the API may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Which deployment.
#[derive(Args)]
pub(super) struct Api {
    /// Base URL of the API (output `ApiUrl` of the stack)
    #[arg(long, env = "PATCHBAY_API", value_parser = base)]
    api: String,
    /// A token with the scopes links:read and links:write; - reads it from stdin
    #[arg(long, env = "PATCHBAY_TOKEN", hide_env_values = true)]
    token: String,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("api", &self.api).finish_non_exhaustive()
    }
}

/// A URL that a token may be sent to: nobody else reads it on its way.
fn base(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|_| "not a URL".to_owned())?;
    let host = uri.host().unwrap_or_default();
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if is_loopback(host) => {}
        Some("http") => {
            return Err(format!(
                "the token would travel to {host} in plain text: use https:// (http:// is for this machine only)"
            ));
        }
        _ => return Err("must begin with https://".to_owned()),
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Whether a host's name stands for this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

pub(super) fn push(
    file: &Path,
    chain: Option<&str>,
    expect: Option<i64>,
    portal: bool,
    api: &Api,
    output: &mut Output<'_>,
) -> anyhow::Result<ExitCode> {
    ensure!(
        file != Path::new(STDIN) || api.token != STDIN,
        "document and token cannot both be read from stdin"
    );
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let name = name(chain.unwrap_or(stem))?;
    let text = document::read(file)?;
    if document::sound(file, &text, output)?.is_none() {
        return Ok(ExitCode::FAILURE);
    }
    let mut headers = vec![("content-type", "application/yaml".to_owned())];
    headers.extend(expect.map(|version| ("if-match", format!("\"{version}\""))));
    let answer = ask(api, Method::PUT, &format!("/v1/links/{name}"), &headers, text.into())?;
    let (version, endpoint) = (field(&answer, "version"), field(&answer, "endpoint"));
    if portal {
        let names = answer.get("links").and_then(Value::as_array);
        let link = |name: &Value| json!({ "name": name, "endpoint": endpoint });
        let links: Vec<Value> = names.into_iter().flatten().map(link).collect();
        output.json(&links)?;
        return Ok(ExitCode::SUCCESS);
    }
    if output.is_json() {
        output.json(&json!({ "chain": name.to_string(), "version": version, "endpoint": endpoint }))?;
    } else {
        output.line(format!("{name}: version {version}"))?;
        let endpoint = endpoint.as_str().unwrap_or_default();
        output.line(format!("endpoint of every link in Agent4's portal: {endpoint}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn pull(chain: &str, file: Option<&Path>, api: &Api, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let name = name(chain)?;
    let answer = ask(api, Method::GET, &format!("/v1/links/{name}"), &[], Bytes::new())?;
    let (version, document) = (field(&answer, "version"), field(&answer, "document"));
    let warnings = field(&answer, "warnings");
    for warning in warnings.as_array().into_iter().flatten() {
        // Not among what may be redirected into a file.
        eprintln!(
            "would be refused today: {}: {}",
            text(warning, "field"),
            text(warning, "detail")
        );
    }
    let Some(file) = file else {
        if output.is_json() {
            output.json(&json!({
                "chain": name.to_string(), "version": version, "document": document, "warnings": warnings,
            }))?;
        } else {
            output.json(document)?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    fs::write(file, format!("{document:#}\n")).with_context(|| format!("cannot write {}", file.display()))?;
    let file = file.display();
    if output.is_json() {
        output.json(&json!({
            "chain": name.to_string(), "version": version, "file": file.to_string(), "warnings": warnings,
        }))?;
    } else {
        output.line(format!("{file}: version {version}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn url(chain: &str, portal: bool, api: &Api, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/links/{}/endpoint", name(chain)?);
    let answer = ask(api, Method::GET, &path, &[], Bytes::new());
    let answer = answer.with_context(|| format!("no URL for the chain `{chain}`"))?;
    let url = text(&answer, "endpoint");
    if portal {
        let links = field(&answer, "links");
        ensure!(
            links.is_array(),
            "this deployment is too old for --portal: it tells no links"
        );
        output.json(links)?;
    } else if output.is_json() {
        output.json(&json!({ "url": url }))?;
    } else {
        output.line(url)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn name(text: &str) -> anyhow::Result<ChainName> {
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
    let url = format!("{}{path}", api.api);
    let token = input::secret(&api.token, io::stdin().lock())?;
    let mut request = http::Request::builder()
        .method(method)
        .uri(&url)
        .header("authorization", format!("Bearer {}", token.expose()));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(body).context("--api or the token cannot be sent")?;
    let response = block_on(async {
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
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use super::*;
    use crate::output::Format;

    #[test]
    fn a_problem_of_the_api_is_an_error() {
        let mut response = Response::new(Bytes::from_static(br#"{"title":"No","detail":"not so"}"#));
        *response.status_mut() = StatusCode::CONFLICT;
        let error = read_answer(&response).expect_err("a problem").to_string();
        assert_eq!(error, "409 Conflict: No not so");
    }

    #[test]
    fn a_token_travels_in_plain_text_only_within_this_machine() {
        for good in [
            "https://api.example.org",
            "https://api.example.org/prod/",
            "http://localhost:8080",
            "http://LOCALHOST",
            "http://127.0.0.1:8080/",
            "http://127.8.9.10",
            "http://[::1]:8080",
        ] {
            assert_eq!(base(good), Ok(good.trim_end_matches('/').to_owned()));
        }
        for (bad, says) in [
            ("http://api.example.org", "plain text"),
            ("http://localhost.example.org", "plain text"),
            ("http://127.0.0.1.example.org", "plain text"),
            ("http://127.0.0.1@api.example.org/", "plain text"),
            ("http://10.0.0.1", "plain text"),
            ("http://[::2]", "plain text"),
            ("http://0.0.0.0", "plain text"),
            ("ftp://api.example.org", "must begin with https://"),
            ("api.example.org", "must begin with https://"),
            ("", "not a URL"),
        ] {
            let error = base(bad).expect_err(bad);
            assert!(error.contains(says), "{bad}: {error}");
        }
    }

    /// An API that answers once, and what it was asked.
    fn api(answer: &Value) -> (Api, JoinHandle<String>) {
        api_with("200 OK", answer)
    }

    fn api_with(status: &'static str, answer: &Value) -> (Api, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let api = Api {
            api: base(&format!("http://{}/", listener.local_addr().expect("an address"))).expect("loopback"),
            token: "pb_1".to_owned(),
        };
        let body = answer.to_string();
        let answering = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("somebody");
            let mut asked = Vec::new();
            // A request may come in pieces.
            while !is_whole(&asked) {
                let mut piece = [0; 4_096];
                let length = stream.read(&mut piece).expect("a request");
                assert_ne!(length, 0, "the request ends too early");
                asked.extend_from_slice(&piece[..length]);
            }
            write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
            .expect("an answer");
            String::from_utf8_lossy(&asked).into_owned()
        });
        (api, answering)
    }

    /// Whether a request has come with all of its body.
    fn is_whole(request: &[u8]) -> bool {
        let text = String::from_utf8_lossy(request).to_ascii_lowercase();
        let Some((head, _)) = text.split_once("\r\n\r\n") else {
            return false;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length = length.map_or(0, |length| length.trim().parse().expect("a length"));
        request.len() >= head.len() + 4 + length
    }

    fn said(format: Format, act: impl FnOnce(&mut Output<'_>) -> anyhow::Result<ExitCode>) -> String {
        let mut buffer = Vec::new();
        let code = act(&mut Output::new(&mut buffer, format)).expect("it works");
        assert_eq!(code, ExitCode::SUCCESS);
        String::from_utf8(buffer).expect("text")
    }

    fn json(act: impl FnOnce(&mut Output<'_>) -> anyhow::Result<ExitCode>) -> Value {
        serde_json::from_str(&said(Format::Json, act)).expect("one document")
    }

    #[test]
    fn the_portal_gets_its_array_from_both() {
        let links = json!([{ "name": "a", "endpoint": ENDPOINT }, { "name": "b", "endpoint": ENDPOINT }]);
        let (deployment, _asked) = api(&json!({ "endpoint": ENDPOINT, "links": links }));
        assert_eq!(json(|output| url("orders", true, &deployment, output)), links);
        let (deployment, _asked) = api(&json!({ "version": 3, "endpoint": ENDPOINT, "links": ["a", "b"] }));
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../functions/chain-link/examples/pin.yaml"
        );
        let pushed = said(Format::Text, |output| {
            push(Path::new(file), None, None, true, &deployment, output)
        });
        assert_eq!(serde_json::from_str::<Value>(&pushed).expect("JSON"), links);
    }

    #[test]
    fn a_chain_that_does_not_exist_has_no_url() {
        let problem = json!({ "title": "There is no such thing", "detail": "nothing of this name exists here" });
        let (deployment, _asked) = api_with("404 Not Found", &problem);
        let mut buffer = Vec::new();
        let mut output = Output::new(&mut buffer, Format::Text);
        let error = url("typo", false, &deployment, &mut output).expect_err("no URL");
        let whole = format!("{error:#}");
        assert!(
            whole.contains("`typo`") && whole.contains("There is no such thing"),
            "{whole}"
        );
        assert!(buffer.is_empty());
    }

    const ENDPOINT: &str = "https://hooks.example.org/agent4/main.0/orders";

    #[test]
    fn the_url_is_told_to_people_and_to_programs() {
        let answer = json!({ "endpoint": ENDPOINT });
        let (deployment, asked) = api(&answer);
        assert_eq!(
            said(Format::Text, |output| url("orders", false, &deployment, output)),
            format!("{ENDPOINT}\n")
        );
        let asked = asked.join().expect("asked");
        assert!(asked.starts_with("GET /v1/links/orders/endpoint "), "{asked}");
        assert!(asked.contains("authorization: Bearer pb_1\r\n"), "{asked}");
        let (deployment, _asked) = api(&answer);
        assert_eq!(
            json(|output| url("orders", false, &deployment, output)),
            json!({ "url": ENDPOINT })
        );
    }

    #[test]
    fn a_push_tells_programs_chain_version_and_endpoint() {
        let (deployment, asked) = api(&json!({ "version": 3, "endpoint": ENDPOINT }));
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../functions/chain-link/examples/pin.yaml"
        );
        let told = json(|output| push(Path::new(file), Some("orders"), Some(2), false, &deployment, output));
        assert_eq!(told, json!({ "chain": "orders", "version": 3, "endpoint": ENDPOINT }));
        let asked = asked.join().expect("asked");
        assert!(asked.starts_with("PUT /v1/links/orders "), "{asked}");
        assert!(asked.contains("if-match: \"2\"\r\n"), "{asked}");
    }

    #[test]
    fn a_pull_tells_programs_the_version_too() {
        let warnings = json!([{ "field": "links", "detail": "a chain has 1 to 50 links" }]);
        let answer = json!({ "name": "orders", "version": 3, "document": { "links": [] }, "warnings": warnings });
        let (deployment, _asked) = api(&answer);
        assert_eq!(
            json(|output| pull("orders", None, &deployment, output)),
            json!({ "chain": "orders", "version": 3, "document": { "links": [] }, "warnings": warnings })
        );
        let (deployment, _asked) = api(&answer);
        let told = said(Format::Text, |output| pull("orders", None, &deployment, output));
        assert_eq!(told, "{\n  \"links\": []\n}\n");
    }

    #[test]
    fn document_and_token_cannot_both_come_from_stdin() {
        let deployment = Api {
            api: "https://api.example.org".to_owned(),
            token: STDIN.to_owned(),
        };
        let mut buffer = Vec::new();
        let mut output = Output::new(&mut buffer, Format::Text);
        let error = push(Path::new(STDIN), Some("orders"), None, false, &deployment, &mut output).expect_err("both");
        assert!(error.to_string().contains("cannot both"), "{error}");
    }
}
