//! Parses the part of YAML 1.2 that documents need, and records the position of every value.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};

use super::{Issue, Position, Source, element, field};

/// Maximum nesting depth.
const MAX_DEPTH: usize = 64;

/// Parses a text.
///
/// # Errors
/// The first error, with its position.
pub(super) fn read(text: &str) -> Result<Source, Issue> {
    Reader::read(text)
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    positions: BTreeMap<String, Position>,
}

fn position(marker: Marker) -> Position {
    Position {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

fn issue(marker: Marker, detail: impl Into<String>) -> Issue {
    Issue {
        path: String::new(),
        position: Some(position(marker)),
        detail: detail.into(),
    }
}

impl<'a> Reader<'a> {
    fn read(text: &'a str) -> Result<Source, Issue> {
        let mut reader = Self {
            parser: Parser::new_from_str(text),
            positions: BTreeMap::new(),
        };
        let mut value = Value::Null;
        let mut documents = 0;
        loop {
            let (event, at) = reader.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if documents == 1 => {
                    return Err(issue(at, "expected a single YAML document"));
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
            positions: reader.positions,
        })
    }

    fn next(&mut self) -> Result<(Event<'a>, Marker), Issue> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start)),
            Some(Err(error)) => Err(issue(*error.marker(), format!("not YAML: {}", error.info()))),
            None => Ok((Event::StreamEnd, Marker::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, at: Marker, path: &str, depth: usize) -> Result<Value, Issue> {
        if depth > MAX_DEPTH {
            return Err(issue(at, "nested too deeply"));
        }
        // The position of a key is already recorded. It is better than that of its value, which may begin a line later.
        self.positions.entry(path.to_owned()).or_insert_with(|| position(at));
        match event {
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                Err(issue(at, "tags are not allowed"))
            }
            Event::Alias(_) => Err(issue(at, "aliases are not allowed")),
            Event::Scalar(text, style, 0, None) => Ok(scalar(text, style)),
            Event::SequenceStart(0, None) => self.sequence(path, depth),
            Event::MappingStart(0, None) => self.mapping(path, depth),
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                Err(issue(at, "anchors are not allowed"))
            }
            _ => Err(issue(at, "a value is missing")),
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
                _ => return Err(issue(at, "a key must be a string")),
            };
            let inner = field(path, &key);
            self.positions.insert(inner.clone(), position(at));
            if fields.contains_key(&key) {
                return Err(Issue {
                    path: inner,
                    position: Some(position(at)),
                    detail: "duplicate key".into(),
                });
            }
            let (event, at) = self.next()?;
            let value = self.node(event, at, &inner, depth + 1)?;
            fields.insert(key, value);
        }
    }
}

/// A scalar by the core schema of YAML 1.2: only `true` and `false` are booleans, `no` is a string.
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
    // `+12025550100` and `007` are strings: here they are phone numbers and codes, and they are not valid JSON numbers.
    let is_number = digits.bytes().next().is_some_and(|byte| byte.is_ascii_digit())
        && !(digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0."));
    let number = is_number.then(|| serde_json::from_str::<Number>(&text).ok()).flatten();
    number.map_or_else(|| Value::String(text.into_owned()), Value::Number)
}
