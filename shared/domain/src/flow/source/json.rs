//! The places in a text of JSON. `serde_json` has read it already, and tells none.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use super::{Place, element, field};

/// Where everything is in `text`, which is known to be JSON.
pub(super) fn places(text: &str) -> BTreeMap<String, Place> {
    let mut finder = Finder {
        rest: text.chars().peekable(),
        at: Place { line: 1, column: 1 },
        places: BTreeMap::new(),
    };
    finder.value("");
    finder.places
}

struct Finder<'a> {
    rest: Peekable<Chars<'a>>,
    at: Place,
    places: BTreeMap<String, Place>,
}

impl Finder<'_> {
    fn bump(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c == '\n' {
            self.at = Place {
                line: self.at.line + 1,
                column: 1,
            };
        } else {
            self.at.column += 1;
        }
        Some(c)
    }

    fn space(&mut self) -> Option<char> {
        while self.rest.peek().is_some_and(char::is_ascii_whitespace) {
            self.bump();
        }
        self.rest.peek().copied()
    }

    fn value(&mut self, path: &str) {
        let first = self.space();
        self.places.entry(path.to_owned()).or_insert(self.at);
        match first {
            Some('{') => self.object(path),
            Some('[') => self.array(path),
            Some('"') => drop(self.string()),
            _ => {
                while self.rest.peek().is_some_and(|c| !",]} \t\r\n".contains(*c)) {
                    self.bump();
                }
            }
        }
    }

    fn object(&mut self, path: &str) {
        self.bump();
        loop {
            match self.space() {
                Some('"') => {
                    let at = self.at;
                    let inner = field(path, &self.string());
                    self.places.insert(inner.clone(), at);
                    self.space();
                    self.bump();
                    self.value(&inner);
                }
                Some(',') => drop(self.bump()),
                _ => {
                    self.bump();
                    return;
                }
            }
        }
    }

    fn array(&mut self, path: &str) {
        self.bump();
        let mut index = 0;
        loop {
            match self.space() {
                Some(']') | None => {
                    self.bump();
                    return;
                }
                Some(',') => drop(self.bump()),
                Some(_) => {
                    self.value(&element(path, index));
                    index += 1;
                }
            }
        }
    }

    /// A string, as it stands between its quotes.
    fn string(&mut self) -> String {
        self.bump();
        let mut text = String::new();
        while let Some(c) = self.bump() {
            match c {
                '"' => break,
                '\\' => {
                    text.push(c);
                    text.extend(self.bump());
                }
                c => text.push(c),
            }
        }
        text
    }
}
