//! Renders values according to the kind of template.

use std::io;

use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Error, ErrorKind, Output, State, Value};
use percent_encoding::utf8_percent_encode;

use super::value::store;
use super::{Kind, TemplateError};
use crate::json_number::normalize_numbers;
use crate::percent::ALL_BUT_UNRESERVED;
use crate::speech;

/// Marks a blank value in a URL until the whole URL is known. No other part of a URL has this character.
const BLANK_MARK: &str = "\0";

/// Renders a value as the kind of template requires. A value that is marked as safe is escaped too.
pub(super) fn format(output: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let AutoEscape::Custom(kind) = state.auto_escape() else {
        return Err(ErrorKind::BadEscape.into());
    };
    if kind == Kind::Expression.name() {
        return store(state, value);
    }
    let text = to_text(value).ok_or(ErrorKind::BadEscape)?;
    let written = if kind == Kind::Speech.name() {
        output.write_str(&spoken(&text))
    } else if kind == Kind::Message.name() {
        output.write_str(&readable(&text))
    } else if kind == Kind::Url.name() {
        if text.trim().is_empty() {
            output
                .write_str(BLANK_MARK)
                .map_err(|_| Error::from(ErrorKind::WriteFailure))?;
        }
        output.write_fmt(format_args!("{}", utf8_percent_encode(&text, ALL_BUT_UNRESERVED)))
    } else if kind == Kind::Line.name() {
        output.write_str(&one_line(&text, |_| false))
    } else {
        output.write_str(&text)
    };
    written.map_err(|_| ErrorKind::WriteFailure.into())
}

/// A string, number or boolean as text. None for any other value.
pub(super) fn to_text(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    match value.kind() {
        // As in JSON, not as in Python.
        ValueKind::Bool => Some(value.is_true().to_string()),
        // `3.0` and the quotient of 6 and 2 become 3.
        ValueKind::Number => match serde_json::to_value(value).map(normalize_numbers) {
            Ok(number @ serde_json::Value::Number(_)) => Some(number.to_string()),
            _ => Some(value.to_string()),
        },
        _ => None,
    }
}

/// `text` prepared for speech.
pub(super) fn spoken(text: &str) -> String {
    one_line(&speech::plain(text), |c| matches!(c, '<' | '>'))
}

/// `text` for a chat, with its lines: without control characters and marks that change the direction of text.
pub(super) fn readable(text: &str) -> String {
    let kept = |c: &char| matches!(c, '\n' | '\t') || !(c.is_control() || is_direction(*c));
    text.chars().filter(kept).collect::<String>().trim().to_owned()
}

/// `text` as a single line without the characters that are `unwanted`: the words of a caller must neither begin a new
/// line of a prompt nor be markup for a voice.
fn one_line(text: &str, unwanted: impl Fn(char) -> bool) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if !(c.is_control() || c.is_whitespace() || unwanted(c) || is_separator(c)) {
            line.push(c);
        } else if !line.ends_with(' ') {
            line.push(' ');
        }
    }
    line.trim().to_owned()
}

/// Line and paragraph separators, and marks that change the direction of text.
const fn is_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}') || is_direction(c)
}

/// Marks that change the direction of text.
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A rendered URL without the marks of its blank values.
///
/// # Errors
/// When a blank value leaves a path segment empty: that would be another URL.
pub(super) fn finish_url(marked: &str) -> Result<String, TemplateError> {
    let path = marked.split(['?', '#']).next().unwrap_or_default();
    let is_empty = |segment: &str| segment.contains(BLANK_MARK) && is_blank(&segment.replace(BLANK_MARK, ""));
    if path.split('/').any(is_empty) {
        return Err(TemplateError(
            "a blank value leaves a segment of the URL path empty".into(),
        ));
    }
    Ok(marked.replace(BLANK_MARK, ""))
}

/// Whether a percent-encoded path segment has nothing but white space.
fn is_blank(segment: &str) -> bool {
    let is_encoded = segment.bytes().all(|byte| byte == b'%' || byte.is_ascii_hexdigit());
    let pair = format!("x={segment}");
    is_encoded && url::form_urlencoded::parse(pair.as_bytes()).all(|(_, text)| text.trim().is_empty())
}

/// A writer that fails when its limit is exceeded.
pub(super) struct BoundedWriter {
    pub(super) text: Vec<u8>,
    pub(super) limit: usize,
}

impl io::Write for &mut BoundedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > self.limit {
            return Err(io::Error::other("limit exceeded"));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
