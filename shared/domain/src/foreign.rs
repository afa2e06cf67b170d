//! JSON of other people's: the one reader for all of it.
//!
//! What a platform sends was cut by somebody's `slice`, written by somebody's editor, or is a megabyte of a transcript in
//! which a few fields are ours. None of that is a reason not to hear what was said:
//!
//! - half of a pair of surrogates (`\ud83d`, half an emoji) is U+FFFD, as it is to a browser;
//! - a byte order mark in front is skipped;
//! - bytes that are no UTF-8 are U+FFFD too. A field that names somebody or something says that it cannot be read.
//!
//! Parts that nobody reads are skipped without being built ([`Keep`]), and of what is read there is only so much: a megabyte
//! of tiny objects would take three hundred.

use std::borrow::Cow;
use std::cell::Cell;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::number::whole;

/// Stands for what cannot be read.
pub const UNREADABLE: char = char::REPLACEMENT_CHARACTER;
const MARK: &str = "\u{feff}";

/// What is read of a value.
#[derive(Clone, Copy, Debug)]
pub enum Keep {
    /// All that is in it.
    All,
    /// A text, a number, a truth value or null. Of a list or an object nothing but that it is one.
    Plain,
    /// These fields, and of each what stands beside it. In a list, of every element.
    Only(&'static [(&'static str, Keep)]),
}

/// The bytes of a JSON document as a text that can be parsed, if it is JSON at all.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => mended(text),
        Cow::Owned(text) => Cow::Owned(mended(&text).into_owned()),
    }
}

/// A JSON text without a byte order mark, and with U+FFFD for every half of a pair of surrogates.
pub fn mended(text: &str) -> Cow<'_, str> {
    let text = text.strip_prefix(MARK).unwrap_or(text);
    let (mut done, mut from, mut at) = (String::new(), 0, 0);
    // A backslash stands only in strings, and takes the next character with it.
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('\\')) {
        let start = at + found;
        let Some(unit) = unit_at(text, start) else {
            at = start + 2;
            continue;
        };
        at = start + ESCAPE;
        match unit {
            0xd800..=0xdbff if unit_at(text, at).is_some_and(|low| (0xdc00..=0xdfff).contains(&low)) => at += ESCAPE,
            0xd800..=0xdfff => {
                done.push_str(text.get(from..start).unwrap_or_default());
                done.push(UNREADABLE);
                from = at;
            }
            _ => {}
        }
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    done.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(done)
}

/// Length of `\u0041`.
const ESCAPE: usize = 6;

/// The UTF-16 unit that is escaped at `start`, if there is one.
fn unit_at(text: &str, start: usize) -> Option<u16> {
    let digits = text.get(start..start + ESCAPE)?.strip_prefix("\\u")?;
    // It takes a sign, too; JSON does not.
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

/// A `T` of other people's.
///
/// # Errors
/// When it is no JSON, or no `T`.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    serde_json::from_str(&text(bytes))
}

/// Of a document what `keep` says, and of everything else nothing; whole numbers are written as such. The one way into an
/// envelope.
///
/// # Errors
/// Why it cannot be read.
pub fn envelope(bytes: &[u8], keep: Keep) -> Result<Value, Unreadable> {
    sieve(&text(bytes), keep)
}

/// As [`envelope`], for JSON inside JSON.
///
/// # Errors
/// Why it cannot be read.
pub fn inner(text: &str, keep: Keep) -> Result<Value, Unreadable> {
    sieve(&mended(text), keep)
}

/// As [`envelope`], for a document that is a value already.
///
/// # Errors
/// When there is too much of it.
pub fn part(value: &Value, keep: Keep) -> Result<Value, Unreadable> {
    let room = &Room::default();
    let sieve = Sieve { keep, room };
    sieve.deserialize(value).map_err(|_| Unreadable::Large)
}

fn sieve(text: &str, keep: Keep) -> Result<Value, Unreadable> {
    let room = Room::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let sieve = Sieve { keep, room: &room };
    let value = sieve.deserialize(&mut deserializer);
    value
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| why(text, &error))
}

/// Why a document cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There is nothing.
    #[error("is empty")]
    Empty,
    /// No JSON at all.
    #[error("is not JSON at line {line}, column {column}")]
    NotJson {
        /// Where.
        line: usize,
        /// Where.
        column: usize,
    },
    /// JSON of which no reader of ours sees the bottom.
    #[error("is nested more deeply than we read")]
    Deep,
    /// `1e999`
    #[error("has a number that is larger than we read, at line {line}, column {column}")]
    Number {
        /// Where.
        line: usize,
        /// Where.
        column: usize,
    },
    /// More lists and objects where ours are than anybody has a use for.
    #[error("has more values than we read")]
    Large,
}

