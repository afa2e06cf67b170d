//! Documents at a deployment, through its API, where a command has the name of a document as its first argument.

use std::path::Path;
use std::process::ExitCode;

use anyhow::ensure;
use bytes::Bytes;
use http::Method;
use patchbay::flow::{CompiledDocument, Document, Issue};
use patchbay::ids::DocumentName;
use serde_json::{Value, json};

use crate::api::{Api, ApiOptions, field, text};
use crate::aws::block_on;
use crate::input::STDIN;
use crate::output::Output;

/// The documents of one kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Collection {
    /// What one of them is called, also in the API.
    pub(crate) kind: &'static str,
    /// What all of them are called, also in the API.
    pub(crate) kinds: &'static str,
    /// Everything that is wrong with a text.
    pub(crate) check: fn(&str) -> Result<(), Vec<Issue>>,
    /// When a written document takes effect.
    pub(crate) takes_effect: &'static str,
    /// What follows when a document is gone.
    pub(crate) without: &'static str,
}

/// Everything that is wrong with the text of a document of this kind.
pub(crate) fn check<D: Document>(text: &str) -> Result<(), Vec<Issue>> {
    CompiledDocument::<D>::read(text).map(drop)
}

impl Collection {
    /// Writes the document in a file, unless anything is wrong with it.
    pub(crate) fn push(
        &self,
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
        let text = super::read(file)?;
        if let Err(issues) = (self.check)(&text) {
            super::report_issues(file, &issues, output)?;
            return Ok(ExitCode::FAILURE);
        }
        let answer = block_on(async { super::put(&api.connect()?, &self.path(name), text, expect).await })?;
        let version = field(&answer, "version");
        if output.is_json() {
            output.json(&json!({ self.kind: name.to_string(), "version": version }))?;
        } else {
            let takes_effect = self.takes_effect;
            output.line(format!("{name}: version {version}, {takes_effect}"))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    pub(crate) fn list(&self, api: &ApiOptions, output: &mut Output<'_>) -> anyhow::Result<ExitCode> {
        let documents = block_on(async { self.all(&api.connect()?).await })?;
        if output.is_json() {
            output.json(&json!({ self.kinds: documents }))?;
            return Ok(ExitCode::SUCCESS);
        }
        if documents.is_empty() {
            output.line(format!("the deployment has no {}", self.kinds))?;
            return Ok(ExitCode::SUCCESS);
        }
        let row = |document: &Value| {
            let moment = text(document, "updated_at").replacen('T', " ", 1);
            [
                text(document, self.kind).to_owned(),
                field(document, "version").to_string(),
                moment.chars().take(19).collect(),
            ]
        };
        let rows: Vec<_> = documents.iter().map(row).collect();
        output.table([&self.kind.to_uppercase(), "VERSION", "WRITTEN"], &rows)?;
        Ok(ExitCode::SUCCESS)
    }

    /// All documents of the deployment, page by page.
    async fn all(&self, api: &Api) -> anyhow::Result<Vec<Value>> {
        let kinds = self.kinds;
        let mut documents = Vec::new();
        let mut path = format!("/v1/{kinds}?limit=200");
        loop {
            let page = api.get(&path).await?;
            let found = page.get(kinds).and_then(Value::as_array);
            documents.extend(found.into_iter().flatten().cloned());
            match page.get("next_cursor").and_then(Value::as_str) {
                Some(cursor) => path = format!("/v1/{kinds}?limit=200&cursor={cursor}"),
                None => return Ok(documents),
            }
        }
    }

    pub(crate) fn show(
        &self,
        name: &DocumentName,
        file: Option<&Path>,
        api: &ApiOptions,
        output: &mut Output<'_>,
    ) -> anyhow::Result<ExitCode> {
        let answer = block_on(async { api.connect()?.get(&self.path(name)).await })?;
        super::write_pulled((self.kind, name), &answer, file, output)?;
        Ok(ExitCode::SUCCESS)
    }

    pub(crate) fn delete(
        &self,
        name: &DocumentName,
        expect: Option<i64>,
        api: &ApiOptions,
        output: &mut Output<'_>,
    ) -> anyhow::Result<ExitCode> {
        let condition: Vec<_> = super::if_match(expect).into_iter().collect();
        block_on(async {
            let api = api.connect()?;
            api.send(Method::DELETE, &self.path(name), &condition, Bytes::new())
                .await
        })?;
        if output.is_json() {
            output.json(&json!({ self.kind: name.to_string(), "deleted": true }))?;
        } else {
            output.line(format!("{name}: deleted; {}", self.without))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn path(&self, name: &DocumentName) -> String {
        format!("/v1/{}/{name}", self.kinds)
    }
}
