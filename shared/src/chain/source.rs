//! Documents as text: YAML or JSON, with the line and column of everything in it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;

/// A place in a text, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// Something that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Where, such as `links[0].qualified[1].when`; empty for the whole document.
    pub path: String,
    /// Where in the text, when there is a text.
    pub place: Option<Place>,
    /// What is wrong.
    pub detail: String,
}

impl Issue {
    /// Something at a path.
    pub fn new(path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            place: None,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.place {
            write!(f, "{line}:{column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.detail)
    }
}

/// A text that has been read: what it says, and where.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it says.
    pub value: Value,
    places: BTreeMap<String, Place>,
}

impl Source {
    /// Reads JSON, or YAML 1.2 without anchors, aliases and tags.
    ///
    /// # Errors
    /// The first thing that cannot be read, with its place.
    pub fn parse(text: &str) -> Result<Self, Issue> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match serde_json::from_str(text) {
            Ok(value) => Ok(Self {
                value,
                places: JsonPlaces::of(text),
            }),
            Err(error) if text.trim_start().starts_with('{') => {
                let place = Place {
                    line: error.line(),
                    column: error.column(),
                };
                Err(Issue {
                    path: String::new(),
                    place: Some(place),
                    detail: format!("not JSON: {error}"),
                })
            }
            Err(_) => YamlReader::read(text),
        }
    }

    /// Where `path` is; where the nearest thing around it is, if it is not there itself.
    pub fn place(&self, path: &str) -> Option<Place> {
        let mut path = path;
        loop {
            if let Some(place) = self.places.get(path) {
                return Some(*place);
            }
            let end = path.rfind(['.', '[']).unwrap_or(0);
            if path.is_empty() {
                return None;
            }
            path = &path[..end];
        }
    }

    /// `issue` with its place.
    pub fn placed(&self, issue: Issue) -> Issue {
        Issue {
            place: issue.place.or_else(|| self.place(&issue.path)),
            ..issue
        }
    }
}

/// The path of a field inside `path`.
pub fn field(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The path of an element inside `path`.
pub fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

struct YamlReader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    places: BTreeMap<String, Place>,
}

fn place(marker: Marker) -> Place {
    Place {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

fn wrong(marker: Marker, detail: impl Into<String>) -> Issue {
    Issue {
        path: String::new(),
        place: Some(place(marker)),
        detail: detail.into(),
    }
}

impl<'a> YamlReader<'a> {
    fn read(text: &'a str) -> Result<Source, Issue> {
        let mut reader = Self {
            parser: Parser::new_from_str(text),
            places: BTreeMap::new(),
        };
        let mut value = Value::Null;
        let mut documents = 0;
        loop {
            let (event, at) = reader.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if documents == 1 => {
                    return Err(wrong(at, "there must be one YAML document"));
                }
                Event::DocumentStart(_) => {
                    documents = 1;
                    let (event, at) = reader.next()?;
                    value = reader.node(event, at, "", 0)?;
                }
                _ => {}
            }
        }
        Ok(Source {
            value,
            places: reader.places,
        })
    }

    fn next(&mut self) -> Result<(Event<'a>, Marker), Issue> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start)),
            Some(Err(error)) => Err(wrong(*error.marker(), format!("not YAML: {}", error.info()))),
            None => Ok((Event::StreamEnd, Marker::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, at: Marker, path: &str, depth: usize) -> Result<Value, Issue> {
        if depth > MAX_DEPTH {
            return Err(wrong(at, "nested too deeply"));
        }
        // A key has put its own place down already: better than that of its value, which may begin a line later.
        self.places.entry(path.to_owned()).or_insert_with(|| place(at));
        match event {
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                Err(wrong(at, "tags are not allowed"))
            }
            Event::Alias(_) => Err(wrong(at, "aliases are not allowed")),
            Event::Scalar(text, style, 0, None) => Ok(scalar(text, style)),
            Event::SequenceStart(0, None) => self.sequence(path, depth),
            Event::MappingStart(0, None) => self.mapping(path, depth),
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                Err(wrong(at, "anchors are not allowed"))
            }
            _ => Err(wrong(at, "a value is missing")),
        }
    }

    fn sequence(&mut self, path: &str, depth: usize) -> Result<Value, Issue> {
        let mut items = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if matches!(event, Event::SequenceEnd | Event::StreamEnd) {
                return Ok(Value::Array(items));
            }
            let item = self.node(event, at, &element(path, items.len()), depth + 1)?;
            items.push(item);
        }
    }

    fn mapping(&mut self, path: &str, depth: usize) -> Result<Value, Issue> {
        let mut fields = Map::new();
        loop {
            let (event, at) = self.next()?;
            let key = match event {
                Event::MappingEnd | Event::StreamEnd => return Ok(Value::Object(fields)),
                Event::Scalar(text, _, 0, None) => text.into_owned(),
                _ => return Err(wrong(at, "a key must be a text")),
            };
            let inner = field(path, &key);
            self.places.insert(inner.clone(), place(at));
            if fields.contains_key(&key) {
                return Err(Issue {
                    path: inner,
                    place: Some(place(at)),
                    detail: "is there twice".into(),
                });
            }
            let (event, at) = self.next()?;
            let value = self.node(event, at, &inner, depth + 1)?;
            fields.insert(key, value);
        }
    }
}