/// What `serde_json` knows of an error are its words. What is skipped it reads whatever is in it, so that tells first whether
/// it is JSON.
fn why(text: &str, error: &serde_json::Error) -> Unreadable {
    if text.trim().is_empty() {
        return Unreadable::Empty;
    }
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        let (line, column) = (error.line(), error.column());
        return Unreadable::NotJson { line, column };
    }
    let (words, line, column) = (error.to_string(), error.line(), error.column());
    if words.starts_with("number out of range") {
        Unreadable::Number { line, column }
    } else if words.starts_with("recursion limit exceeded") {
        Unreadable::Deep
    } else {
        Unreadable::Large
    }
}

/// For how many more values there is room. A value that is named by nobody costs nothing; an object costs most, for an
/// empty one takes hundreds of bytes as soon as something is in it.
struct Room(Cell<usize>);

/// Values of one document. A state of ours (16 KB) fits in, whatever it is made of.
const MOST_VALUES: usize = 24_000;
const OF_OBJECT: usize = 4;

impl Default for Room {
    fn default() -> Self {
        Self(Cell::new(MOST_VALUES))
    }
}

impl Room {
    fn take<E: serde::de::Error>(&self, values: usize) -> Result<(), E> {
        let left = self.0.get().checked_sub(values);
        self.0.set(left.unwrap_or(0));
        left.map(drop).ok_or_else(|| E::custom("too many values"))
    }
}

#[derive(Clone, Copy)]
struct Sieve<'a> {
    keep: Keep,
    room: &'a Room,
}

