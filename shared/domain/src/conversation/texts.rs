//! Shortens and compares texts.

use super::limits::{MAX_DETAIL_CHARS, MAX_SENT_CHARS};

/// The text, if necessary shortened to `max` characters, of which the last one is then `…`.
pub(super) fn shorten(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// The beginning of the text, of at most `max` characters.
pub(super) fn beginning(text: &str, max: usize) -> &str {
    let end = text.char_indices().nth(max).map(|(index, _)| index);
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// The text in pieces of at most `max` characters, if possible whole words.
pub(super) fn pieces(text: &str, max: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let first = beginning(rest, max);
        let is_last = first.len() == rest.len();
        let end = first.rfind(char::is_whitespace).filter(|_| !is_last);
        let (piece, others) = rest.split_at(end.unwrap_or(first.len()));
        pieces.push(piece.trim_end());
        rest = others.trim_start();
    }
    pieces
}

/// A name or another detail of a person, shortened.
pub(super) fn detail(text: &str) -> String {
    shorten(text, MAX_DETAIL_CHARS)
}

/// The part of a posted text by which its echo is recognized: platforms change white space.
pub(super) fn echo_key(text: &str) -> String {
    let mut key = String::new();
    for word in text.split_whitespace() {
        if !key.is_empty() {
            key.push(' ');
        }
        key.push_str(word);
        if key.len() > 4 * MAX_SENT_CHARS {
            break;
        }
    }
    key.chars().take(MAX_SENT_CHARS).collect()
}

/// A set text that is not blank.
pub(super) fn not_blank(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.trim().is_empty())
}
