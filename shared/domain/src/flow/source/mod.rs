//! Parses documents, YAML or JSON, and records the line and column of every value.

mod json;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// A position in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Position {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
}

/// An error in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Path of the value, such as `rules[0].fetch[1].url`. Empty for the whole document.
    pub path: String,
    /// Position in the text. None for a document that did not come as text.
    pub position: Option<Position>,
    /// What is wrong.
    pub detail: String,
}

impl Issue {
    /// An issue at `path`, without a position.
    pub fn new(path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            position: None,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.position {
            write!(f, "{line}:{column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.detail)
    }
}

/// A parsed text, with the positions of its values.
#[derive(Clone, Debug)]
pub struct Source {
    /// The parsed value.
    pub value: Value,
    positions: BTreeMap<String, Position>,
}

impl Source {
    /// Parses JSON, or YAML 1.2 without anchors, aliases and tags.
    ///
    /// # Errors
    /// The first syntax error, with its position.
    pub fn parse(text: &str) -> Result<Self, Issue> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match serde_json::from_str(text) {
            Ok(value) => Ok(Self {
                value,
                positions: json::positions(text),
            }),
            Err(error) if text.trim_start().starts_with('{') => {
                let position = Position {
                    line: error.line(),
                    column: error.column(),
                };
                Err(Issue {
                    path: String::new(),
                    position: Some(position),
                    detail: format!("not JSON: {error}"),
                })
            }
            Err(_) => yaml::read(text),
        }
    }

    /// The position of `path`, or of its nearest ancestor that has one.
    pub fn position(&self, path: &str) -> Option<Position> {
        let mut path = path;
        loop {
            if let Some(position) = self.positions.get(path) {
                return Some(*position);
            }
            let end = path.rfind(['.', '[']).unwrap_or(0);
            if path.is_empty() {
                return None;
            }
            path = &path[..end];
        }
    }

    /// `issue` with the position of its path, unless it has one.
    pub fn locate(&self, issue: Issue) -> Issue {
        Issue {
            position: issue.position.or_else(|| self.position(&issue.path)),
            ..issue
        }
    }
}

/// The path of field `name` of `path`.
pub fn field(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The path of element `index` of `path`.
pub fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}