impl<'de> DeserializeSeed<'de> for Sieve<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Sieve<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.room.take(OF_OBJECT)?;
        let mut kept = Map::new();
        // Borrowed where nothing in it is escaped: most names are nobody's.
        while let Some(Name(name)) = access.next_key()? {
            let keep = match self.keep {
                Keep::All => Some(Keep::All),
                Keep::Plain => None,
                Keep::Only(fields) => fields.iter().find(|(known, _)| *known == name).map(|(_, keep)| *keep),
            };
            let Some(keep) = keep else {
                access.next_value::<IgnoredAny>()?;
                continue;
            };
            let room = self.room;
            kept.insert(name.into_owned(), access.next_value_seed(Sieve { keep, room })?);
        }
        Ok(Value::Object(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.room.take(1)?;
        let mut kept = Vec::new();
        if matches!(self.keep, Keep::Plain) {
            while access.next_element::<IgnoredAny>()?.is_some() {}
        }
        while let Some(value) = access.next_element_seed(self)? {
            kept.push(value);
        }
        Ok(Value::Array(kept))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.room.take(1)?;
        Ok(Value::from(text))
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        self.room.take(1)?;
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.room.take(1)?;
        Ok(Value::from(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.room.take(1)?;
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        self.room.take(1)?;
        let number = Number::from_f64(value).ok_or_else(|| E::custom("no number"))?;
        Ok(Value::Number(whole(&number).unwrap_or(number)))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.room.take(1)?;
        Ok(Value::Null)
    }
}

/// A field's name.
struct Name<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsName;

        impl<'de> Visitor<'de> for AsName {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E: serde::de::Error>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(AsName)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::number::by_value;

    #[test]
    fn half_a_surrogate_is_the_character_for_what_cannot_be_read_and_pairs_stay() {
        for (text, expected) in [
            (r#""cut \ud83d""#, "cut \u{fffd}"),
            (r#""cut \ud83d and more""#, "cut \u{fffd} and more"),
            (r#""\ude00 first""#, "\u{fffd} first"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\ud83d\ude00 whole""#, "\u{1f600} whole"),
            (r#""\\ud83d is text""#, "\\ud83d is text"),
            (r#""\\\ud83d is half""#, "\\\u{fffd} is half"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
        ] {
            assert_eq!(read::<String>(text.as_bytes()).expect(text), expected, "{text}");
        }
        for wrong in [r#""\ud83""#, r#""\u+123""#, r#""\""#, r#""\u""#, "\"", "\\"] {
            assert!(read::<String>(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_byte_order_mark_and_bytes_that_are_no_text_do_not_matter() {
        assert_eq!(
            read::<Value>(b"\xef\xbb\xbf{\"a\":1}").expect("JSON"),
            json!({ "a": 1 })
        );
        assert_eq!(
            read::<Value>(b"{\"a\":\"caf\xe9\",\"b\":1}").expect("JSON"),
            json!({ "a": "caf\u{fffd}", "b": 1 })
        );
        // Only in front, and only once.
        assert!(read::<Value>("\u{feff}\u{feff}1".as_bytes()).is_err());
        assert!(read::<Value>("{\u{feff}}".as_bytes()).is_err());
    }

    #[test]
    fn what_cannot_be_read_is_told_by_what_is_wrong_with_it() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let many = format!("[{}0]", "{},".repeat(6_000));
        let (line, column) = (1, 5);
        for (text, why) in [
            ("", Unreadable::Empty),
            (" \n", Unreadable::Empty),
            ("[1e3]x", Unreadable::NotJson { line, column: 6 }),
            ("{\"a\"", Unreadable::NotJson { line, column: 4 }),
            ("[nul]", Unreadable::NotJson { line, column }),
            ("[\n 1e999]", Unreadable::Number { line: 2, column: 6 }),
            (&deep, Unreadable::Deep),
            (&many, Unreadable::Large),
        ] {
            let found = inner(text, Keep::All);
            match (found, why) {
                (Err(Unreadable::NotJson { .. }), Unreadable::NotJson { .. }) => {}
                (found, why) => assert_eq!(found, Err(why), "{text:.40}"),
            }
        }
        // Where nobody looks, all of it is JSON.
        for fine in ["1e999", &deep, &many] {
            assert_eq!(inner(&format!("{{\"x\":{fine}}}"), CALL), Ok(json!({})));
            assert_eq!(
                inner(&format!("{{\"call\":{{\"id\":[{fine}]}}}}"), PLAIN),
                Ok(json!({ "call": { "id": [] } }))
            );
        }
    }

    /// What a value takes of the room.
    fn weight(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(weight).sum::<usize>(),
            Value::Object(fields) => OF_OBJECT + fields.values().map(weight).sum::<usize>(),
            _ => 1,
        }
    }

    #[test]
    fn a_megabyte_of_tiny_values_builds_no_more_than_there_is_room_for() {
        for tiny in [
            "{}",
            "[]",
            "0",
            "{\"a\":0}",
            "[[]]",
            "{\"a\":{\"a\":{}}}",
            "\"\"",
            "null",
        ] {
            let list = format!("[{}0]", format!("{tiny},").repeat(1_000_000 / (tiny.len() + 1)));
            assert_eq!(inner(&list, Keep::All), Err(Unreadable::Large), "{tiny}");
            let object = format!("{{\"list\":{list},\"call\":{{\"id\":{list}}}}}");
            assert_eq!(inner(&object, CALL), Err(Unreadable::Large), "{tiny}");
            assert_eq!(inner(&object, PLAIN).map(|value| weight(&value)), Ok(9), "{tiny}");
        }
        // And as much as there is room for, whatever it is.
        let most = "{},".repeat((MOST_VALUES - 2) / OF_OBJECT);
        assert!(inner(&format!("[{most}0]"), Keep::All).is_ok());
        assert_eq!(inner(&format!("[{most}{{}}]"), Keep::All), Err(Unreadable::Large));
    }

    const PLAIN: Keep = Keep::Only(&[("call", Keep::Only(&[("id", Keep::Plain)]))]);
    const CALL: Keep = Keep::Only(&[
        ("call", Keep::Only(&[("id", Keep::All)])),
        ("list", Keep::Only(&[("name", Keep::All)])),
    ]);

    #[test]
    fn of_an_envelope_only_what_is_read_is_built() {
        let body = json!({
            "call": { "id": 7, "transcript": ["long"] },
            "list": [{ "name": { "a": [1, 2.5, null, true] }, "more": {} }, 5, "text"],
            "artifact": { "call": { "id": 8 } },
        });
        let kept = inner(&body.to_string(), CALL).expect("JSON");
        assert_eq!(
            kept,
            json!({ "call": { "id": 7 }, "list": [{ "name": { "a": [1, 2.5, null, true] } }, 5, "text"] })
        );
        for scalar in ["null", "7", "-7", "2.5", "true", r#""text""#] {
            assert_eq!(inner(scalar, CALL).expect(scalar).to_string(), scalar);
        }
        for wrong in ["", "{", r#"{"call":{"id":1}} x"#, r#"{"artifact":[}"#] {
            assert!(inner(wrong, CALL).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_json_already_is_read_as_it_was(text in ".*", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let json = serde_json::to_string(&text).expect("JSON");
            prop_assert!(matches!(mended(&json), Cow::Borrowed(same) if same == json));
            let _ = read::<Value>(&bytes);
            let _ = envelope(&bytes, CALL);
        }

        #[test]
        fn what_is_kept_whole_is_what_it_was_but_for_whole_numbers(text in "[\\[\\]{}\":,a0-9.e -]{0,40}", fields in prop::collection::vec(("[ab\\\\\"]{0,3}", any::<f64>()), 0..4)) {
            let fields: Map<String, Value> = fields.into_iter().map(|(name, number)| (name, json!([number, { "n": 3.0 }]))).collect();
            for json in [text, Value::Object(fields).to_string()] {
                let expected = serde_json::from_str(&json).map(by_value).ok();
                prop_assert_eq!(inner(&json, Keep::All).ok(), expected);
            }
        }

        #[test]
        fn whatever_is_escaped_is_read(units in prop::collection::vec(any::<u16>(), 0..20)) {
            let escaped: Vec<String> = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let read = read::<String>(format!("\"{}\"", escaped.concat()).as_bytes()).expect("a text");
            prop_assert_eq!(read, String::from_utf16_lossy(&units));
        }
    }
}
