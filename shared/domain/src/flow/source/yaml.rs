//! YAML 1.2, as far as a document needs it, with the place of everything.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};

use super::{Issue, Place, Source, element, field};

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;

/// Reads a text.
///
/// # Errors
/// The first thing that cannot be read, with its place.
pub(super) fn read(text: &str) -> Result<Source, Issue> {
    Reader::read(text)
}

struct Reader<'a> {
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

impl<'a> Reader<'a> {
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
