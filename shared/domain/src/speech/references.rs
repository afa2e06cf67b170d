//! HTML's character references: `&#39;`, `&#x27;`, `&uuml;`.

use html_escape::NAMED_ENTITIES;

use super::visible;

/// Longest name that HTML has, and a little more.
const MAX_NAME: usize = 40;
/// Names that are written without their semicolon, too. Browsers read a hundred of them so, but a person who writes
/// "this&that" means none.
const WITHOUT_SEMICOLON: [(&str, &str); 5] = [("amp", "&"), ("lt", "<"), ("gt", ">"), ("quot", "\""), ("nbsp", " ")];
/// What the numbers from 128 on stand for: old systems write Windows-1252, and HTML has made it the rule.
const WINDOWS_1252: [char; 32] = [
    '€', ' ', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', ' ', 'Ž', ' ', ' ', '‘', '’', '“', '”', '•', '–',
    '—', '˜', '™', 'š', '›', 'œ', ' ', 'ž', 'Ÿ',
];

/// `text` with every reference read, also those whose own ampersand was escaped, however often.
pub(super) fn read(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (mut read, mut left) = ("&", after);
        // `&amp;#039;`: what follows an ampersand that was escaped may be the reference that was meant.
        while read == "&" {
            match reference(left) {
                Some((Read::Text(text), after)) => (read, left) = (text, after),
                Some((Read::Char(c), after)) => {
                    out.extend(visible(c));
                    (read, left) = ("", after);
                }
                None => break,
            }
        }
        out.extend(read.chars().filter_map(visible));
        rest = left;
    }
    out.push_str(rest);
    out
}

enum Read {
    Text(&'static str),
    Char(char),
}

/// The reference that `rest` begins with, after its ampersand, and what follows it.
fn reference(rest: &str) -> Option<(Read, &str)> {
    if let Some(number) = rest.strip_prefix('#') {
        return numeric(number);
    }
    let length = rest
        .bytes()
        .take(MAX_NAME)
        .take_while(u8::is_ascii_alphanumeric)
        .count();
    let (name, after) = rest.split_at(length);
    if let Some(after) = after.strip_prefix(';') {
        let at = NAMED_ENTITIES
            .binary_search_by(|(known, _)| (*known).cmp(name.as_bytes()))
            .ok()?;
        return NAMED_ENTITIES.get(at).map(|(_, text)| (Read::Text(text), after));
    }
    let (_, text) = WITHOUT_SEMICOLON.into_iter().find(|(known, _)| *known == name)?;
    Some((Read::Text(text), after))
}

/// A number, with or without its semicolon. One that stands for no character is a space.
fn numeric(number: &str) -> Option<(Read, &str)> {
    let (radix, digits) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (16, digits),
        None => (10, number),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let (digits, after) = digits.split_at(end);
    if digits.is_empty() {
        return None;
    }
    let code = u32::from_str_radix(digits, radix).unwrap_or_default();
    let c = match code {
        0x80..=0x9f => WINDOWS_1252.get(code as usize - 0x80).copied().unwrap_or(' '),
        code => char::from_u32(code).filter(|c| *c != '\0').unwrap_or(' '),
    };
    Some((Read::Char(c), after.strip_prefix(';').unwrap_or(after)))
}
