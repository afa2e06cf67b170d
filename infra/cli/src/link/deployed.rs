//! Commands for link documents at a deployment, through its API.

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

/// Time-out of a request to the API.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Options that select the deployment.
#[derive(Args)]
pub(super) struct ApiOptions {
    /// Base URL of the API (output `ApiUrl` of the stack)
    #[arg(long, env = "PATCHBAY_API", value_parser = parse_base_url)]
    api: String,
    /// A token with the scopes links:read and links:write; - reads it from stdin
    #[arg(long, env = "PATCHBAY_TOKEN", hide_env_values = true)]
    token: String,
}

impl std::fmt::Debug for ApiOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiOptions")
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

/// Parses a base URL. The token must not travel in plain text, so `http://` is accepted only for this machine.
fn parse_base_url(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|_| "not a URL".to_owned())?;
    let host = uri.host().unwrap_or_default();
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if is_loopback(host) => {}
        Some("http") => {
            return Err(format!(
                "the token would travel to {host} in plain text: use https:// (http:// is only for this machine)"
            ));
        }
        _ => return Err("must begin with https://".to_owned()),
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Whether a host name refers to this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

pub(super) fn push(
    file: &Path,
    chain: Option<&str>,
    expect: Option<i64>,
    portal: bool,
    api: &ApiOptions,
    output: &mut Output<'_>,
) -> anyhow::Result<ExitCode> {
    ensure!(
        file != Path::new(STDIN) || api.token != STDIN,
        "the document and the token cannot both be read from stdin"
    );
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let name = name(chain.unwrap_or(stem))?;
    let text = document::read(file)?;
    if document::parse_or_report(file, &text, output)?.is_none() {
        return Ok(ExitCode::FAILURE);
    }
    let mut headers = vec![("content-type", "application/yaml".to_owned())];
    headers.extend(expect.map(|version| ("if-match", format!("\"{version}\""))));
    let answer = send(api, Method::PUT, &format!("/v1/links/{name}"), &headers, text.into())?;
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
        output.line(format!("endpoint for every link in Agent4's portal: {endpoint}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn pull(
    chain: &str,
    file: Option<&Path>,
    api: &ApiOptions,
    output: &mut Output<'_>,
) -> anyhow::Result<ExitCode> {
    let name = name(chain)?;
    let answer = send(api, Method::GET, &format!("/v1/links/{name}"), &[], Bytes::new())?;
    let (version, document) = (field(&answer, "version"), field(&answer, "document"));
    let warnings = field(&answer, "warnings");
    for warning in warnings.as_array().into_iter().flatten() {
        // To stderr, because stdout may be redirected into a file.
        eprintln!(
            "warning: would be refused on upload: {}: {}",
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

pub(super) fn url(chain: &str, portal: bool, api: &ApiOptions, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/links/{}/endpoint", name(chain)?);
    let answer = send(api, Method::GET, &path, &[], Bytes::new());
    let answer = answer.with_context(|| format!("cannot get the URL of the chain `{chain}`"))?;
    let url = text(&answer, "endpoint");
    if portal {
        let links = field(&answer, "links");
        ensure!(
            links.is_array(),
            "this deployment is too old for --portal: it does not list the links"
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
        .with_context(|| format!("`{text}` is not a valid chain name: set one with --chain"))
}

fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Sends a request to the API. Prints the errors of a problem document to stderr.
fn send(
    api: &ApiOptions,
    method: Method,
    path: &str,
    headers: &[(&str, String)],
    body: Bytes,
) -> anyhow::Result<Value> {
    let url = format!("{}{path}", api.api);
    let token = input::read_secret(&api.token, io::stdin().lock())?;
    let mut request = http::Request::builder()
        .method(method)
        .uri(&url)
        .header("authorization", format!("Bearer {}", token.expose()));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(body).context("--api or the token is not valid")?;
    let response = block_on(async {
        let client = HttpClient::new(Outbound::new(Targets::any(), TIMEOUT)?);
        client.send(request).await.map_err(anyhow::Error::from)
    });
    parse_response(&response.with_context(|| format!("cannot reach {url}"))?)
}

fn parse_response(response: &Response) -> anyhow::Result<Value> {
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
    fn problem_document_becomes_an_error() {
        let mut response = Response::new(Bytes::from_static(br#"{"title":"No","detail":"not so"}"#));
        *response.status_mut() = StatusCode::CONFLICT;
        let error = parse_response(&response).expect_err("a problem").to_string();
        assert_eq!(error, "409 Conflict: No not so");
    }

    #[test]
    fn plain_http_is_only_accepted_for_loopback() {
        for good in [
            "https://api.example.org",
            "https://api.example.org/prod/",
            "http://localhost:8080",
            "http://LOCALHOST",
            "http://127.0.0.1:8080/",
            "http://127.8.9.10",
            "http://[::1]:8080",
        ] {
            assert_eq!(parse_base_url(good), Ok(good.trim_end_matches('/').to_owned()));
        }
        for (bad, expected) in [
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
            let error = parse_base_url(bad).expect_err(bad);
            assert!(error.contains(expected), "{bad}: {error}");
        }
    }

    /// An API that answers one request, and that request.
    fn api(answer: &Value) -> (ApiOptions, JoinHandle<String>) {
        api_with("200 OK", answer)
    }

    fn api_with(status: &'static str, answer: &Value) -> (ApiOptions, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let api = ApiOptions {
            api: parse_base_url(&format!("http://{}/", listener.local_addr().expect("an address"))).expect("loopback"),
            token: "pb_1".to_owned(),
        };
        let body = answer.to_string();
        let answering = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = Vec::new();
            // A request may arrive in several reads.
            while !is_whole(&request) {
                let mut piece = [0; 4_096];
                let length = stream.read(&mut piece).expect("a request");
                assert_ne!(length, 0, "the request ends too early");
                request.extend_from_slice(&piece[..length]);
            }
            write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
            .expect("an answer");
            String::from_utf8_lossy(&request).into_owned()
        });
        (api, answering)
    }

    /// Whether a request with its whole body has arrived.
    fn is_whole(request: &[u8]) -> bool {
        let text = String::from_utf8_lossy(request).to_ascii_lowercase();
        let Some((head, _)) = text.split_once("\r\n\r\n") else {
            return false;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length = length.map_or(0, |length| length.trim().parse().expect("a length"));
        request.len() >= head.len() + 4 + length
    }

    fn output_of(format: Format, act: impl FnOnce(&mut Output<'_>) -> anyhow::Result<ExitCode>) -> String {
        let mut buffer = Vec::new();
        let code = act(&mut Output::new(&mut buffer, format)).expect("it works");
        assert_eq!(code, ExitCode::SUCCESS);
        String::from_utf8(buffer).expect("text")
    }

    fn json(act: impl FnOnce(&mut Output<'_>) -> anyhow::Result<ExitCode>) -> Value {
        serde_json::from_str(&output_of(Format::Json, act)).expect("one document")
    }

    #[test]
    fn push_and_url_print_the_same_array_for_the_portal() {
        let links = json!([{ "name": "a", "endpoint": ENDPOINT }, { "name": "b", "endpoint": ENDPOINT }]);
        let (deployment, _asked) = api(&json!({ "endpoint": ENDPOINT, "links": links }));
        assert_eq!(json(|output| url("orders", true, &deployment, output)), links);
        let (deployment, _asked) = api(&json!({ "version": 3, "endpoint": ENDPOINT, "links": ["a", "b"] }));
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../functions/chain-link/examples/pin.yaml"
        );
        let pushed = output_of(Format::Text, |output| {
            push(Path::new(file), None, None, true, &deployment, output)
        });
        assert_eq!(serde_json::from_str::<Value>(&pushed).expect("JSON"), links);
    }

    #[test]
    fn url_of_an_unknown_chain_is_an_error() {
        let problem = json!({ "title": "The resource does not exist", "detail": "no resource exists at this path" });
        let (deployment, _asked) = api_with("404 Not Found", &problem);
        let mut buffer = Vec::new();
        let mut output = Output::new(&mut buffer, Format::Text);
        let error = url("typo", false, &deployment, &mut output).expect_err("no URL");
        let whole = format!("{error:#}");
        assert!(
            whole.contains("`typo`") && whole.contains("The resource does not exist"),
            "{whole}"
        );
        assert!(buffer.is_empty());
    }

    const ENDPOINT: &str = "https://hooks.example.org/agent4/main.0/orders";

    #[test]
    fn url_is_printed_as_text_and_json() {
        let answer = json!({ "endpoint": ENDPOINT });
        let (deployment, request) = api(&answer);
        assert_eq!(
            output_of(Format::Text, |output| url("orders", false, &deployment, output)),
            format!("{ENDPOINT}\n")
        );
        let request = request.join().expect("a request");
        assert!(request.starts_with("GET /v1/links/orders/endpoint "), "{request}");
        assert!(request.contains("authorization: Bearer pb_1\r\n"), "{request}");
        let (deployment, _asked) = api(&answer);
        assert_eq!(
            json(|output| url("orders", false, &deployment, output)),
            json!({ "url": ENDPOINT })
        );
    }

    #[test]
    fn push_prints_chain_version_and_endpoint_as_json() {
        let (deployment, request) = api(&json!({ "version": 3, "endpoint": ENDPOINT }));
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../functions/chain-link/examples/pin.yaml"
        );
        let output = json(|output| push(Path::new(file), Some("orders"), Some(2), false, &deployment, output));
        assert_eq!(output, json!({ "chain": "orders", "version": 3, "endpoint": ENDPOINT }));
        let request = request.join().expect("a request");
        assert!(request.starts_with("PUT /v1/links/orders "), "{request}");
        assert!(request.contains("if-match: \"2\"\r\n"), "{request}");
    }

    #[test]
    fn pull_prints_the_version_as_json() {
        let warnings = json!([{ "field": "links", "detail": "a chain has 1 to 50 links" }]);
        let answer = json!({ "name": "orders", "version": 3, "document": { "links": [] }, "warnings": warnings });
        let (deployment, _asked) = api(&answer);
        assert_eq!(
            json(|output| pull("orders", None, &deployment, output)),
            json!({ "chain": "orders", "version": 3, "document": { "links": [] }, "warnings": warnings })
        );
        let (deployment, _asked) = api(&answer);
        let output = output_of(Format::Text, |output| pull("orders", None, &deployment, output));
        assert_eq!(output, "{\n  \"links\": []\n}\n");
    }

    #[test]
    fn document_and_token_cannot_both_come_from_stdin() {
        let deployment = ApiOptions {
            api: "https://api.example.org".to_owned(),
            token: STDIN.to_owned(),
        };
        let mut buffer = Vec::new();
        let mut output = Output::new(&mut buffer, Format::Text);
        let error = push(Path::new(STDIN), Some("orders"), None, false, &deployment, &mut output).expect_err("both");
        assert!(error.to_string().contains("cannot both"), "{error}");
    }
}
