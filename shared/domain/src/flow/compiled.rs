//! A document that has been checked, ready to answer.

use std::fmt::Debug;

use serde_json::Value;

use super::check::Checker;
use super::reply::Document;
use super::source::{Issue, Source};
use super::template::Templates;
use crate::field::expected;

/// Most bytes of a document, as text and as it is kept: an item of the table has 400 KB.
pub const MAX_DOCUMENT: usize = 350 * 1024;
/// Most issues that are told at once.
const MAX_ISSUES: usize = 50;

/// A document that has been checked, and its templates.
#[derive(Clone, Debug)]
pub struct Compiled<D> {
    document: D,
    templates: Templates,
}

impl<D: Document> Compiled<D> {
    /// Reads YAML or JSON, checks and compiles it.
    ///
    /// # Errors
    /// Everything that is wrong with it, with lines.
    pub fn read(text: &str) -> Result<Self, Vec<Issue>> {
        if text.len() > MAX_DOCUMENT {
            return Err(vec![Issue::new("", format!("has more than {MAX_DOCUMENT} bytes"))]);
        }
        let source = Source::parse(text).map_err(|issue| vec![issue])?;
        let placed = |issues: Vec<Issue>| {
            let mut issues: Vec<Issue> = issues.into_iter().map(|issue| source.placed(issue)).collect();
            issues.sort_by_key(|issue| issue.place);
            issues
        };
        Self::from_value(&source.value).map_err(placed)
    }

    /// Checks and compiles a document.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_value(value: &Value) -> Result<Self, Vec<Issue>> {
        Self::compile(value, false)
    }

    /// Compiles a document that was checked when it was uploaded. What has been refused only since then is taken: a
    /// stricter patchbay must not silence a document that answers.
    ///
    /// # Errors
    /// What keeps it from answering.
    pub fn from_kept(value: &Value) -> Result<Self, Vec<Issue>> {
        Self::compile(value, true)
    }

    fn compile(value: &Value, is_kept: bool) -> Result<Self, Vec<Issue>> {
        let document: D = deserialized(value)?;
        let mut checker = Checker::new(document.notes(), is_kept);
        document.check(&mut checker);
        let (templates, mut issues) = checker.done();
        if issues.is_empty() {
            return Ok(Self { document, templates });
        }
        issues.truncate(MAX_ISSUES);
        Err(issues)
    }

    /// The document.
    pub const fn document(&self) -> &D {
        &self.document
    }

    /// Its templates.
    pub const fn templates(&self) -> &Templates {
        &self.templates
    }
}

fn deserialized<D: Document>(value: &Value) -> Result<D, Vec<Issue>> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        vec![Issue::new(path, in_words(&error.into_inner().to_string()))]
    })
}

/// What serde says, without the names of our types.
fn in_words(message: &str) -> String {
    if message.contains("expected struct ") {
        return "must be an object with the fields that the schema names".to_owned();
    }
    if message.starts_with("invalid ") {
        return expected(message);
    }
    message.to_owned()
}
