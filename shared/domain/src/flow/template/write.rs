//! How a value is written where its template stands.

use std::io;

use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Error, ErrorKind, Output, State, Value};
use percent_encoding::utf8_percent_encode;

use super::value::keep;
use super::{Kind, TemplateError};
use crate::number::by_value;
use crate::percent::ALL_BUT_UNRESERVED;
use crate::speech;

/// Stands before a blank value in a URL until it is known where that is. No other part of a URL has such a character.
const BLANK: &str = "\0";

/// Writes a value as the kind of template wants it. That a value calls itself safe changes nothing.
pub(super) fn format(output: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let AutoEscape::Custom(kind) = state.auto_escape() else {
        return Err(ErrorKind::BadEscape.into());
    };
    if kind == Kind::Expression.name() {
        return keep(state, value);
    }
    let text = said(value).ok_or(ErrorKind::BadEscape)?;
    let written = if kind == Kind::Speech.name() {
        output.write_str(&spoken(&text))
    } else if kind == Kind::Url.name() {
        if text.trim().is_empty() {
            output
                .write_str(BLANK)
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

/// A text, a number or a truth value as text; nothing else can be said.
pub(super) fn said(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    match value.kind() {
        // As JSON writes it, not as Python does.
        ValueKind::Bool => Some(value.is_true().to_string()),
        // `3.0`, and what a division makes of 6 and 2, is 3.
        ValueKind::Number => match serde_json::to_value(value).map(by_value) {
            Ok(number @ serde_json::Value::Number(_)) => Some(number.to_string()),
            _ => Some(value.to_string()),
        },
        _ => None,
    }
}

/// `text` as it is spoken.
pub(super) fn spoken(text: &str) -> String {
    one_line(&speech::plain(text), |c| matches!(c, '<' | '>'))
}

/// `text` on one line, without what `unwanted` says: what somebody said must neither begin a new line of a prompt nor be
/// markup for a voice.
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

/// Line and paragraph separators, and the marks that turn the direction of a text around.
const fn is_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A URL whose blank values are marked, without the marks.
///
/// # Errors
/// When one leaves its place in the path empty: that would be another URL.
pub(super) fn filled(marked: &str) -> Result<String, TemplateError> {
    let path = marked.split(['?', '#']).next().unwrap_or_default();
    let is_empty = |segment: &str| segment.contains(BLANK) && is_blank(&segment.replace(BLANK, ""));
    if path.split('/').any(is_empty) {
        return Err(TemplateError("a value leaves its place in the URL empty".into()));
    }
    Ok(marked.replace(BLANK, ""))
}

/// Whether nothing but white space is in a segment of a path, percent-encoded.
fn is_blank(segment: &str) -> bool {
    let is_encoded = segment.bytes().all(|byte| byte == b'%' || byte.is_ascii_hexdigit());
    let pair = format!("x={segment}");
    is_encoded && url::form_urlencoded::parse(pair.as_bytes()).all(|(_, text)| text.trim().is_empty())
}

/// Takes so many bytes and no more.
pub(super) struct Bounded {
    pub(super) text: Vec<u8>,
    pub(super) limit: usize,
}

impl io::Write for &mut Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > self.limit {
            return Err(io::Error::other("too much"));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
