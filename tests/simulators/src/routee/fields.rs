//! Parses JSON objects field by field, and collects all validation problems of a request, as the provider does.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};
use url::Url;

/// Validation problems of a request: message by path of the field, as in the provider's `properties`.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: BTreeMap<String, String>,
    refuses_unknown: bool,
}

impl Problems {
    pub(super) const fn new(refuses_unknown: bool) -> Self {
        Self {
            found: BTreeMap::new(),
            refuses_unknown,
        }
    }

    pub(super) fn add(&mut self, path: impl Into<String>, message: &str) {
        self.found.insert(path.into(), message.to_owned());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn into_json(self) -> Value {
        self.found
            .into_iter()
            .map(|(path, message)| (path, Value::String(message)))
            .collect::<Map<_, _>>()
            .into()
    }
}

/// An object in a request, with its path.
pub(super) struct Object<'a> {
    path: String,
    map: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    /// `value` as an object. If it is none, adds a problem.
    pub(super) fn parse(path: impl Into<String>, value: &'a Value, problems: &mut Problems) -> Option<Self> {
        let path = path.into();
        let Some(map) = value.as_object() else {
            problems.add(path, "must be an object");
            return None;
        };
        Some(Self { path, map })
    }

    /// The full path of a field.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// A field. Null counts as missing.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// Adds a problem for each undocumented field, if this provider is strict.
    pub(super) fn reject_unknown(&self, known: &[&str], problems: &mut Problems) {
        if problems.refuses_unknown {
            for key in self.map.keys().filter(|key| !known.contains(&key.as_str())) {
                problems.add(self.path(key), "is not a known field");
            }
        }
    }

    /// A nested object.
    pub(super) fn object(&self, key: &str, problems: &mut Problems) -> Option<Self> {
        self.get(key)
            .and_then(|value| Self::parse(self.path(key), value, problems))
    }

    /// A string field.
    pub(super) fn text(&self, key: &str, problems: &mut Problems) -> Option<&'a str> {
        let text = self.get(key)?.as_str();
        if text.is_none() {
            problems.add(self.path(key), "must be a string");
        }
        text
    }

    /// A required, non-empty string field.
    pub(super) fn required_text(&self, key: &str, problems: &mut Problems) -> Option<&'a str> {
        if self.get(key).is_some_and(|value| !value.is_string()) {
            problems.add(self.path(key), "must be a string");
            return None;
        }
        let text = self.text(key, problems).filter(|text| !text.trim().is_empty());
        if text.is_none() {
            problems.add(self.path(key), "may not be empty");
        }
        text
    }

    /// A string field that must be one of `choices`.
    pub(super) fn choice(&self, key: &str, choices: &[&str], problems: &mut Problems) -> Option<&'a str> {
        let text = self.text(key, problems)?;
        if choices.contains(&text) {
            return Some(text);
        }
        problems.add(self.path(key), &format!("must be one of {}", choices.join(", ")));
        None
    }

    /// A field with an absolute http or https URL.
    pub(super) fn url(&self, key: &str, problems: &mut Problems) -> Option<String> {
        let text = self.text(key, problems)?;
        if Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            return Some(text.to_owned());
        }
        problems.add(self.path(key), "must be a URL");
        None
    }

    /// An integer field in a range.
    pub(super) fn integer(&self, key: &str, range: &RangeInclusive<i64>, problems: &mut Problems) -> Option<i64> {
        let number = self.get(key)?.as_i64().filter(|number| range.contains(number));
        if number.is_none() {
            let message = format!("must be a whole number from {} to {}", range.start(), range.end());
            problems.add(self.path(key), &message);
        }
        number
    }

    /// A boolean field. It may also be a string, as in the provider's samples (4).
    pub(super) fn boolean(&self, key: &str, problems: &mut Problems) -> bool {
        match self.get(key) {
            None => false,
            Some(Value::Bool(value)) => *value,
            Some(Value::String(text)) if text == "true" => true,
            Some(Value::String(text)) if text == "false" => false,
            Some(_) => {
                problems.add(self.path(key), "must be true or false");
                false
            }
        }
    }
}
