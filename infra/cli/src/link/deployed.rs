//! Commands for link documents at a deployment, through its API.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use patchbay::chain::Document;
use patchbay::ids::DocumentName;
use serde_json::{Value, json};

use crate::api::{ApiOptions, field, text};
use crate::aws::block_on;
use crate::documents::{self, parse_or_report};
use crate::input::STDIN;
use crate::output::Output;

pub(super) fn push(
    file: &Path,
    chain: Option<&str>,
    expect: Option<i64>,
    portal: bool,
    api: &ApiOptions,
    output: &mut Output<'_>,
) -> anyhow::Result<ExitCode> {
    ensure!(
        file != Path::new(STDIN) || !api.reads_stdin(),
        "the document and the token cannot both be read from stdin"
    );
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let name = name(chain.unwrap_or(stem))?;
    let text = documents::read(file)?;
    if parse_or_report::<Document>(file, &text, output)?.is_none() {
        return Ok(ExitCode::FAILURE);
    }
    let path = format!("/v1/links/{name}");
    let answer = block_on(async { documents::put(&api.connect()?, &path, text, expect).await })?;
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
    let answer = get(api, &format!("/v1/links/{name}"))?;
    documents::write_pulled(("chain", &name), &answer, file, output)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn url(chain: &str, portal: bool, api: &ApiOptions, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/links/{}/endpoint", name(chain)?);
    let answer = get(api, &path).with_context(|| format!("cannot get the URL of the chain `{chain}`"))?;
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

pub(super) fn name(text: &str) -> anyhow::Result<DocumentName> {
    text.parse()
        .with_context(|| format!("`{text}` is not a valid chain name: set one with --chain"))
}

fn get(api: &ApiOptions, path: &str) -> anyhow::Result<Value> {
    block_on(async { api.connect()?.get(path).await })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::{api, api_with, token_from_stdin};
    use crate::output::Format;

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
        let deployment = token_from_stdin();
        let mut buffer = Vec::new();
        let mut output = Output::new(&mut buffer, Format::Text);
        let error = push(Path::new(STDIN), Some("orders"), None, false, &deployment, &mut output).expect_err("both");
        assert!(error.to_string().contains("cannot both"), "{error}");
    }
}