/// A scalar by the core schema of YAML 1.2: only `true` and `false` are truth values, `no` is a text.
fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.into_owned());
    }
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(&text);
    // `+12025550100` and `007` are texts: here they are telephone numbers and codes, and JSON could not write them.
    let is_number = digits.bytes().next().is_some_and(|byte| byte.is_ascii_digit())
        && !(digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0."));
    let number = is_number.then(|| serde_json::from_str::<Number>(&text).ok()).flatten();
    number.map_or_else(|| Value::String(text.into_owned()), Value::Number)
}

/// Finds the places in a text that is known to be JSON.
struct JsonPlaces<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    at: Place,
    places: BTreeMap<String, Place>,
}

impl<'a> JsonPlaces<'a> {
    fn of(text: &'a str) -> BTreeMap<String, Place> {
        let mut finder = Self {
            rest: text.chars().peekable(),
            at: Place { line: 1, column: 1 },
            places: BTreeMap::new(),
        };
        finder.value("");
        finder.places
    }

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_and_json_say_the_same_and_everything_has_a_place() {
        let yaml = "# a chain\nlinks:\n  - name: start\n    when: a < 1\n    text: |\n      two\n      lines\n  - name: 'two'\n    n: [1, -2.5, ~, true, no, '3', +12025550100, 007]\n";
        let from_yaml = Source::parse(yaml).expect("YAML");
        let json = "{\"links\": [\n  {\"name\": \"start\", \"when\": \"a < 1\",\n   \"text\": \"two\\nlines\\n\"},\n  {\"name\": \"two\", \"n\": [1, -2.5, null, true, \"no\", \"3\", \"+12025550100\", \"007\"]}]}";
        let from_json = Source::parse(json).expect("JSON");
        assert_eq!(from_yaml.value, from_json.value);
        let at = |source: &Source, path: &str| source.place(path).map(|place| (place.line, place.column));
        assert_eq!(at(&from_yaml, "links[0].when"), Some((4, 5)));
        assert_eq!(at(&from_yaml, "links[1].n[1]"), Some((9, 12)));
        assert_eq!(at(&from_yaml, "links[1].missing.deeper"), Some((8, 5)));
        assert_eq!(at(&from_yaml, ""), Some((2, 1)));
        assert_eq!(at(&from_json, "links[0].when"), Some((2, 21)));
        assert_eq!(at(&from_json, "links[1].n[3]"), Some((4, 40)));
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_place() {
        let issue = |text: &str| Source::parse(text).expect_err(text).to_string();
        assert_eq!(issue("a: 1\na: 2\n"), "2:1: a: is there twice");
        assert_eq!(issue("a: &x 1\nb: *x\n"), "1:4: anchors are not allowed");
        assert_eq!(issue("a: !!str 1\n"), "1:4: tags are not allowed");
        assert_eq!(
            issue("{\"a\": 1,\n \"b\": }"),
            "2:7: not JSON: expected value at line 2 column 7"
        );
        assert!(issue("a: [1, 2\nb: 3\n").contains("not YAML"));
        assert!(issue("a: 1\n---\nb: 2\n").contains("one YAML document"));
        let deep = format!(
            "a:\n{}",
            (1..80).fold(String::new(), |text, depth| text
                + &format!("{}- \n", " ".repeat(depth)))
        );
        assert!(issue(&deep).contains("nested too deeply") || issue(&deep).contains("not YAML"));
        assert!(Source::parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn an_empty_text_is_nothing() {
        assert_eq!(Source::parse("").expect("nothing").value, json!(null));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,120}", yaml in "[-a: \\n\\[\\]{}|>'\"#&*!,0-9]{0,80}") {
            let _ = Source::parse(&text);
            let _ = Source::parse(&yaml);
        }
    }
}
