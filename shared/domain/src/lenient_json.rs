//! Lenient parsing of JSON from other systems. All of it is read here.
//!
//! A platform may cut a text with `slice`, send a file written by an editor, or send a megabyte of transcript of which
//! we need a few fields. None of that makes a document unreadable:
//!
//! - an unpaired surrogate (`\ud83d`, half an emoji) becomes U+FFFD, as in a browser;
//! - a leading byte order mark is skipped;
//! - bytes that are not UTF-8 become U+FFFD too. A field that identifies a person or thing is rejected if it has one.
//!
//! Parts that we do not need are skipped without being built ([`Selection`]). The number of values that are built is
//! limited: a megabyte of tiny objects would take 300 MB of memory.

use std::borrow::Cow;
use std::cell::Cell;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::json_number::as_integer;

/// Replaces what cannot be read.
pub const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The part of a value that is built.
#[derive(Clone, Copy, Debug)]
pub enum Selection {
    /// The whole value.
    All,
    /// A string, a number, a boolean or null. A list or an object is built empty.
    Scalar,
    /// These fields of an object, each with its own selection. In a list, the same fields of every element.
    Fields(&'static [(&'static str, Selection)]),
}

/// The bytes of a document as text that parses if the document is JSON.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => repaired(text),
        Cow::Owned(text) => Cow::Owned(repaired(&text).into_owned()),
    }
}

/// A JSON text without a leading byte order mark, and with U+FFFD for every unpaired surrogate escape.
pub fn repaired(text: &str) -> Cow<'_, str> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let (mut done, mut from, mut at) = (String::new(), 0, 0);
    // A backslash occurs only inside strings, and escapes the next character.
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
                done.push(REPLACEMENT);
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

/// Length of an escape such as `\u0041`.
const ESCAPE: usize = 6;

/// The UTF-16 code unit that is escaped at `start`, if there is one.
fn unit_at(text: &str, start: usize) -> Option<u16> {
    let digits = text.get(start..start + ESCAPE)?.strip_prefix("\\u")?;
    // `from_str_radix` accepts a sign; JSON does not.
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

/// Parses a `T` leniently.
///
/// # Errors
/// When the bytes are not JSON, or not a `T`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    serde_json::from_str(&text(bytes))
}

/// Parses the part of a document that `selection` names and skips the rest. Whole numbers become integers.
///
/// # Errors
/// Why the document cannot be read.
pub fn select(bytes: &[u8], selection: Selection) -> Result<Value, UnreadableJson> {
    parse_selection(&text(bytes), selection)
}

/// As [`select`], for JSON in a JSON string.
///
/// # Errors
/// Why the document cannot be read.
pub fn select_str(text: &str, selection: Selection) -> Result<Value, UnreadableJson> {
    parse_selection(&repaired(text), selection)
}

/// As [`select`], for a document that is parsed already.
///
/// # Errors
/// When the selected part has too many values.
pub fn select_value(value: &Value, selection: Selection) -> Result<Value, UnreadableJson> {
    let budget = &ValueBudget::default();
    let selector = Selector { selection, budget };
    selector.deserialize(value).map_err(|_| UnreadableJson::Large)
}

fn parse_selection(text: &str, selection: Selection) -> Result<Value, UnreadableJson> {
    let budget = ValueBudget::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let selector = Selector {
        selection,
        budget: &budget,
    };
    let value = selector.deserialize(&mut deserializer);
    value
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| classify(text, &error))
}

/// Why a document cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableJson {
    /// The document is empty.
    #[error("is empty")]
    Empty,
    /// The document is not JSON.
    #[error("is not JSON at line {line}, column {column}")]
    NotJson {
        /// Line of the error, counted from 1.
        line: usize,
        /// Column of the error, counted from 1.
        column: usize,
    },
    /// The selected part is nested more deeply than `serde_json` reads.
    #[error("is nested too deeply")]
    Deep,
    /// A number that does not fit, such as `1e999`.
    #[error("has a number that is out of range, at line {line}, column {column}")]
    Number {
        /// Line of the number, counted from 1.
        line: usize,
        /// Column of the number, counted from 1.
        column: usize,
    },
    /// The selected part has more values than we build.
    #[error("has too many values")]
    Large,
}

