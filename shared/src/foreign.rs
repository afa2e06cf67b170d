//! JSON of other people's: the one reader for all of it.
//!
//! What a platform sends was cut by somebody's `slice`, written by somebody's editor, or is a megabyte of a transcript in
//! which a few fields are ours. None of that is a reason not to hear what was said:
//!
//! - half of a pair of surrogates (`\ud83d`, half an emoji) is U+FFFD, as it is to a browser;
//! - a byte order mark in front is skipped;
//! - bytes that are no UTF-8 are U+FFFD too. A field that names somebody or something says that it cannot be read.
//!
//! Parts that nobody reads are skipped without being built ([`Keep`]).

use std::borrow::Cow;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Stands for what cannot be read.
pub const UNREADABLE: char = char::REPLACEMENT_CHARACTER;
const MARK: &str = "\u{feff}";

/// What is read of an object.
#[derive(Clone, Copy, Debug)]
pub enum Keep {
    /// All that is in it.
    All,
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

/// Of a document what `keep` says, and of everything else nothing.
///
/// # Errors
/// When it is no JSON.
pub fn sieve(text: &str, keep: Keep) -> serde_json::Result<Value> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Sieve(keep).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

struct Sieve(Keep);

impl<'de> DeserializeSeed<'de> for Sieve {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.0 {
            Keep::All => serde::Deserialize::deserialize(deserializer),
            Keep::Only(fields) => deserializer.deserialize_any(Only(fields)),
        }
    }
}

struct Only(&'static [(&'static str, Keep)]);

impl<'de> Visitor<'de> for Only {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            match self.0.iter().find(|(known, _)| *known == name) {
                Some((_, keep)) => drop(kept.insert(name, access.next_value_seed(Sieve(*keep))?)),
                None => drop(access.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Value::Object(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        while let Some(value) = access.next_element_seed(Sieve(Keep::Only(self.0)))? {
            kept.push(value);
        }
        Ok(Value::Array(kept))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        serde_json::Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("no number"))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

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
        let kept = sieve(&body.to_string(), CALL).expect("JSON");
        assert_eq!(
            kept,
            json!({ "call": { "id": 7 }, "list": [{ "name": { "a": [1, 2.5, null, true] } }, 5, "text"] })
        );
        for scalar in ["null", "7", "-7", "2.5", "true", r#""text""#] {
            assert_eq!(sieve(scalar, CALL).expect(scalar).to_string(), scalar);
        }
        for wrong in ["", "{", r#"{"call":{"id":1}} x"#, r#"{"artifact":[}"#] {
            assert!(sieve(wrong, CALL).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_json_already_is_read_as_it_was(text in ".*", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let json = serde_json::to_string(&text).expect("JSON");
            prop_assert!(matches!(mended(&json), Cow::Borrowed(same) if same == json));
            let _ = read::<Value>(&bytes);
        }

        #[test]
        fn whatever_is_escaped_is_read(units in prop::collection::vec(any::<u16>(), 0..20)) {
            let escaped: Vec<String> = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let read = read::<String>(format!("\"{}\"", escaped.concat()).as_bytes()).expect("a text");
            prop_assert_eq!(read, String::from_utf16_lossy(&units));
        }
    }
}
