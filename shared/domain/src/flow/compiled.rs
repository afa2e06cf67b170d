//! A document that passed the check, ready to evaluate.

use std::fmt::Debug;

use serde_json::Value;

use super::check::Checker;
use super::reply::Document;
use super::source::{Issue, Source};
use super::template::Templates;
use crate::field::expected;

/// Maximum size of a document in bytes, as text and as stored JSON: a DynamoDB item has at most 400 KB.
pub const MAX_DOCUMENT: usize = 350 * 1024;
/// Maximum number of issues reported at once.
const MAX_ISSUES: usize = 50;

/// A document that passed the check, with its compiled templates.
#[derive(Clone, Debug)]
pub struct CompiledDocument<D: Document> {
    document: D,
    templates: Templates,
    prepared: D::Prepared,
}

impl<D: Document> CompiledDocument<D> {
    /// Parses YAML or JSON, checks and compiles it.
    ///
    /// # Errors
    /// Everything that is wrong with the document, with lines.
    pub fn read(text: &str) -> Result<Self, Vec<Issue>> {
        if text.len() > MAX_DOCUMENT {
            return Err(vec![Issue::new("", format!("has more than {MAX_DOCUMENT} bytes"))]);
        }
        let source = Source::parse(text).map_err(|issue| vec![issue])?;
        let located = |issues: Vec<Issue>| {
            let mut issues: Vec<Issue> = issues.into_iter().map(|issue| source.locate(issue)).collect();
            issues.sort_by_key(|issue| issue.position);
            issues
        };
        Self::from_value(&source.value).map_err(located)
    }

    /// Checks and compiles a document.
    ///
    /// # Errors
    /// Everything that is wrong with the document.
    pub fn from_value(value: &Value) -> Result<Self, Vec<Issue>> {
        Self::compile(value, false)
    }

    /// Compiles a document that was checked when it was uploaded. Checks that were added since then are skipped: a
    /// stricter patchbay must not silence a document that answers.
    ///
    /// # Errors
    /// What prevents the document from answering.
    pub fn from_stored(value: &Value) -> Result<Self, Vec<Issue>> {
        Self::compile(value, true)
    }

    fn compile(value: &Value, is_stored: bool) -> Result<Self, Vec<Issue>> {
        let document: D = deserialize(value)?;
        let mut checker = Checker::new(document.scratch(), is_stored);
        document.check(&mut checker);
        let (templates, mut issues) = checker.finish();
        if issues.is_empty() {
            let prepared = document.prepare(&templates, is_stored, &mut issues);
            if issues.is_empty() {
                return Ok(Self {
                    document,
                    templates,
                    prepared,
                });
            }
        }
        issues.truncate(MAX_ISSUES);
        Err(issues)
    }

    /// The document as uploaded.
    pub const fn document(&self) -> &D {
        &self.document
    }

    /// What the application computed for the document.
    pub const fn prepared(&self) -> &D::Prepared {
        &self.prepared
    }

    /// The compiled templates.
    pub const fn templates(&self) -> &Templates {
        &self.templates
    }
}

fn deserialize<D: Document>(value: &Value) -> Result<D, Vec<Issue>> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        vec![Issue::new(path, describe(&error.into_inner().to_string()))]
    })
}

/// The message of serde, without the names of Rust types.
fn describe(message: &str) -> String {
    if message.contains("expected struct ") {
        return "must be an object with the fields of the schema".to_owned();
    }
    if message.starts_with("invalid ") {
        return expected(message);
    }
    message.to_owned()
}