/// Classifies an error. `serde_json` tells these errors apart only by their message; a pass that skips every value and
/// accepts any JSON decides first whether the text is JSON at all.
fn classify(text: &str, error: &serde_json::Error) -> UnreadableJson {
    if text.trim().is_empty() {
        return UnreadableJson::Empty;
    }
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        let (line, column) = (error.line(), error.column());
        return UnreadableJson::NotJson { line, column };
    }
    let (words, line, column) = (error.to_string(), error.line(), error.column());
    if words.starts_with("number out of range") {
        UnreadableJson::Number { line, column }
    } else if words.starts_with("recursion limit exceeded") {
        UnreadableJson::Deep
    } else {
        UnreadableJson::Large
    }
}

/// The number of values that may still be built. A skipped value costs nothing; an object costs most, because it takes
/// hundreds of bytes as soon as it has one field.
struct ValueBudget(Cell<usize>);

/// Values that are built of one document. A task chain's state (16 KB) always fits, whatever it consists of.
const MAX_VALUES: usize = 24_000;
/// What an object costs; any other value costs 1.
const OBJECT_COST: usize = 4;

impl Default for ValueBudget {
    fn default() -> Self {
        Self(Cell::new(MAX_VALUES))
    }
}

impl ValueBudget {
    fn take<E: serde::de::Error>(&self, values: usize) -> Result<(), E> {
        let left = self.0.get().checked_sub(values);
        self.0.set(left.unwrap_or(0));
        left.map(drop).ok_or_else(|| E::custom("too many values"))
    }
}

#[derive(Clone, Copy)]
struct Selector<'a> {
    selection: Selection,
    budget: &'a ValueBudget,
}

