//! Documents as text: YAML or JSON, with the line and column of everything in it.

mod json;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// A place in a text, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// Something that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Where, such as `rules[0].fetch[1].url`; empty for the whole document.
    pub path: String,
    /// Where in the text, when there is a text.
    pub place: Option<Place>,
    /// What is wrong.
    pub detail: String,
}

impl Issue {
    /// Something at a path.
    pub fn new(path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            place: None,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.place {
            write!(f, "{line}:{column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.detail)
    }
}

/// A text that has been read: what it says, and where.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it says.
    pub value: Value,
    places: BTreeMap<String, Place>,
}

impl Source {
    /// Reads JSON, or YAML 1.2 without anchors, aliases and tags.
    ///
    /// # Errors
    /// The first thing that cannot be read, with its place.
    pub fn parse(text: &str) -> Result<Self, Issue> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match serde_json::from_str(text) {
            Ok(value) => Ok(Self {
                value,
                places: json::places(text),
            }),
            Err(error) if text.trim_start().starts_with('{') => {
                let place = Place {
                    line: error.line(),
                    column: error.column(),
                };
                Err(Issue {
                    path: String::new(),
                    place: Some(place),
                    detail: format!("not JSON: {error}"),
                })
            }
            Err(_) => yaml::read(text),
        }
    }

    /// Where `path` is; where the nearest thing around it is, if it is not there itself.
    pub fn place(&self, path: &str) -> Option<Place> {
        let mut path = path;
        loop {
            if let Some(place) = self.places.get(path) {
                return Some(*place);
            }
            let end = path.rfind(['.', '[']).unwrap_or(0);
            if path.is_empty() {
                return None;
            }
            path = &path[..end];
        }
    }

    /// `issue` with its place.
    pub fn placed(&self, issue: Issue) -> Issue {
        Issue {
            place: issue.place.or_else(|| self.place(&issue.path)),
            ..issue
        }
    }
}

/// The path of a field inside `path`.
pub fn field(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The path of an element inside `path`.
pub fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}
