//! Reads the fields of a request's JSON, and collects every error and every unknown field.

use serde_json::{Map, Value};

use crate::field::FieldError;
use crate::lenient_json::REPLACEMENT;

/// Most errors in one answer.
pub(crate) const MAX_ERRORS: usize = 50;
/// Most unknown fields that are listed.
pub(crate) const MAX_IGNORED: usize = 20;
/// Longest path of an unknown field, in characters: its name is the client's text.
const MAX_PATH_CHARS: usize = 200;

/// The fields that a request has and we do not know. They have no effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgnoredFields {
    /// Their paths, such as `agentOverride.mood`: the first 20, each cut to 200 printable characters.
    pub paths: Vec<String>,
    /// How many more there are.
    pub omitted: usize,
}

impl IgnoredFields {
    fn add(&mut self, path: &str) {
        if self.paths.len() >= MAX_IGNORED {
            self.omitted += 1;
            return;
        }
        let printable = path.chars().map(|c| if c.is_control() { REPLACEMENT } else { c });
        self.paths.push(printable.take(MAX_PATH_CHARS).collect());
    }
}

/// What a text may consist of.
#[derive(Clone, Copy)]
pub(crate) struct TextRule {
    /// Most characters.
    pub(crate) max_chars: usize,
    /// Checks the text, and tells what is expected otherwise.
    pub(crate) check: fn(&str) -> Result<(), &'static str>,
}

impl TextRule {
    /// Prose: any text.
    pub(crate) const fn prose(max_chars: usize) -> Self {
        Self {
            max_chars,
            check: |_| Ok(()),
        }
    }

    /// A text on one line.
    pub(crate) const fn line(max_chars: usize) -> Self {
        Self { max_chars, check: line }
    }

    /// A text that identifies a person or thing: with a character that cannot be read it would identify another one.
    pub(crate) const fn identifying(max_chars: usize, check: fn(&str) -> Result<(), &'static str>) -> Self {
        Self { max_chars, check }
    }
}

fn line(text: &str) -> Result<(), &'static str> {
    if text.chars().any(char::is_control) {
        return Err("must have no control characters");
    }
    Ok(())
}

/// Checks a text that identifies something, and has no other form.
pub(crate) fn readable(text: &str) -> Result<(), &'static str> {
    if text.chars().any(|c| c.is_control() || c == REPLACEMENT) {
        return Err("must have no control characters and no characters that cannot be read");
    }
    Ok(())
}

/// What was collected while a request was read.
#[derive(Default)]
pub(crate) struct Findings {
    errors: Vec<FieldError>,
    pub(crate) ignored: IgnoredFields,
}

impl Findings {
    /// Adds an error. An answer has [`MAX_ERRORS`] of them at most.
    pub(crate) fn error(&mut self, path: impl Into<String>, detail: impl Into<String>) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(FieldError::new(path, detail));
        }
    }

    /// The value that was read, if there are no errors.
    ///
    /// # Errors
    /// All errors.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<(T, IgnoredFields), Vec<FieldError>> {
        match value {
            Some(value) if self.errors.is_empty() => Ok((value, self.ignored)),
            _ => Err(self.errors),
        }
    }
}

/// An object at `path`.
pub(crate) struct Object<'a> {
    fields: &'a Map<String, Value>,
    path: String,
}

impl<'a> Object<'a> {
    /// The object `value` at `path`. Fields that are not `known` are noted as ignored.
    pub(crate) fn read(value: &'a Value, path: &str, known: &[&str], findings: &mut Findings) -> Option<Self> {
        let Value::Object(fields) = value else {
            findings.error(
                if path.is_empty() { "(body)" } else { path },
                mismatch("an object", value),
            );
            return None;
        };
        let object = Self {
            fields,
            path: path.to_owned(),
        };
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            findings.ignored.add(&object.path_of(name));
        }
        Some(object)
    }

    /// The path of a field.
    pub(crate) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            return name.to_owned();
        }
        format!("{}.{name}", self.path)
    }

    /// The value of a field. A missing field and null are the same.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// The object in a field, if it is there.
    pub(crate) fn object(&self, name: &str, known: &[&str], findings: &mut Findings) -> Option<Object<'a>> {
        Object::read(self.value(name)?, &self.path_of(name), known, findings)
    }

    /// A text that may be missing. A blank text counts as missing: forms send those for what nobody filled in.
    pub(crate) fn text(&self, name: &str, rule: TextRule, findings: &mut Findings) -> Option<String> {
        self.blank_or_text(name, rule, findings)
            .filter(|text| !text.trim().is_empty())
    }

    /// A text that may be missing or blank.
    pub(crate) fn blank_or_text(&self, name: &str, rule: TextRule, findings: &mut Findings) -> Option<String> {
        text_at(self.value(name)?, &self.path_of(name), rule, findings)
    }

    /// Whether a field is there, whatever it has, and is not blank.
    pub(crate) fn has(&self, name: &str) -> bool {
        let is_blank = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
        self.value(name).is_some_and(|value| !is_blank(value))
    }

    /// A text that must be there and must not be blank.
    pub(crate) fn required_text(&self, name: &str, rule: TextRule, findings: &mut Findings) -> Option<String> {
        if !self.has(name) {
            findings.error(self.path_of(name), "is missing");
            return None;
        }
        self.text(name, rule, findings)
    }

    /// A number that may be missing.
    pub(crate) fn number(&self, name: &str, findings: &mut Findings) -> Option<f64> {
        let value = self.value(name)?;
        let number = value.as_f64();
        if number.is_none() {
            findings.error(self.path_of(name), mismatch("a number", value));
        }
        number
    }
}

/// The text `value` at `path`; `None` after an error.
pub(crate) fn text_at(value: &Value, path: &str, rule: TextRule, findings: &mut Findings) -> Option<String> {
    let Value::String(text) = value else {
        findings.error(path, mismatch("a string", value));
        return None;
    };
    let chars = text.chars().count();
    if chars > rule.max_chars {
        let most = rule.max_chars;
        findings.error(path, format!("must have at most {most} characters, has {chars}"));
        return None;
    }
    // A blank text counts as missing.
    if text.trim().is_empty() {
        return Some(text.clone());
    }
    if let Err(expected) = (rule.check)(text) {
        findings.error(path, expected);
        return None;
    }
    Some(text.clone())
}

/// What was expected, and the type of what was found. Never the value: it may be a phone number.
pub(crate) fn mismatch(expected: &str, found: &Value) -> String {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    format!("expected {expected}, found {found}")
}