impl<'de> DeserializeSeed<'de> for Selector<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Selector<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.budget.take(OBJECT_COST)?;
        let mut kept = Map::new();
        // A name without escapes is borrowed: most names are skipped.
        while let Some(Name(name)) = access.next_key()? {
            let selection = match self.selection {
                Selection::All => Some(Selection::All),
                Selection::Scalar => None,
                Selection::Fields(fields) => fields
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, selection)| *selection),
            };
            let Some(selection) = selection else {
                access.next_value::<IgnoredAny>()?;
                continue;
            };
            let budget = self.budget;
            kept.insert(
                name.into_owned(),
                access.next_value_seed(Selector { selection, budget })?,
            );
        }
        Ok(Value::Object(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.budget.take(1)?;
        let mut kept = Vec::new();
        if matches!(self.selection, Selection::Scalar) {
            while access.next_element::<IgnoredAny>()?.is_some() {}
        }
        while let Some(value) = access.next_element_seed(self)? {
            kept.push(value);
        }
        Ok(Value::Array(kept))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.budget.take(1)?;
        Ok(Value::from(text))
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        self.budget.take(1)?;
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.budget.take(1)?;
        Ok(Value::from(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.budget.take(1)?;
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        self.budget.take(1)?;
        let number = Number::from_f64(value).ok_or_else(|| E::custom("no number"))?;
        Ok(Value::Number(as_integer(&number).unwrap_or(number)))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.budget.take(1)?;
        Ok(Value::Null)
    }
}

/// A field's name, borrowed from the document where it has no escapes.
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
    use crate::json_number::normalize_numbers;

    #[test]
    fn unpaired_surrogate_becomes_u_fffd_and_a_pair_stays() {
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
            assert_eq!(parse::<String>(text.as_bytes()).expect(text), expected, "{text}");
        }
        for wrong in [r#""\ud83""#, r#""\u+123""#, r#""\""#, r#""\u""#, "\"", "\\"] {
            assert!(parse::<String>(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn byte_order_mark_is_skipped_and_invalid_utf8_becomes_u_fffd() {
        assert_eq!(
            parse::<Value>(b"\xef\xbb\xbf{\"a\":1}").expect("JSON"),
            json!({ "a": 1 })
        );
        assert_eq!(
            parse::<Value>(b"{\"a\":\"caf\xe9\",\"b\":1}").expect("JSON"),
            json!({ "a": "caf\u{fffd}", "b": 1 })
        );
        // Only a leading one, and only one.
        assert!(parse::<Value>("\u{feff}\u{feff}1".as_bytes()).is_err());
        assert!(parse::<Value>("{\u{feff}}".as_bytes()).is_err());
    }

    #[test]
    fn unreadable_document_is_classified_by_its_error() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let many = format!("[{}0]", "{},".repeat(6_000));
        let (line, column) = (1, 5);
        for (text, error) in [
            ("", UnreadableJson::Empty),
            (" \n", UnreadableJson::Empty),
            ("[1e3]x", UnreadableJson::NotJson { line, column: 6 }),
            ("{\"a\"", UnreadableJson::NotJson { line, column: 4 }),
            ("[nul]", UnreadableJson::NotJson { line, column }),
            ("[\n 1e999]", UnreadableJson::Number { line: 2, column: 6 }),
            (&deep, UnreadableJson::Deep),
            (&many, UnreadableJson::Large),
        ] {
            let found = select_str(text, Selection::All);
            match (found, error) {
                (Err(UnreadableJson::NotJson { .. }), UnreadableJson::NotJson { .. }) => {}
                (found, error) => assert_eq!(found, Err(error), "{text:.40}"),
            }
        }
        // In a skipped part any JSON is accepted.
        for fine in ["1e999", &deep, &many] {
            assert_eq!(select_str(&format!("{{\"x\":{fine}}}"), CALL), Ok(json!({})));
            assert_eq!(
                select_str(&format!("{{\"call\":{{\"id\":[{fine}]}}}}"), PLAIN),
                Ok(json!({ "call": { "id": [] } }))
            );
        }
    }

    /// What a value costs of the budget.
    fn cost(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(cost).sum::<usize>(),
            Value::Object(fields) => OBJECT_COST + fields.values().map(cost).sum::<usize>(),
            _ => 1,
        }
    }

    #[test]
    fn a_megabyte_of_tiny_values_builds_no_more_than_the_budget() {
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
            assert_eq!(select_str(&list, Selection::All), Err(UnreadableJson::Large), "{tiny}");
            let object = format!("{{\"list\":{list},\"call\":{{\"id\":{list}}}}}");
            assert_eq!(select_str(&object, CALL), Err(UnreadableJson::Large), "{tiny}");
            assert_eq!(select_str(&object, PLAIN).map(|value| cost(&value)), Ok(9), "{tiny}");
        }
        // Exactly the budget is accepted, one value more is not.
        let most = "{},".repeat((MAX_VALUES - 2) / OBJECT_COST);
        assert!(select_str(&format!("[{most}0]"), Selection::All).is_ok());
        assert_eq!(
            select_str(&format!("[{most}{{}}]"), Selection::All),
            Err(UnreadableJson::Large)
        );
    }

    const PLAIN: Selection = Selection::Fields(&[("call", Selection::Fields(&[("id", Selection::Scalar)]))]);
    const CALL: Selection = Selection::Fields(&[
        ("call", Selection::Fields(&[("id", Selection::All)])),
        ("list", Selection::Fields(&[("name", Selection::All)])),
    ]);

    #[test]
    fn only_the_selected_fields_are_built() {
        let body = json!({
            "call": { "id": 7, "transcript": ["long"] },
            "list": [{ "name": { "a": [1, 2.5, null, true] }, "more": {} }, 5, "text"],
            "artifact": { "call": { "id": 8 } },
        });
        let kept = select_str(&body.to_string(), CALL).expect("JSON");
        assert_eq!(
            kept,
            json!({ "call": { "id": 7 }, "list": [{ "name": { "a": [1, 2.5, null, true] } }, 5, "text"] })
        );
        for scalar in ["null", "7", "-7", "2.5", "true", r#""text""#] {
            assert_eq!(select_str(scalar, CALL).expect(scalar).to_string(), scalar);
        }
        for wrong in ["", "{", r#"{"call":{"id":1}} x"#, r#"{"artifact":[}"#] {
            assert!(select_str(wrong, CALL).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn valid_json_is_not_changed(text in ".*", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let json = serde_json::to_string(&text).expect("JSON");
            prop_assert!(matches!(repaired(&json), Cow::Borrowed(same) if same == json));
            let _ = parse::<Value>(&bytes);
            let _ = select(&bytes, CALL);
        }

        #[test]
        fn selecting_all_changes_only_whole_numbers(text in "[\\[\\]{}\":,a0-9.e -]{0,40}", fields in prop::collection::vec(("[ab\\\\\"]{0,3}", any::<f64>()), 0..4)) {
            let fields: Map<String, Value> = fields.into_iter().map(|(name, number)| (name, json!([number, { "n": 3.0 }]))).collect();
            for json in [text, Value::Object(fields).to_string()] {
                let expected = serde_json::from_str(&json).map(normalize_numbers).ok();
                prop_assert_eq!(select_str(&json, Selection::All).ok(), expected);
            }
        }

        #[test]
        fn any_sequence_of_escapes_is_read(units in prop::collection::vec(any::<u16>(), 0..20)) {
            let escaped: Vec<String> = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let read = parse::<String>(format!("\"{}\"", escaped.concat()).as_bytes()).expect("a text");
            prop_assert_eq!(read, String::from_utf16_lossy(&units));
        }
    }
}
