//! Finds the positions of the values in a JSON text. `serde_json` does not report them.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use super::{Position, element, field};

/// The position of every value in `text`, which is known to be valid JSON.
pub(super) fn positions(text: &str) -> BTreeMap<String, Position> {
    let mut scanner = PositionScanner {
        rest: text.chars().peekable(),
        at: Position { line: 1, column: 1 },
        positions: BTreeMap::new(),
    };
    scanner.value("");
    scanner.positions
}

struct PositionScanner<'a> {
    rest: Peekable<Chars<'a>>,
    at: Position,
    positions: BTreeMap<String, Position>,
}

impl PositionScanner<'_> {
    fn next_char(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c == '\n' {
            self.at = Position {
                line: self.at.line + 1,
                column: 1,
            };
        } else {
            self.at.column += 1;
        }
        Some(c)
    }

    fn skip_whitespace(&mut self) -> Option<char> {
        while self.rest.peek().is_some_and(char::is_ascii_whitespace) {
            self.next_char();
        }
        self.rest.peek().copied()
    }

    fn value(&mut self, path: &str) {
        let first = self.skip_whitespace();
        self.positions.entry(path.to_owned()).or_insert(self.at);
        match first {
            Some('{') => self.object(path),
            Some('[') => self.array(path),
            Some('"') => drop(self.string()),
            _ => {
                while self.rest.peek().is_some_and(|c| !",]} \t\r\n".contains(*c)) {
                    self.next_char();
                }
            }
        }
    }

    fn object(&mut self, path: &str) {
        self.next_char();
        loop {
            match self.skip_whitespace() {
                Some('"') => {
                    let at = self.at;
                    let inner = field(path, &self.string());
                    self.positions.insert(inner.clone(), at);
                    self.skip_whitespace();
                    self.next_char();
                    self.value(&inner);
                }
                Some(',') => drop(self.next_char()),
                _ => {
                    self.next_char();
                    return;
                }
            }
        }
    }

    fn array(&mut self, path: &str) {
        self.next_char();
        let mut index = 0;
        loop {
            match self.skip_whitespace() {
                Some(']') | None => {
                    self.next_char();
                    return;
                }
                Some(',') => drop(self.next_char()),
                Some(_) => {
                    self.value(&element(path, index));
                    index += 1;
                }
            }
        }
    }

    /// Skips a string and returns what is between its quotes, with escapes unresolved.
    fn string(&mut self) -> String {
        self.next_char();
        let mut text = String::new();
        while let Some(c) = self.next_char() {
            match c {
                '"' => break,
                '\\' => {
                    text.push(c);
                    text.extend(self.next_char());
                }
                c => text.push(c),
            }
        }
        text
    }
}
