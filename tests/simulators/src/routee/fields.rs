//! Reading a JSON object field by field, and finding fault with it as the provider does: every problem at once.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};
use url::Url;

/// What is wrong with a request: path of the field and message, as in the provider's `properties`.
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

/// An object of a request and where it stands in it.
pub(super) struct Object<'a> {
    path: String,
    map: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    /// `value` as an object, or a problem.
    pub(super) fn of(path: impl Into<String>, value: &'a Value, problems: &mut Problems) -> Option<Self> {
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

    /// A field; null counts as missing.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// Finds fault with fields that are not documented, if this provider does.
    pub(super) fn only(&self, known: &[&str], problems: &mut Problems) {
        if problems.refuses_unknown {
            for key in self.map.keys().filter(|key| !known.contains(&key.as_str())) {
                problems.add(self.path(key), "is not a known field");
            }
        }
    }

    /// An object in this one.
    pub(super) fn object(&self, key: &str, problems: &mut Problems) -> Option<Self> {
        self.get(key)
            .and_then(|value| Self::of(self.path(key), value, problems))
    }

    /// A text.
    pub(super) fn text(&self, key: &str, problems: &mut Problems) -> Option<&'a str> {
        let text = self.get(key)?.as_str();
        if text.is_none() {
            problems.add(self.path(key), "must be a string");
        }
        text
    }

    /// A text that must be there and not be empty.
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

    /// A text that must be one of these.
    pub(super) fn choice(&self, key: &str, choices: &[&str], problems: &mut Problems) -> Option<&'a str> {
        let text = self.text(key, problems)?;
        if choices.contains(&text) {
            return Some(text);
        }
        problems.add(self.path(key), &format!("must be one of {}", choices.join(", ")));
        None
    }

    /// An absolute http or https URL.
    pub(super) fn url(&self, key: &str, problems: &mut Problems) -> Option<String> {
        let text = self.text(key, problems)?;
        if Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            return Some(text.to_owned());
        }
        problems.add(self.path(key), "must be a URL");
        None
    }

    /// A whole number in a range.
    pub(super) fn whole(&self, key: &str, range: &RangeInclusive<i64>, problems: &mut Problems) -> Option<i64> {
        let number = self.get(key)?.as_i64().filter(|number| range.contains(number));
        if number.is_none() {
            let message = format!("must be a whole number from {} to {}", range.start(), range.end());
            problems.add(self.path(key), &message);
        }
        number
    }

    /// A boolean, which may also be written as a string: the provider's own samples do (section 4).
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
