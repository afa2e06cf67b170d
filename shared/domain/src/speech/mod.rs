//! Turns written text into text that a voice can speak. Every spoken text goes through it, for every provider.
//!
//! Ticket systems send HTML, escaped once or twice, and providers may interpret markup themselves. Therefore character
//! references such as `&#039;` are decoded, tags are removed, ends of lines and blocks become pauses, URLs become their
//! hosts, and no angle bracket, ampersand or control character is left. Text that is not markup stays: `a < b` is
//! spoken, not dropped. The conversion is idempotent, and every step takes time linear in the length of the text.

mod markup;
mod references;
mod urls;

use crate::dispatch::employee::Language;
use crate::dispatch::texts::{Sentences, sentences};

/// Marks a pause between two conversion steps. No text contains it: control characters are removed first.
const PAUSE: char = '\u{1e}';

/// `text` as it is spoken in `language`, on one line; empty if there was nothing but markup.
pub fn spoken(text: &str, language: Language) -> String {
    lines(text, sentences(language)).replace('\n', " ")
}

/// As [`spoken`], with a `\n` where a line of the text ends.
pub(crate) fn lines(text: &str, texts: &Sentences) -> String {
    let plain = urls::as_hosts(&without_markup(text));
    let mut cleaner = Cleaner::default();
    let mut in_brackets = false;
    let mut chars = plain.chars();
    while let Some(c) = chars.next() {
        let rest = chars.as_str();
        match c {
            PAUSE => cleaner.gap(Gap::Pause),
            '&' => cleaner.word(texts.and),
            '<' if opens_bracket(rest) => {
                in_brackets = true;
                cleaner.gap(Gap::Space);
            }
            '>' if in_brackets => {
                in_brackets = false;
                cleaner.gap(Gap::Space);
            }
            '<' if cleaner.compares(rest) => cleaner.word(texts.less_than),
            '>' if cleaner.compares(rest) => cleaner.word(texts.more_than),
            '<' | '>' => cleaner.gap(Gap::Space),
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => cleaner.gap(Gap::Line),
            c if c.is_whitespace() || c.is_control() => cleaner.gap(Gap::Space),
            c => cleaner.push(c),
        }
    }
    cleaner.out
}

/// `text` without character references and tags, for a reader that may see everything else: a language model, or a text
/// message.
pub fn plain(text: &str) -> String {
    without_markup(text).replace(PAUSE, "\n")
}

/// `text` with character references decoded, tags removed and pauses marked. Tags are removed twice, because escaped
/// text may be markup itself.
fn without_markup(text: &str) -> String {
    let visible: String = text.chars().filter_map(visible).collect();
    if !visible.contains(['<', '&']) {
        return visible;
    }
    markup::strip(&references::decode(&markup::strip(&visible)))
}

/// The character, a space for a control character that does not end a line, or none for a character that no voice can
/// speak (U+FFFD replaces what could not be decoded) or that reorders or hides text.
const fn visible(c: char) -> Option<char> {
    match c {
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' => Some(c),
        '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fffd}' => None,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => Some(' '),
        _ => Some(c),
    }
}

/// Whether a `<` in front of `rest` and the next `>` enclose a word, as in `Anna <Smith>`.
fn opens_bracket(rest: &str) -> bool {
    let inside = rest.find(['<', '>']).and_then(|end| {
        let (inside, after) = rest.split_at(end);
        after.starts_with('>').then_some(inside)
    });
    rest.starts_with(|c: char| c.is_alphabetic() || matches!(c, '/' | '!' | '?'))
        && inside.is_some_and(|inside| !inside.ends_with(char::is_whitespace))
}

/// White space between two words, weakest first. Of several, the strongest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    Space,
    Line,
    Pause,
}

#[derive(Default)]
struct Cleaner {
    out: String,
    gap: Option<Gap>,
}

impl Cleaner {
    /// Adds white space, which is only written between two words.
    fn gap(&mut self, kind: Gap) {
        self.gap = self.gap.max(Some(kind));
    }

    fn push(&mut self, c: char) {
        let gap = self.gap.take();
        if let Some(last) = self.out.chars().next_back() {
            match gap {
                None => {}
                Some(Gap::Space) => self.out.push(' '),
                Some(Gap::Line) => self.out.push('\n'),
                Some(Gap::Pause) => {
                    // A German or Hungarian voice would read `1.` as "the first".
                    self.out.push_str(match last {
                        '.' | '!' | '?' | '…' | ',' | ';' | ':' => "\n",
                        last if last.is_numeric() => ";\n",
                        _ => ".\n",
                    });
                }
            }
        }
        self.out.push(c);
    }

    fn word(&mut self, word: &str) {
        self.gap(Gap::Space);
        word.chars().for_each(|c| self.push(c));
        self.gap(Gap::Space);
    }

    /// Whether an angle bracket in front of `rest` compares two operands, as in `T > 90`, and is not part of an arrow
    /// or a tag or the mark of a quoted line.
    fn compares(&self, rest: &str) -> bool {
        let line_start = self.out.is_empty() || self.gap >= Some(Gap::Line);
        let arrow = self.gap.is_none() && self.out.ends_with(['-', '=', '>', '<']);
        let operand = rest.trim_start_matches(['=', ' ']);
        let number = operand.starts_with(|c: char| c.is_ascii_digit());
        if line_start {
            rest.starts_with(|c: char| c.is_ascii_digit())
        } else {
            !arrow && (number || rest.starts_with(' '))
        }
    }
}

#[cfg(test)]
mod tests;
