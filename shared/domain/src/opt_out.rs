//! Recognizes the words with which a customer ends, resumes or asks about our messages: STOP, START, HELP, in the
//! languages of patchbay.
//!
//! A provider may know a few English words, or none. We must honor every clear wish, so this reader accepts more: other
//! languages, and polite sentences such as "please stop texting me". It compares the whole message, never a part of it:
//! "I can't stop laughing" and "bus stop" are no opt-outs.

mod words;

#[cfg(test)]
mod tests;

use self::words::{AROUND_PHRASES, HELP, POLITE, START, STOP, STOP_ALONE};

/// Longest message that can be an opt-out, in characters without punctuation.
const MAX_CHARS: usize = 120;

/// What a customer wants with such a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OptOutWord {
    /// No further messages.
    Stop,
    /// Messages again, after [`OptOutWord::Stop`].
    Start,
    /// Who writes, and how to end it.
    Help,
}

/// Parses a whole message. Case, accents, punctuation and emoji do not matter.
///
/// Only [`OptOutWord::Stop`] has polite forms. A word that often answers a question, such as "cancel", counts only
/// alone, and [`OptOutWord::Start`] must be explicit: "yes" is never one.
pub fn read(text: &str) -> Option<OptOutWord> {
    let plain = plain(text)?;
    let mut words: Vec<&str> = plain.split(' ').collect();
    // "STOP STOP STOP"
    words.dedup();
    let whole = words.join(" ");
    let is_in = |list: &[&str], text: &str| list.contains(&text);
    if is_in(START, &whole) {
        return Some(OptOutWord::Start);
    }
    if is_in(HELP, &whole) {
        return Some(OptOutWord::Help);
    }
    if is_in(STOP_ALONE, &whole) {
        return Some(OptOutWord::Stop);
    }
    let mut rest = words.as_slice();
    loop {
        if is_in(STOP, &rest.join(" ")) {
            return Some(OptOutWord::Stop);
        }
        rest = without_edge(rest, POLITE, 1).or_else(|| without_edge(rest, AROUND_PHRASES, 2))?;
    }
}

/// `words` without one of the `phrases` at the beginning or end, if at least `keep` words remain.
fn without_edge<'a, 'b>(words: &'b [&'a str], phrases: &[&'a str], keep: usize) -> Option<&'b [&'a str]> {
    phrases.iter().find_map(|phrase| {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        let rest = words.strip_prefix(phrase.as_slice());
        rest.or_else(|| words.strip_suffix(phrase.as_slice()))
            .filter(|rest| rest.len() >= keep)
    })
}

/// The words of `text` in lowercase, without accents, separated by single spaces; `None` if there are none or too many.
/// Apostrophes vanish (`don't` is `dont`), everything else that is neither letter nor digit separates words.
fn plain(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut chars = 0_usize;
    let mut is_gap = false;
    for c in text.chars().map(half_width).flat_map(char::to_lowercase) {
        if is_dropped(c) {
            continue;
        }
        if !c.is_alphanumeric() {
            is_gap = true;
            continue;
        }
        if is_gap && !plain.is_empty() {
            plain.push(' ');
        }
        is_gap = false;
        push_without_accent(c, &mut plain);
        chars += 1;
        if chars > MAX_CHARS {
            return None;
        }
    }
    (!plain.is_empty()).then_some(plain)
}

/// The ASCII character of a full-width one.
fn half_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

/// Whether a character does not even separate words: apostrophes, combining accents, invisible characters.
const fn is_dropped(c: char) -> bool {
    matches!(c,
        '\'' | '`' | '\u{b4}' | '\u{2018}' | '\u{2019}' | '\u{2bc}' | '\u{2032}'
        | '\u{300}'..='\u{36f}'
        | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// Appends the lowercase letter `c` without its accent, for the alphabets of our languages.
fn push_without_accent(c: char, out: &mut String) {
    let base = match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ą' | 'ă' => 'a',
        'ç' | 'ć' => 'c',
        'è' | 'é' | 'ê' | 'ë' | 'ę' => 'e',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'ł' => 'l',
        'ñ' | 'ń' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ő' | 'ø' => 'o',
        'ś' => 's',
        'ù' | 'ú' | 'û' | 'ü' | 'ű' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' => 'z',
        'ά' => 'α',
        'έ' => 'ε',
        'ή' => 'η',
        'ί' | 'ϊ' | 'ΐ' => 'ι',
        'ό' => 'ο',
        'ύ' | 'ϋ' | 'ΰ' => 'υ',
        'ώ' => 'ω',
        'ς' => 'σ',
        'ё' => 'е',
        'й' | 'ѝ' => 'и',
        'ß' => return out.push_str("ss"),
        'æ' => return out.push_str("ae"),
        'œ' => return out.push_str("oe"),
        _ => c,
    };
    out.push(base);
}
