//! Documents in files, of whatever kind: read, checked, written as examples, and written to a deployment.

pub(crate) mod deployed;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use http::Method;
use patchbay::flow::{CompiledDocument, Document, Issue};
use patchbay::ids::DocumentName;
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::{Api, field, text};
use crate::input::STDIN;
use crate::output::{Output, counted};

/// An issue in JSON output.
#[derive(Debug, Serialize)]
struct IssueReport<'a> {
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    /// Path in the document, such as `links[0].name`. Empty for the whole document.
    path: &'a str,
    message: &'a str,
}

impl<'a> IssueReport<'a> {
    fn new(file: &Path, issue: &'a Issue) -> Self {
        Self {
            file: file.display().to_string(),
            line: issue.position.map(|position| position.line),
            column: issue.position.map(|position| position.column),
            path: &issue.path,
            message: &issue.detail,
        }
    }
}

/// `FILE:LINE:COLUMN: PATH: DETAIL`, the format that editors recognize.
fn line(file: &Path, issue: &Issue) -> String {
    let separator = if issue.position.is_some() { ":" } else { ": " };
    format!("{}{separator}{issue}", file.display())
}

/// The text of a file, or of stdin if its name is `-`.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    if path == Path::new(STDIN) {
        return std::io::read_to_string(std::io::stdin()).context("cannot read from stdin");
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Parses the document in a file. Reports the issues and returns none if it has any.
pub(crate) fn parse_or_report<D: Document>(
    file: &Path,
    text: &str,
    output: &mut Output<'_>,
) -> anyhow::Result<Option<CompiledDocument<D>>> {
    match CompiledDocument::read(text) {
        Ok(document) => Ok(Some(document)),
        Err(issues) => {
            report_issues(file, &issues, output)?;
            Ok(None)
        }
    }
}

/// Reports what is wrong with a file.
pub(crate) fn report_issues(file: &Path, issues: &[Issue], output: &mut Output<'_>) -> anyhow::Result<()> {
    if output.is_json() {
        let issues: Vec<_> = issues.iter().map(|issue| IssueReport::new(file, issue)).collect();
        return Ok(output.json(&json!({ "issues": issues }))?);
    }
    for issue in issues {
        eprintln!("{}", line(file, issue));
    }
    eprintln!("{}: {}", file.display(), counted(issues.len(), "error", "errors"));
    Ok(())
}

/// Writes the files of an example: a document, and its sample if it has one. None of them may exist yet.
pub(crate) fn write_example(files: &[(&Path, &str)]) -> anyhow::Result<()> {
    for (file, _) in files {
        ensure!(!file.exists(), "{} already exists", file.display());
    }
    for (file, text) in files {
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// Writes a document to a deployment, if `expect` is its current version there or none is given.
pub(crate) async fn put(api: &Api, path: &str, text: String, expect: Option<i64>) -> anyhow::Result<Value> {
    let mut headers = vec![("content-type", "application/yaml".to_owned())];
    headers.extend(if_match(expect));
    api.send(Method::PUT, path, &headers, text.into()).await
}

/// The header for a request that is to succeed only if `expect` is the current version.
pub(crate) fn if_match(expect: Option<i64>) -> Option<(&'static str, String)> {
    expect.map(|version| ("if-match", format!("\"{version}\"")))
}

/// Writes a document that was read from a deployment into `file`, or to the output. `kind` and `name` say which it is.
pub(crate) fn write_pulled(
    (kind, name): (&str, &DocumentName),
    answer: &Value,
    file: Option<&Path>,
    output: &mut Output<'_>,
) -> anyhow::Result<()> {
    let (version, document) = (field(answer, "version"), field(answer, "document"));
    let warnings = field(answer, "warnings");
    for warning in warnings.as_array().into_iter().flatten() {
        // To stderr, because stdout may be redirected into a file.
        eprintln!(
            "warning: would be refused on upload: {}: {}",
            text(warning, "field"),
            text(warning, "detail")
        );
    }
    let Some(file) = file else {
        if !output.is_json() {
            return Ok(output.json(document)?);
        }
        return Ok(output.json(&json!({
            kind: name.to_string(), "version": version, "document": document, "warnings": warnings,
        }))?);
    };
    fs::write(file, format!("{document:#}\n")).with_context(|| format!("cannot write {}", file.display()))?;
    let file = file.display();
    if output.is_json() {
        return Ok(output.json(&json!({
            kind: name.to_string(), "version": version, "file": file.to_string(), "warnings": warnings,
        }))?);
    }
    Ok(output.line(format!("{file}: version {version}"))?)
}

/// Files that a test removes at its end.
#[cfg(test)]
pub(crate) mod testing {
    use std::path::PathBuf;

    use super::*;

    /// A temporary file that is removed when the test ends.
    pub(crate) struct TempFile(pub(crate) PathBuf);

    impl TempFile {
        pub(crate) fn new(name: &str, text: Option<&str>) -> Self {
            let path = std::env::temp_dir().join(format!("patchbay-{}-{name}", std::process::id()));
            if let Some(text) = text {
                fs::write(&path, text).expect("written");
            }
            Self(path)
        }
    }

    impl Drop for TempFile {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use patchbay::flow::Position;

    use super::testing::TempFile;
    use super::*;

    #[test]
    fn issue_is_printed_in_the_format_of_editors() {
        let mut issue = Issue::new("links[0].name", "is wrong");
        let file = Path::new("a.yaml");
        assert_eq!(line(file, &issue), "a.yaml: links[0].name: is wrong");
        issue.position = Some(Position { line: 3, column: 5 });
        assert_eq!(line(file, &issue), "a.yaml:3:5: links[0].name: is wrong");
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let (document, sample) = (
            TempFile::new("kept.yaml", None),
            TempFile::new("kept.sample.json", Some("mine")),
        );
        let error = write_example(&[(&document.0, "new"), (&sample.0, "new")]).expect_err("it exists");
        assert!(
            error.to_string().ends_with("kept.sample.json already exists"),
            "{error}"
        );
        assert!(!document.0.exists());
        assert_eq!(fs::read_to_string(&sample.0).expect("a file"), "mine");
    }
}
