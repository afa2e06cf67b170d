//! Commands for bot documents at a deployment, through its API.

use std::path::Path;
use std::process::ExitCode;

use anyhow::ensure;
use bytes::Bytes;
use http::Method;
use patchbay::bot::Document;
use patchbay::ids::DocumentName;
use serde_json::{Value, json};

use crate::api::{Api, ApiOptions, field, text};
use crate::aws::block_on;
use crate::documents::{self, parse_or_report};
use crate::input::STDIN;
use crate::output::Output;

pub(super) fn push(
    name: &DocumentName,
    file: &Path,
    expect: Option<i64>,
    api: &ApiOptions,
    output: &mut Output<'_>,
) -> anyhow::Result<ExitCode> {
    ensure!(
        file != Path::new(STDIN) || !api.reads_stdin(),
        "the document and the token cannot both be read from stdin"
    );
    let text = documents::read(file)?;
    if parse_or_report::<Document>(file, &text, output)?.is_none() {
        return Ok(ExitCode::FAILURE);
    }
    let answer = block_on(async { documents::put(&api.connect()?, &path(name), text, expect).await })?;
    let version = field(&answer, "version");
    if output.is_json() {
        output.json(&json!({ "bot": name.to_string(), "version": version }))?;
    } else {
        output.line(format!("{name}: version {version}, in effect from the next message on"))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn list(api: &ApiOptions, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
    let bots = block_on(async { all(&api.connect()?).await })?;
    if output.is_json() {
        output.json(&json!({ "bots": bots }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if bots.is_empty() {
        output.line("the deployment has no bots")?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |bot: &Value| {
        let moment = text(bot, "updated_at").replacen('T', " ", 1).chars().take(19).collect();
        [text(bot, "bot").to_owned(), field(bot, "version").to_string(), moment]
    };
    let rows: Vec<_> = bots.iter().map(row).collect();
    output.table(["BOT", "VERSION", "WRITTEN"], &rows)?;
    Ok(ExitCode::SUCCESS)
}

/// All bots of the deployment, page by page.
async fn all(api: &Api) -> anyhow::Result<Vec<Value>> {
    let mut bots = Vec::new();
    let mut path = "/v1/bots?limit=200".to_owned();
    loop {
        let page = api.get(&path).await?;
        bots.extend(
            page.get("bots")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .cloned(),
        );
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(cursor) => path = format!("/v1/bots?limit=200&cursor={cursor}"),
            None => return Ok(bots),
        }
    }
}

pub(super) fn show(
    name: &DocumentName,
    file: Option<&Path>,
    api: &ApiOptions,
    output: &mut Output<'_>,
) -> anyhow::Result<ExitCode> {
    let answer = block_on(async { api.connect()?.get(&path(name)).await })?;
    documents::write_pulled(("bot", name), &answer, file, output)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn delete(
    name: &DocumentName,
    expect: Option<i64>,
    api: &ApiOptions,
    output: &mut Output<'_>,
) -> anyhow::Result<ExitCode> {
    let condition: Vec<_> = documents::if_match(expect).into_iter().collect();
    block_on(async {
        let api = api.connect()?;
        api.send(Method::DELETE, &path(name), &condition, Bytes::new()).await
    })?;
    if output.is_json() {
        output.json(&json!({ "bot": name.to_string(), "deleted": true }))?;
    } else {
        output.line(format!(
            "{name}: deleted; nobody answers its inboxes until another bot does"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn path(name: &DocumentName) -> String {
    format!("/v1/bots/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::{api, api_with, token_from_stdin};
    use crate::output::Format;

    const FILE: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../functions/responder/examples/opening-hours.yaml"
    );

    fn name() -> DocumentName {
        "shop".parse().expect("a name")
    }

    fn output_of(format: Format, act: impl FnOnce(&mut Output<'_>) -> anyhow::Result<ExitCode>) -> String {
        console::set_colors_enabled(false);
        let mut buffer = Vec::new();
        let code = act(&mut Output::new(&mut buffer, format)).expect("it works");
        assert_eq!(code, ExitCode::SUCCESS);
        String::from_utf8(buffer).expect("text")
    }

    fn json_of(act: impl FnOnce(&mut Output<'_>) -> anyhow::Result<ExitCode>) -> Value {
        serde_json::from_str(&output_of(Format::Json, act)).expect("one document")
    }

    #[test]
    fn push_writes_the_document_on_condition_of_its_version() {
        let (deployment, request) = api(&json!({ "bot": "shop", "version": 3 }));
        let report = json_of(|output| push(&name(), Path::new(FILE), Some(2), &deployment, output));
        assert_eq!(report, json!({ "bot": "shop", "version": 3 }));
        let request = request.join().expect("a request");
        assert!(request.starts_with("PUT /v1/bots/shop "), "{request}");
        assert!(request.contains("if-match: \"2\"\r\n"), "{request}");
    }

    #[test]
    fn a_document_with_errors_is_not_sent() {
        let file = crate::documents::testing::TempFile::new("bot.yaml", Some("nonsense: 1\n"));
        let mut buffer = Vec::new();
        let mut output = Output::new(&mut buffer, Format::Json);
        let code = push(&name(), &file.0, None, &token_from_stdin(), &mut output).expect("a report");
        assert_eq!(code, ExitCode::FAILURE);
        let report: Value = serde_json::from_slice(&buffer).expect("one document");
        assert_eq!(report["issues"].as_array().expect("a list").len(), 1, "{report}");
    }

    #[test]
    fn list_follows_the_pages() {
        let bot = json!({ "bot": "shop", "version": 3, "updated_at": "2026-11-23T20:15:00.000Z" });
        let (deployment, request) = api(&json!({ "bots": [bot], "next_cursor": null }));
        let shown = output_of(Format::Text, |output| list(&deployment, output));
        assert_eq!(
            shown,
            "BOT   VERSION  WRITTEN\n\
             shop  3        2026-11-23 20:15:00\n"
        );
        let request = request.join().expect("a request");
        assert!(request.starts_with("GET /v1/bots?limit=200 "), "{request}");
    }

    #[test]
    fn show_prints_the_document_and_json_its_version_too() {
        let answer = json!({ "bot": "shop", "version": 3, "document": { "faq": {} }, "warnings": [] });
        let (deployment, _request) = api(&answer);
        let shown = output_of(Format::Text, |output| show(&name(), None, &deployment, output));
        assert_eq!(shown, "{\n  \"faq\": {}\n}\n");
        let (deployment, _request) = api(&answer);
        assert_eq!(json_of(|output| show(&name(), None, &deployment, output)), answer);
    }

    #[test]
    fn delete_names_a_bot_that_does_not_exist() {
        let (deployment, request) = api_with("204 No Content", &json!(""));
        let report = json_of(|output| delete(&name(), None, &deployment, output));
        assert_eq!(report, json!({ "bot": "shop", "deleted": true }));
        assert!(request.join().expect("a request").starts_with("DELETE /v1/bots/shop "));
        let problem = json!({ "title": "The resource does not exist", "detail": "no resource exists at this path" });
        let (deployment, _request) = api_with("404 Not Found", &problem);
        let mut buffer = Vec::new();
        let error = delete(&name(), None, &deployment, &mut Output::new(&mut buffer, Format::Text)).expect_err("none");
        assert!(error.to_string().contains("does not exist"), "{error}");
    }
}
