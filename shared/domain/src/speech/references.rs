//! Decodes HTML character references: `&#39;`, `&#x27;`, `&uuml;`.

use html_escape::NAMED_ENTITIES;

use super::visible;

/// Maximum length of a name: a little more than the longest name in HTML.
const MAX_NAME: usize = 40;
/// Names that are also decoded without a semicolon. Browsers accept about a hundred, but a person who writes
/// "this&that" means no reference.
const WITHOUT_SEMICOLON: [(&str, &str); 5] = [("amp", "&"), ("lt", "<"), ("gt", ">"), ("quot", "\""), ("nbsp", " ")];
/// The characters of the numbers 128 to 159: old systems write Windows-1252, and HTML has made it the standard.
const WINDOWS_1252: [char; 32] = [
    '€', ' ', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', ' ', 'Ž', ' ', ' ', '‘', '’', '“', '”', '•', '–',
    '—', '˜', '™', 'š', '›', 'œ', ' ', 'ž', 'Ÿ',
];

/// `text` with every reference decoded, including those whose ampersand was escaped, any number of times.
pub(super) fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (mut read, mut left) = ("&", after);
        // `&amp;#039;`: the text after an escaped ampersand may complete the reference that was meant.
        while read == "&" {
            match reference(left) {
                Some((Decoded::Text(text), after)) => (read, left) = (text, after),
                Some((Decoded::Char(c), after)) => {
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

enum Decoded {
    Text(&'static str),
    Char(char),
}

/// Decodes the reference that `rest` begins with, after its ampersand. Returns the text after it too.
fn reference(rest: &str) -> Option<(Decoded, &str)> {
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
        return NAMED_ENTITIES.get(at).map(|(_, text)| (Decoded::Text(text), after));
    }
    let (_, text) = WITHOUT_SEMICOLON.into_iter().find(|(known, _)| *known == name)?;
    Some((Decoded::Text(text), after))
}

/// Decodes a numeric reference, with or without its semicolon. A number that is no character becomes a space.
fn numeric(number: &str) -> Option<(Decoded, &str)> {
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
    Some((Decoded::Char(c), after.strip_prefix(';').unwrap_or(after)))
}
