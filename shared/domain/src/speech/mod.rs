//! From what somebody wrote to what a voice can say: the one way for every text that is spoken, at every provider.
//!
//! Ticket systems send HTML, escaped once or twice, and providers may read markup themselves. So
//! references such as `&#039;` become the characters that they stand for, tags go, the ends of lines and blocks become
//! pauses, URLs become their hosts, and no bracket, ampersand or control character is left. What is no markup stays:
//! `a < b` is said, not swallowed. What is spoken once comes out the same when it is spoken again, and every step takes
//! time in proportion to the text.

mod markup;
mod references;
mod urls;

use crate::dispatch::employee::Language;
use crate::dispatch::texts::{Sentences, sentences};

/// Where a voice pauses, between two steps. It is no character of any text: control characters go first.
const PAUSE: char = '\u{1e}';

/// `text` as it is spoken in `language`, on one line; empty when there was nothing but markup.
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

/// `text` without references and tags, for a reader who may see everything else: a model, or a text message.
pub fn plain(text: &str) -> String {
    without_markup(text).replace(PAUSE, "\n")
}

/// `text` with its references read, its tags gone and its pauses marked. Twice, for what is escaped may be markup itself.
fn without_markup(text: &str) -> String {
    let visible: String = text.chars().filter_map(visible).collect();
    if !visible.contains(['<', '&']) {
        return visible;
    }
    markup::strip(&references::read(&markup::strip(&visible)))
}

/// A space for a control character that ends no line; nothing for what no voice can say (U+FFFD stands for what could not
/// be read) and what reorders or hides what a person sees.
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

/// Whether a `<` before `rest` and the next `>` are brackets around a word, as in `Anna <Smith>`.
fn opens_bracket(rest: &str) -> bool {
    let inside = rest.find(['<', '>']).and_then(|end| {
        let (inside, after) = rest.split_at(end);
        after.starts_with('>').then_some(inside)
    });
    rest.starts_with(|c: char| c.is_alphabetic() || matches!(c, '/' | '!' | '?'))
        && inside.is_some_and(|inside| !inside.ends_with(char::is_whitespace))
}

/// White space between two words; the strongest counts.
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
    /// White space, which shows only between two words.
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

    /// Whether an angle bracket before `rest` compares two things, as in `T > 90`, and is not an arrow, the mark of
    /// a quoted line or part of a tag.
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
